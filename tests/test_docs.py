"""The documentation: every command that a page shows runs, every figure is fresh, every link leads somewhere."""

from __future__ import annotations

import contextlib
import html.parser
import importlib.util
import io
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote

import pytest

import vpcalc
from vpcalc.architectures import ARCHITECTURES
from vpcalc.architectures.axes import IMAGE
from vpcalc.cli.app import COMMANDS, application, main
from vpcalc.layers import LAYERS
from vpcalc.statements import STATEMENTS

from .browser import needs_browser, too_wide

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if not {"generated", "_build"} & set(path.parts))
NAMES = [path.relative_to(DOCS).as_posix() for path in PAGES]
HEAVY = {"theory.md", "papers.md", "audit.md", "memory.md", "derive.md", "howto/dense-prediction.md"}
"""Pages whose commands take many seconds."""


def test_the_table_of_sizes_that_do_not_divide_has_every_family_of_images() -> None:
    table = text("explain/witnesses.md").partition("## Sizes that do not divide")[2]
    rows = re.findall(r"^\| `(\w+)` \|", table, re.M)
    families = [architecture.family for architecture in ARCHITECTURES.values()]
    assert sorted(rows) == sorted({family.name for family in families if family.axes == IMAGE})


def test_every_family_has_its_witness_or_says_that_it_has_none() -> None:
    """And the tests that are named are there, each in a file that asks whom the row names."""
    rows = re.findall(
        r"^\| `(\w+)` \| (.*?) \| .*? \| (.*?) \|$", text("explain/witnesses.md").partition("## ")[0], re.M
    )
    assert sorted(family for family, _, _ in rows) == sorted({a.family.name for a in ARCHITECTURES.values()})
    for family, witness, tests in rows:
        named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", tests)
        assert named, family
        sources = {file: (Path(__file__).parent / file).read_text(encoding="utf-8") for file, _ in named}
        for file, name in named:
            assert f"def {name}(" in sources[file], (family, name)
        for library in re.findall(r"transformers|timm|torchvision|torchscale", witness):
            assert any(library in source for source in sources.values()), (family, library)
        assert ("no outside witness" in witness) == (
            not re.search(r"transformers|timm|torchvision|torchscale|PyTorch", witness)
        )


def test_what_counters_print_is_the_same_everywhere() -> None:
    """The front page and the page on counters say what the table's row of torchvision's ViT-B/16 says."""
    row = next(line for line in text("audit.md").splitlines() if line.startswith("| ViT-B/16, torchvision |"))
    _, _, _, *figures, _, _ = (cell.strip(" *") for cell in row.split("|"))
    assert len(figures) == 9
    said = f"from {min(figures, key=float)} to {max(figures, key=float)} GMACs"
    for page in (text("audit.md").partition("```")[0], (ROOT / "README.md").read_text(encoding="utf-8")):
        assert "torchvision's ViT-B/16" in page
        assert re.findall(r"from [\d.]+ to [\d.]+\s+GMACs", page) == [said]
        assert "nine" in page.lower()


BLOCK = re.compile(r"<!-- vpcalc: .*? -->.*?<!-- /vpcalc -->", re.S)


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def fenced(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.S | re.M)


def commands(page: str) -> list[str]:
    """The vpcalc commands in a page's ``sh`` blocks."""
    return re.findall(r"^vpcalc (.*?)\s*(?:  #.*)?$", "\n".join(fenced(page, "sh")), re.M)


def run(command: str) -> tuple[int, str]:
    """A command in this process: its exit status and its standard output."""
    out, before = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), sys.argv
    sys.argv = ["vpcalc", *shlex.split(command)]
    status: Any = 0
    try:
        with contextlib.redirect_stdout(out):
            main()
    except SystemExit as end:
        status = end.code
    finally:
        sys.argv = before
    out.seek(0)
    return int(status or 0), out.read()


