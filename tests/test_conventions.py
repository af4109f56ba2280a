"""What rules charge, held against what PyTorch runs; and the printed figures that they explain."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import vpcalc
from vpcalc.answers.reproduce import Reproduction
from vpcalc.architectures import ARCHITECTURES
from vpcalc.charges import MACS, Way, by_chance, charged, conventions, readings, ways
from vpcalc.printed import CUT, ROUNDED, TWICE, Printed, read_printed
from vpcalc.reference import MODEL_WITNESSES

ACTIVATIONS = {"relu", "gelu", "silu", "elu", "sigmoid", "tanh"}
PRODUCTS = {"bmm", "mm", "addmm", "convolution"}


class Charged(TorchDispatchMode):
    """Elements that operators of a module take and make, as counters charge them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in ACTIVATIONS:
            self.found["activated"] += out.numel()
            self.found["rectified"] += out.numel() * (name == "relu")
        elif name == "_softmax":
            self.found["softmaxed"] += out.numel()
        elif name in ("native_layer_norm", "native_batch_norm", "_native_batch_norm_legit_no_training"):
            weight = args[2] if name == "native_layer_norm" else args[1]
            self.found["normed"] += args[0].numel()
            self.found["scaled"] += args[0].numel() * (weight is not None)
        elif name == "max_pool2d_with_indices":
            self.found["max pooled"] += args[0].numel()
        elif name == "bmm":
            self.found["attention"] += args[0].numel() * args[1].shape[-1]
        return out


def biases(module: nn.Module, inputs: Any) -> Counter[str]:
    """Elements that layers with a bias make."""
    found: Counter[str] = Counter()

    def hook(layer: Any, _: Any, out: torch.Tensor) -> None:
        if layer.bias is not None:
            found["conv" if isinstance(layer, nn.Conv2d) else "linear"] += out.numel()

    for each in module.modules():
        if isinstance(each, (nn.Linear, nn.Conv2d)):
            each.register_forward_hook(hook)
    module(*inputs)
    return found


NONE = {"input": None, "tokens": None, "src": None, "tgt": None}


SIZES: dict[str, tuple[Any, ...]] = {
    "resnet18": (224,),
    "resnet50": ((96, 160),),
    "vgg11": (224,),
    "vit_ti_16": (224, 112),
    "swin_t": (224, (200, 330)),
    "swin_v2_t": ((70, 130),),
    "pvt_tiny": (224,),
    "pvt_v2_b0": ((70, 130),),
    "convnext_t": (96,),
}


@pytest.mark.quick(6)
@pytest.mark.parametrize(("name", "input"), [(name, size) for name in SIZES for size in SIZES[name]])
def test_what_is_charged_is_what_runs(name: str, input: Any) -> None:
    """Beside the module on meta, operator by operator."""
    model = ARCHITECTURES[name]
    sizes = model.read(**{**NONE, "input": input})
    config = model.configure({})
    found = charged(model, sizes, config, model.cost(sizes, config))
    with torch.device("meta"):
        module, inputs = MODEL_WITNESSES[model.family.name](sizes, config, 1)
    module.eval()
    with torch.no_grad(), Charged() as seen:
        module(*inputs)
    assert seen.found["normed"] > 0 or name == "vgg11"
    for charge in ("activated", "rectified", "softmaxed", "normed", "scaled", "attention"):
        assert getattr(found, charge) == seen.found[charge], charge
    with torch.no_grad():
        added = biases(module, inputs)
    assert found.conv_biases == added["conv"]
    assert found.biases + found.projection_biases == added["linear"]
    pooled = found.pooled - seen.found["max pooled"]
    assert pooled == sum(op.other * times for op, times in model.cost(sizes, config).walk() if "pool" in op.kind)


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    ("name", "printed", "convention", "how"),
    [
        ("vit_b_16", "16.87G", "fvcore where attention is one fused kernel", ROUNDED),
        ("resnet50", "4.12G", "mmcv's rules, without products of two activations", ROUNDED),
        ("resnet101", "7.9G", "mmcv's rules, without products of two activations", TWICE),
        ("swin_t", "4.494G", "the flops() of Swin's authors", ROUNDED),
        ("swin_t", "3.13G", "torchvision's Swin", ROUNDED),
        ("resnet50_v1", "3.8G", MACS, CUT),
        ("swin_v2_l_384", "115.42G", "the flops() of Swin V2's authors", ROUNDED),
        ("pvt_v2_b2", "4.04G", "PVT v2's authors", ROUNDED),
        ("vit_b_16", "17.61G", "ptflops' rules, activations and pooling twice", ROUNDED),
        ("vit_b_16", "16.86G", "without products of two activations (ptflops, operators)", ROUNDED),
        ("resnet50", "4.14G", "thop's rules of 2019", ROUNDED),
        ("vgg16", "30.97G", "calflops' FLOPs", ROUNDED),
        ("swin_v2_l_384", "76.20G", "mmpretrain's Swin V2", ROUNDED),
    ],
)
def test_figures_that_people_ask_about(name: str, printed: str, convention: str, how: str) -> None:
    found = vpcalc.conventions(name, printed)
    assert found.ok
    assert any(convention in r.convention and r.how == how for r in found.readings if r.sizes == found.sizes)
    assert found.tables()[0].notes[0].startswith(f"{printed} is its cost in: ")


