"""Where a document's marked blocks are.

A block stands between ``vpcalc: COMMAND`` and ``/vpcalc``, each in a comment that is alone on its line::

    <!-- vpcalc: formula msa --format latex -->
    …
    <!-- /vpcalc -->

Where comments end before their line does, both may stand within one line, to fill in a single figure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..errors import InputError
from .languages import Language

LENGTH = 2_000
"""Longest marker, in characters."""


@dataclass(frozen=True, slots=True)
class Block:
    """A marked block: its command and line, and where in the text its content stands.

    Every line of the content begins with ``indent`` and ends with ``newline``; an ``inline`` block has neither. A
    ``folded`` one has both its markers on one line and is to be opened up.
    """

    command: str
    line: int
    start: int
    end: int
    indent: str = ""
    newline: str = ""
    inline: bool = False
    folded: bool = False


@dataclass(frozen=True, slots=True)
class _Marker:
    """One end of a block. ``command`` is None where a block ends; ``alone`` says that nothing stands beside it."""

    command: str | None
    start: int
    end: int
    alone: bool


def find_blocks(text: str, language: Language, file: str) -> list[Block]:
    """The blocks of a document in order.

    Raises:
        InputError: a marker is nested, has no other end, or cannot be read; the message begins with ``file:line``.
    """
    blocks: list[Block] = []
    hides = language.examples()
    opened: Block | None = None
    offset = 0
    for number, line in enumerate(_lines(text), 1):
        body = line.rstrip("\r\n")
        after = offset + len(line)
        where = f"{file}:{number}"
        if opened is not None:
            markers = list(_markers(body, language, where, strict=False))
        else:
            markers = [] if hides(body) else list(_markers(body, language, where))
        if opened is None and len(markers) > 1:
            blocks += _within_line(markers, number, offset, line, language, where)
        elif opened is None and markers:
            (marker,) = markers
            if marker.command is None:
                raise InputError(f"{where}: {language.comment('/vpcalc')} ends nothing")
            if not marker.alone:
                within = f", or have {language.comment('/vpcalc')} behind it" if language.end else ""
                raise InputError(f"{where}: the marker must stand alone on its line{within}")
            opened = Block(marker.command, number, after, after, line[: marker.start], line[len(body) :] or "\n")
        elif opened is not None and markers:
            if markers[0].command is not None:
                raise InputError(f"{where}: a marker within the block that line {opened.line} begins")
            if not markers[0].alone or len(markers) > 1:
                raise InputError(f"{where}: {language.comment('/vpcalc')} must stand alone on its line")
            blocks.append(replace(opened, end=offset))
            opened = None
        offset = after
    if opened is not None:
        raise InputError(f"{file}:{opened.line}: the block has no end; {language.comment('/vpcalc')} must follow")
    return blocks


def _lines(text: str) -> list[str]:
    """Lines with their ends: \\n, \\r\\n or \\r, and nothing else that Unicode may call a line's end."""
    return re.findall(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+", text)


def _within_line(
    markers: list[_Marker], number: int, offset: int, line: str, language: Language, where: str
) -> Iterator[Block]:
    """Pairs of markers within one line."""
    first, last = markers[0], markers[-1]
    body = line.rstrip("\r\n")
    before, behind = line[: first.start], body[last.end :]
    folded = len(markers) == 2 and not re.sub(language.indent, "", before, count=1) and not behind.strip()
    if language.spans and not folded and re.fullmatch(r"[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)?", before):
        raise InputError(
            f"{where}: a marker that begins a line of text makes it HTML for Markdown; a word must precede"
        )
    for begin, end in zip(markers[::2], [*markers[1::2], None], strict=False):
        if begin.command is None:
            raise InputError(f"{where}: /vpcalc ends nothing")
        if end is None:
            raise InputError(f"{where}: the last block on this line has no end")
        if end.command is not None:
            raise InputError(f"{where}: a marker within the block before it")
        place = (begin.command, number, offset + begin.end, offset + end.start)
        yield (
            Block(*place, before, line[len(body) :] or "\n", folded=True) if folded else Block(*place, inline=True)
        )


def _markers(line: str, language: Language, where: str, strict: bool = True) -> Iterator[_Marker]:
    """Both kinds of markers on a line. If ``strict``, what was to be one and is not is an error."""
    if "vpcalc" not in line.lower():
        return
    for start, end, text in _comments(line, language, where, strict):
        alone = not re.sub(language.indent, "", line[:start], count=1) and not line[end:].strip()
        if re.fullmatch(r"/\s*vpcalc", text):
            yield _Marker(None, start, end, alone)
        elif marked := re.fullmatch(r"vpcalc\s*:(.*)", text):
            if len(text) > LENGTH:
                raise InputError(f"{where}: a marker of {len(text)} characters; must be at most {LENGTH}")
            yield _Marker(marked[1].strip(), start, end, alone)
        elif strict and _meant_as_marker(text, language):
            raise InputError(f"{where}: {text[:60]!r} is neither 'vpcalc: COMMAND' nor '/vpcalc'")


def _comments(line: str, language: Language, where: str, strict: bool) -> Iterator[tuple[int, int, str]]:
    """The comments of a line that may be markers: start, end, text."""
    if language.end:
        begin, end = re.escape(language.begin), re.escape(language.end)
        code = r"(?<!`)(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)|" if language.spans else ""
        for match in re.finditer(rf"{code}{begin}(?P<text>.*?)(?:(?P<end>{end})|$)", line):
            if match["text"] is None:
                continue  # code: of code and a comment the one that begins first holds the other
            text = match["text"].strip()
            if match["end"]:
                yield match.start(), match.end(), text
            elif strict and re.match(r"/?\s*vpcalc\b", text, re.IGNORECASE):
                raise InputError(
                    f"{where}: the comment must end with {language.end} on the line on which it begins"
                )
        return
    before = r"^\s*" if language.begin == ".." else r"(?<![\\:])"  # \% is no comment, and nor is https://
    begun = re.search(rf"{before}(?P<comment>{re.escape(language.begin)}+\s*)/?\s*vpcalc\b", line, re.IGNORECASE)
    if begun:
        yield begun.start("comment"), len(line), line[begun.end("comment") :].strip()


def _meant_as_marker(text: str, language: Language) -> bool:
    """Whether a comment that is no marker was to be one. A sentence about vpcalc in a comment is left alone."""
    if language.end:
        return re.match(r"/?\s*vpcalc\b", text, re.IGNORECASE) is not None
    return re.match(r"/\s*vpcalc\b|vpcalc\s*[:;=]|vpcalc\b.*\s--?\w", text, re.IGNORECASE) is not None
