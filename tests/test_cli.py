"""The command line as its users meet it: real processes, exit codes, pipes, files."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vpcalc.cli.app import application
from vpcalc.reference import LAYER_WITNESSES

from .conftest import Run
from .terminals import screen, typed

FAST = ("compare", "--h", "8", "--w", "8", "--C", "32", "--no-check")


def test_the_two_tables_of_the_front_page(inside: Run) -> None:
    """The first is compared, in a process of its own, in ``test_readme.py``, too."""
    compared = inside("compare", "--h", "56", "--w", "56", "--C", "96", "--M", "7")
    assert (compared.returncode, compared.stderr) == (0, "")
    msa = next(line for line in compared.stdout.splitlines() if line.startswith("MSA"))
    assert "4hwC² + 2(hw)²C" in msa
    assert "2.004 G" in msa
    assert msa.rstrip().endswith("agrees")
    shown = inside("model", "swin_t", "--input", "224")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "89481HW + 768000" in shown.stdout
    assert "4,509,194,496" in shown.stdout


def test_json_is_one_object_and_exact(inside: Run) -> None:
    done = inside("model", "swin_t", "--format", "json")
    found = json.loads(
        done.stdout,
        parse_float=lambda text: pytest.fail(text) if "e" not in text and "." not in text else float(text),
    )
    assert found["macs"] == 4_490_566_656
    assert done.stderr == ""


def test_csv_holds_exact_numbers(inside: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(inside(*FAST, "--format", "csv").stdout)))
    assert rows[0]["layer"] == "MSA"
    assert int(rows[0]["macs"]) == 4 * 64 * 32**2 + 2 * 64**2 * 32


@pytest.mark.quick(3)
@pytest.mark.parametrize(
    ("command", "left"),
    [
        ("compare --h 8 --w 8 --no-check", "Where they cross"),
        ("model swin_t --no-check", "Operators; Published figures"),
        ("rnn --T 8 --n 4 --d 2", "Verdict; Cost of dL/dU from ∂L/∂s_T: T = 8, n = 4, d = 2"),
        ("derive vgg11 --by module", "Regimes of vgg11"),
        ("derive vgg11", "By module"),
        ("model resnet18 swin_t --no-check --columns stage,swin_t", ""),
        ("models", ""),
        ("design swin_t --macs 4.5G --free C", ""),
    ],
)
def test_csv_says_which_tables_it_leaves_out(inside: Run, command: str, left: str) -> None:
    """Of several it holds the first, or one that has all; what it does not hold, other formats have."""
    done = inside(*command.split(), "--format", "csv")
    assert done.stderr == f"vpcalc: CSV holds one table, and not: {left} (--format json has them)\n" * bool(left)
    *others, last = inside(*command.split(), "--format", "markdown").stdout.split("**")[1::2]
    assert all(title in (*others, last) for title in left.split("; ") if left)
    assert len({len(row) for row in csv.reader(io.StringIO(done.stdout))}) == 1


@pytest.mark.parametrize(
    ("command", "hint"),
    [("models", "vpcalc model NAME"), ("layers", "vpcalc formula ID"), ("theory", "vpcalc theory NAME")],
)
def test_what_to_type_next_is_said_in_terminals_alone(inside: Run, command: str, hint: str) -> None:
    assert hint in inside(command).stdout
    for format in ("latex", "markdown", "typst", "html"):
        assert hint not in inside(command, "--format", format).stdout


def test_columns_of_a_further_table_choose_it_in_csv_too(inside: Run) -> None:
    done = inside("model", "swin_t", "--no-check", "--columns", "operator,fvcore", "--format", "csv")
    assert done.stdout.splitlines()[:2] == ["operator,fvcore", "conv,14450688"]
    assert done.stderr == ""


def test_why_figures_differ_goes_before_the_figures(inside: Run) -> None:
    """In a narrow terminal; most rows have nothing to say there."""
    done = inside("reproduce", "swin", "--no-check", COLUMNS="50")
    assert done.stdout.splitlines()[1].split() == ["Model", "Printed", "Derived", "Verdict"]
    assert "no room in 50 columns for: why, of" in done.stdout


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("compare --h 5", "Missing option '--w'; for example: vpcalc compare --h 56 --w 56 --C 96 --M 7"),
        (
            "models x.py:f swin_t",
            "Got unexpected extra argument(s) (x.py:f swin_t); "
            "models and code beside each other: vpcalc model x.py:f swin_t",
        ),
        ("layers msa", "Got unexpected extra argument(s) (msa); for example: vpcalc layers --columns id,macs"),
        ("figure msa --h 56", "No such option: --h; sizes and settings have names: --set h=56"),
        ("crossover msa wmsa --C 64", "No such option: --C; sizes and settings have names: --at C=64"),
        ("msa", "No such command 'msa'; it is a layer: vpcalc formula msa"),
        ("swin-t", "No such command 'swin-t'; it is a model: vpcalc model swin-t"),
        (
            "retnet",
            "No such command 'retnet'; models are called so: vpcalc model retnet_1_3b; vpcalc models lists them",
        ),
        ("swin", "No such command 'swin'; models are called so: vpcalc model swin_t; vpcalc models lists them"),
        (
            "gpt2",
            "No such command 'gpt2'; see vpcalc --help, vpcalc models and vpcalc layers; in a library: vpcalc "
            "derive transformers:gpt2, timm:gpt2 or torchvision:gpt2; your own: FILE.py:FACTORY, "
            "or --load FILE.py",
        ),
        ("msaa", "No such command 'msaa'; did you mean msa or wmsa? See also vpcalc models and vpcalc layers"),
        ("n.py", "No such command 'n.py'; it is a file; name its factory, n.py:FACTORY, or give --load n.py"),
        ("plot nothing", "No such command 'nothing'; see vpcalc plot --help"),
        ("compar", "No such command 'compar'. Did you mean 'compare'?"),
    ],
)
def test_a_command_that_is_misused_shows_how_it_is_used(inside: Run, line: str, said: str) -> None:
    done = inside(*line.split())
    assert (done.returncode, done.stderr) == (2, f"vpcalc: {said}\n")


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    ("line", "heading", "column"),
    [
        ("compare --h 56 --w 56 --no-check", "Layer", "MACs"),
        ("compare --h 56 --w 56 --no-check", "Costs more", "Here: hw >"),
        ("plot crossover --format table", "Costs more", "Here: hw >"),
        ("memory swin_t --device a100_80gb --no-check", "Operator", "At least (ms)"),
        ("model upernet --backbone swin_l --input 4096x8192 --no-check", "Operator", "fvcore's convention"),
        ("models --batch 2 --where training_bytes<2GB", "Model", "Training"),
        ("models --batch 2 --where training_bytes<2GB --sort=-top1", "Model", "Top-1"),
    ],
)
def test_a_narrow_terminal_shows_what_a_table_is_for(inside: Run, line: str, heading: str, column: str) -> None:
    heads = [each for each in inside(*line.split(), COLUMNS="50").stdout.splitlines() if each.startswith(heading)]
    assert any(column in head for head in heads)


def test_a_narrow_terminal_has_the_names_of_layers_below_their_ids(inside: Run) -> None:
    shown = inside("layers", COLUMNS="50").stdout
    lines = [line.rstrip() for line in shown.splitlines()]
    assert "  GCN block             2khw·c_out²" in lines
    assert lines[lines.index("msa                     4hwC² + 2(hw)²C") + 1] == "  MSA"
    assert "no room" not in shown


def test_sequences_have_tokens_and_no_resolution(inside: Run) -> None:
    heads = [inside("model", name, "--no-check").stdout for name in ("transformer_base", "swin_t")]
    assert ["Tokens" in heads[0], "Resolution" in heads[0]] == [True, False]
    assert ["Tokens" in heads[1], "Resolution" in heads[1]] == [False, True]


def test_markdown_and_latex(inside: Run) -> None:
    markdown = inside(*FAST, "--format", "markdown").stdout
    assert "| MSA | $4hwC^{2} + 2(hw)^{2}C$ |" in markdown
    latex = inside(*FAST, "--format", "latex").stdout
    assert r"MSA & $4hwC^{2} + 2(hw)^{2}C$ &" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2
    assert r"\caption{$8\times 8$ tokens, $C = 32$, 1 head; $M = 7$" in latex
    assert r"\label{tab:compare-8x8}" in latex
    assert r"padded to 14\par}" in latex  # a condition is set, and no comment
    assert latex.count("usepackage") == 1


PARTS = ("", "-operators", "-published-figures", "-published-figures-2")


@pytest.mark.parametrize(
    ("command", "labels"),
    [
        ("model swin_t --no-check", [f"model-swin-t{part}" for part in PARTS]),
        ("layers", ["layers", "layers-2", "layers-3"]),
        ("theory rnn_gradient --no-check", ["theory-rnn-gradient"]),
        ("crossover msa wmsa", ["crossover-msa-wmsa"]),
        ("check 4nd^2 --against msa", ["check-msa"]),
        ("draw swin_t", ["draw-stages-swin-t"]),
        ("plot resolution swin_t vit_s_16 --from 224 --to 256", ["plot-resolution-swin-t-vit-s-16"]),
    ],
)
def test_labels_are_the_command_and_its_subject(inside: Run, command: str, labels: list[str]) -> None:
    """Each once, whatever stands in the title; what is continued has a number."""
    latex = inside(*command.split(), "--format", "latex").stdout
    assert re.findall(r"\\label\{tab:(.*?)\}", latex) == labels


@pytest.mark.parametrize(
    ("format", "cells"),
    [
        ("latex", [r"& $R, M$ \\", r"& $M$ \\"]),
        ("typst", ["[$R, M$],", "[$M$],"]),
        ("markdown", ["| $R, M$ |", "| $M$ |"]),
        ("html", ["<mi>R</mi><mo>,</mo><mi>M</mi></math></td>", "<mi>M</mi></math></td>"]),
        ("csv", []),
    ],
)
def test_tiles_are_set_as_mathematics(inside: Run, format: str, cells: list[str]) -> None:
    done = inside("compare", "--h", "56", "--w", "56", "--no-check", "--format", format)
    assert all(cell in done.stdout for cell in cells)


@pytest.mark.quick(4)
@pytest.mark.parametrize("lines", ["1", "3"])
@pytest.mark.parametrize(
    "command", ["theory --format latex", "models --format csv", "formula swin_t --steps", "theory"]
)
def test_whoever_reads_a_long_output_may_stop_too(command: str, lines: str) -> None:
    """typer and rich end a program whose output nobody reads by a status of their own."""
    script = f"set -o pipefail; {shlex.quote(sys.executable)} -u -m vpcalc {command} | head -n {lines}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode in (0, 141)


@pytest.mark.quick(3)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("command", ["formula msa", "theory", "--help", "models --format csv", ""])
def test_a_full_disk_is_one_line_and_a_closed_output_is_none(command: str) -> None:
    run = f"{shlex.quote(sys.executable)} -m vpcalc {command}"
    full = subprocess.run(["bash", "-c", f"{run} > /dev/full"], capture_output=True, text=True, check=False)
    line = f"vpcalc: output cannot be written: {os.strerror(errno.ENOSPC)}\n"
    assert (full.returncode, full.stderr) == (2, line)
    closed = subprocess.run(["bash", "-c", f"{run} >&-"], capture_output=True, text=True, check=False)
    assert (closed.returncode, closed.stdout, closed.stderr) == (0, "", "")


def test_a_formula_stands_alone_on_standard_output(inside: Run) -> None:
    assert inside("formula", "msa").stdout == "4hwC² + 2(hw)²C\n"
    assert inside("formula", "wmsa", "--format", "latex").stdout == "4hwC^{2} + 2M^{2}hwC\n"
    assert inside("formula", "swin_t").stdout == "89481HW + 768000\n"
    steps = inside("formula", "msa", "--steps").stdout
    assert "QKᵀ" in steps
    assert "(hw)²C" in steps


def test_where_a_formula_holds_is_said_beside_it(inside: Run) -> None:
    assert inside("formula", "msa").stderr == ""
    assert inside("formula", "wmsa").stderr == "vpcalc: holds for h and w multiples of M\n"
    said = inside("formula", "sra").stderr  # with R = 1 there is no reduction, which costs hwC²
    assert said == "vpcalc: holds for h and w multiples of R; R ≥ 2\n"
    saved = inside("formula", "msa", "--quantity", "saved_bytes")
    assert (saved.stdout, saved.stderr) == ("16BhwC + 4Ba(hw)²\n", "vpcalc: holds for every size at least 2\n")
    assert inside("formula", "wmsa", "--everywhere").stderr == ""


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_options_without_a_command(inside: Run, option: str) -> None:
    done = inside(option)
    assert done.returncode == 0
    assert "vpcalc" in done.stdout


def test_alone_it_shows_what_it_can_do(inside: Run) -> None:
    done = inside(COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("compare", "model", "formula", "models"):
        assert command in done.stdout
        assert "Example" in inside(command, "--help").stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_shows_what_stands_in_brackets(inside: Run) -> None:
    shown = inside("macros", "--help", COLUMNS="100").stdout
    assert '[formulas]   MsaCost = "msa"' in shown
    assert "sections [formulas], [figures], [symbols]" in " ".join(shown.replace("│", " ").split())


def test_help_names_quantities_of_memory_where_they_are_taken(inside: Run) -> None:
    assert "saved_bytes" in inside("formula", "--help").stdout


BAD = [
    ("compare", "--h", "0", "--w", "8"),
    ("compare", "--h", "8.5", "--w", "8"),
    ("compare", "--h", "8"),
    ("compare", "--h", "8", "--w", "8", "--C", "96", "--heads", "7"),
    ("compare", "--h", "8", "--w", "8", "--format", "yaml"),
    ("compare", "--h", "8", "--w", "8", "--M"),
    ("compare", "--h", "8", "--w", "8", "--Q", "3"),
    ("compare", "--h", "99999999999", "--w", "8"),
    ("model", "swin_q"),
    ("model",),
    ("model", "swin_t", "--set", "C"),
    ("model", "swin_t", "--set", "C=9; import os"),
    ("model", "swin_t", "--input", "huge"),
    ("formula", "mssa"),
    ("formula", "msa", "--format", "postscript"),
    ("models", "--family", "swim"),
    ("comapre",),
]


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_bad_input_is_one_line_and_status_two(inside: Run, arguments: tuple[str, ...]) -> None:
    done = inside(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("vpcalc: ")
    assert done.stderr.count("\n") == 1


def test_a_misspelled_name_gets_a_suggestion(inside: Run) -> None:
    assert "did you mean swin_" in inside("model", "swin_q").stderr
    assert "compare" in inside("comapre").stderr


def test_a_file_is_written_whole_or_not_at_all(inside: Run, tmp_path: Path) -> None:
    target = tmp_path / "table.json"
    target.write_text("old")
    target.chmod(0o640)
    assert inside(*FAST, "--format", "json", "-o", str(target)).stdout == ""
    assert json.loads(target.read_text())["command"] == "compare"
    assert target.stat().st_mode & 0o777 == 0o640
    bad = inside("compare", "--h", "0", "--w", "8", "-o", str(target))
    assert bad.returncode == 2
    assert json.loads(target.read_text())["command"] == "compare"
    assert os.listdir(tmp_path) == ["table.json"]


def test_a_file_that_cannot_be_written(inside: Run, tmp_path: Path) -> None:
    for target in (tmp_path / "no" / "such" / "table.txt", tmp_path):
        done = inside(*FAST, "-o", str(target))
        assert done.returncode == 2
        assert "cannot be written" in done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("arguments", ["models", "figure --help"])  # what rich writes as it goes, and at once
def test_whoever_reads_may_stop_reading(arguments: str) -> None:
    command = f"{shlex.quote(sys.executable)} -m vpcalc {arguments} | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("columns", ["80", "140"])
def test_output_fits_the_terminal(inside: Run, columns: str) -> None:
    for arguments in (FAST, ("model", "swin_t", "--no-check"), ("formula", "wmsa", "--steps"), ("models",)):
        for line in inside(*arguments, COLUMNS=columns).stdout.splitlines():
            assert len(line) <= int(columns)
    wide = inside(*FAST, COLUMNS="140").stdout
    assert "Map elements" in wide
    assert "Map elements" not in inside(*FAST, COLUMNS="80").stdout


def terminal(*arguments: str, **env: str) -> str:
    """What a real terminal would receive."""
    status, received = typed(list(arguments), **env)
    assert status == 0
    return received


def test_a_terminal_gets_colour_unless_it_asked_for_none() -> None:
    checked = ("compare", "--h", "8", "--w", "8", "--C", "32", "--rows", "msa")
    coloured = terminal(*checked, NO_COLOR="")
    assert "\x1b[32magrees" in coloured
    plain = terminal(*checked, NO_COLOR="1")
    assert "agrees" in plain
    assert "\x1b[32m" not in plain


def test_the_analytic_table_is_there_before_the_count() -> None:
    """The figures stand in the first frame, with a dash where fvcore's verdict will come."""
    shown = terminal("compare", "--h", "8", "--w", "8", "--C", "32", "--rows", "msa", NO_COLOR="1")
    row = shown.index("4hwC²")
    assert "–" in shown[row : row + 120]
    assert shown.rindex("agrees") > row


