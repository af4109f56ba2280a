"""What figures rest on beside their sources: settings that we chose, and what would be with another value.

Whether a figure rests on an assumption is computed, not declared: the architecture is costed with the other value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..architectures import Architecture
from ..architectures.registry import Assumption, Setting, listed, spelled
from ..cost import Cost, Quantity
from ..report.numbers import short

SHOWN = (Quantity.PARAMS, Quantity.MACS)
"""Quantities that a note compares."""


@dataclass(frozen=True, slots=True)
class Assumed:
    """An assumption at one input, with the cost that its other value would have."""

    assumption: Assumption
    value: Setting
    cost: Cost

    def figure(self, quantity: Quantity) -> int:
        """What would be with the other value."""
        return int(self.cost.total(quantity))

    @property
    def text(self) -> str:
        """What is assumed and why, in one line."""
        return self.assumption.text(self.value)

    def note(self, cost: Cost) -> str:
        """The same with what rests on it; empty where nothing does."""
        resting = [q for q in SHOWN if self.figure(q) != cost.total(q)]
        if not resting:
            return ""
        named = ", ".join(f"{short(self.figure(quantity))} {quantity.value}" for quantity in resting)
        return f"{self.text}; with {spelled(self.assumption.other)}: {named}"

    def only(self, other: str) -> str:
        """That a figure is the printed one with our value alone; ``other`` is what it would be."""
        return (
            f"only with {self.assumption.setting} = {spelled(self.value)}: {self.assumption.says}; "
            f"{spelled(self.assumption.other)} would make it {other}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Fields of the JSON."""
        return {
            "setting": self.assumption.setting,
            "value": listed(self.value),
            "other": listed(self.assumption.other),
            "why": self.assumption.says,
            **{quantity.value: self.figure(quantity) for quantity in SHOWN},
        }


def assumed(
    architecture: Architecture, sizes: tuple[int, ...], config: Mapping[str, Any], batch: int = 1
) -> tuple[Assumed, ...]:
    """The assumptions that a configuration still rests on: those whose setting nobody has changed."""
    return tuple(
        Assumed(each, config[each.setting], architecture.cost(sizes, {**config, each.setting: each.other}, batch))
        for each in architecture.assumed(config)
    )
