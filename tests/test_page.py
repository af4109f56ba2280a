"""Pages in a headless browser: the same integers as Python's, keys alone, names for all, no request, any width."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import shlex
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import vpcalc
from vpcalc.abstract.tape import ATTENTIONS
from vpcalc.answers.page import Page
from vpcalc.answers.page_memory import DTYPES
from vpcalc.answers.rows import ROWS, dims_of
from vpcalc.architectures import ARCHITECTURES
from vpcalc.cost import Quantity
from vpcalc.errors import InputError
from vpcalc.layers import LAYERS
from vpcalc.pages.document import document
from vpcalc.report import numbers
from vpcalc.storage.footprint import Way, model_footprint

from .browser import Tab, needs_browser, tab
from .conftest import Run
from .pace import mostly_slow
from .terminals import typed

pytestmark = needs_browser

LARGEST_FILE = 400_000

STAGES = (1, 2, 3, 4)

MODULE = """
from torch import nn

class Mixed(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.one, self.two = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        if x.shape[1] % 2:
            return self.two(self.one(x))
        return self.two(self.one(x)) + x @ (x.transpose(1, 2) @ x)

class Padded(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        tokens = x.shape[1]
        windows = nn.functional.pad(x, (0, 0, 0, -tokens % 5)).reshape(-1, 5, x.shape[2])
        maps = (windows @ windows.transpose(1, 2)).softmax(-1)
        mixed = (maps @ windows).reshape(x.shape[0], -1, x.shape[2])[:, :tokens]
        return self.out(mixed if tokens < 64 else self.out(mixed))
"""


page_of = cache(vpcalc.page)
"""The page of a target as it is without further words, made once."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with tab(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def opened(browser: Tab, folder: Path) -> Callable[..., Tab]:
    """Open a page, made once, and see that it works without a complaint."""
    made: dict[str, Path] = {}

    def open_page(target: str = "compare", state: str = "", page: Page | None = None) -> Tab:
        if target not in made:
            made[target] = folder / f"{len(made)}.html"
            (page_of(target) if page is None else page).save(made[target])
        browser.open(made[target].as_uri() + state)
        assert browser.complaints() == []
        return browser

    return open_page


def said(browser: Tab, id: str) -> str:
    return str(browser.run(f"document.getElementById({json.dumps(id)}).textContent"))


# -- the same integers ------------------------------------------------------------------------------

FIGURES = """asked => asked.map(([values, columns]) => {
  const at = inLetters(values);
  return DATA.rows.map(row => columns.map(name => {
    const value = figure(row, COLUMNS[name], values, at);
    return value === undefined ? null : String(value);
  }));
})"""


def on_page(browser: Tab, settings: list[dict[str, int]], columns: list[str]) -> list[list[list[str | None]]]:
    """Figures of the open page at many settings, row by row, as the page computes them for its table."""
    asked = json.dumps([[values, columns] for values in settings])
    found = browser.run(f"JSON.stringify(({FIGURES})({asked}))")
    return list(json.loads(found))


def size(dice: random.Random, high: int) -> int:
    """Small sizes as often as large ones."""
    return min(high, int(2 ** (dice.random() * high.bit_length())))


def of_layers(values: dict[str, int]) -> list[list[str | None]]:
    """The same from descriptions run on numbers, which no form has a part in."""
    given = {name: value for name, value in values.items() if name != "batch"}
    found: list[list[str | None]] = []
    for id in ROWS:
        try:
            cost = LAYERS[id].build(**LAYERS[id].pick(dims_of(given)))
        except InputError:
            found.append([None, None, None])
            continue
        macs, params, elements = (
            cost.total(each) for each in (Quantity.MACS, Quantity.PARAMS, Quantity.ATTENTION)
        )
        batch = values["batch"]
        found.append([str(macs * batch), str(params), str(elements * batch * 4)])
    return found


@pytest.mark.parametrize("number", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_comparison_has_pythons_figures_at_random_settings(opened: Callable[..., Tab], number: int) -> None:
    dice, settings = random.Random(21), []
    for _ in range(number):
        heads = size(dice, 64)
        width = heads * size(dice, 512) if dice.random() < 0.9 else size(dice, 65536)
        sides = {name: size(dice, 65536 if dice.random() < 0.2 else 512) for name in ("h", "w", "M", "R", "P")}
        settings.append({**sides, "C": width, "heads": heads, "batch": size(dice, 1024)})
    found = on_page(opened(), settings, ["macs", "params", "attention_elements"])
    large = refused = 0
    for values, rows in zip(settings, found, strict=True):
        expected = of_layers(values)
        assert rows == expected, values
        large += any(value is not None and int(value) > 2**53 for row in expected for value in row)
        refused += any(None in row for row in expected)
    assert large > number / 20  # where doubles would round
    assert refused > number / 20


@pytest.mark.parametrize("id", LAYERS)
def test_the_page_of_a_layer_has_what_its_forms_ask_for(id: str) -> None:
    found = page_of(id)
    assert [each["name"] for each in found.data["parameters"]] == [*LAYERS[id].dims, "batch"]
    asked = {letter for taken in re.findall(r"\(\{([^}]*)\}\) =>", found.code) for letter in taken.split(", ")}
    assert asked - {""} <= {each["letter"] for each in found.data["parameters"]}


@pytest.mark.parametrize("id", ["mha", "recurrent_lstm", "position_embedding", "relative_position_bias"])
def test_a_layer_that_is_on_no_grid_has_pythons_figures(opened: Callable[..., Tab], id: str) -> None:
    browser, dice, layer = opened(id), random.Random(id), LAYERS[id]
    settings = [{name: size(dice, 65536) for name in (*layer.dims, "batch")} for _ in range(50)]
    for values, rows in zip(settings, on_page(browser, settings, ["macs", "params"]), strict=True):
        cost = layer.build(**{name: values[name] for name in layer.dims})
        macs, params = cost.total(Quantity.MACS) * values["batch"], cost.total(Quantity.PARAMS)
        assert rows == [[str(macs), str(params)]], values


def test_layers_over_a_sequence_are_compared_on_the_grid(opened: Callable[..., Tab]) -> None:
    rows, dice = ["msa", "recurrent_gru", "position_embedding", "vocabulary"], random.Random(3)
    others = {"d_model": 512, "V": 1000}
    browser = opened("sequences", page=vpcalc.page(rows=rows, set=others))
    own = browser.run("JSON.stringify(settled())")
    settings = [{**json.loads(own), **{name: size(dice, 512) for name in ("h", "w", "C")}} for _ in range(30)]
    settings = [{**values, "heads": 1} for values in settings]
    for values, found in zip(settings, on_page(browser, settings, ["macs", "params"]), strict=True):
        costs = [LAYERS[id].build(**LAYERS[id].pick(dims_of({**values, "batch": 1}))) for id in rows]
        assert found == [[str(cost.total(each)) for each in (Quantity.MACS, Quantity.PARAMS)] for cost in costs]


RARE = {
    "pvt_v2_b2": [
        {"H": 93, "W": 191, "R_1": 16},
        {"H": 1243, "W": 500, "R_1": 64, "R_4": 7, "heads_3": 20},
        {"H": 600, "W": 500, "R_1": 20, "R_4": 2},
    ]
}
"""Settings in regimes that are small: several have to change at once to be in them."""


@pytest.mark.quick(1)
@pytest.mark.parametrize("number", [150, pytest.param(2_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name", ["swin_v2_t", "vit_b_16", "pvt_v2_b2", "resnet50", "convnext_t", "t5_small", "swin_t"]
)
def test_a_model_has_pythons_figures_at_random_inputs_and_settings(
    opened: Callable[..., Tab], name: str, number: int
) -> None:
    browser, dice = opened(name), random.Random(name)
    parameters = json.loads(browser.run("JSON.stringify(DATA.parameters)"))
    axes = ARCHITECTURES[name].family.axes
    own = {each["name"]: each["value"] for each in parameters}
    settings = [{**own, **values} for values in RARE.get(name, [])]
    for _ in range(number):
        values = dict(own)
        values |= {axis: size(dice, 2048) for axis in axes} | {"batch": size(dice, 64)}
        others = [each["name"] for each in parameters if each["name"] not in (*axes, "batch")]
        for changed in dice.sample(others, min(len(others), dice.randint(0, 2))):
            values[changed] = max(1, values[changed] * dice.randint(1, 6) // dice.randint(1, 3))
        settings.append(values)
    found = on_page(browser, settings, ["macs", "params", "activations"])
    known = 0
    for values, rows in zip(settings, found, strict=True):
        expected = of_model(name, values)
        known += expected is not None
        assert (None if rows[-1] == [None] * 3 else rows) == expected, values
    assert known > number / 4


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("swin_t", "H W C L_1 L_2 L_3 L_4 a_1 a_2 a_3 a_4 M r B"),
        ("vit_b_16", "H W C L a r B"),
        pytest.param(
            "pvt_v2_b2",
            " ".join(["H W", *(f"{of}_{k}" for of in ("C", "L", "a", "R", "r") for k in STAGES), "B"]),
            marks=pytest.mark.slow,
        ),
        ("t5_small", "S T d_model d_ff L a d_kv vocab B"),
        ("lstm", "T d n L B"),
    ],
)
def test_settings_are_letters_as_far_as_forms_have_them(name: str, letters: str) -> None:
    data = page_of(name).data
    assert [each["letter"] for each in data["parameters"]] == letters.split()
    assert not re.search(r"depth|layers", "".join(term["t"] for term in data["terms"] if term and "t" in term))


def config_of(name: str, values: dict[str, int]) -> dict[str, Any]:
    return {
        setting: tuple(values.get(f"{setting}_{place}", entry) for place, entry in enumerate(own, 1))
        if isinstance(own, tuple)
        else values.get(setting, own)
        for setting, own in ARCHITECTURES[name].config.items()
    }


@pytest.mark.slow
def test_a_setting_that_has_no_form_is_said() -> None:
    said = [note for note in page_of("mask_rcnn").data["notes"] if "no slider" in note]
    assert [note.partition(" is no slider: ")[0] for note in said] == ["stages", "linears", "depth"]
    assert not any("no slider" in note for note in page_of("swin_t").data["notes"])


def of_model(name: str, values: dict[str, int]) -> list[list[str | None]] | None:
    architecture, config = ARCHITECTURES[name], config_of(name, values)
    sizes = tuple(values[axis] for axis in architecture.family.axes)
    try:
        cost = architecture.cost(sizes, config, values["batch"])
    except InputError:
        return None
    counted = (Quantity.MACS, Quantity.PARAMS, Quantity.ACTIVATIONS)
    return [[str(node.total(each)) for each in counted] for node in (*cost.stages(), cost)]


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    ("name", "asked", "state"),
    [
        ("swin_t", {"input": 224, "batch": 8}, "H=224&W=224&batch=8"),
        (
            "swin_t",
            {"input": 448, "dtype": "bfloat16", "attention": "fused"},
            "H=448&W=448&dtype=bfloat16&attention=fused",
        ),
        ("vit_b_16", {"input": 384, "batch": 3, "optimizer": "sgd"}, "H=384&W=384&batch=3&optimizer=sgd"),
        ("resnet50", {"input": 64, "optimizer": "momentum"}, "H=64&W=64&optimizer=momentum"),
        ("resnet50", {"input": 301, "batch": 3}, "H=301&W=301&batch=3"),
        ("swin_t", {"input": 225, "dtype": "bfloat16"}, "H=225&W=225&dtype=bfloat16"),
        (
            "swin_t",
            {"set": {"depths": "1,2,9,3"}, "attention": "fused"},
            "depths_1=1&depths_3=9&depths_4=3&attention=fused",
        ),
        ("pvt_tiny", {"input": 250, "batch": 2}, "H=250&W=250&batch=2"),
        ("lstm", {"tokens": 37, "batch": 3, "set": {"layers": 2}}, "T=37&layers=2&batch=3"),
        (
            "vit_b_16",
            {"input": 300, "batch": 2, "set": {"C": 384, "heads": 6}},
            "H=300&W=300&batch=2&C=384&heads=6",
        ),
    ],
)
def test_bytes_of_training_are_those_of_memory(
    opened: Callable[..., Tab], name: str, asked: dict[str, Any], state: str
) -> None:
    browser = opened(name, f"#{state}")
    plan = vpcalc.memory(name, train=True, check=False, **asked).to_dict()
    parts = ("weights", "gradients", "optimizer", "buffers", "input", "saved")
    assert browser.run("document.getElementById('memory').dataset.total") == str(
        sum(plan[f"{part}_bytes"] for part in parts)
    )
    least = int(browser.run("document.getElementById('memory').dataset.least"))
    lasting = sum(plan[f"{part}_bytes"] for part in parts if part not in ("gradients", "saved"))
    assert least == lasting + max(plan["gradients_bytes"], plan["saved_bytes"]) <= plan["step_peak_bytes"]


KEPT = """asked => asked.map(([values, dtype, attention]) => {
  const { ways } = DATA.memory, item = BigInt(DATA.dtypes[dtype]);
  const all = keeps(ways[`${dtype} ${attention}`], { ...inLetters(values), item });
  return all ? [String(all.saved), String(all.buffers)] : null;
})"""


@pytest.mark.quick(2)
@pytest.mark.parametrize("number", [20, pytest.param(300, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name",
    [
        *("lstm", "pvt_tiny", "vit_b_16", "t5_small", "resnet50", "swin_t"),
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("swin_v2_t", "pvt_v2_b0", "vgg11_bn", "retinanet", "upernet", "exfuse_resnet50", "gru")
        ),
    ],
)
def test_what_autograd_keeps_is_pythons_at_random_settings(
    opened: Callable[..., Tab], name: str, number: int
) -> None:
    browser, dice = opened(name), random.Random(name)
    parameters = json.loads(browser.run("JSON.stringify(DATA.parameters)"))
    family = ARCHITECTURES[name].family
    own = {each["name"]: each["value"] for each in parameters}
    asked = []
    for turn in range(number):
        values = {**own, **{axis: dice.randint(32, 512) for axis in family.axes}, "batch": dice.randint(1, 3)}
        if turn % 2:
            changed = dice.choice([each for each in own if each not in (*family.axes, "batch")])
            values[changed] = max(1, values[changed] * dice.randint(1, 6) // dice.randint(1, 3))
        asked.append([values, dice.choice(DTYPES), dice.choice(ATTENTIONS if family.attends else ATTENTIONS[:1])])
    found = json.loads(browser.run(f"JSON.stringify(({KEPT})({json.dumps(asked)}))"))
    known = refused = 0
    for (values, dtype, attention), bytes_ in zip(asked, found, strict=True):
        sizes, config = tuple(values[axis] for axis in family.axes), config_of(name, values)
        try:
            counted = model_footprint(family, sizes, config, values["batch"], Way(dtype, attention))
        except InputError:
            refused += 1
            continue
        if bytes_ is not None:
            known += 1
            assert bytes_ == [str(counted.saved), str(counted.buffers)], values
    assert known > 0.9 * (number - refused) > 2


@pytest.mark.parametrize(
    ("state", "verdict", "known"),
    [
        ("H=224&W=224&batch=8", "Not known whether it fits into", True),
        ("H=224&W=224&batch=4096", "✕ Does not fit into", True),
        ("H=25&W=53&batch=8", "Not known whether it fits into", False),
        ("H=401&W=399&batch=65536", "✕ Does not fit into", True),
    ],
)
def test_a_lower_bound_never_says_that_it_fits(
    opened: Callable[..., Tab], state: str, verdict: str, known: bool
) -> None:
    browser = opened("swin_t", f"#{state}")
    shown = said(browser, "memory")
    assert shown.startswith(f"{verdict} NVIDIA A100 SXM4 80 GB (80.00 GiB): at least ")
    assert ("buffers and what autograd keeps are not known" in shown) != known
    assert (browser.run("document.getElementById('memory').dataset.known") == "true") == known


def test_layers_above_the_first_are_there_from_two_on(opened: Callable[..., Tab]) -> None:
    for layers, rows in ((1, ["layer 1", "total"]), (2, ["layer 1", "layers 2 to L", "total"])):
        browser = opened("lstm", f"#layers={layers}")
        shown = "[...document.querySelectorAll('tbody:not([hidden]) .row')].map(each => each.textContent)"
        assert json.loads(browser.run(f"JSON.stringify({shown})")) == rows
        assert [row[0] for row in csv.reader(io.StringIO(browser.run("csv()")))][1:] == rows
        assert ("layers 2" in browser.run("document.querySelector('#chart svg').ariaLabel")) == (layers > 1)


def test_beyond_its_lattice_the_page_says_so_and_has_the_figures(opened: Callable[..., Tab]) -> None:
    browser = opened("swin_t", "#H=300&W=300")
    assert "not on the lattice" in said(browser, "notice")
    expected = vpcalc.model("swin_t", input=300, check=False).figure(Quantity.MACS)
    assert f"Exactly {expected:,} MACs" in said(browser, "finding")
    browser = opened("swin_t", "#H=25&W=53")
    assert "At this size buffers and what autograd keeps are not known" in said(browser, "memory")
    plan = vpcalc.memory("swin_t", train=True, input="25x53", check=False).to_dict()
    known = sum(plan[f"{part}_bytes"] for part in ("weights", "gradients", "optimizer", "input"))
    assert browser.run("document.getElementById('memory').dataset.total") == str(known)
    browser = opened("swin_t", "#M=8")
    expected = vpcalc.model("swin_t", set={"M": 8}, check=False).figure(Quantity.MACS)
    assert f"Exactly {expected:,} MACs" in said(browser, "finding")
    assert "other settings than swin_t has" in said(browser, "notice")
    browser = opened("swin_t", "#C=97")
    assert said(browser, "headline") == "swin_t at 224 × 224: refused"
    assert "does not divide C" in said(browser, "notice")


@pytest.mark.parametrize("name", mostly_slow(["swin_t", "pvt_v2_b2"], quick=1))
def test_steps_add_up_at_any_settings(opened: Callable[..., Tab], name: str) -> None:
    """What says where a figure comes from is of the settings that are shown, blocks in turn included."""
    for state in ("", "#H=301&W=200", "#M=5&depths_1=5&depths_3=4&R_1=4"):
        found = opened(name, state).run("""JSON.stringify(DATA.rows.slice(0, -1).map(row => {
          const at = inLetters(settled()), { item, total } = evaluate(row.cells.macs, at);
          return [String(total), String(sum(item.steps.map(step => valueOf(step.form, at))))];
        }))""")
        rows = json.loads(found)
        assert len(rows) > 3
        assert all(total == steps and int(total) > 0 for total, steps in rows), (state, rows)


def test_defaults_are_those_of_the_command(opened: Callable[..., Tab]) -> None:
    browser = opened()
    for h, w, C in ((56, 56, 96), (4, 9, 100), (7, 3, 512), (100, 100, 33)):
        expected = vpcalc.compare(h=h, w=w, C=C, check=False)
        browser.run(f"location.hash = '#h={h}&w={w}&C={C}&square=0&heads=auto&R=auto'")
        browser.settle()
        heads = browser.run("JSON.stringify([settled().heads, settled().R])")
        assert json.loads(heads) == [expected.inputs["heads"], expected.inputs["R"]]
        table = browser.run(
            "JSON.stringify(DATA.rows.map(r => `${figure(r, COLUMNS.macs, settled(), inLetters(settled()))}`))"
        )
        assert json.loads(table) == [str(row.figure(Quantity.MACS)) for row in expected.rows]


def test_numbers_are_written_as_in_the_terminal(opened: Callable[..., Tab]) -> None:
    dice = random.Random(5)
    asked = [dice.randint(0, 10 ** dice.randint(1, 26)) for _ in range(400)]
    asked += [999_950, 999_949, 1023, 1024, 10**24]
    written = "n => [short(BigInt(n)), short(BigInt(n), 'bytes')]"
    found = opened().run(f"JSON.stringify({json.dumps([str(n) for n in asked])}.map({written}))")
    assert json.loads(found) == [[numbers.short(n), numbers.size(n)] for n in asked]
    shares = opened().run("JSON.stringify([0, 0.0004, 0.9994, 0.9996, 1].map(percent))")
    assert json.loads(shares) == ["0.0 %", "<0.1 %", "99.9 %", ">99.9 %", "100.0 %"]  # all is said of all alone


def test_a_module_of_the_readers_has_a_page(
    opened: Callable[..., Tab], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a<!--<script>&.py").write_text(MODULE, encoding="utf-8")
    target = "a<!--<script>&.py:Mixed"
    browser = opened(target, page=vpcalc.page(target, input="1,N,C", args={"dim": "C"}))
    assert target in said(browser, "about")
    assert re.search(r"MACs[^:]*: explored for N from 1 to \d+", said(browser, "about"))
    assert browser.run("document.querySelectorAll('script').length") == 2
    assert "kept for the backward pass (bytes),16NC," in browser.run("csv()")
    found = on_page(browser, [{"N": 7, "C": 8}, {"N": 8, "C": 8}], ["value"])
    assert [rows[0] for rows in found] == [[str(7 * 8 * 64)], [str(8 * 8 * 64 + 2 * 8 * 8 * 8)]]
    assert [rows[1] for rows in found] == [[str(2 * 4 * 64 + 5 * 8)]] * 2


STEPS = """JSON.stringify(DATA.rows.map(row => {
  const at = inLetters(settled()), { item, total } = evaluate(row.cells[DATA.main], at);
  return [String(total), String(sum(item.steps.map(step => valueOf(step.form, at))))];
}))"""


def test_a_module_beside_layers_has_the_figures_of_the_terminal_and_says_where_they_come_from(
    opened: Callable[..., Tab], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(MODULE, encoding="utf-8")
    rows = ["msa", "net.py:Mixed(dim=C)", "net.py:Padded(dim=C)"]
    page = vpcalc.page(rows=rows)
    for h, w in ((7, 9), (8, 8), (5, 11)):  # an odd number of tokens is another regime, as are 64
        browser = opened("beside", f"#h={h}&w={w}&batch=3&dtype=float16", page=page)
        expected = vpcalc.compare(h=h, w=w, C=96, batch=3, dtype="float16", rows=rows, check=False).rows
        columns = ["macs", "params", "attention_elements"]
        (found,) = on_page(browser, [json.loads(browser.run("JSON.stringify(settled())"))], columns)
        assert found == [
            [str(row.figure(Quantity.MACS)), str(row.figure(Quantity.PARAMS)), str(row.attention_bytes)]
            for row in expected
        ]
        assert all(total == steps != "0" for total, steps in json.loads(browser.run(STEPS)))
        assert "not on the lattice of its main form" in said(browser, "notice")  # no paper has it
        assert "papers’ form" not in said(browser, "notice")
    assert int(found[2][2]) == 3 * 2 * 55 * 5
    assert "softmax" in " ".join(page.data["notes"])


@pytest.mark.parametrize("name", ["Mixed", "Padded"])
def test_what_a_module_does_adds_up_in_every_regime(
    opened: Callable[..., Tab], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(MODULE, encoding="utf-8")
    page = vpcalc.page(f"net.py:{name}", input="1,N,C", args={"dim": "C"})
    shown = [row["id"] for row in page.data["rows"]]
    assert ("attention_elements" in shown) == (name == "Padded")
    for tokens in (1, 3, 62, 63, 64, 65, 300):
        browser = opened(f"alone {name}", f"#N={tokens}&C=96", page=page)
        rows = json.loads(browser.run(STEPS))
        assert len(rows) == len(shown) > 4
        assert all(total == steps != "0" for total, steps in rows), (tokens, rows)
    peak = next(row["cells"]["value"]["cases"] for row in page.data["rows"] if row["id"] == "peak_bytes")
    assert {step["name"].rpartition(" in ")[2] for case in peak for step in case["steps"]} & {"linear", "matmul"}
    browser.run("DATA.rows[0].cells.value.cases.forEach(each => (each.steps = []))")
    browser.run("document.querySelector('#table summary').click(), update()")
    browser.settle()
    browser.settle()
    said_there = browser.run("document.querySelector('#table details').innerText")
    assert "Which operators add up to this form is not known." in said_there


def test_a_layer_has_a_page_and_a_notebook_shows_it(opened: Callable[..., Tab], folder: Path) -> None:
    found = vpcalc.page("wmsa", set={"h": 14, "w": 14})
    assert said(opened("wmsa", page=found), "headline") == "W-MSA at 14 × 14: 9.069 M MACs"
    (folder / "notebook.html").write_text(f"<!doctype html>{found._repr_html_()}", encoding="utf-8")
    browser = opened("wmsa")
    browser.open((folder / "notebook.html").as_uri())
    headline = "frames[0].document.getElementById('headline').textContent"
    assert browser.run(headline) == "W-MSA at 14 × 14: 9.069 M MACs"
    assert browser.complaints() == []


# -- the class sees it ------------------------------------------------------------------------------


def test_dragging_h_lets_the_quadratic_term_win(opened: Callable[..., Tab]) -> None:
    browser = opened("compare", "#h=8&w=8&square=1")
    assert "4hwC² is 75.0 % of it: it outweighs 2(hw)²C" in said(browser, "finding")
    lit = "[...document.querySelectorAll('#formula .term')].map(each => each.style.getPropertyValue('--share'))"
    assert json.loads(browser.run(f"JSON.stringify({lit})")) == ["0.7500", "0.2500"]
    browser.run("document.querySelector('#settings input[type=range]').focus()")
    for _ in range(6):
        browser.press("ArrowRight", 39)
    assert said(browser, "headline").startswith("MSA at 14 × 14")
    assert "2(hw)²C is 50.5 % of it: it outweighs 4hwC²" in said(browser, "finding")
    assert "from h = 14 on 2(hw)²C costs more than 4hwC²" in said(browser, "crossings")
    assert "from h = 16 on MSA costs more than W-MSA, SW-MSA (back and forth from 12)" in said(
        browser, "crossings"
    )
    assert "MSA costs more than W-MSA where hw>M2 ✓ here" in said(browser, "conditions")


def test_where_it_comes_from_is_there_with_its_share(opened: Callable[..., Tab]) -> None:
    browser = opened()
    browser.run("document.querySelector('#table summary').click()")
    browser.settle()
    browser.settle()
    shown = browser.run("document.querySelector('#table .steps').innerText")
    assert "QKᵀ" in shown
    assert "944.1 M · 47.1 %" in shown


def test_refusals_are_said_and_not_computed(opened: Callable[..., Tab]) -> None:
    browser = opened("compare", "#h=4&w=4&R=8&heads=3&C=96")
    assert "SRA: R is larger than the grid" in said(browser, "notice")
    browser = opened("compare", "#heads=5&C=96")
    assert said(browser, "headline") == "MSA at 56 × 56: refused"
    assert "heads = a does not divide C" in said(browser, "notice")


# -- everyone ---------------------------------------------------------------------------------------


def test_keys_alone_do_everything(opened: Callable[..., Tab]) -> None:
    browser = opened()
    reached = []
    for _ in range(60):
        browser.press("Tab", 9)
        reached.append(
            browser.run("(e => e === document.body ? '' : e.id || e.type || e.tagName)(document.activeElement)")
        )
        width = browser.run(
            "(e => e === document.body ? 9 : parseFloat(getComputedStyle(e).outlineWidth))(document.activeElement)"
        )
        assert width >= 2, reached  # where the keys are is seen
        if reached[-1] == "p-h":
            browser.run("document.activeElement.select()")
            for digit in "14":
                browser.press(digit, ord(digit), text=digit)
            assert said(browser, "headline").startswith("MSA at 14 × 14")
        if reached[-1] == "" and len(reached) > 20:
            break
    assert {"p-h", "p-C", "p-heads", "digits"} <= set(reached)
    focusable = browser.run("document.querySelectorAll('input,select,button,summary,a[href]').length")
    assert len(set(enumerate(reached))) >= focusable - 2
    browser.run("document.querySelectorAll('.row')[1].focus()")
    browser.press("Enter", 13, text="\r")
    assert said(browser, "headline").startswith("W-MSA at 14 × 14")
    assert browser.run("document.activeElement.textContent") == "W-MSA"


def test_everything_has_a_name_for_those_who_listen(opened: Callable[..., Tab]) -> None:
    for target in ("compare", "swin_t"):
        browser = opened(target)
        browser.call("Accessibility.enable")
        nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
        named: dict[str, list[str]] = {}
        for node in nodes:
            if not node.get("ignored"):
                name = node.get("name", {}).get("value", "")
                named.setdefault(node["role"]["value"], []).append(name)
        for role in (
            "slider",
            "spinbutton",
            "combobox",
            "ListBox",
            "checkbox",
            "button",
            "heading",
            "image",
            "table",
        ):
            assert all(named.get(role, [])), (role, named.get(role))
        assert len(named["slider"]) == len(named["spinbutton"]) >= 6
        assert len(set(named["slider"])) == len(named["slider"])
        assert named["spinbutton"] == [name.replace(", ", " ", 1) for name in named["slider"]]
        assert "MathMLMath" in named
        described = next(name for name in named["image"] if "logarithmic" in name)
        assert re.search(r"(MSA|total) \d", described)
        spoken = browser.run("[...document.querySelectorAll('[role=status],[aria-live]')].length")
        assert spoken >= 2


def test_a_change_is_told_once_it_rests(opened: Callable[..., Tab]) -> None:
    browser = opened()
    browser.run("new Promise(done => setTimeout(done, 900))")
    assert said(browser, "live").startswith("MSA at 56 × 56: 2.004 G MACs. Exactly 2,003,828,736 MACs.")
    browser.run("document.querySelector('#settings input[type=range]').focus()")
    for _ in range(3):
        browser.press("ArrowRight", 39)
    assert "56 × 56" in said(browser, "live")  # not at every step
    browser.run("new Promise(done => setTimeout(done, 900))")
    assert said(browser, "live").startswith("MSA at 62 × 62")
    browser = opened("resnet50")
    browser.run("new Promise(done => setTimeout(done, 900))")
    browser.run("(controls.optimizer.value = 'sgd', controls.optimizer.dispatchEvent(new Event('change')))")
    browser.run("new Promise(done => setTimeout(done, 900))")
    assert said(browser, "live").startswith("Not known whether it fits into")  # and not again what stays


CONTRAST = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = text => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const ground = element => {
    const all = [];
    for (let e = element; e; e = e.parentElement) all.unshift(rgba(getComputedStyle(e).backgroundColor));
    return all.reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const linear = v => (v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => .2126 * linear(r / 255) + .7152 * linear(g / 255) + .0722 * linear(b / 255);
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    if (!element.getClientRects().length) continue;
    if (element.closest(".unseen, .skip, [aria-hidden], math, option")) continue;
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    const style = getComputedStyle(element), under = ground(element);
    const ink = over(rgba(element.closest("svg") ? style.fill : style.color), under);
    const [a, b] = [light(ink), light(under)].sort((x, y) => y - x);
    found.push([Math.round((a + .05) / (b + .05) * 100) / 100, element.tagName, element.textContent.slice(0, 40)]);
  }
  return JSON.stringify(found.sort((x, y) => x[0] - y[0]));
})()"""
"""Of all text its contrast with what is behind it, the least first."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_read_in_both_schemes(opened: Callable[..., Tab], scheme: str) -> None:
    for target, state in (("compare", "#h=57&square=1"), ("swin_t", "#H=300&W=224"), ("compare", "#heads=5")):
        browser = opened(target, state)
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        browser.call("Emulation.setEmulatedMedia", features=features)
        browser.settle()
        found = json.loads(browser.run(CONTRAST))
        assert len(found) > 40
        assert found[0][0] >= 4.5, found[:5]
        dark = json.loads(
            browser.run("JSON.stringify(getComputedStyle(document.documentElement).backgroundColor)")
        )
        assert (max(map(int, re.findall(r"\d+", dark)[:3])) < 60) == (scheme == "dark")
    browser.call("Emulation.setEmulatedMedia", features=[])


def test_nothing_moves_for_those_who_ask_for_rest(opened: Callable[..., Tab]) -> None:
    browser = opened()
    duration = "getComputedStyle(document.querySelector('.term')).transitionDuration"
    for value, moves in (("reduce", False), ("no-preference", True)):
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": value}])
        assert (browser.run(duration) != "0s") == moves
    browser.call("Emulation.setEmulatedMedia", features=[])


OVERLAPPING = """(() => {
  const boxes = [...document.querySelectorAll('#blocks text')].map(each => [each, each.getBoundingClientRect()]);
  const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const met = boxes.filter(([, a], place) => boxes.slice(place + 1).some(([, b]) => meet(a, b)));
  return met.map(([each]) => each.textContent).join();
})()"""


def test_names_of_stages_stand_beside_each_other(opened: Callable[..., Tab]) -> None:
    """As long as those of dense heads are; what has no room in a line begins another."""
    browser = opened("resnet50", "#H=8192&W=8192")
    assert browser.run(OVERLAPPING) == ""
    browser.run("DATA.rows.forEach(row => (row.name = row.name.replace('stage ', 'pooled context ')))")
    for width in (390, 600, 1280):
        browser.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        browser.run("update()")
        assert browser.run(OVERLAPPING) == "", width


def test_no_window_is_too_narrow_or_too_wide(opened: Callable[..., Tab]) -> None:
    for target, state in (
        ("compare", ""),
        ("compare", "#h=57&square=1&C=65536"),
        ("swin_t", "#H=301&W=500"),
        ("t5_small", ""),
        ("compare", "most"),
        ("swin_t", "most"),
        ("resnet50", "most"),
        ("retention_chunkwise", ""),
    ):
        browser = opened(target, "" if state == "most" else state)
        if state == "most":
            browser.run("PARAMETERS.forEach(each => (sizes[each.name] = each.max)), update()")
        browser.run("document.querySelectorAll('details').forEach(each => each.open = true)")
        for width in (390, 480, 700, 390, 1000, 1200, 1680, 2560):
            browser.run("document.getElementById('digits').click()")
            browser.call(
                "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
            )
            browser.settle()
            browser.settle()
            assert browser.run("document.documentElement.scrollWidth") <= width, (target, state, width)
            beyond = "e => e.getBoundingClientRect().right > e.ownerSVGElement.getBoundingClientRect().right"
            assert browser.run(f"[...document.querySelectorAll('#chart .end')].filter({beyond}).length") == 0
            sections = "[...document.querySelectorAll('section, form')].filter(e => e.scrollWidth > e.clientWidth)"
            assert browser.run(f"{sections}.map(each => each.id).join()") == "", (target, state, width)
        browser.call("Emulation.clearDeviceMetricsOverride")


# -- one file, no network ---------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["compare", "swin_t", "vit_b_16", "t5_small"])
def test_no_request_leaves_a_page_that_is_small(opened: Callable[..., Tab], target: str) -> None:
    assert len(page_of(target).html.encode()) < LARGEST_FILE
    browser = opened(target)
    browser.run("document.querySelectorAll('summary').forEach(each => each.click())")
    browser.run("document.getElementById('buttons').children[4].click()")  # the download
    browser.settle()
    assert [address for address in browser.requests() if not address.startswith(("file:", "blob:"))] == []
    assert sum(address.startswith("file:") for address in browser.requests()) == 1


@pytest.mark.parametrize("name", ["vit_b_16", "convnext_t", "t5_small"])
def test_what_is_on_a_models_page_is_said_as_text(name: str) -> None:
    """The whole as papers print it, and of each stage a form that people can read."""
    found = page_of(name)
    *stages, whole = found.to_dict()["rows"]
    assert whole["formula"]["text"] == vpcalc.formula(name).form.text
    assert all(0 < len(row["formula"]["text"]) < 120 for row in stages)
    assert whole["formula"]["text"] in repr(found).replace("\n", " ")


FAMILIES: dict[str, list[str]] = {}
for each in ARCHITECTURES.values():
    FAMILIES.setdefault(each.family.name, []).append(each.id)


@pytest.mark.slow
@pytest.mark.parametrize("name", dict.fromkeys(ids[place] for ids in FAMILIES.values() for place in (0, -1)))
def test_every_familys_pages_are_small(name: str) -> None:
    """Variants differ in numbers, which are settings of a page; the last is the largest or built otherwise."""
    assert len(page_of(name).html.encode()) < LARGEST_FILE


def test_its_policy_lets_nothing_else_run_or_load(browser: Tab, folder: Path) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    planted = (
        f'<img src="{address}/img"><script src="{address}/js"></script><script>window.ran = 1</script></body>'
    )
    whole = vpcalc.page().html.replace("</body>", planted)
    without = re.sub(r"<meta http-equiv=.*?>", "", whole)
    for name, text, loads in (("kept.html", whole, False), ("lifted.html", without, True)):
        (folder / name).write_text(text, encoding="utf-8")
        asked.clear()
        browser.open((folder / name).as_uri())
        assert bool(asked) == loads
        assert browser.run("window.ran") == (1 if loads else None)
        assert "MSA at 56" in said(browser, "headline")
    server.shutdown()
    server.server_close()


def test_texts_of_the_readers_are_never_markup() -> None:
    evil = "</title><script>alert(1)</script><!--"
    data = {"title": evil, "about": evil, "notes": [evil, "\u2028"]}
    made = document(evil, evil, data, "const FORMS = [];")
    assert "<script>alert" not in made
    assert made.count("</script>") == 2
    inside = re.search(r'<script type="application/json" id="data">(.*?)</script>', made, re.S)
    assert inside is not None
    assert json.loads(inside[1]) == data


# -- sharing ----------------------------------------------------------------------------------------


def test_the_state_is_in_the_address(opened: Callable[..., Tab]) -> None:
    state = "h=30&w=20&C=64&M=5&R=3&P=6&heads=4&batch=2&square=0&dtype=float16&x=C&q=attention_elements&row=sra"
    browser = opened("compare", f"#{state}")
    assert browser.run("location.hash") == f"#{state}"
    expected = vpcalc.compare(h=30, w=20, C=64, M=5, R=3, P=6, heads=4, batch=2, dtype="float16", check=False)
    sheet = list(csv.reader(io.StringIO(browser.run("csv()"))))
    assert sheet[0] == ["Layer", "Formula", "MACs", "Params", "Attention maps (bytes)"]
    assert [row[2:] for row in sheet[1:]] == [
        [str(row.figure(Quantity.MACS)), str(row.figure(Quantity.PARAMS)), str(row.attention_bytes)]
        for row in expected.rows
    ]
    assert [row[1] for row in sheet[1:]] == [row.form_here.text.replace("−", "-") for row in expected.rows]
    assert f"$4hwC^{{2}} + 2(hw)^{{2}}C$ & {expected.rows[0].figure(Quantity.MACS):,} &" in browser.run("latex()")
    assert browser.run("markdown()").startswith("| Layer | Formula | MACs |")
    browser.run("document.getElementById('digits').click()")
    browser.run("new Promise(done => setTimeout(done, 900))")
    assert browser.run("location.hash") == f"#{state}&digits=1"
    browser.run("document.querySelector('.skip').click()")
    browser.run("new Promise(done => setTimeout(done, 900))")
    assert browser.run("location.hash") == f"#{state}&digits=1"  # no place on the page takes its place
    assert opened("compare", f"#{state}&digits=1").run("document.getElementById('digits').checked")
    opened("compare", "#h=-3&w=1e9&C=<b>&q=constructor&row=__proto__&dtype=x")  # falls back to where it begins
    assert said(browser, "headline").startswith("MSA at 56")


def test_a_letter_may_have_the_name_of_a_choice(
    opened: Callable[..., Tab], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the chart shows and what it is against are q and x in the address, unless these are sizes."""
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(MODULE, encoding="utf-8")
    page = vpcalc.page("net.py:Mixed", input="1,x,q", args={"dim": "q"})
    browser = opened("letters", "#x=30&q=16&x~=q", page)
    assert said(browser, "headline").startswith("Mixed at x = 30, q = 16: ")
    assert browser.run("location.hash") == "#x=30&q=16&x%7E=q&q%7E=value&row=macs"
    assert "vpcalc page net.py:Mixed --input 1,x,q --arg dim=q. " in page.data["notes"][-1]


def test_what_has_no_chart_is_not_saved_and_what_nobody_has_is_not_plotted(opened: Callable[..., Tab]) -> None:
    browser = opened("compare", "#heads=9")  # no row has so many of 96 channels
    browser.run(
        "[...document.querySelectorAll('button')].find(each => each.textContent === 'Download SVG').click()"
    )
    assert browser.complaints() == []
    assert said(browser, "copied") == "There is no chart at these settings."
    assert "attention_elements" not in json.loads(
        opened("conv").run("JSON.stringify(PLOTTED.map(each => each.id))")
    )


def test_many_rows_are_told_apart_and_have_room(opened: Callable[..., Tab]) -> None:
    """By their dashes from the ninth on, in the table as in the chart."""
    rows = "axial conv depthwise_conv ffn linear_attention conv_ffn sra linear_sra retention talking_heads wmsa"
    browser = opened("many", page=vpcalc.page(rows=rows.split()))
    looks = "each => ['stroke', 'stroke-dasharray'].map(name => each.getAttribute(name)).join()"
    drawn, listed = (
        browser.run(f"[...document.querySelectorAll('{lines}')].map({looks})")
        for lines in ("#chart .curve:not(.part)", "#table .sample line")
    )
    assert drawn == listed
    assert len(set(drawn)) == len(rows.split()) == 11
    for width in (360, 390):  # long names beside large figures
        browser.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        browser.settle()
        assert browser.run("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    browser.call("Emulation.clearDeviceMetricsOverride")


def test_attention_is_no_choice_where_nothing_attends(opened: Callable[..., Tab]) -> None:
    browser = opened("resnet50", "#attention=fused")
    assert "attention=eager" in browser.run("location.hash")
    assert said(browser, "headline").startswith("resnet50 at 224 × 224: 4.089 G MACs")


@pytest.mark.parametrize(
    ("model", "said", "idle"),
    [
        ("transformer_base", {"N": "layers of the encoder, and of the decoder", "h": "attention heads"}, ()),
        ("resnet18", {"C": "channels of the stem", "depths_2": "blocks of stage 2"}, ("widen", "groups")),
        ("pvt_v2_b2_li", {"C_1": "channels of stage 1"}, ("R",)),
    ],
)
def test_settings_mean_what_their_family_says_and_those_that_change_nothing_are_no_sliders(
    model: str, said: Mapping[str, str], idle: tuple[str, ...]
) -> None:
    data = vpcalc.page(model).data
    meanings = {each["name"]: each["meaning"] for each in data["parameters"]}
    assert {name: meanings[name] for name in said} == said
    nothing = [note.partition(" ")[0] for note in data["notes"] if note.endswith("nothing here depends on it.")]
    assert tuple(nothing) == idle
    assert not {name.partition("_")[0] for name in meanings} & {*idle}


def test_a_page_names_the_commands_that_say_the_same() -> None:
    page = vpcalc.page("vit_b_16", set={"registers": 4, "mlp": 1000}, input=(160, 224), batch=2)
    settings, size = "--set registers=4 --set mlp=1000", "--input 160x224"
    assert f"vpcalc page vit_b_16 {settings} {size} --batch 2. " in page.data["notes"][-1]
    assert page.data["memory"]["command"] == f"vpcalc memory vit_b_16 {size} {settings} --batch 2 --train"
    assert "page resnet18 --input 1 --batch 2. " in vpcalc.page("resnet18", input=1, batch=2).data["notes"][-1]
    rows = vpcalc.page(rows=["msa", "wmsa"], set={"C": 64})
    assert "vpcalc page compare --rows msa,wmsa --set C=64. " in rows.data["notes"][-1]


@pytest.mark.parametrize("asked", [("page", "mqa"), ("page", "compare", "--rows", "msa,mqa"), ("page", "msa")])
def test_a_page_names_the_files_that_it_needs(
    inside: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("my_layers.py", "my_modules.py"):
        shutil.copy(Path(__file__).parents[1] / "examples" / file, file.replace("my_layers", "my layers"))
    load = ("--load", "./my layers.py")
    made = inside(*asked, *load).stdout
    line = re.search(r": (vpcalc page [^\"]*?)\. Every form", made)
    assert line is not None
    needed = [*asked[:2], *(load if "mqa" in str(asked) else ()), *asked[2:]]
    assert shlex.split(line[1]) == ["vpcalc", *needed]
    assert inside(*shlex.split(line[1])[1:]).stdout == made


def test_a_long_drag_ends_in_the_address(opened: Callable[..., Tab]) -> None:
    """Browsers stop taking addresses after a few hundred in a row."""
    browser = opened()
    browser.run("navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve(); }")
    found = browser.run("""(async () => {
      const field = document.querySelector("input[type=number], input[inputmode]");
      const set = value => {
        field.value = value;
        field.dispatchEvent(new Event("input", { bubbles: true }));
      };
      for (let h = 5; h < 305; h++) {
        set(h);
        await new Promise(done => requestAnimationFrame(done));
      }
      set(77);
      await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
      document.getElementById("buttons").children[0].click();
      await new Promise(done => setTimeout(done, 900));
      return [location.hash, window.copied, window.performance.now()];
    })()""")
    assert found[0].startswith("#h=77&w=77&")
    assert found[1].endswith(found[0])
    assert not any("Throttling" in str(params) for method, params in browser.heard if method == "Log.entryAdded")


def test_nothing_of_a_formula_is_scrolled_up_and_down(opened: Callable[..., Tab]) -> None:
    beyond = "[each.offsetWidth - each.clientWidth, each.scrollHeight - each.clientHeight]"
    for target in ("compare", "swin_t"):
        found = opened(target).run(f"[...document.querySelectorAll('.term')].map(each => {beyond})")
        assert len(found) > 10
        assert [sides for sides in found if sides != [0, 0]] == []


def test_links_and_tables_are_copied_and_the_chart_is_a_file(opened: Callable[..., Tab]) -> None:
    browser = opened()
    browser.run("navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve(); }")
    for place, start in enumerate(("file://", "% h = 56", "| Layer", "Layer,")):
        browser.run(f"document.getElementById('buttons').children[{place}].click()")
        browser.settle()
        assert browser.run("window.copied").startswith(start)
    assert said(browser, "copied") == "CSV is copied."
    browser.run("navigator.clipboard.writeText = () => Promise.reject(new Error())")
    refusal = "This browser lets no page copy. The text is below, selected."
    for allowed, focus, words in ((True, "Copy CSV", "CSV is copied."), (False, "", refusal)):
        browser.run(f"document.execCommand = () => {json.dumps(allowed)}")
        browser.run("(each => (each.focus(), each.click()))(document.getElementById('buttons').children[3])")
        browser.settle()
        assert said(browser, "copied") == words
        assert browser.run("document.activeElement.textContent") == focus
        assert browser.run("byId('by-hand').hidden") == allowed
    assert browser.run("getSelection().toString() === csv().replaceAll('\\r', '')")
    browser.call("Emulation.setDeviceMetricsOverride", width=390, height=900, deviceScaleFactor=1, mobile=False)
    browser.settle()
    drawing = ElementTree.fromstring(browser.run("picture()"))
    assert drawing.tag.endswith("svg")
    paths = [each for each in drawing.iter() if each.tag.endswith("path")]
    assert len(paths) == len(ROWS) + 2
    words = " ".join(each.text or "" for each in drawing.iter() if each.tag.endswith("text"))
    assert all(word in words for word in ("MACs", "Linear SRA", "W-MSA, SW-MSA"))  # in a narrow window, too
    browser.call("Emulation.clearDeviceMetricsOverride")
    assert all(each.get("stroke", "").startswith("rgb") and each.get("class") is None for each in paths)


def test_a_page_prints_without_its_sliders(opened: Callable[..., Tab]) -> None:
    browser = opened()
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.call("Emulation.setEmulatedMedia", media="print", features=dark)
    paint = "getComputedStyle(document.querySelector('#chart text')).fill"
    assert max(map(int, re.findall(r"\d+", browser.run(paint)))) < 110  # no dark page's ink on white paper
    hidden = browser.run("getComputedStyle(document.querySelector('input[type=range]')).display")
    assert hidden == "none"
    assert browser.run("getComputedStyle(document.getElementById('share')).display") == "none"
    assert browser.run("getComputedStyle(controls.q).display") != "none"  # what the chart shows
    browser.call("Emulation.setEmulatedMedia", media="", features=[])


# -- the command ------------------------------------------------------------------------------------


def test_the_command_writes_a_page_whole_or_not_at_all(inside: Run, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    done = inside("page", "compare", "--set", "h=14", "-o", str(file))
    assert (done.returncode, done.stdout) == (0, "")
    assert '"value":14' in file.read_text(encoding="utf-8")
    assert inside("page", "compare", "--set", "h=14").stdout == file.read_text(encoding="utf-8")
    for asked in (
        ("page", "comparee"),
        ("page", "--set", "h=0"),
        ("page", "--set", "nothing=3"),
        ("page", "--rows", "mssa"),
        ("page", "swin_t", "--set", "C=0"),
        ("page", "swin_t", "--rows", "msa"),
        ("page", "msa", "--rows", "msa"),
        ("page", "msa", "--batch", "0"),
        ("page", "mha", "--set", "C=3"),
        ("page", "swin_t", "--arg", "dim=3"),
        ("page", "compare", "--input", "224"),
        ("page", "net.py:nothing", "--input", "1,N,C"),
    ):
        before = file.read_bytes()
        done = inside(*asked, "-o", str(file))
        assert done.returncode == 2, asked
        assert done.stdout == ""
        assert re.fullmatch(r"vpcalc: .*\n", done.stderr), done.stderr
        if asked[-1].endswith("0"):
            assert asked[-2] in done.stderr, done.stderr  # the option that was given
        assert file.read_bytes() == before


def test_a_terminal_is_no_browser() -> None:
    """Where a person looks the file is asked for; a pipe has it whole."""
    status, received = typed(["page"])
    assert status == 2
    assert "--output: a page is for a browser, not for a terminal: -o page.html" in received
    assert "<!doctype" not in received
