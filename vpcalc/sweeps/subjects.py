"""What is swept: a model or a layer of ours, or a module of the reader's, at any values of what may be varied."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

from .. import words
from ..abstract.tape import ATTENTIONS, Peak, Work
from ..abstract.tensor import FLOATS
from ..algebra.traced import form_of
from ..architectures import ARCHITECTURES, Architecture
from ..architectures.axes import PIXELS
from ..arrays.regimes import Description, Figures, OnTraced, Together, greatest
from ..cost import Cost, Quantity
from ..errors import ALL, InputError, is_code, require_file_of, unknown
from ..inputs import LARGEST, GridTerm, whole
from ..layers import LAYERS
from ..placing import as_placed
from ..report import Kind
from ..storage.devices import Device, find
from ..storage.footprint import PLAIN, Footprint, Way, layer_footprint, layer_works, model_footprint, works
from ..storage.optimizers import Optimizer, read_optimizer
from ..storage.plan import Plan
from ..storage.roofline import in_nanoseconds
from ..storage.step import Step, model_step
from .axes import Name

Values = Mapping[str, Any]
"""Values by name: numbers, traced sizes, lists of numbers, words."""


class Column(NamedTuple):
    """A quantity: how tables head and write it."""

    header: str
    kind: Kind


COUNTED: Mapping[str, Column] = {
    Quantity.MACS.value: Column("MACs", Kind.COUNT),
    Quantity.PARAMS.value: Column("Params", Kind.COUNT),
    Quantity.FLOPS.value: Column("FLOPs", Kind.COUNT),
    Quantity.FVCORE.value: Column("fvcore", Kind.COUNT),
    Quantity.ACTIVATIONS.value: Column("Activations", Kind.COUNT),
    Quantity.ATTENTION.value: Column("Attention", Kind.COUNT),
}
"""Quantities of the cost tree."""

STEP = "step_peak_bytes"

IN_BYTES: Mapping[str, Column] = {
    name: Column(header, Kind.BYTES)
    for name, header in {
        "weights_bytes": "Weights",
        "buffers_bytes": "Buffers",
        "input_bytes": "Input",
        "gradients_bytes": "Gradients",
        "optimizer_bytes": "Optimizer",
        "saved_bytes": "Saved",
        "cache_bytes": "Cache",
        "peak_bytes": "Peak",
        "forward_peak_bytes": "Peak forward",
        "inference_bytes": "Inference",
        "training_bytes": "Training sum",
        STEP: "Training peak",
    }.items()
}
"""Quantities of a footprint and of a step."""

OF_NETWORKS = ("input_bytes", STEP)
"""Those of them that a layer has not."""

BOUND = "bound_ns"
ON_DEVICE: Mapping[str, Column] = {BOUND: Column("At least (ns)", Kind.NUMBER)}
"""The least time on a device (:mod:`vpcalc.storage.roofline`), in whole nanoseconds that it takes no less than."""


@dataclass(frozen=True)
class Trained:
    """How a network is run and trained, and where: of that depends what it takes."""

    way: Way = PLAIN
    optimizer: Optimizer = field(default_factory=Optimizer)
    device: Device | None = None

    @property
    def item(self) -> int:
        """Bytes of a weight."""
        return FLOATS[self.way.dtype].bytes

    def counted(
        self,
        columns: Iterable[str],
        cost: Callable[[], Cost],
        footprint: Callable[[], Footprint],
        step: Callable[[], Step] | None,
        works: Callable[[], Iterable[Work]],
    ) -> dict[str, tuple[Any, ...]]:
        """Quantities of a cost tree, a footprint and what operators do: sizes of which each is the greatest."""
        priced, in_bytes = ([name for name in columns if name in known] for known in (COUNTED, IN_BYTES))
        found: dict[str, tuple[Any, ...]] = {}
        if priced:
            tree = cost()
            found |= {name: (tree.total(Quantity(name)),) for name in priced}
        if in_bytes:
            taken = footprint()
            found |= self._bytes(taken, [name for name in in_bytes if name != STEP])
            if STEP in in_bytes and step is not None:
                lasting = Plan(taken, self.item, True, self.optimizer).lasting
                live = step().times(self.optimizer, self.item, taken.params)
                found[STEP] = tuple(lasting + each for each in greatest(live))
        if BOUND in columns:
            found[BOUND] = (self.bound((work.macs, work.read + work.written) for work in works()),)
        return found

    def bound(self, works: Iterable[tuple[Any, Any]]) -> Together:
        """The least time of some multiply-accumulates and bytes moved after others, each with their own."""
        assert self.device is not None
        compute, move, ticks = in_nanoseconds(self.device, self.way.products)
        return Together.of(
            ((*([macs * compute] if form_of(macs) else []), moved * move) for macs, moved in works), ticks
        )

    def _bytes(self, found: Footprint, columns: Iterable[str]) -> dict[str, tuple[Any, ...]]:
        moments = self.optimizer.state(found.shapes, self.item)
        resting = found.weights + found.buffers + found.inputs
        inference = _times(found.inference)
        forward = _times(found.forward)
        each = {
            "weights_bytes": (found.weights,),
            "buffers_bytes": (found.buffers,),
            "input_bytes": (found.inputs,),
            "gradients_bytes": (found.weights,),
            "optimizer_bytes": (moments,),
            "saved_bytes": (found.saved,),
            "cache_bytes": (found.cache,),
            "peak_bytes": inference,
            "forward_peak_bytes": forward,
            "inference_bytes": tuple(resting + live for live in inference),
            "training_bytes": tuple(resting + found.weights + moments + live for live in (*forward, found.held)),
        }
        return {name: each[name] for name in columns}


def _times(peak: Peak) -> tuple[Any, ...]:
    """What is live at all times of which one may have the most."""
    return greatest(peak.times)


def trained(
    dtype: str,
    attention: str,
    optimizer: str,
    device: str | None = None,
    devices: str | None = None,
    amp: str | None = None,
) -> Trained:
    """How and where it is run, from what users give.

    Raises:
        InputError: an unknown name.
    """
    dtype = words.dtype(dtype)
    for option, value, known in (("--dtype", dtype, FLOATS), ("--attention", attention, ATTENTIONS)):
        if value not in known:
            raise unknown(option, value, known)
    found = None if device is None else find(device, devices)
    if found is None and devices is not None:
        raise InputError(f"--devices {devices}: needs --device, which of them it is")
    if found is not None:
        found.rate(words.dtype(amp or dtype))  # refuses a type without one
    from ..answers.memory import narrow

    way = Way(dtype, attention, amp=narrow(amp, dtype, "none"))
    return Trained(way, read_optimizer(optimizer, False, dtype, FLOATS[dtype].bytes), found)


class Subject(ABC):
    """What is swept. ``asked`` is how it was asked for, from which another process makes it again."""

    asked: Asked

    @property
    @abstractmethod
    def title(self) -> str:
        """What it is called."""

    @property
    @abstractmethod
    def names(self) -> Mapping[str, Name]:
        """What may be varied."""

    def unnamed(self, name: str, values: object) -> str:
        """How what ``names`` lacks can be varied all the same, if in any way."""
        return ""

    @property
    @abstractmethod
    def columns(self) -> Mapping[str, Column]:
        """The quantities that it has."""

    @abstractmethod
    def fixed(self, varied: Iterable[str]) -> Values:
        """What is not varied, by name.

        Raises:
            InputError: names that exclude one another are varied, or a value is missing.
        """

    @abstractmethod
    def describe(self, fixed: Values, varied: frozenset[str], columns: tuple[str, ...]) -> Description:
        """It with all but sizes fixed; of what is ``varied`` the values that are not fixed are letters."""

    @abstractmethod
    def key(self) -> dict[str, Any]:
        """What it is, for a later run to see whether it is the same."""


@dataclass
class OurModel(Subject):
    """An architecture of ours. ``given`` are settings, ``sizes`` those of its input, that stay unless varied."""

    architecture: Architecture
    given: Mapping[str, Any]
    sizes: tuple[int, ...]
    batch: int
    trained: Trained

    @property
    def title(self) -> str:
        """Its id."""
        return self.architecture.id

    @cached_property
    def names(self) -> Mapping[str, Name]:
        """Its settings, entries of those that are lists, the sizes of its input by every name, and the batch."""
        found: dict[str, Name] = {}
        for name, value in self._config.items():
            read = partial(self.architecture.read_setting, name)
            if isinstance(value, (bool, str)):
                found[name] = Name(read, "word")
            elif isinstance(value, tuple):
                found[name] = Name(read, "list")
                found.update(
                    {f"{name}_{place}": Name(int, "whole", 1, LARGEST) for place, _ in enumerate(value, 1)}
                )
            else:
                found[name] = Name(int, "whole", self.architecture.least(name), LARGEST)
        most = PIXELS if self.architecture.family.axes.pixels else LARGEST
        found.update({name: Name(int, "whole", 1, most) for name in self._inputs})
        found["batch"] = Name(int, "whole", 1, LARGEST)
        return found

    @property
    def columns(self) -> Mapping[str, Column]:
        """All of the cost tree and of memory, and the least time."""
        return {**COUNTED, **IN_BYTES, **ON_DEVICE}

    @cached_property
    def _config(self) -> dict[str, Any]:
        return {**self.architecture.config, **self.given}

    @cached_property
    def _inputs(self) -> dict[str, tuple[str, ...]]:
        """The axes that each name of the input's sizes stands for: ``input`` for both sides of a square."""
        axes = self.architecture.family.axes
        found = {name: (name,) for name in axes}
        if len(axes.options) == len(axes):
            found |= {option: (axis,) for option, axis in zip(axes.options, axes, strict=True)}
        return {**found, axes.equal: tuple(axes)}

    def fixed(self, varied: Iterable[str]) -> Values:
        """See :class:`Subject`."""
        taken: dict[str, str] = {}
        for name in varied:
            entry = self._entry(name)
            for each in (*self._inputs.get(name, (name,)), *([entry[0]] if entry else [])):
                other = taken.setdefault(each, name)
                if other != name and not (entry and self._entry(other)):
                    raise InputError(f"--vary {name}: {other} is varied, too; both say the same")
        axes = self.architecture.family.axes
        sizes = {axis: size for axis, size in axes.point(self.sizes).items() if axis not in taken}
        known = self.given if self.architecture.family.implied else self._config  # what may follow is not known
        settings = {name: value for name, value in known.items() if name not in varied}
        entries = {name: entry for name, entry in entries_of(settings).items() if name not in varied}
        batch = {} if "batch" in taken else {"batch": self.batch}
        return {**settings, **entries, **sizes, **batch}

    @property
    def own_values(self) -> Values:
        """The value of every name, where nothing is varied."""
        config = self.architecture.completed(self._config, self.given)
        return {
            **config,
            **entries_of(config),
            **self.architecture.family.axes.point(self.sizes),
            "batch": self.batch,
        }

    def _entry(self, name: str) -> tuple[str, int] | None:
        """The list and the place of a name such as depths_3."""
        whole_name, _, place = name.rpartition("_")
        if name in self._config or not isinstance(self._config.get(whole_name), tuple):
            return None
        return whole_name, int(place)

    def describe(self, fixed: Values, varied: frozenset[str], columns: tuple[str, ...]) -> Description:
        """See :class:`Subject`."""
        return OnTraced(lambda sizes: self.figures({**fixed, **sizes}, varied, columns))

    def figures(self, values: Values, varied: frozenset[str], columns: tuple[str, ...]) -> Figures:
        """Its quantities at some values, each with the sizes of which it is the greatest."""
        family, way = self.architecture.family, self.trained.way
        config, of_input, batch = self._network(values, varied)

        def footprint() -> Footprint:
            if all(isinstance(size, int) for size in of_input):
                from ..answers.memory import in_reach

                in_reach(self.architecture, config, way, of_input)
            return model_footprint(family, of_input, config, batch, way, times=True)

        return self.trained.counted(
            columns,
            lambda: family.build(*of_input, batch=batch, **config),
            footprint,
            lambda: model_step(family, of_input, config, batch, way, times=True),
            lambda: works(family, of_input, config, batch, way),
        )

    def _network(self, values: Values, varied: frozenset[str]) -> tuple[dict[str, Any], tuple[Any, ...], Any]:
        """Its settings, the sizes of its input and its batch at some values."""
        family = self.architecture.family
        config: dict[str, Any] = {name: values.get(name, value) for name, value in self._config.items()}
        for name in values:
            entry = self._entry(name)
            if entry is not None:
                of, place = entry
                config[of] = (*config[of][: place - 1], values[name], *config[of][place:])
        config = self.architecture.completed(config, {*self.given, *varied})
        sizes = {axis: values[name] for name in values for axis in self._inputs.get(name, ())}
        return config, tuple(sizes[axis] for axis in family.axes), values["batch"]

    def key(self) -> dict[str, Any]:
        """See :class:`Subject`."""
        return {
            "model": self.architecture.id,
            "set": {name: str(value) for name, value in self.given.items()},
            "sizes": list(self.sizes),
            "batch": self.batch,
            "trained": repr(self.trained),
        }


