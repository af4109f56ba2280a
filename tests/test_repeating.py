"""Equal blocks are run until a round is as the one before: what is counted is what running all of them gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from vpcalc.abstract import repeating
from vpcalc.abstract.functions import cat
from vpcalc.abstract.modules import each, linear, module
from vpcalc.abstract.tape import Tape
from vpcalc.abstract.tensor import FLOAT32, Tensor, given
from vpcalc.architectures import ARCHITECTURES
from vpcalc.storage.footprint import Footprint, Way, checkpoints, footprint, model_footprint, works

DEEP: Mapping[str, Mapping[str, Any]] = {
    "vit_ti_16": {"depth": 9},
    "swin_t": {"depths": "2,9,6,5"},
    "pvt_tiny": {"depths": "2,5,6,7"},
    "resnet50": {},
    "convnext_t": {},
    "lstm": {"layers": 6},
    "transformer_base": {"N": 7},
    "t5_small": {"layers": 7},
    "retnet_1_3b": {"layers": 6, "form": "chunkwise", "chunk": 8},
    "vgg11": {"depths": "1,7,2,6,9"},
    "vgg11_bn": {"depths": "6,1,2,8,5"},
}


def configured(id: str) -> tuple[Any, tuple[int, ...], Any]:
    architecture = ARCHITECTURES[id]
    sizes = tuple(64 if axis in "HW" else 12 for axis in architecture.family.axes)
    return architecture.family, sizes, architecture.configure({k: str(v) for k, v in DEEP[id].items()})


def written(found: Footprint) -> dict[str, Any]:
    """All that is read off a footprint."""
    shapes: Counter[Any] = Counter()
    for shape, times in found.shapes:
        shapes[shape] += times
    return {
        "sums": replace(found, kept=(), peaks={}, counted=(), shapes=()),
        "shapes": shapes,
        "saved": found.saved,
        "kept": found.by_module(),
        "peaks": list(found.peak_by_module().items()),
    }


@pytest.mark.quick(15)
@pytest.mark.parametrize(
    "way",
    [Way(), Way(attention="fused"), Way(recompute="block"), Way("bfloat16", recompute="attention")],
    ids=lambda way: f"{way.dtype}-{way.attention}-{way.recompute}",
)
@pytest.mark.parametrize("id", DEEP)
def test_counted_rounds_are_as_those_that_are_run(id: str, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    family, sizes, config = configured(id)
    counted = model_footprint(family, sizes, config, 2, way)
    done, again = works(family, sizes, config, 2, way), checkpoints(family, sizes, config, 2, way)
    monkeypatch.setattr(repeating, "FEWEST", 1 << 30)
    assert written(counted) == written(model_footprint(family, sizes, config, 2, way))
    assert sorted(done) == sorted(works(family, sizes, config, 2, way))
    assert again == checkpoints(family, sizes, config, 2, way)


@pytest.mark.parametrize("id", DEEP)
def test_two_thousand_blocks_are_no_more_work_than_nine(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    allocate = Tape.allocate

    def noted(tape: Tape, size: Any) -> None:
        made.append(size)
        allocate(tape, size)

    monkeypatch.setattr(Tape, "allocate", noted)
    family, sizes, _ = configured(id)
    own = ARCHITECTURES[id].config
    (name,) = own.keys() & {"depth", "depths", "layers", "N"}
    many = []
    for depth in ("10", "2000"):
        made.clear()
        value = own[name]
        deep = ",".join([depth] * len(value)) if isinstance(value, tuple) else depth
        model_footprint(family, sizes, ARCHITECTURES[id].configure({name: deep}), 1)
        many.append(len(made))
    assert many[0] == many[1]


@module
def _grows(x: Tensor) -> Tensor:
    """No two rounds are alike: each is given more than the one before."""
    return cat((x, linear("proj", x, 4)))


def test_rounds_that_are_not_alike_are_all_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(tape: Tape) -> tuple[tuple[()], Tensor]:
        x = given(tape, 3, 4)
        for name, step in each(tape, [_grows] * 8):
            x = step(name, x)
        return (), x

    counted = footprint(start)
    monkeypatch.setattr(repeating, "FEWEST", 1 << 30)
    assert not counted.counted
    assert written(counted) == written(footprint(start))


def test_a_tape_without_rounds_has_all_its_parameters() -> None:
    tape = Tape(FLOAT32)
    for name, step in each(tape, [_grows] * 3):
        step(name, given(tape, 3, 4))
    assert tape.entered("parameters", lambda weight: weight.elements) == 3 * (4 * 4 + 4)
