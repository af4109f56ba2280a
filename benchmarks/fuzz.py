"""Texts that nobody wrote, given to everything that reads one: read, or refused in one line.

    python benchmarks/fuzz.py [PARSER …] [--runs 100000] [--seconds 600] [--corpus DIR]

Each row of ``parsers.py`` is a reader with texts to begin with. Atheris changes these, keeps what reaches a new
branch of the reader's own modules, and goes on from there; with ``--corpus`` a later run does as well. A finding
is an exception other than :class:`vpcalc.errors.InputError`, more than 5 s of the processor, or 500 MB more than
before; of those of a kind that end at one line the shortest text is printed.

    python -m venv fuzz && fuzz/bin/pip install -c constraints.txt -e . atheris

Status 1 where something was found. ``tests/test_fuzz.py`` gives the same readers other changes, without atheris.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from importlib import import_module, util
from pathlib import Path

from parsers import LONGEST, PARSERS, ROOT, decoded, finding, texts

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""A folder for files that are soon written again; that of the system where there is none in memory."""

BEYOND = 60
"""Seconds after which a text that does not even hear a signal is given up, and the reader's process with it."""

VALUES = ("null", "true", "[]", "{}", '""', "-1", "1e999", "[1]", '"a":1,')
"""What may stand where a file has another value."""


def words(seeds: Iterable[str]) -> str:
    """What texts are made of, most frequent first, as libFuzzer reads a dictionary."""
    counted = Counter(word for text in seeds for word in re.findall(r"\\?[^\W\d_]\w+|[^\w\s]{1,3}", text))
    every = [*VALUES, *(word for word, _ in counted.most_common(400))]
    spelled = ("".join(f"\\x{byte:02x}" for byte in word.encode("utf-8", "replace")[:40]) for word in every)
    return "".join(f'"{word}"\n' for word in spelled)


def child(name: str, corpus: str, *options: str) -> None:
    """Give one reader texts, in this process, until atheris ends it; what is wrong goes into files here."""
    import atheris

    parser = PARSERS[name]
    files = (ROOT / "vpcalc").rglob("*.py")
    every = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files}
    with atheris.instrument_imports(["vpcalc"], [*(every - {*parser.modules})]):
        for module in parser.modules:
            with suppress(ImportError):  # it knows torch
                import_module(module)
    seeds = texts(parser)
    for text in seeds:
        data = text.encode("utf-8", "surrogatepass")
        Path(corpus, sha256(data).hexdigest()[:16]).write_bytes(data)
    Path("words").write_text(words(seeds), encoding="utf-8")
    shortest: dict[tuple[str, str], str] = {}

    def one(data: bytes) -> None:
        text = decoded(data)
        found = finding(parser.read, text)
        if found is None:
            return
        kind = found.what.partition(":")[0], found.where
        if kind not in shortest or len(text) < len(shortest[kind]):
            shortest[kind] = text
            number = [*shortest].index(kind)
            Path(f"{number}.found").write_text(json.dumps([*found, text]), encoding="utf-8")

    atheris.Setup([sys.argv[0], *options, "-dict=words", corpus], one)
    atheris.Fuzz()


def fuzzed(name: str, runs: int, seconds: float, corpus: Path) -> tuple[int, int]:
    """Run one row in a process of its own, and print what came of it; how many texts, how many findings."""
    own = (corpus / name).resolve()
    own.mkdir(parents=True, exist_ok=True)
    options = [f"-runs={runs}", f"-max_total_time={int(seconds)}", f"-max_len={2 * LONGEST}", "-len_control=20"]
    options += [f"-timeout={BEYOND}", "-rss_limit_mb=4000", "-report_slow_units=1000"]
    options += ["-artifact_prefix=ended-"]
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        begun = time.monotonic()
        command = [sys.executable, __file__, "--child", name, str(own), *options]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
        took = time.monotonic() - begun
        found = [json.loads(path.read_text("utf-8")) for path in sorted(Path(folder).glob("*.found"))]
        ended = Path(folder).glob("ended-*")
        found += [["ended the process", path.name, decoded(path.read_bytes())] for path in ended]
    if done.returncode and not found:
        found = [[f"status {done.returncode}", " ".join(done.stderr.split())[-600:], ""]]
    tried, branches = (
        int([0, *re.findall(pattern, done.stderr, re.M)][-1]) for pattern in (r"^#(\d+)\s", r"\bcov: (\d+)")
    )
    print(f"{name:12} {tried:10,} texts {tried / took:8,.0f} a second {branches:6,} branches", flush=True)
    for what, where, text in found:
        print(f"    {what} ({where})\n    {text!r}", flush=True)
    return tried, len(found)


def main() -> int:
    """Fuzz, report; 1 where something was found."""
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parsers", nargs="*", metavar="PARSER", help=f"of {', '.join(PARSERS)}; all if none")
    parser.add_argument("--runs", type=int, default=100_000, help="texts for each")
    parser.add_argument("--seconds", type=float, default=600, help="for each at most")
    parser.add_argument("--corpus", type=Path, help="a folder that keeps what reached something new")
    asked = parser.parse_args()
    if strange := [name for name in asked.parsers if name not in PARSERS]:
        parser.error(f"{strange[0]} is none of {', '.join(PARSERS)}")
    if util.find_spec("atheris") is None:
        print("fuzz.py: needs atheris (pip install atheris); pytest -m slow tests/test_fuzz.py does without")
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        corpus = asked.corpus or Path(temporary)
        done = [fuzzed(name, asked.runs, asked.seconds, corpus) for name in asked.parsers or PARSERS]
    tried, found = map(sum, zip(*done, strict=True))
    print(f"{tried:,} texts, {found} findings")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
