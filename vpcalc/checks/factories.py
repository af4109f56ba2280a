"""Functions that build a module, from a file, a package or a library of models, with what is known of them.

A library's model is built from its configuration and from nothing else: no weights and no remote code.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import NEAR, InputError, first_line, unknown
from ..optional import LIBRARIES
from ..sources import run_file
from .arguments import refuse_loader
from .offline import imported

Arguments = Mapping[str, object]

SIZE_NAMES = ("image_size", "img_size", "input_size")
"""Arguments that set the size of an image."""


@dataclass(frozen=True, slots=True)
class Factory:
    """A function that returns a module, with what is known of its arguments.

    ``sizes`` are arguments that may set the image's size, ``dynamic`` one that makes positions follow it,
    ``keywords`` the names of its inputs, ``limits`` the longest sequence of each of those that has one. ``built``
    says what is built where the name leaves that open. ``required`` are arguments without a default,
    ``accepted`` all of them, unless it takes any.
    """

    make: Callable[..., Any]
    sizes: tuple[str, ...] = ()
    dynamic: str = ""
    keywords: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    defaults: Mapping[str, int] = field(default_factory=dict)
    built: str = ""
    required: tuple[str, ...] = ()
    accepted: tuple[str, ...] | None = None


def described(make: Callable[..., Any]) -> Factory:
    """A factory and what its signature says."""
    try:
        parameters = inspect.signature(make).parameters
    except (TypeError, ValueError):
        return Factory(make)
    sizes = tuple(name for name in SIZE_NAMES if name in parameters)
    dynamic = "dynamic_img_size" if "dynamic_img_size" in parameters else ""
    defaults = {name: p.default for name, p in parameters.items() if type(p.default) is int and p.default > 0}
    fixed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    required = tuple(n for n, p in parameters.items() if p.default is p.empty and p.kind not in fixed)
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    accepted = None if anything else tuple(parameters)
    return Factory(make, sizes, dynamic, defaults=defaults, required=required, accepted=accepted)


def from_code(target: str) -> Factory:
    """``file.py:factory`` or ``package.module:factory``."""
    place, _, name = target.rpartition(":")
    if not place or not name:
        raise InputError(f"TARGET {target!r}: must be NAME, file.py:factory or package.module:factory")
    refuse_loader(target, name)
    module = run_file(place, "TARGET") if place.endswith(".py") else imported(place)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        own = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        defined = [n for n in own if getattr(vars(module)[n], "__module__", "") == module.__name__]
        known = defined if place.endswith(".py") and defined else own  # a package gathers what others define
        raise unknown(f"factory in {place}", name, known)
    from torch import nn

    if isinstance(found, nn.Module):
        raise InputError(f"TARGET {target!r}: is a module; must be a class or a function that returns one")
    return described(found)


def not_known(what: str, name: str, known: Iterable[str]) -> InputError:
    """As :func:`vpcalc.errors.unknown`, for lists too long to print; upper and lower case are alike."""
    names = {other.lower(): other for other in sorted(known, reverse=True)}
    near = [names[match] for match in difflib.get_close_matches(name.lower(), names, n=3, cutoff=NEAR)]
    hint = f"did you mean {' or '.join(near)}?" if near else f"it has {len(names)} others, such as {min(names)}"
    return InputError(f"{what} {name!r} is not known; {hint}")


def _timm(name: str, given: Arguments) -> Factory:
    timm = imported("timm")
    if not timm.is_model(name):
        raise not_known("timm's model", name, timm.list_models())
    return Factory(
        lambda **settings: timm.create_model(name, pretrained=False, **settings), ("img_size",), "dynamic_img_size"
    )


def _torchvision(name: str, given: Arguments) -> Factory:
    models = imported("torchvision").models
    if name not in models.list_models():
        raise not_known("torchvision's model", name, models.list_models())
    takes = inspect.signature(models.get_model_builder(name)).parameters
    none = {argument: None for argument in ("weights", "weights_backbone") if argument in takes}
    return Factory(lambda **settings: models.get_model(name, **none, **settings), ("image_size", "input_size"))


def _transformers(name: str, given: Arguments) -> Factory:
    from .transformers_models import factory

    return factory(name, given)


def from_library(room: str, name: str, given: Arguments) -> Factory:
    """A package's model. What is imported only when it is looked at may turn out to be broken as late as here."""
    makers = dict(zip(LIBRARIES, (_timm, _torchvision, _transformers), strict=True))
    try:
        return makers[room](name, given)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"TARGET {room}:{name}: {room} cannot make it: {first_line(error)}") from error
