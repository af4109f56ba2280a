"""``vpcalc plot stages``, ``operators`` and ``models``: whole architectures side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..architectures import ARCHITECTURES, Architecture
from ..cost import Cost, Quantity
from ..errors import InputError, unknown
from ..pictures import Bar, BarChart, Point, ScatterChart
from ..published import Published, figures_of
from ..report import Column, Kind, Table
from ..report.numbers import share, short
from .model import Model, sized
from .plot import Plot
from .plot_front import plot_front
from .priced import unpriced_words

PRICED = {
    Quantity.MACS: "multiply-accumulates",
    Quantity.FLOPS: "floating-point operations",
    Quantity.FVCORE: "fvcore's operations",
    Quantity.PARAMS: "parameters",
    Quantity.ACTIVATIONS: "activations",
}
"""What bars may show, as an axis says it."""

UNITS = {
    Quantity.MACS: "MACs",
    Quantity.FLOPS: "FLOPs",
    Quantity.FVCORE: " operations",
    Quantity.PARAMS: " parameters",
    Quantity.ACTIVATIONS: " activations",
}
"""What follows a shortened number: 4.491 GMACs, 28.29 M parameters."""

WORDS = {"linear": "Linear layers", "matmul": "Matrix products", "conv": "Convolutions", "table": "Learned tables"}
"""Operators at the beginning of a sentence; others by their own name."""


def plot_stages(
    name: str,
    *,
    input: object = None,
    tokens: object = None,
    src: object = None,
    tgt: object = None,
    set: Mapping[str, object] | None = None,
    args: Mapping[str, object] | None = None,
    quantity: str = "macs",
) -> Plot:
    """Cost of a model by stage, each stage split by operator.

    Args:
        name: what :func:`vpcalc.model` takes.
        input, tokens, src, tgt: the input's size, as for :func:`vpcalc.model`.
        set: changes to the architecture's settings.
        args: arguments of the factory of a module of your own.
        quantity: ``macs``, ``flops``, ``fvcore``, ``params`` or ``activations``.

    Raises:
        InputError: an unknown name, or a value that is not usable.
    """
    counted = read_quantity(quantity)
    found = sized(name, input=input, tokens=tokens, src=src, tgt=tgt, set=set, args=args)
    bars = tuple(Bar(stage.name, by_operator(stage, counted)) for stage in found.cost.stages())
    title = f"{found.id}: {dearest(found.id, bars, counted)}"
    without = "" if isinstance(found, Model) else unpriced_words(found.unknown)
    subtitle = f"at {found.size}" + (f"; {without}" if without else "")
    chart = BarChart(title, subtitle, PRICED[counted], bars)
    inputs = {"model": found.id, "input": found.shape, "quantity": counted.value}
    return Plot("stages", inputs, chart, _parts_table(title, "stage", bars, counted))


def plot_operators(
    models: Iterable[str] = ("vit_s_16", "swin_t", "pvt_small", "pvt_v2_b2_li", "resnet50"),
    *,
    input: object = None,
    quantity: str = "macs",
    shares: bool = False,
) -> Plot:
    """Cost of several models by operator, one stacked bar each.

    Args:
        models: ids or aliases.
        input: side of a square image in pixels, or ``"HxW"``, for all of them; their native sizes if None.
        quantity: ``macs``, ``flops``, ``fvcore``, ``params`` or ``activations``.
        shares: whether all bars are equally long and show shares.

    Raises:
        InputError: an unknown name, or a value that is not usable.
    """
    counted = read_quantity(quantity)
    models = list(dict.fromkeys(models))
    found = [sized(name, input=input) for name in models]
    if not found:
        raise InputError("MODEL: give at least one; vpcalc models lists them")
    sizes = {each.size for each in found}
    called = [name if "(" in name else each.id for name, each in zip(models, found, strict=True)]
    bars = tuple(
        Bar(name, by_operator(each.cost, counted), "" if len(sizes) == 1 else f"at {each.size}")
        for name, each in zip(called, found, strict=True)
    )
    title = _widest_spread(bars, UNITS[counted].strip())
    subtitle = f"at {sizes.pop()}" if len(sizes) == 1 else "each at its native input"
    label = f"share of the {PRICED[counted]}" if shares else PRICED[counted]
    chart = BarChart(title, subtitle, label, bars, shares)
    inputs = {"models": called, "quantity": counted.value, "shares": shares}
    return Plot("operators", inputs, chart, _parts_table(title, "model", bars, counted))


def plot_models(families: Iterable[str] | None = None, *, pareto: str | None = None, **asked: Any) -> Plot:
    """Parameters against cost of all models at their native inputs, with what papers print of them.

    A published point is a pair that one source prints for one model: its parameters and its MACs.

    Args:
        families: only these; if None all but those that stand on a backbone, which is there itself.
        pareto: two other quantities, such as ``"macs,top1"``: models between them, with the front of those that no
            other is at least as good as in both.
        asked: with ``pareto``, how models are asked and which: ``input``, ``batch``, ``where`` and the others of
            :func:`vpcalc.models`.

    Raises:
        InputError: an unknown family or quantity, or what :func:`vpcalc.models` refuses.
    """
    # By family, so that the picture does not depend on which family was loaded first.
    every = sorted((ARCHITECTURES[id] for id in ARCHITECTURES), key=lambda each: each.family.name)
    known = {each.family.name for each in every}
    alone = {each.family.name for each in every if "backbone" not in each.config}
    wanted = alone if families is None else set(families)
    for family in sorted(wanted - known):
        raise unknown("--family", family, known)
    given = {name: value for name, value in asked.items() if value}
    if pareto is not None:
        return plot_front(pareto, wanted, **given)
    for name in given:
        raise InputError(f"--{name}: needs --pareto, such as --pareto macs,top1")
    points: list[Point] = []
    rows: list[tuple[Any, ...]] = []
    printed = agreeing = 0
    for each in every:
        if each.family.name not in wanted:
            continue
        cost = each.cost(each.sizes)
        params, macs = int(cost.total(Quantity.PARAMS)), int(cost.total(Quantity.MACS))
        pairs = _published_pairs(each)
        points.append(
            Point(each.id, each.family.name, params, macs, tuple((p.value, m.value, m.source) for p, m in pairs))
        )
        native = each.family.axes.brief(each.sizes)
        for p, m in pairs:
            printed += 1
            agreeing += p.agrees(params) and m.agrees(macs)
            rows.append((each.id, each.family.name, native, params, macs, p.printed, m.printed, m.source))
        if not pairs:
            rows.append((each.id, each.family.name, native, params, macs, None, None, None))
    shown, aside = _together(points)
    title = _extent(shown)
    if printed:
        title += f"; {agreeing} of {printed} published points agree to the last digit printed"
    subtitle = "each model at its native input, batch 1"
    if aside:
        subtitle += f"; {', '.join(point.label for point in aside)} are far below, and left out"
    chart = ScatterChart(title, subtitle, "parameters", "multiply-accumulates", tuple(shown))
    columns = (
        Column("model", "Model", Kind.WORD),
        Column("family", "Family", Kind.WORD, wide=True),
        Column("input", "Input", Kind.SYMBOLS),
        Column("params", "Params", Kind.COUNT),
        Column("macs", "MACs", Kind.COUNT),
        Column("published_params", "Params printed", Kind.WORD, wide=True),
        Column("published_macs", "MACs printed", Kind.WORD, wide=True),
        Column("source", "Source", wide=True),
    )
    return Plot("models", {"families": sorted(wanted)}, chart, Table(title, columns, tuple(rows)))


def read_quantity(name: str) -> Quantity:
    """A quantity that bars may show."""
    names = [quantity.value for quantity in PRICED]
    if name not in names:
        raise unknown("--quantity", name, names)
    return Quantity(name)


def by_operator(cost: Cost, quantity: Quantity) -> tuple[tuple[str, int], ...]:
    """A cost's parts, matrix products first, so that bars are stacked in the same order everywhere."""
    parts = cost.by_operator(quantity)
    order = [kind for kind in ("linear", "matmul", "conv") if kind in parts]
    return tuple((kind, int(parts[kind])) for kind in (*order, *sorted(set(parts) - set(order))))


