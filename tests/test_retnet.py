"""Retention in its three forms, and RetNet, against fvcore, against each other and against the paper."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vpcalc.algebra import symbols
from vpcalc.architectures import ARCHITECTURES
from vpcalc.architectures.retnet import crossing_with_attention
from vpcalc.checks.crosscheck import Verdict, check_layer, check_model
from vpcalc.cost import Quantity
from vpcalc.counters.fvcore import count
from vpcalc.errors import InputError
from vpcalc.layers import LAYERS
from vpcalc.layers.retention import FORMS
from vpcalc.ops import group_norm
from vpcalc.reference.retention import Retention, chunkwise, decays, parallel, recurrent
from vpcalc.reference.retnet import RetNet, trained_decays

FORM_OF = {"retention": "parallel", "retention_recurrent": "recurrent", "retention_chunkwise": "chunkwise"}
SIZES = {"retnet_1_3b": 1.3, "retnet_2_7b": 2.7, "retnet_6_7b": 6.7}
SMALL: dict[str, Any] = {"d_model": 12, "layers": 2, "heads": 3, "vocab": 29, "chunk": 4}


def dims_of(id: str, h: int, w: int, heads: int, d: int, chunk: int, batch: int) -> dict[str, int]:
    dims = {"h": h, "w": w, "C": heads * d, "heads": heads, "batch": batch}
    return {**dims, "chunk": chunk} if id == "retention_chunkwise" else dims


# -- against fvcore --------------------------------------------------------------------------------


@given(
    id=st.sampled_from(list(FORM_OF)),
    h=st.integers(1, 3),
    w=st.integers(1, 7),
    heads=st.integers(1, 4),
    d=st.integers(1, 5),
    chunk=st.integers(1, 6),
    batch=st.integers(1, 3),
)
@settings(deadline=None, max_examples=25)
def test_layers_agree_with_fvcore(id: str, h: int, w: int, heads: int, d: int, chunk: int, batch: int) -> None:
    dims = dims_of(id, h, w, heads, d, chunk, batch)
    report = check_layer(id, LAYERS[id].build(**dims), dims)
    assert report.verdict is Verdict.AGREES, report


@pytest.mark.quick(5)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("N", "batch", "head"), [(8, 1, True), (11, 2, True), (3, 1, False)])
def test_models_agree_with_fvcore(form: str, N: int, batch: int, head: bool) -> None:
    architecture = ARCHITECTURES["retnet_1_3b"]
    config = architecture.configure({**SMALL, "form": form, "head": head})
    report = check_model("retnet", architecture.cost((N,), config, batch), (N,), config, batch)
    assert report.verdict is Verdict.AGREES, report


@pytest.mark.quick(1)
@pytest.mark.parametrize(
    ("id", "N", "form"),
    [
        ("retnet_1_3b", 2048, "parallel"),
        ("retnet_1_3b", 2000, "chunkwise"),
        pytest.param("retnet_1_3b", 16, "recurrent", marks=pytest.mark.slow),
        pytest.param("retnet_2_7b", 2048, "parallel", marks=pytest.mark.slow),
        pytest.param("retnet_6_7b", 2048, "parallel", marks=pytest.mark.slow),
    ],
)
def test_published_sizes_agree_with_fvcore(id: str, N: int, form: str) -> None:
    architecture = ARCHITECTURES[id]
    config = architecture.configure({"form": form})
    report = check_model("retnet", architecture.cost((N,), config), (N,), config)
    assert report.verdict is Verdict.AGREES, report


GATED: dict[str, Any] = {**SMALL, "value_width": 15, "d_ff": 17}


@pytest.mark.parametrize("form", FORMS)
def test_the_gated_one_agrees_with_fvcore(form: str) -> None:
    """At widths that are no multiples of d_model."""
    architecture = ARCHITECTURES["retnet_gated_base"]
    for changes in ({}, {"gated": False, "tied": True}, {"norm": "layer", "head": False}):
        config = architecture.configure({**GATED, "form": form, **changes})
        report = check_model("retnet", architecture.cost((11,), config, 2), (11,), config, 2)
        assert report.verdict is Verdict.AGREES, report


@pytest.mark.by_hand
@pytest.mark.parametrize("form", ["parallel", "chunkwise"])
@pytest.mark.parametrize("name", ["retnet_gated_base", "retnet_gated_medium", "retnet_gated_3b"])
def test_torchscale_counts_the_same(name: str, form: str) -> None:
    """At two chunks: what the last one adds to the state is not used, and of one a trace leaves it out."""
    from torchscale.architecture.config import RetNetConfig
    from torchscale.architecture.retnet import RetNetDecoder

    ours = ARCHITECTURES[name].config
    theirs = RetNetConfig(
        decoder_embed_dim=ours["d_model"],
        decoder_value_embed_dim=ours["value_width"],
        decoder_retention_heads=ours["heads"],
        decoder_ffn_embed_dim=ours["d_ff"],
        decoder_layers=ours["layers"],
        vocab_size=ours["vocab"],
        activation_fn="swish",
        chunkwise_recurrent=form == "chunkwise",
    )
    with torch.device("meta"):
        network = RetNetDecoder(theirs, torch.nn.Embedding(ours["vocab"], ours["d_model"]))
    N = 1000
    counted = count(network, (torch.zeros(1, N, dtype=torch.long, device="meta"),))
    cost = ARCHITECTURES[name].cost((N,), {**ours, "form": form})
    assert counted.flops == cost.by_operator(Quantity.FVCORE)
    assert counted.activations == cost.by_operator(Quantity.ACTIVATIONS)
    assert counted.params == cost.total(Quantity.PARAMS)


def test_a_planted_mistake_is_caught() -> None:
    """The last chunk left unpadded; a group norm with parameters."""
    dims = dims_of("retention_chunkwise", 1, 10, 2, 3, 4, 1)
    wrong = LAYERS["retention_chunkwise"].build(**{**dims, "w": 8})
    report = check_layer("retention_chunkwise", wrong, dims)
    assert {check.operator for check in report.differing} == {"linear", "matmul", "group_norm"}

    dims = dims_of("retention_recurrent", 1, 5, 2, 3, 4, 1)
    right = LAYERS["retention_recurrent"].build(**dims)
    ops = tuple(group_norm("norm", 5, 12) if op.kind == "group_norm" else op for op in right.ops)
    report = check_layer("retention_recurrent", right.named("wrong", ops=ops), dims)
    assert [(c.quantity, c.operator) for c in report.differing] == [("fvcore", "group_norm"), ("params", "all")]


# -- the forms against each other ------------------------------------------------------------------


@given(
    n=st.integers(1, 13),
    heads=st.integers(1, 3),
    d=st.integers(2, 5),
    chunk=st.integers(1, 6),
    batch=st.integers(1, 2),
)
@settings(deadline=None, max_examples=25)
def test_the_three_forms_give_the_same_outputs(n: int, heads: int, d: int, chunk: int, batch: int) -> None:
    torch.manual_seed(0)
    C = heads * d
    x = torch.randn(batch, n, C, dtype=torch.float64)
    base = Retention(C, heads).double()
    for form in ("recurrent", "chunkwise"):
        other = Retention(C, heads, form, chunk).double()
        other.load_state_dict(base.state_dict())
        torch.testing.assert_close(other(x), base(x), rtol=1e-10, atol=1e-12)


def test_the_three_networks_give_the_same_outputs() -> None:
    torch.manual_seed(0)
    words = torch.randint(29, (2, 11))
    for config in (SMALL, {**GATED, "gated": True, "norm": "rms", "tied": False}):
        networks = {form: RetNet(**config, form=form, head=True).double() for form in FORMS}
        expected = networks["parallel"](words)
        for form in ("recurrent", "chunkwise"):
            networks[form].load_state_dict(networks["parallel"].state_dict())
            torch.testing.assert_close(networks[form](words), expected, rtol=1e-10, atol=1e-12)


def test_a_wrong_decay_is_caught() -> None:
    """The comparison of the forms can tell: one decay of three changed."""
    torch.manual_seed(0)
    x = torch.randn(1, 5, 12, dtype=torch.float64)
    base = Retention(12, 3).double()
    other = Retention(12, 3, "recurrent", gamma=decays(3) * torch.tensor([1, 1, 0.99])).double()
    other.load_state_dict(base.state_dict())
    assert not torch.allclose(other(x), base(x), rtol=1e-6)


def test_states_are_the_same_and_as_large_as_said() -> None:
    batch, heads, n, d = 2, 3, 8, 4
    torch.manual_seed(0)
    q, k = (torch.randn(batch, heads, n, d, dtype=torch.float64) for _ in range(2))
    v = torch.randn(batch, heads, n, 2 * d, dtype=torch.float64)
    gamma = decays(heads).double()
    by_token, state = recurrent(q, k, v, gamma)
    by_chunk, same = chunkwise(q, k, v, gamma, chunk=4)
    torch.testing.assert_close(state, same, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(by_token, by_chunk, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(by_token, parallel(q, k, v, gamma), rtol=1e-10, atol=1e-12)
    for layers in (1, 3):
        known = facts(n, d_model=heads * d, heads=heads, layers=layers)
        assert known["state_elements"] == layers * state[0].numel()
    _, narrow = recurrent(q, k, v[..., :3], gamma)
    known = facts(n, d_model=heads * d, heads=heads, layers=1, value_width=heads * 3)
    assert known["state_elements"] == narrow[0].numel()


# -- against the paper -----------------------------------------------------------------------------


def test_closed_forms() -> None:
    """8NC² for the projections; 3N²C, 4NC·(C/a), and N·C·(3b + 4C/a), which is §3.5's O(dn(b + h)), for mixing."""
    h, w, C, a, b = symbols("h w C a b")
    N = h * w
    assert LAYERS["retention"].build(h, w, C, a).total(Quantity.MACS) == 8 * N * C**2 + 3 * N**2 * C
    by_token = LAYERS["retention_recurrent"].build(h, w, C, a)
    assert by_token.total(Quantity.MACS) == 8 * N * C**2 + 4 * N * C * (C / a)
    by_chunk = LAYERS["retention_chunkwise"].build(h, w, C, a, b)
    assert by_chunk.total(Quantity.MACS) == 8 * N * C**2 + N * C * (3 * b + 4 * (C / a))
    for cost in (by_token, by_chunk):
        assert cost.total(Quantity.PARAMS) == 8 * C**2


