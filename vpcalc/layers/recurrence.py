"""Recurrent cells and layers: RNN (Elman 1990), LSTM (Hochreiter & Schmidhuber 1997), GRU (Cho et al. 2014).

In all three, one step is two products, x_t to g·n and h_{t-1} to g·n, and arithmetic element by element that is
no product. Each product has a bias of its own, b_ih and b_hh, as PyTorch has them: with both, a layer holds
g(nd + n² + 2n) parameters, where textbooks that merge the biases write g(nd + n² + n).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..abstract.functions import affine, cat, constant, flip, sigmoid, tanh
from ..abstract.modules import Loop, module, parameter
from ..abstract.tape import Tape
from ..abstract.tensor import Tensor, given
from ..dims import Dim
from ..errors import unknown
from .registry import layer

State = tuple[Tensor, ...]
"""(h,), or (h, c) for an LSTM; each (batch, n)."""


def _rnn_step(x: Tensor, h: Tensor, state: State) -> State:
    """h' = tanh of the two products' sum."""
    return (tanh(x + h),)


def _lstm_step(x: Tensor, h: Tensor, state: State) -> State:
    """Gates in the order input, forget, candidate, output."""
    i, f, g, o = (x + h).chunk(4, dim=-1)
    c = sigmoid(f) * state[1] + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def _gru_step(x: Tensor, h: Tensor, state: State) -> State:
    """Gates in the order reset, update, candidate."""
    x_r, x_z, x_n = x.chunk(3, dim=-1)
    h_r, h_z, h_n = h.chunk(3, dim=-1)
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    return ((1 - z) * tanh(x_n + r * h_n) + z * state[0],)


GATES = {"rnn": 1, "lstm": 4, "gru": 3}
"""g: how many vectors of n a cell computes from its products."""

VECTORS = {"rnn": 1, "lstm": 2, "gru": 1}
"""How many vectors of n a cell carries from step to step: h, and for an LSTM c."""

_STEPS: dict[str, Callable[[Tensor, Tensor, State], State]] = {
    "rnn": _rnn_step,
    "lstm": _lstm_step,
    "gru": _gru_step,
}


@module
def _affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return affine(x, weight, bias)


@dataclass(frozen=True, slots=True)
class Cell:
    """The weights of a cell, which all steps share; ``name`` is its prefix in the module that holds it."""

    name: str
    kind: str
    n: Dim
    from_input: tuple[Tensor, Tensor | None]
    from_hidden: tuple[Tensor, Tensor | None]

    @staticmethod
    def made(tape: Tape, name: str, kind: str, d: Dim, n: Dim, bias: bool = True) -> Cell:
        """A cell with new weights."""
        if kind not in GATES:
            raise unknown("recurrent cell", kind, GATES)
        width = GATES[kind] * n

        def weights(fan_in: Dim) -> tuple[Tensor, Tensor | None]:
            return parameter(tape, width, fan_in), parameter(tape, width) if bias else None

        return Cell(name, kind, n, weights(d), weights(n))

    def taken_in(self, x: Tensor) -> Tensor:
        """The product of an input (…, d), of one step or of many at once: (…, gn)."""
        return _affine(f"{self.name}from_input", x, *self.from_input)

    def advance(self, product: Tensor, state: State) -> State:
        """One step from the input's product: (1 x n)(n x gn) in every sequence."""
        return _STEPS[self.kind](product, _affine(f"{self.name}from_hidden", state[0], *self.from_hidden), state)


def run(cell: Cell, x: Tensor) -> Tensor:
    """A cell over the steps of (batch, T, d); the input's product is taken for all steps at once."""
    products = cell.taken_in(x)
    state: State = (constant(x.tape, x.shape[0], cell.n, item=x.item),) * VECTORS[cell.kind]
    outputs = []
    steps = Loop(x.tape, x.shape[1])
    for step in steps:
        state = cell.advance(products[:, step], state)
        outputs.append(state[0])
    return steps.stack(outputs, dim=1)


