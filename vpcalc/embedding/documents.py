"""One document: read, filled anew, compared and replaced."""

from __future__ import annotations

import difflib
import io
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path

from .. import files
from ..errors import InputError, unwritable
from . import dress
from .blocks import Block, find_blocks
from .commands import Run, read_command
from .illustrations import Illustration, illustration
from .languages import Language, language_of

BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was read and as it should be, with its pictures."""

    name: str
    old: bytes
    new: bytes
    blocks: int
    stale: int
    """Blocks that are not what they should be: their text, or the picture that they show."""
    pictures: tuple[Illustration, ...] = ()

    @property
    def fresh(self) -> bool:
        """Whether nothing has to be written, neither into it nor beside it."""
        return self.old == self.new and all(picture.fresh for picture in self.pictures)

    def diff(self) -> str:
        """A unified diff, and a line for each picture that is not fresh; empty where all is."""
        old, new = (side.decode("utf-8").splitlines() for side in (self.old, self.new))
        lines = difflib.unified_diff(
            old, new, f"{self.name} (as it is)", f"{self.name} (as it should be)", lineterm=""
        )
        return "\n".join([*lines, *(picture.complaint for picture in self.pictures if not picture.fresh)])

    def write(self) -> None:
        """Replace the file, if it has to be and still is what was read."""
        if self.old == self.new:
            return
        try:
            files.replace(Path(self.name), self.new, expected=self.old)
        except OSError as error:
            raise unwritable("FILE", self.name, error) from None


def refreshed(name: str, run: Run) -> Document:
    """A document with every block filled anew; nothing is written.

    Raises:
        InputError: the file cannot be read, is not UTF-8, or one of its markers cannot be used.
    """
    language = language_of(name)
    path = Path(name)
    old = files.content("FILE", path)
    try:
        text = old.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: is not UTF-8 (byte {error.start + 1})") from None
    mark, text = (BOM, text[1:]) if text.startswith(BOM) else ("", text)
    blocks = find_blocks(text, language, name)
    folder = files.real(path).parent
    filling = [_content(block, language, name, run, folder) for block in blocks]
    contents = [content for content, _ in filling]
    filled = _spliced(text, blocks, contents)
    if [block.command for block in find_blocks(filled, language, name)] != [block.command for block in blocks]:
        raise InputError(f"{name}: the output of a marker would be read as a marker")
    stale = sum(
        text[block.start : block.end] != content or not (picture is None or picture.fresh)
        for block, (content, picture) in zip(blocks, filling, strict=True)
    )
    pictures = tuple(picture for _, picture in filling if picture is not None)
    return Document(name, old, (mark + filled).encode("utf-8"), len(blocks), stale, pictures)


def _content(
    block: Block, language: Language, name: str, run: Run, folder: Path
) -> tuple[str, Illustration | None]:
    try:
        said = io.StringIO()
        with redirect_stderr(said):
            printed = run(read_command(block.command), folder)
        for note in said.getvalue().splitlines():
            print(f"vpcalc: {name}:{block.line}: {note.removeprefix('vpcalc: ')}", file=sys.stderr)
        picture = None if printed.picture is None else illustration(printed.picture, folder, name)
        if block.inline:
            return dress.inline(printed, language), picture
        lines = dress.block(printed, language, block.command)
    except InputError as error:
        raise InputError(f"{name}:{block.line}: {error}") from None
    content = "".join(f"{block.indent}{line}".rstrip() + block.newline for line in lines)
    return f"{block.newline}{content}{block.indent}" if block.folded else content, picture


def _spliced(text: str, blocks: Sequence[Block], contents: Sequence[str]) -> str:
    parts, at = [], 0
    for block, content in zip(blocks, contents, strict=True):
        parts += [text[at : block.start], content]
        at = block.end
    return "".join([*parts, text[at:]])
