"""``vpcalc prove``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import completion
from .options import ColumnsOption, Format, FormatOption, OutputOption
from .output import counting, emit

if TYPE_CHECKING:
    from ..answers.prove import Proof


def prove(
    claims: Annotated[
        list[str] | None,
        typer.Argument(
            help="Claims by id or kind; all of them if none is named.",
            metavar="[CLAIM …]",
            autocompletion=completion.claims,
        ),
    ] = None,
    jobs: Annotated[
        str, typer.Option("--jobs", "-j", help="Processes; -1 for one a processor.", metavar="NUMBER")
    ] = "1",
    backend: Annotated[
        str | None, typer.Option("--backend", help="joblib's backend: loky, dask, ray …", metavar="NAME")
    ] = None,
    recheck: Annotated[
        str | None,
        typer.Option("--recheck", help="Judge the counts in this certificate again instead.", metavar="FILE"),
    ] = None,
    columns: ColumnsOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Prove statements about costs by counting real modules; ends with 1 where one is refuted.

    Examples:  vpcalc prove msa wmsa
               vpcalc prove --jobs 4 --format json --output certificate.json
               vpcalc prove --recheck certificate.json
    """
    from ..answers import prove as answers

    with counting("proving") as tell:

        def progress(done: int, all: int, proof: Proof) -> None:
            tell(done, all, f"{proof.claim.id} {proof.outcome.verdict.value}")

        if recheck is None:
            result = answers.prove(claims or (), jobs, backend, progress)
        else:
            certificate = answers.read_certificate(recheck, claims or ())
            result = answers.recheck(certificate, jobs, backend, progress)
    emit(result, format, output, columns=columns)
