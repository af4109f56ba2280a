"""``--load FILE.py``, before the command or among its options: descriptions of a user's own, for this command."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from typer.core import TyperOption

from ..errors import InputError, first_line

Load = Callable[[Sequence[str]], None]

OPTION = "--load"
VARIABLE = "VPCALC_LOAD"
"""Files to load for every command, as PATH lists folders."""


def accepting(command: Any, load: Load) -> Any:
    """A command and those within it, each with the option; ``load`` is called before others are looked at."""
    option = TyperOption(
        param_decls=[OPTION],
        type=str,
        multiple=True,
        is_eager=True,
        expose_value=False,
        callback=lambda context, option, files: load(files),
        metavar="FILE.py",
        help="Add the layers and architectures that this file of yours describes. May be repeated.",
    )
    command.params.append(option)
    for each in getattr(command, "commands", {}).values():
        accepting(each, load)
    return command


@contextmanager
def loading() -> Iterator[Load]:
    """What it loads is there until the end of the block; what was there before stays."""
    brought: list[str] = []

    def load(files: Sequence[str]) -> None:
        if not files:
            return
        from .. import plugins

        for file in files:
            if os.path.realpath(file) not in plugins.loaded():
                plugins.load(file)
                brought.append(os.path.realpath(file))

    try:
        yield load
    except InputError:
        raise
    except Exception as error:
        place = _in_a_file_of_the_user(error)
        if not place:
            raise
        raise InputError(f"{place}: {first_line(error)}") from error
    finally:
        if brought:
            from .. import plugins

            plugins.unload(brought)


def _in_a_file_of_the_user(error: BaseException) -> str:
    """Where an error comes from code that was loaded, the innermost line of that."""
    found, trace = "", error.__traceback__
    while trace is not None:
        if str(trace.tb_frame.f_globals.get("__name__")).startswith("_vpcalc_target_"):
            found = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def of_environment() -> list[str]:
    """The files that the environment names."""
    return [file for file in os.environ.get(VARIABLE, "").split(os.pathsep) if file]


def first_word(arguments: Sequence[str]) -> str:
    """The first argument that is not about loading: the command, if there is one."""
    words = iter(arguments)
    for word in words:
        if word == OPTION:
            next(words, None)
        elif not word.startswith(f"{OPTION}="):
            return word
    return ""
