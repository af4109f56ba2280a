"""Nothing is fetched and no weights or code are loaded: sockets are trapped, and arguments are refused."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from vpcalc.answers.derive import derive
from vpcalc.checks.arguments import ATTENTIONS, HARMLESS, refuse_in_document, refuse_loading
from vpcalc.checks.shapes import read_argument
from vpcalc.checks.targets import find_target
from vpcalc.counters import ways
from vpcalc.counters.ways import Way
from vpcalc.errors import InputError
from vpcalc.sources import quiet

from .conftest import Run

pytest.importorskip("transformers")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have left the machine."""
    found: list[str] = []

    def trap(name: str) -> Any:
        def stopped(*args: object, **kwargs: object) -> None:
            found.append(f"{name} {args!r}")
            raise OSError("trapped")

        return stopped

    for owner, name in (
        (socket.socket, "connect"),
        (socket.socket, "connect_ex"),
        (socket, "create_connection"),
        (socket, "getaddrinfo"),
    ):
        monkeypatch.setattr(owner, name, trap(name))
    return found


def test_the_trap_works(calls: list[str]) -> None:
    from urllib.error import URLError
    from urllib.request import urlopen

    with pytest.raises(URLError):
        urlopen("http://localhost:9/")
    assert calls


# -- arguments ---------------------------------------------------------------------------------------------------

LOADING = (  # a target, an argument, and its value
    ("transformers:bert", "attn_implementation", "OWNER/NAME"),
    ("transformers:bert", "attn_implementation", "paged|OWNER/NAME"),
    ("transformers:bert", "attn_implementation", "flash_attention_2"),
    ("transformers:bert", "attn_implementation", "K"),
    ("transformers:bert", "_attn_implementation", "OWNER/NAME"),
    ("transformers:bert", "attn_implementation", {"": "OWNER/NAME"}),
    ("transformers:bert", "trust_remote_code", "true"),
    ("transformers:bert", "use_kernels", "true"),
    ("transformers:bert", "auto_map", "x.Y"),
    ("transformers:bert", "name_or_path", "bert/base"),
    ("transformers:detr", "use_pretrained_backbone", "true"),
    ("transformers:detr", "backbone", "resnet50"),
    ("transformers:detr", "backbone_config", ["OWNER/NAME"]),
    ("timm:resnet18", "checkpoint_path", "weights.pth"),
    ("timm:resnet18", "checkpoint_path", "F"),
    ("timm:resnet18", "pretrained", "true"),
    ("timm:resnet18", "pretrained", "1"),
    ("timm:resnet18", "pretrained_cfg", "a.in1k"),
    ("timm:resnet18", "pretrained_cfg_overlay", {"file": "x"}),
    ("timm.models:create_model", "model_name", "hf_hub:OWNER/NAME"),
    ("torchvision:resnet18", "weights", "DEFAULT"),
    ("torchvision:resnet18", "weights_backbone", "true"),
    ("model.py:make", "pretrained", "true"),
    ("model.py:make", "weights", "w.pth"),
    ("model.py:make", "checkpoint", "w.pth"),
)


