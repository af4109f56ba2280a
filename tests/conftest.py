"""Shared set-up: a quiet, repeatable hypothesis profile, one torch thread a worker, and a way to run the CLI.

Three options for CI: ``--shuffle SEED`` runs files, and tests within each, in another order; ``--share 0.3`` runs
that share of the cases of every test, drawn by the same seed; ``--allow-skips REASONS`` ends with 1 where a test
was skipped for a reason that does not match.
"""

from __future__ import annotations

import gc
import io
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import none

from .pace import drawn, spread

pytest_plugins = ["pytester"]

if TYPE_CHECKING:
    from vpcalc.answers.reproduce import Reproduction

settings.register_profile(
    "vpcalc", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("vpcalc")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What a shell or a CI runner asks of rich and typer for the eyes of its users. A test asks for itself.
_WISHES = ("COLUMNS", "LINES", "TERMINAL_WIDTH", "NO_COLOR", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS")
for _name in (*_WISHES, "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(_name, None)
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or each command that is started compiles the package anew


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", metavar="SEED", help="run files, and tests within each, in this random order")
    parser.addoption("--share", metavar="SHARE", type=float, default=1.0, help="run this share of the cases")
    parser.addoption("--allow-skips", metavar="REASONS", help="fail where a skip has a reason that does not match")


def pytest_report_header(config: pytest.Config) -> str | None:
    seed, share = config.getoption("--shuffle"), config.getoption("--share")
    said = [f"shuffled by --shuffle {seed}"] * (seed is not None) + [f"a share of {share:.0%}"] * (share < 1)
    return ", ".join(said) or None


@pytest.hookimpl(hookwrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    spread(items)
    seed, share = config.getoption("--shuffle"), config.getoption("--share")
    if seed is not None:
        by_file: dict[object, list[pytest.Item]] = {}
        for item in items:
            by_file.setdefault(item.path, []).append(item)
        order = random.Random(seed)
        files = list(by_file.values())
        order.shuffle(files)
        for file in files:
            order.shuffle(file)
        items[:] = [item for file in files for item in file]
    yield  # tests are left out by their marks
    if share < 1:
        kept = drawn(items, share, random.Random(seed or "0"))
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in kept])
        items[:] = [item for item in items if item.nodeid in kept]


def pytest_collection_finish() -> None:
    """What was imported and collected stays; the collector of garbage need not go through it again and again.

    Older hypothesis looks for what refers to its random numbers when it first draws, and finds nothing frozen.
    """
    settings(max_examples=1)(given(none())(lambda _: None))()
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000)


class Skips:
    """Tests and files that were skipped for a reason that is not allowed; in workers too."""

    def __init__(self, allowed: str) -> None:
        self.allowed = allowed
        self.found: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            if not re.search(self.allowed, reason):
                self.found[report.nodeid] = reason

    pytest_collectreport = pytest_runtest_logreport

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.found and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for test, reason in sorted(self.found.items()):
            terminalreporter.write_line(f"SKIPPED for a reason that is not allowed: {test}: {reason}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    allowed = config.getoption("--allow-skips")
    if allowed is not None:
        config.pluginmanager.register(Skips(allowed))


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def vpcalc() -> Run:
    """Run ``vpcalc ARGS`` as a user's shell would, and return the finished process."""

    def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8", **env}
        command = [sys.executable, "-m", "vpcalc", *args]
        return subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", env=environment, check=False, timeout=300
        )

    return run


@pytest.fixture(scope="session")
def reproduction() -> Reproduction:
    """Every printed figure, derived and not counted."""
    from vpcalc.answers.reproduce import reproduce

    return reproduce(check=False)


@pytest.fixture(scope="session")
def inside() -> Run:
    """The same within this process, which has imported PyTorch: where start-up and pipes do not matter."""
    from vpcalc.cli.app import main

    def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
        with (
            mock.patch.dict(os.environ, {"COLUMNS": "100", **env}),
            mock.patch.object(sys, "argv", ["vpcalc", *args]),
            redirect_stdout(out),
            redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        said = []
        for stream in (out, err):
            stream.flush()
            said.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
        return subprocess.CompletedProcess(args, int(ended.value.code or 0), *said)

    return run
