"""Sizes in the dress that PyTorch takes: ``torch.SymInt`` over a node that answers its protocol.

The protocol is private to torch; with :mod:`vpcalc.execution.hooks` this is the only file that knows such names.
"""

from __future__ import annotations

import builtins
import math
from typing import Any, ClassVar

import torch
from torch import nn

from ..algebra.polynomial import as_polynomial
from .floats import FARTHEST, log2
from .messages import is_message
from .sizes import Size


class Node(Size):
    """A size as a SymNode: whole or float."""

    __slots__ = ()

    # what it is
    def is_int(self) -> bool:
        return not self.floats

    def is_float(self) -> bool:
        return self.floats

    def is_bool(self) -> bool:
        return False

    def is_symbolic(self) -> bool:
        return True

    has_hint = is_symbolic

    def is_constant(self) -> bool:
        return not isinstance(self.value, float) and self.form is not None and not self.form.symbols

    def is_nested_int(self) -> bool:
        return False

    def _nothing(self, *_: Any) -> None:
        return None

    nested_int = maybe_as_int = maybe_as_float = maybe_as_bool = constant_int = constant_bool = _nothing
    singleton_int = _nothing
    shape_env = property(_nothing)
    hint = _hint = expr = property(lambda self: self.value)
    pytype = property(lambda self: type(self.value))

    def str(self) -> str:
        return repr(self)

    _graph_repr = str

    def clone(self) -> Node:
        return self

    # numbers in its dress
    def wrap_int(self, number: int) -> Node:
        return Node(number, as_polynomial(number), self.path)

    def wrap_float(self, number: float) -> Node:
        return self._lifted(number)  # type: ignore[return-value]

    def wrap_bool(self, answer: bool) -> Answer:
        return Answer(answer)

    # operations by their names there
    add, sub, mul = Size.__add__, Size.__sub__, Size.__mul__
    floordiv = int_floordiv = Size.__floordiv__
    truediv = float_truediv = int_truediv = Size.__truediv__
    mod, neg, abs = Size.__mod__, Size.__neg__, Size.__abs__
    pos = clone

    def pow_by_natural(self, power: Node) -> Size:
        return Size.__pow__(self, power.fixed("an exponent"))

    def float_pow(self, power: Node) -> Size:
        exponent = power.value
        if exponent == 0.5 and not power.letters:
            return self.root()
        whole = isinstance(exponent, float) and exponent.is_integer() and exponent >= 0 and not power.letters
        return Size.__pow__(self, int(exponent) if whole else power)

    pow = float_pow

    # bits
    def lshift(self, bits: Node) -> Size:
        return self * (1 << bits.int_())

    def rshift(self, bits: Node) -> Size:
        return self // (1 << bits.int_())

    def bitwise_and(self, other: Node) -> Size:
        return bits_of(self, other)

    def bitwise_or(self, other: Node) -> Size:
        return self + other - bits_of(self, other)

    def bitwise_xor(self, other: Node) -> Size:
        return self + other - bits_of(self, other) * 2

    def sym_min(self, other: Node) -> Node:
        return self if self <= other else other

    def sym_max(self, other: Node) -> Node:
        return self if self >= other else other

    def sym_sum(self, parts: list[Node]) -> Node:
        total: Any = parts[0]
        for part in parts[1:]:
            total = total + part
        return total  # type: ignore[no-any-return]

    def sym_float(self) -> Node:
        return Node(float(self.value), self.form, self.path, self.letters_of)

    sym_int = trunc_ = Size.trunc

    sym_sqrt = Size.root

    # comparisons are decided when they are asked for
    def eq(self, other: Node) -> Answer:
        return Answer(None, self, "==", other)

    def ne(self, other: Node) -> Answer:
        return Answer(None, self, "!=", other)

    def lt(self, other: Node) -> Answer:
        return Answer(None, self, "<", other)

    def le(self, other: Node) -> Answer:
        return Answer(None, self, "<=", other)

    def gt(self, other: Node) -> Answer:
        return Answer(None, self, ">", other)

    def ge(self, other: Node) -> Answer:
        return Answer(None, self, ">=", other)

    # where the program needs a plain number
    def int_(self) -> int:
        return int(self.fixed("a number that the program needs"))

    def guard_int(self, *_: Any) -> int:
        return self.int_()

    def guard_float(self, *_: Any) -> float:
        return float(self.fixed("a float that the program needs"))

    def bool_(self) -> bool:
        return self != 0


