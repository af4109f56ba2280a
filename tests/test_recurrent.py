"""Recurrent cells, layers and networks against fvcore and against torch.nn."""

from __future__ import annotations

import itertools

import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vpcalc.algebra import Polynomial, symbols
from vpcalc.architectures import ARCHITECTURES
from vpcalc.checks.crosscheck import Verdict, check_layer, check_model, compare
from vpcalc.cost import Quantity
from vpcalc.counters.fvcore import count
from vpcalc.errors import InputError
from vpcalc.layers import LAYERS
from vpcalc.layers.recurrence import GATES
from vpcalc.reference.recurrence import Cell, RecurrentLayer
from vpcalc.reference.recurrent import Recurrent

TORCH = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
TORCH_CELL = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}
SEQUENCES = {"recurrent": "rnn", "recurrent_lstm": "lstm", "recurrent_gru": "gru"}
CELLS = tuple(GATES)

# Gates and vectors that a cell carries along: from the cells' equations, not from the formulas under test.
FACTS = {"rnn": (1, 1), "lstm": (4, 2), "gru": (3, 1)}

size = st.integers(1, 9)


# -- against fvcore --------------------------------------------------------------------------------


@given(cell=st.sampled_from(CELLS), d=size, n=size, batch=st.integers(1, 3), bias=st.booleans())
@settings(deadline=None, max_examples=20)
def test_cells_agree_with_fvcore(cell: str, d: int, n: int, batch: int, bias: bool) -> None:
    id = f"{cell}_cell"
    dims = {"d": d, "n": n, "batch": batch, "bias": bias}
    report = check_layer(id, LAYERS[id].build(**dims), dims)
    assert report.verdict is Verdict.AGREES, report


@given(
    id=st.sampled_from(list(SEQUENCES)),
    T=st.integers(1, 6),
    d=size,
    n=size,
    batch=st.integers(1, 3),
    bidirectional=st.booleans(),
    bias=st.booleans(),
)
@settings(deadline=None, max_examples=20)
def test_layers_agree_with_fvcore(
    id: str, T: int, d: int, n: int, batch: int, bidirectional: bool, bias: bool
) -> None:
    dims = {"T": T, "d": d, "n": n, "batch": batch, "bidirectional": bidirectional, "bias": bias}
    report = check_layer(id, LAYERS[id].build(**dims), dims)
    assert report.verdict is Verdict.AGREES, report


@pytest.mark.quick(5)
@pytest.mark.parametrize("id", CELLS)
@pytest.mark.parametrize(
    ("T", "batch", "changes"),
    [
        (100, 1, {}),
        (7, 2, {"layers": 3, "bidirectional": "true", "d": 5, "n": 6}),
        (3, 1, {"layers": 2, "bias": "false"}),
    ],
    ids=["native", "three layers in both directions", "without bias"],
)
def test_networks_agree_with_fvcore(id: str, T: int, batch: int, changes: dict[str, object]) -> None:
    architecture = ARCHITECTURES[id]
    config = architecture.configure(changes)
    cost = architecture.cost((T,), config, batch)
    report = check_model(architecture.family.name, cost, (T,), config, batch)
    assert report.verdict is Verdict.AGREES, report


def test_a_planted_mistake_is_caught() -> None:
    """A GRU priced with the gates of an LSTM; a layer priced with one merged bias."""
    dims = {"T": 4, "d": 3, "n": 5}
    wrong = LAYERS["recurrent"].build(**dims, cell="lstm")
    report = check_layer("recurrent_gru", wrong, dims)
    assert {check.quantity for check in report.differing} == {"fvcore", "activations", "params"}
    merged = LAYERS["recurrent"].build(**dims, bias=False)
    report = check_layer("recurrent", merged, dims)
    assert [(check.quantity, check.delta) for check in report.differing] == [("params", 2 * 5)]


