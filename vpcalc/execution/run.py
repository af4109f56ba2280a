"""One run of a module on sizes with forms.

The module runs on tensors of the meta device whose sizes are numbers, as it would run anywhere; beside each tensor
a shape with forms is kept. What the program reads of sizes has forms, so that what it computes of them has; every
function of torch that it calls is followed by a rule that says the shape of its result
(:mod:`vpcalc.execution.rules`) and by its price (:mod:`vpcalc.execution.prices`). ATen never sees a symbol. The
result is the cost as a form, true at every size at which the program would take the same path, and that path.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from ..algebra.polynomial import Polynomial, constant, symbol
from ..counters.dispatch import counting, tensors_of
from ..counters.given import TYPES
from ..counters.kernels import (
    INDEXING,
    SPELLED_OUT,
    assigned,
    at_places,
    attention,
    is_one_kernel,
    made_of_data,
    one_hot,
    other_memory,
)
from ..counters.private import is_transformed, no_functions
from ..errors import first_line
from ..sources import quiet
from . import patterns as _patterns  # noqa: F401  # it enters what it follows
from .convention import HANDLES
from .gradients import Gradients
from .guards import Path
from .hooks import opened, sources_of
from .maps import MAPS
from .messages import is_asked_by_torch
from .nodes import NO_SIZES, Node, dressed, plain, undressed
from .outcome import LIES, BeyondError, Execution, Operation, Passes, Place, Point, Sides, TableEndError
from .passes import note, passes
from .prices import PRICES, Price
from .rules import MARK, STRICTER, KernelError, Shape, each_side, rule_for, shape_of, tensors_in
from .sizes import Size, form_of, product, value_of
from .storages import Storages
from .values import UnknownValueError, above, follow, forget, read, read_sizes


def _beyond(name: str, last: int, rows: int) -> str:
    """What a kernel says of an index that is beyond its table, and whether values decide if there is one."""
    if "unpool" in name:
        return f"Found an invalid max index: {last} of {rows} places, where values have their maximum at the end"
    return f"index {last} is out of range for {rows} rows"


class Memory(Enum):
    """What a run that is followed in bytes is: one for inference, one of which autograd keeps what it needs, or
    this with the backward pass."""

    LIVE = "live"
    KEPT = "kept"
    STEP = "step"
    GATHERED = "gathered"


Started = tuple[nn.Module, tuple[Any, ...], Mapping[str, Any]]
"""A module with its arguments, by position and by name."""


def execute(
    start: Callable[[Path], Started],
    point: Point,
    sources: Sequence[Any] = (),
    *,
    keys: Sequence[int] = (),
    training: bool = False,
    memory: Memory | None = None,
) -> Execution:
    """Run a program once, in eval mode unless ``training``; with its ``memory`` if that is asked for.

    Args:
        start: builds a module and its inputs (:func:`tensor`), or has them ready; it runs under the same watch, so
            that what it asks of sizes belongs to the path.
        point: the numbers of the letters.
        sources: Python modules in which ``int`` keeps forms while the module is built.
        keys: numbers among which the program may look up sizes by hash.
        memory: whether autograd keeps what it needs, in a run that is followed in bytes.

    Raises:
        BeyondError: the run cannot be followed; its text says at which function.
    """
    begin = time.process_time()
    path = Path(keys)
    Path.strays.clear()
    mode = _Following(point, path)
    error: Exception | None = None
    with ExitStack() as stack:
        for room in (quiet(), opened(sources), torch.no_grad(), torch.device("meta"), mode):
            stack.enter_context(room)
        try:
            module, args, kwargs = start(path)
            mode.weigh(module)
            module.train(training)
            stack.enter_context(opened(sources_of(module)))
            stack.enter_context(mode.watching(module))
            stack.enter_context(counting(products=False))  # it knows shapes faster than torch does on meta
            if memory is not None:
                with no_functions():
                    given = tensors_of((args, kwargs))
                    goes_back = memory in (Memory.STEP, Memory.GATHERED)
                    mode.storages = Storages((*module.parameters(), *module.buffers(), *given), goes_back)
                mode.weigh_bytes(module, given)
                stack.enter_context(mode.storages)
            if mode.storages is not None and memory is not Memory.LIVE:
                mode.gradients = Gradients()
                stack.enter_context(torch.enable_grad())
                stack.enter_context(saved_tensors_hooks(mode.storages.pack, mode.storages.unpack))
            result = module(*args, **kwargs)
            mode.read(result)
            if mode.storages is not None and mode.storages.goes_back:
                mode.go_back(module, result, memory is Memory.GATHERED)
        except BeyondError:
            raise
        except RecursionError as deep:  # the room for it is less here, so that it says nothing of the program
            raise BeyondError(f"the run goes too deep: {deep}") from deep
        except (Exception, SystemExit) as raised:  # the program may raise anything
            if mode.beyond is not None:
                raise mode.beyond from raised
            ended = RuntimeError(f"the program ends itself: {first_line(raised)}")
            error = raised if isinstance(raised, Exception) else ended
            mode.calls["params"].clear()
    path.closed = True
    if mode.beyond is not None:
        raise mode.beyond
    if Path.strays:
        raise BeyondError("sizes of an earlier run come back from a cache outside the module")
    seconds = time.process_time() - begin
    calls = {quantity: dict(parts) for quantity, parts in mode.calls.items()}
    return Execution(
        dict(point),
        path,
        calls,
        error,
        mode.steps,
        seconds,
        mode.missing,
        mode.operations,
        mode.peaks,
        mode.outputs,
        mode.passes,
    )


Side = int | str | tuple[int, tuple[str, ...]]
"""A number, a letter, or so many times a product of letters."""


def tensor(dims: Sequence[Side], dtype: str, point: Point, path: Path, zeros: bool = False) -> Tensor:
    """An input on the meta device, its letters as forms; known to be 0 or false if it is to be of zeros."""
    shape: Shape = [letter(side, point, path) for side in dims]
    make = torch.zeros if zeros else torch.empty
    made = make([dressed(side) for side in shape], dtype=TYPES[dtype])
    _mark(made, shape)
    return made


def letter(side: Side, point: Point, path: Path) -> Any:
    """A side as a size of a run; a number stays one."""
    if isinstance(side, int):
        return side
    factor, names = side if isinstance(side, tuple) else (1, (side,))
    value = prod((point[name] for name in names), start=factor)
    return Node(value, prod(map(symbol, names), start=constant(factor)), path)


def _mark(tensor: Tensor, shape: Shape) -> None:
    """Keep a shape beside its tensor, where it has forms."""
    if any(isinstance(side, Size) for side in shape):
        setattr(tensor, MARK, [_settled(side) for side in shape])
    elif MARK in tensor.__dict__:
        delattr(tensor, MARK)


def _settled(side: Any) -> Any:
    """A size without letters is a number."""
    return side.value if isinstance(side, Size) and side.form is not None and not side.form.symbols else side


_PLAIN = """
    dim ndimension dtype device layout is_contiguous is_floating_point is_complex is_cuda get_device
    element_size type data_ptr is_nested is_sparse is_quantized __hash__ __repr__ __str__ __format__
    has_names names is_pinned is_set_to is_signed is_inference is_conj is_neg untyped_storage storage
    _is_view is_shared register_hook retain_grad requires_grad_ __deepcopy__ __reduce_ex__ can_cast result_type
    promote_types get_default_dtype is_tensor is_storage is_grad_enabled set_grad_enabled manual_seed initial_seed
    numpy is_scripting _assert_async _assert is_autocast_enabled get_autocast_dtype
    is_autocast_cpu_enabled __setitem__ is_inference_mode_enabled _untouched