def bits_of(one: Node, other: Node) -> Size:
    """``one & other``: by a number it has a form; ``n & (n - 1)`` and ``n & -n`` ask for the last bit of n.

    A program asks for the first of these to know powers of two, so that n is compared with each.
    """
    for size, mask in ((one, other), (other, one)):
        if not mask.letters:
            return _masked(size, mask.value)
        below, sum_ = size - mask, size + mask
        if size.value > 0 and any(part.form == as_polynomial(end) for part, end in ((below, 1), (sum_, 0))):
            last = size.value & -size.value
            for power in range(FARTHEST.bit_length() if mask.value >= 0 else 0):
                size.compare("==", 1 << power, "a power of two")
            (size % (2 * last)).compare("==", last, "the last bit of a number")
            return size - last if mask.value >= 0 else size.like(last, as_polynomial(last))
    return _masked(one, other.int_())


def _masked(size: Size, mask: int) -> Size:
    """``size & mask``: of each run of ones in it, what the power above leaves less what the lowest one leaves."""
    if mask < 0:
        return size - _masked(size, ~mask)
    found = size * 0
    while mask:
        low = mask & -mask
        above = (mask + low) & -(mask + low)
        found = found + size % above - size % low
        mask &= -above
    return found


class Answer:
    """A comparison of two sizes, noted when the program asks for its answer."""

    __slots__ = ("answer", "left", "relation", "right")

    _NEGATED: ClassVar = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}

    def __init__(
        self, answer: bool | None, left: Node | None = None, relation: str = "", right: Node | None = None
    ) -> None:
        self.answer, self.left, self.relation, self.right = answer, left, relation, right

    def is_bool(self) -> bool:
        return True

    def is_int(self) -> bool:
        return False

    is_float = is_nested_int = is_int

    def is_constant(self) -> bool:
        return self.answer is not None

    is_symbolic = has_hint = is_bool

    def bool_(self) -> bool:
        if self.answer is None:
            assert self.left is not None
            self.answer = self.left.compare(self.relation, self.right, "a branch")
        return self.answer

    def guard_bool(self, *_: Any) -> bool:
        return self.bool_()

    guard_size_oblivious = guard_or_false = guard_or_true = expect_true = statically_known_true = guard_bool
    hint = _hint = expr = property(bool_)
    pytype = bool

    def _nothing(self, *_: Any) -> None:
        return None

    maybe_as_int = maybe_as_float = maybe_as_bool = constant_bool = constant_int = _nothing
    shape_env = property(_nothing)

    def wrap_bool(self, answer: bool) -> Answer:
        return Answer(answer)

    def sym_not(self) -> Answer:
        if self.answer is not None:
            return Answer(not self.answer)
        return Answer(None, self.left, self._NEGATED[self.relation], self.right)

    def and_(self, other: Answer) -> Answer:
        return Answer(self.bool_() and other.bool_())

    def or_(self, other: Answer) -> Answer:
        return Answer(self.bool_() or other.bool_())

    sym_and, sym_or = and_, or_

    def sym_ite(self, yes: Any, no: Any) -> Any:
        return yes if self.bool_() else no

    def clone(self) -> Answer:
        return self

    def str(self) -> str:
        return f"{self.left} {self.relation} {self.right}"

    _graph_repr = str


def dressed(size: Any) -> Any:
    """A size as a program sees it: an int where it is constant, else a SymInt (or a SymFloat)."""
    if not isinstance(size, Size):
        return size
    if size.form is not None and not size.form.symbols and not size.floats:
        return size.value
    return (torch.SymFloat if size.floats else torch.SymInt)(size)


def undressed(value: Any) -> Any:
    """The size within a SymInt or SymFloat; anything else as it is."""
    if isinstance(value, (torch.SymInt, torch.SymFloat)) and isinstance(value.node, Size):
        return value.node
    return value