@pytest.mark.parametrize(("target", "name", "value"), LOADING, ids=lambda part: str(part)[:40])
def test_an_argument_that_loads_is_refused(
    calls: list[str], target: str, name: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.py").write_text("def make(**given): ...")
    with pytest.raises(InputError, match=f"^--arg {name}[ =]") as caught:
        derive(target, "1,3,H,W", {name: value})
    assert "\n" not in str(caught.value)
    assert not calls


@pytest.mark.parametrize(
    "target",
    ["transformers:x.from_pretrained", "transformers.models.bert:BertModel.from_pretrained", "torch:hub.load"],
)
def test_a_function_that_loads_is_refused(calls: list[str], target: str) -> None:
    with pytest.raises(InputError, match=r"never does|is not known"):
        derive(target, "1,N", {"repo_or_dir": "OWNER/NAME"})
    assert not calls


@pytest.mark.parametrize(
    "settings",
    [
        {"pretrained": "false", "weights": "none", "checkpoint_path": "", "trust_remote_code": "false"},
        {"drop_path": "0.1", "gradient_checkpointing": "true", "use_checkpoint": "false", "kernel_size": "3,3"},
        {"hidden_act": "gelu", "init_weights": "true", "pretraining_tp": "2", "conv_kernel": "K"},
        {"attn_implementation": "sdpa", "_attn_implementation": "none"},
    ],
)
def test_an_argument_that_builds_is_left_alone(settings: Mapping[str, str]) -> None:
    refuse_loading({name: read_argument(name, value) for name, value in settings.items()}, "transformers:bert")


def test_a_path_may_go_to_code_of_ones_own() -> None:
    refuse_loading({"config_file": "model/small.yaml", "backbone": "resnet50"}, "model.py:make")


def test_what_may_stand_in_a_document_is_a_list() -> None:
    refuse_in_document("transformers:bert", {"hidden_size": "C", "num_hidden_layers": "2", "depths": "2,2,L"})
    for attention in ATTENTIONS:
        refuse_in_document("transformers:bert", {"attn_implementation": attention})
    assert {"hidden_act", "backbone", "weights", "pretrained", "torch_dtype"}.isdisjoint(HARMLESS)
    for name, value in {
        "torch_dtype": "float16",
        "rope_theta": "3",
        "hidden_size": "x/y",
        "depths": "2,x.pth",
    }.items():
        with pytest.raises(InputError, match=f"--arg {name}="):
            refuse_in_document("transformers:bert", {name: value})


def test_on_the_command_line(inside: Run) -> None:
    for command in (("derive", "--input", "1,N"), ("audit", "--tokens", "8", "--counter", "fvcore")):
        done = inside(command[0], "transformers:bert", *command[1:], "--arg", "attn_implementation=OWNER/NAME")
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
        assert "attn_implementation 'OWNER/NAME' is not known; known: eager, flex_attention, sdpa" in done.stderr


# -- the Hub -----------------------------------------------------------------------------------------------------

ASKS = """
import json, socket, sys
calls = []
def trap(*args, **kwargs):
    calls.append(str(args)); raise OSError("trapped")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = trap
{before}
from vpcalc.checks.targets import find_target
find_target("transformers:bert", "1,N")
import huggingface_hub
def ask():
    calls.clear()
    try:
        huggingface_hub.hf_hub_download("owner/name", "config.json", cache_dir={cache!r})
    except Exception as error:
        return type(error).__name__, len(calls)
print(json.dumps({{"offline": huggingface_hub.constants.HF_HUB_OFFLINE, "asked": ask()}}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("before", ["", "import huggingface_hub, transformers"], ids=["ours", "the user's"])
def test_the_hub_is_offline_whoever_imported_it(tmp_path: Path, before: str) -> None:
    code = ASKS.format(before=before, cache=str(tmp_path))
    environment = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert json.loads(done.stdout) == {"offline": True, "asked": ["LocalEntryNotFoundError", 0]}


# -- models ------------------------------------------------------------------------------------------------------


def build(name: str) -> bool:
    """Whether a model type of transformers can be built as vpcalc builds it, without memory."""
    try:
        target = find_target(f"transformers:{name}", "1,3,H,W")
        with quiet():
            ways._BUILDERS[Way.META](lambda: target.regimes[0].make({"H": 224, "W": 224}))
    except Exception:
        return False  # it needs settings, or a package; what counts is what it asked for before it said so
    return True


@pytest.mark.parametrize("name", ["bert", "vit", "t5", "segformer", "mixtral", "detr"])
def test_building_a_model_asks_for_nothing(calls: list[str], name: str) -> None:
    assert build(name) or name == "detr"  # which needs timm
    assert not calls


@pytest.mark.slow
def test_building_any_model_asks_for_nothing(calls: list[str]) -> None:
    """Every seventh of transformers' model types, and all that have a backbone."""
    from transformers import CONFIG_MAPPING

    names = sorted(CONFIG_MAPPING.keys())
    backbones = [name for name in names if "detr" in name or "former" in name]
    built = [name for name in dict.fromkeys([*names[::7], *backbones]) if build(name)]
    assert len(built) > 60
    assert not calls
