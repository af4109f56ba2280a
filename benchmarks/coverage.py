"""What becomes of every model type of transformers: one form for every size, some, counts alone, or nothing.

    python benchmarks/coverage.py [TYPE …] [--every N [--from K]] [--results FILE [--resume]] [-o docs/coverage.md]

Each type is built from a small configuration on the meta device and given to ``derive`` in a process of its own.
Then its answer is held against the dispatch counter at 20 random sizes, on and off every lattice: in a regime the
form must be the count, in a refusal the model must raise. ``complete`` has a regime for every size of the range,
``partial`` for some, ``identified`` rests on counts alone, ``failed`` has no form. A type that cannot be built
here, or has no model of its own, is not judged.

Results are appended to a file, one a line, so that a run can be stopped and resumed, or done in pieces.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import random
import resource
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
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
OWN: dict[str, dict[str, object]] = {"longformer": {"max_position_embeddings": 4098}}
"""Without which a type does not run at any size: Longformer pads to 512 and counts its positions from 2."""

SECONDS = 300
"""Of the processor, for each type."""

TRIALS = 20
VERDICTS = ("complete", "partial", "identified", "not executed", "failed", "wrong", "not built")

Candidate = tuple[object, dict[str, object]]
"""Inputs, as text or as a function of symbols, and arguments of the configuration."""


def small(config: object) -> dict[str, object]:
    """Arguments that make a configuration and the parts of it small: one layer of each kind."""
    found: dict[str, object] = {
        name: value for name, value in SMALL.items() if type(getattr(config, name, None)) is int
    }
    for name in getattr(config, "sub_configs", {}):
        part = getattr(config, name, None)
        if part is not None and small(part):
            found[name] = small(part)
    return found


def model_of(config: object) -> type | None:
    """The model without a head, or None."""
    import transformers

    if type(config) not in transformers.MODEL_MAPPING:
        return None
    mapped = transformers.MODEL_MAPPING[type(config)]
    return mapped[0] if isinstance(mapped, (tuple, list)) else mapped


def mended(config: object) -> dict[str, object]:
    """What a configuration leaves open, although its model cannot be built or run without it."""
    found: dict[str, object] = {}
    heads, wide = getattr(config, "num_attention_heads", None), getattr(config, "hidden_size", None)
    if getattr(config, "head_dim", 0) is None and type(heads) is int and type(wide) is int:
        found["head_dim"] = wide // heads
    if getattr(config, "num_experts_per_tok", 0) is None:
        found["num_experts_per_tok"] = 2
    layers = small(config).get("num_hidden_layers")
    if layers is not None and getattr(config, "layer_types", 0) is None:
        found["layer_types"] = ["full_attention"]
    usual = {"vocab_size": 1000, "num_key_value_heads": heads, "max_position_embeddings": 4096}
    usual |= {"pad_token_id": 1} if getattr(config, "vocab_size", 0) is None else {}
    usual |= dict.fromkeys(("num_experts", "n_routed_experts", "num_local_experts"), 4)
    found |= {name: value for name, value in usual.items() if getattr(config, name, 0) is None}
    rope = getattr(config, "rope_parameters", None)
    if isinstance(rope, dict) and "rope_theta" in rope and "glm" in str(getattr(config, "model_type", "")):
        found["rope_parameters"] = {**rope, "partial_rotary_factor": 0.5, "mrope_section": [8, 12, 12]}
        found["head_dim"] = 128
    for name in getattr(config, "sub_configs", {}):
        part = getattr(config, name, None)
        if part is not None and (more := mended(part)):
            found[name] = {**small(part), **more}
    return found


def candidates(kind: str) -> Iterator[Candidate]:
    """Inputs and arguments with which a type may run, the likeliest first."""
    import transformers

    config = transformers.AutoConfig.for_model(kind)
    model = model_of(config)
    if model is None:
        return
    settings = [{**small(config), **OWN.get(kind, {})}, {}]
    with suppress(Exception):  # settings of its own for each layer
        if more := mended(config):
            settings.insert(1, {**small(config), **more})
    if getattr(config, "pad_token_id", None) is not None:
        settings.insert(1, {**small(config), "pad_token_id": None})  # no padding to look for among token ids
    for arguments in settings:
        for text in inputs(config, model):
            yield text, arguments


def of_grids(config: object, takes: Mapping[str, inspect.Parameter]) -> Iterator[object]:
    """Patches of one image in a row with the sides of their grid, for models that are given them."""
    import torch

    from vpcalc.checks.input_functions import input_function

    patch = _number(config, 16, "patch_size")
    merge = _number(config, 2, "spatial_merge_size", "merge_size")
    channels = _number(config, 3, "in_channels", "num_channels", "in_chans")
    frames = _number(config, 1, "temporal_patch_size")
    flat = channels * frames * patch * patch
    name = next(name for name in ("hidden_states", "pixel_values") if name in takes)
    grid = next((name for name in ("grid_thw", "image_grid_thw") if name in takes), None)

    def row(H: int, W: int) -> dict[str, object]:
        count = merge * H * merge * W
        more = {"merge_sizes": torch.tensor([merge])} if "merge_sizes" in takes else {}
        return {name: torch.zeros(count, flat), str(grid): torch.tensor([[1, merge * H, merge * W]]), **more}

    def patches(H: int, W: int) -> dict[str, object]:
        count = merge * H * merge * W
        sides = torch.tensor([[1, merge * H, merge * W]])
        return {name: torch.zeros(count, channels, patch, patch), str(grid): sides}

    def padded(H: int, W: int) -> dict[str, object]:
        count, sides = H * W, torch.tensor([[H, W]])
        mask = torch.ones(1, count, dtype=torch.int64)
        return {name: torch.zeros(1, count, flat), "pixel_attention_mask": mask, "spatial_shapes": sides}

    if grid is not None:
        yield input_function(row)
        yield input_function(patches)
    elif "spatial_shapes" in takes:
        yield input_function(padded)


def inputs(config: object, model: type) -> Iterator[object]:
    """What a model may take, from the names of its arguments and the sizes in its configuration."""
    takes = inspect.signature(model.forward).parameters
    needed = {name for name, parameter in takes.items() if parameter.default is parameter.empty}
    if needed & {"grid_thw", "image_grid_thw", "spatial_shapes"}:
        yield from of_grids(config, takes)
        return
    if "pixel_position_ids" in needed:
        flat = 3 * _number(config, 16, "patch_size") ** 2
        yield f"pixel_values=1,N,{flat};pixel_position_ids=1,N,2:long"
    if "query_embeds" in needed:
        yield f"query_embeds=1,N,{_number(config, 768, 'hidden_size')}"
    if needed == {"input_features", "input_features_mask"}:
        yield f"input_features=1,{_number(config, 128, 'num_mel_bins')},N;input_features_mask=1,N:long"
    main = getattr(model, "main_input_name", "input_ids")
    main = main if isinstance(main, str) else main[0]
    both = bool(getattr(config, "is_encoder_decoder", False))
    seen = getattr(config, "vision_config", None) or config
    channels = _number(seen, 3, "num_channels", "in_channels", "in_chans")
    side = _number(seen, 224, "image_size", "img_size")
    image = f"1,{channels},{side},{side}"
    if main == "pixel_values":
        yield f"1,{channels},H,W"
        if "input_ids" in takes:
            yield f"1,{channels},{side},{side};input_ids=1,N"
            yield f"1,{channels},{side},{side};input_ids=1,N:long;qformer_input_ids=1,8:long"
        yield f"B,{channels},{side},{side}"
        yield f"1,2,{channels},H,W"
        yield f"1,{_number(config, 16, 'num_frames')},{channels},H,W"
    elif main == "input_ids":
        if both:
            yield "1,N;1,M"
        yield "1,N"
        if "bbox" in takes:
            yield "1,N;bbox=1,N,4:long"
        frames = _number(seen, 0, "num_frames")
        if "pixel_values" in takes and frames:
            yield f"1,N;pixel_values=1,{frames},{channels},{side},{side}"
        if "pixel_values" in takes:
            yield f"1,N;pixel_values={image}"
            if "bbox" in takes:
                yield f"1,N;bbox=1,N,4:long;pixel_values={image}"
        if "qformer_input_ids" in takes:
            yield f"1,N;pixel_values={image};qformer_input_ids=1,8:long"
        if "input_values" in takes:
            yield "1,N;input_values=1,1,16000"
        if "query_embeds" in takes:
            yield f"query_embeds=1,N,{_number(config, 768, 'hidden_size')}"
        if "image_attention_mask" in takes:
            yield f"1,N;pixel_values=1,1,{channels},{side},{side};image_attention_mask=1,N,1:long"
        if "visual_feats" in takes:
            yield "1,N;visual_feats=1,36,2048;visual_pos=1,36,4"
        if "input_features" in takes:
            yield "1,N;input_features=1,80,512"
            yield "1,N;input_features=1,1,1001,64"
        books = _number(config, 0, "num_codebooks", "num_channels", "n_codes_total")
        if books:
            yield f"1,N,{books}"
            yield f"1,N;decoder_input_ids=1,M,{books}:long"
    elif main == "input_values":
        yield "input_values=1,N"
        yield "input_values=1,1,N"
        yield f"input_values=1,N,{_number(config, 128, 'num_mel_bins')}"
        if "decoder_input_ids" in takes:
            yield "input_values=1,N;decoder_input_ids=1,M:long"
        wide = _number(config, 768, "hidden_size")
        if "decoder_input_values" in takes:  # what its networks in front make
            yield f"input_values=1,N,{wide};decoder_input_values=1,M,{wide}"
        if "hidden_states" in takes:
            yield "hidden_states=1,1,N"
            yield f"hidden_states=1,{wide},N"
    elif main == "input_features":
        part = getattr(config, "audio_config", None) or getattr(config, "encoder_config", None) or config
        bins = _number(
            part, 80, "feature_projection_input_dim", "num_mel_bins", "feature_size", "input_dim", "mel_bins"
        )
        ids = ";decoder_input_ids=1,M:long" * both
        yield f"input_features=1,N,{bins}{ids}"
        yield f"input_features=1,{bins},N{ids}"
        if "input_features_mask" in takes:
            yield f"input_features=1,{bins},N;input_features_mask=1,N:long"
            yield f"input_features=1,N,{bins};input_features_mask=1,N:long"
        yield (
            f"input_features=1,{bins},3000;decoder_input_ids=1,M:long" if both else f"input_features=B,{bins},3000"
        )
    elif main in ("pixel_values_videos", "audio_values"):
        if "input_ids" in needed:
            frames = _number(seen, 8, "num_frames")
            yield f"pixel_values_videos=1,{frames},{channels},{side},{side};input_ids=1,N:long"
        yield f"{main}=1,8,3,H,W" if main != "audio_values" else "audio_values=1,1,N"


def _number(config: object, default: int, *names: str) -> int:
    """The first of some settings that is a number."""
    found = [getattr(config, name, None) for name in names]
    found = [value[0] if isinstance(value, (list, tuple)) and value else value for value in found]
    return next((value for value in found if type(value) is int), default)


def judge(kind: str, identify: bool) -> dict[str, object]:
    """The verdict on one type, in this process."""
    from vpcalc.checks.exploring import NotExecutedError, explore
    from vpcalc.checks.targets import find_target
    from vpcalc.errors import InputError

    try:
        tries = list(candidates(kind))
    except Exception as error:
        return {"verdict": "not built", "why": _first(error)}
    if not tries:
        return {"verdict": "not built", "why": "no model of its own, or none that takes text, an image or sound"}
    why = ""
    counted: tuple[object, dict[str, object], str] | None = None
    for text, arguments in tries:
        try:
            target = find_target(f"transformers:{kind}", text, arguments)
            variant, explored = explore(target)
        except InputError as error:
            why = why or _first(error)
            continue
        except NotExecutedError as error:
            counted = counted or (text, arguments, str(error))
            if "loop" in str(error):
                break
            continue
        return {**_held_against_counts(kind, target, variant, explored), "input": _spelled(text)}
    if counted is not None:
        return {**_identified(kind, *counted, identify), "input": _spelled(counted[0])}
    if "not found in your environment" in why:
        return {"verdict": "not built", "why": why}
    if not any(builds(kind, arguments) for _, arguments in tries):
        return {"verdict": "not built", "why": f"transformers cannot build it from its own defaults: {why}"}
    return {"verdict": "failed", "why": why}


@lru_cache
def _builds(kind: str, settings: str) -> bool:
    import torch
    import transformers

    try:
        with torch.device("meta"):
            transformers.AutoModel.from_config(transformers.AutoConfig.for_model(kind, **json.loads(settings)))
    except Exception:
        return False
    return True


def builds(kind: str, settings: dict[str, object]) -> bool:
    """Whether transformers itself builds a type with some settings."""
    return _builds(kind, json.dumps(settings))


def _spelled(given: object) -> str:
    return given if isinstance(given, str) else "patches of a grid of H × W, merged"


def _first(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _identified(
    kind: str, given: object, arguments: dict[str, object], why: str, identify: bool
) -> dict[str, object]:
    """What counts alone give where a run cannot be followed."""
    import vpcalc

    if not identify:
        return {"verdict": "not executed", "why": why}
    try:
        named = {"input": given} if isinstance(given, str) else {"inputs": getattr(given, "make", None)}
        answer = vpcalc.derive(f"transformers:{kind}", args=arguments, counting=True, **named)
    except vpcalc.InputError as error:
        return {"verdict": "failed", "why": f"{why}; {_first(error)}"}
    found = answer.macs is not None
    return {"verdict": "identified" if found else "failed", "why": why}


def _held_against_counts(kind: str, target: object, variant: object, explored: object) -> dict[str, object]:
    """The verdict on an executed type: the counter decides whether anything in it is wrong."""
    from vpcalc.checks.exploring import program_of

    program = program_of(target, variant, explored.zeros)
    exploration = explored.exploration
    rng = random.Random(kind)
    wrong: list[dict[str, int]] = []
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
            differs = counted is not None and not isinstance(regime.leader.execution.error, IndexError)
        else:
            differs = regime.leader.execution.macs.at(point) != counted
        if differs:
            wrong.append(point)
    complete = explored.complete
    why = "" if complete else "; ".join(dict.fromkeys(reason for _, reason in exploration.open))
    if explored.real.agrees is False:
        return {"verdict": "wrong", "why": f"a real run differs: {explored.real.note}"}
    if wrong:
        return {"verdict": "wrong", "why": f"at {wrong[0]} and {len(wrong) - 1} others of {TRIALS}"}
    running = sum(not regime.refused for regime in exploration.regimes)
    return {
        "verdict": "complete" if complete else "partial",
        "why": why,
        "regimes": running,
        "unknown": sorted(explored.unknown),
    }


def warm() -> None:
    """Import, once for all types, what building any model imports."""
    import torch
    import transformers

    import vpcalc.answers.derive
    import vpcalc.execution.regimes  # noqa: F401

    transformers.logging.set_verbosity_error()
    with torch.device("meta"):
        for kind in ("bert", "granite", "vit", "t5", "wav2vec2"):
            transformers.AutoModel.from_config(transformers.AutoConfig.for_model(kind, num_hidden_layers=1))


def in_a_process(kind: str, seconds: int, identify: bool) -> dict[str, object]:
    """The verdict on one type from a process of its own, which may crash or be too slow."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        try:
            row = judge(kind, identify)
        except BaseException as error:
            row = {"verdict": "failed", "why": f"{type(error).__name__}: {_first(error)}"}
        os.write(writer, json.dumps(row).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {"verdict": "failed", "why": f"more than {seconds} seconds"}


def page(rows: list[dict[str, object]], of: int, version: str) -> str:
    """The table as a page of the docs; ``of`` are all types that there are in a version of transformers."""
    lines = [
        "# Coverage of transformers",
        "",
        "What `vpcalc derive transformers:TYPE` answers for the model types of transformers, each from a small",
        "configuration (one layer of each kind). *Complete*: a form, or a refusal, for every size of the range;",
        "*partial*: for some; *identified*: from counts alone; *not executed*: left to counting, which was not",
        "tried here; *failed*: none, or none within the limit. Every form was held against the",
        f"dispatch counter at {TRIALS} random sizes, on and off every lattice: *wrong* would be one that differs",
        "anywhere. What cannot be built, for want of a package or of a model of its own, is not judged.",
        "`python benchmarks/coverage.py --results FILE --resume -o docs/coverage.md` makes this page, in pieces",
        "if need be: each row is that of the last run of its type.",
        "",
        f"Of {of} types, {summary(rows)}",
        "",
        "| type | input | verdict | regimes | why |",
        "| --- | --- | --- | ---: | --- |",
    ]
    for row in sorted(rows, key=lambda row: (VERDICTS.index(str(row["verdict"])), str(row["kind"]))):
        if row["verdict"] == "not built":
            continue
        why = " ".join(str(row.get("why", "")).split()).replace("|", "\\|").replace("<", "&lt;")[:160]
        why = why.removeprefix(f"transformers:{row['kind']}: ")
        given = f"`{row['input']}`" if row.get("input") else ""
        lines.append(f"| {row['kind']} | {given} | {row['verdict']} | {row.get('regimes', '')} | {why} |")
    broken = [str(row["kind"]) for row in rows if str(row["why"]).startswith("transformers cannot build")]
    if broken:
        lines += [
            "",
            f"Not built by transformers {version} itself from their defaults: {', '.join(sorted(broken))}.",
        ]
    return "\n".join(lines) + "\n"


def summary(rows: list[dict[str, object]]) -> str:
    """How many there are of each verdict."""
    tally = Counter(str(row["verdict"]) for row in rows)
    judged = len(rows) - tally["not built"]
    good = tally["complete"] + tally["partial"]
    parts = ", ".join(f"{tally[verdict]} {verdict}" for verdict in VERDICTS)
    share = f"{good} of {judged} complete or partial ({100 * good // max(judged, 1)} %)"
    return f"{len(rows)} were run: {parts}. {share}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("types", nargs="*")
    parser.add_argument("--every", type=int, default=1, help="take each Nth type")
    parser.add_argument("--from", type=int, default=0, dest="start", help="the first of them")
    parser.add_argument("--results", type=Path, help="append verdicts to this file, one a line")
    parser.add_argument("--resume", action="store_true", help="leave out types that --results has already")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of the processor for each type")
    parser.add_argument("--no-counting", action="store_true", help="do not count what cannot be executed")
    parser.add_argument("-o", "--output", type=Path, help="write the page of the docs")
    options = parser.parse_args()
    warm()
    import transformers
    from transformers import CONFIG_MAPPING

    kinds = options.types or sorted(CONFIG_MAPPING)[options.start :: options.every]
    rows: dict[str, dict[str, object]] = {}
    if options.resume and options.results and options.results.exists():
        for line in options.results.read_text("utf-8").splitlines():
            row = json.loads(line)
            rows[str(row["kind"])] = row
    for kind in kinds:
        if kind in rows:
            continue
        row = {"kind": kind, **in_a_process(kind, options.seconds, not options.no_counting)}
        rows[kind] = row
        if options.results:
            with options.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        print(f"{kind:28} {row['verdict']:11} {' '.join(str(row['why']).split())[:140]}", flush=True)
    print(f"\n{summary(list(rows.values()))}", file=sys.stdout)
    if options.output:
        options.output.write_text(
            page(list(rows.values()), len(list(CONFIG_MAPPING)), transformers.__version__), "utf-8"
        )


if __name__ == "__main__":
    main()
