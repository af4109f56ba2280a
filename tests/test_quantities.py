"""Bytes, activations and the backward pass as forms: PyTorch's own figures at sizes that nobody chose."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from itertools import product
from math import ceil, prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from fvcore.nn import FlopCountAnalysis
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import vpcalc
from vpcalc.algebra.polynomial import constant, symbol
from vpcalc.answers.executed import Executed
from vpcalc.answers.quantities import _at_least, parts
from vpcalc.checks.quantities import COMMON, QUANTITIES
from vpcalc.checks.targets import find_target
from vpcalc.counters import dispatch, live, saved
from vpcalc.counters.given import moved
from vpcalc.counters.kernels import laid_out
from vpcalc.counters.private import storage_key
from vpcalc.counters.ways import Way, built
from vpcalc.errors import InputError
from vpcalc.execution.convention import HANDLES
from vpcalc.execution.prices import PRICES
from vpcalc.execution.regions import Range, Region
from vpcalc.execution.storages import Storages, _regrouped
from vpcalc.execution.values import Knowing
from vpcalc.sources import quiet

from .conftest import Run
from .pace import mostly_slow

EVERY = (*COMMON, "bytes_moved", "attention_elements")


def derived(target: object, input: str, args: Mapping[str, object] | None = None, **more: Any) -> Executed:
    found = vpcalc.derive(target, input, args, **{"quantity": "all", **more})
    assert isinstance(found, Executed)
    return found


def at(found: Executed | Mapping[str, Any], point: Mapping[str, int]) -> dict[str, int]:
    """What the JSON object says at a size, by the condition that is true there."""
    said = found.to_dict() if isinstance(found, Executed) else found
    regimes = [r for r in said["regimes"] if eval(r["when"]["python"], {}, dict(point))]
    assert regimes, f"no regime at {point}"
    values = [
        {name: eval(r[name]["python"], {}, dict(point)) for name in EVERY if name in r}
        for r in regimes
        if "macs" in r
    ]
    assert values
    assert all(other == values[0] for other in values)
    return values[0]


def measured(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None, training: bool = False
) -> dict[str, int]:
    """The same as PyTorch has it, in a real run if the module is on the CPU.

    Products are those of attention as it is spelled out, which a fused kernel does not show and partly repeats.
    """
    at_once = live.count(module, args, kwargs, training=training, gradients=False, as_on_cpu=True)
    bytes_kept = saved.count(module, args, kwargs, training=training, as_on_cpu=True).total
    bare, named = moved(args), moved(dict(kwargs or {}))
    counts = dispatch.count(module.to("meta"), bare, named, backward=True, products=False, training=training)
    return {
        "activations": counts.activations,
        "saved_bytes": bytes_kept,
        "backward_macs": counts.backward,
        "peak_bytes": at_once.peak,
        "bytes_moved": at_once.moved,
        "attention_elements": counts.attention,
    }


class Block(nn.Module):
    """A transformer's layer as many people write it."""

    def __init__(self, dim: int = 16, heads: int = 2, fused: bool = False, drop: float = 0.0) -> None:
        super().__init__()
        self.heads, self.fused = heads, fused
        self.norms = nn.ModuleList([nn.LayerNorm(dim), nn.LayerNorm(dim)])
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(drop), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        B, N, C = x.shape
        qkv = self.qkv(self.norms[0](x)).reshape(B, N, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        if self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = (q @ k.transpose(-2, -1) / 2).softmax(-1) @ v
        x = x + self.out(mixed.transpose(1, 2).reshape(B, N, C))
        return x + self.mlp(self.norms[1](x))


class Pyramid(nn.Module):
    """Convolutions that halve, batch norms, a skip that is cut to size, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 16, 3, 2, 1)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(8), nn.BatchNorm2d(16)])
        self.up, self.pool = nn.ConvTranspose2d(16, 8, 2, 2), nn.MaxPool2d(2)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        first = self.norms[0](self.down[0](x)).relu()
        second = F.silu(self.norms[1](self.down[1](first)), inplace=True)
        both = self.up(second)[..., : first.shape[-2], : first.shape[-1]] + first
        return self.head(F.interpolate(self.pool(both), scale_factor=2).mean((2, 3)))


class Unpooled(nn.Module):
    """As SegNet: what was the largest goes back to where it was."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        pooled, places = F.max_pool2d(self.down(x), 2, return_indices=True)
        return self.up(F.max_unpool2d(pooled, places, 2, output_size=x.shape[-2:]))


class Folded(nn.Module):
    """Windows, and back; classes as rows of one 1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        y = F.fold(F.unfold(y, 3, padding=1) * 2, y.shape[-2:], 3, padding=1)
        return F.one_hot(y.argmax(1), 4).to(y.dtype).movedim(-1, 1) * y


class Turned(nn.Module):
    """As a spatial transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.map, self.conv = nn.Linear(3, 6), nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        grid = F.affine_grid(self.map(x.mean((2, 3))).view(-1, 2, 3), list(x.shape), align_corners=False)
        return self.conv(F.grid_sample(x, grid, align_corners=False))


class Losses(nn.Module):
    """One for each position."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.head(x)
        classes = torch.zeros(y.shape[:2], dtype=torch.long, device=y.device)
        chosen = F.cross_entropy(y.mT, classes, reduction="none")
        spread = F.cross_entropy(y.mT, y.mT.softmax(1), reduction="none")
        squares, sides = F.mse_loss(y, y.detach(), reduction="none"), F.huber_loss(y, 2 * y)
        rates = F.poisson_nll_loss(y, 2 * y, reduction="none")
        signs = torch.ones_like(y)
        margins = F.margin_ranking_loss(y, 2 * y, signs, margin=1, reduction="none") + F.soft_margin_loss(y, signs)
        hinges = F.hinge_embedding_loss(y, signs, reduction="none") + F.hinge_embedding_loss(y, signs, margin=2)
        flat, ones = y.flatten(0, 1), torch.ones(y.shape[0] * y.shape[1], device=y.device)
        rows = F.cosine_embedding_loss(flat, 2 * flat, ones, reduction="none").view(y.shape[:2])
        rows = rows + F.triplet_margin_loss(y, 2 * y, 3 * y, reduction="none", swap=True)
        per_element = (squares + rates + margins + hinges).sum(-1)
        return chosen + spread + per_element + sides + F.pairwise_distance(y, 3 * y) + rows


class Reduced(nn.Module):
    """Losses that the CPU reduces into the memory of what they are for each element; autograd keeps two."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        shares = F.binary_cross_entropy(y.sigmoid(), torch.ones_like(y))
        sides = F.smooth_l1_loss(y, x, reduction="sum") * F.soft_margin_loss(y, torch.ones_like(y))
        return F.mse_loss(y, x).square() + shares + sides


def on_cpu(module: nn.Module, shape: tuple[int, ...]) -> tuple[nn.Module, tuple[Tensor]]:
    return module, (torch.randn(shape),)


REAL: dict[str, tuple[Callable[[], nn.Module], str, list[tuple[int, ...]]]] = {
    "spelled": (Block, "B,N,16", [(1, 1, 16), (1, 60, 16), (3, 17, 16), (2, 1, 16)]),
    "fused": (lambda: Block(fused=True), "B,N,16", [(1, 1, 16), (1, 60, 16), (3, 17, 16)]),
    "unpooled": (Unpooled, "B,3,H,W", [(1, 3, 20, 31), (2, 3, 9, 2)]),
    "folded": (Folded, "B,3,H,W", [(1, 3, 20, 31), (2, 3, 9, 3), (3, 3, 1, 5)]),
    "turned": (Turned, "B,3,H,W", [(1, 3, 20, 31), (2, 3, 9, 3)]),
    "losses": (Losses, "B,N,8", [(1, 1, 8), (3, 17, 8), (2, 40, 8)]),
    "reduced": (Reduced, "B,N,8", [(1, 1, 8), (3, 17, 8), (2, 40, 8)]),
    "pyramid": (Pyramid, "1,3,H,W", [(1, 3, 40, 24), (1, 3, 37, 61), (1, 3, 9, 12)]),
}


@pytest.mark.quick(1)
@pytest.mark.parametrize("name", mostly_slow(REAL, quick=("folded", "pyramid")))
def test_real_runs_agree(name: str) -> None:
    make, input, shapes = REAL[name]
    found = derived(make, input).to_dict()
    letters = [side if side.isalpha() else None for side in input.split(",")]
    for shape in shapes:
        point = {letter: side for letter, side in zip(letters, shape, strict=True) if letter}
        assert at(found, point) == measured(*on_cpu(make(), shape))
    assert all(found["quantities"][quantity]["complete"] for quantity in COMMON)


class InPlace(nn.Module):
    """Writes into one of two parts of a tensor, which autograd refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.linear(x).split([3, 5], -1)
        other.mul_(2)
        return one + other[..., :3]


def test_what_autograd_refuses_has_no_bytes_to_keep() -> None:
    found = derived(InPlace, "2,N,8", quantity="all")
    quantities = found.to_dict()["quantities"]
    for name in ("saved_bytes", "backward_macs"):
        assert "modified inplace" in quantities[name]["why"]
        assert not quantities[name]["complete"]
        with pytest.raises(InputError, match="with gradients it raises"):
            derived(InPlace, "2,N,8", quantity=name).tables()
    assert at(found.to_dict(), {"N": 9})["peak_bytes"] == 88 * 9
    assert quantities["activations"]["complete"]
    at_size = vpcalc.derive(InPlace, "2,9,8", quantity="all").to_dict()
    assert at_size["peak_bytes"]["text"] == str(88 * 9)
    assert "modified inplace" in at_size["not_seen"]
    assert "saved_bytes" not in at_size


class Squares(nn.Module):
    """One tensor given twice, and a view that is not called one."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x * x)


def test_what_is_moved_is_moved_once() -> None:
    """64 bytes of x and of its square a row of 8 twice, of the square and the result each, and the weight."""
    found = derived(Squares, "2,N,8", quantity="bytes_moved").to_dict()
    (regime,) = found["quantities"]["bytes_moved"]["regimes"]
    assert regime["form"]["text"] == "256N + 256"
    assert vpcalc.derive(Squares, "2,10,8", quantity="all").to_dict()["bytes_moved"]["text"] == "2816"


def _one_hot(x: Tensor) -> Tensor:
    return F.one_hot(x.argmax(-1), 8).to(x.dtype)


class Hot(nn.Module):
    """Rows that the CPU makes by other operators than the meta device."""

    def forward(self, x: Tensor) -> Tensor:
        return _one_hot(x) @ x.mT


class Bags(nn.Module):
    """Words of which the CPU remembers other places than the meta device."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.linear = nn.EmbeddingBag(9, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.words(x))


OTHERWISE: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "recurrence": (lambda: nn.LSTM(8, 12, batch_first=True), (2, 16, 8)),
    "one kernel": (lambda: nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), (2, 16, 16)),
    "one hot": (Hot, (2, 16, 8)),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_at_a_size_bytes_are_those_of_the_cpu(name: str) -> None:
    """Where meta tensors do not show them, the module runs for real."""
    make, shape = OTHERWISE[name]
    found = vpcalc.derive(make, ",".join(map(str, shape)), quantity="all").to_dict()
    module = make().eval()
    x = torch.randn(shape)
    assert int(found["saved_bytes"]["text"]) == saved.count(module, (x,), training=False).total
    live_at_once = live.count(module, (x,), gradients=False)
    assert int(found["peak_bytes"]["text"]) == live_at_once.peak
    assert int(found["bytes_moved"]["text"]) == live_at_once.moved
    if name == "one kernel":
        assert live_at_once.peak == 2048


def test_at_a_size_what_is_too_large_to_run_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpcalc.checks.measured.MOST_FOR_REAL", 100)
    found = vpcalc.derive(Bags, "2,16:long", quantity="all").to_dict()
    assert "embedding_bag takes other memory on the CPU than meta tensors show" in found["not_seen"]
    assert "saved_bytes" not in found
    assert "fvcore" in found


INITIALISED = """
import torch
from torch import nn
from torch.nn.init import constant_

class Filled(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(3 * dim))
        constant_(self.weight, 0.0)

    def forward(self, x):
        return x * self.weight[: x.shape[-1]]
"""


class Staged(nn.Module):
    """Convolutions, the last of which pads one side more than the other, within its call."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(8, 8, 10, 5), nn.Conv1d(8, 8, 3, 2)
        self.same = nn.Conv1d(8, 8, 4, padding="same", dilation=3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x.transpose(1, 2)))
        return self.same(self.second(x) if x.shape[-1] >= 3 else x)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_no_size_is_in_two_regimes() -> None:
    """What is left open is what no regime has; here nothing is."""
    found = derived(Staged, "1,N,8", quantity=None, range={"N": "1:3000"}).to_dict()
    assert all(found["quantities"][name]["complete"] for name in COMMON)
    for n in (*range(1, 300), 2999, 3000):
        assert sum(bool(eval(r["when"]["python"], {"N": n})) for r in found["regimes"]) == 1, n


