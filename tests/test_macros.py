"""A LaTeX command for every formula and figure that a paper names, and single figures."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

import vpcalc as package
from vpcalc.errors import InputError

from .conftest import Run

LIST = """
[symbols]
C = "d"

[formulas]
MsaCost = "msa"
MsaShort = { of = "msa", form = "leading", symbols = { hw = "n" } }
SwinParams = { of = "swin_t", quantity = "params", set = { C = 128, heads = [4, 8, 16, 32] } }

[figures]
SwinMacs = { of = "swin_t", input = 224 }
SwinExact = { of = "swin_t", input = "224x448", exact = true }
SwinShort = { of = "swin_t", quantity = "params", digits = 2 }
MsaMap = { of = "msa", quantity = "attention_elements", h = 56, w = 56, C = 96, heads = 3 }
Base = { of = "transformer_base", src = 100, tgt = 80 }
"""


def listed(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "list.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_entry_becomes_a_command(tmp_path: Path) -> None:
    found = package.macros(listed(tmp_path, LIST))
    bodies = {macro.name: macro.body for macro in found.macros}
    assert bodies["MsaCost"] == r"\ensuremath{4hwd^{2} + 2(hw)^{2}d}"
    assert bodies["MsaShort"] == r"\ensuremath{2n^{2}d}"
    assert bodies["SwinMacs"] == r"4.491\,G"
    assert bodies[
        "SwinExact"
    ] == f"{package.model('swin_t', input='224x448', check=False).to_dict()['macs']:,}".replace(",", "{,}")
    assert bodies["SwinShort"] == r"28\,M"
    assert bodies["MsaMap"] == r"29.50\,M"
    assert found.latex.splitlines()[1:3] == [
        "% vpcalc formula msa --symbol C=d",
        r"\newcommand{\MsaCost}{\ensuremath{4hwd^{2} + 2(hw)^{2}d}}",
    ]


def test_the_command_above_each_line_prints_the_same(tmp_path: Path, inside: Run) -> None:
    """A reader re-checks a macro by the command in its comment."""
    for macro in package.macros(listed(tmp_path, LIST)).macros:
        done = inside(*shlex.split(macro.command), "--format", "latex")
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() in macro.body


def test_siunitx_where_it_is_asked_for(tmp_path: Path) -> None:
    bodies = [macro.body for macro in package.macros(listed(tmp_path, f"siunitx = true\n{LIST}")).macros]
    assert r"\num{4.491}\,G" in bodies


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[formulas]\nA1 = 'msa'", "formulas.A1: a LaTeX command is letters alone"),
        ("[formulas]\nendMsa = 'msa'", "does not begin with end"),
        ("[formulas]\n'\\input' = 'msa'", "letters alone"),
        ("[formulas]\nA = 'msa'\n[figures]\nA = { of = 'swin_t' }", "figures.A: is listed twice"),
        ("[formulas]\nA = 'mssa'", "formulas.A: formula 'mssa' is not known; did you mean msa"),
        ("[formulas]\nA = { of = 'msa', quantiy = 'macs' }", "key 'quantiy' is not known; did you mean quantity"),
        ("[formulas]\nA = { of = 'msa', form = 'short' }", "formulas.A: --form 'short' is not known"),
        ("[formulas]\nA = { of = 'msa', symbols = { C = 'h' } }", "both be written h"),
        ("[formulas]\nA = 3", "formulas.A: must be a name"),
        ("[formulas]\nA = { quantity = 'macs' }", "formulas.A: must be a name"),
        (
            "[figures]\nA = { of = 'msa', h = 8 }",
            "figures.A: --set: msa needs w, C, heads; give each, such as --set w=8",
        ),
        ("[figures]\nA = { of = 'msa', h = 8, w = 8, C = 8, heads = 3 }", "figures.A: heads = 3 does not divide"),
        ("[figures]\nA = { of = 'msa', input = 224, h = 8, w = 8, C = 8, heads = 1 }", "is a layer"),
        ("[figures]\nA = { of = 'swin_t', exact = 1 }", "exact = 1: must be true or false"),
        ("[figures]\nA = { of = 'swin_t', digits = 99 }", "--digits 99"),
        ("[figures]\nA = { of = 'swin_t', set = 5 }", "set = 5: must be a table"),
        ("[figures]\nA = { of = 'swin_t', quantity = 5 }", "quantity = 5: must be a text"),
        ("[symbols]\nX = 'y'\n[formulas]\nA = 'msa'", "symbols: symbol 'X' is not known"),
        ("symbols = 3", "symbols must be a section"),
        ("formulas = 3", "formulas must be a section"),
        ("siunitx = 1", "siunitx = 1: must be true or false"),
        ("[formula]\nA = 'msa'", "section 'formula' is not known; did you mean formulas"),
        ("", "names no formulas and no figures"),
        ("[formulas\n", "is not TOML"),
    ],
    ids=lambda text: text[:50],
)
def test_an_unusable_list_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InputError) as caught:
        package.macros(listed(tmp_path, text))
    assert complaint in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "list.toml"))
    assert "\n" not in str(caught.value)


def test_a_list_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"LIST: no file .*no\.toml"):
        package.macros(tmp_path / "no.toml")
    with pytest.raises(InputError, match="directory"):
        package.macros(tmp_path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# caf\xe9\n")
    with pytest.raises(InputError, match="is not UTF-8"):
        package.macros(latin)


def test_on_the_command_line(tmp_path: Path, inside: Run) -> None:
    path, target = listed(tmp_path, LIST), tmp_path / "vpcalc.tex"
    assert inside("macros", str(path), "-o", str(target)).stdout == ""
    assert target.read_text() == inside("macros", str(path)).stdout
    assert target.read_text().startswith("% Written by vpcalc macros from list.toml")
    found = json.loads(inside("macros", str(path), "--format", "json").stdout)
    swin = next(macro for macro in found["macros"] if macro["name"] == "SwinMacs")
    assert swin["value"] == 4_490_566_656
    before = target.read_text()
    listed(tmp_path, LIST.replace("MsaCost", "Msa2"))
    bad = inside("macros", str(path), "-o", str(target))
    assert (bad.returncode, bad.stdout, bad.stderr.count("\n")) == (2, "", 1)
    assert target.read_text() == before
    assert sorted(os.listdir(tmp_path)) == ["list.toml", "vpcalc.tex"]


# -- single figures ---------------------------------------------------------------------------------------

FIGURES = {
    ("swin_t",): "4.491 G",
    ("swin_t", "--quantity", "params", "--exact"): "28,288,354",
    ("swin_t", "--quantity", "params", "--digits", "2"): "28 M",
    ("swin_t", "--format", "latex", "--exact"): "4{,}490{,}566{,}656",
    ("swin_t", "--format", "latex"): r"4.491\,G",
    ("swin_t", "--format", "siunitx", "--exact"): r"\num{4490566656}",
    ("swin_t", "--format", "siunitx"): r"\num{4.491}\,G",
    ("msa", "--set", "h=56", "--set", "w=56", "--set", "C=96", "--set", "heads=3"): "2.004 G",
    ("lstm", "--tokens", "10", "--exact"): None,
}


@pytest.mark.parametrize("arguments", FIGURES, ids=" ".join)
def test_a_figure_stands_alone(inside: Run, arguments: tuple[str, ...]) -> None:
    done = inside("figure", *arguments)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert FIGURES[arguments] in (None, done.stdout.strip())


def test_a_figure_is_the_models_own() -> None:
    found = package.figure("swin_t", input="224x448", quantity="fvcore")
    assert found.value == package.model("swin_t", input="224x448", check=False).to_dict()["fvcore"]
    assert (str(found), repr(found)) == (found.write(), found.write())
    assert found.to_dict()["at"] == {"H": 224, "W": 448, "batch": 1}


@pytest.mark.parametrize(
    "arguments",
    [
        ("swin_q",),
        ("swin_t", "--quantity", "bytes"),
        ("swin_t", "--digits", "0"),
        ("swin_t", "--tokens", "3"),
        ("msa",),
        ("msa", "--set", "h=0", "--set", "w=56", "--set", "C=96", "--set", "heads=3"),
        ("msa", "--input", "224"),
    ],
    ids=" ".join,
)
def test_an_unusable_figure_is_refused(inside: Run, arguments: tuple[str, ...]) -> None:
    done = inside("figure", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
