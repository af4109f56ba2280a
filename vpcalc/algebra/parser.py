"""From text to a closed form: ``4*h*w*C^2``, ``4hwC² + 2(hw)²C``, ``\\frac{2(hw)^{2}C}{R^{2}}``.

One small grammar reads Python's spelling, our own text and the LaTeX of papers; nothing is ever evaluated
as code::

    sum      = ["+" | "-"] product { ("+" | "-") product }
    product  = run { ("*" | "/" | "%") run }       a run after "/" is a single power, else it is ambiguous
    run      = power { power }                     letters side by side are multiplied
    power    = atom ["^" whole number]
    atom     = number | name | "(" sum ")" | "{" sum "}" | "\\frac" "{" sum "}" "{" sum "}"
             | "⌊" sum "⌋" | "⌈" sum "⌉"           also \\lfloor, \\lceil
             | "\\sum_{" name "=" sum "}" "^" atom product     the index is known in the product alone

``//`` is a division on the lattice of a closed form, where it leaves nothing, and Python's own where floors are
asked for: :func:`parse` says which.

Where paper and code read one spelling differently (``1/2hw``, ``C2``) the reader is asked, not guessed at.
Length, depth, exponents, numbers and work are bounded, so that any text gives a polynomial or one
:class:`~vpcalc.errors.InputError` with the position, at once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import NoReturn

from .. import symbols
from ..errors import NEAR, InputError, either
from .floors import ceil_div, floor_div, remainder
from .polynomial import Atom, Monomial, Polynomial, constant, symbol
from .printers import GREEK
from .sums import MOST, power_sum

LENGTH = 10_000
"""Longest text, in characters."""
EXPONENT = 12
"""Largest exponent that may be written."""
DEPTH = 40
"""Deepest nesting of brackets."""
DIGITS = 30
"""Longest number."""
LIKELY, MOST_LIKELY = ("h", "w", "C", "M", "N"), 5
"""What a letter that is not known may stand for, where nothing says what the formula is of; how many are named."""

_TERMS = 2_000
_POWER = 60
_BITS = 1_000
_WORK = 200_000  # products of terms; about a quarter of a second

_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_RAISED = str.maketrans(_SUPERSCRIPTS + "⁻", "0123456789-")

_SPACING = (
    r"\\\[-?\d{1,3}(?:\.\d{1,3})?\s?(?:pt|em|ex|mm|cm)\]"  # \\[2pt]
    r"|[,;:!> \\]|quad\b|qquad\b|left\b|right\b|[bB]igg?[lrm]?\b|displaystyle\b|textstyle\b|[()\[\]]"
    r"|nonumber\b|notag\b|label\{[^{}]{0,60}\}"
)
_ENVIRONMENT = r"(?:begin|end)\{(?:equation|align|aligned|gather|gathered|multline|split|displaymath|math)\*?\}"
FONT = r"(?:text|textrm|textit|mathrm|mathit|mathsf|mathbf|mathnormal|operatorname|rm|it)(?![a-zA-Z])"

_ONE_NAME = r"[^\W\d_](?:_[a-zA-Z0-9]{1,20})?"

_TOKEN = re.compile(
    rf"""
    (?P<space>   \s+ | [~&$] | \\(?:{_SPACING}|{_ENVIRONMENT}|{FONT}) )
  | (?P<sum>     (?:\\sum(?![a-zA-Z])|∑|Σ(?=\s?_))(?:\s{{0,4}}\\limits)?
                 (?:\s{{0,4}}_\s{{0,4}}\{{\s{{0,4}}(?P<index>{_ONE_NAME})\s{{0,4}}=)? )
  | (?P<number>  [0-9]+(?:\.[0-9]+)? )
  | (?P<raised>  ⁻?[{_SUPERSCRIPTS}]+ )
  | (?P<letter>  [^\W\d_] )
  | (?P<power>   \*\* | \^ )
  | (?P<times>   [*·⋅×∗] | \\(?:cdot|times|ast)(?![a-zA-Z]) )
  | (?P<floored> // )
  | (?P<over>    [/÷⁄] )
  | (?P<modulo>  % | \\(?:bmod)(?![a-zA-Z]) )
  | (?P<plus>    \+ )
  | (?P<minus>   [-−–] )
  | (?P<open>    [(\[] )
  | (?P<close>   [)\]] )
  | (?P<begin>   \{{ )
  | (?P<end>     \}} )
  | (?P<floor>   ⌊ | \\lfloor(?![a-zA-Z]) )
  | (?P<ceil>    ⌈ | \\lceil(?![a-zA-Z]) )
  | (?P<endfloor> ⌋ | \\rfloor(?![a-zA-Z]) )
  | (?P<endceil> ⌉ | \\rceil(?![a-zA-Z]) )
  | (?P<frac>    \\[dt]?frac(?![a-zA-Z]) )
  | (?P<greek>   \\(?:{"|".join(GREEK.values())})(?![a-zA-Z]) )
    """,
    re.VERBOSE,
)

_GAP = r"\s{0,4}"  # bounded, so that no text makes a pattern try every way to split its blanks

_INDEX = rf"{_GAP}(?:\\{FONT}{_GAP})?{_GAP}(?:\{{{_GAP}[a-zA-Z0-9]+{_GAP}\}}|[a-zA-Z0-9]+){_GAP}"
_INDEXED = re.compile(
    rf"""
    (?P<base>[^\W\d_]) {_GAP} _ {_GAP}
    (?: (?P<plain>[a-zA-Z0-9]+)                             # d_model
      | (?P<braced> \{{{_INDEX}\}}                          # d_{{model}}, d_{{\text{{model}}}}, d_{{\rm model}}
                  | \\{FONT}{_GAP}\{{{_GAP}[a-zA-Z0-9]+{_GAP}\}}) )  # d_\text{{model}}
    """,
    re.VERBOSE,
)

NAMED = re.compile(
    rf"""
    (?:\\{FONT}{_GAP})? \{{? {_GAP}
    (?:Ω|\\Omega(?![a-zA-Z])|(?:flops|macs?|muladds|params|parameters|complexity|cost)\b)
    [^=+]* =
    """,
    re.VERBOSE | re.IGNORECASE,
)

ORDER = re.compile(
    rf"(?:\\(?:mathcal|{FONT}){_GAP})?\{{?{_GAP}(?P<sign>[Oo𝒪ΘΩ]|\\Theta|\\Omega){_GAP}\}}?{_GAP}"
    rf"(?:\\(?:left|[bB]igg?l?)(?![a-zA-Z]))?{_GAP}[(\[]"
)

_NUMBER = rf"(?:[,.;]|\\q?quad){_GAP}\(\d{{1,3}}[a-z]?\)"
_UNIT = rf"(?:\\{FONT}{_GAP}\{{\s{{0,4}}|(?<=\s)|(?<=~))\(?(?:FLOPs|MACs|multiply-accumulates|operations)\)?\}}?"
_ENDING = (
    rf"(?:{_NUMBER}|{_UNIT}|\\(?:tag|label)\{{[^{{}}]{{0,40}}\}}|\\{_ENVIRONMENT}"
    r"|\\\\|\\[\])]|\\q?quad|\\(?:nonumber|notag))"
)
_TAIL = re.compile(rf"{_ENDING}\Z")
_STOP = r"\\[,;:! ]|[\s$.,;&]"
_STOPS = re.compile(rf"(?:{_STOP})+\Z")
TRAILING = re.compile(rf"(?:{_STOP}|{_ENDING}){{0,60}}")
"""What may follow a formula: a full stop, the equation's number, the end of its environment, a unit."""


def parse(
    text: str,
    rename: Mapping[str, str] | None = None,
    *,
    floors: bool = False,
    letters: Iterable[str] = (),
    likely: Iterable[str] = LIKELY,
) -> Polynomial:
    """The closed form that a text spells.

    Args:
        text: Python's spelling, our own text, or a paper's LaTeX; a left-hand side ``Ω(MSA) =`` is skipped.
        rename: names in the text, each with the symbol or formula of the alphabet that it stands for:
            ``{"c": "C", "n": "hw"}``.
        floors: ``a//b`` is ⌊a/b⌋, as Python has it at every size; else a/b, as it is on a lattice.
        letters: names beyond the alphabet, each a symbol of its own.
        likely: what a letter that is not known may stand for.

    Raises:
        InputError: the text is not a formula in the alphabet; the message gives the position.
    """
    if not isinstance(text, str):
        raise InputError(f"formula: must be text, not {type(text).__name__}")
    if len(text) > LENGTH:
        raise InputError(f"formula: {len(text)} characters; must be at most {LENGTH}")
    known = _names(rename or {})
    more = {letter: symbol(letter) for letter in letters if letter not in known}
    return _Parser(text, known, more, floors, tuple(likely)[:MOST_LIKELY]).formula()


def _names(rename: Mapping[str, str]) -> dict[str, Polynomial]:
    """Every name that a text may use, and what it stands for."""
    names = {letter.name: symbol(letter.name) for letter in symbols.ALPHABET}
    for name, meaning in rename.items():
        if not re.fullmatch(r"[^\W\d_]{1,20}(?:_\w{1,20})?", name):
            raise InputError(f"rename {name[:40]!r}: a name is letters, with an index after _ if need be")
        try:
            names[name] = parse(meaning)
        except InputError as error:
            raise InputError(f"rename {name}={str(meaning)[:40]}: {error}") from None
    return names


_Rounding = Callable[[Polynomial, Polynomial], Polynomial]

_FACTORS = frozenset(["number", "name", "open", "begin", "floor", "ceil", "frac", "sum"])
"""Tokens with which a factor begins."""

_CLOSING = {"open": "close", "begin": "end", "floor": "endfloor", "ceil": "endceil"}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(
        self,
        text: str,
        known: Mapping[str, Polynomial],
        more: Mapping[str, Polynomial],
        floors: bool,
        likely: tuple[str, ...],
    ) -> None:
        names = {**known, **more}
        self._text = text
        self._known, self._likely = tuple(known), likely  # what an error offers
        self._strange: dict[str, int] = {}
        self._floored = floor_div if floors else None
        self._names = names
        self._indices: set[str] = set()
        self._words = sorted((n for n in names if len(n.partition("_")[0]) > 1), key=len, reverse=True)
        self._tokens = self._split()
        self._next = 0
        self._depth = 0
        self._work = 0

    # -- tokens ---------------------------------------------------------------------------------

    def _split(self) -> list[_Token]:
        end = self._end()
        at = self._start()
        tokens = []
        while at < end:
            match = _TOKEN.match(self._text, at, end)
            if match is None or match.lastgroup is None:
                self._unreadable(at)
            kind, after = match.lastgroup, match.end()
            if kind == "letter":
                name, after = self._name(at)
                tokens.append(_Token("name", name, at))
            elif kind == "greek":
                letter = next(letter for letter, command in GREEK.items() if command == match.group()[1:])
                if letter not in self._names:
                    self._strange.setdefault(letter, at)
                tokens.append(_Token("name", letter, at))
            elif kind == "sum":
                if match["index"] is None:
                    self._fail(at, r"a sum needs both limits: \sum_{i=1}^{n}")
                tokens.append(_Token("sum", match["index"], at))
                self._indices.add(match["index"])
            elif kind != "space":
                tokens.append(_Token(kind, match.group(), at))
            at = after
        if self._strange:
            self._unknown(self._strange)
        return [*tokens, _Token("nothing", "", end)]

    def _start(self) -> int:
        """Where the formula begins: after ``Ω(MSA) =``. An order of growth is refused."""
        at = self._skip(0)
        if named := NAMED.match(self._text, at):
            at = self._skip(named.end())
        if order := ORDER.match(self._text, at):
            if order["sign"] in ("Ω", r"\Omega", "o"):
                self._fail(at, "an order of growth is O(…) or Θ(…); Ω(…) and o(…) bound from one side")
            self._fail(at, "an order of growth stands alone, O(n^2 d) with its bracket closed")
        return at

    def _skip(self, at: int) -> int:
        """The next place that is not blank or a delimiter of mathematics."""
        while match := _TOKEN.match(self._text, at):
            if match.lastgroup != "space" or re.match(rf"\\{FONT}", match.group()):
                break
            at = match.end()
        return at

    def _end(self) -> int:
        """Where the formula ends: before the sentence's full stop, the equation's number and a unit."""
        text = self._text
        while True:
            last = max(0, len(text) - 60)
            shorter = text[:last] + _STOPS.sub("", text[last:])
            if number := _TAIL.search(shorter, max(0, len(shorter) - 60)):
                shorter = shorter[: number.start()]
            if len(shorter) == len(text):
                return len(text)
            text = shorter

    def _name(self, at: int) -> tuple[str, int]:
        """The name that begins here, and where it ends. The longest known name wins: d_kC is d_k times C."""
        for word in self._words:
            if self._text.startswith(word, at):
                return word, at + len(word)
        indexed = _INDEXED.match(self._text, at)
        if indexed is None:
            name, end = self._text[at], at + 1
        elif indexed["plain"]:
            whole = f"{indexed['base']}_{indexed['plain']}"
            fitting = [known for known in self._names if "_" in known and whole.startswith(known)]
            name = max(fitting, key=len, default=whole)
            end = indexed.start("plain") + len(name) - 2
        else:
            index = re.findall(r"[a-zA-Z0-9]+", re.sub(rf"\\{FONT}", "", indexed["braced"]))[0]
            name, end = f"{indexed['base']}_{index}", indexed.end()
        if name not in self._names and name not in self._indices:
            self._strange.setdefault(name, at)
        return name, end

    # -- grammar --------------------------------------------------------------------------------

    def formula(self) -> Polynomial:
        """The whole text."""
        if self._here.kind == "nothing":
            self._fail(self._here.at, "there is no formula here")
        total = self._sum()
        if self._here.kind != "nothing":
            closes = self._here.kind in _CLOSING.values()
            self._fail(self._here.at, "a bracket too many" if closes else "unexpected")
        return total

    @property
    def _here(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *kinds: str) -> _Token | None:
        """The next token, if it is one of these."""
        token = self._here
        if token.kind not in kinds:
            return None
        self._next += 1
        return token

    def _sum(self) -> Polynomial:
        total = self._product()
        while sign := self._take("plus", "minus"):
            term = self._product()
            total = self._add(total, term if sign.kind == "plus" else -term, sign.at)
        return total

    def _product(self) -> Polynomial:
        product = self._run(single=False)
        while operator := self._take("times", "over", "floored", "modulo"):
            factor = self._run(single=operator.kind != "times", of=product)
            if operator.kind == "times":
                product = self._multiply(product, factor, operator.at)
            elif operator.kind == "modulo":
                product = self._rounded(remainder, product, factor, operator.at)
            elif operator.kind == "floored" and self._floored:
                product = self._rounded(self._floored, product, factor, operator.at)
            else:
                product = self._divide(product, factor, operator.at)
                if self._here.kind in _FACTORS:  # 31/4 hw: a number ends at the blank
                    product = self._multiply(product, self._run(single=False), self._here.at)
        return product

    def _run(self, single: bool, of: Polynomial | None = None) -> Polynomial:
        """Powers side by side. After a division only one: 1/2hw may mean (1/2)hw or 1/(2hw).

        A number divided by one, and then a blank, is a fraction before what follows: ``31/4 hw``.
        """
        first = self._here
        negative = False
        while sign := self._take("plus", "minus"):
            negative ^= sign.kind == "minus"
        product = self._power()
        while self._here.kind in _FACTORS:
            if self._here.kind == "number":
                self._fail(self._here.at, "a number after a factor: write C^2 for a power, 2*C for a product")
            number = first.kind == "number" and self._tokens[self._next - 1] is first
            apart = first.at + len(first.text) < self._here.at
            if single and number and apart and of is not None and not of.letters:
                break
            if single:
                self._fail(self._here.at, "what is divided? write a/(bc), (a/b)*c, or 1/2 hw with a blank")
            at = self._here.at
            product = self._multiply(product, self._power(), at)
        return -product if negative else product

    def _power(self) -> Polynomial:
        start = self._next
        base = self._atom()
        group = self._tokens[start : self._next]
        raised = self._take("power", "raised")
        if raised is None:
            return base
        if group[0].kind == "begin" and len(group) > 3 and group[1].kind not in ("open", "floor", "ceil"):
            self._fail(raised.at, "on paper this raises the last factor alone: use ( ) around the product")
        exponent = int(raised.text.translate(_RAISED)) if raised.kind == "raised" else self._exponent()
        if abs(exponent) > EXPONENT:
            self._fail(raised.at, f"an exponent of {exponent}: must be at most {EXPONENT}")
        if again := self._take("power", "raised"):
            self._fail(again.at, "a power of a power: use ( ) to say which comes first")
        if exponent < 0:
            base, exponent = self._divide(constant(1), base, raised.at), -exponent
        power = constant(1)
        for _ in range(exponent):
            power = self._multiply(power, base, raised.at)
        return power

    def _exponent(self) -> int:
        at = self._here.at
        sign = self._take("minus")
        if self._here.kind not in ("number", "open", "begin"):
            self._fail(at, "an exponent has to be a whole number")
        value = self._atom()
        if value.symbols or value.denominator != 1:
            self._fail(at, "an exponent has to be a whole number")
        number = value.value({})
        if number.bit_length() > 20:
            self._fail(at, f"must be at most {EXPONENT}")
        return -number if sign else number

    def _atom(self) -> Polynomial:
        token = self._here
        self._next += token.kind != "nothing"
        if token.kind == "number":
            return self._number(token)
        if token.kind == "name":
            if token.text not in self._names:  # the index of a sum, outside of it
                self._unknown({token.text: token.at})
            return self._names[token.text]
        if token.kind == "sum":
            return self._sum_over(token)
        if token.kind in ("open", "begin"):
            return self._bracket(token)
        if token.kind in ("floor", "ceil"):
            return self._whole_part(token)
        if token.kind == "frac":
            over, under = self._group(), self._group()
            return self._divide(over, under, token.at)
        if token.kind == "nothing":
            self._fail(token.at, "the formula stops here; a number, a symbol or a bracket has to follow")
        self._fail(token.at, "a number, a symbol or an opening bracket has to stand here")

    def _group(self) -> Polynomial:
        """What stands in braces, or, as TeX has it, one digit or one letter: ``\\frac12``."""
        here = self._here
        if here.kind == "number" and here.text.isdigit():
            parts = (here.text[:1], here.at), (here.text[1:], here.at + 1)
            self._tokens[self._next : self._next + 1] = [_Token("number", *part) for part in parts if part[0]]
        elif token := self._take("begin"):
            return self._bracket(token)
        elif here.kind != "name" or len(here.text) > 1:
            self._fail(here.at, r"\frac needs braces: \frac{2hw}{R^{2}}")
        return self._atom()

    def _bracket(self, opening: _Token) -> Polynomial:
        self._deeper(opening.at)
        inside = self._sum()
        self._depth -= 1
        self._close(opening)
        return inside

    def _deeper(self, at: int) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            self._fail(at, f"brackets nested deeper than {DEPTH}")

    def _close(self, opening: _Token) -> None:
        if not self._take(_CLOSING[opening.kind]):
            if self._here.kind == "nothing":
                self._fail(opening.at, "this bracket is not closed")
            self._fail(self._here.at, "unexpected; the bracket before it is still open")

    def _whole_part(self, opening: _Token) -> Polynomial:
        """⌊a/b⌋ of any a and b; of a sum of fractions what it is over their common denominator."""
        self._deeper(opening.at)
        over, under = self._fraction(_CLOSING[opening.kind])
        self._depth -= 1
        self._close(opening)
        return self._rounded(floor_div if opening.kind == "floor" else ceil_div, over, under, opening.at)

    def _fraction(self, closing: str) -> tuple[Polynomial, Polynomial]:
        """``a/b`` before a closing bracket, where b may be a sum; else whatever stands there, over one line."""
        start = self._next
        if self._take("frac"):
            parts = self._group(), self._group()
            if self._here.kind == closing:
                return parts
            self._next = start
        elif self._here.kind in ("name", "number", "open", "minus", "floor", "ceil"):
            over = self._run(single=False)
            if self._take("over"):
                under = self._run(single=True)
                if self._here.kind == closing:
                    return over, under
            self._next = start
        return parts_of(self._sum())

    def _sum_over(self, token: _Token) -> Polynomial:
        """``\\sum_{i=a}^{b}`` of the product that follows, where the index is a symbol that no one else has."""
        self._deeper(token.at)
        low = self._sum()
        if not self._take("end"):
            self._fail(self._here.at, "the lower limit of the sum has to end here, with }")
        raised = self._take("raised")
        if raised is None and not self._take("power"):
            self._fail(self._here.at, r"the upper limit of the sum has to follow: \sum_{i=1}^{n}")
        high = constant(int(raised.text.translate(_RAISED))) if raised else self._atom()
        index = f"{token.text}′{self._depth}"
        around = self._names
        self._names = {**around, token.text: symbol(index)}
        body = self._product()
        self._names = around
        self._depth -= 1
        return self._summed(body, index, low, high, token.at)

    def _summed(self, body: Polynomial, index: str, low: Polynomial, high: Polynomial, at: int) -> Polynomial:
        """Σ over index = low … high, which is empty where high = low − 1."""
        if not (low.symbols or high.symbols):
            if low.denominator != 1 or high.denominator != 1:
                self._fail(at, "the limits of a sum have to be whole")
            if high.value({}) < low.value({}):
                return constant(0)
        by_power: dict[int, dict[Monomial, int]] = {}
        for monomial, number in body.terms.items():
            power = dict(monomial).get(index, 0)
            rest = tuple((name, exponent) for name, exponent in monomial if name != index)
            if not 0 <= power <= MOST or any(isinstance(name, Atom) and index in name.letters for name, _ in rest):
                self._fail(
                    at, f"a sum is taken of powers of its index from 0 to {MOST}, not of quotients or floors"
                )
            by_power.setdefault(power, {})[rest] = number
        total = constant(0)
        for power, terms in by_power.items():
            span = self._powers_below(power, high, at) - self._powers_below(power, low - 1, at)
            total = self._add(total, self._multiply(Polynomial(terms, body.denominator), span, at), at)
        return total

    def _powers_below(self, power: int, last: Polynomial, at: int) -> Polynomial:
        """1^power + … + last^power."""
        total = constant(0)
        for coefficient in reversed(power_sum(power)):
            step = Polynomial({(): coefficient.numerator}, coefficient.denominator)
            total = self._add(self._multiply(total, last, at), step, at)
        return total

    def _number(self, token: _Token) -> Polynomial:
        if len(token.text) > DIGITS:
            self._fail(token.at, f"a number of {len(token.text)} digits: must be at most {DIGITS}")
        whole, _, decimals = token.text.partition(".")
        return Polynomial({(): int(whole + decimals)}, 10 ** len(decimals))

    # -- bounded arithmetic -----------------------------------------------------------------------

    def _add(self, left: Polynomial, right: Polynomial, at: int) -> Polynomial:
        self._spend(len(left.terms) + len(right.terms), at)
        return self._bounded(left + right, at)

    def _multiply(self, left: Polynomial, right: Polynomial, at: int) -> Polynomial:
        self._spend(len(left.terms) * len(right.terms), at)
        return self._bounded(left * right, at)

    def _divide(self, left: Polynomial, right: Polynomial, at: int) -> Polynomial:
        if not right:
            self._fail(at, "a division by zero")
        if len(right.terms) != 1:
            self._fail(at, "can divide by a single term only, such as R^2 or (2*R)")
        return self._multiply(left, right.reciprocal(), at)

    def _rounded(self, how: _Rounding, left: Polynomial, right: Polynomial, at: int) -> Polynomial:
        if not right:
            self._fail(at, "a division by zero")
        (over, over_divisor), (under, under_divisor) = parts_of(left), parts_of(right)
        over = self._multiply(over, under_divisor, at)
        under = self._multiply(under, over_divisor, at)
        self._spend(10 * (len(over.terms) + len(under.terms)) ** 2, at)
        rounded = how(over, under)
        return self._bounded(rounded / over_divisor / under_divisor if how is remainder else rounded, at)

    def _spend(self, work: int, at: int) -> None:
        self._work += work
        if self._work > _WORK:
            self._fail(at, "too large to multiply out")

    def _bounded(self, result: Polynomial, at: int) -> Polynomial:
        if len(result.terms) > _TERMS:
            self._fail(at, f"more than {_TERMS} terms when multiplied out")
        if any(abs(power) > _POWER for monomial in result.terms for _, power in monomial):
            self._fail(at, f"a symbol to a power beyond {_POWER}")
        if max((abs(n).bit_length() for n in (*result.terms.values(), result.denominator)), default=0) > _BITS:
            self._fail(at, "numbers grow too large here")
        return result

    # -- errors -----------------------------------------------------------------------------------

    def _unknown(self, strange: Mapping[str, int]) -> NoReturn:
        """Refuse names that are not known, all at once, at the place of the first."""
        known, (name, *others) = self._known, strange
        near = [other for other in known if other.lower() == name.lower()]
        near = near or (difflib.get_close_matches(name, known, n=2, cutoff=NEAR) if len(name) > 1 else [])
        near = [] if others else near
        legend = [f"{other}{_meaning(other)}" for other in (near or self._likely)]
        means = " ".join(f"--rename {each}={own}" for each, own in zip(strange, cycle(near or self._likely)))
        if near:
            hint = f"did you mean {either(legend)}? {means} says so"
        else:
            hint = f"say what {'they stand' if others else 'it stands'} for, such as {means}; "
            hint += f"here are {', '.join(legend)}"
        which = f"symbols {', '.join(map(repr, strange))} are" if others else f"symbol {name!r} is"
        self._fail(strange[name], f"the {which} not in the alphabet; {hint}")

    def _unreadable(self, at: int) -> NoReturn:
        if self._text[at] == "\\":
            command = re.match(r"\\(?:[a-zA-Z]{1,30}|.?)", self._text[at : at + 31], re.DOTALL)
            self._fail(at, f"the command {command.group() if command else ''!r} has no meaning in a formula")
        if self._text[at] in "=<>≈≤≥~":
            self._fail(at, "one formula is wanted, not a relation between two")
        self._fail(at, f"the character {self._text[at]!r} has no meaning in a formula")

    def _fail(self, at: int, message: str) -> NoReturn:
        raise misread(self._text, at, message)


def misread(text: str, at: int, message: str) -> InputError:
    """What is wrong with a text, and where."""
    rest = text[at : at + 24]
    shown = f" (at {rest!r})" if rest else ""
    return InputError(f"formula, position {at + 1}{shown}: {message}")


def parts_of(polynomial: Polynomial) -> tuple[Polynomial, Polynomial]:
    """What stands above and below one common line, both with whole coefficients and without negative powers."""
    lows: dict[str, int] = {}
    for monomial in polynomial.terms:
        for name, power in monomial:
            lows[name] = min(lows.get(name, 0), power)
    under = tuple(sorted((name, -low) for name, low in lows.items() if low < 0))
    below = Polynomial({under: polynomial.denominator})
    return polynomial * below, below


def _meaning(name: str) -> str:
    known = next((letter for letter in symbols.ALPHABET if letter.name == name), None)
    return f" ({re.split(' [(]|,', known.meaning)[0]})" if known else ""
