"""The dispatch counter against counts by hand: every operator, forward and backward, fused and not."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import prod
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from vpcalc.architectures import ARCHITECTURES
from vpcalc.counters.dispatch import HIDDEN_PRODUCT, DispatchCounter, DispatchCounts, count, counting, tensors_of
from vpcalc.counters.formulas import PRICES, priced
from vpcalc.counters.fvcore import count as fvcore_count
from vpcalc.counters.given import TensorShape
from vpcalc.counters.policy import FREE, Rule, rule_of
from vpcalc.counters.shortcuts import shortcut_of
from vpcalc.counters.ways import Way, needs_values, run
from vpcalc.counters.weights import without_weights
from vpcalc.errors import InputError
from vpcalc.reference import MODEL_WITNESSES

aten = torch.ops.aten


def counted(what: Callable[[], Any], device: str = "meta", grad: bool = False) -> DispatchCounts:
    with torch.device(device), torch.set_grad_enabled(grad), counting() as counter:
        what()
    return counter.counts()


def zeros(*shape: int, **kwargs: Any) -> Tensor:
    return torch.zeros(shape, **kwargs)


def grouped(left: tuple[int, ...], right: tuple[int, ...]) -> Callable[[], Tensor]:
    def call() -> Tensor:
        offsets = torch.zeros(3, dtype=torch.int32)
        return torch._grouped_mm(zeros(*left), zeros(*right), offs=offsets if len(left) + len(right) < 6 else None)

    return call


# Operator, call on the meta device, multiply-accumulates by hand.
BY_HAND: dict[str, tuple[str, Callable[[], Any], int]] = {
    "mm": ("mm", lambda: zeros(2, 3) @ zeros(3, 5), 2 * 3 * 5),
    "mm of nothing": ("mm", lambda: zeros(2, 0) @ zeros(0, 5), 0),
    "addmm": ("addmm", lambda: torch.addmm(zeros(5), zeros(2, 3), zeros(3, 5)), 30),
    "bmm": ("bmm", lambda: torch.bmm(zeros(7, 2, 3), zeros(7, 3, 5)), 7 * 30),
    "baddbmm": ("baddbmm", lambda: torch.baddbmm(zeros(1, 1, 5), zeros(7, 2, 3), zeros(7, 3, 5)), 210),
    "addbmm": ("addbmm", lambda: torch.addbmm(zeros(2, 5), zeros(7, 2, 3), zeros(7, 3, 5)), 210),
    "mv": ("mv", lambda: torch.mv(zeros(4, 3), zeros(3)), 12),
    "addmv": ("addmv", lambda: torch.addmv(zeros(4), zeros(4, 3), zeros(3)), 12),
    "dot": ("dot", lambda: torch.dot(zeros(9), zeros(9)), 9),
    "vdot": ("vdot", lambda: torch.vdot(zeros(9), zeros(9)), 9),
    "addr": ("addr", lambda: aten.addr(zeros(4, 3), zeros(4), zeros(3)), 12),
    "matmul broadcasts": ("bmm", lambda: zeros(1, 3, 5) @ zeros(4, 5, 7), 4 * 3 * 5 * 7),
    "linear folds its batch": ("addmm", lambda: F.linear(zeros(2, 3, 4), zeros(5, 4), zeros(5)), 6 * 4 * 5),
    "linear, 1-D": ("addmm", lambda: F.linear(zeros(4), zeros(5, 4), zeros(5)), 20),
    "einsum": ("bmm", lambda: torch.einsum("bij,bkj->bik", zeros(2, 3, 4), zeros(2, 5, 4)), 2 * 3 * 5 * 4),
    "tensordot": ("mm", lambda: torch.tensordot(zeros(2, 3, 4), zeros(3, 4, 5), 2), 2 * 12 * 5),
    "bilinear": ("_trilinear", lambda: F.bilinear(zeros(6, 3), zeros(6, 4), zeros(5, 3, 4)), 6 * 5 * 3 * 4),
    "int8": ("_int_mm", lambda: torch._int_mm(*(zeros(32, 32, dtype=torch.int8) for _ in "ab")), 32**3),
    "grouped rows": ("_grouped_mm", grouped((16, 32), (3, 32, 64)), 16 * 32 * 64),
    "grouped columns": ("_grouped_mm", grouped((3, 16, 32), (32, 64)), 16 * 32 * 64),
    "grouped sums": ("_grouped_mm", grouped((16, 32), (32, 64)), 16 * 32 * 64),
    "grouped batch": ("_grouped_mm", grouped((3, 16, 32), (3, 32, 64)), 3 * 16 * 32 * 64),
    "affine grid": (
        "affine_grid_generator",
        lambda: F.affine_grid(zeros(2, 2, 3), [2, 1, 5, 7], align_corners=False),
        2 * 35 * 3 * 2,
    ),
    "conv1d": ("convolution", lambda: F.conv1d(zeros(2, 4, 10), zeros(6, 4, 3)), 2 * 6 * 8 * 4 * 3),
    "conv2d": ("convolution", lambda: F.conv2d(zeros(2, 4, 9, 9), zeros(6, 4, 3, 3)), 2 * 6 * 49 * 4 * 9),
    "strided": ("convolution", lambda: F.conv2d(zeros(1, 4, 9, 9), zeros(6, 4, 3, 3), stride=2), 6 * 16 * 36),
    "padded": ("convolution", lambda: F.conv2d(zeros(1, 4, 9, 9), zeros(6, 4, 3, 3), padding=1), 6 * 81 * 36),
    "same": ("convolution", lambda: F.conv2d(zeros(1, 4, 9, 9), zeros(6, 4, 3, 3), padding="same"), 6 * 81 * 36),
    "dilated": ("convolution", lambda: F.conv2d(zeros(1, 4, 9, 9), zeros(6, 4, 3, 3), dilation=2), 6 * 25 * 36),
    "in groups": ("convolution", lambda: F.conv2d(zeros(1, 4, 9, 9), zeros(6, 2, 3, 3), groups=2), 6 * 49 * 18),
    "depthwise": ("convolution", lambda: F.conv2d(zeros(1, 4, 9, 9), zeros(4, 1, 3, 3), groups=4), 4 * 49 * 9),
    "conv3d": ("convolution", lambda: F.conv3d(zeros(1, 2, 5, 5, 5), zeros(3, 2, 3, 3, 3)), 3 * 27 * 54),
    "transposed": ("convolution", lambda: F.conv_transpose2d(zeros(1, 4, 5, 5), zeros(4, 6, 3, 3)), 25 * 4 * 54),
    "transposed in groups": (
        "convolution",
        lambda: F.conv_transpose1d(zeros(1, 4, 5), zeros(4, 3, 3), groups=2, stride=2, output_padding=1),
        5 * 4 * 3 * 3,
    ),
    "conv without batch": ("convolution", lambda: F.conv2d(zeros(4, 9, 9), zeros(6, 4, 3, 3)), 6 * 49 * 36),
    "time first": ("conv_tbc", lambda: torch.conv_tbc(zeros(10, 2, 4), zeros(3, 4, 6), zeros(6)), 8 * 2 * 6 * 12),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_a_product_by_hand(case: str) -> None:
    operator, call, macs = BY_HAND[case]
    counts = counted(call)
    assert counts.operators == {f"aten::{operator}": macs}
    assert counts.macs == macs
    assert counts.calls == {f"aten::{operator}": 1}
    assert counts.unknown == {}


def test_a_planted_mistake_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A price that forgets the inner side makes the table above fail."""
    monkeypatch.setitem(PRICES, "aten::mm", lambda x, out: int(out.numel()))
    monkeypatch.setattr("vpcalc.counters.dispatch._KNOWN", {})
    operator, call, macs = BY_HAND["mm"]
    assert counted(call).operators[f"aten::{operator}"] != macs


