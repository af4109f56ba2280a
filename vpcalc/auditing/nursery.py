"""A process that has imported what workers need, and forks one for each request.

Importing PyTorch takes most of a small request's time. What a worker does stays in it, as if it had been started
alone. ``python -m vpcalc.auditing.nursery`` has a socket for its standard input, through which connections are
handed to it. It ends a minute after its last request, and as soon as who started it is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from . import worker

READY = b"."
IDLE = 60.0
"""Seconds without a request after which it ends."""

NEEDED = ("torch", "fvcore.nn", "vpcalc.auditing.build", "vpcalc.auditing.record", "vpcalc.counters.fvcore")


def main() -> None:
    """Say that it is ready; then each connection that is handed in is one request."""
    for package in NEEDED:
        with contextlib.suppress(Exception):  # who asks for it is told
            import_module(package)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for guards
    control = socket.socket(fileno=sys.stdin.fileno())
    control.sendall(READY)
    while select.select([control], [], [], IDLE)[0]:
        _, handed, *_ = socket.recv_fds(control, len(READY), 1)
        if not handed:
            break
        connection = socket.socket(fileno=handed[0])
        if os.fork() == 0:
            _guard(connection)
        connection.close()


def _guard(connection: socket.socket) -> NoReturn:
    """Fork the worker; tell its number and, when it has ended, its status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    told = json.loads(connection.makefile().readline())
    child = os.fork()
    if child == 0:
        connection.close()
        _work(told["folder"], told["place"])
    connection.sendall(b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):  # who asked may have gone
        connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _work(folder: str, place: str) -> NoReturn:
    """A worker, with streams of its own."""
    os.setsid()
    os.chdir(place)
    for stream, path, how in ((0, os.devnull, os.O_RDONLY), (1, "out", os.O_WRONLY), (2, "err", os.O_WRONLY)):
        os.dup2(os.open(Path(folder, path), how), stream)
    try:
        worker.main(folder)
    except BaseException as error:
        sys.stderr.write(worker.one_line(error))
        sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    main()
