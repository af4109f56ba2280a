"""Shared set-up: a quiet, repeatable hypothesis profile, one torch thread a worker, and a way to run the CLI."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "vpcalc", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("vpcalc")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What a shell or a CI runner asks of rich and typer for the eyes of its users. A test asks for itself.
_WISHES = ("COLUMNS", "LINES", "TERMINAL_WIDTH", "NO_COLOR", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS")
for _name in (*_WISHES, "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(_name, None)

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
