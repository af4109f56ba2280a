"""Recurrent cells and layers, step by step; see :mod:`vpcalc.reference.recurrence`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..functions import affine, cat, constant, flip, sigmoid, stack, tanh
from ..modules import module, parameter, sequential
from ..tape import Tape
from ..tensor import Tensor
from ..traced import count
from .registry import given, layer, model, steps

State = tuple[Tensor, ...]


def rnn_step(x: Tensor, h: Tensor, state: State) -> State:
    """h' = tanh of the two products' sum."""
    return (tanh(x + h),)


def lstm_step(x: Tensor, h: Tensor, state: State) -> State:
    """Gates in the order input, forget, candidate, output."""
    i, f, g, o = (x + h).chunk(4, dim=-1)
    c = sigmoid(f) * state[1] + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def gru_step(x: Tensor, h: Tensor, state: State) -> State:
    """Gates in the order reset, update, candidate."""
    x_r, x_z, x_n = x.chunk(3, dim=-1)
    h_r, h_z, h_n = h.chunk(3, dim=-1)
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    return ((1 - z) * tanh(x_n + r * h_n) + z * state[0],)


CELLS: dict[str, tuple[int, int, Callable[[Tensor, Tensor, State], State]]] = {
    "rnn": (1, 1, rnn_step),
    "lstm": (4, 2, lstm_step),
    "gru": (3, 1, gru_step),
}
"""Cell to its gates, the vectors of its state, and its step."""


@module
def _affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return affine(x, weight, bias)


@dataclass(frozen=True, slots=True)
class Cell:
    """The weights of a cell, which all steps share."""

    name: str
    kind: str
    n: Any
    from_input: tuple[Tensor, Tensor | None]
    from_hidden: tuple[Tensor, Tensor | None]

    @staticmethod
    def made(tape: Tape, name: str, kind: str, d: Any, n: Any, bias: bool = True) -> Cell:
        """A cell with new weights."""
        width = CELLS[kind][0] * n

        def weights(fan_in: Any) -> tuple[Tensor, Tensor | None]:
            return parameter(tape, width, fan_in), parameter(tape, width) if bias else None

        return Cell(name, kind, n, weights(d), weights(n))

    def advance(self, product: Tensor, state: State) -> State:
        """One step from the input's product."""
        return CELLS[self.kind][2](product, _affine(f"{self.name}from_hidden", state[0], *self.from_hidden), state)


def run(cell: Cell, x: Tensor) -> Tensor:
    """A cell over the steps of (batch, T, d)."""
    products = _affine(f"{cell.name}from_input", x, *cell.from_input)
    state: State = (constant(x.tape, x.shape[0], cell.n, item=x.item),) * CELLS[cell.kind][1]
    outputs = []
    for step in range(count(x.shape[1])):
        state = cell.advance(products[:, step], state)
        outputs.append(state[0])
    return stack(outputs, dim=1)


@module
def recurrent_layer(x: Tensor, kind: str, n: Any, bidirectional: bool, bias: bool) -> Tensor:
    """(batch, T, d) to (batch, T, n), or in both directions to (batch, T, 2n)."""
    tape, d = x.tape, x.shape[-1]
    names = ("cells.0.", "cells.1.") if bidirectional else ("cells.0.",)
    cells = [Cell.made(tape, name, kind, d, n, bias) for name in names]
    if not bidirectional:
        tape.cached.append(x.shape[0] * n * CELLS[kind][1] * x.item.bytes)
    outputs = [run(cells[0], x)]
    if bidirectional:
        outputs.append(flip(run(cells[1], flip(x))))
    return cat(outputs, dim=-1)


@model("recurrent", steps, blocks=False, attends=False)
def recurrent(x: Tensor, *, cell: str, d: Any, n: Any, layers: int, bidirectional: bool, bias: bool) -> Tensor:
    """A stack over T steps."""
    step = partial(recurrent_layer, kind=cell, n=n, bidirectional=bidirectional, bias=bias)
    return sequential("", x, *[step] * layers)


def _cell(tape: Tape, kind: str, d: Any, n: Any, batch: Any) -> State:
    cell = Cell.made(tape, "", kind, d, n)
    x = given(tape, batch, d)
    state = tuple(given(tape, batch, n) for _ in range(CELLS[kind][1]))
    return cell.advance(_affine("from_input", x, *cell.from_input), state)


@layer("rnn_cell")
def _rnn_cell(tape: Tape, d: Any, n: Any, batch: Any) -> State:
    return _cell(tape, "rnn", d, n, batch)


@layer("lstm_cell")
def _lstm_cell(tape: Tape, d: Any, n: Any, batch: Any) -> State:
    return _cell(tape, "lstm", d, n, batch)


@layer("gru_cell")
def _gru_cell(tape: Tape, d: Any, n: Any, batch: Any) -> State:
    return _cell(tape, "gru", d, n, batch)


@layer("recurrent")
def _recurrent(tape: Tape, T: Any, d: Any, n: Any, batch: Any) -> Tensor:
    return recurrent_layer("", given(tape, batch, T, d), "rnn", n, False, True)


@layer("recurrent_lstm")
def _recurrent_lstm(tape: Tape, T: Any, d: Any, n: Any, batch: Any) -> Tensor:
    return recurrent_layer("", given(tape, batch, T, d), "lstm", n, False, True)


@layer("recurrent_gru")
def _recurrent_gru(tape: Tape, T: Any, d: Any, n: Any, batch: Any) -> Tensor:
    return recurrent_layer("", given(tape, batch, T, d), "gru", n, False, True)
