"""An option that takes one value is given once: of two the first would be dropped in silence."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from ..errors import InputError


class Command(TyperCommand):
    """A command that refuses an option's second value, unless the option may be repeated."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does, after a look at what was written."""
        if not ctx.resilient_parsing:
            _, _, written = self.make_parser(ctx).parse_args(args=list(args))
            for option in written:
                single: Any = option
                if getattr(single, "is_flag", True) or single.multiple or written.count(option) < 2:
                    continue
                raise InputError(f"{max(single.opts, key=len)}: given more than once; it takes one value")
        return super().parse_args(ctx, args)
