"""Modules as they are: lazy, pruned, quantised, built with values; and what a forward pass is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import vpcalc
from vpcalc.algebra import symbols
from vpcalc.algebra.interpolation import value_at
from vpcalc.answers.at_size import AtSize
from vpcalc.answers.derive import derive
from vpcalc.checks.layouts import parse_layout
from vpcalc.errors import InputError
from vpcalc.testing import assert_cost

from .conftest import Run
from .pace import mostly_slow

B, H, N, W = symbols("B H N W")


def form(result: Any) -> Any:
    assert result.ok, result.explored.real if hasattr(result, "explored") else result.found
    assert result.macs is not None
    return result.macs.polynomial


# -- what is given ---------------------------------------------------------------------------------------


class Takes(nn.Module):
    """A projection of each tensor that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 4), nn.Linear(6, 4)

    def forward(self, *given: Any, **named: Any) -> Any:
        return [
            self.a(x.float()) if x.shape[-1] == 8 else self.b(x.float())
            for x in _tensors([*given, *named.values()])
        ]


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else []
    return [tensor for part in parts for tensor in _tensors(part)]


@pytest.mark.parametrize(
    "text",
    [
        "1,N,8;1,N,6",
        "[1,N,8;1,N,6]",
        "(1,N,8;1,N,6)",
        "{x=1,N,8;y=1,N,6}",
        "batch={x=1,N,8;more=[1,N,6;]};none",
        "{x={y=1,N,8};z=(1,N,6;3:number)};true;false",
        "1,N,8:half;y=[1,N,6:double;none]",
    ],
)
@pytest.mark.parametrize("counting", [False, True])
def test_inputs_within_each_other(text: str, counting: bool) -> None:
    result = derive(Takes, text, counting=counting)
    assert form(result) == 56 * N
    assert result.inputs == text


