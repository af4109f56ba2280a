"""What is trained of a network: frozen modules and layers of low rank, against real ones to the byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributed._tools.mem_tracker import MemTracker
from typer.testing import CliRunner

import vpcalc
from vpcalc import InputError
from vpcalc.abstract import functions, modules
from vpcalc.abstract.tape import CPU
from vpcalc.abstract.tuning import Tuning
from vpcalc.architectures import ARCHITECTURES
from vpcalc.checks.memory import check_memory
from vpcalc.cli.app import application
from vpcalc.counters import saved
from vpcalc.reference import MODEL_WITNESSES
from vpcalc.reference.tuning import tuned
from vpcalc.storage.footprint import Way, model_footprint

from .test_step import SMALL

LOW, HEAD = Tuning(rank=3), Tuning(("head",))
WITH_HEAD = ("swin_t", "vit_ti_16", "pvt_v2_b0", "convnext_t")


@pytest.mark.quick(8)
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("id", "sizes", "changes"), [case for case in SMALL if case[0] not in ("lstm", "gru")])
def test_low_rank_beside_every_linear_layer(id: str, sizes: Any, changes: Any, batch: int) -> None:
    """Weights, trained weights, saved tensors by module, all peaks, and the whole step."""
    family, config = ARCHITECTURES[id].family, ARCHITECTURES[id].configure(changes)
    report, _ = check_memory(family, sizes, config, batch, Way(tuning=LOW), step=True)
    assert report.verdict.value == "agrees", str(report)


PARTS = [HEAD, Tuning(("head", "norm")), Tuning(("norm1",)), Tuning(("head",), 2, ("fc1",))]
SOME = [
    (case, tuning)
    for case in SMALL
    if case[0] in WITH_HEAD
    for tuning in (PARTS if case[0] != "convnext_t" else [HEAD, Tuning(("stages.2",))])
]


@pytest.mark.parametrize(("case", "tuning"), SOME, ids=str)
def test_some_modules(case: Any, tuning: Tuning) -> None:
    id, sizes, changes = case
    family, config = ARCHITECTURES[id].family, ARCHITECTURES[id].configure(changes)
    report, _ = check_memory(family, sizes, config, 2, Way(tuning=tuning), step=True)
    assert report.verdict.value == "agrees", str(report)


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    "way",
    [
        Way("bfloat16", tuning=LOW),
        Way(tuning=LOW, attention="fused"),
        Way(tuning=LOW, amp="bfloat16"),
        Way("bfloat16", tuning=LOW, gathering=True),
    ],
    ids=["bfloat16", "fused", "autocast", "gathered"],
)
@pytest.mark.parametrize("id", ["vit_ti_16", "swin_t"])
def test_in_every_way(id: str, way: Way) -> None:
    """Casts of frozen weights are made anew each time; a frozen table of positions keeps attention fused."""
    sizes, changes = next((sizes, changes) for name, sizes, changes in SMALL if name == id)
    family, config = ARCHITECTURES[id].family, ARCHITECTURES[id].configure(changes)
    report, _ = check_memory(family, sizes, config, 2, way, step=True)
    assert report.verdict.value == "agrees", str(report)


@pytest.mark.parametrize("tuning", [LOW, Tuning(rank=2, on=("qkv",)), Tuning(("blocks.9",))])
def test_rounds_that_are_counted(tuning: Tuning) -> None:
    """The first block has nothing before it that learns; the last of these is trained alone."""
    family, config = ARCHITECTURES["vit_ti_16"].family, ARCHITECTURES["vit_ti_16"].configure({"depth": 11})
    report, _ = check_memory(family, (32, 32), config, 2, Way(tuning=tuning), step=True)
    assert report.verdict.value == "agrees", str(report)


def _real(id: str, sizes: Any, changes: Any, tuning: Tuning) -> tuple[nn.Module, Any]:
    made = MODEL_WITNESSES[ARCHITECTURES[id].family.name](sizes, ARCHITECTURES[id].configure(changes), 2)
    return tuned(made.module, tuning), made.inputs


def test_a_step_under_pytorchs_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    """For real, with AdamW on what is trained: its state, its gradients and its counters are of these alone."""
    sizes, changes = (32, 32), {"depth": 3}
    module, inputs = _real("vit_ti_16", sizes, changes, Tuning(("head",), 4, ("qkv",)))
    trained = [weight for weight in module.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, foreach=False)

    def step() -> None:
        outputs = module(*inputs)
        torch.stack([outputs.sum()]).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()

    step()
    tracker: Any = MemTracker()
    # its hooks on modules want a gradient of every weight; without them it has totals
    monkeypatch.setattr(tracker._mod_tracker, "__enter__", lambda: None, raising=False)
    monkeypatch.setattr(tracker._mod_tracker, "__exit__", lambda *_: None, raising=False)
    tracker.track_external(module, optimizer, *inputs)
    with tracker:
        step()
    seen = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]
    said = vpcalc.memory(
        "vit_ti_16", input=32, set=changes, batch=2, train=True, trained="head", lora=4, lora_on="qkv"
    ).to_dict()
    assert said["verdict"] == "agrees"
    assert said["params"] == sum(weight.numel() for weight in trained)
    assert said["frozen_params"] == sum(w.numel() for w in module.parameters() if not w.requires_grad)
    assert said["gradients_bytes"] == 4 * said["params"]
    assert said["optimizer_bytes"] == 8 * said["params"]
    assert said["optimizer_host_bytes"] == 4 * len(trained) == 4 * (3 * 2 + 2)
    assert seen == said["step_peak_bytes"] + said["optimizer_host_bytes"]


def test_what_a_frozen_network_keeps_by_hand() -> None:
    """Of a frozen layer no input is kept, as its weight wants no gradient; what learns after it needs its own."""
    said = vpcalc.memory("vit_ti_16", input=32, set={"depth": 1}, batch=2, train=True, trained="head", check=False)
    assert said.to_dict()["saved_bytes"] == 2 * 5 * 192 * 4  # the first token, of all that are stored
    low = vpcalc.memory("vit_ti_16", input=32, set={"depth": 1}, batch=2, train=True, lora=5, lora_on="fc2")
    kept = {f"{part.path} {part.kind}": part.total for part in low.footprint.kept}
    tokens, hidden = 2 * 5, 4 * 192
    assert kept["blocks.0.ffn.fc2.lora_A linear"] == tokens * hidden * 4
    assert kept["blocks.0.ffn.fc2.lora_B linear"] == tokens * 5 * 4
    assert not any("ffn.fc1" in path or "attention" in path for path in kept)


def test_on_the_cpu() -> None:
    module, inputs = _real("swin_t", (45, 70), {"C": 12, "depths": (2, 2), "heads": (3, 2), "M": 5}, LOW)
    family, config = ARCHITECTURES["swin_t"].family, ARCHITECTURES["swin_t"].configure(dict(SMALL[0][2]))
    expected = model_footprint(family, (45, 70), config, 2, Way(tuning=LOW, kernels=CPU))
    assert expected.by_module() == dict(saved.count(module, inputs).by_module)


class Frozen(nn.Module):
    """Half of it is frozen by its own code."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16)).requires_grad_(False)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.head(x + self.body(x))
        return made


