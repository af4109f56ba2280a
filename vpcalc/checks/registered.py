"""Our own models and layers as targets: the witness is built anew at each size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ALL, InputError, unknown
from .factories import Arguments
from .shapes import Dim, InputShape, Letter, Point, letters, parse_inputs, resolve, side_at, variables
from .targets import Regime, Target, few_symbols

if TYPE_CHECKING:
    from torch import nn

    from ..cost import Cost
    from ..counters.given import TensorShape


def from_registry(name: str, text: str | None, given: Arguments) -> Target:
    """A model or a layer of ours, as its witness in :mod:`vpcalc.reference`.

    Raises:
        InputError: an unknown name or setting, or an input that does not fit.
    """
    from ..architectures import ARCHITECTURES
    from ..layers import LAYERS

    if name in LAYERS:
        return _from_layer(name, text, given)
    if name not in ARCHITECTURES:
        raise unknown("TARGET", name, [*ARCHITECTURES, *LAYERS], ALL)
    from ..reference import MODEL_WITNESSES

    architecture = ARCHITECTURES[name]
    given = {n: _as_word(v) if isinstance(architecture.config.get(n), str) else v for n, v in given.items()}
    architecture.configure({n: resolve(v, dict.fromkeys(letters(v), 1)) for n, v in given.items()})
    axes, witness = architecture.family.axes, MODEL_WITNESSES[architecture.family.name]
    native = axes.point(architecture.sizes)

    plain = {n: v for n, v in given.items() if not letters(v) and n not in architecture.family.expressions}

    def shapes_at(sizes: Point, batch: int = 1) -> list[tuple[int, ...]]:
        import torch

        config = architecture.configure(plain)
        with torch.device("meta"):
            made = witness(tuple(sizes[axis] for axis in axes), config, batch)
        return [tuple(tensor.shape) for tensor in made.inputs]

    inputs, spelled = _fit_to_witness(name, text, native, shapes_at)

    def value(at: Mapping[str, Any], role: str, otherwise: int) -> Any:
        dim = spelled.get(role, otherwise)
        return side_at(dim, at)

    def make(point: Point) -> tuple[nn.Module, Sequence[TensorShape]]:
        config = architecture.configure({n: resolve(v, point) for n, v in given.items()})
        sizes = tuple(value(point, axis, native[axis]) for axis in axes)
        return _witnessed(witness(sizes, config, value(point, _BATCH, 1)))

    def describe(at: Mapping[str, Any]) -> Cost:
        sizes = tuple(value(at, axis, native[axis]) for axis in axes)
        return architecture.cost(sizes, architecture.configure(given), value(at, _BATCH, 1))

    symbols = variables(inputs, given, None, _whole_defaults(architecture.config, given))
    few_symbols(symbols)
    symbolic = any(map(letters, given.values()))  # a setting that is a symbol cannot be read as one
    regimes = (Regime("rebuilt for each size", make),)
    return Target(name, inputs, symbols, regimes, describe=None if symbolic else describe)


def _as_word(value: object) -> object:
    """Of a setting whose values are words, ``shortcut=A``, no letter is a symbol."""
    return value.name if isinstance(value, Letter) else value


_BATCH = "batch"


def _fit_to_witness(
    name: str, text: str | None, native: Point, shapes_at: Callable[..., list[tuple[int, ...]]]
) -> tuple[tuple[InputShape, ...], dict[str, Dim]]:
    """The inputs with their symbols, and which number or symbol each axis and the batch are.

    The places of an axis are found by asking the witness twice.
    """
    base = shapes_at(native)
    roles: dict[tuple[int, int], str] = {}
    changed = {axis: shapes_at({**native, axis: 2 * size}) for axis, size in native.items()}
    changed[_BATCH] = shapes_at(native, 2)
    for role, shapes in changed.items():
        for index, (old, new) in enumerate(zip(base, shapes, strict=True)):
            roles.update(
                {(index, place): role for place, (m, n) in enumerate(zip(old, new, strict=True)) if m != n}
            )

    def usual(index: int, place: int, size: int) -> int | str:
        role = roles.get((index, place), _BATCH)
        return size if role == _BATCH else role

    wanted = tuple(
        InputShape(tuple(usual(index, place, size) for place, size in enumerate(shape)))
        for index, shape in enumerate(base)
    )
    given = wanted if text is None else parse_inputs(text)
    if [len(shape.dims) for shape in given] != [len(shape.dims) for shape in wanted]:
        raise InputError(f"--input {text!r}: must be like {';'.join(map(str, wanted))} for {name}")
    spelled: dict[str, Dim] = {}
    for index, shape in enumerate(given):
        for place, dim in enumerate(shape.dims):
            its = roles.get((index, place))
            if its is None and dim != base[index][place]:
                raise InputError(f"--input {text!r}: {dim} must be {base[index][place]} for {name}")
            if its is not None and spelled.setdefault(its, dim) != dim:
                raise InputError(f"--input {text!r}: {dim} must be {spelled[its]}, as before, for {name}")
    return given, spelled


def _from_layer(name: str, text: str | None, given: Arguments) -> Target:
    """A layer: every dimension that is not given is a symbol."""
    from ..layers import LAYERS
    from ..reference import LAYER_WITNESSES
    from ..symbolic import SYMBOL_OF

    if text is not None:
        raise InputError(f"--input: {name} is a layer; give its dimensions, such as --arg C=96")
    dims = (*LAYERS[name].dims, "batch")
    for argument in given:
        if argument not in dims:
            raise unknown(f"dimension of {name}", argument, dims)
    values = {
        dim: given.get(dim, Letter(SYMBOL_OF.get(dim, dim))) for dim in dims if dim != "batch" or dim in given
    }
    witness = LAYER_WITNESSES[name]

    def make(point: Point) -> tuple[nn.Module, Sequence[TensorShape]]:
        return _witnessed(witness(**{dim: resolve(value, point) for dim, value in values.items()}))

    def describe(at: Mapping[str, Any]) -> Cost:
        return LAYERS[name].build(**{dim: resolve(value, at) for dim, value in values.items()})

    symbols = variables((), values)
    few_symbols(symbols)
    return Target(name, (), symbols, (Regime("rebuilt for each set of dimensions", make),), describe=describe)


def _witnessed(witness: Any) -> tuple[nn.Module, Sequence[TensorShape]]:
    from ..counters.given import TensorShape

    return witness.module, [
        TensorShape(tuple(t.shape), str(t.dtype).removeprefix("torch.")) for t in witness.inputs
    ]


def _whole_defaults(config: Mapping[str, object], given: Arguments) -> dict[str, int]:
    found = {}
    for argument, value in given.items():
        default = config.get(argument)
        for letter in letters(value):
            if type(default) is int:
                found[letter] = default
    return found
