"""Forms as code, run where the code runs: node, rustc, a spreadsheet; all at random points, to the unit."""

from __future__ import annotations

import csv
import json
import random
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import pytest

import vpcalc
from vpcalc.algebra.code import CHECKED, FLOORDIV, MOST_EXACT, excel, javascript, rust, within_doubles
from vpcalc.algebra.forms import factored
from vpcalc.algebra.polynomial import Polynomial, symbol
from vpcalc.algebra.printers import Expression, python

from .conftest import Run
from .test_floors import LETTERS, value_of, written

h, w, C, R = map(symbol, ("h", "w", "C", "R"))


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program}")


class Point(NamedTuple):
    """An expression, values of its letters, and its value there by Python."""

    form: Expression
    values: dict[str, int]
    value: int


def points(seed: int, number: int, low: int, high: int, most: int | None = None) -> list[Point]:
    """Random forms with floors of floors, negative numerators and denominators among them."""
    dice, found = random.Random(seed), list[Point]()
    while len(found) < number:
        tree, form = written(dice)
        values = {name: dice.randint(low, high) for name in LETTERS}
        try:
            value = value_of(tree, values)
        except ZeroDivisionError:
            continue
        if most is None or all(abs(term.at(values)) < most for term in form.split()):
            found.append(Point(form, values, value))
    fixed: list[Polynomial] = [-h / (2 * R), h**2 * w * C / R**2 - 1, -(C**2) + h, -(C**2) * h + w, -h * C**2 - 1]
    for form in fixed:
        values = {"h": 6 * 4, "w": 5, "C": 7, "R": 4}
        found.append(Point(form, values, int(form.value(values))))
    for product in (factored(4 * h * w * C**2 + 2 * (h * w) ** 2 * C), factored(2 * h**3 - 2 * h * w**2)):
        values = {"h": 6, "w": 5, "C": 7}
        found.append(Point(product, values, eval(python(product), {}, values)))
    return found


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=folder)
    assert done.returncode == 0, done.stderr[:2000]
    return done.stdout


@needs("node")
def test_javascript_says_what_python_says(tmp_path: Path) -> None:
    asked = points(1, 300, -40, 900) + points(2, 200, 10**12, 10**16)
    assert sum(abs(point.value) > 2**53 for point in asked) > 50
    calls = []
    for form, values, _ in asked:
        given = ", ".join(f"{name} = {value}n" for name, value in values.items())
        calls.append(f"(() => {{ const {given}; return {javascript(form)}; }})()")
    script = f"{FLOORDIV}\nconst found = [{', '.join(calls)}];\nconsole.log(JSON.stringify(found.map(String)));"
    (tmp_path / "forms.js").write_text(script, encoding="utf-8")
    found = json.loads(run("node", "forms.js", folder=tmp_path))
    assert [int(value) for value in found] == [point.value for point in asked]


@needs("rustc")
def test_rust_says_what_python_says_and_never_wraps(tmp_path: Path) -> None:
    asked = points(3, 150, -40, 900) + points(4, 50, 10**6, 10**9)
    lines = []
    for number, (form, values, _) in enumerate(asked):
        given = ", ".join(f"{name}: i128" for name in values)
        lines.append(f"fn f{number}({given}) -> Option<i128> {{ Some({rust(form)}) }}")
    printed = "".join(
        f'println!("{{:?}}", f{number}({", ".join(map(str, point.values.values()))}));'
        for number, point in enumerate(asked)
    )
    source = "#![allow(warnings)]\n" + "\n".join([*CHECKED.values(), *lines, f"fn main() {{ {printed} }}"])
    (tmp_path / "forms.rs").write_text(source, encoding="utf-8")
    run("rustc", "-O", "-C", "overflow-checks=off", "forms.rs", folder=tmp_path)  # as a release is built
    found = run("./forms", folder=tmp_path).split()
    for said, point in zip(found, asked, strict=True):
        assert said == f"Some({point.value})" or (said == "None" and abs(point.value) > 2**90), point


@needs("rustc")
def test_rust_says_none_where_128_bits_are_too_few(tmp_path: Path) -> None:
    function = vpcalc.formula("msa").function("rust")
    main = 'fn main() { for size in [1i128 << 31, 1 << 32] { println!("{:?}", msa_macs(size, size, 3)); } }'
    (tmp_path / "msa.rs").write_text(f"{function}\n{main}", encoding="utf-8")
    run("rustc", "-O", "-C", "overflow-checks=off", "msa.rs", folder=tmp_path)
    small, large = run("./msa", folder=tmp_path).split("\n")[:2]
    assert small == f"Some({4 * 4**31 * 9 + 2 * 4**62 * 3})"
    assert large == "None"


