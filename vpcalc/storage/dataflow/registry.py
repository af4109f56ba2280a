"""Which description is whose, and what it is run on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ...catalog import Catalog
from ..tape import INPUT, Tape
from ..tensor import INT64, Tensor, fresh

Run = Callable[..., Any]
R = TypeVar("R", bound=Run)
Inputs = Callable[[Tape, tuple[Any, ...], Mapping[str, Any], Any], tuple[Tensor, ...]]


@dataclass(frozen=True, slots=True)
class Description:
    """``run(*inputs, **config)`` is the network; ``inputs(tape, sizes, config, batch)`` are what it is run on.

    ``blocks`` says whether it has blocks that can be computed again, ``attends`` whether it has attention that
    can be.
    """

    run: Run
    inputs: Inputs
    blocks: bool = True
    attends: bool = True


MODELS: Catalog[Description] = Catalog("dataflow of a family")
"""Descriptions of families, by name."""

LAYERS: Catalog[Run] = Catalog("dataflow of a layer")
"""Descriptions of layers, by id: functions of a tape, the layer's dimensions and ``batch``."""


def model(family: str, inputs: Inputs, *, blocks: bool = True, attends: bool = True) -> Callable[[R], R]:
    """Register the description of a family."""

    def register(run: R) -> R:
        MODELS.add(family, Description(run, inputs, blocks, attends))
        return run

    return register


def layer(id: str) -> Callable[[R], R]:
    """Register the description of a layer."""

    def register(run: R) -> R:
        LAYERS.add(id, run)
        return run

    return register


def image(tape: Tape, sizes: tuple[Any, ...], config: Mapping[str, Any], batch: Any) -> tuple[Tensor, ...]:
    """Colour images (batch, 3, H, W)."""
    return (fresh(tape, (batch, 3, *sizes), tape.item, INPUT),)


def words(tape: Tape, sizes: tuple[Any, ...], config: Mapping[str, Any], batch: Any) -> tuple[Tensor, ...]:
    """Ids of one sequence (batch, N)."""
    return (fresh(tape, (batch, *sizes), INT64, INPUT),)


def pair(tape: Tape, sizes: tuple[Any, ...], config: Mapping[str, Any], batch: Any) -> tuple[Tensor, ...]:
    """Ids of source and target, or of the part of the network that is used."""
    both = tuple(fresh(tape, (batch, size), INT64, INPUT) for size in sizes)
    return {"both": both, "encoder": both[:1], "decoder": both[1:]}[config["part"]]


def steps(tape: Tape, sizes: tuple[Any, ...], config: Mapping[str, Any], batch: Any) -> tuple[Tensor, ...]:
    """Vectors at each step (batch, T, d)."""
    return (fresh(tape, (batch, *sizes, config["d"]), tape.item, INPUT),)


def given(tape: Tape, *shape: Any) -> Tensor:
    """The input of a layer: like any tensor within a network, it has a gradient."""
    return fresh(tape, shape, tape.item, INPUT, leaf=True)