"""
_ASIDE = frozenset(_PLAIN.split())
"""Questions that are passed on."""


TOP = "_vpcalc_top"
"""Where a tensor of whole numbers keeps the first number that is above all of its values."""

_KEEP_VALUES = (
    "view reshape unsqueeze expand expand_as to long int type_as contiguous flatten __getitem__ repeat clone"
)
_SAME_VALUES = frozenset(_KEEP_VALUES.split())
_SUMS = frozenset(("add", "__add__", "__radd__"))
_PRODUCTS = frozenset(("mul", "__mul__", "__rmul__"))
_WRITTEN = ("index_fill", "index_copy", "index_add", "index_reduce", "scatter", "scatter_add", "scatter_reduce")
_AT_PLACES = frozenset(("index_select", "gather", *_WRITTEN, *(f"{name}_" for name in _WRITTEN)))
_INDEXED = frozenset(("__getitem__", "__setitem__", "index_put", "index_put_"))
_TAKING = frozenset(("embedding", "embedding_bag", "take", "take_along_dim", "max_unpool2d", "max_unpool3d"))
_TABLES = _TAKING | _AT_PLACES | _INDEXED
_INDEXING = _SAME_VALUES | _SUMS | _PRODUCTS | _TABLES | {"arange", "cumsum"}

FILLED = "_vpcalc_filled"
"""Where a tensor keeps the number with which its last side was filled up, and how long that was before."""

CUT = "_vpcalc_cut"
"""Where a tensor that was cut out of another keeps that one's sides and distances: what it is a view of may have
been seen in another shape before, as what ``linear`` returns."""

_CUTTING = frozenset(("__getitem__", "narrow", "split", "split_with_sizes", "chunk", "tensor_split"))

_KEEP_PLACES = frozenset(("to", "long", "int", "type_as", "contiguous", "clone"))
_FILLING = _KEEP_PLACES | {"pad", "ne", "__ne__"}


def _looked_up(name: str, args: Any, kwargs: Any) -> Iterator[tuple[Any, Any]]:
    """Rows of a table and the whole numbers that are looked up in it."""
    if name in ("embedding", "embedding_bag"):
        weight, indices = (*args, kwargs.get("input"))[:2] if len(args) > 1 else (args[0], kwargs["indices"])
        yield shape_of(weight)[0], indices
    elif name in _AT_PLACES and (len(args) > 2 or "index" in kwargs):
        axis = kwargs.get("dim", args[1] if len(args) > 1 else 0)
        yield shape_of(args[0])[axis], kwargs.get("index", args[2] if len(args) > 2 else None)
    elif name == "take":
        yield product(shape_of(args[0])), kwargs.get("index", args[-1])
    elif name == "take_along_dim" and kwargs.get("dim", args[2] if len(args) > 2 else None) is None:
        # of all elements in a row; along a side, places begin again behind its end
        yield product(shape_of(args[0])), kwargs.get("indices", args[-1])
    elif name.startswith("max_unpool"):
        yield product([undressed(side) for side in args[2]]), args[1]
    elif name in _INDEXED:
        places = args[1] if isinstance(args[1], tuple) else (args[1],)
        if all(place is None or isinstance(place, (Tensor, slice, list)) for place in places):
            for side, place in zip(shape_of(args[0]), places, strict=False):
                if isinstance(place, list) or (isinstance(place, Tensor) and place.dtype is torch.int64):
                    yield side, place


def _top(name: str, args: Any, kwargs: Any) -> Any:
    """The first number above all values of a result, where it is known."""
    if name == "arange":
        if len(args) > 2 or "step" in kwargs:
            return None
        numbers = [undressed(a) for a in args]
        end = numbers[1] if len(numbers) > 1 else numbers[0] if numbers else undressed(kwargs.get("end"))
        return end if isinstance(end, (Size, int)) else None
    top = _top_of(args[0])
    other = undressed(args[1]) if len(args) > 1 else None
    if top is None or name in _SAME_VALUES:
        return top
    if name == "cumsum":
        axis = undressed(kwargs.get("dim", other))
        return (top - 1) * _counted_places(args[0], axis) + 1
    if name in _PRODUCTS:  # with a mask
        if isinstance(other, int) and other > 0 and args[0].dtype is not torch.bool:
            return (top - 1) * other + 1
        masks = [_top_of(other), top]
        return next((masks[1 - i] for i in (0, 1) if isinstance(masks[i], int) and masks[i] == 2), None)
    return top + other if name in _SUMS and isinstance(other, (Size, int)) else None


def _top_of_maxima(
    result: Shape,
    input: Tensor,
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: Any = False,
    **kwargs: Any,
) -> Any:
    """The first number above all places in the plane where the most of a window may be."""
    rank = input.dim() - 2
    sides, kernels, steps = shape_of(input)[2:], each_side(kernel, rank), each_side(stride or kernel, rank)
    if not any(each_side(padding, rank)) and set(each_side(dilation, rank)) == {1} and not ceil_mode:
        reached = [(n - 1) * step + k for n, step, k in zip(result[2:], steps, kernels, strict=True)]
    else:
        reached = sides
    top: Any = 1
    for side, until in zip(sides, reached, strict=True):
        top = (top - 1) * side + until
    return top


def _counted_places(tensor: Tensor, axis: int) -> Any:
    """How many places along a side may hold another number than 0."""
    sides = shape_of(tensor)
    number, before = tensor.__dict__.get(FILLED, (None, None))
    return before if number == 0 and axis % len(sides) == len(sides) - 1 else sides[axis]


def _filled_up(input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> tuple[Any, Any] | None:
    """What padding fills the last side up with, and how long that was before."""
    amounts = [value_of(undressed(amount)) for amount in pad]
    if mode != "constant" or len(amounts) != 2 or min(amounts) < 0:
        return None
    return value or 0, shape_of(input)[-1]


def _filled(name: str, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
    """The number with which the last side of a result was filled up, and how long that was before.

    Positions are counted by summing a mask of what is not filled up: ``(x != padding).cumsum(1)``.
    """
    if name == "pad":
        return _filled_up(*args, **kwargs)
    found: tuple[Any, Any] | None = args[0].__dict__.get(FILLED) if isinstance(args[0], Tensor) else None
    if found is not None and name in ("ne", "__ne__"):
        other = args[1] if len(args) > 1 else kwargs.get("other")
        return (0, found[1]) if isinstance(other, int) and other == found[0] else None
    return found


def _beyond_all(indices: Any) -> Any:
    """The first number above all places that are looked up."""
    if isinstance(indices, list):
        whole = [undressed(place) for place in indices]
        return max(whole) + 1 if whole and all(isinstance(place, (Size, int)) for place in whole) else None
    return indices.__dict__.get(TOP, above(indices))


def _top_of(tensor: Any) -> Any:
    """The first number above all values of a tensor: of truth values 2."""
    if not isinstance(tensor, Tensor):
        return None
    return 2 if tensor.dtype is torch.bool else tensor.__dict__.get(TOP)


SHOWN = 2
"""How deep modules lie of which it is noted what they return."""


@dataclass
class _Where:
    """The path of the module that is running."""

    names: Mapping[int, str]
    stack: list[str] = field(default_factory=lambda: [""])


class _Following(TorchFunctionMode):
    """Follows what a program calls."""

    def __init__(self, point: Point, path: Path) -> None:
        super().__init__()
        self.point, self.path = point, path
        self.calls: dict[str, defaultdict[Place, Polynomial]] = {
            quantity: _tally() for quantity in ("macs", "params", "activations", "fvcore", "attention_elements")
        }
        self.storages: Storages | None = None
        self.gradients: Gradients | None = None
        self.missing: dict[str, str] = {}
        self.operations: list[tuple[Operation, Polynomial]] = []
        self.peaks: Mapping[Polynomial, Place] = {}
        self.outputs: dict[str, Sides] = {}
        self.passes: Passes | None = None
        self.beyond: BeyondError | None = None
        self.steps = 0
        self._where = _Where({})

    @contextmanager
    def watching(self, module: nn.Module) -> Iterator[None]:
        """Within it, calls are known by the part of a module that makes them."""
        self._where = _Where({id(child): name for name, child in module.named_modules()})
        stack = self._where.stack

        def enter(module: nn.Module, args: Any) -> None:
            if self.storages is not None and self.gradients is None and is_one_kernel(module, args):
                why = f"{type(module).__name__} is one kernel on the CPU, unless {SPELLED_OUT}"
                self.missing |= dict.fromkeys(("peak_bytes", "bytes_moved"), why)
            stack.append(self._where.names.get(id(module), stack[-1]))

        def leave(module: nn.Module, args: Any, output: Any) -> None:
            if len(stack) > 1:
                path = stack.pop()
                if path.count(".") < SHOWN and (made := list(tensors_of(output))):
                    self.outputs[path] = _sides(shape_of(made[0]))

        hooks = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.__name__
        if self.storages is None:
            return self._follow(name, func, args, kwargs)
        _lies_in_memory(name, args, kwargs, self.point, self.path)
        if name == "scaled_dot_product_attention":
            func = attention
        elif name == "one_hot":
            func = one_hot
        elif name in INDEXING:
            func = at_places(func)
        if (what := other_memory(name, args, kwargs)) != "":
            why = f"{what} takes other memory on the CPU than meta tensors show"
            self.missing |= dict.fromkeys(IN_BYTES, why)
        if name == "backward":  # what the engine runs is seen node by node
            return func(*args, **kwargs)
        self.storages.within += 1
        try:
            result = made_of_data(name, args, self._follow(name, func, args, kwargs))
        finally:
            self.storages.within -= 1
        place = self._where.stack[-1], name
        for side in self.storages.settle(place, (args, kwargs), result):
            _is_one(side, self.path)
        if self.gradients is not None:
            note(place, result)
        return result

    def weigh(self, module: nn.Module) -> None:
        """The trained parameters of a module, each where it is first found."""
        seen: set[int] = set()
        for path, part in module.named_modules():
            for weight in part.parameters(recurse=False):
                if id(weight) not in seen:  # a frozen one has its place, and counts for nothing
                    seen.add(id(weight))
                    trained = form_of(product(shape_of(weight))) if weight.requires_grad else constant(0)
                    self.calls["params"][path, "parameters"] += trained

    def weigh_bytes(self, module: nn.Module, given: Iterable[Tensor]) -> None:
        """The bytes of what a module is given, of its weights, of those that are trained, and of its buffers."""
        weights = list(module.parameters())
        resting = {
            "input_bytes": given,
            "weights_bytes": weights,
            "gradients_bytes": [weight for weight in weights if weight.requires_grad],
            "buffers_bytes": module.buffers(),
        }
        for name, tensors in resting.items():
            once = {id(each): each for each in tensors}.values()
            size = sum((form_of(product(shape_of(each))) * each.element_size() for each in once), constant(0))
            self.calls[name] = _tally({("", name): size})

    def read(self, result: Any) -> None:
        """The program has ended: what a run in bytes has seen by now."""
        if self.storages is None:
            return
        self.peaks = self.storages.peaks()
        top, place = next(iter(self.peaks.items()))
        if self.gradients is None:
            self.calls["peak_bytes"] = _tally({place: top})
            self.calls["bytes_moved"] = self.storages.moved
            return
        self.calls["saved_bytes"] = _tally(self.storages.saved())
        self.calls["forward_peak_bytes"] = _tally({place: top})
        backward, why = self.gradients.reached(tensors_of(result))
        if why:
            self.missing["backward_macs"] = why
        else:
            self.calls["backward_macs"] = _tally(backward)

    def go_back(self, module: nn.Module, result: Any, gathering: bool) -> None:
        """The backward pass. What it computes again has been counted; why it cannot be followed is no error."""
        assert self.storages is not None
        forward = {quantity: dict(parts) for quantity, parts in self.calls.items()}
        try:
            self.passes = passes(module, tensors_of(result), self.storages, gathering)
        except Exception as raised:  # a backward pass of the program's own may raise anything
            self.missing["step_peak_bytes"] = first_line(self.beyond or raised)
            self.beyond = None
        self.calls = {quantity: _tally(parts) for quantity, parts in forward.items()}

    def _follow(self, name: str, func: Any, args: Any, kwargs: Any) -> Any:
        if name == "__get__":
            return self._property(func, args)
        if name in ("size", "numel", "nelement", "__len__"):
            return _asked(name, *args, **kwargs)
        if name in ("stride", "storage_offset"):
            return _laid_out(name, func, *args, **kwargs)
        if name == "is_contiguous" and not is_asked_by_torch():
            _is_whole_view(args[0])
        if name in ("untyped_storage", "storage") and MARK in args[0].__dict__:
            letters = (size.letters for size in shape_of(args[0]) if isinstance(size, Size))
            self.path.hold(frozenset().union(*letters), "the memory behind a tensor is looked at")
        if name == "is_same_size":
            return bool(shape_of(args[0]) == shape_of(args[1]))
        if name in _ASIDE or name.startswith("sym_") or name in ("__set__", "__delete__"):
            if name == "__setitem__":
                return self._assign(func, *args)
            result = func(*args, **kwargs)
            if name == "__set__" and func.__self__.__name__ == "data":
                _mark(args[0], shape_of(args[1]))
                _written_into(args)
            return result
        return self._call(name, func, args, kwargs)

    def _assign(self, func: Any, tensor: Tensor, places: Any, value: Any) -> Any:
        """What is written into places has to fit there."""
        self._explain("__setitem__", (tensor, places, value), {})
        self._within_table("__setitem__", (tensor, places), {}, None)
        _written_into((tensor,))
        written = plain(value) if self.storages is None else assigned(tensor, plain(value))
        return func(tensor, plain(places), written)

    def _property(self, func: Any, args: Any) -> Any:
        name = func.__self__.__name__
        tensor = args[0]
        if name == "shape":
            return torch.Size([dressed(side) for side in shape_of(tensor)])
        if name == "nbytes":
            return dressed(product(shape_of(tensor)) * tensor.element_size())
        result = func(*args)
        if name == "data":
            forget(tensor)
        if isinstance(result, Tensor) and MARK in tensor.__dict__ and name not in ("grad", "_base"):
            shape = shape_of(tensor)
            if name in ("T", "H"):
                shape = shape[::-1]
            elif name in ("mT", "mH"):
                shape = [*shape[:-2], *shape[-2:][::-1]]
            self._keep(name, result, shape)
        return result

    def _call(self, name: str, func: Any, args: Any, kwargs: Any) -> Any:
        self.steps += 1
        if is_transformed():
            self._give_up(f"{name} runs within a function transform (vmap, grad)")
        with suppress(UnknownValueError):
            return read(name, args, kwargs)
        args, kwargs = read_sizes(name, args, kwargs)
        if name == "view":
            _is_whole_view(args[0])
        if name.endswith("_") or (name.startswith("__i") and name not in ("__invert__", "__index__", "__int__")):
            _written_into(args)
        try:
            result = func(*plain(args), **plain(kwargs))
        except Exception:
            self._explain(name, args, kwargs)
            raise
        if not isinstance(result, (Tensor, tuple, list)):
            return result
        if "out" in kwargs:  # it says where the result goes, not what it is
            _written_into((kwargs["out"],))
            kwargs = {key: value for key, value in kwargs.items() if key != "out"}
        has_forms = _has_forms(args, kwargs)
        if name in STRICTER and not has_forms:
            self._explain(name, args, kwargs)
        shapes = self._followed(name, result, args, kwargs) if has_forms else _sizes(result)
        pricing = PRICES.get(name)
        if pricing is not None:
            self._charge(name, pricing, shapes, args, kwargs, result)
        handle = HANDLES.get(name)
        if handle is not None and "fvcore" not in self.missing:
            try:
                self.calls["fvcore"][self._where.stack[-1], name] += handle(shapes, *args, **kwargs)
            except NotImplementedError as missing:
                self.missing["fvcore"] = str(missing)
        if name in MAPS:
            self.calls["attention_elements"][self._where.stack[-1], name] += MAPS[name](shapes, *args, **kwargs)
        if name in _FILLING and isinstance(result, Tensor):
            filling = _filled(name, args, kwargs)
            if filling is not None:
                setattr(result, FILLED, filling)
        if name in _CUTTING:
            _cut(args[0], result)
        if name in _INDEXING:
            self._within_table(name, args, kwargs, result)
        if name.endswith("d_with_indices") and result[0].dim() > 2:
            setattr(result[1], TOP, _top_of_maxima(shapes[0], *args, **kwargs))
        follow(name, args, kwargs, result)
        return result

    def _followed(self, name: str, result: Any, args: Any, kwargs: Any) -> Any:
        """The shapes of what a call returned, kept beside it."""
        rule = rule_for(name)
        if rule is None:
            self._give_up(f"{name} has no rule")
        try:
            shapes = rule(*args, **kwargs)  # type: ignore[misc]
        except NotImplementedError as missing:
            self._give_up(f"{name}: {missing}")
        except (BeyondError, KernelError, RecursionError):
            raise
        except Exception as wrong:
            self._give_up(f"{name}: its rule does not take this call ({type(wrong).__name__}: {wrong})")
        if isinstance(result, Tensor):
            self._keep(name, result, shapes)
        else:
            for part, shape in zip(result, shapes, strict=False):
                if isinstance(part, Tensor):
                    self._keep(name, part, shape)
        return shapes

    def _within_table(self, name: str, args: Any, kwargs: Any, result: Any) -> None:
        """Follow how large whole numbers can be, from where they are made to where they are looked up.

        Positions come from ``arange`` and go into a table: beyond its end a kernel raises, the meta device not.
        """
        for side, indices in _looked_up(name, args, kwargs):
            top = _beyond_all(indices)
            if isinstance(top, (Size, int)) and not top <= side:
                raise TableEndError(_beyond(name, value_of(top) - 1, value_of(side)))
        if isinstance(result, Tensor) and not result.is_floating_point() and result.dtype is not torch.bool:
            top = _top(name, args, kwargs)
            if top is not None:
                setattr(result, TOP, top)

    def _charge(self, name: str, pricing: Price, shapes: Any, args: Any, kwargs: Any, result: Any) -> None:
        try:
            products = pricing(shapes, *args, **kwargs)
        except NotImplementedError as missing:
            self._give_up(f"{name}: {missing}")
        except (BeyondError, RecursionError):
            raise
        except Exception as wrong:  # it is ours, not the program's
            self._give_up(f"{name}: its price does not take this call ({type(wrong).__name__}: {wrong})")
        place = self._where.stack[-1], name
        for made in products:
            self.calls["macs"][place] += made.macs
            self.calls["activations"][place] += made.elements
        operands = tuple(_sides(shape_of(tensor)) for tensor in tensors_in((args, kwargs)))
        first = shapes[0] if shapes and isinstance(shapes[0], list) else shapes
        macs = sum((made.macs for made in products), constant(0))
        self.operations.append((Operation(*place, operands, _sides(first)), macs))
        if self.gradients is not None:
            self.gradients.note(place, sum((made.back for made in products), constant(0)), result)

    def _keep(self, name: str, result: Tensor, shape: Shape) -> None:
        if not isinstance(shape, list) or [value_of(side) for side in shape] != list(result.size()):
            self._give_up(f"{name}: its rule says {shape}, torch {list(result.size())}")
        _mark(result, shape)

    def _explain(self, name: str, args: Any, kwargs: Any) -> None:
        """Kernels may refuse these sizes: the rule notes the comparison that says why."""
        rule = rule_for(name)
        if rule is None:
            return
        try:
            rule(*args, **kwargs)
        except KernelError:
            raise
        except Exception:  # it says what it can
            pass

    def _give_up(self, why: str) -> None:
        self.beyond = BeyondError(why)
        raise self.beyond


_SPREADING = ("matmul", "__matmul__", "einsum")
"""Functions that copy a batch of one to be as many as the other operand's."""


