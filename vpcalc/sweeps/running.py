"""Stretch after stretch of a sweep, in this process, in others, or on the machines of a cluster, by joblib."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import lru_cache
from itertools import islice
from typing import Any

from ..errors import InputError, unknown
from ..inputs import whole
from ..optional import optional, parallel
from .work import Stretch, Work

BACKENDS = ("processes", "dask", "ray")
"""Who may work: processes of this machine, the workers of a scheduler of Dask's, those of Ray's."""

TURNS = 4
"""Stretches a worker that are waited for together, where results come together."""

Stretches = Iterable[tuple[int, int, int]]
"""The number of each stretch, its start and its stop."""

Working = Callable[[Work, Stretches], Iterator[tuple[int, Stretch]]]


def here(work: Work, stretches: Stretches) -> Iterator[tuple[int, Stretch]]:
    """In this process."""
    for number, start, stop in stretches:
        yield number, work.stretch(start, stop)


def working(backend: str | None, jobs: object) -> Working:
    """Who works, from what users give: nobody else, ``processes``, ``dask:ADDRESS`` or ``ray``.

    Raises:
        InputError: an unknown backend, or a number that is none.
    """
    if backend is None:
        if jobs is None:
            return here
        backend = "processes"
    name, _, address = backend.partition(":")
    if name not in BACKENDS:
        raise unknown("--backend", name, BACKENDS)
    if name == "processes" and address:
        raise InputError(f"--backend {backend}: processes have no address; --jobs N says how many")
    number = None if jobs is None else whole("--jobs", jobs, high=4096)
    return lambda work, stretches: _apart(work, stretches, name, address, number)


def _apart(
    work: Work, stretches: Stretches, name: str, address: str, jobs: int | None
) -> Iterator[tuple[int, Stretch]]:
    joblib = parallel(f"--backend: {name} needs joblib")
    with ExitStack() as stack:
        count = jobs or -1
        if name == "dask":
            stack.enter_context(_dask(address))
        elif name == "ray":
            optional("ray.util.joblib", "--backend: ray needs ray", "pip install ray").register_ray()
            if address:
                optional("ray", "--backend: ray needs ray").init(address=address)
        stack.enter_context(joblib.parallel_config({"processes": "loky"}.get(name, name), n_jobs=count))
        sent = work.sent()
        each = (joblib.delayed(_done)(sent, number, start, stop) for number, start, stop in stretches)
        if name == "ray":  # its backend has no results before the last: so many at a time
            run = joblib.Parallel()
            while some := [*islice(each, TURNS * run._effective_n_jobs())]:
                yield from run(some)
        else:
            yield from joblib.Parallel(return_as="generator_unordered", pre_dispatch="2*n_jobs")(each)


def _dask(address: str) -> AbstractContextManager[Any]:
    """A client of a scheduler; of one that is started here where there is no address."""
    distributed = optional("distributed", "--backend: dask needs distributed", "pip install 'vpcalc[dask]'")
    try:
        client: AbstractContextManager[Any] = distributed.Client(*([address] if address else []), timeout="10s")
    except (OSError, ValueError) as error:
        raise InputError(
            f"--backend dask:{address}: no scheduler answers there ({type(error).__name__})"
        ) from None
    return client


def _done(sent: bytes, number: int, start: int, stop: int) -> tuple[int, Stretch]:
    return number, _work(sent).stretch(start, stop)


@lru_cache(maxsize=2)
def _work(sent: bytes) -> Work:
    """The work as it was sent; one that was sent before has its forms already."""
    return Work.received(sent)
