"""Modules of a reader's own in ``memory``: bytes against PyTorch's, budgets, devices."""

from __future__ import annotations

import json
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils.checkpoint import checkpoint
from typer.testing import CliRunner

import vpcalc
from vpcalc import InputError
from vpcalc.algebra.floors import ceil_div, floor_div, on_lattice
from vpcalc.algebra.polynomial import symbol
from vpcalc.checks.ran import left_of
from vpcalc.cli.app import application
from vpcalc.execution.guards import EQUAL, Guard, Noted

SOURCE = '''
from torch import nn
from torch.utils.checkpoint import checkpoint


class Block(nn.Module):
    def __init__(self, dim, dropout=0.0):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.act, self.drop = nn.GELU(), nn.Dropout(dropout)

    def forward(self, x):
        return x + self.drop(self.down(self.act(self.up(self.norm(x)))))


class Conv(nn.Module):
    """Images: (batch, 3, H, W)."""

    def __init__(self, width=8):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, width, 4, 4), nn.BatchNorm2d(width)
        self.blocks, self.head = nn.ModuleList([Block(width), Block(width)]), nn.Linear(width, 5)

    def forward(self, x):
        x = self.norm(self.stem(x)).permute(0, 2, 3, 1)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean((1, 2)))


class Forgetting(nn.Module):
    """It computes its blocks again in the backward pass."""

    def __init__(self, dim=16):
        super().__init__()
        self.blocks = nn.ModuleList([Block(dim, 0.1) for _ in range(3)])

    def forward(self, x):
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.training else block(x)
        return x


class Adapted(nn.Module):
    """A frozen layer with a trained one of low rank beside it."""

    def __init__(self, dim=32, rank=2):
        super().__init__()
        self.frozen, self.down, self.up = nn.Linear(dim, dim), nn.Linear(dim, rank), nn.Linear(rank, dim)
        for weight in self.frozen.parameters():
            weight.requires_grad_(False)

    def forward(self, x):
        return self.frozen(x) + self.up(self.down(x))


class Ids(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.block, self.out = nn.Embedding(50, 8), Block(8), nn.Linear(8, 50)

    def forward(self, ids):
        return self.out(self.block(self.table(ids)))
'''


@pytest.fixture(autouse=True)
def _own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)


ASK: Any = vpcalc.memory
"""With a class or a function instead of a name, which is not in its signature."""


def _memory(*args: Any, **kwargs: Any) -> dict[str, Any]:
    return vpcalc.memory(*args, **{"check": False, **kwargs}).to_dict()


def _made(name: str, **settings: Any) -> nn.Module:
    namespace: dict[str, Any] = {}
    exec(SOURCE, namespace)
    return namespace[name](**settings)


def _kept(module: nn.Module, x: Tensor) -> int:
    """What autograd keeps of a real run, each storage once, without weights and the input."""
    foreign = {t.untyped_storage().data_ptr() for t in (*module.parameters(), *module.buffers(), x)}
    seen: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in foreign:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = module(x)
    assert out is not None
    return sum(seen.values())


CASES = [("net.py:Conv", "2,3,32,40"), ("net.py:Adapted", "3,7,32"), ("net.py:Ids", "2,9:long")]


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(("name", "input"), [*CASES, ("net.py:Forgetting", "2,5,16")])
def test_every_byte_agrees_with_pytorch(name: str, input: str, train: bool) -> None:
    found = vpcalc.memory(name, input=input, train=train)
    assert found.ok
    assert found.to_dict()["verdict"] == "agrees"
    assert {check["quantity"] for check in found.to_dict()["checks"]} == {
        "weights_bytes",
        "trained_bytes",
        "buffers_bytes",
        "input_bytes",
        "saved_bytes",
        "peak_bytes",
        "forward_peak_bytes",
        *(["step_peak_bytes"] if train else []),
    }


