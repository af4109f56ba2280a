"""Optimizers: their state, their gradients in other types and their steps, against real ones under MemTracker."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributed._tools.mem_tracker import MemTracker

import vpcalc
from vpcalc import InputError
from vpcalc.abstract.tape import CPU
from vpcalc.architectures import ARCHITECTURES
from vpcalc.checks.memory import check_memory, default_type
from vpcalc.reference import MODEL_WITNESSES
from vpcalc.storage import optimizers
from vpcalc.storage.footprint import Way
from vpcalc.storage.optimizers import KINDS, Optimizer, read_optimizer
from vpcalc.storage.step import OPTIMIZER, model_step

CASES: tuple[tuple[str, tuple[int, ...], dict[str, Any], dict[str, Any]], ...] = (
    ("vit_ti_16", (32, 32), {"depth": 2}, {"input": 32}),
    ("resnet18", (32, 32), {}, {"input": 32}),
    ("swin_t", (64, 64), {"depths": (2, 2, 2, 2), "C": 48, "heads": (3, 3, 6, 6)}, {"input": 64}),
)
"""Matrices and vectors, convolutions, tables of positions."""


class Lion(torch.optim.Optimizer):
    """By its paper's algorithm: the sign of a mean, and another mean that is kept."""

    def __init__(self, weights: list[Tensor]) -> None:
        super().__init__(weights, {})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for weight in self.param_groups[0]["params"]:
            state = self.state[weight]
            mean = state.setdefault("mean", torch.zeros_like(weight) if not state else None)
            update = mean * 0.9 + weight.grad * 0.1
            weight.add_(update.sign_(), alpha=-1e-4)
            mean.mul_(0.99).add_(weight.grad, alpha=0.01)


REAL: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": partial(torch.optim.SGD, lr=0.1, foreach=False),
    "momentum": partial(torch.optim.SGD, lr=0.1, momentum=0.9, foreach=False),
    "adam": partial(torch.optim.Adam, foreach=False),
    "adamw": partial(torch.optim.AdamW, foreach=False),
    "adafactor": torch.optim.Adafactor,
    "lion": Lion,
}


def _module(id: str, sizes: tuple[int, ...], changes: dict[str, Any], dtype: torch.dtype) -> tuple[nn.Module, Any]:
    architecture = ARCHITECTURES[id]
    with default_type(dtype):
        made = MODEL_WITNESSES[architecture.family.name](sizes, architecture.configure(changes), 2)
    return made.module, made.inputs


