"""What a design may change: settings as levers, each with its values in order.

A lever moves one setting, or one entry of a list, and what follows it: heads keep their width where C grows, as in
the papers' variants. Its values are counted from 1; where they are an arithmetic progression their number may be a
traced letter, so that C = 32n and heads = n, 2n, 4n, 8n are forms without divisions.

C               every value that heads of the model's own width divide; of a list all entries in proportion
C_3             one entry of a list
depths          the entries of a list that is no width, each a lever of its own
C=32:256:32     these values alone
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import gcd
from typing import Any, NamedTuple

from ..architectures import ARCHITECTURES, Architecture
from ..architectures.registry import spelled
from ..errors import InputError, unknown
from ..inputs import LARGEST
from .axes import Name, read_axes
from .subjects import COUNTED, OurModel

FREE = "--free"

WIDTHS: Mapping[str, tuple[str, ...]] = {"C": ("heads",), "d_model": ("heads", "h", "d_ff"), "n": ()}
"""Settings that are widths, and what keeps its proportion to them unless it is given or free itself."""

DEPTHS = ("depths", "depth", "layers", "N")
"""Settings that are numbers of blocks."""

WIDTH_STEP = 32
"""Steps of a width that nothing follows."""

LISTED = 4096
"""The most values of a lever that are gone through one by one."""


class Part(NamedTuple):
    """A setting, or the entry at a place of it, at a lever's n-th value: ``start + step·(n − 1)``."""

    setting: str
    place: int | None
    start: int
    step: int


Unit = tuple[str, int | None, int]
"""A setting, or the entry at a place of it, and what it is a multiple of."""


@dataclass(frozen=True)
class Lever:
    """A name with ``count`` values: those of its ``parts``, or the ``values`` one by one, in ``units``.

    ``given`` says that users gave the values; ``why`` it is gone through value by value, where it is.
    """

    name: str
    count: int
    parts: tuple[Part, ...] = ()
    values: tuple[Any, ...] = ()
    units: tuple[Unit, ...] = ()
    given: bool = False
    why: str = ""

    def moved(self, n: Any) -> Iterator[tuple[str, int | None, Any]]:
        """Settings, places and values at the n-th value; n may be traced where there are parts."""
        if self.values:
            value = self.values[n - 1]
            for setting, place, unit in self.units:
                yield setting, place, value * unit // self.units[0][2] if len(self.units) > 1 else value
        for setting, place, start, step in self.parts:
            yield setting, place, start + step * (n - 1)

    def spelled(self, n: int) -> str:
        """Its n-th value as it is given; of a list in proportion all entries."""
        moved = [*self.moved(n)]
        return ",".join(spelled(value) for setting, _, value in moved if setting == moved[0][0])

    @property
    def said(self) -> str:
        """Its name and its values in words."""
        end = f" … {self.spelled(self.count)}" if self.given or self.why else " …"
        if self.values or self.count < 4:
            few = [self.spelled(n) for n in range(1, min(self.count, 4) + 1)]
            return f"{self.name} = {'; '.join(few)}{end if self.count > 4 else ''}"
        return f"{self.name} = {self.spelled(1)}, {self.spelled(2)}{end}"

    def one_by_one(self, why: str, most: int) -> Lever:
        """The same with its values gone through; at most so many where users gave none."""
        return replace(self, why=why, count=self.count if self.given else min(self.count, most))


