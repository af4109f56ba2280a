"""What leaves vpcalc is set by those who set papers: TeX, Typst, a browser, docutils; and the examples work."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vpcalc as package
from vpcalc.answers.result import Result
from vpcalc.architectures import ARCHITECTURES
from vpcalc.layers import LAYERS
from vpcalc.report.markup import escape_tex, latex, siunitx, typst

from . import tex
from .browser import dom, needs_browser
from .conftest import Run
from .tex import needs_tex, packages_of

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"

RENAMED = {"C": "d_model", "hw": "n"}


def results() -> list[Result]:
    """One result of every kind that has tables."""
    return [
        package.compare(h=56, w=56, C=96, M=7, check=False),
        package.compare(h=8, w=8, C=32, M=7, check=False),
        package.model("swin_t", check=False),
        package.model("transformer_base", check=False),
        package.formula("wmsa"),
        package.formula("sra", symbols=RENAMED),
        package.models(),
        package.reproduce("swin", check=False),
        package.prove(["msa", "wmsa"]),
        package.check_formula("4nd^2 + n^2d", "msa", rename={"n": "hw", "d": "C"}),
        package.figure("swin_t"),
    ]


def formulas() -> list[package.answers.formula.Formula]:  # type: ignore[name-defined]
    """Every layer and a model of each family, in every shape, and under other names where these fit."""
    found = []
    for name in [*LAYERS, *{architecture.family.name: id for id, architecture in ARCHITECTURES.items()}.values()]:
        found += [package.formula(name, form=form) for form in ("expanded", "factored", "leading")]
        found += [package.formula(name, quantity=quantity) for quantity in ("params", "activations")]
        with contextlib.suppress(package.InputError):
            found.append(package.formula(name, symbols=RENAMED, form="factored"))
    found.append(package.formula("wmsa", symbols={"M": "μ", "C": "c_out", "hw": "tokens"}))
    return found


# -- TeX --------------------------------------------------------------------------------------------------


def compiled(folder: Path, name: str, runs: int = 1) -> str:
    """TeX's log of a document, which must compile."""
    for _ in range(runs):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", name]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120)
        log = done.stdout.decode("utf-8", "replace")
        assert done.returncode == 0, log[-2000:]
    return log


def document(folder: Path, body: str, packages: str) -> str:
    """TeX's log of a page with this body and nothing loaded but these packages."""
    paper = r"\documentclass{article}\usepackage[paperwidth=90cm,paperheight=200cm]{geometry}"
    head = rf"{paper}\usepackage{{{packages}}}"
    (folder / "a.tex").write_text(f"{head}\n\\begin{{document}}\n{body}\n\\end{{document}}\n", encoding="utf-8")
    return compiled(folder, "a.tex")


def example_of_the_page() -> str:
    """The paper that docs/papers.md begins with."""
    page = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    example: str = re.findall(r"```tex\n(\\documentclass.*?)```", page, re.S)[0]
    return example


@needs_tex(*packages_of((EXAMPLES / "paper" / "paper.tex").read_text(encoding="utf-8")))
def test_the_example_paper_compiles_to_two_pages(tmp_path: Path) -> None:
    for name in ("paper.tex", "paper.toml"):
        shutil.copy(EXAMPLES / "paper" / name, tmp_path)
    log = compiled(tmp_path, "paper.tex", runs=2)
    assert "Output written on paper.pdf (2 pages" in log
    assert "undefined" not in log
    assert "Overfull" not in log


@pytest.mark.slow
@needs_tex(*packages_of(example_of_the_page()))
def test_from_an_empty_block_to_a_compiled_paper(tmp_path: Path) -> None:
    """The five minutes of docs/papers.md, word for word."""
    path = tmp_path / "paper.tex"
    path.write_text(example_of_the_page(), encoding="utf-8")
    assert not package.embed(path, check=True).ok
    package.embed(path)
    assert package.embed(path, check=True).ok
    compiled(tmp_path, "paper.tex")
    assert "MSA & $4hwC^{2} + 2(hw)^{2}C$ & 2.0038 & 37.2 & agrees" in path.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "packages"),
    [
        pytest.param(latex, "amsmath,booktabs", marks=needs_tex("geometry", "amsmath", "booktabs")),
        pytest.param(
            siunitx, "amsmath,booktabs,siunitx", marks=needs_tex("geometry", "amsmath", "booktabs", "siunitx")
        ),
    ],
)
def test_every_table_is_set_by_tex(tmp_path: Path, write: Callable[..., str], packages: str) -> None:
    tables = [table for result in results() for table in result.tables()]
    body = "\n\n".join(write(table, exact) for table in tables for exact in (False, True))
    log = document(tmp_path, body, packages)
    assert "Output written" in log
    assert "Missing character" not in log


