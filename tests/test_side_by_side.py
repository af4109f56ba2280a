"""Several models in one table: each column says what the model alone says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import vpcalc
from tests.test_docs import run
from vpcalc.answers.side_by_side import SideBySide, _in_order
from vpcalc.cost import Quantity
from vpcalc.report.table import records

from .conftest import Run

NAMES = ["swin_t", "resnet50", "vit_s_16"]


def beside(names: list[str] = NAMES, **asked: Any) -> SideBySide:
    return vpcalc.side_by_side(names, **{"check": False, **asked})


def test_each_column_says_what_its_model_says() -> None:
    asked: dict[str, Any] = {"input": "70x131", "batch": 3, "set": {"classes": "7"}}
    found = beside(**asked)
    alone = [vpcalc.model(name, **asked, check=False) for name in NAMES]
    assert found.to_dict()["models"] == [each.to_dict() for each in alone]
    quantities, macs, params, operators = map(records, found.tables())
    assert [[row[name] for row in quantities] for name in NAMES] == [
        [
            each.figure(quantity)
            for quantity in (
                Quantity.PARAMS,
                Quantity.MACS,
                Quantity.FLOPS,
                Quantity.FVCORE,
                Quantity.ACTIVATIONS,
                Quantity.ATTENTION,
            )
        ]
        for each in alone
    ]
    for rows, quantity in ((macs, Quantity.MACS), (params, Quantity.PARAMS)):
        for name, each in zip(NAMES, alone, strict=True):
            stages = {row["stage"]: row[name] for row in rows if row[name] is not None}
            assert stages.pop("total") == each.figure(quantity)
            assert stages == {stage.name: stage.total(quantity) for stage in each.cost.stages()}
            assert sum(stages.values()) == each.figure(quantity)
    for name, each in zip(NAMES, alone, strict=True):
        shown = {row["operator"]: row[name] for row in operators if row[name]}
        assert shown.pop("total") == each.figure(Quantity.MACS) == sum(shown.values())


def test_stages_come_in_the_order_that_every_model_has_them_in() -> None:
    """VGG's fifth stage, ResNet's stem and ViT's encoder each find their place around Swin's."""
    (_, macs, *_) = beside(["swin_t", "vgg11", "resnet18", "vit_ti_16"]).tables()
    assert [row[0] for row in macs.rows] == [
        *("encoder", "stem", "stage 1", "stage 2", "stage 3", "stage 4", "stage 5", "head", "total")
    ]
    assert _in_order([["b", "d"], ["a", "b", "c", "d"], ["e"]]) == ["e", "a", "b", "c", "d"]


def test_models_of_several_sizes_say_which() -> None:
    found = beside(["swin_t", "swin_b_384"])
    assert found.tables()[0].title == "2 models, each at its own size, batch 1"
    assert found.tables()[0].notes[0] == "swin_t at 224×224; swin_b_384 at 384×384"
    assert beside(input=64).tables()[0].title == "3 models at 64×64, batch 1"


@pytest.mark.slow
def test_all_are_counted_and_a_difference_is_named() -> None:
    found = vpcalc.side_by_side(["resnet18", "vit_ti_16"], input=64)
    assert found.ok
    agreeing = "resnet18, vit_ti_16: fvcore, activations and params agree with the counted module"
    assert agreeing in found.tables()[0].notes
    assert all(each["checks"] for each in found.to_dict()["models"])
    first, second = found.models
    wrong = SideBySide((first, replace(second, report=None, batch=2).checked()), found.names)
    assert not wrong.ok
    assert any(note.startswith("vit_ti_16: ") and "differ" in note for note in wrong.tables()[0].notes)


def test_what_fvcore_has_no_figure_of_is_not_said_to_agree(tmp_path: Path) -> None:
    """Fused attention, which PyTorch dispatches as one operator, and fvcore leaves out."""
    path = tmp_path / "own.py"
    path.write_text(
        "from torch import nn\nimport torch.nn.functional as F\n\n\nclass Fused(nn.Module):\n"
        "    def forward(self, x):\n        x = x.flatten(2).mT\n"
        "        return F.scaled_dot_product_attention(x, x, x)\n"
    )
    notes = vpcalc.side_by_side([f"{path}:Fused", "resnet18"], input=64, check=True).tables()[0].notes
    why = "not comparable: fvcore does not price aten::scaled_dot_product_attention"
    alike = "multiply-accumulates agree with those that PyTorch dispatches"
    assert notes[0] == f"{path}:Fused: {why}; {alike}"
    assert notes[1].startswith("resnet18: fvcore, activations and params agree")


def test_what_is_padded_is_said_once() -> None:
    (note,) = [note for note in beside(input=230).tables()[0].notes if note.startswith("swin_t")]
    assert re.fullmatch(r"swin_t: .*; \d+ more where it stands alone", note)


@pytest.mark.parametrize(
    ("names", "asked", "why"),
    [
        (["swin_t"], {}, "NAME: give two models at least"),
        (["swin_t", "swin_tiny_patch4_window7_224"], {}, "NAME swin_t: given 2 times"),
        (["swin_t", "lstn"], {}, "model 'lstn' is not known; did you mean lstm"),
        (["swin_t", "lstm"], {"input": 224}, "--input 224: lstm takes --tokens instead"),
        (["swin_t", "lstm"], {"set": {"C": 96}}, "setting of lstm 'C' is not known"),
    ],
)
def test_what_cannot_stand_side_by_side_is_refused(names: list[str], asked: dict[str, Any], why: str) -> None:
    with pytest.raises(vpcalc.InputError, match=re.escape(why)):
        beside(names, **asked)


def test_one_name_is_answered_as_ever() -> None:
    status, one = run("model swin_t --no-check --format json")
    assert (status, json.loads(one)) == (0, vpcalc.model("swin_t", check=False).to_dict())
    status, two = run("model swin_t resnet18 --no-check --format json")
    assert (status, json.loads(two)) == (0, beside(["swin_t", "resnet18"]).to_dict())
    assert run("model swin_t resnet18 --no-check --columns quantity,resnet18")[0] == 0


def test_variants_of_one_stand_beside_each_other(tmp_path: Path, inside: Run) -> None:
    """Settings in brackets are of one column alone, and stand in its head; those of options are of all."""
    file = tmp_path / "net.py"
    file.write_text(
        "from torch import nn\ndef net(width=8, k=3): return nn.Conv2d(3, width, k)\n", encoding="utf-8"
    )
    wide, plain = f"{file}:net(width=16)", f"{file}:net"
    found = vpcalc.side_by_side([wide, plain, "swin_t(C=48)", "swin_t"], input=64, args={"k": 1}, check=True)
    assert found.names == (wide, plain, "swin_t(C=48)", "swin_t")
    assert [each.figure(Quantity.MACS) for each in found.models[:2]] == [3 * 16 * 64**2, 3 * 8 * 64**2]
    assert found.models[2].figure(Quantity.PARAMS) == vpcalc.model("swin_t", input=64, set={"C": 48}).figure(
        Quantity.PARAMS
    )
    shown = found.tables()[0].columns[1:]
    assert [column.key for column in shown] == list(found.names)
    assert [column.kept for column in shown] == [True, True, False, False]  # where there is no room, ours go
    assert found.ok
    named = vpcalc.side_by_side([f"ours={wide}", "Swin-48=swin_t(C=48)"], input=64, check=False)
    assert named.names == ("ours", "Swin-48")
    assert named.label == "model-ours-swin-t"
    assert [each.figure(Quantity.MACS) for each in named.models] == [
        3 * 16 * 9 * 62**2,
        found.models[2].figure(Quantity.MACS),
    ]
    assert vpcalc.model(f"ours={plain}@1,3,H,W", check=False).tables()[0].title.startswith("ours, input")
    assert vpcalc.memory(f"ours={plain}", input=8, check=False).tables()[0].title.startswith("ours at 8×8")
    assert vpcalc.diff(f"a={plain}", f"b={wide}", input="1,3,8,8").tables()[0].title.startswith("a → b: ")
    for names, said in (
        (("Swin=swin_t",), "a name is given to code; swin_t is one of ours"),
        ((wide, wide), f"NAME {wide}: given 2 times"),
        ((f"{wide}@1,3,H,W", plain), "H is a letter; a figure takes numbers"),
        (("swin_t(K=1)", "swin_t"), "setting of swin_t 'K' is not known"),
    ):
        done = inside("model", *names, "--input", "64")
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
