"""Stacked recurrent networks: RNN, LSTM and GRU, as torch.nn.RNN, LSTM and GRU build them."""

from __future__ import annotations

from ..cost import Cost, Quantity, Stage
from ..dims import Dim
from ..layers.recurrence import GATES, recurrent
from .registry import STEPS, Family, register


def recurrent_network(
    T: Dim, *, cell: str, d: Dim, n: Dim, layers: Dim, bidirectional: bool, bias: bool, batch: Dim = 1
) -> Cost:
    """``layers`` recurrent layers over T steps; each but the first reads both directions of the one below."""
    width = _directions(bidirectional) * n

    def one(inputs: Dim) -> Cost:
        return recurrent(T, inputs, n, cell=cell, bidirectional=bidirectional, bias=bias, batch=batch)

    stages = [Cost("layer 1", children=(one(d),), stage=Stage((T,), width, 1))]
    if not (isinstance(layers, int) and layers == 1):
        above = Stage((T,), width, layers - 1)
        name = "layer 2" if isinstance(layers, int) and layers == 2 else f"layers 2 to {layers}"
        stages.append(Cost(name, children=(one(width) * (layers - 1),), stage=above))
    return Cost(cell, children=tuple(stages))


def facts(
    T: Dim, *, cell: str, d: Dim, n: Dim, layers: Dim, bidirectional: bool, bias: bool, batch: Dim = 1
) -> dict[str, Dim]:
    """What a recurrent network is known for beside its cost.

    ``sequential_operations``: steps of one layer that wait for one another (Vaswani et al. 2017, Table 1).
    ``max_path_length``: steps between the first input of a layer and its last output, in the same table.
    ``dependent_steps``: the same for the whole stack. A layer may start as soon as the one below has
    made a step, so that they run T + layers - 1 steps deep; bidirectional layers have to wait for all T.
    ``macs_per_step``: multiply-accumulates of all layers for one time step.
    ``state_elements``: what all layers carry from step to step: h, and for an LSTM c.
    """
    step = recurrent_network(1, cell=cell, d=d, n=n, layers=layers, bidirectional=bidirectional, bias=bias)
    return {
        "sequential_operations": T,
        "max_path_length": T,
        "dependent_steps": T * layers if bidirectional else T + layers - 1,
        "macs_per_step": step.total(Quantity.MACS),
        "state_elements": layers * _directions(bidirectional) * n * (2 if cell == "lstm" else 1),
    }


def _directions(bidirectional: bool) -> int:
    return 2 if bidirectional else 1


RECURRENT = Family(
    "recurrent",
    recurrent_network,
    "torch.nn.RNN, LSTM, GRU",
    axes=STEPS,
    meanings={
        "cell": "rnn, lstm or gru",
        "d": "input size",
        "n": "hidden size of one direction",
        "layers": "stacked layers",
        "bidirectional": "a second cell in each layer runs in reverse",
        "bias": "whether there are b_ih and b_hh",
    },
    choices={"cell": tuple(GATES)},
    facts=facts,
)

for _id, _source in (
    ("rnn", "Elman 1990, Finding structure in time; torch.nn.RNN"),
    ("lstm", "Hochreiter & Schmidhuber 1997; Gers et al. 2000; torch.nn.LSTM"),
    ("gru", "Cho et al. 2014, arXiv 1406.1078; torch.nn.GRU"),
):
    register(
        RECURRENT,
        _id,
        sizes=(100,),
        source=_source,
        cell=_id,
        d=32,
        n=64,
        layers=1,
        bidirectional=False,
        bias=True,
    )
