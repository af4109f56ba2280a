"""``vpcalc rnn``: what becomes of a gradient in a recurrent network, and what it costs to compute."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from .. import words
from ..errors import InputError, unknown
from ..inputs import whole
from ..optional import require_torch
from ..report import About, Column, Kind, Table
from ..report.plots_theory import Chart, Series, bar
from ..report.plots_theory import text as in_characters
from ..statements.experiment import Judgement, Lag, Measured, Term, measure
from ..statements.rnn_algorithms import WAYS
from ..statements.rnn_costs import cost_table
from ..statements.unrolled import ACTIVATIONS
from .result import Result
from .theory import save

DTYPES = {"float64": 1e-9, "float32": 1e-3}
"""Types to compute in, and the largest relative error of a term that passes for rounding."""

WEIGHTS = ("gaussian", "orthogonal")

WORK = 10**9
"""Largest T·n³: about a minute."""


@dataclass(frozen=True)
class Recurrence(Result):
    """A network at random, its gradient through time, and its cost."""

    inputs: Mapping[str, Any]
    found: Measured
    costs: Table

    @property
    def lags(self) -> tuple[Lag, ...]:
        """Norms by lag, from 1."""
        return self.found.lags

    @property
    def terms(self) -> tuple[Term, ...]:
        """Terms of the sum by k, from 1."""
        return self.found.terms

    @property
    def judgement(self) -> Judgement:
        """Vanishing, exploding or undecided, by the theorem and as measured."""
        return self.found.judgement

    @property
    def bound_per_step(self) -> float:
        """γσ₁."""
        return float(self.found.gamma * self.inputs["sigma"])

    @property
    def clipped(self) -> float:
        """The gradient's norm after clipping."""
        return min(self.found.gradient, float(self.inputs["clip"]))

    @property
    def largest_error(self) -> float | None:
        """Of all terms that can be compared."""
        return max((term.error for term in self.terms if term.error is not None), default=None)

    @property
    def bound_holds(self) -> bool:
        """Whether no product's norm exceeds its bound, but for rounding."""
        slack = 1e-3 if self.inputs["dtype"] == "float32" else 1e-9
        return all(lag.norm <= lag.bound + slack * lag.lag for lag in self.lags)

    @property
    def ok(self) -> bool:
        """Whether the bound holds and every term is autograd's."""
        error = self.largest_error
        return self.bound_holds and (error is None or error <= DTYPES[self.inputs["dtype"]])

    def fields(self) -> dict[str, Any]:
        """The command's JSON object. Norms beyond floating point are null; their logarithms are there."""
        way_keys = list(WAYS)
        return {
            "command": "rnn",
            "inputs": dict(self.inputs),
            "gamma": self.found.gamma,
            "spectral_radius": self.found.radius,
            "bound_per_step": self.bound_per_step,
            "verdict": {
                "theorem": self.judgement.theorem,
                "why": self.judgement.why,
                "measured": self.judgement.measured,
                "rate": self.judgement.rate,
            },
            "norms": [
                {
                    "lag": lag.lag,
                    "bound": _plain(lag.bound),
                    "norm": _plain(lag.norm),
                    "log10_bound": _finite(lag.bound),
                    "log10_norm": _finite(lag.norm),
                    "lstm": _plain(lag.lstm),
                    "gru": _plain(lag.gru),
                    "attention": _plain(lag.attention),
                }
                for lag in self.lags
            ],
            "terms": [
                {"k": term.k, "lag": term.lag, "norm": _finite(term.norm), "relative_error": term.error}
                for term in self.terms
            ],
            "largest_error": self.largest_error,
            "tolerance": DTYPES[self.inputs["dtype"]],
            "bound_holds": self.bound_holds,
            "clipping": {
                "threshold": self.inputs["clip"],
                "before": _finite(self.found.gradient),
                "after": _finite(self.clipped),
            },
            "costs": [
                {
                    "way": way,
                    "title": row[0],
                    "formula": row[1].to_dict(),
                    "kept_formula": row[2].to_dict(),
                    "macs": row[3],
                    "kept": row[4],
                }
                for way, row in zip(way_keys, self.costs.rows, strict=True)
            ],
        }

    def tables(self) -> tuple[Table, ...]:
        """Norms at some lags, the verdict, and the cost."""
        return (self.by_lag(_some(len(self.lags))), self._summary(), self.costs)

    def sheet(self) -> Table:
        """Norms and terms at all lags."""
        return self.by_lag()

    def by_lag(self, chosen: Sequence[int] | None = None) -> Table:
        """Norms and terms at these lags; at all of them, and without bars, where none are chosen."""
        wanted = range(1, len(self.lags) + 1) if chosen is None else chosen
        by_lag = {term.lag: term for term in self.terms}
        drawn = [value for lag in self.lags for value in (lag.norm, lag.bound) if -inf < value < inf]
        low, high = (min(drawn), max(drawn)) if drawn else (0.0, 0.0)
        rows = []
        for number in wanted:
            lag, term = self.lags[number - 1], by_lag.get(number)
            rows.append(
                (
                    number,
                    _power(lag.bound),
                    _power(lag.norm),
                    bar(lag.norm, low, high, 16),
                    _power(lag.lstm),
                    _power(lag.gru),
                    _power(lag.attention),
                    None if term is None or _finite(term.norm) is None else f"{term.norm:.2e}",
                    None if term is None or term.error is None else f"{term.error:.1e}",
                )
            )
        columns = (
            Column("lag", "t − k", Kind.NUMBER),
            Column("bound", "(γσ₁)^{t−k}"),
            Column("norm", "‖∏ J‖"),
            Column("plot", "Log ‖∏ J‖", Kind.PICTURE, wide=True),
            Column("lstm", "LSTM", wide=True),
            Column("gru", "GRU", wide=True),
            Column("attention", "Attention", wide=True),
            Column("term", "Norm of term k"),
            Column("error", "Relative error"),
        )
        title = "T = {T}, n = {n}, d = {d}, {activation}, W {weights} with σ₁ = {sigma}, {dtype}, seed {seed}"
        notes = (
            About(
                "lstm (forget bias +1), gru and attention: reference modules of these sizes, as initialised",
                "lstm",
            ),
            "term k of ∂L/∂U, and its relative error to autograd",
        )
        table = Table(title.format(**self.inputs), columns, tuple(rows), notes)
        return table if chosen is not None else table.pick([c.key for c in columns if c.key != "plot"])

    def _summary(self) -> Table:
        error = self.largest_error
        compared = sum(term.error is not None for term in self.terms)
        rows = (
            ("by the theorem", self.judgement.theorem, self.judgement.why),
            (
                "as measured",
                self.judgement.measured,
                f"‖∏ J‖ changes by a factor of {self.judgement.rate:.4g} a step over the longer half of the lags",
            ),
            (
                "bound",
                "holds" if self.bound_holds else "fails",
                f"‖∏ J‖ ≤ (γσ₁)^{{t−k}} at every lag, γσ₁ = {self.bound_per_step:.4g}; "
                f"spectral radius {self.found.radius:.4g}",
            ),
            (
                "terms",
                "agree" if error is None or error <= DTYPES[self.inputs["dtype"]] else "differ",
                f"{compared} of {len(self.terms)} compared with autograd"
                + ("" if compared == len(self.terms) else f", the others are beyond {self.inputs['dtype']}")
                + ("" if error is None else f"; relative error at most {error:.1e}"),
            ),
            (
                "clipping",
                f"at {self.inputs['clip']:g}",
                "‖∂L/∂U‖ is beyond floating point, and clipping does not bring it back"
                if _finite(self.found.gradient) is None
                else f"‖∂L/∂U‖ = {self.found.gradient:.3g} becomes {self.clipped:.3g}; all terms shrink alike",
            ),
        )
        columns = (Column("what", "Gradient"), Column("verdict", "Verdict", Kind.VERDICT), Column("why", "Why"))
        return Table("Verdict", columns, rows)

    def figure(self) -> Chart:
        """Norms by lag."""
        lags = tuple(float(lag.lag) for lag in self.lags)

        def series(label: str, key: str, dashed: bool = False, group: str = "") -> Series:
            values = tuple(_plain(getattr(lag, key)) or 0.0 for lag in self.lags)
            return Series(label, lags, values, dashed, group)

        return Chart(
            f"Norm of the product of Jacobians, {self.inputs['activation']}, σ₁ = {self.inputs['sigma']:g}",
            "lag t − k",
            "‖∏ J‖₂",
            (
                series("bound (γσ₁)^(t − k)", "bound", dashed=True, group="RNN"),
                series("RNN", "norm", group="RNN"),
                series("LSTM, forget bias +1", "lstm"),
                series("GRU", "gru"),
                series("attention, ∂y_t/∂x_k", "attention"),
            ),
            log_y=True,
        )

    def save(self, path: str | Path) -> None:
        """Write the plot; the name's suffix says of which kind: .png, .svg or .pdf.

        Raises:
            InputError: an unknown suffix, no matplotlib, or a file that cannot be written.
        """
        save(self.figure(), path)

    def terminal(self, width: int = 72) -> str:
        """The plot in characters."""
        return in_characters(self.figure(), width)


