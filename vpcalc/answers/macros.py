r"""``vpcalc macros``: a LaTeX command for every formula and figure that a paper names.

The list is a TOML file::

    siunitx = false          # true: figures as \num{…}

    [symbols]                # for all formulas
    C = "d_model"

    [formulas]
    MsaCost = "msa"
    SwinCost = { of = "swin_t", quantity = "macs", form = "factored" }

    [figures]
    SwinMacs = { of = "swin_t", input = 224 }
    MsaMacs = { of = "msa", h = 56, w = 56, C = 96, heads = 3, exact = true }
    OurMacs = { of = "net.py:make", input = "1,3,224,224", arg = { width = 64 } }
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from ..errors import InputError, is_code, unknown
from ..files import content
from ..layers import LAYERS
from ..report import Column, Table
from ..symbols import ALPHABET, GRIDS
from .figure import figure
from .formula import formula
from .result import Result

SECTIONS = ("siunitx", "symbols", "formulas", "figures")
FORMULA_KEYS = ("of", "quantity", "form", "symbols", "set", "input", "arg")
FIGURE_KEYS = ("of", "quantity", "input", "tokens", "src", "tgt", "set", "arg", "batch", "digits", "exact")

SIZE = 1_000_000
"""Longest list, in bytes."""


@dataclass(frozen=True, slots=True)
class Macro:
    """``\\name`` stands for ``body``; ``command`` prints the same in a terminal.

    ``said`` is what a reader has to know of a module of his own: where its form holds, what its figure lacks.
    """

    name: str
    command: str
    body: str
    value: int | str
    said: tuple[str, ...] = ()

    @property
    def above(self) -> tuple[str, ...]:
        """What stands above its definition, in comments."""
        return (f"vpcalc {self.command}", *self.said)

    @property
    def line(self) -> str:
        """Its definition."""
        return rf"\newcommand{{\{self.name}}}{{{self.body}}}"


@dataclass(frozen=True, slots=True)
class Macros(Result):
    """The commands of one paper, in the order of its list."""

    file: str
    macros: tuple[Macro, ...]

    @property
    def latex(self) -> str:
        r"""A file to ``\\input``; above each line the command by which a reader can check it."""
        head = f"Written by vpcalc macros from {Path(self.file).name}: change the list, not this."
        lines = [_comment(head)]
        for macro in self.macros:
            lines += [*map(_comment, macro.above), macro.line]
        return "\n".join(lines)

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        found = [{"name": m.name, "command": m.command, "latex": m.body, "value": m.value} for m in self.macros]
        return {"command": "macros", "file": self.file, "macros": found}

    def tables(self) -> tuple[Table, ...]:
        """One row a macro."""
        columns = (Column("name", "Macro"), Column("value", "Stands for"), Column("command", "vpcalc", wide=True))
        rows = tuple((f"\\{macro.name}", str(macro.value), macro.command) for macro in self.macros)
        return (Table(f"Macros of {self.file}", columns, rows),)


def _comment(text: str) -> str:
    """A comment that ends where its line does, whatever it quotes."""
    return f"% {''.join(c if c.isprintable() else ascii(c)[1:-1] for c in text)}"


def macros(file: str | PathLike[str], *, trust: bool = False) -> Macros:
    """LaTeX commands for the formulas and figures that a list names.

    Args:
        file: the list, a TOML file.
        trust: run code that it names, ``{ of = "net.py:make", input = 224 }``: only for a list of your own.

    Raises:
        InputError: the list cannot be read, or an entry in it cannot be used; the message names the entry.
    """
    name = fspath(file)
    listed = _read(name)
    for section in listed:
        if section not in SECTIONS:
            raise unknown(f"{name}: section", section, SECTIONS)
    siunitx = listed.get("siunitx", False)
    if not isinstance(siunitx, bool):
        raise InputError(f"{name}: siunitx = {siunitx!r}: must be true or false")
    symbols = _symbols(name, listed.get("symbols", {}))
    found: list[Macro] = []
    for section in ("formulas", "figures"):
        for macro, entry in _section(name, listed, section).items():
            where = f"{name}: {section}.{macro}"
            if not re.fullmatch(r"[A-Za-z]+", macro) or macro.startswith("end"):
                raise InputError(f"{where}: a LaTeX command is letters alone, and does not begin with end")
            if any(macro == known.name for known in found):
                raise InputError(f"{where}: is listed twice")
            keys = {"of": entry} if isinstance(entry, str) else entry
            if not isinstance(keys, dict) or not isinstance(keys.get("of"), str):
                raise InputError(f'{where}: must be a name, or {{ of = "NAME", … }}')
            if is_code(keys["of"]) and not trust:
                raise InputError(f"{where}: {keys['of']} is code; --trust runs it, if the list is yours")
            try:
                found.append(
                    _formula(macro, keys, symbols) if section == "formulas" else _figure(macro, keys, siunitx)
                )
            except InputError as error:
                raise InputError(f"{where}: {error}") from None
    if not found:
        raise InputError(f"{name}: names no formulas and no figures")
    return Macros(name, tuple(found))


def _read(name: str) -> dict[str, Any]:
    tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    found = content("LIST", name, SIZE + 1)
    if len(found) > SIZE:
        raise InputError(f"{name}: is larger than {SIZE} bytes")
    try:
        listed: dict[str, Any] = tomllib.loads(found.decode("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name}: is not TOML: {error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: is not UTF-8 (byte {error.start + 1})") from None
    except (ValueError, RecursionError):
        raise InputError(f"{name}: holds a number of thousands of digits, or what is nested too deeply") from None
    return listed


def _section(name: str, listed: Mapping[str, Any], section: str) -> dict[str, Any]:
    entries = listed.get(section, {})
    if not isinstance(entries, dict):
        raise InputError(f"{name}: {section} must be a section, [{section}]")
    return entries


def _symbols(name: str, given: object) -> dict[str, str]:
    """The paper's own letters, each checked where it occurs."""
    if not isinstance(given, dict) or not all(isinstance(new, str) for new in given.values()):
        raise InputError(f'{name}: symbols must be a section of OLD = "NEW"')
    known = [*(letter.name for letter in ALPHABET), *("".join(pair) for pair in GRIDS)]
    for old in given:
        if old not in known:
            raise unknown(f"{name}: symbols: symbol", old, known)
    return given


