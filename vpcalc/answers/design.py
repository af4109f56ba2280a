"""``vpcalc design``: the configurations of a model that come nearest to budgets, and that none is nearer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..algebra.polynomial import constant, symbol
from ..algebra.printers import PRINTERS
from ..architectures import ARCHITECTURES
from ..architectures.registry import listed, spelled
from ..errors import MODELS, InputError, is_code, unknown
from ..inputs import whole
from ..report import Column, Kind, Table
from ..report.numbers import exact, growth, how_many, short, size
from ..storage.optimizers import read_bytes
from ..where import read_value
from .result import Result

if TYPE_CHECKING:
    from ..sweeps.bounded import Search
    from ..sweeps.growing import Limit, Slice
    from ..sweeps.keeping import Row
    from ..sweeps.levers import Lever

MEANT = ("macs", "params")
TOP = 5
"""Rows unless more are asked for."""

SMALLEST = 64
"""Slices of which the least configuration's memory is counted before anything is searched."""


@dataclass(frozen=True)
class Step:
    """The next value of a lever at the best configuration: what it costs more, and whether it fits.

    ``forms`` has the form of each quantity in the setting, ``slopes`` its derivative there.
    """

    lever: str
    before: str
    after: str
    costs: Mapping[str, int]
    fits: bool
    slopes: Mapping[str, Fraction]
    forms: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Fields of the JSON object."""
        return {
            "setting": self.lever,
            "from": self.before,
            "to": self.after,
            **self.costs,
            "fits": self.fits,
            "derivatives": {name: float(slope) for name, slope in self.slopes.items()},
            "forms": dict(self.forms),
        }


@dataclass(frozen=True)
class Design(Result):
    """The best configurations under budgets, the best first. ``faults`` is empty where the certificate holds."""

    given: Mapping[str, Any]
    budgets: tuple[Limit, ...]
    search: Search
    faults: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    explain: bool = False

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What each configuration sets, its quantities, and what is left of each budget."""
        found = []
        for row in self.search.kept.ended():
            config = {name: listed(value) for name, value in self.search.space.config(row.at).items()}
            left = {limit.quantity: limit.most - row.figures[limit.quantity] for limit in self.budgets}
            found.append({"config": config, **row.figures, "left": left})
        return found

    @property
    def certificate(self) -> str:
        """Why nothing better was left out, in words."""
        return " ".join(self._certificate())

    @property
    def ok(self) -> bool:
        """Whether the certificate held when it was checked."""
        return not self.faults

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        from ..sweeps.certificate import configurations, counts_of

        closed = counts_of(self.search)
        levers = self.search.space.levers
        return {
            "command": "design",
            "model": self.search.space.subject.title,
            "inputs": dict(self.given),
            "budgets": {limit.quantity: limit.most for limit in self.budgets},
            "free": [
                {"name": lever.name, "values": lever.said, "one_by_one": lever.why or None} for lever in levers
            ],
            "rows": self.rows,
            "measure": self._measure(),
            "configurations": configurations(self.search),
            "boxes": self.search.looked_at,
            "excluded": [
                {"configurations": number, "why": self._why(reason)} for reason, number in closed.most_common()
            ],
            "certificate": self.certificate,
            "faults": list(self.faults),
            "levers": [step.to_dict() for step in self.steps],
        }

    # -- in words ---------------------------------------------------------------------------------

    def _measure(self) -> str:
        from ..sweeps.keeping import Nearest

        kept = self.search.kept
        if not isinstance(kept, Nearest):
            return f"the Pareto front in {' and '.join(map(str, kept.keys))} under the budgets"
        names = [name for name, _ in kept.aims]
        if not any(limit.quantity in names for limit in self.budgets):
            return "the most params that fit"
        if len(names) == 1:
            return f"nearest: the most of {names[0]} within its budget"
        return f"nearest: the lesser of the shares of {' and '.join(names)} that are used is the greatest"

    def _why(self, reason: int) -> str:
        from ..sweeps.bounded import LOOKED_AT, LOSES, MEMORY

        said = {
            LOSES: "no better than the last row",
            MEMORY: "with too much memory",
            LOOKED_AT: "looked at",
        }
        return said.get(reason) or f"with too many {self.search.limits[reason].quantity}"

    def _certificate(self) -> list[str]:
        from ..sweeps.certificate import configurations, counts_of

        search, levers = self.search, self.search.space.levers
        free = [lever for lever in levers if not lever.why]
        listed = [lever for lever in levers if lever.why]
        found = []
        if free:
            quantities = next((" and ".join(part.forms) for part in search.slices if part.forms), "")
            names = ", ".join(lever.name for lever in free)
            found.append(f"{quantities} grow with {names}: no step of the forms is negative anywhere.")
        found += [f"{lever.said} gone through one by one: {lever.why}." for lever in listed]
        ends = [end for lever in free if (end := self._end(lever))]
        if ends:
            found.append(f"With all else at its least nothing fits from {', '.join(ends)} on.")
        found += self._refused()
        closed = counts_of(search)
        parts = [f"{exact(number)} {self._why(reason)}" for reason, number in closed.most_common()]
        found.append(f"Before that: {how_many(configurations(search), 'configuration')}: {', '.join(parts)}.")
        found.append(f"Evaluated: {how_many(search.looked_at, 'box')}.")
        found.append(
            f"Does not hold: {'; '.join(self.faults)}."
            if self.faults
            else "Gone through again, every box has its reason, and counts at its rows and elsewhere agree."
        )
        return found

    def _refused(self) -> list[str]:
        """How many combinations of what is gone through the model refuses, and why."""
        slices = self.search.slices
        reasons = [part.refused for part in slices if part.refused]
        return (
            [f"{len(reasons)} of {len(slices)} combinations are refused, such as: {reasons[0]}."]
            if reasons
            else []
        )

    def _end(self, lever: Lever) -> str:
        """The first value of a lever with which nothing fits."""
        tops = [part.top[lever.name] for part in self.search.slices if part.size]
        return "" if not tops or max(tops) >= lever.count else f"{lever.name} = {lever.spelled(max(tops) + 1)}"

    # -- shown ------------------------------------------------------------------------------------

    def tables(self) -> tuple[Table, ...]:
        """The rows, and with ``explain`` the next step of each lever."""
        return (self._rows_table(), *([self._steps_table()] if self.explain and self.steps else []))

    def _rows_table(self) -> Table:
        settings = self.search.space.settings
        quantities = list(self.search.kept.ended()[0].figures)
        columns = [Column(name, name, Kind.WORD) for name in settings]
        columns += [_column(name) for name in quantities]
        columns += [Column(f"of_{limit.quantity}", f"of {limit.option[2:]}", Kind.SHARE) for limit in self.budgets]
        rows = tuple(
            (
                *(spelled(value) for value in self.search.space.config(row.at).values()),
                *(row.figures[name] for name in quantities),
                *(row.figures[limit.quantity] / limit.most for limit in self.budgets),
            )
            for row in self.search.kept.ended()
        )
        budgets = " and ".join(f"{_amount(limit.quantity, limit.most)} {_unit(limit)}" for limit in self.budgets)
        notes = [self._measure(), f"free: {', '.join(lever.said for lever in self.search.space.levers)}"]
        if self.search.memory and self.search.memory.limit.quantity == "training_bytes":
            notes.append("what has to fit is the training sum, and the peak of a whole step where that is more")
        brief = [*self._refused(), *self._certificate()[-3:-1]]
        notes += self._certificate() if self.explain or self.faults else brief
        subject = self.search.space.subject
        words = subject.architecture.family.axes.words(subject.sizes)
        free = {lever.name for lever in self.search.space.levers}  # what is free stands in the rows
        at = "" if free & {"input", *subject.architecture.family.axes} else f" at {words}"
        batch = f" at batch {subject.batch}" if self.search.memory and "batch" not in free else ""
        way = subject.trained.way
        types = [way.dtype] * (way.dtype != "float32") + [f"autocast to {way.amp}"] * (way.amp is not None)
        typed = "".join(f", {each}" for each in types) if self.search.memory else ""
        title = f"{subject.title}{at}: at most {budgets}{batch}{typed}"
        return Table(title, tuple(columns), rows, tuple(notes))

    def _steps_table(self) -> Table:
        quantities = list(self.steps[0].costs)
        columns = (
            Column("setting", "One more step of", Kind.WORD),
            Column("from", "from", Kind.WORD),
            Column("to", "to", Kind.WORD),
            *(Column(name, f"+ {_column(name).header}", _column(name).kind) for name in quantities),
            Column("fits", "fits", Kind.WORD),
        )
        rows = tuple(
            (step.lever, step.before, step.after, *step.costs.values(), "yes" if step.fits else "no")
            for step in self.steps
        )
        return Table("What one more step of each lever costs at the first row", columns, rows, tuple(self.words()))

    def words(self) -> list[str]:
        """Which lever is cheapest at the first row, and the derivative in each."""
        best, found = self.search.kept.ended()[0].figures, []
        for name in self.steps[0].costs if self.steps else ():
            step = min(self.steps, key=lambda step: step.costs[name])
            more = step.costs[name]
            change = f"{'+' if more >= 0 else ''}{_amount(name, more)} ({growth(best[name], best[name] + more)})"
            found.append(f"cheapest in {name}: {step.lever} from {step.before} to {step.after}, {change}")
        bought = [step for step in self.steps if step.costs["macs"] > 0]
        if len(bought) > 1:
            step = max(bought, key=lambda step: Fraction(step.costs["params"], step.costs["macs"]))
            rate = Fraction(1000 * step.costs["params"], step.costs["macs"])
            found.append(f"most params for its MACs: {step.lever}, {float(rate):.3g} for 1,000")
        for step in self.steps:
            found += [
                f"{name} in {step.lever}: {form}; derivative at {step.before}: {_slope(step.slopes[name])}"
                for name, form in step.forms.items()
                if step.lever in form
            ]
        return found


