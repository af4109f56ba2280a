"""What may be compared: a snapshot, a target, or either as it was at a git revision; and what each costs.

What has to be built is built in a process of its own, so that two versions of a module never meet.
"""

from __future__ import annotations

import base64
import json
import pickle
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from os.path import exists
from pathlib import Path
from threading import Event
from typing import Any

from .. import snapshots
from ..auditing.process import Limits, Status, run
from ..errors import ALL, InputError, require_file_of, unknown, unreadable
from ..placing import as_placed, titled
from ..revisions import Repository, repository
from .diff_cost import Cost, cost_of, recorded

HERE = "."
"""In the place of a revision: the files as they are."""


@dataclass(frozen=True, slots=True)
class Side:
    """BASE or HEAD as it was written, and what it means: a target or a snapshot, at a revision or as it is.

    ``commit`` is what the revision means; empty without one.
    """

    option: str
    name: str
    target: object
    revision: str = ""
    commit: str = ""

    @property
    def is_snapshot(self) -> bool:
        """Whether it is a file with figures."""
        return isinstance(self.target, str) and self.target.endswith(".json")

    def to_dict(self) -> dict[str, str]:
        """Fields of the JSON object."""
        return {"name": self.name, "revision": self.revision, "commit": self.commit}


def read_side(option: str, given: object, target: str | None) -> Side:
    """A side from what was written; ``ours=attn.py:make`` is called so.

    Raises:
        InputError: it is nothing that can be compared.
    """
    if isinstance(given, Path):
        given = str(given)
    if not isinstance(given, str):
        return Side(option, getattr(given, "__qualname__", type(given).__name__), given)
    if target is not None:
        title, target = titled(target, "--target")
        side = Side(option, target, target) if given == HERE else _at(option, given, target)
        return replace(side, name=side.name.replace(target, title)) if title else side
    title, given = titled(given, option)
    if title:
        return replace(read_side(option, given, None), name=title)
    behind = _BEHIND.search(given)
    bare = given[: behind.start(1)] if behind else given
    found = re.fullmatch(r"([^:]+):(.+:[^:]+|.+\.json)", bare)
    if found is not None and not exists(given):
        return _at(option, found[1], given[found.start(2) :])
    if ":" not in given and not given.endswith(".json"):
        _refuse_unknown(option, given)
    if given.endswith(".json") and not exists(given):
        raise unreadable(option, given)
    require_file_of(bare, option)
    return Side(option, given, given)


_BEHIND = re.compile(r":[^:/\\]*([(@](?![^:]*[/\\]).*)")
"""Brackets and a shape behind a factory; a revision, HEAD@{1}, and a folder may have such signs in their own."""


def _at(option: str, revision: str, target: str) -> Side:
    where = repository()
    commit = where.commit(revision)
    if commit is None and revision.endswith(".json"):
        mixed = f"of a file and a revision, without it: diff {revision} REVISION:{target}"
        raise InputError(f"{option} {revision!r}: with --target both are git revisions; {mixed}")
    if commit is None:
        shallow = ", in a clone without its history" if where.is_shallow else ""
        raise InputError(f"{option} {revision!r}: is no git revision here{shallow}")
    if ":" not in target and not target.endswith(".json"):
        raise InputError(
            f"--target {target!r}: must be file.py:factory, package.module:factory or a .json snapshot"
        )
    return Side(option, f"{revision}:{target}", target, revision, commit)


def _refuse_unknown(option: str, name: str) -> None:
    from ..architectures import ARCHITECTURES
    from ..layers import LAYERS

    known = [*ARCHITECTURES, *LAYERS]
    if name in LAYERS or name in ARCHITECTURES:
        return
    try:
        is_revision = repository().commit(name) is not None
    except InputError:
        if name.startswith("HEAD"):
            raise
        is_revision = False
    if is_revision:
        what = f"{name}:file.py:factory or {name}:cost.json; of two revisions --target says it for both"
        raise InputError(f"{option} {name!r}: is a git revision; say of what: {what}")
    raise unknown(option, name, known, ALL)


