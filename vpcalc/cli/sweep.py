"""``vpcalc sweep``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import InputError
from . import completion
from .options import (
    CHOICE,
    ArgOption,
    Format,
    SetOption,
    Sizes,
    argument,
    bundled,
    by_suffix,
    named,
    option,
    settings,
)
from .output import Shown, aside, deliver
from .pictures import Picture

GOING = "How it is gone through"
MEMORY = "How memory is counted"
BOUND = "Where it runs"


@bundled
def sweep(
    target: str = argument("TARGET", "A model, a layer, or code: net.py:make, 'attn.py:X(dim=C)@1,hw,C'."),
    *,
    vary: list[str] | None = option(
        None,
        "--vary NAME=VALUES",
        "Values of a setting, a size or the batch: h=14:224:7, C=64,96,128, 'depths=2,2,6,2;2,2,18,2', "
        "depths_3=2:24:2, input=224:512:32. May be repeated.",
    ),
    set: SetOption = None,
    arg: ArgOption = None,
    sizes: Sizes,
    batch: str | None = option(None, "--batch N", "Images or sequences, else 1."),
    where: str | None = option(
        None, "--where CONDITION", "Only configurations for which it holds: 'macs < 5G and heads*32 == C'.", CHOICE
    ),
    pareto: str | None = option(
        None, "--pareto KEY,KEY…", "The Pareto front in these, less being better; -H: the more the better.", CHOICE
    ),
    top: str | None = option(None, "--top N", "Only the first N by --by.", CHOICE),
    by: str | None = option(None, "--by KEY", "The least first; -params: the greatest.", CHOICE),
    dtype: str = option("float32", "--dtype TYPE", "Of weights and activations.", MEMORY),
    attention: str = option("eager", "--attention WAY", "eager or fused.", MEMORY),
    optimizer: str = option("adamw", "--optimizer NAME", "sgd, adamw, lion, adafactor, adamw8bit …", MEMORY),
    amp: str | None = option(None, "--amp TYPE", "Autocast to float16 or bfloat16.", MEMORY),
    device: str | None = option(
        None, "--device ID", "Bound the time on it: a column bound_ns.", BOUND, complete=completion.devices
    ),
    devices: str | None = option(None, "--devices FILE", "A CSV file of devices.", BOUND),
    limit: str | None = option(None, "--limit N", "The first N configurations only.", GOING),
    resume: bool = option(False, "--resume", "Go on where the same sweep was ended.", GOING),
    force: bool = option(False, "--force", "Replace an output that exists.", GOING),
    backend: str | None = option(
        None, "--backend WHO", "processes, dask:ADDRESS or ray; else this process.", GOING
    ),
    jobs: str | None = option(None, "--jobs N", "How many of them.", GOING),
    shown: Shown,
) -> None:
    """Evaluate millions of configurations exactly, and choose among them.

    Examples:  vpcalc sweep swin_t --vary C=48:192:12 --vary M=7,8,12 --where "macs < 5G" --pareto macs,-params
               vpcalc sweep ffn --vary h=14:224:7 --vary C=64,96 --set w=56 --set r=4 --top 5 --by macs
               vpcalc sweep 'attn.py:X(dim=C,window=M)@1,h,w,C' --vary h=14:56 --set w=56 --set C=96 --vary M=7,8
               vpcalc sweep swin_t --vary input=224:512:32 --vary batch=1:64 --columns saved_bytes -o costs.csv
    """
    from ..answers.sweep import sweep as ask
    from ..answers.sweep_plot import SUFFIXES as PICTURES
    from ..sweeps.parts import SUFFIXES

    output = shown.output
    whole = output is not None and output.suffix.lower() in SUFFIXES
    if output is not None and by_suffix(shown.format, output) is Format.TABLE:
        known = (*SUFFIXES, *PICTURES, ".txt")
        if output.suffix.lower() not in known:  # a table has the first rows alone, which nobody sees in a file
            raise InputError(
                f"--output {str(output)!r}: ends in none of {', '.join(known)}; .csv and .parquet have all rows"
            )
    if output is not None and not whole and output.exists() and not force:
        raise InputError(f"--output {str(output)!r}: exists; --force replaces it")
    with going() as progress:
        result = ask(
            target,
            vary=vary or [],
            set=settings(set),
            args=dict(named("--arg", arg)),
            **sizes._asdict(),
            batch=batch,
            dtype=dtype,
            attention=attention,
            optimizer=optimizer,
            amp=amp,
            device=device,
            devices=devices,
            columns=_quantities(shown.columns, vary or []),
            where=where,
            pareto=pareto,
            top=top,
            by=by,
            limit=limit,
            output=output if whole else None,
            resume=resume,
            force=force,
            backend=backend,
            jobs=jobs,
            progress=progress,
        ).completed()
    if whole:
        aside([*result.remarks, f"wrote {output}"])
    if output is not None and output.suffix.lower() in PICTURES and shown.format is Format.TABLE:
        from ..answers.sweep_plot import plot_sweep

        Picture(output).deliver(plot_sweep(result))
        return
    if whole and not result.rows and shown.format is Format.TABLE:
        (table,) = result.tables()
        deliver("\n".join([table.title, *table.notes]), None)
        return
    shown._replace(columns=None, output=None if whole else output).emit(result)
    if not whole and result.unheld and (shown.format is not Format.TABLE or output is not None):
        aside([result.unheld])


def _quantities(columns: str | None, vary: list[str]) -> list[str] | None:
    """The columns that are asked for without those that are varied, which every row has."""
    if columns is None:
        return None
    names = {text.partition("=")[0].strip() for text in vary}
    return [name.strip() for name in columns.split(",") if name.strip() not in names] or None


class Pace:
    """How many configurations a second, and how long the rest will take."""

    def __init__(self) -> None:
        self.begin = self.last = time.monotonic()
        self.before: int | None = None

    def rate(self, done: int) -> float:
        """Configurations a second since the first that was told; those of an earlier run do not count."""
        if self.before is None:
            self.before, self.begin = done, time.monotonic()
        return (done - self.before) / max(time.monotonic() - self.begin, 1e-9)

    def is_due(self) -> bool:
        """Whether a line is due."""
        now = time.monotonic()
        due = now - self.last >= EVERY
        self.last = now if due else self.last
        return due


EVERY = 10.0
"""Seconds between two lines."""


@contextmanager
def going() -> Iterator[Callable[[int, int, int], None]]:
    """How far it is, on standard error: a bar where a person looks, or a line now and then."""
    pace = Pace()

    def told(done: int, all: int, rows: int) -> None:
        rate = pace.rate(done)
        if pace.is_due() and done < all:
            left = f"{(all - done) / rate:.0f} s left" if rate else "beginning"
            said = f"{done:,} of {all:,} configurations, {rate / 1e6:.1f} M/s, {rows:,} rows, {left}"
            print(f"vpcalc: {said}", file=sys.stderr, flush=True)

    if not sys.stderr.isatty():
        yield told
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    figures = "{task.completed:,.0f} of {task.total:,.0f}, {task.fields[rate]:.1f} M/s, {task.fields[rows]:,} rows"
    shown = BarColumn(), TextColumn(figures), TimeRemainingColumn()
    with Progress(*shown, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sweep", total=1, rate=0.0, rows=0)
        yield lambda done, all, rows: bar.update(
            task, completed=done, total=all, rate=pace.rate(done) / 1e6, rows=rows
        )