def entries_of(settings: Values) -> dict[str, Any]:
    """The entries of settings that are lists: ``depths_3`` is the third of ``depths``."""
    lists = {name: value for name, value in settings.items() if isinstance(value, tuple)}
    return {f"{name}_{place}": entry for name, value in lists.items() for place, entry in enumerate(value, 1)}


@dataclass
class OurLayer(Subject):
    """A layer of ours. ``given`` are the dimensions that stay."""

    id: str
    given: Mapping[str, int]
    trained: Trained

    @property
    def title(self) -> str:
        """Its id."""
        return self.id

    @property
    def names(self) -> Mapping[str, Name]:
        """Its dimensions and, where it has one, the batch."""
        return {name: Name(int, "whole", 1, LARGEST) for name in self._dims}

    @property
    def _dims(self) -> tuple[str, ...]:
        layer = LAYERS[self.id]
        return (*layer.dims, *(["batch"] if "batch" in layer.options else []))

    @property
    def columns(self) -> Mapping[str, Column]:
        """All of the cost tree and, but for what only a whole network has, of memory."""
        return {**COUNTED, **{name: IN_BYTES[name] for name in IN_BYTES if name not in OF_NETWORKS}, **ON_DEVICE}

    def fixed(self, varied: Iterable[str]) -> Values:
        """See :class:`Subject`."""
        found = {**({"batch": 1} if "batch" in self._dims else {}), **self.given}
        names = {*varied}
        missing = [name for name in self._dims if name not in found and name not in names]
        if missing:
            each = " ".join(f"--vary {name}=VALUES" for name in missing)
            raise InputError(
                f"--vary: {self.id} has dimensions without a value: {each}, or --set for a single one"
            )
        return {name: value for name, value in found.items() if name not in names}

    def describe(self, fixed: Values, varied: frozenset[str], columns: tuple[str, ...]) -> Description:
        """See :class:`Subject`."""
        return OnTraced(lambda sizes: self.figures({**fixed, **sizes}, columns))

    def figures(self, values: Values, columns: tuple[str, ...]) -> Figures:
        """Its quantities at some dimensions, each with the sizes of which it is the greatest."""
        return self.trained.counted(
            columns,
            lambda: LAYERS[self.id].build(**values),
            lambda: layer_footprint(self.id, values, self.trained.way, times=True),
            None,
            lambda: layer_works(self.id, values, self.trained.way),
        )

    def key(self) -> dict[str, Any]:
        """See :class:`Subject`."""
        return {"layer": self.id, "set": dict(self.given), "trained": repr(self.trained)}


