"""A module of the reader's on a grid of tokens: ``ours=attn.py:X(dim=C,window=M)@1,hw,C``.

In front stands what it is called where it is shown, in brackets the arguments of its factory, at the end the
shape of its input, both in the symbols of the grid. Nothing is evaluated, and nothing is imported here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from inspect import signature
from os.path import isfile
from typing import Any, ParamSpec, TypeVar

from .errors import InputError, is_code, require_file_of

LAYOUT = "1,hw,C"
"""The shape of an input of which nothing is said: a sequence of the grid's tokens."""

TOKENS: Mapping[str, str] = {"hw": "h*w", "N": "h*w", "T": "h*w", "d": "C", "n": "C"}
"""The grid read as a sequence: its tokens and their channels."""

_SIDE = re.compile(r"(?:[0-9]+|[A-Za-z]|hw)(?:\*(?:[A-Za-z]|hw))*(?::[a-z0-9]+)?")


@dataclass(frozen=True, eq=False)
class Placed:
    """A target with the arguments of its factory and the shape of its input, as texts in the grid's symbols.

    ``target`` is a name, or in Python a module or a function that makes one. ``text`` is how it is written, and
    ``title`` what it is called, if that was said.
    """

    text: str
    target: object
    arguments: Mapping[str, object] = field(default_factory=dict)
    layout: str = LAYOUT
    title: str = ""

    @property
    def behind(self) -> str:
        """What is written behind the target."""
        return self.untitled.removeprefix(str(self.target))

    @property
    def untitled(self) -> str:
        """The same without what it is called."""
        return self.text.partition("=")[2].strip() if self.title else self.text

    @property
    def name(self) -> str:
        """What it is called in a table: the factory's own name, unless it was given one."""
        if self.title:
            return self.title
        if isinstance(self.target, str):
            return self.target.rpartition(":")[2]
        return getattr(self.target, "__name__", type(self.target).__name__)


def is_placed(row: object) -> bool:
    """Whether a row is a module of the reader's, and not the id of a layer."""
    return not isinstance(row, str) or bool(re.search(r"[:(@=]", row))


_BRACKETS = re.compile(r"(^|:)[^:/\\]*[(@]")
"""Brackets or a layout behind a name; a folder may have such signs in its own."""


_TITLE = re.compile(r"[^\W\d][\w +.-]*")


def titled(text: str, option: str) -> tuple[str, str]:
    """``ours=attn.py:X`` as what it is called and what it is; a file in a folder with such a sign is one.

    Raises:
        InputError: what stands before the sign is no name.
    """
    title, equals, target = text.partition("=")
    if not equals or re.search(r"[:(@/\\]", title) or isfile(f"{text.partition('.py:')[0]}.py"):
        return "", text
    if not _TITLE.fullmatch(title := title.strip()):
        raise InputError(
            f"{option} {text!r}: {title!r} is no name; must be a letter, then letters, digits, spaces, _ - + ."
        )
    if not target.strip():
        raise InputError(f"{option} {text!r}: must be NAME=TARGET, such as ours=attn.py:X")
    return title, target.strip()


def as_placed(target: object, option: str, shown: bool = False) -> Placed:
    """A target as a row, whatever it is: an id, code with or without brackets and a layout, an object.

    Args:
        target: what was given.
        option: what refusals begin with.
        shown: whether what it is called is shown, so that it may be said.

    Raises:
        InputError: brackets that do not close, an argument without a value, or a name that would not be shown.
    """
    if isinstance(target, str):
        found = read_placed(target, option)
        if found.title and not shown:
            raise InputError(f"{option} {target!r}: has a name, which is not shown here; leave out {found.title}=")
        return found
    if isinstance(target, Placed):
        return target
    found = Placed("", target)
    return Placed(found.name, target)


P = ParamSpec("P")
R = TypeVar("R")


