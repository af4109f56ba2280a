"""Autocast: what runs in 16 bits, what is cast, and how long casts of weights live, against ``torch.autocast``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from vpcalc.abstract import functions
from vpcalc.abstract.tape import CPU, REPORTED
from vpcalc.answers.memory import memory
from vpcalc.architectures import ARCHITECTURES
from vpcalc.checks.memory import check_memory
from vpcalc.counters import live, saved
from vpcalc.reference import MODEL_WITNESSES, Witness
from vpcalc.reference.attention import attending
from vpcalc.storage.footprint import Way, model_footprint
from vpcalc.storage.step import model_step

from .pace import mostly_slow
from .test_step import COPIED, SMALL

BY_THE_CPU = Way(amp="bfloat16", kernels=CPU)

UPERNET: tuple[str, tuple[int, ...], dict[str, Any]] = ("upernet", (64, 64), {"hidden": 8})
"""What is pooled to one place decides how all that is joined with it lies."""


def _narrow(id: str, sizes: tuple[int, ...], config: Any, batch: int) -> Witness:
    """A module that runs under autocast, as people write it around their forward pass."""
    module, inputs = MODEL_WITNESSES[ARCHITECTURES[id].family.name](sizes, config, batch)
    module.forward = torch.autocast("cpu", dtype=torch.bfloat16)(module.forward)
    return Witness(module, inputs)


@pytest.mark.quick(3)
@pytest.mark.parametrize("batch", mostly_slow([2, 1], quick=1))
@pytest.mark.parametrize(("id", "sizes", "changes"), SMALL, ids=str)
def test_without_memory(id: str, sizes: tuple[int, ...], changes: dict[str, Any], batch: int) -> None:
    """Saved tensors by module, all peaks, and the whole step."""
    family, config = ARCHITECTURES[id].family, ARCHITECTURES[id].configure(changes)
    report, _ = check_memory(family, sizes, config, batch, Way(amp="bfloat16"), step=True)
    assert report.verdict.value == "agrees", str(report)


@pytest.mark.quick(1)
@pytest.mark.parametrize(("id", "sizes", "changes"), SMALL, ids=str)
def test_on_the_cpu(id: str, sizes: tuple[int, ...], changes: dict[str, Any]) -> None:
    """For real: norms of narrow inputs with wide weights keep float32, where fake tensors say otherwise."""
    family, config = ARCHITECTURES[id].family, ARCHITECTURES[id].configure(changes)
    expected = model_footprint(family, sizes, config, 2, BY_THE_CPU)
    kept = saved.count(*_narrow(id, sizes, config, 2))
    assert expected.by_module() == dict(kept.by_module)
    counted = live.count(*_narrow(id, sizes, config, 2), training=True, backward=True)
    assert model_step(family, sizes, config, 2, BY_THE_CPU).peak.bytes == counted.peak
    assert expected.inference.bytes == live.count(*_narrow(id, sizes, config, 2)).peak


@pytest.mark.quick(2)
@pytest.mark.parametrize(("id", "sizes", "changes"), [UPERNET, *SMALL, *COPIED], ids=str)
def test_fused_attention_under_autocast(id: str, sizes: tuple[int, ...], changes: dict[str, Any]) -> None:
    """Autocast looks into no attention: where there is no fused kernel for it, it runs in float32."""
    family, config = ARCHITECTURES[id].family, ARCHITECTURES[id].configure(changes)
    report, _ = check_memory(family, sizes, config, 2, Way(amp="float16", attention="fused"), step=True)
    assert report.verdict.value == "agrees", str(report)
    with attending("fused"):
        kept = saved.count(*_narrow(id, sizes, config, 2))
    assert (
        model_footprint(family, sizes, config, 2, replace(BY_THE_CPU, attention="fused")).by_module()
        == kept.by_module
    )


def test_casts_of_weights_by_hand() -> None:
    """A linear layer keeps the cast of its weight and of its input; that of its bias is let go after the pass."""
    config = {"C": 12, "depths": (1,), "heads": (3,), "M": 2}
    wide = memory("swin_t", input=32, set=config, train=True, check=False).to_dict()
    narrow = memory("swin_t", input=32, set=config, train=True, amp="bf16", check=False).to_dict()
    kept = narrow["operators"]
    assert (narrow["amp"], wide["amp"]) == ("bfloat16", None)
    block = 12 * 36 + 12 * 12 + 2 * 12 * 48
    assert kept["linear weight"] == 2 * (block + 12 * 1000)
    assert kept["conv weight"] == 2 * 12 * 3 * 16
    assert kept["gelu input"] * 2 == wide["operators"]["gelu input"]
    assert narrow["weights_bytes"] == wide["weights_bytes"] == narrow["gradients_bytes"]


def test_the_list_for_cuda_keeps_maps_in_float32() -> None:
    """Softmax's result in float32, and what the product takes of it in 16 bits beside; on the CPU 16 bits."""
    family, config = ARCHITECTURES["vit_ti_16"].family, ARCHITECTURES["vit_ti_16"].configure({"depth": 1})

    def kept(way: Way) -> dict[str, int]:
        found: dict[str, int] = {}
        for part in model_footprint(family, (32, 32), config, 2, way).kept:
            found[f"{part.kind} {part.what}"] = found.get(f"{part.kind} {part.what}", 0) + part.total
        return found

    maps = 2 * 3 * 5 * 5
    cuda, cpu = kept(Way(amp="bfloat16", kernels=REPORTED)), kept(BY_THE_CPU)
    assert cuda["softmax result"] == 4 * maps
    assert cpu["softmax result"] == 2 * maps
    values = 3 * 2 * 3 * 5 * 64 * 2  # q and k for one product, v for the other
    assert sum(cuda[f"matmul {side} operand"] for side in ("left", "right")) == values + 2 * maps
    assert sum(cpu[f"matmul {side} operand"] for side in ("left", "right")) == values


def test_a_cast_that_is_forgotten_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "narrowed", lambda *tensors: tensors)
    family, config = ARCHITECTURES["vit_ti_16"].family, ARCHITECTURES["vit_ti_16"].configure({"depth": 1})
    report, _ = check_memory(family, (32, 32), config, 2, Way(amp="bfloat16"), step=True)
    assert {"saved_bytes", "peak_bytes", "step_peak_bytes"} <= {check.quantity for check in report.differing}
