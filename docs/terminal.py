"""What a command shows in a terminal, as a picture: ``python docs/terminal.py`` writes the README's.

The text is the command's own output, coloured as a terminal colours it; fonts are whatever the reader's machine
sets in columns, so that nothing is fetched.
"""

from __future__ import annotations

import html
import io
import re
from pathlib import Path

from rich.console import Console

import vpcalc
from vpcalc.report.terminal import View

PICTURE = Path(__file__).parent / "_static" / "compare.svg"
COLUMNS = 100
COMMAND = "vpcalc compare --h 56 --w 56 --C 96 --M 7"


def picture() -> str:
    """The command and its tables as SVG."""
    console = Console(
        width=COLUMNS,
        record=True,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    console.print(f"[bold green]$[/] {COMMAND}", highlight=False)
    console.print(View(vpcalc.compare(h=56, w=56, C=96, M=7).tables()))
    svg = console.export_svg(title="vpcalc", unique_id="vpcalc")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.S)
    svg = svg.replace("Fira Code, monospace", 'ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace')
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def words(svg: str) -> str:
    """The text of such a picture without its spaces and without its looks."""
    return "".join(html.unescape("".join(re.findall(r"<text[^>]*>(.*?)</text>", svg))).split())


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
