"""One request in one process, with a time limit and a memory limit. Whatever happens there is an outcome here."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from threading import Event
from typing import Any

from .worker import REQUEST, RESULT


class Status(str, Enum):
    """How a process ended."""

    OK = "ok"
    NOT_INSTALLED = "not installed"
    FAILED = "failed"
    CRASHED = "crashed"
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"
    UNUSABLE = "unusable input"


_ERRORS = {
    "input": Status.UNUSABLE,
    "memory": Status.OUT_OF_MEMORY,
    "missing": Status.NOT_INSTALLED,
    "failed": Status.FAILED,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, bytes of address space, and threads of one process."""

    seconds: float = 300.0
    memory: int = 16 << 30
    threads: int = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended, what came back, one line that says more, and how many bytes it printed."""

    status: Status
    result: Mapping[str, Any]
    detail: str = ""
    seconds: float = 0.0
    printed: int = 0


def run(request: Mapping[str, Any], limits: Limits, stop: Event | None = None) -> Outcome:
    """Do a request in a process of its own and wait for it, until the time is over or ``stop`` is set."""
    with tempfile.TemporaryDirectory(prefix="vpcalc-audit-") as folder:
        told = {**request, "memory": limits.memory, "threads": limits.threads}
        Path(folder, REQUEST).write_text(json.dumps(told), encoding="utf-8")
        start = time.monotonic()
        with Path(folder, "out").open("wb") as out, Path(folder, "err").open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "vpcalc.auditing.worker", folder],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=_environment(limits),
                start_new_session=True,
            )
            try:
                code = _waited(process, start + limits.seconds, stop or Event())
            finally:
                _end(process)
        seconds = time.monotonic() - start
        status, result, detail = _judged(Path(folder), code, limits)
        return Outcome(status, result, detail, seconds, Path(folder, "out").stat().st_size)


def _waited(process: subprocess.Popen[bytes], until: float, stop: Event) -> int | None:
    """The process's status, or None where it did not end in time."""
    while not stop.is_set():
        left = until - time.monotonic()
        if left <= 0:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(min(left, 0.2))
    return None


def _judged(folder: Path, code: int | None, limits: Limits) -> tuple[Status, Mapping[str, Any], str]:
    if code is None:
        return Status.TIMED_OUT, {}, f"still running after {limits.seconds:g} s"
    written = folder / RESULT
    if not written.exists():
        return Status.CRASHED, {}, f"{_ending(code)}{_last_line(folder / 'err')}"
    result = json.loads(written.read_text(encoding="utf-8"))
    if "error" in result:
        return _ERRORS[result["error"]], result, result["detail"]
    return Status.OK, result, ""


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with status {code}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"


def _last_line(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2000))
        lines = file.read().decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last[:200]}" if last else ""


def _environment(limits: Limits) -> dict[str, str]:
    """Ours, with the same places to import from; counters need no more than a few threads."""
    places = [place or os.getcwd() for place in sys.path]
    threads = str(limits.threads)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(places)),
        "PYTHONIOENCODING": "utf-8",
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
