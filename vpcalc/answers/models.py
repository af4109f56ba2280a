"""``vpcalc models``: the architectures that vpcalc knows, and the choice among them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .. import words
from ..abstract.tape import ATTENTIONS
from ..abstract.tensor import FLOATS
from ..architectures import Architecture
from ..architectures.axes import IMAGE
from ..architectures.registry import in_order, listed
from ..errors import InputError, unknown
from ..inputs import whole
from ..published import NATIVE
from ..report import Column, Hint, Kind, Table
from ..report.numbers import exact
from ..storage.footprint import Way
from ..storage.forms import LONGEST
from ..storage.optimizers import Optimizer, read_optimizer
from ..where import Expression, Value, read_condition, read_value
from .candidates import QUANTITIES, Candidate
from .memory import narrow
from .result import Result

MEMORY = ("inference_bytes", "training_bytes")
"""What is shown where it is said how a model is trained."""

SUMMED = (
    "training_bytes: the sum of all that training holds, but for gradients of activations and workspaces of "
    "kernels; what a step takes at most, as memory --train says and fits, is step_peak_bytes"
)
"""What a table of models and its CSV have to say of the bytes of training."""

KEPT = 2
"""Columns by which models were chosen and sorted for which the narrowest terminal has room."""


@dataclass(frozen=True)
class Models(Result):
    """Architectures, each at its own input or at one that was asked for.

    ``given`` are the options that were; ``shown`` are quantities beside parameters and multiply-accumulates;
    ``left_out`` says for each reason which models it left out.
    """

    candidates: tuple[Candidate, ...]
    given: Mapping[str, Any]
    shown: tuple[str, ...] = ()
    left_out: Mapping[str, tuple[str, ...]] | None = None

    @property
    def architectures(self) -> tuple[Architecture, ...]:
        """The architectures alone."""
        return tuple(candidate.architecture for candidate in self.candidates)

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        return {
            "command": "models",
            "inputs": dict(self.given),
            "models": [self._row_dict(candidate) for candidate in self.candidates],
            "left_out": [{"models": list(ids), "why": why} for why, ids in (self.left_out or {}).items()],
        }

    def _row_dict(self, candidate: Candidate) -> dict[str, Any]:
        architecture, accuracy = candidate.architecture, candidate.accuracy
        return {
            "id": architecture.id,
            "family": architecture.family.name,
            "aliases": list(architecture.aliases),
            "source": architecture.source,
            "input": list(candidate.sizes),
            "axes": list(architecture.family.axes),
            "config": {name: listed(value) for name, value in candidate.config.items()},
            **{name: candidate[name] for name in ("params", "macs", *self.shown)},
            "top1": None if accuracy is None else float(accuracy.value),
            "top1_source": None if accuracy is None else accuracy.says,
        }

    def tables(self) -> tuple[Table, ...]:
        """One row an architecture."""
        asked = bool(self.given)
        middle = ("params", "macs", *self.shown)
        columns = (
            Column("id", "Model", Kind.WORD),
            Column("family", "Family", Kind.WORD, wide=True),
            Column("input", "Input", Kind.SYMBOLS, wide=asked and self._one_size),
            *(Column(name, QUANTITIES[name].header, QUANTITIES[name].kind) for name in middle),
            Column("top1", "Top-1", Kind.RATIO, wide=not asked),
            Column("aliases", "Also known as", wide=True),
            Column("source", "Source", wide=True),
            Column("top1_source", "Top-1 from", wide=True),
        )
        known = {column.key for column in columns[1:]}
        asked_for = re.findall(r"\w+", f"{self.given.get('where')} {self.given.get('sort')}")[::-1]
        kept = [name for name in dict.fromkeys(asked_for) if name in known][:KEPT]
        columns = tuple(column._replace(kept=column.key in kept) for column in columns)
        return (Table(self._title(), columns, tuple(map(self._row, self.candidates)), tuple(self._notes())),)

    def _row(self, candidate: Candidate) -> tuple[Any, ...]:
        architecture, accuracy = candidate.architecture, candidate.accuracy
        return (
            architecture.id,
            architecture.family.name,
            _input(candidate),
            *(candidate[name] for name in ("params", "macs", *self.shown)),
            None if accuracy is None else float(accuracy.value),
            ", ".join(architecture.aliases),
            architecture.source,
            "" if accuracy is None else accuracy.says,
        )

    @property
    def _one_size(self) -> bool:
        return len({_input(candidate) for candidate in self.candidates}) == 1

    def _title(self) -> str:
        number = len(self.candidates)
        title = f"{number} model{'' if number == 1 else 's'}"
        return f"{title}{' ' if self._one_size else ', '}{self.asked}" if self.given else title

    @property
    def asked(self) -> str:
        """How the models were asked for, and which; nothing where they were not."""
        if not self.given:
            return ""
        parts = [f"at {_input(self.candidates[0])}"] if self._one_size else []
        parts.append(f"batch {self.given['batch']}")
        parts += [f"{name} = {value}" for name, value in self.given["set"].items()]
        if any(name.endswith("_bytes") for name in self.shown):
            fused = [] if self.given["attention"] == "eager" else [f"{self.given['attention']} attention"]
            amp = [f"autocast to {self.given['amp']}"] if self.given["amp"] else []
            parts += [self.given["dtype"], *amp, self.given["optimizer"], *fused]
        where = self.given["where"]
        return ", ".join(parts) + (f": {where}" if where else "")

    def _notes(self) -> list[str]:
        notes = [f"{_few(ids)} left out: {why}" for why, ids in (self.left_out or {}).items()]
        if not self.given:
            return [Hint("vpcalc model NAME shows one; --where chooses, as in --where 'macs < 5G and top1 > 80'")]
        if any(candidate.accuracy for candidate in self.candidates):
            apart = "".join(f"; {_few(ids)}: {how}" for how, ids in self._apart().items())
            notes.append(
                f"top-1: printed accuracy on ImageNet at {NATIVE}{apart}; sources: --columns id,top1,top1_source"
            )
        if self.given["batch"] > 1:
            notes.append(
                f"MACs, as all that grows with the batch, are those of {self.given['batch']} inputs together; "
                "--where 'macs/batch < 100G' is of one"
            )
        unplanned = self._unplanned()
        if unplanned:
            notes.append(f"{_few(unplanned)}: memory is known up to --tokens {LONGEST}, step by step")
        if "training_bytes" in self.shown:
            notes.append(SUMMED)
        return notes

    def _unplanned(self) -> tuple[str, ...]:
        """Models of which it is not known what they take, where that is asked for."""
        asked = any(name.endswith("_bytes") for name in self.shown)
        return tuple(each.architecture.id for each in self.candidates if asked and each.plan is None)

    def _apart(self) -> dict[str, tuple[str, ...]]:
        """What sets accuracies apart from those at the usual size with the usual data, and of which models."""
        found: dict[str, tuple[str, ...]] = {}
        for each in filter(None, (candidate.accuracy for candidate in self.candidates)):
            if each.apart:
                found[each.apart] = (*found.get(each.apart, ()), each.model)
        return found


def models(
    family: str | None = None,
    *,
    input: object = None,
    tokens: object = None,
    src: object = None,
    tgt: object = None,
    set: Mapping[str, object] | None = None,
    batch: object = None,
    dtype: str | None = None,
    optimizer: str | None = None,
    attention: str | None = None,
    amp: str | None = None,
    where: str | None = None,
    sort: str | None = None,
    show: Iterable[str] = (),
) -> Models:
    """The architectures, all or those of one family, and the choice among them.

    Args:
        family: only this one.
        input: an image's size, as for :func:`vpcalc.model`; models that read no image are left out.
        tokens: length of a sequence, and of both where there are two; models that read none are left out.
        src, tgt: lengths of source and target.
        set: changes to settings; models that have no such setting are left out.
        batch: images or sequences, 1 if None; given, it shows what running and training take.
        dtype: type of weights and activations, float32 if None; shows the same.
        optimizer: as for :func:`vpcalc.memory`, adamw if None; shows the same.
        attention: eager, which is meant if None, or fused, where there is attention; shows the same.
        amp: type of autocast beside weights in float32, as for :func:`vpcalc.memory`; shows the same.
        where: a condition such as ``"macs < 100G and params < 60M"`` that the models have to meet.
        sort: quantities to sort by, the smallest first: ``"macs"``, ``"-top1,params"``.
        show: further quantities: flops, fvcore, activations, attention_elements, weights_bytes, saved_bytes,
            inference_bytes, training_bytes (a sum), step_peak_bytes (the most in a step).

    Raises:
        InputError: an unknown name, a value that is not usable, or an input that no model can take.
    """
    chosen = _of_family(family)
    number = whole("--batch", 1 if batch is None else batch)
    way, training = _way(dtype or "float32", optimizer or "adamw", attention or "eager", amp)
    condition = None if where is None else read_condition("--where", where, QUANTITIES)
    keys = [] if sort is None else [read_value("--sort", key, QUANTITIES) for key in sort.split(",")]
    sizes = {"input": input, "tokens": tokens, "src": src, "tgt": tgt}
    memory = any(option is not None for option in (batch, dtype, optimizer, attention, amp))
    shown = _shown(show, condition, keys, MEMORY if memory else ())
    asked = memory or condition or keys or shown or set or any(size is not None for size in sizes.values())
    given = {
        **{name: _plain(size) for name, size in sizes.items() if size is not None},
        "set": {name: str(value) for name, value in (set or {}).items()},
        "batch": number,
        "dtype": way.dtype,
        "optimizer": training.name,
        "attention": way.attention,
        "amp": way.amp,
        "where": where,
        "sort": sort,
    }
    _check_sizes(sizes)
    _check_settings(chosen, set or {})
    left = _Left()
    found = []
    for architecture in chosen:
        candidate = _candidate(architecture, sizes, set or {}, number, way, training)
        if isinstance(candidate, InputError):
            left.out(architecture, candidate)
        else:
            found.append(candidate)
    if not found:
        raise left.first
    kept = [candidate for candidate in found if left.unless(condition, candidate)]
    for key in reversed(keys):
        kept = _sorted(kept, key)
    return Models(tuple(kept), given if asked else {}, shown, left.reasons)


class NotTheirsError(InputError):
    """A size or a setting of other models; ``why`` says so of several."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


