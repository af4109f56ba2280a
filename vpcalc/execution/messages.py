"""Whether a size is written as text for people to read, or for the program, which may decide something by it.

``raise ValueError(f"{n} tokens")`` and ``logger.warning(...)`` change no cost. ``f"{h}x{w}" in self.masks`` may,
and nothing is known of sizes that are written in another way: there the program needs a number.
"""

from __future__ import annotations

import ast
import linecache
import sys
from functools import lru_cache
from types import FrameType

_SAID = """
    warn warning warning_once warn_once info info_once debug error exception critical log print write _check check
    torch_compilable_check
"""
_SAYING = frozenset(_SAID.split())
"""Functions that are given text for people, or what is raised."""

_OWN = ("vpcalc.", "torch.", "logging", "warnings")


def is_message() -> bool:
    """Whether the statement of the program that is running writes a message."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_OWN):
        frame = frame.f_back
    return frame is None or _writes(frame.f_code.co_filename, frame.f_lineno)


@lru_cache(maxsize=4096)
def _writes(file: str, line: int) -> bool:
    """Whether a line belongs to a statement that raises, asserts or says something."""
    innermost = None
    for statement in _statements(file):
        if statement.lineno <= line <= (statement.end_lineno or statement.lineno):
            innermost = statement  # those within follow
    if isinstance(innermost, (ast.Raise, ast.Assert)):
        return True
    call = innermost.value if isinstance(innermost, ast.Expr) else None
    if not isinstance(call, ast.Call):
        return False
    said_by = call.func
    name = said_by.attr if isinstance(said_by, ast.Attribute) else getattr(said_by, "id", "")
    return name in _SAYING


@lru_cache(maxsize=64)
def _statements(file: str) -> tuple[ast.stmt, ...]:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return ()
    found = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    return tuple(sorted(found, key=lambda node: (node.lineno, -(node.end_lineno or node.lineno))))
