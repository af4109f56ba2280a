"""Modules of a reader's own as rows of ``compare``, on its plots and in documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn
from typer.testing import CliRunner

import vpcalc
from vpcalc import InputError
from vpcalc.answers.compare import Comparison
from vpcalc.cli.app import application
from vpcalc.placing import read_placed, split_rows

SOURCE = '''
import torch
from torch import nn


class Full(nn.Module):
    """Multi-head attention of a sequence."""

    def __init__(self, dim, heads=3):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        B, N, C = x.shape
        q, k, v = self.qkv(x).reshape(B, N, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        x = (q @ k.transpose(-2, -1)).softmax(-1) @ v
        return self.proj(x.transpose(1, 2).reshape(B, N, C))


class Windowed(nn.Module):
    """The same within windows of a padded grid."""

    def __init__(self, dim, window, heads):
        super().__init__()
        self.window, self.attention = window, Full(dim, heads)

    def forward(self, x):
        B, h, w, C = x.shape
        M = self.window
        x = nn.functional.pad(x, (0, 0, 0, -w % M, 0, -h % M))
        rows, columns = x.shape[1] // M, x.shape[2] // M
        x = x.view(B, rows, M, columns, M, C).transpose(2, 3).reshape(-1, M * M, C)
        x = self.attention(x).view(B, rows, columns, M, M, C).transpose(2, 3)
        return x.reshape(B, rows * M, columns * M, C)[:, :h, :w]


class Unpadded(Windowed):
    """Within windows that tile the grid; other grids are refused."""

    def forward(self, x):
        B, h, w, C = x.shape
        M = self.window
        x = x.view(B, h // M, M, w // M, M, C).transpose(2, 3).reshape(-1, M * M, C)
        return self.attention(x).view(B, h // M, w // M, M, M, C).transpose(2, 3).reshape(B, h, w, C)


class Both(nn.Module):
    """Windows, and beside them what is pooled for all."""

    def __init__(self, dim, heads, window, stride, more=1):
        super().__init__()
        self.windows, self.stride = Unpadded(dim, window, heads), stride
        self.heads, self.more = heads, nn.Linear(more, more)

    def forward(self, x):
        B, h, w, C = x.shape
        heads = lambda t: t.reshape(B, -1, self.heads, C // self.heads).transpose(1, 2)
        few = nn.functional.avg_pool2d(x.permute(0, 3, 1, 2), self.stride).flatten(2).transpose(1, 2)
        k = heads(few)
        return self.windows(x) + ((heads(x) @ k.mT).softmax(-1) @ k).transpose(1, 2).reshape(B, h, w, C)


class Padded(Windowed):
    """Windows of a padded grid, and beside them what pooling that grid leaves."""

    def __init__(self, dim, heads, window, stride):
        super().__init__(dim, window, heads)
        self.pool, self.few = nn.AvgPool2d(stride), nn.Linear(dim, dim)

    def forward(self, x):
        h, w, M = *x.shape[1:3], self.window
        padded = nn.functional.pad(x, (0, 0, 0, -w % M, 0, -h % M)).permute(0, 3, 1, 2)
        return super().forward(x) + self.few(self.pool(padded).flatten(2).mT).mean(1)


class Fused(Full):
    """The first with one operator for its products."""

    def forward(self, x):
        B, N, C = x.shape
        q, k, v = self.qkv(x).reshape(B, N, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        x = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(B, N, C))


class Depthwise(nn.Module):
    """A convolution of a grid, channels first."""

    def __init__(self, dim, k=3):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, k, padding=k // 2, groups=dim)

    def forward(self, x):
        return self.conv(x)


class Halo(nn.Module):
    """Queries of a padded window, keys of the window and one token around it; groups that are put in the batch."""

    def __init__(self, dim, window, heads):
        super().__init__()
        self.window, self.heads, self.kv = window, heads, nn.Conv2d(dim, 2 * dim, 1)

    def forward(self, x):
        B, h, w, C = x.shape
        M, a = self.window, self.heads
        x = nn.functional.pad(x, (0, 0, 0, -w % M, 0, -h % M))
        q = x.view(B, x.shape[1] // M, M, x.shape[2] // M, M, a, C // a).permute(0, 1, 3, 5, 2, 4, 6)
        q, K = q.reshape(-1, M * M, C // a), (M + 2) ** 2
        kv = nn.functional.unfold(self.kv(x.permute(0, 3, 1, 2)), M + 2, stride=M, padding=1)
        k, v = kv.view(B, 2, a, C // a, K, -1).permute(1, 0, 5, 2, 4, 3).reshape(2, -1, K, C // a)
        return (q @ k.mT).softmax(-1) @ v


class Along(nn.Module):
    """A recurrent layer, and random numbers seeded by its width, which torch wants as a number."""

    def __init__(self, dim):
        super().__init__()
        self.rnn = nn.GRU(dim, dim, batch_first=True)
        self.random = torch.Generator().manual_seed(dim)

    def forward(self, x):
        return self.rnn(x)[0]


class Halved(nn.Module):
    """Every other token of the sequence."""

    def __init__(self, dim):
        super().__init__()
        self.fc = nn.Linear(dim, dim)

    def forward(self, x):
        return self.fc(x[:, : x.shape[1] // 2])


def small(dim):
    return nn.Sequential(nn.Linear(dim, dim), nn.Softmax(-1)) if dim < 64 else nn.Linear(dim, 2 * dim)


def inner(dim):
    return Inner()


class Inner(nn.Module):
    """A product that no counter is told of."""

    def forward(self, x):
        return (x.unsqueeze(2) * x.unsqueeze(1)).sum(-1)


class Beside(Inner):
    """The same after a layer."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(5, 5)

    def forward(self, x):
        return super().forward(self.fc(x))
