"""Three ways to run a module and count it, from the cheapest to the one that holds values.

* *meta*: tensors have shapes and nothing else. An 11-billion-parameter model takes a few megabytes.
* *fake*: the same under FakeTensorMode, where tensors say that they live on the CPU and small constants keep
  their values. For models that look at a mask before they use it, or that choose a kernel by device.
* *cpu*: a real run. For models whose next operator depends on a value, with the values that the factory gives;
  and to see that a formula's model runs at all, with zero weights that share one stretch of memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from enum import Enum
from typing import Any

import torch
from torch import nn

from ..sources import quiet
from .dispatch import DispatchCounts, count
from .given import Given, TensorShape, given
from .private import NO_VALUES, FakeTensorMode, no_functions
from .remembered import Remembering
from .weights import (
    TooLargeError,
    Zeros,
    at_most,
    filled,
    is_lazy,
    is_uninitialized,
    materialize,
    parameters_on_meta,
)

ROOM = 1 << 32
"""Bytes of weights beyond which nothing is run for real: reading them takes seconds."""


class Way(str, Enum):
    """How a module was run."""

    META = "meta"
    FAKE = "fake"
    CPU = "cpu"


Build = Callable[[], "tuple[nn.Module, Given | Sequence[TensorShape]]"]
"""Makes a module and says what it takes."""


def run(
    way: Way,
    build: Build,
    kwargs: Mapping[str, Any] | None = None,
    *,
    backward: bool = False,
    products: bool = True,
    training: bool = False,
    valued: bool = False,
) -> DispatchCounts:
    """Build a fresh module, run it once and count it.

    What the module's code prints goes to standard error, and its warnings are kept quiet. A real run is of zero
    weights, unless the module is to be ``valued`` as its factory leaves it, or cannot be built otherwise.

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
        module, args, named = built(way, build, valued=valued)
        return count(
            module, args, {**(kwargs or {}), **named}, backward=backward, products=products, training=training
        )


def built(way: Way, build: Build, *, valued: bool = False) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
    """A module and its arguments as one of the ways has them.

    Raises:
        TooLargeError: a real run of more than :data:`ROOM` bytes of weights.
        Exception: whatever its factory raises.
    """
    module, inputs = _with_values(build) if valued and way is Way.CPU else _BUILDERS[way](build)
    device = "meta" if way is Way.META else "cpu"
    args, kwargs = given(inputs).on(device, values=way is Way.CPU)
    if is_lazy(module):
        materialize(module, args, kwargs, device)
    return module, args, kwargs


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
    if isinstance(error, (NotImplementedError, *NO_VALUES, TooLargeError)):
        return True
    if not isinstance(error, (RuntimeError, TypeError, ValueError, NotImplementedError)):
        return False
    text = str(error).lower()
    return any(sign in text for sign in _SIGNS)


_SIGNS = (
    *("meta", "item()", "data-dependent", "data dependent", "fake"),
    *("cond must be a bool", "torchscript interpreter"),
)
"""What errors say that come of tensors without values; the last ones of a convolution that is traced, and of what
torch.jit made, which does not repeat what was wrong."""


# -- building -----------------------------------------------------------------------------------------

Built = tuple[nn.Module, "Given | Sequence[TensorShape]"]


def on_meta(build: Build) -> Built:
    """A module on the meta device. Where its factory looks at values it is built with them first.

    Raises:
        Exception: whatever the factory raises.
    """
    try:
        with torch.device("meta"), Remembering() as kernels:
            module, inputs = build()
        if kernels.lacked:
            module, inputs = _with_values(build)
    except Exception as error:
        if not needs_values(error):
            raise
        module, inputs = _partly(build)  # a constructor that reads a value it has just made
    if any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()) and _has_values(module):
        raise NotImplementedError("what torch.jit made of a module does not leave its device")
    return module.to("meta") if _has_values(module) else module, inputs


def _has_values(module: nn.Module) -> bool:
    with no_functions():
        return any(not tensor.is_meta for tensor in (*module.parameters(), *module.buffers()))


def _partly(build: Build) -> Built:
    """Without initialised parameters, and with them where the factory reads one."""
    try:
        with parameters_on_meta(), Remembering() as kernels:
            made = build()
        if not kernels.lacked:
            return made
    except Exception as error:
        if not needs_values(error):
            raise
    return _with_values(build)


def _with_values(build: Build) -> Built:
    """As the factory leaves it, from the same random numbers each time."""
    with torch.random.fork_rng(devices=[]), at_most(ROOM):
        torch.manual_seed(0)
        module, inputs = build()
    return filled(module, Zeros(module)), inputs


def _fake(build: Build) -> Built:
    module, inputs = build()
    return filled(module, lambda shape, dtype: torch.empty(shape, dtype=dtype, device="cpu")), inputs


def _for_real(build: Build) -> Built:
    module, inputs = _partly(build)
    size = sum(p.numel() * p.element_size() for p in module.parameters() if not is_uninitialized(p))
    if size > ROOM:
        raise TooLargeError(f"a real run needs {size:,} bytes for its weights: more than {ROOM:,}")
    return filled(module, Zeros(module)), inputs


_BUILDERS: dict[Way, Callable[[Build], Built]] = {Way.META: on_meta, Way.FAKE: _fake, Way.CPU: _for_real}