class _Left:
    """The models that are left out, by the reason why; and what to say where they are all."""

    def __init__(self) -> None:
        self.reasons: dict[str, tuple[str, ...]] = {}
        self.refusals: list[InputError] = []

    @property
    def first(self) -> InputError:
        """The first refusal of something that is a model's own, if there is one."""
        return next((each for each in self.refusals if not isinstance(each, NotTheirsError)), self.refusals[0])

    def out(self, architecture: Architecture, refusal: InputError) -> None:
        """One that cannot be had as asked."""
        self.refusals.append(refusal)
        self._add(refusal.why if isinstance(refusal, NotTheirsError) else str(refusal), architecture)

    def unless(self, condition: Expression | None, candidate: Candidate) -> bool:
        """Whether a candidate meets the condition; where that is unknown it is left out, and said to be."""
        if condition is None:
            return True
        truth = condition.holds(candidate)
        if truth is None:
            lacking = [name for name in condition.names if candidate[name] is None]
            self._add(f"no {' and no '.join(lacking)} known", candidate.architecture)
        return truth is True

    def _add(self, why: str, architecture: Architecture) -> None:
        self.reasons[why] = (*self.reasons.get(why, ()), architecture.id)


def _of_family(family: str | None) -> list[Architecture]:
    every = in_order()
    families = {a.family.name for a in every}
    if family is not None and family not in families:
        raise unknown("family", family, families)
    return [a for a in every if family in (None, a.family.name)]


