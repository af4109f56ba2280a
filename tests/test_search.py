"""Counting at points: what a module does along a symbol of any kind, found and not listed, idle or under load."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from random import Random
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vpcalc.algebra.interpolation import value_at
from vpcalc.answers.derive import Derivation
from vpcalc.answers.derive import derive as derive_by_any_way
from vpcalc.checks.chance import Box, Chance
from vpcalc.checks.effort import StoppedError, brake, operators
from vpcalc.checks.probing import Prober
from vpcalc.checks.reach import Reach, Section
from vpcalc.checks.search import DRAWS, Found
from vpcalc.checks.strides import Strides, coarse_strides, periods
from vpcalc.checks.targets import find_target

Forward = Callable[["Probe", Tensor], Tensor]
derive = partial(derive_by_any_way, counting=True)


class Probe(nn.Module):
    """Two linear maps of 8 columns and whatever is done with them; the rows are the symbol."""

    def __init__(self, forward: Forward, side: int) -> None:
        super().__init__()
        self.does, self.side = forward, side
        self.wide, self.thin = nn.Linear(8, 8, bias=False), nn.Linear(8, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.does(self, x.movedim(self.side, -2))


def cap(most: int) -> Forward:
    return lambda self, x: self.wide(x[..., :most, :])


def band(rows: int) -> Forward:
    return lambda self, x: x[..., -min(rows, x.shape[-2]) :, :] @ x.mT


def chunks(rows: int) -> Forward:
    return lambda self, x: torch.cat(
        [self.thin(part + self.wide(part.mean(-2, True))) for part in x.split(rows, -2)], -2
    )


def padded(multiple: int) -> Forward:
    return lambda self, x: self.wide(F.pad(x, (0, 0, 0, -x.shape[-2] % multiple)))


def windows(rows: int) -> Forward:
    def forward(self: Probe, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, 0, -x.shape[-2] % rows)).reshape(-1, rows, 8)
        return x @ x.mT

    return forward


def table(rows: int) -> Forward:
    return lambda self, x: self.wide(x + torch.zeros(rows, 8, device=x.device)[: x.shape[-2]])


def branch(rows: int) -> Forward:
    return lambda self, x: self.thin(x) if x.shape[-2] > rows else self.wide(x)


KINDS: list[tuple[str, Forward, str, str]] = [
    ("cap 100", cap(100), "6400", "N ≥ 100"),
    ("cap 4000", cap(4000), "256000", "N ≥ 4000"),
    ("band", band(128), "1024N", "N ≥ 128"),
    *((f"padded {n}", padded(n), "64N", f"N a multiple of {n}") for n in (48, 50, 100, 3, 14)),
    ("windows", windows(77), "616N", "N a multiple of 77"),
    *((f"table {n}", table(n), "64N", f"N ≤ {n}") for n in (77, 512, 1000)),
    ("branch", branch(3000), "16N", "N ≥ 3001"),
]


def shown(result: Derivation) -> tuple[str, str]:
    return str(result), result.condition


@pytest.mark.quick(3)
@pytest.mark.parametrize(("side", "shape"), [(0, "N,8"), pytest.param(1, "1,N,8", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("forward", "text", "condition"), [kind[1:] for kind in KINDS], ids=[k[0] for k in KINDS])
def test_every_side_is_tried_far_away(forward: Forward, text: str, condition: str, side: int, shape: str) -> None:
    result = derive(Probe(forward, side), shape)
    assert shown(result) == (text, condition)
    assert result.ok


@pytest.mark.quick(3)
@pytest.mark.parametrize("stride", [30, 50, 7, 17, 97])
def test_a_stride_is_found_and_not_listed(stride: int) -> None:
    result = derive(nn.Conv1d(4, 4, stride, stride=stride, bias=False), "1,4,N")
    assert shown(result) == ("16N", f"N a multiple of {stride}")


def test_a_chance_line_is_not_the_form() -> None:
    """floor(n/1009) is a line on each 1008th size for a thousand steps; no stride of ours is its multiple."""
    result = derive(nn.Conv1d(4, 4, 1009, stride=1009, bias=False), "1,4,N")
    assert result.macs is None


@pytest.mark.quick(2)
@pytest.mark.parametrize("stride", [30, 14, 17])
def test_strides_of_an_image(stride: int) -> None:
    result = derive(nn.Conv2d(3, 4, stride, stride=stride, bias=False), "1,3,H,W")
    assert shown(result) == ("12HW", f"H and W multiples of {stride}")


class Sides(nn.Module):
    """Other strides for height and width, and a branch for wide images."""

    def __init__(self) -> None:
        super().__init__()
        self.full, self.thin = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.Conv2d(3, 4, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, -x.shape[3] % 48, 0, -x.shape[2] % 50))
        return self.thin(x) if x.shape[3] > 3000 else self.full(x)


def test_the_sides_of_an_image_are_two() -> None:
    result = derive(Sides(), "1,3,H,W")
    assert shown(result) == ("12HW", "H a multiple of 50; W a multiple of 48; W ≥ 3024")


def test_a_branch_on_a_product_is_a_box_inside_it() -> None:
    """The form of large products, from sizes at which the product is large; it is not the largest such region."""
    result = derive(
        Probe(lambda self, x: self.thin(x) if x.shape[0] * x.shape[1] > 3000 else self.wide(x), 1), "N,M,8"
    )
    assert str(result) == "16MN"
    assert isinstance(result.found, Found)
    start = result.found.start
    assert start["N"] * start["M"] > 3000


def test_where_it_stops_is_said() -> None:
    result = derive(Probe(table(512), 1), "1,N,8")
    assert isinstance(result.found, Found)
    assert result.found.limits == {"N": 512}
    assert "N = 513" in result.found.edges["N"]
    assert any(note.startswith("beyond N = 512 it does not run: ") for note in result.tables()[0].notes)
    assert max(point["N"] for point in result.found.held_out) == 512


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "text"), [(4, "32N"), (32, "18N")])
@pytest.mark.parametrize(("side", "shape"), [(0, "N,8"), (1, "1,N,8")])
def test_a_loop_is_held_back_by_its_operators_and_says_so(rows: int, text: str, side: int, shape: str) -> None:
    result = derive(Probe(chunks(rows), side), shape)
    assert isinstance(result.found, Found)
    assert shown(result) == (text, f"N a multiple of {rows}; N ≤ {result.found.tried['N']}")
    assert result.found.tried["N"] >= 100 * rows
    assert "operators" in result.found.held_back["N"]
    assert f"N was tried up to {result.found.tried['N']} only" in " ".join(result.tables()[0].notes)


class Pairs(nn.Module):
    """A constructor that lists all pairs of positions in Python, as LeViT's does: no operator shows its work."""

    def __init__(self, N: int) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 4, bias=False)
        self.pairs = sum(abs(i - j) for i in range(N) for j in range(N))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