@dataclass(frozen=True)
class Space:
    """A model and its levers."""

    subject: OurModel
    levers: tuple[Lever, ...]

    @property
    def settings(self) -> tuple[str, ...]:
        """Everything that levers move."""
        moved = (part[0] for lever in self.levers for part in lever.moved(1))
        return tuple(dict.fromkeys(moved))

    @property
    def base(self) -> Mapping[str, Any]:
        """The model's settings as they stay where no lever moves them."""
        return {**self.subject.architecture.config, **self.subject.given}

    def config(self, at: Mapping[str, Any]) -> dict[str, Any]:
        """What levers move, at their n-th values."""
        found: dict[str, Any] = {name: self.base.get(name) for name in self.settings}
        for lever in self.levers:
            for setting, place, value in lever.moved(at[lever.name]):
                if place is None:
                    found[setting] = value
                else:
                    found[setting] = (*found[setting][:place], value, *found[setting][place + 1 :])
        return found

    def figures(self, at: Mapping[str, Any], columns: Sequence[str]) -> Mapping[str, tuple[Any, ...]]:
        """Quantities there, each as sizes of which it is the greatest: bytes at the batch, others of one input.

        Raises:
            InputError: it is refused.
        """
        varied = self.settings
        values = {**self.subject.fixed(varied), **self.config(at)}
        found: dict[str, tuple[Any, ...]] = {}
        one, all = ([name for name in columns if (name in COUNTED) is counted] for counted in (True, False))
        for names, own in ((one, {**values, "batch": 1}), (all, values)):
            if names:
                found |= self.subject.figures(own, frozenset(varied), tuple(names))
        return found

    def counted(self, at: Mapping[str, int], columns: Sequence[str]) -> dict[str, int]:
        """The same in numbers."""
        return {name: max(map(int, sizes)) for name, sizes in self.figures(at, columns).items()}

    def one_by_one(self, name: str, why: str) -> Space:
        """The same with one lever gone through value by value."""
        return replace(
            self,
            levers=tuple(
                lever.one_by_one(why, 2 * self._own(lever)) if lever.name == name else lever
                for lever in self.levers
            ),
        )

    def _own(self, lever: Lever) -> int:
        """Which of its values is the model's own, about."""
        if not lever.parts:
            return lever.count
        setting, place, start, step = lever.parts[0]
        own = self.base.get(setting, start)
        value: int = own if place is None else own[place]
        return max(1, (value - start) // step + 1)


def read_levers(subject: OurModel, free: Iterable[str] | str | None) -> Space:
    """The levers that users name, or the model's widths and depths.

    Raises:
        InputError: a name that is not known or stands twice, or values that are not usable.
    """
    named = _named([free] if isinstance(free, str) else [*(free or ())], subject.names)
    if not named:
        own = subject.architecture.config
        named = [(name, None) for name in (*WIDTHS, *DEPTHS) if name in own and name not in subject.given]
    if not named:
        raise InputError(f"{FREE}: say what may change, such as {FREE} {','.join([*subject.names][:2])}")
    for name, _ in named:
        if name not in subject.names:
            raise unknown(f"{FREE}: setting", name, subject.names)
        if name in subject.given:
            raise InputError(f"{FREE} {name}: has a value that stays; take --set {name} away")
    names = {name for name, _ in named}
    levers = [lever for name, values in named for lever in _levers(subject, name, values, names)]
    for place, lever in enumerate(levers):
        if lever.name in [other.name for other in levers[:place]]:
            raise InputError(f"{FREE} {lever.name}: is given twice")
    moved = [(setting, place) for lever in levers for setting, place, _ in lever.moved(1)]
    for entry in moved:
        if moved.count(entry) > 1 or (entry[1] is not None and (entry[0], None) in moved):
            raise InputError(f"{FREE}: {entry[0]} is moved by two of {', '.join(names)}; take one away")
    space = Space(subject, tuple(levers))
    subject.fixed(space.settings)  # refuses names that stand for the same sizes
    return space


def _named(texts: Iterable[str], known: Mapping[str, Name]) -> list[tuple[str, str | None]]:
    """The names in order, each with its values if it has any: ``C,depths,M=4:8`` has three."""
    found: list[tuple[str, str | None]] = []
    for text in texts:
        values: str | None = None
        for piece in str(text).split(","):
            name, equals, first = piece.partition("=")
            if values is not None and not equals and name.strip() not in known:
                values = f"{values},{piece}"
                found[-1] = found[-1][0], values
            elif not name.strip() or (equals and not first.strip()):
                said = str(text)[:40]
                raise InputError(f"{FREE} {said!r}: must be names such as C,depths,M or NAME=VALUES, C=32:256:32")
            else:
                values = first if equals else None
                found.append((name.strip(), values))
    return found


def _levers(subject: OurModel, name: str, values: str | None, free: set[str]) -> Iterator[Lever]:
    """The levers of one name: several for a list that is no width."""
    architecture, kind = subject.architecture, subject.names[name].kind
    own = {**architecture.config, **subject.given}
    setting, place = _entry(own, name)
    if kind == "word" and values is None:
        known = ("false", "true") if isinstance(own[name], bool) else architecture.family.choices.get(name)
        if known is None:
            raise InputError(f"{FREE} {name}: needs values, such as {FREE} {name}={own[name]},OTHER")
        values = ",".join(known)
    if setting not in own and values is None:
        raise InputError(f"{FREE} {name}: a size of the input needs values, such as {FREE} {name}=FROM:TO:STEP")
    if kind != "whole" and values is not None and ":" not in values:
        yield _listed(name, values, subject.names[name])
    elif kind == "list" and (setting not in WIDTHS or values is not None):
        for number, _ in enumerate(own[setting], 1):
            yield from _levers(subject, f"{name}_{number}", values, free)
    elif setting in WIDTHS and setting in own:
        staying = {*subject.given, *free, *(_entry(own, each)[0] for each in free)} - {setting}
        names = (setting, *(other for other in WIDTHS[setting] if other in own and other not in staying))
        entries = [(each, at, value) for each in names for at, value in _entries(own[each], place)]
        common = gcd(*(value for _, _, value in entries))
        if len(entries) == 1:
            common //= gcd(common, WIDTH_STEP)
        yield _progression(name, values, [(each, at, value // common) for each, at, value in entries])
    else:
        yield _progression(name, values, [(setting, place, _step(architecture, setting))])


def _entry(own: Mapping[str, Any], name: str) -> tuple[str, int | None]:
    """The setting and the place of a name such as depths_3."""
    setting, _, place = name.rpartition("_")
    if name not in own and isinstance(own.get(setting), tuple):
        return setting, int(place) - 1
    return name, None


def _entries(value: Any, place: int | None) -> list[tuple[int | None, int]]:
    """Places and values: of a number, of a list, of one entry."""
    if not isinstance(value, tuple):
        return [(None, value)]
    return [(at, each) for at, each in enumerate(value) if place is None or at == place]


def _step(architecture: Architecture, setting: str) -> int:
    """Steps of a setting: depths of stages are multiples of what all variants of the family have in common."""
    if setting != "depths":
        return 1
    family = [other for other in ARCHITECTURES.values() if other.family is architecture.family]
    depths: list[Any] = [other.config["depths"] for other in family]
    return gcd(*(depth for each in depths for depth in each))


def _progression(name: str, values: str | None, units: list[Unit]) -> Lever:
    """A lever whose n-th value is n units of each part, or of these the values that are given."""
    if values is None:
        return Lever(name, LARGEST // max(unit for _, _, unit in units), _parts(units, 1, 1))
    whole = units[0][2] if len(units) > 1 else 1  # what follows has to be whole
    known = Name(int, "whole", 1, LARGEST)
    given = _read(name, values, known)
    found = [value for value in given if value % whole == 0]
    between = [piece for piece in values.split(",") if piece.count(":") == 1]  # without a step: those that can be
    typed = [piece for piece in values.split(",") if piece not in between]
    lost = [value for value in _read(name, ",".join(typed), known) if value % whole] if typed else []
    if lost or not found:
        others = " and ".join(dict.fromkeys(setting for setting, _, _ in units[1:]))
        said = f"{lost[0]} is no" if lost else "none is a"
        raise InputError(
            f"{FREE} {name}={values}: {said} multiple of {whole}, where {others} are whole numbers; other widths "
            f"need {others} by --set"
        )
    step = found[1] - found[0] if len(found) > 1 else whole
    if step < 1 or found != [*range(found[0], found[-1] + 1, step)]:
        return _one_by_one(name, found, units)
    parts = (
        _parts(units, found[0] // whole, step // whole)
        if len(units) > 1
        else (Part(*units[0][:2], found[0], step),)
    )
    return Lever(name, len(found), parts, given=True)


def _parts(units: list[Unit], first: int, step: int) -> tuple[Part, ...]:
    return tuple(Part(setting, place, unit * first, unit * step) for setting, place, unit in units)


def _listed(name: str, values: str, known: Name) -> Lever:
    return _one_by_one(name, _read(name, values, known), [(name, None, 1)])


def _one_by_one(name: str, values: Sequence[Any], units: Sequence[Unit]) -> Lever:
    return Lever(name, len(values), values=tuple(values), units=tuple(units), given=True, why="given one by one")


def _read(name: str, values: str, known: Name) -> Sequence[Any]:
    return read_axes({name: values}, {name: known}, FREE)[0].values
