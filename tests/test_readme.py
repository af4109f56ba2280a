"""Every command that the README shows runs, and prints what the README says it prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from .conftest import Run

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```console\n\$ vpcalc (.*?)\n(.*?)\n```", README, re.S)
BLOCKS = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.S))
LISTED = re.findall(r"^vpcalc (.*?)\s*(?:#.*)?$", BLOCKS, re.M)


def test_the_readme_shows_and_lists_commands() -> None:
    assert len(SHOWN) >= 1
    assert len(LISTED) >= 10


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_shown_output_is_real(vpcalc: Run, command: str, output: str) -> None:
    done = vpcalc(*shlex.split(command), COLUMNS="80")
    assert done.returncode == 0
    assert [line.rstrip() for line in done.stdout.splitlines()] == output.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("command", LISTED)
def test_listed_commands_run(vpcalc: Run, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = vpcalc(*shlex.split(command))
    assert done.returncode == 0, done.stderr
    assert done.stdout or [*tmp_path.iterdir()]


def test_the_python_example() -> None:
    for code in re.findall(r"```python\n(.*?)```", README, re.S):
        scope: dict[str, object] = {}
        for line in code.splitlines():
            expression, _, comment = line.partition("#")
            if comment:
                assert eval(expression, scope) == eval(comment)
            else:
                exec(line, scope)