class Paired(nn.Module):
    """Rows two by two; a last one that is alone is there twice."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.conv = nn.Linear(8, 8), nn.Conv1d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] % 2:
            x = torch.cat([x, x[:, -1:]], 1)
        if x.shape[1] > 20:
            x = self.conv(x.transpose(1, 2)).transpose(1, 2)
        y = x.reshape(x.shape[0], -1, 2, 8).mean(2)
        return self.linear(y if y.shape[0] * y.shape[1] < 50 else y.relu())


@pytest.mark.slow
def test_a_count_is_that_of_its_letters_in_whatever_order() -> None:
    """One sequence of two rows was taken for two of one, and the bytes that are moved had no form."""
    quantities = derived(Paired, "B,N,8").to_dict()["quantities"]
    assert {name: found.get("why") for name, found in quantities.items()} == dict.fromkeys(quantities)


class LaidOut(nn.Module):
    """Rows of channels seen as maps, and back: what lies in memory how decides what is copied."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.into, self.out, self.between = nn.Linear(6, 6), nn.Linear(6, 2), between

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.between(self.into(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1))


def _weight(*shape: int, like: Tensor) -> Tensor:
    return torch.zeros(shape, device=like.device)


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "convolution": lambda x: F.conv2d(x, _weight(6, 6, 3, 3, like=x), padding=1),
    "depthwise": lambda x: F.conv2d(x, _weight(6, 1, 3, 3, like=x), padding=1, groups=6),
    "transposed": lambda x: F.conv_transpose2d(x, _weight(6, 6, 2, 2, like=x), stride=2),
    "group norm": lambda x: F.group_norm(x, 2),
    "batch norm": lambda x: F.batch_norm(x.transpose(2, 3), None, None, training=True).transpose(2, 3),
    "reflected": lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"),
    "replicated": lambda x: F.pad(x, (1, 1, 1, 1), mode="replicate"),
    "rolled": lambda x: x.roll((1, 2), (2, 3)),
    "shuffled": lambda x: F.channel_shuffle(x, 2),
    "log sigmoid": F.logsigmoid,
}


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", mostly_slow(LAYOUTS, quick=8))
def test_results_lie_in_memory_as_on_the_cpu(name: str) -> None:
    """On meta they lie otherwise, so that copies were seen that there are not, or not seen."""
    make = lambda: LaidOut(LAYOUTS[name])  # noqa: E731
    found = derived(make, "B,H,W,6").to_dict()
    for shape in ((2, 8, 10, 6), (1, 8, 10, 6), (3, 5, 4, 6)):
        point = dict(zip("BHW", shape, strict=False))
        module, x = make().eval(), torch.randn(shape)
        real = live.count(module, (x,), gradients=False)
        kept = saved.count(module, (x,), training=False).total
        for quantity, seen in (("peak_bytes", real.peak), ("bytes_moved", real.moved), ("saved_bytes", kept)):
            regimes = found["quantities"][quantity]["regimes"]
            here = [r for r in regimes if eval(r["when"]["python"], {}, dict(point))]
            assert [eval(r["form"]["python"], {}, dict(point)) for r in here] in ([], [seen]), quantity
        numbers = vpcalc.derive(make, ",".join(map(str, shape)), quantity="all").to_dict()
        assert int(numbers["peak_bytes"]["text"]) == real.peak
        assert int(numbers["bytes_moved"]["text"]) == real.moved


def _volume(x: Tensor) -> Tensor:
    """Maps of channels last as volumes of one: the CPU's layout is not followed there."""
    return F.conv3d(x.unsqueeze(2), _weight(6, 6, 1, 1, 1, like=x)).squeeze(2)


@pytest.mark.parametrize("between", [_volume, lambda x: F.group_norm(x, 2)])
def test_what_is_not_followed_in_memory_has_no_bytes(between: Callable[[Tensor], Tensor]) -> None:
    found = derived(lambda: LaidOut(between), "B,H,W,6").to_dict()["quantities"]["peak_bytes"]
    assert "of channels last takes other memory" in str(found.get("why") or found["open"])
    numbers = vpcalc.derive(lambda: LaidOut(between), "2,8,10,6", quantity="all").to_dict()
    real = live.count(LaidOut(between), (torch.randn(2, 8, 10, 6),), gradients=False)
    assert int(numbers["peak_bytes"]["text"]) == real.peak


def _checked(y: Tensor) -> Tensor:
    """What is asked of values for a check alone is as the check wants it."""
    assert (y * y >= 0).all(), "squares"
    if not (torch.isfinite(y).all().item() and (y.abs() >= 0).all()):
        raise ValueError("not finite")
    if torch.isnan(y).any() or (y.abs() < 0).any():
        raise ValueError
    return y


MADE: dict[str, Callable[[Tensor], Tensor]] = {
    "normal": lambda x: x + torch.normal(0.0, 1.0, x.shape) + torch.normal(0, 1, size=(1, 8)),
    "a distribution": lambda x: torch.distributions.Normal(x, x.exp()).rsample(),
    "checked": lambda x: _checked(x).sin(),
    "tensor": lambda x: (x - torch.tensor([0.1] * 8, device=x.device)) / torch.tensor([0.2] * 8, device=x.device),
    "new tensor": lambda x: x.clone() * x.new_tensor([[2.0]] * 3).sum(),
    "as tensor": lambda x: x.sin() + torch.as_tensor(range(8), device=x.device),
    "places": lambda x: x.sin()[:, [0, 1, 0]].cos().repeat(1, 3)[:, :8],
    "two lists": lambda x: x + x.sin()[[0, 1], [1, 2]].sum(),
    "a range": lambda x: x.sin()[..., range(8)].cos(),
    "filled": lambda x: x.clone().index_fill(1, torch.tensor([0], device=x.device), 0.0).sin(),
}


class Made(nn.Module):
    """Tensors of numbers of Python, made in forward."""

    def __init__(self, made: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.linear, self.made = nn.Linear(8, 8), made

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.made(self.linear(x)))


