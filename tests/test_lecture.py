"""The lecture's page: all 38 items, every command runs, every verdict is the one that comes out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from vpcalc.answers.theory import Settled
from vpcalc.statements import STATEMENTS

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
        ("convolution_translation", "there are x with conv(T_s x) ≠ conv(x)"),  # not for a constant one
        ("patch_embedding_cost", "P²⌊H/P⌋⌊W/P⌋cC, which is less"),  # where the rest is dropped, not padded
        ("patch_continuity", "s ≥ 2"),
        ("overlapping_patches", "where s divides the sides"),
        ("merging_is_convolution", "for even h and w"),
        ("zero_padding_position", "Global attention adds nothing"),  # windows do
        ("convolution_for_positions", "exactly where 10rL < hw"),
        ("defined_not_learned", "For every N ≥ 1 and even d"),
        ("positions_resized", "the last h mod R rows and w mod R columns"),
        ("head_rank", "where the halves of all tokens are affinely independent"),
        ("attention_computes_all", "where M and R divide the grid"),
        ("long_key_wins", "in two dimensions or more"),
        ("sra_is_convolution", "where R ≥ 2 divides h and w"),
        ("pooling_or_convolution", "wherever hw ≥ P²R²"),
        ("class_token_reach", "a patch, if there are two or more"),
        ("pixels_seen", "M ≥ 2, shifted in every second block"),
        ("one_scale_or_four", "Where 8 divides h and w"),
        ("windows_save", "M at most both sides"),
        ("depth_or_length", "but through σ₁"),
    ],
)
def test_a_claim_says_where_it_holds(id: str, words: str) -> None:
    assert words in STATEMENTS[id].claim