def test_under_inference_mode_composites_are_taken_apart() -> None:
    def call() -> Tensor:
        with torch.inference_mode():
            return F.linear(zeros(2, 3, 4), zeros(5, 4)).softmax(-1) @ zeros(5, 6)

    counts = counted(call)
    assert counts.macs == 6 * 4 * 5 + 6 * 5 * 6
    assert counts.unknown == {}


@given(
    batch=st.integers(1, 3),
    groups=st.integers(1, 3),
    per_group=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    transposed=st.booleans(),
    side=st.integers(5, 9),
)
def test_a_convolution_of_ones_adds_up_its_own_products(
    batch: int,
    groups: int,
    per_group: tuple[int, int],
    kernel: int,
    stride: int,
    dilation: int,
    transposed: bool,
    side: int,
) -> None:
    """Without padding, ones times ones summed over the result is the number of multiply-accumulates.

    So is the sum of either gradient of that sum.
    """
    fan_in, fan_out = (groups * width for width in per_group)
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    layer = kind(fan_in, fan_out, kernel, stride=stride, dilation=dilation, groups=groups, bias=False).double()
    nn.init.ones_(layer.weight)
    x = torch.ones(batch, fan_in, side, side + 1, dtype=torch.float64, requires_grad=True)
    with counting() as forward:
        y = layer(x)
    with counting() as backward:
        y.backward(torch.ones_like(y))
    macs = round(float(y.detach().sum()))
    assert forward.counts().macs == macs
    assert x.grad is not None
    assert layer.weight.grad is not None
    assert backward.counts().operators == {
        "aten::convolution_backward": round(float(x.grad.sum())) + round(float(layer.weight.grad.sum()))
    }
    assert backward.counts().macs == 2 * macs


# -- fused attention ----------------------------------------------------------------------------------

Q, K, V = (2, 6, 10, 8), (2, 6, 14, 8), (2, 6, 14, 4)
PAIRS = 2 * 6 * 10 * 14


def test_the_eager_spelling() -> None:
    counts = counted(lambda: F.scaled_dot_product_attention(zeros(*Q), zeros(*K), zeros(*V)))
    assert counts.operators == {"aten::bmm": PAIRS * (8 + 4)}


