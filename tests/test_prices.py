"""Prices from elsewhere: a user's, and the formulas that are registered with torch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils import flop_counter

import vpcalc
from vpcalc.counters.dispatch import DispatchCounts, count
from vpcalc.counters.pricing import supplied
from vpcalc.errors import InputError


@pytest.fixture
def library() -> Iterator[Any]:
    with torch.library._scoped_library("vpcalc_prices", "DEF") as defined:
        defined.define("mix(Tensor x, Tensor weight, int times=2) -> (Tensor, Tensor)")
        defined.impl("mix", lambda x, weight, times=2: (x.new_empty(len(x), len(weight)), x.new_empty(1)), "Meta")
        defined.define("whole(Tensor x, Tensor weight) -> Tensor")
        defined.impl("whole", lambda x, weight: x @ weight, "CompositeImplicitAutograd")
        yield torch.ops.vpcalc_prices
        for packet in [key for key in flop_counter.flop_registry if "vpcalc_prices" in str(key)]:
            del flop_counter.flop_registry[packet]


class Mix(nn.Module):
    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        return torch.ops.vpcalc_prices.mix(x, weight)[0]


def mixed() -> DispatchCounts:
    return count(Mix(), (torch.empty(3, 4, device="meta"), torch.empty(5, 4, device="meta")))


NAME = "vpcalc_prices::mix"


def test_a_users_price_gets_arguments_by_name_with_defaults_and_the_whole_result(library: Any) -> None:
    seen: dict[str, Any] = {}

    def price(x: Any, out: Any) -> int:
        seen.update(x, out=out)
        return x["times"] * out[0].numel() * x["weight"].shape[-1]

    assert mixed().unknown == {NAME: 1}
    with supplied({NAME: price}) as prices:
        counts = mixed()
    assert (counts.macs, counts.unknown) == (2 * 3 * 5 * 4, {})
    assert counts.sources == {NAME: "user"}
    assert list(seen) == ["x", "weight", "times", "out"]
    assert len(seen["out"]) == 2
    prices.check_all_asked()
    assert mixed().unknown == {NAME: 1}  # no longer than asked for


def test_a_users_price_wins_over_ours() -> None:
    linear, x = nn.Linear(4, 5, device="meta"), torch.empty(3, 4, device="meta")
    assert count(linear, (x,)).sources == {"aten::addmm": "vpcalc"}
    with supplied({"aten::addmm": lambda x, out: 7}):
        counts = count(linear, (x,))
    assert (counts.macs, counts.sources) == (7, {"aten::addmm": "user"})
    with supplied({"aten::relu_": lambda x, out: out.numel()}):
        assert count(nn.ReLU(), (x,)).operators == {"aten::relu": 12}


@pytest.mark.parametrize("given", [-1, 2.0, True, None, "3"])
def test_a_price_that_is_no_whole_number_is_refused_by_name(library: Any, given: Any) -> None:
    with supplied({NAME: lambda x, out: given}), pytest.raises(InputError, match=f"--price {NAME}: gave"):
        mixed()


def test_a_price_that_fails_says_so(library: Any) -> None:
    with (
        supplied({NAME: lambda x, out: x["wieght"]}),
        pytest.raises(InputError, match=r"mix: fails with KeyError.*; it is given a dictionary"),
    ):
        mixed()


@pytest.mark.parametrize("name", ["mix", "vpcalc_prices.mix", "a::b::c", ""])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="library::operator"), supplied({name: lambda x, out: 1}):
        pass


def test_a_price_that_nobody_asked_for_is_refused(library: Any) -> None:
    with supplied({"vpcalc_prices::mux": lambda x, out: 1}) as prices:
        mixed()
    with pytest.raises(InputError, match=f"mux: the model never runs it; did you mean {NAME}"):
        prices.check_all_asked()


def test_a_formula_that_is_registered_with_torch_is_read_and_halved(library: Any) -> None:
    @flop_counter.register_flop_formula(library.mix)
    def formula(x: Any, weight: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
        return 2 * x[0] * x[1] * weight[0]

    counts = mixed()
    assert (counts.macs, counts.unknown) == (3 * 4 * 5, {})
    assert counts.sources == {NAME: "torch"}
    with supplied({NAME: lambda x, out: 1}):
        assert mixed().macs == 1


def test_an_odd_formula_is_refused_by_name(library: Any) -> None:
    flop_counter.register_flop_formula(library.mix)(lambda *shapes, out_shape=None: 7)
    counts = mixed()
    assert counts.macs == 0
    (name,) = counts.unknown
    assert name.startswith(f"{NAME} (torch's registered flop formula gives 7")


def test_an_operator_with_a_formula_is_not_taken_apart(library: Any) -> None:
    class Whole(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return torch.ops.vpcalc_prices.whole(x, y)

    def run() -> DispatchCounts:
        with torch.inference_mode():
            return count(Whole(), (torch.empty(3, 4, device="meta"), torch.empty(4, 5, device="meta")))

    assert run().operators == {"aten::mm": 60}
    flop_counter.register_flop_formula(library.whole)(lambda *shapes, out_shape=None: 10)
    assert run().operators == {"vpcalc_prices::whole": 5}


def test_what_is_free_stays_free_whatever_is_registered() -> None:
    flop_counter.register_flop_formula(torch.ops.aten.relu)(lambda *shapes, out_shape=None: 10)
    try:
        assert count(nn.ReLU(), (torch.empty(3, device="meta"),)).macs == 0
    finally:
        del flop_counter.flop_registry[torch.ops.aten.relu]


MODEL = """
import torch
from torch import nn

