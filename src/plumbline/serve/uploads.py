"""Files out of a request's body while it arrives: what is too large is refused before it is all there."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass

from plumbline.serve.limits import Limits
from plumbline.serve.refusals import Refusal

_LONGEST_NAME = 200


@dataclass(frozen=True)
class Upload:
    """One file of a request; `name` is only for people to read."""

    name: str
    content: bytes


async def read_uploads(
    body: AsyncIterable[bytes], *, content_type: str, content_length: str | None, limits: Limits
) -> AsyncIterator[Upload]:
    """Give the files of a multipart body one by one, each as soon as its last byte is there.

    One file is held at a time, in memory; form fields that are no files are passed over.

    Raises:
        Refusal: no multipart body, a malformed one, a file or a body that is too large, too many files.
            Nothing is read after that.

    """
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser, parse_options_header

    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise Refusal("no_multipart", status=415)
    if content_length is not None and content_length.isdigit() and int(content_length) > limits.request_bytes:
        raise _too_large(limits)
    parts = _Parts(limits)
    read = 0
    try:
        parser = MultipartParser(boundary, parts.callbacks)  # type: ignore[arg-type]
        async for chunk in body:
            read += len(chunk)
            if read > limits.request_bytes:
                raise _too_large(limits)
            parser.write(chunk)
            for done in parts.take():
                yield done
        parser.finalize()
    except FormParserError as error:
        raise Refusal("malformed") from error
    if not parts.complete:
        raise Refusal("malformed")


class _Parts:
    """Collects what the parser finds, and refuses what is too much."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._done: list[Upload] = []
        self._count = 0
        self._header = (bytearray(), bytearray())
        self._name: str | None = None
        self._content = bytearray()
        self.complete = False
        self.callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_part_data": self._add,
            "on_part_end": self._end,
            "on_end": self._complete,
        }

    def take(self) -> list[Upload]:
        done, self._done = self._done, []
        return done

    def _begin(self) -> None:
        self._name, self._content = None, bytearray()

    def _end_header(self) -> None:
        from python_multipart.multipart import parse_options_header

        name, value = (bytes(part).decode("latin-1") for part in self._header)
        self._header = (bytearray(), bytearray())
        if name.lower() != "content-disposition":
            return
        file_name = parse_options_header(value)[1].get(b"filename")
        if file_name is None:
            return
        self._name = _readable(file_name.decode("utf-8", errors="replace"))
        self._count += 1
        if self._count > self._limits.files:
            raise Refusal("too_many_files", status=413, most=self._limits.files)

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._name is None:
            return
        self._content += data[start:end]
        if len(self._content) > self._limits.file_bytes:
            raise Refusal(
                "too_many_bytes", status=413, name=self._name, most=self._limits.file_bytes // 1_000_000
            )

    def _end(self) -> None:
        if self._name is not None:
            self._done.append(Upload(self._name, bytes(self._content)))

    def _complete(self) -> None:
        self.complete = True


def _readable(name: str) -> str:
    """Give a file name without folders and without characters that are not seen."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    seen = "".join(one for one in last if unicodedata.category(one)[0] != "C").strip()
    return seen[:_LONGEST_NAME] or "picture"


def _too_large(limits: Limits) -> Refusal:
    return Refusal("too_large", status=413, most=limits.request_bytes // 1_000_000)
