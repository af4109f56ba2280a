"""How near this machine comes to its roofline bound. Prints what it measures; asserts nothing.

    python benchmarks/roofline.py [RUNS]

The machine's own peaks are measured first, in the same threads: the rate of a large float32 product, and the
bandwidth of a sum over tensors far larger than any cache. Models then run in turn, each several times, and the
median is held against the bound that these peaks give. What is above it is launching, layouts, small operators;
what is below it comes from caches and from Winograd's convolutions, which the bound knows nothing of.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from fractions import Fraction

import torch

from vpcalc.architectures import ARCHITECTURES
from vpcalc.reference import MODEL_WITNESSES
from vpcalc.storage.devices import Device
from vpcalc.storage.footprint import works
from vpcalc.storage.roofline import roofs

MODELS = (("swin_t", 8), ("vit_s_16", 8), ("pvt_small", 8), ("resnet50", 8), ("vgg16", 4), ("transformer_base", 8))
SIDE = 4096
"""Of the product that shows the peak rate."""
ELEMENTS = 2**27
"""Of the tensors that show the bandwidth: 512 MiB each."""


def seconds(run: Callable[[], object], runs: int) -> float:
    """Median wall time, after one run that warms up."""
    run()
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def machine(runs: int) -> Device:
    """This machine, by what it does at best."""
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    rate = 2 * SIDE**3 / seconds(lambda: a @ b, runs)
    x, y, z = (torch.ones(ELEMENTS) for _ in range(3))
    bandwidth = 3 * 4 * ELEMENTS / seconds(lambda: torch.add(x, y, out=z), runs)
    return Device("here", "this machine", {"float32": Fraction(rate)}, Fraction(bandwidth), None, "measured")


def main() -> None:
    """Measure and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    here = machine(runs)
    threads = torch.get_num_threads()
    rate, bandwidth = float(here.rates["float32"]) / 1e9, float(here.bandwidth) / 1e9
    print(f"{threads} threads: {rate:.0f} GFLOP/s, {bandwidth:.1f} GB/s")
    print(f"{'model':18} {'batch':>5} {'bound ms':>9} {'median ms':>10} {'ratio':>6}")
    for name, batch in MODELS:
        architecture = ARCHITECTURES[name]
        family, config, sizes = architecture.family.name, architecture.config, architecture.sizes
        found = roofs(works(architecture.family, sizes, config, batch), here, "float32")
        bound = 1000 * float(sum(roof.seconds for roof in found))
        module, inputs = MODEL_WITNESSES[family](sizes, config, batch)
        module.eval()
        with torch.inference_mode():
            measured = 1000 * seconds(lambda module=module, inputs=inputs: module(*inputs), runs)  # type: ignore[misc]
        print(f"{name:18} {batch:5} {bound:9.1f} {measured:10.1f} {measured / bound:6.2f}")


if __name__ == "__main__":
    main()
