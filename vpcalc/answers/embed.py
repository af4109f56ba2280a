"""``vpcalc embed``: documents whose figures are vpcalc's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from ..embedding import Document, refreshed
from ..embedding.commands import Printed, Run
from ..embedding.illustrations import Illustration
from ..errors import InputError
from ..files import real
from ..report import Column, Kind, Table
from .result import Result


@dataclass(frozen=True, slots=True)
class Embedding(Result):
    """The documents as they were found. ``check`` says that nothing was written."""

    documents: tuple[Document, ...]
    check: bool

    @property
    def ok(self) -> bool:
        """Whether a check found every document fresh."""
        return not self.check or all(document.fresh for document in self.documents)

    def diff(self) -> str:
        """Unified diffs of the documents that are stale."""
        return "\n".join(document.diff() for document in self.documents if not document.fresh)

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        return {
            "command": "embed",
            "check": self.check,
            "files": [
                {
                    "file": document.name,
                    "blocks": document.blocks,
                    "stale": document.stale,
                    "written": not (document.fresh or self.check),
                    "pictures": [{"file": each.name, "state": each.state} for each in document.pictures],
                    "diff": document.diff(),
                }
                for document in self.documents
            ],
        }

    def tables(self) -> tuple[Table, ...]:
        """One row a file."""
        columns = (
            Column("file", "File"),
            Column("blocks", "Blocks", Kind.NUMBER),
            Column("stale", "Stale" if self.check else "Refreshed", Kind.NUMBER),
        )
        rows = tuple((document.name, document.blocks, document.stale) for document in self.documents)
        return (Table("Embedded results", columns, rows),)


def embed(
    files: str | PathLike[str] | Iterable[str | PathLike[str]],
    *,
    check: bool = False,
    trust: bool = False,
    run: Run | None = None,
) -> Embedding:
    """Fill the marked blocks of documents with what vpcalc's commands print now.

    All documents are read and filled before the first one is written; where anything fails, none is. A picture,
    as of the marker ``plot crossover -o crossover.svg``, is written beside the document that shows it; a file that
    vpcalc did not draw is left alone.

    Args:
        files: Markdown, HTML, LaTeX, Typst or reStructuredText files.
        check: write nothing; the result's ``ok`` says whether every block is fresh.
        trust: run code that a marker names, ``formula attn.py:make``: only for documents of your own.
        run: what runs a command; vpcalc's own command line, within this process, if None.

    Raises:
        InputError: a file or marker cannot be used, or a command fails; the message begins with ``file:line``.
    """
    if run is None:
        from ..cli.inprocess import run as command_line

        run = partial(command_line, trusted=trust)
    names = [fspath(file) for file in ([files] if isinstance(files, (str, PathLike)) else files)]
    if not names:
        raise InputError("FILE: name at least one document")
    known: dict[tuple[Path, tuple[str, ...]], Printed] = {}
    anyhow = run

    def once(arguments: list[str], folder: Path) -> Printed:
        key = (folder, tuple(arguments))
        if key not in known:
            known[key] = anyhow(arguments, folder)
        return known[key]

    try:
        distinct = {real(name): name for name in names}
    except OSError as error:
        raise InputError(f"{names[0]}: {error.strerror or error}") from None
    documents = tuple(refreshed(name, once) for name in distinct.values())
    pictures = _by_file(documents)
    if not check:
        drawn = [(picture, picture.draw()) for picture in pictures if not picture.fresh]
        for picture, content in drawn:
            picture.write(content)
        for document in documents:
            document.write()
    return Embedding(documents, check)


def _by_file(documents: Iterable[Document]) -> Iterable[Illustration]:
    """The pictures of all documents, each file once."""
    found: dict[Path, Illustration] = {}
    for document in documents:
        for picture in document.pictures:
            if found.setdefault(picture.path, picture).shows != picture.shows:
                raise InputError(f"{document.name}: two markers draw {picture.name}, and not the same")
    return found.values()
