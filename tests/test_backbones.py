"""Networks without their classifier: ``head=false`` or ``classes=0``, against their modules and transformers'."""

from __future__ import annotations

from typing import Any

import pytest

import vpcalc
from vpcalc.architectures import ARCHITECTURES
from vpcalc.architectures.registry import first_of_each
from vpcalc.checks import Verdict, check_model
from vpcalc.checks.memory import check_memory
from vpcalc.cost import Quantity
from vpcalc.storage.footprint import Way, model_footprint

from .pace import mostly_slow

FIRST = {name: each.id for name, each in first_of_each().items() if each.family.classifies}
IDS = [*FIRST.values(), "pvt_v2_b2_li", "resnet50", "vgg11_bn"]


def test_every_family_that_ends_in_classes_of_an_image_is_here() -> None:
    """Of what tells the classes of pixels or boxes apart nothing is left to hand over without them."""
    classes = {name for name, each in first_of_each().items() if "classes" in each.config}
    dense = {name for name, each in first_of_each().items() if "backbone" in each.config}
    assert classes - set(FIRST) == {"exfuse", *dense}


@pytest.mark.quick(2)
@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("sizes", mostly_slow([(75, 131), (64, 64)], quick=[(75, 131)]))
def test_a_backbone_agrees_with_its_module(id: str, sizes: tuple[int, int]) -> None:
    family = ARCHITECTURES[id].family
    config = ARCHITECTURES[id].configure({"head": "false"})
    for batch in (1, 2):
        cost = ARCHITECTURES[id].cost(sizes, config, batch)
        report = check_model(family.name, cost, sizes, config, batch)
        assert report.verdict is Verdict.AGREES, str(report)
    kept, _ = check_memory(family, sizes, config, 2, Way())
    assert kept.verdict is Verdict.AGREES, str(kept)


@pytest.mark.parametrize("id", IDS)
def test_what_is_left_out_is_the_classifier_and_nothing_else(id: str) -> None:
    architecture = ARCHITECTURES[id]
    without = architecture.configure({"head": False})
    assert without == architecture.configure({"classes": 0}) == {**architecture.config, "classes": 0}
    whole, bare = architecture.cost((64, 96)), architecture.cost((64, 96), without)
    (*_, last) = whole.stages()
    assert last.stage is not None
    widths = [last.stage.channels]
    if architecture.family.name == "vgg":
        widths = [last.stage.channels * without["P"] ** 2, without["hidden"], without["hidden"]]
    pairs = list(zip(widths, (*widths[1:], 1000), strict=True))
    assert whole.total(Quantity.MACS) - bare.total(Quantity.MACS) == sum(a * b for a, b in pairs)
    assert whole.total(Quantity.PARAMS) - bare.total(Quantity.PARAMS) == sum(a * b + b for a, b in pairs)
    saved = [
        model_footprint(architecture.family, (64, 96), config, 1).weights for config in (whole_of(id), without)
    ]
    assert saved[0] - saved[1] == 4 * sum(a * b + b for a, b in pairs)


def whole_of(id: str) -> Any:
    return dict(ARCHITECTURES[id].config)


BARE = [
    ("swin_t", "SwinModel", {"add_pooling_layer": False}),
    ("swin_v2_t", "Swinv2Model", {"add_pooling_layer": False}),
    ("vit_b_16", "ViTModel", {"add_pooling_layer": False}),
    ("resnet50", "ResNetModel", {}),
    ("convnext_t", "ConvNextModel", {}),
    ("pvt_tiny", "PvtModel", {}),
    ("pvt_v2_b0", "PvtV2Model", {}),
]


@pytest.mark.parametrize(("id", "name", "options"), BARE)
def test_transformers_has_as_many_parameters_without_a_classifier(id: str, name: str, options: Any) -> None:
    """Its models without a task, as their configurations are by default."""
    import torch

    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    kind = getattr(transformers, name)
    with torch.device("meta"):
        model = kind(kind.config_class(), **options)
    ours = vpcalc.model(id, set={"classes": 0}, check=False).figure(Quantity.PARAMS)
    assert sum(weight.numel() for weight in model.parameters()) == ours


@pytest.mark.parametrize(
    ("id", "changes", "why"),
    [
        ("swin_t", {"head": "false", "classes": "21"}, "--set head=false: classes=21 says otherwise; give one"),
        ("swin_t", {"head": "true", "classes": 0}, "--set head=true: classes=0 says otherwise; give one"),
        ("swin_t", {"head": "none"}, "--set head=none: must be true or false"),
        ("swin_t", {"hed": "false"}, "setting of swin_t 'hed' is not known; did you mean head"),
        ("swin_t", {"C": "0"}, "--set C 0: must be a whole number from 1"),
        ("exfuse_resnet50", {"classes": 0}, "--set classes 0: must be a whole number from 1"),
        ("exfuse_resnet50", {"head": "false"}, "setting of exfuse_resnet50 'head' is not known"),
    ],
)
def test_what_contradicts_itself_is_refused(id: str, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(vpcalc.InputError, match=why):
        ARCHITECTURES[id].configure(changes)


def test_with_a_head_all_stays_as_it_is() -> None:
    assert ARCHITECTURES["swin_t"].configure({"head": "true"}) == ARCHITECTURES["swin_t"].config
    assert ARCHITECTURES["swin_t"].configure({"head": "true", "classes": "21"})["classes"] == 21


def test_a_form_without_a_head_has_no_constant_term() -> None:
    """What a classifier costs does not depend on the image; all else of Swin does."""
    with_head, without = (vpcalc.model("swin_t", set={"head": head}, check=False).form for head in (True, False))
    assert (with_head.polynomial - without.polynomial).terms == {(): 768 * 1000}
    assert () not in without.polynomial.terms
