"""Recording a graph, in a child process: the nodes that ``torch.jit`` traces, on which some counters stand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from ..counters.private import trace_graph, tracing_state
from .calls import Call, Height, Recording
from .exact import node
from .peers.peer import Hooks
from .record import batch_of, hooked, submodules


def record(module: nn.Module, args: tuple[Any, ...], *, grad: bool, hooks: Hooks = Hooks.NONE) -> Recording:
    """Trace the module once and keep every node of ATen."""
    with ExitStack() as stack:
        stack.enter_context(torch.set_grad_enabled(grad))
        stack.enter_context(hooked(module, hooks))
        stack.enter_context(scopes(module))
        graph, _ = trace_graph(module, args)
    calls = []
    for found in graph.nodes():
        kind = found.kind()
        if kind.startswith("prim::") and kind != "prim::PythonOp":
            continue
        outputs = list(found.outputs())
        call = Call(
            Height.NODE,
            kind.lower(),
            -1,
            found.scopeName().rpartition("/")[2],
            tuple(_value(value) for value in found.inputs()),
            out=_value(outputs[0]) if outputs else None,
        )
        price = node(call)
        calls.append(call if price is None else replace(call, macs=price.macs))
    return Recording(tuple(calls), submodules(module), batch_of(args, {}))


def _value(value: Any) -> Any:
    """A tensor's sides, a constant, a list of those, or None."""
    if value.isCompleteTensor():
        return tuple(value.type().sizes())
    producer = value.node()
    if producer.kind() == "prim::ListConstruct":
        return [_value(part) for part in producer.inputs()]
    if producer.kind() == "prim::Constant":
        constant = value.toIValue()
        return constant if isinstance(constant, (bool, int, float, str)) else None
    return None


@contextmanager
def scopes(module: nn.Module) -> Iterator[None]:
    """Within it, a traced node carries the path of its module."""
    paths = {id(child): path for path, child in module.named_modules()}

    def enter(child: nn.Module, args: Any) -> None:
        state = tracing_state()
        if state:
            state.push_scope(paths.get(id(child), ""))

    def leave(child: nn.Module, args: Any, output: Any) -> None:
        state = tracing_state()
        if state:
            state.pop_scope()

    hooks = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