def test_no_convention_says_which_is_nearest() -> None:
    found = vpcalc.conventions("swin_t", "5.1234G")
    assert not found.ok
    assert found.to_dict()["nearest"]["convention"].startswith("ptflops' rules, activations and pooling twice")
    assert "nearest: ptflops' rules, activations and pooling twice" in found.tables()[0].notes[0]
    assert "nearest" not in vpcalc.conventions("swin_t", "4.5G").to_dict()


@pytest.mark.parametrize(("printed", "meant"), [("4.5", "4.5G"), ("600", "600M"), ("4.5k", ""), ("5.1234e9", "")])
def test_a_figure_without_its_unit_is_asked_about(printed: str, meant: str) -> None:
    said = vpcalc.conventions("swin_t", printed).tables()[0].notes[0]
    assert f"read as {printed} MACs or FLOPs; {meant}?" in said if meant else "nearest: " in said


@pytest.mark.parametrize(
    ("printed", "derived", "how"),
    [
        ("7.9G", 7_849_499_999, TWICE),
        ("7.9G", 7_844_999_999, None),
        ("7.9G", 7_850_000_000, ROUNDED),
        ("3.8G", 3_857_973_248, CUT),
        ("3.9G", 3_857_973_248, ROUNDED),
        ("3.7G", 3_857_973_248, None),
        ("600M", 600_999_999, CUT),
    ],
)
def test_what_was_done_to_further_digits(printed: str, derived: int, how: str | None) -> None:
    assert read_printed(printed).how(derived) == how


def test_a_table_has_one_convention_and_needs_most_of_its_figures_for_it() -> None:
    plain, other = MACS, conventions()[2].name

    def figure(digits: int, **given: int) -> tuple[Printed, dict[str, int]]:
        names = {each.name: 0 for each in conventions()}
        return Printed("", digits, 0), {**names, plain: given["plain"], other: given["other"]}

    most = [figure(5, plain=4, other=5), figure(7, plain=7, other=8), figure(9, plain=1, other=9)]
    assert ways(most) == [Way(other, ROUNDED), Way(other, None), Way(other, ROUNDED)]
    half = [figure(5, plain=4, other=5), figure(7, plain=7, other=8)]
    assert ways(half) == [Way(plain, None), Way(plain, ROUNDED)]
    tens = Printed("", 7, 1), figure(0, plain=0, other=79)[1]
    equal = [figure(5, plain=5, other=5), figure(6, plain=6, other=6), tens]
    assert ways(equal) == [Way(other, ROUNDED), Way(other, ROUNDED), Way(other, CUT)]
    few = [figure(5, plain=4, other=5), figure(7, plain=6, other=8), figure(9, plain=1, other=1)]
    assert {way.convention for way in ways(few)} == {plain}


def test_what_nobody_printed_is_seldom_explained(reproduction: Reproduction) -> None:
    alone, of = reproduction.chance
    assert of == 2 * len(reproduction.rows)
    assert alone * 20 <= of
    assert sum(row.explained for row in reproduction.rows) * 100 >= 85 * len(reproduction.rows)
    model = ARCHITECTURES["swin_t"]
    config = model.configure({})
    figures = readings(charged(model, (224, 224), config, model.cost((224, 224), config)))
    sure = [(read_printed("4.4906G"), figures), (read_printed("4.49057G"), figures)]
    assert [way.how for way in ways(sure)] == [ROUNDED, ROUNDED]
    assert by_chance([sure]) == (0, 4)


def test_a_difference_that_a_convention_explains_says_which() -> None:
    rows = vpcalc.reproduce("deit", check=False).rows
    said = {(row.published.model, row.published.printed): row.why for row in rows}
    assert said["deit3_h", "167.4 G"] == "MACs with norms and pooling (fvcore)"
    assert said["deit3_b", "17.5 G"].endswith(", cut off")


def test_a_table_is_read_whole_whoever_is_asked_about(reproduction: Reproduction) -> None:
    """ResNets alone of a table that has more would come out in another convention."""
    of_all = {(row.published, row.way) for row in reproduction.rows}
    alone = vpcalc.reproduce("resnet", check=False)
    assert {(row.published, row.way) for row in alone.rows} <= of_all
    rows = {row[:2]: row[2:] for row in alone.tables()[1].rows}
    assert (
        rows["Lyken17/pytorch-OpCounter README", "macs"][1]
        == rows["Lyken17/pytorch-OpCounter README", "params"][1]
    )
    assert "thop's rules of 2019" in rows["Lyken17/pytorch-OpCounter README", "macs"][2]


def test_figures_are_of_forty_papers_and_repositories(reproduction: Reproduction) -> None:
    """Tables of one paper or repository are one of them, by what stands before table, file or section."""
    sources = {row.published.source for row in reproduction.rows}
    repositories = {source.split()[0] for source in sources if "/" in source.split()[0]}
    others = {source for source in sources if "/" not in source.split()[0]}
    papers = {re.split(r" Table| \(arXiv| §| section|;|, model|README", source)[0].strip() for source in others}
    assert len(repositories) + len(papers) >= 40, sorted(repositories | papers)
