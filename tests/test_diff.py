"""``vpcalc diff``: two versions of a model side by side, and a made history of twenty commits replayed."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

import vpcalc
from vpcalc.algebra import Polynomial, symbols
from vpcalc.algebra.polynomial import constant
from vpcalc.answers.diff_changes import Changes, blocks, changes, pattern, together
from vpcalc.auditing.elsewhere import at_revision
from vpcalc.errors import InputError
from vpcalc.report.terminal import plain

from .conftest import Run

N, C = symbols("N C")

# -- places ----------------------------------------------------------------------------------------------------


def found(base: dict[str, int], head: dict[str, int]) -> Changes:
    """Changes of one operator, by path."""
    before, after = ({(path, "linear"): macs for path, macs in side.items()} for side in (base, head))
    return changes(before, after)


def test_equal_changes_of_equal_modules_are_one() -> None:
    base = {f"blocks.{i}.fc": 3 for i in range(12)}
    (change,) = found(base, {**base, **{f"blocks.{i}.fc": 5 for i in range(12)}}).changed
    assert (change.base, change.head, change.each) == (3, 5, 2)
    assert together(change.paths) == "blocks.0–11.fc"


def test_what_changed_within_equal_blocks_is_added_up() -> None:
    base = {f"{i}.{name}": 3 for i in range(4) for name in ("q", "fc.0")} | {"head": 1}
    head = {path: 3 + ("0." in path or "1." in path or 3 * path.endswith("0")) for path in base} | {"head": 2}
    assert blocks(found(base, base).changed) == []
    assert blocks(found(base, head).changed) == [
        (("0", "1"), 2)
    ]  # of the others one module changed, which is a line


def test_blocks_that_gain_as_much_by_other_modules_did_not_change_alike() -> None:
    """Stages of twice as many layers at half the cost: only equal ones are told together."""
    base = {f"stages.{i}.{j}.{name}": 3 for i in range(4) for j in range(2 + 2 * (i > 1)) for name in "ab"}
    head = {path: 3 + (2 if path[7] in "01" else 1) for path in base}
    assert blocks(found(base, head).changed) == [(("stages.0", "stages.1"), 8), (("stages.2", "stages.3"), 8)]


@pytest.mark.parametrize(
    ("paths", "written"),
    [
        (["fc"], "fc"),
        ([""], "(root)"),
        (["b.1.fc", "b.2.fc"], "b.1–2.fc"),
        (["b.1.fc", "b.4.fc"], "b.1,4.fc"),
        ([f"b.{2 * i}.fc" for i in range(9)], "b.*.fc"),
        (["s.0.b.0", "s.0.b.1", "s.1.b.0"], "s.*.b.*"),
        (["s.3.b.0", "s.3.b.1"], "s.3.b.0–1"),
    ],
)
def test_paths_are_written_together(paths: list[str], written: str) -> None:
    assert together(paths) == written


def test_a_number_within_a_name_is_no_place() -> None:
    assert pattern("layer1.0.conv2") == "layer1.*.conv2"


def test_what_was_renamed_or_reordered_has_moved() -> None:
    renamed = found({"fc": 3, "out": 4}, {"proj": 3, "out": 4})
    assert (renamed.changed, renamed.moved[0].before, renamed.moved[0].after) == ((), ("fc",), ("proj",))
    reordered = found({"0": 3, "1": 4}, {"0": 4, "1": 3})
    assert (reordered.changed, len(reordered.moved)) == ((), 2)


def test_what_was_put_in_front_shifts_the_others() -> None:
    shifted = found({"0": 3, "1": 4}, {"0": 9, "1": 3, "2": 4})
    (new,) = shifted.changed
    assert (new.paths, new.base, new.head) == (("0",), 0, 9)


def test_what_costs_now_what_another_cost_before_has_not_moved() -> None:
    """A transformer twice as wide: its projections cost what the first layers of its feed-forward did."""
    base = {f"{i}.{name}": macs for i in range(3) for name, macs in (("qkv", 3), ("proj", 1), ("fc", 4))}
    wider = found(base, {path: 4 * macs for path, macs in base.items()})
    assert wider.moved == ()
    assert [(len(each.paths), each.base, each.head) for each in wider.changed] == [
        (3, 3, 12),
        (3, 1, 4),
        (3, 4, 16),
    ]


def test_what_became_several_has_moved_within_its_own_block() -> None:
    base = {f"{i}.{name}": 3 for i in range(12) for name in ("in", "out")}
    head = {f"{i}.in": 3 for i in range(12)} | {f"{i}.out.{j}": 3 for i in range(12) for j in (0, 2, 3)}
    several = found(base, head)
    (move,) = several.moved
    assert move.after == tuple(f"{path}.0" for path in move.before)
    assert [(len(paths), each) for paths, each in blocks(several.changed)] == [(12, 6)]


def test_another_operator_has_not_moved() -> None:
    assert len(changes({("a", "linear"): 3}, {("b", "conv2d"): 3}).changed) == 2


def test_the_same_by_other_operators_is_no_change() -> None:
    base = {(f"b.{i}", "aten::addmm"): 3 for i in range(4)}
    found = changes(base, {(path, "aten::mm"): macs for (path, _), macs in base.items()})
    (respelled,) = found.respelled
    assert (found.changed, found.moved, together(respelled.paths)) == ((), (), "b.0–3")
    assert (respelled.before, respelled.after) == (("aten::addmm",), ("aten::mm",))
    assert not changes(base, {(path, "aten::mm"): 4 for path, _ in base}).respelled
    shifted = changes({("a", "linear"): 2, ("a", "matmul"): 1}, {("a", "linear"): 1, ("a", "matmul"): 2})
    assert (len(shifted.changed), shifted.respelled) == (2, ())


# -- objects ---------------------------------------------------------------------------------------------------


class Net(nn.Module):
    def __init__(self, dim: int, hidden: int = 4) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(dim, hidden * dim), nn.Linear(hidden * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.up(x).relu())


class Wider(Net):
    def __init__(self, dim: int) -> None:
        super().__init__(dim, 5)


def test_forms_differ_by_exact_terms() -> None:
    result = vpcalc.diff(Net, Wider, input="1,N,C", args={"dim": "C"})
    assert not result.ok
    assert result.title == "Net → Wider: +2NC² MACs, +2C² + C parameters"
    assert {c.paths: c.each for c in result.changes.changed} == {("up",): N * C * C, ("down",): N * C * C}
    assert {c.paths: c.each for c in result.weights.changed} == {("up",): C * C + C, ("down",): C * C}
    fields = result.to_dict()
    assert fields["macs"]["change"]["text"] == "2NC²"
    assert fields["params"]["change"]["python"] == "2*C**2 + C"
    assert "| $8NC^{2}$ | $10NC^{2}$ | $+2NC^{2}$ |" in result._repr_markdown_()


def test_figures_are_exact_integers() -> None:
    result = vpcalc.diff(Net, Wider, input="1,3,8", args={"dim": 8})
    assert result.to_dict()["macs"] == {"base": 1536, "head": 1920, "change": 384}
    assert result.to_dict()["params"] == {"base": 552, "head": 688, "change": 136}
    assert result.title == "Net → Wider: +25.0 % MACs, +24.6 % parameters"
    assert [(c.paths, c.each) for c in result.weights.changed] == [(("up",), 72), (("down",), 64)]


@pytest.mark.parametrize("shape", ["1,3,8", "1,N,8"])
def test_parameters_alone_are_a_difference(shape: str) -> None:
    how = {"input": shape, "args": {"in_features": 8, "out_features": 8}}
    without = partial(nn.Linear, bias=False)
    result = vpcalc.diff(nn.Linear, without, **how)  # type: ignore[arg-type]
    assert not result.ok
    assert {"base": 72, "head": 64, "change": -8}.items() <= result.to_dict()["params"].items()
    assert "MACs" not in result.title
    assert not result.changes.changed
    notes = result.to_dict()["notes"]
    assert not any("arranged otherwise" in note for note in notes)
    by_counts = "by other operators at the same cost: (root) (aten::addmm → aten::mm)"
    assert (by_counts in notes) == (shape == "1,3,8")  # on symbols both are linear


class Apart(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.q, self.k = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.q(x) + self.k(x)


class Fused(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.qk = nn.Linear(dim, 2 * dim)

    def forward(self, x: Tensor) -> Tensor:
        q, k = self.qk(x).chunk(2, -1)
        return q + k


@pytest.mark.parametrize("shape", ["1,3,8", "1,N,8"])
def test_two_layers_fused_into_one_cost_the_same(shape: str) -> None:
    result = vpcalc.diff(Apart, Fused, input=shape, args={"dim": 8})
    assert result.ok
    assert len(result.changes.changed) == 3
    assert "the same multiply-accumulates in all, arranged otherwise" in result.to_dict()["notes"]


class Dropping(nn.Module):
    """Windows of four; what is left over is dropped, or padded."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x[:, : x.shape[1] // 4 * 4])