def test_fused_lstm_is_no_witness() -> None:
    """fvcore prices aten::lstm at nothing, which must not pass for an answer."""
    counts = count(nn.LSTM(3, 4, batch_first=True), (torch.zeros(1, 5, 3),))
    report = compare(LAYERS["recurrent"].build(5, 3, 4, cell="lstm"), counts)
    assert report.verdict is Verdict.NOT_COMPARABLE
    assert "aten::lstm" in report.reason


# -- against torch.nn ------------------------------------------------------------------------------


def carry_over(source: nn.RNNBase, target: Recurrent) -> None:
    """Copy the weights of torch's network into the witness."""
    suffixes = ("", "_reverse") if source.bidirectional else ("",)
    for number, layer in enumerate(target):
        assert isinstance(layer, RecurrentLayer)
        for cell, suffix in zip(layer.cells, suffixes, strict=True):
            assert isinstance(cell, Cell)
            for mine, theirs in ((cell.from_input, "ih"), (cell.from_hidden, "hh")):
                mine.weight.data = getattr(source, f"weight_{theirs}_l{number}{suffix}").data
                if source.bias:
                    mine.bias.data = getattr(source, f"bias_{theirs}_l{number}{suffix}").data


@pytest.mark.parametrize(
    ("cell", "layers", "bidirectional", "bias"),
    list(itertools.product(CELLS, (1, 3), (False, True), (False, True))),
)
def test_outputs_and_parameters_are_those_of_torch(
    cell: str, layers: int, bidirectional: bool, bias: bool
) -> None:
    d, n, T = 5, 7, 6
    torch.manual_seed(0)
    theirs = TORCH[cell](d, n, layers, bias=bias, batch_first=True, bidirectional=bidirectional).double()
    mine = Recurrent(cell, d, n, layers, bidirectional, bias).double()
    carry_over(theirs, mine)
    x = torch.randn(2, T, d, dtype=torch.float64)
    torch.testing.assert_close(mine(x), theirs(x)[0], rtol=1e-12, atol=1e-12)

    params = sum(p.numel() for p in theirs.parameters())
    assert params == sum(p.numel() for p in mine.parameters())
    config = ARCHITECTURES[cell].configure(
        {"d": d, "n": n, "layers": layers, "bidirectional": bidirectional, "bias": bias}
    )
    assert params == ARCHITECTURES[cell].cost((T,), config).total(Quantity.PARAMS)


@pytest.mark.parametrize("cell", CELLS)
def test_cells_are_those_of_torch(cell: str) -> None:
    d, n = 4, 6
    torch.manual_seed(0)
    theirs = TORCH_CELL[cell](d, n).double()
    mine = Cell(cell, d, n).double()
    for linear, name in ((mine.from_input, "ih"), (mine.from_hidden, "hh")):
        linear.weight.data = getattr(theirs, f"weight_{name}").data
        linear.bias.data = getattr(theirs, f"bias_{name}").data
    x, *state = (torch.randn(3, width, dtype=torch.float64) for width in (d, *[n] * FACTS[cell][1]))
    expected = theirs(x, tuple(state) if len(state) == 2 else state[0])
    expected = expected if isinstance(expected, tuple) else (expected,)
    for got, wanted in zip(mine(x, *state), expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)
    assert LAYERS[f"{cell}_cell"].build(d, n).total(Quantity.PARAMS) == sum(p.numel() for p in theirs.parameters())


# -- closed forms ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("id", "cell"), list(SEQUENCES.items()))
def test_closed_forms(id: str, cell: str) -> None:
    """g(nd + n²) multiply-accumulates a step and g(nd + n² + 2n) parameters, once for all steps."""
    T, d, n = symbols("T d n")
    g = FACTS[cell][0]
    layer = LAYERS[id].build(T, d, n)
    assert layer.total(Quantity.MACS) == g * T * (n * d + n * n)
    assert layer.total(Quantity.PARAMS) == g * (n * d + n * n + 2 * n)
    step = LAYERS[f"{cell}_cell"].build(d, n)
    assert step.total(Quantity.MACS) * T == layer.total(Quantity.MACS)
    assert step.total(Quantity.PARAMS) == layer.total(Quantity.PARAMS)


