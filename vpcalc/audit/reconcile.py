"""From what a counter charges for each call to the reasons why its figure differs from the exact one.

A charge stands for all products within its call. Of the charges around one operator the outermost is held
against the exact price of everything within it; those inside it are counted twice; an operator with no charge
around it is not counted. A charge that stands for no product is counted though it is none. So the
reasons add up to what the counter should print less the exact total, and what it does print is not looked at.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

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
    """What the reference does and the recording that the counter looks at does not, and the reverse."""
    if seen is reference:
        return
    forward = [call for call in reference.calls if call.macs and not call.backward]
    if sum(call.macs for call in forward) != seen.macs:
        mine, theirs = _by_price(forward), _by_price(call for call in seen.calls if call.macs)
        for call in (theirs - mine).elements():
            yield Item(Verdict.PRICED, call[0], call[1], "runs only as this counter runs it", (exact(_BY[call]),))
        for call in (mine - theirs).elements():
            yield Item(Verdict.NOT_COUNTED, call[0], call[1], "does not run as this counter runs it", (), (exact(_BY[call]),))
    for call in reference.calls:
        if call.macs and call.backward:
            yield Item(Verdict.NOT_COUNTED, call.name, call.path, "backward", (), (exact(call),))
