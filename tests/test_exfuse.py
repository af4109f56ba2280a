"""ExFuse and its blocks: GCN, semantic embedding, sub-pixel upsampling, dense prediction."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vpcalc.algebra.polynomial import symbols
from vpcalc.architectures import ARCHITECTURES
from vpcalc.checks import Verdict, check_layer, check_model
from vpcalc.cost import Quantity
from vpcalc.errors import InputError
from vpcalc.layers import LAYERS
from vpcalc.reference import LAYER_WITNESSES, MODEL_WITNESSES
from vpcalc.reference.convolution import (
    ChannelResolutionEmbedding,
    GlobalConvolution,
    SemanticEmbedding,
    neighbour_mean,
)
from vpcalc.symbolic import layer_on_symbols

EXFUSE = ARCHITECTURES["exfuse_resnet50"]
BLOCKS = ("gcn", "seb", "ecre", "dap")
DIMS = {
    "h": st.integers(1, 30),
    "w": st.integers(1, 30),
    "c_in": st.integers(1, 9),
    "c_out": st.integers(1, 9),
    "classes": st.integers(1, 9),
    "k": st.integers(1, 7),
    "u": st.integers(1, 4),
}


def cost_of(sizes=None, **changes):
    return EXFUSE.cost(sizes or EXFUSE.sizes, EXFUSE.configure(changes))


def report_of(sizes, batch=1, **changes):
    config = EXFUSE.configure(changes)
    return check_model("exfuse", EXFUSE.cost(sizes, config, batch), sizes, config, batch)


def assert_agrees(report):
    assert report.verdict is Verdict.AGREES, str(report)


# -- the network against its module -------------------------------------------------------------


@pytest.mark.quick(2)
@pytest.mark.parametrize("size", [(512, 512), (75, 133), (321, 224), (1, 1)])
@pytest.mark.parametrize("supervision", [False, True])
def test_exfuse_agrees(size, supervision):
    assert_agrees(report_of(size, supervision=supervision))


@settings(deadline=None, max_examples=15)
@given(
    block=st.sampled_from(["basic", "bottleneck"]),
    version=st.sampled_from(["v1", "v1.5"]),
    depths=st.sampled_from([(1, 1), (2, 1), (1, 2, 1), (1, 1, 1, 1), (1, 1, 1, 1, 1)]),
    C=st.integers(1, 6),
    k=st.integers(1, 9),
    dap=st.integers(1, 4),
    supervision=st.booleans(),
    sizes=st.tuples(st.integers(1, 99), st.integers(1, 99)),
    batch=st.integers(1, 2),
)
def test_exfuse_agrees_under_any_settings(block, version, depths, C, k, dap, supervision, sizes, batch):
    changes = {"block": block, "version": version, "depths": depths, "C": C, "k": k, "dap": dap}
    assert_agrees(report_of(sizes, batch, **changes, supervision=supervision, classes=5))


@pytest.mark.quick(1)
@settings(deadline=None, max_examples=20)
@given(data=st.data(), batch=st.integers(1, 3))
@pytest.mark.parametrize("id", BLOCKS)
def test_blocks_agree(id, data, batch):
    dims = {name: data.draw(DIMS[name], label=name) for name in LAYERS[id].dims} | {"batch": batch}
    assert_agrees(check_layer(id, LAYERS[id].build(**dims), dims))


def test_every_block_has_a_witness():
    assert set(BLOCKS) <= set(LAYERS) & set(LAYER_WITNESSES)
    assert "exfuse" in MODEL_WITNESSES


# -- planted mistakes are found -----------------------------------------------------------------


def test_a_kernel_of_another_length_is_found():
    dims = {"h": 8, "w": 8, "c_in": 4, "c_out": 3, "k": 5}
    report = check_layer("gcn", LAYERS["gcn"].build(**dims | {"k": 7}), dims)
    assert report.verdict is Verdict.DIFFERS


def test_forgotten_training_classifiers_are_found():
    report = check_model("exfuse", cost_of((64, 64)), (64, 64), EXFUSE.configure({"supervision": True}))
    assert {"adaptive_avg_pool2d", "linear", "conv"} <= {check.operator for check in report.differing}


# -- what the modules compute -------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_dense_prediction_reads_the_prediction_of_each_neighbour(k):
    batch, classes, h, w = 2, 3, 4, 5
    x = torch.randn(batch, k * k * classes, h, w)
    expected = torch.zeros(batch, classes, h, w)
    for i in range(h):
        for j in range(w):
            for row in range(k):
                for column in range(k):
                    y, z = i + row - k // 2, j + column - k // 2
                    if 0 <= y < h and 0 <= z < w:
                        group = (row * k + column) * classes
                        expected[:, :, i, j] += x[:, group : group + classes, y, z] / k**2
    torch.testing.assert_close(neighbour_mean(x, k), expected)


def test_dense_prediction_does_not_average_one_position_alone():
    x = torch.zeros(1, 9, 5, 5)
    x[0, 0, 1, 1] = 9.0  # what (1, 1) says about its neighbour down right
    scores = neighbour_mean(x, 3)[0, 0]
    assert scores[2, 2] == 1.0
    assert scores.sum() == 1.0


def test_gcn_is_a_sum_of_two_large_separable_kernels():
    gcn = GlobalConvolution(1, 1, 5)
    for conv in gcn.modules():
        if isinstance(conv, nn.Conv2d):
            nn.init.zeros_(conv.bias)
    column, row = gcn.left[0].conv.weight, gcn.left[1].conv.weight
    row2, column2 = gcn.right[0].conv.weight, gcn.right[1].conv.weight
    kernel = column * row + column2 * row2  # 5 x 1 times 1 x 5
    x = torch.randn(1, 1, 9, 8)
    torch.testing.assert_close(gcn(x), nn.functional.conv2d(x, kernel, padding=2))


def test_semantic_embedding_multiplies():
    seb = SemanticEmbedding(3, 2)
    low, high = torch.randn(1, 2, 7, 9), torch.randn(1, 3, 4, 5)
    torch.testing.assert_close(seb(3 * low, high), 3 * seb(low, high))
    assert seb(low, high).shape == low.shape


def test_sub_pixel_upsampling_spreads_channels_over_a_finer_grid():
    ecre = ChannelResolutionEmbedding(2, 3, 2)
    x = torch.randn(1, 2, 4, 5)
    y, flat = ecre(x), ecre.conv(x)
    assert y.shape == (1, 3, 8, 10)
    torch.testing.assert_close(y[0, 1, 3, 4], flat[0, 1 * 4 + 1 * 2 + 0, 1, 2])  # odd row, even column


@pytest.mark.parametrize("size", [(64, 64), (45, 71), (33, 32)])
def test_every_pixel_gets_its_scores(size):
    config = EXFUSE.configure({"C": 2, "depths": "1,1,1,1", "k": 3, "classes": 4, "supervision": True})
    witness = MODEL_WITNESSES["exfuse"](size, config, 2)
    with torch.no_grad():
        scores, *auxiliary = witness.module.eval()(*witness.inputs)
    assert scores.shape == (2, 4, *size)
    assert [x.shape for x in auxiliary] == [(2, 1000)] * 3


# -- closed forms -------------------------------------------------------------------------------


def test_gcn_costs_what_its_four_convolutions_cost():
    h, w, c_in, c_out, k = symbols("h w c_in c_out k")
    cost = layer_on_symbols("gcn")
    assert cost.total(Quantity.MACS) == h * w * k * (2 * c_in * c_out + 2 * c_out * c_out)
    assert cost.total(Quantity.PARAMS) == k * (2 * c_in * c_out + 2 * c_out * c_out) + 4 * c_out


def test_gcn_against_the_full_kernel():
    # Peng et al. 2017: O(2/k) of the cost of a k x k convolution; exactly 4/k with as many channels out as in
    h, w, k = symbols("h w k")
    c = symbols("c_in")[0]
    gcn = LAYERS["gcn"].build(h, w, c, c, k).total(Quantity.MACS)
    full = LAYERS["conv"].build(h, w, c, k).total(Quantity.MACS)
    assert gcn * k == full * 4


def test_closed_forms_of_the_other_blocks():
    h, w, c_in, c_out, k, u, K = symbols("h w c_in c_out k u K")
    seb, ecre, dap = (layer_on_symbols(id) for id in ("seb", "ecre", "dap"))
    assert seb.total(Quantity.MACS) == 9 * h * w * c_in * c_out
    assert seb.total(Quantity.FVCORE) - seb.total(Quantity.MACS) == 4 * u * u * h * w * c_out
    assert ecre.total(Quantity.MACS) == 9 * h * w * c_in * u * u * c_out
    assert dap.total(Quantity.MACS) == 9 * h * w * c_in * k * k * K


@pytest.mark.parametrize("id", BLOCKS)
@pytest.mark.parametrize("quantity", Quantity)
def test_sympy_derives_the_same_form(id, quantity):
    names = {name: "K" if name == "classes" else name for name in LAYERS[id].dims}
    dims = {name: sympy.Symbol(letter, integer=True, positive=True) for name, letter in names.items()}
    derived = layer_on_symbols(id).total(quantity)
    independent = LAYERS[id].build(**dims).total(quantity)
    assert sympy.expand(independent - getattr(derived, "to_sympy", lambda: derived)()) == 0


@settings(deadline=None, max_examples=15)
@given(H=st.integers(1, 20), W=st.integers(1, 20))
@pytest.mark.parametrize("supervision", [False, True])
def test_the_closed_form_holds_on_multiples_of_32(supervision, H, W):
    point = {"H": 32 * H, "W": 32 * W}
    symbolic = cost_of(tuple(symbols("H W")), supervision=supervision)
    numeric = cost_of((32 * H, 32 * W), supervision=supervision)
    for quantity in (Quantity.MACS, Quantity.FVCORE, Quantity.ACTIVATIONS):
        assert symbolic.total(quantity).value(point) == numeric.total(quantity)
    assert symbolic.total(Quantity.PARAMS) == numeric.total(Quantity.PARAMS)


def test_training_classifiers_are_all_that_supervision_adds():
    plain, supervised = cost_of(), cost_of(supervision=True)
    heads = [node for node in supervised.stages() if node.name.startswith("supervision")]
    assert [head.stage.channels for head in heads] == [256, 512, 1024]
    added = sum(head.total(Quantity.MACS) for head in heads)
    assert supervised.total(Quantity.MACS) - plain.total(Quantity.MACS) == added


@pytest.mark.parametrize("size", [(512, 512), (230, 250)])
def test_the_encoder_is_resnet50_without_its_head(size):
    resnet = ARCHITECTURES["resnet50"]
    whole = resnet.cost(size)
    head = next(node for node in whole.stages() if node.name == "head")
    encoder = [node for node in cost_of(size).stages() if node.name == "stem" or node.name.startswith("stage")]
    for quantity in Quantity:
        expected = whole.total(quantity) - head.total(quantity)
        assert sum(node.total(quantity) for node in encoder) == expected


@pytest.mark.parametrize("supervision", [False, True])
def test_stages_add_up(supervision):
    cost = cost_of((75, 133), supervision=supervision)
    for quantity in Quantity:
        assert sum(stage.total(quantity) for stage in cost.stages()) == cost.total(quantity)


def test_concatenated_levels_are_what_embeddings_read():
    # 2048; 1024 + 2048; 512 + 1024 + 2048 channels of higher levels
    convolutions = [node.ops[0].shapes[0][1] for node in cost_of().nodes() if node.name == "seb"]
    assert convolutions == [9 * 2048, 9 * 3072, 9 * 3584]


def test_scores_of_an_odd_map_are_cropped_and_not_padded():
    cost = cost_of((33, 33))  # grids of 9, 5, 3 and 2: sub-pixel upsampling makes 4 of 2 where 3 are needed
    ecre = next(node for node in cost.nodes() if node.name == "ecre")
    assert Fraction(ecre.total(Quantity.MACS), 9 * 21 * 84) == 4


# -- unusable input -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depths": "3"}, "--set depths=3: ExFuse fuses the features of at least 2 stages"),
        ({"supervision": "perhaps"}, "--set supervision=perhaps"),
        ({"kernel": 3}, "setting of exfuse_resnet50 'kernel' is not known"),
    ],
)
def test_unusable_settings(changes, message):
    with pytest.raises(InputError, match=message):
        cost_of(**changes)
