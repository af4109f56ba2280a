"""Clauses of the lecture's statements, each altered at least once: none of these is so."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import sympy

from vpcalc.algebra.floors import ceil_div
from vpcalc.checks.proof import Finding
from vpcalc.cost import Quantity
from vpcalc.statements import heads, pixels, symmetries
from vpcalc.statements.retention_chunks import MEETING
from vpcalc.statements.retention_forms import EQUATION_7

VERDICTS = {
    "window_translation": Finding.CHECKED,
    "locality_and_invariance": Finding.CORRECTED,
    "patch_embedding_cost": Finding.CORRECTED,
    "overlapping_patches": Finding.CORRECTED,
    "zero_padding_position": Finding.CHECKED,
    "convolution_for_positions": Finding.CORRECTED,
    "positions_beside_tokens": Finding.CHECKED,
    "positions_resized": Finding.CHECKED,
    "head_rank": Finding.CHECKED,
    "attention_computes_all": Finding.CORRECTED,
    "long_key_wins": Finding.CORRECTED,
    "sra_is_convolution": Finding.CORRECTED,
    "pooling_or_convolution": Finding.CORRECTED,
    "class_token_reach": Finding.CHECKED,
    "pixels_seen": Finding.CHECKED,
    "retention_forms": Finding.CHECKED,
    "retention_chunks": Finding.CHECKED,
    "chunk_words": Finding.CHECKED,
    "readout_cost": Finding.CHECKED,
}
"""The lecture's other statements are proved."""


def with_one(mapping: Any, key: str, value: Any) -> dict[str, Any]:
    return {**mapping, key: value}


HEADS = {
    Quantity.MACS: "4hwC² + 2(hw)²C",
    Quantity.PARAMS: "4C² + 4C",
    Quantity.ATTENTION: "a(hw)²",
}