@pytest.mark.parametrize(("name", "input"), CASES)
def test_what_autograd_keeps_is_what_hooks_of_a_real_run_see(name: str, input: str) -> None:
    shape, _, kind = input.partition(":")
    sides = tuple(map(int, shape.split(",")))
    x = torch.zeros(sides, dtype=torch.long) if kind else torch.rand(sides)
    module = _made(name.partition(":")[2]).train()
    assert _memory(name, input=input, train=True)["saved_bytes"] == _kept(module, x)


def test_weights_gradients_and_state() -> None:
    module = _made("Adapted")
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    found = _memory("net.py:Adapted", input="3,7,32", train=True)
    assert found["weights_bytes"] == 4 * sum(p.numel() for p in module.parameters())
    assert (found["params"], found["gradients_bytes"], found["optimizer_bytes"]) == (
        trained,
        4 * trained,
        8 * trained,
    )
    assert found["optimizer_host_bytes"] == 4 * 4
    parts = ("weights", "gradients", "optimizer", "buffers", "input", "forward_peak")
    assert found["total_bytes"] == sum(found[f"{part}_bytes"] for part in parts)


class Returning(nn.Module):
    """Returns what is asked for of one layer."""

    def __init__(self, what: str, trained: bool = True) -> None:
        super().__init__()
        self.what, self.fc = what, nn.Linear(8, 8).requires_grad_(trained)

    def forward(self, x: Tensor) -> Any:
        y = self.fc(x)
        return {"none": None, "all": y, "spectrum": torch.fft.rfft(y, dim=1), "both": (y, y.argmax(-1))}[self.what]


@pytest.mark.parametrize(("what", "trained"), [("none", True), ("all", False)])
def test_what_has_no_gradient_has_no_backward_pass(what: str, trained: bool) -> None:
    found = vpcalc.memory(Returning(what, trained), input="3,5,8", train=True)
    assert found.ok
    assert found.to_dict()["measured_step_bytes"] is None
    notes = found.tables()[0].notes
    assert any("no output depends on a parameter that is trained" in note for note in notes)


@pytest.mark.parametrize("what", ["spectrum", "both"])
def test_the_backward_pass_begins_where_there_are_gradients(what: str) -> None:
    found = vpcalc.memory(Returning(what), input="3,5,8", train=True)
    assert found.ok
    least = 4 * (8 * 8 + 8) + 4 * 3 * 5 * 8  # gradients of weights, and of what comes out
    fields = found.to_dict()
    lasting = sum(fields[f"{each}_bytes"] for each in ("weights", "optimizer", "input"))
    assert fields["measured_step_bytes"] >= lasting + least


def test_a_form_in_a_table_has_its_condition() -> None:
    notes = vpcalc.memory(Returning("spectrum"), input="3,10,8", check=False).tables()[0].notes
    assert any(note.startswith("closed forms: N a multiple of 2; while") for note in notes)


