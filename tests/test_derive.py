"""Closed forms of modules that nobody wrote a formula for, against counts of the same modules by others."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from math import isqrt
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import vpcalc
from vpcalc.algebra import Polynomial, symbols
from vpcalc.algebra.floors import on_lattice
from vpcalc.algebra.interpolation import value_at
from vpcalc.algebra.polynomial import as_polynomial
from vpcalc.answers.derive import Derivation, derive
from vpcalc.answers.executed import Executed
from vpcalc.architectures import ARCHITECTURES
from vpcalc.architectures.registry import first_of_each
from vpcalc.checks import probing
from vpcalc.checks.probing import Prober
from vpcalc.checks.search import Found, NotFound
from vpcalc.checks.shapes import (
    InputShape,
    Kind,
    Letter,
    Multiple,
    parse_inputs,
    read_argument,
    resolve,
    variables,
)
from vpcalc.checks.targets import find_target
from vpcalc.cost import Cost, Quantity
from vpcalc.counters.dispatch import DispatchCounts, tensors_of
from vpcalc.counters.fvcore import count as fvcore_count
from vpcalc.counters.ways import Way
from vpcalc.errors import InputError
from vpcalc.report.table import records
from vpcalc.symbolic import lattice, model_on_symbols

from .conftest import Run

B, C, H, N, T, W, a, h, w = symbols("B C H N T W a h w")


# -- what a user writes --------------------------------------------------------------------------------


def test_shapes_are_read() -> None:
    assert parse_inputs("1,3,H,W") == (InputShape((1, 3, "H", "W")),)
    assert parse_inputs(" (1, N):long ; mask = 1,N:bool") == (
        InputShape((1, "N"), "long"),
        InputShape((1, "N"), "bool", "mask"),
    )
    assert str(parse_inputs("ids=1,d_k:long")[0]) == "ids=1,d_k:long"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,,3",
        "1,HW",
        "1,3.5",
        "1,-3",
        "1,N:lang",
        "1 3",
        "__import__('os')",
        "x y=1,N",
        "1,2,3,4,5,6,7,8,N",
        "0,N",
    ],
)
def test_a_shape_that_cannot_be_read_is_one_line(text: str) -> None:
    with pytest.raises(InputError, match="--input") as caught:
        parse_inputs(text)
    assert "\n" not in str(caught.value)


def test_arguments_are_data() -> None:
    read = {
        text: read_argument("x", text) for text in ("3", "-2", "0.5", "true", "None", "relu", "C", "d_ff", "'C'")
    }
    values = [3, -2, 0.5, True, None, "relu", Letter("C"), Letter("d_ff"), "C"]
    assert list(read.values()) == values
    assert read_argument("depths", "2,2,L,2") == [2, 2, Letter("L"), 2]
    assert resolve([2, Letter("L")], {"L": 5}) == [2, 5]
    assert read_argument("x", 7) == 7


def test_an_argument_may_be_a_product() -> None:
    assert [read_argument("x", text) for text in ("G*D", "2*D", "a*a", "relu*D", "'G*D'")] == [
        Multiple(1, ("G", "D")),
        Multiple(2, ("D",)),
        Multiple(1, ("a", "a")),
        "relu*D",
        "G*D",
    ]
    assert resolve([Multiple(2, ("G", "D"))], {"G": 3, "D": 5}) == [30]
    found = vpcalc.derive("torch.nn:Linear", "1,N,G*D", {"in_features": "G*D", "out_features": "2*D"})
    assert found.to_dict()["regimes"][0]["macs"]["text"] == "2ND²G"
    assert found.to_dict()["regimes"][0]["params"]["text"] == "2D²G + 2D"


@pytest.mark.parametrize(
    ("name", "shape", "given", "text"),
    [
        ("bert", "1,N", {"hidden_size": "C", "max_position_embeddings": 40}, "4NC² + C² + 2N²C + 96NC"),
        (
            "vit",
            "1,3,24,24",
            {"hidden_size": "2*C", "image_size": 24, "patch_size": "P"},
            "16⌊24/P⌋²C² + 20C² + 6P²⌊24/P⌋²C + 4⌊24/P⌋⁴C + 200⌊24/P⌋²C + 196C",
        ),
    ],
)
def test_a_field_of_a_configuration_may_be_a_symbol(name: str, shape: str, given: Any, text: str) -> None:
    """A package of its own checks the types of fields, and a model's source takes ``int`` of what it is given."""
    small = {"num_hidden_layers": 1, "intermediate_size": 48, "num_attention_heads": 2}
    found = vpcalc.derive(f"transformers:{name}", shape, {**small, **given}, range={"C": "1:64"}, quantity="macs")
    assert isinstance(found, Executed)
    first, *others = found.to_dict()["regimes"]
    assert (found.to_dict()["complete"], first["verdict"], first["macs"]["text"]) == (True, "executed", text)
    assert others
    assert all("refused" in other for other in others)


def test_what_a_symbol_measures() -> None:
    kinds = {v.name: v.kind for v in variables(parse_inputs("B,3,H,W;1,N:long"), {"dim": Letter("C")})}
    image = Kind.IMAGE
    assert kinds == {"B": Kind.BATCH, "H": image, "W": image, "N": Kind.SEQUENCE, "C": Kind.ARGUMENT}
    assert {v.name: v.kind for v in variables(parse_inputs("1,h,w,96"), {})} == {"h": image, "w": image}
    (square,) = variables(parse_inputs("1,3,S,S"), {"image_size": Letter("S")})
    assert (square.kind, square.degree) == (Kind.IMAGE, 4)


# -- our own models --------------------------------------------------------------------------------------


Settings = Mapping[str, object]


def symbolic(name: str, settings: Settings) -> Cost:
    architecture = ARCHITECTURES[name]
    return model_on_symbols(architecture, architecture.configure(settings))


def closed_form(name: str, quantity: Quantity = Quantity.MACS, **settings: object) -> Polynomial:
    return as_polynomial(symbolic(name, settings).total(quantity))


def form(result: Derivation | Executed) -> Polynomial:
    assert result.macs is not None, str(result)
    return result.macs.polynomial


