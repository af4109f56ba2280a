"""Conditions on named quantities: ``macs < 100G and params < 60M``, ``heads*32 == C``. Nothing is run as code.

Python's own operators, with its precedence and its chains of comparisons, and numbers that may have a unit::

    either     = both { "or" both }
    both       = negation { "and" negation }
    negation   = "not" negation | comparison
    comparison = sum { ("<" | "<=" | ">" | ">=" | "==" | "!=") sum }
    sum        = product { ("+" | "-") product }
    product    = sign { ("*" | "/" | "//" | "%") sign }
    sign       = ("-" | "+") sign | atom
    atom       = number [unit] | name | "'" word "'" | "true" | "false" | "(" either ")"

A unit is k, M, G, T or P, thousands each, or one of bytes: MB, GiB. Whole numbers are exact, and so is what
``/`` makes of them. A quantity may be unknown (None); what depends on it is unknown then, as in SQL, and no
condition that is unknown holds. Length and depth are bounded, so that any text is read at once or refused in one
line that says where.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NoReturn

from .errors import InputError, unknown
from .storage.optimizers import UNITS as BYTES

LENGTH = 2_000
"""Longest text, in characters."""
DEPTH = 40
"""Deepest nesting of brackets and signs."""
DIGITS = 30
"""Longest number."""

UNITS: Mapping[str, int] = {"k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, **BYTES}

Number = int | float | Fraction
Value = Number | str | None  # a bool is an int
Row = Mapping[str, Value]

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>   [0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2}(?![0-9A-Za-z_.]))? )
  | (?P<name>     [^\W\d]\w* )
  | (?P<word>     '[^']*' | "[^"]*" )
  | (?P<compare>  <= | >= | == | != | < | > | ≤ | ≥ | ≠ )
  | (?P<sum>      [+−-] )
  | (?P<product>  \*(?!\*) | // | / | % | [×·] )
  | (?P<open>     \( )
  | (?P<close>    \) )
    )""",
    re.VERBOSE,
)

_ALSO = {"≤": "<=", "≥": ">=", "≠": "!=", "−": "-", "×": "*", "·": "*"}

_INSTEAD = {
    "&&": "and",
    "&": "and",
    "||": "or",
    "|": "or",
    "=<": "<=",
    "=>": ">=",
    "=": "==",
    "!": "not",
    "<>": "!=",
}
"""What other languages write, and how it is written here."""

_KEYWORDS = ("and", "or", "not")
_TRUTHS = {"true": True, "True": True, "false": False, "False": False}

COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class RefusalError(Exception):
    """What is wrong with a text, or with a row for it; :func:`refusal` says with which."""


# -- what a text is read as -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, a word or a truth."""

    value: Value

    def of(self, row: Row) -> Value:
        """Itself."""
        return self.value


@dataclass(frozen=True, slots=True)
class Name:
    """A quantity of the row."""

    name: str

    def of(self, row: Row) -> Value:
        """What the row has."""
        return row[self.name]


@dataclass(frozen=True, slots=True)
class Negative:
    """The same with the other sign."""

    part: Node

    def of(self, row: Row) -> Value:
        """A number."""
        value = _number(self.part, row)
        return None if value is None else -value


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Numbers made one, from left to right."""

    first: Node
    rest: tuple[tuple[str, Node], ...]

    def of(self, row: Row) -> Value:
        """A number, whole where it is."""
        found = _number(self.first, row)
        for sign, node in self.rest:
            number = _number(node, row)
            found = None if found is None or number is None else _calculated(found, sign, number, node)
        return found


def _calculated(left: Number, sign: str, right: Number, of: Node) -> Number:
    match sign:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
    if right == 0:
        raise RefusalError(f"divided by {spelled(of)}, which is 0")
    match sign:
        case "//":
            return left // right
        case "%":
            return left % right
    exact = not isinstance(left, float) and not isinstance(right, float)
    return _whole(Fraction(left) / Fraction(right)) if exact else left / right


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values or more, each compared with the next."""

    first: Node
    rest: tuple[tuple[str, Node], ...]

    def of(self, row: Row) -> bool | None:
        """Whether all hold; those after one that does not are left alone."""
        return _all(self._each(row))

    def _each(self, row: Row) -> Iterator[bool | None]:
        left, of = self.first.of(row), self.first
        for sign, node in self.rest:
            right = node.of(row)
            if left is None or right is None:
                yield None
            elif isinstance(left, str) is not isinstance(right, str):
                raise RefusalError(
                    f"{spelled(of)} and {spelled(node)} are a word and a number: not to be compared"
                )
            else:
                yield COMPARE[sign](left, right)
            left, of = right, node


@dataclass(frozen=True, slots=True)
class Not:
    """What holds where its part does not."""

    part: Node

    def of(self, row: Row) -> bool | None:
        """A truth."""
        truth = _truth(self.part, row)
        return None if truth is None else not truth


