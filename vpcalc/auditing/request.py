"""From what a user names to a request that a child process can build: a text, a point, nothing live."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..architectures import ARCHITECTURES
from ..architectures.axes import IMAGE, read_image
from ..checks.input_functions import input_function
from ..checks.shapes import InputShape, parse_inputs
from ..errors import InputError
from ..inputs import whole
from ..layers import LAYERS
from ..symbolic import SYMBOL_OF


@dataclass(frozen=True, slots=True)
class Subject:
    """What is audited. ``inputs`` is a shape with a symbol or two, ``point`` their values.

    ``made`` says that a function makes the inputs: ``inputs`` names it, or it is ``pickled_inputs``.
    """

    name: str
    inputs: str | None
    point: Mapping[str, int]
    arguments: Mapping[str, object]
    pickled: bytes = b""
    made: bool = False
    pickled_inputs: bytes = b""


def subject(
    target: object,
    *,
    input: object = None,
    tokens: object = None,
    src: object = None,
    tgt: object = None,
    inputs: object = None,
    arguments: Mapping[str, object] | None = None,
) -> Subject:
    """Read a target and its input's size, or the function that makes its inputs.

    Raises:
        InputError: naming the option, the value and what is allowed.
    """
    given = dict(arguments or {})
    sizes = {"input": input, "tokens": tokens, "src": src, "tgt": tgt}
    if inputs is not None:
        return _made(target, sizes, inputs, given)
    if not isinstance(target, str):
        return _of_object(target, sizes, given)
    if ":" not in target:
        if target in LAYERS:
            return _layer(target, sizes, given)
        architecture = ARCHITECTURES[target]
        if not _is_shape(input):
            point = architecture.family.axes.point(architecture.read(**sizes))
            architecture.configure(given)
            return Subject(architecture.id, None, point, given)
        target = architecture.id
    text, point = _shape(target, sizes)
    return Subject(target, text, point, given)


def _made(target: object, sizes: Mapping[str, object], inputs: object, given: dict[str, object]) -> Subject:
    """With inputs that a function makes, whose symbols all have numbers."""
    for option, value in sizes.items():
        if value is not None:
            raise InputError(f"--{option} {value}: give either --{option} or --inputs")
    function = input_function(inputs)
    for symbol in function.symbols:
        raise InputError(f"--inputs {function.name}: {symbol} must be a number: {function.name}({symbol}=128)")
    from ..checks.targets import find_target

    find_target(target, function, given)  # says what is wrong with it, if something is
    name = target if isinstance(target, str) else getattr(target, "__name__", type(target).__name__)
    return Subject(
        name,
        inputs if isinstance(inputs, str) else function.spelled,
        {},
        given,
        b"" if isinstance(target, str) else _pickled(target),
        True,
        b"" if isinstance(inputs, str) else pickled("--inputs", inputs),
    )


def _of_object(target: object, sizes: Mapping[str, object], given: Mapping[str, object]) -> Subject:
    from ..checks.targets import find_target

    text, point = _shape("target", sizes)
    find_target(target, text, given)  # says what is wrong with it, if something is
    return Subject(getattr(target, "__name__", type(target).__name__), text, point, given, _pickled(target))


def _pickled(target: object) -> bytes:
    """The object as bytes, without its weights."""
    from torch import nn

    from ..counters.weights import without_weights

    return pickled("target", without_weights(target) if isinstance(target, nn.Module) else target)


def pickled(what: str, value: object) -> bytes:
    """An object for another process.

    Raises:
        InputError: it cannot be sent there.
    """
    try:
        return bytes(_pickler().dumps(value))
    except Exception as error:
        line = " ".join(str(error).split())[:160]
        raise InputError(
            f"{what}: cannot be sent to another process ({line}); name it as file.py:function instead"
        ) from None


def _pickler() -> Any:
    """cloudpickle where it is installed, since it takes classes from a notebook."""
    try:
        return import_module("cloudpickle")
    except ImportError:
        return pickle


def _layer(name: str, sizes: Mapping[str, object], given: Mapping[str, object]) -> Subject:
    """A layer at its dimensions, of which the first is the point."""
    for option, value in sizes.items():
        if value is not None:
            raise InputError(f"--{option} {value}: {name} is a layer; give its dimensions, such as --set C=96")
    dims = LAYERS[name].dims
    missing = [dim for dim in dims if dim not in given]
    if missing:
        raise InputError(f"--set: {name} needs {', '.join(missing)}; give each, such as --set {missing[0]}=8")
    rest = {dim: value for dim, value in given.items() if dim != dims[0]}
    return Subject(name, None, {SYMBOL_OF.get(dims[0], dims[0]): whole(f"--set {dims[0]}", given[dims[0]])}, rest)


def _shape(target: str, sizes: Mapping[str, object]) -> tuple[str, dict[str, int]]:
    image, tokens, src, tgt = (sizes[name] for name in ("input", "tokens", "src", "tgt"))
    several = [name for name in ("input", "tokens", "src") if sizes[name] is not None]
    if len(several) > 1:
        raise InputError(f"--{several[1]} {sizes[several[1]]}: give either --{several[0]} or --{several[1]}")
    if _is_shape(image):
        return _numbers(str(image))
    if image is not None:
        sides = read_image(image, "a side S, HxW in pixels, or a shape such as 1,3,224,224")
        return "1,3,H,W", IMAGE.point(sides)
    if tokens is not None:
        return "1,N", {"N": whole("--tokens", tokens)}
    if src is not None or tgt is not None:
        if src is None or tgt is None:
            raise InputError(f"--{'tgt' if tgt is None else 'src'}: give both --src and --tgt")
        return "1,S;1,T", {"S": whole("--src", src), "T": whole("--tgt", tgt)}
    raise InputError(
        f"--input: give the size of the input of {target}: --input 224, --tokens 128 or --input 1,3,224,224"
    )


def _is_shape(value: object) -> bool:
    return isinstance(value, str) and any(mark in value for mark in ",;:")


def _numbers(text: str) -> tuple[str, dict[str, int]]:
    """A shape in numbers; its first side becomes the symbol that a target needs."""
    shapes = parse_inputs(text)
    for shape in shapes:
        for name in shape.letters:
            raise InputError(f"--input {text[:60]!r}: {name} must be a number")
    head, rest = shapes[0], shapes[1:]
    lead = InputShape(("B", *head.dims[1:]), head.dtype, head.keyword)
    first: Any = head.dims[0]
    return ";".join(map(str, (lead, *rest))), {"B": first}
