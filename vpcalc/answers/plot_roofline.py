"""``vpcalc plot roofline``: what a device can do at each intensity, and where a model's operators stand."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ..errors import InputError
from ..pictures import Line, LineChart, Mark, Ridge
from ..pictures.data import Unit
from ..report import Column, Kind, Table
from ..report.numbers import percent
from ..storage.devices import Device
from ..storage.roofline import Roof
from .memory import Memory, memory
from .plot import Plot

SHOWN = 8
"""Most operators that are marked: those that take longest."""


def plot_roofline(
    name: str,
    *,
    device: str,
    devices: str | None = None,
    input: object = None,
    tokens: object = None,
    src: object = None,
    tgt: object = None,
    set: Mapping[str, object] | None = None,
    args: Mapping[str, object] | None = None,
    batch: object = 1,
    dtype: str = "float32",
    attention: str = "eager",
) -> Plot:
    """The roofline of a device with the matrix products and convolutions of an inference on it.

    Args:
        name: what :func:`vpcalc.memory` takes.
        device: an accelerator or CPU of the table, or of the CSV file ``devices``.
        devices: a CSV file with further devices.
        input, tokens, src, tgt, set, args, batch, dtype, attention: as for :func:`vpcalc.memory`.

    Raises:
        InputError: an unknown name, or a value that is not usable.
    """
    options = {"input": input, "tokens": tokens, "src": src, "tgt": tgt, "set": set, "args": args, "batch": batch}
    ways = {"dtype": dtype, "attention": attention, "device": device, "devices": devices}
    result = memory(name, **options, **ways, check=False)  # type: ignore[arg-type]
    if result.device is None:
        raise InputError("--device: name one, such as a100_80gb")
    found = result.roofs()
    chosen = f", {attention} attention" if result.subject.attends else ""
    marks = [roof for roof in found if roof.macs][:SHOWN]
    turn = result.device.rate(result.way.dtype) / result.device.bandwidth
    intensities = [Fraction(2 * roof.macs, roof.bytes) for roof in marks]
    low = _power(min([turn / 8, Fraction(1), *intensities]), up=False)
    high = _power(max([4 * turn, Fraction(8), *intensities]), up=True)
    powers = [low * 2**step for step in range(round(high / low).bit_length())]
    places = tuple(sorted({*powers, turn}))
    line = Line(
        "roof", result.device.name, tuple(map(float, places)), tuple(_attainable(result, x) for x in places)
    )
    chart = LineChart(
        _finding(result.subject.id, result.device, found),
        f"{result.way.dtype}, batch {result.batch}{chosen}; an inference, operator by operator",
        "operations a byte",
        "operations a second, at most",
        (line,),
        marks=tuple(_mark(result, roof) for roof in marks),
        ridges=(Ridge(f"ridge at {float(turn):.3g}: memory binds to its left", float(turn)),),
        x_unit=Unit.PLAIN,
        x_ticks=tuple(map(float, powers)),
    )
    table = result.tables()[-1]
    inputs = {
        "model": result.subject.id,
        "input": result.shape,
        "device": result.device.id,
        "dtype": result.way.dtype,
    }
    columns = (
        Column("intensity", "Operations a byte", Kind.NUMBER),
        Column("rate", "At most a second", Kind.COUNT),
    )
    roof = Table(result.device.name, columns, tuple(zip(line.x, line.y, strict=True)))
    return Plot("roofline", inputs, chart, table, (roof,))


def _power(value: Fraction, *, up: bool) -> Fraction:
    """The next power of two, at least or at most a value."""
    found = Fraction(1)
    while found < value:
        found *= 2
    while found > value:
        found /= 2
    return found if found == value or not up else 2 * found


def _attainable(result: Memory, intensity: Fraction) -> int:
    device = result.device
    assert device is not None
    return int(min(device.rate(result.way.dtype), intensity * device.bandwidth))


def _mark(result: Memory, roof: Roof) -> Mark:
    """Where an operator stands below the roof: at its own intensity."""
    place = Fraction(2 * roof.macs, roof.bytes)
    share = percent(float(roof.seconds) / sum(float(each.seconds) for each in result.roofs()))
    return Mark(f"{roof.name}: {share} of the time", float(place), Fraction(_attainable(result, place)))


def _finding(id: str, device: Device, found: list[Roof]) -> str:
    """What binds: computing or moving."""
    seconds: Any = sum(roof.seconds for roof in found)
    waiting = percent(float(1 - sum(roof.computing for roof in found) / seconds))
    return f"{id} on {device.name}: memory binds {waiting} of its least time"
