"""What a closed form costs, against one count of the same model by fvcore: CPU time, ratios of one run of this.

    python benchmarks/derive.py [--models N] [--runs N] [--memory]

``run`` is one execution on symbols, ``count`` one count by vpcalc's own counter, ``derive`` the whole answer
with its regimes, counts and real runs; their number of regimes is beside it. ``all`` is what the answer takes
with the quantities that stand in the JSON too, over what it takes with multiply-accumulates alone. The
yardstick counts the built model with fvcore's FlopCountAnalysis on the meta device, at the size at which
exploring starts; where fvcore cannot trace a model there, that is said. Medians stand at the end. ``--memory``
asks for the largest models in processes of their own and prints the most memory that each held.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from vpcalc.checks import exploring
from vpcalc.checks.quantities import COMMON, MANY_RUNS, Quantities
from vpcalc.checks.targets import Target, find_target
from vpcalc.counters import fvcore
from vpcalc.counters.given import TYPES
from vpcalc.counters.ways import quiet
from vpcalc.execution.program import Fixed

MODELS = {
    "1,3,H,W": """
        resnet convnext convnextv2 regnet mobilenet_v1 mobilenet_v2 pvt pvt_v2 segformer mobilevit mobilevitv2
        vit deit dinov2 swinv2 swin""",
    "1,N": "bert roberta distilbert albert electra gpt2 opt llama mistral qwen2",
    "1,S;1,T": "t5 bart",
}
LARGE = {
    "transformers:t5": (
        "1,S;1,T",
        {
            "d_model": 1024,
            "d_ff": 65536,
            "d_kv": 128,
            "num_heads": 128,
            "num_layers": 24,
            "num_decoder_layers": 24,
        },
    ),
    "transformers:llama": (
        "1,N",
        {
            "hidden_size": 8192,
            "intermediate_size": 28672,
            "num_hidden_layers": 80,
            "num_attention_heads": 64,
            "num_key_value_heads": 8,
            "vocab_size": 128256,
        },
    ),
}
"""The shapes of T5-11B and Llama-3-70B."""


class Named(nn.Module):
    """A model whose inputs have names, as fvcore takes it: by position."""

    def __init__(self, module: nn.Module, names: list[str], kwargs: dict[str, Any]) -> None:
        super().__init__()
        self.module, self.names, self.kwargs = module, names, kwargs

    def forward(self, *tensors: Tensor) -> Any:
        """The first output."""
        named = {name: tensor for name, tensor in zip(self.names, tensors, strict=True) if name}
        unnamed = [tensor for name, tensor in zip(self.names, tensors, strict=True) if not name]
        result = self.module(*unnamed, **named, **self.kwargs)
        return result[0]


def seconds(work: Callable[[], object], runs: int) -> float:
    """The median CPU time of some calls, after one that is not measured."""
    found = []
    for run in range(runs + 1):
        begin = time.process_time()
        work()
        if run:
            found.append(time.process_time() - begin)
    return statistics.median(found)


def measured(name: str, inputs: str, runs: int) -> dict[str, float]:
    target = find_target(name, inputs)
    variant = target.regimes[0]
    program = exploring.program_of(target, variant)
    assert isinstance(program, Fixed)
    letters = [v for v in target.variables if v.name not in target.tied(variant)]
    bounds = {v.name: (1, exploring.RANGES[v.kind]) for v in letters}
    point = next(p for p in exploring.starts(letters, bounds) if program.execute(p).error is None)
    module, tensors = plain(target, variant, program, point)

    def by_fvcore() -> None:
        with quiet(), torch.device("meta"):
            fvcore.count(module, tensors)

    begin = time.process_time()
    _, found = exploring.explore(target)
    whole = time.process_time() - begin
    begin = time.process_time()
    quantities = Quantities(found.program, found.exploration, found.growth, 32, found.real_bytes)
    if found.exploration.runs <= MANY_RUNS:
        for quantity in COMMON:
            quantities.exploration(quantity)
    further = time.process_time() - begin
    result = {
        "all": 1 + further / whole,
        "run": seconds(lambda: program.execute(point), runs),
        "count": seconds(lambda: program.counts(point), runs),
        "derive": whole,
        "regimes": float(len(found.exploration.regimes)),
    }
    try:
        result["fvcore"] = seconds(by_fvcore, runs)
    except Exception:  # fvcore traces, and not everything can be traced
        result["fvcore"] = float("nan")
    return result


def plain(
    target: Target, variant: Any, program: Fixed, point: dict[str, int]
) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The model and its inputs at a size, for fvcore."""
    tied = target.tied(variant)
    whole = {**point, **{side: point[first] for side, first in tied.items()}}
    tensors = tuple(
        torch.zeros(
            list(spec.at(whole)),
            dtype=TYPES[spec.dtype or "float32"],
            device="meta",
        )
        for spec in target.inputs
    )
    return Named(program.module, [spec.keyword for spec in target.inputs], dict(variant.kwargs)), tensors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=None, help="only the first so many")
    parser.add_argument("--runs", type=int, default=3, help="of which the median is taken")
    parser.add_argument("--memory", action="store_true", help="the memory of the largest models")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        inputs, settings = LARGE[options.one]
        exploring.explore(find_target(options.one, inputs, settings))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    if options.memory:
        for name in LARGE:
            done = subprocess.run(
                [sys.executable, __file__, "--one", name], capture_output=True, text=True, check=True
            )
            print(f"{name:20} at most {int(done.stdout) / 1024:,.0f} MiB")
        return
    ratios: dict[str, list[float]] = {"run": [], "count": [], "derive": []}
    together: list[float] = []
    print(f"{'model':14} {'fvcore s':>9} {'run':>6} {'count':>6} {'derive':>7} {'regimes':>7} {'all':>6}")
    for kind, inputs in [(kind, inputs) for inputs, kinds in MODELS.items() for kind in kinds.split()][
        : options.models
    ]:
        try:
            found = measured(f"transformers:{kind}", inputs, options.runs)
        except Exception as error:  # said, and the others go on
            print(f"{kind:14} {type(error).__name__}: {str(error).splitlines()[0][:80]}", flush=True)
            continue
        together.append(found["all"])
        over = {name: found[name] / found["fvcore"] for name in ratios}
        if over["run"] == over["run"]:
            for name, ratio in over.items():
                if name != "derive" or found["regimes"] <= 4:
                    ratios[name].append(ratio)
        print(
            f"{kind:14} {found['fvcore']:9.3f} {over['run']:6.2f} {over['count']:6.2f} {over['derive']:7.2f}"
            f" {found['regimes']:7.0f} {found['all']:6.2f}",
            flush=True,
        )
    medians = {name: statistics.median(values) for name, values in ratios.items() if values}
    print(f"{'median':14} {'':9} " + " ".join(f"{name} {value:.2f}" for name, value in medians.items()))
    print(f"{'':24} all {statistics.median(together):.2f}, aim 1.50")
    print(f"of {len(ratios['run'])} models; aims: run 0.30, derive 2.00 where there are at most 4 regimes")


if __name__ == "__main__":
    main()
