"""Planted faults: what is planted, and that a test which sees one says so."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PATH = Path(__file__).parent.parent / "benchmarks" / "mutants.py"
MUTANTS: dict[str, Any] = runpy.run_path(str(PATH), run_name="mutants")

FAULT = "+ return self.numerator.at(values) * self.divisor.at(values)"


@pytest.mark.parametrize(
    ("source", "mutants"),
    [
        ("a < b", ["a <= b"]),
        ("x = a + (b)", ["x = a - (b)"]),
        ("x = 'é' * 2, a // b", ["x = 'é' * 3, a // b", "x = 'é' * 2, a * b"]),
        ("x = not a", ["x = a"]),
        ("x = a and b", ["x = a or b"]),
        ("x = True", ["x = False"]),
        ("x = min(a, b)", ["x = max(a, b)"]),
        ("note(a)", ["None"]),
        ("x = f(a, k=b, l=c)", ["x = f(a,  l=c)", "x = f(a, k=b, )"]),
        ("if f(a): x = b", ["if (not f(a)): x = b"]),
        ("x = [a for a in b if a.c]", ["x = [a for a in b if True]"]),
        ("raise ValueError(1 + 2)", []),
        ("assert a < b", []),
        ("x = zip(a, b, strict=True)", []),
        ("@cached(size=3)\ndef f(a: 3 = b) -> 4: 'text'", []),
        ("if TYPE_CHECKING: x = 1", []),
    ],
)
def test_what_is_planted(source: str, mutants: list[str]) -> None:
    faults = MUTANTS["Source"]("vpcalc/x.py", source).faults()
    assert [fault.planted for fault in faults] == mutants


def test_faults_are_drawn_from_the_seed_and_are_programs() -> None:
    drawn = MUTANTS["drawn"]
    found = drawn(["algebra", "layers"], 9, 1)
    assert found == drawn(["algebra", "layers"], 9, 1)
    assert found != drawn(["algebra", "layers"], 9, 2)
    assert {room for room, _ in found} == {"algebra", "layers"}


def test_the_tests_that_have_the_files_name_are_asked_first() -> None:
    fault = next(each for each in MUTANTS["places"]("algebra") if each.path.endswith("floors.py"))
    first, every = MUTANTS["Tests"](None).of("algebra", fault)
    assert first == ["tests/test_floors.py"]
    assert len(every) == len(MUTANTS["ROOMS"]["algebra"].split())


@pytest.mark.slow
@pytest.mark.parametrize(("tests", "said"), [("floors", "noticed"), ("report", "unseen")])
def test_a_fault_is_seen_by_the_tests_that_look(
    tests: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A floor that multiplies, of which tests of tables know nothing."""
    places = MUTANTS["places"]("algebra")
    fault = next(
        each for each in places if each.path.endswith("floors.py") and FAULT in MUTANTS["difference"](each)
    )
    monkeypatch.setitem(MUTANTS["ROOMS"], "algebra", tests)
    results = tmp_path / "results.jsonl"
    words = ["--room", "algebra", "--only", fault.id, "--jobs", "1", "--most", "0", "--results", str(results)]
    monkeypatch.setattr(sys, "argv", [str(PATH), *words])
    main: Callable[[], int] = MUTANTS["main"]
    assert main() == (said == "unseen")
    printed = capsys.readouterr().out
    assert printed.startswith(said)
    assert (fault.id in printed) == (said == "unseen")
    assert main() == (said == "unseen"), "as it was written down, and not run again"
    assert capsys.readouterr().out == printed
