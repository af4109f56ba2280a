"""Shared set-up: a quiet, repeatable hypothesis profile, one torch thread a worker, and a way to run the CLI."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

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
