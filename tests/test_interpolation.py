"""A polynomial is recovered from its values, exactly, and from no fewer."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcalc.algebra import Polynomial, symbols
from vpcalc.algebra.interpolation import divided_differences, interpolate, monomial_coefficients, points, value_at

h, w, C = symbols("h w C")


def values(form: Polynomial, grid: dict[str, tuple[int, ...]]) -> list[int]:
    return [form.value(point) for point in points(grid)]


def test_27_counts_recover_msa() -> None:
    msa = 4 * h * w * C**2 + 2 * (h * w) ** 2 * C
    grid = {"h": (1, 2, 3), "w": (1, 2, 3), "C": (1, 2, 3)}
    assert len(list(points(grid))) == 27
    assert interpolate(grid, values(msa, grid)) == msa


def test_values_on_a_coarse_lattice_give_rational_coefficients() -> None:
    """One convolution of stride 4 and one of stride 32."""
    form = 9 * h * w / 16 + h * w / 1024 + 5
    grid = {"h": (32, 64), "w": (32, 64)}
    assert interpolate(grid, values(form, grid)) == form


@given(
    st.lists(st.lists(st.integers(-(10**12), 10**12), min_size=3, max_size=3), min_size=4, max_size=4),
    st.lists(st.integers(-50, 50), min_size=4, max_size=4, unique=True),
    st.lists(st.integers(1, 1000), min_size=3, max_size=3, unique=True),
)
def test_any_polynomial_is_recovered(table: list[list[int]], rows: list[int], columns: list[int]) -> None:
    """Nodes need be neither in order nor positive."""
    form = sum(
        (number * h**i * w**j for i, row in enumerate(table) for j, number in enumerate(row)), Polynomial({})
    )
    grid = {"h": tuple(rows), "w": tuple(columns)}
    assert interpolate(grid, values(form, grid)) == form


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=6))
def test_any_values_are_taken(counted: list[int]) -> None:
    """Also where they follow no polynomial of a lower degree."""
    grid = {"h": range(1, len(counted) + 1)}
    form = interpolate(grid, counted)
    assert [value_at(form, point) for point in points(grid)] == counted


def test_too_low_a_degree_shows_at_a_point_beyond() -> None:
    """The planted mistake: two nodes for a square."""
    grid = {"h": (1, 2)}
    form = interpolate(grid, values(h**2, grid))
    assert form == 3 * h - 2
    assert value_at(form, {"h": 3}) != 9


def test_the_order_is_that_of_the_points() -> None:
    grid = {"h": (1, 2), "w": (10, 20)}
    assert list(points(grid)) == [{"h": 1, "w": 10}, {"h": 1, "w": 20}, {"h": 2, "w": 10}, {"h": 2, "w": 20}]
    assert interpolate(grid, [10, 20, 11, 21]) == h + w - 1


def test_no_symbol_is_a_number() -> None:
    assert interpolate({}, [7]) == 7
    assert list(points({})) == [{}]


@pytest.mark.parametrize("counted", [[], [1, 2, 3], [1, 2, 3, 4, 5]])
def test_a_wrong_number_of_values_is_refused(counted: list[int]) -> None:
    with pytest.raises(ValueError, match="do not fill a grid"):
        interpolate({"h": (1, 2), "w": (1, 2)}, counted)


def test_a_node_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        interpolate({"h": (2, 2)}, [1, 1])


def test_a_value_off_the_lattice_is_a_fraction() -> None:
    assert value_at(h / 4 + 1, {"h": 2}) == Fraction(3, 2)
    assert value_at(C / h**2, {"h": 3, "C": 2}) == Fraction(2, 9)


def test_in_one_variable() -> None:
    assert divided_differences([0, 1, 2], [1, 2, 5]) == [1, 1, 1]
    assert monomial_coefficients([0, 1, 2], [1, 2, 5]) == [1, 0, 1]
