"""One claim a family: its closed form in the sizes of the input, for the first of its variants."""

from __future__ import annotations

from functools import partial

from ...architectures import ARCHITECTURES, Architecture
from .registry import claim
from .witnessed import of_model

QUADRATIC = 2
"""Attention over all tokens: the steepest that any family is in a size of its input."""

LINEAR = {"swin": 1, "resnet": 1, "vgg": 1, "exfuse": 1, "recurrent": 1}
"""Families without it: windows, convolutions, steps."""


def _register(architecture: Architecture) -> None:
    family, axes = architecture.family, " and ".join(architecture.family.axes)
    statement = (
        f"{architecture.id} costs what is derived from its operators, in {axes}, on the domain that is printed"
    )
    claim(f"{family.name}_family", statement, architecture.source, "family")(
        partial(of_model, architecture.id, LINEAR.get(family.name, QUADRATIC))
    )


_first: dict[str, Architecture] = {}
for _architecture in ARCHITECTURES.values():
    _first.setdefault(_architecture.family.name, _architecture)
for _architecture in _first.values():
    _register(_architecture)