class Padding(Dropping):
    def forward(self, x: Tensor) -> Tensor:
        return self.fc(nn.functional.pad(x, (0, 0, 0, -x.shape[1] % 4)))


def test_what_differs_off_the_lattice_alone_differs() -> None:
    """Equal wherever 4 divides N; the size at which it is not is named."""
    result = vpcalc.diff(Dropping, Padding, input="1,N,8")
    assert not result.ok
    at = result.to_dict()["macs"]["at"]["N"]
    assert at % 4
    assert vpcalc.diff(Padding, Padding, input="1,N,8").ok


class Einsum(nn.Module):
    """Attention's products; of a side that is 1 PyTorch's einsum makes no product of matrices."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bnm,bmc->bnc", torch.einsum("bnc,bmc->bnm", x, x).softmax(-1), x)


class Matmul(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x @ x.mT).softmax(-1) @ x


def test_what_differs_at_one_size_is_not_said_of_all() -> None:
    result = vpcalc.diff(Einsum, Matmul, input="1,N,8")
    assert result.title.endswith(": equal MACs for N ≥ 2, others at N = 1")
    at_one = [vpcalc.derive(side, input="1,1,8").to_dict()["macs"]["text"] for side in (Einsum, Matmul)]
    assert "MACs differ at N = 1: {} and {}".format(*at_one) in result.to_dict()["notes"]
    assert at_one == ["8", "16"]


class Pooling(nn.Module):
    """Keys of a grid that is pooled, the rest of it as well."""

    def __init__(self, r: int = 2) -> None:
        super().__init__()
        self.r, self.fc, self.kv = r, nn.Conv2d(3, 4, 4, 4), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        q = self.fc(x)
        k = self.kv(nn.functional.avg_pool2d(q, self.r, ceil_mode=True))
        return q.flatten(2).mT @ k.flatten(2)


def test_a_change_with_floors_is_said_where_everything_divides_too() -> None:
    result = vpcalc.diff(Pooling, partial(Pooling, 4), input="1,3,H,W")  # type: ignore[arg-type]
    (note,) = (note for note in result.to_dict()["notes"] if " MACs for " in note)
    assert note == "−3(HW)²/1024 − 3HW/16 MACs for H and W multiples of 16"
    assert result.title.endswith(note)
    for H, W in ((16, 16), (48, 32)):
        exact = vpcalc.diff(Pooling, partial(Pooling, 4), input=f"1,3,{H},{W}")  # type: ignore[arg-type]
        assert exact.to_dict()["macs"]["change"] * 1024 == -3 * (H * W) ** 2 - 192 * H * W


class Even(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.reshape(2, -1, x.shape[-1]))


def test_a_size_that_one_refuses_is_named_and_costs_nothing() -> None:
    result = vpcalc.diff(Net, Even, input="1,N,8", args={"dim": 8})
    assert result.ok
    at = result.to_dict()["macs"]["refused_at"]["N"]
    assert at % 2
    assert f"one of them refuses N = {at}, where the other runs" in result.to_dict()["notes"]


class Turned(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.fft(x).real


class TurnedTwice(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.fft(torch.fft.fft(x).real).real


def test_operators_without_a_price_are_said() -> None:
    result = vpcalc.diff(Turned, TurnedTwice, input="2,8")
    assert result.to_dict()["unknown"] == {"aten::_fft_r2c": [1, 2]}
    assert not result.ok
    assert "operators without a price" in result.title
    same = vpcalc.diff(Turned, Turned, input="2,8")
    assert same.ok
    assert any("nobody here can price it" in note for note in same.to_dict()["notes"])
    price = {"aten::_fft_r2c": lambda x, out: 7 * out.numel()}
    assert vpcalc.diff(Turned, TurnedTwice, input="2,8", prices=price).to_dict()["macs"]["change"] == 112


# -- snapshots -------------------------------------------------------------------------------------------------


def snapshot(path: Path, macs: int, params: int = 10) -> str:
    tree = {"macs": macs, "params": params, "modules": {"fc": {"aten::addmm": macs}}}
    path.write_text(json.dumps(tree), encoding="utf-8")
    return str(path)


def test_snapshots_are_compared_without_torch(tmp_path: Path) -> None:
    base, head = snapshot(tmp_path / "base.json", 10**18), snapshot(tmp_path / "head.json", 10**18 + 1)
    code = (
        f"import sys; sys.argv = ['vpcalc', 'diff', {base!r}, {head!r}, '--format', 'json']\n"
        "from vpcalc.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 1 and 'torch' not in sys.modules, end.code"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["macs"] == {"base": 10**18, "head": 10**18 + 1, "change": 1}


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "latex"])
def test_every_format_has_the_change(inside: Run, tmp_path: Path, form: str) -> None:
    base, head = snapshot(tmp_path / "base.json", 8), snapshot(tmp_path / "head.json", 9)
    done = inside("diff", base, head, "--format", form)
    assert done.returncode == 1
    assert ("fc,aten::addmm,8,9,1,1" if form == "csv" else "+12.5") in done.stdout
    assert inside("diff", base, base, "--format", form).returncode == 0
    written = tmp_path / "summary"
    inside("diff", base, head, "--format", form, "-o", str(written))
    assert written.read_text(encoding="utf-8").strip()


def test_a_snapshot_of_other_inputs_is_told(tmp_path: Path) -> None:
    net = tmp_path / "net.json"
    tree = {"macs": 16, "params": 10, "modules": {"": {"aten::addmm": 16}}, "inputs": "2,4"}
    net.write_text(json.dumps(tree), encoding="utf-8")
    net_of = partial(nn.Linear, 4, 2)
    (totals, *_) = vpcalc.diff(str(net), net_of, input="1,4").tables()
    assert totals.notes[0] == "not the same input: BASE was counted at 2,4, HEAD at 1,4"
    (totals, *_) = vpcalc.diff(str(net), net_of, input="2,4").tables()
    assert totals.notes == ("input 2,4",)


# -- revisions -------------------------------------------------------------------------------------------------

LAYERS = """
from torch import nn


