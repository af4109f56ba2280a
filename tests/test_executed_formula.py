"""``formula`` and ``check`` of a module of the reader's own, in every spelling, against counts of the module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import vpcalc
from vpcalc.errors import InputError

from .pace import mostly_slow

CODE = """
import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    def __init__(self, dim=64, heads=4):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        B, N, C = x.shape
        q, k, v = self.qkv(x).reshape(B, N, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        maps = (q @ k.transpose(-2, -1)).softmax(-1)
        return self.proj((maps @ v).transpose(1, 2).reshape(B, N, C))


class Windows(nn.Module):
    def __init__(self, dim=32, M=7):
        super().__init__()
        self.M, self.inner = M, Attention(dim, 1)

    def forward(self, x):
        M = self.M
        x = F.pad(x, (0, -x.shape[3] % M, 0, -x.shape[2] % M))
        B, C, H, W = x.shape
        x = x.reshape(B, C, H // M, M, W // M, M).permute(0, 2, 4, 3, 5, 1)
        return self.inner(x.reshape(-1, M * M, C))


class Tiles(nn.Module):
    # Windows that have to tile the grid, and what is pooled.

    def __init__(self, dim=32, M=7, R=4):
        super().__init__()
        self.M, self.R, self.inner = M, R, Attention(dim, 2)

    def forward(self, x):
        B, h, w, C = x.shape
        M = self.M
        few = F.avg_pool2d(x.permute(0, 3, 1, 2), self.R).flatten(2).mT
        x = x.view(B, h // M, M, w // M, M, 2, C // 2).transpose(2, 3).reshape(-1, M * M, C)
        return self.inner(x).view(B, h, w, C), self.inner(few)


class Solve(nn.Module):
    # An operator that nobody prices.

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        return torch.linalg.solve(torch.eye(8), self.linear(x).mT)


class Narrow(nn.Module):
    # On the meta device autocast does not narrow, and the second product is left out.

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            y = self.linear(x) @ x.mT
        return y.float() @ x if y.dtype == torch.bfloat16 else y


class Parts(nn.Module):
    # Four forms: by a size, and by whether it is even.

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        x = self.linear(x) if x.shape[1] < 3000 else x
        return self.linear(F.pad(x, (0, 0, 0, 1)) if x.shape[1] % 2 else x)


class Later(nn.Module):
    # The form of most sizes is found last.

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        if x.shape[1] < 30000:
            return self.linear(x)
        x = self.linear(F.pad(x, (0, 0, 0, 1)) if x.shape[1] % 2 else x)
        return self.linear(x)
"""


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("own") / "attn.py"
    path.write_text(CODE)
    return str(path)


def counted(code: str, name: str, *shape: int) -> int:
    """What PyTorch's own counter sees."""
    scope: dict[str, type[nn.Module]] = {}
    exec(compile(Path(code).read_text(), code, "exec"), scope)
    with FlopCounterMode(display=False) as counter:
        scope[name]()(torch.zeros(shape))
    return counter.get_total_flops() // 2


def test_its_form_adds_up_from_the_operators_that_were_executed(code: str) -> None:
    found = vpcalc.formula(f"{code}:Attention", input="B,N,C", args={"dim": "C", "heads": "a"})
    assert str(found.form) == "4BNC² + 2BN²C"
    assert [step.op.kind for step in found.steps()] == ["linear", "matmul", "matmul", "linear"]
    assert sum((step.term for step in found.steps()), 0 * found.form.polynomial) == found.form.polynomial
    assert set(found.legend()) == {"B", "N", "C"}
    assert found.legend(conditions=True)["a"] == "argument heads of the factory"
    assert found.to_dict()["steps"][1]["shapes"] == "(B × a × N × C/a)(B × a × C/a × N)"


def test_its_lattice_is_said_and_left(code: str) -> None:
    tidy = vpcalc.formula(f"{code}:Windows", input="1,32,h,w")
    assert (str(tidy.form), tidy.form.valid) == ("7232hw", "h and w multiples of 7")
    renamed = vpcalc.formula(f"{code}:Windows", input="1,32,h,w", symbols={"h": "H", "w": "d_model"})
    assert renamed.form.valid == "H and d_model multiples of 7"
    assert tidy.stated("latex") == r"7232hw \quad\text{for } 7 \mid h,\ 7 \mid w"
    assert tidy.stated("typst") == '7232 h w quad "for h and w multiples of 7"'
    assert tidy.stated("python") == tidy.spell("python")
    assert vpcalc.formula("wmsa").stated("latex") == vpcalc.formula("wmsa").spell("latex")
    every = vpcalc.formula(f"{code}:Windows", input="1,32,h,w", everywhere=True)
    assert every.spell() == "354368⌈h/7⌉⌈w/7⌉"
    for h, w in ((7, 14), (9, 30), (1, 1)):
        assert eval(every.spell("python"), {"h": h, "w": w}) == counted(code, "Windows", 1, 32, h, w)
    assert tidy.form.polynomial.value({"h": 21, "w": 7}) == counted(code, "Windows", 1, 32, 21, 7)


@pytest.mark.slow
def test_nothing_is_said_that_follows_from_what_divides(code: str) -> None:
    """h ≥ R where R divides h; and that a view has as many elements as its tensor, M²⌊h/M⌋⌊w/M⌋C = hwC."""
    args = {"dim": "C", "M": "M", "R": "R"}
    result = vpcalc.formula(f"{code}:Tiles", input="1,h,w,C", args=args)
    found = result.form
    said = "h and w multiples of M; h and w multiples of R"
    assert (str(found), found.valid) == ("4hwC² + 4hwC²/R² + 2M²hwC + 2(hw)²C/R⁴", f"C a multiple of 2; {said}")
    stated = result.stated("latex")
    assert stated.startswith(r"\begin{gathered} ")
    assert stated.endswith(r" \\ \text{for } 2 \mid C,\ M \mid h,\ M \mid w,\ R \mid h,\ R \mid w \end{gathered}")
    row = vpcalc.placed(f"{code}:Tiles", "1,h,w,C", **args)
    (tiles,) = vpcalc.compare(56, 56, 96, 7, R=4, rows=[row], check=False).rows
    assert tiles.form.valid == "h and w multiples of M; h and w multiples of R; C a multiple of 2"


@pytest.mark.quick(3)
@pytest.mark.parametrize("quantity", ["macs", "flops", "activations", "saved_bytes", "peak_bytes"])
@pytest.mark.parametrize("everywhere", mostly_slow([False, True], quick=1))
def test_terms_add_up_to_the_form_beside_them(code: str, quantity: str, everywhere: bool) -> None:
    for name, shape in (("Parts", "1,N,8"), ("Later", "1,N,8"), ("Windows", "1,32,h,w")):
        found = vpcalc.formula(f"{code}:{name}", input=shape, quantity=quantity, everywhere=everywhere)
        total = sum((step.term for step in found.steps()), 0 * found.form.polynomial)
        assert total == found.form.polynomial, (name, str(total), str(found.form))


def test_regimes_are_said_as_people_say_them(code: str) -> None:
    found = vpcalc.formula(f"{code}:Parts", input="1,N,8", everywhere=True)
    conditions = {str(regime.form): str(regime.when) for regime in found.regimes}
    assert set(conditions) == {"64N", "64N + 64", "128N", "128N + 64"}
    assert "2 | N" in conditions["64N"]
    assert "2 ∤ N" in conditions["128N + 64"]


def test_what_nobody_prices_and_what_was_asked_is_said(code: str) -> None:
    """A product that a counter leaves out in silence is why this tool is there."""
    found = vpcalc.formula(f"{code}:Solve", input="1,N,8")
    assert any("nobody here can price it: aten::_linalg_solve_ex" in note for note in found.assumptions)
    assert any("N from 1 to 65536" in note for note in found.assumptions)
    assert "nobody here can price it" in found.function()
    saved = vpcalc.formula(f"{code}:Solve", input="1,N,8", quantity="saved_bytes")
    assert not any("price" in note for note in saved.assumptions)


def test_bytes_and_flops_of_it(code: str) -> None:
    saved = vpcalc.formula(f"{code}:Attention", input="1,N,64", quantity="saved_bytes")
    assert str(saved.form) == "16N² + 1024N"  # the maps of 4 heads; q, k, v and both products' inputs
    flops = vpcalc.formula(f"{code}:Attention", input="1,N,64", quantity="flops", symbols={"N": "n"})
    assert str(flops.form) == "256n² + 32768n"
    peak = vpcalc.formula(f"{code}:Windows", input="1,32,h,w", quantity="peak_bytes", everywhere=True)
    assert len(peak.regimes) == 2
    assert "cases" in peak.spell("latex")


@pytest.mark.slow
def test_a_readers_formula_is_held_against_it(code: str) -> None:
    own = {"input": "1,N,C", "args": {"dim": "C", "heads": "a"}}
    assert vpcalc.check_formula("4NC^2 + 2N^2C", f"{code}:Attention", **own).ok
    wrong = vpcalc.check_formula("4NC^2 + N^2C", f"{code}:Attention", **own)
    assert not wrong.ok
    assert vpcalc.check_formula("354368⌈h/7⌉⌈w/7⌉", f"{code}:Windows", input="1,32,h,w").ok
    assert not vpcalc.check_formula("354368⌈h/7⌉⌊w/7⌋", f"{code}:Windows", input="1,32,h,w").ok
    assert vpcalc.check_formula("O(N^2 C)", f"{code}:Attention", **own).ok


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("{code}:Attention", {}, "--input: give the shape"),
        ("{code}:Attention", {"input": "1,197,64"}, "no letter"),
        ("{code}:Nothing", {"input": "1,N,64"}, "known: Attention, Later, Narrow, Parts, Solve, Tiles, Windows"),
        ("{code}:Attention", {"input": "1,N,64", "quantity": "params_of"}, "--quantity"),
        ("{code}:Attention", {"input": "1,N,64", "form": "odd"}, "--form"),
        ("{code}:Attention", {"input": "1,N,64", "set": {"dim": "8"}}, "--set: only for our models"),
        ("{code}:Narrow", {"input": "1,N,8"}, "does not hold for real: a real run"),
        ("msa", {"input": "1,N,C"}, "only for a module of your own"),
        ("swin_tt", {"input": "1,3,H,W"}, "did you mean swin_t"),
        ("{code}", {"input": "1,N,C"}, "is a file; name its factory"),
    ],
)
def test_what_cannot_be_asked_is_one_line(code: str, name: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        vpcalc.formula(name.format(code=code), **options)


@pytest.mark.slow
def test_the_command_prints_the_form_alone(code: str) -> None:
    command = [sys.executable, "-m", "vpcalc", "formula", f"{code}:Windows", "--input", "1,32,h,w"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "7232hw\n")
    assert "h and w multiples of 7" in done.stderr


def test_code_is_sent_to_who_takes_it() -> None:
    with pytest.raises(
        InputError, match=r"is code; see vpcalc prove; vpcalc compare, .*, check, derive and audit take code"
    ):
        vpcalc.prove(["attn.py:Attention"])


def test_parameters_have_a_formula_too(code: str) -> None:
    found = vpcalc.formula(f"{code}:Attention", input="1,N,C", args={"dim": "C"}, quantity="params")
    counted = vpcalc.derive(f"{code}:Attention", "1,N,C", {"dim": "C"}).to_dict()["params"]
    assert found.form.text == counted["text"]
    assert sum(step.term.at({"C": 64}) for step in found.steps()) == eval(counted["python"], {}, {"C": 64})
    assert vpcalc.check_formula(
        counted["text"], f"{code}:Attention", quantity="params", input="1,N,C", args={"dim": "C"}
    ).ok
    wrong = vpcalc.check_formula("4C^2", f"{code}:Attention", quantity="params", input="1,N,C", args={"dim": "C"})
    assert not wrong.ok


def test_a_function_says_each_thing_once_and_of_which_size_a_refusal_was(code: str) -> None:
    found = vpcalc.formula(f"{code}:Attention", everywhere=True, input="1,u,e", args={"dim": "e", "heads": 4})
    text = found.function()
    assert text.startswith("def attn_py_Attention_macs(u, e):")
    notes = [line.strip().lower().rstrip(".") for line in text.splitlines() if line.strip()]
    assert [note for note in notes if note.startswith("explored")] == [f"{found.assumptions[0]}".lower()]
    assert "as its description calls it" not in text
    assert "e: argument dim of the factory" in text
    assert "invalid for input of size" in text
    assert "(at u = " in text
