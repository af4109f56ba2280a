"""Finding statements by name, by family, or by words in their names, titles, claims and sources."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import NEAR, InputError, either
from ..statements import FAMILIES
from ..statements.recorded import Words

_ASKED_WITH = "why how what when which where is are does do the a an of in to by"
_ASKING = frozenset(_ASKED_WITH.split())

LONGEST = 200
"""Characters that may be searched for."""


def find(asked: str, statements: Sequence[Words]) -> list[Words]:
    """The statement or the family of this name, or else every statement that has all of these words.

    Raises:
        InputError: nothing has them; names and words that are near are offered.
    """
    for named in (
        [one for one in statements if one.id == asked],
        [one for one in statements if one.family == asked],
    ):
        if named:
            return named
    words = _plain(asked).split()
    if not words:
        raise _nothing(asked, words, statements)
    if len(asked) > LONGEST or not re.search(r"\w", asked):
        raise InputError(f"statement {asked[:40]!r}: must be a name or words, at most {LONGEST} characters")
    found = [one for one in statements if all(word in _plain(_all_of(one)) for word in words)]
    if not found:
        raise _nothing(asked, words, statements)
    return found


def _all_of(one: Words) -> str:
    return " ".join((one.id, one.family, one.title, one.claim, one.source))


def _plain(text: str) -> str:
    """Small letters, with blanks for what joins words; signs that have a name by it, and no words of asking."""
    words = re.sub(r"[_\-–'’?]", " ", text.casefold().replace("√", " sqrt ")).split()
    return " ".join(word for word in words if word not in _ASKING)


def _nothing(asked: str, words: Sequence[str], statements: Sequence[Words]) -> InputError:
    """What is near: names of statements and families first, else words that occur."""
    import difflib

    names = [*(one.id for one in statements), *FAMILIES]
    near = difflib.get_close_matches(asked.lower().replace(" ", "_"), names, n=3, cutoff=NEAR)
    if len(near) < 3:
        vocabulary = sorted(
            {word for one in statements for word in re.findall(r"[^\W\d_]{4,}", _plain(_all_of(one)))}
        )
        known = [word for word in words if any(word in _plain(_all_of(one)) for one in statements)]
        missing = [word for word in words if word not in known]
        near += [w for word in missing for w in difflib.get_close_matches(word, vocabulary, n=2, cutoff=NEAR)]
    hint = f"did you mean {either([*dict.fromkeys(near)])}? " if near else ""
    return InputError(
        f"statement {asked!r} is not known, and no statement has these words; {hint}vpcalc theory lists all"
    )
