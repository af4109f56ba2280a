"""The sizes of a network's input: how they are read, what is made of them, how they are written."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Any

from ..abstract.tape import INPUT, Tape
from ..abstract.tensor import INT64, Tensor, fresh
from ..dims import Dim
from ..errors import InputError
from ..inputs import whole

PIXELS = 65536
"""Longest side of an image."""

Sizes = tuple[int, ...]
Dims = tuple[Dim, ...]


class Axes(tuple[str, ...]):
    """The symbols of an input's sizes, and what is made of them: as such, ids of one sequence (batch, N).

    ``options`` give the sizes, and ``equal`` gives all at once. Beside them a tensor has the sides ``before`` and
    those of the settings ``after``; in it are ``ids`` or numbers. ``pixels`` says that sizes are sides of images.
    """

    options: tuple[str, ...] = ("tokens",)
    equal: str = "tokens"
    before: Sizes = ()
    after: tuple[str, ...] = ()
    ids: bool = True
    pixels: bool = False

    def read(self, native: Sizes, *values: object) -> Sizes:
        """The sizes from what each option gives; the native ones where there is nothing."""
        each = zip(self.options, values, native, strict=True)
        return tuple(size if value is None else whole(f"--{name}", value) for name, value, size in each)

    def point(self, sizes: Sizes) -> dict[str, int]:
        """Each size by its symbol."""
        return dict(zip(self, sizes, strict=True))

    def shape(self, sizes: Dims, batch: Dim) -> list[Any]:
        """The shape of the input as it is asked for; those of both for a source and a target."""
        return [batch, *self.before, *sizes]

    def tensors(self, tape: Tape, sizes: Dims, config: Mapping[str, Any], batch: Dim) -> tuple[Tensor, ...]:
        """What a network is run on."""
        shape = (*self.shape(sizes, batch), *(config[name] for name in self.after))
        return (fresh(tape, shape, INT64 if self.ids else tape.item, INPUT),)

    def spell(self, sizes: Sizes, used: Container[str]) -> str:
        """Sizes by name, as a title has them, of the axes that are ``used``."""
        return ", ".join(f"{axis} = {size}" for axis, size in self.point(sizes).items() if axis in used)

    def brief(self, sizes: Sizes) -> str:
        """Sizes in a cell: of an image by its sides, of sequences by their letters."""
        return f"{' = '.join(self)} = {sizes[0]}" if len({*sizes}) == 1 else self.spell(sizes, self)

    def words(self, sizes: Sizes) -> str:
        """Sizes in a sentence."""
        return f"{' and '.join(map(str, sizes))} tokens"


class _Image(Axes):
    """Those of colour images (batch, 3, H, W)."""

    options, equal, before, ids, pixels = ("input",), "input", (3,), False, True

    def read(self, native: Sizes, *values: object) -> Sizes:
        allowed = "a side S or HxW in pixels, such as 224 or 800x1280"
        return native if values[0] is None else read_image(values[0], allowed)

    def spell(self, sizes: Sizes, used: Container[str]) -> str:
        return self.words(sizes)

    def brief(self, sizes: Sizes) -> str:
        return self.words(sizes)

    def words(self, sizes: Sizes) -> str:
        return "×".join(map(str, sizes))


class _ImageWithBoxes(_Image):
    """Those of images, each with boxes (4 numbers): as many as each of the settings ``boxes`` says."""

    boxes = ("proposals", "detections")

    def tensors(self, tape: Tape, sizes: Dims, config: Mapping[str, Any], batch: Dim) -> tuple[Tensor, ...]:
        boxes = (fresh(tape, (batch, config[name], 4), tape.item, INPUT) for name in self.boxes)
        return (*super().tensors(tape, sizes, config, batch), *boxes)


class _Steps(Axes):
    """That of vectors at each time step (batch, T, d)."""

    after, ids = ("d",), False


class _Pair(Axes):
    """Those of the ids of source and target, or of the part of the network that is used."""

    options = ("src", "tgt")

    def shape(self, sizes: Dims, batch: Dim) -> list[Any]:
        return [[batch, size] for size in sizes]

    def tensors(self, tape: Tape, sizes: Dims, config: Mapping[str, Any], batch: Dim) -> tuple[Tensor, ...]:
        both = tuple(fresh(tape, tuple(shape), INT64, INPUT) for shape in self.shape(sizes, batch))
        return {"both": both, "encoder": both[:1], "decoder": both[1:]}[config["part"]]


IMAGE, BOXES, TOKENS, STEPS, PAIR = _Image("HW"), _ImageWithBoxes("HW"), Axes("N"), _Steps("T"), _Pair("ST")


def read_image(value: object, allowed: str) -> Sizes:
    """The sides of an image from ``--input``: a side, ``HxW`` or a pair; refused with what is ``allowed``."""
    if "," in str(value) and isinstance(value, str):
        raise InputError(f"--input {value!r}: must be {allowed}")
    sides = value if isinstance(value, (tuple, list)) else str(value).lower().replace("×", "x").split("x")
    if len(sides) not in (1, 2) or not all(re.fullmatch(r"\s*-?\d+\s*", str(side)) for side in sides):
        raise InputError(f"--input {value!r}: must be {allowed}")
    height, width = sides if len(sides) == 2 else (*sides, *sides)
    return whole("--input", height, high=PIXELS), whole("--input", width, high=PIXELS)
