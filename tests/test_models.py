"""The choice among architectures: what a row says, which rows there are, and what is left out and why."""

from __future__ import annotations

import contextlib
import csv
import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vpcalc
from tests.test_fences import HEAVY, loaded
from vpcalc.answers.candidates import QUANTITIES
from vpcalc.answers.plot_front import pareto_front
from vpcalc.architectures import ARCHITECTURES
from vpcalc.cost import Quantity
from vpcalc.published import accuracies
from vpcalc.report.terminal import plain

from .conftest import Run
from .pace import mostly_slow

IMAGES = [id for id, each in ARCHITECTURES.items() if each.family.axes.pixels]


def rows(**asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = vpcalc.models(**asked).to_dict()["models"]
    return found


def ids(**asked: Any) -> list[str]:
    return [row["id"] for row in rows(**asked)]


# -- what a row says ----------------------------------------------------------------------------------


@pytest.mark.quick(3)
@pytest.mark.parametrize("narrow", [{"dtype": "bf16"}, {"amp": "fp16"}])
@pytest.mark.parametrize("id", ["swin_t", "vit_b_16", "pvt_small", "resnet50", "vgg11", "t5_small", "lstm"])
def test_a_row_says_what_model_and_memory_say(id: str, narrow: dict[str, str]) -> None:
    """At sizes that nothing divides, in a way that nobody has by default."""
    sizes = {"input": "70x131"} if id in IMAGES else {"tokens": 23}
    pair = {"src": 23, "tgt": 23} if id == "t5_small" else sizes
    way = {"batch": 3, "optimizer": "momentum", **narrow}
    family = ARCHITECTURES[id].family.name
    show = [name for name in QUANTITIES if name not in ("top1", "batch", "id", "family")]
    (row,) = [row for row in rows(family=family, **sizes, **way, show=show) if row["id"] == id]
    model = vpcalc.model(id, **pair, batch=3, check=False)
    assert all(row[quantity.value] == model.figure(quantity) for quantity in Quantity)
    memory = vpcalc.memory(id, **pair, **way, train=True, check=False).to_dict()
    for name in ("weights_bytes", "saved_bytes", "inference_bytes", "training_bytes", "step_peak_bytes"):
        assert row[name] == memory[name], name
    assert set(show) <= row.keys()


@pytest.mark.slow
def test_fused_attention_is_asked_of_those_that_attend() -> None:
    eager, fused = (
        {row["id"]: row["training_bytes"] for row in rows(input=64, attention=way)} for way in ("eager", "fused")
    )
    assert (
        fused["vit_b_16"]
        == vpcalc.memory("vit_b_16", input=64, attention="fused", train=True, check=False).plan.total
    )
    assert fused["vit_b_16"] < eager["vit_b_16"]
    assert fused["resnet50"] == eager["resnet50"]


def test_without_a_question_all_are_listed_at_their_own_size() -> None:
    every = rows()
    assert [row["id"] for row in every] == [each.id for each in vpcalc.models().architectures]
    assert {row["id"] for row in every} == set(ARCHITECTURES)
    (swin,) = [row for row in every if row["id"] == "swin_t"]
    assert (swin["params"], swin["macs"], swin["input"]) == (28288354, 4490566656, [224, 224])
    assert "training_bytes" not in swin


# -- which there are ----------------------------------------------------------------------------------

CHOICES = [
    "macs < 100G and params < 60M",
    "macs / params > 3000 and not family == 'vit'",
    "10G <= macs < 40G or params*4 < 16MiB",
    "activations % 3 == 1",
    "training_bytes < 4GB",
    "2*macs == flops",
]


@pytest.mark.quick(1)
@pytest.mark.parametrize("where", mostly_slow(CHOICES, quick=3))
def test_the_rows_are_those_for_which_the_condition_holds(where: str) -> None:
    """Held against Python's own reading of each row."""
    every = rows(input="800x1280", show=["flops", "activations", "training_bytes"])
    units = {"G": 10**9, "M": 10**6, "MiB": 2**20, "GB": 10**9}
    python = re.sub(r"(\d+)(GB|MiB|G|M)\b", lambda found: str(int(found[1]) * units[found[2]]), where)
    expected = [row["id"] for row in every if eval(python, {}, row)]
    assert ids(input="800x1280", where=where) == expected
    if where != CHOICES[-1]:
        assert 0 < len(expected) < len(every)


def test_a_quantity_that_is_not_known_leaves_out_and_says_so() -> None:
    found = vpcalc.models("vit", where="top1 > 0")
    assert [each.architecture.id for each in found.candidates] == ["vit_b_16", "vit_l_16"]
    ((why, left),) = (found.left_out or {}).items()
    assert (why, len(left)) == ("no top1 known", 12)
    assert "12 models (vit_ti_16 … siglip_so400m_14) left out: no top1 known" in found.tables()[0].notes
    assert ids(family="vit", where="top1 > 0 or params > 600M") == ["vit_b_16", "vit_l_16", "vit_h_14"]


def test_rows_are_sorted_by_one_key_after_the_other() -> None:
    macs = [row["macs"] for row in rows(sort="macs")]
    assert macs == sorted(macs)
    found = rows(where="top1 > 0", sort="-top1,macs/params")
    keys = [(-row["top1"], Fraction(row["macs"], row["params"])) for row in found]
    assert keys == sorted(keys)
    assert len({top1 for top1, _ in keys}) < len(keys)  # or the second key decides nothing
    assert [row["top1"] for row in rows(family="vit", sort="top1")] == [76.5, 77.9, *[None] * 12]


@pytest.mark.slow
def test_a_size_is_asked_of_those_that_have_it() -> None:
    assert ids(input="64x96") == [id for id in ids() if id in IMAGES]
    assert {*ids(tokens=16)} == {*ids()} - {*IMAGES}
    both = {row["id"]: row["input"] for row in rows(input="64x96", tokens=16)}
    assert both.keys() == {*ids()}
    assert (both["swin_t"], both["lstm"], both["t5_small"]) == ([64, 96], [16], [16, 16])
    uneven = {row["id"]: row["input"] for row in rows(tokens=16, tgt=5)}
    assert (uneven["t5_small"], uneven["lstm"]) == ([16, 5], [16])
    assert (vpcalc.models(input=64).left_out or {}).keys() == {"they take --tokens", "they take --src and --tgt"}


def test_an_image_that_is_too_small_for_some_is_not_for_others() -> None:
    found = vpcalc.models(input=20)
    small = []
    for id in IMAGES:
        with contextlib.suppress(vpcalc.InputError):
            ARCHITECTURES[id].cost((20, 20))
            small.append(id)
    assert {each.architecture.id for each in found.candidates} == set(small)
    assert 0 < len(small) < len(IMAGES)
    assert any("too small" in why and "convnext_t" in left for why, left in (found.left_out or {}).items())


def test_settings_are_changed_where_there_are_such() -> None:
    bare = vpcalc.models(set={"head": "false"})
    whole = {row["id"]: row for row in rows()}
    for row in bare.to_dict()["models"]:
        assert row["config"]["classes" if row["id"] in IMAGES else "head"] == 0
        had = whole[row["id"]]["config"].get("classes", True)  # SigLIP's towers have no classifier to leave out
        assert (row["macs"] < whole[row["id"]]["macs"]) is bool(had)
        assert row["top1"] == whole[row["id"]]["top1"]
    assert "exfuse_resnet50" in (bare.left_out or {})["they have no setting head"]
    assert {row["top1"] for row in rows(family="swin", set={"M": 8})} == {None}  # another network than was trained


def test_accuracies_are_of_models_that_there_are_and_have_a_source() -> None:
    assert set(accuracies()) <= set(IMAGES)
    for id, accuracy in accuracies().items():
        assert re.fullmatch(r"\d\d\.\d{1,3}", accuracy.top1), id
        assert 60 < accuracy.value < 90
        assert re.fullmatch(r"\d+x\d+", accuracy.input)
        assert len(accuracy.source) > 10
    path = Path(vpcalc.__file__).with_name("data") / "accuracies.csv"
    models = [row["model"] for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())]
    assert len(models) == len(set(models))


