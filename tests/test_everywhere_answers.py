"""``formula --everywhere``; forms and crossings of ``model`` and ``compare`` that hold where they are printed."""

from __future__ import annotations

import random
import re
from typing import Any
from xml.etree import ElementTree

import pytest

import vpcalc
from vpcalc.architectures import ARCHITECTURES
from vpcalc.cost import Quantity
from vpcalc.errors import InputError


def evaluated(python: str, **sizes: int) -> Any:
    return eval(python, {"__builtins__": {}}, sizes)


def test_the_python_of_all_regimes_is_one_expression() -> None:
    swin, pvt = (vpcalc.formula(name, everywhere=True).spell("python") for name in ("swin_t", "pvt_tiny"))
    dice = random.Random(1)
    for _ in range(40):
        sizes = {name: dice.choice((dice.randint(1, 300), dice.randint(1, 4096))) for name in "HW"}
        point = (sizes["H"], sizes["W"])
        assert evaluated(swin, **sizes) == ARCHITECTURES["swin_t"].cost(point).total(Quantity.MACS)
        if min(point) >= 32:
            assert evaluated(pvt, **sizes) == ARCHITECTURES["pvt_tiny"].cost(point).total(Quantity.MACS)
        else:
            assert evaluated(pvt, **sizes) is None


def test_the_function_refuses_what_the_model_refuses() -> None:
    space: dict[str, Any] = {}
    exec(vpcalc.formula("vgg11", everywhere=True).function(), space)
    assert space["vgg11_macs"](H=225, W=97) == ARCHITECTURES["vgg11"].cost((225, 97)).total(Quantity.MACS)
    with pytest.raises(ValueError, match="too small for 5 poolings"):
        space["vgg11_macs"](H=31, W=97)


def test_fields_of_the_contract() -> None:
    one = vpcalc.formula("resnet18", everywhere=True, quantity="params").to_dict()
    assert (one["when"]["python"], one["complete"], "regimes" in one) == ("True", True, False)
    found = vpcalc.formula("pvt_tiny", everywhere=True).to_dict()
    assert found["when"] == {
        "text": "H ≥ 32, W ≥ 32",
        "latex": r"H \ge 32,\ W \ge 32",
        "python": "H >= 32 and W >= 32",
    }
    first, *others = found["regimes"]
    assert first == {"when": found["when"], "macs": {k: found["formula"][k] for k in ("text", "latex", "python")}}
    assert [set(regime) for regime in others] == [{"when", "refused"}] * 2
    plain = vpcalc.formula("pvt_tiny").to_dict()
    assert not {"when", "regimes", "complete"} & set(plain)


def test_the_quantity_names_its_field() -> None:
    found = vpcalc.formula("vgg11", everywhere=True, quantity="fvcore").to_dict()
    assert set(found["regimes"][0]) == {"when", "fvcore"}


@pytest.mark.parametrize("name", ["swin_t", "wmsa", "sra", "vgg11"])
def test_every_spelling_of_the_cases(name: str) -> None:
    found = vpcalc.formula(name, everywhere=True)
    assert len(found.spell("text").splitlines()) == len(found.regimes)
    latex = found.spell("latex")
    assert latex.startswith(r"\begin{cases}")
    assert latex.count("&") == latex.count(r"\\") == len(found.regimes)
    assert latex.count("{") == latex.count("}")
    rows = ElementTree.fromstring(found.spell("mathml")).iter("{http://www.w3.org/1998/Math/MathML}mtr")
    assert len(list(rows)) == len(found.regimes)


def test_typst_sets_the_cases() -> None:
    typst = pytest.importorskip("typst")
    for name in ("swin_t", "wmsa", "vgg11"):
        page = f"#set page(width: auto)\n$ {vpcalc.formula(name, everywhere=True).spell('typst')} $"
        assert typst.compile(page.encode(), format="svg")


def test_symbols_are_written_otherwise_in_forms_and_conditions() -> None:
    found = vpcalc.formula("wmsa", everywhere=True, symbols={"M": "k", "a": "n"})
    assert str(found.regimes[0].when) == "h ≥ k, w ≥ k, n | C"
    assert "M" not in found.spell("python")
    assert set(found.legend()) == {"k", "n", "h", "w", "C"}
    grid = vpcalc.formula("retention_chunkwise", everywhere=True, symbols={"hw": "n"})
    assert "⌈n/b⌉" in grid.spell()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"symbols": {"hw": "n"}}, "h and w stand apart"),
        ({"form": "leading"}, "leading leaves out terms"),
    ],
)
def test_what_has_no_form_everywhere_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        vpcalc.formula("wmsa", everywhere=True, **options)


def test_factored_forms_keep_their_value() -> None:
    found = vpcalc.formula("wmsa", everywhere=True, form="factored")
    sizes = {"h": 23, "w": 17, "M": 5, "C": 12, "a": 3}
    assert evaluated(found.spell("python"), **sizes) == evaluated(
        vpcalc.formula("wmsa", everywhere=True).spell("python"), **sizes
    )
    assert "(" in str(found.form)


