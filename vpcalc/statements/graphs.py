"""Computations as graphs: layers run on tokens that remember what they were computed from.

A layer here is a small program. It is given a graph and the nodes of its tokens, calls :meth:`Graph.op` for each
operation that it carries out on vectors, and returns the nodes of its outputs. Which token an operation reads
is written from the papers; depth, distance and reach are then properties of the graph that ran.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product

Nodes = list[int]


class Graph:
    """Operations in the order in which they ran. ``mixes`` marks those that bring tokens together."""

    def __init__(self) -> None:
        self.reads: list[tuple[int, ...]] = []
        self.mixes: list[bool] = []

    def sources(self, count: int) -> Nodes:
        """Inputs."""
        return [self._add((), False) for _ in range(count)]

    def op(self, *reads: int) -> int:
        """An operation on one token's vectors."""
        return self._add(reads, False)

    def mix(self, *reads: int) -> int:
        """An operation that brings vectors of several tokens together."""
        return self._add(reads, True)

    def _add(self, reads: tuple[int, ...], mixes: bool) -> int:
        self.reads.append(reads)
        self.mixes.append(mixes)
        return len(self.reads) - 1

    def depth(self) -> int:
        """The longest chain of operations that have to wait for one another."""
        depths: list[int] = []
        for reads in self.reads:
            depths.append(1 + max(depths[node] for node in reads) if reads else 0)
        return max(depths)

    def reach(self, sources: Nodes, outputs: Nodes) -> list[list[bool]]:
        """Whether output j depends on source i: row i, column j."""
        seen = [0] * len(self.reads)
        for place, node in enumerate(sources):
            seen[node] = 1 << place
        for node, reads in enumerate(self.reads):
            for one in reads:
                seen[node] |= seen[one]
        return [[bool(seen[node] >> place & 1) for node in outputs] for place in range(len(sources))]

    def distances(self, source: int) -> list[int | None]:
        """The fewest mixing operations on a path from a source to each node; None where there is no path."""
        far: list[int | None] = [None] * len(self.reads)
        far[source] = 0
        for node, reads in enumerate(self.reads):
            known = [near for one in reads if (near := far[one]) is not None]
            if known:
                far[node] = min(known) + self.mixes[node]
        return far


Layer = Callable[[Graph, Nodes], Nodes]
"""Tokens to tokens."""


def run(layers: Iterable[Layer], tokens: int) -> tuple[Graph, Nodes, Nodes]:
    """A stack of layers on that many tokens: the graph, its sources and its outputs."""
    graph = Graph()
    sources = graph.sources(tokens)
    nodes = sources
    for layer in layers:
        nodes = layer(graph, nodes)
    return graph, sources, nodes


def longest_distance(graph: Graph, sources: Nodes, outputs: Nodes, causal: bool) -> int | None:
    """The longest of the shortest paths from any source to any output, or any later one; None without a path."""
    longest = 0
    for place, source in enumerate(sources):
        far = graph.distances(source)
        for node in outputs[place:] if causal else outputs:
            near = far[node]
            if near is None:
                return None
            longest = max(longest, near)
    return longest


def layers_to_connect(
    layer: Callable[[int], Layer], tokens: int, most: int, *, period: int = 0, causal: bool = False
) -> int | None:
    """How many layers it takes until every output depends on every input, or on every earlier one.

    ``layer`` gives the layer by its number from 0, the same again every ``period`` layers. None if ``most`` of
    them do not suffice, or once a whole period has brought nothing new: then no further one will.
    """
    graph = Graph()
    sources = graph.sources(tokens)
    nodes, before, idle = sources, [[False]], 0
    for number in range(most):
        nodes = layer(number)(graph, nodes)
        seen = graph.reach(sources, nodes)
        if all(all(row[place:] if causal else row) for place, row in enumerate(seen)):
            return number + 1
        idle = idle + 1 if seen == before else 0
        if period and idle == period:
            return None
        before = seen
    return None


# -- sequences --------------------------------------------------------------------------------------


def recurrence(graph: Graph, xs: Nodes) -> Nodes:
    """s_t = f(U x_t + W s_{t−1})."""
    outputs: Nodes = []
    for x in xs:
        outputs.append(graph.mix(x, *outputs[-1:]))
    return outputs


def gather(sees: Callable[[int, int], Iterable[int]]) -> Layer:
    """A convolution: output i reads the tokens ``sees(i, n)`` at once."""

    def layer(graph: Graph, xs: Nodes) -> Nodes:
        return [graph.mix(*(xs[j] for j in sees(i, len(xs)))) for i in range(len(xs))]

    return layer


def attend(sees: Callable[[int, int], Iterable[int]]) -> Layer:
    """softmax(QKᵀ)V and a projection: token i has scores with the tokens ``sees(i, n)`` and adds their values."""

    def layer(graph: Graph, xs: Nodes) -> Nodes:
        q, k, v = ([graph.op(x) for x in xs] for _ in range(3))
        outputs = []
        for i in range(len(xs)):
            others = list(sees(i, len(xs)))
            weights = graph.mix(q[i], *(k[j] for j in others))
            outputs.append(graph.op(graph.mix(weights, *(v[j] for j in others))))
        return outputs

    return layer