def sheet(path: Path, rows: list[tuple[dict[str, int], list[str]]], letters: tuple[str, ...]) -> None:
    """A workbook as Excel has it: values in the first columns, which have names, then formulas."""
    columns = "ABCDEFGHIJ"
    names = "".join(
        f'<definedName name="{name}">Sheet1!${column}1</definedName>'
        for name, column in zip(letters, columns, strict=False)
    )
    cells = []
    for number, (values, formulas) in enumerate(rows, 1):
        row = [
            f'<c r="{columns[place]}{number}"><v>{values[name]}</v></c>'
            for place, name in enumerate(letters)
            if name in values
        ]
        row += [
            f'<c r="{columns[len(letters) + place]}{number}"><f>{escape(formula)}</f></c>'
            for place, formula in enumerate(formulas)
        ]
        cells.append(f'<row r="{number}">{"".join(row)}</row>')
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType="'
        'application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" '
        f'ContentType="{kind}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" '
        f'ContentType="{kind}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="Sheet1" sheetId="1" '
        f'r:id="r"/></sheets><definedNames>{names}</definedNames></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{"".join(cells)}</sheetData>'
        "</worksheet>",
    }
    with zipfile.ZipFile(path, "w") as book:
        for name, text in parts.items():
            book.writestr(name, text)


def computed(path: Path, first: int) -> list[list[str]]:
    """The cells of a workbook behind its values, as LibreOffice computes them."""
    run(
        "soffice",
        "--headless",
        f"-env:UserInstallation={(path.parent / 'profile').as_uri()}",
        "--convert-to",
        "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false",
        path.name,
        folder=path.parent,
    )
    with path.with_suffix(".csv").open(encoding="utf-8") as file:
        return [row[first:] for row in csv.reader(file)]


@needs("soffice")
def test_a_spreadsheet_says_what_python_says_or_nothing(tmp_path: Path) -> None:
    asked = points(5, 200, 1, 900, most=MOST_EXACT) + points(6, 60, -40, 400, most=MOST_EXACT)
    asked += points(7, 60, 10**7, 10**10)
    names = {"h": "height", "w": "width"}  # to cells h and H are one
    cells = ("H", "W", "M", "height", "width", "C_", "R_")
    rows = []
    for form, values, _ in asked:
        given = {names.get(name, f"{name}_" if name in "CR" else name): value for name, value in values.items()}
        rows.append((given, [within_doubles(form, names), excel(form, names)]))
    sheet(tmp_path / "forms.xlsx", rows, cells)
    found = computed(tmp_path / "forms.xlsx", len(cells))
    refused = wrong = 0
    for (guarded, bare), point in zip(found, asked, strict=True):
        if guarded == "#N/A":
            refused += 1
            wrong += float(bare) != point.value
        else:
            assert int(guarded) == point.value, point
    assert 10 < refused < 70
    assert wrong > 5  # what is refused would have been rounded


def test_every_format_of_code_says_where_it_holds(inside: Run) -> None:
    done = inside("formula", "wmsa", "--everywhere", "--format", "javascript")
    assert "if (h >= M && w >= M && C % a === 0n) return 4n*M**2n*" in done.stdout
    assert 'throw new RangeError("refused: heads = a does not divide C' in done.stdout
    assert inside("formula", "swin_t", "--format", "rust").stdout.startswith("/// swin_t: multiply-accumulates")
    done = inside("formula", "msa", "--format", "excel")
    assert done.stdout == "=IF(4*h*w*C_^2+2*(h*w)^2*C_<1E+15,4*h*w*C_^2+2*(h*w)^2*C_,NA())\n"
    assert "cells named h, w, C_" in done.stderr


def test_names_that_a_language_has_for_itself_are_written_otherwise() -> None:
    form = 2 * symbol("in") + symbol("fn")
    assert javascript(form) == "fn + 2n*in_"
    assert rust(form) == "sum(&[fn_, product(&[2, in_])?])?"
    assert excel(symbol("R") * symbol("H1") * symbol("d_k")) == "R_*d_k*H1_"


def test_what_a_cell_cannot_hold_is_refused(inside: Run) -> None:
    for asked in (("swin_t", "--everywhere"), ("msa", "--symbol", "h=c")):
        done = inside("formula", *asked, "--format", "excel")
        assert done.returncode == 2, asked
        assert done.stdout == ""
        assert re.fullmatch(r"vpcalc: --format excel: .*\n", done.stderr)


@needs("node")
@pytest.mark.parametrize("name", ["wmsa", "sra", "swin_t", "vit_b_16"])
def test_functions_of_all_regimes_choose_as_python_does(name: str, tmp_path: Path) -> None:
    found = vpcalc.formula(name, everywhere=True)
    python_scope: dict[str, object] = {}
    exec(found.function(), python_scope)
    named = f"{name}_macs"
    letters, dice = list(found.legend()), random.Random(name)
    asked = [[dice.choice((dice.randint(1, 40), dice.randint(1, 900))) for _ in letters] for _ in range(400)]

    def said(values: list[int]) -> str:
        try:
            return str(python_scope[named](*values))  # type: ignore[operator]
        except ValueError as refusal:
            return str(refusal)

    script = found.function("javascript") + (
        f"\nconsole.log(JSON.stringify({json.dumps(asked)}.map(values => {{"
        f" try {{ return String({named}(...values)); }} catch (refusal) {{ return refusal.message; }} }})));"
    )
    (tmp_path / "f.js").write_text(script, encoding="utf-8")
    answers = json.loads(run("node", "f.js", folder=tmp_path))
    assert answers == [said(values) for values in asked]
    assert len({answer.isdecimal() for answer in answers}) == 2 or name == "swin_t"