FUSED = {
    "_scaled_dot_product_flash_attention": lambda q, k, v: (q, k, v),
    "_scaled_dot_product_efficient_attention": lambda q, k, v: (q, k, v, None, False),
    "_scaled_dot_product_cudnn_attention": lambda q, k, v: (q, k, v, None, False),
    "_scaled_dot_product_fused_attention_overrideable": lambda q, k, v: (q, k, v),
    "_scaled_dot_product_flash_attention_for_cpu": lambda q, k, v: (q, k, v),
}


@pytest.mark.parametrize("kernel", FUSED)
def test_every_fused_kernel_costs_what_the_eager_one_costs(kernel: str) -> None:
    q, k, v = (torch.zeros(*shape, device="meta", dtype=torch.float16) for shape in (Q, K, K))
    counts = counted(lambda: getattr(aten, kernel)(*FUSED[kernel](q, k, v)))
    assert counts.operators == {f"aten::{kernel}": PAIRS * (8 + 8)}


def test_fewer_heads_of_keys_are_shared() -> None:
    q, k = torch.zeros(2, 6, 10, 8), torch.zeros(2, 3, 14, 8)
    counts = counted(lambda: F.scaled_dot_product_attention(q, k, k, enable_gqa=True), "cpu")
    assert counts.macs == PAIRS * 16


def test_attention_on_the_cpu_runs_one_kernel_forward_and_one_backward() -> None:
    q = torch.zeros(*Q, requires_grad=True)
    k = torch.zeros(*K, requires_grad=True)

    def step() -> None:
        F.scaled_dot_product_attention(q, k, k).sum().backward()

    counts = counted(step, "cpu", grad=True)
    fused = "aten::_scaled_dot_product_flash_attention_for_cpu"
    # Scores and mix; then the scores again and the gradients of values, map, queries and keys.
    assert counts.operators == {fused: PAIRS * 16, f"{fused}_backward": PAIRS * 5 * 8}
    assert counts.backward == PAIRS * 5 * 8


def test_the_eager_backward_has_four_products() -> None:
    def step() -> None:
        q, k = zeros(*Q, requires_grad=True), zeros(*K, requires_grad=True)
        F.scaled_dot_product_attention(q, k, k).sum().backward()

    counts = counted(step, grad=True)
    assert counts.macs == PAIRS * 16 * 3
    assert counts.backward == PAIRS * 16 * 2


BACKWARD = [
    name for name in PRICES if "attention" in name and name.endswith("_backward") and "dot_product" in name
]


@pytest.mark.parametrize("name", BACKWARD)
def test_every_fused_backward_has_five_products(name: str) -> None:
    """Most of these kernels run on other machines: the price is asked with the schema's own names."""
    q, k, v = (torch.zeros(*shape, device="meta") for shape in (Q, K, V))
    assert PRICES[name]({"query": q, "key": k, "value": v}, q) == PAIRS * (3 * 8 + 2 * 4)
    schema = getattr(aten, name.partition("::")[2]).default._schema
    assert {"query", "key", "value"} <= {argument.name for argument in schema.arguments}


def test_kernels_on_packed_sequences_read_their_lengths() -> None:
    offsets = torch.tensor([0, 3, 10], dtype=torch.int32)
    packed = torch.zeros(10, 6, 8)
    x = {"query": packed, "key": packed, "value": packed, "cum_seq_q": offsets, "cum_seq_k": offsets}
    assert PRICES["aten::_flash_attention_forward"](x, packed) == 6 * (3 * 3 + 7 * 7) * 16
    unread = {**x, "cum_seq_q": offsets.to("meta")}
    assert PRICES["aten::_flash_attention_forward"](unread, packed) is None
    dense = torch.zeros(2, 10, 6, 8)
    batch = {"query": dense, "key": dense, "value": dense, "cum_seq_q": None, "cum_seq_k": None}
    assert PRICES["aten::_flash_attention_forward"](batch, dense) == 2 * 6 * 10 * 10 * 16
    assert PRICES["aten::_flash_attention_backward"](batch, dense) == 2 * 6 * 10 * 10 * 40


# -- fused layers -------------------------------------------------------------------------------------


def test_the_fused_encoder_layer_costs_what_its_parts_cost() -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 64, batch_first=True).eval()
    attention = layer.self_attn
    x = torch.zeros(3, 5, 16)
    weights = (
        attention.in_proj_weight,
        attention.in_proj_bias,
        attention.out_proj.weight,
        attention.out_proj.bias,
    )
    norms = (layer.norm1.weight, layer.norm1.bias, layer.norm2.weight, layer.norm2.bias)
    ffn = (layer.linear1.weight, layer.linear1.bias, layer.linear2.weight, layer.linear2.bias)
    fused = counted(
        lambda: torch._transformer_encoder_layer_fwd(x, 16, 2, *weights, False, False, 1e-5, *norms, *ffn), "cpu"
    )
    by_hand = 3 * 5 * (4 * 16**2 + 2 * 16 * 64) + 2 * 3 * 5 * 5 * 16
    assert fused.operators == {"aten::_transformer_encoder_layer_fwd": by_hand}
    assert count(layer, (x,)).macs == by_hand
    attended = counted(lambda: torch._native_multi_head_attention(x, x, x, 16, 2, *weights), "cpu")
    assert attended.operators == {"aten::_native_multi_head_attention": 3 * 5 * 4 * 16**2 + 2 * 3 * 5 * 5 * 16}


