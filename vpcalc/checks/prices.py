"""Prices that a user names by a text: ``file.py:function`` for each operator."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from os.path import isfile
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..sources import run_file
from .offline import imported


def read_prices(given: Mapping[str, object] | None) -> dict[str, object]:
    """The functions that texts name; what is no text stays as it is.

    A file that is loaded already, as the target's is, is not run again: it would register its operators twice.

    Raises:
        InputError: one of them cannot be found.
    """
    return {
        name: _found(name, price) if isinstance(price, str) else price for name, price in (given or {}).items()
    }


def _found(name: str, text: str) -> object:
    place, _, function = text.rpartition(":")
    if not place or not function:
        raise InputError(f"--price {name}={text}: must be OPERATOR=file.py:function or package.module:function")
    module = _module(place)
    found = getattr(module, function, None)
    if not callable(found):
        raise InputError(f"--price {name}={text}: there is no function {function!r} in {place}")
    return found


def _module(place: str) -> Any:
    if not place.endswith(".py"):
        return imported(place)
    if isfile(place):
        path = Path(place).resolve()
        for module in list(sys.modules.values()):
            if (file := str(getattr(module, "__file__", None) or "")) and Path(file).resolve() == path:
                return module
    return run_file(place, "--price")
