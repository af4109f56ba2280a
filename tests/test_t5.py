"""T5: sizes, parts, closed forms, and transformers' own model as an independent witness."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vpcalc.abstract.priced import priced
from vpcalc.abstract.tensor import given as tensor
from vpcalc.algebra import symbols
from vpcalc.algebra.polynomial import symbol
from vpcalc.architectures import ARCHITECTURES
from vpcalc.architectures.t5 import relative_bias
from vpcalc.checks import Verdict, check_model
from vpcalc.checks.crosscheck import compare
from vpcalc.checks.memory import check_memory
from vpcalc.cost import Quantity
from vpcalc.counters.fvcore import count
from vpcalc.errors import InputError
from vpcalc.reference.t5 import T5
from vpcalc.storage.footprint import PLAIN

SMALL = ARCHITECTURES["t5_small"]
IDS = tuple(id for id in ARCHITECTURES if ARCHITECTURES[id].family is SMALL.family)
QUICK_IDS = [
    id if id in ("t5_small", "t5_11b", "t5_v1_1_small") else pytest.param(id, marks=pytest.mark.slow) for id in IDS
]
PARTS = ("both", "encoder", "decoder")
TINY = {"d_model": 12, "d_ff": 20, "layers": 2, "heads": 3, "d_kv": 5, "vocab": 17}

sizes = st.integers(1, 12)
widths = st.integers(1, 9)


def at(architecture, S, T, **changes):
    return architecture.cost((S, T), architecture.configure(changes))


@st.composite
def configs(draw):
    return {
        **{name: draw(widths) for name in TINY},
        "layers": draw(st.integers(1, 3)),
        "part": draw(st.sampled_from(PARTS)),
        **{name: draw(st.booleans()) for name in ("head", "gated", "tied")},
    }


# -- formula and count ------------------------------------------------------------------------------


@settings(deadline=None, max_examples=15)
@given(S=sizes, T=sizes, config=configs(), batch=st.integers(1, 2))
def test_formula_is_what_fvcore_counts(S, T, config, batch):
    report = check_model("t5", SMALL.family.build(S, T, batch=batch, **config), (S, T), config, batch)
    assert report.verdict is Verdict.AGREES, report


@pytest.mark.quick(2)
@pytest.mark.parametrize("id", QUICK_IDS)
@pytest.mark.parametrize("part", PARTS)
def test_published_variants_are_what_fvcore_counts(id, part):
    architecture = ARCHITECTURES[id]
    config = architecture.configure({"part": part})
    report = check_model("t5", architecture.cost((130, 37), config), (130, 37), config)
    assert report.verdict is Verdict.AGREES, report


@settings(deadline=None, max_examples=20)
@given(S=sizes, T=sizes, config=configs())
def test_closed_form_in_the_lengths(S, T, config):
    form = SMALL.family.build(symbol("S"), symbol("T"), **config)
    numbers = SMALL.family.build(S, T, **config)
    for quantity in Quantity:
        total = form.total(quantity)
        value = total if isinstance(total, int) else total.value({"S": S, "T": T})
        assert value == numbers.total(quantity)


def test_11b_in_the_lengths():
    """72 attentions with 128 heads of 128 (16 times the model's width), 48 feed-forwards of 64 times the width."""
    S, T = symbols("S T")
    d, inner, ff = 1024, 128 * 128, 65536
    encoder = 24 * (4 * d * inner * S + 2 * inner * S**2 + 2 * d * ff * S)
    decoder = 24 * (4 * d * inner * T + 2 * inner * T**2 + 2 * d * ff * T)
    cross = 24 * (2 * d * inner * (S + T) + 2 * inner * S * T)
    largest = ARCHITECTURES["t5_11b"]
    form = largest.family.build(S, T, **largest.config)
    assert form.total(Quantity.MACS) == encoder + decoder + cross + 32128 * d * T
    assert form.total(Quantity.FVCORE) == form.total(Quantity.MACS)  # fvcore has no price for the norms


# -- parameters -------------------------------------------------------------------------------------


def test_11b_has_11_307_321_344_parameters():
    """No bias, norms of d, one 32 x 128 table a part, one embedding."""
    assert at(ARCHITECTURES["t5_11b"], 512, 512).total(Quantity.PARAMS) == 11_307_321_344


@pytest.mark.parametrize(
    ("id", "printed", "unit", "agrees"),
    [
        # Raffel et al. 2020, §3.1.1 and §3.7: "about 60 million", "220", "770", "around 2.8 billion", "11"
        ("t5_small", 6, 10**7, True),
        ("t5_base", 22, 10**7, True),
        ("t5_large", 77, 10**7, False),  # 738 million; see the next test
        ("t5_3b", 28, 10**8, False),  # 2.85 billion
        ("t5_11b", 11, 10**9, True),
    ],
)
def test_printed_sizes(id, printed, unit, agrees):
    total = at(ARCHITECTURES[id], 512, 512).total(Quantity.PARAMS)
    assert (round(total / unit) == printed) is agrees


def test_printed_size_of_large_counts_a_second_matrix():
    """The paper's 770 million is what Large would have if the projection did not share the embedding."""
    total = at(ARCHITECTURES["t5_large"], 512, 512).total(Quantity.PARAMS)
    assert round(total / 10**6) == 738
    assert round((total + 32128 * 1024) / 10**7) == 77


def test_leaderboard_label_of_11b_is_low():
    """The WMT2014 English-German leaderboard prints 11110M."""
    total = at(ARCHITECTURES["t5_11b"], 512, 512).total(Quantity.PARAMS)
    assert total - 11_110_000_000 == 197_321_344
    assert round(100 * 197_321_344 / total, 1) == 1.7


def test_parameters_add_up():
    """N layers of 4·d·hk + 2·d·ff and their norms; one table of 32 biases a head in each part."""
    d, ff, N, a, k, V = symbols("d_model d_ff N a d_k V")
    config = {"d_model": d, "d_ff": ff, "layers": N, "heads": a, "d_kv": k, "vocab": V, "head": True}
    attention, feed_forward = 4 * d * a * k, 2 * d * ff
    encoder = N * (attention + feed_forward + 2 * d) + d + 32 * a
    decoder = N * (2 * attention + feed_forward + 3 * d) + d + 32 * a
    alone = N * (attention + feed_forward + 2 * d) + d + 32 * a

    def params(part):
        return SMALL.family.build(1, 1, part=part, **config).total(Quantity.PARAMS)

    assert params("both") == V * d + encoder + decoder
    assert params("encoder") == params("decoder") == V * d + alone


def test_norms_have_parameters_and_no_price():
    for cost in (at(SMALL, 9, 7), SMALL.family.build(symbol("S"), symbol("T"), **SMALL.config)):
        assert cost.by_operator(Quantity.PARAMS)["rms_norm"] == 6 * (2 + 3) * 512 + 2 * 512
        assert set(cost.by_operator(Quantity.FVCORE)) == {"linear", "matmul"}
        assert set(cost.by_operator(Quantity.ACTIVATIONS)) == {"linear", "matmul"}


# -- shape of the tree ------------------------------------------------------------------------------


def test_stages_are_encoder_decoder_and_head():
    stages = [(node.name, node.stage.resolution) for node in at(SMALL, 30, 20).stages()]
    assert stages == [("encoder", (30,)), ("decoder", (20,)), ("head", (20,))]
    alone = [(node.name, node.stage.resolution) for node in at(SMALL, 30, 20, part="encoder").stages()]
    assert alone == [("encoder", (30,))]
    alone = [(node.name, node.stage.resolution) for node in at(SMALL, 30, 20, part="decoder").stages()]
    assert alone == [("decoder", (20,)), ("head", (20,))]


def test_head_is_a_projection_of_the_target():
    whole, bare = at(SMALL, 30, 20), at(SMALL, 30, 20, head="false")
    assert whole.total(Quantity.MACS) - bare.total(Quantity.MACS) == 20 * 512 * 32128
    assert whole.total(Quantity.PARAMS) == bare.total(Quantity.PARAMS)


def test_an_encoder_alone_has_no_projection():
    """Its vectors are its output, as in transformers' T5EncoderModel: 12 layers of 4·768² + 2·512·768 + 2·768·3072
    multiply-accumulates a token."""
    base = ARCHITECTURES["t5_base"]
    config = base.configure({"part": "encoder"})
    assert config["head"] is False
    total = base.cost((512, 512), config).total(Quantity.MACS)
    assert total == 512 * 12 * (4 * 768**2 + 2 * 512 * 768 + 2 * 768 * 3072) == 48_318_382_080
    told = {**config, "head": True}  # the description and the module know it by themselves
    assert base.cost((512, 512), told).total(Quantity.MACS) == total
    tiny = {**TINY, "part": "encoder", "head": True}
    assert T5(**tiny).head is None
    assert check_memory(SMALL.family, (8, 6), tiny, 2, PLAIN)[0].verdict is Verdict.AGREES
    with pytest.raises(InputError, match="--set head=true: a T5 encoder alone has no vocabulary projection"):
        base.configure({"part": "encoder", "head": "true"})


def test_names_of_transformers_are_aliases():
    for id in IDS:
        release, size = id.rsplit("_", 1)
        assert ARCHITECTURES[f"{release.replace('_', '-', 1)}-{size}"] is ARCHITECTURES[id]
    assert ARCHITECTURES["t5-v1_1-xl"].aliases == ("t5-v1_1-xl",)


@pytest.mark.parametrize(("changes", "says"), [({"part": "coder"}, "decoder"), ({"d_kb": 3}, "d_kv")])
def test_misuse_is_refused_in_one_line(changes, says):
    with pytest.raises(InputError, match=says) as caught:
        SMALL.configure(changes)
    assert "\n" not in str(caught.value)


# -- witnesses --------------------------------------------------------------------------------------


class Generate(nn.Module):
    """Scores alone, with ids given by position, so that the model can be traced."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, source, target):
        return self.model(input_ids=source, decoder_input_ids=target, use_cache=False).logits


class Encode(nn.Module):
    """Vectors alone."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, source):
        return self.model(input_ids=source).last_hidden_state


def transformers_config(settings):
    from transformers import T5Config

    return T5Config(
        d_model=settings["d_model"],
        d_ff=settings["d_ff"],
        num_layers=settings["layers"],
        num_heads=settings["heads"],
        d_kv=settings["d_kv"],
        vocab_size=settings["vocab"],
        feed_forward_proj="gated-gelu" if settings.get("gated") else "relu",
        tie_word_embeddings=settings.get("tied", True),
        attn_implementation="eager",
    )


def transformers_model(settings):
    """With a matrix of its own for the projection where ours has one: transformers 5 shares it in every T5."""
    from transformers import T5ForConditionalGeneration

    model = T5ForConditionalGeneration(transformers_config(settings))
    if not settings.get("tied", True):
        model.lm_head.weight = nn.Parameter(torch.empty_like(model.lm_head.weight))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("id", QUICK_IDS)
@pytest.mark.parametrize("lengths", [(512, 512), (37, 19)])
def test_transformers_counts_the_same(id, lengths):
    """Operator by operator, with and without a decoder; no known difference."""
    from transformers import T5EncoderModel

    architecture = ARCHITECTURES[id]
    with torch.device("meta"):
        whole = Generate(transformers_model(architecture.config))
        encoder = Encode(T5EncoderModel(transformers_config(architecture.config)))
        ids = tuple(torch.ones(1, n, dtype=torch.long) for n in lengths)
    report = compare(architecture.cost(lengths), count(whole, ids))
    assert report.verdict is Verdict.AGREES, report
    report = compare(at(architecture, *lengths, part="encoder"), count(encoder, ids[:1]))
    assert report.verdict is Verdict.AGREES, report


def our_name(theirs):
    """Name of a weight of transformers' T5 in our module."""
    if theirs == "shared.weight":
        return "encoder.tokens.weight"
    name = theirs.replace("final_layer_norm.weight", "norm.scale")
    name = re.sub(r"block\.0\.layer\.0\.SelfAttention\.relative_attention_bias", "bias.table", name)
    last = 1 if name.startswith("encoder") else 2
    norm = re.search(r"layer\.(\d)\.layer_norm", name)
    if norm:
        number = 3 if int(norm[1]) == last else int(norm[1]) + 1
        name = re.sub(r"layer\.\d\.layer_norm\.weight", f"norm{number}.scale", name)
    name = re.sub(r"layer\.\d\.", "", name).replace("block.", "layers.")
    for old, new in (("SelfAttention", "attention"), ("EncDecAttention", "cross"), ("DenseReluDense", "ffn")):
        name = name.replace(old, new)
    name = name.replace("lm_head.", "head.").replace(".wi_0.", ".gate.").replace(".wi_1.", ".fc1.")
    return re.sub(r"\.o\.weight$", ".out.weight", name).replace(".wi.", ".fc1.").replace(".wo.", ".fc2.")


@pytest.mark.parametrize("release", [{}, {"gated": True, "tied": False}], ids=["original", "v1.1"])
@pytest.mark.parametrize("lengths", [(9, 7), (150, 140)])
def test_transformers_computes_the_same(lengths, release):
    """Same weights, same scores: the norms, the scaling and the buckets of relative positions are T5's."""
    torch.manual_seed(0)
    theirs = transformers_model(TINY | release).eval()
    ours = T5(**TINY | release, part="both", head=True).eval()
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.normal_(std=0.5)
        missing, unexpected = ours.load_state_dict(
            {our_name(name): weight for name, weight in theirs.named_parameters()}, strict=False
        )
        shared = {"decoder.tokens.weight"} if release else {"decoder.tokens.weight", "head.weight"}
        assert (set(missing), unexpected) == (shared, [])
        source, target = (torch.randint(TINY["vocab"], (2, n)) for n in lengths)
        torch.testing.assert_close(ours(source, target), Generate(theirs)(source, target), rtol=1e-4, atol=1e-4)


def test_no_output_depends_on_a_later_token():
    torch.manual_seed(0)
    model = T5(**TINY, part="decoder", head=True).eval()
    ids = torch.randint(17, (1, 6))
    changed = ids.clone()
    changed[0, 3] = (changed[0, 3] + 1) % 17
    with torch.no_grad():
        before, after = model(ids), model(changed)
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3:], after[:, 3:])


def test_a_wrong_formula_is_caught():
    config = {**TINY, "part": "both", "head": True}
    right = SMALL.family.build(5, 3, **config)
    assert check_model("t5", right, (5, 3), config).verdict is Verdict.AGREES

    # The table of relative positions of one part, counted once more.
    table = priced(lambda tape: relative_bias("", tensor(tape, 1, 1, 1), 3, False))
    wrong = check_model("t5", right + table, (5, 3), config)
    assert [(check.quantity, check.delta) for check in wrong.differing] == [("params", -32 * 3)]

    shorter = check_model("t5", SMALL.family.build(5, 2, **config), (5, 3), config)
    assert {check.operator for check in shorter.differing} == {"linear", "matmul"}
