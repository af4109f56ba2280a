"""Recurrent cells and layers, spelled from linear layers: fvcore prices ``aten::lstm`` and its kin at nothing.

Gates are laid out as in torch.nn.RNN, LSTM and GRU, so that weights can be carried over:
``from_input`` is weight_ih and bias_ih, ``from_hidden`` weight_hh and bias_hh.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .registry import Witness, layer_witness

State = tuple[Tensor, ...]
"""(h,), or (h, c) for an LSTM; each (batch, n)."""


def rnn_step(x: Tensor, h: Tensor, state: State) -> State:
    """h' = tanh of the two products' sum; ``x`` and ``h`` are the products (batch, n)."""
    return (torch.tanh(x + h),)


def lstm_step(x: Tensor, h: Tensor, state: State) -> State:
    """Gates in the order input, forget, candidate, output; c' = fc + ig, h' = o tanh(c')."""
    i, f, g, o = (x + h).chunk(4, dim=-1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_step(x: Tensor, h: Tensor, state: State) -> State:
    """Gates in the order reset, update, candidate; h' = (1 - z) tanh(x_n + r h_n) + zh."""
    x_r, x_z, x_n = x.chunk(3, dim=-1)
    h_r, h_z, h_n = h.chunk(3, dim=-1)
    r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
    return ((1 - z) * (x_n + r * h_n).tanh() + z * state[0],)


CELLS: dict[str, tuple[int, int, Callable[[Tensor, Tensor, State], State]]] = {
    "rnn": (1, 1, rnn_step),
    "lstm": (4, 2, lstm_step),
    "gru": (3, 1, gru_step),
}
"""Cell to its gates, the vectors of its state, and its step."""


class Cell(nn.Module):
    """Input (batch, d) and state to the next state."""

    def __init__(self, cell: str, d: int, n: int, bias: bool = True) -> None:
        super().__init__()
        gates, self.vectors, self.step = CELLS[cell]
        self.n = n
        self.from_input = nn.Linear(d, gates * n, bias)
        self.from_hidden = nn.Linear(n, gates * n, bias)

    def advance(self, product: Tensor, state: State) -> State:
        """One step from the input's product, which may have been taken for many steps at once."""
        return self.step(product, self.from_hidden(state[0]), state)

    def forward(self, x: Tensor, *state: Tensor) -> State:
        return self.advance(self.from_input(x), state)


class RecurrentLayer(nn.Module):
    """(batch, T, d) to (batch, T, n), or in both directions to (batch, T, 2n), from a state of zeros."""

    def __init__(self, cell: str, d: int, n: int, bidirectional: bool = False, bias: bool = True) -> None:
        super().__init__()
        directions = 2 if bidirectional else 1
        self.cells = nn.ModuleList(Cell(cell, d, n, bias) for _ in range(directions))

    def forward(self, x: Tensor) -> Tensor:
        outputs = [run(self.cells[0], x)]
        if len(self.cells) == 2:
            outputs.append(run(self.cells[1], x.flip(1)).flip(1))
        return torch.cat(outputs, dim=-1)


def run(cell: nn.Module, x: Tensor) -> Tensor:
    """A cell over the steps of (batch, T, d); the input's product is taken for all steps at once."""
    assert isinstance(cell, Cell)
    products = cell.from_input(x)
    state: State = (x.new_zeros(x.shape[0], cell.n),) * cell.vectors
    outputs = []
    for step in range(int(x.shape[1])):
        state = cell.advance(products[:, step], state)
        outputs.append(state[0])
    return torch.stack(outputs, dim=1)


def _cell(cell: str, d: int, n: int, batch: int, bias: bool) -> Witness:
    module = Cell(cell, d, n, bias)
    return Witness(module, (torch.zeros(batch, d), *(torch.zeros(batch, n) for _ in range(module.vectors))))


@layer_witness("rnn_cell")
def rnn_cell(d: int, n: int, batch: int = 1, bias: bool = True) -> Witness:
    """One step of an RNN."""
    return _cell("rnn", d, n, batch, bias)


@layer_witness("lstm_cell")
def lstm_cell(d: int, n: int, batch: int = 1, bias: bool = True) -> Witness:
    """One step of an LSTM."""
    return _cell("lstm", d, n, batch, bias)


@layer_witness("gru_cell")
def gru_cell(d: int, n: int, batch: int = 1, bias: bool = True) -> Witness:
    """One step of a GRU."""
    return _cell("gru", d, n, batch, bias)


@layer_witness("recurrent")
def recurrent(
    T: int, d: int, n: int, batch: int = 1, cell: str = "rnn", bidirectional: bool = False, bias: bool = True
) -> Witness:
    """A layer over T steps."""
    return Witness(RecurrentLayer(cell, d, n, bidirectional, bias), (torch.zeros(batch, T, d),))


@layer_witness("recurrent_lstm")
def recurrent_lstm(
    T: int, d: int, n: int, batch: int = 1, bidirectional: bool = False, bias: bool = True
) -> Witness:
    """An LSTM over T steps."""
    return recurrent(T, d, n, batch, "lstm", bidirectional, bias)


@layer_witness("recurrent_gru")
def recurrent_gru(
    T: int, d: int, n: int, batch: int = 1, bidirectional: bool = False, bias: bool = True
) -> Witness:
    """A GRU over T steps."""
    return recurrent(T, d, n, batch, "gru", bidirectional, bias)
