"""Regimes of several quantities at once, and of one that is the most of several forms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from .. import everywhere
from ..algebra.domains import Domain as Conditions
from ..algebra.domains import Guard, Where
from ..algebra.floors import Floor
from ..algebra.polynomial import Polynomial
from ..checks.probing import spell_point
from ..checks.quantities import QUANTITIES, Quantity
from ..errors import first_line
from ..report import Caveat, Column, Kind, Table
from ..report.numbers import how_many
from ..symbolic import Form

if TYPE_CHECKING:
    from ..execution.domains import Domain
    from ..execution.regimes import Exploration, Regime
    from ..execution.regions import Region


DRAWS = 64
"""Sizes at which it is tried whether a region that was left open has regimes nevertheless."""


@dataclass(frozen=True)
class Part:
    """Where one form holds: none where the program refuses, or, without a regime, where it was not found."""

    regions: Sequence[Region]
    form: Polynomial | None
    regime: Regime | None = None

    def extent(self) -> float:
        """How many sizes it has in its widest region, as far as conditions on one letter say."""
        return max((region.extent() for region in self.regions), default=0.0)


NARROW = 1000
"""How many times narrower than the widest parts are that are left out, where else others could not be written."""

MOST_PARTS = 64
"""Regions in which what is left open is written without what is known."""


@dataclass(frozen=True)
class Piece:
    """A part of a regime of multiply-accumulates with the form of each further quantity there."""

    regime: Regime
    regions: Sequence[Region]
    forms: Mapping[str, Part]


def parts(exploration: Exploration) -> list[Part]:
    """Where a quantity has which form, the widest first; where it was left open, or cannot be had, it has none.

    What is the most of several forms is each of them where it is at least the others.
    """
    found = [part for regime in exploration.regimes if not regime.refused for part in _of_regime(regime)]
    found.sort(key=Part.extent, reverse=True)
    known = [region for regime in exploration.regimes for region in regime.regions]
    left = [part for region, _ in exploration.open for part in _left(region, known, exploration)]
    refused = [Part(regime.regions, None, regime) for regime in exploration.regimes if regime.refused]
    return [*found, *refused, *([Part(left, None)] if left else [])]


def _left(region: Region, known: Sequence[Region], exploration: Exploration) -> list[Region]:
    """What of a region that was left open has no regime; drawn sizes say so where sets of sizes do not."""
    rest = _rest(region, known)
    if rest is None:
        return [] if _covered(region, exploration) else [region]
    inhabited = [part for part in rest if part.empty() is False]
    return rest if inhabited or (rest and not _covered(region, exploration)) else []


def _rest(region: Region, known: Sequence[Region]) -> list[Region] | None:
    """What of a region is in none of those that are known; None where that would be very many parts."""
    left = [region]
    for other in known:
        left = [rest for part in left for rest in part.without(other)]
        if len(left) > MOST_PARTS:
            return None
    return left


def _covered(region: Region, exploration: Exploration) -> bool:
    """Whether a region that was left open has regimes all over, as far as sizes that are drawn say."""
    rng = Random(5)
    ends = [{name: bounds[end] for name, bounds in region.range.bounds.items()} for end in (0, 1)]
    points = [region.find(rng, end) for end in ends] + [region.somewhere(rng) for _ in range(DRAWS)]
    return all(point is None or exploration.at(point) is not None for point in points)


def _of_regime(regime: Regime) -> Iterable[Part]:
    forms = regime.leader.forms
    if len(forms) == 1:
        yield Part(regime.regions, forms[0], regime)
        return
    for place, form in enumerate(forms):
        regions = [_at_least(region, forms, place) for region in regime.regions]
        inhabited = [region for region in regions if region is not None and region.empty() is not True]
        if inhabited:
            yield Part(inhabited, form, regime)


def _at_least(region: Region, forms: Sequence[Polynomial], place: int) -> Region | None:
    """Where one form is more than those before it and at least those behind it; None if that is nowhere."""
    from ..execution.guards import Path

    sizes = {letter: region.values(letter) for letter in region.axes}
    if region.surely_empty:
        return None
    first = {letter: int(values[0]) for letter, values in sizes.items()}
    pinned = {letter: first[letter] for letter, values in sizes.items() if len(values) == 1}
    for number, other in enumerate(forms):
        if number == place:
            continue
        more, path = (forms[place] - other).subs(pinned), Path()
        if number < place:
            path.at_least(-more, False)
        else:
            path.at_least(more, True)
        noted = list(path)
        if not noted and int(more.at(first)) < (number < place):
            return None  # no size changes its sign
        for guard, outcome, _, _ in noted:
            region = region.where(guard, outcome)
    return region


def conditioned(exploration: Exploration) -> list[tuple[Part, Where]]:
    """The parts with where they hold, as far as it can be written; all other sizes are a last one without a form.

    Where runs were spent, paths with more conditions of several letters than there are letters are among these.
    """
    from ..execution.domains import in_part

    every, most = parts(exploration), len(exploration.range.bounds) if exploration.open else None
    known = [(part, in_part(part.regions, most)) for part in every if part.regime]
    found = [(replace(part, regions=each.said), each.where) for part, each in known if each.said]
    found.sort(key=lambda each: (each[0].form is None, -each[0].extent()))
    if len(known) == len(every) and not any(each.left for _, each in known):
        return found
    widest = max((part.extent() for part, _ in found), default=0.0)
    for some in (found, [each for each in found if NARROW * each[0].extent() >= widest]):
        left = _rest(exploration.range.whole(), [region for part, _ in some for region in part.regions])
        others = in_part(left or [])
        if others.said and not others.left:
            return [*some, (Part(others.said, None), others.where)]
    return [*found, (Part([], None), Where((Conditions(tuple(exploration.range.bounds)),), elsewhere=bool(found)))]


def regimes_of(conditioned: Iterable[tuple[Part, Where]]) -> tuple[everywhere.Regime, ...]:
    """The parts as regimes of a formula."""
    found = []
    for part, conditions in conditioned:
        when = everywhere.Condition(conditions)
        if part.form is not None:
            form = divided(part.form, conditions)
            found.append(everywhere.Regime(when, Form(form)))
        elif part.regime is not None:
            found.append(
                everywhere.Regime(
                    when, refused=seen_at(everywhere.plainly(part.regime.leader.execution.error), part.regime)
                )
            )
        else:
            found.append(everywhere.Regime(when))
    return tuple(found)


def domain(regions: Sequence[Region]) -> Domain:
    """Where a union of regions lies, in words and in JSON."""
    from ..execution import domains

    return domains.domain(regions)


def seen_at(error: str, regime: Regime) -> str:
    """What a refusal says, and at which size, since its numbers are of that size."""
    return f"{error} (at {spell_point(regime.leader.point)})"


def divided(form: Polynomial, conditions: Where) -> Polynomial:
    """⌊C/a⌋ as C/a, where a divides C all over; but not within another floor, whose numerator is whole."""
    for name in form.symbols - _within_floors(form):
        if not isinstance(name, Floor) or not name.divisor.symbols:
            continue
        whole = Guard(name.numerator, name.divisor)
        if all(whole in part.guards or name.divisor.subs(part.fixed) == 1 for part in conditions.parts):
            form = form.subs({name: name.numerator / name.divisor})
    return form


def _within_floors(form: Polynomial) -> frozenset[str]:
    return frozenset[str]().union(*(name.numerator.symbols for name in form.symbols if isinstance(name, Floor)))


def written(form: Polynomial, regions: Sequence[Region]) -> Form:
    """A form as people write it where something divides: ⌊C/a⌋ as C/a. Python divides the whole by ``//``."""
    from ..execution.exact import quotients

    within = _within_floors(form)
    known = quotients(form, regions)
    return Form(form.subs({name: over / under for name, (over, under) in known.items() if name not in within}))