class Attention(nn.Module):
    def __init__(self, dim, heads=2):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        B, N, C = x.shape
        q, k, v = self.qkv(x).reshape(B, N, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(((q @ k.transpose(-2, -1)).softmax(-1) @ v).transpose(1, 2).reshape(B, N, C))
"""

MODEL = """
from torch import nn

from layers import Attention


class Block(nn.Module):
    def __init__(self, dim, ratio=4):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attn = Attention(dim)
        self.fc1 = nn.Linear(dim, ratio * dim)
        self.fc2 = nn.Linear(ratio * dim, dim)

    def forward(self, x):
        x = x + self.attn(self.norm(x))
        return x + self.fc2(self.fc1(x).relu())


class make(nn.Module):
    def __init__(self, dim=8, depth=3):
        super().__init__()
        self.blocks = nn.ModuleList(Block(dim) for _ in range(depth))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x
"""


class History:
    """A git repository that is made commit by commit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "-q")
        self.write("layers.py", LAYERS)
        self.write("model.py", MODEL)
        self.commit("a model")

    def git(self, *command: str) -> str:
        who = ("-c", "user.name=Test", "-c", "user.email=test@users.noreply.example", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", *who, *command], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def replace(self, name: str, *pairs: tuple[str, str]) -> None:
        text = (self.root / name).read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new)
        self.write(name, text)

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message)


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    root = tmp_path / "repository"
    root.mkdir()
    monkeypatch.chdir(root)
    return History(root)


