"""Computations as graphs: depth, distance and reach, against what is plain from the papers and against modules."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vpcalc.statements import graphs
from vpcalc.statements.receptive_field import SIGHTS, measured_reach, reach
from vpcalc.statements.table1 import PATHS, ROWS, autograd_depth, ceil_log, line, measured_path, shifted_blocks

size = st.integers(1, 6)


# -- the graph --------------------------------------------------------------------------------------


def test_depth_and_distance_of_a_chain() -> None:
    graph = graphs.Graph()
    (x,) = graph.sources(1)
    a = graph.op(x)
    b = graph.mix(a)
    c = graph.mix(b, x)
    assert graph.depth() == 3
    assert graph.distances(x) == [0, 0, 1, 1]  # the direct way to c is shorter; only what mixes counts
    assert graph.reach([x], [a, c]) == [[True, True]]


def test_tokens_that_never_meet_have_no_distance() -> None:
    graph, sources, outputs = graphs.run([graphs.attend(graphs.window(2, 4, 2))], 8)
    assert graphs.longest_distance(graph, sources, outputs, causal=False) is None
    assert graph.distances(sources[0])[outputs[2]] is None


def test_recurrence_waits_and_attention_does_not() -> None:
    assert [graphs.run([graphs.recurrence], n)[0].depth() for n in (1, 5, 9)] == [1, 5, 9]
    assert len({graphs.run([graphs.attend(graphs.everyone)], n)[0].depth() for n in (2, 5, 9)}) == 1


def test_a_causal_layer_sees_what_was_before() -> None:
    for layer in (graphs.recurrence, graphs.retention_recurrent, graphs.attend(graphs.so_far)):
        graph, sources, outputs = graphs.run([layer], 6)
        assert graph.reach(sources, outputs) == [[j >= i for j in range(6)] for i in range(6)]


@given(chunks=size, b=size)
@settings(deadline=None, max_examples=15)
def test_chunks_see_what_steps_see(chunks: int, b: int) -> None:
    one = graphs.run([graphs.retention_recurrent], chunks * b)
    other = graphs.run([graphs.retention_chunkwise(b)], chunks * b)
    assert one[0].reach(*one[1:]) == other[0].reach(*other[1:])


@given(n=st.integers(1, 20), k=st.integers(1, 6), dilation=st.integers(1, 4))
@settings(deadline=None, max_examples=25)
def test_kernels(n: int, k: int, dilation: int) -> None:
    around, before = graphs.around(k, dilation), graphs.before(k, dilation)
    for i in range(n):
        assert i in list(around(i, n))
        assert list(before(i, n)) == [i - step * dilation for step in range(k) if i >= step * dilation]
        assert all(0 <= j < n for j in around(i, n))
        assert len(list(around(i, n))) <= k


@given(h=size, w=size, M=size, shift=st.integers(0, 5))
@settings(deadline=None, max_examples=25)
def test_windows_are_a_partition(h: int, w: int, M: int, shift: int) -> None:
    sees = graphs.window(h, w, M, shift % M)
    for i in range(h * w):
        assert i in sees(i, h * w)
        assert len(list(sees(i, h * w))) <= M * M
        assert all(set(sees(j, h * w)) == set(sees(i, h * w)) for j in sees(i, h * w))


@given(h=st.integers(2, 9), w=st.integers(2, 9), P=st.integers(1, 4))
@settings(deadline=None, max_examples=25)
def test_pooling_reads_every_token(h: int, w: int, P: int) -> None:
    blocks = graphs.pooled_blocks(h, w, P)
    assert len(blocks) == P * P
    assert {token for block in blocks for token in block} == set(range(h * w))


# -- Table 1 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "value", "count"), [(3, 1, 0), (3, 3, 1), (3, 4, 2), (2, 1024, 10), (2, 1025, 11)]
)
def test_ceil_log(base: int, value: int, count: int) -> None:
    assert ceil_log(base, value) == count


def test_a_line_is_only_a_line_where_all_points_lie_on_it() -> None:
    assert str(line(lambda n: 3 * n + 1, (2, 5, 9))) == "3n + 1"
    assert line(lambda n: n * n, (2, 5, 9)) is None


@pytest.mark.parametrize(
    "id", [id for id in ROWS if PATHS[id].exactly is not None and id not in ("sra", "linear_sra", "swmsa")]
)
@pytest.mark.parametrize("n", [2, 6, 9, 16, 31])
def test_paths_at_other_lengths(id: str, n: int) -> None:
    exactly = PATHS[id].exactly
    assert exactly is not None
    for k in ROWS[id].sizes:
        if id != "retention_chunkwise" or n % k == 0:
            assert measured_path(ROWS[id], k, n) == exactly(n, k)


@pytest.mark.parametrize(("k", "n", "steps"), [(2, 24, None), (4, 24, 23), (5, 24, 12), (7, 24, 8)])
def test_an_even_kernel_reaches_less(k: int, n: int, steps: int | None) -> None:
    assert measured_path(ROWS["convolution"], k, n) == steps


def test_shifted_windows_where_the_window_does_not_divide() -> None:
    assert measured_path(ROWS["swmsa"], 7, 64) == 3 == shifted_blocks(8, 7)


def test_autograd_depth_of_a_chain_of_layers() -> None:
    x = torch.zeros(1, 3, requires_grad=True)
    depths = []
    for layers in (1, 2, 5):
        stack = nn.Sequential(*(nn.Sequential(nn.Linear(3, 3), nn.Tanh()) for _ in range(layers)))
        depths.append(autograd_depth(stack(x)))
    assert depths[1] - depths[0] == 2 + (depths[2] - depths[1] - 6) // 3 == 2


# -- reach ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", list(SIGHTS))
@pytest.mark.parametrize(("depth", "h", "w", "used"), [(1, 4, 6, 2), (2, 7, 5, 2), (4, 6, 6, 3), (2, 6, 9, 4)])
def test_gradients_of_modules_reach_as_far_as_the_graph(id: str, depth: int, h: int, w: int, used: int) -> None:
    kind = SIGHTS[id]
    side = used if kind.size > 1 else 1
    assert measured_reach(kind, h, w, depth, side) == reach(kind, h, w, depth, side)


def test_a_wrong_graph_is_noticed() -> None:
    """Windows that stay are not what the shifted module does."""
    assert measured_reach(SIGHTS["swmsa"], 6, 6, 2, 3) != reach(SIGHTS["wmsa"], 6, 6, 2, 3)
    assert measured_reach(SIGHTS["conv"], 6, 6, 1, 3) != reach(SIGHTS["conv"], 6, 6, 1, 5)


@pytest.mark.parametrize("id", ["recurrent", "retention"])
def test_causal_kinds_see_no_later_token(id: str) -> None:
    seen = reach(SIGHTS[id], 3, 4, 2)
    assert seen == [[j >= i for j in range(12)] for i in range(12)]
