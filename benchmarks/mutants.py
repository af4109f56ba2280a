"""Faults planted in the package, one at a time: does a test turn red?

    python benchmarks/mutants.py [--room algebra,layers] [--n 40] [--seed 0] [--jobs 2] [--results FILE]

A mutant is the package with one small fault: a comparison, an operation or a number that is off by a little, a
condition the other way round, a call, a keyword or a filter left out. Faults are drawn from the seed, of each
room as many as it has places for them; the tests of that room run on a copy until one fails. A test that waits
is a test that notices. What no test sees is printed as a difference, to be judged: a fault that changes no
answer is no hole in the tests.

A record of which tests execute which line makes this several times quicker, and the tests are then all that there
are: in a copy of the tree, with ``pytest-cov``,

    pytest -n auto --cov=vpcalc --cov-context=test --cov-report= --junitxml=times.xml

Not planted: texts of errors, annotations, decorators, what ``zip`` asserts.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate, takewhile
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from xml.etree import ElementTree

from vpcalc.statements.recorded import _code

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = (".ci", "benchmarks", "docs", "examples", "tests", "vpcalc")

ROOMS = {
    "algebra": "polynomial floors quasi parser forms values interpolation repeating crossover code check_formula "
    "everywhere formula_settings",
    "abstract": "ops rows ledger cost repeating layers memory_rules memory step sweep_bound",
    "layers": "ops layers reference memory_rules memory pvt swin_vit recurrent transformer retnet cnn t5 "
    "dense models rows",
    "architectures": "models reference pvt swin_vit transformer retnet cnn t5 dense backbones memory",
    "counters": "counters dispatch_counter hidden_products modules prices agreement quantities conventions",
    "execution": "rules exfuse prices execution programs modules executed_formula quantities own_memory derive",
    "checks": "agreement search derive prove targets rows interpolation witnesses",
    "statements": "theory theory_graphs rnn_theory lecture",
}
"""Rooms of the package, and the files of tests that answer for them, the quickest first."""

EVIDENCE = ("statements",)
"""Rooms whose slow tests are asked, too: they carry out again what the others read from the record."""

SWAPPED: dict[type, tuple[str, str]] = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"), ast.And: ("and", "or"), ast.Or: ("or", "and"),
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "+"), ast.Pow: ("**", "*"),
    ast.FloorDiv: ("//", "*"), ast.Div: ("/", "*"), ast.Mod: ("%", "*"),
}  # fmt: skip
"""Operators, as they are written and as they are in a mutant."""

NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}

Place = tuple[int, int, str]
"""From where to where, and what stands there in a mutant."""


@dataclass(frozen=True)
class Fault:
    """Text of a file, from one place to another, and what stands there in a mutant."""

    path: str
    start: int
    end: int
    text: str
    source: str = field(repr=False, compare=False)

    @property
    def line(self) -> int:
        """Where it begins."""
        return self.source.count("\n", 0, self.start) + 1

    @property
    def id(self) -> str:
        """By which ``--only`` finds it again, in the same tree."""
        return f"{self.path}:{self.start}:{self.end}:{self.text}"

    @property
    def planted(self) -> str:
        """The file with the fault."""
        return self.source[: self.start] + self.text + self.source[self.end :]


class Source:
    """A file's text, and where in it something small may be wrong."""

    def __init__(self, path: str, text: str) -> None:
        """Of a file of the package."""
        self.path, self.text = path, text
        self.lines = self.text.encode().splitlines(keepends=True)
        self.starts = [0, *accumulate(len(line.decode()) for line in self.lines)]

    def faults(self) -> Iterator[Fault]:
        """All that can be planted, from top to bottom."""
        found = {place for node in read(ast.parse(self.text)) for place in self._at(node)}
        for start, end, text in sorted(found):
            yield Fault(self.path, start, end, text, self.text)

    def _place(self, line: int, column: int) -> int:
        return self.starts[line - 1] + len(self.lines[line - 1][:column].decode())

    def _span(self, node: Any) -> tuple[int, int]:
        return self._place(node.lineno, node.col_offset), self._place(node.end_lineno, node.end_col_offset)

    def _between(self, left: ast.AST, op: ast.AST, right: ast.AST) -> Iterator[Place]:
        """One operator for another between two operands, of which brackets may be around."""
        start, end = self._span(left)[1], self._span(right)[0]
        if type(op) in SWAPPED:
            is_, becomes = SWAPPED[type(op)]
            found = self.text.find(is_, start, end)
            if found >= 0:
                yield found, found + len(is_), becomes

    def _at(self, node: ast.AST) -> Iterator[Place]:
        match node:
            case ast.Compare():
                for left, op, right in zip(
                    [node.left, *node.comparators], node.ops, node.comparators, strict=False
                ):
                    yield from self._between(left, op, right)
            case ast.BinOp() if not is_text(node.left) and not is_text(node.right):
                yield from self._between(node.left, node.op, node.right)
            case ast.BoolOp():
                for left, right in itertools.pairwise(node.values):
                    yield from self._between(left, node.op, right)
            case ast.UnaryOp(op=ast.Not() | ast.USub()):
                yield self._span(node)[0], self._span(node.operand)[0], ""
            case ast.Constant(value=bool(value)):
                yield *self._span(node), str(not value)
            case ast.Constant(value=int(value)):
                yield *self._span(node), str(value + 1)
            case ast.Name(id=name, ctx=ast.Load()) if name in NAMES:
                yield *self._span(node), NAMES[name]
            case ast.If() | ast.IfExp() | ast.While() if isinstance(
                node.test, ast.Call | ast.Name | ast.Attribute
            ):
                start, end = self._span(node.test)
                yield start, end, f"(not {self.text[start:end]})"
            case ast.comprehension():
                yield from ((*self._span(test), "True") for test in node.ifs)
            case ast.Expr(value=ast.Call()):
                yield *self._span(node), "None"
            case ast.keyword(arg=str()):
                start, end = self._span(node)
                after = self.text[end : end + 1]
                if after in (",", ")"):
                    yield start, end + (after == ","), ""