# -- model and compare -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["224", "448x224", "800x1280", "100", "225x224", "1x4096"])
def test_a_model_prints_a_form_that_holds_at_its_size(size: str) -> None:
    found = vpcalc.model("swin_t", input=size, check=False)
    told = found.to_dict()["formula"]["macs"]
    sizes = dict(zip("HW", found.sizes, strict=True))
    assert told["valid"] == "H and W multiples of 224 (32·7)"
    lattice = evaluated(told["python"], **sizes) == found.to_dict()["macs"]
    assert told["holds_here"] == lattice == (size in ("224", "448x224"))
    (line,) = (note for note in found.tables()[0].notes if note.startswith("MACs ="))
    if lattice:
        assert "everywhere" not in told
        assert line == "MACs = 89481HW + 768000   (H and W multiples of 224 (32·7))"
    else:
        assert evaluated(told["everywhere"]["python"], **sizes) == found.to_dict()["macs"]
        assert evaluated(told["everywhere"]["when"]["python"], **sizes) is True
        assert told["everywhere"]["text"] in line
        size_said = "×".join(map(str, found.sizes))
        assert f"89481HW + 768000, which does not hold at {size_said}" in "\n".join(found.tables()[0].notes)


@pytest.mark.parametrize("name", ["pvt_tiny", "resnet18", "vgg11", "exfuse_resnet50", "pvt_v2_b2_li", "lstm"])
def test_every_model_does(name: str) -> None:
    axes = ARCHITECTURES[name].family.axes
    given: dict[str, Any] = {"input": "333x555"} if axes == ("H", "W") else {"tokens": 333}
    found = vpcalc.model(name, batch=2, check=False, **given)
    told = found.to_dict()["formula"]["macs"]
    spoken = told if told["holds_here"] else told["everywhere"]
    assert evaluated(spoken["python"], **dict(zip(axes, found.sizes, strict=True))) == found.to_dict()["macs"]


GRIDS = [(56, 56, 7), (8, 8, 7), (4, 9, 7), (13, 29, 5), (14, 7, 7), (30, 30, 31)]


@pytest.mark.parametrize(("h", "w", "M"), GRIDS)
def test_a_comparison_prints_forms_that_hold_on_its_grid(h: int, w: int, M: int) -> None:
    ids = ["msa", "wmsa", "swmsa", "sra", "linear_sra", "retention", "retention_chunkwise", "recurrent", "conv"]
    found = vpcalc.compare(h, w, 96, M, R=3, chunk=50, rows=ids, check=False)
    point = {**found.inputs, "a": found.inputs["heads"], "b": found.inputs["chunk"]}
    for row in found.to_dict()["rows"]:
        told = row["formula"].get("everywhere", row["formula"])
        assert evaluated(told["python"], **point) == row["macs"], row["id"]
    printed = {row[0]: row[1] for row in found.tables()[0].rows}
    assert ("⌈" in str(printed["W-MSA"])) == (h % M != 0 or w % M != 0)


@pytest.mark.parametrize(("h", "w", "M"), [*GRIDS, (6, 6, 2), (16, 16, 5), (100, 1, 3)])
def test_where_rows_cross_is_said_only_of_grids_where_it_is_so(h: int, w: int, M: int) -> None:
    found = vpcalc.compare(h, w, 96, M, R=1 if min(h, w) == 1 else 2, check=False)
    macs = {row.id: row.figure(Quantity.MACS) for row in found.rows}
    not_so = 0
    for crossover in found.crossovers:
        more, less = crossover.between
        if ":" in more:
            continue
        so = (macs[more] > macs[less]) == (h * w > crossover.at)
        assert crossover.holds_here == so
        not_so += not so
        tiles = [found.inputs[tile] for tile in re.findall(r"[A-Z]", crossover.tiles)]
        if all(h % tile == 0 and w % tile == 0 for tile in tiles):
            assert so
    notes = [note for table in found.tables()[1:] for note in table.notes if note.startswith("not so on")]
    assert sum(note.count(" > ") for note in notes) == not_so


def test_windows_that_do_not_divide_cost_more_than_the_condition_says() -> None:
    """hw = 64 > 49 = M², and yet W-MSA costs 2.88 times as much as MSA: it runs on 14 × 14."""
    found = vpcalc.compare(8, 8, 96, 7, check=False)
    (crossover,) = (c for c in found.crossovers if c.between == ("msa", "wmsa"))
    assert (crossover.at, crossover.tiles, crossover.holds_here) == (49, "M", False)
    assert crossover.valid == "h and w multiples of M"
    (note,) = (
        note for note in found.tables()[1].notes if note.startswith("not so on 8×8, which M does not tile:")
    )
    assert "MSA > W-MSA" in note
