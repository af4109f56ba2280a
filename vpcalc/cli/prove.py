"""``vpcalc prove``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import completion
from .options import ColumnsOption, Format, FormatOption, OutputOption, argument, option
from .output import counting, emit

if TYPE_CHECKING:
    from ..answers.prove import Proof


def prove(
    claims: list[str] | None = argument(
        "[CLAIM …]", "Claims by id or kind; all of them if none is named.", completion.claims, default=None
    ),
    jobs: str = option("1", "--jobs -j NUMBER", "Processes; -1 for one a processor."),
    backend: str | None = option(None, "--backend NAME", "joblib's backend: loky, dask, ray …"),
    recheck: str | None = option(None, "--recheck FILE", "Judge the counts in this certificate again instead."),
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
