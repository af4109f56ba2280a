"""The application: its commands, and how it ends."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer

from .. import __version__
from ..errors import InputError, first_line, printable
from ..optional import lacking
from . import completion, misuse
from .interrupts import interruptible, leave
from .loading import accepting, first_word, loading, of_environment
from .output import columns_here
from .start import PANELS, panel_of, screen
from .written import Command

COMMANDS = tuple(name for names in PANELS.values() for name in names)
"""Every command; each is a file of this room, with a function or a Typer ``app`` of its own."""

TRACEBACK = "VPCALC_TRACEBACK"
"""Where this is set, a fault of ours shows where it happened."""

SOFTWARE = 70
"""The status of such a fault, as sysexits.h has it."""

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""What a disk says that takes no more of standard output."""


def application(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The application with these commands. A single one starts in half the time of all."""
    app = typer.Typer(
        name="vpcalc",
        help=start.__doc__,
        epilog="Try:  vpcalc compare --h 56 --w 56 --C 96 --M 7   or   vpcalc model swin_t --input 224",
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback(invoke_without_command=True)(start)
    for name in names:
        module = import_module(f".{name}", __package__)
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name, rich_help_panel=panel_of(name))
        else:
            app.command(cls=Command, rich_help_panel=panel_of(name))(getattr(module, name))
    return app


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"vpcalc {__version__}")
        raise typer.Exit


def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """What a neural architecture costs, derived from its operators and checked against the model that runs."""
    if context.invoked_subcommand is None:
        group: Any = context.command
        typer.echo(screen({name: each.help or "" for name, each in group.commands.items()}, columns_here() - 1))


def main() -> NoReturn:
    """Run the command line. Unusable input ends with one line on standard error and status 2."""
    if sys.stdout is None:  # it was closed: >&-
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show ² gets ?, not a traceback
    try:
        with interruptible(), loading() as load:
            load(of_environment())
            words = _without_help(sys.argv[1:])
            command = accepting(typer.main.get_command(application(_asked_for(words))), load)
            status = _literal(command).main(words, prog_name="vpcalc", standalone_mode=False)
    except InputError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        if not lacking(error):
            raise
        _fail(lacking(error))
    except SystemExit as end:  # nothing of ours does that, but typer where a shell completes a line or learns how
        if completion.words() is not None or completion.TAUGHT & set(sys.argv):
            raise
        if isinstance(end.__context__, BrokenPipeError):  # rich and typer end so
            _unheard()
        _fail(f"code that was run ended the program: {first_line(end)}")
    except typer.TyperException as error:
        _fail(misuse.said(error, sys.argv[1:]))
    except (KeyboardInterrupt, typer.Abort):
        leave()
    except BrokenPipeError:
        _unheard()
    except OSError as error:
        _not_written(error)
    except MemoryError:
        _fail("out of memory")
    except Exception as error:  # a fault of ours: neither unusable input nor a check that did not hold
        _at_fault(error)
    sys.exit(status if isinstance(status, int) else 0)


def _not_written(error: OSError) -> NoReturn:
    """A file or a disk that does not do what was asked."""
    if error.errno in FULL:
        _mute()
        _fail(f"output cannot be written: {error.strerror}")
    place = "the working directory" if error.errno == errno.ENOENT else type(error).__name__
    _fail(f"{error.filename or place}: {error.strerror or error}")


def _at_fault(error: Exception) -> NoReturn:
    """One line that helps to report it; the traceback for who asks."""
    if os.environ.get(TRACEBACK):
        raise error
    import traceback

    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{os.path.basename(last.filename)}:{last.lineno}"
    asked = f"please report it with the command; {TRACEBACK}=1 shows the way there"
    _fail(f"a fault of vpcalc's own, {place}: {first_line(error)}; {asked}", SOFTWARE)


def _unheard() -> NoReturn:
    """Whoever reads us has had enough."""
    _mute()
    sys.exit(141)


def _mute() -> None:
    """Keep the interpreter from complaining while it flushes what nobody takes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _without_help(words: list[str]) -> list[str]:
    """``help model`` is ``model --help``, as in other programs."""
    return [*words[1:], "--help"] if words[:1] == ["help"] else words


def _asked_for(arguments: list[str]) -> Iterable[str]:
    """The command that the first word names, or all: for help, for a misspelled name, for one that is begun."""
    completed = completion.words()
    word = first_word(arguments if completed is None else completed)
    return (word,) if word in COMMANDS and completed != [word] else COMMANDS


def _literal(command: Any) -> Any:
    """The same command with help that is shown as it is written: ``[formulas]`` is no markup.

    Typer takes the indentation of examples away where nothing else follows: each begins a line of its own.
    """
    for told in (command, *command.params):
        told.help = re.sub(r"\[(?=[a-z#/@])", r"\\[", getattr(told, "help", None) or "")
        told.help = re.sub(r"(?:(?<=Examples:)|\n) +(?=vpcalc )", "\n", told.help)
    for each in getattr(command, "commands", {}).values():
        _literal(each)
    return command


def _fail(message: str, status: int = 2) -> NoReturn:
    sys.stdout.flush()
    print(f"vpcalc: {printable(message)}", file=sys.stderr)
    sys.exit(status)
