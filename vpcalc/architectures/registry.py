"""Families of architectures, their published variants, and what may be changed about them."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..abstract.priced import priced
from ..abstract.tape import Tape
from ..abstract.tensor import Tensor
from ..catalog import Catalog, files_beside
from ..cost import Cost
from ..dims import Dim
from ..errors import MODELS, InputError, unknown
from ..inputs import GridTerm, grid_term, whole
from .axes import IMAGE, Axes

Setting = int | bool | str | tuple[int, ...] | GridTerm
Config = dict[str, Setting]


def spelled(value: Setting) -> str:
    """A setting as it is given."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def listed(value: Setting) -> Any:
    """A setting as JSON has it."""
    return list(value) if isinstance(value, tuple) else str(value) if isinstance(value, GridTerm) else value


@dataclass(frozen=True, slots=True)
class Family:
    """Architectures that one function describes.

    ``run(*inputs, **config)`` is the network on abstract tensors, made of the input's sizes that ``axes`` names.
    ``meanings`` says what each setting is; ``choices`` lists the values of settings that are words;
    ``check`` refuses settings that do not fit together, with an InputError.
    """

    name: str
    run: Callable[..., Any]
    source: str
    axes: Axes = IMAGE
    meanings: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    check: Callable[[Mapping[str, Any]], None] | None = None
    expressions: frozenset[str] = frozenset()
    """Settings that may be an expression of the grid, such as ``M=h/8``."""
    implied: Callable[[Mapping[str, Any]], Mapping[str, Setting]] | None = None
    """Settings that follow from the others; whoever gives one all the same is held to what he gave."""
    facts: Callable[..., Mapping[str, Dim]] | None = None
    """``facts(*sizes, **config)``: what else is worth knowing, by name, such as sequential operations."""
    off: Mapping[str, Setting] = field(default_factory=dict)
    """Settings that a variant need not give, each with the value at which it changes nothing and is not said."""
    blocks: bool = True
    """Whether it has blocks that can be computed again in a backward pass."""
    attends: bool = True
    """Whether it has attention that can be, and that can be fused."""
    classifies: bool = False
    """Whether it ends in a classifier that ``classes=0`` leaves out; ``head=false`` is another way to say so."""
    pyramid: Callable[..., tuple[Tensor, ...]] | None = None
    """``pyramid(images, first, **config)``: its maps (batch, C, h, w) of strides 4 to 32, for dense prediction.

    It hands over those from the ``first`` on, counted from 0.
    """

    @property
    def number(self) -> str:
        """The arXiv number of its source, which begins with year and month; nothing where the source is older."""
        found = re.search(r"arXiv (\d{4}\.\d+)", self.source)
        return found[1] if found else ""

    def said(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that are worth saying: all but those that change nothing."""
        return {name: value for name, value in config.items() if name not in self.off or value != self.off[name]}

    def start(
        self, tape: Tape, sizes: tuple[Dim, ...], config: Mapping[str, Any], batch: Dim
    ) -> tuple[tuple[Tensor, ...], Any]:
        """Run it on a tape: its inputs and its outputs."""
        inputs = self.axes.tensors(tape, sizes, config, batch)
        with tape.node(self.name):
            return inputs, self.run(*inputs, **config)

    def build(self, *sizes: Dim, batch: Dim = 1, **config: Any) -> Cost:
        """The cost tree at an input's sizes."""
        return priced(lambda tape: self.start(tape, sizes, config, batch))


@dataclass(frozen=True, slots=True)
class Assumption:
    """A setting on which the sources are silent or at odds, so that its value is our choice.

    ``other`` is what a source gives or allows instead; ``says`` is a phrase on where both come from. It is printed
    beside every figure that rests on it.
    """

    setting: str
    other: Setting
    says: str

    def text(self, value: Setting) -> str:
        """What is assumed and why, in one line."""
        return f"assumed: {self.setting} = {spelled(value)}; {self.says}"


@dataclass(frozen=True, slots=True)
class Architecture:
    """One named variant: its settings and its native input size."""

    id: str
    family: Family
    config: Mapping[str, Setting]
    sizes: tuple[int, ...]
    aliases: tuple[str, ...]
    source: str
    assumptions: tuple[Assumption, ...] = ()

    def assumed(self, config: Mapping[str, Any]) -> tuple[Assumption, ...]:
        """The assumptions whose settings have the value that we chose."""
        return tuple(each for each in self.assumptions if config[each.setting] == self.config[each.setting])

    def cost(self, sizes: tuple[Dim, ...], config: Mapping[str, Any] | None = None, batch: Dim = 1) -> Cost:
        """The cost tree at an input size."""
        return self.family.build(*sizes, batch=batch, **(self.config if config is None else config))

    def read(self, **given: object) -> tuple[int, ...]:
        """The input's sizes from the options that were given; the native ones where there are none."""
        options = self.family.axes.options
        for option, value in given.items():
            if value is not None and option not in options:
                right = " and ".join(f"--{name}" for name in options)
                raise InputError(f"--{option} {value}: {self.id} takes {right} instead")
        return self.family.axes.read(self.sizes, *(given[option] for option in options))

    def configure(self, changes: Mapping[str, object]) -> Config:
        """The settings with some of them changed; text is read as the setting's own type."""
        changed = self.changed(changes)
        return self.completed({**self.config, **changed}, changed)

    def attends(self, attention: str) -> None:
        """Refuse fused attention of a model without any that could be."""
        if attention == "fused" and not self.family.attends:
            raise InputError(f"--attention fused: {self.id} has no softmax attention; must be eager")

    def changed(self, changes: Mapping[str, object]) -> Config:
        """Changes alone, read; whether they fit together is not asked."""
        changes = self._classes_of_head(changes)
        return {name: self.read_setting(name, value) for name, value in changes.items()}

    def read_setting(self, name: str, value: object) -> Setting:
        """One setting from what is given, in its own type; whether it fits the others is not asked."""
        if name not in self.config:
            raise unknown(f"setting of {self.id}", name, self.settings)
        if name in self.family.expressions and not str(value).strip().isdecimal():
            return grid_term(f"--set {name}", str(value))
        return read_setting(name, value, self.config[name], self.family.choices.get(name), self.least(name))

    def least(self, name: str) -> int:
        """The least that a number among the settings may be: 0 where that leaves something out."""
        return 0 if self.family.off.get(name) == 0 or (name == "classes" and self.family.classifies) else 1

    def completed(self, config: Mapping[str, Any], given: Container[str]) -> Config:
        """Settings with what follows from them unless that is ``given``; refused where they do not fit."""
        found = dict(config)
        if self.family.implied is not None:
            found.update({name: value for name, value in self.family.implied(found).items() if name not in given})
        if self.family.check is not None:
            self.family.check(found)
        return found

    @property
    def settings(self) -> tuple[str, ...]:
        """What may be changed about it, by name."""
        return (*self.config, *(["head"] if self.family.classifies else []))

    def _classes_of_head(self, changes: Mapping[str, object]) -> Mapping[str, object]:
        """``head=false`` as the number of classes that says the same."""
        if not self.family.classifies or "head" not in changes:
            return changes
        rest = {name: value for name, value in changes.items() if name != "head"}
        head = read_setting("head", changes["head"], True)
        given = str(rest.get("classes", "")).strip()
        if given and head is (given == "0"):
            raise InputError(
                f"--set head={changes['head']}: classes={given[:20]} says otherwise; give one of the two"
            )
        return rest if head else {**rest, "classes": 0}


def _layer(name: str) -> str:
    """What to do with a layer where a model is asked for."""
    from ..layers import LAYERS

    if name not in LAYERS:
        return ""
    return f"it is a layer: vpcalc formula {name} has its cost and, with --quantity, its bytes; see {MODELS}"


ARCHITECTURES: Catalog[Architecture] = Catalog(
    "model",
    (*files_beside(__file__, __name__.rpartition(".")[0]), "vpcalc.installed"),
    MODELS,
    lenient=True,
    otherwise=_layer,
)


def in_order() -> tuple[Architecture, ...]:
    """All architectures, family by family as the field met them: by the arXiv numbers of their sources."""
    return tuple(sorted(ARCHITECTURES.values(), key=lambda each: each.family.number))


def first_of_each() -> dict[str, Architecture]:
    """The first variant of every family, by the family's name."""
    found: dict[str, Architecture] = {}
    for architecture in in_order():
        found.setdefault(architecture.family.name, architecture)
    return found


def register(
    family: Family,
    id: str,
    *,
    sizes: tuple[int, ...],
    aliases: tuple[str, ...] = (),
    source: str | None = None,
    assumptions: tuple[Assumption, ...] = (),
    **config: Setting,
) -> None:
    """Enter one variant of a family."""
    config |= {name: value for name, value in family.off.items() if name not in config}
    architecture = Architecture(id, family, config, sizes, aliases, source or family.source, assumptions)
    ARCHITECTURES.add(id, architecture, aliases)


def read_setting(
    name: str, value: object, default: Setting, choices: tuple[str, ...] | None = None, least: int = 1
) -> Setting:
    """A setting's new value, in the type of its default; a number is ``least`` or more."""
    if isinstance(default, bool):
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if str(value).lower() not in words:
            raise InputError(f"--set {name}={value}: must be true or false")
        return words[str(value).lower()]
    if isinstance(default, tuple):
        parts = value if isinstance(value, (tuple, list)) else str(value).split(",")
        return tuple(whole(f"--set {name}", part) for part in parts)
    if isinstance(default, int):
        return whole(f"--set {name}", value, low=least)
    if choices is not None and value not in choices:
        raise unknown(f"value of --set {name}", str(value), choices)
    return str(value)
