"""fvcore as a counter: what it counts on the meta device is what it counts on the CPU."""

from __future__ import annotations

import logging

import pytest
import torch
from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis
from torch import nn

from vpcalc.checks import check_layer, crosscheck
from vpcalc.checks.crosscheck import Verdict, compare
from vpcalc.cost import Cost
from vpcalc.counters.fvcore import count
from vpcalc.layers import LAYERS
from vpcalc.reference import LAYER_WITNESSES, MODEL_WITNESSES

DIMS = {"h": 9, "w": 10, "C": 12, "heads": 3, "M": 4, "R": 3, "P": 3, "r": 2, "H": 30, "W": 33, "N": 7}
DIMS |= {"classes": 5, "batch": 2}
LAYER_NAMES = ("msa", "wmsa", "swmsa", "sra", "linear_sra", "retention", "ffn", "patch_embedding", "patch_merging")
TINY = {
    "swin": {"C": 12, "depths": (2, 2), "heads": (3, 6), "M": 4, "P": 4, "r": 2, "classes": 5},
    "vit": {"C": 12, "depth": 2, "heads": 3, "P": 8, "r": 2, "classes": 5},
}


@pytest.mark.parametrize("id", LAYER_NAMES)
def test_a_layer_on_meta_counts_as_on_the_cpu(id: str) -> None:
    dims = LAYERS[id].pick(DIMS)
    real = LAYER_WITNESSES[id](**dims)
    with torch.device("meta"):
        shapes = LAYER_WITNESSES[id](**dims)
    assert count(*shapes) == count(*real)


@pytest.mark.parametrize("family", TINY)
@pytest.mark.parametrize("sizes", [(32, 32), (45, 70)])
def test_a_model_on_meta_counts_as_on_the_cpu(family: str, sizes: tuple[int, int]) -> None:
    real = MODEL_WITNESSES[family](sizes, TINY[family])
    with torch.device("meta"):
        shapes = MODEL_WITNESSES[family](sizes, TINY[family])
    assert count(*shapes) == count(*real)


@pytest.mark.parametrize(
    ("module", "size"),
    [
        (nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False), (1, 4, 9, 8)),
        (nn.Conv2d(4, 6, (3, 5), dilation=2, padding=(2, 4)), (2, 4, 9, 8)),
        (nn.Conv1d(4, 6, 3, padding=1), (2, 4, 9)),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(2)), (1, 3, 8, 8)),
    ],
)
def test_convolutions_on_meta_have_the_shapes_of_real_ones(module: nn.Module, size: tuple[int, ...]) -> None:
    real = count(module, (torch.zeros(size),))
    assert count(module.to("meta"), (torch.zeros(size, device="meta"),)) == real


def test_a_kernel_that_does_not_fit_is_an_error_on_meta_too() -> None:
    with pytest.raises(RuntimeError, match="does not fit"):
        count(nn.Conv2d(1, 1, 5).to("meta"), (torch.zeros(1, 1, 3, 3, device="meta"),))


def test_counting_is_silent(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        count(nn.Sequential(nn.Linear(3, 3), nn.Softmax(-1)), (torch.zeros(1, 3),))
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


@pytest.mark.parametrize("id", ["sra", "patch_embedding", "retention"])
def test_one_trace_counts_what_fvcores_two_analyses_count(id: str) -> None:
    witness = LAYER_WITNESSES[id](**LAYERS[id].pick(DIMS))
    counts = count(*witness)
    assert counts.flops == {k: n for k, n in FlopCountAnalysis(*witness).by_operator().items() if n}
    assert counts.activations == {k: n for k, n in ActivationCountAnalysis(*witness).by_operator().items() if n}
    assert counts.activations


class Fused(nn.Module):
    """Attention that fvcore does not see."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.scaled_dot_product_attention(x, x, x)


def test_a_fused_product_makes_a_count_no_witness() -> None:
    report = compare(Cost("x"), count(Fused(), (torch.zeros(1, 2, 4, 8),)))
    assert report.verdict is Verdict.NOT_COMPARABLE
    assert "aten::scaled_dot_product_attention" in str(report)


def test_an_lstm_makes_a_count_no_witness() -> None:
    report = compare(Cost("x"), count(nn.LSTM(3, 4), (torch.zeros(5, 1, 3),)))
    assert report.verdict is Verdict.NOT_COMPARABLE
    assert "aten::lstm" in str(report)


def never(make: object) -> None:
    raise AssertionError("the other way")


@pytest.mark.parametrize(
    ("side", "C", "other"),
    [(14, 96, "_without_values"), (112, 24, "_with_values"), (14, 8192, "_with_values")],
    ids=["a small one", "a large map", "much work"],
)
def test_a_small_witness_is_run_for_real_and_a_large_one_on_meta(
    side: int, C: int, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crosscheck, other, never)
    dims = {"h": side, "w": side, "C": C, "heads": 1}
    assert check_layer("msa", LAYERS["msa"].build(**dims), dims).verdict is Verdict.AGREES


def test_a_tensor_beyond_torchs_addresses_is_said_and_not_tried() -> None:
    side = 65536
    dims = {"h": side, "w": side, "C": 96, "heads": 3}
    report = check_layer("msa", LAYERS["msa"].build(**dims), dims)
    assert report.verdict is Verdict.NOT_COMPARABLE
    assert "beyond what torch can address" in str(report)
