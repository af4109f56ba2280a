"""What ``vpcalc memory`` is asked about: an architecture of ours at an input, or a module of the reader's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..abstract.tape import Work
from ..architectures import Architecture
from ..architectures.registry import listed
from ..storage.footprint import Way, works

if TYPE_CHECKING:
    from ..checks import Report
    from ..checks.own_memory import OwnBytes
    from ..checks.shapes import InputShape


@dataclass(frozen=True)
class OurModel:
    """An architecture at an input, in one way of running it."""

    architecture: Architecture
    sizes: tuple[int, ...]
    config: Mapping[str, Any]
    batch: int
    way: Way

    @property
    def id(self) -> str:
        """Its name."""
        return self.architecture.id

    @property
    def family(self) -> str:
        """Its family."""
        return self.architecture.family.name

    @property
    def shape(self) -> list[Any]:
        """Shape of the input tensor; of both tensors for a source and a target."""
        return self.architecture.family.axes.shape(self.sizes, self.batch)

    @property
    def size(self) -> str:
        """The input's sizes."""
        axes = self.architecture.family.axes
        return axes.spell(self.sizes, axes)

    @property
    def settings(self) -> dict[str, Any]:
        """Its settings."""
        return {name: listed(value) for name, value in self.config.items()}

    @property
    def attends(self) -> bool:
        """Whether it has softmax attention."""
        return self.architecture.family.attends

    def works(self) -> list[Work]:
        """What operators of an inference do."""
        return works(self.architecture.family, self.sizes, self.config, self.batch, self.way)

    def check(self, train: bool) -> tuple[Report, int | None]:
        """Its reference module, run by PyTorch."""
        from ..checks.memory import check_memory

        family = self.architecture.family
        return check_memory(family, self.sizes, self.config, self.batch, self.way, step=train)


@dataclass(frozen=True)
class TheirModule:
    """A module of the reader's at an input: what its runs in bytes saw."""

    id: str
    inputs: tuple[InputShape, ...]
    arguments: Mapping[str, object]
    bytes: OwnBytes

    family = "own"
    attends = False

    @property
    def shape(self) -> list[Any]:
        """Shape of the input; of all of them where there are several."""
        from .own_inputs import sides_of

        return sides_of(self.inputs)

    @property
    def size(self) -> str:
        """Its input in words."""
        from .own_inputs import in_words

        return in_words(self.inputs)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments of its factory."""
        return {name: str(value) for name, value in self.arguments.items()}

    def works(self) -> list[Work]:
        """What functions do in an inference, by module."""
        return self.bytes.works

    def check(self, train: bool) -> tuple[Report, int | None]:
        """The module itself, run by PyTorch."""
        return self.bytes.report()


Subject = OurModel | TheirModule
