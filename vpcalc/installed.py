"""Packages that bring layers and architectures: the last source of both registries.

A package names a module of its own under the entry point group ``vpcalc.plugins``; importing it registers what it
has. The registries import this module when a name is asked for that is not among ours, or all names are. Entry
points cost more to read than all else that a command imports, so a look into the folders that Python imports from
comes first: a millisecond says that there is no such package, which is the rule. One that cannot be imported is
named on standard error, and the rest goes on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from .errors import InputError

GROUP = "vpcalc.plugins"


def _records(folder: str) -> Iterator[bytes]:
    """The entry points of the packages in a folder, as they were written."""
    with suppress(OSError):
        for each in os.scandir(folder or "."):
            if each.name.endswith((".dist-info", ".egg-info")):
                with suppress(OSError), open(os.path.join(each.path, "entry_points.txt"), "rb") as file:
                    yield file.read()


def _import_all() -> None:
    from importlib.metadata import entry_points

    from .plugins import import_own, registered

    for found in entry_points(group=GROUP):
        origin = f"plug-in {found.name} ({found.value})"
        try:
            registered(partial(import_own, found.load, origin), origin)
        except InputError as error:
            print(f"vpcalc: {error}; it is left out", file=sys.stderr)


if any(f"[{GROUP}]".encode() in text for folder in sys.path for text in _records(folder)):
    _import_all()
