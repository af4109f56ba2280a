"""A counter of our own that sees every operator where PyTorch dispatches it.

No trace and no script: a module runs once, on the meta device, under FakeTensorMode or for real, and each
operator that reaches a kernel is priced (:mod:`vpcalc.counters.formulas`), free by policy or unknown
(:mod:`vpcalc.counters.policy`). So fused attention, fused recurrent layers and the backward pass are
counted, and an operator that nobody can price is a result, not a zero.

What no name can show is a matrix product spelled as an elementwise product and a sum,
``(a[:, None] * b[None]).sum(-1)``: :mod:`vpcalc.counters.hidden` follows products to their sums, and each is
reported as :data:`HIDDEN_PRODUCT`, with the multiply-accumulates that it would be. They are in no total:
``macs`` are those of operators whose name says what they are.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from ..errors import InputError
from .complexes import ComplexConvolutions
from .flex import uncompiled_flex
from .formulas import MAPS, OVER_TIME, PRICES, TAKES_NESTED
from .hidden import Products, Step, step_of
from .policy import Rule, qualified_name, rule_of
from .pricing import Source, UserPrice, asked_price, halved, note, torch_formula, user_price
from .private import Uncompiled, mkldnn, next_number, no_functions, number_of_node, task, uncompiled
from .remembered import remembered
from .shortcuts import Shortcut, shortcut_of

HIDDEN_PRODUCT = "aten::mul and aten::sum (a matrix product spelled as a broadcast)"
"""The name under which such products are reported, one call for each sum."""

OTHER_THREADS = "whatever runs in other threads"
"""The name under which a program's threads, and its tasks for them, are reported."""


@dataclass(frozen=True, slots=True)
class DispatchCounts:
    """What one run did. All figures are exact multiply-accumulates.

    ``operators`` and ``calls`` are keyed by operator (``aten::addmm``), ``modules`` by module path and operator:
    what the module did itself, without its children. ``backward`` is the part of the total that ran while
    gradients propagated after the forward pass: a gradient that forward itself asks for is forward. ``unknown``
    and ``free`` hold calls. ``largest`` is the number of elements of the largest tensor that an operator made,
    ``activations`` that of all results of priced operators in the forward pass, ``attention`` that of its
    attention maps: what a softmax returns, and the scores of fused attention.
    ``sources`` says of each operator whose price it has (:class:`vpcalc.counters.pricing.Source`). ``hidden`` are
    the multiply-accumulates that products spelled as broadcasts would be, by module path; they are in no total.
    ``inputs`` are the shapes of the tensors that it was given, as one types them: ``1,3,64,64``. ``parts`` are
    tensors in lists that operators returned, beyond the first: rows that ``unbind`` makes of a side.
    """

    operators: Mapping[str, int]
    calls: Mapping[str, int]
    modules: Mapping[str, Mapping[str, int]]
    backward: int
    unknown: Mapping[str, int]
    free: Mapping[str, int]
    params: int
    largest: int
    activations: int
    attention: int = 0
    sources: Mapping[str, str] = field(default_factory=dict)
    hidden: Mapping[str, int] = field(default_factory=dict)
    inputs: str = ""
    parts: int = 0

    @property
    def macs(self) -> int:
        """The total of everything that has a price."""
        return sum(self.operators.values())

    def by_module(self) -> dict[str, int]:
        """Totals by module path, each with its children; ``""`` is the whole."""
        totals: dict[str, int] = {"": 0}
        for path, operators in self.modules.items():
            macs = sum(operators.values())
            totals[""] += macs
            parts = path.split(".") if path else []
            for depth in range(1, len(parts) + 1):
                parent = ".".join(parts[:depth])
                totals[parent] = totals.get(parent, 0) + macs
        return totals


