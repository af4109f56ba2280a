"""What is on the page of a module of the reader's: its quantities at every size that was explored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InputError
from ..pages.script import Script
from .executed import Executed
from .executed_formula import executed, formula_of
from .formula import Formula
from .page_parts import begin, parameter, stepped

SHOWN = {
    "macs": ("MACs", "count"),
    "params": ("parameters", "count"),
    "activations": ("activations", "count"),
    "saved_bytes": ("kept for the backward pass", "bytes"),
    "peak_bytes": ("alive at once", "bytes"),
    "backward_macs": ("MACs backward", "count"),
    "attention_elements": ("elements of attention maps", "count"),
}
"""Quantities in the order of their rows: what they are called, and how they are written."""


def module_page(
    script: Script,
    target: object,
    input: object,
    args: Mapping[str, object] | None,
    range: Mapping[str, object] | None,
) -> dict[str, Any]:
    """The data of the page.

    Raises:
        InputError: it cannot be built, or cannot be executed on symbols.
    """
    found = executed(target, None if input is None else str(input), args, range)
    macs = formula_of(found, "macs", names={}, everywhere=True, range=range)
    others = {quantity: _formula(found, quantity, range) for quantity in SHOWN if quantity != "macs"}
    formulas = {"macs": macs, **{quantity: each for quantity, each in others.items() if isinstance(each, Formula)}}
    if "attention_elements" in formulas and not _some(formulas["attention_elements"]):
        del formulas["attention_elements"]
    missing = [f"{SHOWN[quantity][0]}: {each}" for quantity, each in others.items() if isinstance(each, str)]
    bounds = found.explored.exploration.range.bounds
    start = {letter: max(low, min(high, begin(letter))) for letter, (low, high) in bounds.items()}
    if not macs.regimes[0].when.where.holds(start):
        start = dict(found.explored.main.leader.point)
    given = ", ".join(f"{name} = {value}" for name, value in (args or {}).items())
    source = f"{macs.source[:1].upper()}{macs.source[1:]}"
    return {
        "kind": "module",
        "name": found.target,
        "title": found.target.rpartition(":")[2] or found.target,
        "about": f"Input {found.inputs}{', ' + given if given else ''}. {source}.",
        "parameters": [
            parameter(letter, letter, found.meanings.get(letter, "size"), start[letter], low, high)
            for letter, (low, high) in bounds.items()
        ],
        "square": ["H", "W"] if {"H", "W"} <= set(bounds) else None,
        "columns": [{"id": "value", "label": "Figure", "kind": "count", "times": []}],
        "main": "value",
        "rowLabel": "Quantity",
        "tableTitle": "What it costs",
        "crossing": False,
        "rows": [_row(script, quantity, each) for quantity, each in formulas.items()],
        "beyond": "beyond the sizes that were explored",
        "notes": [*_notes(formulas), *missing],
    }


def _some(found: Formula) -> bool:
    """Whether there is any of a quantity at some size."""
    return any(regime.form is not None and bool(regime.form.polynomial) for regime in found.regimes)


def _notes(formulas: Mapping[str, Formula]) -> list[str]:
    """What each form assumes, with the quantities of which it is one."""
    found: dict[str, list[str]] = {}
    for quantity, each in formulas.items():
        for note in each.assumptions:
            found.setdefault(note, []).append(SHOWN[quantity][0])
    return [f"{', '.join(names)}: {note}" for note, names in found.items()]


def _formula(found: Executed, quantity: str, range: Mapping[str, object] | None) -> Formula | str:
    """A quantity at every size, or why there is no form of it."""
    try:
        return formula_of(found, quantity, names={}, everywhere=True, range=range)
    except InputError as why:
        return str(why).partition(": ")[2].replace(f"{found.target} has no form of it", "no form")


def _row(script: Script, quantity: str, found: Formula) -> dict[str, Any]:
    name, kind = SHOWN[quantity]
    return {
        "id": quantity,
        "name": name,
        "kind": kind,
        "of": name,
        "source": found.quantity.meaning,
        "cells": {"value": stepped(script, script.law(found.regimes), found.regimes, {})},
    }
