"""Pyramids, and what reads them: every pixel's class, and boxes, part by part."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import vpcalc
from vpcalc.abstract.priced import priced
from vpcalc.abstract.tape import INPUT, Tape
from vpcalc.abstract.tensor import fresh
from vpcalc.architectures import ARCHITECTURES
from vpcalc.architectures.registry import first_of_each
from vpcalc.checks import Verdict, check_model
from vpcalc.checks.memory import check_memory
from vpcalc.cost import Quantity
from vpcalc.counters.fvcore import count
from vpcalc.reference.registry import MODEL_WITNESSES, backbone
from vpcalc.storage.footprint import Way

Run = Callable[..., "subprocess.CompletedProcess[str]"]

PYRAMIDS = [each.id for each in first_of_each().values() if each.family.pyramid]


BACKBONES = [*PYRAMIDS, "resnet50", "resnext50_32x4d", "pvt_v2_b2_li"]


@pytest.mark.quick(2)
@pytest.mark.parametrize("id", BACKBONES)
@pytest.mark.parametrize(("sizes", "first"), [((64, 96), 0), ((75, 131), 0), ((67, 90), 1)])
def test_a_pyramid_is_that_of_its_module(id: str, sizes: tuple[int, int], first: int) -> None:
    made: list[Any] = []

    def run(tape: Tape) -> Any:
        images = fresh(tape, (2, 3, *sizes), tape.item, INPUT)
        made.extend(ARCHITECTURES[id].family.pyramid(images, first, **ARCHITECTURES[id].config))  # type: ignore[misc]
        return (images,), made

    cost = priced(run)
    module, images = backbone(id, sizes, first).eval(), torch.zeros(2, 3, *sizes)
    maps = module(images)
    assert [tuple(each.shape) for each in maps] == [each.shape for each in made]
    assert [each.shape[1] for each in maps] == list(module.channels)
    assert cost.total(Quantity.PARAMS) == sum(weight.numel() for weight in module.parameters())
    assert cost.by_operator(Quantity.FVCORE) == count(module, (images,)).flops


def test_every_pyramid_has_a_module() -> None:
    assert {*PYRAMIDS} == {"swin_t", "swin_v2_t", "pvt_tiny", "pvt_v2_b0", "resnet18", "convnext_t"}


DENSE = {name: each.id for name, each in first_of_each().items() if "backbone" in each.config}


@pytest.mark.parametrize("id", DENSE.values())
def test_parts_have_shapes_that_the_module_makes(id: str) -> None:
    made: set[tuple[int, ...]] = set()
    with torch.device("meta"):
        module, inputs = MODEL_WITNESSES[ARCHITECTURES[id].family.name]((64, 96), ARCHITECTURES[id].config, 2)

    def note(inner: torch.nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            made.update((tuple(output.shape[1:]), (output.shape[-1], *output.shape[1:-1])))  # or channels are last

    for inner in module.modules():
        inner.register_forward_hook(note)
    module.train()(*inputs)  # an auxiliary head is for training
    stages = vpcalc.model(id, input="64x96", check=False).to_dict()["stages"]
    assert {(each["channels"], *each["resolution"]) for each in stages} <= made


@pytest.mark.quick(1)
@pytest.mark.parametrize("id", DENSE.values())
@pytest.mark.parametrize("under", BACKBONES)
def test_on_every_backbone_it_agrees_with_its_module(id: str, under: str) -> None:
    architecture, dice = ARCHITECTURES[id], random.Random(f"{id} {under}")
    sizes, batch = (dice.randint(64, 150), dice.randint(64, 150)), dice.randint(1, 2)
    boxes = {name: dice.randint(1, 300) for name in ("proposals", "detections") if name in architecture.config}
    config = architecture.configure({"backbone": under, **boxes})
    report = check_model(architecture.family.name, architecture.cost(sizes, config, batch), sizes, config, batch)
    assert report.verdict is Verdict.AGREES, str(report)
    kept, _ = check_memory(architecture.family, sizes, config, 2, Way(), step=True)
    assert kept.verdict is Verdict.AGREES, str(kept)


@pytest.mark.parametrize(
    ("under", "says"),
    [
        ("vit_b_16", "offers no pyramid of strides 4, 8, 16 and 32: its maps are 14×14 at 224×224"),
        ("lstm", "takes no images"),
        ("semantic_fpn", "has a backbone itself"),
        ("pvt_tinny", "'pvt_tinny' is not known; did you mean pvt_tiny"),
    ],
)
@pytest.mark.parametrize("command", ["model", "formula", "memory"])
def test_what_is_no_backbone_is_refused_by_name(command: str, under: str, says: str, inside: Run) -> None:
    done = inside(command, "semantic_fpn", "--backbone", under)
    assert done.returncode == 2
    assert not done.stdout
    assert done.stderr.count("\n") == 1
    assert "--set backbone" in done.stderr
    assert says in done.stderr
    assert under in done.stderr


def test_the_option_is_the_setting(inside: Run) -> None:
    given = (("--backbone", "resnet18"), ("--set", "backbone=resnet18"))
    shown = [inside("model", "semantic_fpn", *each, "--input", "64", "--no-check").stdout for each in given]
    assert shown[0] == shown[1]
    assert "backbone = resnet18" in shown[0]
    twice = inside("model", "semantic_fpn", *given[0], "--set", "backbone=swin_t")
    assert twice.returncode == 2
    assert "give it once" in twice.stderr


OWN = """
from vpcalc.architectures import Family, register
from vpcalc.architectures.resnet import pyramid, resnet
from vpcalc.plugins import witnesses_in