class Written(nn.Module):
    """Places in lists are written into."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x) * 2
        y[:, [0, 5, 2]] = 0.5
        y[[0, 1]] = y[[1, 0]]
        return y.sin()


def as_for_real(make: Callable[[], nn.Module], sizes: tuple[int, ...]) -> None:
    """Bytes as forms, and at a size, are those of runs on the CPU."""
    found = derived(make, "N,8").to_dict()["quantities"]
    for n in sizes:
        x = torch.randn(n, 8)
        real = live.count(make(), (x,), gradients=False)
        kept = saved.count(make(), (x,), training=False).total
        numbers = vpcalc.derive(make, f"{n},8", quantity="all").to_dict()
        for quantity, seen in (("peak_bytes", real.peak), ("bytes_moved", real.moved), ("saved_bytes", kept)):
            here = [r for r in found[quantity]["regimes"] if eval(r["when"]["python"], {}, {"N": n})]
            assert [eval(r["form"]["python"], {}, {"N": n}) for r in here] == [seen], (quantity, n)
            assert int(numbers[quantity]["text"]) == seen, (quantity, n)


@pytest.mark.quick(5)
@pytest.mark.parametrize("name", MADE)
def test_tensors_of_numbers_are_memory(name: str) -> None:
    """On meta nothing is dispatched where they are made."""
    as_for_real(lambda: Made(MADE[name]), (6, 41))


def test_lists_of_places_are_memory_where_they_are_written_into() -> None:
    as_for_real(Written, (6, 41))


def _asked(x: Tensor) -> Tensor:
    return x + 1 if (torch.arange(x.shape[0], device=x.device) >= 0).all() else x.repeat(2, 1)


def _counted(x: Tensor) -> Tensor:
    number = torch.full((), x.shape[0], device=x.device)
    return x[:number] + torch.zeros(number, 8, device=x.device) + int(torch.ones((), device=x.device).long())


@pytest.mark.parametrize("read", [_asked, _counted])
def test_a_number_that_is_read_is_moved(read: Callable[[Tensor], Tensor]) -> None:
    """Where the answer is known without a run, the CPU reads it all the same."""
    found = derived(lambda: Made(read), "N,8").to_dict()["quantities"]["bytes_moved"]["regimes"]
    for n in (6, 41):
        real = live.count(Made(read), (torch.randn(n, 8),), gradients=False)
        here = [r for r in found if eval(r["when"]["python"], {}, {"N": n})]
        assert [eval(r["form"]["python"], {}, {"N": n}) for r in here] == [real.moved]


TRACED_AFTER_ANOTHER = """
import torch
from torch import nn
import vpcalc

class Filled(nn.Module):
    def __init__(self, fill):
        super().__init__()
        self.linear, self.fill = nn.Linear(8, 8), fill

    def forward(self, x):
        return self.linear(x + self.fill(x))

def sized(x):  # by a tensor, whose place in the trace torch sets aside
    return torch.zeros(torch.full((), x.shape[-2], device=x.device), 8, device=x.device)

def single(x):
    return torch.ones((), device=x.device)

for fill in (sized, single):
    print(vpcalc.derive(lambda: Filled(fill), "N,8", quantity="fvcore").to_dict()["quantities"]["fvcore"])
"""


@pytest.mark.slow
def test_a_trace_that_fails_ends_no_other() -> None:
    """On the meta device no number can be read of a tensor; what a trace left behind ended the process."""
    done = subprocess.run(
        [sys.executable, "-c", TRACED_AFTER_ANOTHER], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    failed, counted = done.stdout.splitlines()
    assert "zeros reads a number, which a trace on meta tensors has not" in failed
    assert "64*N" in counted


INTO: dict[str, Callable[[Tensor, Tensor, Tensor], Any]] = {
    "mm": lambda x, w, out: torch.mm(x, w, out=out),
    "matmul": lambda x, w, out: torch.matmul(x, w, out=out),
    "addmm": lambda x, w, out: torch.addmm(w[0], x, w, out=out),
    "bmm": lambda x, w, out: torch.bmm(x[None], w[None], out=out[None]),
}


class Into(nn.Module):
    """A product goes where the program says."""

    def __init__(self, into: Callable[[Tensor, Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.weight, self.into = nn.Parameter(torch.randn(8, 8)), into

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            out = x.new_empty(x.shape[0], 8)
            self.into(x, self.weight, out)
        return out @ self.weight


@pytest.mark.parametrize("name", INTO)
def test_a_product_that_is_told_where_to_go(name: str) -> None:
    """The rules and prices of a call do not take ``out=``."""
    make = lambda: Into(INTO[name])  # noqa: E731
    as_for_real(make, (6, 41))
    assert derived(make, "N,8").to_dict()["regimes"][0]["macs"]["text"] == "128N"


class Patches(nn.Module):
    """Columns of an image are made in memory as large as the image where that is more."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(F.unfold(x, 1, stride=2).mT)


def test_columns_begin_with_the_memory_of_their_image() -> None:
    found = derived(Patches, "1,3,H,W", quantity="saved_bytes").to_dict()
    (regime,) = found["quantities"]["saved_bytes"]["regimes"]
    assert regime["form"]["text"] == "12HW"
    assert vpcalc.derive(Patches, "1,3,8,8", quantity="all").to_dict()["peak_bytes"]["text"] == "1280"


class Empty(nn.Module):
    """At one or two tokens the first third has none."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        n = x.shape[1]
        return self.linear(x[:, : n // 3]), self.linear(x[:, : n // 2 + 1])


def test_an_empty_tensor_that_is_seen_in_another_shape_keeps_its_form() -> None:
    (regime,) = derived(Empty, "1,N,8", quantity="peak_bytes").to_dict()["quantities"]["peak_bytes"]["regimes"]
    assert (regime["form"]["text"], regime["when"]["text"]) == ("32⌊N/2⌋ + 32⌊N/3⌋ + 32", "")


TABLES: dict[int, Tensor] = {}


class Positions(nn.Module):
    """Remembers what it adds."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[1]
        if n not in TABLES:
            TABLES[n] = torch.arange(n)[:, None] * 1.0
        return self.linear(x) + TABLES[n]


def test_at_a_size_no_pass_meets_what_another_remembered() -> None:
    numbers = vpcalc.derive(Positions, "2,10,4", quantity="all").to_dict()
    assert not TABLES
    real = live.count(Positions(), (torch.randn(2, 10, 4),), gradients=False)
    TABLES.clear()
    assert (numbers["peak_bytes"]["text"], numbers["bytes_moved"]["text"]) == (str(real.peak), str(real.moved))
    assert numbers["fvcore"]["text"] == "320"
    assert at(derived(Positions, "2,N,4"), {"N": 10})["peak_bytes"] == real.peak


def test_an_initialiser_that_is_imported_by_name_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "filled.py"
    path.write_text(INITIALISED, encoding="utf-8")
    found = vpcalc.derive(f"{path}:Filled", "N,C", {"dim": "C"}, quantity="params")
    assert isinstance(found, Executed)
    assert found.to_dict()["params"]["text"] == "3C"


def test_train_mode_has_what_dropout_keeps() -> None:
    make = lambda: Block(drop=0.5)  # noqa: E731
    training, inference = derived(make, "1,N,16", train_mode=True), derived(make, "1,N,16")
    shape = (1, 33, 16)
    assert at(training, {"N": 33}) == measured(*on_cpu(make(), shape), training=True)
    assert at(inference, {"N": 33}) == measured(*on_cpu(make(), shape))
    masks = at(training, {"N": 33})["saved_bytes"] - at(inference, {"N": 33})["saved_bytes"]
    assert masks == 4 * 33 * 64  # one number for each element that may be dropped


def test_a_batch_norm_that_averages_over_all_batches() -> None:
    """It asks how many there were, which no cost depends on."""
    make = lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=None))  # noqa: E731
    found = at(derived(make, "B,3,H,W", quantity="all", train_mode=True), {"B": 2, "H": 5, "W": 7})
    x = torch.randn(2, 3, 5, 7)
    at_once = live.count(make(), (x,), training=True, gradients=False)
    assert found["saved_bytes"] == saved.count(make(), (x,)).total
    assert (found["peak_bytes"], found["bytes_moved"]) == (at_once.peak, at_once.moved)


@pytest.mark.slow
def test_the_peak_is_one_form_where_it_is_the_most() -> None:
    """N² scores of two heads against rows of 64: which are more depends on N, and no run says from where."""
    found = derived(Block, "1,N,16")
    forms = {r["peak_bytes"]["text"] for r in found.to_dict()["regimes"]}
    assert {"N²" in form for form in forms} == {True, False}
    for n in range(1, 90, 7):
        with torch.device("meta"):
            module, x = Block(), torch.empty(1, n, 16)
        assert at(found, {"N": n})["peak_bytes"] == live.count(module, (x,), gradients=False, as_on_cpu=True).peak


def test_an_independent_tracker_sees_the_same_peak() -> None:
    """torch's own MemTracker, which knows modules and not operators."""
    from torch.distributed._tools.mem_tracker import MemTracker

    found = derived(lambda: nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 8)), "1,N,16")
    for n in (7, 50):
        module, x = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 8)).eval(), torch.randn(1, n, 16)
        tracker = MemTracker()
        tracker.track_external(module, x)
        with torch.no_grad(), tracker:
            module(x)
        (seen,) = tracker.get_tracker_snapshot("peak").values()
        weights = sum(p.nbytes for p in module.parameters())
        assert at(found, {"N": n})["peak_bytes"] == seen["Total"] - weights - x.nbytes


def test_the_most_of_several_has_one_regime_at_each_size_though_few_sizes_have_it() -> None:
    """Sizes of which a search finds none by chance: 15 of 268 million."""
    B, N = symbol("B"), symbol("N")
    forms = (104 * B * N, 96 * B * N + 1536, constant(1700))
    whole = Range({"B": (1, 4096), "N": (1, 65536)}).whole()
    regions = [_at_least(whole, forms, place) for place in range(3)]
    for b in range(1, 21):
        for n in range(1, 21):
            point = {"B": b, "N": n}
            (form,) = (f for f, region in zip(forms, regions, strict=True) if region and point in region)
            assert form.at(point) == max(other.at(point) for other in forms)


