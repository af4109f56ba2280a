"""What an optimizer keeps for each weight, what it takes while it steps, and the sizes that users write.

Per weight of ``item`` bytes, by what is published:

* plain SGD nothing, momentum and Lion one number, Adam and AdamW two (``torch.optim``; Lion by Chen et al. 2023,
  ``google/automl``, ``lion_pytorch.py``), in the weight's type;
* Adafactor a number for each row and each column of the last two sides, one each for what has no two sides
  (Shazeer and Stern 2018, as ``torch.optim.Adafactor``);
* with 8 bits (Dettmers et al. 2022, ``bitsandbytes`` at 95f9af3, ``optim/optimizer.py``) a byte for each number
  and a float32 for each block of 256, a table of 256 float32 for each moment in all; weights of fewer than 4096
  numbers have float32.

With master weights the optimizer works in float32 beside narrower weights. The gradients that it works on are
those of the weights, so that AdamW on 2-byte weights takes 2 + 2 + 12 = 16 bytes a parameter (Rajbhandari et al.
2019, §3); or they are gathered in float32 as they come, 2 + 4 + 12 = 18; or they are copied into float32 when all
are there, 2 + 2 + 4 + 12 = 20 (Megatron-LM, ``docs/source/api-guide/dist_optimizer.md``).

PyTorch's Adam, AdamW and Adafactor count their steps, too, in one float32 a tensor in the host's memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from ..abstract.layout import product
from ..algebra.traced import value_of
from ..errors import InputError, unknown

Shape = tuple[Any, ...]

PLAIN, FACTORED, BLOCKS = "plain", "factored", "blocks"
"""How numbers are kept: in the weight's type, one a row and a column, or as bytes in blocks."""


class Kind(NamedTuple):
    """How many numbers an optimizer keeps for each weight, how, and whether it counts steps in tensors."""

    numbers: int
    kept: str = PLAIN
    counts: bool = False


KINDS = {
    "sgd": Kind(0),
    "momentum": Kind(1),
    "adam": Kind(2, counts=True),
    "adamw": Kind(2, counts=True),
    "lion": Kind(1),
    "adafactor": Kind(1, FACTORED, counts=True),
    "momentum8bit": Kind(1, BLOCKS),
    "adam8bit": Kind(2, BLOCKS),
    "adamw8bit": Kind(2, BLOCKS),
    "lion8bit": Kind(1, BLOCKS),
}

WIDE = 4
"""Bytes of a number in float32: of master weights, their moments and gradients, and of a block's scale."""

BLOCK, FEWEST, TABLE = 256, 4096, 256
"""Numbers of a block, of the smallest tensor that has 8 bits, and of a table that says what a byte means."""

STEP = 4
"""Bytes of a step counter, one a tensor."""

GRADIENTS = ("weights", "float32", "both")
"""What an optimizer reads: gradients in the weights' type, gathered in float32, or copied into it at the end."""


@dataclass(frozen=True, slots=True)
class Optimizer:
    """An optimizer by name; with ``master`` it keeps float32 weights of its own; it reads some ``gradients``."""

    name: str = "adamw"
    master: bool = False
    gradients: str = "weights"

    @property
    def kind(self) -> Kind:
        """What it keeps."""
        return KINDS[self.name]

    def state(self, shapes: Iterable[tuple[Shape, int]], item: int) -> Any:
        """Bytes of its state on the device, for weights of some shapes and how many of each there are."""
        kind, number = self.kind, WIDE if self.master else item
        found: Any = 0
        has_bytes = False
        for shape, times in shapes:
            size = product(shape)
            if kind.kept == BLOCKS:
                has_bytes |= size >= FEWEST
                kept = kind.numbers * _in_blocks(size)
            else:
                kept = number * (_factors(shape) if kind.kept == FACTORED else kind.numbers * size)
            found = found + times * (kept + (WIDE * size if self.master else 0))
        return found + (kind.numbers * TABLE * WIDE if has_bytes else 0)

    def gradient_bytes(self, weights: Any, params: Any) -> Any:
        """Bytes of all gradients at once, for weights of so many bytes and numbers."""
        if self.gradients == "weights":
            return weights
        return WIDE * params + (weights if self.gradients == "both" else 0)

    def gathered(self, params: Any) -> Any:
        """Bytes of the gradients that are there all through a step, and are added to as gradients come."""
        return WIDE * params if self.gradients == "float32" else 0

    def working(self, shapes: Sequence[Shape], item: int, params: int) -> int:
        """Bytes that its step takes beside its state at most; see :meth:`workings`."""
        return max(value_of(live) for live in self.workings(shapes, item, params))

    def workings(self, shapes: Sequence[Shape], item: int, params: Any) -> list[Any]:
        """Bytes that its step takes beside its state, weight after weight as its loop in PyTorch does it.

        Those with 8 bits, and SGD, work in place. So do kernels that read narrow gradients for master weights.
        Equal weights need not all be among the shapes; there are ``params`` numbers in all.
        """
        copies = WIDE * params if self.gradients == "both" else 0
        if (self.master and self.gradients == "weights") or self.kind.kept == BLOCKS:
            return [copies]
        number = WIDE if self.master else item
        times = {"adam": 2, "adamw": 2, "lion": 3}.get(self.name, 0)
        sizes = [product(shape) for shape in shapes] if times else []
        live = [last + times * this for last, this in zip((0, *sizes), sizes, strict=False)]
        if self.kind.kept == FACTORED:
            live = list(_of_adafactor(shapes))
        return [copies, *(copies + number * each for each in live)]

    def working_at_once(self, shapes: Sequence[Shape], item: int, params: int) -> int:
        """The same where it works on all weights at once (``foreach``), as PyTorch's Adam does on CUDA."""
        if self.name not in ("adam", "adamw"):
            return self.working(shapes, item, params)
        if self.master:
            return {"weights": 0, "float32": WIDE, "both": 2 * WIDE}[self.gradients] * params
        return item * params

    def steps(self, tensors: int) -> int:
        """Bytes of its step counters on the host."""
        return STEP * tensors if self.kind.counts else 0

    def a_parameter(self, item: int) -> dict[str, int] | None:
        """Bytes for each parameter, where all have as many."""
        if self.kind.kept != PLAIN:
            return None
        found = {
            "weights": item,
            "gradients": int(self.gradient_bytes(item, 1)),
            "optimizer": int(self.state([((), 1)], item)),
        }
        return {**found, "total": sum(found.values())}


