"""Inputs that nobody means well: one line on standard error, status 2, nothing half written."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vpcalc import files
from vpcalc.cli.app import main
from vpcalc.errors import LINE, InputError, printable

from .conftest import Run


def ended(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str]:
    """How a command line ends, and what it says on standard error."""
    monkeypatch.setattr(sys, "argv", ["vpcalc", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code, capsys.readouterr().err


NESTED, DIGITS = "a = " + "[" * 20_000, "a = " + "9" * 5_000
COLUMNS = "id,name,float32,bfloat16,float16,float64,bandwidth,memory,source"


@pytest.mark.parametrize(
    ("name", "content", "words", "said"),
    [
        ("deep.toml", NESTED, ["macros"], "nested too deeply"),
        ("large.toml", DIGITS, ["macros"], "thousands of digits"),
        (
            "cell.csv",
            f"{COLUMNS}\n{'9' * 200_000}",
            ["memory", "vit_b_16", "--device", "x", "--devices"],
            "not CSV",
        ),
        ("base.py", "raise BaseException('boom')", ["model", "vit_b_16", "--no-check", "--load"], "boom"),
        ("deep.json", "[" * 100_000, ["diff", "deep.json"], "is not one of assert_cost"),
    ],
)
def test_files_that_break_their_parsers(
    name: str,
    content: str,
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(content)
    status, error = ended(monkeypatch, capsys, *words, name)
    assert status == 2
    assert said in error
    assert error.count("\n") == 1


def test_a_link_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop.md").symlink_to("loop.md")
    status, error = ended(monkeypatch, capsys, "embed", "loop.md")
    assert (status, error.count("\n")) == (2, 1)
    assert error.startswith("vpcalc: FILE 'loop.md': cannot be read: ")


@pytest.mark.parametrize("words", [["embed", "x.md"], ["formula", "msa", "-o", "x.txt"]], ids=str)
def test_a_working_directory_that_is_gone(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    status, error = ended(monkeypatch, capsys, *words)
    assert (status, error.count("\n")) == (2, 1)
    assert "No such file or directory" in error


def test_what_a_message_quotes_is_seen_and_short(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a" * 5_000, "a\u202eb", "a\x1b[31mb", "a b " * 2_000):
        status, error = ended(monkeypatch, capsys, "model", name, "--no-check")
        assert status == 2
        assert error.count("\n") == 1
        assert error[:-1].isprintable()
        assert len(error) < LINE
    assert str(InputError("one\ntwo\u202e")) == "one two\\u202e"
    assert printable("hw² ≥ 4·C") == "hw² ≥ 4·C"


@pytest.mark.quick(6)
@pytest.mark.parametrize("columns", ["1", "8", "20"])
@pytest.mark.parametrize(
    "plot", [["crossover"], ["resolution", "swin_t"], ["roofline", "swin_t"], ["models"]], ids=str
)
def test_plots_in_terminals_that_nobody_has(
    plot: list[str], columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    status, error = ended(monkeypatch, capsys, "plot", *plot)
    assert (status, error) == (0, "")


def test_a_curve_of_more_points_than_a_picture_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["plot", "resolution", "swin_t", "--from", "1", "--to", "65536", "--step"]
    status, error = ended(monkeypatch, capsys, *words, "1")
    assert status == 2
    assert "must make at most 2,000, as --step 33" in error
    assert len(range(1, 65537, 33)) <= 2000 < len(range(1, 65537, 32))


def test_a_file_name_with_a_line_of_its_own_stays_in_the_comment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a\nb.toml").write_text('[formulas]\nA = { of = "msa" }\n')
    monkeypatch.setattr(sys, "argv", ["vpcalc", "macros", "a\nb.toml"])
    with pytest.raises(SystemExit):
        main()
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("%", "\\newcommand")) for line in lines)


def test_what_a_killed_process_left_is_taken_away(tmp_path: Path) -> None:
    """By the next write of the same file; what somebody holds, or is young, or is another's, stays."""
    old, held, young, other = (
        tmp_path / f".x.md.{name}" for name in ("abcd1234", "held_123", "young_12", "other")
    )
    for path in (old, held, young, other):
        path.write_text("half")
        if path != young:
            os.utime(path, (time.time() - 60,) * 2)
    with held.open("rb") as file:
        assert files._is_ours(file)
        files.replace(tmp_path / "x.md", b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".x.md.held_123",
        ".x.md.other",
        ".x.md.young_12",
        "x.md",
    ]


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        ("KeyError('a\\nb')", 70, "a fault of vpcalc's own, <string>:2: KeyError: "),
        ("MemoryError()", 2, "out of memory"),
        ("RecursionError('deep')", 70, "RecursionError: deep; please report it"),
    ],
)
def test_a_fault_of_ours_is_neither_bad_input_nor_a_failed_check(raised: str, status: int, said: str) -> None:
    script = (
        "import sys, vpcalc.architectures.registry as registry\n"
        f"def broken(): raise {raised}\n"
        "import vpcalc.answers.models as models\nmodels.in_order = broken\n"
        "sys.argv = ['vpcalc', 'models']\nfrom vpcalc.cli.app import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert done.stderr.startswith("vpcalc: ")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    shown = {**os.environ, "VPCALC_TRACEBACK": "1"}
    again = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=shown, check=False)
    assert (again.stderr.startswith("Traceback")) == (status == 70)


@pytest.mark.parametrize("command", ["memory msa", "model wmsa", "audit msa --against 4G"])
def test_a_layer_where_a_model_is_asked_for_is_told_its_command(inside: Run, command: str) -> None:
    name = command.split()[1]
    done = inside(*command.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{name!r} is not known; it is a layer: vpcalc formula {name} has its cost" in done.stderr
