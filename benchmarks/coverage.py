"""What becomes of every model type of transformers: one form for every size, some, counts alone, or nothing.

    python benchmarks/coverage.py [TYPE …] [--every N] [-o docs/coverage.md]

Each type is built from a small configuration on the meta device and given to ``derive`` in a process of its own.
Then its answer is held against the dispatch counter at 20 random sizes, on and off every lattice: in a regime the
form must be the count, in a refusal the model must raise. ``complete`` has a regime for every size of the range,
``partial`` for some, ``identified`` rests on counts alone, ``failed`` has no form. ``--every N`` takes each Nth
type.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

SMALL = {
    "num_hidden_layers": 1,
    "num_layers": 1,
    "n_layer": 1,
    "n_layers": 1,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "num_encoder_layers": 1,
    "num_decoder_layers": 1,
}
SECONDS = 300
TRIALS = 20


def target(kind: str) -> tuple[str, dict[str, object]] | None:
    """The input of a model type and the arguments that make it small; None if it has no model of its own."""
    import transformers

    config = transformers.AutoConfig.for_model(kind)
    if type(config) not in transformers.MODEL_MAPPING:
        return None
    mapped = transformers.MODEL_MAPPING[type(config)]
    model = mapped[0] if isinstance(mapped, (tuple, list)) else mapped
    main = getattr(model, "main_input_name", "input_ids")
    main = main if isinstance(main, str) else main[0]
    arguments = {name: value for name, value in SMALL.items() if type(getattr(config, name, None)) is int}
    if main == "pixel_values":
        channels = getattr(config, "num_channels", 3)
        return f"1,{channels if type(channels) is int else 3},H,W", arguments
    if main == "input_ids":
        both = bool(getattr(config, "is_encoder_decoder", False))
        return "1,N;1,M" if both else "1,N", arguments
    if main == "input_values":
        return "input_values=1,N", arguments
    if main == "input_features":
        bins = getattr(config, "num_mel_bins", getattr(config, "feature_size", 80))
        return f"input_features=1,{bins},N", arguments
    return None


def judge(kind: str) -> dict[str, object]:
    """The verdict on one type, in this process."""
    import vpcalc
    from vpcalc.answers.executed import Executed
    from vpcalc.checks.exploring import program_of
    from vpcalc.checks.targets import find_target

    found = target(kind)
    if found is None:
        return {"kind": kind, "verdict": "skipped", "why": "no model of its own, or an input of another kind"}
    text, arguments = found
    try:
        answer = vpcalc.derive(f"transformers:{kind}", text, arguments)
    except vpcalc.InputError as error:
        return {"kind": kind, "verdict": "failed", "why": str(error)[:160]}
    if not isinstance(answer, Executed):
        form = answer.to_dict()
        verdict = "identified" if form["macs"] else "failed"
        return {"kind": kind, "verdict": verdict, "why": (form["not_executed"] or form.get("reason", ""))[:160]}
    resolved = find_target(f"transformers:{kind}", text, arguments)
    variant = next(v for v in resolved.regimes if v.text == answer.way)
    program = program_of(resolved, variant)
    exploration = answer.explored.exploration
    rng = random.Random(kind)
    wrong = 0
    for _ in range(TRIALS):
        point = {
            name: int(low + (high - low + 1) * rng.random() ** rng.choice((1, 2, 4)))
            for name, (low, high) in exploration.range.bounds.items()
        }
        regime = exploration.at(point)
        if regime is None:
            continue  # nothing was said of it
        try:
            counted: int | None = program.counts(point).macs
        except Exception:
            counted = None
        if regime.refused:
            wrong += counted is not None and not isinstance(regime.leader.execution.error, IndexError)
        else:
            wrong += regime.leader.execution.macs.at(point) != counted
    verdict = "wrong" if wrong else "complete" if answer.explored.complete else "partial"
    why = (
        "; ".join(dict.fromkeys(reason for _, reason in exploration.open)) if not answer.explored.complete else ""
    )
    return {"kind": kind, "verdict": verdict, "why": why, "regimes": len(exploration.regimes)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("types", nargs="*")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("-o", "--output")
    parser.add_argument("--judge", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.judge:
        print(json.dumps(judge(options.judge)))
        return
    from transformers import CONFIG_MAPPING

    rows = []
    for kind in options.types or sorted(CONFIG_MAPPING)[:: options.every]:
        command = [sys.executable, __file__, "--judge", kind]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
            lines = done.stdout.strip().splitlines()
            row = json.loads(lines[-1]) if lines else {"verdict": "failed", "why": done.stderr.strip()[-160:]}
        except subprocess.TimeoutExpired:
            row = {"verdict": "failed", "why": f"more than {SECONDS} seconds"}
        row["kind"] = kind
        rows.append(row)
        print(f"{kind:28} {row['verdict']:11} {' '.join(str(row.get('why', '')).split())[:120]}", flush=True)
    tally = Counter(str(row["verdict"]) for row in rows)
    judged = sum(number for verdict, number in tally.items() if verdict != "skipped")
    good = tally["complete"] + tally["partial"]
    line = ", ".join(f"{number} {verdict}" for verdict, number in tally.most_common())
    print(f"\n{line}: {good} of {judged} complete or partial ({100 * good // max(judged, 1)} %)")
    if options.output:
        table = "\n".join(
            f"| {r['kind']} | {r['verdict']} | {' '.join(str(r.get('why', '')).split())} |" for r in rows
        )
        Path(options.output).write_text(
            f"| type | verdict | why |\n| --- | --- | --- |\n{table}\n\n{line}\n", "utf-8"
        )


if __name__ == "__main__":
    main()
