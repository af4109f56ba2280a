"""Everything that reads a text, given texts that nobody wrote: read, or refused in one line, and soon.

``benchmarks/fuzz.py`` gives the same readers a million, and what it found stands here.
"""

from __future__ import annotations

import random
import runpy
import subprocess
import sys
import time
from importlib import util
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
TABLE: dict[str, Any] = runpy.run_path(str(FOLDER / "parsers.py"), run_name="parsers")
PARSERS, finding = TABLE["PARSERS"], TABLE["finding"]

STRANGE = (
    *"\n\0\t =:,;()[]{}\"'\\/²٣é\u202e\udcff",
    "0",
    "-1",
    "1e999",
    "9" * 40,
    "null",
    "true",
    "[]",
    "{}" * 99,
)


def changed(dice: random.Random, texts: list[str]) -> str:
    """One of the texts with a few places cut out, doubled, or taken from another."""
    text = dice.choice(texts)
    for _ in range(dice.randint(1, 4)):
        start = dice.randint(0, len(text))
        end = min(len(text), start + dice.choice((0, 1, 1, 3, 20)))
        other = dice.choice(texts)
        place = dice.randint(0, len(other))
        piece = dice.choice(
            (dice.choice(STRANGE), text[start:end] * 2, other[place : place + dice.randint(1, 20)])
        )
        text = text[:start] + piece + text[end:]
    return text[: TABLE["LONGEST"]]


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_what_is_read_or_refused(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    parser, seed = PARSERS[name], request.config.getoption("--shuffle") or "0"
    texts = TABLE["texts"](parser)
    dice, until = random.Random(f"{seed} {name}"), time.thread_time() + 2
    while time.thread_time() < until:
        text = TABLE["decoded"](changed(dice, texts).encode("utf-8", "surrogatepass"))
        assert finding(parser.read, text) is None, text


LONG = "(h+1)(w+1)(C+1)(B+1)(L+1)(r+1)(k+1)(P+1)(M+1)(R+1)"
FOUND = [
    ("check", LONG),
    ("rows", f"{'x' * 300}=y"),
    ("rows", f"{'x' * 300}.py:X"),
    ("part", ""),
    ("part", "[]"),
    ("part", "\x00\x00\x00\x00~3"),
    ("part", '{"configurations": 0, "left": {}}\n1,4998,8\n'),
    ("picture", "a" * 300),
    ("path", "a\0b"),
    ("code", "mylib::scan=a\0b.py:scan"),
    ("vary", "W=1:5,9:68109"),
]


@pytest.mark.parametrize(("name", "text"), FOUND)
def test_what_was_found(name: str, text: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert finding(PARSERS[name].read, text) is None


@pytest.mark.parametrize(("was", "now"), [("proved", "prxved"), ('"domain":', '"dxmain":')])
def test_a_certificate_that_was_changed(was: str, now: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    text = TABLE["certificate_of"]()
    assert was in text
    assert finding(PARSERS["certificate"].read, text.replace(was, now)) is None


def test_a_finding_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no refusal, what takes too long, and what takes too much."""
    monkeypatch.setitem(finding.__globals__, "SECONDS", 0.05)

    def late(text: str) -> None:
        while True:
            pass

    assert finding(int, "x").what.startswith("ValueError")
    assert finding(late, "x").what == "more than 0.05 s"
    assert finding(PARSERS["formula"].read, "h(") is None
    held = iter((0, 600 << 20))
    monkeypatch.setitem(finding.__globals__, "_most", lambda: next(held))
    assert finding(len, "x").what == "600 MB more"


@pytest.mark.skipif(util.find_spec("atheris") is not None, reason="it would begin")
def test_without_atheris_the_campaign_says_so() -> None:
    done = subprocess.run([sys.executable, str(FOLDER / "fuzz.py")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.startswith("fuzz.py: needs atheris")
    assert done.stdout.count("\n") == 1
