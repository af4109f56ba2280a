"""What the source of a program says of a question: whether its answer is for people, or for a check alone.

A size may be written as text for people to read, or for the program, which may decide something by it.

``raise ValueError(f"{n} tokens")`` and ``logger.warning(...)`` change no cost. ``f"{h}x{w}" in self.masks`` may,
and nothing is known of sizes that are written in another way: there the program needs a number.
``assert mask.any()`` asks a value, of which nothing is known; a program that goes on found it as it should be.
"""

from __future__ import annotations

import ast
import linecache
import sys
from functools import lru_cache
from types import FrameType

_SAID = """
    warn warning warning_once warn_once info info_once debug error exception critical log print write _check check
    _assert torch_compilable_check
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


def is_a_share() -> bool:
    """Whether a batch norm asks for the share of this batch in its averages, which changes no cost."""
    frame = frame_outside(("vpcalc.", "torch.utils._device"))
    return frame is not None and frame.f_globals.get("__name__") == "torch.nn.modules.batchnorm"


def if_it_goes_on() -> bool | None:
    """The truth of a value with which the program that asks goes on, where it is asked for a check alone.

    That is an assertion, or a condition under which it does nothing but raise.
    """
    frame = frame_outside(("vpcalc.", "torch.utils._device"))  # a mode among modes
    return None if frame is None else _passes(frame.f_code.co_filename, frame.f_lineno)


@lru_cache(maxsize=4096)
def _passes(file: str, line: int) -> bool | None:
    """The truth of each part of a condition that ends nothing, if all of them have the same; None of another."""
    found: set[bool] = set()
    for statement in _statements(file):
        if isinstance(statement, ast.Assert):
            test, wanted = statement.test, True
        elif isinstance(statement, ast.If) and all(isinstance(step, ast.Raise) for step in statement.body):
            test, wanted = statement.test, False
        else:
            continue
        if test.lineno <= line <= (test.end_lineno or test.lineno):
            found |= _truths(test, wanted)
    return found.pop() if len(found) == 1 else None


def _truths(test: ast.expr, wanted: bool) -> set[bool]:
    """What the parts of a condition are for it to be as wanted, joined by "and" and "or" in whatever way."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _truths(test.operand, not wanted)
    if isinstance(test, ast.BoolOp):
        return set().union(*(_truths(part, wanted) for part in test.values))
    return {wanted}


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
