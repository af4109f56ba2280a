"""``vpcalc layers``."""

from __future__ import annotations

from .options import bundled
from .output import Shown


@bundled
def layers(*, shown: Shown) -> None:
    """List the layers that vpcalc knows, each with its closed form.

    Example:  vpcalc layers --columns id,macs
    """
    from ..answers.layers import layers as ask

    shown.emit(ask())
