"""Pictures: that they show the closed forms' own numbers, say what they say, and arrive whole or not at all."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from math import isqrt
from pathlib import Path
from string import ascii_lowercase
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import vpcalc
from vpcalc.algebra.polynomial import Polynomial
from vpcalc.answers.compare import Comparison
from vpcalc.answers.draw_block import steps_of
from vpcalc.answers.plot import Plot
from vpcalc.architectures import ARCHITECTURES
from vpcalc.architectures.registry import first_of_each
from vpcalc.cli.start import PANELS, brief, screen
from vpcalc.cost import Quantity
from vpcalc.errors import InputError
from vpcalc.layers import LAYERS
from vpcalc.pictures import (
    BarChart,
    BlockChart,
    BlockDiagram,
    Line,
    LineChart,
    ScatterChart,
    blocks,
    diagram,
    draw,
    seal,
)
from vpcalc.pictures.bars import look
from vpcalc.pictures.placing import spread
from vpcalc.pictures.scene import Area, Label, Stroke
from vpcalc.pictures.style import (
    BLACK,
    BLUE,
    CYCLE,
    DARK,
    GRID,
    INK,
    OPERATORS,
    PAPER,
    QUIET,
    RED,
    broken,
    colours_of_layers,
)
from vpcalc.pictures.style import LAYERS as LAYER_COLOURS
from vpcalc.published import figures_of
from vpcalc.report.numbers import share
from vpcalc.symbolic import SYMBOL_OF

from .conftest import Run
from .tex import needs_tex

matplotlib = pytest.importorskip("matplotlib")
from matplotlib.transforms import Bbox  # noqa: E402

from vpcalc.pictures.canvas import figure_of  # noqa: E402


def line_chart(plot: Plot) -> LineChart:
    assert isinstance(plot.chart, LineChart)
    return plot.chart


def compared(rows: list[str] | None = None, C: int = 96, M: int = 7, R: int = 8) -> Comparison:
    return vpcalc.compare(512, 512, C, M, R=R, rows=rows, check=False)


def value(form: Polynomial | str, comparison: Comparison, tokens: int) -> Fraction:
    """A row's closed form at a number of tokens, by Python's own arithmetic on its printed expression."""
    values = {SYMBOL_OF.get(k, k): v for k, v in comparison.inputs.items() if isinstance(v, int)}
    point = {**{name: Fraction(v) for name, v in values.items()}, "h": Fraction(tokens), "w": Fraction(1)}
    return Fraction(eval(str(form), {}, point))


def lies_on_its_form(line: Line, comparison: Comparison) -> bool:
    (row,) = (row for row in comparison.rows if row.id == line.key)
    expression = row.form.python.replace("//", "/")
    return all(value(expression, comparison, x) == y for x, y in zip(line.x, line.y, strict=True))


# -- curves ----------------------------------------------------------------------------------------


def test_every_point_of_a_curve_lies_on_the_closed_form() -> None:
    comparison, chart = compared(), line_chart(vpcalc.plot_crossover())
    assert [line.label for line in chart.lines] == ["MSA", "W-MSA, SW-MSA", "SRA", "Linear SRA", "Retention"]
    for line in chart.lines:
        assert lies_on_its_form(line, comparison)
        assert len(line.x) > 30
        assert line.x[-1] == pytest.approx(512**2, rel=0.001)


def test_a_curve_that_does_not_lie_on_its_form_is_found_out() -> None:
    comparison, chart = compared(), line_chart(vpcalc.plot_crossover())
    for line in chart.lines:
        wrong = replace(line, y=(*line.y[:7], line.y[7] + 1, *line.y[8:]))
        assert not lies_on_its_form(wrong, comparison)


@pytest.mark.parametrize("id", ["msa", "wmsa", "sra", "linear_sra", "retention", "retention_chunkwise"])
def test_every_point_of_a_curve_is_what_the_layer_costs(id: str) -> None:
    """On a real grid of that many tokens, with ints all the way."""
    chart = line_chart(vpcalc.plot_crossover(rows=[id], chunk=64))
    (line,) = chart.lines
    inputs = {**vpcalc.compare(512, 512, 96, rows=[id], chunk=64, check=False).inputs}
    width = {"wmsa": 7, "sra": 8}.get(id, 1)
    for tokens, macs in list(zip(line.x, line.y, strict=True))[::6]:
        grid = {"h": tokens // width, "w": width, "N": tokens}
        cost = LAYERS[id].build(**LAYERS[id].pick({**inputs, **grid}))
        assert cost.total(Quantity.MACS) == macs


def test_a_layer_of_which_the_shape_of_a_grid_counts_is_drawn_on_squares() -> None:
    plot = vpcalc.plot_crossover(rows=["msa", "axial"], high=128)
    line = {line.label: line for line in line_chart(plot).lines}["Axial"]
    assert "Axial on square grids" in plot.chart.subtitle
    for tokens, macs in zip(line.x, line.y, strict=True):
        cost = LAYERS["axial"].build(h=isqrt(tokens), w=isqrt(tokens), C=96, heads=3)
        assert (isqrt(tokens) ** 2, macs) == (tokens, cost.total(Quantity.MACS))
    assert line.x[0] == 16
    assert line.x[-1] == 128**2
    (mark,) = [mark for mark in line_chart(plot).marks if "Axial" in mark.label]
    assert line.y[line.x.index(196)] < mark.y < line.y[line.x.index(256)]  # MSA > Axial beyond 221 tokens
    maps = vpcalc.plot_memory(rows=["msa", "axial"], fit="1GiB", high=64)
    side = isqrt(int(re.search(r"Axial's beyond ([0-9,]+)", maps.chart.title)[1].replace(",", "")))  # type: ignore[index]
    fits = [vpcalc.compare(each, each, 96, rows=["axial"], check=False).rows[0] for each in (side, side + 1)]
    assert [row.attention_bytes <= 2**30 for row in fits] == [True, False]


@given(C=st.sampled_from([32, 64, 96, 256]), M=st.integers(2, 12), R=st.sampled_from([1, 2, 4, 8]))
@settings(max_examples=15, deadline=None)
def test_the_marks_are_the_crossovers(C: int, M: int, R: int) -> None:
    comparison, plot = compared(C=C, M=M, R=R), vpcalc.plot_crossover(C, M, R=R)
    found = {mark.x for mark in line_chart(plot).marks}
    on_sheet = {c.at for c in comparison.crossovers if c.at >= max(16, M * M, R * R) and c.at < 512**2}
    assert on_sheet <= found <= {c.at for c in comparison.crossovers}
    assert [row["at"] for row in plot.to_dict()["crossovers"]] == [c.at for c in comparison.crossovers]


def test_a_mark_is_where_the_curves_change_places() -> None:
    comparison, chart = compared(), line_chart(vpcalc.plot_crossover())
    rows = {row.id: row.form.python.replace("//", "/") for row in comparison.rows}
    pairs = {c.at: c.between for c in comparison.crossovers if ":" not in c.between[0]}
    for mark in chart.marks:
        if mark.x not in pairs:
            assert "quadratic" in mark.label
            continue
        more, less = (rows[id] for id in pairs[mark.x])
        assert value(more, comparison, mark.x) <= value(less, comparison, mark.x)
        assert value(more, comparison, mark.x + 1) > value(less, comparison, mark.x + 1)
        assert mark.y == value(more, comparison, mark.x)
        assert mark.label.endswith(f"hw > {mark.x:,}")


def test_the_title_states_a_finding_that_is_true() -> None:
    title = vpcalc.plot_crossover().chart.title
    assert title == "MSA costs more than W-MSA beyond 49 tokens, 1,063 times as much at 512×512 tokens"
    for M in (7, 8):  # 7 does not divide 512: what is padded is computed
        msa, wmsa = (row.figure(Quantity.MACS) for row in compared(["msa", "wmsa"], M=M).rows)
        chart = line_chart(vpcalc.plot_crossover(M=M))
        assert f"tokens, {msa / wmsa:,.0f} times as much" in chart.title
        assert "curves on grids that M and R tile" in chart.subtitle  # on 8×8 W-MSA costs more than MSA
        assert ("512×512 padded or cut" in chart.subtitle) is (512 % M > 0)
    assert "tile" not in line_chart(vpcalc.plot_crossover(rows=["msa", "conv"])).subtitle


def test_a_title_is_broken_at_no_equation_and_says_all_of_nothing_less() -> None:
    found = broken("At lag t − k = 40: 3.1 for measured, σ₁ = 3.0, 24.5 % of 1.8 GMACs", 12)
    assert found == ["At lag", "t − k = 40:", "3.1 for", "measured,", "σ₁ = 3.0,", "24.5 % of", "1.8 GMACs"]
    assert [share(part) for part in (0, 0.0004, 0.9994, 0.9996, 1)] == [
        "0.0 %",
        "<0.1 %",
        "99.9 %",
        ">99.9 %",
        "100.0 %",
    ]
    assert vpcalc.draw("vit_b_16").chart.title == "vit_b_16 at 224×224: encoder takes >99 % of 17.56 GMACs"


def test_a_subtitle_of_several_lines_takes_nothing_from_the_curves() -> None:
    pytest.importorskip("matplotlib")
    from vpcalc.pictures.lines import height

    chart = line_chart(vpcalc.plot_crossover())
    assert height(chart, 3.15) > height(replace(chart, subtitle="one line"), 3.15)


def test_memory_says_where_the_maps_fill_a_device() -> None:
    plot = vpcalc.plot_memory(fit="24GiB")
    chart = line_chart(plot)
    assert chart.levels[0].y == 24 * 2**30
    assert "MSA's beyond 46,340 tokens" in chart.title
    bytes_of = {tokens: 3 * tokens**2 * 4 for tokens in (46_340, 46_341)}
    assert bytes_of[46_340] <= 24 * 2**30 < bytes_of[46_341]
    msa = chart.lines[0]
    assert msa.label == "MSA, Retention"
    assert all(y == 3 * x * x * 4 for x, y in zip(msa.x, msa.y, strict=True))
    half = line_chart(vpcalc.plot_memory(dtype="float16", rows=["msa", "ffn"]))
    assert [line.label for line in half.lines] == ["MSA"]
    assert all(y == 3 * x * x * 2 for x, y in zip(half.lines[0].x, half.lines[0].y, strict=True))


def test_resolution_costs_what_the_models_cost_padding_and_all() -> None:
    chart = line_chart(vpcalc.plot_resolution(["swin_t", "resnet18"], low=96, high=256, step=40))
    for line in chart.lines:
        for side, macs in zip(line.x, line.y, strict=True):
            assert vpcalc.model(line.key, input=side, check=False).figure(Quantity.MACS) == macs
    first, last = (vpcalc.model("swin_t", input=side, check=False).figure(Quantity.MACS) for side in (96, 256))
    assert f"swin_t grows {last / first:.2f}-fold" in chart.title


# -- bars, points and blocks -----------------------------------------------------------------------


def test_stages_add_up_to_the_model() -> None:
    for quantity in ("macs", "params", "fvcore", "activations"):
        plot = vpcalc.plot_stages("swin_t", quantity=quantity)
        found = vpcalc.model("swin_t", check=False)
        assert isinstance(plot.chart, BarChart)
        assert sum(bar.total for bar in plot.chart.bars) == found.figure(Quantity(quantity))
        stages = {stage["name"]: stage[quantity] for stage in found.to_dict()["stages"]}
        assert {bar.label: bar.total for bar in plot.chart.bars} == stages
    assert vpcalc.plot_stages("swin_t").chart.title == "swin_t: stage 3 takes 49 % of 4.491 GMACs"


def test_operators_are_those_of_the_models() -> None:
    plot = vpcalc.plot_operators(["vit_b_16", "resnet50"], quantity="fvcore")
    assert isinstance(plot.chart, BarChart)
    for bar in plot.chart.bars:
        assert dict(bar.parts) == vpcalc.model(bar.label, check=False).to_dict()["operators"]
    assert "resnet50" in plot.chart.title
    mixed = vpcalc.plot_operators(["t5_small", "resnet18"])
    assert isinstance(mixed.chart, BarChart)
    assert [bar.note for bar in mixed.chart.bars] == ["at 512 and 512 tokens", "at 224×224"]


def test_models_stand_at_their_parameters_and_macs_with_their_published_points() -> None:
    plot = vpcalc.plot_models()
    assert isinstance(plot.chart, ScatterChart)
    alone = {id for id in ARCHITECTURES if "backbone" not in ARCHITECTURES[id].config}
    assert {point.label for point in plot.chart.points} == alone - {"rnn", "gru", "lstm"}
    assert {row["model"] for row in plot.to_dict()["data"]} == alone
    for point in plot.chart.points:
        native = ARCHITECTURES[point.label]
        found = native.cost(native.sizes)
        assert (point.x, point.y) == (found.total(Quantity.PARAMS), found.total(Quantity.MACS))
        printed = {f.value for f in figures_of(point.label, "x".join(map(str, native.sizes)))}
        assert {number for x, y, _ in point.published for number in (x, y)} <= printed
    swin = next(point for point in plot.chart.points if point.label == "swin_t")
    assert (29e6, 4.5e9, "Swin Table 1 (arXiv 2103.14030)") in swin.published
    agreeing, printed_points = map(int, re.findall(r"(\d+) of (\d+)", plot.chart.title)[0])
    assert printed_points == sum(len(point.published) for point in plot.chart.points)
    assert 0 < agreeing <= printed_points
    assert {p.group for p in vpcalc.plot_models(["swin"]).chart.points} == {"swin"}  # type: ignore[union-attr]


@pytest.mark.slow
def test_what_lies_far_below_does_not_stretch_the_axes() -> None:
    chart = vpcalc.plot_models().chart
    assert isinstance(chart, ScatterChart)
    assert chart.subtitle.endswith("; rnn, gru, lstm are far below, and left out")
    low, high = figure_of(chart).axes[0].get_ylim()
    assert high / low < 1e6  # with them it would be a thousand times as much
    alone = vpcalc.plot_models(["recurrent"]).chart
    assert isinstance(alone, ScatterChart)
    assert {point.label for point in alone.points} == {"rnn", "gru", "lstm"}
    assert "left out" not in alone.subtitle


RECENT = tuple(map(int, matplotlib.__version__.split(".")[:2])) > (3, 8)
"""Whether letters are as wide as they are today: 3.8 measures them otherwise by a pixel."""


@pytest.mark.quick(1)
@pytest.mark.parametrize("pareto", [None, "macs,top1", "top1,macs"])
@pytest.mark.parametrize("width", [6.9, 3.15])
def test_no_label_of_a_model_is_on_another_a_point_or_a_line(pareto: str | None, width: float) -> None:
    chart = vpcalc.plot_models(pareto=pareto).chart
    assert isinstance(chart, ScatterChart)
    figure = figure_of(chart, width)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = {text.get_text(): text.get_window_extent() for text in axes.texts}
    room = 40 if width > 5 else 16 if RECENT else 13  # of so many labels, however many models there are
    assert len(boxes) >= min(room, 0.7 * len(chart.points))
    for (one, first), (other, second) in itertools.combinations(boxes.items(), 2):
        assert not first.overlaps(second), (one, other)
    for name, box in boxes.items():
        for point in chart.points:
            assert not box.contains(*axes.transData.transform((point.x, point.y))), (name, point.label)
        for line in axes.lines:
            path = line.get_path().transformed(line.get_transform())
            if line.get_label() in ("_leader", "_apart", "Pareto front"):
                edge = 1 if RECENT else 2  # a line ends at its own label
                inner = Bbox.from_extents(box.x0 + edge, box.y0 + 1, box.x1 - edge, box.y1 - 1)
                assert not path.intersects_bbox(inner, filled=False), (name, line.get_label())


@pytest.mark.slow
def test_the_models_do_not_depend_on_what_was_loaded_first() -> None:
    code = "import vpcalc; {}; print([p.label for p in vpcalc.plot_models().chart.points])"
    orders = {
        subprocess.run(
            [sys.executable, "-c", code.format(first)], capture_output=True, text=True, check=True
        ).stdout
        for first in ("vpcalc.formula('vgg11')", "vpcalc.formula('retnet_1_3b')")
    }
    assert len(orders) == 1


def test_blocks_are_the_stages() -> None:
    chart = vpcalc.draw("pvt_v2_b5").chart
    assert isinstance(chart, BlockChart)
    stages = vpcalc.model("pvt_v2_b5", check=False).to_dict()["stages"]
    for block, stage in zip(chart.blocks, stages, strict=True):
        shown = (block.name, list(block.resolution), block.channels, block.depth, block.cost.total)
        assert shown == tuple(stage[key] for key in ("name", "resolution", "channels", "depth", "macs"))


# -- what matplotlib is given ----------------------------------------------------------------------


def drawn_lines(figure: Any) -> dict[str, Any]:
    return {line.get_label(): line for line in figure.axes[0].lines}


def test_the_sheet_shows_the_curves_the_marks_and_the_words() -> None:
    plot = vpcalc.plot_crossover()
    chart, figure = line_chart(plot), figure_of(plot.chart)
    lines = drawn_lines(figure)
    for line in chart.lines:
        assert tuple(lines[line.label].get_xdata()) == line.x
        assert tuple(lines[line.label].get_ydata()) == line.y
    assert tuple(lines["_crossings"].get_xdata()) == tuple(mark.x for mark in chart.marks)
    assert len(lines) == len(chart.lines) + 1
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(looks) == len(lines)
    axes = figure.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert figure.get_suptitle().replace("\n", " ") == chart.title
    assert axes.get_xlabel() == chart.x_label
    words = [text.get_text() for text in axes.texts]
    assert [line.label for line in chart.lines] == [
        word for word in words if word in {c.label for c in chart.lines}
    ]
    assert all(any(mark.label in word for word in words) for mark in chart.marks)
    assert figure_of(plot.chart, title=False).get_suptitle() == ""


def test_bars_are_as_long_as_their_cost() -> None:
    plot = vpcalc.plot_stages("pvt_tiny", quantity="fvcore")
    assert isinstance(plot.chart, BarChart)
    figure = figure_of(plot.chart)
    widths = [patch.get_width() for patch in figure.axes[0].patches]
    assert widths == [size for bar in plot.chart.bars for _, size in bar.parts]
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels == [bar.label for bar in plot.chart.bars]
    shares = figure_of(vpcalc.plot_operators(["swin_t", "vgg16"], shares=True).chart)
    right = {round(patch.get_x() + patch.get_width(), 12) for patch in shares.axes[0].patches}
    assert 1.0 in right
    assert max(right) == 1.0


def test_points_have_rings_where_something_is_published() -> None:
    plot = vpcalc.plot_models(["swin", "vgg"])
    assert isinstance(plot.chart, ScatterChart)
    lines = drawn_lines(figure_of(plot.chart))
    for family in ("swin", "vgg"):
        points = [point for point in plot.chart.points if point.group == family]
        assert tuple(lines[family].get_xdata()) == tuple(point.x for point in points)
        assert tuple(lines[family].get_ydata()) == tuple(point.y for point in points)
    rings = [(x, y) for point in plot.chart.points for x, y, _ in point.published]
    assert list(zip(*lines["as published"].get_data(), strict=True)) == rings


@pytest.mark.slow
def test_a_front_is_drawn_through_the_models_that_no_other_beats() -> None:
    for pareto, where in (("macs,top1", "steps-post"), ("top1,macs", "steps-pre")):
        chart = vpcalc.plot_models(pareto=pareto, input=384).chart
        assert isinstance(chart, ScatterChart)
        figure = figure_of(chart)
        line = drawn_lines(figure)["Pareto front"]
        assert list(zip(*line.get_data(), strict=True)) == [(point.x, point.y) for point in chart.front]
        assert line.get_drawstyle() == where
        scales = {"macs": figure.axes[0].get_xscale(), "top1": figure.axes[0].get_yscale()}
        assert sorted(scales.values()) == ["linear", "log"]
        assert (scales["macs"] == "log") == (pareto == "macs,top1")
    assert not drawn_lines(figure_of(vpcalc.plot_models(["swin"]).chart)).keys() & {"Pareto front"}


def _areas(chart: Any, fill: str) -> list[Area]:
    return [mark for mark in blocks.scene(chart, 6.9) if isinstance(mark, Area) and mark.fill == fill]


def _wide(area: Area) -> float:
    return max(x for x, _ in area.corners) - min(x for x, _ in area.corners)


def _high(area: Area) -> float:
    return max(y for _, y in area.corners) - min(y for _, y in area.corners)


@pytest.mark.parametrize("id", ["swin_t", "vit_b_16", "transformer_base", "vgg16", "mask_rcnn"])
def test_solids_are_to_scale_a_slab_each_block(id: str) -> None:
    chart = vpcalc.draw(id).chart
    assert isinstance(chart, BlockChart)
    slabs = [area for area in _areas(chart, BLUE) if area.edge]
    expected = [block for block in chart.blocks for _ in range(max(block.depth, 1))]
    for slab, block in zip(slabs, expected, strict=True):
        assert _high(slab) / _high(slabs[0]) == pytest.approx(block.resolution[0] / expected[0].resolution[0])
        assert _wide(slab) / _wide(slabs[0]) == pytest.approx(block.channels / expected[0].channels)
    labels = [mark for mark in blocks.scene(chart, 6.9) if isinstance(mark, Label)]
    assert min(label.size for label in labels) >= 4.5  # in rows, where a line of stages has no room for words
    rows = len({label.at[1] for label in labels if label.bold})
    assert rows == (2 if id == "mask_rcnn" else 1)
    assert [label.text for label in labels].count("from neck") == (4 if id == "mask_rcnn" else 0)


@pytest.mark.quick(30)
@pytest.mark.parametrize("id", [*ARCHITECTURES])
def test_a_picture_has_a_bar_for_every_block_and_they_add_up(id: str) -> None:
    chart = vpcalc.draw(id).chart
    assert isinstance(chart, BlockChart)
    for block in chart.blocks:
        assert not block.parts or len(block.parts) >= block.depth
        assert not block.parts or sum(part.total for part in block.parts) == block.cost.total
    kinds = {kind for block in chart.blocks for kind, _ in block.cost.parts}
    bars = [area for kind in kinds for area in _areas(chart, look(kind)["facecolor"]) if not area.edge]
    scale = {round(_high(bar), 6) for bar in bars if min(y for _, y in bar.corners) > 0.4}  # no legend
    most = max(part.total for block in chart.blocks for part in block.parts or (block.cost,))
    stacks = [part for block in chart.blocks for part in block.parts or (block.cost,)]
    parts = {size for part in stacks for _, size in part.parts if size}
    expected = sorted({round(0.85 * size / most, 6) for size in parts})
    assert sorted(scale) == pytest.approx(expected, abs=2e-6) or not chart.blocks[0].parts


def test_a_vision_transformer_is_its_blocks_and_an_encoder_decoder_reads_twice() -> None:
    chart = vpcalc.draw("vit_b_16").chart
    assert isinstance(chart, BlockChart)
    assert [part.label for part in chart.blocks[0].parts] == ["patch_embedding", *["block"] * 12]
    for id in ("transformer_base", "t5_small"):
        pair = vpcalc.draw(id, src=96, tgt=40).chart
        assert isinstance(pair, BlockChart)
        encoder, decoder, head = pair.blocks
        assert (encoder.given, decoder.given, head.given) == (("source: 96 tokens",), ("target: 40 tokens",), ())
        assert decoder.through == ("cross", "attention", "×6")
        assert not encoder.through + head.through
    alone = vpcalc.draw("transformer_base", set={"part": "decoder"}).chart
    assert isinstance(alone, BlockChart)
    assert not any(block.given or block.through for block in alone.blocks)


# -- what one block does ---------------------------------------------------------------------------


@pytest.mark.quick(30)
@pytest.mark.parametrize("id", [*ARCHITECTURES])
def test_a_run_that_is_followed_costs_what_the_tree_costs(id: str) -> None:
    found = vpcalc.model(id, check=False)
    steps = steps_of(found)  # type: ignore[arg-type]
    assert sum(step.macs for step in steps) == found.figure(Quantity.MACS)  # type: ignore[union-attr]
    idle = sum(op.params for op, _ in found.cost.walk() if op.label == "runs in training only")  # type: ignore[union-attr]
    assert sum(step.params for step in steps) + idle == found.figure(Quantity.PARAMS)  # type: ignore[union-attr]
    assert bool(idle) == (id == "upernet")


def pieces(plot: Plot) -> list[tuple[str, tuple[str, ...], int]]:
    assert isinstance(plot.chart, BlockDiagram)
    names = {piece.key: piece.name for piece in plot.chart.pieces}
    return [(piece.name, tuple(names[s] for s in piece.sources), piece.cost.total) for piece in plot.chart.pieces]


def test_shapes_of_a_block_have_all_but_the_batch() -> None:
    """Norms of a transformer run on the tokens of all sequences at once: their first side is not the batch."""
    chart = vpcalc.draw("transformer_base", block=True).chart
    assert isinstance(chart, BlockDiagram)
    assert {piece.shape for piece in chart.pieces} == {"128×512"}


def test_a_block_of_swin_is_its_own_run() -> None:
    plot = vpcalc.draw("swin_t", block=True)
    first, second = 2 * 49 * 3136 * 96 + 4 * 3136 * 96**2, 8 * 3136 * 96**2
    assert (first, second) == (145_108_992 + 0, 231_211_008)
    assert pieces(plot) == [
        ("input", (), 0),
        ("layer norm", ("input",), 0),
        ("W-MSA", ("layer norm",), first),
        ("+", ("input", "W-MSA"), 0),
        ("layer norm", ("+",), 0),
        ("Feed-forward", ("layer norm",), second),
        ("+", ("+", "Feed-forward"), 0),
    ]
    assert isinstance(plot.chart, BlockDiagram)
    assert {piece.shape for piece in plot.chart.pieces} == {"56×56×96"}
    attention = plot.chart.pieces[2]
    assert attention.steps == ("qkv", "QKᵀ", "softmax", "AV", "proj")
    assert attention.params == 96 * 288 + 288 + 96 * 96 + 96 + 169 * 3
    shifted = vpcalc.draw("swin_t", part="stages.2").chart
    assert isinstance(shifted, BlockDiagram)
    assert shifted.pieces[2].name == "SW-MSA"
    assert shifted.pieces[2].steps[0] == "roll"


def test_a_decoders_block_reads_the_encoder() -> None:
    found = {name: sources for name, sources, _ in pieces(vpcalc.draw("t5_small", part="decoder.layers.0"))}
    assert found["cross attention"] == ("norm2", "encoder")
    assert found["causal self attention"][0] == "norm1"


OWN = """
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.norm, self.mix, self.gamma = nn.LayerNorm(dim), nn.Linear(dim, dim), nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return x + self.gamma * self.mix(self.norm(x))