@given(
    id=st.sampled_from(list(FORM_OF)),
    h=st.integers(1, 4),
    w=st.integers(1, 5),
    heads=st.integers(1, 4),
    d=st.integers(1, 4),
    chunk=st.integers(1, 4),
)
@settings(deadline=None, max_examples=15)
def test_symbols_and_numbers_agree(id: str, h: int, w: int, heads: int, d: int, chunk: int) -> None:
    w = w * chunk  # the lattice on which the chunkwise form holds
    names = {"heads": "a", "chunk": "b"}
    dims = dims_of(id, h, w, heads, d, chunk, 1)
    del dims["batch"]
    form = LAYERS[id].build(**{name: symbols(names.get(name, name))[0] for name in dims})
    letters = {name: sympy.Symbol(names.get(name, name), integer=True, positive=True) for name in dims}
    in_sympy = LAYERS[id].build(**letters)
    at_point = LAYERS[id].build(**dims)
    for quantity in (Quantity.MACS, Quantity.FVCORE, Quantity.PARAMS, Quantity.ACTIVATIONS):
        polynomial = form.total(quantity)
        point = {names.get(name, name): value for name, value in dims.items()}
        assert polynomial.value(point) == at_point.total(quantity)
        assert sympy.expand(in_sympy.total(quantity) - polynomial.to_sympy()) == 0