class ByHand(Frozen):
    """The same with layers of low rank, written out."""

    def __init__(self, rank: int = 4) -> None:
        super().__init__()
        self.requires_grad_(False)
        self.down, self.up = nn.Linear(16, rank, bias=False), nn.Linear(rank, 32, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        first, act, second = self.body
        y = first(x)
        y = y + self.up(self.down(x)) * 2.0
        made: Tensor = self.head(x + second(act(y)))
        return made


ASK: Any = vpcalc.memory
"""With a class instead of a name, which is not in its signature."""


@pytest.mark.parametrize(
    "asked", [{"lora": 4}, {"lora": 4, "lora_on": "body.0"}, {"trained": "head"}, {"trained": "body", "lora": 2}]
)
def test_ones_own_module(asked: dict[str, Any]) -> None:
    found = ASK(Frozen, input="2,9,16", train=True, **asked)
    assert found.to_dict()["verdict"] == "agrees"
    tuning = Tuning(
        tuple(filter(None, asked.get("trained", "").split(","))),
        asked.get("lora", 0),
        tuple(filter(None, asked.get("lora_on", "").split(","))),
    )
    module = tuned(Frozen(), tuning)
    assert found.to_dict()["params"] == sum(w.numel() for w in module.parameters() if w.requires_grad)


def test_low_rank_is_what_one_would_write() -> None:
    """The option's figures are those of a module in which it is written out."""
    option = ASK(Frozen, input="2,9,16", train=True, lora=4, lora_on="body.0").to_dict()
    written = ASK(ByHand, input="2,9,16", train=True).to_dict()
    same = ("params", "frozen_params", "weights_bytes", "saved_bytes", "forward_peak_bytes", "optimizer_bytes")
    assert {name: option[name] for name in same} == {name: written[name] for name in same}
    assert option["step_peak_bytes"] <= written["step_peak_bytes"]  # a name of its own keeps what was before


def test_the_reader_s_module_is_left_as_it_is() -> None:
    module = Frozen()
    before = [(name, weight.requires_grad) for name, weight in module.named_parameters()]
    ASK(lambda: module, input="2,9,16", train=True, lora=4, check=False)
    assert [(name, weight.requires_grad) for name, weight in module.named_parameters()] == before


def test_frozen_weights_are_named_by_model() -> None:
    ask: Any = vpcalc.model
    found = ask(Frozen, input="2,9,16", check=False)
    frozen = 16 * 32 + 32 + 32 * 16 + 16
    assert (found.to_dict()["params"], found.to_dict()["frozen_params"]) == (51, frozen)
    assert f"51 of {51 + frozen:,} parameters are trained; params are these" in found.notes
    assert any("51 of" in note for note in ASK(Frozen, input="2,9,16", train=True, check=False).tables()[0].notes)


def test_a_frozen_input_that_is_kept_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a frozen layer kept what it was given, the check would say so."""
    real = functions._rows_times

    def keeping(x: Any, weight: Any, bias: Any) -> Any:
        before, weight.leaf = weight.leaf, True
        try:
            return real(x, weight, bias)
        finally:
            weight.leaf = before

    monkeypatch.setattr(functions, "_rows_times", keeping)
    family, config = ARCHITECTURES["vit_ti_16"].family, ARCHITECTURES["vit_ti_16"].configure({"depth": 1})
    report, _ = check_memory(family, (32, 32), config, 2, Way(tuning=LOW), step=True)
    assert "saved_bytes" in {check.quantity for check in report.differing}


def test_a_layer_that_is_forgotten_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "UP", "base_layer")
    family, config = ARCHITECTURES["vit_ti_16"].family, ARCHITECTURES["vit_ti_16"].configure({"depth": 1})
    report, _ = check_memory(family, (32, 32), config, 2, Way(tuning=LOW), step=True)
    assert "trained_bytes" in {check.quantity for check in report.differing}


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        ("vit_ti_16", {"lora": 8, "lora_on": "kqv"}, "--lora-on 'kqv' is not known; did you mean qkv"),
        ("vit_ti_16", {"trained": "hed"}, "--trained 'hed' is not known; did you mean head?"),
        ("vit_ti_16", {"trained": "a/b"}, "must be names of modules"),
        ("vit_ti_16", {"lora": 0}, "--lora 0: must be a whole number from 1"),
        ("vit_ti_16", {"lora_on": "q"}, "--lora-on: needs --lora"),
        ("vit_ti_16", {"lora": 8, "train": False}, "changes nothing without --train"),
        ("vit_ti_16", {"lora": 8, "recompute": "block"}, "--recompute must be none"),
        ("lstm", {"lora": 8, "tokens": 5}, "no linear layer of its own"),
        (Frozen, {"input": "2,9,16", "trained": "hed"}, "--trained 'hed' is not known; did you mean head?"),
        (Frozen, {"input": "2,9,16", "lora": 2, "lora_on": "q"}, "--lora-on 'q' is not known"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(name: Any, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        ASK(name, **{"train": True, "check": False, **asked})
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_from_the_command_line() -> None:
    asked = ["memory", "vit_ti_16", "--train", "--lora", "8", "--lora-on", "qkv,proj", "--trained", "head"]
    asked += ["--optimizer", "adamw_bnb_8bit", "--no-check", "--format", "json"]
    result = CliRunner().invoke(application(["memory"]), asked)
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert (said["lora"], said["lora_on"], said["trained"]) == (8, ["qkv", "proj"], ["head"])
    assert said["optimizer"] == "adamw8bit"
    assert said["gradients_bytes"] == 4 * said["params"] < said["weights_bytes"] / 10