def test_a_constructor_without_operators_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpcalc.checks.probing.MOST_CALLS", 200_000)
    result = derive(Pairs, "1,N,8", {"N": "N"})
    assert str(result) == "32N"
    assert isinstance(result.found, Found)
    assert "200,000 calls" in result.found.held_back["N"]


def test_the_answer_does_not_depend_on_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clocks that run a thousand times as fast, or backwards, change nothing but the seconds."""

    def answer() -> dict[str, object]:
        return {k: v for k, v in derive(Probe(padded(48), 0), "N,8").to_dict().items() if k != "seconds"}

    before = answer()
    for factor in (1000.0, -1000.0):
        for clock in ("time", "perf_counter", "process_time", "monotonic"):
            honest = getattr(time, clock)
            monkeypatch.setattr(time, clock, lambda honest=honest, factor=factor: factor * honest())
        assert answer() == before
        monkeypatch.undo()


# -- the parts ------------------------------------------------------------------------------------------------


def test_the_brake_counts_calls() -> None:
    with brake(10_000):
        assert sum(map(abs, range(-100, 100))) == 10_000
    with pytest.raises(StoppedError), brake(10):
        sum(abs(i) for i in range(100))
    sum(abs(i) for i in range(100))  # taken off again


def test_operators_are_those_of_the_run() -> None:
    target = find_target(Probe(chunks(4), 1), "1,N,8")
    counts = Prober(target, target.regimes[0], False).counts
    each = operators(counts({"N": 8})) - operators(counts({"N": 4}))
    assert each > 4  # a mean, two products, a sum
    assert operators(counts({"N": 400})) - operators(counts({"N": 4})) == 99 * each


def test_each_row_that_is_taken_apart_is_a_step() -> None:
    """A million of them take as long as a loop, though one operator makes them."""
    target = find_target(Probe(lambda self, x: self.thin(x.unbind(-2)[0]), 1), "1,N,8")
    counts = Prober(target, target.regimes[0], False).counts
    assert operators(counts({"N": 400})) - operators(counts({"N": 4})) == 396


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("chunk", [100, 128])
def test_a_loop_over_chunks_within_a_short_reach(chunk: int, seed: int) -> None:
    """Up to 8192 the square of the last chunk is one polynomial on multiples of 896 or of 126, by chance."""

    class Counts:
        def __init__(self, n: int) -> None:
            self.macs = 64 * n + 16 * (n // chunk * chunk**2 + (n % chunk) ** 2)
            self.calls, self.free, self.unknown, self.parts = {"mm": 8 * -(-n // chunk)}, {}, {}, 0

    class Along(Section):
        def counts(self, size: int, braked: bool = False) -> Any:
            return Counts(size)

    target = find_target(Probe(chunks(4), 1), "1,N,8")
    section = Along(Prober(target, target.regimes[0], False), target.variables[0], {})
    line = Strides(section, Reach(8192, held_back="too many operators"), Random(seed), lambda *_: None).find()
    assert line is not None
    assert (line.stride, line.degree) == (chunk, 1)


@pytest.mark.parametrize(
    "stride", [*range(1, 13), 14, 16, 30, 32, 48, 50, 64, 77, 100, 224, 320, 384, 448, 512, 960]
)
def test_some_coarse_stride_has_it_as_a_divisor(stride: int) -> None:
    assert any(coarse % stride == 0 for coarse in coarse_strides(2**20 // 6))


def test_coarse_strides_are_in_range() -> None:
    for most in (1, 5, 85, 4096):
        assert all(0 < stride <= most for stride in coarse_strides(most))


def test_periods_of_consecutive_counts() -> None:
    window = range(1000, 1100)
    assert periods([480 * (n // 30) for n in window], 3) == [30]
    assert periods([n * n * (n // 7) for n in window], 3) == [7]
    assert periods([5 * n**2 for n in window], 3) == [1]
    assert periods([Random(n).randint(1, 10**6) for n in window], 3) == []
    assert periods([480 * (n // 80) for n in window], 3) == []  # the window is too short to show it


def test_the_bound_is_schwartz_and_zippel() -> None:
    wide = Chance({"H": 3, "W": 3}, {"H": 32768, "W": 32768}, 8)
    assert (wide.spelled, wide.bound) == ("(6/32768)^8", Fraction(6, 32768) ** 8)
    assert Chance({"n": 6}, {"n": 6}, 8).spelled == "1"  # any six sizes may be the roots
    steps = Chance(
        {"T": 1, "d": 1, "n": 2}, {"T": 10, "d": 300, "n": 300}, 4
    )  # few sizes of one count for it alone
    assert (steps.spelled, steps.bound) == ("(1/10 + 3/300)^4", Fraction(11, 100) ** 4)


def test_the_bound_is_met_by_the_worst_polynomial() -> None:
    """(n − 1)(n − 2)(n − 3) on ten sizes passes as zero three times in ten, and at two draws nine in a hundred."""
    box = Box({"n": 1}, {"n": 10}, {"n": 1})
    draws = box.draws(Random(0))
    passed = sum(all(next(draws)["n"] <= 3 for _ in range(2)) for _ in range(20_000))
    assert abs(passed / 20_000 - Chance({"n": 3}, box.sizes, 2).bound) < Fraction(1, 100)


def test_draws_are_of_the_lattice_and_the_same_again() -> None:
    box = Box({"H": 64, "W": 32}, {"H": 640, "W": 4096}, {"H": 64, "W": 32})
    assert box.sizes == {"H": 10, "W": 128}
    points = [next(draws) for draws in [box.draws(Random("seed"))] for _ in range(200)]
    again = box.draws(Random("seed"))
    assert points == [next(again) for _ in points]
    assert all(map(box.contains, points))
    assert {point["H"] for point in points} == set(range(64, 641, 64))
    assert not box.contains({"H": 96, "W": 32})
    near = box.near(Random("seed"))
    few = [next(near)["W"] for _ in range(400)]
    assert all(32 <= size <= 4096 and size % 32 == 0 for size in few)
    assert sum(size < 512 for size in few) > 100  # half of all powers of two lie below


def test_the_hypothesis_is_kept_and_printed() -> None:
    result = derive(nn.Conv2d(3, 8, 3, padding=1), "1,3,H,W")
    found = result.to_dict()
    assert found["degree"] == {"H": 3, "W": 3}
    assert found["draws"] == DRAWS
    sizes = 2**20 // 224 * 224 + 0
    assert found["tried"] == {"H": sizes, "W": sizes}
    assert found["error_bound"] == f"(6/{sizes})^{DRAWS}"
    assert found["error_bound"] in " ".join(result.tables()[0].notes)
    assert isinstance(result.found, Found)
    drawn = [p for p in result.found.held_out if min(p.values()) > 1000]
    assert len(drawn) >= DRAWS
    assert all(value_at(result.found.macs, point) == 216 * point["H"] * point["W"] for point in drawn)


class Blocks(nn.Module):
    """Windows of 128 rows one after the other, with much work between: few windows can be afforded."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        parts = F.pad(x, (0, 0, 0, -x.shape[-2] % 128)).split(128, -2)
        for _ in range(40):
            parts = [part.relu() + part for part in parts]
        return torch.cat([part @ part.mT @ self.linear(part) for part in parts], -2)


@pytest.mark.slow
def test_few_multiples_are_no_chance_line() -> None:
    """240·k for k up to 8 drifts by 16 a step against 128, and just misses every jump: not the stride."""
    result = derive(Blocks(), "1,N,8")
    assert isinstance(result.found, Found)
    assert result.found.tried["N"] < 64 * 128
    assert shown(result) == ("2112N", f"N a multiple of 128; N ≤ {result.found.tried['N']}")