def test_accuracies_that_are_not_alike_are_told_apart() -> None:
    (table,) = vpcalc.models(where="top1 > 86", sort="top1").tables()
    assert table.notes[-1] == (
        "top-1: printed accuracy on ImageNet at 224×224; swin_l, convnext_xl: pre-trained on ImageNet-22K; "
        "swin_v2_l: at 256×256, pre-trained on ImageNet-22K; swin_v2_b_384, swin_l_384, swin_v2_l_384: at "
        "384×384, pre-trained on ImageNet-22K; sources: --columns id,top1,top1_source"
    )


# -- the front ----------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4))))
def test_on_the_front_is_what_no_other_beats(costs: list[tuple[int, int]]) -> None:
    def beats(one: tuple[int, int], other: tuple[int, int]) -> bool:
        return one != other and one[0] <= other[0] and one[1] <= other[1]

    expected = [place for place, cost in enumerate(costs) if not any(beats(each, cost) for each in costs)]
    assert sorted(pareto_front(costs)) == expected


@pytest.mark.slow
def test_a_front_is_that_of_the_rows() -> None:
    """More accuracy is better, more of anything else is not."""
    plot = vpcalc.plot_models(pareto="training_bytes,top1", input=512, batch=4, where="macs < 400G")
    every = {r["id"]: r for r in rows(input=512, batch=4, where="macs < 400G and top1 > 0")}
    data = plot.to_dict()["data"]
    assert {row["model"] for row in data} == set(every)
    for row in data:
        mine = every[row["model"]]
        assert (row["training_bytes"], row["top1"]) == (mine["training_bytes"], mine["top1"])
        beaten = any(
            (r["training_bytes"], -r["top1"]) != (mine["training_bytes"], -mine["top1"])
            and r["training_bytes"] <= mine["training_bytes"]
            and r["top1"] >= mine["top1"]
            for r in every.values()
        )
        assert row["front"] == ("no" if beaten else "yes")
    front = [row for row in data if row["front"] == "yes"]
    better = "no other has less memory to train and a higher accuracy"
    assert plot.chart.title == f"{len(front)} of {len(data)} models are on the front: {better}"
    assert plot.chart.subtitle.startswith("at 512×512, batch 4, float32, adamw: macs < 400G; *")
    assert {row["model"] for row in vpcalc.plot_models(["swin"], pareto="macs,params").to_dict()["data"]} == set(
        ids(family="swin")
    )


