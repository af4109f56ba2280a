"""The peak of a whole step of training, derived, against runs: gradients as they come, the optimizer's work."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import accumulate
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributed._tools.mem_tracker import MemTracker

from vpcalc.abstract import functions, repeating, tensor
from vpcalc.abstract.backward import UnderivedError, backward
from vpcalc.abstract.modules import parameter
from vpcalc.abstract.tape import CPU, INPUT, Peak, Tape
from vpcalc.answers.memory import memory
from vpcalc.architectures import ARCHITECTURES
from vpcalc.checks.memory import check_memory
from vpcalc.counters import live
from vpcalc.reference import MODEL_WITNESSES
from vpcalc.storage.footprint import Way, taped
from vpcalc.storage.optimizers import Optimizer
from vpcalc.storage.step import model_step, step

SMALL: tuple[tuple[str, tuple[int, ...], dict[str, Any]], ...] = (
    ("swin_t", (45, 70), {"C": 12, "depths": (2, 2), "heads": (3, 2), "M": 5}),
    ("vit_ti_16", (32, 32), {"depth": 2}),
    ("pvt_v2_b0", (64, 70), {}),
    ("swin_v2_t", (40, 32), {"C": 12, "depths": (2,), "heads": (3,), "M": 4}),
    ("siglip_b_16", (32, 32), {"C": 12, "heads": 3, "depth": 1}),
    ("deit3_s", (32, 32), {"C": 12, "heads": 3, "depth": 1, "registers": 2}),
    ("convnext_t", (64, 64), {"depths": (1, 1)}),
    ("resnet18", (64, 64), {"shortcut": "A"}),
    ("exfuse_resnet50", (97, 70), {"depths": (2, 1), "supervision": True}),
    ("t5_small", (8, 6), {"vocab": 50, "layers": 1}),
    ("t5_v1_1_small", (8, 6), {"vocab": 50, "layers": 1}),
    ("transformer_base", (8, 6), {"vocab": 50, "N": 1}),
    ("lstm", (5,), {"bidirectional": True}),
    ("gru", (6,), {"bias": False}),
    *(
        ("retnet_1_3b", (10,), {"vocab": 50, "d_model": 48, "heads": 4, "layers": 1, "form": form, "chunk": 4})
        for form in ("parallel", "recurrent", "chunkwise")
    ),
    ("retnet_gated_base", (10,), {"vocab": 50, "d_model": 24, "heads": 4, "layers": 1, "value_width": 40}),
)
"""One of each family and kind."""

COPIED: tuple[tuple[str, tuple[int, ...], dict[str, Any]], ...] = (
    ("pvt_tiny", (40, 40), {}),
    ("semantic_fpn", (40, 40), {"C": 16, "hidden": 8, "backbone": "pvt_tiny"}),
)
"""Those whose gradients lie otherwise than what they belong to: of resized positions, of maps of one place."""


def test_the_issues_figure() -> None:
    """Both passes, AdamW's state and all else, as our counter and PyTorch's own tracker measured it."""
    found = memory("swin_t", batch=2, train=True)
    assert found.ok
    said = found.to_dict()
    assert said["step_peak_bytes"] == said["measured_step_bytes"] == 611_698_512
    assert said["step_peak"]["module"] == "stages.12.ffn.fc2"
    assert said["total_bytes"] == said["training_bytes"] == 667_297_040


@pytest.mark.quick(12)
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("id", "sizes", "changes"), SMALL, ids=str)
def test_on_the_cpu(id: str, sizes: tuple[int, ...], changes: dict[str, Any], batch: int) -> None:
    """For real, with the values."""
    architecture = ARCHITECTURES[id]
    config = architecture.configure(changes)
    module, inputs = MODEL_WITNESSES[architecture.family.name](sizes, config, batch)
    counted = live.count(module, inputs, training=True, backward=True)
    assert model_step(architecture.family, sizes, config, batch, Way(kernels=CPU)).peak.bytes == counted.peak


@pytest.mark.parametrize(("id", "sizes", "changes"), [*SMALL, *COPIED], ids=str)
def test_every_allocation(
    monkeypatch: pytest.MonkeyPatch, id: str, sizes: tuple[int, ...], changes: dict[str, Any]
) -> None:
    """Not only at the peak: all that a step makes, for real, and as large."""
    made: Counter[int] = Counter()
    derived: Counter[int] = Counter()
    monkeypatch.setattr(repeating, "FEWEST", sys.maxsize)
    allocate, meet = Tape.allocate, live._Tracker._meet

    def allocated(tape: Tape, size: int) -> None:
        derived[size] += 1
        allocate(tape, size)

    def met(tracker: live._Tracker, tensor: torch.Tensor, operator: str) -> None:
        before = tracker.live
        meet(tracker, tensor, operator)
        made[tracker.live - before] += 1

    monkeypatch.setattr(Tape, "allocate", allocated)
    monkeypatch.setattr(live._Tracker, "_meet", met)
    test_on_the_cpu(id, sizes, changes, batch=2)
    del made[0], derived[0]
    assert derived == made


@pytest.mark.parametrize("foreach", [False, True])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "momentum", "sgd"])
def test_pytorchs_own_tracker(optimizer: str, foreach: bool) -> None:
    """A second step under MemTracker: both passes and the optimizer's, with its state and its counters."""
    module, inputs = MODEL_WITNESSES["vit"]((32, 32), ARCHITECTURES["vit_ti_16"].configure({"depth": 2}), 2)
    stepping = _optimizer(optimizer, module, foreach)

    def step() -> None:
        outputs = module(*inputs)
        torch.stack([outputs.sum()]).sum().backward()
        stepping.step()
        stepping.zero_grad()

    step()
    tracker = MemTracker()
    tracker.track_external(module, stepping, *inputs)
    with tracker:
        step()
    seen = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]
    found = memory("vit_ti_16", input=32, set={"depth": 2}, batch=2, train=True, optimizer=optimizer, check=False)
    said = found.to_dict()
    derived = said["step_peak"]["foreach_bytes"] if foreach else said["step_peak_bytes"]
    assert seen == derived + said["optimizer_host_bytes"]
    assert (said["step_peak"]["phase"] == "optimizer") == (optimizer in ("adam", "adamw"))


