"""Numbers and tables as they are written."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from vpcalc.report import About, Caveat, Column, Kind, Table, numbers
from vpcalc.report.floats import breakable, floats
from vpcalc.report.markup import csv_text, escape_tex, html, latex, markdown, typst
from vpcalc.report.sentences import condition
from vpcalc.report.sentences import tex as sentence
from vpcalc.report.table import records
from vpcalc.report.terminal import View, plain

SHORT = {
    0: "0",
    999: "999",
    1000: "1.000 k",
    1001: "1.001 k",
    9999: "9.999 k",
    99_995: "100.0 k",
    999_949: "999.9 k",
    999_950: "1.000 M",
    2_003_828_736: "2.004 G",
    10**24: "1.000 Y",
    10**28: "10000 Y",
    -1500: "−1.500 k",
}


@pytest.mark.parametrize("number", SHORT)
def test_short(number: int) -> None:
    assert numbers.short(number) == SHORT[number]


SIZES = {
    0: "0 B",
    1023: "1023 B",
    1024: "1.000 KiB",
    118_013_952: "112.5 MiB",
    2**40 - 1: "1.000 TiB",
    2**38: "256.0 GiB",
}


@pytest.mark.parametrize("number", SIZES)
def test_size(number: int) -> None:
    assert numbers.size(number) == SIZES[number]


@given(st.integers(1000, 10**20))
def test_short_is_within_half_a_unit_of_its_last_digit(number: int) -> None:
    mantissa, prefix = numbers.short(number).split()
    scale = 1000 ** "_kMGTPEZY".index(prefix)
    digits = len(mantissa.partition(".")[2])
    shown = int(mantissa.replace(".", "")) * scale
    assert 2 * abs(shown - number * 10**digits) <= scale
    assert len(mantissa.replace(".", "")) == 4


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "1.00"), (0.07241, "0.0724"), (22.41, "22.4"), (0.0, "0.00"), (1e-7, "1.00e-07")]
)
def test_ratio(value: float, text: str) -> None:
    assert numbers.ratio(value) == text


TABLE = Table(
    "A & B",
    (Column("name", "Name"), Column("n_macs", "MACs", Kind.COUNT), Column("f", "Form", Kind.FORMULA)),
    (("a|b_c", 1500, None), ("100 %", None, None)),
    ("one note",),
    total=True,
)


def test_markup_escapes_what_its_language_reads() -> None:
    assert "a\\|b_c" in markdown(TABLE)
    assert r"Name & MACs (k) & Form \\" in latex(TABLE)
    assert r"a$|$b\_c & 1.500 &" in latex(TABLE)
    assert r"100 \%" in latex(TABLE)
    assert csv_text(TABLE).splitlines() == ["name,n_macs,f", "a|b_c,1500,", "100 %,,"]
    assert "<caption>A &amp; B</caption>" in html(TABLE)
    assert escape_tex("\\^~") == r"\textbackslash{}\textasciicircum{}\textasciitilde{}"


@pytest.mark.parametrize("width", [30, 40, 50, 60, 80, 100])
@pytest.mark.parametrize("kept", [(), ("macs", "share", "params", "size")])
def test_no_number_is_cut_off_at_any_width(width: int, kept: tuple[str, ...]) -> None:
    """Columns that do not fit are left out and named, at last those that should stay, too."""
    columns = (
        Column("layer", "Layer", Kind.WORD),
        Column("formula", "MACs in closed form", Kind.FORMULA),
        Column("macs", "MACs", Kind.COUNT),
        Column("share", "Share", Kind.SHARE),
        Column("params", "Params", Kind.COUNT),
        Column("size", "Map size", Kind.BYTES),
        Column("fvcore", "fvcore", Kind.VERDICT),
    )
    cells = ("a layer", "4hwC² + 2(hw)²C", 2003828736, 0.25, 37248, 117964800, "agrees")
    from vpcalc.report.terminal import plain

    columns = tuple(column._replace(kept=column.key in kept) for column in columns)
    text = plain((Table("title", columns, (cells,)),), width=width)
    assert max(map(len, text.splitlines())) <= width
    said = text.partition(f"no room in {width} columns for: ")[2]
    said = " ".join(said.split()).replace("MACs in closed form", "")
    written = {"MACs": "2.004 G", "share": "25.0 %", "params": "37.25 k", "Map size": "112.5 MiB"}
    for name, cell in written.items():
        assert (cell in text) != (name in said), name
    assert ("2.004 G" in text) == (width > 40 or bool(kept))


@pytest.mark.parametrize("shares", [1, 2, 3])
def test_bars_are_drawn_where_there_is_room_for_all_of_them(shares: int) -> None:
    """In a terminal; whatever its width, no share, count or name is cut."""
    many = tuple(Column(f"s{number}", "Of all", Kind.SHARE) for number in range(shares))
    columns = (Column("depths", "Depths", Kind.WORD), Column("macs", "MACs", Kind.COUNT), *many)
    table = Table("T", columns, (("2,2,22,2", 4_449_000_000, *[0.907] * shares),))
    drawn = set()
    for width in range(30, 101):
        console = Console(file=io.StringIO(), width=width, force_terminal=True, no_color=True)
        console.print(View((table,)))
        text = console.file.getvalue()
        assert "2,2,22,2" in text
        assert "4.449 G" in text
        assert text.count("90.7 %") == shares or "no room" in text
        drawn.add(text.count("█" * 9))
    assert drawn == {0, shares}


@pytest.mark.parametrize(
    ("text", "set_as"),
    [
        ("H and W multiples of 224 (32·7)", r"224 \mid H,\ 224 \mid W"),
        (
            "h a multiple of 2; C ≥ 3, 3⌊C/3⌋ | ⌈h/2⌉C",
            r"2 \mid h,\ C \geq 3,\ 3\lfloor C/3\rfloor \mid \lceil h/2\rceil C",
        ),
        ("d_model a multiple of 4; N = 16", r"4 \mid d_{\mathrm{model}},\ N = 16"),
        ("C ≤ 2; or C ≥ 3, 3 ∤ C", r"C \leq 2 \text{ or } C \geq 3,\ 3 \not\mid C"),
        ("for inputs like this one; H ≥ 4", r"\text{for inputs like this one},\ H \geq 4"),
    ],
)
def test_a_condition_is_mathematics_in_latex(text: str, set_as: str) -> None:
    assert condition(text) == set_as


@pytest.mark.parametrize(
    ("text", "set_as"),
    [
        ("at most 4.500 G MACs", r"at most 4.500\,G MACs"),
        ("on an A100 80 GB, float32", r"on an A100 80\,GB, float32"),
        ("29.0 M: rounded", r"29.0\,M: rounded"),
        ("MSA refuses a ∤ C: a divisor", r"MSA refuses $a \not\mid C$: a divisor"),
        ("windows of 2M tokens, M = 7", r"windows of $2M$ tokens, $M = 7$"),
    ],
)
def test_units_are_words_and_an_a_before_a_relation_is_a_symbol(text: str, set_as: str) -> None:
    assert sentence(text) == set_as


def test_sizes_and_their_letters_are_symbols_and_names_are_not() -> None:
    columns = (Column("module", "Module", Kind.WORD), Column("input", "Input", Kind.SYMBOLS))
    table = Table("T", columns, (("q", "S = 10, T = 20"), ("k", "7×7"), ("v", "")))
    assert [line for line in latex(table).splitlines() if "&" in line][1:] == [
        r"q & $S = 10, T = 20$ \\",
        r"k & 7$\times$7 \\",
        r"v &  \\",
    ]
    assert "[q], [$S = 10, T = 20$]," in typst(table)
    assert "[k], [7×7]," in typst(table)
    assert "| v |  |" in markdown(table)
    assert "<mi>S</mi><mo>=</mo><mn>10</mn><mo>,</mo><mi>T</mi><mo>=</mo><mn>20</mn></math>" in html(table)


def test_where_a_form_holds_is_printed_and_no_comment() -> None:
    table = Table("T", (Column("a", "A"), Column("b", "B")), (("1", "2"),), (Caveat("holds for H ≥ 4"), "a note"))
    below = latex(table).partition("\\end{tabular}\n")[2].splitlines()
    assert below == [
        rf"\par\smallskip{{\footnotesize\raggedright {said}\par}}" for said in (r"holds for $H \geq 4$", "a note")
    ]
    assert "table.cell(colspan: 2)[holds for H ≥ 4],\n)\n// a note" in typst(table)
    assert "holds for H ≥ 4" in markdown(table)


def test_a_long_word_may_be_broken_and_a_number_may_not() -> None:
    assert breakable("torch.nn.utils is 1.233e-15") == r"torch.\allowbreak{}nn.\allowbreak{}utils is 1.233e-15"


def test_the_count_that_a_table_is_read_for_stays_where_a_verdict_has_no_room() -> None:
    columns = (
        Column("layer", "Layer", Kind.WORD),
        Column("formula", "MACs in closed form", Kind.FORMULA),
        Column("macs", "MACs", Kind.COUNT),
        Column("params", "Params", Kind.COUNT),
        Column("fvcore", "fvcore", Kind.VERDICT),
    )
    row = ("A layer of a long name", "one and another and a third and a fourth", 2**40, 2**30, "not comparable")
    text = floats([Table("Costs", columns, (row,))], "costs", "latex")
    above, _, below = text.partition("\\begin{tabular}")
    assert "% no room for Params, fvcore:" in above
    assert "MACs (" in below


def test_a_row_goes_with_the_columns_that_it_has_figures_in() -> None:
    columns = (Column("stage", "Stage", Kind.WORD), *(Column(name, name * 30, Kind.COUNT) for name in "abc"))
    rows = (("stem", None, None, 5), ("stage 1", 1, 2, 3), ("apart", None, None, None), ("total", 1, 2, 8))
    text = floats([Table("MACs by stage", columns, rows, total=True)], "models", "latex")
    assert f"% no room for {'c' * 30}:" in text
    assert [name in text for name in ("stem", "stage 1", "apart")] == [False, True, True]
    assert text.count(r"\midrule") == 2
    kept = tuple(column._replace(kept=column.key == "c") for column in columns)
    text = floats([Table("MACs by stage", kept, rows, total=True)], "models", "latex")
    assert f"% no room for {'b' * 30}:" in text


def test_what_a_table_is_for_is_never_left_out() -> None:
    """Notes on a column that is left out go with it, or are said without it."""
    columns = (
        Column("id", "Id"),
        Column("printed", "Printed", Kind.WORD, kept=True),
        Column("off", "Off", Kind.SHARE, kept=True),
        Column("tiles", "Tiles", Kind.SYMBOLS),
        Column("counted", "Counted", Kind.NUMBER),
    )
    rows = (("a", "44.55 M parameters", 0.5, "R, M", 10**9),)
    notes = (About("as many as tiles", "tiles"), About("where tiles are", "tiles", "where R is"), "all")
    table = Table("T", columns, rows, notes)
    narrow = plain((table,), width=28)
    assert [word in narrow for word in ("Printed", "Off", "Tiles")] == [True, True, False]
    wide = plain((table,), width=80)
    said = ("as many as tiles", "where tiles are", "where R is", "all")
    assert [note in narrow for note in said] == [False, False, True, True]
    assert [note in wide for note in said] == [True, True, False, True]


def test_a_formula_goes_where_another_is_what_the_table_is_for() -> None:
    form = "18432⌈H/2⌉⌈W/2⌉"
    columns = (
        Column("m", "Module"),
        *(Column(key, key, Kind.FORMULA, kept=key == "each") for key in ("base", "each")),
    )
    narrow = plain((Table("T", columns, (("stages.1", form, f"+{form}"),)),), width=36)
    assert f"+{form}" in narrow
    assert "no room in 36 columns for: base" in narrow
    bare = plain(
        (Table("T", tuple(each._replace(kept=False) for each in columns), (("stages.1", form, form),)),), width=36
    )
    assert "no room" not in bare


@pytest.mark.parametrize(
    ("header", "said"), [("Params", "params"), ("Tokens, L = 4", "Tokens, L = 4"), ("C", "C")]
)
def test_a_header_that_has_no_room_is_said_with_the_capitals_of_its_symbols(header: str, said: str) -> None:
    columns = (
        Column("m", "M"),
        Column("form", "Form", Kind.FORMULA, kept=True),
        Column("it", header, Kind.NUMBER),
    )
    narrow = plain((Table("T", columns, (("m", "4hwC² + 2(hw)²C", 10**9),)),), width=26)
    assert f"for: {said}" in " ".join(narrow.split())


def test_a_condition_stays_beside_a_number_that_does() -> None:
    """Words and formulas may be folded as far as it takes; it is numbers that would be cut."""
    columns = (
        Column("more", "Costs more", Kind.WORD),
        Column("condition", "Where", Kind.FORMULA),
        Column("at", "Here: hw >", Kind.NUMBER, kept=True),
    )
    rows = (("MSA's quadratic term > its projections", "2hwC + 2(hw)² > 3P²C + 2P²hw", 192),)
    assert "Where" in plain((Table("T", columns, rows),), width=50)


def test_text_is_wrapped_closer_before_a_column_is_left_out() -> None:
    columns = (Column("layer", "Layer", Kind.WORD), Column("a", "A"), Column("b", "B"))
    table = Table("T", columns, (("msa", "one text of so many words", "and another of as many"),))
    assert "no room" not in plain((table,), width=44)
    assert "no room" in plain((table,), width=42)


def test_programs_get_no_pictures() -> None:
    table = Table("T", (Column("a", "A", Kind.NUMBER), Column("bar", "Bar", Kind.PICTURE)), ((1, "███"),))
    assert csv_text(table) == "a\n1"
    assert records(table) == [{"a": 1}]
    assert "███" in plain((table,), width=80)
