"""Packages that may be missing, or be there and broken.

A package built beside another torch or NumPy raises RuntimeError or AttributeError when it is imported, one whose
library does not load OSError; only one that is not there raises ImportError for certain. To a user all of these
are one line about that package.
"""

from __future__ import annotations

import sys
import warnings
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from .errors import InputError, first_line

LIBRARIES = ("timm", "torchvision", "transformers")
"""Packages of models that a target may name: ``timm:NAME``."""

COUNTING = ("torch", "fvcore")
"""What runs modules and counts them. The extra ``torch`` brings both."""

EXTRA = 'pip install "vpcalc[torch]"'

NOT_BUILT = (("darwin", "x86_64"), ("win32", "ARM64"))
"""Platforms for which there is no PyTorch of today, and which the extra passes over."""


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


def parallel(needs: str) -> Any:
    """joblib, for work in other processes.

    A worker that has imported torch has grown, which joblib takes for a leak: it is replaced, nothing is lost.
    The warning of it is given in a thread of joblib's own; where warnings are errors that thread would end, and
    all would wait for ever.

    Args:
        needs: what needs it: ``--jobs: more than one process needs joblib``.

    Raises:
        InputError: it cannot be imported.
    """
    warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
    return optional("joblib", needs, "pip install joblib")


def require_torch(needs: str) -> None:
    """Say what to install where modules cannot be run and counted.

    Args:
        needs: what needs it: ``derive``.

    Raises:
        InputError: torch or fvcore cannot be imported.
    """
    for package in COUNTING:
        optional(package, f"{needs}: needs {package}", remedy())


def remedy() -> str:
    """What to do where torch or fvcore is missing."""
    import platform

    here = (sys.platform, platform.machine())
    return "PyTorch is no longer built for this platform" if here in NOT_BUILT else EXTRA


def counts(check: bool | None) -> bool:
    """Whether modules are counted: as asked, or where nothing is asked, if torch and fvcore are installed.

    Where they are not, a note on standard error says so, once a process. Nothing is imported here.

    Raises:
        InputError: it was asked for, and they are not installed.
    """
    if check is False:
        return False
    missing = [package for package in COUNTING if not _is_there(package)]
    if missing and check:
        require_torch("--check")
    if missing:
        _say_unchecked(" and ".join(missing))
    return not missing


def lacking(error: ModuleNotFoundError) -> str:
    """What to say of an import that failed for want of torch or fvcore; nothing of another one."""
    package = (error.name or "").partition(".")[0]
    return f"this needs {package}, which is not installed; {remedy()}" if package in COUNTING else ""


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # a finder that refuses it, or a module that was put in its place
        return False


@cache
def _say_unchecked(missing: str) -> None:
    verb = "are" if " and " in missing else "is"
    print(f"vpcalc: not checked by a count: {missing} {verb} not installed; {remedy()}", file=sys.stderr)