@pytest.mark.parametrize(("columns", "rows"), [(100, 24), (60, 40), (100, 8)])
def test_a_terminal_shows_each_table_once(columns: int, rows: int) -> None:
    """What is shown at once, and again as verdicts come, stands there once in the end: of the last frame."""
    arguments = ["compare", "--h", "8", "--w", "8", "--C", "32", "--rows", "msa,wmsa,sra"]
    status, received = typed(arguments, columns, rows)
    assert status == 0
    shown = screen(received, columns)
    assert [line.startswith("8×8 tokens") for line in shown].count(True) == 1
    assert [line.startswith("Layer") for line in shown].count(True) == 1
    assert [line.rstrip().endswith("agrees") for line in shown].count(True) == 3
    assert "counting" not in "".join(shown)


def test_a_title_that_stands_twice_would_be_seen() -> None:
    assert screen("title\r\nrow –\r\x1b[2K\x1b[1A\x1b[2Ktitle\r\nrow agrees\r\n", 80) == [
        "title",
        "row agrees",
        "",
    ]
    assert screen("title\r\nrow –\r\x1b[2Ktitle\r\nrow agrees\r\n", 80)[:2] == ["title", "title"]


@pytest.mark.parametrize("columns", [40, 100])
def test_long_work_shows_how_far_it_is_and_what_is_left(columns: int) -> None:
    status, received = typed(["prove", "ffn", "ffn_tokens"], columns, NO_COLOR="1")
    assert status == 0
    assert re.search(r"\b[12]/2\b", received)
    assert "left" in received
    shown = screen(received, columns)
    assert not any("left" in line for line in shown)  # the bar is gone when the table is there
    assert max(map(len, shown)) <= columns


