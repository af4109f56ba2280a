"""A recurrent network at random, measured: norms by lag next to the bound, and every term of its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log10

from ..errors import InputError
from . import cell_gradients, cells, unrolled
from .libraries import torch
from .registry import one_thread
from .unrolled import Network

ROUNDING = 1e-6
"""Nearer to 1 than this, a factor per step is taken to be 1, which decides nothing."""

STEADY = 1e-3
"""A measured factor per step this near to 1 neither vanishes nor explodes."""


@dataclass(frozen=True, slots=True)
class Lag:
    """Products of ``lag`` Jacobians that end at the last step, as log₁₀ of their norms.

    ``bound`` is (γσ₁)^lag. ``lstm`` and ``gru`` are the products of the reference cells' Jacobians, ``attention``
    the one Jacobian between two tokens that far apart.
    """

    lag: int
    bound: float
    norm: float
    lstm: float
    gru: float
    attention: float


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the sum for U: ‖term k‖, and its relative error to autograd; None beyond floating point."""

    k: int
    lag: int
    norm: float
    error: float | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the theorem says of any trajectory or of this one, and what was measured on this one."""

    theorem: str
    why: str
    measured: str
    rate: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One network: the spectral radius of W, norms by lag, terms of ∂L/∂U and its norm, and the verdict."""

    gamma: float
    radius: float
    judgement: Judgement
    lags: tuple[Lag, ...]
    terms: tuple[Term, ...]
    gradient: float


def measure(
    T: int, n: int, d: int, sigma: float, activation: str, weights: str, dtype: str, seed: int
) -> Measured:
    """Run a network as :func:`vpcalc.statements.unrolled.network` makes it, and cells and attention beside it.

    Raises:
        InputError: its states are beyond floating point.
    """
    with one_thread():
        net = unrolled.network(T, n, d, sigma, activation, weights=weights, seed=seed, dtype=dtype)
        if not bool(torch.isfinite(net.states).all()):
            raise InputError(
                f"--sigma {sigma:g}: the states themselves overflow {dtype} with --activation {activation} and "
                f"--T {T}; choose less of one of them"
            )
        ours, theirs = unrolled.printed_terms(net)[0], unrolled.autograd_terms(net)[0]
        errors = unrolled.term_errors(ours, theirs)
        norms = unrolled.log_norms(net.jacobians()[1:])
        radius = float(torch.linalg.eigvals(net.W.double()).abs().max())
        gamma = float(net.activation.gamma)
        per_step = log10(gamma * sigma)
        lags = enumerate(zip(norms, *_others(T, n, d, seed), strict=True), start=1)
        terms = enumerate(zip(theirs, errors, strict=True), start=1)
        return Measured(
            gamma,
            radius,
            _judge(net, sigma, radius, norms),
            tuple(Lag(lag, per_step * lag, *values) for lag, values in lags),
            tuple(Term(k, T - k, float(one.double().norm()), error) for k, (one, error) in terms),
            float(theirs.double().sum(0).norm()),
        )


def _judge(net: Network, sigma: float, radius: float, norms: Sequence[float]) -> Judgement:
    """Vanishing, exploding or neither where that is certain, else undecided; and what was measured."""
    bound = float(net.activation.gamma) * sigma
    smallest = float(torch.linalg.svdvals(net.W.double())[-1])
    floor = float(net.slopes().double().abs().min()) * smallest
    linear = net.activation.name == "identity"
    if bound < 1 - ROUNDING:
        theorem, why = "vanishing", f"γσ₁ = {bound:.4g} < 1 is sufficient, whatever the inputs"
    elif linear and radius < 1 - ROUNDING:
        theorem, why = "vanishing", f"f is linear and the spectral radius {radius:.4g} < 1"
    elif linear and radius > 1 + ROUNDING:
        theorem, why = "exploding", f"f is linear and the spectral radius {radius:.4g} > 1"
    elif floor > 1 + ROUNDING:
        theorem, why = (
            "exploding",
            f"on this trajectory every Jacobian stretches all vectors: min f′ · σ_n = {floor:.4g} > 1",
        )
    elif bound <= 1 + ROUNDING and floor >= 1 - ROUNDING:
        theorem, why = "steady", f"γσ₁ = {bound:.4g} = min f′ · σ_n: no Jacobian stretches or shrinks any vector"
    elif bound <= 1 + ROUNDING:
        theorem, why = (
            "not exploding",
            f"γσ₁ = {bound:.4g}, and more than 1 is necessary to explode; it may vanish",
        )
    else:
        theorem, why = "undecided", f"γσ₁ = {bound:.4g} > 1 is necessary to explode, not sufficient"
    rate = unrolled.growth(norms)
    measured = "steady" if abs(rate - 1) < STEADY else "vanishing" if rate < 1 else "exploding"
    return Judgement(theorem, why, measured, rate)


def _others(T: int, n: int, d: int, seed: int) -> tuple[list[float], list[float], list[float]]:
    """log₁₀ of norms by lag for an LSTM, a GRU, and for attention between two tokens."""
    lstm = unrolled.log_norms(cell_gradients.lstm_jacobians(*cell_gradients.lstm_run(n, d, T, seed, 1.0))[1:])
    gru = unrolled.log_norms(cell_gradients.gru_jacobians(*cell_gradients.gru_run(n, d, T, seed))[1:])
    Ws, x, scale = cell_gradients.attention_head(T, d, seed)
    qkv = [x @ W.T for W in Ws]
    weights = (scale * qkv[0] @ qkv[1].T).softmax(-1)
    attention = []
    for lag in range(1, T):
        block = cells.attention_jacobian(T - 1, T - 1 - lag, weights, qkv, Ws, scale)
        norm = float(torch.linalg.matrix_norm(block, 2))
        attention.append(log10(norm) if norm else -inf)
    return lstm, gru, attention
