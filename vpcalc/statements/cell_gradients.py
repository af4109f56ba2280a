"""What gates and attention do to the product of Jacobians."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from itertools import chain
from typing import Any

from ..report import Column, Kind, Table
from ..report.plots_theory import Chart, Series
from . import cells, unrolled
from .any_width import one_more_diagonal
from .cells import Array, GRUStep, LSTMStep
from .evidence import (
    autograd_jacobian,
    close,
    derivatives,
    each,
    generic,
    identity,
    letters,
    not_identity,
    relative_error,
)
from .libraries import numpy, sympy, torch
from .registry import Demonstration, Evidence, Step, derivation, statement

TOLERANCE = 1e-12
"""Of a Jacobian's relative error in float64, against autograd."""


def squashings() -> tuple[Any, Any]:
    """A sigmoid and a tanh of which only the differential equation is known: f′ = f(1 − f), f′ = 1 − f²."""
    return generic("sigmoid", lambda s: s * (1 - s)), generic("tanh", lambda s: 1 - s * s)


# -- LSTM -------------------------------------------------------------------------------------------


@statement(
    "lstm_jacobian",
    "LSTM: the product of forget gates",
    "∂c_t/∂c_{t−1} = diag(f_t) at fixed h_{t−1}, so that along the cell ∏ ∂c_j/∂c_{j−1} = diag(∏ f_j), without W",
    "Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000 (forget gate)",
)
def lstm_jacobian(jacobian: Callable[..., Any] = cells.lstm_jacobian) -> Demonstration:
    """Four blocks differentiated symbolically and on the reference cell; the forget path of any length."""
    cell_block, other_blocks = _lstm_symbolic(jacobian)
    on_module = _lstm_on_module(jacobian)
    return Demonstration(
        derivation(r"""
            The cell: the gates i, f and o are sigmoids, and g is the tanh, of U x_t + W h_{t−1} + b, each with its
            own U, W and b.
                c_t = f_t ⊙ c_{t−1} + i_t ⊙ g_t, h_t = o_t ⊙ tanh(c_t)
                    c_t = f_t \odot c_{t-1} + i_t \odot g_t, \quad h_t = o_t \odot \tanh(c_t)
            The gates see c_{t−1} only through h_{t−1}: along the cell itself no weight and no slope occurs.
                ∂c_t/∂c_{t−1} = diag(f_t)
                    \frac{\partial c_t}{\partial c_{t-1}} = \operatorname{diag}(f_t)
            So the product that vanished or exploded is now one of numbers between 0 and 1, each learned.
                ∏_{j=k+1..t} ∂c_j/∂c_{j−1} = diag(f_t ⊙ f_{t−1} ⊙ ⋯ ⊙ f_{k+1})
                    \prod_{j=k+1}^{t} \frac{\partial c_j}{\partial c_{j-1}} = \operatorname{diag}(f_t \odot f_{t-1}
                    \odot \cdots \odot f_{k+1})
            The other way, through the gates, is a recurrent network's.
                ∂c_t/∂h_{t−1} = diag(c_{t−1} f_t (1 − f_t)) W_f + diag(g_t i_t (1 − i_t)) W_i + diag(i_t (1 −
                g_t²)) W_g
                    \frac{\partial c_t}{\partial h_{t-1}} = \operatorname{diag}\bigl(c_{t-1} f_t (1 - f_t)\bigr)
                    W_f + \operatorname{diag}\bigl(g_t i_t (1 - i_t)\bigr) W_i + \operatorname{diag}\bigl(i_t (1 -
                    g_t^2)\bigr) W_g
            And the output.
                ∂h_t/∂(h, c)_{t−1} = diag(o_t (1 − tanh² c_t)) ∂c_t/∂(h, c)_{t−1} + (diag(tanh(c_t) o_t (1 −
                o_t)) W_o, 0)
                    \frac{\partial h_t}{\partial (h, c)_{t-1}} = \operatorname{diag}\bigl(o_t (1 - \tanh^2
                    c_t)\bigr) \frac{\partial c_t}{\partial (h, c)_{t-1}} + \bigl(\operatorname{diag}(\tanh(c_t)\,
                    o_t (1 - o_t)) W_o,\; 0\bigr)
        """),
        {
            "∂c_t/∂c_{t−1} = diag(f_t) at fixed h_{t−1}": (cell_block, on_module),
            "along the cell the product of these factors is diag(∏ f_j)": (
                one_more_diagonal(lambda forget: _cell_block(jacobian, forget)),
                _forget_path(jacobian),
            ),
            "no weight occurs in it": (
                identity("the factor is the same with other matrices", _of_others(jacobian)),
            ),
        },
        (other_blocks,),
        figure=_forget_chart(),
    )