@needs_tex("geometry", "amsmath")
def test_every_formula_is_set_by_tex(tmp_path: Path) -> None:
    body = "\n\n".join(f"${found.spell('latex')}$\n{found.passage('latex')}" for found in formulas())
    assert "Output written" in document(tmp_path, body, "amsmath")


@needs_tex("geometry", "amsmath")
def test_macros_work_in_text_and_in_mathematics(tmp_path: Path) -> None:
    found = package.macros(EXAMPLES / "paper" / "paper.toml")
    uses = "\n\n".join(rf"Text \{macro.name}. Math $x = \{macro.name}$." for macro in found.macros)
    assert "Output written" in document(tmp_path, f"{found.latex}\n{uses}", "amsmath")


@needs_tex("geometry", "amsmath")
def test_every_character_that_we_write_is_set_by_tex(tmp_path: Path) -> None:
    """With TeX's own fonts; what only pictures in a terminal use is left out."""
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "vpcalc").rglob("*.py"))
    characters = sorted({c for c in source if ord(c) > 127 and not 0x2500 <= ord(c) <= 0x25FF and c not in "•◦●⠀"})
    assert "²" in characters
    log = document(tmp_path, " ".join(map(escape_tex, characters)), "amsmath")
    assert "Missing character" not in log


WRITING = (
    "compare --h 56 --w 56",
    "compare --h 8 --w 8 --no-check",
    "model swin_t",
    "model swin_t convnext_t resnet50 --no-check",
    "formula wmsa --steps",
    "formula swin_t --steps",
    "figure swin_t",
    "models",
    "models --input 800x1280 --where 'macs < 100G and training_bytes < 80GB'",
    "layers",
    "memory swin_t --train --device a100_80gb",
    "memory vit_b_16 --train --fit 24GiB --no-check",
    "check '4nd^2' --against msa",
    "prove msa wmsa rnn_bound",
    "reproduce --no-check",
    "audit vit_ti_16 --input 32 --counter fvcore --counter FlopCounterMode",
    "theory",
    "theory table1",
    "rnn",
    "derive vgg11",
    "derive vgg11 --input 1,3,32,32",
    "plot crossover",
    "plot models",
    "draw swin_t",
    "diff one.py:make two.py:make --input 1,8",
    "crossover msa wmsa",
    "crossover swin_t convnext_t --everywhere",
    "sweep swin_t --vary C=48:96:24 --vary depths_3=2,6 --top 3 --by macs",
    "design swin_t --macs 4.5G --params 28M --free C,depths_3,M",
)
"""Every command that writes LaTeX tables."""


@pytest.mark.slow
@pytest.mark.parametrize("command", WRITING)
@pytest.mark.parametrize("format", ["latex", "siunitx"])
@needs_tex("array", "amsmath", "booktabs", "siunitx")
def test_what_a_command_writes_fits_the_column_of_an_article(
    inside: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, format: str
) -> None:
    """Of one in two columns, between other text, twice in a row: no box is overfull and no float too large."""
    monkeypatch.chdir(tmp_path)
    for name, width in (("one", 8), ("two", 16)):
        (tmp_path / f"{name}.py").write_text(
            f"from torch import nn\ndef make():\n    return nn.Linear(8, {width})\n"
        )
    format = "latex" if command.startswith("formula") else format
    done = inside(*shlex.split(command), "--format", format)
    assert done.returncode in (0, 1), done.stderr
    head = r"\documentclass[twocolumn]{article}\usepackage{array,amsmath,booktabs,siunitx}"
    body = f"Text.\n{done.stdout}\nText.\n{done.stdout}\nText."
    (tmp_path / "a.tex").write_text(f"{head}\\begin{{document}}\n{body}\n\\end{{document}}\n", encoding="utf-8")
    log = compiled(tmp_path, "a.tex")
    assert re.findall(r"Overfull|Float too large|Missing character", log) == []


