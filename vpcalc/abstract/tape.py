"""What one run of a description allocates, keeps for the backward pass, and frees; or what it costs.

A description (:mod:`vpcalc.layers`, :mod:`vpcalc.architectures`) has the structure of the module that it
describes: the same functions with the same local variables. So nothing here computes lifetimes: Python's own
reference counting frees an abstract tensor at the line where it would free the real one, and a :class:`Storage`
reports both ends of its life to its :class:`Tape`. Tensors that autograd keeps hang on the :class:`Node` of the
operator that made them, and nodes hang on each other, as in PyTorch: a branch that leads nowhere keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..algebra.traced import count, value_of
from .flow import Flow
from .ledger import Entry, Ledger, Remark
from .tuning import Tuning

if TYPE_CHECKING:
    from .modules import Copies
    from .tensor import Tensor, Type

T = TypeVar("T")

ACTIVATION, PARAMETER, BUFFER, INPUT = "activation", "parameter", "buffer", "input"
"""What a storage is for. Only activations are counted as live and as saved."""

ATTENTIONS = ("eager", "fused")
"""Attention as plain products, or through PyTorch's ``scaled_dot_product_attention``."""

RECOMPUTE = ("none", "block", "attention")
"""What is forgotten in the forward pass and computed again in the backward pass."""


class Kernels(NamedTuple):
    """Where devices differ in what their operators return.

    ``wide_statistics``: norms keep float32 statistics of narrower inputs; ``mixed_statistics``: where weights are
    in float32. ``wide_lists``: autocast runs norms, softmax, powers, sums and interpolation in float32, as its
    lists for CUDA say (``ATen/autocast_mode.h``); those for the CPU have none of them, and bring what is joined
    into one type. ``adds_in_place``: a gradient is added into the one that came before, or into zeros; not where a
    dispatch mode looks on.
    """

    wide_statistics: bool = True
    mixed_statistics: bool = True
    wide_lists: bool = True
    adds_in_place: bool = True


REPORTED = Kernels()
"""What is reported: as on a GPU, but for fused attention, which is that of a CPU."""

CPU = Kernels(wide_statistics=False, wide_lists=False, adds_in_place=False)
FAKE = CPU._replace(mixed_statistics=False)
ON_META = CPU._replace(wide_statistics=True)
"""What the witnesses run on; they differ from what is reported as these say."""


class Storage:
    """A piece of memory that one or more tensors view."""

    __slots__ = ("__weakref__", "bytes", "role", "tape")

    def __init__(self, tape: Tape, size: Any, role: str = ACTIVATION) -> None:
        self.tape, self.bytes, self.role = tape, size, role
        if role == ACTIVATION:
            tape.allocate(size)

    def __del__(self) -> None:
        if self.role == ACTIVATION:
            self.tape.live = self.tape.live - self.bytes


Edge = tuple["Node | Tensor", int] | None
"""Where a gradient goes: to a node, as that of which result, or to a leaf; None where nobody asks for it."""

Rule = Callable[[tuple[Any, ...], list[Any], tuple[bool, ...]], list[Any]]
"""What a backward pass makes: from an operator's operands, which have no memory here, the gradients of its
results, and which gradients are asked for, to the gradients of the operands."""


class Node:
    """An operator in the graph of the backward pass: what it keeps, what it came from, and its derivative."""

    __slots__ = ("__weakref__", "edges", "kind", "operands", "path", "results", "rule", "saved", "time")

    def __init__(
        self,
        tape: Tape,
        kind: str,
        saved: tuple[tuple[str, Storage], ...],
        operands: tuple[Tensor, ...],
        rule: Rule | None = None,
        results: int = 1,
    ) -> None:
        self.kind, self.saved, self.rule, self.results = kind, saved, rule, results
        self.operands = tuple(operand.bare() for operand in operands)
        self.edges: tuple[Edge, ...] = tuple(operand.edge for operand in operands)
        self.path = tape.place
        self.time = tape.time = tape.time + 1
        if tape.trail is not None:
            tape.trail.append((self.path, kind, tuple((what, storage.bytes) for what, storage in saved)))

    @property
    def parents(self) -> Iterator[Node]:
        """The operators that made its operands."""
        return (edge[0] for edge in self.edges if edge is not None and isinstance(edge[0], Node))