def plain(value: Any) -> Any:
    """Arguments with numbers in the place of sizes, as kernels take them. Nothing is noted."""
    if type(value) in NO_SIZES:
        return value
    if value is whole or value is real:
        return builtins.int if value is whole else builtins.float
    if isinstance(value, (torch.SymInt, torch.SymFloat, torch.SymBool)):
        node = value.node
        return node.bool_() if isinstance(node, Answer) else node.value
    if isinstance(value, (list, tuple)):
        if not any(isinstance(part, _MAY_HOLD) for part in value):
            return value
        parts = [plain(part) for part in value]
        if isinstance(value, torch.Size):
            return torch.Size(parts)
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, slice):
        return slice(plain(value.start), plain(value.stop), plain(value.step))
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()} if value else value
    return value


NO_SIZES = frozenset((builtins.int, builtins.float, bool, str, type(None), torch.Tensor, nn.Parameter))
_MAY_HOLD = (torch.SymInt, torch.SymFloat, torch.SymBool, list, tuple, slice, dict, type)


class _StandsFor(type):
    """A builtin type in a program's own source, to which sizes belong: equal to it, in tables of types too."""

    builtin: builtins.type
    members: tuple[builtins.type, ...]

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, cls.members)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, cls.builtin)

    def __eq__(cls, other: object) -> bool:
        return other is cls.builtin or other is cls

    def __hash__(cls) -> builtins.int:
        return hash(cls.builtin)


class _Whole(_StandsFor):
    builtin, members = builtins.int, (builtins.int, torch.SymInt)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs:
            number = args[0].item() if isinstance(args[0], torch.Tensor) else args[0]
            node = undressed(number)
            if isinstance(node, Size):
                return dressed(node.trunc())
            return builtins.int(number)  # a tensor is read once
        return builtins.int(*args, **kwargs)


class whole(int, metaclass=_Whole):  # noqa: N801
    """``int`` for a program's own source: it keeps the form of a size, where Python's would take the number."""


class _Real(_StandsFor):
    builtin, members = builtins.float, (builtins.float, torch.SymFloat)

    def __call__(cls, *args: Any) -> Any:
        return builtins.float(*args)


class real(float, metaclass=_Real):  # noqa: N801
    """``float`` for a program's own source, which takes a fraction of sizes for one too."""


class _Kind(_StandsFor):
    builtin, members = builtins.type, (builtins.type,)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        made = builtins.type(*args, **kwargs)
        return _SHOWN.get(made, made) if len(args) == 1 else made


class kind_of(type, metaclass=_Kind):  # noqa: N801
    """``type`` for a program's own source, to which sizes are of the types that it knows."""


_SHOWN: dict[Any, Any] = {torch.SymInt: whole, int: whole, torch.SymFloat: real, float: real}
"""What ``type`` says of numbers; a type derived of one is itself."""


def hash_of(value: Any) -> int:
    """``hash`` for a program's own source: a number, unlike that by which a mapping finds its keys."""
    size = undressed(value)
    return hash(size.fixed("a number that the program needs") if isinstance(size, Size) else value)


class _Steps(type):
    def __call__(cls, *args: Any) -> Any:
        first, end, step = (0, *args, 1) if len(args) == 1 else (*args, 1)[:3]
        begin, stop, by = undressed(first), undressed(end), undressed(step)
        if not (isinstance(begin, Size) or isinstance(stop, Size)) or not isinstance(by, int) or by < 1:
            return builtins.range(*args)
        trips = (stop - begin + (by - 1)) // by
        count = max(trips.value if isinstance(trips, Size) else trips, 0)
        if isinstance(trips, Size):
            trips.compare("==" if count else "<=", count, "a loop over a side")
        if isinstance(begin, Size):
            return [dressed(begin + by * place) for place in builtins.range(count)]
        return builtins.range(begin, begin + by * count, by)

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, builtins.range)


class steps(metaclass=_Steps):  # noqa: N801
    """``range`` for a program's own source: what it needs of sizes is how many steps there are."""