def everyone(i: int, n: int) -> Iterable[int]:
    """All tokens."""
    return range(n)


def so_far(i: int, n: int) -> Iterable[int]:
    """The token and those before it."""
    return range(i + 1)


def around(size: int, dilation: int = 1) -> Callable[[int, int], Iterable[int]]:
    """``size`` tokens around one, ``dilation`` apart; an even number has one more after it."""

    def sees(i: int, n: int) -> Iterator[int]:
        first = i - (size - 1) // 2 * dilation
        return (j for j in range(first, first + size * dilation, dilation) if 0 <= j < n)

    return sees


def before(size: int, dilation: int = 1) -> Callable[[int, int], Iterable[int]]:
    """``size`` tokens up to one, ``dilation`` apart."""

    def sees(i: int, n: int) -> Iterator[int]:
        return (j for j in range(i, i - size * dilation, -dilation) if j >= 0)

    return sees


def retention_recurrent(graph: Graph, xs: Nodes) -> Nodes:
    """S_n = γS_{n−1} + K_nᵀV_n and Q_n S_n (Sun et al. 2023, eq. 6), then a projection."""
    outputs: Nodes = []
    state: tuple[int, ...] = ()
    for x in xs:
        q, k, v = graph.op(x), graph.op(x), graph.op(x)
        state = (graph.mix(k, v, *state),)
        outputs.append(graph.op(graph.mix(q, *state)))
    return outputs


def retention_chunkwise(b: int) -> Layer:
    """Parallel in chunks of b tokens, a state from chunk to chunk (eq. 7); b divides the tokens."""

    def layer(graph: Graph, xs: Nodes) -> Nodes:
        q, k, v = ([graph.op(x) for x in xs] for _ in range(3))
        outputs: Nodes = []
        state: tuple[int, ...] = ()
        for start in range(0, len(xs), b):
            chunk = range(start, start + b)
            for i in chunk:
                weights = graph.mix(q[i], *(k[j] for j in range(start, i + 1)))
                inner = graph.mix(weights, *(v[j] for j in range(start, i + 1)))
                cross = (graph.mix(q[i], *state),) if state else ()
                outputs.append(graph.op(graph.op(inner, *cross)))
            update = graph.mix(*(k[j] for j in chunk), *(v[j] for j in chunk))
            state = (graph.mix(update, *state),)
        return outputs

    return layer


# -- grids ------------------------------------------------------------------------------------------


def on_grid(w: int, sees: Callable[[int, int], Iterable[tuple[int, int]]]) -> Callable[[int, int], Iterable[int]]:
    """Sight in rows and columns as sight in places of the flattened grid."""
    return lambda i, n: (y * w + x for y, x in sees(*divmod(i, w)))


def window(h: int, w: int, M: int, shift: int = 0) -> Callable[[int, int], Iterable[int]]:
    """The tokens of one's window. A shift moves the borders; what the roll wrapped around stays apart."""

    def number(position: int) -> int:
        return (position - shift) // M

    groups: dict[tuple[int, int], list[int]] = {}
    for y, x in product(range(h), range(w)):
        groups.setdefault((number(y), number(x)), []).append(y * w + x)

    def sees(i: int, n: int) -> Iterable[int]:
        y, x = divmod(i, w)
        return groups[number(y), number(x)]

    return sees


def square(h: int, w: int, k: int) -> Callable[[int, int], Iterable[int]]:
    """The k x k tokens around one."""
    row, column = around(k), around(k)
    return on_grid(w, lambda y, x: product(row(y, h), column(x, w)))


def attend_reduced(blocks: Sequence[Sequence[int]]) -> Layer:
    """Queries from every token; keys and values from the blocks of tokens that a reduction brought together."""

    def layer(graph: Graph, xs: Nodes) -> Nodes:
        reduced = [graph.op(graph.mix(*(xs[j] for j in block))) for block in blocks]  # convolution or pool, norm
        k, v = [graph.op(x) for x in reduced], [graph.op(x) for x in reduced]
        return [graph.op(graph.mix(graph.mix(graph.op(x), *k), *v)) for x in xs]

    return layer


def strided_blocks(h: int, w: int, R: int) -> list[list[int]]:
    """What a convolution of kernel and stride R reads; the rest is dropped."""
    return [
        [(y * R + dy) * w + x * R + dx for dy, dx in product(range(R), repeat=2)]
        for y, x in product(range(h // R), range(w // R))
    ]


def pooled_blocks(h: int, w: int, P: int) -> list[list[int]]:
    """What adaptive pooling to P x P reads: from ⌊ih/P⌋ up to ⌈(i + 1)h/P⌉ on each axis."""

    def parts(side: int) -> list[range]:
        return [range(i * side // P, -(-(i + 1) * side // P)) for i in range(P)]

    return [[y * w + x for y, x in product(rows, columns)] for rows, columns in product(parts(h), parts(w))]