def test_sequences_nested_by_a_padding_mask_have_their_own_lengths() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 1).eval()
    masked = torch.tensor([[False, False, True], [False, True, True]])
    with torch.no_grad(), pytest.warns(UserWarning, match="nested"), counting() as counter:
        encoder(torch.zeros(2, 3, 16), src_key_padding_mask=masked)
    weights = 4 * 16**2 + 2 * 16 * 32
    assert counter.counts().operators == {
        "aten::_transformer_encoder_layer_fwd": (2 + 1) * weights + 2 * (4 + 1) * 16
    }


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
@pytest.mark.parametrize("device", ["meta", "cpu"])
@pytest.mark.parametrize("backward", [False, True])
def test_recurrent_layers(kind: Any, gates: int, device: str, backward: bool) -> None:
    """Two layers, two directions. On the CPU an LSTM is one operator a layer and direction."""
    with torch.device(device):
        module, x = kind(5, 7, num_layers=2, bidirectional=True), torch.zeros(6, 3, 5)
    forward = 6 * 3 * 2 * gates * (7 * (5 + 7) + 7 * (14 + 7))
    counts = count(module, (x,), backward=backward)
    assert counts.macs - counts.backward == forward
    assert counts.unknown == {}
    if kind is nn.LSTM and device == "cpu":
        assert counts.calls["aten::mkldnn_rnn_layer"] == 4
    if backward:
        # Weights' gradients cost as much as the forward pass; the data's gradient leaves out the input's, and
        # the initial state's, unless the kernel is fused.
        free = 6 * 3 * 2 * gates * 7 * 5 + 4 * 3 * gates * 7 * 7
        fused = kind is nn.LSTM and device == "cpu"
        assert counts.backward == 2 * forward - (0 if fused else free)


def test_a_stack_of_recurrent_layers_in_one_call() -> None:
    """cuDNN's operator: each weight matrix once for every step and sequence."""
    module = nn.LSTM(5, 7, num_layers=2, bidirectional=True, proj_size=3)
    weights = [p.detach() for p in module.parameters()]
    x = {"input": torch.zeros(6, 4, 5), "weight": weights, "output_mask": (True, True, True, True)}
    rows = 6 * 4
    by_hand = rows * 2 * (4 * 7 * (5 + 3) + 3 * 7 + 4 * 7 * (6 + 3) + 3 * 7)
    assert PRICES["aten::_cudnn_rnn"](x, x["input"]) == by_hand
    assert PRICES["aten::_cudnn_rnn_backward"](x, x["input"]) == 2 * by_hand
    frozen = {**x, "output_mask": (True, True, True, False)}
    assert PRICES["aten::_cudnn_rnn_backward"](frozen, x["input"]) == by_hand


# -- backward -----------------------------------------------------------------------------------------


def test_backward_of_a_chain_of_linears() -> None:
    """The first layer's input needs no gradient."""
    with torch.device("meta"):
        module, x = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 5)), torch.zeros(2, 3)
    counts = count(module, (x,), backward=True)
    assert counts.macs - counts.backward == 2 * (12 + 20)
    assert counts.backward == 2 * (12 + 2 * 20)


def test_a_grouped_convolution_backward_remembers_its_groups() -> None:
    with torch.device("meta"):
        module = nn.Sequential(nn.Conv2d(4, 8, 1), nn.Conv2d(8, 8, 3, groups=4, padding=1))
        x = torch.zeros(2, 4, 6, 6)
    counts = count(module, (x,), backward=True)
    first, second = 2 * 36 * 8 * 4, 2 * 36 * 8 * 2 * 9
    assert counts.operators == {
        "aten::convolution": first + second,
        "aten::convolution_backward": first + 2 * second,
    }


def test_without_anything_to_train_backward_is_refused() -> None:
    with pytest.raises(InputError, match="--backward"):
        count(nn.ReLU(), (torch.zeros(3),), backward=True)


def test_recomputation_is_counted_where_it_runs() -> None:
    from torch.utils.checkpoint import checkpoint

    class Recomputed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.inner, x, use_reentrant=False)

    counts = count(Recomputed(), (torch.zeros(2, 4, requires_grad=True),), backward=True)
    assert counts.macs - counts.backward == 2 * 2 * 16
    assert counts.backward == (2 * 2 + 1) * 2 * 16  # without the last layer, whose result nobody needs again


class Force(nn.Module):
    """An energy and its gradient by the positions, both in forward."""

    functional = False

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 16), nn.Linear(16, 1)

    def energy(self, positions: Tensor) -> Tensor:
        return self.b(torch.tanh(self.a(positions))).sum()

    def forward(self, positions: Tensor) -> Tensor:
        if self.functional:
            return torch.func.grad(self.energy)(positions)
        with torch.enable_grad():
            positions = positions.detach().requires_grad_(True)
            return torch.autograd.grad(self.energy(positions), positions, create_graph=True)[0]