SHALLOW: dict[str, Settings] = {
    "swin_t": {"depths": "2,2", "heads": "3,6"},
    "vit_b_16": {"depth": 2},
    "resnet18": {},
    "vgg11": {},
    "pvt_v2_b0": {"depths": "1,1,1,1"},
    "t5_small": {"layers": 1},
}


def is_the_registered_form(name: str, settings: Settings, counting: bool = False) -> None:
    result = derive(name, args=settings, counting=counting)
    assert form(result) == closed_form(name, **settings)
    if isinstance(result, Executed):
        assert not counting
        params = on_lattice(result.explored.main.leader.execution.params)
        assert params is not None
        assert params.form == closed_form(name, Quantity.PARAMS, **settings)
    else:
        assert isinstance(result.found, Found)
        assert result.found.params == closed_form(name, Quantity.PARAMS, **settings)
    conditions = lattice(symbolic(name, settings))
    assert all(conditions.get(symbol, 1) % stride == 0 for symbol, stride in result.lattice.items())
    assert (result.unknown, result.ok) == ({}, True)


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    "counting", [pytest.param(False, id="executed"), pytest.param(True, id="counted", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "swin_t" else ()) for name in SHALLOW]
)
def test_running_gives_the_form_that_layers_give(name: str, counting: bool) -> None:
    """Derivations that share nothing: the module's own run, operators seen at work, and formulas on symbols."""
    is_the_registered_form(name, SHALLOW[name], counting)


def of_two_blocks(name: str) -> Settings:
    """Two equal blocks a stage instead of more; the first model of a family is whole."""
    architecture = ARCHITECTURES[name]
    if architecture in first_of_each().values():
        return {}
    depths = {
        key: architecture.config[key] for key in ("depth", "depths", "layers", "N") if key in architecture.config
    }
    return {
        key: min(depth, 2) if isinstance(depth, int) else tuple(min(each, 2) for each in depth)
        for key, depth in depths.items()
    }


COUNTED = dict.fromkeys([architecture.id for architecture in first_of_each().values()] + [*ARCHITECTURES][::3])


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTED)
def test_counting_gives_the_form_that_layers_give_for_many(name: str) -> None:
    """Some sixty runs each; all models are counted whole, at their own sizes, elsewhere."""
    is_the_registered_form(name, of_two_blocks(name), counting=True)


@pytest.mark.slow
def test_the_lattice_is_found() -> None:
    assert derive("swin_t", "1,3,H,W", SHALLOW["swin_t"]).lattice == {"H": 56, "W": 56}
    assert derive("vit_b_16", "B,3,H,32", {"depth": 1}).lattice == {"B": 1, "H": 16}


@pytest.mark.slow
def test_windows_that_shrink_with_the_grid_are_complete() -> None:
    """The shorter side is the window where it is small, so that each side has forms of its own there."""
    result = derive("swin_t", "1,3,H,W", {"depths": "1", "heads": "3"}, range={"H": "1:512", "W": "1:512"})
    assert isinstance(result, Executed)
    found = result.to_dict()
    assert (found["complete"], found["open"]) == (True, [])


def test_a_size_may_be_fixed_and_letters_are_free() -> None:
    result = derive("vgg11", "1,3,224,w")
    assert form(result) == closed_form("vgg11").subs({"H": 224, "W": w})


@pytest.mark.parametrize(
    ("layer", "shape", "args", "text"),
    [
        (nn.LSTM, "1,N,8", {"input_size": "8", "hidden_size": "D"}, "4ND² + 32ND"),
        (lambda C: nn.Sequential(nn.Unflatten(-1, (C, 2)), nn.Linear(2, 3)), "N,2*C", {"C": "C"}, "6NC"),
    ],
)
def test_layers_that_ask_whether_a_setting_is_a_whole_number(layer: Any, shape: str, args: Any, text: str) -> None:
    found = derive(layer, shape, args, quantity="macs", range={"N": "1:64"})
    assert isinstance(found, Executed)
    assert found.to_dict()["macs"]["text"] == text


@pytest.mark.slow
def test_a_setting_may_be_a_symbol() -> None:
    """ViT's width and depth: 12LC² a token, as everyone says."""
    result = derive("vit_ti_16", "1,3,32,32", {"C": "C", "depth": "L"})
    L = symbols("L")[0]
    assert form(result) == L * (12 * 5 * C**2 + 2 * 5**2 * C) + (4 * 768 + 1000) * C


@pytest.mark.parametrize("name", ["msa", "retention"])
def test_a_layer_in_its_own_dimensions(name: str) -> None:
    from vpcalc.symbolic import layer_on_symbols

    assert form(derive(name)) == as_polynomial(layer_on_symbols(name).total(Quantity.MACS))


@pytest.mark.slow
def test_backward_is_twice_forward_where_every_input_is_trained() -> None:
    """Except the patch embedding, whose input is the image."""
    both = derive("vit_ti_16", args={"depth": 1}, backward=True)
    forward = closed_form("vit_ti_16", depth=1)
    patches = 16 * 16 * 3 * 192 * (H * W / 256)
    assert form(both) == 3 * forward - patches
    assert both.to_dict()["backward_macs"]["text"] == str(2 * forward - patches)


# -- models that this repository has never seen -------------------------------------------------------------

TINY = {"num_hidden_layers": 1}
THIN = {"num_hidden_layers": 1, "hidden_size": 96, "num_attention_heads": 3, "intermediate_size": 192}
TEXT: dict[str, dict[str, object]] = {
    "bert": TINY,
    "gpt2": {"n_layer": 1},
    "distilbert": {"n_layers": 1},
    "roberta": TINY,
    "electra": TINY,
    "mamba": {"num_hidden_layers": 1, "hidden_size": 32},  # a loop over tokens
    "llama": {**THIN, "vocab_size": 100, "num_key_value_heads": 1},
}
VISION: dict[str, dict[str, object]] = {
    "segformer": {"depths": [1, 1, 1, 1]},
    "convnext": {"depths": [1, 1, 2, 1]},
    "mobilenet_v2": {},
    "beit": THIN,
    "poolformer": {"depths": [1, 1, 1, 1]},
    "dinov2": {"num_hidden_layers": 2, "hidden_size": 96, "num_attention_heads": 3},
    "focalnet": {"depths": [1, 1, 1, 1]},
}
PRODUCTS = ("linear", "matmul", "conv", "addmm", "bmm", "einsum")