def test_a_mask_made_in_the_call_lives_until_it_is_over() -> None:
    """A mask of truth values is spread into one of floats, and stays beside it."""

    class Across(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            q, k = x.unsqueeze(1), y.unsqueeze(1)
            return F.scaled_dot_product_attention(q, k, k, (y.sum(-1) >= 0)[:, None, None])

    found = derived(Across, "2,N,8;2,S,8", quantity="peak_bytes").to_dict()["quantities"]["peak_bytes"]
    assert found["complete"]
    for n, s in ((7, 40), (300, 5)):
        at_once = live.count(Across(), (torch.zeros(2, n, 8), torch.zeros(2, s, 8)), gradients=False).peak
        said = [r["form"] for r in found["regimes"] if eval(r["when"]["python"], {}, {"N": n, "S": s})]
        assert [eval(form["python"], {}, {"N": n, "S": s}) for form in said] == [at_once]


class Unfolded(nn.Module):
    """Attention between the same places of all patches of 2×2, of a map that is resized where they do not fit."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.qkv = nn.Conv2d(3, 4, 3, 2, 1), nn.Linear(4, 12)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        h, w = x.shape[2:]
        a, b = ceil(h / 2), ceil(w / 2)
        if (2 * a, 2 * b) != (h, w):
            x = F.interpolate(x, (2 * a, 2 * b), mode="bilinear")
        x = x.reshape(4 * a, 2, b, 2).transpose(1, 2).reshape(1, 4, a * b, 4).transpose(1, 3).reshape(4, -1, 4)
        q, k, v = self.qkv(x).chunk(3, -1)
        x = ((q @ k.mT).softmax(-1) @ v).view(1, 4, a * b, -1).transpose(1, 3).reshape(4 * a, b, 2, 2)
        x = x.transpose(1, 2).reshape(1, 4, 2 * a, 2 * b)
        x = F.interpolate(x, (h, w), mode="bilinear") if (2 * a, 2 * b) != (h, w) else x
        return self.qkv(x.flatten(2).mT)


class Cropped(nn.Module):
    """Whether what was cut is copied depends on whether anything was cut off."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.more = nn.Linear(4, 4), nn.Linear(4, 12)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        x = self.one(F.pad(x.permute(0, 2, 3, 1), (0, 0, 0, -w % 5, 0, -h % 5)))
        return self.more(x[:, :h, :w].contiguous())


@pytest.mark.parametrize(("make", "channels"), [(Unfolded, 3), (Cropped, 4)])
def test_the_most_is_that_of_the_whole_range(make: type[nn.Module], channels: int) -> None:
    """What is never the most where a run went may be so beside it, where its form holds as well."""
    found = derived(make, f"1,{channels},H,W", quantity="peak_bytes").to_dict()["quantities"]["peak_bytes"]
    assert found["complete"]
    regimes = [(compile(r["when"]["python"], "", "eval"), r["form"]["python"]) for r in found["regimes"]]
    for h, w in product((1, 2, 4, 9, 15, 28, 29), (1, 2, 3, 4, 5, 10, 17)):
        with torch.device("meta"):
            module, x = make(), torch.empty(1, channels, h, w)
        said = [eval(form, {}, {"H": h, "W": w}) for when, form in regimes if eval(when, {}, {"H": h, "W": w})]
        assert said == [live.count(module, (x,), gradients=False, as_on_cpu=True).peak], (h, w)


class Windows(nn.Module):
    """Windows of 5×5, cut back where they were padded, beside attention to every fourth row and column."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.q, self.kv, self.reduce = (
            nn.Linear(8, 24),
            nn.Linear(8, 8),
            nn.Linear(8, 16),
            nn.Conv2d(8, 8, 4, 4),
        )

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        x = F.pad(x.permute(0, 2, 3, 1).contiguous(), (0, 0, 0, -w % 5, 0, -h % 5))
        a, b = x.shape[1] // 5, x.shape[2] // 5
        q, k, v = self.qkv(x.reshape(1, a, 5, b, 5, 8).transpose(2, 3).reshape(1, a * b, 25, 8)).chunk(3, -1)
        x = ((q @ k.mT).softmax(-1) @ v).reshape(1, a, b, 5, 5, 8).transpose(2, 3).reshape(1, 5 * a, 5 * b, 8)
        if w % 5 or h % 5:
            x = x[:, :h, :w].contiguous()
        x = x.reshape(1, h * w, 8)
        k, v = self.kv(self.reduce(x.mT.reshape(1, 8, h, w)).flatten(2).mT).chunk(2, -1)
        return (self.q(x) @ k.mT).softmax(-1) @ v


@pytest.mark.slow
def test_of_two_sides_that_are_padded_one_alone_is_tried() -> None:
    """Runs were made where both are and where neither is, and one form holds for both."""
    found = derived(Windows, "1,8,H,W", quantity="peak_bytes", range={"H": "4:160", "W": "4:160"}).to_dict()
    regimes = found["quantities"]["peak_bytes"]["regimes"]
    for h, w in ((9, 130), (130, 9), (131, 15), (17, 130), (129, 131), (130, 15)):
        with torch.device("meta"):
            module, x = Windows(), torch.empty(1, 8, h, w)
        point = {"H": h, "W": w}
        said = [eval(r["form"]["python"], {}, point) for r in regimes if eval(r["when"]["python"], {}, point)]
        assert said == [live.count(module, (x,), gradients=False, as_on_cpu=True).peak], point


class Cut(nn.Module):
    """Windows of 5×5, or of the shorter side, which lie otherwise in memory where there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        b, h, w, c = x.shape
        side = min(5, h, w)
        down, right = -h % side, -w % side
        x = F.pad(x, (0, 0, 0, right, 0, down))
        moved = side // 2 if min(h, w) > side else 0
        if moved:
            x = torch.roll(x, (-moved, -moved), (1, 2))
        high, wide = x.shape[1:3]
        parts = x.view(b, high // side, side, wide // side, side, c).permute(0, 1, 3, 2, 4, 5)
        parts = parts.reshape(-1, side * side, c)
        q, k, v = self.qkv(parts).chunk(3, -1)
        o = (q @ k.mT).softmax(-1) @ v
        o = (
            o.view(b, high // side, wide // side, side, side, c)
            .permute(0, 1, 3, 2, 4, 5)
            .reshape(b, high, wide, c)
        )
        if moved:
            o = torch.roll(o, (moved, moved), (1, 2))
        return o[:, :h, :w].contiguous()


@pytest.mark.slow
def test_windows_lie_otherwise_where_there_is_one() -> None:
    """``⌈W/H⌉ = 1`` is no comparison of the program's, and of the smallest regions each size is counted."""
    found = derived(Cut, "1,8,H,W", quantity="peak_bytes").to_dict()
    said = found["quantities"]["peak_bytes"]
    assert said["complete"]
    for h, w in product(range(1, 8), repeat=2):
        with torch.device("meta"):
            module, x = Cut(), torch.empty(1, 8, h, w)
        forms = [eval(r["form"]["python"], {}, {"H": h, "W": w}) for r in _there(said["regimes"], h, w)]
        assert forms == [live.count(module, (x,), gradients=False, as_on_cpu=True).peak], (h, w)


def _there(regimes: list[Any], h: int, w: int) -> list[Any]:
    return [regime for regime in regimes if eval(regime["when"]["python"], {}, {"H": h, "W": w})]


class MultiQuery(nn.Module):
    """Heads of as many channels as go into each, of one key and one value; more heads than channels are empty."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.each = heads, dim // heads
        self.q, self.k, self.v = (nn.Linear(dim, n * self.each, bias=False) for n in (heads, 1, 1))
        self.out = nn.Linear(heads * self.each, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        q = self.q(x).view(batch, length, self.heads, self.each).transpose(1, 2)
        k, v = (f(x).unsqueeze(1).expand(-1, self.heads, -1, -1) for f in (self.k, self.v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(batch, length, -1))


def test_empty_heads_take_another_kernel() -> None:
    """Attention of nothing is spelled out; and weights of one element lie as they do transposed."""
    said = derived(MultiQuery, "1,N,C", {"dim": "C", "heads": "a"}, quantity="peak_bytes").to_dict()
    said = said["quantities"]["peak_bytes"]
    assert said["complete"]
    for length, dim, heads in product((1, 6), (1, 2, 6), (1, 3, 7)):
        with quiet(), torch.device("meta"):
            module, x = MultiQuery(dim, heads), torch.empty(1, length, dim)
        point = {"N": length, "C": dim, "a": heads}
        forms = [
            eval(r["form"]["python"], {}, point) for r in said["regimes"] if eval(r["when"]["python"], {}, point)
        ]
        assert forms == [live.count(module, (x,), gradients=False, as_on_cpu=True).peak], point


class DifferentialHeads(nn.Module):
    """Maps less others, of heads that are half as wide; where these have no channel nothing is copied."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.half = heads, dim // heads // 2
        self.q, self.k, self.v = (nn.Linear(dim, 2 * heads * self.half) for _ in range(3))
        self.out = nn.Linear(2 * heads * self.half, dim)

    def forward(self, x: Tensor) -> Tensor:
        B, N, _ = x.shape
        q, k = (f(x).view(B, N, 2 * self.heads, self.half).transpose(1, 2) for f in (self.q, self.k))
        v = self.v(x).view(B, N, self.heads, 2 * self.half).transpose(1, 2)
        maps = (q @ k.mT).softmax(-1).view(B, self.heads, 2, N, N)
        mixed = (maps[:, :, 0] - 0.5 * maps[:, :, 1]) @ v
        return self.out(mixed.transpose(1, 2).reshape(B, N, 2 * self.heads * self.half))


def test_a_form_that_was_read_off_empty_tensors_is_theirs_alone() -> None:
    said = derived(DifferentialHeads, "B,N,C", {"dim": "C", "heads": "a"}, quantity="peak_bytes").to_dict()
    for batch, length, heads, dim in product((1, 2), (1, 2, 5), (1, 3), (1, 6, 10)):
        with quiet(), torch.device("meta"):
            module, x = DifferentialHeads(dim, heads), torch.empty(batch, length, dim)
        point = {"B": batch, "N": length, "C": dim, "a": heads}
        regimes = said["quantities"]["peak_bytes"]["regimes"]
        forms = [eval(r["form"]["python"], {}, point) for r in regimes if eval(r["when"]["python"], {}, point)]
        assert set(forms) == {live.count(module, (x,), gradients=False, as_on_cpu=True).peak}, point


def test_an_edge_with_one_form_on_both_sides_leaves_nothing_open() -> None:
    """At two tokens the key that is added makes as many as there are heads, and that run's form is another."""

    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x, x, x, need_weights=False)[0]

    found = derived(Attends, "B,N,8", quantity="saved_bytes", train_mode=True).to_dict()["quantities"][
        "saved_bytes"
    ]
    assert (found["complete"], found["open"]) == (True, [])
    assert [regime["form"]["text"] for regime in found["regimes"]] == ["232BN + 128B", "200BN + 128B"]


FUNCTIONS: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "quantile": lambda y, w: (
        y.quantile(0.5, dim=-1),
        torch.quantile(y, torch.tensor([0.1, 0.9]).to(y.device), 1),
    ),
    "hann_window": lambda y, w: y[..., 0] * (torch.hann_window(y.shape[1], device=y.device) * w[0, 0]),
    "bartlett_window": lambda y, w: torch.bartlett_window(y.shape[1], False, device=y.device) * w[0, 0],
    "feature_alpha_dropout": lambda y, w: F.feature_alpha_dropout(y, 0.2, True),
    "rot90": lambda y, w: y.rot90(1, (1, 2)).exp(),
    "pdist": lambda y, w: F.pdist(y[0]),
    "diff": lambda y, w: torch.diff(y, prepend=y[:, :1] - 1, append=y[:, -2:], dim=1),
    "trapezoid": lambda y, w: (torch.trapezoid(y, dim=1), torch.cumulative_trapezoid(y, dim=1)),
    "multi_dot": lambda y, w: torch.linalg.multi_dot([y[0], w, w[:, :2], w[:2], w[:, :5]]),
    "rfft": lambda y, w: torch.fft.rfft(y, n=2 * y.shape[1], dim=1) * w[0],
    "cut or filled": lambda y, w: torch.fft.rfft(y, n=y.shape[1]).abs(),
    "irfft": lambda y, w: torch.fft.irfft(y, n=3 * y.shape[1], dim=1) * w[0],
    "rfftn": lambda y, w: torch.fft.rfftn(y).flatten(1).abs(),
    "gradient": lambda y, w: (torch.gradient(y, dim=1)[0] @ w, *torch.gradient(y, spacing=2.0, dim=(1, 2))),
    "a norm of what is turned": lambda y, w: F.layer_norm(y.mT, y.shape[1:2]).sin(),
    "hfftn": lambda y, w: torch.fft.hfftn(y, dim=(0, 2)).flatten(1) * w[0, 0],
}


@pytest.mark.quick(5)
@pytest.mark.parametrize("name", mostly_slow(FUNCTIONS, quick=8))
def test_functions_of_which_a_quantity_had_no_form(name: str) -> None:
    class Calls(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.weight = nn.Linear(8, 8), nn.Parameter(torch.randn(8, 8))

        def forward(self, x: Tensor) -> Any:
            return FUNCTIONS[name](self.inner(x), self.weight)

    found = derived(Calls, "2,N,8").to_dict()
    assert found["complete"]
    assert all(found["quantities"][quantity]["complete"] for quantity in EVERY)
    for n in (2, 3, 29):
        assert at(found, {"N": n}) == measured(*on_cpu(Calls(), (2, n, 8)))


@given(st.lists(st.integers(1, 5), min_size=2, max_size=4), st.booleans(), st.randoms(use_true_random=False))
def test_transforms_lie_in_memory_as_on_the_cpu(sides: list[int], is_complex: bool, rng: random.Random) -> None:
    """Sides that are transformed run fastest, the others as they did; equal strides decide, too."""
    order = rng.sample(range(len(sides)), len(sides))
    dims = rng.sample(range(len(sides)), rng.randint(1, len(sides)))
    dtype = torch.complex64 if is_complex else torch.float32
    x = torch.zeros([sides[axis] for axis in order], dtype=dtype).permute(
        [order.index(a) for a in range(len(sides))]
    )
    on_meta = torch.empty_strided(x.size(), x.stride(), dtype=dtype, device="meta")
    calls: list[tuple[Any, tuple[Any, ...]]] = [
        (torch.ops.aten._fft_c2c.default, (dims, 0, True)),
        (torch.ops.aten._fft_c2r.default, (dims, 0, 2 * (sides[dims[-1]] - 1) or 1)),
    ]
    if not is_complex:
        calls = [(torch.ops.aten._fft_r2c.default, (dims, 0, onesided)) for onesided in (True, False)]
    for operator, args in calls:
        seen, real = laid_out(operator, (on_meta, *args), operator(on_meta, *args)), operator(x, *args)
        assert (seen.size(), seen.stride()) == (real.size(), real.stride()), (operator, x.stride(), args)
        assert seen.untyped_storage().nbytes() == real.untyped_storage().nbytes()


def test_counts_know_values_that_torch_asks_for_in_python() -> None:
    """A loss asks in Python whether some variance is below 0: a run on symbols had the answer, a count raised."""

    class Loss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            y = self.inner(x)
            return (
                F.gaussian_nll_loss(y, x, torch.ones_like(x)) + (3 in torch.arange(8, device=x.device)) * y.sum()
            )

    found = at(derived(Loss, "1,N,8"), {"N": 11})
    module, args = on_cpu(Loss(), (1, 11, 8))
    at_once = live.count(module, args, gradients=False)
    assert (found["peak_bytes"], found["bytes_moved"]) == (at_once.peak, at_once.moved)
    assert found["saved_bytes"] == saved.count(module, args, training=False).total


BY_VECTORS: dict[str, Callable[[Tensor], Tensor]] = {
    "a matrix": lambda y: y[0] @ y[0, 0],
    "a batch": lambda y: y @ y[0, 0],
    "its vector alone": lambda y: y[0].detach() @ y[0, 0],
    "its matrix alone": lambda y: torch.mv(y[0], y[1, 0].detach()),
    "from the left": lambda y: y[0, :, 0] @ y[1],
    "a batch from the left": lambda y: y[0, 0] @ y.mT,
    "two": lambda y: y[0, :, 0] @ y[1, :, 0] + torch.inner(y[0, 0], y[1, 0]),
    "inner": lambda y: torch.inner(y, y[0, 0]),
    "added": lambda y: torch.addmv(y[0, :, 0], y[0], y[1, 0]),
}


@pytest.mark.parametrize("name", BY_VECTORS)
def test_gradients_of_products_by_vectors(name: str) -> None:
    """That of a matrix is an outer product, which is free, as it is forward."""

    class Multiplies(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            return BY_VECTORS[name](self.inner(x))

    found = derived(Multiplies, "2,N,8", quantity="backward_macs").to_dict()["quantities"]["backward_macs"]
    assert found["complete"]
    for n in (2, 5, 23):
        here = [r["form"] for r in found["regimes"] if eval(r["when"]["python"], {}, {"N": n})]
        counts = dispatch.count(Multiplies(), (torch.randn(2, n, 8),), backward=True, products=False)
        assert [eval(form["python"], {}, {"N": n}) for form in here] == [counts.backward]


def test_a_branch_that_leads_nowhere_has_no_backward() -> None:
    class Dropped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.frozen = nn.Linear(8, 8), nn.Linear(8, 4), nn.Linear(8, 8).requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            self.b(x)
            return self.frozen(self.a(x))

    found = derived(Dropped, "1,N,8")
    point = {"N": 11}
    assert at(found, point) == measured(*on_cpu(Dropped(), (1, 11, 8)))
    assert at(found, point)["backward_macs"] == 11 * 64 * 2  # a's weight, and what flows through the frozen one


DROPPED: tuple[tuple[Callable[[Tensor, Tensor], Tensor], str], ...] = (
    (lambda y, w: y.sigmoid() > 0.5, "0"),
    (lambda y, w: y.softmax(-1).argmax(-1), "0"),
    (lambda y, w: y.norm(dim=-1) > 1, "0"),
    (lambda y, w: torch.cdist(y, w).argmin(-1), "0"),
    (lambda y, w: w[y.exp().argmax(-1)], "8N"),
    (lambda y, w: y * (y.tanh() > 0), "8N"),
)


@pytest.mark.parametrize(("forward", "kept"), DROPPED)
def test_a_result_that_an_operator_keeps_goes_with_it(
    forward: Callable[[Tensor, Tensor], Tensor], kept: str
) -> None:
    """Softmax keeps what it returned; where that leads to no output nobody holds softmax."""

    class Chooses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.codes = nn.Linear(8, 8), nn.Parameter(torch.randn(8, 8))

        def forward(self, x: Tensor) -> Tensor:
            return forward(self.inner(x), self.codes)

    found = derived(Chooses, "1,N,8", quantity="saved_bytes").to_dict()["quantities"]["saved_bytes"]
    assert [regime["form"]["text"] for regime in found["regimes"]] == [kept]
    module, x = Chooses(), torch.randn(1, 13, 8)
    with live._Tracker({storage_key(t) for t in (*module.parameters(), x)}, [""], False) as tracker:
        result = module(x)
    left = tracker.live - result.untyped_storage().nbytes()  # without hooks: what is alive for autograd alone
    assert left == eval(found["regimes"][0]["form"]["python"], {}, {"N": 13})


def test_a_backward_pass_of_ones_own_has_no_form() -> None:
    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            return gradient * 2

    class Uses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            return Own.apply(self.linear(x))  # type: ignore[no-any-return, no-untyped-call]

    found = derived(Uses, "1,N,8").to_dict()
    assert "a backward pass of the program's own" in found["quantities"]["backward_macs"]["why"]
    assert all("backward_macs" not in regime and "saved_bytes" in regime for regime in found["regimes"])


# -- random networks ------------------------------------------------------------------------------------

WIDTH = 8
STEPS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(WIDTH, WIDTH),
    "norm": lambda: nn.LayerNorm(WIDTH),
    "gelu": nn.GELU,
    "relu": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(inplace=True)),
    "softmax": lambda: nn.Softmax(-1),
    "block": lambda: Block(WIDTH),
    "fused": lambda: Block(WIDTH, fused=True),
    "dropout": lambda: nn.Dropout(0.5),
    "mixer": lambda: Transposed(nn.Conv1d(WIDTH, WIDTH, 3, padding=1, groups=2)),
    "pooled": lambda: Transposed(nn.AvgPool1d(3, 1, 1)),
    "group": lambda: Transposed(nn.GroupNorm(2, WIDTH)),
    "twice": lambda: Twice(),
}


class Transposed(nn.Module):
    """A module on (B, C, N)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.transpose(1, 2)).transpose(1, 2)


class Twice(nn.Module):
    """Rows doubled and halved again, so that sizes are more than N."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, x.flip(1)), dim=1)[:, ::2].contiguous() * 0.5


def network(names: list[str]) -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), *(STEPS[name]() for name in names))


