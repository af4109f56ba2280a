"""Pyramids, and what reads them: every pixel's class, and boxes, part by part."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from vpcalc.abstract.priced import priced
from vpcalc.abstract.tape import INPUT, Tape
from vpcalc.abstract.tensor import fresh
from vpcalc.architectures import ARCHITECTURES
from vpcalc.architectures.registry import first_of_each
from vpcalc.cost import Quantity
from vpcalc.counters.fvcore import count
from vpcalc.reference.registry import backbone

PYRAMIDS = [each.id for each in first_of_each().values() if each.family.pyramid]


@pytest.mark.parametrize("id", [*PYRAMIDS, "resnet50", "pvt_v2_b2_li"])
@pytest.mark.parametrize("sizes", [(64, 96), (75, 131)])
def test_a_pyramid_is_that_of_its_module(id: str, sizes: tuple[int, int]) -> None:
    made: list[Any] = []

    def run(tape: Tape) -> Any:
        images = fresh(tape, (2, 3, *sizes), tape.item, INPUT)
        made.extend(ARCHITECTURES[id].family.pyramid(images, **ARCHITECTURES[id].config))  # type: ignore[misc]
        return (images,), made

    cost = priced(run)
    module, images = backbone(id, sizes).eval(), torch.zeros(2, 3, *sizes)
    maps = module(images)
    assert [tuple(each.shape) for each in maps] == [each.shape for each in made]
    assert [each.shape[1] for each in maps] == list(module.channels)
    assert cost.total(Quantity.PARAMS) == sum(weight.numel() for weight in module.parameters())
    assert cost.by_operator(Quantity.FVCORE) == count(module, (images,)).flops


def test_every_pyramid_has_a_module() -> None:
    assert {*PYRAMIDS} == {"swin_t", "pvt_tiny", "pvt_v2_b0", "resnet18", "convnext_t"}
