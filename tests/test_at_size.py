"""A target at one size: numbers, module by module."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import vpcalc
from vpcalc.answers.at_size import AtSize
from vpcalc.counters.fvcore import count as fvcore_count
from vpcalc.errors import InputError

from .conftest import Run


class Two(nn.Module):
    """A convolution that runs twice, a head, and a layer that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU())
        self.parts = nn.ModuleList([nn.Linear(3, 5)])
        self.spare = nn.Linear(9, 9)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(self.body(x))
        found: Tensor = self.parts[0](x.mean((2, 3)))
        return found


@pytest.mark.parametrize(("sides", "shape"), [("64", "1,3,64,64"), ("64x96", "1,3,64,96"), (64, "1,3,64,64")])
@pytest.mark.parametrize("target", ["resnet18", "torch.nn:Identity"])
def test_a_side_is_of_an_image_as_in_other_commands(target: str, sides: object, shape: str) -> None:
    assert asked(target, sides).to_dict()["input"] == shape
    assert vpcalc.derive("torch.nn:Identity", "64:float").to_dict()["input"] == "64:float"


def asked(*args: object, **settings: object) -> AtSize:
    found = vpcalc.derive(*args, **settings)  # type: ignore[arg-type]
    assert isinstance(found, AtSize)
    return found


def test_every_module_has_its_figures() -> None:
    found = asked(Two, "2,3,8,10", depth=2)
    by_path = {part.path: part for part in (found.measured.parts[0], *found.parts())}
    conv = 2 * 27 * 3 * 80 * 2
    assert (found.macs, found.params) == (conv + 2 * 15, 84 + 20 + 90)
    assert by_path[""].output == (2, 5)
    body = by_path["body"]
    assert (body.kind, body.calls, body.output, body.macs, body.params) == (
        "Sequential",
        2,
        (2, 3, 8, 10),
        conv,
        84,
    )
    assert (body.output_bytes, body.weight_bytes) == (4 * 480, 4 * 84)
    assert (by_path["body.0"].macs, by_path["body.1"].macs, by_path["parts.0"].macs) == (conv, 0, 30)
    notes = found.tables()[0].notes
    assert "never called: spare" in notes
    assert [part.path for part in asked(Two, "2,3,8,10").parts()] == ["body", "parts", "spare"]


def test_the_whole_is_what_a_closed_form_gives_there() -> None:
    form = vpcalc.derive(Two, "2,3,H,W").macs
    assert form is not None
    assert form.polynomial.value({"H": 8, "W": 10}) == asked(Two, "2,3,8,10").macs


@pytest.mark.parametrize(("name", "text"), [("resnet18", "1,3,64,96"), ("swin_t", "1,3,64,64")])
def test_models_of_the_registry(name: str, text: str) -> None:
    found = asked(name, text)
    sizes = tuple(map(int, text.split(",")))[2:]
    assert found.macs == vpcalc.model(name, input=sizes, check=False).to_dict()["macs"]
    assert found.params == vpcalc.model(name, input=sizes, check=False).to_dict()["params"]


def test_fvcore_sees_the_same_products() -> None:
    transformers = pytest.importorskip("transformers")
    with torch.device("meta"):
        module = transformers.ResNetModel(transformers.ResNetConfig()).eval()
        images = torch.zeros(1, 3, 96, 64)
    counts = fvcore_count(module, (images,))
    found = asked("transformers:resnet", "1,3,96,64")
    assert found.macs == counts.flops["conv"]
    assert found.params == sum(p.numel() for p in module.parameters())


def test_a_model_is_run_as_its_size_asks() -> None:
    found = asked("transformers:vit", "1,3,96,128", {"num_hidden_layers": 1})
    assert found.measured.parts[0].output == (1, 49, 768)
    assert "run with interpolate_pos_encoding=True" in found.tables()[0].notes


def test_one_table_or_one_quantity() -> None:
    modules, operators = (asked(Two, "2,3,8,10", by=by).tables() for by in ("module", "operator"))
    assert [[table.columns[0].key for table in tables] for tables in (modules, operators)] == [
        ["module"],
        ["operator"],
    ]
    fvcore, *_ = asked(Two, "2,3,8,10", quantity="fvcore").tables()
    assert fvcore.rows == (("fvcore's convention", 2 * 27 * 3 * 80 * 2 + 2 * 15, "MACs"),)
    kept, *_ = asked(Two, "2,3,8,10", quantity="all").tables()
    assert dict(row[:2] for row in kept.rows)["backward"] == 3 * 2 * 27 * 3 * 80 + 2 * 15 * 2


def test_gradients_and_training() -> None:
    both = asked(nn.Linear, "4,8", {"in_features": 8, "out_features": 2}, backward=True)
    assert (both.macs, both.measured.counts.backward) == (2 * 64, 64)
    assert both.to_dict()["backward_macs"]["text"] == "64"
    assert asked(Two, "2,3,8,10", train_mode=True).to_dict()["train_mode"] is True


def test_the_command(inside: Run, tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(
        "from torch import nn\n\ndef make(width=4):\n    return nn.Linear(8, width)\n", encoding="utf-8"
    )
    arguments = ("derive", f"{path}:make", "--input", "3,8", "--arg", "width=6")
    shown = inside(*arguments)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "144" in shown.stdout
    found = json.loads(inside(*arguments, "--format", "json").stdout)
    assert (found["macs"]["text"], found["params"]["python"], found["symbols"]) == ("144", "54", {})
    assert found["layers"][0]["output"] == [3, 6]
    rows = list(csv.DictReader(io.StringIO(inside(*arguments, "--format", "csv").stdout)))
    assert [(row["module"], row["macs"]) for row in rows] == [("whole", "144")]


def test_what_does_not_run_is_said_in_one_line() -> None:
    with pytest.raises(InputError, match="could not be run"):
        asked(Two, "2,4,8,10")
    with pytest.raises(InputError, match="no price"):
        asked(lambda: _Solves(), "4,4", strict=True)


class _Solves(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.matrix_exp(x)


def test_bytes_at_a_size_are_those_of_the_form() -> None:
    found = asked(Two, "2,3,8,10", quantity="all").to_dict()
    form = vpcalc.derive(Two, "2,3,H,W").to_dict()
    (regime,) = [r for r in form["regimes"] if eval(r["when"]["python"], {"H": 8, "W": 10})]
    for quantity in ("activations", "saved_bytes", "peak_bytes"):
        assert int(found[quantity]["text"]) == eval(regime[quantity]["python"], {"H": 8, "W": 10})
    (quantities, *_) = asked(Two, "2,3,8,10", quantity="all").tables()
    assert {row[0] for row in quantities.rows} >= {"multiply-accumulates", "saved for backward", "bytes moved"}