FOUND_AS_THEY_ARE = (Phase.explicit, Phase.reuse, Phase.generate)
"""Networks are small already, and to make them smaller takes minutes."""


def agrees(names: list[str], training: bool, seed: int) -> None:
    found = derived(lambda: network(names), "B,N,8", train_mode=training)
    rng = random.Random(seed)
    for _ in range(3):
        point = {"B": rng.choice((1, 2, 5)), "N": rng.choice((1, 2, 8, 16, rng.randrange(1, 70)))}
        shape = (point["B"], point["N"], WIDTH)
        assert at(found, point) == measured(*on_cpu(network(names), shape), training=training), (names, point)


@pytest.mark.slow
@settings(max_examples=6, deadline=None, phases=FOUND_AS_THEY_ARE)
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=4), st.booleans(), st.integers(0, 99))
def test_small_random_networks(names: list[str], training: bool, seed: int) -> None:
    agrees(names, training, seed)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, phases=FOUND_AS_THEY_ARE)
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=6), st.booleans(), st.integers(0, 999))
def test_many_random_networks(names: list[str], training: bool, seed: int) -> None:
    agrees(names, training, seed)


# -- modules of others ----------------------------------------------------------------------------------

SMALL = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 64}
FOREIGN: dict[str, tuple[str, Mapping[str, object]]] = {
    "bert": ("1,N", SMALL),
    "roberta": ("1,N", SMALL),
    "albert": ("1,N", SMALL),
    "electra": ("1,N", SMALL),
    "distilbert": ("1,N", {"dim": 32, "n_heads": 2, "n_layers": 2, "hidden_dim": 64}),
    "gpt2": ("1,N", {"n_embd": 32, "n_head": 2, "n_layer": 2}),
    "gpt_neox": ("1,N", SMALL),
    "opt": ("1,N", {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2, "ffn_dim": 64}),
    "llama": ("1,N", SMALL),
    "mistral": ("1,N", {**SMALL, "num_key_value_heads": 1}),
    "convnext": ("1,3,H,W", {"hidden_sizes": "8,16,24,32", "depths": "1,1,1,1"}),
    "resnet": ("1,3,H,W", {"hidden_sizes": "16,32", "depths": "1,1", "embedding_size": 8}),
    "regnet": ("1,3,H,W", {"hidden_sizes": "16,32,48,64", "depths": "1,1,1,1", "groups_width": 8}),
    "segformer": ("1,3,H,W", {"depths": "1,1,1,1"}),
    "pvt_v2": ("1,3,H,W", {"depths": "1,1,1,1"}),
    "poolformer": ("1,3,H,W", {"depths": "1,1,1,1"}),
}
QUICK = ("gpt2", "resnet")


