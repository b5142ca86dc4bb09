"""Checkpoint files that are whole or not there, and that cannot run code when read."""

from __future__ import annotations

import hashlib
import os
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch

from plumbline.durable import replacing
from plumbline.errors import PlumblineError, printable

_TAG = b"plumbline-sha256:"
_SEALED = re.compile(_TAG + rb"([0-9a-f]{64})")
_SEAL_LENGTH = len(_TAG) + 64
# What a pickle of plain values and tensors names. torch lets more pass (torch 2.15): `bytearray`, which takes
# as much memory as it is told to, and tensors that are not what is stored, such as sparse ones.
_NAMES = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor_v[23]|parameter)"
    r"|torch (Size|device|[A-Z]\w*Storage|bool|b?float\d+|u?int\d+)|torch\.storage (Untyped|Typed)Storage"
)

# All that the settings in a file of weights may name: they become arguments of what is built.
WEIGHTS_SETTINGS = frozenset({"model", "num_classes", "label_smoothing"})


def write_checkpoint(content: dict[str, Any], *, path: Path, previous: Path | None = None) -> None:
    """Write beside `path`, seal, flush, rename: at every instant the old or the new file is there, whole.

    The old file goes to `previous` if that is given. Lightning stages in TMPDIR and copies, so a full disk
    can destroy the old file (lightning 2.6.6, seen).
    Raises PlumblineError if the folder cannot be written; the old file is then as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, previous=previous) as file:
            torch.save(content, file)
            _seal(file)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        raise PlumblineError(
            f"The checkpoint {path} cannot be written: {error}. The one before is kept."
        ) from error


def _seal(file: BinaryIO) -> None:
    """Put the sha256 of all that stands before it at the end, as the comment that a zip archive may have.

    File and hash are one file that way, and every reader of zip archives, torch's too, passes over it.
    """
    file.seek(-2, os.SEEK_END)  # the length of the comment, 0 as torch writes it
    file.write(_SEAL_LENGTH.to_bytes(2, "little") + _TAG)
    file.flush()
    file.write(_sha256(file, size=file.tell()).encode())


def read_checkpoint(path: Path, *, map_location: Any = "cpu") -> dict[str, Any]:  # noqa: ANN401
    """Read a checkpoint: plain values and tensors only, its sha256 and each member's CRC checked.

    `torch.load` checks neither, so a flipped byte would load as wrong weights (torch 2.13, seen). A file
    without a sha256, such as Lightning's own, is checked by CRC alone. What is read is no larger than the
    file. Raises PlumblineError if the file is missing, damaged, or holds anything but plain values and
    tensors.
    """
    if not path.is_file():
        raise PlumblineError(f"There is no checkpoint {path}.")
    try:
        damage = _damage(path)
    except Exception as error:  # zipfile names no class for what odd bytes raise
        raise PlumblineError(
            f"The checkpoint {path} is damaged or is no checkpoint: {_line(error)}."
        ) from error
    if damage is not None:
        raise PlumblineError(f"The checkpoint {path} is damaged: {damage} is wrong.")
    try:
        _check_names(path)
        content = torch.load(path, map_location=map_location, weights_only=True)
        _check_tensors(content)
    except Exception as error:  # torch names no class for what it refuses
        raise PlumblineError(f"The checkpoint {path} was refused: {_line(error)}") from error
    if not isinstance(content, dict):
        raise PlumblineError(f"The checkpoint {path} holds {type(content).__name__}, expected a dictionary.")
    return content


def _damage(path: Path) -> str | None:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _SEAL_LENGTH))
        sealed = _SEALED.fullmatch(file.read())
        if sealed is not None and _sha256(file, size=size - 64) != sealed[1].decode():
            return "its sha256"
    with zipfile.ZipFile(path) as archive:
        if archive.comment and sealed is None:
            return "its sha256"
        _check_claims(archive, size=size)
        member = archive.testzip()
    return None if member is None else f"the check sum of {member}"


def _sha256(file: BinaryIO, *, size: int) -> str:
    digest, left = hashlib.sha256(), size
    file.seek(0)
    while chunk := file.read(min(left, 1 << 20)):
        digest.update(chunk)
        left -= len(chunk)
    return digest.hexdigest()


def _check_claims(archive: zipfile.ZipFile, *, size: int) -> None:
    """Raise ValueError where something is packed, or more is said to be there than the file has."""
    members = archive.infolist()
    if len({member.filename for member in members}) < len(members):
        raise ValueError("a member stands twice in it")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("a member of it is packed")
    if sum(member.file_size for member in members) > size:
        raise ValueError("it claims to hold more than it has")


def _check_names(path: Path) -> None:
    """Raise ValueError unless torch, too, takes the file for a zip, and its pickle names nothing else."""
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        file.seek(0)
        if file.read(4) != b"PK\3\4":  # torch would read another, older form
            raise ValueError("it does not begin as a checkpoint does")
        for name in archive.namelist():
            if not name.endswith(".pkl"):
                continue
            for operation, argument, _ in pickletools.genops(archive.read(name)):
                if operation.name == "GLOBAL" and not _NAMES.fullmatch(str(argument)):
                    raise ValueError(f"it names {argument}, expected plain values and tensors")


def _check_tensors(content: object) -> None:
    """Raise ValueError where a tensor has more elements than are stored: a copy could fill the memory."""
    for tensor in _tensors(content):
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise ValueError(f"a tensor in it claims the shape {tuple(tensor.shape)}, which is not stored.")


def _tensors(content: object) -> Iterator[torch.Tensor]:
    left, seen = [content], set[int]()
    while left:
        item = left.pop()
        if isinstance(item, torch.Tensor):
            yield item
        elif isinstance(item, dict | list | tuple | set) and id(item) not in seen:
            seen.add(id(item))
            left.extend((*item, *item.values()) if isinstance(item, dict) else item)


def _line(error: Exception) -> str:
    return printable((str(error).splitlines() or [type(error).__name__])[0])
