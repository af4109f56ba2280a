"""The cost tree as a reading of a run: who pays for weights, and how often what is run."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from vpcalc.abstract.functions import affine
from vpcalc.abstract.modules import Copies, Loop, embedding, linear, module, parameter, repeat, titled
from vpcalc.abstract.priced import priced
from vpcalc.abstract.tape import INPUT, Tape
from vpcalc.abstract.tensor import INT64, Tensor, fresh, given
from vpcalc.algebra import symbols
from vpcalc.cost import Quantity


class Tied(nn.Module):
    """A language model's ends: the projection has the embedding's weight and a bias of its own."""

    def __init__(self, words: int, C: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, C)
        self.head = nn.Linear(C, words)
        self.head.weight = self.embedding.weight
        self.spare = nn.Parameter(torch.zeros(3, C))


def tied(tape: Tape, words: int, C: int) -> Tensor:
    parameter(tape, 3, C)
    table = parameter(tape, words, C)
    x = embedding("embedding", fresh(tape, (1, 4), INT64, INPUT), table)
    return affine(x, table, parameter(tape, words))


@pytest.mark.parametrize(("words", "C"), [(11, 5), (7, 8)])
def test_each_weight_is_paid_once(words: int, C: int) -> None:
    """A shared one by its first user, a bias beside it by its own, one that nothing uses all the same."""
    expected = sum(weight.numel() for weight in Tied(words, C).parameters())
    cost = priced(lambda tape: tied(tape, words, C))
    assert cost.total(Quantity.PARAMS) == expected
    assert cost.by_operator(Quantity.PARAMS)["linear"] == words


@module
@titled("block")
def block(x: Tensor) -> Tensor:
    return linear("fc", x, x.shape[-1])


def test_repeated_blocks_have_weights_of_their_own_and_steps_share_them() -> None:
    C, n, T = symbols("C n T")

    def stepped(tape: Tape) -> Tensor:
        x, weight = given(tape, 1, C), parameter(tape, C, C)
        for _ in Loop(tape, T):
            x = affine(x, weight, None)
        return x

    blocks = priced(lambda tape: repeat("blocks", given(tape, 1, C), Copies(block, n)))
    steps = priced(stepped)
    assert (blocks.total(Quantity.MACS), blocks.total(Quantity.PARAMS)) == (n * C**2, n * (C**2 + C))
    assert (steps.total(Quantity.MACS), steps.total(Quantity.PARAMS)) == (T * C**2, C**2)


def test_what_is_no_module_cannot_be_repeated() -> None:
    with pytest.raises(AssertionError, match="only modules"):
        priced(lambda tape: repeat("", given(tape, 1, 4), [partial(linear, fan_out=4)] * 2))