def marked(names: list[str]) -> list[Any]:
    return [pytest.param(name, marks=pytest.mark.slow) if name in HEAVY else name for name in names]


# -- commands and figures -----------------------------------------------------------------------------


MODULE = """
from torch import nn


class make(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        self.a, self.qkv, self.proj = num_heads, nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        B, N, C = x.shape
        q, k, v = self.qkv(x).reshape(B, N, 3, self.a, C // self.a).permute(2, 0, 3, 1, 4)
        return self.proj(((q @ k.transpose(-2, -1)).softmax(-1) @ v).transpose(1, 2).reshape(B, N, C))
"""
"""What help calls model.py."""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the example's paper, its layers and a module, where pictures and tables may be left."""
    (tmp_path / "model.py").write_text(MODULE, encoding="utf-8")
    for file in [*(ROOT / "examples" / "paper").glob("paper.*"), *(ROOT / "examples").glob("my_*.py")]:
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def test_there_are_pages_and_commands() -> None:
    assert {"index.md", "tutorial.md", "pixels.md", "counting.md", "explain/factor-two.md"} <= set(NAMES)
    assert sum(len(commands(text(name))) for name in NAMES) > 40


@pytest.mark.slow
@pytest.mark.parametrize("name", marked([name for name in NAMES if commands(text(name))]))
def test_commands_run(name: str, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in commands(text(name)):
        if ".py:" in command:
            continue  # a reader's own file
        status, shown = run(command)
        if "cannot be imported" in capsys.readouterr().err:
            continue  # a library of others that is not installed here, and the command said which
        assert status == 0, command
        assert shown or "-o " in command or "--plot" in command, command


def test_a_command_that_fails_is_found_out(desk: Path) -> None:
    assert run("compare --h 0 --w 1")[0] == 2
    assert run('check "4hwC^2 + (hw)^2C" --against msa')[0] == 1  # the page says so, in a block that is not run


@pytest.mark.parametrize("name", [name for name in NAMES if "```console" in BLOCK.sub("", text(name))])
def test_shown_output_is_real(name: str, desk: Path) -> None:
    for shown in fenced(BLOCK.sub("", text(name)), "console"):
        command, _, output = shown.removeprefix("$ vpcalc ").partition("\n")
        assert [line.rstrip() for line in run(command)[1].splitlines()] == output.splitlines()


TRUSTED = ("howto/your-module.md",)
"""Pages whose markers name code of the examples."""


@pytest.mark.quick(5)
@pytest.mark.parametrize("name", marked([name for name in NAMES if BLOCK.search(text(name))]))
def test_embedded_figures_are_fresh(name: str) -> None:
    result = vpcalc.embed([str(DOCS / name)], check=True, trust=name in TRUSTED)
    assert result.ok, result.diff()


def test_a_stale_figure_is_found_out(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text("explain/factor-two.md").replace("2,003,828,736", "2,003,828,737"), encoding="utf-8")
    assert not vpcalc.embed([str(page)], check=True).ok


@pytest.mark.parametrize("name", [name for name in NAMES if "```python" in text(name) and name not in HEAVY])
def test_python_examples_say_what_they_return(name: str) -> None:
    for code in fenced(text(name), "python"):
        scope: dict[str, Any] = {}
        for line in code.splitlines():
            expression, _, comment = line.partition("   #")
            if comment:
                assert eval(expression, scope) == eval(comment), line
            else:
                exec(line, scope)


@pytest.mark.parametrize("name", NAMES)
def test_commands_that_are_mentioned_exist(name: str) -> None:
    prose = re.sub(r"^```.*?^```", "", text(name), flags=re.S | re.M)
    for command in re.findall(r"`vpcalc (?:--load \S+ )?([a-z]+)", prose):
        assert command in COMMANDS


# -- links --------------------------------------------------------------------------------------------

GENERATED = {
    "architectures/index.md",
    "statements/index.md",
    "layers.md",
    "published.md",
    "commands.md",
    *(
        f"pictures/{name}.svg"
        for name in ("crossover", "memory", "resolution", "operators", "models", "front", "stages", "block")
    ),
    *(f"pictures/draw_{ARCHITECTURES[id].family.name}.svg" for id in ARCHITECTURES),
    *(f"statements/{id}.md" for id in STATEMENTS),
}


@pytest.mark.parametrize("name", NAMES)
def test_links_between_pages_lead_somewhere(name: str) -> None:
    page = re.sub(r"^```.*?^```", "", text(name), flags=re.S | re.M)
    for target in re.findall(r"\]\(([^)\s]+)\)", page):
        if "://" in target or target.startswith("#"):
            continue
        path = (DOCS / name).parent.joinpath(target.partition("#")[0]).resolve()
        if path.is_relative_to(DOCS / "generated"):
            assert path.relative_to(DOCS / "generated").as_posix() in GENERATED, target
        else:
            assert path.exists(), target


def test_no_page_names_another_host() -> None:
    """Pages are read offline: nothing is fetched, and no address of a machine slips in."""
    for name in NAMES:
        for url in re.findall(r"https?://[^\s)>\"]+", text(name)):
            assert not re.search(r"localhost|127\.0\.0\.1|file:", url), f"{name}: {url}"


# -- what is generated --------------------------------------------------------------------------------


def script(name: str) -> ModuleType:
    """A script of the documentation."""
    found = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    return script("generate")


def test_the_readmes_picture_is_fresh() -> None:
    terminal = script("terminal")
    kept = terminal.PICTURE.read_text(encoding="utf-8")
    assert terminal.words(kept) == terminal.words(terminal.picture())
    assert terminal.words(kept).count("agrees") == 6
    assert "http" not in kept.replace("http://www.w3.org", "").replace("https://www.textualize.io", "")


def test_the_reference_has_every_command_and_every_option(generate: ModuleType, tmp_path: Path) -> None:
    import typer

    ((_, page),) = generate.commands(tmp_path)
    group: Any = typer.main.get_command(application())
    for name, command in group.commands.items():
        assert f"### vpcalc {name}\n" in page
        for each in (command, *getattr(command, "commands", {}).values()):
            for parameter in each.params:
                assert all(f"`{option}`" in page for option in parameter.opts if option.startswith("-"))


def test_the_reference_has_every_function(generate: ModuleType, tmp_path: Path) -> None:
    pages = dict(generate.functions(tmp_path))
    listed = set(re.findall(r"autofunction:: vpcalc\.(\w+)", "".join(pages.values())))
    public = {name for name in vpcalc.__all__ if callable(getattr(vpcalc, name))} - {"InputError"}
    assert listed == public


def test_every_layer_has_its_closed_form_and_its_derivation(generate: ModuleType, tmp_path: Path) -> None:
    ((_, page),) = generate.layers(tmp_path)
    for id in LAYERS:
        form = vpcalc.formula(id).form
        assert f"`{id}`: " in page
        if form.polynomial:
            assert f"$${form.latex}$$" in page
            assert f"vpcalc formula {id} --steps" in page


@pytest.mark.slow
def test_a_familys_page_has_its_figures(generate: ModuleType) -> None:
    members = [ARCHITECTURES[id] for id in ARCHITECTURES if ARCHITECTURES[id].family.name == "deit"]
    page = generate._family("deit", members)
    for member in members:
        assert f"| `{member.id}` | ${vpcalc.formula(member.id).form.latex}$ |" in page
    assert "agrees" in page
    assert "explained" in page  # a figure of a paper that is cut off stands there as what it is
    assert all(f"| `{setting}` |" in page for setting in members[0].config)


def test_sentences_are_taken_literally(generate: ModuleType) -> None:
    assert generate._sentence("a_j and a_{j−1} of [x] * 2") == r"$a_{j}$ and $a_{j-1}$ of \[x\] \* 2"
    assert generate._sentence("∂s_j/∂s_{k}") == "$∂s_{j}$/$∂s_{k}$"


def test_mathematics_is_read() -> None:
    pytest.importorskip("sphinx")
    mathml = script("mathml")
    for id in LAYERS:
        assert mathml.to_mathml(vpcalc.formula(id).form.latex, block=True).startswith("<math")
    assert "<mn>1</mn>" in mathml.to_mathml(r"\tfrac12 x", block=False)
    assert 'stretchy="false">‖' in mathml.to_mathml(r"\lVert \prod_j J_j \rVert", block=True)
    assert "⟺" in mathml.to_mathml(r"a < b \iff c", block=False)
    with pytest.raises(mathml.MathError):
        mathml.to_mathml(r"\nothing", block=False)


# -- the site -----------------------------------------------------------------------------------------


class Links(html.parser.HTMLParser):
    """What a page points to, and what in it can be pointed to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value and tag != "base":
                self.targets.append(value)
            if name in ("id", "name") and value:
                self.anchors.add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with warnings as errors."""
    pytest.importorskip("furo")
    pytest.importorskip("myst_parser")
    folder = tmp_path_factory.mktemp("site") / "html"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-E", "-q", "-b", "html", str(DOCS)]
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.mark.slow
@needs_browser
def test_no_page_runs_out_of_a_screen_or_of_a_telephone(site: Path) -> None:
    pages = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    assert len(pages) > 100
    assert too_wide(site, pages, [1200, 390]) == []


@pytest.mark.slow
def test_every_plot_is_there_for_light_and_for_dark(site: Path) -> None:
    plots = 0
    for page in site.rglob("*.html"):
        images = re.findall(r"<img [^>]*>", page.read_text(encoding="utf-8"))
        sources = {
            match[1]: image for image in images if (match := re.search(r'src="([^"]*_images/[^"]*)"', image))
        }
        for source, image in sources.items():
            assert ("only-dark" if ".dark" in source else "only-light") in image, (page, image)
            assert source.replace(".dark", "") in sources, (page, source)
            assert (page.parent / source).resolve().exists()
        plots += len(sources)
        assert sum(".dark" in source for source in sources) * 2 == len(sources), page
    assert plots > 60


@needs_browser
def test_a_page_that_runs_out_would_be_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "a.html").write_text("<article><p>narrow</p></article>")
    (folder / "b.html").write_text('<article><div style="width:700px">wide</div></article>')
    assert [found[:2] for found in too_wide(folder, ["a.html", "b.html"], [1200, 390])] == [("b.html", 390)]


