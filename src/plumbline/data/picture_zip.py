"""Pictures inside a .zip, read without extracting: an archive from anywhere must do no harm.

Members are opened by name and never written to disk, so a hostile name leads nowhere; it is refused all the
same, since an archive that has one is not what it says.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections import Counter
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from plumbline.data.decode import MAX_FILE_BYTES, BadImage
from plumbline.data.picture_listing import Listing
from plumbline.data.picture_names import MAX_DEPTH, canonical, is_hidden, listed, quoted
from plumbline.errors import PlumblineError, StopRequested

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_MEMBERS = 5_000_000
MAX_TOTAL_BYTES = 500_000_000_000
# Deflate packs at most 1,032 to 1. Pictures are packed already, and even plain drawings stay below this.
MAX_RATIO = 200
_RATIO_FREE_BYTES = 50_000_000

_UTF8_FLAG = 0x800
_ENCRYPTED_FLAG = 0x1


def list_zip(path: Path) -> Listing:
    """Give everything in an archive, as `list_folder` gives a folder; a folder around it all is left out.

    Raises `PlumblineError` naming the archive and the member: damaged, encrypted, packed in a way other than
    deflate, a name that is absolute, has `..` or is not UTF-8, a link, a name that stands twice, or more than
    `MAX_MEMBERS` members, `MAX_TOTAL_BYTES` bytes or `MAX_RATIO` times what is packed.
    """
    with _told(f"{path} is damaged or no .zip archive"), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    _check_totals(members, path=path)
    twice = [name for name, count in Counter(member.filename for member in members).items() if count > 1]
    if twice:
        raise PlumblineError(f"{path} has members of the same name: {listed(twice)}; pack it anew")
    listing = Listing(str(path))
    for member in members:
        name = _checked_name(member, path=path)
        parts = name.rstrip("/").split("/")
        hidden = next((depth for depth, part in enumerate(parts, start=1) if is_hidden(part)), None)
        if hidden:
            listing.hidden.add("/".join(parts[:hidden]))
            continue
        inner = parts if name.endswith("/") else parts[:-1]
        listing.folders.update("/".join(inner[:depth]) for depth in range(1, len(inner) + 1))
        if not name.endswith("/"):
            listing.add_file(member.filename, name=name)
    return listing.unwrapped()


def read_member(path: Path, *, place: str, told: str, most: int = MAX_FILE_BYTES) -> bytes:
    """Give the bytes of the member called `place`, its checksum compared.

    Raises `BadImage` where it is not there, empty, larger than `most`, or damaged; `told` names it.
    """
    with _told(f"{told}: cannot be read from the archive", error=BadImage):
        found = path.stat()
        archive = _opened(path, found.st_mtime_ns, found.st_size, os.getpid())
        member = archive.getinfo(place)
        if not 0 < member.file_size <= most:
            raise BadImage(f"{told}: expected from 1 to {most:,} bytes, got {member.file_size:,}")
        with archive.open(member) as stream:
            # With its length zipfile unpacks no more than that, and compares the checksum at its end.
            return stream.read(member.file_size)


# A worker process must not share its parent's place in the file; opening reads the whole list of members.
@lru_cache(maxsize=2)
def _opened(path: Path, _changed: int, _size: int, _process: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


@contextmanager
def _told(text: str, *, error: type[PlumblineError] = PlumblineError) -> Iterator[None]:
    try:
        yield
    except (PlumblineError, StopRequested):
        raise
    except Exception as found:  # zipfile raises whatever its parsing stumbles on
        # A picture is not damaged because memory was short; an archive's list of members may ask for any.
        if isinstance(found, MemoryError) and error is BadImage:
            raise
        reason = (str(found).splitlines() or [type(found).__name__])[0]
        raise error(f"{text} ({reason}); get it anew") from found


def _check_totals(members: list[zipfile.ZipInfo], *, path: Path) -> None:
    total = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if len(members) > MAX_MEMBERS:
        raise PlumblineError(f"{path}: expected at most {MAX_MEMBERS:,} members, got {len(members):,}")
    if total > MAX_TOTAL_BYTES:
        raise PlumblineError(f"{path}: expected at most {MAX_TOTAL_BYTES:,} bytes unpacked, got {total:,}")
    if total > _RATIO_FREE_BYTES + MAX_RATIO * packed:
        raise PlumblineError(
            f"{path} would unpack {packed:,} bytes to {total:,}, more than pictures do ({MAX_RATIO} times); "
            "unpack it yourself if you trust it, and name the folder"
        )


def _checked_name(member: zipfile.ZipInfo, *, path: Path) -> str:
    """Give the canonical name of a member that may be read, or raise `PlumblineError`."""
    name = _text_of(member, path=path)
    told = f"{path}: the member {quoted(name)}"
    parts = name.rstrip("/").split("/")
    if name.startswith("/") or "\\" in name or name[1:2] == ":" or not {"", ".", ".."}.isdisjoint(parts):
        raise PlumblineError(f"{told} does not have a plain relative name such as class/1.jpg; pack it anew")
    if len(parts) > MAX_DEPTH:
        raise PlumblineError(f"{path} has folders inside one another, over {MAX_DEPTH} deep; pack it anew")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise PlumblineError(f"{told} is a link, which is not followed; pack the file itself")
    if member.flag_bits & _ENCRYPTED_FLAG:
        raise PlumblineError(f"{told} is encrypted; pack it without a password")
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise PlumblineError(f"{told} is packed in a rare way; pack it with deflate, the usual one")
    return name


def _text_of(member: zipfile.ZipInfo, *, path: Path) -> str:
    """Give a member's name: some programs write UTF-8 without saying so, which zipfile reads as cp437."""
    name = member.filename
    if not name.isascii() and not member.flag_bits & _UTF8_FLAG:
        try:
            name = name.encode("cp437").decode()
        except UnicodeError as error:
            raise PlumblineError(
                f"{path}: the member {quoted(name)} has a name that is not in UTF-8; pack it with a program "
                "that writes UTF-8"
            ) from error
    return canonical(name, where=str(path))
