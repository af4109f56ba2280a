"""The Python interface: results, their fields, and what they refuse."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

import vpcalc
from vpcalc.checks.crosscheck import Check, Report
from vpcalc.cost import Cost, Quantity
from vpcalc.published import Published, figures

ROWS = ["msa", "wmsa", "swmsa", "sra", "linear_sra", "retention"]


def test_compare_fields() -> None:
    found = vpcalc.compare(h=56, w=56, C=96, M=7).to_dict()
    assert list(found) == ["command", "schema_version", "inputs", "rows", "crossovers"]
    assert [row["id"] for row in found["rows"]] == ROWS
    msa = found["rows"][0]
    assert msa["formula"] == {
        "text": "4hwC² + 2(hw)²C",
        "latex": "4hwC^{2} + 2(hw)^{2}C",
        "python": "4*h*w*C**2 + 2*(h*w)**2*C",
    }
    assert (msa["macs"], msa["flops"]) == (2_003_828_736, 4_007_657_472)
    assert msa["params"] == 4 * 96 * 96 + 4 * 96
    assert msa["attention_elements"] == 3 * 3136**2
    assert msa["attention_bytes"] == 4 * msa["attention_elements"]
    point = {"h": 56, "w": 56, "C": 96, "M": 7, "R": 8, "P": 7}
    for row in found["rows"]:
        assert row["ratio"] == row["macs"] / msa["macs"]
        assert row["verdict"] == "agrees"
        assert row["checks"]
        assert all(check["delta"] == 0 for check in row["checks"])
        assert eval(row["formula"]["python"], {}, point) == row["macs"]
    assert {
        "between": ["msa", "wmsa"],
        "condition": "hw > M²",
        "latex": "hw > M^{2}",
        "at": 49,
        "valid": "h and w multiples of M",
        "holds_here": True,
    } in found["crossovers"]
    assert ("msa:matmul", "msa:linear", "hw > 2C", 192) in [
        (*c["between"], c["condition"], c["at"]) for c in found["crossovers"]
    ]


def test_the_pixel_as_token_grid_is_counted_in_full() -> None:
    """262,144 tokens; one map of one head is 256 GiB, and fvcore still counts it: shapes need no memory."""
    found = vpcalc.compare(h=512, w=512, C=96, M=7)
    assert found.ok
    assert found.rows[0].attention_bytes == 3 * 256 * 2**30
    assert all(row.report is not None and row.report.verdict.value == "agrees" for row in found.rows)


@pytest.mark.parametrize("batch", [1, 3])
def test_batch_multiplies_all_but_parameters(batch: int) -> None:
    one = vpcalc.compare(14, 14, 32, batch=1, check=False)
    many = vpcalc.compare(14, 14, 32, batch=batch)
    assert many.ok
    for a, b in zip(one.rows, many.rows, strict=True):
        assert b.figure(Quantity.MACS) == batch * a.figure(Quantity.MACS)
        assert b.figure(Quantity.PARAMS) == a.figure(Quantity.PARAMS)


def test_a_ratio_of_one_has_no_reduction() -> None:
    row = vpcalc.compare(8, 8, 32, R=1, rows=["sra"]).rows[0]
    assert str(row.form) == "4hwC² + 2(hw)²C"
    assert row.report is not None
    assert row.report.verdict.value == "agrees"


def test_default_heads_and_ratio() -> None:
    assert vpcalc.compare(8, 8, 96, check=False).inputs["heads"] == 3
    assert vpcalc.compare(8, 8, 100, check=False).inputs["heads"] == 1
    assert vpcalc.compare(5, 8, 96, check=False).inputs["R"] == 5


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"h": 0}, r"--h 0: must be a whole number from 1 to"),
    ({"h": -3}, r"--h '-3': must be a whole number"),
    ({"h": 5.5}, r"--h '5.5': must be a whole number"),
    ({"h": "__import__('os')"}, r"--h \"__import__\('os'\)\": must be a whole number"),
    ({"h": True}, r"--h 'True': must be a whole number"),
    ({"w": 10**30}, r"--w '10+': must be a whole number"),
    ({"C": "٣"}, r"--C '٣': must be a whole number"),
    ({"heads": 5}, r"--heads 5: does not divide C = 96; must be a divisor"),
    ({"R": 9}, r"--R 9: larger than the grid; must be from 1 to 8"),
    ({"dtype": "float23"}, r"--dtype 'float23' is not known; did you mean float"),
    ({"rows": ["mssa"]}, r"--rows 'mssa' is not known; did you mean msa"),
    ({"rows": []}, r"--rows: give at least one of"),
    ({"rows": ["head"]}, r"--rows head: .*: --set classes=NUMBER is missing"),
    (
        {"rows": ["head"], "set": {"classes": 0}},
        r"--set classes '0': must|--set classes 0: must be a whole number",
    ),
    ({"rows": ["msa"], "set": {"classes": 9}}, r"--set classes: no row has such a dimension"),
    ({"rows": ["msa"], "set": {"C": 9}}, r"--set C: is an option, --C"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED, ids=[str(given) for given, _ in REFUSED])
def test_compare_refuses(given: dict[str, Any], message: str) -> None:
    with pytest.raises(vpcalc.InputError, match=message) as caught:
        vpcalc.compare(**{"h": 8, "w": 8, "C": 96, **given})
    assert "\n" not in str(caught.value)


def test_model_fields() -> None:
    found = vpcalc.model("swin_t", input=224).to_dict()
    assert found["input"] == [1, 3, 224, 224]
    assert found["macs"] == 4_490_566_656
    assert found["flops"] == 2 * found["macs"]
    assert found["params"] == 28_288_354
    assert sum(found["operators"].values()) == found["fvcore"]
    assert found["formula"]["macs"]["valid"] == "H and W multiples of 224 (32·7)"
    assert eval(found["formula"]["macs"]["python"], {}, {"H": 224, "W": 224}) == found["macs"]
    assert sum(stage["macs"] for stage in found["stages"]) == found["macs"]
    assert sum(stage["params"] for stage in found["stages"]) == found["params"]
    assert found["verdict"] == "agrees"
    assert {c["quantity"] for c in found["checks"]} == {"fvcore", "activations", "params"}
    table1 = {p["quantity"]: p["agrees"] for p in found["published"] if p["source"].startswith("Swin Table 1")}
    assert table1 == {"macs": True, "params": False}  # 4.5 G; 29 M is printed and 28.288 M derived
    json.dumps(found)


def test_aliases_and_settings() -> None:
    alias = vpcalc.model("swin_base_patch4_window12_384", check=False)
    assert alias.architecture.id == "swin_b_384"
    changes = {"C": "128", "depths": "2,2,18,2", "heads": "4,8,16,32"}
    changed = vpcalc.model("swin_t", set=changes, check=False)
    assert changed.to_dict()["macs"] == vpcalc.model("swin_b", check=False).to_dict()["macs"]
    assert changed.published == ()


MODEL_REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("swin_x", {}, "model 'swin_x' is not known; did you mean swin_"),
    ("swin_t", {"input": "224x"}, "--input '224x': must be a side S or HxW"),
    (
        "swin_t",
        {"input": "800y1280"},
        "must be a side S or HxW in pixels, such as 224 or 800x1280",
    ),
    ("swin_t", {"input": "1x2x3"}, "--input '1x2x3': must be a side S or HxW"),
    ("swin_t", {"input": 0}, "--input 0: must be a whole number"),
    ("swin_t", {"tokens": 5}, "--tokens 5: swin_t takes --input instead"),
    ("swin_t", {"set": {"depth": 2}}, "setting of swin_t 'depth' is not known; did you mean depths"),
    ("swin_t", {"set": {"C": "ninety"}}, "--set C 'ninety': must be a whole number"),
    ("swin_t", {"set": {"depths": "2,2"}}, "--set depths has 2 stages and heads 4"),
    ("swin_t", {"set": {"C": 50}}, "heads = 3 does not divide C = 50"),
    ("swin_t", {"batch": "many"}, "--batch 'many': must be a whole number"),
    ("swin_t", {"set": "M=5"}, "set='M=5': must be a dictionary of names and values"),
    ("net.py:make", {"args": "dim=5"}, "args='dim=5': must be a dictionary of names and values"),
]


@pytest.mark.parametrize(("name", "given", "message"), MODEL_REFUSED)
def test_model_refuses(name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(vpcalc.InputError, match=message) as caught:
        vpcalc.model(name, **given)
    assert "\n" not in str(caught.value)


def test_a_mismatch_is_not_ok_and_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant one head too many in the witness: every command must notice."""
    from vpcalc.reference import LAYER_WITNESSES

    honest = LAYER_WITNESSES["msa"]
    monkeypatch.setitem(LAYER_WITNESSES._entries, "msa", lambda **dims: honest(**{**dims, "C": dims["C"] * 2}))
    found = vpcalc.compare(8, 8, 32, rows=["msa", "wmsa"])
    assert not found.ok
    assert [row.report.verdict.value for row in found.rows if row.report] == ["differs", "agrees"]
    assert any("MSA: differs: fvcore linear" in note for note in found.tables()[0].notes)


