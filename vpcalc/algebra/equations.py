"""What stands around a formula in a paper: the sides of an equation, a name on the left, an order of growth.

Each part is handed on within blanks, as long as the whole text, so that the parser's positions are the reader's.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import InputError
from .parser import FONT, LENGTH, NAMED, ORDER, TRAILING, misread

MOST_SIDES = 8
"""Sides of a chain A = B = C … that are read."""


class Equation(NamedTuple):
    """The formulas of a text, and the name on its left, empty where there is none.

    ``order`` says that the last side is O(…) or Θ(…); ``sides`` then holds what stands within, alone.
    """

    name: str
    sides: tuple[str, ...]
    order: bool = False


_NAME = re.compile(
    rf"""
    (?:\\(?!frac)[a-zA-Z]+\{{[^{{}}]*\}} | [\s$&~])*                                # \begin{{equation}}
    (?:\\{FONT}\s{{0,4}})? (?:\{{[^{{}}]{{1,40}}\}} | [^\W\d_] | \\[a-zA-Z]{{2,10}})    # \mathcal{{C}}, T, \tau
    (?:_(?:\w{{1,20}} | \{{(?:\\{FONT}\s{{0,4}}\{{)?[^{{}}]{{1,40}}\}}{{1,2}}))? \s{{0,4}}
    (?:(?:\\left)?\(.*\))? [\s$&~:]*
    """,
    re.DOTALL | re.VERBOSE,
)
WORD = re.compile(r"[\s$&~]*[^\W\d_][\w-]{1,40}\s{0,4}(?:\(.*\))?[\s$&~:]*", re.DOTALL)
"""A left side that may be a name, such as MSA: it is one where it is no formula."""
_GROWS = ("O", "𝒪", "Θ", r"\Theta")
_LAYER = re.compile(rf"\s*(?:\\{FONT}|[A-Z][\w-]{{2}}).*", re.DOTALL)
"""What stands within O(MSA) and O(\\text{SRA}), which name what is computed, and not within O(nd)."""


def equation(text: str) -> Equation:
    """The sides of an equation, or the one formula that a text is.

    Raises:
        InputError: no text, more sides than are read, an environment that another one ends, or an order beside
            something else.
    """
    if not isinstance(text, str):
        raise InputError(f"formula: must be text, not {type(text).__name__}")
    if len(text) > LENGTH:
        raise InputError(f"formula: {len(text)} characters; must be at most {LENGTH}")
    _closes(text)
    text = _without_remarks(text)
    cuts = _equals(text)
    if len(cuts) >= MOST_SIDES:
        raise InputError(f"formula: {len(cuts) + 1} sides of an equation; must be at most {MOST_SIDES}")
    edges = [0, *(place for cut in cuts for place in cut), len(text)]
    spans = list(zip(edges[::2], edges[1::2], strict=True))
    name = ""
    if len(spans) > 1 and _is_name(text, *spans[0]):
        name = text[slice(*spans.pop(0))].strip(" \t\r\n$&:~")
    sides = [_alone(text, *span) for span in spans]
    orders = [inside for span in spans if (inside := _within_orders(text, *span)) is not None]
    if not orders:
        return Equation(name, tuple(sides))
    if len(sides) > 1:
        raise InputError(
            "formula: an order of growth beside a formula; give one of the two, or a name on the left"
        )
    return Equation(name, (orders[0],), order=True)


def _closes(text: str) -> None:
    """Refuse an environment that is not ended, or by the name of another."""
    opened: list[re.Match[str]] = []
    for edge in re.finditer(r"\\(?P<edge>begin|end)\{(?P<name>[^{}]{0,40})\}", text):
        if edge["edge"] == "begin":
            opened.append(edge)
        elif not opened:
            raise misread(text, edge.start(), f"no \\begin{{{edge['name']}}} stands before it")
        elif (begun := opened.pop())["name"] != edge["name"]:
            raise misread(text, edge.start(), f"{begun.group()} is ended by another name")
    if opened:
        raise misread(text, opened[-1].start(), f"no \\end{{{opened[-1]['name']}}} follows")


_BRACE = re.compile(r"\\(?:under|over)brace(?![a-zA-Z])\s{0,4}(?=\{)")
_REMARK = re.compile(r"\s{0,4}[_^]\s{0,4}(?=\{)")


def _without_remarks(text: str) -> str:
    """The same with blanks for ``\\underbrace`` and for what is written below it."""
    for brace in reversed(list(_BRACE.finditer(text))):
        end = _closed(text, brace.end())
        remark = _REMARK.match(text, end)
        for start, stop in ((end, _closed(text, remark.end()) if remark else end), brace.span()):
            text = f"{text[:start]}{' ' * (stop - start)}{text[stop:]}"
    return text


def _closed(text: str, start: int) -> int:
    """Behind the brace that closes the one which stands here."""
    depth = 0
    for brace in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return brace.end()
    return len(text)


def _alone(text: str, start: int, end: int) -> str:
    return " " * start + text[start:end] + " " * (len(text) - end)


def _equals(text: str, sign: str = r":?=+|≔") -> list[tuple[int, int]]:
    """Where = or := stands outside of all brackets, or another sign."""
    found, depth = [], 0
    for match in re.finditer(rf"[([{{]|[)\]}}]|{sign}", text):
        if match.group() in "([{":
            depth += 1
        elif match.group() in ")]}":
            depth = max(depth - 1, 0)
        elif not depth:
            found.append(match.span())
    return found


def _is_name(text: str, start: int, end: int) -> bool:
    """Whether a left side only names what is computed: Ω(MSA), O(MSA), FLOPs, T(n), C_attn, one letter."""
    side, order = text[start:end], _within_orders(text, start, end)
    if order is not None:
        return bool(_LAYER.match(order))
    return bool(NAMED.match(side.lstrip(" \t\r\n$&~") + "=") or _NAME.fullmatch(side))


def _within_orders(text: str, start: int, end: int) -> str | None:
    """What stands within O( ), or within several that are added up, if that is all of a side."""
    cuts = [start + at for at, _ in _equals(text[start:end], r"\+")]
    said = [" "] * len(text)
    for begin, stop in zip([start, *(cut + 1 for cut in cuts)], [*cuts, end], strict=True):
        inside = _within_order(text, begin, stop)
        if inside is None:
            return None
        said[slice(*inside)] = text[slice(*inside)]
        if cuts:
            said[inside[0] - 1], said[inside[1]] = "()"
    for cut in cuts:
        said[cut] = "+"
    return "".join(said)


def _within_order(text: str, start: int, end: int) -> tuple[int, int] | None:
    """What stands within O( ), if that is all of a side."""
    begin = start
    while space := re.compile(r"[\s$&~]+|\\begin\{[a-z]+\*?\}|\\[\[(]|\\displaystyle\b").match(text, begin, end):
        begin = space.end()
    opening = ORDER.match(text, begin, end)
    if opening is None or opening["sign"] not in _GROWS:
        return None
    depth = 1
    for bracket in re.finditer(r"[([{]|[)\]}]", text[opening.end() : end]):
        depth += 1 if bracket.group() in "([{" else -1
        if depth == 0:
            close = opening.end() + bracket.start()
            rest = text[close + 1 : end]
            return (opening.end(), _before_right(text, close)) if TRAILING.fullmatch(rest) else None
    return None


def _before_right(text: str, close: int) -> int:
    """Where the inside ends: before ``\\right`` if that stands at the bracket."""
    inside = text[:close].rstrip()
    return len(inside) - len(r"\right") if inside.endswith(r"\right") else close
