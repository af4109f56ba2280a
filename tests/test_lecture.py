"""The lecture's page: all 38 items, every command runs, every verdict is the one that comes out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import pytest
import torch

from vpcalc.answers.theory import Settled
from vpcalc.reference.embedding import PatchEmbedding
from vpcalc.statements import STATEMENTS
from vpcalc.statements.symmetries import fitting_moves, window_layer
from vpcalc.statements.whole_numbers import numbers, whole

from . import planted_lecture
from .test_docs import DOCS, run, script

WORDS = {"proved", "identified", "checked", "corrected", "agrees", "differs", "cited, not judged"}


class Row(NamedTuple):
    """A line of the table; commands and verdicts stand side by side."""

    number: int
    says: str
    commands: list[str]
    verdicts: list[str]
    true: str


def rows() -> Iterator[Row]:
    for line in (DOCS / "lecture.md").read_text(encoding="utf-8").splitlines():
        if re.match(r"\| \d+ \|", line):
            number, says, commands, verdicts, true = line.strip("| ").split(" | ")
            yield Row(int(number), says, commands.split("<br>"), verdicts.split("<br>"), true)


def test_every_item_has_a_command_a_verdict_and_what_is_true() -> None:
    found = list(rows())
    assert [row.number for row in found] == list(range(1, 39))
    for row in found:
        assert row.says, row
        assert row.true, row
        assert len(row.commands) == len(row.verdicts), row
        assert set(row.verdicts) <= WORDS, row
        for command, verdict in zip(row.commands, row.verdicts, strict=True):
            assert (command == "none: empirical") == (verdict == "cited, not judged"), row
            assert command == "none: empirical" or re.fullmatch(r"`vpcalc [^`]+`", command), row


def test_every_verdict_of_a_statement_is_the_one_on_record() -> None:
    """Which another test computes again."""
    seen = set()
    for row in rows():
        for command, verdict in zip(row.commands, row.verdicts, strict=True):
            if command.startswith("`vpcalc theory "):
                name = command.strip("`").split()[-1]
                assert verdict == Settled(STATEMENTS[name]).verdict, name
                seen.add(name)
    assert {id for id, _ in planted_lecture.PLANTED} <= seen


def commands() -> list[str]:
    found = {command.strip("`").removeprefix("vpcalc ") for row in rows() for command in row.commands}
    return sorted(found - {"none: empirical"})


@pytest.mark.slow
@pytest.mark.parametrize("command", commands())
def test_every_command_runs(command: str) -> None:
    """Of statements the record; their demonstrations are carried out by other tests."""
    status, shown = run(f"{command} --no-check" if command.startswith("theory ") else command)
    assert status == 0
    assert shown


@pytest.mark.slow
def test_the_page_is_what_its_script_writes() -> None:
    lecture = script("lecture")
    assert lecture.PAGE.read_text(encoding="utf-8") == lecture.page()


@pytest.mark.parametrize(
    ("id", "words"),
    [
        # not for a constant x, and of a kernel that fills the torus with one value for none
        ("convolution_translation", "for s ≠ 0 and kernels in general there are x with conv(T_s x) ≠ conv(x)"),
        ("patch_translation", "On ℤ² or a torus of whole patches"),
        ("patch_translation", "all tokens 1 before it and 0 after it"),  # of one bright pixel most tokens stay
        ("windows_never_meet", "Shifted by ⌊M/2⌋, M ≥ 2"),
        ("order_comes_back", "there are tokens, weights and an order"),  # not every order
        ("bptt_cost", "Over T ≥ 2 steps"),  # at 1 the shared products would be −1
        ("dot_product_cosine", "for q, k ≠ 0"),
        ("patch_embedding_cost", "P²⌊H/P⌋⌊W/P⌋cC, which is less"),  # where the rest is dropped, not padded
        ("patch_continuity", "s ≥ 2"),
        ("patch_continuity", "changes one token at most"),  # what P does not divide is dropped
        ("overlapping_patches", "where s divides the sides"),
        ("merging_is_convolution", "for even h and w"),
        ("zero_padding_position", "Global attention adds nothing"),  # windows do
        ("zero_padding_position", "rising from place to place away from a border"),  # two can share a value
        ("zero_padding_position", "of R tokens or more"),
        ("zero_padding_position", "of a positive one"),  # a constant one: of any other all places differ anyway
        ("convolution_for_positions", "exactly where 10rL < hw"),
        ("defined_not_learned", "For every N ≥ 1 and even d"),
        ("defined_not_learned", "codes before N give such a unit no gradient"),  # weight decay moves it
        ("positions_resized", "the last h mod R rows and w mod R columns"),
        ("positions_resized", "the first stage's table is taken as it is"),  # others are resized there
        ("head_rank", "where the halves of all tokens are affinely independent"),
        ("attention_computes_all", "where M and R divide the grid"),
        ("long_key_wins", "in two dimensions or more"),
        ("sra_is_convolution", "where R ≥ 2 divides h and w"),
        ("pooling_or_convolution", "wherever hw ≥ P²R²"),
        ("pooling_or_convolution", "For R ≥ 2 it has (R² − 1)C² fewer parameters"),
        ("class_token_reach", "a patch, if there are two or more"),
        ("class_token_reach", "of one patch at most"),  # its own value is of none
        ("pixels_seen", "M ≥ 2, shifted in every second block"),
        ("one_scale_or_four", "Where 8 divides h and w"),
        ("windows_save", "M at most both sides"),
        ("depth_or_length", "but through σ₁"),
        ("depth_or_length", "the last layer leftmost"),
    ],
)
def test_a_claim_says_where_it_holds(id: str, words: str) -> None:
    assert words in STATEMENTS[id].claim


def test_a_paper_is_cited_with_its_own_word() -> None:
    """PVT has no 'invariance' at all."""
    assert "'to provide translation equivariance'" in STATEMENTS["convolution_translation"].source


def test_an_image_that_is_moved_by_a_part_of_a_patch_can_leave_no_token_what_it_was() -> None:
    embed = whole(PatchEmbedding(1, 3, channels=1))
    with torch.no_grad():
        embed.proj.weight.zero_()[0, 0, 0, 0] = 1
        embed.proj.bias.zero_()
    dot, lattice = torch.zeros(2, 1, 1, 6, 6, dtype=torch.float64)
    dot[..., 0, 0], lattice[..., ::3, ::3] = 1, 1
    stay = [int((embed(x) == embed(x.roll(1, dims=3))).sum()) for x in (dot, lattice)]
    assert stay == [3, 0]


def test_on_a_torus_of_one_window_its_bias_alone_tells_places_apart() -> None:
    """Attention without a bias would commute with every shift of it."""
    x = numbers(1, 6, 6, 8)
    shifts = [shift for shift in product(range(6), repeat=2) if fitting_moves(window_layer(6, 6, 6), x, shift)]
    assert shifts == [(0, 0)]