class AllTensors(nn.Module):
    """A model with every output, in a form that a tracer takes."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensors_of(self.model(x)))


def by_fvcore(name: str, settings: Mapping[str, object], x: Tensor) -> int:
    """The products of the eager model, as fvcore counts them."""
    import transformers

    config = transformers.AutoConfig.for_model(name, **settings)
    config.use_cache = False
    with torch.device("meta"):
        model = transformers.AutoModel.from_config(config, attn_implementation="eager")
    flops = fvcore_count(AllTensors(model), (x,)).flops
    return sum(flops.get(operator, 0) for operator in PRODUCTS)


QUICK = ("bert", "gpt2", "distilbert", "segformer", "convnext", "poolformer")


def some_slow(names: Iterable[str]) -> list[Any]:
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", some_slow(TEXT))
def test_language_models(name: str) -> None:
    result = derive(f"transformers:{name}", "1,N", TEXT[name], counting=name not in QUICK)
    for size in (37, 200):
        x = torch.zeros(1, size, dtype=torch.long, device="meta")
        assert value_at(form(result), {"N": size}) == by_fvcore(name, TEXT[name], x)
    assert result.lattice == {"N": 1}
    assert result.ok


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", some_slow(VISION))
def test_vision_models(name: str) -> None:
    result = derive(f"transformers:{name}", "1,3,H,W", VISION[name], counting=name not in QUICK)
    for H, W in ((352, 544), (128, 32)):
        x = torch.zeros(1, 3, H - H % result.lattice["H"], W - W % result.lattice["W"], device="meta")
        sizes = {"H": x.shape[2], "W": x.shape[3]}
        assert value_at(form(result), sizes) == by_fvcore(name, VISION[name], x)
    assert result.ok


@pytest.mark.slow
def test_levit_only_in_squares() -> None:
    """A table of attention biases for one square grid: rebuilt for each size, and only for squares."""
    settings = {"depths": [1, 1, 1]}
    result = derive("transformers:levit", "1,3,H,W", settings, counting=True)
    assert "squares only" in result.regime
    assert "W = H" in result.condition
    x = torch.zeros(1, 3, 320, 320, device="meta")
    assert value_at(form(result), {"H": 320}) == by_fvcore("levit", {**settings, "image_size": 320}, x)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings", "stride"),
    [
        ("canine", {"num_hidden_layers": 1}, 128),
        ("mamba2", {"num_hidden_layers": 1}, 256),
        ("big_bird", {"num_hidden_layers": 1}, 64),
    ],
)
def test_sequences_that_come_in_blocks(name: str, settings: dict[str, object], stride: int) -> None:
    result = derive(f"transformers:{name}", "1,N", settings, counting=True)
    assert result.lattice == {"N": stride}


@pytest.mark.slow
def test_a_mixture_of_experts_counts_its_grouped_products() -> None:
    settings: dict[str, object] = {**THIN, "num_local_experts": 4, "num_experts_per_tok": 2, "vocab_size": 100}
    result = derive("transformers:mixtral", "1,N", {**settings, "num_key_value_heads": 3}, counting=True)
    experts = 2 * 3 * 96 * 192 * N  # experts a token, matrices
    grouped = result.operators()["aten::_grouped_mm"]
    assert grouped is not None
    assert grouped.polynomial == experts


def test_a_model_with_a_fourier_transform_names_it() -> None:
    result = derive("transformers:fnet", "1,N", TINY)
    assert result.unknown == {"aten::_fft_c2c": 1}
    assert "aten::_fft_c2c" in result.tables()[0].notes[-1]
    with pytest.raises(InputError, match=r"--strict.*aten::_fft_c2c"):
        derive("transformers:fnet", "1,N", TINY, strict=True)


def test_a_model_of_nothing_but_unknown_operators_is_not_free() -> None:
    class Transform(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.fft.rfft(x).abs() if x.shape[1] > 100 else x.relu()

    result = derive(Transform, "1,N,8")
    assert form(result) == 0
    assert result.unknown == {"aten::_fft_r2c": 1}


# -- regimes -----------------------------------------------------------------------------------------------


class Patches(nn.Module):
    """Tokens of 4 x 4 pixels with a table of positions, and their scores with one another."""

    def __init__(self, image_size: Any = 64, C: int = 8) -> None:
        super().__init__()
        sides = image_size if isinstance(image_size, (tuple, list)) else (image_size, image_size)
        self.grid = tuple(side // 4 for side in sides)
        self.conv = nn.Conv2d(3, C, 4, stride=4)
        self.positions = nn.Parameter(torch.zeros(1, C, *self.grid))

    def add_positions(self, x: Tensor) -> Tensor:
        return x + self.positions

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.add_positions(self.conv(x)).flatten(2)
        return tokens.transpose(1, 2) @ tokens


class Interpolated(Patches):
    def forward(self, x: Tensor, interpolate_pos_encoding: bool = False) -> Tensor:
        x = self.conv(x)
        positions = F.interpolate(self.positions, x.shape[2:]) if interpolate_pos_encoding else self.positions
        tokens = (x + positions).flatten(2)
        return tokens.transpose(1, 2) @ tokens


class Dynamic(Patches):
    def __init__(self, dynamic_img_size: bool = False) -> None:
        super().__init__()
        self.dynamic = dynamic_img_size

    def add_positions(self, x: Tensor) -> Tensor:
        return x + F.interpolate(self.positions, x.shape[2:]) if self.dynamic else super().add_positions(x)


class Squares(Patches):
    def __init__(self, image_size: int = 64) -> None:
        super().__init__(int(image_size))


SCORES = 48 * C * (H * W / 16) + C * (H * W / 16) ** 2


@pytest.mark.parametrize(
    ("make", "regime"),
    [
        (Interpolated, "one model at every size, interpolate_pos_encoding=True"),
        (Dynamic, "one model at every size, dynamic_img_size=True"),
        (Patches, "rebuilt for each size, image_size=(height, width)"),
    ],
)
def test_tables_of_positions(make: Callable[..., nn.Module], regime: str) -> None:
    result = derive(make, "1,3,H,W")
    assert result.regime == regime
    assert form(result) == SCORES.subs({"C": 8})
    assert result.lattice == {"H": 4, "W": 4}
    rebuilt = "rebuilt" in regime
    letters = on_lattice(result.explored.main.leader.execution.params).form.letters  # type: ignore[union-attr]
    assert (letters == {"H", "W"}) == rebuilt


def test_squares_when_nothing_else_goes() -> None:
    result = derive(Squares, "1,3,H,W")
    assert "squares only" in result.regime
    assert result.condition == "H a multiple of 4; H ≥ 4; W = H"
    assert form(result) == SCORES.subs({"C": 8, "W": H})


def test_a_size_given_by_the_user_is_a_symbol_like_any_other() -> None:
    S = symbols("S")[0]
    result = derive(Patches, "1,3,S,S", {"image_size": "S", "C": "C"})
    assert form(result) == SCORES.subs({"H": S, "W": S})


class Chunks(nn.Module):
    """All pairs up to 700 tokens, a linear map beyond."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return x @ x.transpose(1, 2) if x.shape[1] <= 700 else self.linear(x)


