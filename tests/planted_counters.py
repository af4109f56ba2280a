"""Counters that misbehave, for tests of the audit: each is run in a process of its own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from vpcalc.auditing import exact
from vpcalc.auditing.calls import Height, Recording
from vpcalc.auditing.peers import Charge, Peer

SIZE = 6 << 30


def price(recording: Recording) -> Iterator[Charge]:
    """Every operator exactly: what a perfect counter would do."""
    for place, call in enumerate(recording.calls):
        if call.height is Height.OPERATOR:
            yield Charge(place, exact.exact(call))


def half(recording: Recording) -> Iterator[Charge]:
    """Wrong on purpose: forgets every other operator."""
    return (charge for number, charge in enumerate(price(recording)) if number % 2)


def count(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    from vpcalc.counters.dispatch import count as dispatched

    return dispatched(module, args, kwargs).macs


def printing(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    print("{'macs': 'nonsense'}" * 1000, flush=True)
    os.write(1, b"straight to the file descriptor\n")
    return count(module, args, kwargs)


def raising(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    raise ValueError("no such thing\nas a free lunch")


def crashing(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def quitting(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    os._exit(3)


def hanging(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    while True:
        time.sleep(60)


def hoarding(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    import torch

    return torch.empty(
        SIZE, dtype=torch.uint8, device="cpu"
    ).numel()  # address space alone: nothing is written to it


def littering(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    import torch.nn.functional as F

    F.relu = lambda x, inplace=False: x  # what calflops does when the module raises
    module.register_buffer("total", None)
    module.register_forward_hook(lambda *_: None)
    raise RuntimeError("and now it stays")


def fractional(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> float:
    return 1.5


GOOD = Peer("good", ("torch",), "1", "1 a multiply-accumulate", price, count)
PRINTING = replace(GOOD, measure=printing)
RAISING = replace(GOOD, measure=raising)
CRASHING = replace(GOOD, measure=crashing)
QUITTING = replace(GOOD, measure=quitting)
HANGING = replace(GOOD, measure=hanging)
HOARDING = replace(GOOD, measure=hoarding)
LITTERING = replace(GOOD, measure=littering)
FRACTIONAL = replace(GOOD, measure=fractional)
MISUNDERSTOOD = replace(GOOD, price=half)
ABSENT = replace(GOOD, distributions=("no-such-distribution-anywhere",))
NOT_A_PEER = 3
