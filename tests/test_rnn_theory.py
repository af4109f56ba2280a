"""Gradients through time: ways to compute them counted exactly, experiments, and the command."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import vpcalc
from vpcalc.algebra import symbols
from vpcalc.algebra.parser import parse
from vpcalc.answers.rnn import _power
from vpcalc.checks.proof import Interpolation
from vpcalc.cost import Quantity
from vpcalc.errors import InputError
from vpcalc.findings import Finding
from vpcalc.layers import LAYERS
from vpcalc.statements import cell_gradients, unrolled
from vpcalc.statements.rnn_algorithms import TEXTBOOK, WAYS, memory, problem, run
from vpcalc.statements.rnn_costs import _count, _domain, _peak, macs_form, memory_form, nearest_root
from vpcalc.statements.unrolled import ACTIVATIONS

from .conftest import Run

# -- cost -------------------------------------------------------------------------------------------


@given(
    segments=st.integers(1, 4),
    b=st.integers(1, 4),
    n=st.integers(1, 4),
    d=st.integers(1, 4),
    seed=st.integers(0, 9),
)
@settings(deadline=None, max_examples=25)
def test_every_way_gives_the_gradient_at_the_cost_of_its_formula(
    segments: int, b: int, n: int, d: int, seed: int
) -> None:
    T = max(2, segments * b)
    b = b if T % b == 0 else 1
    given_problem = problem(T, n, d, seed)
    expected = run("reverse", given_problem)[0]
    for way, (_, formula) in WAYS.items():
        gradient, tally = run(way, given_problem, b)
        dims = (T, n, d, b) if way == "checkpointed" else (T, n, d)
        assert gradient == expected
        assert tally.macs == formula(*dims).total(Quantity.MACS)
        assert tally.peak == memory(way, T, n, d, b)


def test_known_figures() -> None:
    # T = 3 steps, n = 2, d = 1, by hand: one J J of 8; two δ∏ of 4; three outer products of 2
    assert run("as_printed", problem(3, 2, 1))[1].macs == 8 + 8 + 6
    assert run("reverse", problem(3, 2, 1))[1].macs == 8 + 6
    # forward mode: two products (2 x 2)(2 x 2), three outer products, one (1 x 2)(2 x 2)
    assert run("forward_mode", problem(3, 2, 1))[1].macs == 16 + 6 + 4


@pytest.mark.parametrize("way", list(WAYS))
def test_formulas_are_what_is_written_by_hand_and_run_on_sympy(way: str) -> None:
    macs, kept = TEXTBOOK[way]
    assert macs_form(way) == parse(macs)
    assert memory_form(way) == parse(kept)
    T, n, d, b = sympy.symbols("T n d b", positive=True, integer=True)
    dims = (T, n, d, b) if way == "checkpointed" else (T, n, d)
    assert sympy.expand(WAYS[way][1](*dims).total(Quantity.MACS) - macs_form(way).to_sympy()) == 0


@pytest.mark.parametrize("way", list(WAYS))
def test_a_count_that_is_off_by_one_is_refuted(way: str) -> None:
    from functools import partial

    domain = _domain(way, cubic=True)
    wrong = Interpolation(lambda: macs_form(way), lambda sizes: _count(way, sizes) + 1, domain, TEXTBOOK[way][0])
    assert wrong.settle().verdict is Finding.UNSETTLED
    right = Interpolation(lambda: memory_form(way), partial(_peak, way), _domain(way, False), TEXTBOOK[way][1])
    assert right.settle().verdict is Finding.IDENTIFIED


def test_degrees_in_the_steps() -> None:
    assert {way: macs_form(way).degree("T") for way in WAYS} == {
        "as_printed": 2,
        "row_first": 2,
        "shared_products": 1,
        "reverse": 1,
        "forward_mode": 1,
        "checkpointed": 1,
    }


def test_what_is_computed_again_is_less_than_the_forward_pass() -> None:
    T, n, d = symbols("T n d")
    forward = LAYERS["recurrent"].build(T, d, n).total(Quantity.MACS)
    again = macs_form("checkpointed") - macs_form("reverse")
    assert again == forward - forward / symbols("b")[0]


@pytest.mark.parametrize(("T", "best"), [(1, 1), (16, 4), (100, 10), (12, 3), (13, 1)])
def test_the_best_segment(T: int, best: int) -> None:
    assert nearest_root(T) == best


# -- the algebra ------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
def test_terms_are_autograds(activation: str, weights: str) -> None:
    net = unrolled.network(15, 6, 4, 0.9, activation, weights=weights, seed=4)
    for ours, theirs in zip(unrolled.printed_terms(net), unrolled.autograd_terms(net), strict=True):
        errors = [error for error in unrolled.term_errors(ours, theirs) if error is not None]
        assert len(errors) >= 14  # the first term for W is zero: s_0 is
        assert max(errors) < 1e-12


def test_terms_add_up_to_the_gradient() -> None:
    net = unrolled.network(10, 5, 3, 1.2, seed=1)
    U = net.U.clone().requires_grad_()
    state = net.states[0]
    for x in net.xs:
        state = torch.tanh(U @ x + net.W @ state)
    net.readout(state).backward()
    assert torch.allclose(unrolled.printed_terms(net)[0].sum(0), U.grad, rtol=1e-12, atol=0)


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
def test_sigma_is_the_largest_singular_value(weights: str) -> None:
    net = unrolled.network(2, 20, 3, 1.7, weights=weights)
    assert float(torch.linalg.matrix_norm(net.W, 2)) == pytest.approx(1.7, rel=1e-12)


def test_norms_neither_vanish_nor_overflow() -> None:
    half, ten = torch.eye(3, dtype=torch.float64) / 2, 10 * torch.eye(3, dtype=torch.float64)
    assert unrolled.log_norms([half] * 2000)[-1] == pytest.approx(2000 * -0.30102999566398)
    assert unrolled.log_norms([ten] * 500)[-1] == pytest.approx(500)
    assert unrolled.log_norms([ten, 0 * ten, ten]) == [1.0, float("-inf"), float("-inf")]
    assert unrolled.growth(unrolled.log_norms([half] * 7)) == pytest.approx(0.5)
    assert unrolled.growth(unrolled.log_norms([half])) == pytest.approx(0.5)


def test_errors_are_not_given_where_floating_point_ends() -> None:
    ones = torch.ones(1, 2, 2, dtype=torch.float64)
    assert unrolled.term_errors(ones * 1e-320, ones * 1e-320) == [None]
    assert unrolled.term_errors(ones * float("inf"), ones * float("inf")) == [None]
    assert unrolled.term_errors(ones * 1e-250 * 1.5, ones * 1e-250) == [pytest.approx(0.5)]


def test_products_of_whole_jacobians_are_autograds() -> None:
    """∂(h, c)_T/∂(h, c)_1 of the reference LSTM over several steps, from the product of our Jacobians."""
    steps, Ws = cell_gradients.lstm_run(4, 3, 6, seed=3)
    product = torch.eye(8, dtype=torch.float64)
    for J in cell_gradients.lstm_jacobians(steps, Ws)[1:]:
        product = J @ product
    cell, xs = cell_gradients._cell("lstm", 3, 4, 3), cell_gradients._inputs(6, 3, 3)

    def rest(state: torch.Tensor) -> torch.Tensor:
        h, c = state[None, :4], state[None, 4:]
        for x in xs[1:]:
            h, c = cell(x[None], h, c)
        return torch.cat((h[0], c[0]))

    with torch.no_grad():
        h, c = cell(xs[:1], torch.zeros(1, 4, dtype=torch.float64), torch.zeros(1, 4, dtype=torch.float64))
    true = torch.autograd.functional.jacobian(rest, torch.cat((h[0], c[0])))  # type: ignore[no-untyped-call]
    assert float((product - true).norm() / true.norm()) < 1e-12


# -- the answer -------------------------------------------------------------------------------------


def test_the_contract() -> None:
    found = json.loads(json.dumps(vpcalc.rnn(T=20, n=8, d=4).to_dict(), allow_nan=False))
    assert found["command"] == "rnn"
    assert found["inputs"]["sigma"] == 1.1
    assert [entry["lag"] for entry in found["norms"]] == list(range(1, 20))
    assert [entry["k"] for entry in found["terms"]] == list(range(1, 21))
    assert found["largest_error"] < 1e-12
    assert all(entry["norm"] <= entry["bound"] * (1 + 1e-9) for entry in found["norms"])
    reverse = next(cost for cost in found["costs"] if cost["way"] == "reverse")
    assert reverse["macs"] == 19 * 64 + 20 * 32
    assert reverse["kept"] == 21 * 8


@pytest.mark.parametrize(
    ("options", "theorem", "measured"),
    [
        ({"sigma": 0.9}, "vanishing", "vanishing"),
        ({"sigma": 1.1}, "undecided", "vanishing"),
        ({"sigma": 3.9, "activation": "sigmoid"}, "vanishing", "vanishing"),
        ({"sigma": 8, "n": 32}, "undecided", "exploding"),
        ({"sigma": 1.1, "activation": "identity", "weights": "orthogonal"}, "exploding", "exploding"),
        ({"sigma": 1.0, "activation": "identity", "weights": "orthogonal"}, "steady", "steady"),
        ({"sigma": 1.0}, "not exploding", "vanishing"),  # more than 1 is necessary
        ({"sigma": 1.2, "activation": "identity"}, "vanishing", "vanishing"),  # σ₁ > 1 but ρ < 1
        ({"sigma": 2, "activation": "relu", "n": 1, "d": 1}, "exploding", "exploding"),
    ],
)
def test_verdicts(options: dict[str, Any], theorem: str, measured: str) -> None:
    result = vpcalc.rnn(**{"T": 40, "n": 16, "d": 8, **options})
    assert not any("{" in series.label for series in result.figure().series)
    assert (result.judgement.theorem, result.judgement.measured) == (theorem, measured)
    assert result.ok


def test_the_same_seed_gives_the_same_and_another_does_not() -> None:
    one, two, three = (vpcalc.rnn(T=8, n=4, d=2, seed=seed).to_dict() for seed in (5, 5, 6))
    assert one == two
    assert one["norms"] != three["norms"]


def test_random_state_and_threads_are_left_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    threads = torch.get_num_threads()
    vpcalc.rnn(T=4, n=4, d=2)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    assert torch.get_default_dtype() is torch.float32


def test_clipping() -> None:
    result = vpcalc.rnn(T=20, n=8, d=4, sigma=1.5, activation="identity", weights="orthogonal", clip=2)
    assert result.found.gradient > 2
    assert result.clipped == 2


def test_beyond_floating_point() -> None:
    result = vpcalc.rnn(T=90, n=4, d=2, sigma=1000, activation="identity")
    found = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert found["clipping"]["before"] is None
    assert found["norms"][-1]["log10_norm"] > 200
    assert result.ok
    with pytest.raises(InputError, match="overflow"):
        vpcalc.rnn(T=90, n=4, d=2, sigma=100000, activation="identity")


def test_in_float32() -> None:
    result = vpcalc.rnn(T=20, n=8, d=4, dtype="float32")
    assert result.ok
    error = result.largest_error
    assert error is not None
    assert 1e-9 < error < 1e-4


def test_a_gradient_that_is_wrong_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        unrolled, "printed_terms", lambda net: tuple(1.001 * t for t in unrolled.autograd_terms(net))
    )
    result = vpcalc.rnn(T=6, n=4, d=2)
    assert not result.ok
    assert any("differ" in str(row) for row in result.tables()[1].rows)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"T": 1}, "--T 1: must be a whole number from 2 to 10000"),
        ({"T": "1e3"}, "--T '1e3': must be a whole number"),
        ({"n": 0}, "--n 0"),
        ({"d": -1}, "--d '-1'"),
        ({"sigma": "0"}, "--sigma '0': must be a number from"),
        ({"sigma": "nan"}, "--sigma 'nan'"),
        ({"sigma": "1e9"}, "--sigma '1e9'"),
        ({"sigma": True}, "--sigma 'True'"),
        ({"clip": "-1"}, "--clip '-1'"),
        ({"activation": "tan"}, "did you mean tanh"),
        ({"dtype": "float16"}, "--dtype 'float16' is not known"),
        ({"weights": "uniform"}, "known: gaussian, orthogonal"),
        ({"seed": "x"}, "--seed 'x'"),
        ({"T": 5000, "n": 200}, "--T 5000: is too much work with --n 200 and --d 32; at most 125"),
    ],
)
def test_bad_input(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        vpcalc.rnn(**options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("log", "written"),
    [(0.0, "1.00e+00"), (-300.5, "3.16e-301"), (400.0, "1.00e+400"), (-1e-9, "1.00e+00"), (float("-inf"), "0")],
)
def test_powers(log: float, written: str) -> None:
    assert _power(log) == written


# -- the command line -------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_command(inside: Run, tmp_path: Path) -> None:
    done = inside("rnn", "--T", "30", "--n", "8", "--d", "4", "--sigma", "0.9")
    assert (done.returncode, done.stderr) == (0, "")
    assert "γσ₁ = 0.9 < 1 is sufficient" in done.stdout
    rows = list(csv.DictReader(io.StringIO(inside("rnn", "--T", "30", "--n", "8", "--format", "csv").stdout)))
    assert [row["lag"] for row in rows] == [str(lag) for lag in range(1, 30)]
    bad = inside("rnn", "--sigma", "big", "--output", str(tmp_path / "x"))
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr == "vpcalc: --sigma 'big': must be a number from 0.000001 to 1000000\n"
    assert list(tmp_path.iterdir()) == []


def test_the_plot(inside: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "norms.svg"
    done = inside("rnn", "--T", "10", "--n", "4", "--d", "2", "--plot", str(path), "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["command"] == "rnn"
    assert path.read_bytes().startswith(b"<?xml")


@pytest.mark.slow
def test_theory_on_the_command_line(inside: Run) -> None:
    listed = inside("theory", "feedforward", "--format", "json")
    assert json.loads(listed.stdout)["statements"][0]["verdict"] == "proved"
    shown = inside("theory", "linear_collapse", "--format", "latex")
    assert r"W_2 W_1" in shown.stdout
    wrong = inside("theory", "linear_colapse")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "did you mean linear_collapse" in wrong.stderr


def test_a_marker_in_a_document_writes_no_plot(tmp_path: Path) -> None:
    from vpcalc.cli.inprocess import run as in_document

    with pytest.raises(InputError, match="writes no file"):
        in_document(["rnn", "--T", "3", "--plot", str(tmp_path / "x.png")], tmp_path)
    assert list(tmp_path.iterdir()) == []