def dearest(name: str, bars: Iterable[Bar], quantity: Quantity) -> str:
    """The finding about stages: which one costs most, and how much of the whole that is.

    Raises:
        InputError: none costs anything.
    """
    bars = tuple(bars)
    total = sum(bar.total for bar in bars)
    if not total:
        raise InputError(f"{name}: has no {PRICED[quantity]}; there is nothing to draw")
    most = max(bars, key=lambda bar: bar.total)
    return f"{most.label} takes {share(most.total / total, 0)} of {amount(total, quantity)}"


def amount(number: int, quantity: Quantity) -> str:
    """A shortened number with its unit."""
    text, unit = short(number), UNITS[quantity]
    return text + unit if text[-1].isalpha() else f"{text} {unit.strip()}"


def _widest_spread(bars: tuple[Bar, ...], unit: str) -> str:
    """The finding about models: the operator whose share differs most between them."""
    shares = {bar.label: {kind: size / bar.total for kind, size in bar.parts} for bar in bars if bar.total}
    kinds = dict.fromkeys(kind for parts in shares.values() for kind in parts)
    if not kinds:
        return f"No {unit}"
    if len(shares) == 1:
        ((label, parts),) = shares.items()
        kind = max(parts, key=lambda kind: parts[kind])
        return f"{_words(kind)} take {share(parts[kind], 0)} of {label}'s {unit}"

    def of(label: str, kind: str) -> float:
        return shares[label].get(kind, 0.0)

    def spread(kind: str) -> float:
        return max(of(label, kind) for label in shares) - min(of(label, kind) for label in shares)

    kind = max(kinds, key=spread)
    most, least = max(shares, key=lambda label: of(label, kind)), min(shares, key=lambda label: of(label, kind))
    high, low = share(of(most, kind), 0), share(of(least, kind), 0)
    return f"{_words(kind)} take {high} of {most}'s {unit}, {low} of {least}'s"