# -- what they cost ----------------------------------------------------------------------------------------------


def costs(sides: tuple[Side, Side], how: Mapping[str, Any], limits: Limits) -> tuple[Cost, Cost]:
    """What both cost, side by side.

    Raises:
        InputError: one of them cannot be read, built or counted; the message begins with it.
    """
    stop = Event()
    with ThreadPoolExecutor(2) as pool:
        waiting = [None if _is_here(side) else pool.submit(_cost, side, how, limits, stop) for side in sides]
        try:
            base, head = (
                _cost(side, how, limits, stop) if other is None else other.result()
                for side, other in zip(sides, waiting, strict=True)
            )
        finally:
            stop.set()  # where one has failed nobody waits for the other
    return base, head


def _is_here(side: Side) -> bool:
    """Whether it is an object: counted in this process and this thread, since modules have hooks."""
    return not isinstance(side.target, str)


def _cost(side: Side, how: Mapping[str, Any], limits: Limits, stop: Event) -> Cost:
    try:
        if side.is_snapshot:
            return recorded(_snapshot(side))
        if not isinstance(side.target, str):
            return cost_of(side.target, **how)
        return _built(side, side.target, how, limits, stop)
    except TypeError as error:
        if "JSON" not in str(error):
            raise
        said = "is built in a process of its own, where args, inputs and prices are texts and numbers"
        raise InputError(f"{side.option} {side.name}: {said}") from None
    except InputError as error:
        gone = "has no file" in str(error) or "No module named" in str(error)
        moved = f"; what has another name there: {side.revision}:FILE:FACTORY" if gone and side.revision else ""
        raise InputError(f"{side.option} {side.name}: {error}{moved}") from None


def _snapshot(side: Side) -> snapshots.Counted:
    name = str(side.target)
    if not side.commit:
        return snapshots.load(Path(name))
    text = repository().text(side.commit, name)
    if text is None:
        raise InputError(f"the revision has no file {name}")
    return snapshots.read(text, name)


def _built(side: Side, target: str, how: Mapping[str, Any], limits: Limits, stop: Event) -> Cost:
    request: dict[str, Any] = {"task": "cost", "target": target, "how": dict(how), "tree": None}
    key = ""
    with ExitStack() as stack:
        if side.commit:
            where = repository()
            key = json.dumps([str(where.root), where.prefix, side.commit, target, how])
            if key in _KNOWN:
                return _KNOWN[key]
            file = Path(str(as_placed(target, side.option).target).rpartition(":")[0])
            if file.suffix == ".py" and not file.is_absolute() and where.text(side.commit, str(file)) is None:
                raise InputError(f"the revision has no file {file}")
            tree = stack.enter_context(where.tree(side.commit))
            request |= {"tree": str(tree), "root": str(where.root), "prefix": where.prefix}
            request["how"], request["own"] = _as_there(how, tree, where)
        done = run(request, limits, stop)
    if done.status is Status.UNUSABLE:
        raise InputError(done.detail)
    if done.status is not Status.OK:
        raise InputError(f"{done.status.value}: {done.detail}")
    found: Cost = pickle.loads(base64.b64decode(done.result["pickled"]))
    if key and not request["own"]:
        _KNOWN[key] = found
    return found


_KNOWN: dict[str, Cost] = {}
"""Costs at commits, which do not change: a history that is replayed has each of its commits built once."""


def _as_there(how: Mapping[str, Any], tree: Path, where: Repository) -> tuple[dict[str, Any], list[str]]:
    """Files of ``--inputs`` and ``--price`` as the revision has them; the user's own where it has none."""
    own: list[str] = []

    def read(text: object) -> object:
        place, colon, rest = str(text).partition(".py:")
        file = f"{place}.py"
        if not isinstance(text, str) or not colon or (tree / where.prefix / file).is_file():
            return text
        own.append(str(Path(file).resolve()))
        return f"{own[-1]}:{rest}"

    prices = {name: read(price) for name, price in (how.get("prices") or {}).items()}
    return {**how, "prices": prices, "inputs": read(how.get("inputs"))}, own