@pytest.mark.quick(1)
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow) for kind in FOREIGN]
)
def test_modules_of_others_at_random_sizes(kind: str) -> None:
    """Five sizes each, two of them in real runs."""
    input, args = FOREIGN[kind]
    pytest.importorskip("transformers")
    target = find_target(f"transformers:{kind}", input, args)
    found = derived(f"transformers:{kind}", input, args, quantity=None)
    assert {id for id, q in found.to_dict()["quantities"].items() if q["complete"]} == set(COMMON)
    rng, regime = random.Random(kind), target.regimes[0]
    for way, most in ((Way.CPU, 90), (Way.CPU, 160), (Way.META, 400), (Way.META, 500), (Way.META, 2000)):
        bounds = found.explored.exploration.range.bounds
        drawn = ({n: rng.randrange(33, min(most, high)) for n, (_, high) in bounds.items()} for _ in range(99))
        point = next(p for p in drawn if (r := found.explored.exploration.at(p)) is not None and not r.refused)
        with quiet(), Knowing(), torch.device("meta" if way is Way.META else "cpu"):
            module, given, named = built(way, lambda at=point: regime.make(at), valued=True)  # type: ignore[misc]
            seen = measured(module, given, {**regime.kwargs, **named})
        said = at(found, point)
        assert said == {name: seen[name] for name in said}, point
        assert set(said) == set(COMMON)


# -- planted mistakes -----------------------------------------------------------------------------------


def test_a_wrong_gradient_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = PRICES["linear"]

    def price(*args: Any, **kwargs: Any) -> Any:
        return [made._replace(back=made.back + made.macs) for made in right(*args, **kwargs)]

    monkeypatch.setitem(PRICES, "linear", price)
    quantities = derived(lambda: nn.Linear(8, 8), "1,N,8").to_dict()["quantities"]
    assert "the counter sees" in quantities["backward_macs"]["why"]
    assert quantities["saved_bytes"]["complete"]


def test_a_layout_that_nobody_knows_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Form and count see the same meta tensors, and are wrong alike: a real run is not."""
    make = lambda: Made(lambda x: torch.fft.rfftn(x.view(2, -1, 8)).flatten(1).abs()[:, :1].expand(-1, 8))  # noqa: E731
    assert derived(make, "2*N,8").to_dict()["quantities"]["bytes_moved"]["complete"]
    monkeypatch.setattr("vpcalc.counters.kernels._TRANSFORMS", ())
    for quantity in ("bytes_moved", "peak_bytes"):
        why = derived(make, "2*N,8").to_dict()["quantities"][quantity]["why"]
        assert "a real run has" in why


def test_memory_that_is_forgotten_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Storages.saved

    def forgets(self: Storages) -> Any:
        return dict(list(right(self).items())[1:])

    monkeypatch.setattr(Storages, "saved", forgets)
    module = lambda: nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 8))  # noqa: E731
    assert "the counter sees" in derived(module, "1,N,8").to_dict()["quantities"]["saved_bytes"]["why"]


# -- sides in another shape -----------------------------------------------------------------------------


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_sides_that_are_joined_keep_their_product(sides: list[int], rng: random.Random) -> None:
    from vpcalc.algebra.polynomial import constant, symbol

    forms = [symbol(f"s{place}") for place in range(len(sides))]
    cut = rng.randrange(1, len(sides) + 1)
    joined = (prod(sides[:cut]), *sides[cut:])
    found = _regrouped(tuple(sides), forms, joined)
    assert len(found) == len(joined)
    whole = constant(1)
    for form in found:
        whole = whole * form
    expected = constant(1)
    for form in forms:
        expected = expected * form
    assert whole == expected


# -- the command ----------------------------------------------------------------------------------------


LINEAR = ("derive", "torch.nn:Linear", "--input", "1,N,8", "--arg", "in_features=8", "--arg", "out_features=4")


def test_the_command_shows_all_of_them(inside: Run) -> None:
    shown = inside(*LINEAR, "--quantity", "all")
    assert shown.returncode == 0
    for quantity in QUANTITIES.values():
        assert quantity.name in shown.stdout
    (regime,) = json.loads(inside(*LINEAR, "--format", "json").stdout)["regimes"]
    assert regime["macs"]["text"] == "32N"
    assert regime["activations"]["text"] == "4N"
    assert regime["backward_macs"]["text"] == "32N"  # of the weight: nobody asks for that of the input
    assert regime["peak_bytes"]["text"] == "16N"
    assert regime["saved_bytes"]["text"] == "0"  # the input is the reader's own


def test_one_quantity_by_module() -> None:
    found = derived(lambda: Block(), "1,N,16", quantity="saved_bytes", by="module", depth=2)
    (table, *_) = found.tables()
    assert [column.key for column in table.columns] == ["module", "form"]
    rows = {row[0]: row[1] for row in table.rows}
    assert str(rows["norms.0"]) == "72N"  # its result, a mean and a deviation for each row
    assert "total" in rows


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"quantity": "byte"}, "--quantity 'byte' is not known"),
        ({"by": "layer"}, "--by 'layer' is not known"),
        ({"quantity": "saved_bytes", "counting": True}, "--quantity saved_bytes: only of what can be executed"),
    ],
)
def test_mistakes(more: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        vpcalc.derive(nn.Linear(8, 8), "1,N,8", **more)


def test_calls_have_the_shapes_of_their_operands(inside: Run) -> None:
    found = derived(Block, "1,N,16", by="operator", quantity="macs")
    calls = {(call.name, call.operands): call for call in found.calls()}
    scores = calls["matmul", "1×2×N×8 · 1×2×8×N"]
    assert (scores.result, scores.modules, str(scores.macs)) == ("1×2×N×N", ("",), "16N²")
    projection = calls["linear", "1×N×16 · 48×16 · 48"]
    assert (projection.result, projection.modules, str(projection.macs)) == ("1×N×48", ("qkv",), "768N")
    assert sum((call.macs for call in found.calls()), start=0) == found.everywhere.polynomial
    (table, *_) = found.tables()
    assert [column.key for column in table.columns][:3] == ["operator", "operands", "result"]


def test_attention_that_is_one_kernel_has_no_peak() -> None:
    class Own(nn.Module):
        def __init__(self, batch_first: bool) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(16, 2, batch_first=batch_first)

        def forward(self, x: Tensor) -> Tensor:
            return self.attention(x, x, x)[0]

    why = derived(lambda: Own(True), "2,N,16").to_dict()["quantities"]["peak_bytes"]["why"]
    assert "MultiheadAttention is one kernel on the CPU, unless torch.backends.mha" in why
    spelled = derived(lambda: Own(False), "N,2,16")
    for n in (1, 9, 40):
        assert at(spelled, {"N": n}) == measured(*on_cpu(Own(False), (n, 2, 16)))


def test_attention_to_something_else_is_no_kernel_of_one_piece() -> None:
    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query = nn.Parameter(torch.zeros(1, 5, 16))
            self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.attention(self.query.expand(x.shape[0], -1, -1), x, x)[0]

    found = derived(Pooled, "2,N,16")
    for n in (1, 2, 5, 9, 40):
        assert at(found, {"N": n}) == measured(*on_cpu(Pooled(), (2, n, 16)))


@pytest.mark.slow
def test_an_lstm_has_no_form_in_bytes() -> None:
    """A real run keeps a workspace of 28 KB, which the meta device does not know."""
    module, x = nn.LSTM(8, 8), torch.zeros(1, 12, 8)
    assert saved.count(module, (x,), training=False).total > 28_000
    found = derived(lambda: nn.LSTM(8, 8), "1,N,8", range={"N": "1:200"}).to_dict()
    assert "lstm takes other memory" in found["quantities"]["saved_bytes"]["why"]
    assert found["quantities"]["backward_macs"]["complete"]
    for kind in (nn.GRU, nn.RNN):  # on the CPU they multiply all steps at once
        made = derived(lambda kind=kind: kind(8, 8, batch_first=True), "2,N,8", range={"N": "1:200"})
        steps = made.to_dict()["quantities"]
        assert "takes other memory" in steps["peak_bytes"]["why"]
        assert steps["backward_macs"]["complete"]


class Split(nn.Module):
    """Attention whose heads are copied unless one token, or one sequence, is all there is."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        B, N, _ = x.shape
        q, k, v = self.qkv(x).view(B, N, 3, 2, 4).permute(2, 0, 3, 1, 4)
        return ((q @ k.mT).softmax(-1) @ v).transpose(1, 2).reshape(B, N, 8)