def _way(dtype: str, optimizer: str, attention: str, amp: str | None) -> tuple[Way, Optimizer]:
    dtype = words.dtype(dtype)
    for option, value, known in (("--dtype", dtype, FLOATS), ("--attention", attention, ATTENTIONS)):
        if value not in known:
            raise unknown(option, value, known)
    way = Way(dtype, attention, amp=narrow(amp, dtype, "none"))
    return way, read_optimizer(optimizer, False, dtype, FLOATS[dtype].bytes)


def _shown(
    show: Iterable[str], condition: Expression | None, keys: Iterable[Expression], memory: tuple[str, ...]
) -> tuple[str, ...]:
    """Quantities that are asked for by name and have no column of their own, in the order of the list."""
    names = {*show, *memory, *(name for each in (condition, *keys) if each for name in each.names)}
    for name in sorted(names - QUANTITIES.keys()):
        raise unknown("quantity", name, QUANTITIES)
    return tuple(name for name in QUANTITIES if name in names and name not in _OWN)


def shown_by(columns: str | None) -> tuple[str, ...]:
    """Those of the columns that are quantities, which are shown only where they are asked for."""
    return tuple(name for key in (columns or "").split(",") if (name := key.strip()) in QUANTITIES)


_OWN = ("params", "macs", "top1", "batch", "family", "id")
"""Quantities that every table has, in a column or above it."""