def _lstm_symbolic(jacobian: Any) -> tuple[Evidence, Evidence]:
    """Two units among any number: what the others and the inputs add to a gate is a letter."""
    sigmoid, tanh = squashings()
    n = 2
    h, c = letters("h", n), letters("c", n)
    Ws = [letters(f"W{gate}", n, n) for gate in "ifgo"]
    i, f, g, o = (
        each(squash, letters(f"u{gate}", n) + W @ h)
        for gate, squash, W in zip("ifgo", (sigmoid, sigmoid, tanh, sigmoid), Ws, strict=True)
    )
    new = f * c + i * g
    out = o * each(tanh, new)
    blocks = jacobian(LSTMStep(i, f, g, o, c, each(tanh, new)), Ws)
    differences = []
    for row, output in zip(blocks, (out, new), strict=True):
        for block, state in zip(row, (h, c), strict=True):
            differences.append(list((derivatives(output, state) - block).reshape(-1)))
    return (
        identity("∂c_t/∂c_{t−1}, the entries of two units among any number", differences.pop()),
        identity("the other three blocks of ∂(h, c)_t/∂(h, c)_{t−1}", chain.from_iterable(differences)),
    )


def _cell_block(jacobian: Any, forget: Array, Ws: Any = None) -> Array:
    """∂c_t/∂c_{t−1} of a step with these forget gates."""
    others = [letters(name, 2) for name in "igoct"]
    step = LSTMStep(others[0], forget, *others[1:])
    return jacobian(step, [letters(f"W{gate}", 2, 2) for gate in "ifgo"] if Ws is None else Ws)[1][1]


def _of_others(jacobian: Any) -> Iterable[tuple[Any, Any]]:
    """Entries of the factor, and of that with other weights."""
    forget, others = letters("f", 2), [letters(f"V{gate}", 2, 2) for gate in "ifgo"]
    return zip(_cell_block(jacobian, forget).flat, _cell_block(jacobian, forget, others).flat, strict=True)


def lstm_run(
    n: int, d: int, T: int, seed: int = 0, forget_bias: float = 0.0
) -> tuple[list[LSTMStep], list[Array]]:
    """The reference LSTM cell over random inputs, its steps, and its four recurrent matrices."""
    cell = _cell("lstm", d, n, seed)
    xs = _inputs(T, d, seed)
    with torch.no_grad():
        cell.from_hidden.bias[n : 2 * n] += forget_bias
        h = c = torch.zeros(n, dtype=torch.float64)
        steps = []
        for x in xs:
            i, f, g, o = (cell.from_input(x) + cell.from_hidden(h)).chunk(4)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            new = f * c + i * g
            steps.append(LSTMStep(i, f, g, o, c, new.tanh()))
            h, c = o * new.tanh(), new
        return steps, list(cell.from_hidden.weight.detach().chunk(4))


def lstm_jacobians(steps: list[LSTMStep], Ws: list[Array]) -> list[Array]:
    """The Jacobians of the whole state (h, c), (2n, 2n)."""
    return [torch.cat([torch.cat(row, dim=1) for row in cells.lstm_jacobian(step, Ws)]) for step in steps]


