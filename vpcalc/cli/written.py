"""What was written on the line is used: an option that takes one value is given once, and none changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typer.core import TyperCommand

from ..errors import InputError

NEEDS: Mapping[str, str] = {
    "optimizer": "train",
    "master_weights": "train",
    "recompute": "train",
    "devices": "device",
    "width": "output",
    "title": "output",
}
"""Options that change nothing without another one, in the commands that have both."""


class Command(TyperCommand):
    """A command that refuses what would be dropped in silence: a second value, and an option without effect."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does, after a look at what was written."""
        if not ctx.resilient_parsing:
            values, _, written = self.make_parser(ctx).parse_args(args=list(args))
            known: dict[str, Any] = {str(each.name): each for each in self.params}
            for option in written:
                _once(option, written.count(option))
                _used(option, known, values)
        return super().parse_args(ctx, args)


def _once(option: Any, times: int) -> None:
    if times > 1 and not getattr(option, "is_flag", True) and not option.multiple:
        raise InputError(f"{_spelled(option)}: given more than once; it takes one value")


def _used(option: Any, known: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    needed = known.get(NEEDS.get(option.name, ""))
    if needed is None or needed.name in values or values[option.name] == option.default or needed.default:
        return
    shown = "" if option.is_flag else f" {values[option.name]}"
    raise InputError(f"{_spelled(option)}{shown}: changes nothing without {_spelled(needed)}")


def _spelled(option: Any) -> str:
    return str(max(option.opts, key=len))
