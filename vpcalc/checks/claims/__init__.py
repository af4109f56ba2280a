"""The catalogue of claims: statements with a source, each with the way in which it is settled.

A claim is a function without arguments under ``@claim(id, statement, source, kind)``. It returns

* an :class:`~vpcalc.checks.proof.Interpolation`: a count is claimed to be a polynomial. It is counted, recovered,
  compared with the derived and the printed form, tried beyond the grid, and can be checked again from the
  recorded counts: *identified*;
* an :class:`~vpcalc.checks.claims.executed.OnEverySize`: such a claim that goes on to sizes off its lattice, by
  a run on symbols that is compared with the layers' form, *proved* where the two are one; or
* an :class:`~vpcalc.checks.proof.Outcome`: whatever else settles it, by symbols (``symbolic``: an identity,
  *proved*) or by numbers (``numeric``: points that were tried, *checked*).

To add one: a function in one of the files here, or a new file that this one imports. The statement is
written from the source, never printed from our own form: that is what makes it a second opinion. Nothing here
imports torch until a claim is settled.
"""

from collections.abc import Iterable

from ...errors import InputError, is_code, unknown
from ...layers import LAYERS
from ...plugins import is_ours
from . import complexity, families, layers, memory, parameters, theory  # noqa: F401  (they register themselves)
from .registry import CLAIMS, Claim, claim

__all__ = ["CLAIMS", "Claim", "claim", "select"]


def select(names: Iterable[str] = ()) -> tuple[Claim, ...]:
    """Claims by id or by kind, in the catalogue's order, each once; all of them where none is named.

    Raises:
        InputError: a name is neither.
    """
    for room in (layers, families):
        room.complete()  # with what a user has loaded meanwhile
    wanted = list(names)
    kinds = {entry.kind for entry in CLAIMS.values()}
    for name in wanted:
        if name not in CLAIMS and name in LAYERS and not is_ours(LAYERS[name].run):
            raise InputError(f"claim {name!r}: no module to count; @layer_witness({name!r}) registers one")
        if name not in CLAIMS and name not in kinds:
            raise unknown("claim", name, [*CLAIMS, *kinds], listed="vpcalc prove" if is_code(name) else "")
    return tuple(entry for entry in CLAIMS.values() if not wanted or entry.id in wanted or entry.kind in wanted)