def _lstm_on_module(jacobian: Any) -> Evidence:
    """The reference cell's Jacobian from autograd."""
    n, d, T = 6, 4, 8
    steps, Ws = lstm_run(n, d, T, seed=1)
    cell = _cell("lstm", d, n, 1)
    xs = _inputs(T, d, 1)
    state = (torch.zeros(1, n, dtype=torch.float64), torch.zeros(1, n, dtype=torch.float64))
    worst = 0.0
    for x, step in zip(xs, steps, strict=True):
        true = autograd_jacobian(lambda *s, x=x: cell(x[None], *s), state)
        for row, true_row in zip(jacobian(step, Ws), true, strict=True):
            for block, reference in zip(row, true_row, strict=True):
                worst = max(worst, relative_error(block, reference[0, :, 0, :]))
        with torch.no_grad():
            state = cell(x[None], *state)
    return close("the blocks on the reference LSTM cell against autograd, float64", worst, TOLERANCE, 4 * T)


def _forget_path(jacobian: Any) -> Evidence:
    """With W_hh = 0 nothing else is left: the product of whole Jacobians has diag(∏ f) as its cell block."""
    n = 5
    steps, Ws = lstm_run(n, 3, 20, seed=2)
    nothing = [torch.zeros_like(W) for W in Ws]
    product, forget = torch.eye(2 * n, dtype=torch.float64), torch.ones(n, dtype=torch.float64)
    worst = 0.0
    for step in steps:
        whole = torch.cat([torch.cat(row, dim=1) for row in jacobian(step, nothing)])
        product, forget = whole @ product, forget * step.f
        worst = max(worst, relative_error(product[n:, n:], forget.diag()))
    return close("the product along the cell is diag(∏ f_j) (20 steps, float64)", worst, TOLERANCE, len(steps))


def _forget_chart() -> Chart:
    T, n, d = 60, 16, 8
    lags = tuple(float(lag) for lag in range(1, T + 1))
    net = unrolled.network(T, n, d, 0.9, "tanh", seed=1)
    series = [Series("RNN, tanh, σ₁ = 0.9", lags, tuple(10**x for x in unrolled.log_norms(net.jacobians())))]
    for bias in (0.0, 1.0, 3.0):
        run = lstm_jacobians(*lstm_run(n, d, T, seed=1, forget_bias=bias))
        norms = tuple(10**x for x in unrolled.log_norms(run))
        series.append(Series(f"LSTM, forget bias +{bias:g}", lags, norms))
    title = "Norm of the product of Jacobians, the LSTM's of (h, c), weights and all"
    return Chart(title, "lag t − k", "‖∏ J‖₂", tuple(series), log_y=True)


# -- GRU --------------------------------------------------------------------------------------------


