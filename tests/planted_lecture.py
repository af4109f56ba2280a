"""Clauses of the lecture's statements, each altered at least once: none of these is so."""

from __future__ import annotations

from typing import Any

from vpcalc.checks.proof import Finding
from vpcalc.statements import symmetries

VERDICTS = {
    "locality_and_invariance": Finding.CORRECTED,
}
"""The lecture's other statements are proved."""


def with_one(mapping: Any, key: str, value: Any) -> dict[str, Any]:
    return {**mapping, key: value}


PLANTED: list[tuple[str, dict[str, Any]]] = [
    # invariant, or moved elsewhere; one token is no pool
    ("convolution_translation", {"moves": lambda s, k: 0}),
    ("convolution_translation", {"moves": lambda s, k: -s}),
    ("convolution_translation", {"pooled": lambda y: y[:, 0, 0]}),
    # every pixel, every other patch, the tokens by as many as the pixels
    ("patch_translation", {"moves": lambda s, P: s}),
    ("patch_translation", {"moves": lambda s, P: s // P}),
    ("patch_translation", {"moves": lambda s, P: s / P if s % (2 * P) == 0 else None}),
    ("window_translation", {"moves": lambda s, M: s}),
    ("window_translation", {"moves": lambda s, M: s if s % (2 * M) == 0 else None}),
    ("window_translation", {"moves": lambda s, M: 0 if s % M == 0 else None}),
    *(
        ("locality_and_invariance", {"steps": with_one(symmetries.STEPS, name, 1 if step > 1 else 2)})
        for name, step in symmetries.STEPS.items()
    ),
    ("locality_and_invariance", {"permutes": "convolution, 3 × 3"}),
    ("locality_and_invariance", {"permutes": "self-attention with positions"}),
    *(
        ("locality_and_invariance", {"reads": with_one(symmetries.READS, name, seen + 1)})
        for name, seen in symmetries.READS.items()
    ),
]