def _words(kind: str) -> str:
    return WORDS.get(kind, f"{kind.replace('_', ' ').capitalize()} operators")


_FAR, _FEW = 30, 0.1
"""Times that a cost is the next smaller one where an axis would be empty, and the share that may be left out."""


def _together(points: list[Point]) -> tuple[list[Point], list[Point]]:
    """Points on one sheet, and those that lie so far below all others that they would only stretch its axes."""
    by_cost = sorted(points, key=lambda point: point.y)
    for place in range(1, int(_FEW * len(points)) + 1):
        if by_cost[place].y > _FAR * by_cost[place - 1].y:
            far = by_cost[:place]
            return [point for point in points if point not in far], far
    return points, []


def _extent(points: list[Point]) -> str:
    least, most = min(points, key=lambda p: p.y), max(points, key=lambda p: p.y)
    if len(points) == 1:
        return f"{least.label}: {amount(int(least.y), Quantity.MACS)}"
    low, high = (amount(int(point.y), Quantity.MACS) for point in (least, most))
    return f"{len(points)} models from {low} to {high}"


def _published_pairs(architecture: Architecture) -> list[tuple[Published, Published]]:
    """Parameters and MACs that one source prints for the model as it is; of equal ones the first."""
    figures = figures_of(architecture.id, "x".join(map(str, architecture.sizes)))
    params = {f.source: f for f in figures if f.quantity == Quantity.PARAMS.value}
    both = [(params[f.source], f) for f in figures if f.quantity == Quantity.MACS.value and f.source in params]
    return list({(one.printed, other.printed): (one, other) for one, other in reversed(both)}.values())


def _parts_table(title: str, key: str, bars: tuple[Bar, ...], quantity: Quantity) -> Table:
    columns = (
        Column(key, key.capitalize(), Kind.WORD),
        Column("operator", "Operator", Kind.WORD),
        Column(quantity.value, UNITS[quantity].strip(), Kind.COUNT),
        Column("share", "Share", Kind.SHARE),
    )
    rows = tuple(
        (bar.label, kind, size, size / bar.total if bar.total else 0.0) for bar in bars for kind, size in bar.parts
    )
    return Table(title, columns, rows)