@dataclass(frozen=True, slots=True)
class Both:
    """What holds where all its parts do."""

    parts: tuple[Node, ...]

    def of(self, row: Row) -> bool | None:
        """A truth; parts after one that does not hold are left alone."""
        return _all(_truth(part, row) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Either:
    """What holds where one of its parts does."""

    parts: tuple[Node, ...]

    def of(self, row: Row) -> bool | None:
        """A truth; parts after one that holds are left alone."""
        none = _all(None if truth is None else not truth for truth in (_truth(part, row) for part in self.parts))
        return None if none is None else not none


Node = Constant | Name | Negative | Arithmetic | Comparison | Not | Both | Either
_CONDITIONS = (Comparison, Not, Both, Either)


def _is_value(node: Node) -> bool:
    """Whether it can be neither true nor false; a name can."""
    return isinstance(node, (Negative, Arithmetic)) or (
        isinstance(node, Constant) and not isinstance(node.value, bool)
    )


def _all(truths: Iterator[bool | None]) -> bool | None:
    """Whether all are true, as far as that is known."""
    found: bool | None = True
    for truth in truths:
        if truth is False:
            return False
        found = None if truth is None else found
    return found


def _number(node: Node, row: Row) -> Number | None:
    value = node.of(row)
    if isinstance(value, (str, bool)):
        raise RefusalError(f"{spelled(node)} is {value!r}, no number to calculate with")
    return value


def _truth(node: Node, row: Row) -> bool | None:
    value = node.of(row)
    if value is not None and not isinstance(value, bool):
        raise RefusalError(f"{spelled(node)} is {value!r}, neither true nor false: compare it with something")
    return value


def _whole(value: Fraction) -> int | Fraction:
    return value.numerator if value.denominator == 1 else value


def spelled(node: Node) -> str:
    """A name or a constant as it is written; of anything else its kind."""
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Constant):
        return repr(node.value) if isinstance(node.value, (str, bool)) else str(node.value)
    return "what stands in brackets" if isinstance(node, _CONDITIONS) else "a term"


# -- the outside ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Expression:
    """A text that was read. ``option`` is where it was given; ``names`` are the quantities that it asks for."""

    option: str
    text: str
    root: Node
    names: tuple[str, ...]

    def of(self, row: Row) -> Value:
        """Its value for one row; None where that is not known.

        Raises:
            InputError: a division by 0, or words where numbers are needed.
        """
        try:
            return self.root.of(row)
        except RefusalError as refused:
            raise refusal(self, refused) from None

    def holds(self, row: Row) -> bool | None:
        """Whether the condition holds for one row; None where that is not known. Errors as for :meth:`of`."""
        try:
            return _truth(self.root, row)
        except RefusalError as refused:
            raise refusal(self, refused) from None


def read_condition(option: str, text: object, known: Collection[str]) -> Expression:
    """A condition in the quantities that are ``known``.

    Raises:
        InputError: it is none; the message says where and what is allowed.
    """
    found = read_expression(option, text, known)
    if _is_value(found.root):
        raise _error(option, found.text, "a value and no condition: compare it, as in macs < 100G")
    return found


def read_value(option: str, text: object, known: Collection[str]) -> Expression:
    """A number or a word in the quantities that are ``known``; errors as for :func:`read_condition`."""
    found = read_expression(option, text, known)
    if isinstance(found.root, _CONDITIONS):
        raise _error(option, found.text, "a condition and no value; must be one such as macs or macs/params")
    return found


def read_expression(option: str, text: object, known: Collection[str]) -> Expression:
    """A value or a condition in the quantities that are ``known``; errors as for :func:`read_condition`."""
    said = str(text).strip()
    if len(said) > LENGTH:
        raise InputError(f"{option}: {len(said)} characters; must be at most {LENGTH}")
    try:
        parser = _Parser(option, said, known)
        return Expression(option, said, parser.whole(), tuple(parser.names))
    except RefusalError as refused:
        raise _error(option, said, str(refused)) from None


def refusal(expression: Expression, refused: RefusalError) -> InputError:
    """What is wrong with an expression, as its user is told."""
    return _error(expression.option, expression.text, str(refused))


def _error(option: str, text: str, what: str) -> InputError:
    shown = text if len(text) <= 60 else f"{text[:59]}…"
    return InputError(f'{option} "{shown}": {what}')


# -- the parser -------------------------------------------------------------------------------------


