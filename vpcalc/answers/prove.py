"""``vpcalc prove``: statements with a source, settled by counting, by symbols or by numbers."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .. import __version__
from ..algebra.parser import parse
from ..checks.claims import CLAIMS, Claim, select
from ..checks.proof import Outcome
from ..errors import InputError
from ..files import content
from ..findings import Finding
from ..inputs import whole
from ..optional import parallel, require_torch
from ..plugins import load, loaded
from ..report import Column, Kind, Table
from ..report.numbers import how_many
from ..symbolic import Form
from .result import Result

JOBS = 1024
"""Most processes that may be asked for."""


@dataclass(frozen=True)
class Proof:
    """One claim and what became of it."""

    claim: Claim
    outcome: Outcome
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Fields of the JSON contract; ``evidence`` is what is needed to check again."""
        outcome = self.outcome
        return {
            "id": self.claim.id,
            "statement": self.claim.statement,
            "source": self.claim.source,
            "kind": self.claim.kind,
            "method": outcome.method,
            "verdict": outcome.verdict.value,
            "recovered": outcome.recovered,
            "valid": outcome.valid,
            "domain": outcome.domain,
            "points": outcome.points,
            "held_out": outcome.held_out,
            "seconds": round(self.seconds, 3),
            "note": outcome.note,
            "evidence": dict(outcome.evidence),
        }


@dataclass(frozen=True)
class Proofs(Result):
    """The claims in the catalogue's order. Its JSON is the certificate, for :func:`recheck`."""

    proofs: tuple[Proof, ...]
    versions: Mapping[str, str]

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        return {
            "command": "prove",
            "versions": dict(self.versions),
            "claims": [proof.to_dict() for proof in self.proofs],
        }

    @property
    def ok(self) -> bool:
        """Whether no claim is refuted or unsettled. A correction of what a paper prints is a finding."""
        return not any(proof.outcome.verdict in (Finding.REFUTED, Finding.UNSETTLED) for proof in self.proofs)

    def tables(self) -> tuple[Table, ...]:
        """One row a claim; what differs stands below."""
        columns = (
            Column("id", "Claim", Kind.WORD),
            Column("statement", "Statement"),
            Column("verdict", "Verdict", Kind.VERDICT),
            Column("recovered", "Recovered", Kind.FORMULA),
            Column("valid", "Holds for", wide=True),
            Column("method", "Method", wide=True),
            Column("points", "Points", Kind.NUMBER, wide=True),
            Column("held_out", "Held out", Kind.NUMBER, wide=True),
            Column("seconds", "Seconds", wide=True, passing=True),
            Column("source", "Source", wide=True),
        )
        rows = tuple(
            (
                proof.claim.id,
                proof.claim.statement,
                proof.outcome.verdict.value,
                _cell(proof.outcome.recovered),
                proof.outcome.valid,
                proof.outcome.method,
                proof.outcome.points,
                proof.outcome.held_out,
                f"{proof.seconds:.2f}",
                proof.claim.source,
            )
            for proof in self.proofs
        )
        notes = tuple(f"{proof.claim.id}: {said}" for proof in self.proofs if (said := _said(proof.outcome)))
        return (Table(f"{how_many(len(rows), 'claim')}: {self._tally()}", columns, rows, notes),)

    def _tally(self) -> str:
        verdicts = [proof.outcome.verdict for proof in self.proofs]
        return ", ".join(f"{n} {finding.value}" for finding in Finding if (n := verdicts.count(finding)))


def _said(outcome: Outcome) -> str:
    """Where the recovered form holds, which a narrow table does not show, and what else there is to say."""
    return "; ".join(filter(None, (outcome.valid and f"recovered for {outcome.valid}", outcome.note)))


def _cell(recovered: str) -> Form | str:
    """A closed form is set as one; whatever else a claim found, such as ⌈h/M⌉, as it stands."""
    try:
        return Form(parse(recovered))
    except InputError:
        return recovered


Progress = Callable[[int, int, Proof], None]
"""Called after each claim with how many are settled, how many there are, and the last one."""


def prove(
    claims: Iterable[str] = (), jobs: object = 1, backend: str | None = None, progress: Progress | None = None
) -> Proofs:
    """Settle claims of the catalogue.

    Args:
        claims: ids or kinds (``complexity``, ``params``, ``family`` …); all of them where none is named.
        jobs: processes; -1 for as many as there are processors.
        backend: joblib's backend (``loky`` unless given); ``dask`` and ``ray`` reach a cluster.
        progress: called after each claim.

    Raises:
        InputError: an unknown claim, number of jobs or backend.
    """
    names = (claims,) if isinstance(claims, str) else claims
    chosen = select(names)
    require_torch("prove")
    return _settled(chosen, Claim.settle, jobs, backend, progress)