# -- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"where": "mac < 1G"}, """--where "mac < 1G": name 'mac' is not known; did you mean macs?"""),
        ({"where": "macs"}, "macs is 614400, neither true nor false: compare it"),
        ({"sort": "mcas"}, """--sort "mcas": name 'mcas' is not known; did you mean macs?"""),
        ({"sort": "macs,"}, '--sort "": empty; must be in quantities such as params and macs'),
        ({"sort": "-family"}, "--sort \"-family\": family is 'recurrent', no number"),
        ({"show": ["foo"]}, "quantity 'foo' is not known"),
        ({"input": "0x5"}, "--input 0: must be a whole number from 1 to 65536"),
        ({"input": "5x5x5"}, "--input '5x5x5': must be"),
        ({"tokens": 0}, "--tokens 0: must be a whole number"),
        ({"family": "swin", "tokens": 5}, "--tokens 5: swin_t takes --input instead"),
        ({"family": "vit", "input": 5}, "side of 5 is too small"),
        ({"set": {"foo": 1}}, "setting 'foo' is not known"),
        ({"set": {"classes": "abc"}}, "--set classes 'abc': must be a whole number from 0"),
        ({"family": "swin", "set": {"depths": "2,2"}}, "depths"),
        ({"batch": 0}, "--batch 0: must be a whole number"),
        ({"dtype": "float3"}, "--dtype 'float3' is not known; did you mean float32"),
        ({"optimizer": "adamx"}, "--optimizer 'adamx' is not known; did you mean adam"),
        ({"attention": "flash"}, "--attention 'flash' is not known"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(asked: dict[str, Any], why: str) -> None:
    with pytest.raises(vpcalc.InputError, match=re.escape(why)) as refusal:
        vpcalc.models(**asked)
    assert "\n" not in str(refusal.value)


def test_where_nothing_is_chosen_the_table_is_empty_and_all_is_well() -> None:
    found = vpcalc.models(where="macs < 1")
    assert found.ok
    assert found.tables()[0].title == "0 models, batch 1: macs < 1"
    assert plain(found.tables()) == "0 models, batch 1: macs < 1"
    assert found.to_dict()["models"] == []
    json.dumps(found.to_dict())


@pytest.mark.slow
def test_of_how_many_inputs_the_products_are_is_said() -> None:
    """``macs < 100G`` at a batch of 4 is a condition on four images."""
    said = "MACs, as all that grows with the batch, are those of 4 inputs together; --where 'macs/batch"
    assert any(said in note for note in vpcalc.models(batch=4, where="macs < 100G").tables()[0].notes)
    assert ids(batch=4, where="macs/batch < 5G") == ids(where="macs < 5G")
    assert not any("together" in note for note in vpcalc.models(batch=1).tables()[0].notes)


def test_choosing_among_all_takes_no_time_and_no_torch() -> None:
    """3 seconds of a processor are the bound; a third of that is what it takes."""
    code = (
        "import time, vpcalc\n"
        "start = time.process_time()\n"
        "found = vpcalc.models(input='800x1280', where='macs < 100G and training_bytes < 12GB', sort='-top1')\n"
        "assert len(found.candidates) > 5\n"
        "assert time.process_time() - start < 3, time.process_time() - start"
    )
    assert not loaded(code) & HEAVY


def test_which_bytes_of_training_are_a_sum_is_said(inside: Run) -> None:
    """In a table and, since a sheet has no notes, beside it."""
    asked = ("models", "--family", "swin", "--columns", "id,training_bytes,step_peak_bytes")
    assert "the sum of all that training holds" in " ".join(inside(*asked).stdout.split())
    sheet = inside(*asked, "--format", "csv")
    assert sheet.stdout.startswith("id,training_bytes,step_peak_bytes\n")
    assert "the sum of all that training holds" in sheet.stderr
