"""One claim a family: its closed form in the sizes of the input, for the first of its variants."""

from __future__ import annotations

from functools import partial

from ...architectures import Architecture
from ...architectures.registry import first_of_each
from .registry import claim
from .witnessed import of_model


def _register(architecture: Architecture) -> None:
    family, axes = architecture.family, " and ".join(architecture.family.axes)
    statement = (
        f"{architecture.id} costs what is derived from its operators, in {axes}, on the domain that is printed"
    )
    claim(f"{family.name}_family", statement, architecture.source, "family")(partial(of_model, architecture.id))


for _architecture in first_of_each().values():
    _register(_architecture)
