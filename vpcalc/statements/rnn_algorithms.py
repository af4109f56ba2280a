"""Six ways to compute the gradient of a recurrent network, as formulas and as running code.

The formulas are functions of dimensions like any layer: ints, symbols and arrays. The programs are plain Python
that counts every single multiply-accumulate of a matrix product where it happens, and every element it keeps.
They know nothing of the formulas. Numbers are integers modulo a prime with f(a) = 1/a, whose slope −s² is, as that
of tanh, a function of the state: the chain rule holds in any field, so that all ways have to agree exactly.

What is priced: from δ = ∂L/∂s_t to dL/dU. Scaling rows by f′ is no matrix product; an outer product is one, of
inner dimension 1. The forward pass, T(nd + n²), is common to all and left out, but not what is computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..cost import Cost, Op
from ..dims import Dim, exact_div
from ..ops import linear, matmul

# -- formulas ---------------------------------------------------------------------------------------


def as_printed(T: Dim, n: Dim, d: Dim) -> Cost:
    """A matrix product for every k: T − k Jacobians take T − k − 1 products, Σ_k of which is (T − 1)(T − 2)/2."""
    products = exact_div((T - 1) * (T - 2), 2)
    return Cost("as printed", (matmul("J J", products, n, n, n), *_row_and_outer(T, n, d)))


def row_first(T: Dim, n: Dim, d: Dim) -> Cost:
    """For every k the row δ is carried through all T − k Jacobians again, Σ_k of which is T(T − 1)/2."""
    return Cost("row first", (matmul("δJ", exact_div(T * (T - 1), 2), 1, n, n), matmul("outer", T, n, 1, d)))


def shared_products(T: Dim, n: Dim, d: Dim) -> Cost:
    """One more Jacobian for each smaller k, on the product that is there: T − 2 matrix products."""
    return Cost("shared products", (matmul("J J", T - 2, n, n, n), *_row_and_outer(T, n, d)))


def reverse(T: Dim, n: Dim, d: Dim) -> Cost:
    """Reverse accumulation: the row δ goes back one Jacobian a step."""
    return Cost("reverse", _row_and_outer(T, n, d))


def forward_mode(T: Dim, n: Dim, d: Dim) -> Cost:
    """Real-time recurrent learning: ds_t/dU, an n x nd matrix, goes forward; δ meets it at the end."""
    return Cost(
        "forward mode",
        (matmul("J G", T - 1, n, n, n * d), matmul("outer", T, n, 1, d), matmul("δG", 1, 1, n, n * d)),
    )


def checkpointed(T: Dim, n: Dim, d: Dim, b: Dim) -> Cost:
    """Reverse accumulation that keeps every b-th state and computes the b − 1 between them again."""
    again = T - exact_div(T, b, "b", "T")
    forward = (linear("U x", again, d, n, bias=False), linear("W s", again, n, n, bias=False))
    return Cost("checkpointed", (*forward, *_row_and_outer(T, n, d)))


def _row_and_outer(T: Dim, n: Dim, d: Dim) -> tuple[Op, Op]:
    return (matmul("δJ", T - 1, 1, n, n), matmul("outer", T, n, 1, d))


def memory(way: str, T: Dim, n: Dim, d: Dim, b: Dim = 1) -> Dim:
    """Elements kept from one step to the next, at their peak: states, and what is being accumulated.

    Weights, inputs and the gradient itself are there in every way and not counted.
    """
    if way in ("as_printed", "shared_products"):
        return T * n + n * n
    if way in ("row_first", "reverse"):
        return T * n + n
    if way == "forward_mode":
        return n + n * n * d
    return (exact_div(T, b, "b", "T") + b) * n


WAYS: Mapping[str, tuple[str, Callable[..., Cost]]] = {
    "as_printed": ("the sum as printed: a product for every k", as_printed),
    "row_first": ("the same, the row δ first", row_first),
    "shared_products": ("products shared between one k and the next", shared_products),
    "reverse": ("reverse accumulation (backpropagation through time)", reverse),
    "forward_mode": ("forward mode (real-time recurrent learning)", forward_mode),
    "checkpointed": ("reverse, every b-th state kept", checkpointed),
}
"""The ways by name: a title and the formula."""

TEXTBOOK: Mapping[str, tuple[str, str]] = {
    "as_printed": ("(T − 1)(T − 2)n³/2 + (T − 1)n² + Tnd", "Tn + n²"),
    "row_first": ("T(T − 1)n²/2 + Tnd", "Tn + n"),
    "shared_products": ("(T − 2)n³ + (T − 1)n² + Tnd", "Tn + n²"),
    "reverse": ("(T − 1)n² + Tnd", "Tn + n"),
    "forward_mode": ("(T − 1)n³d + Tnd + n²d", "n + n²d"),
    "checkpointed": ("(T − 1)n² + Tnd + (T − T/b)(nd + n²)", "Tn/b + bn"),
}
"""Multiply-accumulates and memory written down by hand, product by product: a second opinion."""


# -- programs ---------------------------------------------------------------------------------------

PRIME = 2_147_483_647

Vector = list[int]
Matrix = list[Vector]


@dataclass
class Tally:
    """Multiply-accumulates of matrix products so far, elements kept now, and the most that were."""

    macs: int = 0
    kept: int = 0
    peak: int = 0

    def keep(self, elements: int) -> None:
        """Something has to be there in a later step."""
        self.kept += elements
        self.peak = max(self.peak, self.kept)

    def drop(self, elements: int) -> None:
        """It is no longer needed."""
        self.kept -= elements

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """The first forward pass: common to all ways and left out."""
        before = self.macs
        yield
        self.macs = before

    def product(self, left: Matrix, right: Matrix) -> Matrix:
        """A matrix product, one multiply-accumulate at a time."""
        result = []
        columns = list(zip(*right, strict=True))
        for row in left:
            line = []
            for column in columns:
                total = 0
                for x, y in zip(row, column, strict=True):
                    total += x * y
                    self.macs += 1
                line.append(total % PRIME)
            result.append(line)
        return result


@dataclass(frozen=True)
class Problem:
    """Weights, inputs, first state and δ, drawn at random from a seed."""

    U: Matrix
    W: Matrix
    xs: tuple[Vector, ...]
    start: Vector
    delta: Vector

    @property
    def T(self) -> int:
        """Time steps."""
        return len(self.xs)


def problem(T: int, n: int, d: int, seed: int = 0) -> Problem:
    """A problem of these sizes."""
    import random

    draw = random.Random(seed)

    def vector(length: int) -> Vector:
        return [draw.randrange(PRIME) for _ in range(length)]

    xs = tuple(vector(d) for _ in range(T))
    return Problem([vector(d) for _ in range(n)], [vector(n) for _ in range(n)], xs, vector(n), vector(n))


@dataclass
class Run:
    """A network that runs: its states as far as they are kept, and its tally."""

    problem: Problem
    tally: Tally = field(default_factory=Tally)

    def step(self, x: Vector, state: Vector) -> Vector:
        """The next state 1/a, from one product each with U and W."""
        p = self.problem
        by_U = self.tally.product(p.U, [[entry] for entry in x])
        by_W = self.tally.product(p.W, [[entry] for entry in state])
        return [pow(u[0] + w[0], -1, PRIME) for u, w in zip(by_U, by_W, strict=True)]

    def states(self) -> list[Vector]:
        """s_0 and the forward pass; every state is kept."""
        found = [self.problem.start]
        with self.tally.uncounted():
            for x in self.problem.xs:
                found.append(self.step(x, found[-1]))
                self.tally.keep(len(found[-1]))
        return found

    def jacobian(self, state: Vector) -> Matrix:
        """diag(f′) W at the state after the step: rows are scaled by −s²."""
        return [[-s * s * entry % PRIME for entry in row] for s, row in zip(state, self.problem.W, strict=True)]

    def outer(self, row: Vector, state: Vector, x: Vector) -> Matrix:
        """(δ ⊙ f′)ᵀ xᵀ."""
        return self.tally.product([[-s * s * entry % PRIME] for entry, s in zip(row, state, strict=True)], [x])

    def through(self, row: Vector, matrix: Matrix) -> Vector:
        """A row times a matrix."""
        return self.tally.product([row], matrix)[0]


def run(way: str, problem: Problem, b: int = 1) -> tuple[Matrix, Tally]:
    """The gradient dL/dU in one of the ways, and what it took."""
    running = Run(problem)
    if way == "checkpointed":
        return _run_checkpointed(running, b), running.tally
    return _PROGRAMS[way](running), running.tally


def _run_as_printed(run: Run) -> Matrix:
    p, states, total = run.problem, run.states(), _zeros(run.problem)
    run.tally.keep(len(p.W) ** 2)  # the product of matrices
    for k in range(1, p.T + 1):
        product: Matrix | None = None
        for j in range(k + 1, p.T + 1):
            J = run.jacobian(states[j])
            product = J if product is None else run.tally.product(J, product)
        row = p.delta if product is None else run.through(p.delta, product)
        total = _sum(total, run.outer(row, states[k], p.xs[k - 1]))
    return total


def _run_row_first(run: Run) -> Matrix:
    p, states, total = run.problem, run.states(), _zeros(run.problem)
    run.tally.keep(len(p.delta))  # the row
    for k in range(1, p.T + 1):
        row = p.delta
        for j in range(p.T, k, -1):
            row = run.through(row, run.jacobian(states[j]))
        total = _sum(total, run.outer(row, states[k], p.xs[k - 1]))
    return total


def _run_shared(run: Run) -> Matrix:
    p, states, total = run.problem, run.states(), _zeros(run.problem)
    run.tally.keep(len(p.W) ** 2)
    product: Matrix | None = None
    for k in range(p.T, 0, -1):
        row = p.delta if product is None else run.through(p.delta, product)
        total = _sum(total, run.outer(row, states[k], p.xs[k - 1]))
        if k > 1:
            J = run.jacobian(states[k])
            product = J if product is None else run.tally.product(product, J)
    return total


def _run_reverse(run: Run) -> Matrix:
    p, states, total, row = run.problem, run.states(), _zeros(run.problem), run.problem.delta
    run.tally.keep(len(row))
    for k in range(p.T, 0, -1):
        total = _sum(total, run.outer(row, states[k], p.xs[k - 1]))
        if k > 1:
            row = run.through(row, run.jacobian(states[k]))
    return total


def _run_forward_mode(run: Run) -> Matrix:
    p, state = run.problem, run.problem.start
    n, d = len(p.W), len(p.xs[0])
    run.tally.keep(n + n * n * d)  # the present state, and ds/dU
    G = [[0] * (n * d) for _ in range(n)]
    for t, x in enumerate(p.xs):
        with run.tally.uncounted():
            state = run.step(x, state)
        if t:  # before the first step nothing depends on U
            G = run.tally.product(run.jacobian(state), G)
        immediate = run.outer([1] * n, state, x)
        for i in range(n):  # U_ib moves a_i alone
            for b in range(d):
                G[i][i * d + b] = (G[i][i * d + b] + immediate[i][b]) % PRIME
    flat = run.through(p.delta, G)
    return [flat[i * d : (i + 1) * d] for i in range(n)]


def _run_checkpointed(run: Run, b: int) -> Matrix:
    p, total, row = run.problem, _zeros(run.problem), run.problem.delta
    n = len(row)
    kept = {0: p.start}
    with run.tally.uncounted():
        state = p.start
        for t, x in enumerate(p.xs, start=1):
            state = run.step(x, state)
            if t % b == 0:
                kept[t] = state
                run.tally.keep(n)
    run.tally.keep(n)  # the row
    for begin in range(p.T - b, -1, -b):
        for t in range(begin + 1, begin + b):
            kept[t] = run.step(p.xs[t - 1], kept[t - 1])
            run.tally.keep(n)
        for k in range(begin + b, begin, -1):
            total = _sum(total, run.outer(row, kept[k], p.xs[k - 1]))
            if k > 1:
                row = run.through(row, run.jacobian(kept[k]))
            del kept[k]
            run.tally.drop(n)
    return total


_PROGRAMS: Mapping[str, Callable[[Run], Matrix]] = {
    "as_printed": _run_as_printed,
    "row_first": _run_row_first,
    "shared_products": _run_shared,
    "reverse": _run_reverse,
    "forward_mode": _run_forward_mode,
}


def _zeros(p: Problem) -> Matrix:
    return [[0] * len(row) for row in p.U]


def _sum(a: Matrix, b: Matrix) -> Matrix:
    return [[(x + y) % PRIME for x, y in zip(left, right, strict=True)] for left, right in zip(a, b, strict=True)]
