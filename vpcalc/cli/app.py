"""The application: its commands, and how it ends."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, Any, NoReturn

import typer

from .. import __version__
from ..errors import InputError
from . import (
    audit,
    check,
    compare,
    derive,
    draw,
    embed,
    figure,
    formula,
    macros,
    model,
    models,
    plot,
    prove,
    reproduce,
    rnn,
    theory,
)
from .start import panel_of, screen

app = typer.Typer(
    name="vpcalc",
    help="What a neural architecture costs, derived from its operators and checked against the model that runs.",
    epilog="Try:  vpcalc compare --h 56 --w 56 --C 96 --M 7   or   vpcalc model swin_t --input 224",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-?"]},
)

for _module in (
    compare,
    model,
    formula,
    figure,
    models,
    reproduce,
    check,
    prove,
    audit,
    theory,
    rnn,
    derive,
    embed,
    macros,
    draw,
):
    _name = _module.__name__.rpartition(".")[2]
    app.command(rich_help_panel=panel_of(_name))(getattr(_module, _name))
app.add_typer(plot.app, name="plot", rich_help_panel=panel_of("plot"))


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"vpcalc {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """What a neural architecture costs, derived from its operators and checked against the model that runs."""
    if context.invoked_subcommand is None:
        group: Any = context.command
        typer.echo(screen({name: each.help or "" for name, each in group.commands.items()}))


def main() -> NoReturn:
    """Run the command line. Unusable input ends with one line on standard error and status 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show ² gets ?, not a traceback
    try:
        status = typer.main.get_command(app).main(prog_name="vpcalc", standalone_mode=False)
    except InputError as error:
        _fail(str(error))
    except typer.TyperException as error:
        _fail(error.format_message())
    except (KeyboardInterrupt, typer.Abort):
        os._exit(130)
    except BrokenPipeError:
        # Whoever reads us has had enough. Keep the interpreter from complaining while it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> NoReturn:
    sys.stdout.flush()
    print(f"vpcalc: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