def test_a_branch_for_short_inputs_is_noticed() -> None:
    result = derive(Chunks, "B,N,8")
    assert form(result) == 64 * B * N
    assert result.condition == "N ≥ 701"


class Parts(nn.Module):
    """Four parts of a side; fewer of 6 rows and fewer, and of 9."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.linear(part.mean(1)) for part in x.chunk(4, 1)])


def test_a_form_that_begins_twice() -> None:
    result = derive(Parts, "1,N,8", counting=True)
    assert (form(result), result.condition) == (as_polynomial(256), "N ≥ 10")


class Padded(nn.Module):
    """Windows of 100 tokens, the last one padded."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, 0, -x.shape[1] % 320)).reshape(-1, 320, 4)
        return x @ x.transpose(1, 2)


def test_a_lattice_of_its_own() -> None:
    result = derive(Padded, "1,N,4")
    assert result.lattice == {"N": 320}
    assert form(result) == 320 * 4 * N


class Forgetful(nn.Module):
    """Counts on its own calls: the second is another model."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x if self.calls > 1 else x @ x.transpose(1, 2)


def test_every_count_is_of_a_fresh_model() -> None:
    module = Forgetful()
    assert form(derive(module, "1,N,4")) == 4 * N**2
    assert module.calls == 0


class Positions(nn.Module):
    """A table of positions that the meta device lets a long sequence leave."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(50, 8), nn.Embedding(100, 8)
        self.linear = nn.Linear(8, 8)

    def forward(self, ids: Tensor) -> Tensor:
        return self.linear(self.words(ids) + self.places(torch.arange(ids.shape[1], device=ids.device)))


def test_where_one_symbol_ends_depends_on_another() -> None:
    """A window of 222 fits into 224 rows, where that was found, and not into the fewest that are spoken of."""
    found = derive(
        lambda k: nn.Sequential(nn.Conv1d(3, 4, 3), nn.AvgPool1d(k)), "1,3,N", {"k": "k"}, counting=True
    )
    said = found.to_dict()
    assert said["macs"]["text"] == "36N − 72"
    assert any("Output size is too small" in where for where in said["failed"])


def test_where_a_table_ends_a_real_run_tells() -> None:
    result = derive(Positions, "1,N:long", counting=True)
    assert form(result) == 64 * N
    assert result.ok
    assert result.condition == "N ≤ 100"
    assert "IndexError" in result.to_dict()["edges"]["N"]


class Undone(nn.Module):
    """Has shapes and cannot run, for what it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + torch.linalg.cholesky(-torch.eye(8, device=x.device))[0]


class BeyondItsTable(nn.Module):
    """An index beyond its table at every size."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(3, 8)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table(torch.full((x.shape[1],), 5, device=x.device))


@pytest.mark.parametrize("shortcut", "AB")
def test_a_setting_of_words_is_no_symbol(shortcut: str) -> None:
    found = derive("resnet18", "1,3,64,64", {"shortcut": shortcut}).to_dict()
    cost = ARCHITECTURES["resnet18"].cost((64, 64), ARCHITECTURES["resnet18"].configure({"shortcut": shortcut}))
    assert found["macs"]["python"] == str(cost.total(Quantity.MACS))
    assert found["params"]["python"] == str(cost.total(Quantity.PARAMS))


def test_a_model_that_cannot_run_is_not_a_success() -> None:
    result = derive(Undone, "1,N,8")
    assert not result.ok
    assert "does not run for real" in result.to_dict()["real_run"]["note"]
    with pytest.raises(InputError, match="could not be run: IndexError: index 5 is out of range for 3 rows"):
        derive(BeyondItsTable, "1,N,8")


class ReadsAMask(nn.Module):
    """Looks at a small constant: FakeTensorMode keeps it. Looks at its input: only a real run does."""

    def __init__(self, deep: bool = False) -> None:
        super().__init__()
        self.deep = deep
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        flag = torch.tensor(1.0) if not self.deep else x.abs().sum() + 1
        return self.linear(x) if flag.item() > 0 else x


@pytest.mark.parametrize(("deep", "way"), [(False, "fake"), (True, "cpu")])
def test_ways_to_run(deep: bool, way: str) -> None:
    result = derive(ReadsAMask, "1,N,8", {"deep": deep})
    assert form(result) == 64 * N
    assert result.to_dict()["method"] == way


@pytest.mark.parametrize(
    ("asks", "why"),
    [
        (lambda x: x * x.sum().item(), "Tensor.item() cannot be called on meta tensors, at test_derive.py:"),
        (lambda x: x[x > 0], "the shape of nonzero() depends on values, at test_derive.py:"),
        (lambda x: torch.cov(x[0]), "aten::equal has no kernel for tensors without values, at test_derive.py:"),
    ],
)
def test_what_asks_for_a_value_is_said_with_its_line(asks: Callable[[Tensor], Tensor], why: str) -> None:
    class Asks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return asks(x)

    with pytest.raises(InputError) as raised:
        vpcalc.derive(Asks, "1,N,8", quantity="all")
    assert why in str(raised.value)
    assert "lambda x" in str(raised.value)


