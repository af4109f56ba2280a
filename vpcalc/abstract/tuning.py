"""What of a network is trained: some of its modules, and layers of low rank beside frozen ones.

A path is a module's place, ``blocks.3.ffn.fc1``. A name says a module where it is one or more parts of its path in
a row: ``fc1``, ``blocks.3``, ``head``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

BASE, DOWN, UP = "base_layer", "lora_A", "lora_B"
"""What an adapted layer holds: the frozen layer, and the two of low rank whose product is added to its result."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """Modules of these names are ``trained``; all else is frozen.

    With a ``rank`` every linear layer ``on`` these names, or every one if there are none, that is not trained
    itself has layers of that rank beside it, which are (LoRA, Hu et al. 2021).
    """

    trained: tuple[str, ...] = ()
    rank: int = 0
    on: tuple[str, ...] = ()

    def trains(self, path: str) -> bool:
        """Whether the weights of a module are trained."""
        if self.rank and path.rpartition(".")[2] in (DOWN, UP):
            return True
        return any(lies_in(path, name) for name in self.trained)

    def adapts(self, path: str) -> bool:
        """Whether a linear layer has layers of low rank beside it."""
        if not self.rank or self.trains(path):
            return False
        return not self.on or any(lies_in(path, name) for name in self.on)


def lies_in(path: str, name: str) -> bool:
    """Whether a name says a module or one that it lies in."""
    return f".{name}." in f".{path}."


def parts_of(paths: Iterable[str]) -> set[str]:
    """Names that say something: parts of paths that are not numbers."""
    return {part for path in paths for part in path.split(".") if part and not part.isdigit()}