def test_formula_steps_add_up_to_the_form() -> None:
    for name in ("msa", "wmsa", "sra", "linear_sra", "retention", "swin_t", "vit_b_16"):
        for quantity in Quantity:
            found = vpcalc.formula(name, quantity=quantity.value)
            total = sum((term for _, _, _, term in found.steps()), start=0 * found.form.polynomial)
            assert total == found.form.polynomial


def test_formula_of_a_changed_model() -> None:
    assert str(vpcalc.formula("vit_b_16", set={"P": 32})) == str(vpcalc.formula("vit_b_32"))
    assert str(vpcalc.formula("vit_b_16")) != str(vpcalc.formula("vit_b_32"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "mssa"}, "formula 'mssa' is not known; did you mean msa"),
        ({"name": "msa", "quantity": "mac"}, "--quantity 'mac' is not known; did you mean macs"),
    ],
)
def test_formula_refuses(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(vpcalc.InputError, match=message):
        vpcalc.formula(**arguments)  # type: ignore[arg-type]


def test_results_are_frozen_and_show_themselves() -> None:
    found = vpcalc.compare(8, 8, 32, check=False)
    with pytest.raises(FrozenInstanceError):
        found.rows = ()  # type: ignore[misc]
    assert "<table>" in found._repr_html_()
    assert "$4hwC^{2} + 2(hw)^{2}C$" in found._repr_markdown_()
    assert vpcalc.formula("msa")._repr_latex_() == "$4hwC^{2} + 2(hw)^{2}C$"


def test_models_lists_and_filters() -> None:
    every = vpcalc.models().to_dict()["models"]
    assert {"swin_t", "vit_b_16", "deit_b"} <= {m["id"] for m in every}
    assert {m["family"] for m in vpcalc.models("swin").to_dict()["models"]} == {"swin"}
    with pytest.raises(vpcalc.InputError, match="family 'swim' is not known; did you mean swin"):
        vpcalc.models("swim")


@pytest.mark.parametrize(
    ("digits", "unit", "derived", "agrees"),
    [
        ("4.5", "G", 4_490_566_656, True),
        ("4.5", "G", 4_449_999_999, False),
        ("29", "M", 28_288_354, False),
        ("28", "M", 28_288_354, True),
        ("47.0", "G", 47_083_134_976, False),
        ("47.1", "G", 47_083_134_976, True),
    ],
)
def test_agreement_at_the_printed_precision(digits: str, unit: str, derived: int, agrees: bool) -> None:
    assert Published("m", "", "", "macs", digits, unit, "s").agrees(derived) is agrees


def test_every_published_figure_names_a_model_a_quantity_and_a_source() -> None:
    from vpcalc.architectures import ARCHITECTURES

    for figure in figures():
        assert figure.model in ARCHITECTURES
        assert Quantity(figure.quantity) in (Quantity.MACS, Quantity.PARAMS)
        assert figure.source
        assert figure.value > 0


def test_an_unpriced_tree_has_no_operators() -> None:
    assert replace(Cost("x"), times=3).by_operator(Quantity.FVCORE) == {}


def test_rows_cross_where_h_and_w_count_apart() -> None:
    found = vpcalc.compare(56, 28, 96, rows=("msa", "axial"), check=False)
    apart = found.to_dict()["crossovers"][-1]
    assert (apart["between"], apart["condition"], apart["at"]) == (["msa", "axial"], "hw > 2C + h + w", 223)
    assert apart["sides"] == [2, 1]
    assert "on grids with h to w as 2 to 1" in found.tables()[1].notes[0]


def test_rows_that_do_not_cross_are_said_to_be_apart() -> None:
    def said(*rows: str) -> tuple[str, ...]:
        return vpcalc.compare(56, 56, 96, rows=rows, check=False).tables()[0].notes

    expected = "Talking-heads costs more than MSA on every grid of this shape that both tile"
    assert said("msa", "talking_heads") == said("talking_heads", "msa") == (expected,)
    assert said("wmsa", "swmsa") == ("W-MSA and SW-MSA cost the same on every grid that both tile",)
    assert said("msa", "wmsa") == said("msa") == ()


def test_a_row_that_costs_what_another_costs_is_no_crossing_and_is_named() -> None:
    notes = vpcalc.compare(56, 56, 96, rows=("msa", "wmsa", "swmsa"), check=False).tables()[1].notes
    assert notes[-1] == "SW-MSA costs what W-MSA costs"
    assert not any(
        "costs what" in note for note in vpcalc.compare(56, 56, 96, rows=("msa", "sra")).tables()[1].notes
    )


def test_a_row_may_have_dimensions_that_are_no_options() -> None:
    found = vpcalc.compare(56, 56, 96, rows=("msa", "head"), set={"classes": 1000})
    assert found.rows[1].figure(Quantity.MACS) == 96 * 1000
    assert found.ok
    assert "classes = 1000, batch 1" in found.tables()[0].title
    assert found.crossovers[-1].text == "4hwC + 2(hw)² > K"
    chart = vpcalc.plot_crossover(96, rows=("msa", "head"), set={"classes": 1000}).chart
    assert "classes = 1000" in chart.subtitle


def test_many_differences_are_told_by_the_first() -> None:
    checks = tuple(Check("tracker", "peak_bytes", f"blocks.{number}", 10, 10 + number) for number in range(200))
    said = str(Report(checks))
    assert said.startswith("differs: peak_bytes blocks.1 +1, peak_bytes blocks.2 +2, ")
    assert said.endswith("peak_bytes blocks.6 +6 and 193 more")
    assert str(Report(checks[:3])) == "differs: peak_bytes blocks.1 +1, peak_bytes blocks.2 +2"
