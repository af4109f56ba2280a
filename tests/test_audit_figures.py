"""Printed figures against closed forms, and a repository's own tests of cost."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import nn

import vpcalc
from vpcalc.printed import read_printed
from vpcalc.testing import UPDATE, assert_cost, read_bound

# -- a printed figure ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value", "step"),
    [
        ("4.5G", 4_500_000_000, 10**8),
        ("4.50 GFLOPs", 4_500_000_000, 10**7),
        ("17.6 GMACs", 17_600_000_000, 10**8),
        ("600M", 600_000_000, 10**6),
        ("1.8e9", 1_800_000_000, 10**8),
        ("15B", 15_000_000_000, 10**9),
        ("4,490,566,656", 4_490_566_656, 1),
        ("0.6 TFLOPS", 600_000_000_000, 10**11),
    ],
)
def test_a_figure_is_read_with_its_precision(text: str, value: int, step: int) -> None:
    printed = read_printed(text)
    assert printed.value == value
    assert printed.fits(value + step // 2)
    assert not printed.fits(value + step // 2 + 1)
    assert printed.fits(value - step // 2)


@pytest.mark.parametrize(
    "text", ["", "G", "4.5 X", "-4G", "4..5G", "0", "0.0G", "4.5GG", "four", "4.5e1000", "1/2"]
)
def test_what_is_no_figure_is_refused(text: str) -> None:
    with pytest.raises(vpcalc.InputError, match="--against"):
        read_printed(text)


def fitting(name: str, printed: str, **more: object) -> list[tuple[str, tuple[int, ...]]]:
    found = vpcalc.conventions(name, printed, **more)
    return [(reading.convention, reading.sizes) for reading in found.readings if reading.how]


@pytest.mark.slow
def test_swins_table_prints_multiply_accumulates() -> None:
    assert fitting("swin_t", "4.5G")[0] == ("MACs", (224, 224))
    assert ("FLOPs, 2 a MAC", (224, 224)) in fitting("swin_t", "9.0G")
    assert ("MACs with norms and pooling (fvcore)", (224, 224)) in fitting("swin_t", "4.509G")


def test_a_counter_that_drops_attention_is_recognised() -> None:
    without = "MACs without products of two activations (attention)"
    assert fitting("vit_b_16", "16.85G")[0] == (without, (224, 224))
    blind = "mmcv's rules, layer norm as a module of one's own, which it does not see (ConvNeXt's authors)"
    mmcv = "mmcv's rules, without products of two activations"  # 4.358, cut off
    assert [name for name, sizes in fitting("swin_t", "4.35G") if sizes == (224, 224)] == [without, blind, mmcv]
    assert len(fitting("swin_t", "4.35G")) == 3  # and at no other input


def test_another_input_is_found() -> None:
    assert ("MACs", (384, 384)) in fitting("vit_b_16", "55.5G")
    found = vpcalc.conventions("vit_b_16", "55.5G")
    assert found.ok
    assert "another input only" in found.tables()[0].notes[0]


@pytest.mark.slow
def test_padding_to_whole_windows_can_be_left_out() -> None:
    padded = vpcalc.conventions("swin_t", "1G", input=256)
    readings = {r.convention: r.derived for r in padded.readings if r.sizes == (256, 256)}
    plain = readings["MACs without padding to whole windows and patches"]
    assert plain == Fraction(89481 * 256 * 256 + 768000)
    assert plain < readings["MACs"]
    assert not any("padding" in r.convention for r in vpcalc.conventions("swin_t", "1G").readings[:6])


def test_what_is_dropped_is_no_padding_to_leave_out() -> None:
    """ViT costs at 230 what it costs at 224; the closed form at 230 would add fractions of patches."""
    readings = vpcalc.conventions("vit_b_16", "1G", input=230).readings
    assert not any("padding" in r.convention for r in readings if r.sizes == (230, 230))


def test_biases_are_those_of_the_layers_that_have_one() -> None:
    readings = {r.convention: r.derived for r in vpcalc.conventions("resnet50", "1G").readings}
    assert readings["MACs with biases"] - readings["MACs"] == 1000  # only the classifier has any


def test_a_figure_of_no_convention_is_not_ok() -> None:
    found = vpcalc.conventions("swin_t", "123.456G")
    assert not found.ok
    assert found.to_dict()["command"] == "audit"
    assert "under none of these" in found.tables()[0].notes[0]


@pytest.mark.quick(1)
@pytest.mark.parametrize(("name", "printed"), [("lstm", "1M"), ("t5_small", "10G"), ("retnet_1_3b", "2T")])
def test_sequences_are_tried_at_lengths(name: str, printed: str) -> None:
    assert vpcalc.conventions(name, printed).tried > 20


# -- assert_cost -----------------------------------------------------------------------------------------------


def network(width: int = 8) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))


@pytest.mark.parametrize("inputs", ["3,4", torch.zeros(3, 4), (torch.zeros(3, 4),), {"input": torch.zeros(3, 4)}])
def test_what_holds_passes_and_is_returned(inputs: object) -> None:
    found = assert_cost(network(), inputs, macs="<= 1k", params=58)
    assert (found.macs, found.params) == (144, 58)
    assert found.modules == {"0": {"aten::addmm": 96}, "2": {"aten::addmm": 48}}


def test_a_function_is_built_by_shapes_alone() -> None:
    found = assert_cost(lambda: nn.Linear(200_000, 200_000), "1,200000", macs="== 40G")
    assert found.params == 40_000_200_000


@pytest.mark.parametrize(
    "bound", ["<= 144", "< 145", ">= 144", "> 143", "== 144", "≤ 0.144k", "140.0 ", 144, "0.14k"]
)
def test_bounds_that_hold(bound: object) -> None:
    if bound == "140.0 ":
        with pytest.raises(AssertionError, match=r"macs: 144 is not about 140\.0"):
            assert_cost(network(), "3,4", macs=bound)
    else:
        assert_cost(network(), "3,4", macs=bound)


@pytest.mark.parametrize("bound", ["<= 143", "< 144", ">= 145", "> 144", "== 145", 145, "0.15k"])
def test_bounds_that_do_not(bound: object) -> None:
    with pytest.raises(AssertionError, match="macs: 144 is not"):
        assert_cost(network(), "3,4", macs=bound)


@pytest.mark.parametrize("bound", ["", "<=", "=< 5G", "many", "<= -5", True, 1.5j])
def test_bounds_that_are_none(bound: object) -> None:
    with pytest.raises(vpcalc.InputError, match="assert_cost: macs="):
        read_bound("macs", bound)


def test_a_formula_holds_to_the_unit() -> None:
    where = {"N": 3, "d": 4, "n": 8, "C": 2}
    assert_cost(network(), "3,4", formula="N*d*n + N*n*C", where=where)
    with pytest.raises(AssertionError, match=r"macs: 144, and N\*d\*n is 96: \+48"):
        assert_cost(network(), "3,4", formula="N*d*n", where=where)
    with pytest.raises(vpcalc.InputError, match="no value for C"):
        assert_cost(network(), "3,4", formula="N*C", where={"N": 3})


def test_the_message_names_the_operator_that_grew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cost" / "net.json"
    with pytest.raises(AssertionError, match="there is none yet; run once with VPCALC_UPDATE=1"):
        assert_cost(network(), "3,4", snapshot=path)
    monkeypatch.setenv(UPDATE, "1")
    assert_cost(network(), "3,4", snapshot=path)
    monkeypatch.delenv(UPDATE)
    assert json.loads(path.read_text())["macs"] == 144
    assert_cost(network(), "3,4", snapshot=path)
    assert_cost(
        network(9), "3,4", macs="<= 200", snapshot=path
    )  # the limit is the rule, the snapshot for the message
    with pytest.raises(AssertionError) as failure:
        assert_cost(network(16), "3,4", macs="<= 200", snapshot=path)
    assert str(failure.value).splitlines() == [
        "macs: 288 is not <= 200",
        f"grown since {path}:",
        "  0 · aten::addmm: 96 → 192 MACs (+96)",
        "  2 · aten::addmm: 48 → 96 MACs (+48)",
    ]
    with pytest.raises(AssertionError, match="the cost is not the one in"):
        assert_cost(network(7), "3,4", snapshot=path)


def test_a_broken_snapshot_is_unusable(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text("{}")
    with pytest.raises(vpcalc.InputError, match="is not one of assert_cost"):
        assert_cost(network(), "3,4", snapshot=path)


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cost of the network, 144 MACs and 58 parameters, with what autograd keeps."""
    path = tmp_path / "net.json"
    monkeypatch.setenv(UPDATE, "1")
    assert_cost(network(), "3,4", macs="<= +0%", saved_bytes="<= +0%", snapshot=path)  # nothing to be relative to
    monkeypatch.delenv(UPDATE)
    return path