class Stepped(nn.Module):
    """Every second token is a view if they are even: else what is multiplied is a copy, and kept."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(8, 8), nn.Linear(8, 16)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] > 20:
            x = x[:, ::2]
        return self.one(x) if x.shape[1] % 3 else self.other(x)


@pytest.mark.parametrize("module", [Split, pytest.param(Stepped, marks=pytest.mark.slow)])
def test_one_figure_at_every_small_size(module: type[nn.Module]) -> None:
    """Where conditions meet that exclude each other no regime is left, and none is missing."""
    found = derived(module, "B,N,8").to_dict()
    sizes = [(b, n) for b in (1, 2, 3, 30) for n in (1, 2, 4, 5, 7, 8, 20, 21, 22, 23, 24, 25, 49)]
    for b, n in sizes:
        assert at(found, {"B": b, "N": n}) == measured(*on_cpu(module(), (b, n, 8))), (b, n)


def test_memory_that_meta_does_not_show() -> None:
    """Statistics of a layer norm in 16 bits have 16 bits on the CPU; a number that is assigned is none to move."""

    class Blank(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            y = self.linear(x)
            y[:, 0] = 0.0
            y[y > 1] = 1
            return torch.where(y > 0, y, 0.5)

    half = derived(lambda: nn.LayerNorm(8).bfloat16(), "1,N,8:bfloat16").to_dict()["quantities"]
    assert half["saved_bytes"]["why"].startswith("layer_norm in 16 bits")
    maps = derived(lambda: nn.BatchNorm1d(8).bfloat16(), "B,8,N:bfloat16", train_mode=True).to_dict()["quantities"]
    assert maps["saved_bytes"]["why"].startswith("batch_norm in 16 bits")
    maps = derived(lambda: nn.BatchNorm1d(8).bfloat16(), "B,8,N:bfloat16").to_dict()["quantities"]
    assert maps["saved_bytes"]["complete"]  # in eval mode it has none
    assert at(derived(Blank, "1,N,8"), {"N": 3}) == measured(*on_cpu(Blank(), (1, 3, 8)))


def test_places_beyond_what_is_unpooled() -> None:
    """Without the sides that were pooled, an odd one is lost, and places in the plane lead beyond its end."""

    class Lost(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            pooled, places = F.max_pool2d(x, 2, return_indices=True)
            return self.conv(F.max_unpool2d(pooled, places, 2))

    regimes = derived(Lost, "1,3,H,W", quantity=None).to_dict()["regimes"]
    for h, w in ((8, 8), (9, 8), (8, 9), (30, 41), (7, 2), (5, 4)):
        x = torch.arange(h * w).view(h, w).expand(1, 3, h, w).float()  # the most is in the last corner of a window
        (said,) = [r for r in regimes if eval(r["when"]["python"], {"H": h, "W": w})]
        try:
            Lost()(x)
            assert "macs" in said, (h, w)
        except RuntimeError:
            assert "refused" in said, (h, w)


def test_why_a_count_raises_is_said() -> None:
    class Halved(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(F.interpolate(x, scale_factor=0.5, mode="bilinear", recompute_scale_factor=True))

    why = derived(Halved, "1,3,H,W").to_dict()["quantities"]["fvcore"]["why"]
    assert why.endswith("upsample_bilinear2d reads a number, which a trace on meta tensors has not")
    assert derived(nn.ReLU, "1,N").to_dict()["quantities"]["backward_macs"]["regimes"][0]["form"]["text"] == "0"


def test_what_has_no_backward_pass_keeps_its_other_figures() -> None:
    """A result that is written over cannot be differentiated, from 100 rows on."""

    class Overwritten(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            y = self.linear(x).softmax(-1)
            return y.mul_(2) if x.shape[1] >= 100 else y

    found = derived(Overwritten, "1,N,8", quantity=None)
    for n in (1, 60, 99, 100, 4000):
        (regime, *_) = [r for r in found.to_dict()["regimes"] if eval(r["when"]["python"], {"N": n})]
        assert eval(regime["macs"]["python"], {"N": n}) == 64 * n
        assert "backward_macs" not in regime
        assert "saved_bytes" in regime
    assert "a count of it raises" in found.to_dict()["quantities"]["backward_macs"]["why"]


def test_a_peak_of_the_smallest_sizes_only() -> None:
    """Heads of one channel are not copied before the last product: more is alive there, at two rows only."""

    class Thin(nn.Module):
        def __init__(self, dim: int) -> None:
            super().__init__()
            self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

        def forward(self, x: Tensor) -> Tensor:
            B, N, C = x.shape
            q, k, v = self.qkv(x).reshape(B, N, 3, 2, C // 2).permute(2, 0, 3, 1, 4)
            scores = (q * 0.5) @ k.transpose(-2, -1)
            scores = scores.softmax(-1)
            return self.out((scores @ v).transpose(1, 2).reshape(B, N, C))

    found = derived(Thin, "1,N,D", {"dim": "D"}, quantity="peak_bytes")
    regimes = found.to_dict()["regimes"]
    for size in range(1, 6):
        for dim in (2, 4, 6):
            at_once = live.count(Thin(dim), (torch.zeros(1, size, dim),), gradients=False).peak
            said = {eval(r["peak_bytes"]["python"], {"N": size, "D": dim}) for r in regimes if "macs" in r
                    and eval(r["when"]["python"], {"N": size, "D": dim})}  # fmt: skip
            assert said == {at_once}, (size, dim)


@pytest.mark.parametrize("reentrant", [False, True])
def test_what_a_checkpoint_keeps(reentrant: bool) -> None:
    """The input of each part; what is computed again in the backward pass has no form, and is not left out."""

    class Thrifty(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.up, self.down = nn.Linear(8, 8), nn.Linear(8, 32), nn.Linear(32, 8)

        def part(self, x: Tensor) -> Tensor:
            return self.down(self.up(x).relu())

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            for _ in range(3):
                x = checkpoint(self.part, x, use_reentrant=reentrant)
            return x.relu()

    found = derived(Thrifty, "1,N,8")
    kept = saved.count(Thrifty(), (torch.randn(1, 10, 8),), training=False).total
    assert at(found, {"N": 10})["saved_bytes"] == kept == 4 * 80 * 4
    why = found.to_dict()["quantities"]["backward_macs"]["why"]
    assert ("of the program's own" if reentrant else "the counter sees") in why


def test_what_is_shown_is_what_was_asked_for() -> None:
    """In tables, in CSV, and where a module is only counted: never multiply-accumulates in another's place."""
    asked = {"in_features": 8, "out_features": 4}
    (params,) = derived("torch.nn:Linear", "1,N,8", asked, quantity="params").tables()
    assert [str(cell) for cell in params.rows[0]] == ["every size", "36"]
    backward = derived("torch.nn:Linear", "1,N,8", asked, quantity="backward_macs").sheet()
    assert [column.key for column in backward.columns] == ["when", "operator", "backward_macs"]
    assert [str(row[2]) for row in backward.rows] == ["32N", "32N"]
    for quantity in ("params", "backward_macs", "all"):
        with pytest.raises(InputError, match="only of what can be executed"):
            vpcalc.derive("torch.nn:Linear", "1,N,8", asked, counting=True, quantity=quantity)


def test_what_has_no_form_anywhere_has_no_row() -> None:
    """A row without a form said that it holds for every size; why there is none stands below the table."""

    (shown,) = derived(Bags, "2,N:long").tables()
    assert all(row[1] is not None for row in shown.rows)
    assert any(note.startswith("bytes moved: no form, embedding_bag takes other memory") for note in shown.notes)


