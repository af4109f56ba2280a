"""What a picture shows, written into its file: enough to tell a stale one without drawing it again.

The bytes of a picture depend on the version of matplotlib, and on the compression that it was built with, so that
another machine's bytes do not say that the numbers are others. Every file that vpcalc draws says, among its
metadata, which chart it is: a digest of the chart's data and words and of how it is drawn. A second digest is that
of the file itself, so that one which was changed by hand or cut short does not pass for what it says it is.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator

from .data import Chart

_DIGITS = 32
_OPEN = "0" * _DIGITS
_LINE = re.compile(rb"vpcalc picture ([0-9a-f]{%d}) ([0-9a-f]{%d})" % (_DIGITS, _DIGITS))
_PNG = b"\x89PNG\r\n\x1a\n"


def shown(chart: Chart, format: str, width: float, title: bool, dark: bool = False) -> str:
    """The digest of a chart as it is drawn."""
    return _digest(repr((chart, format, float(width), title, *(["dark"] if dark else []))).encode())


def line(what: str) -> str:
    """What stands in the metadata while a picture is drawn, before it is sealed."""
    return f"vpcalc picture {what} {_OPEN}"


def sealed(picture: bytes) -> bytes:
    """The same file with the digest of all the rest in it."""
    found = _LINE.search(picture)
    assert found is not None, "a picture without its line"
    return _with(picture, found, _digest(picture).encode())


def read(picture: bytes) -> tuple[str, bool] | None:
    """Which chart a file says it shows, and whether it is as it was drawn. None if vpcalc did not draw it."""
    found = _LINE.search(picture)
    if found is None:
        return None
    return found[1].decode(), _digest(_with(picture, found, _OPEN.encode())).encode() == found[2]


def _digest(content: bytes) -> str:
    if content.startswith(b"<?xml"):
        content = content.replace(b"\r\n", b"\n")  # as a checkout on Windows may have changed them
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def _with(picture: bytes, found: re.Match[bytes], seal: bytes) -> bytes:
    start, end = found.span(2)
    return _checked(picture[:start] + seal + picture[end:], start)


def _checked(picture: bytes, place: int) -> bytes:
    """A PNG keeps a checksum of each chunk: that of the chunk at a place is computed anew."""
    if not picture.startswith(_PNG):
        return picture
    for begin, end in _chunks(picture):
        if begin <= place < end:
            return picture[:end] + zlib.crc32(picture[begin:end]).to_bytes(4, "big") + picture[end + 4 :]
    return picture


def _chunks(picture: bytes) -> Iterator[tuple[int, int]]:
    """Where kind and data of each chunk begin and end; its length precedes, its checksum follows: 4 bytes each."""
    at = len(_PNG)
    while at + 8 <= len(picture):
        end = at + 8 + int.from_bytes(picture[at : at + 4], "big")
        yield at + 4, end
        at = end + 4