@torch.library.custom_op("mylib::scan", mutates_args=())
def scan(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return x @ weight

@scan.register_fake
def _(x, weight):
    return x.new_empty(*x.shape[:-1], weight.shape[1])

def price(x, out):
    return out.numel() * x["weight"].shape[0]

def broken(x, out):
    return 0.5

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.weight = nn.Linear(4, 4), nn.Parameter(torch.zeros(4, 6))

    def forward(self, x):
        return scan(self.first(x), self.weight)
"""


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "custom.py"
    path.write_text(MODEL, encoding="utf-8")
    return str(path)


def test_derive_with_a_price_in_the_models_own_file(model: str) -> None:
    target = f"{model}:Model"
    bare = vpcalc.derive(target, "1,N,4")
    assert bare.unknown == {"mylib::scan": 1}
    result = vpcalc.derive(target, "1,N,4", prices={"mylib::scan": f"{model}:price"}, strict=True)
    assert str(result.macs) == "40N"
    assert result.unknown == {}
    assert result.to_dict()["sources"] == {"mylib::scan": "user"}
    assert "priced by the user: mylib::scan" in result.tables()[0].notes
    live = vpcalc.derive(target, "1,N,4", prices={"mylib::scan": lambda x, out: 1})
    assert str(live.macs) == "16N + 1"


def vpcalc_says(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "vpcalc", *arguments], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_the_command_line_takes_prices(model: str) -> None:
    asked = ["derive", f"{model}:Model", "--input", "1,N,4", "--format", "json"]
    status, out, _ = vpcalc_says(*asked, "--strict", "--price", f"mylib::scan={model}:price")
    assert status == 0
    assert json.loads(out)["macs"]["text"] == "40N"
    for given, said in {
        f"mylib::scan={model}:broken": "--price mylib::scan: gave 0.5",
        f"mylib::scan={model}:prize": "there is no function 'prize'",
        f"mylib::scam={model}:price": "the model never runs it; did you mean mylib::scan?",
        "mylib::scan": "must be NAME=VALUE, such as --price mylib::scan=prices.py:scan",
    }.items():
        status, out, error = vpcalc_says(*asked, "--price", given)
        assert (status, out) == (2, "")
        assert said in error


@pytest.mark.slow
def test_audit_takes_prices(model: str) -> None:
    given = {"mylib::scan": f"{model}:price"}
    audit = vpcalc.audit(f"{model}:Model", input="1,5,4", counters=["fvcore"], prices=given, strict=True)
    assert (audit.macs, audit.unknown, audit.ok) == (5 * 40, {}, True)
    assert audit.to_dict()["coverage"]["sources"] == {"mylib::scan": "user"}
    assert "priced by the user: mylib::scan" in audit.tables()[0].notes
    with pytest.raises(InputError, match="never runs it"):
        vpcalc.audit(f"{model}:Model", input="1,5,4", counters=["fvcore"], prices={"mylib::no": f"{model}:price"})
