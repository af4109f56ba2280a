"""Stacked recurrent networks, as torch.nn.RNN, LSTM and GRU stack them (``batch_first``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from .recurrence import RecurrentLayer
from .registry import Witness, model_witness


class Recurrent(nn.Sequential):
    """(batch, T, d) to the last layer's (batch, T, n), or (batch, T, 2n) in both directions."""

    def __init__(self, cell: str, d: int, n: int, layers: int, bidirectional: bool, bias: bool) -> None:
        above = 2 * n if bidirectional else n
        widths = [d] + [above] * (layers - 1)
        super().__init__(*(RecurrentLayer(cell, width, n, bidirectional, bias) for width in widths))


@model_witness("recurrent")
def recurrent(sizes: tuple[int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """A stack over T steps."""
    return Witness(Recurrent(**config), (torch.zeros(batch, *sizes, config["d"]),))
