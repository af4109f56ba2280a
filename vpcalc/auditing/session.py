"""An audit from end to end: record the module, run the counters, reconcile each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from threading import Event
from typing import Any

from ..errors import InputError
from ..plugins import loaded
from .calls import Recording, load
from .peers import PEERS, Hooks, Peer, View, find
from .process import Limits, Outcome, Status, run
from .reasons import Reason
from .reconcile import reconcile
from .request import Subject, pickled

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run. ``grad`` is the mode in which counters run that leave it to the caller."""

    device: str = "auto"
    grad: bool = True
    backward: bool = False
    jobs: int = 2
    limits: Limits = field(default_factory=Limits)
    prices: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """One counter. ``macs`` is its figure in multiply-accumulates, None where it has none.

    ``predicted`` is what its rules come to; ``unexplained`` is what its difference has beyond the reasons.
    """

    peer: Peer
    version: str
    status: Status
    macs: int | None = None
    exact: int = 0
    reasons: tuple[Reason, ...] = ()
    detail: str = ""
    leaves: tuple[str, ...] = ()
    grad: bool = True
    seconds: float = 0.0

    @property
    def difference(self) -> int | None:
        """Its figure less the exact one."""
        return None if self.macs is None else self.macs - self.exact

    @property
    def explained(self) -> int:
        """The sum of the reasons."""
        return sum(reason.macs for reason in self.reasons)

    @property
    def unexplained(self) -> int | None:
        """What the reasons do not add up to."""
        return None if self.difference is None else self.difference - self.explained


@dataclass(frozen=True, slots=True)
class Session:
    """Everything that came back."""

    rows: tuple[Row, ...]
    exact: Recording
    facts: Mapping[str, Any]


def audit(
    subject: Subject, peers: Sequence[Peer], settings: Settings, progress: Progress | None = None
) -> Session:
    """Record, count, reconcile.

    Raises:
        InputError: the target cannot be built or run, or recording it came to nothing.
    """
    versions = {peer.name: installed(peer) for peer in peers}
    there = [peer for peer in peers if versions[peer.name]]
    tell = progress or (lambda done, all: None)
    tell(0, len(there) + 1)
    with tempfile.TemporaryDirectory(prefix="vpcalc-audit-") as folder:
        request = _request(subject, settings, Path(folder))
        facts = _recorded(request, there, settings)
        tell(1, len(there) + 1)
        views = {key: load(data) for key, data in facts["views"].items()}
        outcomes = _counted([_counting(request, facts, peer, settings) for peer in there], settings, tell)
    exact = views[key(_reference(settings))]
    rows = []
    for peer in peers:
        if peer.name not in outcomes:
            rows.append(Row(peer, "", Status.NOT_INSTALLED, detail=f"pip install {peer.distributions[0]}"))
            continue
        seen = views.get(key(_view(peer, settings)))
        rows.append(_row(peer, versions[peer.name], outcomes[peer.name], exact, seen, _mode(peer, settings)))
    return Session(tuple(rows), exact, facts)


def _counted(requests: Sequence[Mapping[str, Any]], settings: Settings, tell: Progress) -> dict[str, Outcome]:
    """The outcome of each request by its counter; none goes on where this is interrupted."""
    outcomes: dict[str, Outcome] = {}
    stop = Event()
    with ThreadPoolExecutor(max(1, settings.jobs)) as pool:
        asked = {pool.submit(run, told, settings.limits, stop): told["peer"] for told in requests}
        try:
            for done in as_completed(asked):
                outcomes[asked[done]] = done.result()
                tell(1 + len(outcomes), len(requests) + 1)
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return outcomes


def installed(peer: Peer) -> str:
    """The version of a counter that is installed; empty where it is not."""
    return next((version for version in map(_version, peer.distributions) if version), "")


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def chosen(names: Iterable[str] | None) -> tuple[Peer, ...]:
    """Counters by name, in the table's order; all of them if None."""
    if names is None:
        return tuple(PEERS.values())
    wanted = [find(name) for name in dict.fromkeys(names)]
    order = list(PEERS)
    return tuple(sorted(wanted, key=lambda peer: order.index(peer.name) if peer.name in order else len(order)))