def pieces(regime: Regime, quantities: Mapping[str, Sequence[Part]], most: int) -> list[Piece]:
    """A regime in pieces on which every quantity has one form.

    A quantity whose parts would make more than so many pieces stays out.
    """
    found = [Piece(regime, regime.regions, {})]
    for quantity, each in quantities.items():
        finer = [
            Piece(regime, met, {**piece.forms, quantity: part})
            for piece in found
            for part in each
            if (met := _met(piece.regions, part.regions))
        ]
        if len(finer) <= most:
            found = finer
    return found


def _met(regions: Sequence[Region], others: Sequence[Region]) -> Sequence[Region]:
    """What two unions of regions have in common."""
    if any(other.is_everything for other in others):
        return regions
    met = (region.meet(other) for region in regions for other in others)
    return [region for region in met if region.empty() is not True]


def to_dict(quantity: Quantity, found: Exploration | str) -> dict[str, Any]:
    """A quantity's own field of the JSON object."""
    if isinstance(found, str):
        return {"complete": False, "regimes": [], "why": found}
    regimes = [
        {
            "when": domain(part.regions).to_dict(),
            "form": written(part.form, part.regions).to_dict(),
            "held_out": len(part.regime.confirmed),
            "tried": part.regime.tried,
        }
        for part in parts(found)
        if part.form is not None and part.regime is not None
    ]
    why = dict.fromkeys(why for _, why in found.open)
    return {"unit": quantity.unit, "complete": not why, "open": list(why), "regimes": regimes}


def overview(title: str, macs: Part, params: Polynomial, found: Mapping[str, Exploration | str]) -> Table:
    """Every quantity in one line: the form that holds at most sizes, and where."""
    columns = (
        Column("quantity", "Quantity"),
        Column("form", "In closed form", Kind.FORMULA),
        Column("unit", "Unit"),
        Column("when", "Where"),
        Column("counts", "Counts", Kind.NUMBER),
    )
    rows = [_row("macs", macs)]
    notes = []
    of_params = written(params, macs.regions)
    rows.append((QUANTITIES["params"].name, of_params, QUANTITIES["params"].unit, "", None))
    for quantity, exploration in found.items():
        if isinstance(exploration, str):
            notes.append(f"{QUANTITIES[quantity].name}: no form, {exploration}")
            continue
        each = parts(exploration)
        running = sum(part.form is not None for part in each)
        if not running:
            why = exploration.open[0][1] if exploration.open else "the program refuses"
            notes.append(f"{QUANTITIES[quantity].name}: no form, {why}")
            continue
        rows.append(_row(quantity, each[0]))
        if running > 1:
            notes.append(f"{QUANTITIES[quantity].name}: {running} regimes, --quantity {quantity} has them all")
        if exploration.open:
            notes.append(f"{QUANTITIES[quantity].name}: not complete: {exploration.open[0][1]}")
    return Table(title, columns, tuple(rows), tuple(notes))