def test_json_to_a_terminal_with_ascii_only(vpcalc: Run) -> None:
    done = vpcalc(*FAST, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    done = vpcalc(*FAST, "--format", "json", PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)["rows"][0]["formula"]["text"] == "4hwC² + 2(hw)²C"


def test_a_mismatch_ends_with_status_one(inside: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same planted mistake as in test_answers, through the whole command."""
    honest = LAYER_WITNESSES["msa"]
    doubled = {"msa": lambda **dims: honest(**{**dims, "C": 2 * dims["C"]})}
    monkeypatch.setattr(LAYER_WITNESSES, "_entries", LAYER_WITNESSES.entered() | doubled)
    done = inside("compare", "--h", "8", "--w", "8", "--C", "32", "--rows", "msa")
    assert done.returncode == 1
    assert "differs" in done.stdout


ONE_OF_EACH = (
    "compare --h 14 --w 14 --no-check",
    "model vgg11 --no-check",
    "model vgg11 resnet18 --no-check",
    "formula msa",
    "figure vgg11",
    "models",
    "layers",
    "memory vgg11 --no-check",
    "check 2hwC^2 --against msa",
    "check O(n^2d) --against msa",
    "theory",
    "rnn --T 5 --n 4 --d 3",
    "plot crossover",
    "draw vgg11",
    "derive torch.nn:Linear --input 5,4 --arg in_features=4 --arg out_features=3",
)


@pytest.mark.parametrize("command", ONE_OF_EACH)
def test_json_says_which_command_and_in_which_version(command: str) -> None:
    result = CliRunner().invoke(application(), [*command.split(), "--format", "json"])
    said = json.loads(result.stdout)
    assert list(said)[:2] == ["command", "schema_version"], result.output
    assert (said["command"], said["schema_version"]) == (command.split()[0], 1)


@pytest.mark.parametrize("words", [("-h",), ("--help",), ("help",)])
def test_help_is_found_however_it_is_asked_for(inside: Run, words: tuple[str, ...]) -> None:
    assert inside(*words).stdout == inside("--help").stdout
    assert "vpcalc compare" in inside(*words).stdout


def test_help_of_a_command(inside: Run) -> None:
    assert inside("help", "figure").stdout == inside("figure", "-h").stdout == inside("figure", "--help").stdout


def test_the_version_has_a_short_option(inside: Run) -> None:
    assert inside("-V").stdout == inside("--version").stdout


@pytest.mark.parametrize(
    ("written", "meant"),
    [("ResNet-50", "resnet50"), ("SwinT", "swin_t"), ("vit-b-16", "vit_b_16"), ("VGG 11", "vgg11")],
)
def test_a_name_is_known_however_it_is_written(inside: Run, written: str, meant: str) -> None:
    done = inside("model", written, "--no-check", "--format", "json")
    assert json.loads(done.stdout)["model"] == meant
    assert inside("model", written + "x", "--no-check").returncode == 2


@pytest.mark.parametrize(
    ("command", "name", "begins"),
    [
        ("models --family recurrent", "a.json", "{"),
        ("models --family recurrent", "a.csv", "id,"),
        ("models --family recurrent", "a.md", "**"),
        ("formula msa", "a.tex", "4hwC^{2}"),
        ("formula msa", "a.py", "4*h*w"),
        ("formula msa", "a.txt", "4hwC²"),
        ("figure vgg11", "a.json", "{"),
        ("formula msa --format typst", "a.tex", "4 h w"),
    ],
)
def test_a_file_s_name_says_its_format(inside: Run, tmp_path: Path, command: str, name: str, begins: str) -> None:
    done = inside(*command.split(), "-o", str(tmp_path / name))
    assert done.returncode == 0
    assert done.stdout == ""
    assert f"vpcalc: wrote {tmp_path / name}" in done.stderr
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("memory vit_ti_16 --recompute block --no-check", "--recompute block: changes nothing without --train"),
        (
            "compare --h 8 --w 8 --chunk 3 --no-check",
            "--chunk 3: no row depends on it; --rows retention_chunkwise",
        ),
        ("model swin_t --input 224,224 --no-check", "a side S or HxW in pixels, such as 224 or 800x1280"),
        ("model swin_t --input 224 --input=384 --no-check", "--input: given more than once"),
        ("compare --h 8 --w 8 --rows msa --M 3 --no-check", "--M 3: no row depends on it; --rows wmsa, swmsa or"),
        ("memory vit_ti_16 --optimizer sgd", "--optimizer sgd: changes nothing without --train"),
        ("memory vit_ti_16 --master-weights", "--master-weights: changes nothing without --train"),
        ("plot crossover --width 5", "--width 5: changes nothing without --output"),
        ("derive vgg11 --input 1,3,224,224 --lattice", "--lattice: changes nothing where the input has no letter"),
        ("plot stages swin_t -o a.svg --output b.svg", "--output: given more than once"),
        ("model swin_t --set C=96 --set C=64", "--set C: is 96 and 64; give it once"),
    ],
)
def test_what_would_change_nothing_or_mean_nothing_is_refused(inside: Run, command: str, said: str) -> None:
    done = inside(*command.split())
    assert done.returncode == 2
    assert said in done.stderr


def test_what_may_be_repeated_may_be(inside: Run) -> None:
    done = inside(
        *["model", "swin_t", "--set", "C=64", "--set", "heads=2,4,8,16", "--no-check", "--exact", "--exact"]
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("model gpt2", ["see vpcalc models;", "vpcalc derive transformers:gpt2", "--load FILE.py"]),
        ("formula efficientnet_b0", ["vpcalc models and vpcalc layers", "timm:efficientnet_b0"]),
        ("compare --h 8 --w 8 --rows zzz", ["see vpcalc layers;"]),
        ("model swin_x", ["did you mean swin_t, swin_s or swin_l? See also vpcalc models"]),
        ("model retnet", ["did you mean retnet_1_3b, retnet_2_7b or retnet_6_7b?"]),
        ("figure t5", ["did you mean t5_3b, t5_11b or t5_base?"]),
        ("theory zzz", ["vpcalc theory lists all"]),
        ("memory swin_t --device zzz", ["there are 3", ", such as "]),
        ("model swin_t --set width=3", ["setting of swin_t 'width' is not known; known: C, "]),
        (
            "check 4hwq --against msa",
            ["such as --rename q=h; here are h "],
        ),
        ("prove zzz", ["there are 1", ", such as "]),
    ],
)
def test_an_unknown_name_is_sent_on_in_a_short_line(inside: Run, command: str, said: list[str]) -> None:
    done = inside(*command.split())
    assert done.returncode == 2
    assert len(done.stderr) < 260
    for part in said:
        assert part in done.stderr


COMPLETED = [
    ("mod", 1, ["model", "models"]),
    ("model swin_b", 2, ["swin_b", "swin_b_384"]),
    ("model swin_ti", 2, ["swin_tiny_patch4_window7_224"]),
    ("plot stages vgg19", 3, ["vgg19", "vgg19_bn"]),
    ("formula wm", 2, ["wmsa"]),
    ("compare --rows msa,wm", 3, ["msa,wmsa"]),
    ("theory rnn_g", 2, ["rnn_gradient", "rnn_gradients"]),
    ("prove linear_sra_pa", 2, ["linear_sra_params"]),
    ("memory swin_t --device h100_p", 4, ["h100_pcie"]),
    ("reproduce pvt_", 2, ["pvt_v2"]),
    ("memory --optimizer mom", 3, ["momentum", "momentum8bit"]),
    ("audit vit_b_16 --counter fv", 4, ["fvcore"]),
    ("compare --form", 2, ["--format"]),
]


@pytest.mark.parametrize(("line", "word", "words"), COMPLETED)
def test_a_shell_completes_names(inside: Run, line: str, word: int, words: list[str]) -> None:
    done = inside(_VPCALC_COMPLETE="complete_bash", COMP_WORDS=f"vpcalc {line}", COMP_CWORD=str(word))
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, words, "")


def test_other_shells_complete_too(inside: Run) -> None:
    zsh = inside(_VPCALC_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="vpcalc formula wm")
    assert (zsh.returncode, zsh.stderr) == (0, "")
    assert '"wmsa"' in zsh.stdout


@pytest.mark.parametrize("command", ["model", "crossover"])  # examples alone, and below another paragraph
def test_examples_stand_one_below_the_other(inside: Run, command: str) -> None:
    lines = [line.rstrip() for line in inside(command, "--help", COLUMNS="100").stdout.splitlines()]
    below = lines[lines.index(" Examples:") + 1 :]
    shown = below[: below.index("")]
    assert len(shown) == {"model": 5, "crossover": 4}[command]
    assert all(line.startswith(f" vpcalc {command} ") for line in shown)


def test_the_script_that_a_shell_is_given_is_no_error(vpcalc: Run) -> None:
    undetected = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # of what runs above it, maybe no shell
    done = vpcalc("--show-completion", "bash", **undetected)
    assert (done.returncode, done.stderr) == (0, "")
    assert "_VPCALC_COMPLETE=complete_bash" in done.stdout


def test_completion_imports_neither_torch_nor_sympy() -> None:
    script = (
        "import os, sys, atexit\n"
        "os.environ.update(_VPCALC_COMPLETE='complete_bash', COMP_WORDS='vpcalc prove m', COMP_CWORD='2')\n"
        "heavy = {'torch', 'sympy', 'fvcore'}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
        "from vpcalc.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "msa" in done.stdout.split()
    assert done.stderr == "[]\n"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_by_the_script_that_is_shown(vpcalc: Run, tmp_path: Path) -> None:
    """What --show-completion prints, in a bash of its own, with a program of that name on its path."""
    program = tmp_path / "vpcalc"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m vpcalc "$@"\n')
    program.chmod(0o755)
    shown = vpcalc(_VPCALC_COMPLETE="source_bash").stdout
    script = f"PATH={shlex.quote(str(tmp_path))}:$PATH\n{shown}\nCOMP_WORDS=(vpcalc model swin_b)\nCOMP_CWORD=2\n"
    script += '_vpcalc_completion vpcalc\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["swin_b", "swin_b_384"], "")
