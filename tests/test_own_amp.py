"""Modules of a reader's own under autocast: casts followed by its lists, against PyTorch's own autocast."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import vpcalc
from vpcalc import InputError
from vpcalc.execution import autocast
from vpcalc.execution.hooks import looked_into
from vpcalc.execution.outcome import BeyondError


class Images(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8)
        self.up, self.groups = nn.ConvTranspose2d(8, 16, 2, 2), nn.GroupNorm(4, 16)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.groups(self.up(F.relu(self.norm(self.stem(x))))))
        return self.head(F.interpolate(x, scale_factor=0.5, mode="bilinear").mean((2, 3)))


class Attention(nn.Module):
    def __init__(self, dim: int = 32, heads: int = 4) -> None:
        super().__init__()
        self.norm, self.qkv, self.proj = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.scale, self.heads = nn.Parameter(torch.ones(heads, 1, 1)), heads

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        maps = (q @ k.transpose(-1, -2) * self.scale).softmax(-1)
        return x + self.proj((maps @ v).transpose(1, 2).reshape(b, n, c))


class Cosines(nn.Module):
    def __init__(self, dim: int = 32) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k = F.normalize(self.a(x), dim=-1), F.normalize(self.b(x), dim=-1)
        return (q @ k.transpose(-2, -1)).softmax(-1) @ x


class Gated(nn.Module):
    """Root mean square, a gate, and a weight that is used twice."""

    def __init__(self, dim: int = 32) -> None:
        super().__init__()
        self.gain, self.gate = nn.Parameter(torch.ones(dim)), nn.Linear(dim, 64, bias=False)
        self.up, self.down = nn.Linear(dim, 64, bias=False), nn.Linear(64, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.gain
        y = x + self.down(F.silu(self.gate(y)) * self.up(y))
        return torch.cat([y, self.down(self.up(y)).exp()], -1).sum(1)


class Torchs(nn.Module):
    """Attention of torch's own, which is taken apart; the batch is its second side."""

    def __init__(self, dim: int = 32, weights: bool = True) -> None:
        super().__init__()
        self.attention, self.weights = nn.MultiheadAttention(dim, 4), weights

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.attention(x, x, x, need_weights=self.weights)[0]
        return y


class Fused(nn.Module):
    def __init__(self, dim: int = 32) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 4, -1)).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class Taught(nn.Module):
    """Its own outputs are the target: weights are cast where no gradient is asked for, and used again."""

    def __init__(self, room: Any = torch.no_grad, dim: int = 32) -> None:
        super().__init__()
        self.a, self.b, self.room = nn.Linear(dim, dim), nn.Linear(dim, dim), room

    def _run(self, x: Tensor) -> Tensor:
        y: Tensor = self.b(F.relu(self.a(x)))
        return y

    def forward(self, x: Tensor) -> Tensor:
        with self.room():
            target = self._run(x)
        return F.mse_loss(self._run(x), target.clone())


class Padded(nn.Module):
    """Sides that a list says, by name and by place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.pad(x, [1, 1, 1, 1]))
        return self.conv(F.pad(F.pad(x, [1, 1, 1, 1], mode="reflect"), [1, 1, 1, 1], "replicate"))


class Smoothed(nn.Module):
    """A loss of its own, of labels or of probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(self.head(F.gelu(x)), y, label_smoothing=0.1)


MODULES: dict[str, tuple[Any, str]] = {
    "padded": (Padded, "{0},3,{1},{1}"),
    "images": (Images, "{0},3,{1},{1}"),
    "attention": (Attention, "{0},{1},32"),
    "cosines": (Cosines, "{0},{1},32"),
    "gated": (Gated, "{0},{1},32"),
    "torch's attention": (Torchs, "{1},{0},32"),
    "torch's attention without weights": (lambda: Torchs(weights=False), "{1},{0},32"),
    "smoothed labels": (Smoothed, "{0},32;{0}:long"),
    "smoothed probabilities": (Smoothed, "{0},32;{0},10"),
    "fused": (Fused, "{0},{1},32"),
    "taught without gradients": (Taught, "{0},{1},32"),
    "taught in inference mode": (lambda: Taught(torch.inference_mode), "{0},{1},32"),
}


def _different(make: Any, shape: str, train: bool, dtype: str = "bfloat16") -> list[str]:
    found = vpcalc.memory(make, input=shape, amp=dtype, train=train, check=True)
    assert found.report is not None
    assert found.report.checks, found.report
    return [check.quantity for check in found.report.differing]


@pytest.mark.quick(5)
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("name", MODULES)
def test_bytes_are_those_of_autocast_on_the_cpu(name: str, train: bool) -> None:
    """By its lists for the CPU: what is kept, peaks without and with gradients, and a whole step."""
    make, shape = MODULES[name]
    for batch, side in ((2, 10), (3, 22)):
        assert _different(make, shape.format(batch, side), train) == []