def length(of: Any) -> Any:
    """``len`` for a program's own source: of a tensor its first side, which Python would take as a number."""
    return of.shape[0] if isinstance(of, torch.Tensor) and of.dim() else len(of)


OWN_NAMES: dict[str, Any] = {
    "int": whole,
    "float": real,
    "range": steps,
    "type": kind_of,
    "hash": hash_of,
    "len": length,
}
"""What stands for builtins in a program's own source."""


def _float_method(name: str) -> Any:
    return lambda self, *_: dressed(getattr(undressed(self), name)())


_COMPARED = {"__eq__": "==", "__ne__": "!=", "__lt__": "<", "__le__": "<=", "__gt__": ">", "__ge__": ">="}


def _decided(relation: str, method: str) -> Any:
    """A comparison of sizes is a plain truth value: kernels take no other."""
    original = getattr(torch.SymInt, method)

    def compare(self: Any, other: Any) -> Any:
        size = undressed(other)
        known = isinstance(undressed(self), Size) and isinstance(size, (Size, int, float))
        return undressed(self).compare(relation, size, "a branch") if known else original(self, other)

    return compare


def _to_digits(self: Any, digits: int | None = None) -> Any:
    """``round``: to whole numbers with its form, to digits as a number."""
    size = undressed(self)
    if digits is None or (digits >= 0 and not size.floats):
        return dressed(size.round())
    return round(size.fixed("a number that is rounded to digits"), digits)


def _written(self: Any, spec: str = "") -> str:
    """A size as text, which the program may look at unless it is a message."""
    size = undressed(self)
    return format(size.value if is_message() else size.fixed("a number that is written as text"), spec)


def _bit_length(number: Any) -> Any:
    """One more than the binary logarithm; of 0 it is 0."""
    size = abs(undressed(number))
    return 0 if size == 0 else dressed(log2(size).floor() + 1)


def _by_math(name: str) -> Any:
    """A function of ``math`` as a method: NumPy has each number of a kind that it does not know do it itself."""
    return lambda self: getattr(math, name)(self)


_OF_NUMPY = """
    sqrt exp expm1 log log2 log10 log1p sin cos tan sinh cosh tanh arcsin arccos arctan
"""
_UNLIKE_NUMPY = {"arcsin": "asin", "arccos": "acos", "arctan": "atan"}

METHODS: dict[tuple[type, str], Any] = {
    **{
        (kind, n): _by_math(_UNLIKE_NUMPY.get(n, n))
        for kind in (torch.SymInt, torch.SymFloat)
        for n in _OF_NUMPY.split()
    },
    **{
        (kind, n): _written
        for kind in (torch.SymInt, torch.SymFloat)
        for n in ("__format__", "__str__", "__repr__")
    },
    (torch.SymFloat, "__float__"): lambda self: undressed(self).guard_float(),
    (torch.SymFloat, "__floor__"): _float_method("floor"),
    (torch.SymFloat, "__ceil__"): _float_method("ceil"),
    (torch.SymFloat, "__trunc__"): _float_method("trunc"),
    **{(kind, "__round__"): _to_digits for kind in (torch.SymInt, torch.SymFloat)},
    (torch.SymFloat, "is_integer"): lambda self: undressed(self).is_whole(),
    (torch.SymInt, "__hash__"): lambda self: undressed(self).looked_up(),
    (torch.SymInt, "__abs__"): lambda self: self if self >= 0 else -self,
    (torch.SymInt, "__rshift__"): lambda self, bits: self // 2**bits,
    (torch.SymInt, "__lshift__"): lambda self, bits: self * 2**bits,
    (torch.SymInt, "__invert__"): lambda self: -self - 1,
    (torch.SymInt, "bit_count"): lambda self: undressed(self).int_().bit_count(),
    (torch.SymInt, "bit_length"): _bit_length,
    (torch.SymInt, "__divmod__"): lambda self, other: (self // other, self % other),
    (torch.SymInt, "__rdivmod__"): lambda self, other: (other // self, other % self),
    **{(torch.SymInt, name): _decided(relation, name) for name, relation in _COMPARED.items()},
}
"""What symbolic numbers lack or refuse, for the time of a run."""