def _row(quantity: str, part: Part) -> tuple[Any, ...]:
    known = QUANTITIES[quantity]
    where = domain(part.regions).text or "every size"
    confirmed = 0 if part.regime is None else len(part.regime.confirmed)
    form = None if part.form is None else written(part.form, part.regions)
    return (known.name, form, known.unit, where, confirmed)


def in_full(target: str, quantity: Quantity, found: Exploration, depth: int, by: str) -> tuple[Table, ...]:
    """One quantity: its operators and modules where most sizes are, and its form everywhere."""
    each = parts(found)
    main = each[0]
    if main.form is None or main.regime is None:
        return (Table(f"{target}: {quantity.name}", (Column("why", "Open"),), ((found.open[0][1],),)),)
    execution = main.regime.leader.execution
    notes = [
        f"{quantity.unit} {quantity.counts}",
        Caveat(f"executed: holds for {domain(main.regions).text or 'every size'}"),
    ]
    if main.regime.tried:
        notes.append("equal forms or conditions on several symbols at once were tried at sizes, not decided")
    notes += [f"not complete: {why}" for why in list(dict.fromkeys(why for _, why in found.open))[:3]]
    notes.append(
        f"{how_many(found.runs, 'run')} on symbols, {how_many(len(main.regime.confirmed), 'count agree')}"
    )
    tables = []
    if quantity.id == "peak_bytes":
        path, name = execution.peaks.get(main.form, ("", ""))
        notes.append(f"reached in {name}" + (f" of {path}" if path else ""))
        operators: Mapping[str, Polynomial] = {}
        modules: Mapping[str, Polynomial] = {}
    else:
        operators = execution.operators(quantity.id)
        modules = {p: f for p, f in execution.modules(quantity.id).items() if p and p.count(".") < depth and f}
    unseen = sorted(execution.operators().keys() - operators.keys()) if quantity.id == "fvcore" else []
    if unseen:
        notes.append(f"fvcore does not see {', '.join(unseen)}")
    title = f"{target}: {quantity.name}, {quantity.unit}"
    if by != "module":
        tables.append(_forms_table("operator", "Function", title, operators, main.form, main.regions, notes))
    if by == "module" or (not by and len(modules) > 1):
        shown = notes if by == "module" else []
        tables.append(
            _forms_table("module", "Module", title if by else "By module", modules, main.form, main.regions, shown)
        )
    if len(each) > 1:
        columns = (
            Column("when", "Where"),
            Column("form", "In closed form", Kind.FORMULA),
            Column("counts", "Counts", Kind.NUMBER),
        )
        rows = [
            (
                domain(part.regions).text or "elsewhere",
                _said(part),
                0 if part.regime is None else len(part.regime.confirmed),
            )
            for part in each
        ]
        tables.append(Table(f"Regimes of {quantity.name}", columns, tuple(rows)))
    return tuple(tables)


def _said(part: Part) -> Form | str:
    """The form of a part, or why it has none."""
    if part.form is not None:
        return written(part.form, part.regions)
    if part.regime is None or part.regime.leader.execution.error is None:
        return "open"
    return f"refused: {seen_at(first_line(part.regime.leader.execution.error), part.regime)}"


def sheet(target: str, quantity: Quantity, found: Exploration) -> Table:
    """One quantity with all its regimes: functions where these add up, and totals."""
    columns = (
        Column("when", "Where"),
        Column("operator", "Function"),
        Column(quantity.id, f"{quantity.name}, {quantity.unit}", Kind.FORMULA),
    )
    rows: list[tuple[Any, ...]] = []
    for part in parts(found):
        where = domain(part.regions).text
        if part.form is not None and part.regime is not None and quantity.id != "peak_bytes":
            operators = part.regime.leader.execution.operators(quantity.id)
            rows += [(where, name, written(form, part.regions)) for name, form in sorted(operators.items())]
        rows.append((where, "total", _said(part)))
    return Table(target, columns, tuple(rows), ())


def _forms_table(
    key: str,
    header: str,
    title: str,
    forms: Mapping[str, Polynomial],
    total: Polynomial,
    regions: Sequence[Region],
    notes: Sequence[str],
) -> Table:
    columns = (Column(key, header), Column("form", "In closed form", Kind.FORMULA))
    rows = [(name, written(form, regions)) for name, form in sorted(forms.items())]
    return Table(title, columns, (*rows, ("total", written(total, regions))), tuple(notes), total=True)
