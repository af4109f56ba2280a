"""Python files of a user's own, run where they are named, and other people's code kept quiet meanwhile."""

from __future__ import annotations

import importlib.util
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from importlib.machinery import SourceFileLoader
from os.path import isfile
from pathlib import Path
from typing import Any

from .catalog import looking
from .errors import InputError, first_line, unreadable
from .files import real


@contextmanager
def quiet() -> Iterator[None]:
    """Within it, foreign code neither warns nor logs, and what it prints goes to standard error."""
    with unlogged(), warnings.catch_warnings(), redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def unlogged() -> Iterator[None]:
    """Within it nothing is logged. To say so goes through all loggers, of which some packages have thousands."""
    before = logging.root.manager.disable
    if before >= logging.CRITICAL:
        yield
        return
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def run_file(place: str | Path, option: str) -> Any:
    """A Python file as a module, its own folder being where it imports from first.

    What it registers stays where ``--load`` named it; of other files something that they define is wanted.

    Args:
        place: the file.
        option: what named it, for the message.

    Raises:
        InputError: there is no such file, or it does not run to its end.
    """
    path, shown = Path(place), str(place)
    if not isfile(path):
        raise unreadable(option, shown)
    spec = importlib.util.spec_from_file_location(f"_vpcalc_target_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{option}: {shown!r} is not a Python file")
    if isinstance(spec.loader, SourceFileLoader):
        spec.loader = _AsItIs(spec.name, str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    folder = str(real(path).parent)
    sys.path.insert(0, folder)
    try:
        with quiet(), nullcontext() if option == "--load" else looking():
            spec.loader.exec_module(module)
    except InputError as error:  # of ours, such as a name that is taken
        raise InputError(f"{option}: {shown!r}: {error}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # it may raise anything
        why = first_line(error)
        if "relative import" in why and option == "TARGET":
            why += f"; it is part of a package: name it {_within_packages(path)}:FACTORY"
        raise InputError(f"{option}: {shown!r} cannot be imported: {why}") from error
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
    return module


class _AsItIs(SourceFileLoader):
    """Compiles a file as it is now, and leaves nothing beside it.

    What Python keeps counts for any file of the same length that was written within the same second.
    """

    def get_code(self, fullname: str) -> Any:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _within_packages(path: Path) -> str:
    """The name that a file has as a module of the packages around it: ``package.module``."""
    names, folder = [path.stem], real(path).parent
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return ".".join(names)