def count(
    module: nn.Module,
    inputs: tuple[Any, ...],
    kwargs: Mapping[str, Any] | None = None,
    *,
    backward: bool = False,
    products: bool = True,
    training: bool = False,
) -> DispatchCounts:
    """Count one forward pass, in eval mode unless ``training``.

    With ``backward``, also the gradients of the sum of its outputs.

    Without ``products`` those that are spelled as broadcasts are not looked for, which takes less time.
    Modules and inputs on the meta device take no memory and compute nothing.

    Raises:
        InputError: ``backward`` is asked for and no output depends on a parameter.
    """
    module.train(training)
    kwargs = kwargs or {}
    given = tensors_of((inputs, kwargs))
    tensors = (*module.parameters(), *module.buffers(), *given)
    with no_functions():  # who follows a program's functions has no part in this
        on_meta = any(tensor.device.type == "meta" for tensor in tensors)
        has_complex = any(tensor.is_complex() for tensor in tensors)
        shapes = ";".join("nested" if one.is_nested else ",".join(map(str, one.shape)) for one in given)
    with ExitStack() as stack:
        stack.enter_context(torch.device("meta") if on_meta else nullcontext())
        stack.enter_context(torch.enable_grad() if backward else torch.no_grad())
        stack.enter_context(uncompiled_flex())
        counter = stack.enter_context(counting(module, products))
        if has_complex:
            stack.enter_context(counter.complex_convolutions)  # seldom, since it sees every call
        result = module(*inputs, **kwargs)
        if backward and not propagate(result):
            raise InputError("--backward: no output of the module depends on a parameter that is trained")
    return replace(counter.counts(), inputs=shapes)


@contextmanager
def counting(module: nn.Module | None = None, products: bool = True) -> Iterator[DispatchCounter]:
    """Count whatever runs within. With ``module``, by the paths of its submodules too."""
    counter = DispatchCounter(module, products)
    with uncompiled(), counter.watch(), counter:
        yield counter


@contextmanager
def _begun_elsewhere(unknown: Counter[str]) -> Iterator[None]:
    """Within it, work that a program gives to other threads is named: what watches one thread sees no other."""
    places: tuple[tuple[Any, str], ...] = ((threading.Thread, "start"), (ThreadPoolExecutor, "submit"))
    originals = [getattr(place, name) for place, name in places]

    def noted(original: Any) -> Any:
        @wraps(original)
        def begin(*args: Any, **kwargs: Any) -> Any:
            unknown[OTHER_THREADS] += 1
            return original(*args, **kwargs)

        return begin

    for (place, name), original in zip(places, originals, strict=True):
        setattr(place, name, noted(original))
    try:
        yield
    finally:
        for (place, name), original in zip(places, originals, strict=True):
            setattr(place, name, original)


