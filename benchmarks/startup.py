"""How much more than its libraries a command costs. Prints ratios measured in one run; asserts nothing.

    python benchmarks/startup.py [RUNS]

Each command runs in turn with its yardstick, so that a drifting machine drifts for both; the ratio of
the medians is printed. Without a check the yardstick is a process that imports typer and rich. With the
check it is a bare script that builds the same module and counts it with fvcore.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

LIBRARIES = "import typer, rich.console, rich.table"

BARE_MODEL = """
import torch
from fvcore.nn import FlopCountAnalysis
from vpcalc.reference.swin import Swin
model = Swin(224, 224, C=96, depths=(2, 2, 6, 2), heads=(3, 6, 12, 24), M=7, P=4, r=4, classes=1000).eval()
counter = FlopCountAnalysis(model, torch.zeros(1, 3, 224, 224)).unsupported_ops_warnings(False)
print(counter.by_operator())
"""

BARE_COMPARE = """
import torch
from fvcore.nn import FlopCountAnalysis
from vpcalc.reference import LAYER_WITNESSES
dims = {"h": 56, "w": 56, "C": 96, "heads": 3}
for id, more in (("msa", {}), ("wmsa", {"M": 7}), ("swmsa", {"M": 7}), ("sra", {"R": 8}), ("linear_sra", {"P": 7}),
                 ("retention", {})):
    module, inputs = LAYER_WITNESSES[id](**dims, **more)
    counter = FlopCountAnalysis(module.eval(), inputs).unsupported_ops_warnings(False)
    print(counter.by_operator())
"""

CASES = (
    ("model swin_t --no-check", LIBRARIES, 1.5),
    ("compare --h 56 --w 56 --no-check", LIBRARIES, 2.0),
    ("theory", LIBRARIES, 2.0),
    ("theory rnn_bound", LIBRARIES, 4.0),
    ("model swin_t", BARE_MODEL, 1.15),
    ("compare --h 56 --w 56", BARE_COMPARE, 1.15),
)


def seconds(*command: str) -> float:
    """Wall time of one process."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def main() -> None:
    """Measure and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    print(f"{'command':36} {'median s':>9} {'yardstick s':>12} {'ratio':>6} {'aim':>6}")
    for arguments, yardstick, aim in CASES:
        ours, theirs = ("-m", "vpcalc", *arguments.split()), ("-c", yardstick)
        seconds(*ours), seconds(*theirs)
        pairs = [(seconds(*ours), seconds(*theirs)) for _ in range(runs)]
        mine, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{arguments:36} {mine:9.3f} {bare:12.3f} {mine / bare:6.2f} {aim:6.2f}", flush=True)


if __name__ == "__main__":
    main()