class Again(NamedTuple):
    """Rounds that do the same as what was done between two times, each under paths of its own.

    ``grown`` is what every round leaves alive, ``peaks`` what was alive in the modules of the one that was run,
    ``entered`` its parameters, buffers and what it cached. ``before`` moves paths of the round before that one.
    """

    since: int
    until: int
    more: int
    moved: Callable[[str, int], str]
    grown: Any
    peaks: Mapping[str, Any]
    entered: Mapping[str, list[Any]]
    before: Callable[[str, int], str]


class Kept(NamedTuple):
    """A storage that autograd keeps: where, by which operator, as what, its bytes, and who keeps as much again."""

    path: str
    kind: str
    what: str
    bytes: Any
    again: Again | None = None

    @property
    def total(self) -> Any:
        """Its bytes in all rounds."""
        return self.bytes if self.again is None else (1 + self.again.more) * self.bytes

    @property
    def paths(self) -> Iterator[str]:
        """Where it is kept."""
        yield self.path
        if self.again is not None:
            yield from (self.again.moved(self.path, later) for later in range(1, self.again.more + 1))


class Peak(NamedTuple):
    """The most bytes that were live at once, and the operator that brought them there.

    ``others`` are bytes at other times, each with the place, where sizes may be such that these are more.
    """

    bytes: Any
    path: str
    kind: str
    others: tuple[tuple[Any, str, str], ...] = ()

    @property
    def times(self) -> tuple[Any, ...]:
        """Bytes at all times that are known."""
        return tuple(live for live, _, _ in self.others) or (self.bytes,)


NOTHING = Peak(0, "", "")
"""Before the first operator."""


class Recomputed(NamedTuple):
    """What the backward pass keeps while it is at a part that was not kept.

    ``time`` is that of the node that stands for the part, ``path`` the module that it is.
    """

    time: int
    path: str
    bytes: Any


class Work(NamedTuple):
    """One run of an operator: multiply-accumulates, and bytes read from its operands and written to its result."""

    path: str
    kind: str
    macs: Any
    read: Any
    written: Any