class DispatchCounter(Uncompiled):
    """Sees each operator on its way to a kernel. Use :func:`counting`, then :meth:`counts`."""

    supports_higher_order_operators = True

    def __init__(self, module: nn.Module | None = None, products: bool = True) -> None:
        super().__init__()
        self._names = {} if module is None else {id(child): name for name, child in module.named_modules()}
        with no_functions():
            self._params = 0 if module is None else sum(p.numel() for p in module.parameters() if p.requires_grad)
        self._tally = _Tally()
        self._where = _Where()
        self._products = Products() if products else None
        self._priced: dict[Any, _Known] = {}
        self.complex_convolutions = ComplexConvolutions()

    def counts(self) -> DispatchCounts:
        """Everything seen so far."""
        tally = self._tally
        operators: Counter[str] = Counter()
        for done in tally.macs.values():
            operators.update(done)
        return DispatchCounts(
            operators=dict(sorted(operators.items())),
            calls=dict(sorted(tally.calls.items())),
            modules={path: dict(done) for path, done in tally.macs.items()},
            backward=tally.backward,
            unknown=dict(sorted(tally.unknown.items())),
            free=dict(sorted(tally.free.items())),
            params=self._params,
            largest=tally.largest,
            activations=tally.activations,
            attention=tally.attention,
            sources=dict(sorted(tally.sources.items())),
            hidden=dict(tally.hidden),
            parts=tally.parts,
        )

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Follow which submodule is running."""

        def enter(module: nn.Module, args: Any) -> None:
            self._where.enter(self._names.get(id(module)))

        def leave(module: nn.Module, args: Any, output: Any) -> None:
            self._where.leave()

        hooks = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True)]
        try:
            with _begun_elsewhere(self._tally.unknown):
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        known = self._known(func)
        if known.rule is Rule.DECOMPOSED:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = self._result(known, func, args, kwargs)
        first = result[0] if isinstance(result, (tuple, list)) and result else result
        if not known.is_view and isinstance(first, Tensor) and not first.is_nested:
            self._tally.largest = max(self._tally.largest, first.numel())
        if isinstance(result, list):
            self._tally.parts += max(len(result) - 1, 0)
        if known.rule is Rule.FREE or self.complex_convolutions.is_charged_already(known.name):
            self._tally.free[known.name] += 1
        elif known.rule is Rule.PRICED:
            self._charge(known, args, kwargs, result)
        else:
            self._tally.unknown[known.name] += 1
        if known.maps is not None and not self._where.backward:
            self._tally.attention += known.maps(args, kwargs, first)
        if self._products is None:
            return result
        hidden = self._products.see(known.step, func, args, kwargs, result, self._where.propagating)
        if hidden:
            self._tally.unknown[HIDDEN_PRODUCT] += 1
            self._tally.hidden[self._where.path()] += hidden
        return result

    def _known(self, func: Any) -> _Known:
        """What is known of an operator in this run."""
        known = self._priced.get(func)
        if known is None:
            known = self._priced[func] = _with_price(func)
        return known

    def _result(self, known: _Known, func: Any, args: Any, kwargs: Any) -> Any:
        """What the operator returns: by a rule for its shape where there is one, else from torch."""
        result = None if known.shortcut is None else known.shortcut(args, kwargs)
        return remembered(func, args, kwargs) if result is None else result

    def _charge(self, known: _Known, args: Any, kwargs: Any, result: Any) -> int | None:
        """Enter the price of a call; None where it has none after all."""
        macs, reason = known.ask(args, kwargs, result)
        if macs is None:
            self._tally.unknown[f"{known.name} ({reason})"] += 1
            return None
        self._tally.calls[known.name] += 1
        self._tally.sources[known.name] = known.source.value
        note(known.name, known.source)
        self._tally.macs[self._where.path()][known.name] += macs
        if self._where.backward:
            self._tally.backward += macs
        else:
            self._tally.activations += sum(tensor.numel() for tensor in tensors_of(result)[:1])
        return macs


@dataclass
class _Tally:
    """The running figures."""

    macs: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    calls: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    free: Counter[str] = field(default_factory=Counter)
    hidden: Counter[str] = field(default_factory=Counter)
    sources: dict[str, str] = field(default_factory=dict)
    backward: int = 0
    largest: int = 0
    activations: int = 0
    attention: int = 0
    parts: int = 0


class _Where:
    """Which submodule an operator belongs to, and in which pass.

    Forward, the innermost that is running. While gradients propagate, the one that was running when the node of
    autograd's graph was made: nodes carry a number that grows, and the numbers at which modules came and went
    are kept.

    Propagation that starts while a module runs was asked for by that module, and belongs to its forward pass. A
    module that starts while gradients propagate is computed once more, in the pass that is going on.
    """

    def __init__(self) -> None:
        self._stack: list[tuple[str, int]] = [("", NO_TASK)]
        self._numbers: list[int] = [0]
        self._paths = [""]

    def enter(self, path: str | None) -> None:
        self._stack.append((self._stack[-1][0] if path is None else path, task()))
        self._mark()

    def leave(self) -> None:
        if len(self._stack) > 1:
            self._stack.pop()
        self._mark()

    def _mark(self) -> None:
        if torch.is_grad_enabled():
            self._numbers.append(next_number())
            self._paths.append(self._stack[-1][0])

    @property
    def propagating(self) -> bool:
        """Whether gradients are propagating, whoever asked for them."""
        return task() != NO_TASK

    @property
    def backward(self) -> bool:
        """Whether gradients are propagating and no forward pass is waiting for them."""
        outermost = self._stack[1:2]
        return task() != NO_TASK and all(task != NO_TASK for _, task in outermost)

    def path(self) -> str:
        innermost, began = self._stack[-1]
        if task() in (NO_TASK, began):
            return innermost
        number = number_of_node()
        if number is None:
            return innermost
        return self._paths[bisect_right(self._numbers, number) - 1]


NO_TASK = -1
"""What torch answers where no gradients propagate."""


Answer = tuple["int | None", str]
"""Multiply-accumulates, or the reason why there are none."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of one operator overload before it is called."""

    name: str
    rule: Rule
    arguments: tuple[str, ...]
    ask: Callable[[Any, Any, Any], Answer]
    source: Source
    step: Step
    is_view: bool
    shortcut: Shortcut | None
    maps: Callable[[Any, Any, Any], int] | None

    @classmethod
    def of(cls, func: Any) -> _Known:
        name, rule = qualified_name(func), rule_of(func)
        is_view = bool(getattr(func, "is_view", False))
        schema = getattr(func, "_schema", None)
        arguments = ("query", "key", "value") if schema is None else tuple(a.name for a in schema.arguments)
        ask, step, maps = _own_price(name, arguments), step_of(func, name, rule), _maps(name, arguments)
        return cls(name, rule, arguments, ask, Source.VPCALC, step, is_view, shortcut_of(func), maps)