def rnn(
    T: object = 100,
    n: object = 64,
    d: object = 32,
    sigma: object = 1.1,
    activation: str = "tanh",
    seed: object = 0,
    dtype: str = "float64",
    *,
    weights: str = "gaussian",
    clip: object = 1.0,
) -> Recurrence:
    """What becomes of the gradient of a recurrent network through time.

    S_t = f(U X_t + W S_{t−1}), a linear readout and ½‖o − y‖² at the last step; inputs and weights at random.

    Args:
        T: time steps.
        n: hidden size.
        d: input size.
        sigma: largest singular value of W.
        activation: f: tanh, sigmoid, relu or identity.
        seed: of weights and inputs.
        dtype: float64 or float32.
        weights: W is a ``gaussian`` matrix scaled to sigma, or sigma times an ``orthogonal`` one.
        clip: threshold of the gradient's norm.

    Raises:
        InputError: a value is not usable; the message says which and what is allowed.
    """
    inputs: dict[str, Any] = {
        "T": whole("--T", T, low=2, high=10_000),
        "n": whole("--n", n, high=1_000),
        "d": whole("--d", d, high=10_000),
        "sigma": _positive("--sigma", sigma),
        "activation": activation,
        "weights": weights,
        "dtype": words.dtype(dtype),
        "seed": whole("--seed", seed, low=0, high=2**31),
        "clip": _positive("--clip", clip),
    }
    for option, value, known in (
        ("--activation", activation, ACTIVATIONS),
        ("--weights", weights, WEIGHTS),
        ("--dtype", inputs["dtype"], DTYPES),
    ):
        if value not in known:
            raise unknown(option, value, known)
    steps, hidden = inputs["T"], inputs["n"]
    if steps * hidden**3 > WORK or steps * hidden * (inputs["d"] + hidden) > WORK // 10:
        most = max(1, min(WORK // hidden**3, WORK // 10 // (hidden * (inputs["d"] + hidden))))
        raise InputError(f"--T {steps}: is too much work with --n {hidden} and --d {inputs['d']}; at most {most}")
    require_torch("rnn")
    names = ("T", "n", "d", "sigma", "activation", "weights", "dtype", "seed")
    found = measure(*(inputs[name] for name in names))
    return Recurrence(inputs, found, cost_table(inputs["T"], inputs["n"], inputs["d"]))


def _positive(option: str, value: object) -> float:
    text = str(value).strip()
    number = float(text) if re.fullmatch(r"[0-9]{1,7}(\.[0-9]{0,12})?(e-?[0-9]{1,2})?", text) else 0.0
    if isinstance(value, bool) or not 1e-6 <= number <= 1e6:
        raise InputError(f"{option} {text[:40]!r}: must be a number from 0.000001 to 1000000")
    return number


def _some(most: int) -> list[int]:
    """1, 2, 5, 10, 20, 50 … and the last."""
    found = [step * 10**power for power in range(5) for step in (1, 2, 5) if step * 10**power < most]
    return [*found, most]


def _finite(value: float) -> float | None:
    return value if -inf < value < inf else None


def _plain(log: float) -> float | None:
    """A norm from its logarithm; None where it is beyond floating point."""
    return 10.0**log if -300 < log < 300 else 0.0 if log == -inf else None


def _power(log: float) -> str:
    """A norm as 1.23e-45, from its logarithm, however small or large."""
    if log == -inf:
        return "0"
    exponent = int(log // 1)
    mantissa = f"{10 ** (log - exponent):.2f}"
    if mantissa == "10.00":
        mantissa, exponent = "1.00", exponent + 1
    return f"{mantissa}e{exponent:+03d}"
