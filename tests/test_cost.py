"""The cost tree adds up, and its conventions do not mix."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcalc import ops
from vpcalc.cost import Cost, Quantity
from vpcalc.layers import LAYERS

leaves = st.builds(
    lambda rows, width, times: (
        Cost("leaf", (ops.linear("x", rows, width, 2), ops.layer_norm("y", rows, width))) * times
    ),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 4),
)
trees = st.recursive(
    leaves,
    lambda children: st.builds(lambda kids: Cost("n", children=tuple(kids)), st.lists(children, max_size=3)),
)


@given(trees, trees)
def test_costs_add(left: Cost, right: Cost) -> None:
    for quantity in Quantity:
        assert (left + right).total(quantity) == left.total(quantity) + right.total(quantity)


@given(trees, st.integers(1, 5))
def test_repeating_multiplies(tree: Cost, times: int) -> None:
    for quantity in Quantity:
        assert (tree * times).total(quantity) == times * tree.total(quantity)


@given(trees)
def test_operators_sum_to_the_total(tree: Cost) -> None:
    for quantity in Quantity:
        assert sum(tree.by_operator(quantity).values()) == tree.total(quantity)


def test_a_cost_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        LAYERS["msa"].build(4, 4, 8, 2).name = "other"  # type: ignore[misc]


def test_a_figure_needs_its_convention() -> None:
    with pytest.raises(AttributeError):
        LAYERS["msa"].build(4, 4, 8, 2).total("macs")  # type: ignore[arg-type]