def test_inputs_arrive_as_they_are_written() -> None:
    seen: list[Any] = []

    class Sees(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.l = nn.Linear(8, 4)

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            seen.append((args, kwargs))
            return self.l(args[0]["x"][0])

    derive(Sees, "{x=[1,N,8;]};(N:number;none);flag=true;t=();u=3:uint8", counting=True)
    (first, second), named = seen[0]
    assert type(first["x"]) is list
    assert type(second) is tuple
    assert type(second[0]) is int
    assert second[0] == first["x"][0].shape[1]
    assert second[1] is None
    assert named["flag"] is True
    assert named["t"].shape == ()
    assert named["u"].dtype is torch.uint8


@pytest.mark.parametrize("counting", [False, True])
def test_a_whole_number_may_be_a_symbol(counting: bool) -> None:
    result = derive(Rows, "1,8;N:number", counting=counting)
    assert form(result) == 32 * N


class Rows(nn.Module):
    """A row again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(8, 4)

    def forward(self, x: Tensor, times: int) -> Tensor:
        return self.l(x.expand(times, 8))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1,N", "is missing"),
        ("1,N]", "closes nothing"),
        ("{1,N;1,M}", "name of its own"),
        ("{x=1,N;x=1,M}", "name of its own"),
        ("[x=1,N;1,M]", "only parts of"),
        ("1,N:numbr", "did you mean number"),
        ("1,N:number", "one whole number"),
        ("1,N:uint9", "did you mean uint8"),
        ("{}", "neither a whole number"),
        ("[;]", "neither a whole number"),
        ("[" * 10 + "1;2" + "]" * 10, "more than 8 brackets"),
    ],
)
def test_what_cannot_be_read_is_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_layout(text)
    assert "\n" not in str(caught.value)


def test_a_module_that_wants_a_dictionary_says_how_to_write_one() -> None:
    class Wants(nn.Module):
        def forward(self, batch: Any) -> Any:
            return batch["x"] @ batch["y"]

    with pytest.raises(InputError, match=r"in a list, a dictionary or a number: .*\{x="):
        derive(Wants, "1,N,8;1,8,N")


@pytest.mark.quick(2)
@pytest.mark.parametrize("counting", [False, True])
@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "complex128", "bool"])
def test_element_types(kind: str, counting: bool) -> None:
    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return self.c((x.real if x.is_complex() else x).float() / 255)

    assert form(derive(Reads, f"1,3,H,W:{kind}", counting=counting)) == 108 * H * W


@pytest.mark.parametrize("counting", mostly_slow([False, True], quick=1))
def test_a_complex_convolution_is_one_product_an_element(counting: bool) -> None:
    def made() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1, dtype=torch.complex64),
            nn.Conv2d(4, 4, 1, bias=False, dtype=torch.complex64),
            nn.ConvTranspose2d(4, 1, 2, 2, dtype=torch.complex64),
        )

    result = derive(made, "1,2,H,W:complex64", counting=counting)
    assert form(result) == (72 + 16 + 16) * H * W


@pytest.mark.slow
@pytest.mark.parametrize("counting", [False, True])
def test_flex_attention(counting: bool) -> None:
    from torch.nn.attention.flex_attention import flex_attention

    class Flex(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(12, 3 * 16)

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = self.qkv(x).unflatten(-1, (3, 2, 8)).permute(2, 0, 3, 1, 4)
            return flex_attention(q, k, v, score_mod=lambda score, b, h, i, j: score + (i - j))

    result = derive(Flex, "B,N,12", counting=counting)
    assert form(result) == 2 * (8 + 8) * B * N**2 + 12 * 48 * B * N
    assert_cost(Flex(), torch.zeros(1, 5, 12), macs=32 * 25 + 576 * 5)


# -- values ----------------------------------------------------------------------------------------------


class Kept(nn.Module):
    """Computes where a mask says so, or up to the longest."""

    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(8, 4, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        if lengths is not None:
            x = x[:, : int(lengths.max())]
        return self.l(x if mask is None else x[mask])


def every_third(N: Any) -> dict[str, Any]:
    return {"x": torch.zeros(2, N, 8), "mask": torch.arange(2 * N).reshape(2, N) % 3 == 0}


def shorter(N: Any) -> Any:
    return (torch.zeros(2, N, 8),), {"lengths": torch.tensor([N // 2, N // 4])}


@pytest.mark.slow
def test_inputs_with_values() -> None:
    result = derive(Kept, inputs=every_third)
    assert result.lattice == {"N": 3}
    assert value_at(form(result), {"N": 30}) == 20 * 32
    half = derive(Kept, inputs=shorter)
    assert value_at(form(half), {"N": 30}) == 30 * 32
    assert "shorter(N)" in half.inputs


def test_inputs_of_a_function_are_executed_where_no_value_matters() -> None:
    def made(H: Any, B: Any) -> Any:
        return torch.ones(B, 2 * H, 8), {"nothing": None}["nothing"], None

    result = derive(Kept, inputs=made)
    assert result.to_dict()["method"] == "execution"
    assert form(result) == 64 * B * H


def test_zeros_in_the_place_of_values_are_said() -> None:
    result = derive(Kept, "1,N,8;1,N:bool")
    assert "masks false: --inputs" in " ".join(result.tables()[0].notes)


def no_letters() -> Any:
    return torch.zeros(1, 8)


def six_letters(A: Any, B: Any, C: Any, D: Any, E: Any, F: Any) -> Any:
    return torch.zeros(1, 8)


def long_names(tokens: Any) -> Any:
    return torch.zeros(1, tokens, 8)


def broken(N: Any) -> Any:
    raise ValueError("no\nsuch inputs")


def test_inputs_without_symbols_are_at_a_size() -> None:
    found = vpcalc.derive(Kept, inputs=no_letters)
    assert isinstance(found, AtSize)
    assert found.macs == 8 * 4


@pytest.mark.slow
def test_the_same_inputs_are_counted_and_audited(tmp_path: Path) -> None:
    """A mask that decides keeps its values: ten of thirty rows, wherever it is given."""
    (folder := tmp_path / "a, b = c").mkdir()
    path = folder / "third.py"
    path.write_text(THIRD, encoding="utf-8")
    named = f"{path}:every_third(N=15)"
    at_size = vpcalc.derive(f"{path}:Kept", inputs=named)
    assert isinstance(at_size, AtSize)
    assert at_size.macs == 10 * 32
    assert_cost(Kept(), every_third, where={"N": 15}, macs=10 * 32)
    assert_cost(Kept(), named, macs=10 * 32)
    assert_cost(Kept(), every_third(15), macs=10 * 32)
    audited = vpcalc.audit(f"{path}:Kept", inputs=named, counters=["FlopCounterMode"])
    assert (audited.macs, audited.row("FlopCounterMode").unexplained) == (10 * 32, 0)
    assert vpcalc.audit(Kept(), inputs=ten_of_thirty, counters=["FlopCounterMode"]).macs == 10 * 32
    for ask in (
        lambda: assert_cost(Kept(), every_third, macs=320),
        lambda: vpcalc.audit(f"{path}:Kept", inputs=f"{path}:every_third"),
    ):
        with pytest.raises(InputError, match="N must be a number"):
            ask()
    with pytest.raises(InputError, match="give either --input or --inputs"):
        vpcalc.audit(f"{path}:Kept", input="2,15,8", inputs=named)


THIRD = """
import torch
from torch import nn

class Kept(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(8, 4, bias=False)

    def forward(self, x, mask):
        return self.l(x[mask])

def every_third(N):
    return {"x": torch.zeros(2, N, 8), "mask": torch.arange(2 * N).reshape(2, N) % 3 == 0}
"""


def ten_of_thirty() -> dict[str, Any]:
    return every_third(15)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (six_letters, "takes 6 symbols"),
        (long_names, "'tokens' is no symbol"),
        (broken, "fails at N = 37: ValueError: no such inputs"),
        (3, "is no function"),
        ("nowhere.py:make", "no file"),
        ("make", "must be file.py:function"),
        ("here.py:make(N=3", "must be file.py:function"),
        ("here.py:make(N=three)", "N 'three': must be a whole number"),
        ("math:gcd(N=3)", "takes no N"),
    ],
)
def test_functions_that_make_no_inputs(function: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        derive(Kept, inputs=function)
    assert "\n" not in str(caught.value)


def test_inputs_once(inside: Run) -> None:
    done = inside("derive", "torch.nn:Linear", "--input", "1,N", "--inputs", "x.py:f")
    assert done.returncode == 2
    assert "either --input or --inputs" in done.stderr
    done = inside("derive", "vit_b_16", "--inputs", "math:sqrt")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("on_mask", [True, False])
@pytest.mark.parametrize("by_name", [True, False])
def test_assert_cost_keeps_values(on_mask: bool, by_name: bool) -> None:
    x, mask, lengths = torch.zeros(2, 6, 8), torch.arange(12).reshape(2, 6) < 7, torch.tensor([2, 5])
    more = {"mask": mask} if on_mask else {"lengths": lengths}
    rows = 7 if on_mask else 10
    if by_name:
        assert_cost(Kept(), {"x": x, **more}, macs=32 * rows)
        assert_cost(Kept, (x,), kwargs=more, macs=32 * rows)
    else:
        given = (x, mask) if on_mask else (x, None, lengths)
        assert_cost(Kept(), given, macs=32 * rows)
        assert_cost(Kept(), "2,6,8", kwargs=more, macs=32 * rows)


# -- modules ---------------------------------------------------------------------------------------------


class Gated(nn.Module):
    """Runs those of its layers whose gate is open: what it costs is in its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.Parameter(torch.tensor([1.0, -1.0, 2.0, 0.0]))
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        for gate, layer in zip(self.gates, self.layers, strict=True):
            x = layer(x) if gate > 0 else x
        return x


def test_a_forward_that_looks_at_its_weights() -> None:
    assert form(derive(Gated, "1,N,8")) == 128 * N
    module = Gated()
    with torch.no_grad():
        module.gates.fill_(1)
    assert form(derive(module, "1,N,8")) == 256 * N
    assert_cost(module, "1,3,8", macs=768)
    assert module.gates.sum() == 4


def sparse() -> nn.Module:
    """As wide as the rows of a first matrix that are not nearly 0."""
    first = nn.Linear(8, 16)
    with torch.no_grad():
        first.weight[5:] = 0
    kept = int((first.weight.abs().sum(1) > 0).sum())
    return nn.Sequential(first, nn.Linear(16, kept))


def test_a_factory_that_looks_at_its_weights() -> None:
    result = derive(sparse, "1,N,8")
    assert form(result) == (8 * 16 + 16 * 5) * N
    assert result.to_dict()["real_run"] == {"agrees": True, "note": ""}


def test_weight_norm_that_was_taken_off() -> None:
    def made() -> nn.Module:
        module = nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8))
        nn.utils.parametrize.remove_parametrizations(module, "weight")
        return module

    assert form(derive(made, "1,N,8")) == 64 * N