def test_where_it_refuses_it_is_not_open() -> None:
    class Short(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.linear = nn.Embedding(40, 8), nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(self.table(torch.arange(x.shape[1], device=x.device)) + x)

    *_, regimes = derived(Short, "1,N,8", quantity="saved_bytes").tables()
    assert [row[0] for row in regimes.rows] == ["N ≤ 40", "N ≥ 41"]
    assert str(regimes.rows[1][1]).startswith("refused: ")


class Counted(nn.Module):
    """All that fvcore adds to products, and what it does with them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.up = nn.Conv2d(3, 8, 3, stride=2), nn.ConvTranspose2d(8, 8, 2, 2, groups=2)
        self.norms = nn.Sequential(
            nn.BatchNorm2d(8),
            nn.BatchNorm2d(8, affine=False),
            nn.GroupNorm(2, 8),
            nn.InstanceNorm2d(8, affine=True),
        )
        self.mix, self.norm = nn.Linear(8, 8, bias=False), nn.LayerNorm(8, elementwise_affine=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norms(self.up(self.conv(x)))
        y = F.interpolate(F.interpolate(y, scale_factor=2), size=(9, 5), mode="bilinear")
        tokens = self.norm((self.mix.weight @ F.adaptive_avg_pool2d(y, (4, 3)).flatten(2)).mT)
        return F.scaled_dot_product_attention(tokens, tokens, self.mix(tokens))


def test_fvcores_convention_is_what_fvcore_reports() -> None:
    """On the CPU, too; it multiplies the first operand by the last side only, and does not see attention."""
    found = derived(Counted, "B,3,H,W", quantity="fvcore")
    for shape in ((1, 3, 17, 40), (3, 3, 9, 8), (2, 3, 64, 33)):
        point = dict(zip("BHW", (shape[0], *shape[2:]), strict=True))
        said = {
            eval(regime["form"]["python"], {}, point)
            for regime in found.to_dict()["quantities"]["fvcore"]["regimes"]
            if eval(regime["when"]["python"], {}, point)
        }
        assert said == {FlopCountAnalysis(Counted().eval(), torch.zeros(shape)).total()}
    (operators, *_) = found.tables()
    assert {"batch_norm", "matmul", "upsample_bilinear2d"} <= {str(row[0]) for row in operators.rows}
    assert "fvcore does not see scaled_dot_product_attention" in operators.notes


@pytest.mark.filterwarnings("ignore:Using padding")
@pytest.mark.parametrize("kernel", [3, 4])
def test_fvcore_does_not_see_what_pads_by_name(kernel: int) -> None:
    """Which is another operator to a trace; on the meta device it was counted."""

    def make() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, kernel, padding="same"), nn.Conv2d(4, 2, 1))

    seen = FlopCountAnalysis(make(), torch.zeros(1, 3, 9, 20)).total()
    assert seen == 8 * 180
    (regime,) = derived(make, "1,3,H,W", quantity="fvcore").to_dict()["quantities"]["fvcore"]["regimes"]
    assert regime["form"]["text"] == "8HW"


@pytest.mark.parametrize(
    ("product", "why"),
    [
        (lambda x, w: x @ w[0], "fvcore fails where a matrix is multiplied by a vector"),
        (lambda x, w: torch.einsum("bnc,cd->bnd", x, w), "rounded to four digits"),
        (lambda x, w: (x @ w, x @ w @ w)[0], "MACs as fvcore counts"),  # what leads to no result is not in a trace
    ],
)
def test_where_fvcore_has_no_figure(product: Callable[[Tensor, Tensor], Tensor], why: str) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(8, 8))

        def forward(self, x: Tensor) -> Tensor:
            return product(x, self.weight)

    assert why in derived(Odd, "1,N,8").to_dict()["quantities"]["fvcore"]["why"]


@pytest.mark.parametrize("name", [pytest.param("pvt_v2_b0", marks=pytest.mark.slow), "resnet18"])
def test_fvcores_convention_twice(name: str) -> None:
    """As the run on symbols has it, and as our layers do, which know nothing of torch."""
    found = derived(name, "1,3,H,W", quantity="fvcore").to_dict()["quantities"]["fvcore"]["regimes"][0]
    layers = vpcalc.formula(name, quantity="fvcore", everywhere=True).to_dict()
    for h, w in ((224, 224), (100, 333), (61, 29)):
        executed = eval(found["form"]["python"], {"H": h, "W": w})
        assert executed == eval(layers["formula"]["python"], {"H": h, "W": w})


def test_a_wrong_convention_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    handle = HANDLES["layer_norm"]
    monkeypatch.setitem(HANDLES, "layer_norm", lambda *args, **kwargs: handle(*args, **kwargs) + 1)
    assert "the counter sees" in derived(Block, "1,N,16").to_dict()["quantities"]["fvcore"]["why"]


class Capacity(nn.Module):
    """Experts that take 5/16 of the tokens and at least 4, which are few sizes in many: B·N from 4 to 12."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(8, 4)
        self.weights = nn.ParameterList([torch.zeros(4, 8, 16), torch.zeros(4, 16, 8)])

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(0, 1)
        capacity = min(max(int(1.25 * x.shape[0] / 4), 4), x.shape[0])
        gates = self.gate(x).softmax(-1)
        weights, chosen = gates.t().topk(capacity, 1)
        y = torch.bmm(torch.bmm(x[chosen], self.weights[0]).relu(), self.weights[1]) * weights[..., None]
        return torch.zeros_like(x).index_add_(0, chosen.flatten(), y.flatten(0, 1))


def test_the_most_of_two_forms_is_told_where_few_sizes_are_left() -> None:
    """No size need be found for the condition of a form to stand: a size in two regimes had two peaks."""
    found = vpcalc.derive(Capacity, "B,N,8", quantity="peak_bytes")
    regimes = found.to_dict()["quantities"]["peak_bytes"]["regimes"]
    for sizes in ({"B": b, "N": n} for b in range(1, 14) for n in range(1, 14)):
        (form,) = {regime["form"]["python"] for regime in regimes if eval(regime["when"]["python"], {}, sizes)}
        tokens = sizes["B"] * sizes["N"]
        capacity = min(max(5 * tokens // 16, 4), tokens)
        assert eval(form, {}, sizes) == 16 * tokens + 560 * capacity, sizes


def test_few_sizes_without_a_regime_are_not_dropped_from_what_was_left_open() -> None:
    """One size in 32 has none: sizes that are drawn may miss them all, sets of sizes do not."""
    extent = Range({"N": (1, 4096)})
    rest = extent.values("N") % 32 == 0
    leader = SimpleNamespace(forms=(constant(0),))
    known = SimpleNamespace(refused=False, leader=leader, regions=[Region(extent, {"N": ~rest}, ())])
    exploration: Any = SimpleNamespace(
        regimes=[known], open=[(extent.whole(), "the number of runs is spent")], at=lambda point: known
    )
    (_, left) = parts(exploration)
    assert left.form is None
    (region,) = left.regions
    assert region.axes["N"].tolist() == rest.tolist()


class Averaged(nn.Module):
    """A buffer that another tensor takes the place of, while the old one's memory is free to be given away."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.register_buffer("mean", torch.zeros(8))

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        self.mean = 0.9 * self.mean + 0.1 * y.detach().mean((0, 1))
        return (y * self.mean).exp()


def test_memory_of_a_buffer_that_was_replaced() -> None:
    """What lies where the old buffer lay is no buffer: of 59 real counts 14 had one tensor less at the peak."""
    found = at(derived(Averaged, "2,N,8"), {"N": 5})
    assert (found["peak_bytes"], found["saved_bytes"]) == (64 * 3 * 5 + 32, 64 * 5 + 32)
    for n in range(1, 60):
        x = torch.randn(2, n, 8)
        assert live.count(Averaged(), (x,)).peak == 64 * 3 * n + 32
        assert saved.count(Averaged(), (x,)).total == 64 * n + 32


class Shared(nn.Module):
    """Keys of fewer heads than queries have, which are copied for them, or seen again if there is one alone."""

    def __init__(self, dim: int, heads: int, shared: int) -> None:
        super().__init__()
        self.heads, self.shared, self.wide = heads, shared, dim // heads
        self.q = nn.Linear(dim, heads * self.wide, bias=False)
        self.k, self.v = (nn.Linear(dim, shared * self.wide, bias=False) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        (b, n), times = x.shape[:2], self.heads // self.shared
        q = self.q(x).view(b, n, self.heads, self.wide).transpose(1, 2)
        k, v = (part(x).view(b, n, self.shared, self.wide).transpose(1, 2) for part in (self.k, self.v))
        if times > 1:
            shape = (b, self.shared * times, n, self.wide)
            k, v = (part[:, :, None].expand(-1, -1, times, -1, -1).reshape(shape) for part in (k, v))
        return (q @ k.mT).softmax(-1) @ v


@pytest.mark.slow
def test_what_is_copied_in_a_part_where_others_began_with_empty_heads() -> None:
    """A part was first run where heads have no channel: then nothing is copied, and counts fell there too."""
    args = {"dim": "C", "heads": "a", "shared": "k"}
    found = derived(Shared, "1,N,C", args, quantity="saved_bytes", range={"C": "1:512"})
    said = found.to_dict()["quantities"]["saved_bytes"]
    assert said["complete"]
    for n, wide, k, times in product((1, 2, 5), (1, 2, 3), (1, 2, 3), (1, 2, 3)):
        sizes = {"N": n, "C": k * times * wide, "a": k * times, "k": k}
        (form,) = {r["form"]["python"] for r in said["regimes"] if eval(r["when"]["python"], {}, sizes)}
        module = Shared(sizes["C"], sizes["a"], k)
        assert eval(form, {}, sizes) == saved.count(module, (torch.zeros(1, n, sizes["C"]),)).total, sizes


class Thinned(nn.Module):
    """About eight rows of all, as they are or as means of what lies between them."""

    def __init__(self, thin: Callable[[Tensor, int], Tensor]) -> None:
        super().__init__()
        self.thin, self.linear = thin, nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.thin(x, x.shape[1] // 8).relu())


@pytest.mark.parametrize(
    "thin", [lambda x, step: x[:, ::step], lambda x, step: F.avg_pool1d(x.mT, step).mT], ids=["rows", "means"]
)
def test_the_most_is_sought_where_nothing_divides_by_0(thin: Callable[[Tensor, int], Tensor]) -> None:
    """Of fewer than 8 rows a step is 0, and torch refuses them."""
    found = derived(lambda: Thinned(thin), "1,N,8")
    assert found.to_dict()["complete"]
    for n in (8, 9, 16, 23, 100):
        assert at(found, {"N": n}) == measured(*on_cpu(Thinned(thin), (1, n, 8)))


class Trained(nn.Module):
    """A weight in two cores, whose ranks are letters: einsum splits what it has multiplied."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Parameter(torch.zeros(s)) for s in ((4, one, two), (two, 2, one, 3)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("znij,iar,rjbs->znabs", x.view(*x.shape[:2], 4, 2), self.first, self.second)


def test_a_form_that_is_not_whole_is_none() -> None:
    found = derived(Trained, "1,N,8", {"one": "r", "two": "q"}, quantity="peak_bytes", range={"N": "1:64"})
    assert "not whole at other sizes" in found.to_dict()["quantities"]["peak_bytes"]["why"]
