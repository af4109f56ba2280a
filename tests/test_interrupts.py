"""Ctrl-C: at every moment that is ours it ends the program silently, with status 130, and leaves no file."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .terminals import typed

MODULE = [sys.executable, "-m", "vpcalc"]
SCRIPT = [sys.executable, "-c", "import sys; from vpcalc.__main__ import main; sys.exit(main())"]
"""What an installed script runs, with the package of this checkout."""

OURS = re.compile(r'File "[^"]*[/\\]vpcalc[/\\]')


def _heard() -> None:
    """As in a shell: a job of a shell that runs in the background ignores Ctrl-C, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupted(command: list[str], after: float) -> tuple[int, str, str]:
    """Status and output of a process that is sent one SIGINT."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_heard, encoding="utf-8"
    )
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize("after", [0.02, 0.05, 0.1, 0.15, 0.2, 0.4, 0.8])
@pytest.mark.parametrize("program", [MODULE, SCRIPT], ids=["module", "script"])
def test_at_any_moment(program: list[str], after: float) -> None:
    """What Python says before our first line runs is Python's; no line of ours may be in it."""
    status, _, err = interrupted([*program, "compare", "--h", "56", "--w", "56"], after)
    assert not OURS.search(err), err
    if "KeyboardInterrupt" not in err:
        assert err == ""
        assert status in (0, 130, -signal.SIGINT)  # Python has no handler in its first milliseconds


AT = """
import os, signal, sys

class Now:
    def find_spec(name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(Now)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Now)
sys.argv = ["vpcalc", "compare", "--h", "8", "--w", "8"]
from vpcalc.__main__ import main
main()
"""


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    "module",
    ["vpcalc.cli.app", "typer", "vpcalc.cli.compare", "vpcalc.layers", "numpy", "torch", "fvcore", "rich"],
)
def test_while_a_module_is_being_imported(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT.format(module=module)], capture_output=True, text=True, check=False,
        preexec_fn=_heard,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "")


LOST = """
import os, signal, sys
from vpcalc.cli.interrupts import interruptible

class Deaf:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

def library():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("made another error of it")

with interruptible():
    {line}
print("went on")
"""


@pytest.mark.parametrize("line", ["Deaf()", "library()"])
def test_an_interrupt_that_a_library_loses(line: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOST.format(line=line)], capture_output=True, text=True, check=False,
        preexec_fn=_heard,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_one_who_asked_not_to_be_interrupted_is_not() -> None:
    """nohup, and a job in the background, ignore SIGINT; so do we."""
    process = subprocess.Popen(
        [*MODULE, "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN) and None,
    )  # fmt: skip
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "cue"),
    [
        ("prove", "proving"),
        ("prove --jobs 2", "proving"),
        ("audit swin_t --input 224", "running the counters"),
        ("reproduce", "counting models"),
        ("derive swin_t --input 1,3,H,W --quantity peak_bytes", "peak of inference"),
        ("compare --h 56 --w 56", "counting"),
    ],
)
def test_in_a_terminal_that_shows_how_far_it_is(arguments: str, cue: str, tmp_path: Path) -> None:
    status, shown = typed(arguments.split(), cue=cue, TMPDIR=str(tmp_path))
    assert status == 130
    assert "Traceback" not in shown
    assert "Interrupt" not in shown
    assert shown.rfind("\x1b[?25h") >= shown.rfind("\x1b[?25l")  # the cursor is there again
    assert [path for path in tmp_path.rglob("*") if path.name.startswith("vpcalc")] == []