def test_forms_say_nothing_that_follows_from_what_divides() -> None:
    """Windows that tile the grid: 49⌊H/7⌋⌊W/7⌋ = HW, and H ≤ 6 is none of it; but H ≥ 64 says more than 32 | H."""

    class Tiles(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.proj = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            B, H, W, C = x.shape
            y = self.proj(x).view(B, H // 7, 7, W // 7, 7, C).transpose(2, 3).reshape(-1, 49, C)
            return (y @ y.mT).softmax(-1) @ y

    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 32, 32)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.conv(x)
            return y.relu() if y.shape[2] >= 2 else y

    found = vpcalc.memory(Tiles, input="2,28,28,4", train=True).forms["saved_bytes"]
    assert found.valid == "H and W multiples of 7; H ≥ 14, W ≥ 14"
    found = vpcalc.memory(Halves, input="2,3,96,96", train=True).forms["saved_bytes"]
    assert found.valid == "H and W multiples of 32; H ≥ 64"


@pytest.mark.parametrize(("number", "left"), [(1, 0), (-48, 0), (49, 1), (196, 1)])
def test_what_is_pooled_is_another_number_where_sizes_divide(number: int, left: int) -> None:
    """⌊28⌈H/28⌉/8⌋⌊28⌈W/28⌉/8⌋ is 49 or more where 56 divides H and W."""
    H, W = symbol("H"), symbol("W")
    pooled = floor_div(ceil_div(H, 28) * 28, 8) * floor_div(ceil_div(W, 28) * 28, 8)
    tidy = on_lattice(pooled)
    assert tidy is not None
    noted = Noted(Guard(pooled - number, EQUAL), False, "a view")
    assert len(left_of([noted], {"H": 56, "W": 56}, tidy)) == left


def test_recomputation_under_autocast_is_said_not_to_be_followed() -> None:
    class Again(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = checkpoint(lambda z: self.linear(z).exp(), x, use_reentrant=False)
            return y

    notes = vpcalc.memory(Again, input="2,8", train=True, amp="bf16", check=False).tables()[0].notes
    why = "what is computed again under autocast, which casts again, is not followed"
    assert f"the peak of a whole step is not known: {why}" in notes


def test_what_is_computed_again_is_not_kept() -> None:
    forgetting, plain = (_memory("net.py:Forgetting", input="2,50,16", train=train) for train in (True, False))
    assert forgetting["saved_bytes"] < plain["saved_bytes"] / 3


def test_the_form_holds_around() -> None:
    found = _memory("net.py:Conv", input="2,3,32,40", train=True)
    form = found["formula"]["saved_bytes"]
    assert eval(form["python"], {}, {"H": 32, "W": 40}) == found["saved_bytes"]
    other = _memory("net.py:Conv", input="2,3,64,48", train=True)["saved_bytes"]
    assert eval(form["python"], {}, {"H": 64, "W": 48}) == other


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    ("name", "asked", "solve"),
    [
        ("net.py:Conv", {"input": "32x40"}, "batch"),
        ("net.py:Conv", {"input": 32}, "input"),
        ("net.py:Ids", {"tokens": 9}, "tokens"),
        ("net.py:Ids", {"input": "2,9:long"}, "batch"),
    ],
)
@pytest.mark.parametrize("train", [False, True])
def test_the_largest_that_fits(name: str, asked: dict[str, Any], solve: str, train: bool) -> None:
    budget = 600_000
    found = _memory(name, **asked, train=train, fit=f"{budget} B", solve=solve)["fit"]
    answer = found["answer"]
    assert found["total_bytes"] <= budget < found["next_total_bytes"]
    assert found["of"] == ("step_peak_bytes" if train else "inference_bytes")
    of = "step_peak_bytes" if train else "total_bytes"

    def total(number: int) -> int:
        if solve == "batch":
            shape = f"{number},3,32,40" if "Conv" in name else f"{number},9:long"
            return int(_memory(name, input=shape, train=train)[of])
        if solve == "input":
            return int(_memory(name, input=number, train=train)[of])
        return int(_memory(name, tokens=number, train=train)[of])

    assert (total(answer), total(answer + 1)) == (found["total_bytes"], found["next_total_bytes"])


class Forked(nn.Module):
    """One tensor that three functions use, so that gradients meet."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 64)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.first(x))
        return nn.functional.silu(y) + nn.functional.elu(y) + torch.sigmoid(y)


class Dense(nn.Module):
    """Each layer sees all before it, as in DenseNet."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width * (i + 1), width) for i in range(4)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x).relu()], -1)
        return x


class Own(torch.autograd.Function):
    """A backward pass of the program's own, which adds in Python."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        once = grads[0] * x
        once = once + once.clone()
        return once


class Squared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 64)

    def forward(self, x: Tensor) -> Tensor:
        return Own.apply(self.first(x))  # type: ignore[no-any-return,no-untyped-call]


class NoWayBack(Own):
    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        raise RuntimeError("there is no way back")


class Stuck(Squared):
    def forward(self, x: Tensor) -> Tensor:
        return NoWayBack.apply(self.first(x))  # type: ignore[no-any-return,no-untyped-call]


class Chosen(Squared):
    """A second output has no gradient, and a layer is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Any:
        y = self.first(x)
        return y, y.argmax(-1)


class Reentrant(Squared):
    """The other way of computing a block again."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 64))

    def forward(self, x: Tensor) -> Tensor:
        again: Tensor = checkpoint(self.block, self.first(x), use_reentrant=True)
        return again.relu()


STEPPING = [(Forked, (2, 50, 64)), (Dense, (3, 40, 16)), (Squared, (2, 50, 64)), (Reentrant, (2, 50, 64))]


def _back(module: nn.Module, x: Tensor) -> None:
    outputs = module(x)
    torch.stack([outputs.sum()]).sum().backward()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("kind", "shape"), STEPPING)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_pytorchs_own_tracker_sees_the_same_step(kind: Any, shape: Any, optimizer: str) -> None:
    """A second step under MemTracker, with the optimizer's state, for real; it is an observer, as ours is."""
    module, x = kind(), torch.randn(shape)
    make = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}[optimizer]
    stepping = make(module.parameters(), foreach=False)

    def step() -> None:
        outputs = module(x)
        torch.stack([outputs.sum()]).sum().backward()  # type: ignore[no-untyped-call]
        stepping.step()
        stepping.zero_grad()

    step()
    tracker = MemTracker()
    tracker.track_external(module, stepping, x)
    with tracker:
        step()
    seen: int = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]
    found = ASK(kind, input=",".join(map(str, shape)), train=True, optimizer=optimizer)
    said = found.to_dict()
    assert said["verdict"] == "agrees"
    step_only = max(said["measured_step_bytes"], said["step_peak_bytes"])
    if said["step_peak"]["phase"] == "optimizer":
        step_only = said["step_peak_bytes"]
    assert seen == step_only + said["optimizer_host_bytes"]
    assert said["step_peak_bytes"] <= step_only


