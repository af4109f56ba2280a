"""What is trained of a network: names and ranks as users give them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..abstract.tape import Tape
from ..abstract.tuning import Tuning, parts_of
from ..architectures import Family
from ..errors import InputError, unknown
from ..inputs import whole
from ..storage.footprint import Way, taped

NAME = re.compile(r"[A-Za-z_0-9]+(\.[A-Za-z_0-9]+)*")


def read_tuning(trained: object, lora: object, lora_on: object, train: bool, recompute: str) -> Tuning | None:
    """What is trained, where that is not all.

    Raises:
        InputError: a name that none can be, a rank that is not usable, or what goes without the other.
    """
    if trained is None and lora is None and lora_on is None:
        return None
    found = Tuning(
        _names("--trained", trained), 0 if lora is None else whole("--lora", lora), _names("--lora-on", lora_on)
    )
    if found.on and not found.rank:
        raise InputError("--lora-on: needs --lora, a rank such as --lora 8")
    option = f"--lora {found.rank}" if found.rank else f"--trained {','.join(found.trained)}"
    if not train:
        raise InputError(f"{option}: changes nothing without --train")
    if recompute != "none":
        raise InputError(
            f"{option}: what is recomputed has no gradient where its input has none; --recompute must be none"
        )
    return found


def _names(option: str, given: object) -> tuple[str, ...]:
    """Names of modules, with commas between them."""
    if given is None:
        return ()
    names = given.split(",") if isinstance(given, str) else given
    if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) and NAME.fullmatch(n) for n in names):
        raise InputError(f"{option} {str(given)[:40]!r}: must be names of modules such as head,blocks.3")
    return tuple(names)


def of_ours(tuning: Tuning, family: Family, sizes: tuple[int, ...], config: Mapping[str, Any], way: Way) -> None:
    """Refuse names that say nothing in an architecture, and a rank where there is no linear layer."""

    def ran(tuning: Tuning) -> Tape:
        tape = taped(replace(way, tuning=tuning), training=False)
        tape.trail = []
        family.start(tape, sizes, config, 1)
        return tape

    tries = [("--trained", name, Tuning((name,))) for name in tuning.trained]
    tries += [("--lora-on", name, Tuning((), tuning.rank, (name,))) for name in tuning.on]
    for option, name, alone in tries:
        tape = ran(alone)
        if not any(weight.leaf for weight in tape.parameters):
            raise unknown(option, name, parts_of(tape.peaks))
    if not any(weight.leaf for weight in ran(tuning).parameters):
        raise InputError(f"--lora {tuning.rank}: it has no linear layer of its own")
