"""One request in one process, with a time limit and a memory limit. Whatever happens there is an outcome here."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from threading import Event, Lock
from typing import Any, Protocol

from .nursery import READY
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
        for stream in ("out", "err"):
            Path(folder, stream).touch()
        child = _forked(folder, limits) or _started(folder, limits)
        start = time.monotonic()
        try:
            code = _waited(child, start + limits.seconds, stop or Event())
        finally:
            child.end()
        seconds = time.monotonic() - start
        status, result, detail = _judged(Path(folder), code, limits)
        return Outcome(status, result, detail, seconds, Path(folder, "out").stat().st_size)


class Child(Protocol):
    """A process that does a request."""

    def wait(self, seconds: float) -> int | None:
        """Its status; None where it has not ended by then."""

    def end(self) -> None:
        """End it, and all that it started."""


def _waited(child: Child, until: float, stop: Event) -> int | None:
    """The process's status, or None where it did not end in time."""
    while not stop.is_set():
        left = until - time.monotonic()
        if left <= 0:
            return None
        code = child.wait(min(left, 0.2))
        if code is not None:
            return code
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


PASSING = ("COLUMNS", "LINES", "PYTEST_CURRENT_TEST")
"""Variables that change while a program runs, as pytest's does with each test, and mean nothing to a worker."""


def _environment(limits: Limits) -> dict[str, str]:
    """Ours, with the same places to import from; counters need no more than a few threads."""
    places = [place or os.getcwd() for place in sys.path]
    threads = str(limits.threads)
    return {
        **{name: value for name, value in os.environ.items() if name not in PASSING},
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(places)),
        "PYTHONIOENCODING": "utf-8",
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
    }


class Started:
    """A process of its own from the first."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def wait(self, seconds: float) -> int | None:
        """See :class:`Child`."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def end(self) -> None:
        """See :class:`Child`."""
        if os.name == "posix":
            _kill(self._process.pid)
        else:
            self._process.kill()
        self._process.wait()


def _started(folder: str, limits: Limits) -> Started:
    with Path(folder, "out").open("wb") as out, Path(folder, "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "vpcalc.auditing.worker", folder],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=_environment(limits),
            start_new_session=True,
        )
        return Started(process)


BEGIN, ANSWER = 120.0, 30.0
"""Seconds within which a nursery has imported all, and within which it forks."""


class Forked:
    """A process that a nursery forked, and the connection that tells of its end."""

    def __init__(self, connection: socket.socket, folder: str) -> None:
        self._connection, self._said = connection, b""
        connection.sendall(json.dumps({"folder": folder, "place": os.getcwd()}).encode() + b"\n")
        self._pid = self._line(ANSWER)
        if self._pid is None:
            raise OSError("the nursery does not answer")

    def wait(self, seconds: float) -> int | None:
        """See :class:`Child`."""
        try:
            return self._line(seconds)
        except OSError:  # who was to tell its status was killed, too
            return -signal.SIGKILL

    def end(self) -> None:
        """See :class:`Child`."""
        assert self._pid is not None
        _kill(self._pid)
        self._connection.close()

    def _line(self, seconds: float) -> int | None:
        self._connection.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            while b"\n" not in self._said:
                more = self._connection.recv(64)
                if not more:
                    raise OSError("the nursery has ended")
                self._said += more
            line, _, self._said = self._said.partition(b"\n")
            return int(line)
        return None


class Nursery:
    """A running nursery, and with what surroundings it was started."""

    def __init__(self, surroundings: Mapping[str, str]) -> None:
        self.surroundings = surroundings
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vpcalc.auditing.nursery"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=surroundings,
                start_new_session=True,
            )
        atexit.register(self.end)
        self._control.settimeout(BEGIN)
        ready = b""
        with contextlib.suppress(OSError):
            ready = self._control.recv(len(READY))
        if not ready:
            self.end()
            raise OSError("the nursery did not start")

    def child(self, folder: str) -> Forked:
        """A worker for the request in a folder."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._control, [READY], [theirs.fileno()])
            return Forked(ours, folder)
        except OSError:  # it has ended, as it does after a while
            ours.close()
            raise

    def end(self) -> None:
        """End it; workers that are left go on."""
        atexit.unregister(self.end)
        self._control.close()
        self._process.kill()
        self._process.wait()


_nursery: Nursery | None = None
_starting = Lock()


def _forked(folder: str, limits: Limits) -> Forked | None:
    """A worker out of a nursery with our surroundings; None where there are no such."""
    global _nursery
    if not hasattr(socket, "send_fds"):
        return None
    surroundings = _environment(limits)
    with _starting, contextlib.suppress(OSError):
        if _nursery is not None and _nursery.surroundings == surroundings:
            with contextlib.suppress(OSError):
                return _nursery.child(folder)
        if _nursery is not None:
            _nursery.end()
            _nursery = None
        _nursery = Nursery(surroundings)
        return _nursery.child(folder)
    return None


def _kill(leader: int) -> None:
    """End a process and all that it started, where it leads a session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
