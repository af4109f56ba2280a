"""Where prices come from: this package, its user, or the formulas that are registered with torch.

A user's price is for an operator that nobody else can price, such as that of a library of kernels, and it wins
over every other. It is a function of the operator's arguments, by the names in its schema with its defaults
filled in, and of its result; it returns whole multiply-accumulates::

    def price(x, out):
        return out.numel() * x["weight"].shape[-1]

Torch keeps formulas of its own, to which ``torch.utils.flop_counter.register_flop_formula`` adds. They are in
FLOPs, two to a multiply-accumulate, and are asked for operators that have no price here and are not free.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ..errors import InputError

UserPrice = Callable[[Mapping[str, Any], Any], int]
"""Arguments by name and the result to multiply-accumulates."""


class Source(str, Enum):
    """Who says what an operator costs."""

    VPCALC = "vpcalc"
    TORCH = "torch"
    USER = "user"


LABELS = {Source.USER: "priced by the user", Source.TORCH: "priced by torch's registered flop formula, /2"}
"""How prices from elsewhere are announced."""


@dataclass
class Prices:
    """A user's prices by operator; and what ran while they held, with the source of each price from elsewhere."""

    by_name: Mapping[str, UserPrice]
    met: set[str] = field(default_factory=set)
    elsewhere: dict[str, Source] = field(default_factory=dict)

    def check_all_asked(self) -> None:
        """Refuse prices of operators that never ran: most likely their names are misspelled.

        Raises:
            InputError: naming the first of them, and operators that ran with names like it.
        """
        for name in self.by_name:
            if name not in self.met:
                near = difflib.get_close_matches(name, sorted(self.met), n=3, cutoff=0.6)
                hint = f"did you mean {' or '.join(near)}?" if near else "no operator of such a name ran"
                raise InputError(f"--price {name}: the model never runs it; {hint}")


_SUPPLIED: ContextVar[Prices | None] = ContextVar("prices", default=None)


@contextmanager
def supplied(prices: Mapping[str, object] | None) -> Iterator[Prices]:
    """Within it, counters use these prices. Names are ``library::operator``.

    Raises:
        InputError: a name that is none, or a price that cannot be called.
    """
    known = Prices({operator_name(name): _callable(name, price) for name, price in (prices or {}).items()})
    token = _SUPPLIED.set(known)
    try:
        yield known
    finally:
        _SUPPLIED.reset(token)


def user_price(name: str) -> UserPrice | None:
    """What the user says of an operator that is about to run, or None."""
    prices = _SUPPLIED.get()
    if prices is None:
        return None
    prices.met.add(name)
    return prices.by_name.get(name)


def note(name: str, source: Source) -> None:
    """Remember for whoever supplied prices that one came from elsewhere."""
    prices = _SUPPLIED.get()
    if prices is not None and source is not Source.VPCALC:
        prices.elsewhere[name] = source


def announced(elsewhere: Mapping[str, str]) -> list[str]:
    """One line for each source of prices from elsewhere, with its operators."""
    lines = []
    for source, label in LABELS.items():
        names = sorted(name for name, found in elsewhere.items() if found == source.value)
        if names:
            lines.append(f"{label}: {', '.join(names)}")
    return lines


def asked_price(name: str, price: UserPrice, operands: Mapping[str, Any], result: Any) -> int:
    """What a user's price says of one call.

    Raises:
        InputError: it fails, or gives no whole number.
    """
    try:
        macs = price(operands, result)
    except Exception as error:
        line = " ".join(str(error).split())[:160]
        given = f"it is given a dictionary of the arguments ({', '.join(operands)}) and the result"
        raise InputError(f"--price {name}: fails with {type(error).__name__}: {line}; {given}") from error
    if type(macs) is not int or macs < 0:
        raise InputError(f"--price {name}: gave {macs!r:.60}; must be a whole number of multiply-accumulates")
    return macs


def torch_formula(func: Any) -> Callable[..., Any] | None:
    """The formula that is registered with torch for an operator overload, or None."""
    from torch.utils.flop_counter import flop_registry

    found: Callable[..., Any] | None = flop_registry.get(getattr(func, "overloadpacket", func))
    return found


def halved(flops: Any) -> int | None:
    """FLOPs as multiply-accumulates; None where that is no whole number."""
    whole = int(flops)
    return whole // 2 if whole == flops and whole >= 0 and whole % 2 == 0 else None


def _callable(name: str, price: object) -> UserPrice:
    if not callable(price):
        raise InputError(f"--price {name}: a {type(price).__name__}; must be a function of arguments and result")
    return price


def operator_name(name: str) -> str:
    """``library::operator``, as the counter writes it: in place or not."""
    if not re.fullmatch(r"\w+::\w+", name):
        raise InputError(f"--price {name!r:.60}: must be library::operator, such as mylib::scan")
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name