@pytest.mark.parametrize("functional", [False, True])
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_a_gradient_that_forward_asks_for_is_forward(functional: bool, device: str) -> None:
    with torch.device(device):
        module, x = Force(), torch.zeros(5, 3)
    module.functional = functional
    counts = count(module, (x,))
    assert counts.macs == 5 * 2 * (48 + 16)
    assert counts.backward == 0
    # Each gradient belongs to the module whose product it undoes.
    assert counts.by_module() == {"": 5 * 128, "a": 5 * 96, "b": 5 * 32}


def test_the_backward_pass_of_a_gradient_is_backward() -> None:
    with torch.device("meta"):
        module, x = Force(), torch.zeros(5, 3)
    forward, both = count(module, (x,)), count(module, (x,), backward=True)
    assert both.macs - both.backward == forward.macs
    # The weights of a and b: from the energy's own pass (1) and from the gradient's (2); b's is not all needed.
    assert both.backward > forward.macs // 2


def test_what_a_gradient_in_forward_computes_once_more_is_forward() -> None:
    from torch.utils.checkpoint import checkpoint

    class Recomputed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.last = Force(), nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(checkpoint(self.inner, x, use_reentrant=False))

    with torch.device("meta"):
        module, x = Recomputed(), torch.zeros(5, 3, requires_grad=True)
    counts = count(module, (x,), backward=True)
    # The gradient in forward needs what checkpoint has dropped: the product of a, once more.
    assert counts.macs - counts.backward == 5 * (128 + 48 + 9)


def test_backward_runs_through_every_kind_of_output() -> None:
    from dataclasses import dataclass

    @dataclass
    class Output:
        first: Tensor
        rest: dict[str, list[Tensor]]

    class Many(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(2, 2) for _ in "abc")

        def forward(self, x: Tensor) -> Output:
            return Output(self.a(x), {"more": [self.b(x), self.c(x)]})

    assert count(Many(), (torch.zeros(1, 2),), backward=True).backward == 3 * 4


# -- what is free, and what is unknown ------------------------------------------------------------------

UNKNOWN: dict[str, tuple[str, Callable[[], Any]]] = {
    "fft": ("aten::_fft_c2c", lambda: torch.fft.fft2(zeros(4, 4, dtype=torch.complex64))),
    "cdist": ("aten::_euclidean_dist", lambda: torch.cdist(zeros(1, 30, 4), zeros(1, 30, 4))),
    "inverse": ("aten::linalg_inv_ex", lambda: torch.linalg.inv(zeros(4, 4))),
    "svd": ("aten::_linalg_svd", lambda: torch.linalg.svd(zeros(4, 4))),
    "cholesky": ("aten::linalg_cholesky_ex", lambda: torch.linalg.cholesky_ex(zeros(4, 4))),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_arithmetic_without_a_price_is_named(case: str) -> None:
    operator, call = UNKNOWN[case]
    counts = counted(call)
    assert counts.unknown == {operator: 1}
    assert counts.macs == 0


def test_an_operator_of_another_library_is_named() -> None:
    with torch.library._scoped_library("vpcalc_test", "DEF") as library:
        library.define("mystery(Tensor x) -> Tensor")
        library.impl("mystery", lambda x: x.clone(), "Meta")
        counts = counted(lambda: torch.ops.vpcalc_test.mystery(zeros(3)))
    assert counts.unknown == {"vpcalc_test::mystery": 1}


def test_a_product_of_sparse_tensors_is_not_priced_by_its_shape() -> None:
    counts = counted(lambda: torch.eye(4).to_sparse() @ torch.zeros(4, 5), "cpu")
    assert counts.macs == 0
    assert any("sparse" in name for name in counts.unknown)


HIDDEN = {
    "rows with rows": lambda: (zeros(5, 1, 8) * zeros(1, 7, 8)).sum(-1),
    "mean": lambda: (zeros(5, 1, 8) * zeros(7, 8)).mean(dim=(2,)),
    "over everything": lambda: (zeros(5, 1, 8) * zeros(7, 8)).sum(),
}
NOT_HIDDEN = {
    "a mask": lambda: (zeros(5, 7, 8) * zeros(5, 7, 1)).sum(-1),
    "an outer product": lambda: zeros(5, 1) * zeros(1, 7),
    "summed where only one of them varies": lambda: (zeros(5, 1, 1) * zeros(1, 7, 8)).sum(-1),
    "squares": lambda: (zeros(5, 8) * zeros(5, 8)).sum(-1),
}


@pytest.mark.parametrize("case", HIDDEN)
def test_a_product_hidden_in_a_broadcast_is_reported(case: str) -> None:
    assert counted(HIDDEN[case]).unknown == {HIDDEN_PRODUCT: 1}


@pytest.mark.parametrize("case", NOT_HIDDEN)
def test_other_broadcasts_are_elementwise(case: str) -> None:
    assert counted(NOT_HIDDEN[case]).unknown == {}


FREE_LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "norms": (lambda: nn.Sequential(nn.LayerNorm(8), nn.RMSNorm(8), nn.Softmax(-1), nn.LogSoftmax(-1)), (2, 4, 8)),
    "batch norm": (lambda: nn.BatchNorm2d(4), (2, 4, 8, 8)),
    "group norm": (lambda: nn.Sequential(nn.GroupNorm(2, 4), nn.InstanceNorm2d(4)), (2, 4, 8, 8)),
    "activations": (
        lambda: nn.Sequential(nn.ReLU(), nn.GELU(), nn.SiLU(), nn.Hardswish(), nn.PReLU(), nn.GLU(), nn.Mish()),
        (2, 4, 8),
    ),
    "pooling": (
        lambda: nn.Sequential(nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(3), nn.AdaptiveMaxPool2d(2)),
        (2, 4, 32, 32),
    ),
    "resizing": (
        lambda: nn.Sequential(
            nn.Upsample(scale_factor=2), nn.Upsample(scale_factor=2, mode="bilinear"), nn.PixelShuffle(2)
        ),
        (2, 4, 8, 8),
    ),
    "padding": (
        lambda: nn.Sequential(nn.ZeroPad2d(1), nn.ReflectionPad2d(1), nn.ReplicationPad2d(1)),
        (2, 4, 8, 8),
    ),
    "moving": (
        lambda: nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Unflatten(1, (4, 8)), nn.Identity()),
        (2, 4, 8),
    ),
    "unfolding": (lambda: nn.Sequential(nn.Unfold(3), nn.Fold((6, 6), 3)), (2, 4, 8, 8)),
}


