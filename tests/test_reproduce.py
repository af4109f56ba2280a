"""``vpcalc reproduce``: published figures are compared and never tuned."""

from __future__ import annotations

import json

import pytest

import vpcalc
from vpcalc.published import Published, figures

from .conftest import Run


def test_a_family_derived_and_counted() -> None:
    found = vpcalc.reproduce("swin")
    assert found.ok
    rows = found.to_dict()["rows"]
    assert rows
    for row in rows:
        assert row["derived"] == row["counted"]
        assert bool(row["why"]) != row["agrees"]
    paper = {(r["model"], r["quantity"]): r["agrees"] for r in rows if r["source"].startswith("Swin Table 1")}
    assert paper[("swin_t", "macs")]
    assert not paper[("swin_t", "params")]  # 29 M is printed, 28.288 M is the model
    assert not paper[("swin_b_384", "macs")]  # 47.0 G is printed, 47.083 G is the model


def test_every_figure_has_a_verdict_without_counting() -> None:
    rows = vpcalc.reproduce(check=False).rows
    assert len(rows) == len(figures())
    assert all(row.counted is None for row in rows)
    assert {row.published.model.partition("_")[0] for row in rows} >= {
        "swin",
        "vit",
        "deit",
        "pvt",
        "t5",
        "retnet",
    }


def test_settings_beside_the_name() -> None:
    rows = {row.published.settings: row for row in vpcalc.reproduce("transformer", check=False).rows}
    assert rows["N=2"].derived < rows[""].derived


@pytest.mark.parametrize(
    ("printed", "derived", "agrees", "cut"),
    [("86", 86_567_656, False, True), ("87", 86_567_656, True, False), ("85", 86_567_656, False, False)],
)
def test_a_figure_that_was_cut_off_is_recognised(printed: str, derived: int, agrees: bool, cut: bool) -> None:
    figure = Published("m", "", "", "params", printed, "M", "s")
    assert (figure.agrees(derived), figure.truncates(derived)) == (agrees, cut)


def test_the_finding_on_pvt_v2_is_printed(vpcalc: Run) -> None:
    shown = vpcalc("reproduce", "pvt_v2", "--no-check").stdout
    assert "R²hwC²" in shown
    assert "priced differently" in shown


def test_a_difference_with_a_paper_is_no_failure(vpcalc: Run) -> None:
    done = vpcalc("reproduce", "deit", "--format", "json", "--no-check")
    assert done.returncode == 0
    assert any(not row["agrees"] for row in json.loads(done.stdout)["rows"])
    assert vpcalc("reproduce", "diet").returncode == 2