@pytest.mark.parametrize(
    ("width", "macs", "holds"),
    [
        (9, "<= +12.5%", True),  # 162 of 144 are 9/8 exactly
        (9, "<= +12.4999%", False),
        (9, "< +12.5%", False),
        (8, "== +0%", True),
        (7, "<= -12.5%", True),
        (7, "<= −12.6%", False),
        (7, ">= -12.5%", True),
    ],
)
def test_a_share_of_the_snapshot_is_a_bound(recorded: Path, width: int, macs: str, holds: bool) -> None:
    if holds:
        assert_cost(network(width), "3,4", macs=macs, snapshot=recorded)
    else:
        with pytest.raises(AssertionError, match="% of the recorded 144: "):
            assert_cost(network(width), "3,4", macs=macs, snapshot=recorded)


def test_a_share_that_is_exceeded_names_what_grew(recorded: Path) -> None:
    with pytest.raises(AssertionError) as failure:
        assert_cost(network(9), "3,4", macs="<= +2%", params="<= +2%", snapshot=recorded)
    assert str(failure.value).splitlines() == [
        "macs: 162 is not <= +2% of the recorded 144: +12.5 %",
        "params: 65 is not <= +2% of the recorded 58: +12.1 %",
        f"grown since {recorded}:",
        "  0 · aten::addmm: 96 → 108 MACs (+12)",
        "  2 · aten::addmm: 48 → 54 MACs (+6)",
    ]


