"""What the shell may complete: names of models, layers, statements, devices and the like, without PyTorch.

Each function takes what is written so far and returns the words that begin so; typer asks them when a shell does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

VARIABLE = "_VPCALC_COMPLETE"
"""Set by the shell's script while it asks for words."""

TAUGHT = {"--install-completion", "--show-completion"}
"""Options by which typer gives a shell its script, and ends."""


def words() -> list[str] | None:
    """The words of the line that a shell completes; None where none asks."""
    if VARIABLE not in os.environ:
        return None
    return (os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or "").split()[1:]


def models(incomplete: str) -> list[str]:
    """Models by id; an alias where that was begun."""
    from ..architectures import ARCHITECTURES

    aliases = [alias for each in ARCHITECTURES.values() for alias in each.aliases]
    return _begun(incomplete, ARCHITECTURES) or _begun(incomplete, aliases)


def layers(incomplete: str) -> list[str]:
    """Layers by id."""
    from ..layers import LAYERS

    return _begun(incomplete, LAYERS)


def targets(incomplete: str) -> list[str]:
    """Whatever has a name: models and layers."""
    return [*models(incomplete), *layers(incomplete)]


def pages(incomplete: str) -> list[str]:
    """What has a page: a comparison, models and layers."""
    return [*_begun(incomplete, ["compare"]), *targets(incomplete)]


def rows(incomplete: str) -> list[str]:
    """The last of several layers, apart by commas."""
    before, comma, last = incomplete.rpartition(",")
    return [before + comma + each for each in layers(last)]


def families(incomplete: str) -> list[str]:
    """Families of models."""
    from ..architectures import ARCHITECTURES

    return _begun(incomplete, dict.fromkeys(each.family.name for each in ARCHITECTURES.values()))


def statements(incomplete: str) -> list[str]:
    """Statements of the theory, and their families."""
    from ..answers.theory import names

    return _begun(incomplete, names())


def claims(incomplete: str) -> list[str]:
    """What can be proved."""
    from ..checks.claims import CLAIMS

    return _begun(incomplete, CLAIMS)


def devices(incomplete: str) -> list[str]:
    """Devices whose figures are known."""
    from ..storage.devices import devices as known

    return _begun(incomplete, known())


def counters(incomplete: str) -> list[str]:
    """Counters that are audited."""
    from ..auditing.peers import PEERS

    return _begun(incomplete, PEERS)


def quantities(incomplete: str) -> list[str]:
    """What a cost tree adds up."""
    from ..cost import Quantity

    return _begun(incomplete, [each.value for each in Quantity])


def dtypes(incomplete: str) -> list[str]:
    """Element types of floating point."""
    from ..abstract.tensor import FLOATS

    return _begun(incomplete, FLOATS)


def optimizers(incomplete: str) -> list[str]:
    """Optimizers whose state is known."""
    from ..storage.optimizers import KINDS

    return _begun(incomplete, KINDS)


def attentions(incomplete: str) -> list[str]:
    """Ways to run attention."""
    from ..abstract.tape import ATTENTIONS

    return _begun(incomplete, ATTENTIONS)


def chart_formats(incomplete: str) -> list[str]:
    """How a chart's numbers are written, or the drawing itself."""
    from .options import Format

    return _begun(incomplete, [*(each.value for each in Format), "tikz"])


def _begun(incomplete: str, known: Iterable[str]) -> list[str]:
    return [name for name in known if name.startswith(incomplete)]
