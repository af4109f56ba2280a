"""Random configurations of every family: description, form, run on symbols and count must be one number.

    python benchmarks/campaign.py [--n 2000 | --seconds 240] [--seed 0] [--shard 0/4] [--results FILE [--resume]]

A case is a family with settings and a batch drawn at random; a configuration is one of its sizes, on and off every
lattice. There the description's figures on plain numbers, its closed form from another size where that is said to
hold, the module's run on symbols from another size where all comparisons go the same way, and the dispatch counter
have to agree; in one of twenty fvcore, operator by operator, and in another the bytes that PyTorch keeps and has.
A description that refuses a size is no mismatch: it may ask for more than a module that pads in silence.

Every case is drawn from the seed and its number alone, so that a failure is repeated by ``--only NUMBER``. Results
are appended to a file, one case a line, so that a campaign can be stopped, resumed and done in pieces.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from vpcalc.architectures import ARCHITECTURES
from vpcalc.architectures.registry import Architecture, first_of_each, spelled
from vpcalc.checks.crosscheck import Report, Verdict, check_model
from vpcalc.checks.exploring import program_of
from vpcalc.checks.memory import check_memory
from vpcalc.checks.targets import find_target
from vpcalc.cost import Cost, Quantity
from vpcalc.errors import InputError
from vpcalc.everywhere import Regime, form_at, model_run
from vpcalc.execution.outcome import BeyondError, Execution
from vpcalc.execution.program import Program
from vpcalc.storage.footprint import Way

COUNTED = (Quantity.MACS, Quantity.PARAMS, Quantity.ACTIVATIONS)
SIZES = 8
"""Sizes of a case."""

SAMPLED = 20
"""Of so many configurations one is counted by fvcore, and one in bytes, too."""

TYPES = ("float32", "bfloat16", "float16", "float64")

MOST_DRAWS = 40
"""Draws of settings until some fit together; then those of the paper are taken."""

EDGES = (1, 7, 16, 31, 32, 33, 48, 49, 63, 64, 65, 96, 97, 112, 128, 193, 224, 225)


@dataclass
class Case:
    """A family with settings, its sizes, and what did not agree."""

    number: int
    model: str
    settings: dict[str, str]
    batch: int
    sizes: list[tuple[int, ...]]
    refused: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def hold(self, what: str, at: object, expected: int, found: int) -> None:
        """Note one comparison."""
        self.compared[what] += 1
        if expected != found:
            self.wrong.append(f"{what} at {at}: {found:,}, where the description has {expected:,}")

    def judge(self, what: str, at: str, report: Report) -> None:
        """Note what a check of a registry's model says; where it was not run, that."""
        self.compared[what if report.verdict is not Verdict.NOT_COMPARABLE else f"{what} not comparable"] += 1
        if report.verdict is Verdict.DIFFERS:
            self.wrong.append(f"{what} at {at}: {report}")


