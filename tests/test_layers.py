"""Every layer: formula = fvcore's count of the real module, operator by operator, at any dimensions."""

from __future__ import annotations

from dataclasses import replace

import numpy
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from vpcalc.algebra import Polynomial, symbols
from vpcalc.algebra.polynomial import as_polynomial
from vpcalc.checks import Verdict, check_layer
from vpcalc.cost import Cost, Op, Quantity
from vpcalc.errors import InputError
from vpcalc.layers import LAYERS
from vpcalc.storage.forms import sample_of
from vpcalc.symbolic import layer_on_symbols, symbols_of

BESIDE = ("convolution", "overlapping", "recurrence", "transformer")
"""Files of layers that are tested beside their family."""

NAMES = [
    id
    for id, layer in LAYERS.items()
    if layer.run.__module__.rpartition(".")[2] not in BESIDE
    and id not in ("retention_recurrent", "retention_chunkwise")
]


@st.composite
def dimensions(draw: st.DrawFn) -> dict[str, int]:
    """Any sizes: sides that windows and ratios divide or not, windows larger than the grid, batches."""
    heads = draw(st.integers(1, 4))
    h, w = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    P = draw(st.integers(1, 9))
    return {
        "h": h,
        "w": w,
        "heads": heads,
        "C": heads * draw(st.integers(1, 6)),
        "M": draw(st.integers(1, 9)),
        "R": draw(st.integers(1, min(h, w))),
        "P": P,
        "r": draw(st.integers(1, 4)),
        "H": draw(st.integers(P, 40)),  # at least one patch
        "W": draw(st.integers(P, 40)),
        "N": draw(st.integers(1, 40)),
        "classes": draw(st.integers(1, 10)),
        "batch": draw(st.integers(1, 3)),
    }


@pytest.mark.quick(8)
@pytest.mark.parametrize("id", NAMES)
@given(dims=dimensions(), data=st.data())
def test_formula_is_what_fvcore_counts(id: str, dims: dict[str, int], data: st.DataObject) -> None:
    layer = LAYERS[id]
    others = [name for name in layer.dims if name not in dims]
    picked = layer.pick(dims) | {name: data.draw(st.integers(1, 6), name) for name in others}
    report = check_layer(id, layer.build(**picked), picked)
    assert report.verdict is Verdict.AGREES, str(report)
    assert {check.quantity for check in report.checks} >= {"params"}


def wrong(cost: Cost, kind: str) -> Cost:
    """The same cost with one operator of a kind priced one too high."""
    ops = list(cost.ops)
    place = next(i for i, op in enumerate(ops) if op.kind == kind)
    op: Op = ops[place]
    ops[place] = replace(op, other=op.other + 1, activations=op.activations + 1, params=op.params + 1)
    return replace(cost, ops=tuple(ops))


MISTAKES = [
    ("msa", "linear", {"fvcore linear", "activations linear", "params all"}),
    ("wmsa", "matmul", {"fvcore matmul", "activations matmul", "params all"}),
    ("sra", "conv", {"fvcore conv", "activations conv", "params all"}),
    ("sra", "layer_norm", {"fvcore layer_norm", "activations layer_norm", "params all"}),
    ("linear_sra", "adaptive_avg_pool2d", {"fvcore adaptive_avg_pool2d", "params all"}),
    ("retention", "group_norm", {"fvcore group_norm", "params all"}),
]


@pytest.mark.parametrize(("id", "kind", "named"), MISTAKES)
def test_a_mistake_of_one_is_caught_and_named(id: str, kind: str, named: set[str]) -> None:
    dims = {"h": 8, "w": 12, "C": 12, "heads": 3, "M": 4, "R": 2, "P": 3, "r": 4, "batch": 1}
    picked = LAYERS[id].pick(dims)
    report = check_layer(id, wrong(LAYERS[id].build(**picked), kind), picked)
    assert report.verdict is Verdict.DIFFERS
    assert named <= {f"{check.quantity} {check.operator}" for check in report.differing}
    assert all(abs(check.delta) == 1 for check in report.differing)


h, w, C, M, R, P, a, r = symbols("h w C M R P a r")