def make():
    return nn.Sequential(nn.Linear(8, 8), Block(), Block())
"""


def test_a_block_of_ones_own_module_is_its_own_run(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(OWN)
    plot = vpcalc.draw(f"{tmp_path}/net.py:make", input="1,5,8", block=True)
    assert plot.to_dict()["inputs"]["part"] == "1"
    assert pieces(plot) == [
        ("input", (), 0),
        ("norm (LayerNorm)", ("input",), 0),
        ("mix (Linear)", ("norm (LayerNorm)",), 5 * 64),
        ("mul", ("mix (Linear)",), 0),
        ("+", ("input", "mul"), 0),
    ]
    assert isinstance(plot.chart, BlockDiagram)
    assert [piece.params for piece in plot.chart.pieces] == [0, 16, 72, 8, 0]


WITHOUT_BLOCKS = ("vgg11", "rnn")


@pytest.mark.quick(12)
@pytest.mark.parametrize("id", sorted(each.id for each in first_of_each().values()))
@pytest.mark.parametrize("width", [6.9, 3.15])
def test_every_piece_of_a_block_is_drawn_and_nothing_overlaps(id: str, width: float) -> None:
    if id in WITHOUT_BLOCKS:
        with pytest.raises(InputError, match="no block with a residual"):
            vpcalc.draw(id, block=True)
        return
    chart = vpcalc.draw(id, block=True).chart
    assert isinstance(chart, BlockDiagram)
    marks = diagram.scene(chart, width)
    words = [mark.text for mark in marks if isinstance(mark, Label)]
    for piece in chart.pieces:
        assert piece.name in " ".join(words).replace("- ", "-")
    arrows = [mark for mark in marks if isinstance(mark, Stroke) and mark.arrow]
    assert len(arrows) == sum(len(piece.sources) for piece in chart.pieces) + 1
    figure = figure_of(chart, width)
    figure.draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent()) for text in figure.axes[0].texts if text.get_text()]
    for (one, first), (other, second) in itertools.combinations(boxes, 2):
        assert not first.overlaps(second), (one, other)
    for text, box in boxes:
        assert min(box.x0, figure.bbox.x1 - box.x1) >= figure.bbox.x0, text


@needs_tex("tikz")
@pytest.mark.parametrize("block", [False, True])
def test_a_drawing_in_tikz_is_set_by_tex(block: bool, tmp_path: Path) -> None:
    for id in ("swin_t", "transformer_base"):
        picture = vpcalc.draw(id, block=block).draw("tikz", width=4.7).decode()
        assert seal.read(picture.encode()) is not None
        (tmp_path / f"{id}.tikz").write_text(picture)
        (tmp_path / "page.tex").write_text(
            "\\documentclass{article}\\usepackage{tikz}\\usetikzlibrary{patterns}\\begin{document}"
            f"\\input{{{id}.tikz}}\\end{{document}}"
        )
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:]
        assert "Overfull" not in done.stdout
        assert "Missing character" not in (tmp_path / "page.log").read_text(errors="replace")
        dark = vpcalc.draw(id, block=block).draw("tikz", dark=True).decode()
        known = {colour[1:].upper() for colour in DARK.values()}
        assert {*re.findall(r"\{HTML\}\{(\w+)\}", dark)} <= known
        assert "white" not in dark


def test_text_of_an_svg_is_text() -> None:
    for plot in (vpcalc.draw("swin_t", block=True), vpcalc.draw("swin_t"), vpcalc.plot_stages("swin_t")):
        root = ElementTree.fromstring(plot.draw("svg"))
        words = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
        figure = figure_of(plot.chart)
        for text in [text.get_text() for axes in figure.axes for text in axes.texts]:
            assert all(line in words for line in text.splitlines())
        assert plot.chart.title.split(":")[0] in " ".join(words)
    marks = diagram.scene(vpcalc.draw("swin_t", block=True).chart, 6.9)
    assert "W-MSA" in [mark.text for mark in marks if isinstance(mark, Label)]


# -- light and dark --------------------------------------------------------------------------------


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_dark_colours_can_be_read() -> None:
    assert contrast("#777777", "#777777") == 1
    for colour in set(CYCLE) - {GRID}:
        assert contrast(DARK[colour], DARK[PAPER]) >= 4.5, colour
    for colour in (INK, QUIET):
        assert contrast(DARK[colour], DARK[PAPER]) >= 7
    assert not set(DARK) & set(DARK.values())  # so that nothing is exchanged twice


PLOTS: tuple[Callable[[], Plot], ...] = (
    lambda: vpcalc.plot_crossover(),
    lambda: vpcalc.plot_memory(),
    lambda: vpcalc.plot_resolution(["swin_t"], low=64, high=256, step=64),
    lambda: vpcalc.plot_stages("swin_t"),
    lambda: vpcalc.plot_operators(),
    lambda: vpcalc.plot_region("msa", "wmsa", at={"C": 96, "heads": 3, "w": "h"}, range={"M": "2:16"}),
    lambda: vpcalc.plot_models(["swin", "pvt"]),
    lambda: vpcalc.plot_models(pareto="macs,top1", input="800x1280"),
    lambda: vpcalc.plot_models(["vit", "retnet"], pareto="training_bytes,params"),
    lambda: vpcalc.draw("exfuse_resnet50"),
    lambda: vpcalc.draw("mask_rcnn"),
    lambda: vpcalc.draw("transformer_base"),
    lambda: vpcalc.draw("lstm"),
    lambda: vpcalc.draw("vit_l_16"),
    lambda: vpcalc.draw("swin_t", block=True),
)


@cache
def plotted(place: int) -> Plot:
    return PLOTS[place]()


@pytest.mark.quick(1)
@pytest.mark.parametrize("place", range(len(PLOTS)))
def test_nothing_that_is_drawn_on_dark_paper_is_left_light(place: int) -> None:
    plot = plotted(place)
    svg = plot.draw("svg", dark=True).decode()
    used = {colour.upper() for colour in re.findall("#[0-9a-fA-F]{6}", svg)}
    assert DARK[PAPER] in used
    assert DARK[INK] in used
    assert not used & (set(DARK) - {BLACK}), used & set(DARK)
    assert svg != plot.draw("svg").decode()
    light = {colour.upper() for colour in re.findall("#[0-9a-fA-F]{6}", plot.draw("svg").decode())}
    assert not light & set(DARK.values())


@pytest.mark.quick(9)
@pytest.mark.parametrize("place", range(len(PLOTS)))
@pytest.mark.parametrize("width", [6.9, 3.4])
def test_nothing_stands_outside_the_paper_or_over_another_text(place: int, width: float) -> None:
    figure = figure_of(plotted(place).chart, width)
    figure.draw_without_rendering()
    page = figure.bbox
    texts = [t for axes in figure.axes for t in axes.texts if t.get_text() and t.get_visible()]
    texts += [figure._suptitle]
    boxes = [text.get_window_extent() for text in texts]
    for text, box in zip(texts, boxes, strict=True):
        assert box.x0 >= page.x0 - 1, text.get_text()
        assert box.x1 <= page.x1 + 1, text.get_text()
        assert box.y0 >= page.y0 - 1, text.get_text()
        assert box.y1 <= page.y1 + 1, text.get_text()
    for (one, first), (other, second) in itertools.combinations(zip(texts, boxes, strict=True), 2):
        shared = max(0, min(first.x1, second.x1) - max(first.x0, second.x0)) * max(
            0, min(first.y1, second.y1) - max(first.y0, second.y0)
        )
        smaller = min(first.width * first.height, second.width * second.height)
        assert shared <= 0.2 * smaller, (one.get_text(), other.get_text())


# -- files -----------------------------------------------------------------------------------------

MAGIC = {"svg": b"<?xml", "pdf": b"%PDF-", "png": b"\x89PNG\r\n\x1a\n"}


@pytest.mark.quick(1)
@pytest.mark.parametrize("format", MAGIC)
def test_files_are_what_they_say(format: str) -> None:
    for plot in (vpcalc.plot_stages("swin_t"), vpcalc.draw("swin_t")):
        content = plot.draw(format)
        assert content.startswith(MAGIC[format])
        assert len(content) > 5000
        assert content == plot.draw(format)
        assert plot.chart.title.encode() in content or format != "svg"


def test_fonts_are_embedded() -> None:
    """As TrueType in a PDF, which journals ask for."""
    pdf = vpcalc.plot_stages("swin_t").draw("pdf")
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf


def test_a_users_own_style_changes_nothing() -> None:
    before = vpcalc.plot_stages("swin_t").draw("svg")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "pink"}):
        assert vpcalc.plot_stages("swin_t").draw("svg") == before
        assert matplotlib.rcParams["font.size"] == 30


def _seen_by(colour: str, blindness: str) -> tuple[float, ...]:
    """sRGB to what a dichromat sees of it, in CIE Lab (matrices of Machado, Oliveira and Fernandes 2009)."""
    rows = {
        "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        "protanopia": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
        "deuteranopia": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    }[blindness]
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    seen = [min(1, max(0, sum(a * b for a, b in zip(row, linear, strict=True)))) for row in rows]
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    white = (0.9505, 1.0, 1.089)
    x, y, z = (
        (lambda t: t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116)(
            sum(a * b for a, b in zip(row, seen, strict=True)) / w
        )
        for row, w in zip(to_xyz, white, strict=True)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("blindness", ["none", "protanopia", "deuteranopia"])
@pytest.mark.parametrize(
    "palette",
    [
        *(found := (CYCLE, tuple(LAYER_COLOURS.values()), tuple(dict.fromkeys(OPERATORS.values())))),
        *(tuple(DARK[colour] for colour in palette) for palette in found),
    ],
)
def test_colours_stay_apart_for_the_colour_blind(palette: tuple[str, ...], blindness: str) -> None:
    for one, other in itertools.combinations(palette, 2):
        apart = sum(
            (a - b) ** 2 for a, b in zip(_seen_by(one, blindness), _seen_by(other, blindness), strict=True)
        )
        assert apart**0.5 > 12, (one, other)


def test_red_and_green_of_the_same_lightness_would_be_refused() -> None:
    with pytest.raises(AssertionError):
        test_colours_stay_apart_for_the_colour_blind(("#C04040", "#7A7A20"), "deuteranopia")


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0.5, 9)), min_size=1, max_size=12))
@example([(0.12500000000000003, 1.0)])
@settings(max_examples=25, deadline=None)
def test_labels_are_spread_without_overlap_and_in_order(boxes: list[tuple[float, float]]) -> None:
    wanted, heights = [at for at, _ in boxes], [height for _, height in boxes]
    found = spread(wanted, heights)
    order = sorted(range(len(boxes)), key=lambda place: found[place])
    for below, above in itertools.pairwise(order):
        assert found[above] - found[below] >= (heights[above] + heights[below]) / 2 - 1e-9
        assert wanted[below] <= wanted[above]
    if len(boxes) == 1:
        assert found == wanted


# -- in the terminal -------------------------------------------------------------------------------


@pytest.mark.quick(2)
@pytest.mark.parametrize("width", [40, 50, 60, 80, 132, 200])
@pytest.mark.parametrize("colour", [False, True])
def test_a_plot_fits_the_terminal(width: int, colour: bool) -> None:
    pytest.importorskip("uniplot")
    for plot in map(plotted, range(len(PLOTS))):
        page = plot.terminal(width, colour)
        plain = re.sub(r"\x1b\[[\d;]*m", "", page)
        assert colour or page == plain
        assert max(map(len, plain.splitlines())) <= width
        assert plain.splitlines()[0] in plot.chart.title


def test_curves_in_the_terminal_have_names_and_crossings() -> None:
    pytest.importorskip("uniplot")
    page = vpcalc.plot_crossover().terminal(80)
    for name in ("MSA", "W-MSA, SW-MSA", "SRA", "Linear SRA", "Retention"):
        assert name in page
    assert "b  MSA > W-MSA: hw > 49" in page
    inside = "\n".join(line for line in page.splitlines() if line.startswith("│"))
    assert all(letter in inside for letter in "abcdefg")


def test_a_front_in_the_terminal_is_lettered() -> None:
    pytest.importorskip("uniplot")
    plot = vpcalc.plot_models(pareto="macs,top1")
    assert isinstance(plot.chart, ScatterChart)
    page = plot.terminal(80)
    inside = "".join(line for line in page.splitlines() if line.startswith("│"))
    front = re.search(r"^front: (.*)", page, re.M | re.S)
    assert front is not None
    names = re.sub(r"\n +", " ", front[1]).split(", ")
    assert names == [
        f"{letter} {point.label}" for letter, point in zip(ascii_lowercase, plot.chart.front, strict=False)
    ]
    assert all(letter in inside for letter, _ in (name.split(" ") for name in names[:4]))


def test_bars_in_the_terminal_are_as_long_as_their_cost() -> None:
    plot = vpcalc.plot_stages("swin_t")
    assert isinstance(plot.chart, BarChart)
    lengths = [sum(line.count(sign) for sign in "█▒▓") for line in plot.terminal(100).splitlines()[2:-1]]
    longest = max(bar.total for bar in plot.chart.bars)
    for bar, length in zip(plot.chart.bars, lengths, strict=True):
        assert length == pytest.approx(max(lengths) * bar.total / longest, abs=1)


# -- on the command line ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "format"),
    [
        ("plot crossover", "svg"),
        ("plot memory", "pdf"),
        ("plot stages swin_t", "png"),
        ("plot operators vit_b_16", "svg"),
        ("draw swin_t --input 384", "pdf"),
    ],
)
def test_commands_write_pictures(inside: Run, command: str, format: str, tmp_path: Path) -> None:
    target = tmp_path / f"picture.{format}"
    done = inside(*command.split(), "-o", str(target))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"vpcalc: wrote {target}\n")
    assert target.read_bytes().startswith(MAGIC[format])
    assert len(os.listdir(tmp_path)) == 1


def test_an_unknown_suffix_leaves_everything_as_it_is(inside: Run, tmp_path: Path) -> None:
    for name in ("picture.jpg", "picture"):
        target = tmp_path / name
        target.write_text("mine")
        done = inside("plot", "stages", "swin_t", "-o", str(target))
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert ".svg, .pdf, .png" in done.stderr
        assert target.read_text() == "mine"


BAD = [
    "plot crossover --C 0",
    "plot crossover --from 9 --to 9",
    "plot crossover --rows nothing",
    "plot crossover --width 1",
    "plot crossover --width wide",
    "plot memory --fit much",
    "plot memory --dtype floot",
    "plot memory --rows ffn",
    "plot resolution t5_small",
    "plot resolution swin_t --from 500 --to 501",
    "plot stages",
    "plot stages swin_q",
    "plot stages swin_t --quantity cost",
    "plot operators nothing",
    "plot models --family swim",
    "plot models --pareto macs",
    "plot models --pareto macs,macs",
    "plot models --pareto macs,top2",
    "plot models --pareto macs,top1 --family retnet",
    "plot models --pareto macs,top1 --where mac<1",
    "plot models --where macs<1G",
    "plot nothing",
    "draw",
    "draw swin_t --tokens 9",
    "draw swin_t -o no/such/folder/picture.svg",
]


@pytest.mark.parametrize("command", BAD)
def test_bad_input_is_one_line_and_status_two(inside: Run, command: str) -> None:
    done = inside(*command.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("vpcalc: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("package", "arguments"),
    [("matplotlib", ["-o", "never.svg"]), ("uniplot", ["--terminal"])],
)
def test_without_the_library_one_line_says_what_to_do(package: str, arguments: list[str], tmp_path: Path) -> None:
    arguments = [str(tmp_path / part) if part.endswith("svg") else part for part in arguments]
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        f"sys.argv = ['vpcalc', 'plot', 'crossover', *{arguments!r}]\n"
        "from vpcalc.cli.app import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert f'need {package}, which is not installed; pip install "vpcalc[plot]"' in done.stderr
    assert os.listdir(tmp_path) == []


def test_the_numbers_of_a_plot_can_be_had(inside: Run) -> None:
    found = json.loads(inside("plot", "crossover", "--format", "json").stdout)
    assert (found["command"], found["kind"]) == ("plot", "crossover")
    assert all(isinstance(row["macs"], int) for row in found["data"])
    assert {row["at"] for row in found["crossovers"]} >= {49, 6112}
    rows = list(csv.DictReader(io.StringIO(inside("plot", "stages", "swin_t", "--format", "csv").stdout)))
    assert sum(int(row["macs"]) for row in rows) == 4_490_566_656
    drawn = json.loads(inside("draw", "swin_t", "--format", "json").stdout)
    assert (drawn["command"], drawn["model"] if "model" in drawn else drawn["inputs"]["model"]) == (
        "draw",
        "swin_t",
    )


def test_a_plot_imports_matplotlib_only_to_draw() -> None:
    code = "import sys, vpcalc; vpcalc.plot_crossover(); vpcalc.draw('swin_t'); print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_plot_shows_itself_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    plot = vpcalc.plot_stages("swin_t")
    assert plot._repr_html_().startswith("<svg")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert plot._repr_html_().startswith("<table")


# -- the first screen ------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [46, 60, 200])
def test_the_first_screen_is_as_wide_as_the_terminal(inside: Run, columns: int) -> None:
    lines = inside(COLUMNS=str(columns)).stdout.splitlines()
    assert max(map(len, lines)) < min(columns, 80)
    assert "  vpcalc compare --h 56 --w 56 --C 96 --M 7" in (
        line.partition("   ")[0] for line in lines if line[2:3] == "v"
    )


def test_all_commands_fit_one_screen(inside: Run) -> None:
    lines = inside(COLUMNS="80").stdout.splitlines()
    assert len(lines) <= 29
    assert max(map(len, lines)) <= 79


def test_the_screen_lists_every_command_once() -> None:
    page = screen({name: "Help." for names in PANELS.values() for name in names})
    for name in itertools.chain(*PANELS.values()):
        assert len(re.findall(rf"^\S*\s+{name}  ", page, re.M)) == 1


def test_a_brief_is_a_whole_phrase_where_it_can_be() -> None:
    assert brief("Show it.\n\nMore.", 20) == "Show it"
    assert brief("Show one thing: with all of its parts.", 20) == "Show one thing"
    assert brief("Show one thing: with all of its parts.", 60) == "Show one thing: with all of its parts"
    assert brief("Show a thing that has a long name.", 20) == "Show a thing that …"


def test_draw_is_for_the_four_kinds_of_chart() -> None:
    assert draw(vpcalc.plot_stages("swin_t").chart, "svg").startswith(b"<?xml")


def test_shares_have_bars_where_a_person_looks_at_a_wide_terminal() -> None:
    from rich.console import Console

    from vpcalc.report.terminal import View, bar

    def shown(**options: Any) -> str:
        page = io.StringIO()
        view = View(vpcalc.model("swin_t", check=False).tables()[:1])
        Console(file=page, no_color=True, color_system=None, **options).print(view)
        return page.getvalue()

    wide = shown(force_terminal=True, width=110)
    assert "████▉       48.6 %" in wide
    assert max(map(len, wide.splitlines())) <= 110
    assert "█" not in shown(force_terminal=True, width=80)
    assert "█" not in shown(force_terminal=False, width=110)
    assert [bar(share) for share in (0.0, 0.5, 0.9875, 1.0, 7.0)] == [
        " " * 10,
        "█████     ",
        "█████████▉",
        "█" * 10,
        "█" * 10,
    ]


def test_no_two_curves_are_of_one_colour_while_there_are_others() -> None:
    """Layers have colours of their own; others take what these leave."""
    keys = ["msa", "wmsa", "sra", "linear_sra", "attn.py:A", "attn.py:B"]
    assert len({*colours_of_layers(keys)}) == len(keys)
    assert colours_of_layers(keys)[:2] == [RED, BLUE]
    assert len(colours_of_layers([*keys, *"abcdef"])) == 12
