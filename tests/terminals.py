"""A terminal for tests: what a screen shows after what a program wrote to it, in a pseudo-terminal of its own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from typing import NoReturn

_PIECE = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])|(\x1b.)|([\r\n\b])|([^\x1b\r\n\b]+)")


def screen(written: str, columns: int) -> list[str]:
    """The lines that are left, those that scrolled away among them, as the sequences that rich writes leave them.

    Raises:
        ValueError: a sequence that is not known here.
    """
    lines: list[list[str]] = [[]]
    row = column = 0
    for parameters, command, other, control, text in _PIECE.findall(written):
        if control == "\r":
            column = 0
        elif control == "\n":
            row += 1
        elif control == "\b":
            column -= 1
        elif command == "A":
            row -= int(parameters or 1)
        elif command == "K":
            lines[row] = [] if parameters == "2" else lines[row][:column]
        elif other or (command and command not in "mhl"):
            raise ValueError(f"a terminal is told {parameters}{command}{other!r}")
        for letter in text:
            if column == columns:
                row, column = row + 1, 0
            lines += [[] for _ in range(row + 1 - len(lines))]
            lines[row] += [" "] * (column - len(lines[row]))
            lines[row][column : column + 1] = [letter]
            column += 1
        lines += [[] for _ in range(row + 1 - len(lines))]
    return ["".join(line).rstrip() for line in lines]


def typed(arguments: list[str], columns: int = 100, rows: int = 24, cue: str = "", **env: str) -> tuple[int, str]:
    """Status and output of ``vpcalc`` in a terminal; Ctrl-C is pressed once it shows ``cue``.

    Without a cue it is a child of this very process, which has what counting imports; a Ctrl-C may meet an import.
    """
    import fvcore.nn  # noqa: F401  # once, and not in every child

    child, terminal = pty.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a job of a shell in the background has it ignored
        kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {**kept, "TERM": "xterm", **env}
        if cue:
            os.execve(sys.executable, [sys.executable, "-m", "vpcalc", *arguments], environment)
        _run(arguments, environment)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal is gone when the process is
        while chunk := os.read(terminal, 65536):
            shown += chunk
            if cue and cue.encode() in shown:
                os.write(terminal, b"\x03")
                cue = ""
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode("utf-8", "replace")


def _run(arguments: list[str], environment: dict[str, str]) -> NoReturn:
    """``vpcalc`` in the place of the rest of this process, on its first three files."""
    from vpcalc.cli.app import main

    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["vpcalc", *arguments]
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(file, mode, encoding="utf-8") for file, mode in enumerate("rww")
    )
    status = 1
    try:
        main()
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
