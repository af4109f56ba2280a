"""Sweeps: every row is what a call of its own gives, and nothing is lost, wrapped or left half written."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import pytest

import vpcalc
from vpcalc.architectures import ARCHITECTURES

COUNTED = ("macs", "params", "fvcore", "activations", "flops")


def rows_of(sweep: vpcalc.answers.sweep.Sweep) -> list[dict[str, Any]]:  # type: ignore[name-defined]
    return list(sweep.records())


def values_of(text: str) -> list[Any]:
    """What a test's own axis stands for, read in the plainest way."""
    if ";" in text:
        return [tuple(map(int, each.split(","))) for each in text.split(";")]
    found: list[Any] = []
    for piece in text.split(","):
        if ":" in piece:
            first, last, step = [*map(int, piece.split(":")), 1][:3]
            found += range(first, last + 1, step)
        else:
            found.append(int(piece) if piece.isdecimal() else piece)
    return found


def alone(target: str, set: Mapping[str, Any], config: Mapping[str, Any], memory: bool = False) -> dict[str, Any]:
    """One configuration by a call of its own; an InputError where it is refused."""
    architecture = ARCHITECTURES[target]
    axes, changed = architecture.family.axes, dict(set)
    sizes = axes.point(architecture.sizes)
    batch = config.get("batch", 1)
    for name, value in config.items():
        whole_name, _, place = name.rpartition("_")
        if name in axes:
            sizes[name] = value
        elif name == axes.equal:
            sizes = dict.fromkeys(sizes, value)
        elif name in architecture.settings:
            changed[name] = value
        elif name != "batch":
            entries = list(changed.get(whole_name, architecture.config[whole_name]))
            entries[int(place) - 1] = value
            changed[whole_name] = tuple(entries)
    given = dict(
        zip(axes.options, sizes.values() if len(axes.options) > 1 else [tuple(sizes.values())], strict=True)
    )
    if len(sizes) == 1:
        given = {axes.options[0]: next(iter(sizes.values()))}
    ask = vpcalc.memory if memory else vpcalc.model
    found: dict[str, Any] = ask(target, **given, set=changed, batch=batch, check=False).to_dict()  # type: ignore[operator]
    return found


MODELS: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "swin": ("swin_t", {"H": "33:300:7", "W": "224,225,97", "C": "47:97", "M": "4:9", "r": "1,4"}, {}),
    "swin heads": ("swin_t", {"C": "32:96:8", "heads": "2,4,8,16;4,4,8,8", "depths_3": "1,6", "batch": "1:3"}, {}),
    "swin entry": ("swin_s", {"heads_2": "1:8", "C": "48,96", "input": "224,231"}, {}),
    "vit": (
        "vit_ti_16",
        {"input": "100:300:9", "P": "7:20", "heads": "2,3", "C": "30,64,96", "depth": "1,12"},
        {},
    ),
    "deit": ("deit_t", {"H": "16:40", "C": "191:194"}, {"P": 8}),
    "pvt": ("pvt_tiny", {"H": "60:260:11", "W": "224", "C_2": "63:66", "heads_2": "1:3", "R_1": "4,7,8"}, {}),
    "pvt_v2": ("pvt_v2_b0", {"input": "33:300:13", "R_1": "3,8", "linear": "true,false", "P": "5,7"}, {}),
    "resnet": ("resnet18", {"H": "20:90", "C": "16:64:16", "depths": "2,2,2,2;1,2,3,1", "classes": "0,10"}, {}),
    "vgg": ("vgg11", {"H": "40:80:3", "W": "33,64", "C": "8:24:8", "norm": "true,false"}, {}),
    "convnext": ("convnext_t", {"H": "32:90:5", "k": "3:8", "P": "2:5", "C": "16:18"}, {}),
    "exfuse": ("exfuse_resnet50", {"H": "64:200:17", "k": "7,15", "classes": "1:21:5"}, {"C": 16}),
    "transformer": ("transformer_base", {"S": "1:50:7", "T": "9,20", "N": "1:3", "h": "2:8", "d_k": "16,64"}, {}),
    "t5": ("t5_small", {"tokens": "5,64", "part": "both,encoder,decoder", "layers": "1,6", "d_kv": "8,64"}, {}),
    "retnet": (
        "retnet_1_3b",
        {"N": "1:64:9", "form": "parallel,recurrent,chunkwise", "heads": "3,8"},
        {"layers": 2},
    ),
    "rnn": ("lstm", {"T": "1:9", "d": "1:5", "n": "1:6:2", "layers": "1:3", "bidirectional": "true,false"}, {}),
}


@pytest.mark.parametrize("case", MODELS)
def test_rows_are_what_calls_one_by_one_give(case: str) -> None:
    target, vary, set = MODELS[case]
    sweep = vpcalc.sweep(target, vary=vary, set=set, columns=COUNTED)
    _agree(sweep, vary, lambda config: alone(target, set, config), COUNTED, draws=24)


def _agree(sweep: Any, vary: Mapping[str, str], ask: Any, columns: Iterable[str], draws: int) -> None:
    """Random configurations of a sweep against calls; none is missing and none is there that is refused."""
    values = {name: values_of(text) for name, text in vary.items()}
    rows = {tuple(_plain(row[name]) for name in vary): row for row in rows_of(sweep)}
    total = prod(map(len, values.values()))
    assert len(rows) == sweep.counts.kept
    assert len(rows) + sum(sweep.counts.left.values()) == total == sweep.counts.configurations
    dice, seen = random.Random(repr(sorted(vary))), 0
    for _ in range(draws):
        config = {name: dice.choice(each) for name, each in values.items()}
        row = rows.get(tuple(config.values()))
        try:
            found = ask(config)
        except vpcalc.InputError:
            assert row is None, config
            continue
        assert row is not None, config
        assert {name: row[name] for name in columns} == {name: found[name] for name in columns}, config
        seen += 1
    assert seen


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else str(value).lower() if isinstance(value, bool) else value


BYTES = ("saved_bytes", "peak_bytes", "forward_peak_bytes", "inference_bytes", "training_bytes", "buffers_bytes")

IN_BYTES = {
    "swin": ("swin_t", {"H": "56,60,61", "C": "31,32,60", "batch": "1:3"}, {"depths": "1,2", "heads": "2,4"}),
    "vit": ("vit_ti_16", {"input": "16:70:9", "C": "1:7", "heads": "1:3", "batch": "1,2"}, {"depth": 2}),
    "pvt": ("pvt_tiny", {"H": "64,65,97", "R_1": "7,8", "C_1": "62:64", "batch": "1,2"}, {"depths": "1,1,1,1"}),
    "lstm": ("lstm", {"T": "1:3", "n": "1:4", "d": "1,8", "batch": "1:3"}, {}),
    "transformer": ("transformer_base", {"S": "1:7", "T": "1,6", "d_k": "1,3", "batch": "1,2"}, {"N": 1}),
}


@pytest.mark.parametrize("case", IN_BYTES)
def test_bytes_are_what_calls_one_by_one_give(case: str) -> None:
    target, vary, set = IN_BYTES[case]
    sweep = vpcalc.sweep(target, vary=vary, set=set, columns=BYTES)
    _agree(sweep, vary, lambda config: alone(target, set, config, memory=True), BYTES, draws=8)
