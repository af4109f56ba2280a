"""The closed form of any module: count it at chosen sizes, find the polynomial, try to refute it."""

from __future__ import annotations

from dataclasses import replace

from ..errors import InputError
from .probing import ProbeError, Prober
from .search import Found, NotFound, Search
from .shapes import Kind, Variable
from .targets import Regime, Target

SHORTEST = 16
"""Where a model runs for real with no sequence longer than this, it is not tried further."""


def find_form(
    target: Target, *, backward: bool = False, degree: int | None = None
) -> tuple[Regime, Found | NotFound]:
    """The first regime in which one polynomial holds, and the polynomial; else the best of the failures.

    A polynomial whose real run disagrees is only returned where no other regime has a better one.

    Raises:
        InputError: the model ran at no size in any regime.
    """
    tried: list[tuple[Regime, Found | NotFound]] = []
    errors: dict[str, None] = {}
    for regime in target.regimes:
        try:
            found = _search(Prober(target, regime, backward), _variables(target, regime, degree))
        except ProbeError as error:
            errors[str(error)] = None
            continue
        tried.append((regime, found))
        if isinstance(found, Found) and found.real.agrees is not False:
            return tried[-1]
    if not tried:
        own = [error for error in errors if "unexpected keyword argument" not in error]
        raise InputError(f"{target.name}: could not be run: {'; '.join((own or list(errors))[:2])}")
    return min(tried, key=lambda attempt: _failure(attempt[1]))


def _search(prober: Prober, variables: tuple[Variable, ...]) -> Found | NotFound:
    """Search; where a long sequence does not run for real, as beyond a table of positions, among shorter ones."""
    while True:
        found = Search(prober, variables).run()
        if not isinstance(found, Found) or found.real.fails_at is None:
            return found
        lengths = {v.name: found.real.fails_at[v.name] for v in variables if v.kind is Kind.SEQUENCE}
        if not lengths or max(lengths.values()) <= SHORTEST or found.real.fails_at == found.start:
            return found
        variables = tuple(
            replace(v, limit=max(lengths[v.name] // 2, 1)) if v.name in lengths else v for v in variables
        )


def _failure(found: Found | NotFound) -> int:
    """How bad an outcome is."""
    return 0 if isinstance(found, Found) else 1 if found.residuals else 2


def _variables(target: Target, regime: Regime, degree: int | None) -> tuple[Variable, ...]:
    tied = target.tied(regime)
    kept = []
    for v in target.variables:
        if v.name not in tied:
            power = 4 if regime.square and v.kind is Kind.IMAGE else v.degree
            kept.append(replace(v, degree=power if degree is None else degree))
    return tuple(kept)