TARGET = ("--target", "model.py:make", "--input", "1,N,C", "--arg", "dim=C")


def test_two_revisions_of_a_factory(
    history: History, inside: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the file imports is taken at the revision too; nothing of the user's changes and nothing is left."""
    history.replace("layers.py", ("3 * dim", "3 * dim + 2 * dim"), (".reshape", "[..., : 3 * C].reshape"))
    history.commit("a wider projection")
    history.replace("layers.py", ("2 * dim", "9 * dim"))  # and more, which is not committed
    state = history.git("status", "--porcelain")
    index = (history.root / ".git" / "index").read_bytes()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    done = inside("diff", "HEAD~1", "HEAD", *TARGET, "--format", "json")
    assert done.returncode == 1, done.stderr
    fields = json.loads(done.stdout)
    assert fields["macs"]["change"]["text"] == "6NC²"
    macs, params = fields["changes"]
    assert (macs["quantity"], macs["module"], macs["change"]["text"]) == ("macs", "blocks.0–2.attn.qkv", "2NC²")
    assert (params["quantity"], params["module"]) == ("params", "blocks.0–2.attn.qkv")
    assert params["change"]["text"] == "2C² + 2C"
    assert not any("in each of" in note for note in fields["notes"])  # it is that line
    assert fields["head"]["commit"] == history.git("rev-parse", "HEAD").strip()
    assert not list((tmp_path / "temporary").iterdir())
    assert (history.root / ".git" / "index").read_bytes() == index
    assert history.git("status", "--porcelain") == state
    assert history.git("worktree", "list").count("\n") == 1
    working = inside("diff", "HEAD:model.py:make", "model.py:make", "--input", "1,3,8", "--format", "json")
    assert json.loads(working.stdout)["macs"]["change"] == 3 * 3 * 7 * 64


@pytest.mark.parametrize(
    "target", ["mine.nets:make", pytest.param("src/mine/nets.py:make", marks=pytest.mark.slow)]
)
def test_a_package_that_is_installed_from_the_folder_is_taken_at_the_revision(
    history: History, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """Its folder stands on the path, as an editable installation puts it there."""
    history.write("src/mine/__init__.py", "")
    history.write("src/mine/sizes.py", "WIDTH = 5\n")
    history.write(
        "src/mine/nets.py",
        "from torch import nn\nfrom mine.sizes import WIDTH\ndef make():\n    return nn.Linear(4, WIDTH)\n",
    )
    history.commit("a package")
    history.write("src/mine/sizes.py", "WIDTH = 6\n")
    monkeypatch.syspath_prepend(str(history.root / "src"))
    macs = vpcalc.diff("HEAD", ".", target=target, input="1,4").to_dict()["macs"]
    assert (macs["base"], macs["head"]) == (20, 24)


@pytest.mark.slow
def test_a_file_that_the_revision_lacks_is_never_taken_from_the_users_folder(history: History) -> None:
    history.replace("model.py", ("from layers", "from others"))
    history.commit("imports what is not committed")
    history.write("others.py", LAYERS)
    with pytest.raises(InputError, match=r"BASE HEAD:model\.py:make: .*No module named 'others'"):
        vpcalc.diff("HEAD", ".", target="model.py:make", input="1,3,8")


def test_what_something_else_imported_from_the_users_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the finder of an editable installation would do it."""
    root, tree = tmp_path / "root", tmp_path / "tree"
    for folder in (root, tree):
        folder.mkdir()
        (folder / "model.py").touch()
    (root / ".venv").mkdir()
    places = [str(root), str(root / "lib"), str(root / ".venv" / "site-packages"), str(tmp_path)]
    monkeypatch.setattr(sys, "path", list(places))
    monkeypatch.setattr(sys, "prefix", str(root / ".venv"))
    monkeypatch.chdir(root)
    request = {"root": str(root), "tree": str(tree), "prefix": "", "target": "model.py:make", "own": []}
    with at_revision(request) as target:
        assert (target, Path.cwd()) == ("model.py:make", tree)
        assert sys.path == [*(str(tree / name) for name in ("", "lib", "src")), *places[2:]]
    monkeypatch.setattr(sys, "path", list(places))
    monkeypatch.setitem(sys.modules, "others", SimpleNamespace(__file__=str(root / "others.py")))  # type: ignore[misc]
    with pytest.raises(InputError, match=r"others comes from others\.py as it is now"), at_revision(request):
        pass


@pytest.mark.slow
def test_prices_are_taken_where_they_are(history: History) -> None:
    forward = "    def forward(self, x):\n        return torch.fft.fft(x).real\n"
    price = "def price(x, out):\n    return out.numel()\n"
    history.write("turned.py", f"import torch\nclass T(torch.nn.Module):\n{forward}{price}")
    history.commit("an operator without a price, and one beside it")
    history.write("prices.py", "def price(x, out):\n    return 2 * out.numel()\n")  # never committed
    for file, macs in (("turned.py", 16), ("prices.py", 32)):
        how = {"aten::_fft_r2c": f"{file}:price"}
        result = vpcalc.diff("HEAD", ".", target="turned.py:T", input="2,8", prices=how)
        assert (result.ok, result.to_dict()["macs"]["base"]) == (True, macs)


def test_a_snapshot_at_a_revision(history: History, inside: Run) -> None:
    (history.root / "cost").mkdir()
    snapshot(history.root / "cost" / "net.json", 8)
    history.commit("a snapshot")
    snapshot(history.root / "cost" / "net.json", 9)
    for arguments in (
        ("HEAD:cost/net.json", "cost/net.json"),
        ("HEAD", ".", "--target", "cost/net.json"),
        ("HEAD...", "--target", "cost/net.json"),  # as Git writes what lies between two
    ):
        done = inside("diff", *arguments, "--format", "json")
        assert json.loads(done.stdout)["macs"] == {"base": 8, "head": 9, "change": 1}
    against = inside("diff", "HEAD:cost/net.json", "model.py:make", "--input", "1,3,8", "--format", "json")
    assert json.loads(against.stdout)["macs"]["base"] == 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("HEAD~7", "HEAD", "--target", "model.py:make"), "BASE 'HEAD~7': is no git revision here"),
        (("HEAD", "HEAD", "--target", "modle.py:make", "--input", "1,3,8"), "no file modle.py; what has another"),
        (("HEAD", "HEAD", "--target", "model.py"), "--target 'model.py': must be file.py:factory"),
        (("HEAD",), "Missing argument 'HEAD', as in diff main HEAD --target model.py:make"),
        (("../model.py:make",), "Missing argument 'HEAD'"),
        (("HEAD..HEAD",), "is a git revision; say of what"),
        (("HEAD", "HEAD"), "is a git revision; say of what: HEAD:file.py:factory or HEAD:cost.json"),
        (("swin_tt", "swin_t"), "BASE 'swin_tt' is not known; did you mean swin_t"),
        (("none.json", "none.json"), "BASE: no file 'none.json'"),
        (
            ("model.json", "HEAD", "--target", "model.py:make"),
            "without it: diff model.json REVISION:model.py:make",
        ),
        (("none.py:make(n=1)", "HEAD:model.py:make"), "BASE: no file 'none.py'"),
        (("HEAD:none.json", "HEAD:none.json"), "the revision has no file none.json"),
        (("model.json", "model.py:make", "--input", "1,N,8"), "BASE model.json: has numbers alone"),
        (("model.json", "model.json", "--input", "1,N,8"), "two snapshots were recorded at inputs of their own"),
        (("model.py:make", "model.py:make", "--input", "1,3,9"), "BASE model.py:make: model.py:make: could not"),
        (("model.py:make", "model.py:make", "--timeout", "0"), "--timeout 0"),
    ],
)
def test_unusable_input_gets_one_line(
    history: History, inside: Run, arguments: tuple[str, ...], said: str
) -> None:
    snapshot(history.root / "model.json", 8)
    done = inside("diff", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(InputError, match="this folder is in no git repository"):
        vpcalc.diff("HEAD", ".", target="model.py:make", input="1,3,8")


@pytest.mark.slow
def test_the_job_writes_the_summary_without_a_token(history: History, tmp_path: Path) -> None:
    """Its step in a shell as GitHub runs it, after a pull request was merged into its base."""
    yaml = pytest.importorskip("yaml")
    text = (Path(vpcalc.__file__).parents[1] / "examples" / "cost.yml").read_text(encoding="utf-8")
    job = yaml.safe_load(text)
    assert job["permissions"] == {"contents": "read"}
    assert not re.search(r"secrets\.|github\.token|GITHUB_TOKEN|GH_TOKEN", text)
    (script,) = (step["run"] for step in job["jobs"]["cost"]["steps"] if "name" in step)
    assert "--target model.py:make --input 1,3,224,224" in script
    history.git("checkout", "-qb", "wider")
    history.replace("model.py", ("ratio=4", "ratio=5"))
    history.commit("a wider layer")
    history.git("checkout", "-q", "-")
    history.write("notes.md", "the base goes on\n")
    history.commit("notes")
    history.git("merge", "-q", "--no-ff", "-m", "merged", "wider")
    command = tmp_path / "bin" / "vpcalc"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m vpcalc "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    summary = tmp_path / "summary.md"
    environment = {
        **os.environ,
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    environment["PYTHONPATH"] = str(Path(vpcalc.__file__).parents[1])

    def step(asked: str) -> int:
        run = ["bash", "-e", "-c", script.replace("1,3,224,224", asked)]
        return subprocess.run(run, cwd=history.root, env=environment, check=False, capture_output=True).returncode

    assert step("1,3,8") == 0
    written = summary.read_text(encoding="utf-8")
    assert "**HEAD^1:model.py:make → HEAD:model.py:make: +" in written
    assert "| blocks.0–2.fc1 | aten::addmm | 768 | 960 | +192 | 3 |" in written
    assert step("1,3,8 --timeout 0") == 2  # before anything is built


# -- a history ---------------------------------------------------------------------------------------------------


def made(h: History) -> Iterator[tuple[str, Polynomial]]:
    """Changes one by one: each is done when its message comes, with what it does to the multiply-accumulates."""
    nothing, block = (
        constant(0),
        16 * N * C * C + 2 * N * N * C,
    )  # a block of four products, its hidden layer 6C wide
    h.replace(
        "model.py",
        ("x + self.attn(self.norm(x))", "x + self.attn(y)"),
        ("        x = x", "        y = self.norm(x)\n        x = x"),
    )
    yield "rename a variable", nothing
    h.replace("layers.py", ("import nn\n", "import nn\n\n# Vaswani et al. 2017\n"))
    yield "add a comment", nothing
    h.replace("layers.py", ("self.proj", "self.out"))
    yield "rename a layer", nothing
    h.write("notes.md", "nothing here costs anything\n")
    yield "add an unrelated file", nothing
    h.write("attention.py", (h.root / "layers.py").read_text(encoding="utf-8"))
    h.write("layers.py", "from attention import Attention\n\n__all__ = ['Attention']\n")
    yield "move a class to another file", nothing
    h.replace("model.py", ("ratio=4", "ratio=6"))
    yield "make the hidden layer wider", 3 * 4 * N * C * C
    core = "class Core(nn.Module):\n    def forward(self, q, k, v):\n        return (q @ k.mT).softmax(-1) @ v\n"
    h.replace(
        "attention.py",
        ("class Attention", f"{core}\n\nclass Attention"),
        ("        self.heads", "        self.core = Core()\n        self.heads"),
    )
    h.replace("attention.py", ("((q @ k.transpose(-2, -1)).softmax(-1) @ v)", "self.core(q, k, v)"))
    yield "put the products of attention into a module of their own", nothing
    apart = "self.q, self.k, self.v, self.out = heads, *(nn.Linear(dim, dim) for _ in range(3)),"
    each = "(f(x).reshape(B, N, self.heads, C // self.heads).transpose(1, 2) for f in (self.q, self.k, self.v))"
    h.replace("attention.py", ("self.qkv, self.out = heads, nn.Linear(dim, 3 * dim),", apart))
    h.replace(
        "attention.py", ("self.qkv(x).reshape(B, N, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)", each)
    )
    yield "make q, k and v apart", nothing
    h.replace("model.py", (".relu()", ".sigmoid()"))
    yield "take another activation", nothing
    h.replace("model.py", ("depth=3", "depth=4"))
    yield "add a block", block
    norm, attention = "        self.norm = nn.LayerNorm(dim)\n", "        self.attn = Attention(dim)\n"
    h.replace("model.py", (norm + attention, attention + norm))
    yield "make layers in another order", nothing
    h.write("tests/test_model.py", "def test_nothing():\n    pass\n")
    yield "add a test", nothing
    h.replace(
        "model.py",
        ("nn.ModuleList(Block(dim) for _ in range(depth))", "nn.Sequential(*map(Block, [dim] * depth))"),
    )
    h.replace(
        "model.py",
        (
            "        for block in self.blocks:\n            x = block(x)\n        return x",
            "        return self.blocks(x)",
        ),
    )
    yield "take a sequential in place of a loop", nothing
    h.git("mv", "attention.py", "mixing.py")
    h.replace("layers.py", ("from attention", "from mixing"))
    yield "rename a file", nothing
    h.replace("model.py", ("self.blocks(x)", "self.blocks[:-1](x)"))
    yield "leave the last block out", -block
    h.replace("model.py", ("self.blocks[:-1](x)", "self.blocks(x)"))
    yield "and back", block
    h.replace(
        "model.py", ("        self.blocks =", "        self.head = nn.Linear(dim, 2 * dim)\n        self.blocks =")
    )
    h.replace("model.py", ("return self.blocks(x)", "return self.head(self.blocks(x))"))
    yield "add a head", 2 * N * C * C
    h.replace(
        "model.py",
        (
            "        return x + self.fc2(self.fc1(x).sigmoid())",
            "        y = self.fc1(x).sigmoid()\n        return x + self.fc2(y)",
        ),
    )
    yield "break a line", nothing
    h.replace("mixing.py", ("heads=2", "heads=4"))
    yield "take more heads", nothing


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["1,N,C", "2,5,8"])
def test_a_history_without_a_false_alarm(history: History, shape: str) -> None:
    """Nineteen changes of twenty commits: what costs something is told, exactly, and nothing else is."""
    done = []
    for message, change in made(history):
        history.commit(message)
        done.append((message, change))
    commits = history.git("rev-list", "--reverse", "HEAD").split()
    assert len(commits) == 20
    args = {"dim": "C"} if "C" in shape else None
    for (message, change), base, head in zip(done, commits[:-1], commits[1:], strict=True):
        result = vpcalc.diff(base, head, target="model.py:make", input=shape, args=args)
        assert result.ok is (not change), (message, result)
        expected = change if "C" in shape else 2 * change.value({"N": 5, "C": 8})
        assert result.head.macs - result.base.macs == expected, message


def test_a_narrow_terminal_shows_what_changed() -> None:
    class Net(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.a_name_that_takes_most_of_the_line = nn.Linear(8, width)

        def forward(self, x: Tensor) -> Tensor:
            return self.a_name_that_takes_most_of_the_line(x)

    shown = plain(vpcalc.diff(Net(1000), Net(90000), input="64,8").tables(), width=36)
    assert "+45,568,000" in shown.partition("Multiply-accumulates that changed")[2]
    assert "+8,900.0 % MACs" in shown