@pytest.mark.parametrize("form", FORMS)
def test_parameters_are_the_papers_allocation(form: str) -> None:
    """8d² + 4d² a layer (§3.1), and beside it two layer norms a layer, one at the end, and the word vectors."""
    N, d, L, a, V, b = symbols("N d L a V b")
    config = {"d_model": d, "layers": L, "heads": a, "vocab": V, "form": form, "chunk": b, "head": True}
    params = ARCHITECTURES["retnet_1_3b"].cost((N,), config).total(Quantity.PARAMS)
    assert params == 12 * d**2 * L + 4 * d * L + 2 * d + V * d


def test_parameters_of_the_gated_one() -> None:
    """2d² + 3dv in retention and 3df in SwiGLU; two scales a layer and one more; two matrices of words."""
    N, d, L, V, b = symbols("N d L V b")
    a, v, f = 3, 15, 17
    config = {"d_model": d, "layers": L, "heads": a, "vocab": V, "form": "parallel", "chunk": b, "head": True}
    config |= {"value_width": v, "d_ff": f, "gated": True, "norm": "rms", "tied": False}
    params = ARCHITECTURES["retnet_gated_base"].cost((N,), config).total(Quantity.PARAMS)
    assert params == (2 * d**2 + 3 * d * v + 3 * d * f + 2 * d) * L + d + 2 * V * d


