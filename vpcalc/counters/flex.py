"""``flex_attention`` for the time of a count: without a compiler, and on tensors without values.

Called outside of ``torch.compile`` it hands its operator to a compiler of its own, which does not work under the
modes that see operators; and it refuses the meta device, on which its operator works. Where it was not imported
nothing is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PLACE = "torch.nn.attention.flex_attention"
_CHANGES: tuple[tuple[str, Any], ...] = (
    ("_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True),
    ("_validate_device", lambda *tensors: None),
)


@contextmanager
def uncompiled_flex() -> Iterator[None]:
    """Within it, ``flex_attention`` runs its operator itself, on any device."""
    place = sys.modules.get(_PLACE)
    before = {name: getattr(place, name) for name, _ in _CHANGES if hasattr(place, name)}
    for name, value in _CHANGES:
        if name in before:
            setattr(place, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(place, name, value)