class Training:
    """A module with an optimizer, on its weights or on masters of theirs in float32."""

    def __init__(self, module: nn.Module, make: Any, gradients: str | None) -> None:
        self.module, self.gradients = module, gradients
        self.weights: list[Any] = list(module.parameters())
        self.masters = [] if gradients is None else [weight.detach().float().clone() for weight in self.weights]
        self.gathered = [torch.zeros_like(m) for m in self.masters] if gradients == "float32" else []
        for weight, master, total in zip(self.weights, self.masters, self.gathered, strict=False):
            master.grad = total
            weight.register_post_accumulate_grad_hook(partial(self._add, total))
        self.optimizer = make(self.masters or self.weights)

    @staticmethod
    def _add(total: Tensor, weight: Tensor) -> None:
        assert weight.grad is not None
        total.add_(weight.grad)
        weight.grad = None

    def step(self, inputs: tuple[Any, ...]) -> None:
        outputs = self.module(*inputs)
        torch.stack([outputs.sum()]).sum().backward()
        if self.gradients == "both":
            for weight, master in zip(self.weights, self.masters, strict=True):
                master.grad = weight.grad.float()
        self.optimizer.step()
        for weight, master in zip(self.weights, self.masters, strict=False):
            weight.detach().copy_(master)
            if self.gradients == "both":
                master.grad = None
        for total in self.gathered:
            total.zero_()
        self.module.zero_grad()

    def peak(self, inputs: tuple[Any, ...]) -> int:
        """The most alive in a second step, its state and counters included."""
        self.step(inputs)
        tracker = MemTracker()
        tracker.track_external(self.module, self.optimizer, *inputs, *self.masters, *self.gathered)
        with tracker:
            self.step(inputs)
        return int(tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"])


@pytest.mark.quick(2)
@pytest.mark.filterwarnings("ignore:Expected a tensor:UserWarning")
@pytest.mark.parametrize("gradients", [None, "float32", "both"])
@pytest.mark.parametrize("name", sorted(REAL))
@pytest.mark.parametrize(("id", "sizes", "changes", "asked"), CASES, ids=[case[0] for case in CASES])
def test_a_whole_step_under_pytorchs_tracker(
    id: str, sizes: tuple[int, ...], changes: Any, asked: Any, name: str, gradients: str | None
) -> None:
    """For real on the CPU, where norms of 16-bit inputs have 16-bit statistics."""
    narrow = gradients is not None
    module, inputs = _module(id, sizes, changes, torch.bfloat16 if narrow else torch.float32)
    seen = Training(module, REAL[name], gradients).peak(inputs)
    wide = {"dtype": "bfloat16", "master_weights": True, "grad_dtype": gradients} if narrow else {}
    found = vpcalc.memory(id, set=changes, batch=2, train=True, optimizer=name, check=False, **asked, **wide)
    family, config = ARCHITECTURES[id].family, ARCHITECTURES[id].configure(changes)
    way = Way("bfloat16" if narrow else "float32", gathering=gradients == "float32", kernels=CPU)
    plan = found.plan
    top = model_step(family, sizes, config, 2, way).most(plan.optimizer, plan.item, found.footprint.params)
    assert seen == plan.lasting + top.bytes + plan.optimizer.steps(found.footprint.tensors)
    if top.kind == OPTIMIZER:
        assert plan.step_peak == plan.lasting + top.bytes


@pytest.mark.filterwarnings("ignore:Expected a tensor:UserWarning")
@pytest.mark.parametrize("gradients", ["float32", "both"])
def test_all_weights_at_once(gradients: str) -> None:
    """As PyTorch does it on CUDA."""
    id, sizes, changes, asked = CASES[0]
    module, inputs = _module(id, sizes, changes, torch.bfloat16)
    seen = Training(module, partial(torch.optim.AdamW, foreach=True), gradients).peak(inputs)
    wide = {"dtype": "bfloat16", "master_weights": True, "grad_dtype": gradients}
    said = vpcalc.memory(id, set=changes, batch=2, train=True, check=False, **asked, **wide).to_dict()
    assert seen == said["step_peak"]["foreach_bytes"] + said["optimizer_host_bytes"]


@pytest.mark.parametrize(
    ("gradients", "parts"),
    [("weights", (2, 2, 12)), ("float32", (2, 4, 12)), ("both", (2, 6, 12))],
)
def test_sixteen_eighteen_and_twenty_bytes(gradients: str, parts: tuple[int, int, int]) -> None:
    """ZeRO's sum, and the two of Megatron-LM."""
    found = vpcalc.memory(
        "vit_ti_16", train=True, dtype="bf16", master_weights=True, grad_dtype=gradients, check=False
    )
    said = found.to_dict()
    sums = [said[f"{part}_bytes"] for part in ("weights", "gradients", "optimizer")]
    assert sums == [each * said["params"] for each in parts]
    assert [*said["bytes_a_parameter"].values()] == [*parts, sum(parts)]
    spelled = f"{' + '.join(map(str, parts))} = {sum(parts)} bytes a parameter"
    assert any(note.startswith(spelled) for note in found.tables()[0].notes)
    *rows, whole = found.tables()[1].rows
    assert sum(row[1] for row in rows) == whole[1] == said["step_peak_bytes"]


def test_gradients_that_are_gathered_are_checked() -> None:
    family, config = ARCHITECTURES["vit_ti_16"].family, ARCHITECTURES["vit_ti_16"].configure({"depth": 7})
    report, _ = check_memory(family, (32, 32), config, 2, Way("bfloat16", gathering=True), step=True)
    assert report.verdict.value == "agrees", str(report)
    kept, _ = check_memory(family, (32, 32), config, 2, Way("bfloat16"), step=True)
    peaks = [{c.quantity: c.counted for c in each.checks}["step_peak_bytes"] for each in (report, kept)]
    assert peaks[0] < peaks[1]


@pytest.mark.filterwarnings("ignore:Expected a tensor:UserWarning")
def test_gradients_of_ones_own_module_that_are_gathered() -> None:
    def three() -> nn.Module:
        return nn.Sequential(*(nn.Linear(64, 64) for _ in range(3)))

    ask: Any = vpcalc.memory
    asked = {"input": "5,64", "train": True, "dtype": "bfloat16", "master_weights": True}
    gathered = ask(three, grad_dtype="float32", **asked)
    assert gathered.to_dict()["verdict"] == "agrees"
    with default_type(torch.bfloat16):
        module, x = three(), torch.zeros(5, 64)
    seen = Training(module, REAL["adamw"], "float32").peak((x,))
    said = gathered.to_dict()
    assert seen == said["step_peak_bytes"] + said["optimizer_host_bytes"]


def _by_the_rule(weights: Any, moments: int) -> int:
    """What ``bitsandbytes/optim/optimizer.py`` makes for each weight, and its tables."""
    sizes = [weight.numel() for weight in weights]
    large, small = [n for n in sizes if n >= 4096], [n for n in sizes if n < 4096]
    scales = sum(n // 256 + bool(n % 256) for n in large)
    return moments * (sum(large) + 4 * scales + 4 * sum(small) + 4 * 256 * bool(large))


@pytest.mark.parametrize(("name", "moments"), [("adamw8bit", 2), ("adam8bit", 2), ("lion8bit", 1)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_eight_bits_by_their_published_rule(name: str, moments: int, dtype: str) -> None:
    module, _ = _module("swin_t", (64, 64), {}, torch.float32)
    said = vpcalc.memory("swin_t", input=64, train=True, optimizer=name, dtype=dtype, check=False).to_dict()
    assert said["optimizer_bytes"] == _by_the_rule(module.parameters(), moments)
    assert said["optimizer_host_bytes"] == 0
    assert said["bytes_a_parameter"] is None


SEEN = {"AdamW8bit": 57_863_008, "Adam8bit": 57_863_008, "Lion8bit": 28_931_504}
"""Bytes of what bitsandbytes 0.50.2 makes by ``init_state`` for the weights of Swin-T."""


@pytest.mark.parametrize("name", SEEN)
def test_eight_bits_as_bitsandbytes_makes_them(name: str) -> None:
    said = vpcalc.memory("swin_t", input=64, train=True, optimizer=name.lower(), check=False).to_dict()
    assert said["optimizer_bytes"] == SEEN[name]


@pytest.mark.by_hand
@pytest.mark.parametrize("name", SEEN)
def test_what_was_seen_of_bitsandbytes(name: str) -> None:
    import bitsandbytes.optim as theirs

    module, _ = _module("swin_t", (64, 64), {}, torch.float32)
    optimizer = getattr(theirs, name)(module.parameters())
    for place, group in enumerate(optimizer.param_groups):
        for number, weight in enumerate(group["params"]):
            optimizer.init_state(group, weight, place, number)
    tensors = [t for state in optimizer.state.values() for t in state.values() if isinstance(t, Tensor)]
    assert sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors}.values()) == SEEN[name]


def test_eight_bits_by_hand() -> None:
    """4,095 numbers stay in float32; 4,096 are 16 blocks; 4,097 begin a seventeenth."""
    tables = 2 * 1024
    state = Optimizer("adamw8bit").state
    assert state([((4095,), 1)], 4) == 2 * 4 * 4095
    assert state([((64, 64), 1)], 4) == 2 * (4096 + 4 * 16) + tables
    assert state([((4097,), 3)], 2) == 3 * 2 * (4097 + 4 * 17) + tables
    assert Optimizer("adamw8bit", master=True).state([((64, 64), 1)], 2) == 2 * (4096 + 64) + tables + 4 * 4096


@pytest.mark.parametrize(("id", "sizes", "changes", "asked"), CASES, ids=[case[0] for case in CASES])
def test_factors_of_adafactor(id: str, sizes: tuple[int, ...], changes: Any, asked: Any) -> None:
    module, inputs = _module(id, sizes, changes, torch.float32)
    training = Training(module, REAL["adafactor"], None)
    training.step(inputs)
    state = [t for each in training.optimizer.state.values() for t in each.values()]
    said = vpcalc.memory(id, set=changes, train=True, optimizer="adafactor", check=False, **asked).to_dict()
    assert said["optimizer_bytes"] + said["optimizer_host_bytes"] == sum(t.nbytes for t in state)
    part = said["optimizer_bytes"] / said["weights_bytes"]
    assert part < 0.1 if id != "resnet18" else 0.6 < part < 0.7  # of 3 × 3 numbers 6 are kept


def test_a_scale_that_is_forgotten_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizers, "BLOCK", 2048)
    module, _ = _module("swin_t", (64, 64), {}, torch.float32)
    said = vpcalc.memory("swin_t", input=64, train=True, optimizer="adamw8bit", check=False).to_dict()
    assert said["optimizer_bytes"] != _by_the_rule(module.parameters(), 2)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("adamw_torch_fused", "adamw"),
        ("adamw_bnb_8bit", "adamw8bit"),
        ("AdamW8bit", "adamw8bit"),
        ("Lion", "lion"),
    ],
)
def test_names_that_trainers_use(name: str, plain: str) -> None:
    assert read_optimizer(name, False, "float32", 4).name == plain


def test_every_optimizer_is_tried() -> None:
    assert {*REAL} | {name for name in KINDS if name.endswith("8bit")} == {*KINDS}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"optimizer": "adamax"}, "--optimizer 'adamax' is not known"),
        (
            {"grad_dtype": "float64", "dtype": "bf16", "master_weights": True},
            "--grad-dtype 'float64' is not known",
        ),
        ({"grad_dtype": "float32", "dtype": "bf16"}, "needs --master-weights"),
        ({"grad_dtype": "both"}, "needs --master-weights"),
        ({"grad_dtype": "both", "master_weights": True}, "float32 is no narrower than float32"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        vpcalc.memory("vit_ti_16", train=True, check=False, **asked)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_gradients_in_float32_beside_weights_in_float32_are_no_others() -> None:
    said = vpcalc.memory("vit_ti_16", train=True, grad_dtype="float32", check=False).to_dict()
    assert said["grad_dtype"] == "weights"
    assert [*said["bytes_a_parameter"].values()] == [4, 4, 8, 16]
