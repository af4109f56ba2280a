"""What ``vpcalc plot`` and ``vpcalc draw`` have in common: where a picture goes, and how."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from ..errors import InputError, unknown
from . import completion
from .options import SHOWN as PANEL
from .options import Format, ImageOption, TokensOption, argument, described, option
from .output import aside, deliver, emit

if TYPE_CHECKING:
    from ..answers.plot import Plot


ModelArgument = Annotated[
    str,
    argument("MODEL", "A model's id or alias (vpcalc models), or code: net.py:make(width=64).", completion.models),
]
PictureOption = Annotated[
    Path | None,
    described(
        "--output -o FILE", "Write a picture: .svg, .pdf, .png; a drawing: .tikz. With --format, that.", PANEL
    ),
]
TerminalOption = Annotated[
    bool, described("--terminal", "Plot in the terminal; so it is without --output.", PANEL)
]
TIKZ = "tikz"
DataOption = Annotated[
    str | None,
    described(
        "--format -f FORMAT",
        f"Write the chart's numbers instead: {', '.join(Format)}; or a drawing as {TIKZ}.",
        PANEL,
        completion.chart_formats,
    ),
]
DarkOption = Annotated[bool, described("--dark", "For dark slides and pages.", PANEL)]
WidthOption = Annotated[
    str, described("--width INCHES", "Width of the picture: 6.9 fills a page, 3.15 a column of an article.", PANEL)
]
TitleOption = Annotated[
    bool, described("--title/--no-title", "Say the finding above it, or leave that to a caption.", PANEL)
]


class Sizes(NamedTuple):
    """The size of an input."""

    input: ImageOption = None
    tokens: TokensOption = None
    src: str | None = option(None, "--src N", "Length of the source.")
    tgt: str | None = option(None, "--tgt N", "Length of the target.")


class Drawn(NamedTuple):
    """A picture that is to be written, and where to."""

    output: Path
    plot: Plot
    width: float
    title: bool
    dark: bool


_KEPT: ContextVar[list[Drawn] | None] = ContextVar("kept", default=None)


@contextmanager
def kept() -> Iterator[list[Drawn]]:
    """Within it pictures are not written but collected here, for a document whose marker asks for them."""
    pictures: list[Drawn] = []
    token = _KEPT.set(pictures)
    try:
        yield pictures
    finally:
        _KEPT.reset(token)


class Picture(NamedTuple):
    """Where a plot goes, and how it is shown."""

    output: PictureOption = None
    terminal: TerminalOption = False
    format: DataOption = None
    width: WidthOption = "6.9"
    title: TitleOption = True
    dark: DarkOption = False

    def deliver(self, plot: Plot) -> None:
        """A picture to a file, its numbers in a format, or the plot to the terminal."""
        inches = read_width(self.width)
        if self.format is not None:
            format = read_format(self.format)
            if format is None:
                deliver(plot.draw(TIKZ, width=inches).decode().rstrip("\n"), self.output)
            else:
                emit(plot, format, self.output)
        elif self.output is not None:
            pictures = _KEPT.get()
            if pictures is None:
                plot.save(self.output, width=inches, title=self.title, dark=self.dark)
                aside([f"wrote {self.output}"])
            else:
                pictures.append(Drawn(self.output, plot, inches, self.title, self.dark))
        if self.terminal or (self.format is None and self.output is None):
            from rich.console import Console

            console = Console()
            print(plot.terminal(console.width, console.color_system is not None and not console.no_color))
            sys.stdout.flush()


def read_format(text: str) -> Format | None:
    """A format of the numbers, or None for TikZ."""
    names = [*(each.value for each in Format), TIKZ]
    if text not in names:
        raise unknown("--format", text, names)
    return None if text == TIKZ else Format(text)


def read_width(text: str) -> float:
    """Inches between 2 and 40."""
    if not re.fullmatch(r"\d{1,2}(\.\d{1,3})?", text.strip()) or not 2 <= float(text) <= 40:
        raise InputError(f"--width {text[:40]!r}: must be a number of inches from 2 to 40, such as 3.4")
    return float(text)