witnesses_in("own_modules.py")

def thin(images, **config):
    return resnet(images, **config)

def maps(images, first, **config):
    return pyramid(images, first, **config)

settings = dict(C=8, depths=(1, 1, 1, 1), block="basic", version="v1.5", shortcut="B", classes=10)
register(Family("thin", thin, "nobody", pyramid=maps), "thin_net", sizes=(64, 64), **settings)
"""
OWN_MODULES = """
from vpcalc.reference import pyramid_witness
from vpcalc.reference.resnet import ResNetPyramid

@pyramid_witness("thin")
def thin(sizes, settings, first):
    return ResNetPyramid(first, **settings)
"""


def test_ones_own_backbone_stands_under_ours(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "own_modules.py").write_text(OWN_MODULES)
    vpcalc.load(tmp_path / "own.py")
    try:
        for id in DENSE.values():
            found = vpcalc.model(id, input="67x90", set={"backbone": "thin_net", "C": 16}, check=True)
            assert found.report is not None
            assert found.report.verdict is Verdict.AGREES, str(found.report)
    finally:
        vpcalc.plugins.unload([tmp_path / "own.py"])


def test_parts_are_all_that_there_is() -> None:
    for id in DENSE.values():
        found = vpcalc.model(id, input=128, check=False).to_dict()
        parts = {part["name"]: part for part in found["parts"]}
        assert {"backbone"} < {*parts}
        for quantity in ("macs", "params", "fvcore", "activations"):
            assert sum(part[quantity] for part in parts.values()) == found[quantity]


def test_what_cannot_be_trained_is_not_run(inside: Run) -> None:
    """Context that is pooled to one place has one value a channel in a batch of one image."""
    done = inside("memory", "upernet", "--input", "64", "--set", "C=8")
    assert done.returncode == 0, done.stderr
    assert "PyTorch trains no batch norm on one value" in " ".join(done.stdout.split())


@pytest.mark.slow
def test_what_authors_print() -> None:
    """All that they print on their pyramids of Semantic FPN, and of UperNet on ConvNeXt, comes out.

    What does not has its reason in the data: another stem, frozen stages, or what the nearest rules give.
    """
    for family in DENSE:
        for row in vpcalc.reproduce(family, check=False).rows:
            theirs = family == "semantic_fpn" and "resnet" not in row.published.settings
            if theirs or "ConvNeXt" in row.published.source:
                assert row.explained, row
            else:
                assert row.agrees or row.explained or row.published.why, row
