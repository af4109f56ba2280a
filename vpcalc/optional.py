"""Packages that may be missing, or be there and broken.

A package built beside another torch or NumPy raises RuntimeError or AttributeError when it is imported, one whose
library does not load OSError; only one that is not there raises ImportError for certain. To a user all of these
are one line about that package.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .errors import InputError, first_line

LIBRARIES = ("timm", "torchvision", "transformers")
"""Packages of models that a target may name: ``timm:NAME``."""


def optional(package: str, needs: str, instead: str = "") -> Any:
    """An optional package, or a module of one.

    Args:
        package: as it is imported.
        needs: what needs it: ``--output: pictures need matplotlib``.
        instead: what to do about it.

    Raises:
        InputError: it cannot be imported, for whatever reason.
    """
    after = f"; {instead}" if instead else ""
    try:
        return import_module(package)
    except (Exception, SystemExit) as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == package
        why = "is not installed" if missing else f"cannot be imported: {first_line(error)}"
        raise InputError(f"{needs}, which {why}{after}") from error
