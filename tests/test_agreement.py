"""The form of a module's run against the form of its layers: equal on a domain, or not, or not known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

import vpcalc
from vpcalc.algebra.polynomial import symbol
from vpcalc.answers import derive as answer
from vpcalc.answers.executed import Executed
from vpcalc.checks.targets import find_target
from vpcalc.cost import Cost
from vpcalc.dims import ceil_div, floor_div
from vpcalc.errors import InputError
from vpcalc.execution.guards import AT_LEAST, Guard
from vpcalc.layers import LAYERS

from .pace import mostly_slow

Plant = Callable[[Cost, Mapping[str, Any]], Cost]


def planted(monkeypatch: pytest.MonkeyPatch, name: str, plant: Plant) -> Executed:
    """What is derived where the description of a target is not what it should be."""

    def find(*_: object, **__: object) -> Any:
        found = find_target(name)
        describe = found.describe
        assert describe is not None
        return replace(found, describe=lambda at: plant(describe(at), at))

    monkeypatch.setattr(answer, "find_target", find)
    found = vpcalc.derive(name)
    assert isinstance(found, Executed)
    return found


def derived(name: str, text: str | None = None, **arguments: object) -> Executed:
    found = vpcalc.derive(name, text, arguments)
    assert isinstance(found, Executed)
    return found


# -- proved -----------------------------------------------------------------------------------------


RUN = ("resnet18", "patch_merging", "vit_ti_16", "vgg11", "pvt_tiny", "pvt_v2_b0", "t5_small")


@pytest.mark.parametrize("name", mostly_slow(RUN, quick=1))
def test_run_and_layers_are_one_form(name: str) -> None:
    found = derived(name)
    assert (found.verdict, found.ok, found.explored.complete) == ("proved", True, True)
    running = [regime for regime in found.to_dict()["regimes"] if "macs" in regime]
    assert {regime["verdict"] for regime in running} == {"proved"}
    assert all(regime["layers"] == {"equal": True, "note": ""} for regime in running)
    assert "same element of the ring" in " ".join(found.tables()[0].notes)


@pytest.mark.slow
def test_most_of_the_range_is_settled_before_runs_are_spent_on_small_grids() -> None:
    """Windows of a small grid are its shorter side, of which there are dozens of regimes."""
    M = 5
    found = derived("swin_t", "1,3,H,W", M=str(M))
    main, first = found.explored.main, 32 * (M - 1) + 1  # from where the last grid has as long sides as a window
    least = [Guard(symbol(side) - first, AT_LEAST) for side in "HW"]
    assert all(region.always(guard, True) for region in main.regions for guard in least)
    assert all(point in main for point in ({"H": first, "W": 4096}, {"H": 1000, "W": first}))
    assert found.to_dict()["verdict"] == "proved"


def test_the_batch_is_a_letter_of_both() -> None:
    found = derived("vit_ti_16", "B,3,H,W")
    assert found.verdict == "proved"
    assert "B" in found.everywhere.polynomial.letters


def test_a_division_that_is_a_condition_is_exact() -> None:
    found = derived("msa", h=14, w=14)
    assert found.domain.text == "a | C"
    assert found.verdict == "proved"


def test_every_value_of_a_setting_that_is_given() -> None:
    assert derived("vit_ti_16", C=64, heads=2, depth=2).verdict == "proved"


# -- not proved --------------------------------------------------------------------------------------


def test_a_target_without_layers_is_executed() -> None:
    found = derived("torch.nn:Linear", "1,N,C", in_features="C", out_features=8)
    assert (found.verdict, dict(found.agreements)) == ("executed", {})


def test_a_term_too_many_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    found = planted(monkeypatch, "resnet18", lambda cost, _: Cost("more", (), (cost, LAYERS["head"].build(1, 1))))
    assert (found.verdict, found.ok) == ("unsettled", False)
    regime = found.to_dict()["regimes"][0]
    layers = regime["layers"]
    assert (layers["equal"], layers["layers"]) == (False, layers["executed"] + 1)
    assert layers["counted"] == layers["executed"]
    assert "as the run" in " ".join(found.tables()[0].notes)


def test_a_side_that_is_rounded_the_wrong_way_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the lattice of the paper's sizes the two are the same."""

    def plant(cost: Cost, at: Mapping[str, Any]) -> Cost:
        off = ceil_div(at["H"], 32) - floor_div(at["H"], 32)
        return Cost("more", (), (cost, LAYERS["head"].build(1, 1) * off))

    found = planted(monkeypatch, "resnet18", plant)
    assert found.verdict == "unsettled"
    (layers,) = (each for each in found.agreements.values())
    assert layers.at is not None
    assert layers.at["H"] % 32


def test_where_the_layers_refuse_nothing_is_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    def plant(cost: Cost, at: Mapping[str, Any]) -> Cost:
        if at["W"] < 40:
            raise InputError("W is too small")
        return cost

    found = planted(monkeypatch, "resnet18", plant)
    assert (found.verdict, found.ok) == ("executed", True)
    assert "the layers refuse: W is too small" in " ".join(found.tables()[0].notes)