@pytest.mark.parametrize(("id", "billions"), list(SIZES.items()))
def test_labels_of_table_2(id: str, billions: float) -> None:
    """With the vocabulary chosen here the sizes round to the paper's labels; 12d²L alone rounds to less."""
    architecture = ARCHITECTURES[id]
    params = architecture.cost(architecture.sizes).total(Quantity.PARAMS)
    assert round(params / 1e9, 1) == billions
    d, layers = architecture.config["d_model"], architecture.config["layers"]
    assert isinstance(d, int)
    assert isinstance(layers, int)
    assert round(12 * d * d * layers / 1e9, 1) < billions
    assert architecture.config["heads"] == d // 256


def test_head_is_the_vocabulary_projection_alone() -> None:
    architecture = ARCHITECTURES["retnet_1_3b"]
    config = architecture.configure({"head": "false"})
    full, without = architecture.cost((2048,)), architecture.cost((2048,), config)
    assert full.total(Quantity.MACS) - without.total(Quantity.MACS) == 2048 * 2048 * 64000
    assert full.total(Quantity.PARAMS) == without.total(Quantity.PARAMS)
    assert [node.name for node in full.stages()][-1] == "head"


def test_decay_schedules() -> None:
    """Eq. 8, and §3.1's from 1 - 1/32 to 1 - 1/512, evenly spaced in the logarithm."""
    assert decays(3).tolist() == [1 - 1 / 32, 1 - 1 / 64, 1 - 1 / 128]
    expected = torch.tensor([1 - 1 / 32, 1 - 1 / 64, 1 - 1 / 128, 1 - 1 / 256, 1 - 1 / 512])
    torch.testing.assert_close(trained_decays(5), expected)


# -- what else is known ----------------------------------------------------------------------------


def facts(N: int, **changes: Any) -> dict[str, Any]:
    architecture = ARCHITECTURES["retnet_1_3b"]
    assert architecture.family.facts is not None
    return dict(architecture.family.facts(N, **architecture.configure({**SMALL, **changes})))


@pytest.mark.parametrize(("form", "steps"), [("parallel", 1), ("recurrent", 10), ("chunkwise", 3)])
def test_steps_that_wait(form: str, steps: int) -> None:
    known = facts(10, form=form)
    assert known["sequential_operations"] == known["max_path_length"] == steps


def test_one_more_token_costs_what_fvcore_counts() -> None:
    witness = RetNet(**SMALL, form="recurrent", head=True)
    counted = count(witness, (torch.zeros(1, 1, dtype=torch.long),)).flops
    assert facts(50)["macs_per_step"] == counted["linear"] + counted["matmul"]


