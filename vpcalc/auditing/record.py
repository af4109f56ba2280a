"""Recording a run: modules, functions by name, and operators, nested as they happen. Runs in a child process.

Functions are seen as the counters that patch them see them: the name is replaced in its module, so that a call
through an older reference or from C++ is not seen by either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from ..counters.dispatch import DispatchCounter, DispatchCounts, tensors_of
from ..counters.policy import Rule
from .calls import Call, Height, Recording, Submodule
from .peers.names import PATCHED
from .peers.peer import Hooks

SETTINGS = (
    "in_channels",
    "out_channels",
    "kernel_size",
    "groups",
    "in_features",
    "out_features",
    "input_size",
    "hidden_size",
    "num_layers",
    "bidirectional",
    "batch_first",
    "affine",
    "elementwise_affine",
    "num_heads",
    "head_dim",
    "embed_dim",
    "kdim",
    "vdim",
    "mode",
    "dim",
)
"""Attributes of modules that some counter's price depends on."""


def record(
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    grad: bool,
    backward: bool = False,
    hooks: Hooks = Hooks.NONE,
) -> tuple[Recording, DispatchCounts]:
    """Run the module once and keep every call; also the plain count of the same run."""
    recorder = Recorder(module)
    with ExitStack() as stack:
        stack.enter_context(torch.set_grad_enabled(grad or backward))
        stack.enter_context(hooked(module, hooks))
        stack.enter_context(recorder.following())
        stack.enter_context(recorder)
        result = module(*args, **kwargs)
        if backward:
            outputs = [tensor for tensor in tensors_of(result) if tensor.requires_grad]
            torch.autograd.backward(outputs, [torch.ones_like(tensor) for tensor in outputs])
    return recorder.recording(batch_of(args, kwargs)), recorder.counts()


@contextmanager
def hooked(module: nn.Module, hooks: Hooks) -> Iterator[None]:
    """Within it, modules carry hooks that do nothing: torch takes other ways where there are any."""
    which: dict[Hooks, Iterable[nn.Module]] = {
        Hooks.NONE: (),
        Hooks.CHILDREN: module.children(),
        Hooks.ALL: module.modules(),
    }
    handles = [child.register_forward_hook(_ignore) for child in which[hooks]]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _ignore(module: nn.Module, args: Any, output: Any) -> None:
    return None


def batch_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    """The first side of a single input; one where there are more, or where it is passed by name."""
    tensors = tensors_of(args)
    return int(tensors[0].shape[0]) if len(args) == 1 and not kwargs and tensors and tensors[0].dim() else 1