def _slope(slope: Fraction) -> str:
    return exact(int(slope)) if slope.denominator == 1 else f"{float(slope):,.1f}"


def _column(name: str) -> Column:
    from ..sweeps.subjects import COUNTED, IN_BYTES

    known = {**COUNTED, **IN_BYTES}[name]
    return Column(name, known.header, known.kind)


def _amount(name: str, number: int) -> str:
    return size(number) if name.endswith("_bytes") else short(number)


def _unit(limit: Limit) -> str:
    return {"macs": "MACs", "params": "parameters"}.get(limit.quantity, limit.quantity.removesuffix("_bytes"))


# -- asking ---------------------------------------------------------------------------------------------------


def design(
    name: str,
    *,
    macs: object = None,
    params: object = None,
    memory: object = None,
    free: Iterable[str] | str | None = None,
    set: Mapping[str, object] | None = None,
    input: object = None,
    tokens: object = None,
    src: object = None,
    tgt: object = None,
    batch: object = 1,
    train: bool = False,
    dtype: str = "float32",
    attention: str = "eager",
    optimizer: str = "adamw",
    amp: str | None = None,
    pareto: str | None = None,
    top: object = None,
    explain: bool = False,
) -> Design:
    """The configurations of a model that come nearest to budgets without passing any.

    Nearest: of each budget on MACs or parameters some share is used; the configuration whose least share is the
    greatest comes first, of equal ones that with the greater sum of shares, then that with the smaller settings.
    Memory is a limit, and no aim; where it is the only budget the most parameters come first.

    Args:
        name: a model of ours.
        macs, params: at most so many, such as ``"4.5G"``; multiply-accumulates of one image or sequence.
        memory: at most so many bytes, such as ``"24GiB"``, for inference or, with ``train``, for training.
        free: what may change: ``"C,depths,M"``, ``["C=32:256:32", "depths"]``; widths and depths if None.
        set: settings that stay.
        input, tokens, src, tgt: sizes, as for :func:`vpcalc.model`.
        batch: images or sequences that memory is for.
        dtype, attention, optimizer, amp: how memory is counted, as for :func:`vpcalc.memory`.
        pareto: rather the Pareto front in these under the budgets, ``"macs,-params"``: few MACs, many parameters.
        top: so many rows, 5 if None, or the whole front.
        explain: say what one more step of each lever costs at the best.

    Raises:
        InputError: an unknown name, an unusable value, budgets that nothing fits, or too many configurations.
    """
    from ..sweeps.bounded import Search
    from ..sweeps.certificate import differences
    from ..sweeps.choosing import read_choice
    from ..sweeps.growing import Limit, slices_of
    from ..sweeps.keeping import Front, Nearest
    from ..sweeps.levers import read_levers
    from ..sweeps.memory import Memory
    from ..sweeps.subjects import COUNTED, Asked, OurModel, trained

    if is_code(name) or name not in ARCHITECTURES:
        others = f"layers and code: vpcalc sweep {name} --vary NAME=VALUES"
        raise unknown("MODEL", str(name), ARCHITECTURES, MODELS, others)
    counted = {"macs": macs, "params": params}
    budgets = [
        Limit(each, _number(f"--{each}", value), f"--{each}")
        for each, value in counted.items()
        if value is not None
    ]
    aims = [(limit.quantity, limit.most) for limit in budgets] or [("params", 1)]
    limits, held = [*budgets], None
    way = trained(dtype, attention, optimizer, amp=amp)
    if memory is not None:
        held = Limit("training_bytes" if train else "inference_bytes", read_bytes("--memory", memory), "--memory")
        budgets.append(held)
        limits.append(Limit("params", held.most // (way.item * (2 if train else 1)), "--memory"))  # and gradients
    if not budgets:
        raise InputError("design: give a budget: --macs 4.5G, --params 28M or --memory 24GiB, or several")
    choice = read_choice(pareto, top, None, [*COUNTED]) if pareto is not None else None
    kept = Nearest(aims, whole("--top", TOP if top is None else top, high=1000))
    sizes = {"input": input, "tokens": tokens, "src": src, "tgt": tgt}
    subject = Asked(name, set or {}, {}, sizes, batch, way).subject()
    assert isinstance(subject, OurModel)
    columns = dict.fromkeys([*MEANT, *(choice.columns if choice else ())])
    space, slices = slices_of(read_levers(subject, free), [*columns], limits)
    checked = Memory(space, held) if held else None
    if not any(part.size for part in slices):
        raise _nothing_fits(space, slices, limits, checked)
    if checked and len(slices) <= SMALLEST:
        _some_fits(checked, slices)
    search = Search(space, slices, limits, Front(choice.pareto, choice.top) if choice else kept, checked)
    if not search.kept.ended():
        least = exact(min(checked.needs.values())) if checked and checked.needs else "more"
        raise InputError(f"--memory {memory}: nothing fits; the least that was counted takes {least} bytes")
    given = {
        "set": {each: str(value) for each, value in (set or {}).items()},
        **{each: value for each, value in sizes.items() if value is not None},
        "batch": subject.batch,
        "train": train,
        "dtype": way.way.dtype,
        "amp": way.way.amp,
        "pareto": pareto,
    }
    steps = _steps(search, limits) if explain else ()
    return Design(given, tuple(budgets), search, tuple(differences(search)), steps, explain)


def _number(option: str, text: object) -> int:
    """A budget such as 4.5G."""
    try:
        found = read_value(option, text, ()).of({})
    except InputError:
        found = None
    if isinstance(found, (bool, str)) or found is None or found < 1:
        raise InputError(f"{option} {str(text)[:40]!r}: must be a number such as 4.5G, 28M or 4500000000")
    return int(found)


def _nothing_fits(space: Any, slices: Iterable[Slice], limits: Iterable[Limit], memory: Any) -> InputError:
    """What the least configuration costs."""
    parts = [part for part in slices if not part.refused]
    if not parts:
        return InputError(f"design: all configurations are refused: {next(iter(slices)).refused}")

    def needed(part: Slice, name: str) -> int:
        return int(part.forms[name].at(part.least))

    def share(part: Slice) -> Fraction:
        return max(Fraction(needed(part, each.quantity), max(1, each.most)) for each in limits)

    part = min(parts, key=share)
    limit = next(limit for limit in limits if needed(part, limit.quantity) > limit.most)
    least = {**part.least, **part.at}
    if limit.option == "--memory":
        return _too_much(memory, least)
    costs = " and ".join(f"{exact(needed(part, each))} {each}" for each in MEANT)
    return _smallest(f"{limit.option} {exact(limit.most)}", space, least, costs)


def _some_fits(memory: Any, slices: Iterable[Slice]) -> None:
    """Refuse a budget that the least configurations pass."""
    least = [{**part.least, **part.at} for part in slices if part.fits]
    found = min(least, key=memory.needed)
    if not memory.fits(found):
        raise _too_much(memory, found)


def _too_much(memory: Any, least: Mapping[str, int]) -> InputError:
    return _smallest(
        f"--memory {exact(memory.limit.most)} bytes", memory.space, least, f"{exact(memory.needed(least))} bytes"
    )


def _smallest(said: str, space: Any, least: Mapping[str, int], takes: str) -> InputError:
    return InputError(
        f"{said}: nothing fits; the smallest configuration, {_settings(space.config(least))}, takes {takes}"
    )


def _settings(config: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {spelled(value)}" for name, value in config.items())


def _steps(search: Search, limits: Iterable[Limit]) -> tuple[Step, ...]:
    """The next value of each lever at the best configuration."""
    best, found = search.kept.ended()[0], []
    part = next(part for part in search.slices if all(best.at[name] == n for name, n in part.at.items()))
    for lever in search.space.levers:
        n = best.at[lever.name]
        if n == lever.count:
            continue
        at = {**best.at, lever.name: n + 1}
        try:
            next_ = search.space.counted(at, [*best.figures])
        except InputError:
            continue
        costs = {name: next_[name] - figure for name, figure in best.figures.items()}
        fits = all(next_[limit.quantity] <= limit.most for limit in limits)
        fits = fits and (search.memory is None or search.memory.fits(at))
        slopes, forms = _in_setting(part, lever, best)
        found.append(Step(lever.name, lever.spelled(n), lever.spelled(n + 1), costs, fits, slopes, forms))
    return tuple(found)


def _in_setting(part: Slice, lever: Lever, best: Row) -> tuple[dict[str, Fraction], dict[str, str]]:
    """The forms in a lever's setting, all else as in a row, and their derivatives there."""
    if lever.name not in part.top:
        return {}, {}
    _, _, start, step = lever.parts[0]
    setting = symbol(lever.name)
    others = {name: constant(n) for name, n in best.at.items() if name != lever.name}
    slopes, forms = {}, {}
    for name, form in part.forms.items():
        found = form.subs({**others, lever.name: (setting - start) / step + 1})
        value, slope = start + step * (best.at[lever.name] - 1), Fraction(0)
        for monomial, number in found.terms.items():
            power = dict(monomial).get(lever.name, 0)
            if power:
                slope += Fraction(number * power, found.denominator) * Fraction(value) ** (power - 1)
        slopes[name], forms[name] = slope, PRINTERS["text"](found)
    return slopes, forms
