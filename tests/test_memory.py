"""Bytes to the last: dataflows against PyTorch's autograd and against what is alive in a real run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vpcalc.abstract import functions
from vpcalc.abstract.tape import CPU, ON_META
from vpcalc.architectures import ARCHITECTURES
from vpcalc.architectures.registry import first_of_each
from vpcalc.checks import Verdict
from vpcalc.checks.memory import check_memory
from vpcalc.cost import Quantity
from vpcalc.counters import live, saved
from vpcalc.errors import InputError
from vpcalc.layers import LAYERS
from vpcalc.reference import LAYER_WITNESSES, MODEL_WITNESSES
from vpcalc.storage.footprint import PLAIN, Way, layer_footprint, model_footprint, works
from vpcalc.storage.forms import layer_forms, model_forms, sample_of
from vpcalc.storage.laws import gpt_layer
from vpcalc.symbolic import lattice, model_on_symbols

from .test_swin_vit import OPTIONS

Settings = Mapping[str, Any]

SPECIAL: tuple[tuple[str, tuple[int, ...], dict[str, Any]], ...] = (
    ("swin_t", (64, 96), {}),
    ("swin_t", (45, 70), {"C": 12, "depths": (2, 2), "heads": (3, 2), "M": 5}),
    ("swin_t", (64, 96), {"C": 12, "heads": (1, 2, 3, 4), "M": "h/2"}),
    ("swin_t", (64, 72), {"C": 12, "depths": (2, 2), "heads": (3, 2), "M": "h/4"}),
    ("swin_t", (32, 40), {"C": 12, "depths": (2,), "heads": (3,), "M": 1}),
    ("swin_v2_t", (45, 70), {"C": 12, "depths": (2, 2), "heads": (3, 2), "M": 5}),
    ("swin_v2_t", (32, 40), {"C": 12, "depths": (2,), "heads": (3,), "M": 1}),
    ("vit_ti_16", (48, 64), {"depth": 2}),
    ("vit_ti_16", (48, 64), {"depth": 2, "registers": 4, "pool": "mean", "mlp": 100}),
    ("siglip_b_16", (48, 64), {"depth": 1, "registers": 2, "classes": 9}),
    ("deit3_s", (50, 64), {"depth": 2, "registers": 2}),
    ("deit_t_distilled", (50, 64), {"depth": 1}),
    ("deit_t", (50, 64), {"depth": 1}),
    ("pvt_tiny", (64, 96), {}),  # resizes its positions
    ("pvt_tiny", (64, 96), {"depths": (1, 1, 1, 1), "trained_at": (64, 96)}),
    ("pvt_v2_b0", (64, 70), {}),
    ("pvt_v2_b2_li", (64, 64), {"depths": (1, 1, 1, 1)}),
    ("resnet18", (64, 66), {}),
    ("resnet50", (64, 64), {"depths": (1, 2, 1, 1)}),
    ("resnet18_v1c", (65, 70), {"depths": (1, 1)}),
    ("resnet50_v1", (64, 64), {"depths": (1, 1, 1, 1), "shortcut": "C"}),
    ("resnet18", (64, 64), {"shortcut": "A"}),
    ("resnext50_32x4d", (64, 66), {"depths": (1, 1)}),
    ("vgg11", (64, 64), {}),
    ("vgg11_bn", (32, 70), {}),
    ("exfuse_resnet50", (64, 70), {"depths": (1, 1, 1, 1)}),
    ("exfuse_resnet50", (97, 70), {"depths": (2, 1), "supervision": True}),
    ("transformer_base", (8, 6), {"vocab": 50, "N": 2}),
    ("transformer_base", (8, 6), {"vocab": 50, "N": 1, "part": "encoder", "positions": "learned"}),
    ("transformer_base", (8, 6), {"vocab": 50, "N": 2, "part": "decoder", "shared": False, "d_v": 32}),
    ("t5_small", (8, 6), {"vocab": 50, "layers": 2}),
    ("t5_small", (8, 6), {"vocab": 50, "layers": 1, "part": "encoder"}),
    ("t5_v1_1_small", (8, 6), {"vocab": 50, "layers": 1}),
    ("t5_small", (8, 6), {"vocab": 50, "layers": 1, "part": "decoder"}),
    ("mask_rcnn", (64, 70), {"proposals": 5, "detections": 3, "C": 16, "hidden": 8}),
    ("cascade_mask_rcnn", (64, 70), {"proposals": 7, "detections": 2, "C": 16, "hidden": 8, "backbone": "swin_t"}),
    ("rnn", (7,), {"layers": 2}),
    ("lstm", (5,), {"bidirectional": True}),
    ("gru", (6,), {"bias": False}),
    *(
        ("retnet_1_3b", (10,), {"vocab": 50, "d_model": 48, "heads": 4, "layers": 2, "form": form, "chunk": 4})
        for form in ("parallel", "recurrent", "chunkwise")
    ),
    (
        "retnet_gated_base",
        (10,),
        {"vocab": 50, "d_model": 24, "heads": 4, "layers": 2, "form": "chunkwise", "chunk": 4, "value_width": 40},
    ),
)
"""Small ones with what makes their family special."""

FIRST = {family: architecture.id for family, architecture in first_of_each().items()}
BATCHED = {"upernet": 2}
"""Models that PyTorch trains on two images at least: batch norm of a map that is pooled to one place."""

NAMED = {ARCHITECTURES[id].family.name for id, _, _ in SPECIAL}
SMALL = (*SPECIAL, *((id, (64, 70), {}) for family, id in FIRST.items() if family not in NAMED))
"""And the first of every other family, on a small image."""

NAMES = [f"{id}-{'x'.join(map(str, sizes))}-{number}" for number, (id, sizes, _) in enumerate(SMALL)]


def configured(id: str, changes: Settings) -> dict[str, Any]:
    return ARCHITECTURES[id].configure(changes)


def check(id: str, sizes: tuple[int, ...], changes: Settings, batch: int = 2, way: Way = PLAIN) -> None:
    family = ARCHITECTURES[id].family
    report, _ = check_memory(family, sizes, configured(id, changes), batch, way, step=True)
    assert report.verdict is Verdict.AGREES, str(report)


@pytest.mark.quick(4)
@pytest.mark.parametrize(("id", "sizes", "changes"), SMALL, ids=NAMES)
def test_on_the_meta_device(id: str, sizes: tuple[int, ...], changes: Settings) -> None:
    for batch in (BATCHED.get(id, 1), 3):
        check(id, sizes, changes, batch)


@pytest.mark.quick(4)
@pytest.mark.parametrize(("id", "sizes", "changes"), SMALL, ids=NAMES)
def test_on_the_cpu(id: str, sizes: tuple[int, ...], changes: Settings) -> None:
    """For real: the same tensors are kept as on the meta device, and no other bytes are alive."""
    family, config = ARCHITECTURES[id].family, configured(id, changes)
    expected = model_footprint(family, sizes, config, 2, Way(kernels=CPU))
    module, inputs = MODEL_WITNESSES[family.name](sizes, config, 2)
    kept = saved.count(module, inputs)
    assert expected.by_module() == dict(kept.by_module)
    assert (expected.weights, expected.buffers, expected.inputs) == (kept.weights, kept.buffers, kept.inputs)
    inference, training = live.count(module, inputs), live.count(module, inputs, training=True)
    assert (expected.inference.bytes, expected.inference.path) == (inference.peak, inference.path)
    assert (expected.forward.bytes, expected.forward.path) == (training.peak, training.path)
    on_meta = model_footprint(family, sizes, config, 2, Way(kernels=ON_META))
    assert on_meta.by_module() == expected.by_module()


def test_attention_to_a_learned_mask_is_spelled_out_where_nothing_is_kept_too() -> None:
    class Biased(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(1, 2, 8, 8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=self.bias)

    def peak(device: str) -> int:
        with torch.device(device):
            return live.count(Biased(), (torch.zeros(1, 2, 8, 16),), as_on_cpu=True).peak

    assert peak("cpu") == peak("meta")


WAYS = [
    Way(dtype, attention, recompute)
    for dtype in ("float32", "bfloat16")
    for attention in ("eager", "fused")
    for recompute in ("none", "block", "attention")
    if (dtype, attention, recompute) != ("float32", "eager", "none")
    and (attention, recompute) != ("fused", "attention")
]


def spelled(way: Way) -> str:
    return f"{way.dtype}-{way.attention}-{way.recompute}"


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=spelled)
def test_ways_of_running(way: Way) -> None:
    run_small(way, ("swin_t", "swin_v2_t", "vit_ti_16", "pvt_v2_b2_li", "transformer_base"))


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=spelled)
def test_every_way_of_running(way: Way) -> None:
    run_small(way, tuple(ARCHITECTURES))


def run_small(way: Way, ids: tuple[str, ...]) -> None:
    for id, sizes, changes in [entry for entry in SMALL[1:] if entry[0] in ids]:
        family = ARCHITECTURES[id].family
        attends = way.attention == "eager" and way.recompute != "attention"
        if (attends or family.attends) and (way.recompute != "block" or family.blocks):
            check(id, sizes, changes, way=way)


@pytest.mark.quick(1)
@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_other_types(dtype: str) -> None:
    for id, sizes, changes in SMALL[::4]:
        check(id, sizes, changes, way=Way(dtype))


sides = st.integers(20, 90)
attentions = st.sampled_from(["eager", "fused"])


@pytest.mark.slow
@pytest.mark.parametrize("id", ["swin_t", "swin_v2_t"])
@settings(max_examples=15)
@given(
    sizes=st.tuples(sides, sides),
    heads=st.lists(st.sampled_from([1, 2, 4]), min_size=1, max_size=3),
    width=st.integers(1, 3),
    depth=st.integers(1, 3),
    M=st.integers(2, 7),
    P=st.integers(2, 5),
    r=st.integers(1, 4),
    batch=st.integers(1, 3),
    attention=attentions,
)
def test_any_swin(
    id: str,
    sizes: tuple[int, int],
    heads: list[int],
    width: int,
    depth: int,
    M: int,
    P: int,
    r: int,
    batch: int,
    attention: str,
) -> None:
    changes = {"C": 4 * width, "depths": (depth,) * len(heads), "heads": tuple(heads), "M": M, "P": P, "r": r}
    check(id, sizes, {**changes, "classes": 5}, batch, Way(attention=attention))


@settings(max_examples=15)
@given(
    sizes=st.tuples(sides, sides),
    heads=st.integers(1, 4),
    width=st.integers(1, 5),
    depth=st.integers(1, 3),
    P=st.integers(4, 16),
    r=st.integers(1, 4),
    batch=st.integers(1, 3),
    attention=attentions,
    options=OPTIONS,
)
def test_any_vit(
    sizes: tuple[int, int],
    heads: int,
    width: int,
    depth: int,
    P: int,
    r: int,
    batch: int,
    attention: str,
    options: dict[str, Any],
) -> None:
    changes = {"C": heads * width, "depth": depth, "heads": heads, "P": P, "r": r, "classes": 5, **options}
    check("vit_ti_16", sizes, changes, batch, Way(attention=attention))


dims = {
    "swmsa": {"h": st.integers(1, 16), "w": st.integers(1, 16), "C": st.just(12), "M": st.integers(1, 6)},
    "wmsa": {"h": st.integers(1, 16), "w": st.integers(1, 16), "C": st.just(12), "M": st.integers(1, 6)},
    "msa": {"h": st.integers(1, 6), "w": st.integers(1, 6), "C": st.sampled_from([6, 12])},
    "patch_merging": {"h": st.integers(1, 9), "w": st.integers(1, 9), "C": st.integers(1, 5)},
}


@settings(max_examples=15)
@given(st.data(), st.sampled_from(sorted(dims)), st.integers(1, 3))
def test_any_layer_of_swin_and_vit(data: Any, id: str, batch: int) -> None:
    drawn = {name: data.draw(strategy) for name, strategy in dims[id].items()}
    if "heads" in LAYERS[id].dims:
        drawn["heads"] = data.draw(st.sampled_from([1, 2, 3]))
    check_layer(id, {**drawn, "batch": batch})


def check_layer(id: str, dims: Mapping[str, int]) -> None:
    expected = layer_footprint(id, dims, Way(kernels=ON_META))
    with torch.device("meta"):
        module, inputs = LAYER_WITNESSES[id](**dims)
    for tensor in inputs:
        tensor.requires_grad_(tensor.is_floating_point())  # as within a network
    kept = saved.count(module, inputs)
    assert expected.by_module() == dict(kept.by_module)
    assert (expected.weights, expected.buffers) == (kept.weights, kept.buffers)
    assert expected.inference.bytes == live.count(module, inputs, as_on_cpu=True).peak
    assert expected.forward.bytes == live.count(module, inputs, training=True, as_on_cpu=True).peak


def layer_dims(id: str) -> dict[str, int]:
    batch = {"batch": 2} if "batch" in LAYERS[id].options else {}
    found = sample_of(id) | batch
    return found | ({"h": 4, "w": 7} if id in ("retention_recurrent", "retention_chunkwise") else {})


@pytest.mark.parametrize("id", LAYERS)
def test_every_layer(id: str) -> None:
    check_layer(id, layer_dims(id))


@pytest.mark.quick(40)
@pytest.mark.parametrize("id", ARCHITECTURES)
def test_both_readings_multiply_and_hold_the_same(id: str) -> None:
    """Where memory is followed every block is run; on a ledger equal ones are run once and counted."""
    architecture = ARCHITECTURES[id]
    sizes = architecture.sizes
    if architecture.family.name in ("retnet", "transformer", "t5"):
        sizes = tuple(min(size, 64) for size in sizes)
    family, config = architecture.family, architecture.config
    cost = architecture.cost(sizes, config, 2)
    assert sum(work.macs for work in works(family, sizes, config, 2)) == cost.total(Quantity.MACS)
    assert model_footprint(family, sizes, config, 1).params == cost.total(Quantity.PARAMS)


@pytest.mark.slow
@pytest.mark.parametrize("id", ARCHITECTURES)
def test_every_model_at_its_own_size(id: str) -> None:
    architecture = ARCHITECTURES[id]
    for attention in ("eager", "fused") if architecture.family.attends else ("eager",):
        check(id, architecture.sizes, {}, 2, Way(attention=attention))


# -- closed forms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["swin_t", "vit_ti_16", "pvt_tiny", "pvt_v2_b2_li", "resnet50", "vgg11_bn"])
def test_a_models_forms_hold_on_the_whole_lattice(id: str) -> None:
    architecture = ARCHITECTURES[id]
    forms = model_forms(architecture, architecture.config)
    steps = lattice(model_on_symbols(architecture, architecture.config))
    for rows, columns, batch in ((1, 1, 2), (1, 2, 5), (3, 2, 3), (2, 5, 2), (7, 7, 2)):  # 7: PVT's own size
        sizes = tuple(n * steps.get(axis, 1) for n, axis in zip((rows, columns), ("H", "W"), strict=True))
        found = model_footprint(architecture.family, sizes, architecture.config, batch)
        point = {"H": sizes[0], "W": sizes[1], "B": batch}
        assert forms.of(lambda f: f.saved).subs(point) == found.saved
        assert forms.of(lambda f: f.weights).subs(point) == found.weights
        assert forms.of(lambda f: f.inputs).subs(point) == found.inputs


@pytest.mark.parametrize(
    ("id", "changes"),
    [
        ("transformer_base", {"N": 2}),
        ("t5_small", {"layers": 2}),
        ("lstm", {}),
        ("gru", {}),
        *(
            ("retnet_1_3b", {"layers": 2, "form": form, "chunk": 8})
            for form in ("parallel", "recurrent", "chunkwise")
        ),
    ],
)
def test_a_sequence_models_forms_hold_at_any_length(id: str, changes: Settings) -> None:
    architecture, config = ARCHITECTURES[id], configured(id, changes)
    forms = model_forms(architecture, config)
    for lengths, batch in (((16, 48), 2), ((56, 24), 3)):
        sizes = lengths[: len(architecture.family.axes)]
        found = model_footprint(architecture.family, sizes, config, batch)
        point = {**dict(zip(architecture.family.axes, sizes, strict=True)), "B": batch}
        assert forms.of(lambda f: f.saved).subs(point) == found.saved
        assert forms.of(lambda f: f.cache).subs(point) == found.cache


OTHER = {"h": 14, "w": 56, "C": 72, "heads": 6, "R": 7, "P": 14, "c_in": 4, "N": 30, "d_model": 60, "T": 26}


@pytest.mark.parametrize(
    "id", [id for id in LAYERS if id not in ("dap", "retention_recurrent", "retention_chunkwise")]
)
def test_a_layers_form_holds_at_other_sizes(id: str) -> None:
    forms = layer_forms(id)
    there = {name: OTHER.get(name, number) for name, number in layer_dims(id).items()}
    there.update({"H": 70, "W": 42} if id == "patch_embedding" else {})
    there.update({"P": 7} if id == "patch_embedding" else {})
    symbols = {"heads": "a", "classes": "K", "chunk": "b", "batch": "B"}
    point = {symbols.get(name, name): number for name, number in there.items()}
    found = layer_footprint(id, there)
    assert forms.of(lambda f: f.saved).subs(point) == found.saved
    assert forms.of(lambda f: f.weights).subs(point) == found.weights


def test_some_forms_by_hand() -> None:
    """4 bytes times: q, k, v and proj's input; the map. A window has M² tokens and its input is copied."""
    assert str(layer_forms("msa").of(lambda f: f.saved)) == "16BhwC + 4Ba(hw)²"
    assert str(layer_forms("wmsa").of(lambda f: f.saved)) == "20BhwC + 4BM²ahw"
    assert str(layer_forms("ffn").of(lambda f: f.saved)) == "8BrhwC"


