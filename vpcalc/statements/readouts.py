"""A recurrent network with its readout: what each costs, and what waits for what."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..algebra.polynomial import as_polynomial, symbols
from ..checks.proof import counted
from ..cost import Quantity
from ..layers import LAYERS
from . import graphs
from .evidence import exact, identity
from .graphs import Graph, Nodes
from .libraries import sympy, torch
from .registry import Demonstration, derivation, statement

T, d, n, m = symbols("T d n K")


def read_out(graph: Graph, states: Nodes) -> Nodes:
    """O_t = g(V S_t), each of its own state."""
    return [graph.op(state) for state in states]


@statement(
    "readout_cost",
    "What a recurrent network's cell and readout cost",
    "S_t = f(UX_t + WS_{t−1}) and O_t = g(VS_t), with d inputs, n units and m outputs: T steps take T(nd + n²) "
    "multiply-accumulates for the states and Tnm for the readouts, which cost more exactly where m > n + d. S_t "
    "reads X_t and S_{t−1} and nothing else, and so depends on X_1 … X_t and on no later input. The states wait "
    "for one another, T steps; no readout waits for another, so that T + 1 are the longest chain",
    "Elman 1990; lectures: S_t depends on X_t and S_{t−1}",
)
def readout_cost(
    states: Callable[..., Any] = lambda T, d, n: T * (n * d + n**2),
    readouts: Callable[..., Any] = lambda T, n, m: T * n * m,
    crossing: Callable[..., Any] = lambda n, d: n + d,
    chain: Callable[[int], int] = lambda T: T + 1,
    reads: Callable[[int], int] = lambda t: 2 if t else 1,
    depends: Callable[[int, int], bool] = lambda t, k: k <= t,
) -> Demonstration:
    """The layers on symbols; counts and gradients of the reference layer with a linear readout; its graph."""
    cell = as_polynomial(LAYERS["recurrent"].build(T, d, n).total(Quantity.MACS))
    head = as_polynomial(LAYERS["head"].build(n, m, batch=T).total(Quantity.MACS))
    counts = [
        counted(partial(_with_readout, *sizes)) == states(*sizes[:3]) + readouts(sizes[0], sizes[2], sizes[3])
        for sizes in ((1, 3, 4, 5), (6, 3, 4, 5), (7, 1, 1, 1), (9, 2, 8, 30))
    ]
    causal, direct, chains = [], [], []
    for length in (1, 2, 5, 9):
        graph, sources, outputs = graphs.run([graphs.recurrence, read_out], length)
        seen = graph.reach(sources, outputs)
        causal.append(seen == [[depends(t, k) for t in range(length)] for k in range(length)])
        causal.append(_gradients(length) == seen)
        chains.append(graph.depth() == chain(length))
        states_of = [graph.reads[output][0] for output in outputs]
        direct += [len(graph.reads[state]) == reads(t) for t, state in enumerate(states_of)]
        direct += [
            set(graph.reads[state]) <= {sources[t], *states_of[max(t - 1, 0) : t]}
            for t, state in enumerate(states_of)
        ]
    size, steps, width, out = sympy.symbols("n T d m", positive=True)
    positive = steps * size * (out - crossing(size, width))
    return Demonstration(
        derivation(r"""
            A step: an n × d and an n × n product, and m × n for the output.
                T(nd + n² + nm)
                    T(nd + n^2 + nm)
            Readouts cost more than states.
                Tnm > T(nd + n²) ⟺ m > n + d
                    Tnm > T(nd + n^2) \iff m > n + d
            S_0 = 0; then one state after the other, and an output beside each.
                S_1 → S_2 → ⋯ → S_T → O_T; S_t → O_t
                    S_1 \to S_2 \to \dots \to S_T \to O_T, \quad S_t \to O_t
        """),
        {
            "T steps take T(nd + n²) multiply-accumulates for the states and Tnm for the readouts": (
                identity(
                    "the layer and a linear layer on T states, on symbols",
                    [(cell, states(T, d, n)), (head, readouts(T, n, m))],
                ),
                exact("fvcore's counts of the reference layer with a linear readout", counts),
            ),
            "readouts cost more exactly where m > n + d": (
                identity(
                    "readouts less states are Tn, which is positive, times m − (n + d)",
                    [(readouts(steps, size, out) - states(steps, width, size), positive)],
                ),
            ),
            "S_t reads X_t and S_{t−1} and nothing else": (exact("in the graph", direct),),
            "it depends on X_1 … X_t and on no later input": (
                exact("outputs of inputs, in the graph and by gradients of the module", causal),
            ),
            "the states wait for one another and no readout for another: T + 1 are the longest chain": (
                exact("the longest chain of steps in the graph", chains),
            ),
        },
    )


def _readout_module(d: int, n: int, m: int) -> Any:
    from ..reference.recurrence import RecurrentLayer

    return torch.nn.Sequential(RecurrentLayer("rnn", d, n), torch.nn.Linear(n, m))


def _with_readout(T: int, d: int, n: int, m: int) -> Any:
    from ..reference.registry import Witness

    return Witness(_readout_module(d, n, m), (torch.zeros(1, T, d),))


def _gradients(T: int) -> list[list[bool]]:
    """Whether input k has a gradient from output t: row k, column t."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(T)
        module = _readout_module(2, 3, 2).double()
        x = torch.randn(1, T, 2, dtype=torch.float64, requires_grad=True)
    y = module(x)
    columns = [torch.autograd.grad(y[0, t].sum(), x, retain_graph=True)[0][0] for t in range(T)]
    return [[bool((columns[t][k] != 0).any()) for t in range(T)] for k in range(T)]
