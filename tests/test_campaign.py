"""The campaign of random configurations: what it draws agrees, and what is planted is found."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vpcalc.algebra.polynomial import constant
from vpcalc.architectures.registry import Architecture
from vpcalc.cost import Cost, Op
from vpcalc.counters.dispatch import DispatchCounts
from vpcalc.execution.prices import PRICES, Product

PATH = Path(__file__).parent.parent / "benchmarks" / "campaign.py"
CAMPAIGN = runpy.run_path(str(PATH), run_name="campaign")


def test_a_case_is_drawn_from_its_number_alone() -> None:
    drawn = CAMPAIGN["drawn"]
    assert drawn(3, 5) == drawn(3, 5)
    assert len({drawn(3, number).model for number in range(60)}) > 12


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", [str(PATH), *words])
    main: Callable[[], int] = CAMPAIGN["main"]
    return main()


def test_everything_agrees_and_a_stopped_campaign_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    results = tmp_path / "cases.jsonl"
    assert run(monkeypatch, "--n", "24", "--results", str(results)) == 0
    assert "0 mismatches" in capsys.readouterr().out
    assert run(monkeypatch, "--n", "40", "--results", str(results), "--resume", "--shard", "1/2") == 0
    numbers = [json.loads(line)["number"] for line in results.read_text(encoding="utf-8").splitlines()]
    assert numbers == [0, 1, 2, 3]


def _in_a_price_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    price, one = PRICES["linear"], constant(1)
    monkeypatch.setitem(PRICES, "linear", lambda *given, **more: [*price(*given, **more), Product(one, one, one)])


def _in_a_description(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = Architecture.cost

    def planted(self: Architecture, *sizes: Any, **more: Any) -> Cost:
        found = cost(self, *sizes, **more)
        return replace(found, ops=(*found.ops, Op("linear", "planted", macs=1)))

    monkeypatch.setattr(Architecture, "cost", planted)


def _in_the_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DispatchCounts, "macs", property(lambda self: sum(self.operators.values()) + 1))


@pytest.mark.parametrize("plant", [_in_a_price_of_the_engine, _in_a_description, _in_the_counter])
def test_a_fault_in_any_of_the_texts_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], plant: Callable[..., None]
) -> None:
    number = next(n for n in range(200) if CAMPAIGN["drawn"](0, n).model == "vit_ti_16")
    assert run(monkeypatch, "--only", str(number)) == 0
    plant(monkeypatch)
    assert run(monkeypatch, "--only", str(number)) == 1
    assert "where the description has" in capsys.readouterr().out
