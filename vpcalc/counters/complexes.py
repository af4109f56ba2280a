"""Convolutions of complex numbers: PyTorch makes three real ones of each, before any operator is dispatched.

A product of complex numbers is one multiply-accumulate here, as it is in a matrix product of complex numbers. So
of three convolutions of one size the first is charged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_NAMES = ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "convolution")
_FUNCTIONS = frozenset(getattr(torch, name) for name in _NAMES)
CONVOLUTION = "aten::convolution"


class ComplexConvolutions(TorchFunctionMode):
    """Knows which real convolutions are parts of a complex one."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: int | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func not in _FUNCTIONS or not any(isinstance(x, Tensor) and x.is_complex() for x in args):
            return func(*args, **kwargs)
        with self._within():
            return func(*args, **kwargs)

    @contextmanager
    def _within(self) -> Iterator[None]:
        self._parts = 0
        try:
            yield
        finally:
            self._parts = None

    def is_charged_already(self, name: str) -> bool:
        """Whether an operator is a further part of a complex convolution. Asked once for each call."""
        if self._parts is None or name != CONVOLUTION:
            return False
        self._parts += 1
        return self._parts > 1
