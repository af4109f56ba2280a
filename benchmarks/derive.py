"""How long deriving takes, against one count of the same model by fvcore. Prints ratios; asserts nothing.

    python benchmarks/derive.py [RUNS]

Each measure runs in turn with its yardstick, so that a drifting machine drifts for both; the ratio of the medians
is printed. The yardstick builds the model on the meta device and counts it with fvcore's FlopCountAnalysis alone,
without activations. ``dispatch`` is one count by vpcalc's own counter of a model that is built already, against
the same by fvcore.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Callable

import torch

from vpcalc.answers.derive import derive
from vpcalc.architectures import ARCHITECTURES
from vpcalc.counters import dispatch, fvcore
from vpcalc.reference import MODEL_WITNESSES, Witness

MODELS = ("swin_t", "vit_b_16", "resnet50", "pvt_v2_b2", "t5_base")
AIMS = {"dispatch": 0.3, "derive": 5.0}


def build(name: str) -> Witness:
    architecture = ARCHITECTURES[name]
    with torch.device("meta"):
        return MODEL_WITNESSES[architecture.family.name](architecture.sizes, architecture.config)


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def ratio(work: Callable[[], object], yardstick: Callable[[], object], runs: int) -> tuple[float, float]:
    work(), yardstick()
    pairs = [(seconds(work), seconds(yardstick)) for _ in range(runs)]
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return mine, theirs


def measures(name: str) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    module, inputs = build(name)
    return {
        "dispatch": (
            lambda: dispatch.count(module, inputs),
            lambda: fvcore.count(module, inputs, activations=False),
        ),
        "derive": (
            lambda: derive(name),
            lambda: fvcore.count(*build(name), activations=False),
        ),
    }


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    warnings.simplefilter("ignore")
    print(f"{'model':12} {'measure':9} {'median s':>9} {'fvcore s':>9} {'ratio':>6} {'aim':>5}")
    for name in MODELS:
        for measure, (work, yardstick) in measures(name).items():
            mine, theirs = ratio(work, yardstick, runs)
            print(
                f"{name:12} {measure:9} {mine:9.3f} {theirs:9.3f} {mine / theirs:6.2f} {AIMS[measure]:5.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
