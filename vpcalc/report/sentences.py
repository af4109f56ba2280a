"""Sentences with mathematics in Unicode, as LaTeX: what is mathematics is found word by word and set as such.

``‖J‖₂ ≤ (γσ₁)^{t−k} in the spectral norm`` becomes ``$\\Vert J\\Vert_{2} \\leq (\\gamma \\sigma_{1})^{t-k}$ in the
spectral norm``. A word is mathematics if it holds a sign or a letter that sentences do not; single letters,
numbers and names of functions are so beside such a word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..algebra.printers import GREEK
from .tex import SIGNS, escape_tex

OPERATORS = frozenset(["arctan", "cos", "exp", "ln", "log", "max", "min", "sin", "tanh"])
"""Functions that LaTeX knows."""

_WORDS = frozenset(["Reshape", "conv", "side"])
"""Names of several letters that stand for themselves in sentences, and are mathematics within it alone."""

_NAMES = "Ci Cov PE Var artanh attention diag erfc pos rank sigmoid sign softmax"
NAMES = frozenset(_NAMES.split()) | _WORDS
"""Names of several letters within mathematics; other letters that stand together are multiplied."""

INDICES = frozenset(["end", "ff", "head", "in", "max", "min", "model", "out", "pos", "rec"])
"""Words that stand as an index."""

_WORDS_NOT = frozenset(["A", "I", "a", "vs", "th", "pp", "Th", "CH", "St"])
"""Short words that are words."""

_NO_NOUN = ("", "heads", "of", "that")
"""What stands behind an a that is no article; nothing, where a clause ends."""

_STRONG = re.compile(
    r"[=<>^|+·×⋅−√∂∏Σ∑‖⌈⌉⌊⌋≤≥≠≈∈∞→⇒∠⊙∘±½ĝᵀ′∣∤⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻₀₁₂₃₄₅₆₇₈₉]|[" + "".join(GREEK) + r"]"
    r"|[^\W\d_]_[\w{]|(?<![A-Za-z])(?:[A-Za-z]|" + "|".join(sorted(OPERATORS | NAMES)) + r")\("
    r"|(?<![\w/])(?<![A-Za-z]-)(?!I/O|w/o)(?:\d+|\d*[A-Za-z]{1,2})/(?:\d+|[A-Za-z]{1,2})(?!\w)|(?<!\w)\d+[A-Za-z](?!\w)"
    r"|\d\([A-Za-z]|\d[A-Za-z]{1,3}\(|\)/|/\(|^\[|\]\[|\]$|^\(?(?:AV|hw|[a-z]A[a-z])\)?$|^\w\)\(?[A-Za-z]\)?$|^[+−-]?\d+(?:\.\d+)?e[+-]?\d+$"
)
_IDENTIFIER = re.compile(r"(?!log_)(?<![A-Za-z])[A-Za-z]{3,}_|\w\.\w+\.\w")
_PRODUCT = re.compile(r"\d*(?=[a-z]*[A-Z])(?![A-Z]{3})[B-DF-HJ-NP-TV-XZb-df-hj-np-tv-xz]{2,4}")
_WEAK = re.compile(r"-?[\d.,]*\d|[A-Za-z]|(?![A-Z]{3})\d*[b-df-hj-np-tv-xzB-DF-HJ-NP-TV-XZ]{1,3}|[/:]|…|\.\.\.")


_UNIT = re.compile(r"[kMGTP](?:i?B)?")
"""Units behind a number; of symbols a number is no word of its own."""


class _Word(NamedTuple):
    """A word between blanks: what is put before it, itself, and the punctuation behind."""

    before: str
    core: str
    after: str


def tex(text: str) -> str:
    """A sentence for LaTeX; amsmath and its own fonts are all that it needs."""
    words = [_split(word) for word in text.split(" ")]
    written: list[str] = []
    place = 0
    while place < len(words):
        end = _run(words, place)
        if _is_quantity(words[place : place + 2]):
            written.append(rf"{escape_tex(''.join(words[place]))}\,{escape_tex(''.join(words[place + 1]))}")
            place += 2
        elif end == place:
            written.append(re.sub(r"^([a-z])-th\b", r"$\1$-th", escape_tex("".join(words[place]))))
            place += 1
        else:
            written.append(_formula(words[place:end]))
            place = end
    return " ".join(written)


def _split(word: str) -> _Word:
    found = re.fullmatch(r"(['\"]*)(.*?)([,;:.'\"?!]*)", word, re.DOTALL)
    assert found is not None
    return _Word(*found.groups())


def _is_quantity(words: Sequence[_Word]) -> bool:
    """Whether a number and its unit begin here: 4.5 G, 80 GB."""
    number, unit = (words[0].core, words[1].core) if len(words) > 1 and not words[0].after else ("", "")
    return bool(re.fullmatch(r"[+−-]?[\d.,]*\d", number) and _UNIT.fullmatch(unit))


def _run(words: Sequence[_Word], start: int) -> int:
    """Where the mathematics that begins here ends; ``start`` where none does."""
    first, end, open_ = len(words), start, 0
    for place in range(start, len(words)):
        word = words[place]
        if _is_quantity(words[place : place + 2]):
            break
        behind = words[place + 1].core if place + 1 < len(words) and not word.after else ""
        sure = _is_strong(word.core) or (word.core.strip("()") == "a" and behind in _NO_NOUN)
        if not (sure or _is_weak(word.core) or _is_no_word(word.core, words[start:place], behind)):
            break
        if place > start and (word.before or (word.core.startswith("(") and behind in ("=", "…"))):
            break
        first, end = min(first, place if sure else first), place + 1
        open_ += sum(word.core.count(sign) for sign in "([{") - sum(word.core.count(sign) for sign in ")]}")
        if word.after and (open_ <= 0 or word.after not in (",", ";")):
            break
    while end - 1 > start and words[end - 1].core.startswith("(") and ")" not in words[end - 1].core:
        end -= 1  # a bracket that opens at the end belongs to the words that follow
    return end if first < end else start


def _is_no_word(core: str, before: Sequence[_Word], behind: str) -> bool:
    """Whether an a, A or I is a symbol: after a function or an operator, or before a sign."""
    last = before[-1].core.strip("()") if before else ""
    sign, operator = ("=", "∤", "∣", "|", "+", "−"), ("+", "−", "=", "·", *OPERATORS)
    return core.strip("()") in ("a", "A", "I") and (behind in sign or last in operator)


def _is_strong(core: str) -> bool:
    if _IDENTIFIER.search(core):
        return False
    bare = core.strip("()")
    letter = len(bare) == 1 and bare.isascii() and bare.isalpha() and bare not in _WORDS_NOT
    return bool(letter or (_PRODUCT.fullmatch(bare) and bare not in _WORDS_NOT) or _STRONG.search(core))


def _is_weak(core: str) -> bool:
    bare = core.strip("()[]{}")
    return bare not in _WORDS_NOT and bool(bare in OPERATORS | (NAMES - _WORDS) or _WEAK.fullmatch(bare))


def _formula(words: Sequence[_Word]) -> str:
    """Words as one formula; brackets that are opened or closed elsewhere stay outside of it."""
    inside = " ".join(word.core if word is words[-1] else word.core + word.after for word in words)
    before, after = words[0].before, words[-1].after
    while inside.endswith(")") and inside.count(")") > inside.count("("):
        inside, after = inside[:-1], ")" + after
    while inside.startswith("(") and inside.count("(") > inside.count(")"):
        inside, before = inside[1:], before + "("
    return f"{escape_tex(before)}${math(inside)}${escape_tex(after)}"


_MULTIPLES = re.compile(r"(.+) (?:a multiple|multiples) of (.+?)(?: \(.*\))?")


def condition(text: str) -> str:
    """Where a form holds, as mathematics: ``H and W multiples of 4`` is ``4 \\mid H,\\ 4 \\mid W``.

    What is said in words stays words.
    """
    found = ""
    for phrase in text.split("; "):
        is_other = phrase.startswith("or ")
        found += r" \text{ or } " if is_other else r",\ " if found else ""
        said = phrase.removeprefix("or ")
        if parts := _MULTIPLES.fullmatch(said):
            found += r",\ ".join(rf"{math(parts[2])} \mid {math(name)}" for name in parts[1].split(" and "))
        elif re.search(r"(?<![_\w])[a-z]{2,} [a-z]", said):
            found += rf"\text{{{escape_tex(said)}}}"
        else:
            found += math(said).replace(", ", r",\ ")
    return found


_BOUND = re.compile(r"([^=]+=[^.]+)\.\.(.+)")

_PART = re.compile(
    r"(?P<big>[∏Σ∑])(?:_\{(?P<over>[^{}]*)\}|_(?P<by>\w))?"
    r"|√(?P<root>\((?P<sum>[^()]*)\)|[^\W_](?:_\w+|_\{[^{}]*\})?)"
    r"|_(?:\{(?P<indices>[^{}]*)\}|(?P<index>[A-Za-z]+|\d+))"
    r"|\^(?:\{(?P<power>(?:[^{}]|\{[^{}]*\})*)\}|(?P<exponent>\w))"
    r"|(?P<raised>[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀ]+)"
    r"|(?P<lowered>[₀₁₂₃₄₅₆₇₈₉]+)"
    r"|(?P<name>[A-Za-z]{2,})"
    r"|(?P<dots>…|\.\.\.?)"
    r"|(?P<sign>.)",
    re.DOTALL,
)
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


_POWER_OF_TEN = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)e([+-]?\d+)\b")


def _in_powers_of_ten(found: re.Match[str]) -> str:
    return f"{found[1]} ⋅ 10^{{{int(found[2])}}}" if int(found[2]) else found[1]


def math(text: str) -> str:
    """Mathematics in Unicode as LaTeX, without delimiters."""
    text = _POWER_OF_TEN.sub(_in_powers_of_ten, text).replace(" | ", " ∣ ")
    spelled = re.sub(r"\s+", " ", "".join(map(_part, _PART.finditer(text)))).strip()
    spelled = re.sub(r" (?=[\^_'),;/}\]])", "", spelled)
    return re.sub(r"(?<=\d) (?=-?\d)", r"\\;", spelled)  # the entries of a matrix


def _part(found: re.Match[str]) -> str:
    part = found.groupdict()
    if part["big"]:
        return _big(part["big"], part["over"] or part["by"] or "")
    if part["root"]:
        return rf"\sqrt{{{math(part['sum'] or part['root'])}}}"
    for index in (part["indices"], part["index"]):
        if index:
            inside = rf"\mathrm{{{index}}}" if index in INDICES else math(index)
            return f"_{{{inside}}}"
    for power in (part["power"], part["exponent"]):
        if power:
            return f"^{{{math(power)}}}"
    if part["raised"]:
        power = part["raised"].translate(_RAISED).replace("ᵀ", r"\top")
        return f"^{{{power}}}"
    if part["lowered"]:
        index = part["lowered"].translate(_LOWERED)
        return f"_{{{index}}}"
    if part["name"]:
        return _name(part["name"])
    if part["dots"]:
        return r"\dots "
    return _sign(part["sign"])


def _big(sign: str, bound: str) -> str:
    command = r"\prod" if sign == "∏" else r"\sum"
    limits = _BOUND.fullmatch(bound)
    if limits:
        return f"{command}_{{{math(limits[1])}}}^{{{math(limits[2])}}} "
    return f"{command}_{{{math(bound)}}} " if bound else f"{command} "


def _name(name: str) -> str:
    if name in OPERATORS:
        return rf"\{name} "
    return rf"\operatorname{{{name}}}" if name in NAMES else name


def _sign(sign: str) -> str:
    if sign in GREEK:
        return rf"\{GREEK[sign]} "
    if sign in "{}%&#$":
        return rf"\{sign}"
    command = SIGNS.get(sign, sign)
    return f"{command} " if command[-1:].isalpha() and command.startswith("\\") else command
