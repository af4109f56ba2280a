"""A process that imports a repository's files as they were at a revision, and never those of the user's folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import InputError

PACKAGE = Path(__file__).resolve().parent.parent
"""This package, which may be what the repository holds."""


@contextmanager
def at_revision(request: Mapping[str, Any]) -> Iterator[str]:
    """Within it one stands in the tree of a revision, and imports come from there; yields the target there.

    ``root`` is the repository's folder, ``prefix`` where in it the user stands, ``tree`` its files there and then.

    Raises:
        InputError: the target is not there; or, at the end, a file of the user's own was imported.
    """
    root, tree = Path(request["root"]).resolve(), Path(request["tree"]).resolve()
    here = tree / request["prefix"]
    place = request["target"].rpartition(":")[0]
    is_file = place.endswith(".py")
    if is_file and not (here / place).is_file():  # as git reads it, from the root
        here = tree
    os.chdir(here if here.is_dir() else tree)
    sys.path[:] = _places(root, tree, Path.cwd() / place if is_file else None)
    if is_file and not Path(place).is_file():
        raise InputError(f"the revision has no file {place}")
    yield request["target"]
    if not is_file and not _stands_in(tree, place):
        raise InputError(f"{place} is not imported from the repository's files")
    for name, module in list(sys.modules.items()):
        path = Path(getattr(module, "__file__", None) or "/").resolve()
        if _is_users(path, root, tree) and path not in map(Path, request["own"]):
            raise InputError(f"{name} comes from {path.relative_to(root)} as it is now, not from the revision")


def _places(root: Path, tree: Path, file: Path | None) -> list[str]:
    """Where imports look: the user's places as they were, then those of a package that is installed from there."""
    old = [Path(place or ".").resolve() for place in sys.path]
    mapped = [tree / place.relative_to(root) for place in old if _is_users(place, root, tree)]
    roots = [] if file is None else [_import_root(file)]
    kept = [str(place) for place in old if not _is_users(place, root, tree)]
    return [*dict.fromkeys(map(str, [*mapped, *roots, tree / "src", tree])), *kept]


def _import_root(file: Path) -> Path:
    """The folder from which a file's package is imported."""
    folder = file.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _is_users(path: Path, root: Path, tree: Path) -> bool:
    """Whether a path is in the user's own folder; what is installed there is not meant, nor this package."""
    return path.is_relative_to(root) and not any(
        path.is_relative_to(other) for other in (tree, PACKAGE, *_installed(root))
    )


def _installed(root: Path) -> list[Path]:
    """Environments within the user's folder."""
    found = {Path(place).resolve() for place in (sys.prefix, sys.base_prefix)}
    return [place for place in found if place != root and place.is_relative_to(root)]


def _stands_in(tree: Path, name: str) -> bool:
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is not None and Path(file).resolve().is_relative_to(tree)