# -- where there is no formula --------------------------------------------------------------------------------


class Root(nn.Module):
    """As many rows as the root of the tokens, rounded down."""

    def forward(self, x: Tensor) -> Tensor:
        return x @ x[:, : int(x.shape[1] ** 0.5)].transpose(1, 2)


def test_no_polynomial_is_said_with_its_residuals() -> None:
    result = derive(Root, "1,N,8")
    assert (result.macs, result.ok) == (None, False)
    found = result.to_dict()
    assert found["macs"] is None
    assert "no polynomial of degree at most 3 in N" in found["reason"]
    assert found["residuals"]
    for residual in found["residuals"]:
        N = residual["at"]["N"]
        assert residual["counted"] == 8 * N * int(N**0.5)
    assert len(result.tables()[0].rows) == len(found["residuals"])


def test_too_low_a_degree_is_refuted() -> None:
    """The planted mistake: all pairs of tokens, and only lines allowed."""

    class Pairs(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x @ x.transpose(1, 2)

    assert form(derive(Pairs, "1,N,8")) == 8 * N**2
    assert derive(Pairs, "1,N,8", degree=1).macs is None
    assert json.loads(json.dumps(derive(Pairs, "1,N,8", counting=True).to_dict()))["params"]["text"] == "0"


def test_a_wrong_count_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted mistake: a few products too many, by a rule that no lattice divides."""
    honest = Prober._count

    def count(self: Prober, point: Mapping[str, int]) -> DispatchCounts:
        counts = honest(self, point)
        return replace(counts, operators={**counts.operators, "aten::dot": isqrt(point["N"])})

    monkeypatch.setattr(Prober, "_count", count)
    assert isinstance(
        derive("torch.nn:Linear", "1,N,8", {"in_features": 8, "out_features": 4}, counting=True).found, NotFound
    )


def test_an_operator_that_switches_its_name_is_added_up() -> None:
    class Switches(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            weight = torch.zeros(8, 8, device=x.device)
            rows = x.flatten(0, 1)
            return (
                rows @ weight if x.shape[1] % 128 else torch.addmm(torch.zeros(8, device=x.device), rows, weight)
            )

    result = derive(Switches, "1,N,8", counting=True)
    assert form(result) == 64 * N
    assert {name: str(part) for name, part in result.operators().items()} == {"aten::addmm or aten::mm": "64N"}


# -- misuse ---------------------------------------------------------------------------------------------------


CONV = {"in_channels": 3, "out_channels": 8, "kernel_size": 4}


@pytest.mark.parametrize(
    ("target", "shape", "args", "message"),
    [
        ("swin_tt", None, {}, "did you mean swin_t"),
        ("transformers:brt", "1,N", {}, "did you mean bert"),
        ("transformers:bert", None, {}, "--input"),
        ("transformers:bert", "1,N", {"num_attention_heads": 7}, "could not be run"),
        ("transformers:bert", "128", {"num_hidden_layers": 1}, "; an input's shape has all of its axes: "),
        ("transformers:bert", "1,N", {"hiden_size": "C"}, "of BertConfig .hiden_size.*did you mean hidden_size"),
        ("transformers:t5", "1,N", {}, "; a model with a decoder reads two: --input '1,S;1,T'"),
        ("transformers:", "1,N", {}, "give a name"),
        ("nowhere.py:make", "1,N", {}, "no file"),
        ("no.such.package:make", "1,N", {}, "cannot be imported"),
        ("torch.nn:Linnear", "1,N", {}, "did you mean .*Linear"),
        (
            "torch.nn:Linear",
            "1,N",
            {"in_features": 3},
            "^--arg: out_features is not bound; give a number or a symbol",
        ),
        ("torch.nn:Linear", "1,4", {"in_features": 3, "out_features": 2}, "could not be run"),
        (
            "torch.nn:Conv2d",
            "64:float",
            CONV,
            "of size: .64.; an image's shape is given whole: behind the target, @1,3,H,W",
        ),
        ("torch.nn:Conv2d", "1,N,C", CONV, "; an image's shape is given whole: behind the target, @1,3,H,W, or"),
        ("math:sqrt", "1,N", {"x": 4}, "could not be run"),
        ("swin_t", "1,4,H,W", {}, "must be 3"),
        ("swin_t", "1,3,H", {}, "must be like"),
        ("swin_t", None, {"D": 3}, "setting of swin_t"),
        ("msa", "1,N", {}, "is a layer"),
        ("msa", None, {"K": 3}, "dimension of msa"),
        (42, "1,N", {}, "must be a name"),
        ("resnet18", "N,3,H,W;1,C", {}, "must be like"),
    ],
)
def test_what_cannot_be_used_is_one_line(target: Any, shape: str | None, args: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        derive(target, shape, args)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("degree", 0), ("degree", "two"), ("depth", -1)])
def test_numbers_out_of_bounds(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"--{name}"):
        derive("swin_t", **{name: value})  # type: ignore[arg-type]


def test_too_many_symbols() -> None:
    with pytest.raises(InputError, match="at most 6"):
        derive(nn.Identity, "A,B,C,D,E,F,G")


@pytest.mark.parametrize("package", ["timm", "torchvision"])
def test_a_package_that_is_not_there_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=f"needs {package}"):
        derive(f"{package}:resnet18", "1,3,H,W")


# -- the result -----------------------------------------------------------------------------------------------

MODEL = """
import torch
from torch import nn

print("made noise")

class Block(nn.Module):
    def __init__(self, dim, num_heads=3):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(dim, num_heads, 4 * dim, batch_first=True)

    def forward(self, x):
        print("made noise")
        return self.layer(x)
"""


@pytest.fixture
def model_file(tmp_path: Path) -> str:
    path = tmp_path / "model.py"
    path.write_text(MODEL, encoding="utf-8")
    return f"{path}:Block"


def test_the_command(inside: Run, model_file: str) -> None:
    """A file of the user's own, which prints: standard output holds one JSON object and nothing else."""
    arguments = ("--input", "1,N,C", "--arg", "dim=C", "--arg", "num_heads=3")
    done = inside("derive", model_file, *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["macs"]["text"] == "12NC² + 2N²C"
    assert found["macs"]["latex"] == "12NC^{2} + 2N^{2}C"
    assert eval(found["macs"]["python"], {"N": 10, "C": 6}) == 12 * 10 * 36 + 2 * 100 * 6
    assert found["valid"] == {"N": 1, "C": 3}
    assert set(found["operators"]) == {"aten::linear", "aten::scaled_dot_product_attention"}
    assert found["verdict"] == "executed"
    assert (found["command"], found["target"], found["unknown"]) == ("derive", model_file, {})
    assert found["points"] <= 9
    assert found["held_out"] >= 5
    assert found["real_run"]["agrees"] is True
    shown = inside("derive", model_file, *arguments)
    assert "holds for 3 | C" in shown.stdout


def test_the_exit_status_says_whether_it_held(inside: Run, tmp_path: Path) -> None:
    path = tmp_path / "root.py"
    path.write_text(
        "from torch import nn\nclass Root(nn.Module):\n"
        "    def forward(self, x):\n        return x @ x[:, : int(x.shape[1] ** 0.5)].transpose(1, 2)\n",
        encoding="utf-8",
    )
    done = inside("derive", f"{path}:Root", "--input", "1,N,8")
    assert done.returncode == 1
    words = " ".join(done.stdout.split())  # where the title's line breaks depends on how long the path is
    assert "root.py:Root, input 1,N,8: no polynomial" in words
    done = inside("derive", "swin_tt")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("vpcalc: TARGET 'swin_tt' is not known; did you mean swin_t, swin_s or swin_l?")
    assert done.stderr.count("\n") == 1


def test_in_python() -> None:
    result = vpcalc.derive(nn.Conv2d(3, 8, 3, padding=1), "1,3,H,W")
    assert str(result) == "216HW"
    assert result._repr_latex_() == "$216HW$"
    assert "216" in result._repr_html_()
    assert hasattr(result, "__rich__")
    assert json.dumps(result.to_dict())
    with pytest.raises(AttributeError):
        result.seconds = 0  # type: ignore[misc]
    with pytest.raises(InputError, match="already built"):
        vpcalc.derive(nn.Linear(3, 3), "1,N,3", {"bias": False})


def test_a_trained_module_keeps_its_weights_and_its_mode() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Dropout())
    before = module[0].weight.clone()
    assert form(derive(module, "1,N,4")) == 16 * N
    assert module.training
    assert torch.equal(module[0].weight, before)
    assert module[0].weight.device.type == "cpu"


def test_by_module_to_a_depth() -> None:
    result = derive("vit_ti_16", args={"depth": 3}, depth=2)
    modules = result.modules()
    blocks = [part.polynomial for path, part in modules.items() if path.startswith("blocks.") and part is not None]
    whole = modules["blocks"]
    assert whole is not None
    assert sum(blocks, Polynomial({})) == whole.polynomial
    assert len(blocks) == 3


class Scores(nn.Module):
    """Products of its own between two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.last(x @ x.transpose(1, 2) @ x)


@pytest.mark.parametrize("counting", [False, True])
def test_rows_of_modules_add_up_with_what_the_whole_does_itself(counting: bool) -> None:
    result = derive(Scores, "1,N,8", counting=counting)
    (table,) = (table for table in result.tables() if table.title == "By module")
    rows = {name: part.polynomial for name, part in table.rows}
    assert rows == {"first": 64 * N, "last": 64 * N, "(itself)": 16 * N**2, "total": 128 * N + 16 * N**2}


def test_only_the_first_way_is_tried_where_it_works() -> None:
    prober = Prober(target := find_target("vit_ti_16"), target.regimes[0], False)
    prober.counts({"H": 32, "W": 32})
    assert prober.way is Way.META


@pytest.mark.slow
def test_eleven_billion_parameters_in_two_gigabytes() -> None:
    script = (
        "import vpcalc; print(vpcalc.derive('t5_11b', counting=True).macs);"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM:')))"
    )
    # What getrusage says of a process holds from before it was executed, too: its parent's.
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    text, kibibytes = done.stdout.split("\n")[:2]
    assert text == str(closed_form("t5_11b"))
    assert int(kibibytes) < 2 * 1024**2


def test_a_sheet_has_every_regime_beside_its_figures() -> None:
    class Capped(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.shape[1] > 100:
                raise ValueError("too long")
            return x[:, :10] @ x[:, :10].transpose(1, 2)

    rows = [tuple(row.values()) for row in records(derive(Capped, "1,N,8", range={"N": "5:200"}).sheet())]
    assert [(when, operator, str(macs), refused) for when, operator, macs, refused in rows] == [
        ("10 ≤ N ≤ 100", "aten::matmul", "800", ""),
        ("10 ≤ N ≤ 100", "total", "800", ""),
        ("N ≤ 9", "aten::matmul", "8N²", ""),
        ("N ≤ 9", "total", "8N²", ""),
        ("N ≥ 101", "", "None", "ValueError: too long"),
    ]


# -- sides that are multiples ---------------------------------------------------------------------------


class Windows(nn.Module):
    """Attention in windows of 7 × 7, for grids that they divide."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, h, w, dim = x.shape
        windows = x.view(batch, h // 7, 7, w // 7, 7, dim).permute(0, 1, 3, 2, 4, 5).reshape(-1, 49, dim)
        q, k, v = self.qkv(windows).chunk(3, -1)
        return (q @ k.transpose(1, 2)).softmax(-1) @ v


def test_a_side_that_is_a_multiple() -> None:
    found = derive(Windows, "1,7*a,7*b,C", {"dim": "C"})
    assert str(found.macs) == "147abC² + 4802abC"
    assert isinstance(found, Executed)
    assert found.explored.complete
    assert found.domain.everywhere  # every grid of windows


def test_a_multiple_is_counted_too() -> None:
    found = derive(Windows, "1,7*a,14,8", {"dim": 8}, counting=True)
    assert str(found.macs) == str(derive(Windows, "1,7*a,14,8", {"dim": 8}).macs)
    for side in ("a*7", "7*8", "a*", "a**b", "*a"):
        with pytest.raises(InputError, match="nor a product of these"):
            derive(Windows, f"1,{side},14,8", {"dim": 8})


class Mixed(nn.Module):
    """Attention over the tokens of a grid, which a convolution has beside them."""

    def forward(self, tokens: Tensor, grid: Tensor) -> Tensor:
        return tokens @ grid.flatten(2)


class Rooted(nn.Module):
    """Takes the root of its tokens, which has no form where they are no square."""

    def forward(self, x: Tensor) -> Tensor:
        return x @ x[:, : int((x.shape[1] + 1) ** 0.5)].mT


def test_counts_keep_to_the_range() -> None:
    found = derive(Rooted, "1,N,8", range={"N": "1:40"})
    assert not isinstance(found, Executed)
    assert all(point["N"] <= 40 for point in found.to_dict().get("held_out_points", []))
    assert "square" in "\n".join(note for table in found.tables() for note in table.notes)


def test_a_side_that_is_a_product_of_letters() -> None:
    found = derive(Mixed, "1,2*h*w,C;1,C,h,w")
    assert isinstance(found, Executed)
    assert found.explored.complete
    assert str(found.macs) == "2(hw)²C"
    assert found.to_dict()["range"] == {"h": [1, 4096], "w": [1, 4096], "C": [1, 65536]}
    counted = derive(Mixed, "1,2*h*w,C;1,C,h,w", counting=True)
    assert str(counted.macs) == "2(hw)²C"


class PaddedWindows(nn.Module):
    """Attention in windows of M, padded to whole ones."""

    def __init__(self, dim: int, window: int, heads: int) -> None:
        super().__init__()
        self.window, self.heads = window, heads
        self.qkv = nn.Linear(dim, 3 * dim)

    def forward(self, x: Tensor) -> Tensor:
        _, rows, columns, dim = x.shape
        m = self.window
        x = F.pad(x, (0, 0, 0, -columns % m, 0, -rows % m))
        x = x.view(-(-rows // m), m, -(-columns // m), m, dim).transpose(1, 2).reshape(-1, m * m, dim)
        q, k, v = self.qkv(x).reshape(x.shape[0], m * m, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        return (q @ k.mT).softmax(-1) @ v


def test_five_letters_take_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the largest sizes no tensor can be numbered. They are left out, and are no refusals."""
    from vpcalc.execution import regions

    looked_at = 0
    answers = regions._answers

    def counted(guard: Any, columns: Mapping[str, Any]) -> Any:
        nonlocal looked_at
        looked_at += max(getattr(column, "size", 1) for column in columns.values())
        return answers(guard, columns)

    monkeypatch.setattr(regions, "_answers", counted)
    found = derive(PaddedWindows, input="1,h,w,C", args={"dim": "C", "window": "M", "heads": "a"})
    assert looked_at < 1 << 28, "they were 1 << 31"
    assert isinstance(found, Executed)
    assert found.explored.complete
    assert found.domain.text == "a | C"
    assert found.domain.python == "C % a == 0"
    assert [regime.refused for regime in found.regimes] == [False, True]
    assert found.explored.exploration.too_large is not None
    for h_, w_, c_, m_, a_ in ((56, 56, 96, 7, 3), (1, 4000, 12, 5, 12), (13, 9, 10, 20, 5), (64, 64, 8, 1, 1)):
        rows = m_**2 * -(-h_ // m_) * -(-w_ // m_)
        macs = found.everywhere.polynomial.at({"h": h_, "w": w_, "C": c_, "M": m_, "a": a_})
        assert macs == 3 * rows * c_**2 + 2 * rows * m_**2 * c_


class DividingPatches(nn.Module):
    """Attention with 8 heads on patches of P × P, which have to divide the image."""

    def __init__(self, dim: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.embed = nn.Conv2d(3, dim, patch, patch)
        self.qkv = nn.Linear(dim, 3 * dim)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] % self.patch or x.shape[-2] % self.patch:
            raise ValueError("patches do not divide the image")
        x = self.embed(x).flatten(2).transpose(1, 2)
        _, rows, dim = x.shape
        q, k, v = self.qkv(x).reshape(1, rows, 3, 8, dim // 8).permute(2, 0, 3, 1, 4)
        return (q @ k.mT).softmax(-1) @ v


class Groups(nn.Module):
    """Queries of a heads, keys and values of g."""

    def __init__(self, dim: int, heads: int, groups: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError("heads do not divide the width")
        self.q, self.k = nn.Linear(dim, dim), nn.Linear(dim, groups * (dim // heads))

    def forward(self, x: Tensor) -> Tensor:
        return self.q(x).sum() + self.k(x).sum()


class Capacity(nn.Module):
    """Tokens sorted to experts of one capacity."""

    def __init__(self, experts: int) -> None:
        super().__init__()
        self.experts, self.up = experts, nn.Linear(8, 32)

    def forward(self, x: Tensor) -> Tensor:
        each = math.ceil(x.shape[1] / self.experts)
        return self.up(F.pad(x, (0, 0, 0, each * self.experts - x.shape[1])))


class Enlarged(nn.Module):
    """An image made larger by a factor that is an argument."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times, self.conv = times, nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=self.times))


WHERE_SOMETHING_DIVIDES = {
    "enlarged": (
        (Enlarged, "1,3,H,W", {"times": "k"}),
        ("12k²HW", ""),
        [{"H": 5, "W": 12, "k": 3}, {"H": 1, "W": 1, "k": 1}],
        lambda at: 12 * at["k"] ** 2 * at["H"] * at["W"],
    ),
    "patches": (
        (DividingPatches, "1,3,H,W", {"dim": "C", "patch": "P"}),
        ("3HWC²/P² + 3HWC + 2(HW)²C/P⁴", "8 | C, P | W, P | H"),
        [
            {"H": 32, "W": 48, "C": 16, "P": 4},
            {"H": 7, "W": 7, "C": 8, "P": 7},
            {"H": 60, "W": 9, "C": 24, "P": 3},
        ],
        lambda at: (
            3 * at["H"] * at["W"] * at["C"] ** 2 // at["P"] ** 2
            + 3 * at["H"] * at["W"] * at["C"]
            + 2 * at["C"] * (at["H"] * at["W"] // at["P"] ** 2) ** 2
        ),
    ),
    "a third of the channels": (
        (PaddedWindows, "1,h,w,C", {"dim": "C", "window": "M", "heads": "3"}),
        ("3M²⌈h/M⌉⌈w/M⌉C² + 2M⁴⌈h/M⌉⌈w/M⌉C", "3 | C"),
        [{"h": 8, "w": 9, "C": 12, "M": 7}, {"h": 80, "w": 3, "C": 3, "M": 2}],
        lambda at: (
            (rows := at["M"] ** 2 * -(-at["h"] // at["M"]) * -(-at["w"] // at["M"])) * 3 * at["C"] ** 2
            + 2 * rows * at["M"] ** 2 * at["C"]
        ),
    ),
    "groups": (
        (Groups, "1,N,C", {"dim": "C", "heads": "a", "groups": "g"}),
        ("NC²g/a + NC²", "a | C"),
        [{"N": 5, "C": 12, "a": 4, "g": 3}, {"N": 1, "C": 35, "a": 7, "g": 9}],
        lambda at: at["N"] * at["C"] * (at["C"] + at["g"] * at["C"] // at["a"]),
    ),
    "capacity": (
        (Capacity, "1,N,8", {"experts": "E"}),
        ("256⌈N/E⌉E", ""),
        [{"N": 5, "E": 12}, {"N": 100, "E": 7}, {"N": 21, "E": 7}],
        lambda at: 256 * at["E"] * -(-at["N"] // at["E"]),
    ),
}
"""What is built on which input; its form and condition as people write them; sizes there, and what they cost."""


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", WHERE_SOMETHING_DIVIDES)
def test_where_something_divides_no_floor_is_written(name: str) -> None:
    (target, shape, args), said, points, cost = WHERE_SOMETHING_DIVIDES[name]
    found = derive(target, input=shape, args=args, quantity="macs")
    assert isinstance(found, Executed)
    assert not found.explored.open
    regime, *others = found.to_dict()["regimes"]
    assert (regime["macs"]["text"], regime["when"]["text"]) == said
    assert all("refused" in other for other in others)
    for point in points:
        assert eval(regime["when"]["python"], {}, dict(point))
        assert eval(regime["macs"]["python"], {}, dict(point)) == cost(point)
        assert found.everywhere.polynomial.at(point) == cost(point)


def test_a_multiple_of_a_models_own_side() -> None:
    (H, W) = symbols("a b")
    found = derive("swin_t", "1,3,224*a,224*b")
    assert found.macs is not None
    assert found.macs.polynomial == 4489798656 * H * W + 768000


class Cast(nn.Module):
    """A branch on the element type that autocast gives on the CPU, and does not on the meta device."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = self.linear(x) @ x.mT
        return y.float() @ x if y.dtype == torch.bfloat16 else y


def test_a_form_that_a_real_run_refutes_is_not_called_executed() -> None:
    found = vpcalc.derive(Cast, "1,N,8")
    assert not found.ok
    answer = found.to_dict()
    assert answer["verdict"] == "unsettled"
    assert {regime["verdict"] for regime in answer["regimes"]} == {"unsettled"}
    (table, *_) = found.tables()
    assert table.notes[0].startswith("unsettled: does not hold for real")
    assert any("a real run at N = 1 counted 80, not 72" in note for note in table.notes)


class CastIfShort(Cast):
    """The same where it is short."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if x.shape[1] <= 8 else self.linear(x)


def test_each_regime_is_run_for_real_at_its_edge() -> None:
    found = vpcalc.derive(CastIfShort, "1,N,8")
    assert not found.ok
    assert "a real run at N = 1 counted 80, not 72" in found.to_dict()["real_run"]["note"]


def _traced() -> nn.Module:
    module: nn.Module = torch.jit.trace(nn.Conv2d(3, 4, 3, padding=1), torch.zeros(1, 3, 8, 8))
    return module


@pytest.mark.parametrize("target", [_traced, _traced()], ids=["its factory", "the module"])
def test_a_traced_convolution_is_run_for_real(target: object) -> None:
    """A trace of a convolution cannot be made on the meta device, nor be moved there."""
    result = vpcalc.derive(target, "1,3,H,16", range={"H": "1:64"})
    assert isinstance(result, Derivation)
    assert form(result) == 1728 * H
    assert "does not leave its device" in result.why


def test_real_runs_stay_small_where_all_sides_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each side may be long where the other is short; not both at once."""
    monkeypatch.setattr(probing, "MOST_REAL_ELEMENTS", 1 << 12)
    result = vpcalc.derive(_traced, "1,3,H,W")
    assert isinstance(result, Derivation)
    assert form(result) == 108 * H * W
    points = result.to_dict()["held_out_points"]
    assert max(4 * point["H"] * point["W"] for point in points) <= 1 << 12
    assert max(point["H"] for point in points) > 20


class Steps(nn.Module):
    """A step for each row, from a state that is made on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = torch.zeros(x.size(0), 8)
        for row in range(x.size(1)):
            state = torch.tanh(self.linear(state) + x[:, row])
        return state


@pytest.mark.slow
def test_a_script_is_run_where_its_tensors_are() -> None:
    """TorchScript does not repeat that a tensor of the meta device met another."""
    result = vpcalc.derive(lambda: torch.jit.script(Steps()), "1,N,8", range={"N": "1:64"})
    assert form(result) == 64 * N


def test_weights_that_are_sparse_stay_so_in_a_real_run() -> None:
    class Sparse(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.eye(8).to_sparse_csr(), requires_grad=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.weight @ x

    answer = vpcalc.derive(Sparse, "8,N").to_dict()
    assert answer["unknown"] == {"aten::mm (sparse tensors)": 1}
    assert answer["real_run"] == {"agrees": True, "note": ""}


@pytest.mark.slow
def test_modules_that_are_not_there_at_every_size_are_counted_and_not_listed() -> None:
    def deep(depth: int) -> nn.Module:
        return nn.Sequential(*(nn.Linear(8, 8) for _ in range(depth)))

    *_, by_module = vpcalc.derive(deep, input="1,8", args={"depth": "L"}).tables()
    assert [row[0] for row in by_module.rows] == ["0", "total"]
    (note,) = by_module.notes  # how many depends on the depths that were counted
    assert (note[:26], note[-19:]) == ("without a form of its own:", " modules, 1, 2, 3 …")