def _request(subject: Subject, settings: Settings, folder: Path) -> dict[str, Any]:
    return {
        "target": subject.name,
        "inputs": subject.inputs,
        "made": {"pickle": _put(folder / "inputs", subject.pickled_inputs)} if subject.made else None,
        "point": dict(subject.point),
        "arguments": dict(subject.arguments),
        "pickle": _put(folder / "target", subject.pickled),
        "device": settings.device,
        "backward": settings.backward,
        "prices": _prices(settings.prices, folder),
        "load": loaded(),
    }


def _put(place: Path, content: bytes) -> str:
    """Where something was written; empty if there is nothing."""
    if not content:
        return ""
    place.write_bytes(content)
    return str(place)


def _prices(prices: Mapping[str, object], folder: Path) -> dict[str, Any]:
    """As data: a price is a text that names a function, or the file that a function was pickled into."""
    told: dict[str, Any] = {}
    for number, (name, price) in enumerate(prices.items()):
        if isinstance(price, str):
            told[name] = {"text": price}
        else:
            place = folder / f"price{number}"
            place.write_bytes(pickled(f"price of {name}", price))
            told[name] = {"pickle": str(place)}
    return told


def _mode(peer: Peer, settings: Settings) -> bool:
    if peer.grad is not None:
        return peer.grad
    return settings.grad or (settings.backward and peer.backward)


def _view(peer: Peer, settings: Settings) -> list[Any]:
    """What has to be recorded for a counter: its view, the mode of autograd, and its hooks where they matter."""
    grad = _mode(peer, settings)
    return [peer.view.value, grad, (Hooks.NONE if grad else peer.hooks).value]


def _reference(settings: Settings) -> list[Any]:
    """The recording whose total is the exact count."""
    return [View.RUN.value, settings.grad or settings.backward, Hooks.NONE.value]


def key(view: list[Any]) -> str:
    """The name of a recording."""
    return " ".join(map(str, view))


def _recorded(request: Mapping[str, Any], peers: Iterable[Peer], settings: Settings) -> Mapping[str, Any]:
    views = [_reference(settings), *(_view(peer, settings) for peer in peers)]
    told = {**request, "task": "record", "views": list({key(view): view for view in views}.values())}
    outcome = run(told, settings.limits)
    if outcome.status is Status.OK:
        return outcome.result
    if outcome.status is Status.UNUSABLE:
        raise InputError(outcome.detail)
    raise InputError(
        f"TARGET {request['target']!r}: {outcome.status.value} while it was recorded: {outcome.detail}"
    )


def _counting(
    request: Mapping[str, Any], facts: Mapping[str, Any], peer: Peer, settings: Settings
) -> dict[str, Any]:
    found = {"regime": facts["regime"], "device": facts["device"]}
    return {**request, **found, "task": "count", "peer": peer.name, "grad": _mode(peer, settings)}


def _row(peer: Peer, version: str, outcome: Outcome, exact: Recording, seen: Recording | None, grad: bool) -> Row:
    leaves = tuple(outcome.result.get("leaves", ()))
    row = Row(peer, version, outcome.status, None, exact.macs, (), outcome.detail, leaves, grad, outcome.seconds)
    if outcome.status is not Status.OK:
        return row
    figure, rest = divmod(outcome.result["figure"], peer.per_mac)
    detail = f"its figure is no multiple of {peer.per_mac}: {rest} left" if rest else ""
    reasons: tuple[Reason, ...] = ()
    if seen is None:
        detail = detail or "what it looks at could not be recorded"
    else:
        reasons = reconcile(peer.price(seen), seen, exact)
    return Row(peer, version, Status.OK, figure, exact.macs, reasons, detail, leaves, grad, outcome.seconds)