def _in_blocks(size: Any) -> Any:
    """Bytes of one number for each weight of a tensor: with its scales, or in float32 where it is small."""
    return WIDE * size if size < FEWEST else size + WIDE * ((size + BLOCK - 1) // BLOCK)


def _factors(shape: Shape) -> Any:
    """Numbers that stand for the rows and the columns of a weight."""
    if len(shape) < 2:
        return product(shape)
    return product(shape[:-1]) + product((*shape[:-2], shape[-1]))


def _of_adafactor(shapes: Iterable[Shape]) -> Iterator[Any]:
    """Numbers that PyTorch's loop has beside its state, at all times of which one may have the most.

    For each weight means of its rows and columns, and an update of its size; of a vector its square, too. What a
    name stood for lives until it stands for something else.
    """
    rows: Any = 0
    columns: Any = 0
    square: Any = 0
    update: Any = 0
    for shape in shapes:
        size = product(shape)
        if len(shape) > 1:
            new_rows, new_columns = product(shape[:-1]), product((*shape[:-2], shape[-1]))
            yield update + square + rows + columns + new_rows
            yield update + square + new_rows + columns + new_columns
            rows, columns = new_rows, new_columns
            yield update + square + rows + columns + size + product(shape[:-2])
        else:
            yield update + square + rows + columns + size
            square = size
            yield update + square + rows + columns + size
        update = size


def read_optimizer(name: str, master: bool, dtype: str, item: int, gradients: str = "weights") -> Optimizer:
    """An optimizer from what a user gives.

    Raises:
        InputError: an unknown name, master weights beside weights that are not narrower, or gradients that no
            optimizer in float32 reads.
    """
    plain = re.sub("[-_ ]|torch|bnb|fused", "", str(name).lower())
    if plain not in KINDS:
        raise unknown("--optimizer", name, KINDS)
    if gradients not in GRADIENTS:
        raise unknown("--grad-dtype", gradients, GRADIENTS)
    if item >= WIDE and gradients == "float32" and dtype == "float32":
        gradients = "weights"
    if master and item >= WIDE:
        raise InputError(f"--master-weights: {dtype} is no narrower than float32; use float16 or bfloat16")
    if gradients != "weights" and not master:
        raise InputError(
            f"--grad-dtype {gradients}: is read by an optimizer in float32; needs --master-weights beside it"
        )
    return Optimizer(plain, master, gradients)


UNITS = {"B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4, "PB": 1000**5} | {
    f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGTP", start=1)
}


def read_bytes(option: str, text: object) -> int:
    """The bytes that have room in a size with its unit: ``24GiB``, ``80 GB``, ``7.45GiB``, or whole bytes.

    Raises:
        InputError: no number, no such unit, or nothing at all.
    """
    size = int(read_size(option, text))
    if size < 1:
        raise InputError(f"{option} {str(text)[:40]!r}: must be at least a byte")
    return size


def read_size(option: str, text: object) -> Fraction:
    """The same, exactly: 7.45GiB are no whole number of bytes.

    Raises:
        InputError: no number, or no such unit.
    """
    found = re.fullmatch(r"\s*([0-9]{1,15})(?:\.([0-9]{1,6}))?\s*([A-Za-z]{0,3})\s*", str(text))
    if isinstance(text, bool) or found is None or (found[3] or "B") not in UNITS:
        given = str(text)[:40]
        other = "; of a device --device says whether it fits" if option == "--fit" else ""
        raise InputError(f"{option} {given!r}: must be a number with a unit such as 24GiB, 80GB or 512MiB{other}")
    digits = found[2] or ""
    return Fraction(int(found[1] + digits) * UNITS[found[3] or "B"], 10 ** len(digits))
