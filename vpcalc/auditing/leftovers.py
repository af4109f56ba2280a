"""What a counter leaves behind in its process: functions still replaced, hooks, buffers, attributes."""

from __future__ import annotations

from torch import nn

from ..report.numbers import how_many
from .peers.names import PATCHED
from .record import owner


class Before:
    """The state before a counter runs."""

    def __init__(self, module: nn.Module) -> None:
        self._functions = {name: _function(name) for name in PATCHED}
        self._hooks = _hooks(module)
        self._buffers = {name for name, _ in module.named_buffers()}
        self._attributes = _attributes(module)

    def left(self, module: nn.Module) -> list[str]:
        """What is there now that was not, in words."""
        found = []
        replaced = [name for name, function in self._functions.items() if _function(name) is not function]
        if replaced:
            functions = how_many(len(replaced), "function")
            found.append(f"{functions} still replaced ({replaced[0]}{', …' if replaced[1:] else ''})")
        hooks = _hooks(module) - self._hooks
        if hooks:
            found.append(how_many(hooks, "hook"))
        buffers = [name for name, _ in module.named_buffers() if name not in self._buffers]
        if buffers:
            found.append(f"{how_many(len(buffers), 'buffer')} ({buffers[0]}{', …' if buffers[1:] else ''})")
        attributes = sorted(_attributes(module) - self._attributes)
        if attributes:
            found.append(f"attributes of modules ({', '.join(attributes[:3])}{', …' if attributes[3:] else ''})")
        return found


def _function(name: str) -> object:
    home, short = owner(name)
    return getattr(home, short, None)


def _hooks(module: nn.Module) -> int:
    return sum(len(child._forward_hooks) + len(child._forward_pre_hooks) for child in module.modules())


def _attributes(module: nn.Module) -> set[str]:
    return {name for child in module.modules() for name in vars(child)}
