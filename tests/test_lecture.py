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
