"""The inputs of a module of the reader's, as they are asked for in a command that has sizes in numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import InputError, is_code
from ..inputs import whole

if TYPE_CHECKING:
    from ..checks.shapes import Dim, InputShape

SIDES = ("N", "S", "L", "K")
"""Letters for lengths of sequences, one for each number that occurs."""


def name_of(target: object) -> str:
    """A target by name: what was written, or what a module or a function calls itself."""
    return target if isinstance(target, str) else getattr(target, "__name__", type(target).__name__)


def refuse_of_code(others: Mapping[str, object]) -> None:
    """Refuse options that only models of ours have.

    Raises:
        InputError: one is given; the message says what is given instead.
    """
    for option, value in others.items():
        if value:
            instead = "--arg gives its arguments" if option == "set" else "--input gives the shapes of its inputs"
            raise InputError(f"--{option}: is of models of ours; of code {instead}")


def shapes_of(name: str, input: object, tokens: object, batch: int) -> tuple[InputShape, ...]:
    """The inputs that are asked for: a side, HxW, a whole shape, or a number of tokens.

    Raises:
        InputError: none of these.
    """
    from ..architectures.axes import read_image
    from ..checks.shapes import InputShape, parse_inputs

    if tokens is not None:
        if input is not None:
            raise InputError(f"--tokens {tokens}: --input is given, too")
        return (InputShape((batch, whole("--tokens", tokens)), "long"),)
    if input is None:
        raise InputError(f"--input: give the size of {name}'s input: 224, 800x1280, 1,3,224,224 or 1,128:long")
    text = str(input)
    if not isinstance(input, str) or not any(mark in text for mark in ",:;("):
        return (InputShape((batch, 3, *read_image(input, "a side S, HxW, or a shape such as 1,3,224,224")), ""),)
    if batch != 1:
        raise InputError(f"--batch {batch}: --input {text} is a whole shape; give the batch in it")
    return parse_inputs(text)


def whole_shape(target: object, input: object) -> Any:
    """The sides of an image as a whole shape, 64 as 1,3,64,64; any other shape, and one of a layer, as it is."""
    from ..architectures import ARCHITECTURES
    from ..architectures.axes import read_image

    sided = is_code(target) or (target in ARCHITECTURES and ARCHITECTURES[str(target)].family.axes.pixels)
    if not sided or not re.fullmatch(r"\d+(?:[xX×]\d+)?", str(input).strip()):
        return input
    return ",".join(map(str, (1, 3, *read_image(str(input), "a side S, HxW, or a shape such as 1,3,H,W"))))


def letter_in(shapes: Iterable[InputShape], args: Mapping[str, object]) -> str:
    """A letter among the sizes of inputs and the arguments; empty where there is none."""
    from ..checks.shapes import letters, read_argument

    among = [letter for shape in shapes for letter in shape.letters]
    among += [letter for name, value in args.items() for letter in letters(read_argument(name, value))]
    return next(iter(among), "")


def refuse_letters(what: str, shapes: Iterable[InputShape], args: Mapping[str, object]) -> None:
    """Refuse letters where ``what`` has numbers only.

    Raises:
        InputError: naming one.
    """
    if letter := letter_in(shapes, args):
        raise InputError(
            f"--input, --arg: {letter} is a letter; {what} takes numbers, such as 1,3,224,224, and vpcalc model, "
            "formula and derive letters"
        )


def sides_of(shapes: tuple[InputShape, ...]) -> list[Any]:
    """The sides of the input as JSON has them; of all inputs where there are several."""
    found = [list(shape.at({})) for shape in shapes]
    return found[0] if len(found) == 1 else found


def in_words(shapes: tuple[InputShape, ...]) -> str:
    """Inputs by their sizes: 224×224 for images of three channels, and whole shapes."""
    if len(shapes) == 1 and shapes[0].dims[1:2] == (3,) and shapes[0].grid:
        return "×".join(map(str, shapes[0].dims[2:]))
    return ";".join(map(str, shapes))


def with_letters(
    shapes: tuple[InputShape, ...], otherwise: bool = False
) -> tuple[tuple[InputShape, ...], dict[str, int]]:
    """The same with letters for the sides of images and the lengths of sequences, and their numbers.

    Sequences and images that are no square are read as they mostly lie, 1,N,C and 1,C,H,W, and ``otherwise`` as
    the others do: 1,C,N and 1,H,W,C.
    """
    point: dict[str, int] = {}
    lengths: dict[int, str] = {}
    found: list[InputShape] = []
    for shape in shapes:
        dims: list[Dim] = list(shape.dims)
        grid = grid_of(shape)
        if otherwise and len(dims) == 4 and grid:
            grid = (2, 3) if grid == (1, 2) else (1, 2)
        length = 2 if otherwise and len(dims) == 3 else 1
        places = grid or ((length,) if len(dims) > 1 else ())
        for place, letter in zip(places, "HW", strict=False):
            number = dims[place]
            assert isinstance(number, int)
            if not grid:
                if number not in lengths and len(lengths) == len(SIDES):
                    continue
                letter = lengths.setdefault(number, SIDES[min(len(lengths), len(SIDES) - 1)])
            elif point.get(letter, number) != number:
                continue
            dims[place], point[letter] = letter, number
        if found:  # a mask's sides are those of what it masks
            batch = found[0].dims[:1]
            dims = [
                lengths[n] if isinstance(n, int) and n in lengths and (place or batch != (n,)) else n
                for place, n in enumerate(dims)
            ]
        found.append(replace(shape, dims=tuple(dims)))
    return tuple(found), point


def grid_of(shape: InputShape) -> tuple[int, ...]:
    """The places of height and width: channels last where the two sides before them are alike."""
    if len(shape.dims) == 4 and shape.grid and shape.dims[1] == shape.dims[2] != shape.dims[3]:
        return (1, 2)
    return shape.grid