@statement(
    "gru_jacobian",
    "GRU: the product of update gates",
    "∂h_t/∂h_{t−1} is diag(z_t) and terms with weights, in torch's cell, whose reset gate comes after the matrix, "
    "and in Cho et al.'s, where it comes before; they are two functions, and along the state itself the product "
    "is diag(∏ z_j) in both",
    "torch.nn.GRUCell, whose h_t = (1 − z_t) ⊙ n_t + z_t ⊙ h_{t−1}; Cho et al. 2014, eq. 5-8 (final version)",
)
def gru_jacobian(
    jacobian: Callable[..., Any] = cells.gru_jacobian,
    before: Callable[..., Any] = cells.gru_before_jacobian,
    resets: tuple[Any, Any] | None = None,
) -> Demonstration:
    """Both cells differentiated symbolically and by autograd, and a point where they differ."""
    return Demonstration(
        derivation(r"""
            The cell of torch: the reset gate after the matrix; z and r are sigmoids of U x_t + W h_{t−1} + b, each
            with its own U, W and b.
                h_t = (1 − z_t) ⊙ n_t + z_t ⊙ h_{t−1}, n_t = tanh(U_n x_t + r_t ⊙ (W_n h_{t−1} + b_n))
                    h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}, \quad n_t = \tanh\bigl(U_n x_t + r_t \odot (W_n
                    h_{t-1} + b_n)\bigr)
            Product rule: the state itself, the update gate, the candidate.
                ∂h_t/∂h_{t−1} = diag(z_t) + diag((h_{t−1} − n_t) z_t (1 − z_t)) W_z + diag((1 − z_t)(1 − n_t²))
                (diag(r_t) W_n + diag((W_n h_{t−1} + b_n) r_t (1 − r_t)) W_r)
                    \frac{\partial h_t}{\partial h_{t-1}} = \operatorname{diag}(z_t) +
                    \operatorname{diag}\bigl((h_{t-1} - n_t) z_t (1 - z_t)\bigr) W_z + \operatorname{diag}\bigl((1
                    - z_t)(1 - n_t^2)\bigr) \bigl(\operatorname{diag}(r_t) W_n + \operatorname{diag}((W_n h_{t-1} +
                    b_n) r_t (1 - r_t)) W_r\bigr)
            The cell of Cho et al.: the reset gate on the state, before the matrix. The third term is another, as
            diag(r_t) and W_n do not commute.
                n_t = tanh(U_n x_t + W_n (r_t ⊙ h_{t−1}) + b_n): diag((1 − z_t)(1 − n_t²)) W_n (diag(r_t) +
                diag(h_{t−1} r_t (1 − r_t)) W_r)
                    n_t = \tanh\bigl(U_n x_t + W_n (r_t \odot h_{t-1}) + b_n\bigr): \quad
                    \operatorname{diag}\bigl((1 - z_t)(1 - n_t^2)\bigr) W_n \bigl(\operatorname{diag}(r_t) +
                    \operatorname{diag}(h_{t-1} r_t (1 - r_t)) W_r\bigr)
            Without W_z, W_r and W_n only the first is left, in both.
                ∏_{j=k+1..t} ∂h_j/∂h_{j−1} = diag(z_t ⊙ ⋯ ⊙ z_{k+1}) for W = 0
                    \prod_{j=k+1}^{t} \frac{\partial h_j}{\partial h_{j-1}} = \operatorname{diag}(z_t \odot \cdots
                    \odot z_{k+1}) \text{ for } W = 0
        """),
        {
            "torch's cell: ∂h_t/∂h_{t−1} = diag(z_t) and the terms with weights that are derived": (
                _gru_symbolic(jacobian, _after),
                _gru_on_module(jacobian),
            ),
            "Cho et al.'s cell: ∂h_t/∂h_{t−1} = diag(z_t) and the other terms that are derived": (
                _gru_symbolic(before, _before),
                _gru_before_by_autograd(before),
            ),
            "they are two functions": _gru_cells_differ(*(resets or (_after, _before))),
            "along the state itself the product is diag(∏ z_j) in both": tuple(
                one_more_diagonal(partial(_without_weights, one)) for one in (jacobian, before)
            ),
        },
    )


def _after(r: Array, W: Array, h: Array, bias: Array) -> tuple[Array, Array]:
    """What the candidate's tanh has of the state, and the product that its Jacobian needs: r⊙(Wh + b)."""
    product = W @ h + bias
    return r * product, product


def _before(r: Array, W: Array, h: Array, bias: Array) -> tuple[Array, Array]:
    """W(r⊙h) + b."""
    return W @ (r * h) + bias, r * h


def _gru_letters(reset: Any, n: int) -> tuple[Array, GRUStep, tuple[Array, Array, Array], Array]:
    """One step of symbols: the old state, what the step leaves behind, the matrices, and the new state."""
    sigmoid, tanh = squashings()
    h, bias = letters("h", n), letters("b", n)
    W_r, W_z, W_n = (letters(f"W{gate}", n, n) for gate in "rzn")
    r, z = each(sigmoid, letters("ur", n) + W_r @ h), each(sigmoid, letters("uz", n) + W_z @ h)
    of_state, product = reset(r, W_n, h, bias)
    candidate = each(tanh, letters("un", n) + of_state)
    return h, GRUStep(r, z, candidate, h, product), (W_r, W_z, W_n), (1 - z) * candidate + z * h