def _optimizer(name: str, module: torch.nn.Module, foreach: bool) -> torch.optim.Optimizer:
    if name in ("sgd", "momentum"):
        return torch.optim.SGD(module.parameters(), momentum=0.9 if name == "momentum" else 0, foreach=foreach)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    return kind(module.parameters(), foreach=foreach)


@pytest.mark.parametrize("recompute", ["none", "block"])
@pytest.mark.parametrize(
    ("id", "sizes", "changes"),
    [
        ("vit_ti_16", (224, 224), {"depth": 9}),
        ("swin_t", (64, 64), {"depths": (2, 2, 14, 2)}),
        ("t5_small", (90, 12), {"vocab": 50, "layers": 8}),
        ("transformer_base", (9, 12), {"vocab": 50, "N": 7}),
        ("convnext_t", (64, 64), {}),
        ("pvt_tiny", (64, 64), {"depths": (8, 2, 7, 2)}),
    ],
    ids=str,
)
def test_rounds_that_are_counted(id: str, sizes: tuple[int, ...], changes: dict[str, Any], recompute: str) -> None:
    """They peak where and as high as those that are run."""
    family, config = ARCHITECTURES[id].family, ARCHITECTURES[id].configure(changes)
    way = Way(recompute=recompute)
    assert model_step(family, sizes, config, 2, way).peak == _in_full(id, sizes, config, way)


def _in_full(id: str, sizes: tuple[int, ...], config: Any, way: Way) -> Peak:
    tape = taped(way, training=True)
    tape.trail = []
    _, outputs = ARCHITECTURES[id].family.start(tape, sizes, config, 2)
    backward(tape, outputs if isinstance(outputs, tuple) else (outputs,))
    return tape.peak


def _forked(tape: Tape) -> Any:
    """One tensor that three operators use."""
    x = tensor.given(tape, 64, 64)
    y = functions.relu(x)
    return (), functions.silu(y) + functions.elu(y) + functions.sigmoid(y)


