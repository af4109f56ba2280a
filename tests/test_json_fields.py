"""The fields of every command's JSON, against those on record: none disappears or changes its name unnoticed.

A new field is recorded by ``VPCALC_UPDATE=1 pytest tests/test_json_fields.py``. One that is gone raises
``SCHEMA_VERSION`` in the same commit, and the record says which version it is of.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vpcalc.answers.result import SCHEMA_VERSION
from vpcalc.cli.app import COMMANDS

from .conftest import Run

RECORD = Path(__file__).with_name("json_fields.json")

ASKED = {
    "compare": "compare --h 8 --w 8 --rows msa,wmsa",
    "model": "model swin_t --input 64",
    "model of several": "model swin_t resnet18 --no-check",
    "model of code": "model net.py:make --input 1,8",
    "model in letters": "model net.py:make --input 1,N,8",
    "crossover": "crossover msa wmsa",
    "crossover in one symbol": "crossover msa wmsa --at C=96 --at heads=3 --at M=7 --at w=h --range h=1:20",
    "formula": "formula msa --steps",
    "formula everywhere": "formula swin_t --everywhere",
    "formula of code": "formula net.py:make --input 1,N,8",
    "figure": "figure swin_t",
    "design": "design vit_ti_16 --input 32 --macs 100M --memory 1GiB --free C,depth=1:9 --explain",
    "sweep": "sweep swin_t --vary C=60:72 --top 3 --by macs",
    "layers": "layers",
    "models": "models --where 'top1 > 81'",
    "memory": "memory vit_ti_16 --input 32 --train --fit 24GiB --device a100_80gb",
    "memory of code": "memory net.py:make --input 1,8 --no-check",
    "reproduce": "reproduce vgg --no-check",
    "check": "check 4nd^2 --against msa",
    "check of an order": "check 'O(n^2 d)' --against msa",
    "prove": "prove msa",
    "audit": "audit net.py:make --input 1,8 --counter fvcore",
    "audit of a figure": "audit swin_t --against 4.5G",
    "theory": "theory rnn_gradient",
    "rnn": "rnn --T 5 --n 4 --d 3",
    "derive": "derive net.py:make --input 1,N,8",
    "derive by counts": "derive net.py:make --input 1,N,8 --counting",
    "derive at one size": "derive net.py:make --input 1,8",
    "diff": "diff net.py:make net.py:other --input 1,N,8",
    "embed": "embed document.md --check",
    "macros": "macros list.toml",
    "draw": "draw swin_t",
    "page": "page compare",
    "page of a model": "page vit_b_16",
    "plot crossover": "plot crossover",
    "plot region": "plot region msa wmsa --at C=96 --at heads=3 --at w=h",
    "plot memory": "plot memory",
    "plot resolution": "plot resolution",
    "plot models": "plot models",
    "plot stages": "plot stages swin_t",
    "plot operators": "plot operators swin_t",
    "plot roofline": "plot roofline vit_ti_16",
}

FILES = {
    "net.py": "from torch import nn\ndef make(): return nn.Linear(8, 3)\ndef other(): return nn.Linear(8, 4)\n",
    "document.md": "<!-- vpcalc: formula msa -->4<!-- /vpcalc -->\n",
    "list.toml": '[formulas]\nCost = "msa"\n',
}

NAMES = (
    "config",
    "operators",
    "modules",
    "symbols",
    "renaming",
    "at",
    "from",
    "range",
    "valid",
    "tried",
    "degree",
)
NAMES += ("counted", "free", "values", "counted_at", "evidence", "unknown", "fixed")
"""Fields that hold an object whose own names are data: of settings, operators, letters."""


def fields(value: Any, path: str = "") -> Iterator[str]:
    """``stages[].macs``: every place in an object at which a value may stand."""
    if isinstance(value, dict):
        is_data = path.rpartition(".")[2] in NAMES
        for name, inner in value.items():
            yield from fields(inner, f"{path}.{'*' if is_data else name}".lstrip("."))
        if not value:
            yield path
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner, f"{path}[]")
        if not value:
            yield f"{path}[]"
    else:
        yield path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("asked")
    for name, text in FILES.items():
        (made / name).write_text(text, encoding="utf-8")
    return made


def test_every_command_is_asked() -> None:
    assert {command.partition(" ")[0] for command in ASKED.values()} == set(COMMANDS)
    assert list(json.loads(RECORD.read_text(encoding="utf-8"))["fields"]) == list(ASKED)


@pytest.mark.quick(18)
@pytest.mark.parametrize("name", ASKED)
def test_fields_are_those_on_record(inside: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(folder)
    done = inside(*shlex.split(ASKED[name]), "--format", "json")
    found = sorted(set(fields(json.loads(done.stdout))))
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {"fields": {}}
    if os.environ.get("VPCALC_UPDATE"):
        known = {**record["fields"], name: found}
        record = {"schema_version": SCHEMA_VERSION, "fields": {each: known.get(each, []) for each in ASKED}}
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    before = record["fields"][name]
    assert record["schema_version"] == SCHEMA_VERSION
    assert not (gone := sorted(set(before) - set(found))), f"gone, which raises SCHEMA_VERSION: {gone}"
    assert not (new := sorted(set(found) - set(before))), f"new; record it with VPCALC_UPDATE=1: {new}"