_KNOWN: dict[Any, _Known] = {}


def _with_price(func: Any) -> _Known:
    """The same with the prices that hold for one run: the user's, ours, and those registered with torch."""
    known = _KNOWN.get(func)
    if known is None:
        known = _KNOWN[func] = _Known.of(func)
    user = user_price(known.name)
    if user is not None:
        return replace(known, rule=Rule.PRICED, ask=_user_price(func, known.name, user), source=Source.USER)
    formula = torch_formula(func) if known.rule in (Rule.UNKNOWN, Rule.DECOMPOSED) else None
    if formula is not None:
        return replace(known, rule=Rule.PRICED, ask=_torch_price(formula), source=Source.TORCH)
    return known


def _own_price(name: str, arguments: tuple[str, ...]) -> Callable[[Any, Any, Any], Answer]:
    def ask(args: Any, kwargs: Any, result: Any) -> Answer:
        operands = dict(zip(arguments, args, strict=False))
        operands.update(kwargs)
        layout = "" if name in TAKES_NESTED else _unusual_layout(operands)
        first = result[0] if isinstance(result, (tuple, list)) and result else result
        return (None, layout) if layout else (PRICES[name](operands, first), OVER_TIME)

    return ask


def _maps(name: str, arguments: tuple[str, ...]) -> Callable[[Any, Any, Any], int] | None:
    """How many elements of attention maps an operator computes; None of one that computes none."""
    if name not in MAPS:
        return None
    return lambda args, kwargs, first: MAPS[name]({**dict(zip(arguments, args, strict=False)), **kwargs}, first)


def _user_price(func: Any, name: str, price: UserPrice) -> Callable[[Any, Any, Any], Answer]:
    schema = getattr(func, "_schema", None)
    arguments = [] if schema is None else list(schema.arguments)
    names = [argument.name for argument in arguments]
    defaults = {a.name: a.default_value for a in arguments if a.has_default_value()}

    def ask(args: Any, kwargs: Any, result: Any) -> Answer:
        given = dict(zip(names or map(str, range(len(args))), args, strict=False))
        operands = {**dict.fromkeys(names), **defaults, **given, **kwargs}
        return asked_price(name, price, operands, result), ""

    return ask


def _torch_price(formula: Callable[..., Any]) -> Callable[[Any, Any, Any], Answer]:
    def ask(args: Any, kwargs: Any, result: Any) -> Answer:
        layout = _unusual_layout(dict(enumerate((*args, *kwargs.values()))))
        if layout:
            return None, layout
        flops = formula(*args, **kwargs, out_val=result)
        return halved(flops), f"torch's registered flop formula gives {flops}: no whole multiply-accumulates"

    return ask


def _unusual_layout(operands: Mapping[Any, Any]) -> str:
    """What a price in terms of shapes cannot be applied to."""
    for value in operands.values():
        if isinstance(value, Tensor):
            if value.is_nested:
                return "nested tensors"
            if value.layout not in _DENSE:
                return "sparse tensors"
    return ""


_DENSE = (torch.strided, mkldnn)


def propagate(result: Any) -> bool:
    """Gradients of the sum of all outputs; whether there are any."""
    outputs = [tensor for tensor in tensors_of(result) if tensor.requires_grad]
    if outputs:
        torch.autograd.backward(outputs, [torch.ones_like(tensor) for tensor in outputs])
    return bool(outputs)


def tensors_of(value: Any) -> list[Tensor]:
    """Every tensor in nested tuples, lists, mappings and dataclasses."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (tuple, list)):
        return [tensor for part in value for tensor in tensors_of(part)]
    if value is None or isinstance(value, (int, float)):  # most arguments of operators
        return []
    if isinstance(value, Mapping):
        return [tensor for part in value.values() for tensor in tensors_of(part)]
    if is_dataclass(value) and not isinstance(value, type):
        return [tensor for part in fields(value) for tensor in tensors_of(getattr(value, part.name))]
    return []
