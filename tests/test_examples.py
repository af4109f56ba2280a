"""Every example that --help prints runs as it is printed, in a folder that has the files it names."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import typer
from torch import nn

import vpcalc
from vpcalc.cli.app import application
from vpcalc.cli.start import TRY
from vpcalc.snapshots import UPDATE
from vpcalc.testing import assert_cost

from .conftest import Run

EXAMPLES = Path(__file__).parent.parent / "examples"

MAKE = """
from torch import nn
from torch.nn.functional import pad


class Attention(nn.Module):
    def __init__(self, dim=64, num_heads=4):
        super().__init__()
        self.heads, self.qkv, self.proj = num_heads, nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        B, N, C = x.shape
        q, k, v = self.qkv(x).reshape(B, N, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        maps = (q @ k.transpose(-2, -1)).softmax(-1)
        return self.proj((maps @ v).transpose(1, 2).reshape(B, N, C))


class X(nn.Module):
    def __init__(self, dim=64, window=7):
        super().__init__()
        self.side, self.proj = window, nn.Linear(dim, dim)

    def forward(self, x):
        M = self.side
        x = pad(x, (0, 0, 0, -x.shape[2] % M, 0, -x.shape[1] % M))
        B, h, w, C = x.shape
        x = x.reshape(B, h // M, M, w // M, M, C).transpose(2, 3).reshape(-1, M * M, C)
        return (x @ x.transpose(-2, -1)).softmax(-1) @ self.proj(x)


def make(dim=64, num_heads=4):
    return Attention(dim, num_heads)
"""
SLOW = (
    "design resnet50",
    "page",
    "plot memory",
    "prove --jobs",
    "prove msa",
    "audit",
    "transformers:",
    "reproduce",
    "model swin_t",
    "plot resolution",
    "vpcalc theory",
    "diff",
)
"""Beginnings of examples that take seconds."""


def helps(command: Any, path: str = "vpcalc") -> Iterator[tuple[str, str]]:
    """The help of a command and of all within it."""
    yield path, f"{command.help or ''}\n{command.epilog or ''}"
    for name, each in getattr(command, "commands", {}).items():
        yield from helps(each, f"{path} {name}")


def examples() -> list[str]:
    """The lines that a reader would copy."""
    found = [line for line, _ in TRY]
    for path, text in helps(typer.main.get_command(application())):
        here = re.findall(r"^\s*(?:Examples?:\s+|Try:\s+)?(vpcalc \S.*?)\s*$", text, re.M)
        assert path == "vpcalc" or here or path == "vpcalc plot", f"{path} --help shows no example"
        found += [part for line in here for part in re.split(r"\s{2,}or\s{2,}", line)]
    return list(dict.fromkeys(found))


def is_slow(example: str) -> bool:
    return any(example.removeprefix("vpcalc ").startswith(word) or f" {word}" in example for word in SLOW)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder under git with a module, a list of macros, a paper and a certificate."""
    folder = tmp_path_factory.mktemp("examples")
    for name in ("model.py", "attn.py", "old.py", "new.py"):
        (folder / name).write_text(MAKE, encoding="utf-8")
    for name in ("paper.tex", "paper.toml"):
        shutil.copy(EXAMPLES / "paper" / name, folder)
    (folder / "README.md").write_text("<!-- vpcalc: formula msa -->\n<!-- /vpcalc -->\n", encoding="utf-8")
    (folder / "certificate.json").write_text(json.dumps(vpcalc.prove(["msa"]).to_dict()), encoding="utf-8")
    with mock.patch.dict(os.environ, {UPDATE: "1"}):
        assert_cost(nn.Linear(8, 8), "1,8", snapshot=folder / "tests" / "cost" / "model.json")
    for command in (
        "git init -q -b main",
        "git config user.name Name",
        "git config user.email name@example.org",
        "git add .",
        "git commit -q -m First",
    ):
        subprocess.run(shlex.split(command), cwd=folder, check=True)
    return folder


@pytest.mark.quick(12)
@pytest.mark.parametrize(
    "example", [pytest.param(each, marks=[pytest.mark.slow] if is_slow(each) else []) for each in examples()]
)
def test_an_example_runs_as_printed(
    place: Path, example: str, inside: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    _, *words = shlex.split(example)
    done = inside(*words)
    assert done.returncode in ((0, 1) if example.startswith("vpcalc diff") else (0,)), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout or "wrote" in done.stderr
