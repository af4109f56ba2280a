"""One claim a family: its closed form in the sizes of the input, for the first of its variants."""

from __future__ import annotations

from functools import partial

from ...architectures import Architecture
from ...architectures.registry import first_of_each
from ...plugins import is_ours
from ...reference import MODEL_WITNESSES
from .registry import CLAIMS, claim
from .witnessed import of_model


def _register(architecture: Architecture) -> None:
    family, axes = architecture.family, " and ".join(architecture.family.axes)
    statement = (
        f"{architecture.id} costs what is derived from its operators, in {axes}, on the domain that is printed"
    )
    claim(f"{family.name}_family", statement, architecture.source, "family")(partial(of_model, architecture.id))


def complete() -> None:
    """A claim for each family that has none yet: for all of ours, and for a user's that have a module to count."""
    for name, architecture in first_of_each().items():
        counted = is_ours(architecture.family.run) or name in MODEL_WITNESSES
        if counted and f"{name}_family" not in CLAIMS:
            _register(architecture)


complete()