def test_sums_are_in_place_where_nobody_looks_on() -> None:
    """An observer in Python keeps autograd from that; torch.profiler, which is none, sees the sums in place."""
    x = torch.randn(64, 64, requires_grad=True)

    def run() -> None:
        y = torch.relu(x)
        z = torch.nn.functional.silu(y) + torch.nn.functional.elu(y) + torch.sigmoid(y)
        del y
        torch.stack([z.sum()]).sum().backward()
        x.grad = None

    run()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        run()
    assert profile.profiler is not None
    results = profile.profiler.kineto_results
    assert results is not None
    events = sorted(
        (event for event in results.events() if event.name() == "[memory]"), key=lambda e: e.start_ns()
    )
    alone = max(accumulate(event.nbytes() for event in events))
    assert step(_forked).peak.bytes == alone
    assert step(_forked, Way(kernels=CPU)).peak.bytes > alone


class Alone(nn.Module):
    """An operator on a product with a weight."""

    def __init__(self, run: Any) -> None:
        super().__init__()
        self.run, self.weight = run, nn.Parameter(torch.randn(64, 64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.run(x * self.weight)
        return made


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (functions.exp, torch.exp),
        (functions.clamp, lambda x: x.clamp(max=4.0)),
        (functions._lengths, lambda x: x.norm(dim=-1, keepdim=True)),
        (functions.normalize, lambda x: nn.functional.normalize(x, dim=-1)),
        (
            lambda x: functions.sample(
                x.reshape(1, 1, 64, 64), functions.constant(x.tape, 1, 64, 64, 2, item=x.item)
            ),
            lambda x: nn.functional.grid_sample(x[None, None], torch.zeros(1, 64, 64, 2), align_corners=False),
        ),
    ],
    ids=["exp", "clamp", "norm", "normalize", "sample"],
)
def test_what_a_derivative_works_with(ours: Any, theirs: Any) -> None:
    """Nothing else is at the peak of both passes."""

    def run(tape: Tape) -> Any:
        x = tensor.fresh(tape, (64, 64), tape.item, INPUT)
        return (x,), ours(x * parameter(tape, 64, 64))

    counted = live.count(Alone(theirs), (torch.ones(64, 64),), training=True, backward=True)
    assert step(run, Way(kernels=CPU)).peak.bytes == counted.peak


def test_a_working_memory_by_hand() -> None:
    """Beside a weight's two temporaries that of the weight before."""
    shapes = [(100,), (10, 100), (10,), (500,), (20, 100), (30,)]
    assert Optimizer("adamw").working(shapes, 4, 3640) == 2000 + 2 * 8000
    assert Optimizer("lion").working(shapes, 4, 3640) == 2000 + 3 * 8000
    assert Optimizer("adamw", True, "both").working(shapes, 2, 3640) == 2000 + 2 * 8000 + 4 * 3640
    assert Optimizer("momentum").working(shapes, 4, 3640) == 0
    assert Optimizer("adafactor").working([(10, 100)], 4, 1000) == 4 * (1000 + 10 + 100 + 1)
    assert Optimizer("adam").working_at_once(shapes, 4, 3640) == 4 * 3640


def _step_of_a_small_vit() -> Any:
    architecture = ARCHITECTURES["vit_ti_16"]
    config = architecture.configure({"depth": 2})
    return check_memory(architecture.family, (224, 224), config, 4, Way(), step=True)[0]


def test_a_gradient_that_lives_too_long_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not _step_of_a_small_vit().differing
    held, real = [], functions.anew

    def holding(operands: Any, grads: Any, wanted: Any) -> Any:
        held.append(grads[0])
        return real(operands, grads, wanted)

    monkeypatch.setattr(functions, "anew", holding)
    assert [check.quantity for check in _step_of_a_small_vit().differing] == ["step_peak_bytes"]


def test_a_gradient_that_is_forgotten_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    real = functions._of_linear

    def forgetting(operands: Any, grads: Any, wanted: Any, *, shape: Any) -> Any:
        *others, _ = real(operands, grads, wanted, shape=shape)
        return [*others, None]

    monkeypatch.setattr(functions, "_of_linear", forgetting)
    assert [check.quantity for check in _step_of_a_small_vit().differing] == ["step_peak_bytes"]


def test_an_operator_without_a_derivative_is_refused() -> None:
    tape = taped(Way(), training=True)
    x = tensor.given(tape, 2, 3)
    with pytest.raises(UnderivedError, match="the derivative of mystery is not described"):
        backward(tape, (tensor.make("mystery", (2, 3), x.item, (x,)),))


def test_an_inference_has_no_step() -> None:
    said = memory("vit_ti_16", check=False).to_dict()
    assert said["step_peak_bytes"] is None
    assert said["step_peak"] is None