class _Parser:
    """Recursive descent; one method a rule of the grammar above."""

    def __init__(self, option: str, text: str, known: Collection[str]) -> None:
        self.option, self.text, self.known = option, text, known
        self.names: dict[str, None] = {}
        self.at = 0
        self.depth = 0
        self.kind, self.token, self.before = "", "", ""
        self.start = 0
        self._next()

    def whole(self) -> Node:
        if not self.kind:
            raise RefusalError(f"empty; must be in quantities such as {' and '.join([*self.known][:2])}")
        found = self.either()
        if self.kind:
            self._unexpected("and, or, or a comparison")
        return found

    def either(self) -> Node:
        parts = [self.both()]
        while self._takes("or"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else Either(tuple(map(self._condition, parts)))

    def both(self) -> Node:
        parts = [self.negation()]
        while self._takes("and"):
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else Both(tuple(map(self._condition, parts)))

    def negation(self) -> Node:
        if not self._takes("not"):
            return self.comparison()
        return Not(self._condition(self._deeper(self.negation)))

    def comparison(self) -> Node:
        first = self.sum()
        rest = []
        while self.kind == "compare":
            sign = self._take()
            rest.append((sign, self._value(self.sum())))
        return Comparison(self._value(first), tuple(rest)) if rest else first

    def sum(self) -> Node:
        return self._arithmetic("sum", self.product)

    def product(self) -> Node:
        return self._arithmetic("product", self.sign)

    def _arithmetic(self, kind: str, part: Callable[[], Node]) -> Node:
        first = part()
        rest = []
        while self.kind == kind:
            sign = self._take()
            rest.append((sign, self._value(part())))
        return Arithmetic(self._value(first), tuple(rest)) if rest else first

    def sign(self) -> Node:
        if self.kind != "sum":
            return self.atom()
        negative = self._take() == "-"
        part = self._value(self._deeper(self.sign))
        return Negative(part) if negative else part

    def atom(self) -> Node:
        if self.kind == "number":
            return Constant(self._number())
        if self.kind == "word":
            return Constant(self._take()[1:-1])
        if self.kind == "open":
            self._take()
            found = self._deeper(self.either)
            if self.kind != "close":
                self._unexpected("a closing bracket")
            self._take()
            return found
        if self.kind != "name" or self.token in _KEYWORDS:
            self._unexpected("a name, a number or a bracket")
        compared = self.before == "compare"
        name = self._take()
        if name in self.known:
            self.names[name] = None
            return Name(name)
        if name in _TRUTHS:
            return Constant(_TRUTHS[name])
        hint = f"; a word stands in quotes: '{name[:20]}'" if compared else ""
        raise RefusalError(f"{unknown('name', name, self.known)}{hint}")

    def _number(self) -> Value:
        digits = self._take().replace("_", "")
        if len(digits) > DIGITS:
            raise RefusalError(f"a number of {len(digits)} characters; must be at most {DIGITS}")
        unit = 1
        if self.kind == "name" and self.token not in _KEYWORDS:
            if self.token not in UNITS:
                raise RefusalError(f"unit {self.token[:20]!r} is not known; must be one of {', '.join(UNITS)}")
            unit = UNITS[self._take()]
        return _whole(Fraction(digits) * unit)

    def _deeper(self, rule: Callable[[], Node]) -> Node:
        self.depth += 1
        if self.depth > DEPTH:
            raise RefusalError(f"more than {DEPTH} brackets or signs in one another")
        found = rule()
        self.depth -= 1
        return found

    def _condition(self, node: Node) -> Node:
        """The same, where it may be true or false."""
        if _is_value(node):
            raise RefusalError(
                f"{spelled(node)} is a value where a condition is needed: compare it with something"
            )
        return node

    def _value(self, node: Node) -> Node:
        """The same, where it may be a number or a word."""
        if isinstance(node, _CONDITIONS):
            raise RefusalError("a condition where a number is needed; join conditions with and, or")
        return node

    def _takes(self, keyword: str) -> bool:
        if self.kind != "name" or self.token != keyword:
            return False
        self._take()
        return True

    def _take(self) -> str:
        token, self.before = self.token, self.kind
        self._next()
        return _ALSO.get(token, token)

    def _next(self) -> None:
        found = _TOKEN.match(self.text, self.at)
        if found is not None and found.lastgroup is not None:
            self.kind, self.token = found.lastgroup, found[found.lastgroup]
            self.start, self.at = found.start(found.lastgroup), found.end()
            return
        self.start = len(self.text) - len(self.text[self.at :].lstrip())
        self.kind, self.token = "", ""
        if self.start < len(self.text):
            self._strange(self.text[self.start :])

    def _strange(self, rest: str) -> NoReturn:
        """What no token begins with."""
        for sign in sorted(_INSTEAD, key=len, reverse=True):
            if rest.startswith(sign):
                raise RefusalError(f"{sign!r} at character {self.start + 1}: write {_INSTEAD[sign]}")
        if rest.startswith(("**", "^")):
            raise RefusalError(f"a power at character {self.start + 1}: multiply instead")
        if rest[0] in "'\"":
            raise RefusalError(f"the word at character {self.start + 1} has no closing quote")
        raise RefusalError(f"{rest[0]!r} at character {self.start + 1} is no part of a condition")

    def _unexpected(self, wanted: str) -> NoReturn:
        found = f"{self.token[:20]!r} at character {self.start + 1}" if self.kind else "the end"
        raise RefusalError(f"{found}, where {wanted} is needed")