class Renamed(nn.Module):
    """The network under other names."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.layers = network(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def test_what_was_renamed_costs_what_was_recorded(recorded: Path) -> None:
    assert_cost(Renamed(), "3,4", snapshot=recorded)
    bigger = nn.Sequential(Renamed(), nn.Linear(2, 1), nn.Linear(1, 1))
    with pytest.raises(AssertionError) as failure:  # no word of the layers, which are as they were
        assert_cost(bigger, "3,4", macs="<= +2%", snapshot=recorded)
    assert str(failure.value).splitlines()[1:] == [
        f"grown since {recorded}:",
        "  1 · aten::addmm: 0 → 6 MACs (+6)",
        "  2 · aten::addmm: 0 → 3 MACs (+3)",
    ]


def test_equal_modules_that_grew_are_one_line(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def blocks(width: int) -> nn.Module:
        return nn.Sequential(*(nn.Linear(width, width) for _ in range(12)))

    monkeypatch.setenv(UPDATE, "1")
    assert_cost(blocks(4), "3,4", snapshot=recorded)
    monkeypatch.delenv(UPDATE)
    with pytest.raises(AssertionError, match=r"\n  0–11 · aten::addmm: 48 → 75 MACs \(\+27\) in each of 12$"):
        assert_cost(blocks(5), "3,5", snapshot=_without_inputs(recorded))


def _without_inputs(path: Path) -> Path:
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "inputs"}))
    return path


def test_a_snapshot_is_of_its_own_inputs(recorded: Path) -> None:
    """A smaller input would be within every share; a limit of its own stands, and names nothing that grew."""
    for asked in ({}, {"macs": "<= +2%"}, {"macs": "<= 1G", "params": "<= +2%"}):
        with pytest.raises(vpcalc.InputError, match="was counted at 3,4, and this is 2,4; write it anew"):
            assert_cost(network(), "2,4", snapshot=recorded, **asked)  # type: ignore[arg-type]
    assert_cost(network(), "2,4", macs="<= 96", snapshot=recorded)
    with pytest.raises(AssertionError) as failure:
        assert_cost(network(), "6,4", macs="<= 96", snapshot=recorded)
    assert str(failure.value) == "macs: 288 is not <= 96"
    of_old = json.loads(recorded.read_text())
    assert of_old.pop("inputs") == "3,4"
    recorded.write_text(json.dumps(of_old))
    assert_cost(network(), "2,4", macs="<= +2%", snapshot=recorded)


def test_a_share_of_nothing_is_unusable(recorded: Path, tmp_path: Path) -> None:
    def refused(said: str, **asked: object) -> None:
        with pytest.raises(vpcalc.InputError, match=said):
            assert_cost(network(), "3,4", **asked)  # type: ignore[arg-type]

    refused("is relative to a snapshot; give the file", macs="<= +2%")
    refused("there is no snapshot .* yet; run once with VPCALC_UPDATE=1", macs="<= +2%", snapshot=tmp_path / "no")
    refused("nothing is asked; give macs, params, saved_bytes, peak_bytes, formula or snapshot")
    refused("has no peak_bytes", peak_bytes="<= +2%", snapshot=recorded)
    for bound in ("<= 2%", "+2%", "<= +two%"):
        refused("a share has a relation and a sign", macs=bound, snapshot=recorded)


def test_bytes_have_budgets(recorded: Path) -> None:
    """Beside its input the output of ReLU, which is the second layer's input too: 3·8 floats."""
    kept = 4 * 3 * 8
    found = assert_cost(network(), "3,4", saved_bytes=kept, peak_bytes="<= 1KiB", snapshot=recorded)
    assert found.saved_bytes == kept
    assert found.peak_bytes is not None
    assert_cost(network(), "3,4", saved_bytes="<= +0%", snapshot=recorded)
    with pytest.raises(AssertionError, match=r"saved_bytes: 108 is not <= \+2% of the recorded 96: \+12\.5 %"):
        assert_cost(network(9), "3,4", saved_bytes="<= +2%", snapshot=recorded)
    with pytest.raises(AssertionError, match=r"peak_bytes: [\d,]+ is not <= 8B"):
        assert_cost(network(), "3,4", peak_bytes="<= 8B")
    assert_cost(network(), "3,4", saved_bytes="< 0.09376KiB")  # 96.01 bytes, exactly
    for bound in ("<= 2G", "2GiB", "<= many", True):
        with pytest.raises(vpcalc.InputError, match=r"saved_bytes=.*: must be a bound such as '<= 2GiB'"):
            assert_cost(network(), "3,4", saved_bytes=bound)