def test_a_factory_that_passes_over_what_meta_tensors_lack() -> None:
    """There is no kernel that makes a matrix orthogonal, and the parametrization was left without its base."""

    def made() -> nn.Module:
        return nn.utils.parametrizations.orthogonal(nn.Linear(16, 8))

    result = derive(made, "1,N,16")
    assert form(result) == 16 * 8 * N + 16 * 16 * 8  # the base, of all 16 sides, times as many as there are rows
    said = result.to_dict()
    assert (said["verdict"], said["complete"], said["real_run"]["agrees"]) == ("executed", True, True)


class LazyTwo(nn.Module):
    """Its second layer is as wide as the first says."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.LazyConv1d(6, 3), nn.LazyBatchNorm1d(), nn.LazyLinear(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(F.relu(self.norm(self.first(x))).mT)


@pytest.mark.parametrize("counting", [False, True])
def test_lazy_modules(counting: bool) -> None:
    result = derive(LazyTwo, "1,5,N", counting=counting)
    assert value_at(form(result), {"N": 12}) == (5 * 6 * 3 + 6 * 2) * 10
    assert_cost(LazyTwo(), "1,5,12", macs=(5 * 6 * 3 + 6 * 2) * 10)


def test_a_lazy_module_whose_weights_follow_the_input_is_counted() -> None:
    result = derive(lambda: nn.LazyLinear(4), "1,3,N")
    assert result.to_dict()["method"] == "meta"
    assert form(result) == 12 * N


@pytest.mark.parametrize("backward", [False, True])
def test_train_mode(backward: bool) -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.drop = nn.Linear(8, 8), nn.Linear(8, 3), nn.Dropout(0.5)

        def forward(self, x: Tensor) -> Any:
            y = self.drop(self.a(x))
            return (y, self.b(y)) if self.training else y

    trained, plain = (derive(Deep, "1,N,8", backward=backward, train_mode=mode) for mode in (True, False))
    gradients = 2 if backward else 1
    assert form(plain) == 64 * gradients * N
    # the input needs no gradient, what lies between the two layers does
    assert form(trained) == (64 * gradients + 24 * (3 if backward else 1)) * N
    assert trained.to_dict()["train_mode"] is True
    assert "in train mode" in " ".join(trained.tables()[0].notes)


# -- real runs -------------------------------------------------------------------------------------------


class Relative(nn.Module):
    """A table of the positions of 20 tokens relative to each other; the meta device does not see its end."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(39, 4))

    def forward(self, x: Tensor) -> Tensor:
        place = torch.arange(x.shape[-1], device=x.device)
        return x @ self.table[place[:, None] - place[None] + 19].sum(-1)


def test_where_only_a_real_run_fails_it_is_said() -> None:
    result = derive(Relative, "1,3,N")
    assert not result.ok
    assert "does not run for real at N = " in result.explored.real.note  # type: ignore[union-attr]
    assert "out of bounds" in result.explored.real.note  # type: ignore[union-attr]
    last = int(result.explored.real.note.rpartition("it does at N = ")[2])  # type: ignore[union-attr]
    assert 15 <= last <= 20
    counted = derive(Relative, "1,3,N", counting=True)
    assert "N ≤ 20" in counted.condition  # type: ignore[union-attr]


PICK = """
import torch
from torch import nn

class Pick(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(8, 4)

    def forward(self, x, rows):
        return self.l(x[rows])

def given(N):
    return torch.zeros(2 * N, 8), torch.arange(N) * 2
"""


def test_inputs_from_a_file(inside: Run, tmp_path: Path) -> None:
    path = tmp_path / "case.py"
    path.write_text(PICK, encoding="utf-8")
    done = inside("derive", f"{path}:Pick", "--inputs", f"{path}:given")
    assert done.returncode == 0, done.stderr
    assert "32N" in done.stdout