@needs_tex("array", "amsmath", "booktabs", "siunitx")
@pytest.mark.parametrize("format", ["latex", "siunitx"])
def test_a_table_in_a_marker_fits_as_one_outside_of_it_does(inside: Run, tmp_path: Path, format: str) -> None:
    """In a float of the author's, in two columns; what he chose is left as wide as it is."""
    command = f"compare --h 56 --w 56 --C 96 --M 7 --no-check --rows msa,wmsa,axial --format {format}"
    head = r"\documentclass[twocolumn]{article}\usepackage{array,amsmath,booktabs,siunitx}\begin{document}"
    float = "\\begin{table}\n% vpcalc: {}\n% /vpcalc\n\\end{table}\n"
    path = tmp_path / "a.tex"
    path.write_text(f"{head}\n{float.replace('{}', command)}\\end{{document}}\n", encoding="utf-8")
    package.embed(path)
    text = path.read_text(encoding="utf-8")
    assert "Overfull" not in compiled(tmp_path, "a.tex")
    done = inside(*shlex.split(command))
    tabulars = re.compile(r"\\begin\{tabular\}.*?\\end\{tabular\}", re.S)
    assert tabulars.findall(text) == tabulars.findall(done.stdout)
    assert len(tabulars.findall(text)) == 2
    path.write_text(text.replace(command, f"{command} --columns layer,formula,macs,ratio,params,fvcore"))
    package.embed(path)
    assert "raggedright" not in path.read_text(encoding="utf-8").partition("\\end{tabular}")[0]


@needs_tex("array", "amsmath", "booktabs")
def test_a_float_of_the_author_s_holds_as_many_tables_as_a_page_has_room_for(tmp_path: Path) -> None:
    """The others are named, each with how it is chosen."""
    head = "\\documentclass[twocolumn]{article}\\usepackage{array,amsmath,booktabs}\\begin{document}"
    marker = "% vpcalc: memory swin_t --train --no-check --format latex\n% /vpcalc"
    float = f"\\begin{{table}}\n{marker}\n\\caption{{{'A caption of three lines. ' * 6}}}\n\\end{{table}}"
    bare = "Text.\n\n% vpcalc: crossover msa sra --format latex\n% /vpcalc"  # not indented
    path = tmp_path / "a.tex"
    path.write_text(f"{head}\n{float}\n{bare}\n\\end{{document}}\n", encoding="utf-8")
    package.embed(path)
    assert not re.findall("Overfull|Float too large", compiled(tmp_path, "a.tex"))
    left = re.findall("% no room in one float for: (.*)", path.read_text(encoding="utf-8"))
    assert left == ["What autograd keeps, each storage once; --columns KEY,KEY chooses it"]


@needs_tex("array", "booktabs")
def test_a_table_that_is_too_wide_would_be_noticed(tmp_path: Path) -> None:
    head = r"\documentclass[twocolumn]{article}\usepackage{array,booktabs}"
    cells = r"a long cell that is not broken & another of this very kind \\"
    body = rf"\begin{{table}}\centering\begin{{tabular}}{{ll}}{cells}\end{{tabular}}\end{{table}}"
    (tmp_path / "a.tex").write_text(f"{head}\\begin{{document}}\n{body}\n\\end{{document}}\n", encoding="utf-8")
    assert "Overfull" in compiled(tmp_path, "a.tex")


@pytest.mark.slow
@needs_tex("amsmath", "array", "booktabs")
def test_every_derivation_fits_the_line(tmp_path: Path) -> None:
    """Of an article in one column."""
    every = [one.statement.id for one in package.theory(check=False).statements]
    body = "\n\n".join(package.theory(id).passage("latex") for id in every)
    head = r"\documentclass{article}\usepackage{amsmath,array,booktabs}\begin{document}"
    (tmp_path / "a.tex").write_text(f"{head}\n{body}\n\\end{{document}}\n", encoding="utf-8")
    assert "Overfull" not in compiled(tmp_path, "a.tex")


@needs_tex("geometry", "booktabs")
def test_a_mistake_in_a_table_would_be_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="Misplaced alignment"):
        document(tmp_path, "100 & MACs", "booktabs")


