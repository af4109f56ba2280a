"""``vpcalc memory``: its figures, its checks, what fits, the least time, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import vpcalc as package
from vpcalc import words
from vpcalc.abstract.tape import Work
from vpcalc.answers.memory import Memory, memory
from vpcalc.architectures import ARCHITECTURES
from vpcalc.checks.claims import CLAIMS
from vpcalc.errors import InputError
from vpcalc.findings import Finding
from vpcalc.pictures import LineChart
from vpcalc.reference import MODEL_WITNESSES
from vpcalc.storage.devices import devices, find
from vpcalc.storage.fit import by_form, fit
from vpcalc.storage.footprint import works
from vpcalc.storage.optimizers import Optimizer, read_bytes
from vpcalc.storage.roofline import ridge, roofs

from .conftest import Run

GIB = 1024**3


def quick(name: str, **options: Any) -> Memory:
    return memory(name, check=False, **options)


# -- figures -----------------------------------------------------------------------------------------


def test_the_question_of_the_front_page() -> None:
    result = memory("swin_t", input=224, batch=128, train=True)
    assert result.ok
    assert result.report is not None
    assert result.report.verdict.value == "agrees"
    found = result.to_dict()
    assert (found["command"], found["model"], found["input"]) == ("memory", "swin_t", [128, 3, 224, 224])
    assert found["input_bytes"] == 128 * 3 * 224 * 224 * 4
    assert found["weights_bytes"] == found["gradients_bytes"] == 28_288_354 * 4
    assert found["optimizer_bytes"] == 28_288_354 * 8
    assert found["saved_bytes"] == sum(module["saved_bytes"] for module in found["modules"])
    assert found["saved_bytes"] == sum(found["operators"].values())
    assert found["total_bytes"] == found["training_bytes"]
    form = eval(found["formula"]["saved_bytes"]["python"], {}, {"B": 128, "H": 224, "W": 224})
    assert form == found["saved_bytes"]
    total = eval(found["formula"]["total_bytes"]["python"], {}, {"B": 128, "H": 224, "W": 224})
    assert total == found["total_bytes"]


def test_saved_bytes_against_hooks_of_ones_own() -> None:
    """As a reader would count them, with nothing of ours but the module."""
    found = quick("swin_t", input=224, batch=4, train=True).to_dict()
    with torch.device("meta"):
        module, inputs = MODEL_WITNESSES["swin"]((224, 224), ARCHITECTURES["swin_t"].config, 4)
    module.train()
    own = {t.untyped_storage()._cdata for t in (*module.parameters(), *module.buffers(), *inputs)}
    seen: dict[int, torch.Tensor] = {}
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: seen.setdefault(t.untyped_storage()._cdata, t), lambda t: t
    ):
        kept_alive = module(*inputs)
    assert kept_alive.shape == (4, 1000)
    storages = [t.untyped_storage().nbytes() for name, t in seen.items() if name not in own]
    assert found["saved_bytes"] == sum(storages)


def test_training_is_the_sum_of_its_parts() -> None:
    found = quick("vit_ti_16", batch=2, train=True, optimizer="momentum").to_dict()
    parts = ("weights", "buffers", "gradients", "optimizer", "input", "forward_peak")
    assert found["total_bytes"] == sum(found[f"{part}_bytes"] for part in parts)
    assert found["forward_peak_bytes"] > found["saved_bytes"]
    running = quick("vit_ti_16", batch=2).to_dict()
    assert running["total_bytes"] == sum(
        running[f"{part}_bytes"] for part in ("weights", "buffers", "input", "peak")
    )
    assert running["peak"]["module"].startswith("blocks.")


def test_what_is_traded_for_memory() -> None:
    plain, block, maps = (
        quick("vit_ti_16", batch=2, train=True, recompute=how).to_dict() for how in ("none", "block", "attention")
    )
    fused = quick("vit_ti_16", batch=2, train=True, attention="fused").to_dict()
    assert block["saved_bytes"] < maps["saved_bytes"] < plain["saved_bytes"]
    assert block["saved_bytes"] < block["held_bytes"] < plain["held_bytes"]
    assert fused["saved_bytes"] < plain["saved_bytes"]
    assert plain["attention_bytes"] == fused["attention_bytes"]  # what there is, not what is kept
    half = quick("vit_ti_16", batch=2, train=True, dtype="bfloat16").to_dict()
    assert half["weights_bytes"] * 2 == plain["weights_bytes"]
    assert half["saved_bytes"] * 2 > plain["saved_bytes"]  # norms keep their statistics in float32


def test_a_cache_for_the_next_token() -> None:
    decoder = quick("transformer_base", src=7, tgt=5, batch=2).to_dict()
    assert decoder["cache_bytes"] == 6 * (2 * 512 * (5 + 7)) * 2 * 4  # layers, keys and values of both attentions
    assert quick("vit_ti_16").to_dict()["cache_bytes"] == 0
    short, long = (quick("retnet_1_3b", tokens=n, dtype="float16").to_dict()["cache_bytes"] for n in (16, 64))
    assert short == long == 24 * 8 * 256 * 512 * 2  # layers, heads, d_k x d_v
    assert quick("lstm", tokens=9, batch=3).to_dict()["cache_bytes"] == 3 * 2 * 64 * 4


@pytest.mark.parametrize(
    ("name", "make", "numbers"),
    [
        ("sgd", lambda w: torch.optim.SGD(w, lr=0.1), 0),
        ("momentum", lambda w: torch.optim.SGD(w, lr=0.1, momentum=0.9), 1),
        ("adam", lambda w: torch.optim.Adam(w), 2),
        ("adamw", lambda w: torch.optim.AdamW(w), 2),
    ],
)
def test_optimizers_against_pytorchs_own(name: str, make: Callable[[Any], Any], numbers: int) -> None:
    config = ARCHITECTURES["vit_ti_16"].configure({"depth": 1, "classes": 3})
    module, inputs = MODEL_WITNESSES["vit"]((32, 32), config, 1)
    optimizer = make(module.parameters())
    module(*inputs).sum().backward()
    optimizer.step()
    state = [t for entry in optimizer.state.values() for t in entry.values() if isinstance(t, torch.Tensor)]
    changes = {"depth": 1, "classes": 3}
    found = quick("vit_ti_16", input=32, set=changes, train=True, optimizer=name).to_dict()
    assert found["optimizer_bytes"] + found["optimizer_host_bytes"] == sum(t.nbytes for t in state)
    assert found["optimizer_bytes"] == numbers * found["weights_bytes"]
    gradients = [weight.grad for weight in module.parameters() if weight.grad is not None]
    assert found["gradients_bytes"] == sum(gradient.nbytes for gradient in gradients)


def test_sixteen_bytes_a_parameter() -> None:
    found = quick("vit_ti_16", train=True, dtype="bfloat16", master_weights=True).to_dict()
    parts = found["weights_bytes"] + found["gradients_bytes"] + found["optimizer_bytes"]
    assert parts == 16 * found["params"]
    assert Optimizer("sgd", master=True).state([((10,), 1)], 2) == 40


@pytest.mark.slow
@pytest.mark.parametrize(
    ("id", "found"),
    [
        ("gpt_layer_bytes", Finding.CORRECTED),
        ("gpt_selective_bytes", Finding.CORRECTED),
        ("gpt_full_bytes", Finding.IDENTIFIED),
        ("mixed_precision_bytes", Finding.CHECKED),
        ("resnet50_saved_bytes", Finding.IDENTIFIED),
    ],
)
def test_claims(id: str, found: Finding) -> None:
    outcome = CLAIMS[id].settle()
    assert outcome.verdict is found
    if found is Finding.CORRECTED:
        assert outcome.note == "as printed: 16BN is missing"


# -- what fits ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("swin_t", {"fit": "24GiB", "train": True}),
        ("swin_t", {"fit": "2GB", "solve": "input"}),
        ("vit_ti_16", {"fit": "3GiB", "solve": "input", "train": True, "batch": 2}),
        ("pvt_v2_b0", {"fit": "900MiB", "solve": "input", "train": True}),
        ("resnet18", {"fit": "1.5GiB", "train": True, "recompute": "block"}),
        ("vgg11", {"fit": "4GiB", "solve": "input", "train": True, "optimizer": "sgd"}),
        ("transformer_base", {"fit": "8GiB", "solve": "tokens", "train": True}),
        ("retnet_1_3b", {"fit": "16GiB", "solve": "tokens", "dtype": "bfloat16"}),
        ("lstm", {"fit": "2MiB", "solve": "tokens", "train": True}),
    ],
)
def test_the_answer_fits_and_one_more_does_not(name: str, options: dict[str, Any]) -> None:
    result = quick(name, **options)
    found = result.fitted
    assert found is not None
    of, needed = result.plan.needed
    assert of == ("step_peak_bytes" if options.get("train") else "inference_bytes") == found.of
    assert found.bytes == needed <= found.budget < found.next_bytes
    solved = options.get("solve", "batch")
    fixed = {key: value for key, value in options.items() if key not in ("fit", "solve")}

    def alone(number: int) -> int:
        given = {"batch": {"batch": number}, "input": {"input": number}, "tokens": {"tokens": number}}[solved]
        if name == "transformer_base":
            given = {"src": number, "tgt": number}
        return int(quick(name, **{**fixed, **given}).to_dict()[{"inference_bytes": "total_bytes"}.get(of, of)])

    assert alone(found.answer) == found.bytes
    assert alone(found.answer + 1) == found.next_bytes


@pytest.mark.parametrize(("batch", "fits"), [(32, True), (200, False)])
def test_a_batch_that_is_asked_about_and_the_largest(inside: Run, batch: int, fits: bool) -> None:
    command = ("memory", "vit_ti_16", "--train", "--fit", "6GiB", "--batch", str(batch), "--no-check")
    found = json.loads(inside(*command, "--format", "json").stdout)["fit"]
    alone = quick("vit_ti_16", train=True, batch=batch).to_dict()["step_peak_bytes"]
    assert found["answer"] == quick("vit_ti_16", train=True, fit="6GiB").batch
    assert (alone <= 6 * GIB) is fits
    assert found["asked"] == {
        "batch": batch,
        "total_bytes": alone,
        "spare_bytes": 6 * GIB - alone,
        "fits": fits,
    }
    said = "as asked: fits" if fits else f"as asked: {alone - 6 * GIB:,} bytes too many"
    table = inside(*command, "--format", "markdown").stdout
    assert said in table
    assert "what has to fit is the peak of a whole step" in table


def test_an_optimizer_that_works_on_all_weights_at_once_may_not_fit() -> None:
    """Eight images of a large network: the step is at its peak in the optimizer."""
    one = quick("vit_b_16", train=True).to_dict()
    fitted = quick("vit_b_16", train=True, fit=f"{one['step_peak_bytes']}B")
    assert fitted.fitted is not None
    assert fitted.fitted.answer >= 1
    at_once = fitted.to_dict()["step_peak"]["foreach_bytes"]
    (note,) = (note for note in fitted.tables()[-1].notes if "at once" in note)
    assert f"{at_once:,} bytes: {at_once - fitted.fitted.budget:,} too many" in note


@given(st.integers(1, 10**6), st.integers(1, 50), st.integers(0, 1000), st.integers(-40, 40))
def test_any_growing_total_is_solved(budget: int, slope: int, start: int, off: int) -> None:
    """However far the guess is off."""

    def total(n: int) -> int:
        return start + slope * (n // 3) * n

    if total(1) > budget:
        with pytest.raises(InputError, match="short"):
            fit("batch", budget, total, 5000)
        return
    found = fit("batch", budget, total, 5000, lambda n: total(max(1, n + off)))
    assert found.bytes == total(found.answer) <= budget
    assert found.capped or total(found.answer + 1) == found.next_bytes > budget
    assert found.capped == (total(5000) <= budget)


def test_a_form_off_its_lattice_is_only_a_guess() -> None:
    form = by_form(ARCHITECTURES["swin_t"].cost(_symbols("H", "W")).total(_macs()), ("H", "W"))
    assert form(224) == 4_490_566_656
    assert isinstance(form(225), int)


def _symbols(*names: str) -> Any:
    from vpcalc.algebra.polynomial import symbol

    return tuple(symbol(name) for name in names)


def _macs() -> Any:
    from vpcalc.cost import Quantity

    return Quantity.MACS


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("24GiB", 24 * GIB),
        ("80GB", 80 * 10**9),
        ("1.5 KiB", 1536),
        ("512", 512),
        ("0.5MB", 500_000),
        (7, 7),
        ("7.45GiB", 7_999_376_588),
    ],
)
def test_sizes_with_units(text: object, size: int) -> None:
    assert read_bytes("--fit", text) == size


@pytest.mark.parametrize(
    "text", ["", "GiB", "24gib", "24 Gib", "1e9", "-5GB", "0", "0.3B", "١GB", "24GiBB", True, "nan"]
)
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(InputError, match="--fit"):
        read_bytes("--fit", text)


def test_a_device_is_no_size_and_has_an_option() -> None:
    with pytest.raises(InputError, match=r"such as 24GiB, .*; of a device --device says whether it fits"):
        read_bytes("--fit", "rtx4090")


# -- the least time ----------------------------------------------------------------------------------

SLOW = "id,name,float64,float32,bfloat16,float16,bandwidth,memory,source\nmine,My own,,1e9,,,1e8,1GiB,measured\n"


def test_a_bound_by_hand() -> None:
    device = devices()["v100_16gb"]
    busy, waiting = Work("a", "linear", 10**12, 10**6, 10**6), Work("b", "add", 0, 9 * 10**8, 0)
    first, second = roofs([busy, waiting], device, "float32")
    assert (first.seconds, first.bound) == (Fraction(2 * 10**12) / Fraction("15.7e12"), "compute")
    assert (second.seconds, second.bound) == (Fraction(1, 1000), "memory")
    assert first.intensity == 10**6
    assert ridge(device, "float32") == 15.7e12 / 900e9


def test_the_bound_of_a_model() -> None:
    result = quick("resnet18", device="a100_80gb", batch=2)
    found = result.to_dict()["roofline"]
    assert found["macs"] == 2 * 1_814_073_344
    assert found["bytes_moved"] == sum(entry["bytes_moved"] for entry in found["operators"])
    assert found["milliseconds"] == pytest.approx(sum(entry["milliseconds"] for entry in found["modules"]))
    assert found["milliseconds"] >= 2 * found["macs"] / 19.5e12 * 1000
    assert {entry["bound"] for entry in found["operators"] if entry["name"] != "conv"} == {"memory"}


def test_under_autocast_products_go_at_the_rate_of_16_bits() -> None:
    """82.6 · 10¹² operations a second in float32 were no bound on what an RTX 4090 does with tensor cores."""

    class Own(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(4096, 4096)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.linear(x)
            return y

    for asked in (
        lambda amp: quick("resnet18", device="rtx4090", batch=2, amp=amp),
        lambda amp: package.memory(Own, input="4096,4096", device="rtx4090", amp=amp, check=False),
    ):
        plain, narrow = (asked(amp).to_dict()["roofline"] for amp in (None, "bf16"))
        assert (plain["peak_flops"], narrow["peak_flops"]) == (82.6e12, 165.2e12)
        compute = [
            2 * each["macs"] / each["milliseconds"] for each in narrow["operators"] if each["bound"] == "compute"
        ]
        assert compute
        assert max(compute) > 82.6e9
        assert "products in bfloat16" in asked("bf16").tables()[-1].title


def test_every_operator_reads_what_it_is_given() -> None:
    done = works(
        ARCHITECTURES["vit_ti_16"].family, (32, 32), ARCHITECTURES["vit_ti_16"].configure({"depth": 1}), 1
    )
    assert all(work.written > 0 for work in done)
    assert all(work.read > 0 for work in done)
    gelu = next(work for work in done if work.kind == "gelu")
    assert gelu.read == gelu.written == 5 * 768 * 4


def test_devices_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "devices.csv"
    file.write_text(SLOW, encoding="utf-8")
    mine = quick("vit_ti_16", device="mine", devices=str(file)).to_dict()["roofline"]
    assert (mine["name"], mine["source"]) == ("My own", "measured")
    with pytest.raises(InputError, match="no peak rate for bfloat16"):
        quick("vit_ti_16", device="mine", devices=str(file), dtype="bfloat16")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,name\n", "no column float64"),
        (SLOW.replace("1e9", "fast"), "line 2, float32 'fast'"),
        (SLOW.replace("1e8", ""), "line 2, bandwidth ''"),
        (SLOW.replace("1GiB", "1gig"), "line 2, memory '1gig'"),
        (SLOW.replace("mine,", "mine,extra,"), "line 2: 10 cells"),
        (SLOW.replace("1e9", "1e999999999"), "line 2, float32"),
        (SLOW.replace("1e9", "-1"), "line 2, float32 '-1'"),
    ],
)
def test_a_table_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "devices.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        quick("vit_ti_16", device="mine", devices=str(file))


def test_every_device_has_a_source() -> None:
    for device in devices().values():
        assert device.source
        assert device.rates
        assert device.bandwidth > 10**9


@pytest.mark.parametrize(
    ("written", "id"),
    [
        ("rtx4090", "rtx_4090"),
        ("RTX 4090", "rtx_4090"),
        ("NVIDIA GeForce RTX-4090", "rtx_4090"),
        ("A100-80GB", "a100_80gb"),
        ("NVIDIA A100 PCIe 80 GB", "a100_80gb_pcie"),
        ("Instinct MI300X", "mi300x"),
        ("Tesla T4", "t4"),
    ],
)
def test_devices_as_people_write_them(written: str, id: str) -> None:
    assert find(written).id == id


def test_no_two_devices_are_written_alike() -> None:
    known = devices().values()
    spelled = {(words.device(name), device.id) for device in known for name in (device.id, device.name)}
    assert len({name for name, _ in spelled}) == len(spelled)


@pytest.mark.parametrize(
    ("written", "own"),
    [
        ("fp16", "float16"),
        ("Half", "float16"),
        ("BF16", "bfloat16"),
        ("torch.float32", "float32"),
        ("fp64", "float64"),
    ],
)
def test_element_types_as_people_write_them(written: str, own: str) -> None:
    assert quick("vit_ti_16", dtype=written).to_dict() == quick("vit_ti_16", dtype=own).to_dict()


def test_a_roofline_as_a_picture() -> None:
    found = package.plot_roofline("swin_t", device="a100_80gb", batch=64)
    chart = found.chart
    assert isinstance(chart, LineChart)
    assert chart.lines[0].y[-1] == 19_500_000_000_000
    assert [mark.label.partition(":")[0] for mark in chart.marks] == ["linear", "matmul", "conv"]
    assert all(mark.y <= chart.lines[0].y[-1] for mark in chart.marks)
    (ridge,) = chart.ridges
    assert ridge.x == pytest.approx(19_500 / 2_039)
    at = dict(zip(chart.lines[0].x, chart.lines[0].y, strict=True))
    assert at[ridge.x] == chart.lines[0].y[-1]  # the roof turns there and nowhere else
    assert all(y == pytest.approx(x * 2_039e9, abs=1) for x, y in at.items() if x <= ridge.x)
    assert all(y == chart.lines[0].y[-1] for x, y in at.items() if x >= ridge.x)
    exact = {each.name: each.intensity for each in quick("swin_t", device="a100_80gb", batch=64).roofs()}
    assert [mark.x for mark in chart.marks] == [exact[name] for name in ("linear", "matmul", "conv")]
    assert set(chart.x_ticks) == {2.0**power for power in range(len(chart.x_ticks))}
    assert "linear" in found.terminal()
    for width in (80, 200):  # round numbers below, at their places, and none of 10^0.5
        lines = package.plot_roofline("swin_t", device="a100_80gb").terminal(width).splitlines()
        ticks = lines[next(at for at, line in enumerate(lines) if line.startswith("└")) + 1]
        assert ticks.split() == ["1", "2", "5", "10", "20", "50"]
        assert ticks.index("10") - ticks.index("5") == pytest.approx(ticks.index("2") - ticks.index("1"), abs=1)
    with pytest.raises(InputError, match="--device 'b100'"):
        package.plot_roofline("swin_t", device="b100")


# -- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dtype": "int8"}, "--dtype 'int8' is not known"),
        ({"optimizer": "rmsprop"}, "--optimizer 'rmsprop'"),
        ({"attention": "flash"}, "--attention 'flash'"),
        ({"recompute": "all"}, "--recompute 'all'"),
        ({"amp": "int8"}, "--amp 'int8' is not known"),
        ({"amp": "fp16", "dtype": "bf16"}, "autocast goes with weights in float32"),
        ({"amp": "fp16", "recompute": "block"}, "--recompute must be none"),
        ({"master_weights": True}, "float32 is no narrower"),
        ({"device": "a100"}, "did you mean .*a100_80gb"),
        ({"device": "v100_16gb", "dtype": "bfloat16"}, "no peak rate for bfloat16"),
        ({"solve": "input"}, "--solve input: needs --fit"),
        ({"fit": "8GiB", "solve": "tokens"}, "must be batch or input"),
        ({"fit": "8GiB", "solve": "depth"}, "--solve 'depth'"),
        ({"fit": "100MiB"}, r"the weights alone take 107\.9 MiB \(113,153,416 bytes\): 7\.912 MiB short"),
        ({"fit": "120MiB"}, r"batch 1 takes 125\.2 MiB \(131,239,512 bytes\); 5\.160 MiB short"),
        ({"attention": "fused", "recompute": "attention"}, "fused attention keeps no map"),
        ({"batch": 0}, "--batch 0"),
        ({"tokens": 5}, "takes --input"),
        ({"devices": "/nowhere.csv", "device": "x"}, "--devices: no file '/nowhere.csv'"),
        ({"set": {"M": "h/8"}, "fit": "1GiB", "solve": "input", "input": 256}, "M = h/8 is whole at some sizes"),
        ({"set": {"M": "h/8"}, "input": 224}, "is 7/2 on a grid of 28x28"),
        ({"set": {"M": "(h+w)/16"}, "input": 256}, "must be a whole number, or one term"),
    ],
)
def test_unusable_input(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        quick("swin_t", **options)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("resnet18", {"attention": "fused"}, "no softmax attention"),
        ("lstm", {"recompute": "attention"}, "no softmax attention"),
        ("lstm", {"recompute": "block"}, "no repeated blocks"),
        ("retnet_1_3b", {"attention": "fused"}, "no softmax attention"),
        ("exfuse_resnet50", {"recompute": "attention"}, "no softmax attention"),
        ("vgg11", {"recompute": "block"}, "no repeated blocks"),
        ("lstm", {"tokens": 10_001}, "must be at most 10000"),
        ("t5_small", {"fit": "1TB", "solve": "input"}, "must be batch or tokens"),
    ],
)
def test_what_an_architecture_does_not_have(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        quick(name, **options)


SHALLOW = {"C": 12, "depths": "2,2", "heads": "3,2"}


@pytest.mark.parametrize(
    ("window", "sizes"),
    [("h/8", (64, 64)), ("h/8", (128, 32)), ("h/4", (64, 96)), ("w/4", (96, 64)), ("h", (64, 64))],
)
def test_forms_of_a_window_that_grows_with_the_grid(window: str, sizes: tuple[int, int]) -> None:
    """The sample divides in both directions, and at sizes of the lattice the forms are the figures."""
    result = quick("swin_t", input=sizes, batch=2, train=True, set={**SHALLOW, "M": window})
    figures = result.figures()
    assert {"saved_bytes", "weights_bytes", "forward_peak_bytes", "total_bytes"} <= set(result.forms)
    point = {"H": sizes[0], "W": sizes[1], "B": 2}
    found = {name: form.polynomial.value(point) for name, form in result.forms.items()}
    assert found == {name: figures[name] for name in found}


def test_the_sample_of_a_form_divides() -> None:
    """Twice the native size is 512 by 448 on the lattice of h/4, and 32 rows do not divide 112 columns."""
    form = package.formula("swin_t", quantity="saved_bytes", set={"M": "h/4"}).form.polynomial
    at_once = quick("swin_t", input=(128, 160), batch=2, set={"M": "h/4"})
    assert form.value({"H": 128, "W": 160, "B": 2}) == at_once.figures()["saved_bytes"]


def test_a_grid_that_its_window_does_not_divide_has_bytes_and_their_form() -> None:
    """h/4 is 8 rows, and 20 columns are padded to 24."""
    result = memory("swin_t", input=(128, 80), set={**SHALLOW, "M": "h/4"})
    assert result.ok
    form = result.forms["peak_bytes"]
    assert "for inputs like this one" in form.valid
    assert form.polynomial.at({"H": 128, "W": 80}) == result.figures()["peak_bytes"]


# -- the command -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [("memory",), ("plot", "roofline", "--device", "a100_80gb", "--format", "json")]
)
def test_a_window_that_grows_with_the_grid(inside: Run, command: tuple[str, ...]) -> None:
    done = inside(*command, "swin_t", "--set", "M=h/8", "--input", "256")
    assert (done.returncode, done.stderr) == (0, "")
    assert "differs" not in done.stdout


def test_in_every_format(inside: Run) -> None:
    command = ("memory", "vit_ti_16", "--batch", "2", "--train", "--device", "a100_40gb", "--no-check")
    shown = inside(*command)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "What autograd keeps" in shown.stdout
    assert "The least time on NVIDIA A100" in shown.stdout
    found = json.loads(inside(*command, "--format", "json").stdout)
    assert found == package.memory("vit_ti_16", batch=2, train=True, device="a100_40gb", check=False).to_dict()
    rows = list(csv.DictReader(io.StringIO(inside(*command, "--format", "csv").stdout)))
    assert int(rows[-1]["bytes"]) == found["total_bytes"]
    assert sum(int(row["bytes"]) for row in rows[:-1]) == found["total_bytes"]
    assert inside(*command, "--format", "markdown").stdout.count("| total |") == 3
    assert r"\begin{tabular}" in inside(*command, "--format", "latex").stdout


def test_checked_on_the_command_line(inside: Run) -> None:
    done = inside(
        "memory", "vit_ti_16", "--train", "--recompute", "block", "--dtype", "bfloat16", "--format", "json"
    )
    found = json.loads(done.stdout)
    assert (done.returncode, done.stderr, found["verdict"]) == (0, "", "agrees")
    quantities = {check["quantity"] for check in found["checks"]}
    assert {"weights_bytes", "saved_bytes", "held_bytes", "peak_bytes", "forward_peak_bytes"} <= quantities
    assert found["measured_step_bytes"] > found["saved_bytes"] + found["weights_bytes"]


def test_one_line_for_unusable_input(inside: Run) -> None:
    done = inside("memory", "swin_t", "--fit", "100MiB", "--no-check")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "7.912 MiB short" in done.stderr


@pytest.mark.parametrize(
    ("name", "quantity", "text"),
    [
        ("swin_t", "saved_bytes", "135241BHW/64 + 3072B"),
        ("wmsa", "saved_bytes", "20BhwC + 4BM²ahw"),
        ("msa", "attention_bytes", "4Ba(hw)²"),
        ("wmsa", "attention_bytes", "4BM²ahw"),
        ("sra", "attention_bytes", "4Ba(hw)²/R²"),
        ("linear_sra", "attention_bytes", "4BP²ahw"),
        ("causal_mha", "cache_bytes", "4BaT·d_k + 4BaT·d_v"),
        ("swin_t", "weights_bytes", "113153416"),
        ("swin_t", "optimizer_bytes", "226306832"),
        ("swin_t", "input_bytes", "12BHW"),
    ],
)
def test_closed_forms(name: str, quantity: str, text: str) -> None:
    assert package.formula(name, quantity=quantity).form.text == text


@pytest.mark.parametrize("quantity", ["inference_bytes", "training_bytes", "peak_bytes", "forward_peak_bytes"])
def test_forms_of_totals_hold_at_the_models_own_size(quantity: str) -> None:
    result = quick("vit_ti_16", batch=3, train=quantity == "training_bytes")
    figures = result.figures()
    form = package.formula("vit_ti_16", quantity=quantity)
    assert form.form.polynomial.value({"B": 3, "H": 224, "W": 224}) == figures[quantity]
    assert "activations peaking in" in form.form.valid
    assert sum(term for *_, term in form.steps()) == form.form.polynomial


@pytest.mark.quick(2)
@pytest.mark.parametrize("quantity", ["saved_bytes", "peak_bytes", "training_bytes", "inference_bytes"])
def test_one_figure_of_memory_stands_in_a_sentence(quantity: str, tmp_path: Path, inside: Run) -> None:
    file = tmp_path / "net.py"
    file.write_text("from torch import nn\ndef net(C=8): return nn.Conv2d(3, C, 3, 2, 1)\n", encoding="utf-8")
    for name, more in (("swin_t", {"set": {"C": 48}}), (f"{file}:net", {"args": {"C": 5}})):
        train = quantity in ("saved_bytes", "training_bytes")
        found = package.memory(name, input=64, batch=3, train=train, check=False, **more).to_dict()
        assert package.figure(name, quantity=quantity, input=64, batch=3, **more).value == found[quantity]
    shown = inside("figure", "swin_t", "--quantity", quantity, "--exact").stdout.strip()
    assert int(shown.replace(",", "")) == package.figure("swin_t", quantity=quantity).value
    refused = inside("figure", "msa", "--quantity", quantity)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "vpcalc formula msa has it" in refused.stderr
