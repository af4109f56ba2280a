"""Jacobians of gated cells and of attention, written for arrays of symbols and for tensors alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .libraries import numpy

Array = Any
"""A NumPy array of symbols or a torch tensor."""


@dataclass(frozen=True)
class LSTMStep:
    """What one step of an LSTM leaves behind: gates after their non-linearity, old cell, tanh of the new one."""

    i: Array
    f: Array
    g: Array
    o: Array
    c: Array
    tanh_c: Array


def lstm_jacobian(step: LSTMStep, Ws: Sequence[Array]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Blocks ((∂h′/∂h, ∂h′/∂c), (∂c′/∂h, ∂c′/∂c)) of c′ = f⊙c + i⊙g, h′ = o⊙tanh(c′).

    ``Ws`` are the rows of W_hh for i, f, g and o. ∂c′/∂c is diag(f): no weight occurs in it.
    """
    i, f, g, o, c, tanh_c = step.i, step.f, step.g, step.o, step.c, step.tanh_c
    W_i, W_f, W_g, W_o = Ws
    through = o * (1 - tanh_c * tanh_c)  # ∂h′/∂c′
    c_h = (c * f * (1 - f))[:, None] * W_f + (g * i * (1 - i))[:, None] * W_i + (i * (1 - g * g))[:, None] * W_g
    c_c = diagonal(f)
    h_h = (tanh_c * o * (1 - o))[:, None] * W_o + through[:, None] * c_h
    return (h_h, diagonal(through * f)), (c_h, c_c)


@dataclass(frozen=True)
class GRUStep:
    """Gates of one step of a GRU after their non-linearity, the old state, and the product of the candidate.

    ``product`` is W_hn h + b_hn where the reset gate comes after the matrix, and r⊙h where it comes before.
    """

    r: Array
    z: Array
    n: Array
    h: Array
    product: Array


def gru_jacobian(step: GRUStep, Ws: Sequence[Array]) -> Array:
    """∂h′/∂h of h′ = (1 − z)⊙n + z⊙h with n = tanh(W_in x + r⊙(W_hn h + b_hn)).

    ``Ws`` are the rows of W_hh for r, z and n.
    """
    r, z, n, h = step.r, step.z, step.n, step.h
    W_r, W_z, W_n = Ws
    candidate = r[:, None] * W_n + (step.product * r * (1 - r))[:, None] * W_r
    return _through_gates(z, n, h, W_z, candidate)


def gru_before_jacobian(step: GRUStep, Ws: Sequence[Array]) -> Array:
    """The same of n = tanh(W_in x + W_hn (r⊙h) + b_n): the reset gate before the matrix."""
    r, z, n, h = step.r, step.z, step.n, step.h
    W_r, W_z, W_n = Ws
    return _through_gates(z, n, h, W_z, W_n @ (diagonal(r) + (step.product * (1 - r))[:, None] * W_r))


def _through_gates(z: Array, n: Array, h: Array, W_z: Array, candidate: Array) -> Array:
    """∂h′/∂h from that of what the candidate's tanh is taken of."""
    return diagonal(z) + ((h - n) * z * (1 - z))[:, None] * W_z + ((1 - z) * (1 - n * n))[:, None] * candidate


def attention_jacobian(
    i: int, j: int, weights: Array, qkv: Sequence[Array], Ws: Sequence[Array], scale: Any
) -> Array:
    """∂y_i/∂x_j of y_i = Σ_m a_im v_m, a = softmax(scale · q kᵀ), in one head.

    ``weights`` are a, (n, n); ``qkv`` are queries, keys and values, (n, d) each; ``Ws`` map x to them, (d, C).
    """
    (q, k, v), (W_q, W_k, W_v) = qkv, Ws
    y = weights[i] @ v
    block = weights[i, j] * (W_v + scale * (v[j] - y)[:, None] * (q[i] @ W_k)[None, :])
    if i == j:
        # the query moves all scores: Σ_m a_im (v_m − y_i) k_mᵀ W_q
        block = block + scale * ((weights[i][:, None] * (v - y[None, :])).T @ k) @ W_q
    return block


def diagonal(entries: Array) -> Array:
    """The diagonal matrix, of symbols or of numbers."""
    if isinstance(entries, numpy.ndarray):
        return numpy.diag(entries)
    return entries.diag()
