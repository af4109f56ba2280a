"""What a network takes: one description, run for inference and for training.

All figures are bytes, ints or traced sizes according to the sizes that come in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..abstract.tape import REPORTED, Again, Kept, Kernels, Node, Peak, Recomputed, Tape, Work, kept
from ..abstract.tensor import FLOATS, Tensor
from ..abstract.tuning import Tuning
from ..algebra.traced import value_of
from ..architectures import Family
from ..garbage import not_sought
from ..layers import LAYERS

Start = Callable[[Tape], tuple[tuple[Tensor, ...], Any]]
"""Makes the inputs on a tape and runs the network: the inputs and the outputs."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a network is run: the type of its weights and activations, and what is traded for memory.

    ``amp`` is the type in which autocast runs what it may, beside weights in float32; with ``gathering`` gradients
    of weights are added to wider ones as they come, and let go. ``tuning`` says what is trained, if not all is.
    """

    dtype: str = "float32"
    attention: str = "eager"
    recompute: str = "none"
    amp: str | None = None
    gathering: bool = False
    tuning: Tuning | None = None
    kernels: Kernels = REPORTED

    @property
    def products(self) -> str:
        """The type in which products run."""
        return self.amp or self.dtype


PLAIN = Way()
"""In float32, with plain products, and nothing recomputed."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one run takes.

    ``kept`` is what autograd keeps, in the order of time; ``inference`` and ``forward`` are the most bytes that
    are live at once without and with autograd; ``held`` is the most that autograd keeps at any time of a step,
    parts that are computed again included. ``cache`` is what a next token needs of all before it; ``peaks`` the
    most that is live in an inference while a module's own operators run, by its path, without the rounds that
    were ``counted``. ``trained`` are the bytes of weights that are trained, and ``shapes`` their shapes with how
    many have each; so are ``params`` and ``tensors``, but ``frozen`` are numbers of those that are not.
    """

    params: Any
    tensors: int
    weights: Any
    buffers: Any
    inputs: Any
    kept: tuple[Kept, ...]
    held: Any
    inference: Peak
    forward: Peak
    cache: Any
    peaks: Mapping[str, Any]
    trained: Any
    shapes: tuple[tuple[Any, int], ...]
    frozen: Any
    counted: tuple[Again, ...] = ()

    @property
    def saved(self) -> Any:
        """Bytes that autograd keeps when the forward pass is over."""
        return total(part.total for part in self.kept)

    @property
    def numbers(self) -> Footprint:
        """The same without forms."""
        counted = {id(each): _plain(each) for each in (*(part.again for part in self.kept), *self.counted) if each}
        return Footprint(
            params=value_of(self.params),
            tensors=self.tensors,
            weights=value_of(self.weights),
            buffers=value_of(self.buffers),
            inputs=value_of(self.inputs),
            kept=tuple(
                part._replace(bytes=value_of(part.bytes), again=part.again and counted[id(part.again)])
                for part in self.kept
            ),
            held=value_of(self.held),
            inference=self.inference._replace(bytes=value_of(self.inference.bytes)),
            forward=self.forward._replace(bytes=value_of(self.forward.bytes)),
            cache=value_of(self.cache),
            peaks={path: value_of(live) for path, live in self.peaks.items()},
            counted=tuple(counted[id(each)] for each in self.counted),
            trained=value_of(self.trained),
            frozen=value_of(self.frozen),
            shapes=tuple((tuple(map(value_of, shape)), times) for shape, times in self.shapes),
        )

    def peak_by_module(self) -> dict[str, Any]:
        """The most that is live in an inference while each module's own operators run, by its path."""
        found: dict[str, Any] = {}
        last = {[*same.peaks][-1]: same for same in self.counted if same.peaks}
        for path, live in self.peaks.items():
            found[path] = live
            for later in range(1, last[path].more + 1) if path in last else ():
                same = last[path]
                found.update(
                    (same.moved(own, later), most + later * same.grown) for own, most in same.peaks.items()
                )
        return found

    def by_module(self) -> dict[str, Any]:
        """The same by the path of the module that kept them first."""
        found: dict[str, Any] = {}
        for part in self.kept:
            for path in part.paths:
                found[path] = found.get(path, 0) + part.bytes
        return found


def model_footprint(
    family: Family,
    sizes: tuple[Any, ...],
    config: Mapping[str, Any],
    batch: Any,
    way: Way = PLAIN,
    times: bool = False,
    inference: bool = True,
) -> Footprint:
    """What an architecture takes at an input."""
    return footprint(lambda tape: family.start(tape, sizes, config, batch), way, times, inference)