def _gru_symbolic(jacobian: Any, reset: Any) -> Evidence:
    """The entries of two units, with a third one: others add as it does, and in letters."""
    h, step, Ws, out = _gru_letters(reset, 3)
    ours = jacobian(step, Ws)
    return identity(
        "the entries of two units among any number, one more of them spelled out",
        (derivatives(out[:1], h[:2]) - ours[:1, :2]).reshape(-1),
    )


def _gru_cells_differ(after: Any, before: Any) -> tuple[Evidence, ...]:
    """r⊙(Wh) is W(r⊙h) for one unit, and for two it is not."""
    r, h, W = letters("r", 2), letters("h", 2), letters("W", 2, 2)
    two = after(r, W, h, 0)[0] - before(r, W, h, 0)[0]
    return (not_identity("two units: r⊙(Wh) is not W(r⊙h)", two[0], {r[0]: 1, r[1]: 0}),)


def _without_weights(jacobian: Any, z: Array) -> Array:
    """What is left of a factor where W = 0."""
    r, n, h, product = (letters(name, 2) for name in "rnhp")
    return jacobian(GRUStep(r, z, n, h, product), (letters("W", 2, 2) * 0,) * 3)


def gru_run(n: int, d: int, T: int, seed: int = 0) -> tuple[list[GRUStep], list[Array]]:
    """The reference GRU cell over random inputs, its steps, and its three recurrent matrices."""
    cell = _cell("gru", d, n, seed)
    with torch.no_grad():
        h = torch.zeros(n, dtype=torch.float64)
        steps = []
        for x in _inputs(T, d, seed):
            x_r, x_z, x_n = cell.from_input(x).chunk(3)
            h_r, h_z, h_n = cell.from_hidden(h).chunk(3)
            r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
            candidate = (x_n + r * h_n).tanh()
            steps.append(GRUStep(r, z, candidate, h, h_n))
            h = (1 - z) * candidate + z * h
        return steps, list(cell.from_hidden.weight.detach().chunk(3))


def gru_jacobians(steps: list[GRUStep], Ws: list[Array]) -> list[Array]:
    """The Jacobians of the state, (n, n)."""
    return [cells.gru_jacobian(step, Ws) for step in steps]


def _gru_on_module(jacobian: Any) -> Evidence:
    n, d, T = 6, 4, 8
    steps, Ws = gru_run(n, d, T, seed=1)
    cell = _cell("gru", d, n, 1)
    h, worst = torch.zeros(1, n, dtype=torch.float64), 0.0
    for x, step in zip(_inputs(T, d, 1), steps, strict=True):
        true = autograd_jacobian(lambda s, x=x: cell(x[None], s)[0], h)[0, :, 0, :]
        worst = max(worst, relative_error(jacobian(step, Ws), true))
        with torch.no_grad():
            (h,) = cell(x[None], h)
    return close("the Jacobian on the reference GRU cell against autograd, float64", worst, TOLERANCE, T)


def _gru_before_by_autograd(jacobian: Any) -> Evidence:
    """The cell of the paper with the reference cell's weights: its steps against autograd."""
    n, d, T = 6, 4, 8
    cell = _cell("gru", d, n, 1)
    Ws, biases = cell.from_hidden.weight.detach().chunk(3), cell.from_hidden.bias.detach().chunk(3)

    def step(x: Array, h: Array) -> tuple[Array, GRUStep]:
        x_r, x_z, x_n = cell.from_input(x).detach().chunk(3)
        r, z = ((part + W @ h + b).sigmoid() for part, W, b in zip((x_r, x_z), Ws[:2], biases[:2], strict=True))
        candidate = (x_n + Ws[2] @ (r * h) + biases[2]).tanh()
        return (1 - z) * candidate + z * h, GRUStep(r, z, candidate, h, r * h)

    h, worst = torch.zeros(n, dtype=torch.float64), 0.0
    for x in _inputs(T, d, 1):
        true = autograd_jacobian(lambda s, x=x: step(x, s)[0], h)
        new, left = step(x, h)
        worst = max(worst, relative_error(jacobian(left, Ws), true))
        h = new
    return close(
        "the Jacobian of Cho et al.'s cell, spelled in torch, against autograd, float64", worst, TOLERANCE, T
    )