@given(id=st.sampled_from(list(SEQUENCES)), T=size, d=size, n=size, bidirectional=st.booleans())
@settings(deadline=None, max_examples=15)
def test_symbols_and_numbers_agree(id: str, T: int, d: int, n: int, bidirectional: bool) -> None:
    point = {"T": T, "d": d, "n": n}
    form = LAYERS[id].build(*symbols("T d n"), bidirectional=bidirectional)
    in_sympy = LAYERS[id].build(
        *(sympy.Symbol(name, integer=True, positive=True) for name in point), bidirectional=bidirectional
    )
    at_point = LAYERS[id].build(**point, bidirectional=bidirectional)
    for quantity in Quantity:
        polynomial = form.total(quantity)
        if isinstance(polynomial, Polynomial):
            assert polynomial.value(point) == at_point.total(quantity)
            assert sympy.expand(in_sympy.total(quantity) - polynomial.to_sympy()) == 0


def test_network_on_symbols() -> None:
    """Layers above the first read both directions."""
    T, d, n, L = symbols("T d n L")
    config = {"cell": "lstm", "d": d, "n": n, "layers": L, "bidirectional": True, "bias": True}
    cost = ARCHITECTURES["lstm"].cost((T,), config)
    expected = 2 * 4 * T * (n * d + n * n) + (L - 1) * 2 * 4 * T * (n * 2 * n + n * n)
    assert cost.total(Quantity.MACS) == expected
    numbers = {"T": 5, "d": 3, "n": 4, "L": 3}
    at_point = ARCHITECTURES["lstm"].cost((5,), {**config, "d": 3, "n": 4, "layers": 3})
    assert expected.value(numbers) == at_point.total(Quantity.MACS)


# -- what else is known ----------------------------------------------------------------------------


@pytest.mark.parametrize(("cell", "bidirectional"), list(itertools.product(CELLS, (False, True))))
def test_facts_are_what_the_network_does(cell: str, bidirectional: bool) -> None:
    T, layers, n = 5, 2, 4
    directions = 2 if bidirectional else 1
    config = {"cell": cell, "d": 3, "n": n, "layers": layers, "bidirectional": bidirectional, "bias": True}
    facts = ARCHITECTURES[cell].family.facts
    assert facts is not None
    known = facts(T, **config)

    network = Recurrent(**config)
    cells = [module for module in network.modules() if isinstance(module, Cell)]
    calls = [0] * len(cells)
    for place, module in enumerate(cells):

        def counted(*_: object, place: int = place) -> None:
            calls[place] += 1

        module.from_hidden.register_forward_hook(counted)
    network(torch.zeros(1, T, 3))
    assert calls == [known["sequential_operations"]] * layers * directions
    assert known["max_path_length"] == T
    assert known["dependent_steps"] == (T * layers if bidirectional else T + layers - 1)
    assert known["macs_per_step"] * T == ARCHITECTURES[cell].cost((T,), config).total(Quantity.MACS)
    assert known["state_elements"] == sum(module.vectors * module.n for module in cells)


def test_stages() -> None:
    config = ARCHITECTURES["gru"].configure({"layers": 3, "bidirectional": "true"})
    stages = list(ARCHITECTURES["gru"].cost((9,), config).stages())
    assert [(node.name, node.stage.resolution, node.stage.channels, node.stage.depth) for node in stages] == [
        ("layer 1", (9,), 128, 1),
        ("layers 2 to 3", (9,), 128, 2),
    ]


def test_misuse_is_one_clear_line() -> None:
    with pytest.raises(InputError, match="'lstn' is not known; did you mean lstm"):
        ARCHITECTURES["rnn"].configure({"cell": "lstn"})
    with pytest.raises(InputError, match="'grew' is not known"):
        LAYERS["recurrent"].build(3, 4, 5, cell="grew")
    with pytest.raises(InputError, match="bidirectional=maybe: must be true or false"):
        ARCHITECTURES["rnn"].configure({"bidirectional": "maybe"})