def test_pytest_shows_the_message_and_not_our_lines(pytester: pytest.Pytester) -> None:
    assert_cost(nn.Linear(4, 5), "3,4", macs=60)  # what that imports is to stay after pytester's run
    pytester.makepyfile(
        "from torch import nn\nfrom vpcalc.testing import assert_cost\n"
        "def test_it():\n    assert_cost(nn.Linear(4, 5), '3,4', macs='<= 1')\n"
    )
    shown = pytester.runpytest_inprocess("-q").stdout.str()
    assert "macs: 60 is not <= 1" in shown
    assert "vpcalc/testing.py" not in shown


def test_prices_are_those_of_derive() -> None:
    class Turned(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.fft(x).real

    price = {"aten::_fft_r2c": lambda x, out: 7 * out.numel()}
    assert assert_cost(Turned(), "2,8", macs=112, prices=price).macs == 112
    with pytest.raises(vpcalc.InputError, match="assert_cost: prices aten::_fft_c2r: the model never runs it"):
        assert_cost(Turned(), "1,8", macs=56, prices={"aten::_fft_c2r": lambda x, out: 1})


def test_operators_without_a_price_are_a_failure_unless_allowed() -> None:
    class Unpriced(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.fft(x).real

    with pytest.raises(
        AssertionError, match="operators without a price, missing from the count: aten::_fft_r2c ×1"
    ):
        assert_cost(Unpriced(), "1,8", macs=0)
    assert_cost(Unpriced(), "1,8", macs=0, unknown=True)


@pytest.mark.parametrize(
    ("model", "inputs", "said"),
    [
        (3, "1,4", "a int; must be a torch.nn.Module"),
        (lambda: 3, "1,4", "the function made a int"),
        (network(), "1,N", "N must be a number"),
        (network(), [1, 2], "no tensor in inputs"),
        (network(), "1,5", "the module does not run on these inputs"),
    ],
)
def test_what_cannot_be_counted_is_unusable(model: object, inputs: object, said: str) -> None:
    with pytest.raises(vpcalc.InputError, match=said):
        assert_cost(model, inputs, macs=1)


def test_the_module_is_left_as_it_was() -> None:
    module = network().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert_cost(module, "3,4", macs=144)
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_the_flag_of_pytest_sets_the_variable(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeini("[pytest]")  # not that of a folder above, where temporary files may lie in a checkout
    pytester.makepyfile("from vpcalc.testing import updating\ndef test_flag(): assert updating()")
    for more, status in (([], 1), (["--vpcalc-update"], 0)):
        monkeypatch.setenv(UPDATE, "")
        assert pytester.runpytest_inprocess("-q", "-p", "vpcalc.testing", *more).ret == status


@pytest.mark.slow
def test_no_warning_of_a_counter_stops_those_who_make_errors_of_warnings() -> None:
    """A process of its own: a counter warns when it is first imported."""
    asked = "assert_cost(torch.nn.Linear(2, 3), '5,2', saved_bytes=0)"
    code = f"import torch; from vpcalc.testing import assert_cost; {asked}"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
