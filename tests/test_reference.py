"""The witnesses compute what their papers say, not only operators of the right shape."""

from __future__ import annotations

import pytest
import torch

from vpcalc.reference.attention import AxialAttention, SelfAttention
from vpcalc.reference.embedding import PatchMerging
from vpcalc.reference.mask_rcnn import RoIAlign
from vpcalc.reference.retention import Retention
from vpcalc.reference.swin import Swin
from vpcalc.reference.talking_heads import TalkingHeadsAttention
from vpcalc.reference.windows import WindowAttention, from_windows, relative_index, to_windows


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def influence(module: torch.nn.Module, h: int, w: int, C: int, at: tuple[int, int]) -> torch.Tensor:
    """Which input tokens the output at one token depends on."""
    x = torch.randn(1, h, w, C, dtype=torch.float64, requires_grad=True)
    module.double()(x)[0, at[0], at[1]].sum().backward()
    assert x.grad is not None
    return x.grad[0].abs().sum(-1) > 0


def test_attention_is_torchs_own() -> None:
    mine = SelfAttention(12, 3).double()
    theirs = torch.nn.MultiheadAttention(12, 3, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(mine.qkv.weight)
        theirs.in_proj_bias.copy_(mine.qkv.bias)
        theirs.out_proj.weight.copy_(mine.proj.weight)
        theirs.out_proj.bias.copy_(mine.proj.bias)
        x = torch.randn(2, 5, 12, dtype=torch.float64)
        torch.testing.assert_close(mine(x), theirs(x, x, x)[0])


def test_heads_that_talk_mix_logits_and_weights() -> None:
    """Shazeer et al. 2020: P_l before the softmax, P_w after it; heads that hear themselves alone do not talk."""
    module, plain = TalkingHeadsAttention(12, 3).double(), SelfAttention(12, 3).double()
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    q, k, v = module.qkv(x).reshape(2, 5, 3, 3, 4).unbind(2)
    logits = torch.einsum("bnhd,bmhd,gh->bgnm", q / 2, k, module.logits.weight)
    weights = torch.einsum("bgnm,vg->bvnm", logits.softmax(-1), module.weights.weight)
    mixed = torch.einsum("bvnm,bmvd->bnvd", weights, v).reshape(2, 5, 12)
    torch.testing.assert_close(module(x), module.proj(mixed))
    with torch.no_grad():
        module.logits.weight.copy_(torch.eye(3))
        module.weights.weight.copy_(torch.eye(3))
    plain.load_state_dict(module.state_dict(), strict=False)
    torch.testing.assert_close(module(x), plain(x))


def test_windows_are_cut_and_put_back() -> None:
    x = torch.randn(2, 6, 9, 4)
    assert torch.equal(from_windows(to_windows(x, 3, 6, 9), 3, 6, 9), x)
    assert torch.equal(to_windows(x, 3, 6, 9)[0], x[0, :3, :3].reshape(9, 4))


def test_relative_index_depends_on_the_offset_alone() -> None:
    index = relative_index(3)
    offsets = {}
    for i in range(9):
        for j in range(9):
            offset = (i // 3 - j // 3, i % 3 - j % 3)
            assert offsets.setdefault(offset, int(index[i, j])) == int(index[i, j])
    assert sorted(offsets.values()) == list(range(25))


def test_a_window_sees_itself_alone() -> None:
    seen = influence(WindowAttention(8, 8, 4, 2, 4), 8, 8, 4, (1, 1))
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[:4, :4] = True
    assert torch.equal(seen, expected)


def test_a_shifted_window_joins_neighbours_and_the_mask_keeps_the_edges_apart() -> None:
    """Rolled by 2, windows begin at 2; what wraps around is masked, so that edges see only themselves."""
    module = WindowAttention(8, 8, 4, 2, 4, shift=True)
    inner = influence(module, 8, 8, 4, (3, 3))
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[2:6, 2:6] = True
    assert torch.equal(inner, expected)
    corner = influence(module, 8, 8, 4, (0, 7))
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[:2, 6:] = True
    assert torch.equal(corner, expected)


def test_axial_attention_goes_along_rows_and_then_along_columns() -> None:
    module = AxialAttention(4, 2).double()
    assert influence(module, 3, 5, 4, (1, 2)).all()
    x = torch.randn(1, 3, 5, 4, dtype=torch.float64)
    rows = torch.stack([module.rows(row) for row in x.unbind(1)], 1)
    torch.testing.assert_close(module(x), torch.stack([module.columns(c) for c in rows.unbind(2)], 2))


def test_one_window_is_not_shifted() -> None:
    assert WindowAttention(7, 7, 4, 2, 7, shift=True).shift == 0
    assert WindowAttention(4, 9, 4, 2, 7, shift=True).M == 4


def test_patch_merging_concatenates_neighbours() -> None:
    merging = PatchMerging(1).double()
    merging.norm = torch.nn.Identity()
    with torch.no_grad():
        merging.reduction.weight.copy_(torch.tensor([[1.0, 1, 1, 1], [1, 0, 0, 0]]))
    x = torch.arange(12, dtype=torch.float64).reshape(1, 3, 4, 1)
    out = merging(x)
    assert out[..., 0].tolist() == [[[0 + 1 + 4 + 5, 2 + 3 + 6 + 7], [8 + 9, 10 + 11]]]  # the odd row is padded
    assert out[..., 1].tolist() == [[[0, 2], [8, 10]]]


def test_retention_is_causal_and_decays() -> None:
    module = Retention(8, 2).double()
    x = torch.randn(1, 6, 8, dtype=torch.float64)
    later = x.clone()
    later[:, 4:] += 1
    with torch.no_grad():
        before, after = module(x), module(later)
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4:], after[:, 4:])


def test_swin_runs_on_an_awkward_image() -> None:
    model = Swin(45, 70, C=12, depths=(2, 2), heads=(3, 6), M=4, P=4, r=2, classes=5).eval()
    assert model(torch.randn(2, 3, 45, 70)).shape == (2, 5)


def test_roi_align_reads_a_box_where_its_bins_are() -> None:
    """Of a map that says where each of its places is, in a picture of -1 to 1."""
    h, w = 12, 20
    across, down = ((torch.arange(side) + 0.5) * 2 / side - 1 for side in (w, h))
    x = torch.stack((across.expand(h, w), down[:, None].expand(h, w)))[None].expand(2, 2, h, w)
    boxes = torch.tensor([[0.25, -0.5, 0.5, 0.25], [0.0, 0.0, 0.75, 0.75], [-0.25, 0.25, 0.1, 0.4]])
    found = RoIAlign(4)(x, torch.stack((boxes, boxes.flip(0))))
    assert found.shape == (6, 2, 4, 4)
    bins = torch.tensor([-0.75, -0.25, 0.25, 0.75])
    for read, (middle_x, middle_y, half_w, half_h) in zip(found, [*boxes, *boxes.flip(0)], strict=True):
        torch.testing.assert_close(read[0], (middle_x + half_w * bins).expand(4, 4))
        torch.testing.assert_close(read[1], (middle_y + half_h * bins)[:, None].expand(4, 4))
