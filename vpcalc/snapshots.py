"""Recorded costs: small JSON files with the multiply-accumulates of each module by operator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import InputError
from .files import content

Tree = Mapping[str, Mapping[str, int]]
"""MACs by module path and operator."""

UPDATE = "VPCALC_UPDATE"
"""The variable of the environment under which they are written anew."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted: multiply-accumulates, trainable parameters, and MACs by module path and operator.

    ``saved_bytes`` are what autograd keeps of the forward pass and ``peak_bytes`` what is alive at once at
    inference, weights and inputs apart; None where nobody asked. ``inputs`` are the shapes that it was counted at,
    as one types them; None where they are not known, as in a snapshot of old.
    """

    macs: int
    params: int
    modules: Tree
    saved_bytes: int | None = None
    peak_bytes: int | None = None
    inputs: str | None = None

    @property
    def places(self) -> dict[tuple[str, str], int]:
        """The multiply-accumulates by module and operator."""
        return {(path, name): macs for path, done in self.modules.items() for name, macs in done.items() if macs}


def written(found: Counted) -> str:
    """The text of a snapshot: what nobody asked for or knows is left out."""
    tree = {name: value for name, value in asdict(found).items() if value is not None}
    return json.dumps(tree, indent=1, ensure_ascii=False) + "\n"


def load(path: Path) -> Counted:
    """A snapshot from its file.

    Raises:
        InputError: it is none, or cannot be read.
    """
    return read(content("snapshot", path), str(path))


def read(text: str | bytes, name: str) -> Counted:
    """A snapshot from its text; ``name`` is what it is called in a message.

    Raises:
        InputError: it is none.
    """
    try:
        tree = json.loads(text)
        modules = {path: {op: _whole(n) for op, n in done.items()} for path, done in tree["modules"].items()}
        further = {key: _whole(tree[key]) for key in ("saved_bytes", "peak_bytes") if key in tree}
        inputs = str(tree["inputs"]) if "inputs" in tree else None
        return Counted(_whole(tree["macs"]), _whole(tree["params"]), modules, **further, inputs=inputs)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(f"snapshot {name}: is not one of assert_cost; write it anew with {UPDATE}=1") from None


def _whole(number: object) -> int:
    if type(number) is not int:
        raise TypeError
    return number