def is_text(node: ast.AST) -> bool:
    """Whether an operand is a text or a list, which are put together."""
    return isinstance(node, ast.JoinedStr | ast.List | ast.Tuple | ast.ListComp) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def read(node: ast.AST) -> Iterator[ast.AST]:
    """What is executed of a program when nothing is refused."""
    refuses = isinstance(node, ast.Raise | ast.Assert) or (isinstance(node, ast.keyword) and node.arg == "strict")
    if refuses or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "decorator_list", "bases"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from read(child)


@cache
def places(room: str) -> tuple[Fault, ...]:
    """All faults that can be planted in a room, in the order of its files."""
    files = sorted(path for path in (ROOT / "vpcalc" / room).rglob("*.py") if path.name != "recorded.py")
    sources = (Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in files)
    return tuple(fault for source in sources for fault in source.faults())


def compiles(fault: Fault) -> bool:
    """Whether Python reads the mutant at all, as another program than the file."""
    try:
        return ast.dump(ast.parse(fault.planted)) != ast.dump(ast.parse(fault.source))
    except SyntaxError:
        return False


def drawn(rooms: list[str], n: int, seed: int) -> list[tuple[str, Fault]]:
    """So many faults, in each room by as many as it has places."""
    every = [(room, fault) for room in rooms for fault in places(room)]
    chosen = random.Random(f"{seed} {' '.join(rooms)}").sample(every, min(len(every), n + n // 5))
    return [(room, fault) for room, fault in chosen if compiles(fault)][:n]


def copy(into: Path) -> Path:
    """The files of this tree. Verdicts on record stay, or the print of their code would see every fault."""
    skipped = shutil.ignore_patterns("__pycache__", "generated", "_build")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, into / name, ignore=skipped)
    for file in ROOT.iterdir():  # no question to git: where the tests run need not be a repository
        if file.is_file():
            shutil.copy(file, into)
    shutil.copy(__file__, into)  # which is a plugin there
    recorded = into / "vpcalc" / "statements" / "recorded.py"
    text = recorded.read_text(encoding="utf-8")
    asks = "def _code() -> bytes:\n"
    assert asks in text
    recorded.write_text(text.replace(asks, f"{asks}    return {_code()!r}\n"), encoding="utf-8")
    return into


class Tests:
    """Which tests answer for a fault: those of its room, or by a record those that execute its line."""

    def __init__(self, record: Path | None) -> None:
        """``record`` holds ``.coverage`` and ``times.xml``, of ``pytest`` with what :func:`main` says."""
        self.by_line: dict[str, dict[int, list[str]]] = {}
        self.seconds: dict[str, float] = {}
        if record:
            with closing(sqlite3.connect(record / ".coverage")) as data:
                rows = data.execute(
                    "select path, context, numbits from line_bits join file on file_id = file.id "
                    "join context on context_id = context.id"
                )
                for measured, context, bits in rows:
                    lines = self.by_line.setdefault(measured[measured.rindex("/vpcalc/") + 1 :], {})
                    for line in (
                        8 * i + bit for i, byte in enumerate(bits) for bit in range(8) if byte >> bit & 1
                    ):
                        lines.setdefault(line, []).append(context.split("|")[0])
            for case in ElementTree.parse(record / "times.xml").iter("testcase"):
                node = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
                self.seconds[node] = float(case.get("time", 0))

    def of(self, room: str, fault: Fault) -> Iterator[list[str]]:
        """Lists of tests: a fault that the first does not see is shown to the second."""
        contexts = self.by_line.get(fault.path, {}).get(fault.line, [])
        hit = sorted(set(contexts) & self.seconds.keys())
        if not hit:
            names = ROOMS[room].split()
            named = [name for name in names if name == Path(fault.path).stem]
            yield from ([f"tests/test_{name}.py" for name in some] for some in (named, names) if some)
            return
        files: dict[str, list[str]] = {}
        for node in sorted(hit, key=self.seconds.__getitem__):
            files.setdefault(node.split("::")[0], []).append(node)
        first = [node for nodes in files.values() for node in nodes[:: max(1, len(nodes) // 8)]]
        cheap = list(takewhile(lambda node: self.seconds[node] < 5, sorted(first, key=self.seconds.__getitem__)))
        yield cheap or first
        if set(cheap or first) != set(hit):
            yield hit


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """As a plugin of pytest: of what was collected, the tests that were chosen."""
    chosen = json.loads(os.environ["CHOSEN"])
    whole = {node for node in chosen if "::" not in node}
    order = {node: place for place, node in enumerate(chosen)}
    items[:] = [item for item in items if item.nodeid in order or item.nodeid.split("::")[0] in whole]
    items.sort(key=lambda item: order.get(item.nodeid, 0))


def outcome(fault: Fault, room: str, tests: list[str], place: Path, limit: float) -> tuple[str, str]:
    """What tests say of a mutant: noticed, by which; waits; or unseen."""
    path = place / fault.path
    path.write_text(fault.planted, encoding="utf-8")
    files = list(dict.fromkeys(node.split("::")[0] for node in tests))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "--tb=no",
        "-p",
        "no:cacheprovider",
        "-p",
        Path(__file__).stem,
    ]
    environment = {
        **os.environ,
        "CHOSEN": json.dumps(tests),
        "PYTHONPATH": str(place),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        [*command, *files],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said = process.communicate(timeout=limit)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return "waits", ""
    finally:
        path.write_text(fault.source, encoding="utf-8")
    if process.returncode == 0:
        return "unseen", ""
    red = [line.split(" - ")[0] for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if process.returncode not in (1, 2) or not red:
        raise RuntimeError(f"{fault.id}: pytest ended with {process.returncode}\n{said[-2000:]}")
    return "noticed", red[0]


def difference(fault: Fault) -> str:
    """The line as it is and with the fault."""
    was, now = fault.source.splitlines(), fault.planted.splitlines()
    return f"    - {was[fault.line - 1].strip()}\n    + {now[fault.line - 1].strip()}"


def main() -> int:
    """Plant, run, report; 1 where so many are unseen that the tests cannot be as good as they should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--room", default=",".join(ROOMS), help="rooms, by comma")
    parser.add_argument("--n", type=int, default=40, help="faults")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--limit", type=float, default=600, help="seconds for one mutant")
    parser.add_argument("--seconds", type=float, help="plant no more after so long")
    parser.add_argument("--most", type=int, help="status 1 where more are unseen")
    parser.add_argument("--only", help="the fault with this id")
    parser.add_argument("--results", type=Path, help="a line of JSON for each; none is run twice")
    parser.add_argument("--record", type=Path, help="a folder: tests are those that execute the line of the fault")
    asked = parser.parse_args()

    tests = Tests(asked.record)
    rooms = asked.room.split(",")
    faults = drawn(rooms, asked.n, asked.seed)
    if asked.only:
        faults = [(room, fault) for room in rooms for fault in places(room) if fault.id == asked.only]
    done = {}
    if asked.results and asked.results.exists():
        lines = asked.results.read_text(encoding="utf-8").splitlines()
        done = {each["id"]: each for each in map(json.loads, lines)}
    scores: dict[str, Counter[str]] = {room: Counter() for room in rooms}
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as top:
        free: SimpleQueue[Path] = SimpleQueue()
        for job in range(asked.jobs):
            free.put(copy(Path(top) / str(job)))

        def one(room: str, fault: Fault) -> tuple[str, str]:
            if fault.id in done:
                return done[fault.id]["said"], done[fault.id]["by"]
            if asked.seconds and time.monotonic() - begun > asked.seconds:
                return "not run", ""
            place = free.get()
            try:
                for chosen in tests.of(room, fault):
                    said = outcome(fault, room, chosen, place, asked.limit)
                    if said[0] != "unseen":
                        break
                return said
            finally:
                free.put(place)

        with ThreadPoolExecutor(asked.jobs) as pool:
            running = [(room, fault, pool.submit(one, room, fault)) for room, fault in faults]
            for room, fault, future in running:
                said, by = future.result()
                scores[room][said] += 1
                if said == "not run":
                    continue
                print(f"{said:8} {fault.path}:{fault.line} {by}", flush=True)
                if said == "unseen":
                    print(f"{difference(fault)}\n    --room {room} --only '{fault.id}'", flush=True)
                if asked.results and fault.id not in done:
                    with asked.results.open("a", encoding="utf-8") as file:
                        file.write(json.dumps({"id": fault.id, "room": room, "said": said, "by": by}) + "\n")
    total: Counter[str] = sum(scores.values(), Counter())
    for room, score in {**scores, "all": total}.items():
        ran = score.total() - score["not run"]
        if ran:
            print(f"{room:14} {ran:5} faults, {ran - score['unseen']:5} noticed ({score['waits']} by waiting)")
    return int(asked.most is not None and total["unseen"] > asked.most)


if __name__ == "__main__":
    sys.exit(main())