def recheck(
    certificate: Mapping[str, Any], jobs: object = 1, backend: str | None = None, progress: Progress | None = None
) -> Proofs:
    """Judge a certificate again: recorded counts are interpolated and compared by this version of vpcalc.

    Nothing is counted, so torch is not needed, but for claims that record no counts; these are settled
    anew. Where verdict or form are no longer those of the certificate, the claim is refuted and the note says so.

    Raises:
        InputError: it is not a certificate, or holds claims or points that this version does not know.
    """
    recorded = _recorded(certificate)
    return _settled(
        [CLAIMS[id] for id in recorded], partial(_judge_again, recorded=recorded), jobs, backend, progress
    )


def read_certificate(path: str, claims: Iterable[str] = ()) -> dict[str, Any]:
    """A certificate from the file that ``vpcalc prove --output`` wrote; of some claims only, if they are named.

    Raises:
        InputError: the file cannot be read, or is no certificate.
    """
    text = content("--recheck", path)
    try:
        certificate = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"--recheck {path!r}: is not JSON") from None
    entries = _recorded(certificate)
    wanted = [claim.id for claim in select(claims)]
    return {**certificate, "claims": [entry for id, entry in entries.items() if id in wanted]}


def _judge_again(claim: Claim, recorded: Mapping[str, Mapping[str, Any]]) -> Outcome:
    entry = recorded[claim.id]
    outcome = claim.replay(entry.get("evidence", {}))
    before = {"verdict": entry.get("verdict"), "recovered": entry.get("recovered")}
    now = {"verdict": outcome.verdict.value, "recovered": outcome.recovered}
    changed = [f"{name} {before[name]}, now {now[name]}" for name in now if before[name] != now[name]]
    if not changed:
        return outcome
    note = "; ".join(filter(None, (f"the certificate says {', '.join(changed)}", outcome.note)))
    return replace(outcome, verdict=Finding.REFUTED, note=note)


def _recorded(certificate: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Entries of a certificate by claim."""
    entries = certificate.get("claims") if isinstance(certificate, Mapping) else None
    if not isinstance(entries, Sequence) or not all(isinstance(e, Mapping) and "id" in e for e in entries):
        raise InputError("certificate: must be the JSON that vpcalc prove wrote, with its claims")
    recorded = {str(entry["id"]): entry for entry in entries}
    select(recorded)
    return recorded


# -- one after the other, or in parallel --------------------------------------------------------------

Settle = Callable[[Claim], Outcome]


def _settled(
    claims: Sequence[Claim], settle: Settle, jobs: object, backend: str | None, progress: Progress | None
) -> Proofs:
    jobs = -1 if str(jobs).strip() == "-1" else whole("--jobs", jobs, high=JOBS)
    alone = backend is None and (jobs == 1 or len(claims) < 2)
    proofs = (_timed(claim, settle) for claim in claims) if alone else _in_parallel(claims, settle, jobs, backend)
    done: dict[str, Proof] = {}
    for proof in proofs:
        done[proof.claim.id] = proof
        if progress is not None:
            progress(len(done), len(claims), proof)
    return Proofs(tuple(done[claim.id] for claim in claims), _versions())


def _in_parallel(claims: Sequence[Claim], settle: Settle, jobs: int, backend: str | None) -> Iterator[Proof]:
    """Through joblib, the longest first: whole architectures."""
    joblib = parallel("--jobs: more than one process needs joblib")
    first = sorted(claims, key=lambda claim: claim.kind != "family")
    files = loaded()
    tasks = (joblib.delayed(_elsewhere)(files, claim, settle) for claim in first)
    as_it_comes = backend in (None, "loky", "threading")  # the others give a list when all is done
    try:
        if backend == "ray":
            import_module("ray.util.joblib").register_ray()
        with joblib.parallel_config(backend=backend or "loky", n_jobs=jobs):
            run = joblib.Parallel(batch_size=1, return_as="generator_unordered" if as_it_comes else "list")
    except Exception as error:  # no such backend, or one whose package is missing or broken
        raise InputError(f"--backend {backend!r}: {' '.join(str(error).split())}") from None
    yield from run(tasks)


def _elsewhere(files: Sequence[str], claim: Claim, settle: Settle) -> Proof:
    """The same in a process that may not know what a user loaded in ours."""
    load(*(file for file in files if file not in loaded()))
    return _timed(claim, settle)


def _timed(claim: Claim, settle: Settle) -> Proof:
    start = time.perf_counter()
    outcome = settle(claim)
    return Proof(claim, outcome, time.perf_counter() - start)


def _versions() -> dict[str, str]:
    """What a certificate was made with. Says so without importing any of it."""
    found = {"vpcalc": __version__, "python": platform.python_version()}
    return found | {package: _installed(package) for package in ("torch", "fvcore")}


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