def test_gradients_that_meet_are_added_in_place_where_nobody_looks_on() -> None:
    """As torch.profiler sees it, which is no observer to autograd."""
    module, x = Forked(), torch.randn(2, 50, 64)
    _back(module, x)
    module.zero_grad()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        _back(module, x)
    assert profile.profiler is not None
    results = profile.profiler.kineto_results
    assert results is not None
    events = sorted((e for e in results.events() if e.name() == "[memory]"), key=lambda e: e.start_ns())
    alone = max(accumulate(event.nbytes() for event in events))
    said = ASK(Forked, input="2,50,64", train=True, optimizer="sgd").to_dict()
    lasting = sum(said[f"{part}_bytes"] for part in ("weights", "buffers", "input", "optimizer"))
    assert said["step_peak_bytes"] == lasting + alone
    assert said["measured_step_bytes"] == lasting + alone + 4 * 2 * 50 * 64


def test_a_step_s_form_holds_at_other_sizes() -> None:
    form = _memory("net.py:Conv", input="2,3,32,40", train=True)["formula"]["step_peak_bytes"]
    assert "peak in blocks.1.down" in form["valid"]
    other = _memory("net.py:Conv", input="2,3,64,48", train=True)["step_peak_bytes"]
    assert eval(form["python"], {}, {"H": 64, "W": 48}) == other


def test_a_step_s_form_that_is_another_elsewhere_is_not_said() -> None:
    """Up to 33 tokens it peaks in one block, from 34 on in another; a seventh more is tried beside 31."""
    forms = {}
    for tokens in (5, 31, 40):
        asked = {"input": f"2,{tokens},16", "train": True, "optimizer": "sgd"}
        forms[tokens] = _memory("net.py:Forgetting", **asked)["formula"].get("step_peak_bytes", {})
    assert "peak in blocks.0.down" in forms[5]["valid"]
    assert "peak in blocks.1.down" in forms[40]["valid"]
    assert forms[5]["text"] == "2064N + 47304"  # 1936N + 21384, the input, and weights
    assert not forms[31]


