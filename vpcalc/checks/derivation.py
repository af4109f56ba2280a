"""The closed form of any module: count it at chosen sizes, find the polynomial, try to refute it."""

from __future__ import annotations

from dataclasses import replace

from .probing import ProbeError, Prober, not_run
from .quasi import everywhere
from .search import Found, NotFound, Search
from .shapes import Kind, Variable
from .targets import Regime, Target


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
            seed = f"{target.name} {target.spelled}"
            prober = Prober(target, regime, backward)
            found = _search(prober, _variables(target, regime, degree), seed)
        except ProbeError as error:
            errors[str(error)] = None
            continue
        if isinstance(found, Found):
            found = replace(found, everywhere=everywhere(prober, found, seed))
        tried.append((regime, found))
        if isinstance(found, Found) and found.real.agrees is not False:
            return tried[-1]
    if not tried:
        raise not_run(target.name, errors)
    return min(tried, key=lambda attempt: _failure(attempt[1]))


def _search(prober: Prober, variables: tuple[Variable, ...], seed: str) -> Found | NotFound:
    """Search; where a long sequence does not run for real, as beyond a table of positions, only up to its end."""
    ends: dict[str, str] = {}
    while True:
        found = Search(prober, variables, seed).run()
        if not isinstance(found, Found):
            return found
        found = replace(found, edges={**found.edges, **ends})
        if found.real.fails_at is None or found.real.fails_at == found.start:
            return found
        names = [v.name for v in variables if v.kind is not Kind.ARGUMENT and v.name not in ends]
        if (end := _end_of_real(prober, found, names)) is None:
            return found
        name, limit = end
        ends[name] = found.real.note
        variables = tuple(replace(v, limit=limit) if v.name == name else v for v in variables)


def _end_of_real(prober: Prober, found: Found, names: list[str]) -> tuple[str, int] | None:
    """The symbol because of which a long real run failed, and the largest of its sizes at which one does not."""
    fails = found.real.fails_at
    assert fails is not None
    for name in names:
        if prober.runs_for_real({**fails, name: found.start[name]}):
            step = found.lattice[name]
            low, high = found.start[name] // step, fails[name] // step
            while high - low > 1:
                middle = (low + high) // 2
                if prober.runs_for_real({**fails, name: middle * step}):
                    low = middle
                else:
                    high = middle
            return name, low * step
    return None


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
