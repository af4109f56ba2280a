"""Stacked recurrent networks: RNN, LSTM and GRU, as torch.nn.RNN, LSTM and GRU build them."""

from __future__ import annotations

from functools import partial

from ..abstract.modules import Copies, each
from ..abstract.tensor import Tensor
from ..cost import Quantity, Stage
from ..dims import Dim, is_one
from ..layers.recurrence import GATES, VECTORS, recurrent_layer
from .axes import STEPS
from .registry import Family, register


def recurrent_network(
    x: Tensor, *, cell: str, d: Dim, n: Dim, layers: Dim, bidirectional: bool, bias: bool
) -> Tensor:
    """``layers`` recurrent layers over T steps; each but the first reads both directions of the one below."""
    tape, T, width = x.tape, x.shape[1], _directions(bidirectional) * n
    if tape.ledger is not None:
        tape.ledger.entry.name = cell  # not that of the family
    step = partial(recurrent_layer, kind=cell, n=n, bidirectional=bidirectional, bias=bias)
    with tape.node("layer 1") as node:
        node.stage = Stage((T,), width, 1)
        x = step("0", x)
    if is_one(layers):
        return x
    with tape.node("layer 2" if is_one(layers - 1) else f"layers 2 to {layers}") as node:
        node.stage = Stage((T,), width, layers - 1)
        for name, above in each(tape, Copies(step, layers - 1), first=1):
            x = above(name, x)
    return x


def facts(T: Dim, *, cell: str, d: Dim, n: Dim, layers: Dim, bidirectional: bool, bias: bool) -> dict[str, Dim]:
    """What a recurrent network is known for beside its cost.

    ``sequential_operations``: steps of one layer that wait for one another (Vaswani et al. 2017, Table 1).
    ``max_path_length``: steps between the first input of a layer and its last output, in the same table.
    ``dependent_steps``: the same for the whole stack. A layer may start as soon as the one below has
    made a step, so that they run T + layers - 1 steps deep; bidirectional layers have to wait for all T.
    ``macs_per_step``: multiply-accumulates of all layers for one time step.
    ``state_elements``: what all layers carry from step to step: h, and for an LSTM c.
    """
    step = RECURRENT.build(1, cell=cell, d=d, n=n, layers=layers, bidirectional=bidirectional, bias=bias)
    return {
        "sequential_operations": T,
        "max_path_length": T,
        "dependent_steps": T * layers if bidirectional else T + layers - 1,
        "macs_per_step": step.total(Quantity.MACS),
        "state_elements": layers * _directions(bidirectional) * n * VECTORS[cell],
    }


def _directions(bidirectional: bool) -> int:
    return 2 if bidirectional else 1


RECURRENT = Family(
    "recurrent",
    recurrent_network,
    "torch.nn.RNN, LSTM, GRU",
    axes=STEPS,
    blocks=False,
    attends=False,
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