def in_brackets(place: str, ours: str = "set", own: str = "args") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """An answer whose target may have its arguments in brackets and its shape behind @, as rows have them.

    Args:
        place: the parameter that is the target.
        ours: the parameter that has the settings of a layer or a model.
        own: the parameter that has the arguments of code.
    """

    def taking(ask: Callable[P, R]) -> Callable[P, R]:
        parameters = signature(ask)

        @wraps(ask)
        def answer(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = parameters.bind(*args, **kwargs)
            for name in (ours, own, "range"):
                if not isinstance(given := bound.arguments.get(name) or {}, Mapping):
                    raise InputError(f"{name}={str(given)[:40]!r}: must be a dictionary of names and values")
            row = as_placed(bound.arguments.get(place, ""), "TARGET", "title" in parameters.parameters)
            require_file_of(row.target)
            if row.target is not bound.arguments.get(place, ""):
                bound.arguments |= {place: row.target, **_apart(row, bound.arguments, ours, own)}
            if row.title:
                bound.arguments["title"] = row.title
            return ask(*bound.args, **bound.kwargs)

        return answer

    return taking


def _apart(row: Placed, given: Mapping[str, Any], ours: str, own: str) -> dict[str, Any]:
    """What stands in the brackets of a target and behind its @, by the parameters that have them elsewhere.

    Raises:
        InputError: one of them is given there, too; or a shape is that of a model of ours.
    """
    name, option = (own, "--arg") if is_code(row.target) else (ours, "--set")
    there = given.get(name) or {}
    for argument in row.arguments:
        if argument in there:
            raise InputError(f"{option} {argument}: stands in the brackets of {row.text}, too")
    own_words = {word: _lettered(value) for word, value in row.arguments.items()} if name == own else row.arguments
    found: dict[str, Any] = {name: {**own_words, **there}}
    if "@" not in row.behind:
        return found
    if not is_code(row.target):
        raise InputError(f"TARGET {row.text}: a shape behind @ is of code; {row.target} has options for its size")
    for size in ("input", "inputs", "tokens"):
        if given.get(size) is not None:
            raise InputError(f"--{size}: the input of {row.text} stands behind @; take one of the two away")
    return {**found, "input": _lettered(re.sub(r"\bhw\b", TOKENS["hw"], row.layout))}


def _lettered(value: object) -> object:
    """A size or a product with names of dimensions as the letters that they have in forms."""
    from .symbolic import SYMBOL_OF

    if not isinstance(value, str) or not re.fullmatch(r"[\w\s*,;:\[\]()]+", value):
        return value
    return re.sub(r"[A-Za-z]\w*", lambda word: SYMBOL_OF.get(word[0], word[0]), value)


def placed(target: object, layout: str = LAYOUT, **arguments: object) -> Placed:
    """A row of :func:`vpcalc.compare` from Python: a module, a function that makes one, or a target's name.

    Args:
        target: what derive takes, with a name in front if the row is to have one: ``ours=attn.py:X``.
        layout: the shape of its input in the grid's symbols: ``1,hw,C``, ``1,h,w,C`` or ``1,C,h,w``.
        arguments: of the factory; ``"C"`` is the grid's C.
    """
    title, target = titled(target, "placed") if isinstance(target, str) else ("", target)
    given = ",".join(f"{name}={value}" for name, value in arguments.items())
    name = target if isinstance(target, str) else Placed("", target).name
    return Placed(f"{title and f'{title}='}{name}({given})@{layout}", target, arguments, layout, title)


def split_rows(text: str) -> list[str]:
    """``msa,attn.py:X(dim=C)@1,hw,C,wmsa`` as three rows: the commas of brackets and of layouts part none."""
    rows: list[str] = []
    for piece in _pieces(text):
        if rows and "@" in rows[-1] and _SIDE.fullmatch(piece.partition(";")[0]):
            rows[-1] += f",{piece}"
        elif piece:
            rows.append(piece)
    return rows


def read_placed(text: str, option: str = "--rows") -> Placed:
    """One such row.

    Raises:
        InputError: brackets that do not close, an argument without a value, nothing before them, or no name.
    """
    title, bare = titled(text, option)
    found = _BRACKETS.search(bare)
    if found is None:
        return Placed(text, bare, title=title)
    file, rest = bare[: found.start()], bare[found.start() :]
    before, at, layout = rest.partition("@")
    name, bracket, given = before.partition("(")
    target, given = (file + name).strip(), given.rstrip()
    if not target or (bracket and not given.endswith(")")):
        raise InputError(f"{option} {text!r}: must be TARGET(NAME=VALUE,…)@SHAPE, such as attn.py:X(dim=C)@1,hw,C")
    if at and not layout.strip():
        raise InputError(f"{option} {text!r}: give the shape of its input after @: {LAYOUT}, 1,h,w,C or 1,C,h,w")
    arguments: dict[str, object] = {}
    name = ""
    for pair in filter(None, _pieces(given[:-1])):
        if pair.isdecimal() and str(arguments.get(name, "")).replace(",", "").isdecimal():  # depths=2,2,6,2
            arguments[name] = f"{arguments[name]},{pair}"
            continue
        name, equals, value = pair.partition("=")
        if not equals or not name.strip().isidentifier() or not value.strip():
            raise InputError(
                f"{option} {text!r}: {pair!r} is no argument; must be NAME=VALUE, such as dim=C "
                "or, of a list, depths=[2,2,C,2]"
            )
        name = name.strip()
        arguments[name] = value.strip()
    return Placed(text, target, arguments, layout.strip() or LAYOUT, title)


def _pieces(text: str) -> Iterator[str]:
    """What commas outside of brackets and quotes part."""
    piece, depth, quote = "", 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        depth += (letter in "([") - (letter in ")]") if not quote else 0
        if letter == "," and depth <= 0 and not quote:
            yield piece.strip()
            piece = ""
        else:
            piece += letter
    yield piece.strip()