@pytest.mark.parametrize("case", FREE_LAYERS)
def test_what_multiplies_no_matrices_is_free(case: str) -> None:
    make, shape = FREE_LAYERS[case]
    with torch.device("meta"):
        module, x = make(), torch.zeros(shape, requires_grad=True)
    if case == "unfolding":
        x = torch.zeros(2, 4, 6, 6, device="meta", requires_grad=True)
    counts = count(module, (x,), backward=True)
    assert (counts.macs, counts.unknown) == (0, {})
    assert sum(counts.free.values()) > 0


def test_a_free_name_is_never_priced_and_prices_are_entered_once() -> None:
    assert not {name.partition("::")[2] for name in PRICES} & FREE
    with pytest.raises(ValueError, match="already"):
        priced("mm")(lambda x, out: 0)


@pytest.mark.parametrize(
    ("operator", "rule"),
    [
        (aten.view.default, Rule.FREE),
        (aten.add_.Tensor, Rule.FREE),
        (aten.native_layer_norm_backward.default, Rule.FREE),
        (aten.nll_loss_forward.default, Rule.FREE),
        (aten.embedding_dense_backward.default, Rule.FREE),
        (aten.mm.default, Rule.PRICED),
        (aten.matmul.default, Rule.DECOMPOSED),
        (aten._fft_r2c.default, Rule.UNKNOWN),
        (aten.grid_sampler_2d_backward.default, Rule.FREE),
        (aten._cdist_backward.default, Rule.UNKNOWN),
    ],
)
def test_rules(operator: Any, rule: Rule) -> None:
    assert rule_of(operator) is rule