def _cell(kind: str, d: int, n: int, seed: int) -> Any:
    from ..reference.recurrence import Cell

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Cell(kind, d, n).double()


def _inputs(T: int, d: int, seed: int) -> Array:
    return torch.randn(T, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# -- attention --------------------------------------------------------------------------------------


@statement(
    "attention_gradient",
    "Attention: one factor, whatever the distance",
    "∂y_i/∂x_j = a_ij (W_V + (v_j − y_i) q_iᵀ W_K/√d_k) for j ≠ i: no product over the steps between i and j, "
    "but a factor a_ij that is 1/n on average, as n tokens share one",
    "Vaswani et al. 2017, §3.2.1 and §4 (constant path length)",
)
def attention_gradient(
    jacobian: Callable[..., Array] = cells.attention_jacobian, share: Callable[[Any], Any] = lambda n: 1 / n
) -> Demonstration:
    """Differentiated symbolically for three tokens and on the reference module for all pairs; by length."""
    typical = {n: _typical_norm(n) for n in DILUTED}
    near, far_off = DILUTED[0], DILUTED[-1]
    ours, theirs = _attention_on_module(jacobian)
    n = len(ours)
    worst = max(relative_error(ours[i][j], theirs[i, :, j, :]) for i in range(n) for j in range(n))
    lags = tuple(float(lag) for lag in range(1, n))
    norms = tuple(float(theirs[n - 1, :, n - 1 - lag, :].norm()) for lag in range(1, n))
    net = unrolled.network(n, 16, 8, 0.9, "tanh", seed=1)
    recurrent = tuple(10**x for x in unrolled.log_norms(net.jacobians()))[: n - 1]
    chart = Chart(
        "Gradient from the last output to an earlier input",
        "lag",
        "norm of the Jacobian",
        (Series("attention, ∂y_n/∂x_j", lags, norms), Series("RNN, ∏ J (tanh, σ₁ = 0.9)", lags, recurrent)),
        log_y=True,
    )
    return Demonstration(
        (
            *derivation(r"""
                Attention.
                    y_i = Σ_m a_im v_m, a_im = exp(s_im)/Σ_l exp(s_il), s_im = q_i·k_m/√d_k
                        y_i = \sum_m a_{im} v_m, \quad a_{im} = \frac{e^{s_{im}}}{\sum_l e^{s_{il}}}, \quad s_{im}
                        = \frac{q_i \cdot k_m}{\sqrt{d_k}}
                Jacobian of the softmax.
                    ∂a_im/∂s_ij = a_im (δ_mj − a_ij)
                        \frac{\partial a_{im}}{\partial s_{ij}} = a_{im}(\delta_{mj} - a_{ij})
                So a score moves the output towards its value.
                    ∂y_i/∂s_ij = a_ij (v_j − y_i)
                        \frac{\partial y_i}{\partial s_{ij}} = a_{ij}(v_j - y_i)
                An earlier token acts as value and as key.
                    ∂y_i/∂x_j = a_ij (W_V + (v_j − y_i) q_iᵀ W_K/√d_k), j ≠ i
                        \frac{\partial y_i}{\partial x_j} = a_{ij}\Bigl(W_V + \frac{(v_j - y_i)\, q_i^{\top}
                        W_K}{\sqrt{d_k}}\Bigr), \quad j \neq i
                The distance i − j occurs nowhere: one factor a_ij in place of i − j Jacobians.
                    ‖∂y_i/∂x_j‖ ≤ a_ij (‖W_V‖ + ‖v_j − y_i‖ ‖W_Kᵀ q_i‖/√d_k)
                        \Bigl\lVert \frac{\partial y_i}{\partial x_j} \Bigr\rVert \le a_{ij}\Bigl(\lVert W_V \rVert
                        + \frac{\lVert v_j - y_i \rVert \lVert W_K^{\top} q_i \rVert}{\sqrt{d_k}}\Bigr)
            """),
            Step(
                "The length does: a row of weights sums to 1, and n tokens share it. Over all j the blocks, "
                "without what the query adds at j = i, sum to W_V, whatever the scores.",
                "Σ_j a_ij = 1, Σ_j a_ij (v_j − y_i) = 0: their mean over j is W_V/n. On the reference module the "
                f"median norm falls from {typical[near]:.3g} (n = {near}) to {typical[far_off]:.3g} "
                f"(n = {far_off})",
                r"\sum_j a_{ij} = 1,\; \sum_j a_{ij}(v_j - y_i) = 0: \quad \frac1n \sum_j a_{ij}\Bigl(W_V + "
                r"\frac{(v_j - y_i)\, q_i^{\top} W_K}{\sqrt{d_k}}\Bigr) = \frac{W_V}{n}",
            ),
        ),
        {
            "∂y_i/∂x_j = a_ij (W_V + (v_j − y_i) q_iᵀ W_K/√d_k) for j ≠ i": (
                _attention_symbolic(jacobian),
                close(
                    "all pairs on the reference self-attention against autograd, float64", worst, TOLERANCE, n * n
                ),
            ),
            "it has no product over the steps between i and j": (
                _at_another_place(jacobian),
                _order_does_not_matter(jacobian),
            ),
            "its factor a_ij is 1/n on average, as n tokens share one": (
                _shared(jacobian, share),
                close(
                    f"median norm ‖∂y_n/∂x_j‖₂ over its share of that at n = {far_off}, less 1 (n from {near} on)",
                    max(abs(typical[n] * share(far_off) / (typical[far_off] * share(n)) - 1) for n in DILUTED),
                    0.1,
                    len(DILUTED) - 1,
                ),
            ),
        },
        tables=(
            Table(
                "Gradient from the last output to an earlier input, by length",
                (Column("n", "n", Kind.NUMBER), Column("norm", "Median ‖∂y_n/∂x_j‖₂"), Column("times", "Times n")),
                tuple((n, f"{norm:.3g}", f"{n * norm:.3f}") for n, norm in typical.items()),
                ("the reference self-attention, one head of 16 channels, normal tokens",),
            ),
        ),
        figure=chart,
    )


DILUTED = (8, 16, 32, 64, 128, 256, 512)
"""Lengths at which the norm of a block is measured."""


@cache
def _typical_norm(n: int) -> float:
    """Median spectral norm, over earlier tokens, of the last output's Jacobian, by autograd."""
    from ..reference.attention import SelfAttention

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        module = SelfAttention(16, 1).double()
    x = _inputs(n, 16, n)
    blocks = autograd_jacobian(lambda tokens: module(tokens[None])[0, -1], x).transpose(0, 1)
    return float(torch.linalg.matrix_norm(blocks[:-1], 2).median())


def _shared(jacobian: Any, share: Callable[[Any], Any]) -> Evidence:
    """The mean over j of the blocks, for any weights that sum to 1; without W_Q, so that no query moves.

    Two of n tokens, and all others as one: blocks are linear in weight and in weight times value.
    """
    n, scale = sympy.Symbol("n", integer=True, positive=True), sympy.Symbol("scale", positive=True)
    weights = letters("a", 1, 3)
    weights[0, -1] = 1 - sum(weights[0, :-1])
    qkv, W_k, W_v = [letters(name, 3, 2) for name in "qkv"], letters("Wk", 2, 2), letters("Wv", 2, 2)
    blocks = [jacobian(0, j, weights, qkv, (0 * W_k, W_k, W_v), scale) for j in range(3)]
    return identity(
        "the blocks' mean over j is W_V/n for any weights, the query held, n a symbol",
        (sum(blocks) / n - share(n) * W_v).reshape(-1),
    )


def _attention_symbolic(jacobian: Any) -> Evidence:
    """Tokens i and j among any number: all others as one, of the weight of all and the mean of their values.

    Two channels of tokens and two of the head, the second as any other one.
    """
    x, (q_i, v_others) = letters("x", 2, 2), letters("y", 2, 2)
    Ws = [letters(f"W{name}", 2, 2) for name in "qkv"]
    scale, Z, e_i, e_j = sympy.symbols("scale Z e_i e_j", positive=True)
    k, v = (x @ W.T for W in Ws[1:])
    powers = [sympy.exp(scale * (q_i @ key)) for key in k]
    others = sympy.Symbol("E", positive=True)  # of all other tokens; Z is the sum of all
    values = numpy.concatenate([v, v_others[None]])
    made = (powers[0] * v[0] + powers[1] * v[1] + others * v_others) / (powers[0] + powers[1] + others)
    weights = numpy.array([[e_i, e_j, Z - e_i - e_j]], dtype=object) / Z
    ours = jacobian(0, 1, weights, (q_i[None], numpy.concatenate([k, k[:1]]), values), Ws, scale)
    named = {powers[0]: e_i, powers[1]: e_j, others: Z - e_i - e_j}
    true = [sympy.sympify(entry).subs(named) for entry in derivatives(made, x[1]).reshape(-1)]
    return identity(
        "two tokens among any number, all others as one; two channels among any number, for any scores",
        [left - right for left, right in zip(true, ours.reshape(-1), strict=True)],
    )


def _head() -> tuple[Any, Array, Any]:
    """A self-attention of one head in float64, with tokens."""
    from ..reference.attention import SelfAttention

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        module = SelfAttention(8, 1).double()
        x = torch.randn(12, 8, dtype=torch.float64)
    return module, x, 8**-0.5


def attention_head(T: int, d: int, seed: int) -> tuple[list[Array], Array, float]:
    """W_Q, W_K and W_V of the reference self-attention in one head of width d, T random tokens, and 1/√d."""
    from ..reference.attention import SelfAttention

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = SelfAttention(d, 1).double()
    return list(module.qkv.weight.detach().chunk(3)), _inputs(T, d, seed), d**-0.5


def _blocks(jacobian: Any, x: Array) -> list[list[Array]]:
    module, _, scale = _head()
    Ws = module.qkv.weight.detach().chunk(3)
    qkv = [part.detach() for part in module.qkv(x).chunk(3, dim=-1)]
    weights = (scale * qkv[0] @ qkv[1].T).softmax(-1)
    out = module.proj.weight.detach()
    n = len(x)
    return [[out @ jacobian(i, j, weights, qkv, Ws, scale) for j in range(n)] for i in range(n)]


def _attention_on_module(jacobian: Any) -> tuple[list[list[Array]], Array]:

    module, x, _ = _head()
    true = autograd_jacobian(lambda tokens: module(tokens[None])[0], x)
    return _blocks(jacobian, x), true


def _at_another_place(jacobian: Any) -> Evidence:
    """The block of a token that changes places with another, for any weights, queries, keys and values."""
    scale, weights = letters("scale", 1)[0], letters("a", 1, 3)
    qkv, Ws = [letters(name, 3, 2) for name in "qkv"], [letters(f"W{name}", 2, 2) for name in "qkv"]
    moved = [0, 2, 1]
    away = jacobian(0, 2, weights[:, moved], [one[moved] for one in qkv], Ws, scale)
    return identity(
        "∂y_i/∂x_j is the same when token j changes places with another",
        (jacobian(0, 1, weights, qkv, Ws, scale) - away).reshape(-1),
    )


def _order_does_not_matter(jacobian: Any) -> Evidence:
    """The block between two tokens is the same, to the last bits, however many tokens stand between them."""
    _, x, _ = _head()
    near = _blocks(jacobian, x)[0]
    moved = x[[0, *range(len(x) - 1, 0, -1)]]  # the second token comes last, and so on
    away = _blocks(jacobian, moved)[0]
    n = len(x)
    worst = max(relative_error(near[j], away[n - j]) for j in range(1, n))
    return close("∂y_1/∂x_j is the same when token j is moved to another place, float64", worst, TOLERANCE, n - 1)