def _formula(macro: str, entry: dict[str, Any], symbols: Mapping[str, str]) -> Macro:
    _known_keys(entry, FORMULA_KEYS)
    own = {**symbols, **_table(entry, "symbols")}
    settings = _table(entry, "set")
    quantity, form = _word(entry, "quantity", "macs"), _word(entry, "form", "expanded")
    shape, args = entry.get("input"), _table(entry, "arg")
    found = formula(
        entry["of"], quantity=quantity, set=settings, form=form, symbols=own, input=shape, args=args or None
    )
    options = [*_option("--quantity", quantity, "macs"), *_option("--form", form, "expanded")]
    options += [word for old, new in own.items() for word in ("--symbol", f"{old}={new}")]
    options += [] if shape is None else ["--input", str(shape)]
    command = _command("formula", entry["of"], options, settings, args)
    said = (f"holds for {found.form.valid}",) if found.meanings and found.form.valid else ()
    return Macro(macro, command, rf"\ensuremath{{{found.form.latex}}}", found.form.text, said)


def _figure(macro: str, entry: dict[str, Any], siunitx: bool) -> Macro:
    name = entry["of"]
    dims = LAYERS[name].dims if name in LAYERS else ()
    _known_keys(entry, (*FIGURE_KEYS, *dims))
    settings = {**_table(entry, "set"), **{dim: entry[dim] for dim in dims if dim in entry}}
    given = {key: entry[key] for key in FIGURE_KEYS if key in entry and key not in ("of", "set", "arg")}
    if not isinstance(given.get("exact", False), bool):
        raise InputError(f"exact = {given['exact']!r}: must be true or false")
    given["quantity"] = _word(entry, "quantity", "macs")
    args = _table(entry, "arg")
    found = figure(name, set=settings, args=args or None, **given)
    shown = {key: value for key, value in given.items() if key not in ("exact", "quantity")}
    options = [*_option("--quantity", given["quantity"], "macs"), *(["--exact"] if given.get("exact") else [])]
    options += [word for key, value in shown.items() for word in (f"--{key}", str(value))]
    command = _command("figure", name, options, settings, args)
    said = found.assumptions if is_code(name) else ()
    return Macro(macro, command, found.write("siunitx" if siunitx else "latex"), found.value, said)


def _known_keys(entry: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    for key in entry:
        if key not in keys:
            raise unknown("key", key, keys)


def _table(entry: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = entry.get(key, {})
    if not isinstance(value, dict):
        raise InputError(f"{key} = {value!r}: must be a table, {{ NAME = VALUE }}")
    return value


def _word(entry: Mapping[str, Any], key: str, default: str) -> str:
    value = entry.get(key, default)
    if not isinstance(value, str):
        raise InputError(f"{key} = {value!r}: must be a text in quotes")
    return value


def _option(option: str, value: str, default: str) -> list[str]:
    return [] if value == default else [option, value]


def _command(name: str, of: str, options: list[str], settings: Mapping[str, Any], args: Mapping[str, Any]) -> str:
    for option, given in (("--set", settings), ("--arg", args)):
        for setting, value in given.items():
            text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            options = [*options, option, f"{setting}={text}"]
    return shlex.join([name, of, *options])
