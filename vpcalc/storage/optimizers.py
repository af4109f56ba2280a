"""What an optimizer keeps for each weight, and the sizes that users write.

Per weight of ``item`` bytes: plain SGD nothing, momentum one number, Adam and AdamW two moments. With master
weights the optimizer works in float32 beside narrower weights: a copy and its moments, so that AdamW on 2-byte
weights takes 2 + 2 + 12 = 16 bytes a parameter (Rajbhandari et al. 2019, §3). PyTorch's Adam and AdamW also count
their steps, in one float32 a tensor that stays in the host's memory.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, unknown

MOMENTS = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}
"""Numbers that an optimizer keeps for each weight."""

MASTER = 4
"""Bytes of a number of an optimizer with master weights: float32."""

STEP = 4
"""Bytes of a step counter, one a tensor."""


@dataclass(frozen=True, slots=True)
class Optimizer:
    """An optimizer by name; ``master`` says that it keeps float32 weights of its own."""

    name: str = "adamw"
    master: bool = False

    def state(self, params: Any, item: int) -> Any:
        """Bytes of its state on the device."""
        if self.master:
            return params * MASTER * (MOMENTS[self.name] + 1)
        return params * item * MOMENTS[self.name]

    def working(self, weights: Sequence[int]) -> int:
        """Bytes that its step takes beside its state, weight after weight as PyTorch does it on a CPU.

        Adam's roots of the second moments, and these over their correction; what it divided by for the weight
        before lives until then. SGD works in place. Master weights are not PyTorch's; what they take is not known.
        """
        if self.master or MOMENTS[self.name] < 2:
            return 0
        return max(before + 2 * this for before, this in zip((0, *weights), weights, strict=False))

    def working_at_once(self, weights: int) -> int:
        """The same where it works on all weights at once (``foreach``), as PyTorch does on CUDA unless told."""
        return 0 if self.master or MOMENTS[self.name] < 2 else weights

    def steps(self, tensors: int) -> int:
        """Bytes of its step counters on the host."""
        return STEP * tensors if MOMENTS[self.name] == 2 else 0


def read_optimizer(name: str, master: bool, dtype: str, item: int) -> Optimizer:
    """An optimizer from what a user gives.

    Raises:
        InputError: an unknown name, or master weights beside weights that are not narrower.
    """
    if name not in MOMENTS:
        raise unknown("--optimizer", name, MOMENTS)
    if master and item >= MASTER:
        raise InputError(f"--master-weights: {dtype} is no narrower than float32; use float16 or bfloat16")
    return Optimizer(name, master)


UNITS = {"B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4, "PB": 1000**5} | {
    f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGTP", start=1)
}


def read_bytes(option: str, text: object) -> int:
    """A size with its unit: ``24GiB``, ``80 GB``, ``512MiB``, or whole bytes.

    Raises:
        InputError: no number, no such unit, or nothing at all.
    """
    found = re.fullmatch(r"\s*([0-9]{1,15})(?:\.([0-9]{1,6}))?\s*([A-Za-z]{0,3})\s*", str(text))
    if isinstance(text, bool) or found is None or (found[3] or "B") not in UNITS:
        given = str(text)[:40]
        raise InputError(f"{option} {given!r}: must be a number with a unit such as 24GiB, 80GB or 512MiB")
    digits = found[2] or ""
    scale: int = 10 ** len(digits)
    scaled = int(found[1] + digits) * UNITS[found[3] or "B"]
    size, rest = int(scaled // scale), scaled % scale
    if rest or size < 1:
        raise InputError(f"{option} {str(text)[:40]!r}: must be a whole number of bytes, at least 1")
    return size