def test_a_loop_without_an_end_has_no_form() -> None:
    with pytest.raises(InputError, match="no closed form"):
        layer_forms("retention_recurrent")


# -- laws --------------------------------------------------------------------------------------------


def test_korthikantis_layer() -> None:
    assert str(gpt_layer()) == "34BN·d_model + 5BaN² + 16BN"
    assert str(gpt_layer(part="attention")) == "11BN·d_model + 5BaN²"
    assert str(gpt_layer(part="ffn")) == "19BN·d_model"
    assert str(gpt_layer(part="norm")) == "4BN·d_model + 16BN"
    assert str(gpt_layer("attention")) == "34BN·d_model + 16BN"
    assert str(gpt_layer("block")) == "2BN·d_model"


# -- planted mistakes --------------------------------------------------------------------------------


def differing(way: Way = PLAIN) -> set[str]:
    report, _ = check_memory(
        ARCHITECTURES["vit_ti_16"].family, (32, 32), configured("vit_ti_16", {"depth": 2, "P": 2}), 2, way
    )
    return {f"{check.quantity} {check.operator}" for check in report.differing}


def test_a_forgotten_tensor_is_caught_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from vpcalc.layers import feedforward

    assert not differing()
    monkeypatch.setattr(feedforward, "gelu", lambda x: functions.elementwise("gelu", x, rule=functions.alike))
    assert {"saved_bytes all", "saved_bytes blocks.0.ffn"} <= differing()


def test_a_tensor_that_lives_too_long_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from vpcalc.layers import attention

    alive = []

    def hoarding(x: Any) -> Any:
        alive.append(x)
        return functions.softmax(x)

    monkeypatch.setattr(attention, "softmax", hoarding)
    found = differing()
    assert {"peak_bytes all", "peak_bytes blocks.1.attention", "forward_peak_bytes all"} <= found
    assert not any(name.startswith("saved_bytes") for name in found)


def test_a_copy_too_many_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from vpcalc.layers import attention

    split = attention.split_heads
    monkeypatch.setattr(attention, "split_heads", lambda x, heads: split(x, heads).contiguous_copy())
    assert "peak_bytes all" in differing()


def test_a_recomputation_that_keeps_too_little_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from vpcalc.abstract import recompute

    monkeypatch.setattr(recompute, "_again", lambda *_: 0)
    assert differing(Way(recompute="block")) == {"held_bytes all"}
