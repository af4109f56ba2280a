"""What ``vpcalc`` alone shows: everything it can do, on one screen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from textwrap import shorten, wrap

from .. import __version__

WIDTH = 79
TRY = (
    ("vpcalc compare --h 56 --w 56 --C 96 --M 7", "attention on one grid"),
    ("vpcalc model swin_t --input 224", "one architecture, stage by stage"),
    ("vpcalc plot crossover -o crossover.svg", "where one overtakes the other"),
)
"""First commands, and what they show."""

PANELS = {
    "Costs": (
        "compare",
        "crossover",
        "model",
        "formula",
        "models",
        "layers",
        "sweep",
        "design",
        "derive",
        "memory",
    ),
    "Checks": ("check", "prove", "reproduce", "audit", "diff", "theory", "rnn"),
    "Papers": ("figure", "macros", "embed", "plot", "draw", "page"),
}
"""Every command, under its heading and in its order."""


def panel_of(name: str) -> str:
    """The heading under which a command is listed."""
    return next(panel for panel, names in PANELS.items() if name in names)


def screen(commands: Mapping[str, str], width: int = WIDTH) -> str:
    """The commands by panel, each with the beginning of its help, in lines of so many columns, from 45 to 79."""
    width = max(45, min(width, WIDTH))
    lines = wrap(f"vpcalc {__version__}: what a neural architecture costs, and how we know.", width)
    wide = max(len(command) for command, _ in TRY)
    for command, shows in TRY:
        line = f"  {command:<{wide}}   {shows}"
        lines += [line] if len(line) <= width else [f"  {command}", f"    {shows}"]
    lines.append("")
    heading, name = max(map(len, PANELS)), max(map(len, commands))
    for panel, names in PANELS.items():
        for place, each in enumerate(names):
            text = brief(commands[each], width - heading - name - 4)
            lines.append(f"{panel if place == 0 else '':<{heading}}  {each:<{name}}  {text}")
    lines += wrap("vpcalc COMMAND --help shows its options and an example.", width, break_on_hyphens=False)
    return "\n".join(lines)


def brief(help: str, room: int) -> str:
    """The first sentence of a help text, or its beginning: without what follows a colon or a semicolon, or cut."""
    sentence = re.split(r"\.\s|\.$", " ".join(help.strip().split("\n\n")[0].split()))[0]
    return next(
        (text for text in (sentence, re.split(r"[:;]\s", sentence)[0]) if len(text) <= room), ""
    ) or shorten(sentence, room, placeholder=" …")
