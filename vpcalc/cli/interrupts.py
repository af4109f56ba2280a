"""Ctrl-C: silent, status 130, and nothing left behind."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

STATUS = 130
"""What a shell calls a program that Ctrl-C ended."""


SHOW_CURSOR = b"\x1b[?25h"


def leave() -> NoReturn:
    """End now; a terminal is still told to show its cursor, which whoever draws progress hides."""
    for stream in (1, 2):
        if os.isatty(stream):
            os.write(stream, SHOW_CURSOR)
    os._exit(STATUS)


@contextmanager
def interruptible() -> Iterator[None]:
    """A block that Ctrl-C ends once its files are put away, however its libraries take it; a second one at once.

    A library may make another error of it (an import in C), or lose it where nothing can be raised (a callback).
    Before and behind the block the handler is what it was.
    """
    before, hook = signal.getsignal(signal.SIGINT), sys.unraisablehook
    heard = False

    def hear(*_: object) -> None:
        nonlocal heard
        if heard:
            leave()
        heard = True
        raise KeyboardInterrupt

    def lost(unraisable: sys.UnraisableHookArgs) -> None:
        if heard:
            leave()
        hook(unraisable)

    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, hear)
    sys.unraisablehook = lost
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = hook
        if heard:
            leave()
