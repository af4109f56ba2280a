"""Accelerators and CPUs: what they can do at most, from their makers' own figures.

The table is ``vpcalc/data/devices.csv``; users may give a table of their own in the same columns. Rates are
operations a second (two for a multiply-accumulate) by element type, bandwidth is bytes a second of main memory.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from .. import words
from ..abstract.tensor import FLOATS
from ..errors import InputError, unknown
from ..files import content
from .optimizers import read_bytes

COLUMNS = ("id", "name", *FLOATS, "bandwidth", "memory", "source")


@dataclass(frozen=True, slots=True)
class Device:
    """One device. ``rates`` by element type; ``memory`` is None where it is not a property of the device."""

    id: str
    name: str
    rates: Mapping[str, Fraction]
    bandwidth: Fraction
    memory: int | None
    source: str

    def rate(self, dtype: str) -> Fraction:
        """Operations a second in an element type.

        Raises:
            InputError: the table has no figure for it.
        """
        if dtype not in self.rates:
            known = ", ".join(self.rates)
            raise InputError(f"--device {self.id}: no peak rate for {dtype}; its figures are for {known}")
        return self.rates[dtype]


def devices(file: str | None = None) -> dict[str, Device]:
    """The devices of the package and of a user's file, which goes before.

    Raises:
        InputError: the file cannot be read or is not such a table.
    """
    own = Path(__file__).parents[1].joinpath("data", "devices.csv")
    found = _read(own, str(own))
    return found if file is None else {**found, **_read(Path(file), file)}


def find(name: str, file: str | None = None) -> Device:
    """The device of that id or name, as people write it: ``rtx4090``, ``NVIDIA GeForce RTX 4090``.

    Raises:
        InputError: there is none.
    """
    known = devices(file)
    spelled = {words.device(each): device for device in known.values() for each in (device.name, device.id)}
    if (found := known.get(name) or spelled.get(words.device(name))) is None:
        raise unknown("--device", name, known)
    return found


def _read(path: Path, name: str) -> dict[str, Device]:
    try:
        text = content("--devices", path).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"--devices {name!r}: is not UTF-8 text") from None
    try:
        rows = list(csv.reader(text.splitlines()))
    except csv.Error as error:
        raise InputError(f"--devices {name!r}: is not CSV: {error}") from None
    missing = [column for column in COLUMNS if not rows or column not in rows[0]]
    if missing:
        raise InputError(f"--devices {name!r}: no column {missing[0]}; needed are {', '.join(COLUMNS)}")
    found = {}
    for number, cells in enumerate(rows[1:], start=2):
        if len(cells) != len(rows[0]):
            raise InputError(f"--devices {name!r} line {number}: {len(cells)} cells; must be {len(rows[0])}")
        device = _device(dict(zip(rows[0], cells, strict=True)), f"--devices {name!r} line {number}")
        found[device.id] = device
    return found


def _device(row: Mapping[str, str], where: str) -> Device:
    if not row["id"].strip():
        raise InputError(f"{where}: no id")
    rates = {item: _figure(row[item], f"{where}, {item}") for item in FLOATS if row[item].strip()}
    memory = row["memory"].strip()
    return Device(
        row["id"].strip(),
        row["name"].strip() or row["id"].strip(),
        rates,
        _figure(row["bandwidth"], f"{where}, bandwidth"),
        read_bytes(f"{where}, memory", memory) if memory else None,
        row["source"].strip(),
    )


def _figure(text: str, where: str) -> Fraction:
    """A positive number such as 19.5e12, exactly."""
    try:
        if len(text) > 30 or not set(text.strip()) <= set("0123456789.e+"):
            raise ValueError
        mantissa, _, exponent = text.strip().partition("e")
        power = int(exponent or 0)
        figure = Fraction(mantissa) * 10**power if power <= 30 else Fraction(0)
    except ValueError:
        figure = Fraction(0)
    if figure <= 0:
        raise InputError(f"{where} {text[:30]!r}: must be a positive number such as 19.5e12")
    return figure
