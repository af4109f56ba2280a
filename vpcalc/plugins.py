"""Layers and architectures of a user's own: a file that ``--load`` names, or a package that is installed.

Such a file is written as those in :mod:`vpcalc.layers`, :mod:`vpcalc.architectures` and :mod:`vpcalc.reference`
are, with the same decorators. What it registers stands in the same registries until it is unloaded. Where a file
fails, or takes a name that is taken, nothing of it stays.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from os import PathLike, fspath
from os.path import isfile
from pathlib import Path
from typing import Any

from .architectures import ARCHITECTURES, Family
from .errors import InputError, first_line, unreadable
from .layers import LAYERS
from .reference import LAYER_WITNESSES, MODEL_WITNESSES, PYRAMIDS
from .sources import quiet, run_file

OPTION = "--load"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file registered, by name; ``given`` is the file as it was asked for."""

    layers: tuple[str, ...]
    models: tuple[str, ...]
    families: tuple[str, ...]
    witnesses: tuple[Callable[[], object], ...]
    given: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Ids of its layers and its models."""
        return (*self.layers, *self.models)


_CATALOGS = (LAYER_WITNESSES, MODEL_WITNESSES, PYRAMIDS)
"""Where modules of PyTorch are registered."""

_LOADED: dict[Path, Loaded] = {}
_LOADING: ContextVar[list[Callable[[], object]] | None] = ContextVar("loading", default=None)
"""The files of modules that the file which is being loaded has named so far."""


def load(*files: str | PathLike[str]) -> tuple[str, ...]:
    """Add the layers and architectures that Python files describe; a file that was loaded before is read anew.

    Args:
        files: written as :doc:`adding a layer </adding>` shows. Their code is run.

    Returns:
        the ids that are new, for every command and function.

    Raises:
        InputError: there is no such file, it fails, takes a name that is taken, or registers nothing.
    """
    names: list[str] = []
    for file in files:
        if not isfile(file):
            raise unreadable(OPTION, fspath(file))
        path = Path(file).resolve()
        unload([path])
        found = registered(partial(run_file, fspath(file), OPTION), f"{OPTION}: {fspath(file)!r}")
        _LOADED[path] = replace(found, given=fspath(file))
        names += _LOADED[path].names
    return tuple(names)


def loaded() -> list[str]:
    """The files that are loaded now: for processes that are to know the same names."""
    return list(map(str, _LOADED))


def given_for(names: Iterable[str]) -> list[str]:
    """The files to load so that there are these names, as they were asked for; they may need each other."""
    brought = {name for found in _LOADED.values() for name in found.names}
    return [found.given for found in _LOADED.values()] if brought & {*names} else []


def unload(files: Iterable[str | PathLike[str]]) -> None:
    """Take out again what files registered."""
    for file in files:
        found = _LOADED.pop(Path(file).resolve(), None)
        if found is not None:
            _withdraw(found)


def witnesses_in(place: str) -> None:
    """Say where a file's modules of PyTorch are: they are imported, and torch with them, once one is counted.

    Args:
        place: a Python file, from the folder of the file that says so; or a module, as it is imported.

    Raises:
        InputError: there is no such file.
    """
    run = partial(import_own, partial(import_module, place), place)
    if place.endswith(".py"):
        path = Path(sys._getframe(1).f_globals["__file__"]).resolve().parent / place
        if not path.is_file():
            raise InputError(f"witnesses_in({place!r}): no file {str(path)!r}")
        run = partial(run_file, path, OPTION)
    source = _once(run, place)
    named = _LOADING.get()
    if named is not None:
        named.append(source)
    for catalog in _CATALOGS:
        catalog.later([source])


def import_own(load: Callable[[], object], origin: str) -> object:
    """What somebody's package is to bring, imported quietly. Raises InputError where that fails."""
    try:
        with quiet():
            return load()
    except InputError as error:  # of ours, such as a name that is taken
        raise InputError(f"{origin}: {error}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # it may raise anything
        raise InputError(f"{origin}: {first_line(error)}") from error


def _once(run: Callable[[], object], place: str) -> Callable[[], object]:
    """A source of both kinds of modules, run for the first that is asked for."""
    ran: list[bool] = []

    def source() -> None:
        if not ran:
            ran.append(True)
            before = _witnesses()
            run()
            _refuse_strays(place, before)

    return source


def registered(run: Callable[[], object], origin: str) -> Loaded:
    """What somebody's code registers when it is run; where that is unusable, nothing of it stays.

    Raises:
        InputError: it fails, takes a name that is taken, or registers nothing. ``origin`` begins the message.
    """
    taken = (set(LAYERS), set(ARCHITECTURES))  # all of ours, so that a clash is seen
    families = {architecture.family.name: architecture.family for architecture in ARCHITECTURES.values()}
    before = _witnesses()
    modules: list[Callable[[], object]] = []
    token = _LOADING.set(modules)
    problem = None
    try:
        run()
    except InputError as error:
        problem = error
    finally:
        _LOADING.reset(token)
    layers = tuple(name for name in LAYERS.entered() if name not in taken[0])
    models = tuple(name for name in ARCHITECTURES.entered() if name not in taken[1])
    new = {ARCHITECTURES[id].family.name for id in models} - set(families)
    found = Loaded(layers, models, tuple(new), tuple(modules))
    try:
        if problem is not None:
            raise problem
        _judge(found, families, origin)
        _refuse_strays(origin, before)
    except InputError:
        _withdraw(found)
        raise
    return found


def _judge(found: Loaded, families: dict[str, Family], origin: str) -> None:
    """Refuse a file without a layer or a model, and names that would be read as something else."""
    if not found.names:
        raise InputError(f"{origin}: registers no layer and no architecture")
    for name in found.names:
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise InputError(f"{origin}: the name {name!r} must be letters, digits and _ . -")
    for name in found.layers:
        if name in ARCHITECTURES:
            raise InputError(f"{origin}: layer {name!r} is already registered, as a model")
    for id in found.models:
        family = ARCHITECTURES[id].family
        if id in LAYERS:
            raise InputError(f"{origin}: model {id!r} is already registered, as a layer")
        if families.get(family.name, family) is not family:
            raise InputError(f"{origin}: family {family.name!r} is already registered")


def _withdraw(found: Loaded) -> None:
    LAYERS.withdraw(found.layers)
    ARCHITECTURES.withdraw(found.models)
    LAYER_WITNESSES.withdraw(found.layers, found.witnesses)
    for catalog in (MODEL_WITNESSES, PYRAMIDS):
        catalog.withdraw(found.families, found.witnesses)
    claims = sys.modules.get("vpcalc.checks.claims")
    if claims is not None:
        claims.CLAIMS.withdraw((*found.layers, *(f"{family}_family" for family in found.families)))


def _witnesses() -> set[tuple[int, str]]:
    return {(id(catalog), name) for catalog in _CATALOGS for name in catalog.entered()}


def _refuse_strays(origin: str, before: set[tuple[int, str]]) -> None:
    """Take out and refuse modules of what is not the user's own: they would stand for ours."""
    families = [architecture.family for architecture in ARCHITECTURES.entered().values()]
    described: dict[int, dict[str, Callable[..., Any] | None]] = {
        id(LAYER_WITNESSES): {name: each.run for name, each in LAYERS.entered().items()},
        id(MODEL_WITNESSES): {family.name: family.run for family in families},
        id(PYRAMIDS): {family.name: family.pyramid for family in families},
    }
    for catalog in _CATALOGS:
        for name, make in catalog.entered().items():
            if (id(catalog), name) in before or is_ours(make):
                continue
            run = described[id(catalog)].get(name)
            if run is None or is_ours(run):
                catalog.withdraw([name])
                what = "of vpcalc's own" if run is not None else "that it does not describe"
                raise InputError(f"{origin}: a reference module for {name!r}, {what}")


def is_ours(function: Callable[..., Any]) -> bool:
    """Whether a function was written here."""
    return str(getattr(function, "__module__", "")).startswith("vpcalc.")