PLANTED: list[tuple[str, dict[str, Any]]] = [
    # invariant, or moved elsewhere; one token is no pool
    ("convolution_translation", {"moves": lambda s, k: 0}),
    ("convolution_translation", {"moves": lambda s, k: -s}),
    ("convolution_translation", {"pooled": lambda y: y[:, 0, 0]}),
    ("convolution_translation", {"by": lambda s: 0}),
    ("convolution_translation", {"by": lambda s: s - 1}),
    # every pixel, every other patch, the tokens by as many as the pixels
    ("patch_translation", {"moves": lambda s, P: s}),
    ("patch_translation", {"moves": lambda s, P: s // P}),
    ("patch_translation", {"moves": lambda s, P: s / P if s % (2 * P) == 0 else None}),
    ("window_translation", {"moves": lambda s, M: s}),
    ("window_translation", {"moves": lambda s, M: s if s % (2 * M) == 0 else None}),
    ("window_translation", {"moves": lambda s, M: 0 if s % M == 0 else None}),
    ("window_translation", {"marked": False}),
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
    ("patch_embedding_cost", {"cost": lambda c, H, W, C: 3 * H * W * C}),  # of an image alone
    ("patch_embedding_cost", {"cost": lambda c, H, W, C: c * H * W * C / 16}),
    ("patch_embedding_cost", {"times": lambda H, W: H * W / 192}),
    ("patch_embedding_cost", {"kept": lambda side, P: side}),
    ("patch_embedding_cost", {"kept": lambda side, P: ceil_div(side, P) * P}),  # padded, as Swin does it
    ("patch_continuity", {"shared": lambda k, s: k - s + 1}),
    ("patch_continuity", {"shared": lambda k, s: 0}),
    ("patch_continuity", {"read_by": lambda x, s, tokens: 1 if x % s == 0 else 2}),  # also at the border
    ("patch_continuity", {"read_by": lambda x, s, tokens: 1}),
    ("patch_continuity", {"width": lambda P, c: P * P * c - 1}),
    ("patch_continuity", {"width": lambda P, c: P * P}),
    ("overlapping_patches", {"share": lambda s: (s - 1) / s / 2}),
    ("overlapping_patches", {"share": lambda s: 0 * s + Fraction(1, 2)}),
    ("overlapping_patches", {"cost": lambda s: (2 * s - 1) / s}),
    ("overlapping_patches", {"cost": lambda s: 4 + 0 * s}),
    ("merging_is_convolution", {"cost": "8hwC²"}),
    ("merging_is_convolution", {"cost": "hwC²"}),
    ("merging_is_convolution", {"corners": ((0, 0), (0, 1), (1, 0), (1, 1))}),  # row by row
    ("merging_is_convolution", {"kept": Fraction(1, 4)}),
    ("merging_is_convolution", {"share": Fraction(1, 2)}),
    ("merging_is_convolution", {"pool": lambda a, b: a + b}),
    ("zero_padding_position", {"margin": lambda k, L: L * k // 2}),
    ("zero_padding_position", {"margin": lambda k, L: L * (k - 1) // 2 + 1}),
    ("zero_padding_position", {"margin": lambda k, L: (k - 1) // 2}),  # one layer's, however many there are
    ("zero_padding_position", {"around": "constant"}),
    ("zero_padding_position", {"image": -1}),  # of which ReLU makes zeros
    ("zero_padding_position", {"image": 0}),
    ("zero_padding_position", {"kernel": (1, 1, 1)}),  # from one place to the next, and both borders alike
    ("zero_padding_position", {"stage": lambda L: (L, L)}),
    ("zero_padding_position", {"stage": lambda L: (16, 16) if L else (1, 0)}),  # through attention at once
    ("convolution_for_positions", {"added": lambda r, n, C: 0 * n}),
    ("convolution_for_positions", {"added": lambda r, n, C: 9 * r * n * C**2}),
    ("convolution_for_positions", {"parameters": lambda r, C: 9 * r * C}),  # without bias
    ("convolution_for_positions", {"table": lambda n, C: (n + 1) * C}),
    ("adding_ties", {"weights": lambda W: (W, 0 * W)}),
    ("adding_ties", {"weights": lambda W: (W / 2, W)}),
    ("adding_ties", {"lost": lambda delta: delta}),
    ("adding_ties", {"own": lambda d, m: d}),
    ("adding_ties", {"own": lambda d, m: 2 * d * m}),
    ("adding_ties", {"blocks": lambda A: (A, A, A, 0 * A)}),
    ("adding_ties", {"blocks": lambda A: (A, A, A.T, A)}),
    ("adding_ties", {"placed": lambda x, e, nothing: ((x, nothing), (e, nothing))}),
    ("defined_not_learned", {"threshold": lambda largest, own: 0 * own}),  # fires before
    ("defined_not_learned", {"threshold": lambda largest, own: own}),  # never fires
    ("defined_not_learned", {"value": lambda square: square / 2}),
    ("defined_not_learned", {"turn": 6}),  # steps after which a code would come back
    ("positions_resized", {"own": (12, 16)}),
    ("positions_resized", {"read": lambda times: 2}),
    ("positions_resized", {"read": lambda times: times}),  # with anti-aliasing
    ("positions_resized", {"torn": lambda y, x, grid, table: (y % 6, x % table)}),  # repeated
    ("positions_resized", {"at_most": 3}),
    ("positions_resized", {"at_most": 16}),  # bicubic
    ("positions_resized", {"dropped": lambda side, R: 0}),
    ("positions_resized", {"dropped": lambda side, R: -side % R}),
    ("head_rank", {"rank": lambda d: d - 1}),
    ("head_rank", {"rank": lambda d: d + 1}),
    ("head_rank", {"cost": with_one(HEADS, Quantity.MACS, "4hwC² + 2(hw)²C/a")}),
    ("head_rank", {"cost": with_one(HEADS, Quantity.PARAMS, "4aC² + 4C")}),
    ("head_rank", {"cost": with_one(HEADS, Quantity.ATTENTION, "(hw)²")}),
    ("head_rank", {"heads": 1}),
    ("head_rank", {"only": (0, 1, 0)}),
    *(
        ("attention_computes_all", {"scores": with_one(heads.SCORES, id, form)})
        for id, form in (("msa", "ahw"), ("wmsa", "a(hw)²"), ("sra", "a(hw)²/R"), ("linear_sra", "aPhw"))
    ),
    ("attention_computes_all", {"macs": "4hwC² + 2hwC"}),
    ("attention_computes_all", {"weight": lambda s: sympy.Max(0, s)}),
    ("attention_computes_all", {"macs": "4hwC² + (hw)²C"}),
    ("long_key_wins", {"score": lambda q, k, cosine: q * cosine}),
    ("long_key_wins", {"score": lambda q, k, cosine: q * k * cosine**2}),
    ("long_key_wins", {"cosine": lambda long, short: short / long}),  # a tie
    ("long_key_wins", {"cosine": lambda long, short: short / long / 2}),
    ("long_key_wins", {"cosine": lambda long, short: long / long}),  # not worse aligned
    ("sra_is_convolution", {"cost": lambda h, w, C: h * w * C}),
    ("sra_is_convolution", {"heads": lambda N: N + 1}),  # as it is printed
    ("sra_is_convolution", {"kept": lambda side, R: (side - 1) // R * R}),
    ("pooling_or_convolution", {"saved": lambda P, R, C: R**2 * P**2 * C**2}),
    ("pooling_or_convolution", {"saved": lambda P, R, C: 0 * P}),
    ("pooling_or_convolution", {"dearer": lambda P, R, C: 2 * P**2 * C**2 * (1 - 1 / R**2)}),
    ("pooling_or_convolution", {"unreduced": lambda P, C: 0 * P}),
    ("pooling_or_convolution", {"fewer": lambda R, C: R**2 * C**2}),
    ("pooling_or_convolution", {"heavier": lambda C: 0 * C}),  # (R² − 1)C² at R = 1
    ("pooling_or_convolution", {"heavier": lambda C: C**2 + C}),  # without the norm
    ("pooling_or_convolution", {"least": lambda P, R: P**2}),
    ("pooling_or_convolution", {"least": lambda P, R: P**2 * R}),
    ("class_token_reach", {"first": 0}),
    ("class_token_reach", {"first": 2}),
    ("class_token_reach", {"through_others": 1}),
    ("class_token_reach", {"through_others": 3}),
    *(
        ("pixels_seen", {"seen": with_one(pixels.SEEN, at, (low - 1, most))})
        for at, (low, most) in pixels.SEEN.items()
    ),
    ("pixels_seen", {"seen": with_one(pixels.SEEN, (1, 2), (56, 56))}),
    ("pixels_seen", {"needed": lambda side, M: -(-2 * side // M) - 1}),  # rounded once
    ("pixels_seen", {"needed": lambda side, M: 2 * -(-side // M)}),
    ("pixels_seen", {"whole": with_one(pixels.WHOLE, "Swin-T", (3, 2))}),
    ("pixels_seen", {"whole": with_one(pixels.WHOLE, "PVT-Small", (2, 1))}),
    ("pixels_seen", {"at_800": {"Swin-T": (4, 1)}}),
    ("pixels_seen", {"at_800": {"ViT-B/16": None}}),
    ("one_scale_or_four", {"tokens": lambda f: f}),
    ("one_scale_or_four", {"projections": lambda f: f**4}),
    ("one_scale_or_four", {"meeting": lambda f: f**2}),
    ("one_scale_or_four", {"scores": lambda f: f**2}),
    ("one_scale_or_four", {"pyramid": (Fraction(4, 3), Fraction(4), Fraction(585, 512))}),  # without end
    ("one_scale_or_four", {"pyramid": (Fraction(85, 64), Fraction(1), Fraction(585, 512))}),
    ("one_scale_or_four", {"pyramid": (Fraction(85, 64), Fraction(4), Fraction(8, 7))}),
    ("retention_forms", {"exponents": EQUATION_7._replace(inner=lambda t, j: t - j + 1)}),
    ("retention_forms", {"exponents": EQUATION_7._replace(cross=lambda t: t)}),
    ("retention_forms", {"exponents": EQUATION_7._replace(to_end=lambda b, j: b - j)}),
    ("retention_forms", {"exponents": EQUATION_7._replace(state=lambda b: b - 1)}),
    ("retention_forms", {"faded": lambda z: 0 * z}),  # the same last state
    ("retention_forms", {"faded": lambda z: z + 1}),
    ("retention_forms", {"decay": lambda gamma: gamma**2}),
    ("retention_forms", {"decay": lambda gamma: 1 + 0 * gamma}),
    ("retention_chunks", {"meeting": lambda form, n, C, a, b: MEETING[form](n, C, a, 2 * b)}),
    ("retention_chunks", {"meeting": lambda form, *at: MEETING[form](*at) * (1 if form == "chunkwise" else 2)}),
    ("retention_chunks", {"projected": lambda n, C: 4 * n * C**2}),  # values as wide as keys, no gate
    ("retention_chunks", {"crossing": lambda C, a, b: b + 4 * C / a}),
    ("retention_chunks", {"two": lambda C, a: C / a}),
    ("retention_chunks", {"least": 2}),
    ("retention_chunks", {"saved": lambda n, C: n * C}),
    ("retention_chunks", {"filled": lambda n, b: n}),  # as if what is padded were free
    ("retention_chunks", {"tokens": 1024}),
    ("chunk_words", {"by_chunk": lambda n, d, b: 6 * n * d + 2 * n * d**2 / b}),  # a state that is written alone
    ("chunk_words", {"by_chunk": lambda n, d, b: 6 * n * d}),
    ("chunk_words", {"on_chip": lambda d, b: b**2 + 2 * b * d + 2 * b}),
    ("chunk_words", {"fits": lambda M, d: math.isqrt(M + d**2) - d}),
    ("chunk_words", {"fits": lambda M, d: M // (2 * d + 3)}),  # as if scores took no room
    ("chunk_words", {"by_token": lambda n, d, c: 6 * n * d + 4 * n * d**2 / c}),
    ("chunk_words", {"held": lambda d, c: c * d}),
    ("chunk_words", {"held": lambda d, c: c * d + 2 * d}),
    ("chunk_words", {"fewer": lambda d: d}),
    ("chunk_words", {"found": lambda gamma, t: gamma**t}),
    ("state_or_cache", {"state": lambda C, a: C**2 / a}),  # values as wide as keys
    ("state_or_cache", {"state": lambda C, a: 2 * C**2}),
    ("state_or_cache", {"cache": lambda n, C: n * C}),
    ("state_or_cache", {"cache": lambda n, C: 2 * C}),
    ("state_or_cache", {"crossing": lambda C, a: C}),
    ("readout_cost", {"states": lambda T, d, n: T * n**2}),
    ("readout_cost", {"states": lambda T, d, n: T * (n * d + n)}),
    ("readout_cost", {"readouts": lambda T, n, m: n * m}),  # of the last state alone
    ("readout_cost", {"crossing": lambda n, d: n}),
    ("readout_cost", {"chain": lambda T: 2 * T}),
    ("readout_cost", {"chain": lambda T: T}),
    ("readout_cost", {"reads": lambda t: t + 1}),  # all that was before
    ("readout_cost", {"depends": lambda t, k: True}),
    ("windows_save", {"msa": "4hwC² + (hw)²C"}),
    ("windows_save", {"wmsa": "4hwC² + 2MhwC"}),
    ("windows_save", {"ratio": lambda C, n, M: n / M**2}),  # as if there were no projections
    ("windows_save", {"whole": lambda side, M: side}),
    ("windows_save", {"stages": ("13.81", "2.70", "1.18", "1.18")}),
    ("windows_save", {"at_8": "1.00"}),
    ("positions_beside_tokens", {"factor": lambda d: 1}),
    ("positions_beside_tokens", {"factor": lambda d: d}),
    ("positions_beside_tokens", {"tokens": lambda d, variance: d * variance}),
    ("positions_beside_tokens", {"positions": lambda d: d}),
    ("depth_or_length", {"factor": lambda slope, W: W * slope[None, :]}),
    ("depth_or_length", {"residual": lambda eye, J: J}),
    ("depth_or_length", {"residual": lambda eye, J: eye - J}),
    ("depth_or_length", {"shrink": lambda gain: 1 - gain / 2}),
    ("depth_or_length", {"bound": lambda gain: gain / 2}),
    ("depth_or_length", {"stretch": lambda gain: 1 + gain**2}),
    ("locality_and_invariance", {"pooled": lambda tokens: tokens[:, 0]}),  # of one token
    ("class_token_reach", {"pvt_stage": 1}),
]
