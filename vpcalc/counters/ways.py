"""Three ways to run a module and count it, from the cheapest to the one that holds values.

* *meta*: tensors have shapes and nothing else. An 11-billion-parameter model takes a few megabytes.
* *fake*: the same under FakeTensorMode, where tensors say that they live on the CPU and small constants keep
  their values. For models that look at a mask before they use it, or that choose a kernel by device.
* *cpu*: a real run, of zero weights that share one stretch of memory. For models whose next operator
  depends on a value, and to see that a formula's model runs at all.
"""

from __future__ import annotations

import logging
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)

from .dispatch import DispatchCounts, count
from .weights import Zeros, filled, parameters_on_meta

ROOM = 1 << 32
"""Bytes of weights beyond which nothing is run for real: reading them takes seconds."""

DTYPES = {
    "float": torch.float32,
    "float32": torch.float32,
    "float64": torch.float64,
    "double": torch.float64,
    "float16": torch.float16,
    "half": torch.float16,
    "bfloat16": torch.bfloat16,
    "long": torch.int64,
    "int64": torch.int64,
    "int": torch.int32,
    "int32": torch.int32,
    "bool": torch.bool,
}
"""Element types of an input by the names that a specification may use."""


class Way(str, Enum):
    """How a module was run."""

    META = "meta"
    FAKE = "fake"
    CPU = "cpu"


class TooLargeError(RuntimeError):
    """A real run would take more memory than is allowed."""


@dataclass(frozen=True, slots=True)
class TensorShape:
    """An input: its shape, the name of its element type, and its keyword where it has one."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    keyword: str = ""


Build = Callable[[], "tuple[nn.Module, Sequence[TensorShape]]"]
"""Makes a module and says what it takes."""


def run(
    way: Way,
    build: Build,
    kwargs: Mapping[str, Any] | None = None,
    *,
    backward: bool = False,
    products: bool = True,
) -> DispatchCounts:
    """Build a fresh module, run it once and count it.

    What the module's code prints goes to standard error, and its warnings are kept quiet.

    Raises:
        TooLargeError: a real run of more than :data:`ROOM` bytes of weights.
        Exception: whatever the module raises.
    """
    with ExitStack() as stack:
        stack.enter_context(quiet())
        if way is Way.FAKE:
            stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        if way is Way.CPU:
            stack.enter_context(_one_thread())
        device = "meta" if way is Way.META else "cpu"
        module, inputs = _BUILDERS[way](build)
        named = dict(kwargs or {})
        unnamed = []
        for spec in inputs:
            tensor = _tensor(spec, device, values=way is Way.CPU)
            if spec.keyword:
                named[spec.keyword] = tensor
            else:
                unnamed.append(tensor)
        return count(module, tuple(unnamed), named, backward=backward, products=products)


@contextmanager
def quiet() -> Iterator[None]:
    """Within it, foreign code neither warns nor logs, and what it prints goes to standard error."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Within it, operators do not wait for threads that a busy machine does not run."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def needs_values(error: BaseException) -> bool:
    """Whether a run failed because tensors had no values, so that another way may succeed."""
    if isinstance(error, (*_NO_VALUES, TooLargeError)):
        return True
    if not isinstance(error, (RuntimeError, TypeError, ValueError, NotImplementedError)):
        return False
    text = str(error).lower()
    return any(sign in text for sign in ("meta", "item()", "data-dependent", "data dependent", "fake"))


_NO_VALUES = (
    NotImplementedError,
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)


# -- building -----------------------------------------------------------------------------------------

Built = tuple[nn.Module, Sequence[TensorShape]]


def _on_meta(build: Build) -> Built:
    try:
        with torch.device("meta"):
            module, inputs = build()
    except Exception as error:
        if not needs_values(error):
            raise
        with parameters_on_meta():  # a constructor that reads a value it has just made
            module, inputs = build()
    return module.to("meta"), inputs


def _fake(build: Build) -> Built:
    module, inputs = build()
    return filled(module, lambda shape, dtype: torch.empty(shape, dtype=dtype, device="cpu")), inputs


def _for_real(build: Build) -> Built:
    with parameters_on_meta():
        module, inputs = build()
    size = sum(p.numel() * p.element_size() for p in module.parameters())
    if size > ROOM:
        raise TooLargeError(f"a real run needs {size:,} bytes for its weights: more than {ROOM:,}")
    return filled(module, Zeros(module)), inputs


_BUILDERS: dict[Way, Callable[[Build], Built]] = {Way.META: _on_meta, Way.FAKE: _fake, Way.CPU: _for_real}


def _tensor(spec: TensorShape, device: str, values: bool) -> Tensor:
    dtype = DTYPES[spec.dtype]
    if values and dtype.is_floating_point:
        return (
            torch.linspace(-1, 1, max(math.prod(spec.shape), 1))[: math.prod(spec.shape)]
            .reshape(spec.shape)
            .to(dtype)
        )
    return torch.zeros(spec.shape, dtype=dtype, device=device)