@pytest.mark.parametrize(
    ("programs", "wanted", "absent"),
    [
        ((), ("amsmath",), ["pdflatex", "kpsewhich"]),
        (("pdflatex",), ("amsmath",), ["kpsewhich"]),
        (("pdflatex", "kpsewhich"), ("amsmath", "siunitx"), ["siunitx"]),
        (("pdflatex", "kpsewhich"), ("amsmath",), []),
    ],
)
def test_what_tex_lacks_is_skipped_and_named(
    programs: tuple[str, ...],
    wanted: tuple[str, ...],
    absent: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With programs that stand for a TeX that has amsmath and not siunitx."""
    for program in programs:
        path = tmp_path / program
        path.write_text('#!/bin/sh\ntest "$1" = amsmath.sty && echo "/tex/$1"\n', encoding="utf-8")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    tex._found.cache_clear()
    try:
        assert tex.missing(wanted) == absent
    finally:
        tex._found.cache_clear()


# -- Typst ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_typst_sets_formulas_and_tables(tmp_path: Path) -> None:
    compiler: Any = pytest.importorskip("typst", reason="needs pip install typst")
    body = [f"${found.spell('typst')}$\n\n{found.passage('typst')}" for found in formulas()]
    body += [typst(table) for result in results() for table in result.tables()]
    page = tmp_path / "a.typ"
    page.write_text("\n\n".join(body), encoding="utf-8")
    assert compiler.compile(str(page)).startswith(b"%PDF")
    page.write_text("$ 4 hw C^2 $", encoding="utf-8")
    with pytest.raises(Exception, match="unknown variable: hw"):
        compiler.compile(str(page))


# -- a browser --------------------------------------------------------------------------------------------

MEASURE = """
<script>
const box = element => { const r = element.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
const found = {};
for (const math of document.querySelectorAll("math")) {
  found[math.parentElement.id] = {
    all: box(math),
    powers: [...math.querySelectorAll("msup")].map(e => [...e.children].map(box)),
    fractions: [...math.querySelectorAll("mfrac")].map(e => [...e.children].map(box)),
    indices: [...math.querySelectorAll("msub")].map(e => [...e.children].map(box)),
  };
}
document.body.textContent = JSON.stringify(found);
</script>
"""


@needs_browser
def test_a_browser_lays_mathml_out(tmp_path: Path) -> None:
    """Exponents stand above, indices below, numerators over denominators, and nothing is empty."""
    shown = {
        "msa": package.formula("msa"),
        "sra": package.formula("sra"),
        "renamed": package.formula("sra", symbols=RENAMED, form="factored"),
    }
    spelled = [f'<p id="{name}">{found.spell("mathml")}</p>' for name, found in shown.items()]
    page = tmp_path / "a.html"
    page.write_text(
        f'<!doctype html><meta charset="utf-8"><body>{"".join(spelled)}{MEASURE}</body>', encoding="utf-8"
    )
    shown_dom = dom(page, tmp_path / "profile")
    body = re.search(r"<body>(\{.*\})\s*</body>", shown_dom, re.S)
    assert body is not None, shown_dom
    boxes = json.loads(body[1])
    assert set(boxes) == set(shown)
    assert [len(boxes[name]["powers"]) for name in shown] == [2, 5, 2]
    assert [len(boxes[name]["fractions"]) for name in shown] == [0, 2, 1]
    assert len(boxes["renamed"]["indices"]) > 0
    for found in boxes.values():
        left, top, right, bottom = found["all"]
        assert right - left > 50
        assert bottom - top > 10
        for (_, base_top, base_right, base_bottom), (power_left, power_top, _, power_bottom) in found["powers"]:
            assert power_left >= base_right - 2
            assert power_top < base_top + 3
            assert power_bottom < base_bottom
        for (_, _, _, numerator_bottom), (_, denominator_top, _, _) in found["fractions"]:
            assert numerator_bottom <= denominator_top
        for (_, _, _, base_bottom), (_, _, _, index_bottom) in found["indices"]:
            assert index_bottom > base_bottom


# -- Markdown and reStructuredText ------------------------------------------------------------------------


def test_markdown_reads_what_is_embedded(tmp_path: Path) -> None:
    """By the reader that rich brings along: tables are tables, code is code, markers are not shown."""
    from markdown_it import MarkdownIt

    text = (EXAMPLES / "report.md").read_text(encoding="utf-8")
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    kinds = [token.type for token in tokens]
    assert kinds.count("table_open") == 4
    assert kinds.count("fence") == 1
    assert all(token.content.strip().startswith("<!--") for token in tokens if token.type == "html_block")
    assert all(token.content.strip().endswith("-->") for token in tokens if token.type == "html_block")


def test_docutils_reads_what_is_embedded(tmp_path: Path) -> None:
    core: Any = pytest.importorskip("docutils.core", reason="needs pip install docutils")
    path = tmp_path / "a.rst"
    marks = (
        "formula sra --format latex",
        "formula msa",
        "compare --h 8 --w 8 --no-check",
        "compare --h 8 --w 8 --no-check --format csv",
        "compare --h 8 --w 8 --no-check --format html",
        "formula msa --format function",
    )
    blocks = "\n\n".join(f"   .. vpcalc: {mark}\n   .. /vpcalc" for mark in marks)
    path.write_text(f"Title\n=====\n\n.. note::\n\n   Text.\n\n{blocks}\n\nEnd.\n", encoding="utf-8")
    package.embed(path)
    options = {"halt_level": 2, "report_level": 2, "warning_stream": io.StringIO()}
    page = core.publish_string(path.read_text(encoding="utf-8"), writer="html5", settings_overrides=options)
    assert page.decode().count("<table") >= 3
    assert "<math" in page.decode()


# -- examples -----------------------------------------------------------------------------------------------


def run_cell(source: str, scope: dict[str, Any]) -> Any:
    """A notebook's cell: its statements, and the value of its last expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), scope)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), scope) if isinstance(last, ast.Expr) else None


def numbers_of(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:[.,]\d+)*", re.sub(r"<[^>]*>", " ", text)))


def test_the_executed_notebook_shows_what_its_cells_say_now() -> None:
    """Every cell was executed, in order, and each number and formula in it is what vpcalc gives today."""
    pytest.importorskip("pandas", reason="needs pip install pandas")
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    scope: dict[str, Any] = {}
    for cell in cells:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            value = run_cell("".join(cell["source"]), scope)
        for output in cell["outputs"]:
            assert output["output_type"] in ("stream", "execute_result")
            if output["output_type"] == "stream":
                assert "".join(output["text"]) == printed.getvalue()
                continue
            data = {kind: "".join(text) for kind, text in output["data"].items()}
            assert numbers_of(data["text/plain"]) <= numbers_of(repr(value))
            if isinstance(value, Result):
                assert data["text/latex"] == value._repr_latex_()
                assert data["text/markdown"] == value._repr_markdown_()
                assert data["text/html"] == value._repr_html_()


def test_the_hooks_and_the_job_name_commands_that_exist() -> None:
    yaml = pytest.importorskip("yaml")
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert [hook["entry"] for hook in hooks] == ["vpcalc embed --check", "vpcalc embed"]
    from vpcalc.embedding.languages import LANGUAGES

    for hook in hooks:
        endings = [ending for language in LANGUAGES for ending in language.suffixes]
        assert [ending for ending in endings if not re.search(hook["files"], f"a{ending}")] == []
        assert not re.search(hook["files"], "a.py")
    job = yaml.safe_load((EXAMPLES / "ci.yml").read_text(encoding="utf-8"))
    commands = [step["run"] for step in job["jobs"]["figures"]["steps"] if "run" in step]
    assert any(command.startswith("vpcalc embed --check ") for command in commands)


def test_two_sizes_of_one_model_have_labels_of_their_own() -> None:
    """At its own size and with its own settings the label is the model's name."""
    deep = {"depths": "2,2,18,2"}
    asked: list[dict[str, Any]] = [{}, {"input": 384}, {"input": "224x225"}, {"batch": 2}, {"set": deep}]
    labels = [package.model("swin_t", **each, check=False).label for each in asked]
    assert labels == [
        "model-swin-t",
        "model-swin-t-1x3x384x384",
        "model-swin-t-1x3x224x225",
        "model-swin-t-2x3x224x224",
        "model-swin-t-depths-2-2-18-2",
    ]
    assert package.memory("swin_t", train=True, check=False).label == "memory-swin-t-train"
    assert package.side_by_side(["swin_t", "vgg11"], check=False).label == "model-swin-t-vgg11"