def _check_sizes(sizes: Mapping[str, object]) -> None:
    """Refuse what is no size, before anybody says that it is none of theirs."""
    if sizes["input"] is not None:
        IMAGE.read((), sizes["input"])
    for name in ("tokens", "src", "tgt"):
        if sizes[name] is not None:
            whole(f"--{name}", sizes[name])


def _check_settings(chosen: Iterable[Architecture], changes: Mapping[str, object]) -> None:
    known = {name for architecture in chosen for name in architecture.settings}
    for name in changes:
        if name not in known:
            raise unknown("setting", name, known)


def _candidate(
    architecture: Architecture,
    sizes: Mapping[str, object],
    changes: Mapping[str, object],
    batch: int,
    way: Way,
    training: Optimizer,
) -> Candidate | InputError:
    """An architecture as it is asked for, or why it cannot be had so."""
    family = architecture.family
    lacking = [name for name in changes if name not in architecture.settings]
    if lacking:
        why = f"no setting {' or '.join(lacking)}"
        return NotTheirsError(f"--set {lacking[0]}: {architecture.id} has {why}", f"they have {why}")
    own = _sizes_of(architecture, sizes)
    if isinstance(own, InputError):
        return own
    try:
        config = architecture.configure(changes)
        own_way = way if family.attends else replace(way, attention="eager")
        found = Candidate(architecture, own, config, batch, own_way, training)
        found.cost  # noqa: B018  refuses sizes that are too small
    except InputError as refusal:
        return refusal
    return found


def _sizes_of(architecture: Architecture, sizes: Mapping[str, object]) -> tuple[int, ...] | NotTheirsError:
    """The sizes of its input; ``tokens`` is the length of source and target alike."""
    axes = architecture.family.axes
    given = {name: size for name, size in sizes.items() if size is not None}
    own = {name: given[name] for name in axes.options if name in given}
    if axes.equal in given:
        own = {**dict.fromkeys(axes.options, given[axes.equal]), **own}
    if given and not own:
        option, size = next(iter(given.items()))
        takes = " and ".join(f"--{name}" for name in axes.options)
        return NotTheirsError(f"--{option} {size}: {architecture.id} takes {takes} instead", f"they take {takes}")
    return architecture.read(**{**dict.fromkeys(axes.options), **own})


def _sorted(candidates: list[Candidate], key: Expression) -> list[Candidate]:
    """By one key, the smallest first; those of which it is not known come last."""
    values: list[tuple[Value, Candidate]] = [(key.of(candidate), candidate) for candidate in candidates]
    known = [(value, candidate) for value, candidate in values if value is not None]
    known.sort(key=lambda pair: pair[0])
    return [candidate for _, candidate in known] + [candidate for value, candidate in values if value is None]


def _input(candidate: Candidate) -> str:
    return candidate.architecture.family.axes.brief(candidate.sizes)


def _plain(size: object) -> Any:
    return list(size) if isinstance(size, tuple) else size


def _few(ids: tuple[str, ...]) -> str:
    """A few names, or how many there are."""
    return ", ".join(ids) if len(ids) <= 3 else f"{exact(len(ids))} models ({ids[0]} … {ids[-1]})"
