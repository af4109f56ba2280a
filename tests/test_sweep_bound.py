"""The least time on a device of many configurations: what ``vpcalc.memory`` says of each alone."""

from __future__ import annotations

import random
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import pytest

import vpcalc
from vpcalc.storage.devices import find
from vpcalc.storage.footprint import layer_works
from vpcalc.storage.roofline import roofs

CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "swin, sizes that a window pads": ("swin_t", {"H": [97, 224, 225], "C": range(48, 97, 24), "M": [7, 8]}, {}),
    "pvt, bfloat16": ("pvt_v2_b0", {"input": [64, 97], "R_1": [3, 8]}, {"dtype": "bfloat16"}),
    "batch": ("vit_ti_16", {"batch": [1, 2, 64], "C": range(64, 193, 64)}, {"attention": "fused"}),
    "autocast": ("vit_ti_16", {"depth": [1, 2], "input": [64, 224]}, {"amp": "bf16"}),
    "many equal blocks": ("vit_ti_16", {"depth": [1, 6, 24], "heads": [1, 3]}, {}),
    "steps of a loop": ("lstm", {"T": [1, 7, 30], "n": [8, 16]}, {}),
}


def exactly(parts: Any) -> int:
    """Whole nanoseconds of all parts together."""
    return floor(sum((roof.seconds for roof in parts), Fraction(0)) * 10**9)


def alone(target: str, row: dict[str, Any], more: dict[str, Any]) -> int:
    row = dict(row)
    batch = row.pop("batch", 1)
    size = (row.pop("H"), 224) if "H" in row else row.pop("input", None)
    where: dict[str, Any] = {"tokens": row.pop("T")} if "T" in row else {"input": size}
    if "R_1" in row:
        row["R"] = (row.pop("R_1"), *vpcalc.model(target, check=False).to_dict()["config"]["R"][1:])
    found = vpcalc.memory(target, **where, set=row, batch=batch, device="a100_80gb", check=False, **more)
    return exactly(found.roofs())


@pytest.mark.quick(2)
@pytest.mark.parametrize("case", CASES)
def test_it_is_that_of_each_alone(case: str) -> None:
    target, vary, more = CASES[case]
    sweep = vpcalc.sweep(target, vary=vary, device="a100_80gb", **more)
    rows = [*sweep.records()]
    assert rows
    for row in random.Random(case).sample(rows, min(len(rows), 8)):
        settings = {name: row[name] for name in vary}
        assert row["bound_ns"] == alone(target, settings, more), settings


def test_a_layer_waits_where_it_moves_more_than_it_computes() -> None:
    """On both sides of where a product is bound by computing."""
    device = find("a100_80gb")
    sweep = vpcalc.sweep(
        "ffn", vary={"h": [1, 7, 56], "C": [1, 8, 64, 512]}, set={"w": 7, "r": 4}, device="a100_80gb"
    )
    bounds = set()
    for row in sweep.records():
        works = layer_works("ffn", {"h": row["h"], "w": 7, "C": row["C"], "r": 4})
        found = roofs(works, device, "float32")
        bounds |= {roof.bound for roof in found if roof.macs}
        assert row["bound_ns"] == exactly(found)
    assert bounds == {"compute", "memory"}


def test_a_module_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(
        "import torch\n"
        "def make(C):\n"
        "    return torch.nn.Sequential(torch.nn.Conv2d(3, C, 3, padding=1), torch.nn.ReLU(), "
        "torch.nn.Conv2d(C, 2 * C, 1))\n"
    )
    target, device = f"{file}:make", "a100_80gb"
    vary = {"H": [1, 8, 64], "C": [1, 16, 200]}
    sweep = vpcalc.sweep(target, vary=vary, args={"C": "C"}, input="1,3,H,H", columns="bound_ns", device=device)
    rows = [*sweep.records()]
    assert len(rows) == 9
    for row in rows:
        shape = f"1,3,{row['H']},{row['H']}"
        found = vpcalc.memory(target, input=shape, args={"C": row["C"]}, device=device, check=False)
        assert row["bound_ns"] == exactly(found.roofs())


def test_it_is_a_column_as_others_are() -> None:
    asked: dict[str, Any] = {"vary": {"C": range(48, 193, 12), "M": [7, 8]}, "device": "a100_80gb"}
    all_ = [*vpcalc.sweep("swin_t", **asked).records()]
    found = [*vpcalc.sweep("swin_t", **asked, where="bound_ns < 1M", top=3, by="-bound_ns").records()]
    assert found == sorted((r for r in all_ if r["bound_ns"] < 10**6), key=lambda r: -r["bound_ns"])[:3]


def test_what_may_pass_64_bits_is_exact() -> None:
    """Numerators over a common denominator pass 2⁶³ long before nanoseconds do."""
    batch = 10**6
    sweep = vpcalc.sweep("vit_h_14", vary={"batch": [1, batch]}, device="a100_80gb", input=1400)
    assert sweep.counts.wide
    assert [row["bound_ns"] for row in sweep.records()] == [
        alone("vit_h_14", {"input": 1400, "batch": each}, {}) for each in (1, batch)
    ]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"columns": "bound_ns"}, "--device: bound_ns is the least time on one; name it, such as a100_80gb"),
        ({"where": "bound_ns < 3"}, "--device: bound_ns is the least time on one"),
        ({"device": "a100"}, "--device 'a100' is not known"),
        ({"device": "p100_pcie_16gb", "dtype": "bfloat16"}, "--device p100_pcie_16gb: no peak rate for bfloat16"),
        ({"device": "p100_pcie_16gb", "amp": "bf16"}, "--device p100_pcie_16gb: no peak rate for bfloat16"),
        ({"devices": "mine.csv"}, "--devices mine.csv: needs --device"),
        ({"device": "a100_80gb", "devices": "nowhere.csv"}, "--devices: no file 'nowhere.csv'"),
    ],
)
def test_unusable_input_is_refused(more: dict[str, Any], line: str) -> None:
    with pytest.raises(vpcalc.InputError) as error:
        vpcalc.sweep("swin_t", vary={"C": "96"}, **more)
    assert line in str(error.value)