@pytest.mark.slow
def test_the_site(site: Path) -> None:
    """It has every page, its links lead somewhere, and it fetches nothing."""
    for family in {ARCHITECTURES[id].family.name for id in ARCHITECTURES}:
        assert (site / "generated" / "architectures" / f"{family}.html").exists()
    for id in STATEMENTS:
        assert (site / "generated" / "statements" / f"{id}.html").exists()

    pages = {path: Links(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    for path, links in pages.items():
        for target in links.targets:
            if re.match(r"[a-z]+:|#$|//", target):
                continue
            where, _, anchor = unquote(target).partition("#")
            goal = (path.parent / where.partition("?")[0]).resolve() if where else path
            assert goal.exists(), f"{path.name}: {target}"
            if anchor and goal in pages:
                assert anchor in pages[goal].anchors, f"{path.name}: {target}"
        page = path.read_text(encoding="utf-8")
        assert not re.search(r"<mfrac>\s*<m\w+[^>]*>[^<]*</m\w+>\s*<mo", page), f"{path.name}: a misread fraction"
        assert not re.search(r"<(?:script|img|link)[^>]+(?:src|href)=\"https?://", page), path.name
        assert not re.search(r"[ (>]–[a-z]", page), f"{path.name}: an option with a dash in the place of --"
