"""The pictures of a document: files beside it, each with a marker that says which one it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from os.path import exists
from pathlib import Path

from .. import files
from ..errors import InputError, unreadable, unwritable
from ..files import real
from ..pictures import seal
from .commands import Picture

_PLAIN = re.compile(r"\w[\w.+-]*(?:/\w[\w.+-]*)*", re.ASCII)
"""A path that every language takes as it is: nothing hidden in it, and no way up."""


@dataclass(frozen=True, slots=True)
class Illustration:
    """One picture, as its file is now and as it should be. ``name`` is as the reader calls it."""

    name: str
    path: Path
    shows: str
    draw: Callable[[], bytes]
    state: str
    """``fresh``, ``missing``, or ``stale``: it shows something else, or is not as it was drawn."""

    @property
    def fresh(self) -> bool:
        """Whether nothing has to be written."""
        return self.state == "fresh"

    @property
    def complaint(self) -> str:
        """What is wrong with it, in a line."""
        return f"{self.name}: " + ("is missing" if self.state == "missing" else "is not what vpcalc draws now")

    def write(self, content: bytes) -> None:
        """Replace the file, whole or not at all."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            files.replace(self.path, content)
        except OSError as error:
            raise unwritable("--output", self.name, error) from None


def illustration(picture: Picture, folder: Path, document: str) -> Illustration:
    """A picture that a marker asks for, held against its file. Nothing is written and nothing drawn.

    Raises:
        InputError: its place is not within the document's folder, or there is a file that vpcalc did not draw.
    """
    place = picture.place
    if not _PLAIN.fullmatch(place):
        raise InputError(f"--output {place}: must be a path below the document, of letters, digits and _ . - + /")
    path = real(folder / place)
    if not path.is_relative_to(real(folder)):
        raise InputError(f"--output {place}: leads out of the document's folder")
    name = str(Path(document).parent / place)
    if not exists(path):
        return Illustration(name, path, picture.shows, picture.draw, "missing")
    try:
        found = seal.read(path.read_bytes())
    except OSError as error:
        raise unreadable("--output", place, error) from None
    if found is None:
        raise InputError(
            f"--output {place}: is there and was not drawn by vpcalc; give another name, or remove it"
        )
    state = "fresh" if found == (picture.shows, True) else "stale"
    return Illustration(name, path, picture.shows, picture.draw, state)