PAPERS: dict[str, tuple[str, Polynomial]] = {
    "msa": ("Liu et al. 2021, eq. 1", 4 * h * w * C**2 + 2 * (h * w) ** 2 * C),
    "wmsa": ("Liu et al. 2021, eq. 2", 4 * h * w * C**2 + 2 * M**2 * h * w * C),
    "swmsa": ("Liu et al. 2021, §3.2: shifting costs no product", 4 * h * w * C**2 + 2 * M**2 * h * w * C),
    "talking_heads": (
        "Shazeer et al. 2020: heads² products more for each pair of tokens, twice",
        4 * h * w * C**2 + 2 * (h * w) ** 2 * C + 2 * a**2 * (h * w) ** 2,
    ),
}


@pytest.mark.parametrize("id", PAPERS)
def test_the_papers_equation_is_recovered(id: str) -> None:
    assert layer_on_symbols(id).total(Quantity.MACS) == PAPERS[id][1]


def test_the_papers_numbers_are_recovered() -> None:
    """h = w = 56, C = 96, M = 7 put by hand into equations 1 and 2."""
    n, c = 56 * 56, 96
    msa = LAYERS["msa"].build(56, 56, c, 3).total(Quantity.MACS)
    wmsa = LAYERS["wmsa"].build(56, 56, c, 3, 7).total(Quantity.MACS)
    assert msa == 4 * n * c * c + 2 * n * n * c == 2_003_828_736
    assert wmsa == 4 * n * c * c + 2 * 49 * n * c == 145_108_992


def test_retention_holds_the_papers_allocation() -> None:
    """Sun et al. 2023, §3.1: 8d² parameters in a retention layer."""
    assert layer_on_symbols("retention").total(Quantity.PARAMS) == 8 * C**2


@pytest.mark.parametrize("id", NAMES)
def test_sympy_derives_the_same_form(id: str) -> None:
    """Two algebras, one layer: the canonical form does not depend on our own polynomial."""
    mine = symbols_of(id)
    theirs = {name: p.to_sympy() for name, p in mine.items()}
    for quantity in Quantity:
        ours = LAYERS[id].build(**mine).total(quantity)
        sympys = LAYERS[id].build(**theirs).total(quantity)
        assert sympy.expand(as_polynomial(ours).to_sympy() - sympys) == 0


ON_LATTICE = {"h": 48, "w": 24, "C": 24, "M": 4, "R": 8, "P": 6, "H": 60, "W": 36, "N": 50}


@pytest.mark.parametrize("id", NAMES)
def test_the_closed_form_at_a_point_is_the_figure(id: str) -> None:
    picked = {name: ON_LATTICE.get(name, size) for name, size in sample_of(id).items()}
    point = {next(iter(symbols_of(id)[name].symbols)): value for name, value in picked.items()}
    for quantity in Quantity:
        form = as_polynomial(layer_on_symbols(id).total(quantity))
        assert form.value(point) == LAYERS[id].build(**picked).total(quantity)


def test_arrays_sweep_many_configurations_at_once() -> None:
    sides = numpy.arange(1, 200)
    swept = LAYERS["wmsa"].build(sides, sides, 96, 3, 7).total(Quantity.MACS)
    one_by_one = [LAYERS["wmsa"].build(int(s), int(s), 96, 3, 7).total(Quantity.MACS) for s in sides]
    assert swept.tolist() == one_by_one


def test_padding_a_window_is_counted_and_said() -> None:
    cost = LAYERS["wmsa"].build(13, 50, 96, 3, 7)
    assert cost.total(Quantity.MACS) == LAYERS["wmsa"].build(14, 56, 96, 3, 7).total(Quantity.MACS)
    assert [(t.tile, t.size) for t in cost.tilings] == [(7, 13), (7, 50)]


@pytest.mark.parametrize("id", ["msa", "wmsa", "sra", "linear_sra", "retention"])
def test_heads_must_divide_the_width(id: str) -> None:
    dims = {"h": 8, "w": 8, "C": 96, "heads": 5, "M": 4, "R": 2, "P": 3}
    with pytest.raises(InputError, match="heads = 5 does not divide C = 96"):
        LAYERS[id].build(**LAYERS[id].pick(dims))


def test_a_reduction_larger_than_the_grid_is_refused() -> None:
    with pytest.raises(InputError, match="R = 9 is larger than the grid 8x8"):
        LAYERS["sra"].build(8, 8, 96, 3, 9)