def layer_footprint(
    id: str, dims: Mapping[str, Any], way: Way = PLAIN, times: bool = False, inference: bool = True
) -> Footprint:
    """What a layer takes, as part of a network: its inputs have gradients."""
    return footprint(lambda tape: ((), LAYERS[id].run(tape, **dims)), way, times, inference)


@not_sought()
def footprint(start: Start, way: Way = PLAIN, times: bool = False, inference: bool = True) -> Footprint:
    """Run a network twice, for inference and for training; with all ``times`` beside the peaks if asked for.

    Without ``inference`` it is run once, and nothing is said of what that takes.
    """
    evaluating, tape = (taped(way, training, times) for training in (False, True))
    for each in (evaluating, tape) if inference else (tape,):
        inputs, outputs = started(each, start)
    found = kept(*graph(outputs), again=tape.again)
    return Footprint(
        params=tape.entered("parameters", lambda weight: weight.elements if weight.leaf else 0),
        frozen=tape.entered("parameters", lambda weight: 0 if weight.leaf else weight.elements),
        tensors=tape.entered("parameters", lambda weight: int(weight.leaf)),
        weights=tape.entered("parameters", lambda weight: weight.storage.bytes),
        buffers=tape.entered("buffers", lambda buffer: buffer.storage.bytes),
        inputs=total(tensor.storage.bytes for tensor in inputs),
        kept=tuple(part for _, part, _ in found),
        held=_held([(node, part) for node, part, _ in found], tape.recomputed),
        inference=evaluating.peak,
        forward=tape.peak,
        cache=evaluating.entered("cached", lambda size: size),
        peaks=evaluating.peaks,
        trained=tape.entered("parameters", lambda weight: weight.storage.bytes if weight.leaf else 0),
        shapes=tape.shapes(),
        counted=tuple(evaluating.again),
    )


@not_sought()
def started(tape: Tape, start: Start) -> tuple[tuple[Tensor, ...], Any]:
    """The inputs and outputs of a run; what autocast made of weights is let go after it."""
    found = start(tape)
    tape.casts.clear()
    return found


def checkpoints(
    family: Family, sizes: tuple[Any, ...], config: Mapping[str, Any], batch: Any, way: Way
) -> tuple[str, ...]:
    """Paths of the modules that are computed again."""
    tape = taped(way, training=True)
    family.start(tape, sizes, config, batch)
    return tuple(part.path for part in tape.recomputed)


def works(
    family: Family, sizes: tuple[Any, ...], config: Mapping[str, Any], batch: Any, way: Way = PLAIN
) -> list[Work]:
    """What the operators of an inference do, in order."""
    return _works(lambda tape: family.start(tape, sizes, config, batch), way)


def layer_works(id: str, dims: Mapping[str, Any], way: Way = PLAIN) -> list[Work]:
    """What the operators of a layer do."""
    return _works(lambda tape: ((), LAYERS[id].run(tape, **dims)), way)


def _works(start: Start, way: Way) -> list[Work]:
    tape = taped(way, training=False)
    tape.works = []
    start(tape)
    return tape.works


def taped(way: Way, training: bool, times: bool = False) -> Tape:
    """A tape for a run in this way.

    Rounds are not alike where some may be trained; what is kept until autocast is left is no round's own.
    """
    return Tape(
        FLOATS[way.dtype],
        grad=training,
        training=training,
        attention=way.attention,
        recompute=way.recompute,
        kernels=way.kernels,
        gathering=way.gathering,
        tuning=way.tuning,
        amp=None if way.amp is None else FLOATS[way.amp],
        trail=[] if way.amp or (way.tuning and way.tuning.trained) else None,
        times=[] if times else None,
    )


def graph(outputs: Any) -> list[Node | None]:
    """Where the graph of the backward pass ends."""
    return [tensor.node for tensor in (outputs if isinstance(outputs, tuple) else (outputs,))]


def _plain(same: Again) -> Again:
    peaks = {path: value_of(live) for path, live in same.peaks.items()}
    return same._replace(grown=value_of(same.grown), peaks=peaks)


def _held(found: list[tuple[Node, Kept]], recomputed: list[Recomputed]) -> Any:
    """The most that is kept at once: at the end of the forward pass, or when the backward pass is at a part that
    was not kept. By then all that came later is freed, and what the part keeps has been computed again."""
    most = total(part.total for _, part in found)
    for again in recomputed:
        earlier = total(part.total for node, part in found if node.time <= again.time)
        if value_of(earlier + again.bytes) > value_of(most):
            most = earlier + again.bytes
    return most


def total(parts: Iterable[Any]) -> Any:
    """The sum of numbers, traced or not."""
    found: Any = 0
    for part in parts:
        found = found + part
    return found
