"""A recurrent network unrolled in time: its states, its Jacobians, and the terms of its gradient.

S_t = f(U X_t + W S_{t-1}), O_t = g(V S_t). The few lines of algebra here are written for arrays: they run
on NumPy arrays of SymPy symbols, where identities are proved, and on torch tensors, where numbers are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf, log10
from typing import Any

from .libraries import torch

Array = Any
"""A NumPy array of symbols or a torch tensor."""


@dataclass(frozen=True, slots=True)
class Activation:
    """f by the name of its torch function, with f′ as a polynomial in the value s = f(a).

    ``gamma`` is the supremum of |f′|, ``low`` and ``high`` the range of f, for proofs.
    """

    name: str
    gamma: Fraction
    slope: Callable[[Array], Array]
    low: int | None = None
    high: int | None = None

    def torch(self, a: Array) -> Array:
        """f of a tensor."""
        return a if self.name == "identity" else getattr(torch, self.name)(a)


ACTIVATIONS: Mapping[str, Activation] = {
    one.name: one
    for one in (
        Activation("tanh", Fraction(1), lambda s: 1 - s * s, -1, 1),
        Activation("sigmoid", Fraction(1, 4), lambda s: s * (1 - s), 0, 1),
        Activation("relu", Fraction(1), lambda s: (s > 0) + 0 * s),
        Activation("identity", Fraction(1), lambda s: 1 + 0 * s),
    )
}


# -- the algebra ------------------------------------------------------------------------------------


def jacobian(slope: Array, W: Array) -> Array:
    """∂s_j/∂s_{j-1} = diag(f′(a_j)) W: row i of W times f′(a_j)_i."""
    return slope[:, None] * W


def chain(jacobians: Sequence[Array], start: Array) -> Array:
    """J_t ⋯ J_{k+1} of Jacobians in the order of time: the latest is leftmost. ``start`` is the unit matrix."""
    product = start
    for J in jacobians:
        product = J @ product
    return product


def term(row: Array, slope: Array, x: Array) -> Array:
    """A row vector times the immediate partial derivative ∂⁺s_k/∂U: (row_a f′_a) x_b.

    ∂⁺s_{k,i}/∂U_ab = f′(a_k)_i δ_ia x_b: the state before k is held fixed.
    """
    return (row * slope)[:, None] * x[None, :]


# -- a network with numbers -------------------------------------------------------------------------


@dataclass(frozen=True)
class Network:
    """Weights, inputs and target of a network in torch, and the states of its run from s_0 = 0.

    ``xs`` is (T, d), ``states`` (T + 1, n) with s_0 first. The loss is ½‖V s_T − y‖², with g the identity.
    """

    activation: Activation
    U: Array
    W: Array
    V: Array
    xs: Array
    y: Array
    states: Array

    @property
    def T(self) -> int:
        """Time steps."""
        return len(self.xs)

    def slopes(self) -> Array:
        """f′(a_t) for t = 1 … T: (T, n)."""
        return self.activation.slope(self.states[1:])

    def jacobians(self) -> list[Array]:
        """J_1 … J_T."""
        return [jacobian(slope, self.W) for slope in self.slopes()]

    def readout(self, last: Array) -> Array:
        """The loss as a function of s_T."""
        return 0.5 * (self.V @ last - self.y).square().sum()

    def at_the_end(self) -> Array:
        """∂L_T/∂s_T = (o − y)ᵀ V."""
        return (self.V @ self.states[-1] - self.y) @ self.V


def network(
    T: int,
    n: int,
    d: int,
    sigma: float,
    activation: str = "tanh",
    *,
    weights: str = "gaussian",
    seed: int = 0,
    dtype: str = "float64",
) -> Network:
    """A network at random, with ``sigma`` as the largest singular value of W.

    Args:
        T: time steps.
        n: hidden size.
        d: input and output size.
        sigma: largest singular value of W.
        activation: one of :data:`ACTIVATIONS`.
        weights: W is a ``gaussian`` matrix scaled to sigma, or sigma times an ``orthogonal`` one.
        seed: of torch's generator.
        dtype: of all tensors; they are drawn in float64.
    """
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Array:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    W = normal(n, n)
    W = torch.linalg.qr(W)[0] * sigma if weights == "orthogonal" else W * (sigma / torch.linalg.matrix_norm(W, 2))
    U, V = normal(n, d) / d**0.5, normal(d, n) / n**0.5
    xs, y = normal(T, d), normal(d)
    kind = getattr(torch, dtype)
    U, W, V, xs, y = (tensor.to(kind) for tensor in (U, W, V, xs, y))
    chosen = ACTIVATIONS[activation]
    state = xs.new_zeros(n)
    states = [state]
    for x in xs:
        state = chosen.torch(U @ x + W @ state)
        states.append(state)
    return Network(chosen, U, W, V, xs, y, torch.stack(states))


def printed_terms(
    net: Network,
    *,
    jacobian: Callable[[Array, Array], Array] = jacobian,
    chain: Callable[[Sequence[Array], Array], Array] = chain,
    term: Callable[[Array, Array, Array], Array] = term,
) -> tuple[Array, Array]:
    """Every term of the sum as it is printed, for U and for W: (T, n, d) and (T, n, n).

    The product of Jacobians is a matrix, shared between one k and the next: J_t ⋯ J_{k+2} is there already.
    """
    row, slopes = net.at_the_end(), net.slopes()
    product = torch.eye(len(net.W), dtype=net.W.dtype)
    for_U, for_W = [], []
    for k in range(net.T, 0, -1):
        left = row @ product
        for_U.append(term(left, slopes[k - 1], net.xs[k - 1]))
        for_W.append(term(left, slopes[k - 1], net.states[k - 1]))
        product = chain([jacobian(slopes[k - 1], net.W), product], torch.eye(len(net.W), dtype=net.W.dtype))
    return torch.stack(for_U[::-1]), torch.stack(for_W[::-1])


def autograd_terms(net: Network) -> tuple[Array, Array]:
    """The same from autograd: each step has copies of U and W of its own, whose gradients are the terms."""
    Us = [net.U.clone().requires_grad_() for _ in range(net.T)]
    Ws = [net.W.clone().requires_grad_() for _ in range(net.T)]
    state = net.states[0]
    for U, W, x in zip(Us, Ws, net.xs, strict=True):
        state = net.activation.torch(U @ x + W @ state)
    found = torch.autograd.grad(net.readout(state), [*Us, *Ws])
    return torch.stack(found[: net.T]), torch.stack(found[net.T :])


def term_errors(ours: Array, theirs: Array) -> list[float | None]:
    """The relative error of each term; None where a term is beyond the floating-point numbers.

    Below the smallest normal number nothing has relative precision, and beyond the largest nothing is a number.
    """
    tiny = torch.finfo(theirs.dtype).tiny / torch.finfo(theirs.dtype).eps
    errors: list[float | None] = []
    for a, b in zip(ours, theirs, strict=True):
        # scaled by the largest element, so that squares neither vanish nor overflow
        scale = b.abs().max()
        if not (tiny < float(scale) < inf) or not bool(torch.isfinite(a).all()):
            errors.append(None)
        else:
            errors.append(float((a / scale - b / scale).norm() / (b / scale).norm()))
    return errors


# -- norms by lag -----------------------------------------------------------------------------------


def log_norms(jacobians: Sequence[Array]) -> list[float]:
    """log₁₀ of ‖J_T ⋯ J_{T-lag+1}‖₂ for every lag from 1; -inf where the product is zero.

    The product is scaled after each factor, so that a thousand factors neither vanish nor overflow.
    """
    product, scale = None, 0.0
    found: list[float] = []
    for J in reversed(jacobians):
        J = J.double()
        product = J if product is None else product @ J
        norm = float(torch.linalg.matrix_norm(product, 2))
        if norm == 0.0:
            return [*found, *[-inf] * (len(jacobians) - len(found))]
        scale += log10(norm)
        product = product / norm
        found.append(scale)
    return found


def growth(log_norms: Sequence[float]) -> float:
    """The factor per step by which norms change over the longer half of the lags; 0 where they reach zero."""
    half = len(log_norms) // 2
    early, late = log_norms[half - 1] if half else 0.0, log_norms[-1]  # no factor at all: a norm of 1
    return 0.0 if late == -inf else float(10 ** ((late - early) / (len(log_norms) - half)))