@pytest.mark.parametrize("forgotten", ["linear", "conv2d", "conv_transpose2d"])
def test_a_product_that_is_left_out_is_noticed(forgotten: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = dataclasses.replace(autocast.CPU, narrow=autocast.CPU.narrow - {forgotten})
    monkeypatch.setattr(autocast, "CPU", fewer)
    make, shape = MODULES["cosines" if forgotten == "linear" else "images"]
    assert _different(make, shape.format(2, 10), True)


def test_casts_are_made_of_the_last_operand_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that autograd goes back through them in another order, and holds other bytes at its peak."""

    def first_to_last(cast: Any, args: Any, kwargs: Any) -> Any:
        leaves, how = autocast.tree_flatten((args, kwargs))
        return autocast.tree_unflatten([cast(x) if isinstance(x, Tensor) else x for x in leaves], how)

    monkeypatch.setattr(autocast.Autocast, "_given", staticmethod(first_to_last))
    assert _different(Fused, "2,10,32", True) == ["step_peak_bytes"]


_SECTIONS = {
    "narrow": "AT_FORALL_LOWER_PRECISION_FP",
    "wide": "AT_FORALL_FP32",
    "asked": "AT_FORALL_FP32_SET_OPT_DTYPE",
    "widest": "AT_FORALL_PROMOTE",
}
_CALLED = {  # operators, by the functions of torch that call them
    "matmul": ("matmul", "__matmul__", "__rmatmul__"),
    "addmm": ("addmm", "addmm_"),
    "addbmm": ("addbmm", "addbmm_"),
    "baddbmm": ("baddbmm", "baddbmm_"),
    "linalg_vecdot": ("linalg_vecdot", "vecdot"),
    "linalg_multi_dot": ("linalg_multi_dot", "multi_dot"),
    "acos": ("acos", "arccos"),
    "asin": ("asin", "arcsin"),
    "atan2": ("atan2", "arctan2"),
    "pow": ("pow", "__pow__", "__rpow__"),
    "nll_loss": ("nll_loss", "nll_loss_nd"),
    "linalg_vector_norm": ("linalg_vector_norm", "vector_norm"),
    "linalg_matrix_norm": ("linalg_matrix_norm", "matrix_norm"),
}
_WITHIN = {  # what no function of torch calls by that name
    *("_convolution", "convolution", "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell"),
    *("_scaled_dot_product_flash_attention", "nll_loss2d"),
}


@pytest.mark.parametrize("kind", _SECTIONS)
def test_the_lists_are_those_of_torchs_own_header(kind: str) -> None:
    header = (Path(torch.__file__).parent / "include/ATen/autocast_mode.h").read_text()
    section = re.search(rf"#define {_SECTIONS[kind]}\(_\)(.*?)\n\n", header, re.S)
    assert section is not None
    operators = set(re.findall(r"_\((\w+)", section[1])) - _WITHIN
    expected = {name for operator in operators for name in _CALLED.get(operator, (operator,))}
    if kind == "wide":
        expected |= {"square"}  # a power
    if kind == "asked":
        assert '"norm.ScalarOpt_dim"' in header  # of another signature
        expected |= {"norm", "linalg_norm"}  # the latter one of those before it
    assert getattr(autocast.CUDA, kind) == expected


@pytest.mark.parametrize("name", sorted(autocast.CPU.narrow | autocast.CPU.wide | autocast.CPU.widest))
def test_what_is_listed_for_the_cpu_has_a_kernel_of_autocast_there(name: str) -> None:
    if name in {"hstack", "vstack", "dstack", "column_stack", "row_stack"}:
        name = "cat"  # which they call
    operator = next((known for known, names in _CALLED.items() if name in names), name).removeprefix("__")
    operator = {"concat": "cat", "concatenate": "cat", "quantile": "quantile", "norm": "norm"}.get(
        operator, operator
    )
    overloads = torch._C._jit_get_schemas_for_operator(f"aten::{operator}")
    names = [f"aten::{operator}" + (f".{each.overload_name}" if each.overload_name else "") for each in overloads]
    assert any(torch._C._dispatch_has_kernel_for_dispatch_key(each, "AutocastCPU") for each in names), names


def test_lists_for_cuda_keep_softmax_in_float32() -> None:
    """Four bytes an element of its result, two of what the product takes of it; no such list on the CPU."""
    maps = 2 * 4 * 9 * 9
    wide, narrow = (vpcalc.memory(Attention, input="2,9,32", train=True, amp=amp) for amp in (None, "bf16"))
    kept = {key: value for key, value in narrow.to_dict()["operators"].items() if "softmax" in key}
    assert sum(kept.values()) == 4 * maps
    assert narrow.to_dict()["weights_bytes"] == wide.to_dict()["weights_bytes"]


def test_softmax_takes_float16_as_it_is() -> None:
    """Its kernel of CUDA's returns float32; of bfloat16 there is a copy first, so that its peak is there."""
    found = [vpcalc.memory(Cosines, input="2,256,32", amp=amp, check=False).to_dict() for amp in ("fp16", "bf16")]
    half, brain = found
    maps, values = 2 * 256 * 256, 2 * 256 * 32
    product = (4 + 2) * maps + 2 * 2 * values  # a map, its cast, that of x, and what comes out
    assert brain["peak_bytes"] - half["peak_bytes"] == (2 + 4 + 4) * maps - product
    assert half["attention_bytes"] == brain["attention_bytes"] == 4 * maps


def test_the_form_is_what_each_size_has() -> None:
    found = vpcalc.memory(Attention, input="2,9,32", train=True, amp="fp16", check=False)
    for tokens in (9, 20, 57):
        there = vpcalc.memory(Attention, input=f"2,{tokens},32", train=True, amp="fp16", check=False).to_dict()
        assert found.forms["saved_bytes"].gives(there["saved_bytes"], {"N": tokens})


def test_what_is_not_followed_is_said() -> None:
    class Own(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            with torch.autocast("cuda", enabled=False):
                return x @ x.transpose(-1, -2)

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.GRU(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.cell(x)[0]
            return y

    class Sums(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.einsum("bnc,bmc->bnm", x, x)

    with pytest.raises(InputError, match="it enters or leaves autocast itself"):
        vpcalc.memory(Own, input="1,4,8", amp="bf16", check=False)
    with pytest.raises(InputError, match="what autocast casts within gru is not followed"):
        vpcalc.memory(Recurrent, input="5,1,8", amp="bf16", check=False)
    with pytest.raises(InputError, match="--dtype float16 must be float32"):
        vpcalc.memory(Attention, input="1,4,32", amp="bf16", dtype="float16", check=False)
    found = vpcalc.memory(Sums, input="1,4,8", amp="bf16", check=True)
    assert found.ok
    assert found.report is not None
    assert "within einsum is not followed" in found.report.reason


FUNCTIONS: dict[str, Any] = {  # parts are taken by operators: Python's brackets would look for the device
    "linear": lambda x: F.linear(x, torch.ones(3, 4)),
    "matmul": lambda x: x @ x.mT,
    "conv": lambda x: F.conv1d(x, torch.ones(2, 4, 1)),
    "softmax": lambda x: x.softmax(-1),
    "log_softmax": lambda x: F.log_softmax(x, -1),
    "layer norm": lambda x: F.layer_norm(x, (4,), torch.ones(4, device=x.device)),
    "group norm": lambda x: F.group_norm(x, 2, torch.ones(4, device=x.device)),
    "interpolation": lambda x: F.interpolate(x.unsqueeze(0), scale_factor=2.0, mode="bilinear"),
    "nearest": lambda x: F.interpolate(x, scale_factor=2.0),
    "sum": lambda x: x.sum(-1),
    "mean": lambda x: x.mean(-1),
    "norm": lambda x: x.norm(dim=-1),
    "normalized": lambda x: F.normalize(x, dim=-1),
    "power": lambda x: x.pow(2),
    "power by an operator": lambda x: x**2,
    "exponential": lambda x: x.exp(),
    "sigmoid": lambda x: x.sigmoid(),
    "gelu": F.gelu,
    "softplus": F.softplus,
    "joined": lambda x: torch.cat([x, x.float()]),
    "stacked": lambda x: torch.stack([x, x.float()]),
    "cross entropy": lambda x: F.cross_entropy(x.select(0, 0), torch.zeros(4, dtype=torch.int64, device=x.device)),
    "squares": lambda x: F.mse_loss(x, x),
    "pooled": lambda x: F.avg_pool1d(x, 2),
    "product": lambda x: x.prod(-1),
    "running sum": lambda x: x.cumsum(-1),
    "fused attention": lambda x: F.scaled_dot_product_attention(
        x.unsqueeze(0), x.unsqueeze(0).float(), x.unsqueeze(0).float()
    ),
    "square": lambda x: x.square(),
    "norm of linalg": lambda x: torch.linalg.norm(x, dim=-1),
    "root mean square": lambda x: x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt(),
    "cross entropy of an image": lambda x: F.cross_entropy(
        x.unsqueeze(0), torch.zeros(1, 4, 4, dtype=torch.int64, device=x.device)
    ),
    "cross entropy, weighed": lambda x: F.cross_entropy(
        x.select(0, 0),
        torch.zeros(4, dtype=torch.int64, device=x.device),
        weight=x.select(0, 0).select(0, 0),
        reduction="sum",
    ),
    **{
        f"cross entropy of smoothed labels, {way}": lambda x, way=way: F.cross_entropy(
            x.select(0, 0), torch.zeros(4, dtype=torch.int64, device=x.device), label_smoothing=0.1, reduction=way
        )
        for way in ("mean", "sum", "none")
    },
    "cross entropy of probabilities": lambda x: F.cross_entropy(x, x),
    "cross entropy of smoothed probabilities": lambda x: F.cross_entropy(
        x, x.float(), label_smoothing=0.1, reduction="none"
    ),
    "cross entropy of probabilities, weighed": lambda x: F.cross_entropy(
        x, x, weight=x.select(0, 0).select(0, 0), reduction="sum"
    ),
    "binary cross entropy": lambda x: F.binary_cross_entropy_with_logits(x, x),
    "absolutes": lambda x: F.l1_loss(x, x),
    "smooth absolutes": lambda x: F.smooth_l1_loss(x, x),
    "cosines": lambda x: F.cosine_similarity(x, x, dim=-1),
    "triplets": lambda x: F.triplet_margin_loss(x, x, x),
    "reflected": lambda x: F.pad(x, (1, 1), mode="reflect"),
    "padded": lambda x: F.pad(x, (1, 1)),
    "beside": lambda x: torch.hstack([x, x.float()]),
    "pooled solids": lambda x: F.max_pool3d(x.unsqueeze(0).unsqueeze(0), 2),
    "weighed sum": lambda x: torch.addcmul(x.float(), x, x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("narrow", [True, False])
def test_a_function_returns_what_it_does_under_autocast_on_the_cpu(name: str, narrow: bool) -> None:
    """Element types, by the lists for the CPU on meta and by torch on the CPU."""
    function, dtype = FUNCTIONS[name], torch.bfloat16 if narrow else torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        expected = function(torch.ones(2, 4, 4, dtype=dtype)).dtype
    with looked_into(), torch.device("meta"):
        found = autocast.within(function, torch.bfloat16, autocast.CPU)(torch.ones(2, 4, 4, dtype=dtype)).dtype
    assert found is expected


class _Recorded(TorchDispatchMode):
    """What is dispatched, with the element types of what comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, tuple[torch.dtype, ...]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not str(func).startswith("prim"):  # questions about the device
            found = tuple(leaf.dtype for leaf in tree_leaves(result) if isinstance(leaf, Tensor))
            name = re.sub("(add|mul|div).Scalar", r"\1.Tensor", str(func))  # as Python calls them
            self.calls.append((name, found))
        return result


@contextmanager
def _autocast_of_cuda(dtype: torch.dtype) -> Iterator[None]:
    """PyTorch's own kernels of autocast for CUDA, which need no such device to say what they would run."""
    torch.set_autocast_dtype("cuda", dtype)
    torch.set_autocast_enabled("cuda", True)
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        torch.autocast_decrement_nesting()
        torch.clear_autocast_cache()
        torch.set_autocast_enabled("cuda", False)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("narrow", [True, False])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_run_is_what_torchs_own_autocast_for_cuda_runs(
    name: str, narrow: bool, dtype: torch.dtype
) -> None:
    """Operator by operator, with element types: its kernels on fake tensors, and the lists on meta."""
    own = name in {"linear", "conv"}  # weights of which lie nowhere
    function, kind = FUNCTIONS[name], dtype if narrow else torch.float32
    expected, found = _Recorded(), _Recorded()
    with torch.no_grad(), FakeTensorMode():
        x = torch.empty(2, 4, 4, dtype=kind, device="cuda")
        with torch.device("cuda") if own else nullcontext(), _autocast_of_cuda(dtype), expected:
            function(x)
    with torch.no_grad(), looked_into(), torch.device("meta"):
        run = autocast.within(function, dtype, autocast.CUDA)
        x = torch.empty(2, 4, 4, dtype=kind)
        with found:
            run(x)
    assert found.calls == expected.calls


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.cross_entropy(x, torch.zeros(4, dtype=torch.int64), x.select(0, 0), label_smoothing=0.1),
        lambda x: F.pairwise_distance(x, x),
        lambda x: torch.linalg.matrix_power(x, 3),
        lambda x: F.binary_cross_entropy(x, x),
    ],
)
def test_what_casts_within_is_not_followed(function: Any) -> None:
    with looked_into(), torch.device("meta"), pytest.raises(BeyondError, match=r"autocast"):
        autocast.within(function, torch.float16, autocast.CUDA)(torch.ones(4, 4, dtype=torch.float16))
