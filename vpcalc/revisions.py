"""A repository as it was at a git revision, in a folder of its own: nothing of the user's changes."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import InputError

_OPTIONS = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.sparseCheckout=false")
"""Nothing of the user's is run, and no file is left out."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository: where it begins, and where in it one stands."""

    root: Path
    prefix: str

    def commit(self, revision: str) -> str | None:
        """The full name of the commit that a revision means, or None."""
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        found = _git(self.root, *asked)
        return found.stdout.decode().strip() if found.returncode == 0 else None

    @property
    def is_shallow(self) -> bool:
        """Whether it was cloned without its history."""
        return _git(self.root, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true"

    def text(self, commit: str, path: str) -> str | None:
        """A file at a commit, from where one stands or else from the root; None if it is not there."""
        for place in (os.path.normpath(os.path.join(self.prefix, path)), path):
            found = _git(self.root, "cat-file", "blob", f"{commit}:{Path(place).as_posix()}")
            if found.returncode == 0:
                return found.stdout.decode("utf-8", "replace")
        return None

    @contextmanager
    def tree(self, commit: str) -> Iterator[Path]:
        """Within it, a folder that holds all files of a commit.

        Raises:
            InputError: git cannot write them.
        """
        with tempfile.TemporaryDirectory(prefix="vpcalc-diff-") as folder:
            index, tree = Path(folder, "index"), Path(folder, "tree")
            tree.mkdir()
            for command in (("read-tree", commit), ("checkout-index", "--all", "--quiet", f"--prefix={tree}/")):
                done = _git(self.root, *command, GIT_INDEX_FILE=str(index), GIT_LFS_SKIP_SMUDGE="1")
                if done.returncode:
                    said = " ".join(done.stderr.decode("utf-8", "replace").split())[:200]
                    raise InputError(f"git {command[0]} {commit[:12]}: {said}")
            yield tree


def repository() -> Repository:
    """The one in which one stands.

    Raises:
        InputError: there is none, or no git.
    """
    found = _git(Path.cwd(), "rev-parse", "--show-toplevel", "--show-prefix")
    if found.returncode:
        said = " ".join(found.stderr.decode("utf-8", "replace").split())
        none = "not a git repository" in said
        raise InputError(f"a git revision: {'this folder is in no git repository' if none else said[:200]}")
    root, prefix, *_ = [*found.stdout.decode().split("\n"), ""]
    return Repository(Path(root), prefix)


def _git(folder: Path, *command: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **more}
    try:
        return subprocess.run(
            ["git", *_OPTIONS, *command], cwd=folder, env=environment, capture_output=True, check=False
        )
    except OSError as error:
        raise InputError(f"a git revision: git cannot be run: {error.strerror or error}") from None
