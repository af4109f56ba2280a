"""A description run for its cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..cost import Cost
from .ledger import Ledger
from .tape import Tape
from .tensor import FLOAT32


def priced(describe: Callable[[Tape], Any]) -> Cost:
    """The cost tree of what is run on a tape."""
    ledger = Ledger()
    describe(Tape(FLOAT32, ledger=ledger))
    return ledger.tree()