# -- by module ----------------------------------------------------------------------------------------


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 3))
        self.scale = nn.Parameter(torch.zeros(3, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.inner(x) @ self.scale
        return self.inner(x)


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_counts_belong_to_modules_forward_and_backward(device: str) -> None:
    with torch.device(device):
        module, x = Nested(), torch.zeros(2, 3, requires_grad=True)
    forward = count(module, (x,)).by_module()
    assert forward == {"": 2 * (4 * 12 + 9), "inner": 2 * 4 * 12, "inner.0": 2 * 24, "inner.1": 2 * 24}
    both = count(module, (x,), backward=True)
    assert both.by_module() == {path: 3 * macs for path, macs in forward.items()}
    assert both.backward == 2 * forward[""]


def test_a_module_that_fails_leaves_the_counter_in_order() -> None:
    class Fallback(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bad, self.good = nn.Linear(9, 9), nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            try:
                self.bad(x)
            except RuntimeError:
                return self.good(x)
            return x

    with torch.device("meta"):
        module, x = Fallback(), torch.zeros(2, 3)
    assert count(module, (x,)).by_module() == {"": 24, "good": 24}
    assert count(module, (x,)).by_module() == {"": 24, "good": 24}


# -- other witnesses ----------------------------------------------------------------------------------

MODELS = {
    "resnet18": None,
    "vit_ti_16": None,
    "swin_t": None,
    "pvt_v2_b0": None,
    "t5_small": (40, 30),
    "rnn": (12,),
}


@pytest.mark.parametrize("name", MODELS)
def test_as_many_products_as_fvcore_counts(name: str) -> None:
    """On eager models; its norms and pooling are no products."""
    architecture = ARCHITECTURES[name]
    with torch.device("meta"):
        sizes = MODELS[name] or architecture.sizes
        module, inputs = MODEL_WITNESSES[architecture.family.name](sizes, architecture.config)
    theirs = fvcore_count(module, inputs)
    products = sum(theirs.flops.get(operator, 0) for operator in ("linear", "matmul", "conv", "addmm", "bmm"))
    ours = count(module, inputs)
    assert ours.macs == products
    assert ours.unknown == {}
    assert ours.params == theirs.params


class Mixed(nn.Module):
    """A convolution, an attention that may be fused, a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 4, stride=4)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.rnn = nn.GRU(8, 8, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.conv(x).flatten(2).transpose(1, 2)
        attended = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return self.rnn(attended)[0]


@pytest.mark.parametrize("way", list(Way))
def test_every_way_counts_the_same(way: Way) -> None:
    counts = run(way, lambda: (Mixed(), [TensorShape((2, 3, 16, 12))]))
    tokens = 12
    attention = 2 * (tokens * 4 * 64 + 2 * tokens**2 * 8)
    assert counts.macs == 2 * tokens * 8 * 48 + attention + 2 * tokens * 3 * 128
    assert counts.unknown == {}


def test_a_value_that_is_read_needs_another_way() -> None:
    class Reads(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if bool(x.sum() > 0) else -x

    def build() -> tuple[nn.Module, list[TensorShape]]:
        return Reads(), [TensorShape((3,))]

    for way in (Way.META, Way.FAKE):
        with pytest.raises(Exception, match=r".") as caught:
            run(way, build)
        assert needs_values(caught.value)
    run(Way.CPU, build)
    assert not needs_values(ValueError("size mismatch"))


def test_a_constructor_may_read_what_it_has_made() -> None:
    class Rates(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rates = [float(rate) for rate in torch.linspace(0, 1, 3)]
            self.linear = nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x)

    assert run(Way.META, lambda: (Rates(), [TensorShape((2, 3))])).macs == 24


def test_a_copy_without_weights_shares_nothing_and_ties_what_was_tied() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    module[1].weight = module[0].weight
    bare = without_weights(module)
    assert all(parameter.is_meta for parameter in bare.parameters())
    assert bare[1].weight is bare[0].weight
    assert not module[0].weight.is_meta
    assert prod(bare[0].weight.shape) == 9


# -- shortcuts ----------------------------------------------------------------------------------------


class Suspicious(DispatchCounter):
    """Asks torch too wherever a shortcut has an answer, and compares the two."""

    agreed = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        rule = shortcut_of(func)
        ours = None if rule is None else rule(args, kwargs or {})
        if ours is not None and "grouped" not in str(func):
            theirs = func(*args, **(kwargs or {}))
            assert described(ours) == described(theirs), func
            self.agreed += 1
        return super().__torch_dispatch__(func, types, args, kwargs)


def described(result: Any) -> Any:
    if isinstance(result, Tensor):
        # The stride of a side of 1 leads nowhere.
        strides = [stride for stride, side in zip(result.stride(), result.shape, strict=True) if side != 1]
        return result.shape, strides, result.dtype, result.device
    return result if result is None else [described(part) for part in result]


@pytest.mark.quick(4)
@pytest.mark.parametrize(
    "name", ["swin_t", "vit_ti_16", "resnet18", "pvt_v2_b0", "pvt_v2_b2_li", "t5_small", "lstm"]
)
def test_shortcuts_give_what_torch_gives(name: str) -> None:
    architecture = ARCHITECTURES[name]
    sizes = architecture.sizes if len(architecture.family.axes) == 2 else (12,)
    with torch.device("meta"):
        module, inputs = MODEL_WITNESSES[architecture.family.name](sizes, architecture.config)
        with Suspicious(module.eval()) as counter:
            output = module(*inputs)
            for tensor in tensors_of(output):
                tensor.sum().backward(retain_graph=True)
    assert counter.agreed > 10


ODD: dict[str, Callable[[], Any]] = {
    "shapes that do not fit": lambda: zeros(2, 3) + zeros(2, 4),
    "sides that do not fit": lambda: zeros(2, 3) @ zeros(4, 5),
    "a norm over other sides": lambda: F.layer_norm(zeros(2, 3), (4,)),
    "a bias that does not fit": lambda: torch.addmm(zeros(4), zeros(2, 3), zeros(3, 5)),
    "a result larger than its place": lambda: zeros(3).add_(zeros(2, 3)),
    "a side that is not there": lambda: zeros(2, 3).sum(2),
    "running statistics that do not fit": lambda: F.batch_norm(zeros(2, 3, 4), zeros(5), zeros(5)),
}


@pytest.mark.parametrize("case", ODD)
def test_shortcuts_leave_errors_to_torch(case: str) -> None:
    with pytest.raises((RuntimeError, IndexError)):
        counted(ODD[case])


LAYOUTS: dict[str, Callable[[], Any]] = {
    "integers": lambda: torch.arange(3) + torch.arange(3),
    "integers and a float": lambda: torch.arange(3) * 0.5,
    "two types": lambda: zeros(3) + zeros(3, dtype=torch.float64),
    "half": lambda: F.layer_norm(zeros(2, 3, dtype=torch.bfloat16), (3,)),
    "transposed": lambda: F.gelu(zeros(2, 3, 4).transpose(1, 2)),
    "transposed and not": lambda: zeros(2, 3, 4).transpose(1, 2) + zeros(2, 4, 3),
    "expanded": lambda: zeros(2, 1, 4).expand(2, 3, 4) * 2,
    "sliced": lambda: zeros(2, 6, 4)[:, ::2] * 2,
    "channels last": lambda: zeros(2, 3, 4, 5).to(memory_format=torch.channels_last) * zeros(1, 3, 1, 1),
    "rounding": lambda: torch.div(zeros(3), zeros(3), rounding_mode="floor"),
    "scalar tensors": lambda: torch.zeros(()) + zeros(2, 3),
    "nothing": lambda: zeros(0, 3) + zeros(3),
    "complex numbers": lambda: zeros(3) * 1j,
    "a power": lambda: zeros(3) ** 2,
    "a power of two": lambda: 2 ** zeros(3),
    "sums": lambda: zeros(2, 3, 4).sum((0, -1)),
    "means": lambda: zeros(2, 3, 4).mean(1, keepdim=True),
    "a sum of everything": lambda: zeros(2, 3).sum(),
    "a sum in another type": lambda: zeros(2, 3).sum(1, dtype=torch.float64),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_shortcuts_know_when_to_ask(case: str) -> None:
    with torch.device("meta"):
        theirs = LAYOUTS[case]()
        with Suspicious():
            ours = LAYOUTS[case]()
    assert described(ours) == described(theirs)


def laid_out(shape: list[int], rng: random.Random) -> Tensor:
    """A tensor whose axes lie in any order, at times with gaps between them."""
    order = rng.sample(range(len(shape)), len(shape))
    gaps = [rng.choice((1, 1, 1, 2)) for _ in shape]
    x = zeros(*(shape[axis] * gap for axis, gap in zip(order, gaps, strict=True)))
    for place, axis in enumerate(order):
        x = x.narrow(place, 0, shape[axis])
    return x.permute([order.index(axis) for axis in range(len(shape))])


@pytest.mark.quick(1)
@pytest.mark.parametrize("seed", range(16))
def test_shortcuts_in_any_layout(seed: int) -> None:
    """Arithmetic, and gradients of norms, softmax and activations, with sides of one element among others."""
    rng = random.Random(seed)
    with torch.device("meta"), Suspicious() as counter:
        for _ in range(40):
            shape = [rng.choice((1, 1, 2, 3)) for _ in range(rng.randrange(2, 5))]
            x, grad = (laid_out(shape, rng) if rng.random() < 0.5 else zeros(*shape) for _ in "xg")
            part = laid_out([rng.choice((1, side)) for side in shape], rng)
            _ = x + part, part - x, x * grad, x / part[0], x.add(grad, alpha=2)
            aten.gelu_backward(grad, x), aten.hardtanh_backward(grad, x, 0.0, 6.0)
            aten._softmax_backward_data(grad, x, rng.randrange(len(shape)), torch.float32)
            wanted = [rng.random() < 0.7 for _ in "xwb"]
            cut = rng.randrange(len(shape))
            weight = zeros(*shape[cut:]) if wanted[1] else None
            rows = zeros(*shape[:cut], *(1 for _ in shape[cut:]))
            aten.native_layer_norm_backward(grad, x, shape[cut:], rows, rows, weight, weight, wanted)
            row = zeros(shape[1])
            statistics = (None if rng.random() < 0.3 else row, row, row, row, row)
            aten.native_batch_norm_backward(grad, x, *statistics, rng.random() < 0.3, 1e-5, wanted)
            groups, each, width = (rng.randrange(1, 4) for _ in range(3))
            image, norms = zeros(2, groups * each, 2, width), zeros(2, groups)
            sizes = (2, groups * each, 2 * width, groups)
            channels = rng.choice((None, zeros(groups * each)))
            aten.native_group_norm(image, channels, channels, *sizes, 1e-5)
            aten.native_group_norm_backward(image, image, norms, norms, channels, *sizes, wanted)
            aten.upsample_bicubic2d(image, [3, 5], False), aten.upsample_nearest2d(image, [1, 2])
            aten.linalg_vector_norm(grad, 2, rng.choice((None, [0], [-1])), rng.random() < 0.5)
            _ = (
                -x[:, ::2],
                x.clamp(0.0, 1.0),
                image.unfold(3, 1, 1) * 2,
                image.unfold(2, 1, 1) * image.unfold(2, 1, 1),
            )
    assert counter.agreed > 400


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64, torch.bool])
def test_shortcuts_of_masks_and_shifts(dtype: torch.dtype) -> None:
    """What a shifted window's mask is made of."""
    with torch.device("meta"), Suspicious() as counter:
        x, row = zeros(2, 6, 6, dtype=dtype), zeros(6, dtype=dtype)
        for left, right in ((x, row), (row, x), (x, x[:, :1]), (x.mT, x), (x, 3), (zeros(dtype=dtype), x)):
            _ = left == right, left != right, left < right, left >= right
        x.roll((1, -2), (1, 2)), x.roll(3, -1), x.roll(2), x.mT.roll(1, 0)
        zeros(2, 6, 6).masked_fill(x == row, -100.0), zeros(6).masked_fill(zeros(2, 6, dtype=torch.bool), 0.0)
    assert counter.agreed >= 20