@pytest.mark.parametrize(("d_model", "heads"), [(12, 3), (12, 1), (40, 4)])
def test_state_against_cache(d_model: int, heads: int) -> None:
    beyond = facts(1, d_model=d_model, heads=heads)["state_smaller_than_cache_beyond"]
    for N, smaller in ((beyond, False), (beyond + 1, True)):
        known = facts(N, d_model=d_model, heads=heads)
        keys = values = N * d_model  # of attention as wide, whatever its heads
        assert known["cache_elements"] == SMALL["layers"] * (keys + values)
        assert (known["state_elements"] < known["cache_elements"]) is smaller


@pytest.mark.parametrize(
    ("form", "C", "heads", "chunk"),
    list(itertools.product(("recurrent", "chunkwise"), (12, 40), (1, 4), (1, 3, 8))),
)
def test_crossover_is_where_the_costs_cross(form: str, C: int, heads: int, chunk: int) -> None:
    """Costs in numbers on both sides of the N that the closed forms give."""
    known = facts(1, d_model=C, heads=heads, chunk=chunk, form=form)

    def ours(N: int, blocks: bool) -> int:
        extra = LAYERS["ffn"].build(1, N, C, 2).total(Quantity.MACS) if blocks else 0
        chunks = (chunk,) if form == "chunkwise" else ()
        return extra + LAYERS[f"retention_{form}"].build(1, N, C, heads, *chunks).total(Quantity.MACS)

    def theirs(N: int, blocks: bool) -> int:
        extra = LAYERS["ffn"].build(1, N, C, 4).total(Quantity.MACS) if blocks else 0
        return extra + LAYERS["msa"].build(1, N, C, heads).total(Quantity.MACS)

    step = chunk if form == "chunkwise" else 1  # the closed form of chunks holds for whole ones
    for name, blocks in (("attention", False), ("transformer", True)):
        beyond = known[f"cheaper_than_{name}_beyond"]
        last = beyond // step * step
        if last:
            assert ours(last, blocks) >= theirs(last, blocks)
        assert ours(last + step, blocks) < theirs(last + step, blocks)


def test_crossover_in_symbols() -> None:
    """N > 2C + 2C/a layer against layer, N > 2C/a block against block; in chunks, 3b/2 more."""
    h, w, C, a, b = symbols("h w C a b")
    values = {"C": 2048, "a": 8, "b": 512}
    for form, blocks, threshold in (
        ("recurrent", False, 2 * C + 2 * (C / a)),
        ("recurrent", True, 2 * (C / a)),
        ("chunkwise", False, 2 * C + 2 * (C / a) + 3 * (b / 2)),
        ("chunkwise", True, 2 * (C / a) + 3 * (b / 2)),
    ):
        found = crossing_with_attention(form, values, blocks=blocks)
        assert found is not None
        assert found.left * threshold == found.right * h * w
        assert found.at == threshold.value(values)
    for blocks in (False, True):
        assert crossing_with_attention("parallel", values, blocks=blocks) is None
    assert "cheaper_than_attention_beyond" not in facts(9, form="parallel")


def test_padding_is_recorded() -> None:
    architecture = ARCHITECTURES["retnet_1_3b"]
    config = architecture.configure({"form": "chunkwise"})
    tilings = {(t.tile, t.size) for node in architecture.cost((2000,), config).nodes() for t in node.tilings}
    assert (512, 2000) in tilings
    assert not any(LAYERS[id].build(1, 9, 12, 3).tilings for id in ("retention", "retention_recurrent"))


def test_misuse_is_one_clear_line() -> None:
    architecture = ARCHITECTURES["retnet_1_3b"]
    with pytest.raises(InputError, match="'chunk' is not known; did you mean chunkwise"):
        architecture.configure({"form": "chunk"})
    with pytest.raises(InputError, match="--set heads=7: must divide d_model = 2048"):
        architecture.configure({"heads": 7})
    with pytest.raises(InputError, match="--set heads=8: must divide value_width = 2052"):
        architecture.configure({"value_width": 2052})
    with pytest.raises(InputError, match="heads = 5 does not divide C = 12"):
        LAYERS["retention_recurrent"].build(2, 3, 12, 5)
    with pytest.raises(InputError, match="head=perhaps: must be true or false"):
        architecture.configure({"head": "perhaps"})
