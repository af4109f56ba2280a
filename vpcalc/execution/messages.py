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

OWN = ("vpcalc.", "torch.", "logging", "warnings")
"""Python modules whose functions are no program's own."""

_SPEAKERS = ("log", "warn", "std", "torch")
"""How objects are called whose methods say something; a method of the program's own may keep what it is given."""


def frame_outside(rooms: str | tuple[str, ...]) -> FrameType | None:
    """The innermost function that runs and is in none of some Python modules."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(rooms):
        frame = frame.f_back
    return frame


def is_message() -> bool:
    """Whether the statement of the program that is running writes a message."""
    frame = frame_outside(OWN)
    if frame is not None and frame.f_globals.get("__name__") == "enum":
        return True  # what is wrong with a value
    return frame is None or _writes(frame.f_code.co_filename, frame.f_lineno)


def is_asked_by_torch() -> bool:
    """Whether a function of torch asks, whose answers change no cost, and not the program."""
    frame = frame_outside("vpcalc.")
    return frame is None or frame.f_globals.get("__name__", "").startswith("torch.")


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
    if isinstance(said_by, ast.Attribute):
        return said_by.attr in _SAYING and _last_name(said_by.value).lower().startswith(_SPEAKERS)
    return getattr(said_by, "id", "") in _SAYING


def _last_name(expression: ast.expr) -> str:
    """How an object is called: the last name of ``self.logger`` or of ``getLogger(…)``."""
    if isinstance(expression, ast.Call):
        return _last_name(expression.func).removeprefix("get")
    return expression.attr if isinstance(expression, ast.Attribute) else getattr(expression, "id", "")


@lru_cache(maxsize=64)
def _statements(file: str) -> tuple[ast.stmt, ...]:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return ()
    found = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    return tuple(sorted(found, key=lambda node: (node.lineno, -(node.end_lineno or node.lineno))))
