"""A marker's text as the arguments of one vpcalc command, and as nothing else.

There is no shell: what only a shell would understand is refused, so that nobody is led to think that
there is one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError

SHELL = ";|&<>$`"
"""Characters by which a shell would run more than one command. Within quotes they are text: ``"macs < 5G"``."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a command draws: where it is to be, from the document's folder, and what it ``shows``.

    ``shows`` is the digest that its file says it shows (:mod:`vpcalc.pictures.seal`).
    """

    place: str
    shows: str
    draw: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Printed:
    """What a command printed, and as what it is to be set.

    ``kind`` is ``math`` (LaTeX, without delimiters), ``plain`` (one line of text), ``table`` (lines as in a
    terminal), or the language of the text: latex, markdown, html, typst, python, json, csv. Where there is a
    ``picture``, the text is what it shows, in words.
    """

    text: str
    kind: str
    picture: Picture | None = None


Run = Callable[[list[str], Path], Printed]
"""Runs a command, its arguments given, in a folder. Raises InputError where it cannot or a check does not hold."""


_QUOTED = re.compile(r"'[^']*'|\"[^\"$`\\\\]*\"")
"""What a shell takes as it stands: in double quotes that has no ``$``, backtick or backslash."""


def read_command(text: str) -> list[str]:
    """The arguments that a marker's text spells.

    Raises:
        InputError: it is empty, holds what only a shell understands, or is no plain command.
    """
    bare = _QUOTED.sub("", text)
    found = sorted({each for each in bare if each in SHELL} | {each for each in text if not each.isprintable()})
    if found:
        raise InputError(
            f"{''.join(found)!r} has no meaning here: a marker is one vpcalc command, and no shell runs it"
        )
    try:
        arguments = shlex.split(text)
    except ValueError as error:
        raise InputError(f"{text!r}: {str(error).lower()}") from None
    if not arguments:
        raise InputError("the marker names no command, such as formula msa --format latex")
    if arguments[0] == "vpcalc":
        raise InputError(f"{text!r}: leave the word vpcalc out")
    if arguments[0].startswith("-"):
        raise InputError(f"{arguments[0]!r}: a marker begins with a command, such as formula")
    return arguments
