"""When nobody looks for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def not_sought() -> Iterator[None]:
    """Within it, reference counting alone frees memory, and cycles wait.

    A run's graph lives until the run is over. The collector would find nothing in it but make it old, and where
    much grows old it goes through all that stays.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
