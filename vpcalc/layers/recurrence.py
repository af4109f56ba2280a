"""Recurrent cells and layers: RNN (Elman 1990), LSTM (Hochreiter & Schmidhuber 1997), GRU (Cho et al. 2014).

In all three, one step is two products, x_t to g·n and h_{t-1} to g·n, and arithmetic element by element that is
no product. Each product has a bias of its own, b_ih and b_hh, as PyTorch has them: with both, a layer holds
g(nd + n² + 2n) parameters, where textbooks that merge the biases write g(nd + n² + n).
"""

from __future__ import annotations

from ..cost import Cost, Op
from ..dims import Dim
from ..errors import unknown
from ..ops import linear
from .registry import layer

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
"""g: how many vectors of n a cell computes from its products."""


@layer("rnn_cell", "RNN cell", "Elman 1990; torch.nn.RNNCell")
def rnn_cell(d: Dim, n: Dim, *, bias: bool = True, batch: Dim = 1) -> Cost:
    """One step h' = tanh(W_ih x + b_ih + W_hh h + b_hh).

    Args:
        d: input size.
        n: hidden size.
        bias: whether there are b_ih and b_hh.
        batch: sequences.
    """
    return Cost("rnn_cell", _products("rnn", batch, d, n, bias))


@layer("lstm_cell", "LSTM cell", "Hochreiter & Schmidhuber 1997; Gers et al. 2000; torch.nn.LSTMCell")
def lstm_cell(d: Dim, n: Dim, *, bias: bool = True, batch: Dim = 1) -> Cost:
    """One step with input, forget and output gate and a candidate; no peepholes.

    Args:
        d: input size.
        n: hidden size.
        bias: whether there are b_ih and b_hh.
        batch: sequences.
    """
    return Cost("lstm_cell", _products("lstm", batch, d, n, bias))


@layer("gru_cell", "GRU cell", "Cho et al. 2014; torch.nn.GRUCell")
def gru_cell(d: Dim, n: Dim, *, bias: bool = True, batch: Dim = 1) -> Cost:
    """One step with reset and update gate and a candidate.

    The reset gate acts on the product W_hn h + b_hn, as in PyTorch; acting on h, as in the paper, it would
    cost the same.

    Args:
        d: input size.
        n: hidden size.
        bias: whether there are b_ih and b_hh.
        batch: sequences.
    """
    return Cost("gru_cell", _products("gru", batch, d, n, bias))


@layer("recurrent", "RNN layer", "Elman 1990; torch.nn.RNN")
def recurrent(
    T: Dim, d: Dim, n: Dim, *, cell: str = "rnn", bidirectional: bool = False, bias: bool = True, batch: Dim = 1
) -> Cost:
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
    products = _products(cell, batch * T, d, n, bias)
    if not bidirectional:
        return Cost(f"{cell} layer", products, loop=T)
    return Cost(f"{cell} layer", children=(Cost("forward", products), Cost("backward", products)), loop=T)


@layer("recurrent_lstm", "LSTM layer", "Hochreiter & Schmidhuber 1997; torch.nn.LSTM")
def recurrent_lstm(
    T: Dim, d: Dim, n: Dim, *, bidirectional: bool = False, bias: bool = True, batch: Dim = 1
) -> Cost:
    """An LSTM cell run over T time steps."""
    return recurrent(T, d, n, cell="lstm", bidirectional=bidirectional, bias=bias, batch=batch)


@layer("recurrent_gru", "GRU layer", "Cho et al. 2014; torch.nn.GRU")
def recurrent_gru(
    T: Dim, d: Dim, n: Dim, *, bidirectional: bool = False, bias: bool = True, batch: Dim = 1
) -> Cost:
    """A GRU cell run over T time steps."""
    return recurrent(T, d, n, cell="gru", bidirectional=bidirectional, bias=bias, batch=batch)


def _products(cell: str, rows: Dim, d: Dim, n: Dim, bias: bool) -> tuple[Op, Op]:
    """The two products of a cell. ``rows`` is batch times steps: time shares the weights, so it adds rows."""
    if cell not in GATES:
        raise unknown("recurrent cell", cell, GATES)
    width = GATES[cell] * n
    return (
        linear("input", rows, d, width, bias=bias),  # (1 x d)(d x gn) a step
        linear("hidden", rows, n, width, bias=bias),  # (1 x n)(n x gn) a step
    )