class Recorder(DispatchCounter):
    """Counts like its parent, and keeps each call."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)
        self._tree = submodules(module)
        self._paths = {id(child): name for name, child in module.named_modules()}
        self._calls: list[Call | None] = []
        self._open: list[int] = [-1]
        self._kernels = 0

    def recording(self, batch: int) -> Recording:
        """Everything so far, without operators that turned out to have no price."""
        places: dict[int, int] = {}
        for place, call in enumerate(self._calls):
            if call is not None:
                places[place] = len(places)
        kept = []
        for call in self._calls:
            if call is not None:
                parent = call.parent
                while parent >= 0 and self._calls[parent] is None:
                    parent = -1
                kept.append(replace(call, parent=places.get(parent, -1)))
        return Recording(tuple(kept), self._tree, batch)

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow modules and patched names."""
        with ExitStack() as stack:
            stack.enter_context(self.watch())
            hooks = [
                register_module_forward_pre_hook(self._enter),
                register_module_forward_hook(self._leave, always_call=True),
            ]
            for hook in hooks:
                stack.callback(hook.remove)
            for name in PATCHED:
                stack.enter_context(replaced(name, self._seen_as(name)))
            yield

    # -- modules --------------------------------------------------------------------------------------

    def _enter(self, module: nn.Module, args: Any) -> None:
        path = self._paths.get(id(module), self._here())
        call = Call(Height.MODULE, _class(module), self._open[-1], path, plain_all(args), about=about(module))
        self._push(call)

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        self._pop(output)

    # -- functions ------------------------------------------------------------------------------------

    def _seen_as(self, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
            def seen(*args: Any, **kwargs: Any) -> Any:
                given = {word: plain(value) for word, value in kwargs.items()}
                self._push(Call(Height.FUNCTION, name, self._open[-1], self._here(), plain_all(args), given))
                result = None
                try:
                    result = original(*args, **kwargs)
                finally:
                    self._pop(result)
                return result

            return seen

        return wrap

    # -- operators ------------------------------------------------------------------------------------

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self._known(func).rule is not Rule.PRICED:
            return super().__torch_dispatch__(func, types, args, kwargs)
        # The operator's place is taken before it runs: a kernel written in Python may call patched names.
        self._push(None)
        try:
            return super().__torch_dispatch__(func, types, args, kwargs)
        finally:
            self._open.pop()

    def _result(self, known: Any, func: Any, args: Any, kwargs: Any) -> Any:
        """Torch's own kernel where it works: some are written in Python and call names that counters replace."""
        try:
            return func(*args, **kwargs)
        except (NotImplementedError, RuntimeError):
            result = None if known.shortcut is None else known.shortcut(args, kwargs)
            if result is None:
                raise
            return result

    def _charge(self, known: Any, args: Any, kwargs: Any, result: Any) -> int | None:
        macs = super()._charge(known, args, kwargs, result)
        if macs is None:
            return None
        operands = dict(zip(known.arguments, args, strict=False))
        operands.update(kwargs)
        backward = self._where.backward
        self._calls[self._open[-1]] = Call(
            Height.OPERATOR,
            known.name,
            -1 if backward else self._open[-2],
            self._where.path(),
            kwargs={name: plain(value) for name, value in operands.items()},
            out=first(result),
            macs=macs,
            backward=backward,
        )
        return macs

    def _here(self) -> str:
        place = self._open[-1]
        call = self._calls[place] if place >= 0 else None
        return call.path if call is not None else ""

    def _push(self, call: Call | None) -> None:
        self._calls.append(call)
        self._open.append(len(self._calls) - 1)

    def _pop(self, result: Any) -> None:
        place = self._open.pop()
        call = self._calls[place]
        if call is not None:
            self._calls[place] = replace(call, out=first(result))


# -- values as plain data ----------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A tensor's sides as a tuple; numbers and words; lists of those; else None."""
    if isinstance(value, Tensor):
        return tuple(int(side) for side in value.shape) if not value.is_nested else None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return None


def plain_all(values: Iterable[Any]) -> tuple[Any, ...]:
    """Each of them."""
    return tuple(plain(value) for value in values)


def first(result: Any) -> Any:
    """The shape of a result: of the first tensor of a tuple, of the last value of a dictionary."""
    if isinstance(result, Mapping):
        return first(list(result.values())[-1]) if result else None
    if isinstance(result, (list, tuple)):
        return first(result[0]) if result else None
    return plain(result) if isinstance(result, Tensor) else None


def about(module: nn.Module) -> dict[str, Any]:
    """Settings and own parameters of a module, and whether it has children."""
    found: dict[str, Any] = {"leaf": next(module.children(), None) is None}
    for name in SETTINGS:
        value = getattr(module, name, None)
        if isinstance(value, (bool, int, str, tuple, list)):
            found[name] = plain(value)
    bias = getattr(module, "bias", None)
    found["bias"] = bias if isinstance(bias, bool) else bias is not None
    found["in_proj_bias"] = getattr(module, "in_proj_bias", None) is not None
    found["params"] = {name: plain(parameter) for name, parameter in module.named_parameters(recurse=False)}
    return found


def submodules(module: nn.Module) -> tuple[Submodule, ...]:
    """Every place in the tree of modules; an object that stands in two places is listed twice."""
    firsts: dict[int, str] = {}
    found = []
    for path, child in module.named_modules(remove_duplicate=False):
        same = firsts.setdefault(id(child), path)
        found.append(Submodule(path, _class(child), same))
    return tuple(found)


def _class(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"


# -- patched names -----------------------------------------------------------------------------------------


@contextmanager
def replaced(name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """Within it, a function of torch is another one. A name that this torch does not have is left alone."""
    home, short = owner(name)
    if home is None or not hasattr(home, short):
        yield
        return
    own = short in vars(home)
    original = getattr(home, short)
    setattr(home, short, wrap(original))
    try:
        yield
    finally:
        if own:
            setattr(home, short, original)
        else:
            delattr(home, short)


def owner(name: str) -> tuple[Any, str]:
    """``torch.Tensor.matmul`` to the class and ``matmul``; None where there is no such place."""
    home: Any = torch
    parts = name.split(".")
    for part in parts[1:-1]:
        home = getattr(home, part, None)
    return home, parts[-1]