def test_a_backward_pass_that_raises_leaves_the_sum() -> None:
    found = ASK(Stuck, input="2,50,64", train=True, fit="1MB")
    said = found.to_dict()
    assert said["step_peak_bytes"] is None
    assert said["measured_step_bytes"] is None
    assert said["fit"]["of"] == "training_bytes"
    assert any("step is not known: RuntimeError: there is no way back" in note for note in said["notes"])


def test_a_weight_without_a_gradient_is_said() -> None:
    said = ASK(Chosen, input="2,50,64", train=True).to_dict()
    assert said["verdict"] == "agrees"
    assert any(note.startswith("2 trained weights get no gradient") for note in said["notes"])


def test_nothing_trained_is_said() -> None:
    frozen = nn.Linear(8, 8).requires_grad_(False)
    notes = ASK(lambda: frozen, input="2,8", train=True).to_dict()["notes"]
    assert any("no output depends on a parameter that is trained" in note for note in notes)


def test_a_gradient_that_is_not_seen_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    from vpcalc.execution.storages import Storages

    honest = Storages._meet

    def blind(self: Any, tensor: Tensor, key: int) -> int | None:
        return None if self.node is not None and tensor.nbytes > 10_000 else honest(self, tensor, key)

    monkeypatch.setattr(Storages, "_meet", blind)
    found = vpcalc.memory("net.py:Conv", input="2,3,32,40", train=True)
    assert found.report is not None
    assert [check.quantity for check in found.report.differing] == ["step_peak_bytes"]


def test_a_device_bounds_its_time() -> None:
    found = _memory("net.py:Conv", input=64, device="a100_80gb")
    roof = found["roofline"]
    assert roof["macs"] == vpcalc.model("net.py:Conv", input=64, check=False).to_dict()["macs"]
    assert roof["bytes_moved"] == sum(each["bytes_moved"] for each in roof["operators"]) > 0


def test_a_wrong_count_of_bytes_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    from vpcalc.execution.storages import Storages

    honest = Storages.saved
    monkeypatch.setattr(Storages, "saved", lambda self: dict(list(honest(self).items())[1:]))
    found = vpcalc.memory("net.py:Conv", input="2,3,32,40", train=True)
    assert not found.ok


def test_the_same_from_python_and_from_the_command_line() -> None:
    class Two(nn.Module):
        def __init__(self, width: int = 6) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, width), nn.Linear(width, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x).relu())

    assert _memory(Two, input="5,4", args={"width": 8}, train=True)["saved_bytes"] == 4 * 5 * 8
    asked = ["memory", "net.py:Conv", "--input", "32", "--arg", "width=4", "--train", "--no-check", "-f", "json"]
    result = CliRunner().invoke(application(["memory"]), asked)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["config"] == {"width": "4"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "give the size of net.py:Conv's input"),
        ({"input": 32, "attention": "fused"}, "code decides that itself"),
        ({"input": 32, "recompute": "block"}, "code decides that itself"),
        ({"input": 32, "set": {"width": 3}}, "--arg gives its arguments"),
        ({"input": 32, "args": {"width": "C"}}, "C is a letter; memory takes numbers"),
        ({"input": 32, "solve": "batch"}, "needs --fit"),
        ({"input": 32, "fit": "24GiB", "solve": "tokens"}, "no input has it"),
        ({"input": 32, "fit": "1kB"}, "short"),
        ({"input": 2}, "does not run"),
        ({"input": 32, "dtype": "float7"}, "--dtype 'float7' is not known"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        _memory("net.py:Conv", **asked)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("train", [False, True])
def test_attention_of_torchs_own_is_spelled_out(train: bool) -> None:
    """Its one kernel is asked for by nobody, and torch's own setting is as it was."""
    for make in (
        lambda: nn.TransformerEncoderLayer(16, 2, 32, batch_first=True),
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True), 2),
    ):
        found = vpcalc.memory(make, input="2,10,16", train=train, check=True)
        assert found.ok
        assert found.report is not None
        assert found.report.checks
        assert any("set_fastpath_enabled(False)" in note for note in found.notes) is not train
    assert torch.backends.mha.get_fastpath_enabled()