def changed(dice: random.Random, name: str, value: Any, choices: tuple[str, ...]) -> Any:
    """A setting near its own value; depths are small, since a block more is as many operators more."""
    if isinstance(value, bool):
        return dice.random() < 0.5
    if isinstance(value, tuple):
        return tuple(changed(dice, name, each, ()) for each in value)
    if isinstance(value, str):
        return dice.choice(choices) if choices else value
    if not isinstance(value, int):
        return value
    if name in ("depth", "depths", "layers", "n"):
        return dice.randint(1, 3)
    return dice.choice((value, max(1, value // 2), max(1, value // 4), value + 1, dice.randint(1, 12)))


def settings_of(dice: random.Random, architecture: Architecture) -> dict[str, str]:
    """Settings that fit together, each as it is given on the command line."""
    for _ in range(MOST_DRAWS):
        drawn = {}
        for name, value in architecture.config.items():
            if name == "backbone":
                continue
            if name in ("depth", "depths", "layers", "n") or dice.random() < 0.4:
                drawn[name] = spelled(changed(dice, name, value, architecture.family.choices.get(name, ())))
        try:
            architecture.cost(architecture.sizes, architecture.configure(drawn))
            return drawn
        except InputError:
            continue
    return {}


def drawn(seed: int, number: int) -> Case:
    """A case from its number alone."""
    dice = random.Random(f"{seed} {number}")
    architecture = dice.choice(list(first_of_each().values()))
    most = 320 if architecture.family.axes.pixels else 120
    side = partial(_side, dice, most)
    sizes = [tuple(side() for _ in architecture.sizes) for _ in range(SIZES)]
    return Case(number, architecture.id, settings_of(dice, architecture), dice.randint(1, 3), sizes)


def _side(dice: random.Random, most: int) -> int:
    return dice.choice(EDGES) if dice.random() < 0.4 else dice.randint(1, most)


def follows(execution: Execution, point: Mapping[str, int]) -> bool:
    """Whether all comparisons of a run go the same way at another size."""
    try:
        return all(noted.guard.holds(point) == noted.outcome for noted in execution.path)
    except ZeroDivisionError:
        return False


def run(case: Case, seed: int) -> Case:
    """Compare everything at every size of a case."""
    architecture = ARCHITECTURES[case.model]
    axes = architecture.family.axes
    config = architecture.configure(case.settings)
    target = find_target(case.model, None, case.settings)
    program = program_of(target, target.regimes[0])
    describe, _ = model_run(architecture, config)
    dice = random.Random(f"{seed} {case.number} again")
    forms: list[Regime] = []
    runs: list[Execution] = []
    for sizes in case.sizes:
        point = dict(zip(axes, sizes, strict=True))
        try:
            cost = architecture.cost(sizes, config)
        except InputError:
            case.refused += 1
            continue
        totals = {quantity: int(cost.total(quantity)) for quantity in COUNTED}
        for form in forms:
            if form.when.where.holds(point):
                case.hold("form", point, totals[Quantity.MACS], form.form.polynomial.at(point))  # type: ignore[union-attr]
        for execution in runs:
            if follows(execution, point):
                for quantity in (Quantity.MACS, Quantity.PARAMS):
                    value = int(execution.totals[quantity.value].at(point))
                    case.hold(f"run on symbols, {quantity.value}", point, totals[quantity], value)
        if not forms or dice.random() < 0.3:
            forms.append(form_at(describe, point, Quantity.MACS))
        if not runs or dice.random() < 0.3:
            runs += _executed(program, point, case, cost)
        case.hold("dispatch counter", point, totals[Quantity.MACS], program.counts(point).macs)
        if dice.randrange(SAMPLED) == 0:
            batched = architecture.cost(sizes, config, case.batch)
            report = check_model(architecture.family.name, batched, sizes, config, case.batch)
            case.judge("fvcore", f"{point}, batch {case.batch}", report)
        if dice.randrange(SAMPLED) == 0:
            fused = architecture.family.attends and dice.random() < 0.5
            dtype = dice.choice(TYPES)
            amp = dice.choice((None, "bfloat16", "float16")) if dtype == "float32" else None
            way = Way(dtype, "fused" if fused else "eager", amp=amp)
            report, _ = check_memory(architecture.family, sizes, config, case.batch, way, step=True)
            case.judge(
                "bytes", f"{point}, batch {case.batch}, {way.dtype}, {way.attention}, amp {way.amp}", report
            )
    return case


def _executed(program: Program, point: Mapping[str, int], case: Case, cost: Cost) -> Iterator[Execution]:
    """The run on symbols at a size, held at that size; none where it cannot be followed."""
    try:
        execution = program.execute(point)
    except BeyondError:
        case.compared["not followed"] += 1
        return
    if execution.error is not None:
        case.wrong.append(f"run on symbols at {point}: {type(execution.error).__name__}: {execution.error}")
        return
    if not execution.held:
        value = int(execution.totals["macs"].at(point))
        case.hold("run on symbols, macs", point, int(cost.total(Quantity.MACS)), value)
        yield execution


def numbers(args: argparse.Namespace) -> Iterator[int]:
    """The numbers of the cases that this process runs."""
    if args.only is not None:
        yield args.only
        return
    part, parts = map(int, args.shard.split("/"))
    done = set()
    if args.resume and args.results.exists():
        done = {json.loads(line)["number"] for line in args.results.read_text(encoding="utf-8").splitlines()}
    number, started = part, time.monotonic()
    while (number * SIZES < args.n) if args.seconds is None else (time.monotonic() - started < args.seconds):
        if number not in done:
            yield number
        number += parts


def main() -> int:
    """Status 1 where anything did not agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2000, help="configurations, of all shards together")
    parser.add_argument("--seconds", type=float, help="as many as fit instead")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shard", default="0/1", metavar="I/N", help="every N-th case from the I-th on")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one case")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--resume", action="store_true", help="leave out cases that the results have")
    args = parser.parse_args()
    compared: Counter[str] = Counter()
    models: Counter[str] = Counter()
    refused = wrong = 0
    for number in numbers(args):
        case = run(drawn(args.seed, number), args.seed)
        models[case.model] += 1
        refused += case.refused
        compared += case.compared
        if args.results:
            with args.results.open("a", encoding="utf-8") as results:
                results.write(json.dumps(vars(case)) + "\n")
        for line in case.wrong:
            wrong += 1
            print(f"case {number} of seed {args.seed}: {case.model} {case.settings}: {line}", flush=True)
    configurations = SIZES * sum(models.values())
    print(f"seed {args.seed}, shard {args.shard}: {sum(models.values())} cases of {len(models)} families")
    print(f"{configurations} configurations, {refused} of them refused by the description")
    print("; ".join(f"{what} {count}" for what, count in compared.most_common()))
    print(f"{wrong} mismatches")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