'''

FULL = "own.py:Full(dim=C,heads=heads)@1,hw,C"
WINDOWED = "own.py:Windowed(dim=C,window=M,heads=a)@1,h,w,C"


@pytest.fixture(autouse=True)
def _own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)


def _rows(*rows: Any, **others: Any) -> Comparison:
    return vpcalc.compare(**{"h": 14, "w": 28, "C": 96, "M": 7, "check": False, **others}, rows=rows)


@pytest.mark.parametrize(("own", "ours"), [(FULL, "msa"), (WINDOWED, "wmsa")])
@pytest.mark.parametrize(("h", "w", "batch"), [(14, 28, 1), (14, 28, 3), (15, 28, 1), (9, 11, 2)])
def test_a_module_has_the_figures_and_forms_of_the_layer_that_it_is(
    own: str, ours: str, h: int, w: int, batch: int
) -> None:
    found, known = (row.to_dict() for row in _rows(own, ours, h=h, w=w, batch=batch, check=True).rows)
    for key in ("macs", "flops", "fvcore", "activations", "attention_elements", "attention_bytes", "ratio"):
        assert found[key] == known[key], key
    assert found["formula"]["text"] == known["formula"]["text"]
    assert found["verdict"] == known["verdict"] == "agrees"
    assert {check["counter"] for check in found["checks"]} == {"fvcore", "torch", "dispatch"}


def test_a_form_that_does_not_hold_on_this_grid_has_one_beside_it_that_does() -> None:
    (row,) = _rows(WINDOWED, h=15, w=28).rows
    formula = row.to_dict()["formula"]
    assert formula["holds_here"] is False
    assert formula["valid"] == "h and w multiples of M; C a multiple of a"
    values = {"h": 15, "w": 28, "C": 96, "M": 7, "a": 3}
    assert eval(formula["everywhere"]["python"], {}, values) == row.to_dict()["macs"]
    assert eval(formula["everywhere"]["when"]["python"], {}, values)


@pytest.mark.parametrize(("h", "w"), [(56, 56), (57, 50), (1, 1), (3, 12)])
def test_a_condition_says_no_more_than_it_has_to(h: int, w: int) -> None:
    row = "own.py:Halo(dim=C,window=M,heads=heads)@1,h,w,C"
    found = _rows(row, h=h, w=w).rows[0].to_dict()
    windows = -(-h // 7) * -(-w // 7)
    assert found["macs"] == 2 * 49 * windows * 96**2 + 2 * windows * 49 * 81 * 96
    tidy = found["formula"]
    assert tidy["valid"] == "h and w multiples of M; C a multiple of a"
    if h == w == 56:
        assert f"its form holds for {tidy['valid']}" in found["notes"]
    else:
        assert tidy["everywhere"]["when"]["text"] == "a | C"
        assert "its form holds for a | C" in found["notes"]
        assert f"for {tidy['valid']} it is {tidy['text']}" in found["notes"]


def test_what_divides_is_no_more_than_what_padding_leaves_of_it() -> None:
    (row,) = _rows("own.py:Padded(dim=C,heads=heads,window=M,stride=R)@1,h,w,C", M=7).rows
    formula = row.to_dict()["formula"]
    assert formula["text"] == "4hwC² + hwC²/R² + 2M²hwC"
    assert formula["valid"] == "h and w multiples of M; h and w multiples of R; C a multiple of a"


def test_what_is_said_of_map_elements_stands_where_they_do() -> None:
    table = _rows(WINDOWED).tables()[0]
    for columns, there in (
        (["layer", "attention_bytes"], 1),
        (["layer", "attention_elements"], 1),
        (["layer", "macs"], 0),
    ):
        for picked in (table.pick(columns), table.pick([*columns, "fvcore"]).pick(columns)):
            assert sum("map elements" in note for note in picked.notes) == there


@pytest.mark.parametrize(("h", "w"), [(8, 8), (7, 8), (7, 9), (1, 1), (1, 2)])
def test_a_number_that_divides_a_grid_need_not_divide_its_sides(h: int, w: int) -> None:
    found = _rows("own.py:Halved(dim=C)@1,hw,C", h=h, w=w).rows[0].to_dict()
    assert found["macs"] == h * w // 2 * 96**2
    tidy = found["formula"]
    assert (tidy["text"], tidy["valid"]) == ("hwC²/2", "hw a multiple of 2")
    assert tidy.get("holds_here", True) == (h * w % 2 == 0)


def test_a_row_that_takes_numbers_only_is_told_how_it_is_written() -> None:
    said = "give its numbers in place of symbols: "
    with pytest.raises(InputError, match=said) as refused:
        _rows("own.py:Along(dim=C)@1,hw,C").rows[0].to_dict()
    (row,) = _rows(str(refused.value).partition(said)[2]).rows
    assert row.to_dict()["macs"] == 14 * 28 * 6 * 96**2


def test_figures_of_a_batch_are_told_from_forms_of_one_image() -> None:
    said = "closed forms are of one image, figures of the batch of 3"
    for batch in (1, 3):
        found = _rows("msa", FULL, batch=batch)
        assert (said in found.tables()[0].notes) == (batch == 3)
        for row in found.rows:
            of_one = row.form.polynomial.value({"h": 14, "w": 28, "C": 96})
            assert row.to_dict()["macs"] == batch * of_one


def test_rows_of_the_readers_cross_ours() -> None:
    found = _rows("msa", WINDOWED)
    (crossing,) = (c for c in found.crossovers if WINDOWED in c.between)
    assert (crossing.text, crossing.at, crossing.tiles) == ("hw > M²", 49, "M")


def test_what_fvcore_does_not_see_is_counted_by_the_dispatcher() -> None:
    (row,) = _rows("own.py:Fused(dim=C)", check=True).rows
    said = row.to_dict()
    assert said["verdict"] == "not comparable"
    assert "scaled_dot_product_attention" in said["reason"]
    ours = vpcalc.compare(14, 28, 96, rows=["msa"], check=False).rows[0].to_dict()
    assert said["macs"] == ours["macs"]
    assert said["attention_elements"] == ours["attention_elements"]
    assert said["fvcore"] < said["macs"]


def test_a_row_that_is_priced_wrongly_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    from vpcalc.execution import run

    monkeypatch.setitem(run.PRICES, "linear", lambda *args, **kwargs: ())
    found = _rows(FULL, check=True)
    assert not found.ok
    assert found.rows[0].to_dict()["verdict"] == "differs"


def test_an_odd_kernel_is_a_number_in_the_form() -> None:
    (row,) = _rows("own.py:Depthwise(dim=C,k=k)@1,C,h,w").rows
    assert (row.form.text, row.form.valid) == ("9hwC", "k = 3")
    (even,) = _rows("own.py:Depthwise(dim=C,k=k)@1,C,h,w", k=4).rows
    assert even.form.text == "k²hwC + k²hC + k²wC + k²C"
    assert even.form.valid == "k a multiple of 2"


def test_a_decision_that_changes_the_form_is_said() -> None:
    (row,) = _rows("own.py:small(dim=C)").rows
    assert (row.form.text, row.form.valid) == ("2hwC²", "C ≥ 64")
    (other,) = _rows("own.py:small(dim=C)", C=32).rows
    assert (other.form.text, other.form.valid) == ("hwC²", "C ≤ 63")


def test_products_that_nobody_prices_are_named() -> None:
    (row,) = _rows("own.py:inner(dim=C)").rows
    assert any("not in its figures" in note for note in row.to_dict()["notes"])


def test_the_same_from_python() -> None:
    class Twice(nn.Module):
        def __init__(self, dim: int) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(dim, dim), nn.Linear(dim, dim)

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x))

    found = _rows("msa", vpcalc.placed(Twice, dim="C"), vpcalc.placed(nn.Linear(96, 7)), check=True)
    assert [row.form.text for row in found.rows[1:]] == ["2hwC²", "7hwC"]
    assert found.ok
    assert found.rows[1].name == "Twice"
    assert found.rows[2].form.valid == "C = 96"


def test_two_rows_of_one_name_are_told_apart() -> None:
    found = _rows("own.py:Full(dim=C)", "own.py:Full(dim=C,heads=1)", "msa")
    assert [row.name for row in found.rows] == ["own.py:Full(dim=C)", "Full(heads=1)", "MSA"]
    both = _rows("own.py:Full(dim=C,heads=1)", "own.py:Full(dim=C,heads=2)", "own.py:Depthwise(dim=C)@1,C,h,w")
    assert [row.name for row in both.rows] == ["Full(heads=1)", "Full(heads=2)", "Depthwise"]


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("msa,wmsa", ["msa", "wmsa"]),
        ("a.py:X(dim=C,k=3)@1,hw,C,msa", ["a.py:X(dim=C,k=3)@1,hw,C", "msa"]),
        ("a.py:X@1,h,w,C, b.py:Y(d=(1,2))@1,C,h,w", ["a.py:X@1,h,w,C", "b.py:Y(d=(1,2))@1,C,h,w"]),
        ("a.py:X@1,hw:long,msa", ["a.py:X@1,hw:long", "msa"]),
        ("a.py:X(m='x,y')@1,7*h,w*h,4,wmsa", ["a.py:X(m='x,y')@1,7*h,w*h,4", "wmsa"]),
        ("a.py:X@1,hw,C;mask=1,hw,hw,sra", ["a.py:X@1,hw,C;mask=1,hw,hw", "sra"]),
    ],
)
def test_rows_are_parted_where_a_reader_would_part_them(rows: str, found: list[str]) -> None:
    assert split_rows(rows) == found


def test_a_row_is_read() -> None:
    row = read_placed("a.py:X(dim=C,k=(1,2))@1,C,h,w")
    assert (row.target, dict(row.arguments), row.layout) == ("a.py:X", {"dim": "C", "k": "(1,2)"}, "1,C,h,w")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("own.py:Windowed(dim=C)@1,h,w,C", "window and heads are not bound"),
        ("own.py:Full(dim=Q)", "'Q' is no symbol of the grid"),
        ("own.py:Full(dim=C)@1,q,C", "'q' is no symbol of the grid"),
        ("own.py:Full(dim=C", "must be TARGET(NAME=VALUE,…)@SHAPE"),
        ("own.py:Full(dim)", "'dim' is no argument"),
        ("own.py:Full(dim=C)@", "give the shape of its input after @"),
        ("own.py:Full(dim=C,heads=7)", "does not run at h = 14, w = 28, C = 96"),
        ("own.py:Windowed(dim=C,window=M,heads=3)", "its input was 1,hw,C: for another, add @1,h,w,C or @1,C,h,w"),
        ("own.py:Full(dim=C,heads=C/32)", "is no product of symbols such as 4*C; give its number"),
        ("own.py:Full(dim=C,nope=3)", "'nope' is not known; known: dim, heads"),
        ("own.py:Fll(dim=C)", "did you mean Full"),
        ("gone.py:Full(dim=C)", "no file 'gone.py'"),
        ("msa(dim=C)", "a layer's id stands alone"),
        ("ours=msa", "a layer's id stands alone"),
        ("MSA=own.py:Full(dim=C)", "another row is called MSA, too"),
        (
            "our$=own.py:Full(dim=C)",
            "'our$' is no name; must be a letter, then letters,",
        ),
        ("ours=", "must be NAME=TARGET, such as ours=attn.py:X"),
    ],
)
def test_a_row_that_cannot_be_is_refused_in_one_line(row: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        _rows("msa", row)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_row_has_the_name_that_it_is_given() -> None:
    """In tables, legends and crossings; a folder with such a sign in its name gives none."""
    row = read_placed("our net=a.py:X(dim=C)@1,h,w,C")
    assert (row.name, row.target, row.behind) == ("our net", "a.py:X", "(dim=C)@1,h,w,C")
    found = _rows("msa", "ours=own.py:Full(dim=C)", "theirs=own.py:Full(dim=C)")
    assert [row.name for row in found.rows] == ["MSA", "ours", "theirs"]
    assert "ours" in vpcalc.plot_crossover(rows=["msa", f"ours={WINDOWED}"], low=7, high=56).chart.lines[1].label
    assert vpcalc.crossover("msa", "ours=own.py:Full(dim=C)").tables()[0].title.startswith("MSA and ours")
    Path("lr=1").mkdir()
    Path("lr=1/own.py").write_text(Path("own.py").read_text())
    assert read_placed("lr=1/own.py:Full(dim=C)").name == "Full"


def test_heads_are_a_where_a_form_or_its_domain_has_that_letter() -> None:
    assert "C = 96, a = 3 heads" in _rows("msa", "linear_attention").tables()[0].title
    assert "C = 96, a = 3 heads" in _rows("msa", "own.py:Full(dim=C,heads=heads)").tables()[0].title
    assert "C = 96, 3 heads" in _rows("msa", "wmsa", "own.py:Depthwise(dim=C)@1,C,h,w").tables()[0].title


def test_the_command_line_takes_them() -> None:
    asked = ["--h", "14", "--w", "28", "--C", "96", "--rows", f"msa,{WINDOWED},wmsa", "--no-check", "-f", "json"]
    result = CliRunner().invoke(application(["compare"]), ["compare", *asked])
    assert result.exit_code == 0, result.output
    assert [row["id"] for row in json.loads(result.stdout)["rows"]] == ["msa", WINDOWED, "wmsa"]


def test_they_are_curves_of_a_plot() -> None:
    found = vpcalc.plot_crossover(rows=["msa", WINDOWED], low=7, high=56).to_dict()
    assert {point["series"] for point in found["data"]} == {"MSA", "Windowed"}
    assert any("Windowed" in crossing["costs_more"] for crossing in found["crossovers"])
    ours = vpcalc.plot_crossover(rows=["msa", "wmsa"], low=7, high=56).to_dict()
    assert [p["macs"] for p in found["data"]] == [p["macs"] for p in ours["data"]]


def test_a_window_heads_and_a_reduction_may_all_be_symbols() -> None:
    found = vpcalc.compare(28, 28, 96, 7, R=4, rows=["own.py:Both(dim=C,heads=a,window=M,stride=R)@1,h,w,C"])
    assert str(found.rows[0].form) == "4hwC² + 2M²hwC + 2(hw)²C/R²"
    with pytest.raises(
        InputError, match=r"^--rows own.*: 7 symbols \(.*\); must be at most 6: give one of them a num"
    ):
        vpcalc.compare(28, 28, 96, 7, R=4, rows=["own.py:Both(dim=C,heads=a,window=M,stride=R,more=P)@1,h,w,C"])


def test_a_plot_ends_at_the_largest_grid_that_a_module_of_ones_own_tiles() -> None:
    """512, where a plot ends unless it is told, is no multiple of 7."""
    for given, side in ("dim=C,window=M,heads=a", 511), ("dim=96,window=7,heads=3", 504):
        row = f"own.py:Unpadded({given})@1,h,w,C"
        found = vpcalc.plot_crossover(rows=["msa", row])
        assert (found.inputs["h"], found.inputs["high"]) == (side, 512)
        ours = vpcalc.plot_crossover(rows=["msa", "wmsa"]).to_dict()["data"]
        assert [point["macs"] for point in found.to_dict()["data"]] == [point["macs"] for point in ours]
    with pytest.raises(InputError, match="does not run at h = 6"):
        vpcalc.plot_crossover(rows=["msa", row], high=6)


def test_the_title_of_a_plot_is_about_ones_own() -> None:
    """Not where MSA and W-MSA cross."""
    ours = "ours=own.py:Depthwise(dim=C)@1,C,h,w"
    title = vpcalc.plot_crossover(rows=["msa", "wmsa", ours], high=56).chart.title
    assert title.startswith("MSA costs ")
    assert "times as much as ours" in title


def test_a_document_has_them_only_where_it_is_trusted(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    marker = f'compare --h 14 --w 28 --C 96 --no-check --rows "msa,{FULL}" --format markdown'
    page.write_text(f"<!-- vpcalc: {marker} -->\n<!-- /vpcalc -->\n")
    with pytest.raises(InputError, match="runs no code but vpcalc's own"):
        vpcalc.embed(page)
    vpcalc.embed(page, trust=True)
    assert "4hwC" in page.read_text()


def test_rows_of_the_readers_cross_every_other() -> None:
    found = _rows("msa", "sra", WINDOWED, h=56, w=56)
    pairs = {frozenset(crossing.between) for crossing in found.crossovers}
    assert frozenset({"sra", WINDOWED}) in pairs
    assert found.rows[2].form.valid == "h and w multiples of M; C a multiple of a"


def test_pictures_say_what_nobody_prices() -> None:
    said = "without mul and sum (a matrix product spelled as a broadcast), which nobody here can price"
    crossing = vpcalc.plot_crossover(96, 7, rows=["msa", "own.py:inner(dim=C)"])
    assert f"inner {said}" in crossing.to_dict()["subtitle"]
    for picture in (vpcalc.draw, vpcalc.plot_stages):
        assert said in picture("own.py:Beside", input="1,5,5").to_dict()["subtitle"]
        with pytest.raises(
            InputError, match=r"own\.py:inner: has no multiply-accumulates; there is nothing to draw"
        ):
            picture("own.py:inner", input="1,5,5", args={"dim": 5})
    assert "without" not in vpcalc.plot_crossover(96, 7, rows=["msa"]).to_dict()["subtitle"]
    (note,) = vpcalc.figure("own.py:inner", input="1,5,5", args={"dim": 5}).assumptions
    assert note.startswith("not in its figures, because nobody here can price it")


def test_maps_that_do_not_grow_fill_nothing(tmp_path: Path) -> None:
    """Channels that attend to channels: a map of C/2 by C/2 at any number of tokens."""
    (tmp_path / "xca.py").write_text(CHANNELS)
    row = "xca.py:Channels()@1,hw,C"
    title = vpcalc.plot_memory(rows=["msa", row], fit="1GiB", high=64).chart.title
    assert title == f"{vpcalc.plot_memory(rows=['msa'], fit='1GiB', high=64).chart.title}; Channels's do not grow"
    alone = vpcalc.plot_memory(rows=[row], fit="1GiB", high=64)
    assert alone.chart.title == "Channels: maps of the same size at any number of tokens"
    assert {y for line in alone.chart.lines for y in line.y} == {2 * 48 * 48 * 4}


CHANNELS = """
import torch


class Channels(torch.nn.Module):
    def forward(self, x):
        q = x.unflatten(-1, (2, -1)).permute(0, 2, 3, 1)
        return ((q @ q.mT).softmax(-1) @ q).permute(0, 3, 1, 2).flatten(2)
"""
