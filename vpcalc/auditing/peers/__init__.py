"""One small file a counter: how it is called, and the rules by which it prices.

``measure`` runs in a child process and imports the counter there. ``price`` is a model of the counter: from
the recorded calls alone it says what the counter will charge for each, without running it. The rules were read
from the version that ``read_at`` names; another version that follows other rules shows as an unexplained rest.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

from ...errors import InputError, first_line, unknown
from . import calflops, deepspeed, flop_counter_mode, fvcore, ptflops, ptflops_aten, thop, torchinfo, torchprofile
from .peer import Charge, Hooks, Peer, View

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        fvcore.PEER,
        flop_counter_mode.PEER,
        torchprofile.PEER,
        deepspeed.PEER,
        calflops.PEER,
        thop.PEER,
        ptflops.PEER,
        ptflops_aten.PEER,
        torchinfo.PEER,
    )
}
"""Every counter that is known, by name, in the order of the table."""


def find(name: str) -> Peer:
    """A counter by its name, or by ``package.module:NAME`` where it is somebody else's :class:`Peer`.

    Raises:
        InputError: there is none.
    """
    if ":" not in name:
        if name not in PEERS:
            raise unknown("--counter", name, PEERS)
        return PEERS[name]
    place, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(place), attribute, None)
    except (Exception, SystemExit) as error:
        raise InputError(f"--counter {name!r}: {place} cannot be imported: {first_line(error)}") from error
    if not isinstance(found, Peer):
        raise InputError(f"--counter {name!r}: must be a vpcalc.auditing.peers.Peer")
    return replace(found, name=name)


__all__ = ["PEERS", "Charge", "Hooks", "Peer", "View", "find"]
