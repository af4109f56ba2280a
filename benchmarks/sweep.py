"""How many configurations a sweep goes through. Prints rates and their ratios in one run; asserts nothing.

    python benchmarks/sweep.py [CONFIGURATIONS]

Everything runs in turn in one process on one core, by its processor time, so that a busy machine is busy for all.
The last sweep, of 10⁸ configurations to a Pareto front unless another number is given, is a process of its own, of
which the largest memory is told. numexpr is a yardstick where it is installed: the layer's formula, typed by hand.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy

import vpcalc
from vpcalc.sweeps.work import ABOUT

MODEL = {"H": "64:1024:8", "W": "64:1024:8", "C": "48:192:3", "M": "7,8,12", "r": "1:8"}
LAYER = {"h": "7:224:7", "w": "7:224:7", "C": "32:1024:32", "M": "7,8", "heads": "1,2,4,8,16,32"}
BY_HAND = "4*h*w*C*C + 2*M*M*h*w*C"
"""W-MSA where M divides h and w (Liu et al. 2021, eq. 2)."""

FRONT = """
import resource, sys, time
import vpcalc
n = int(sys.argv[1])
begin = time.process_time()
vary = {"H": "64:1024:8", "W": "64:1024:8", "C": "48:768:3", "M": "4:12", "r": "1:8"}
found = vpcalc.sweep("swin_t", vary=vary, where="macs < 5G", pareto="macs,-params,-H", limit=n).completed()
seconds = time.process_time() - begin
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(found.counts.configurations, found.counts.kept, seconds, most)
"""


def rate(work: Callable[[], int]) -> float:
    """Configurations a second of the better of two runs, the first of which may derive forms."""
    rates = []
    for _ in range(2):
        begin = time.process_time()
        count = work()
        rates.append(count / (time.process_time() - begin))
    return max(rates)


def swept(target: str, vary: Mapping[str, str], **more: Any) -> Callable[[], int]:
    """All configurations evaluated, and looked at by nobody."""
    sweep = vpcalc.sweep(target, vary=vary, **more)

    def work() -> int:
        stride, count = sweep.work.grid.stride(ABOUT), 0
        for start in range(0, sweep.size, stride):
            for piece in sweep.work.blocks.pieces(start, min(start + stride, sweep.size)):
                for figure in piece.figures.values():
                    numpy.broadcast_to(figure, piece.shape)
                count += int(numpy.prod(piece.shape))
        return count

    return work


def by_hand(evaluate: Callable[..., Any]) -> Callable[[], int]:
    """The layer's formula on arrays that have every configuration written out, as much at a time."""
    axes = {
        name: list(map(int, axis.split(","))) for name, axis in {"M": LAYER["M"], "heads": LAYER["heads"]}.items()
    }
    axes |= {"h": list(range(7, 225, 7)), "w": list(range(7, 225, 7)), "C": list(range(32, 1025, 32))}
    grids = numpy.meshgrid(*(numpy.array(axis) for axis in axes.values()), indexing="ij")
    flat = {name: grid.reshape(-1) for name, grid in zip(axes, grids, strict=True) if name != "heads"}
    size = grids[0].size

    def work() -> int:
        for start in range(0, size, ABOUT):
            evaluate({name: array[start : start + ABOUT] for name, array in flat.items()})
        return size

    return work


def numpy_by_hand(sizes: Mapping[str, Any]) -> Any:
    """The formula in NumPy."""
    h, w, C, M = (sizes[name] for name in "hwCM")
    return 4 * h * w * C * C + 2 * M * M * h * w * C


def counted() -> float:
    """Models a second that fvcore counts: swin_t at its own size, built once."""
    import torch

    from vpcalc.architectures import ARCHITECTURES
    from vpcalc.counters import fvcore
    from vpcalc.reference import MODEL_WITNESSES

    swin = ARCHITECTURES["swin_t"]
    with torch.device("meta"):
        made = MODEL_WITNESSES["swin"](swin.sizes, dict(swin.config), 1)
    fvcore.count(made.module.eval(), made.inputs, False)
    begin = time.process_time()
    fvcore.count(made.module.eval(), made.inputs, False)
    return 1 / (time.process_time() - begin)


def main() -> None:
    """Measure and print."""
    model = rate(swept("swin_t", MODEL, columns="macs"))
    print(f"swin_t in H, W, C, M and r           {model / 1e6:8.1f} M/s")
    two = rate(swept("swin_t", MODEL, columns="macs,params,activations,fvcore"))
    print(f"  four columns of it                 {two / 1e6:8.1f} M/s")
    wide = rate(
        swept("swin_t", {**MODEL, "H": "60000:60008", "W": "65000:65008", "batch": "1000000"}, columns="macs")
    )
    print(f"  beyond 2⁶³, in Python's integers   {wide / 1e6:8.1f} M/s")
    layer = rate(swept("wmsa", LAYER, columns="macs"))
    print(f"wmsa in h, w, C, M and heads         {layer / 1e6:8.1f} M/s")
    plain = rate(by_hand(numpy_by_hand))
    print(f"  by hand in NumPy                   {plain / 1e6:8.1f} M/s; the sweep {layer / plain:.1f} × that")
    try:
        import numexpr
    except ImportError:
        print("  by hand in numexpr: not installed")
    else:
        numexpr.set_num_threads(1)
        hand = rate(by_hand(lambda sizes: numexpr.evaluate(BY_HAND, local_dict=sizes)))
        print(f"  by hand in numexpr                 {hand / 1e6:8.1f} M/s; the sweep {layer / hand:.1f} × that")
    fvcore = counted()
    print(f"fvcore on swin_t                     {fvcore:8.2f} /s; the sweep {model / fvcore:.1e} × that")
    number = sys.argv[1] if len(sys.argv) > 1 else str(10**8)
    done = subprocess.run([sys.executable, "-c", FRONT, number], capture_output=True, text=True, check=True)
    count, kept, seconds, most = done.stdout.split()
    print(f"{int(count):,} configurations to a front of {kept}: {float(seconds):.0f} s, {float(most):.2f} GiB")


if __name__ == "__main__":
    main()
