"""Words that people use for element types and devices, and the ones that tables here have for them."""

from __future__ import annotations

import re

DTYPES = {
    "fp64": "float64",
    "f64": "float64",
    "double": "float64",
    "fp32": "float32",
    "f32": "float32",
    "float": "float32",
    "single": "float32",
    "full": "float32",
    "fp16": "float16",
    "f16": "float16",
    "half": "float16",
    "bf16": "bfloat16",
    "fp8": "float8",
}
"""Element types as people write them."""

MAKERS = ("nvidia", "amd", "apple", "geforce", "radeon", "instinct", "tesla")
"""Words that stand before a device's name and do not tell it from another."""


def dtype(text: str) -> str:
    """An element type's own name: ``fp16``, ``Half`` and ``torch.float16`` are ``float16``; others as they are."""
    found = text.strip().lower().removeprefix("torch.")
    return DTYPES.get(found, found)


def device(text: str) -> str:
    """A device's name without case, makers, spaces and hyphens: ``NVIDIA RTX-4090`` is ``rtx4090``."""
    words = re.findall("[a-z0-9]+", text.lower())
    return "".join(word for word in words if word not in MAKERS)