@dataclass
class Tape:
    """One run. ``grad``: autograd records; ``training``: modules are in training mode.

    ``item`` is the type of weights and activations. Without ``registering`` weights are not entered again.
    With a ``ledger`` the run is priced and no memory is followed. ``works`` collects what operators do, ``times``
    what is live whenever it grows, where these are lists; ``cached`` are bytes that a next token needs; ``peaks``
    the most that was live while a module itself ran; ``again`` are rounds that were counted and not run,
    ``trail`` what nodes a round makes (:mod:`vpcalc.abstract.repeating`). With ``gathering`` a weight's gradient
    is let go when it is there, as where it is added to another; ``tuning`` says what is trained, if not all.
    With a ``flow`` it is seen which operator reads what others made, and every round is run.
    ``homes`` are paths of modules used twice, ``casts`` weights with what autocast made of them for the type
    ``amp``, ``gradients`` leaves with theirs (:mod:`vpcalc.abstract.backward`), each by its identity.
    """

    item: Type
    grad: bool = False
    training: bool = False
    attention: str = "eager"
    recompute: str = "none"
    kernels: Kernels = REPORTED
    amp: Type | None = None
    live: Any = 0
    top: Peak = NOTHING
    time: int = 0
    kind: str = ""
    registering: bool = True
    gathering: bool = False
    tuning: Tuning | None = None
    ledger: Ledger | None = None
    works: list[Work] | None = None
    flow: Flow | None = None
    times: list[tuple[Any, str, str]] | None = None
    parameters: list[Any] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=list)
    cached: list[Any] = field(default_factory=list)
    peaks: dict[str, Any] = field(default_factory=dict)
    homes: dict[int, str] = field(default_factory=dict)
    recomputed: list[Recomputed] = field(default_factory=list)
    again: list[Again] = field(default_factory=list)
    casts: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    gradients: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    trail: list[tuple[str, str, tuple[tuple[str, Any], ...]]] | None = None
    _path: list[str] = field(default_factory=list)

    @cached_property
    def nowhere(self) -> Storage:
        """The storage of all tensors whose memory is not followed."""
        return Storage(self, 0, INPUT)

    @property
    def peak(self) -> Peak:
        """The most that was live, with what was at other times where these were collected."""
        return self.top._replace(others=tuple(self.times or ()))

    @property
    def place(self) -> str:
        """The module that runs, by its dotted path."""
        return ".".join(self._path)

    @property
    def names(self) -> tuple[str, ...]:
        """The modules that run, each by its name in the one above."""
        return tuple(self._path)

    @property
    def name(self) -> str:
        """The last name of the module that runs."""
        return self._path[-1].rpartition(".")[2] if self._path else ""

    @contextmanager
    def node(self, title: str) -> Iterator[Entry]:
        """Within it, what is run is a node of the cost tree; its stage may be said, which only a ledger keeps."""
        if self.ledger is not None:
            with self.ledger.node(title) as entry:
                yield entry
            return
        if self.flow is not None:
            self.flow.titles.append(title)
        yield Entry(title)
        if self.flow is not None:
            self.flow.titles.pop()

    def note(self, *remarks: Remark) -> None:
        """What a reader of the figures should know."""
        if self.ledger is not None:
            self.ledger.entry.remarks += remarks

    def entered(self, kind: str, of: Callable[[Any], Any]) -> Any:
        """The sum of something over all ``parameters``, ``buffers`` or what was ``cached``."""
        found: Any = 0
        for each in getattr(self, kind):
            found = found + of(each)
        for same in self.again:
            for each in same.entered[kind]:
                found = found + same.more * of(each)
        return found

    def shapes(self) -> tuple[tuple[Any, int], ...]:
        """The shapes of parameters that are trained, and how many of each there are."""
        found = [(weight, 1) for weight in self.parameters]
        found += [(weight, same.more) for same in self.again for weight in same.entered["parameters"]]
        return tuple((weight.shape, times) for weight, times in found if weight.leaf)

    def allocate(self, size: Any) -> None:
        """More memory is in use."""
        self.live = self.live + size
        place = self.place
        now = value_of(self.live)  # that others may be the most elsewhere is asked when the run is over
        if place not in self.peaks or now > value_of(self.peaks[place]):
            self.peaks[place] = self.live
        if self.times is not None:
            self.times.append((self.live, place, self.kind))
        if now > value_of(self.top.bytes):
            self.top = Peak(self.live, place, self.kind)

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Within it, a submodule runs; the whole network has no name."""
        if not name:
            yield
            return
        self._path.append(name)
        try:
            yield
        finally:
            self._path.pop()

    def call(self, describe: Callable[..., T], args: tuple[Any, ...], settings: dict[str, Any]) -> T:
        """Run a module."""
        return describe(*args, **settings)

    def turns(self, copies: Copies[Any]) -> list[Any]:
        """What is run of copies."""
        return copies.listed()

    def steps(self, rounds: Any) -> Iterable[int]:
        """What is run of steps that wait for one another."""
        return range(count(rounds))

    def home(self, name: str, shared: object) -> str:
        """The path of a module within this one; of one that holds something ``shared``, its first path."""
        path = f"{self.place}.{name}" if self.place else name
        return self.homes.setdefault(id(shared), path)

    @contextmanager
    def setting(self, **changes: Any) -> Iterator[None]:
        """Within it, fields have other values."""
        before = {name: getattr(self, name) for name in changes}
        for name, new in changes.items():
            setattr(self, name, new)
        try:
            yield
        finally:
            for name, old in before.items():
                setattr(self, name, old)


def kept(*nodes: Node | None, again: Iterable[Again] = ()) -> list[tuple[Node, Kept, Storage]]:
    """What the graph below some nodes keeps, in the order of time: each storage once, where it was kept first.

    What is kept in rounds that are done ``again`` is there once, and says so.
    """
    reached: dict[int, Node] = {}
    waiting = [node for node in nodes if node is not None]
    while waiting:
        node = waiting.pop()
        if id(node) not in reached:
            reached[id(node)] = node
            waiting += node.parents
    seen: set[int] = set()
    found = []
    for node in sorted(reached.values(), key=lambda node: node.time):
        for what, storage in node.saved:
            if storage.role == ACTIVATION and id(storage) not in seen:
                seen.add(id(storage))
                found.append((node, Kept(node.path, node.kind, what, storage.bytes), storage))
    for same in again:
        for place, (node, part, storage) in enumerate(found):
            if same.since < node.time <= same.until:
                found[place] = node, part._replace(again=same), storage
    return found