IN_BYTES = ("saved_bytes", "peak_bytes", "bytes_moved")


def _lies_in_memory(name: str, args: Any, kwargs: Any, point: Point, path: Path) -> None:
    """Whether a tensor is copied depends on which of its sides are 1, and on what a cut left out."""
    if name == "scaled_dot_product_attention":
        _fuses(path, *args, **kwargs)
    for tensor in tensors_in((args, kwargs)):
        if MARK not in tensor.__dict__:
            continue
        shape = shape_of(tensor)
        for side in shape:  # of what is empty nothing is ever copied
            if isinstance(side, Size) and side.form is not None and side.value == 0:
                path.equal(side.form, True, "a tensor is empty")
        if not tensor.is_contiguous() or CUT in tensor.__dict__:
            _is_whole_view(tensor)
        if tensor.is_contiguous():
            shape = shape[:-2] if name in _SPREADING and len(shape) > 2 else []
        for side in shape:
            if isinstance(side, Size) and side.form is not None:
                for factor in _factors(side.form):
                    path.equal(factor - 1, factor.at(point) == 1, LIES)


def _fuses(path: Path, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> None:
    """Note what chooses attention's kernel: it is spelled out where a side is empty, or not the same in all."""
    q, k, v = map(shape_of, (query, key, value))
    if len(q) == len(k) == len(v) == 4:
        asked = [*q, *k, *v, *(other[place] - q[place] for other in (k, v) for place in (0, 1, 3))]
        for size in asked:
            if isinstance(size, Size) and size.form is not None and size.form.symbols:
                path.equal(size.form, size.value == 0, LIES)


def _is_one(side: Polynomial, path: Path) -> None:
    """Note that a side is 1, on which what is known of memory rests."""
    for factor in _factors(side):
        path.equal(factor - 1, True, LIES)


def _factors(form: Polynomial) -> list[Polynomial]:
    """What has to be 1 each for a product to be 1."""
    terms = list(form.terms.items())
    if form.denominator == 1 and len(terms) == 1 and terms[0][1] == 1:
        return [symbol(name) for name, _ in terms[0][0]]
    return [form]


def _sides(shape: Shape) -> Sides:
    return tuple(
        side.form if isinstance(side, Size) and side.form is not None else value_of(side) for side in shape
    )


def _tally(parts: Mapping[Place, Polynomial] | None = None) -> defaultdict[Place, Polynomial]:
    return defaultdict(lambda: constant(0), parts or {})


def _asked(name: str, tensor: Tensor, dim: int | None = None, **kwargs: Any) -> Any:
    """A size that a program reads."""
    shape = shape_of(tensor)
    if name == "size":
        dim = kwargs.get("dim", dim)
        return torch.Size([dressed(side) for side in shape]) if dim is None else dressed(shape[dim])
    if name == "__len__":
        if not shape:
            raise TypeError("len() of a 0-d tensor")
        return dressed(shape[0])
    return dressed(product(shape))


def _laid_out(name: str, func: Any, tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Distances in memory, with forms where the sides follow each other without gaps, in whatever order."""
    shape = shape_of(tensor)
    size = next((side for side in shape if isinstance(side, Size)), None)
    if size is None:
        return func(tensor, *args, **kwargs)
    if name == "storage_offset":
        offset = func(tensor)
        return dressed(size.like(offset, None, *shape)) if offset else 0
    strides: dict[int, Any] = {}
    below: Any = 1
    for axis in sorted(range(len(shape)), key=lambda axis: (tensor.stride(axis), -axis)):
        actual = tensor.stride(axis)
        fits = value_of(below) == actual
        strides[axis] = below if fits else actual if actual in (0, 1) else size.like(actual, None, *shape)
        below = shape[axis] * below if isinstance(shape[axis], Size) else below * shape[axis]
    dim = kwargs.get("dim", args[0] if args else None)
    found = [dressed(strides[axis]) for axis in range(len(shape))]
    return tuple(found) if dim is None else found[dim]


def _uncut(tensor: Tensor) -> tuple[Shape, tuple[int, ...]]:
    return shape_of(tensor), tensor.stride()


def _cut(tensor: Tensor, result: Any) -> None:
    """Keep beside parts of a tensor what they are parts of."""
    for part in tensors_in(result):
        if part._base is not None and part.dim() == tensor.dim():
            setattr(part, CUT, tensor.__dict__.get(CUT) or _uncut(tensor))


def _is_whole_view(tensor: Any) -> None:
    """Whether a tensor can be seen in another shape: a cut, or a step, has left all of a side, or one place."""
    if not isinstance(tensor, Tensor) or MARK not in tensor.__dict__:
        return
    sides, strides = tensor.__dict__.get(CUT) or _uncut(tensor if tensor._base is None else tensor._base)
    if len(sides) != tensor.dim():
        return
    pairs = list(zip(tensor.stride(), strides, strict=True))
    if not all(whole and stride and stride % whole == 0 for stride, whole in pairs):
        return
    for side, whole_side, (stride, whole) in zip(shape_of(tensor), sides, pairs, strict=True):
        if isinstance(side, Size):
            why = "what is seen in another shape"
            if not (side * (stride // whole)).compare("==", whole_side, why):
                side.compare("==", 1, why)


def _written_into(args: Any) -> None:
    """What is known of whole numbers is no longer so where others are written into their tensor."""
    if args and isinstance(args[0], Tensor):
        for tensor in (args[0], args[0]._base):
            if tensor is not None:
                tensor.__dict__.pop(TOP, None)
                tensor.__dict__.pop(FILLED, None)


def _sizes(result: Any) -> Any:
    """Shapes without forms."""
    if isinstance(result, Tensor):
        return list(result.size())
    return [list(part.size()) for part in result if isinstance(part, Tensor)]


def _has_forms(args: Any, kwargs: Any) -> bool:
    return any(MARK in tensor.__dict__ for tensor in tensors_in((args, kwargs))) or _has_size((args, kwargs))


def _has_size(value: Any) -> bool:
    if type(value) in NO_SIZES:
        return False
    if isinstance(value, (tuple, list)):
        return any(map(_has_size, value))
    if isinstance(value, dict):
        return any(map(_has_size, value.values()))
    if isinstance(value, slice):
        return any(map(_has_size, (value.start, value.stop, value.step)))
    return isinstance(undressed(value), Size)