@module
def recurrent_layer(x: Tensor, kind: str, n: Dim, bidirectional: bool = False, bias: bool = True) -> Tensor:
    """(batch, T, d) to (batch, T, n), or in both directions to (batch, T, 2n)."""
    tape, d = x.tape, x.shape[-1]
    names = ("cells.0.", "cells.1.") if bidirectional else ("cells.0.",)
    cells = [Cell.made(tape, name, kind, d, n, bias) for name in names]
    with tape.node(f"{kind} layer"):
        if bidirectional:
            with tape.node("forward"):
                outputs = [run(cells[0], x)]
            with tape.node("backward"):
                outputs.append(flip(run(cells[1], flip(x))))
        else:
            tape.cached.append(x.shape[0] * n * VECTORS[kind] * x.item.bytes)
            outputs = [run(cells[0], x)]
        return cat(outputs, dim=-1)


@layer("rnn_cell", "RNN cell", "Elman 1990; torch.nn.RNNCell")
def _rnn_cell(tape: Tape, d: Dim, n: Dim, *, bias: bool = True, batch: Dim = 1) -> Any:
    """One step h' = tanh(W_ih x + b_ih + W_hh h + b_hh).

    Args:
        d: input size.
        n: hidden size.
        bias: whether there are b_ih and b_hh.
        batch: sequences.
    """
    return _one_step(tape, "rnn", d, n, bias, batch)


@layer("lstm_cell", "LSTM cell", "Hochreiter & Schmidhuber 1997; Gers et al. 2000; torch.nn.LSTMCell")
def _lstm_cell(tape: Tape, d: Dim, n: Dim, *, bias: bool = True, batch: Dim = 1) -> Any:
    """One step with input, forget and output gate and a candidate; no peepholes.

    Args:
        d: input size.
        n: hidden size.
        bias: whether there are b_ih and b_hh.
        batch: sequences.
    """
    return _one_step(tape, "lstm", d, n, bias, batch)


@layer("gru_cell", "GRU cell", "Cho et al. 2014; torch.nn.GRUCell")
def _gru_cell(tape: Tape, d: Dim, n: Dim, *, bias: bool = True, batch: Dim = 1) -> Any:
    """One step with reset and update gate and a candidate.

    The reset gate acts on the product W_hn h + b_hn, as in PyTorch; acting on h, as in the paper, it would
    cost the same.

    Args:
        d: input size.
        n: hidden size.
        bias: whether there are b_ih and b_hh.
        batch: sequences.
    """
    return _one_step(tape, "gru", d, n, bias, batch)


def _one_step(tape: Tape, kind: str, d: Dim, n: Dim, bias: bool, batch: Dim) -> State:
    cell = Cell.made(tape, "", kind, d, n, bias)
    x = given(tape, batch, d)
    state = tuple(given(tape, batch, n) for _ in range(VECTORS[kind]))
    with tape.node(f"{kind}_cell"):
        return cell.advance(cell.taken_in(x), state)


@layer("recurrent", "RNN layer", "Elman 1990; torch.nn.RNN")
def _recurrent(
    tape: Tape,
    T: Dim,
    d: Dim,
    n: Dim,
    *,
    cell: str = "rnn",
    bidirectional: bool = False,
    bias: bool = True,
    batch: Dim = 1,
) -> Any:
    """A cell run over T time steps with the same weights: parameters once, products T times.

    Args:
        T: time steps.
        d: input size.
        n: hidden size of one direction.
        cell: rnn, lstm or gru.
        bidirectional: a second cell runs over the steps in reverse.
        bias: whether there are b_ih and b_hh.
        batch: sequences.
    """
    return recurrent_layer("", given(tape, batch, T, d), cell, n, bidirectional, bias)


@layer("recurrent_lstm", "LSTM layer", "Hochreiter & Schmidhuber 1997; torch.nn.LSTM")
def _recurrent_lstm(
    tape: Tape, T: Dim, d: Dim, n: Dim, *, bidirectional: bool = False, bias: bool = True, batch: Dim = 1
) -> Any:
    """An LSTM cell run over T time steps."""
    return recurrent_layer("", given(tape, batch, T, d), "lstm", n, bidirectional, bias)


@layer("recurrent_gru", "GRU layer", "Cho et al. 2014; torch.nn.GRU")
def _recurrent_gru(
    tape: Tape, T: Dim, d: Dim, n: Dim, *, bidirectional: bool = False, bias: bool = True, batch: Dim = 1
) -> Any:
    """A GRU cell run over T time steps."""
    return recurrent_layer("", given(tape, batch, T, d), "gru", n, bidirectional, bias)