@dataclass(frozen=True)
class Asked:
    """A subject as users ask for it.

    Args:
        target: a layer, a model, or code.
        settings: of ``--set``.
        arguments: of ``--arg``, for code.
        sizes: what ``--input``, ``--tokens``, ``--src`` and ``--tgt`` gave.
        batch: what ``--batch`` gave.
        trained: how memory is counted.
    """

    target: object
    settings: Mapping[str, object]
    arguments: Mapping[str, object]
    sizes: Mapping[str, object]
    batch: object
    trained: Trained

    @property
    def number(self) -> int:
        """The batch, 1 where none was given."""
        return whole("--batch", 1 if self.batch is None else self.batch)

    def subject(self) -> Subject:
        """What is swept.

        Raises:
            InputError: an unknown name, or a value that is not usable.
        """
        found = self._found()
        found.asked = self
        return found

    def _found(self) -> Subject:
        given = {name: value for name, value in self.sizes.items() if value is not None}
        row = as_placed(self.target, "sweep")
        require_file_of(row.target)
        if (amp := self.trained.way.amp) is not None and row.target in LAYERS:
            raise InputError(f"--amp {amp}: is of models and of code; {row.target} is a layer")
        if is_code(row.target):
            from .own import own_subject

            return own_subject(self, row, given)
        name = str(row.target)
        if self.arguments:
            raise InputError(f"--arg {next(iter(self.arguments))}: only of code; --set NAME=VALUE is for {name}")
        if "@" in row.behind:
            raise InputError(
                f"sweep {row.text}: {name} is no code, and has its sizes by --vary, --set and --input"
            )
        for setting in row.arguments:
            if setting in self.settings:
                raise InputError(f"--set {setting}: stands in the brackets of {row.text}, too")
        if row.arguments:
            return replace(self, target=name, settings={**row.arguments, **self.settings})._found()
        if name in LAYERS:
            return _layer(name, self, given)
        if name not in ARCHITECTURES:
            raise unknown("TARGET", name, [*LAYERS, *ARCHITECTURES], ALL)
        architecture = ARCHITECTURES[name]
        architecture.attends(self.trained.way.attention)
        changed = architecture.changed(self.settings)
        own = architecture.read(**{**dict.fromkeys(architecture.family.axes.options), **given})
        return OurModel(architecture, changed, own, self.number, self.trained)


def _layer(id: str, asked: Asked, sizes: Mapping[str, object]) -> OurLayer:
    layer = OurLayer(id, {}, asked.trained)
    if sizes:
        raise InputError(f"--{next(iter(sizes))}: {id} is a layer; its dimensions are {', '.join(layer.names)}")
    given = {**asked.settings, **({} if asked.batch is None else {"batch": asked.batch})}
    for name in given:
        if name not in layer.names:
            raise unknown(f"dimension of {id}", name, layer.names)
    return replace(layer, given={name: whole(f"--set {name}", value) for name, value in given.items()})


def compared(value: object) -> bool:
    """Whether conditions may speak of a value: of numbers, words and truths, not of lists."""
    return not isinstance(value, (tuple, GridTerm))
