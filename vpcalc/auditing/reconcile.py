"""From what a counter charges for each call to the reasons why its figure differs from the exact one.

A charge stands for all products within its call. Of the charges around one operator the outermost is held
against the exact price of everything within it; those inside it are counted twice; an operator with no charge
around it is not counted. A charge that stands for no product is counted though it is none. So the
reasons add up to what the counter should print less the exact total, and what it does print is not looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from . import terms
from .calls import Call, Height, Recording
from .exact import exact
from .peers.peer import Charge
from .reasons import Item, Reason, Verdict, grouped


def reconcile(charges: Iterable[Charge], seen: Recording, reference: Recording) -> tuple[Reason, ...]:
    """The reasons for a counter's difference from the exact count.

    Args:
        charges: what its rules add for each call of ``seen``.
        seen: the recording of what the counter looks at.
        reference: the recording whose total is the exact count.
    """
    return grouped([*_items(list(charges), seen), *_elsewhere(seen, reference)])


def _items(charges: Sequence[Charge], seen: Recording) -> Iterator[Item]:
    calls = seen.calls
    products: defaultdict[int, list[Charge]] = defaultdict(list)
    for charge in charges:
        if not charge.product:
            yield _item(Verdict.NO_PRODUCT, calls[charge.call], charge)
        elif charge.again:
            yield _item(Verdict.TWICE, calls[charge.call], charge)
        else:
            products[_at(calls, charge.call)].append(charge)
    covered: defaultdict[int, list[Call]] = defaultdict(list)
    for place, call in seen.priced():
        above = [at for at in _upwards(calls, place) if at in products]
        if above:
            covered[above[-1]].append(call)
        else:
            yield Item(Verdict.NOT_COUNTED, call.name, call.path, minus=(exact(call),))
    for place, found in products.items():
        first, more = found[0], found[1:]
        if place not in covered and any(at in products for at in _upwards(calls, calls[place].parent)):
            more = found
        elif place not in covered:
            yield _item(Verdict.NO_PRODUCT, calls[first.call], first)
        else:
            priced = Item(
                Verdict.PRICED,
                short(calls[first.call].name),
                calls[first.call].path,
                first.why,
                (first.term,),
                tuple(exact(call) for call in covered[place]),
            )
            if priced.macs:
                yield priced
        for charge in more:
            yield _item(Verdict.TWICE, calls[charge.call], charge)


def _elsewhere(seen: Recording, reference: Recording) -> Iterator[Item]:
    """What the exact count has and the recording that the counter looks at has not."""
    if seen is reference:
        return
    dropped = _dropped(seen, reference)
    for call in dropped:
        yield Item(Verdict.NOT_COUNTED, call.name, call.path, "no result needs it", minus=(exact(call),))
    if seen.forward != reference.forward and not dropped:
        why = "other operators run as this counter runs the module"
        yield Item(
            Verdict.PRICED, "(all)", "", why, (terms.number(seen.forward),), (terms.number(reference.forward),)
        )
    if any(call.backward for call in seen.calls):
        return
    for call in reference.calls:
        if call.macs and call.backward:
            yield Item(Verdict.NOT_COUNTED, call.name, call.path, "backward", minus=(exact(call),))


def _dropped(seen: Recording, reference: Recording) -> list[Call]:
    """Calls of modules whose results nothing that comes out needs: ``torch.jit`` leaves them out of its graph."""
    if any(call.height is not Height.NODE for call in seen.calls):
        return []
    in_graph, run = _by_path(seen), _by_path(reference)
    if any(macs != run.get(path) for path, macs in in_graph.items()):
        return []  # more than that differs
    return [call for _, call in reference.priced() if not call.backward and call.path not in in_graph]


def _by_path(recording: Recording) -> dict[str, int]:
    found: dict[str, int] = {}
    for _, call in recording.priced():
        if not call.backward:
            found[call.path] = found.get(call.path, 0) + call.macs
    return found


def _item(verdict: Verdict, call: Call, charge: Charge) -> Item:
    return Item(verdict, short(call.name), call.path, charge.why, plus=(charge.term,))


def _upwards(calls: Sequence[Call], place: int) -> Iterator[int]:
    """A call and those around it, from the inside out."""
    while place >= 0:
        yield place
        place = calls[place].parent


def _at(calls: Sequence[Call], place: int) -> int:
    """Where a charge counts: a call from within a kernel counts as one for the kernel's operator."""
    return next((at for at in _upwards(calls, place) if calls[at].height is Height.OPERATOR), place)


def short(name: str) -> str:
    """A name as people write it: ``F.softmax``, ``nn.Linear``, ``Tensor.matmul``."""
    for long, brief in (("torch.nn.functional.", "F."), ("torch.Tensor.", "Tensor.")):
        if name.startswith(long):
            return brief + name.removeprefix(long)
    if name.startswith("torch.nn.modules."):
        return "nn." + name.rpartition(".")[2]
    return name if "::" in name or name.startswith("torch.") else name.rpartition(".")[2]
