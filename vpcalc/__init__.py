"""vpcalc: what a neural architecture costs, and how we know.

Each command of the command line is a function here: ``vpcalc.compare(h=56, w=56, C=96, M=7)``,
``vpcalc.model("swin_t", input=224)``, ``vpcalc.formula("msa")``, ``vpcalc.models()``,
``vpcalc.check_formula("4nd^2", "msa")``, ``vpcalc.prove(["msa"])``. Results are frozen, show themselves in a
terminal and in a notebook, and their ``to_dict()`` is the command's JSON. ``vpcalc.load("my_layers.py")`` adds
layers and architectures of your own. Unusable input raises :class:`vpcalc.InputError`. Importing this package
imports nothing else.
"""

from __future__ import annotations

__version__ = "0.2.0"

TYPE_CHECKING = False  # to type checkers it is true; not imported, so that Ctrl-C is heard sooner
if TYPE_CHECKING:
    from typing import Any

    from .answers.audit import audit as audit
    from .answers.check_formula import check_formula as check_formula
    from .answers.compare import compare as compare
    from .answers.conventions import conventions as conventions
    from .answers.crossover import crossover as crossover
    from .answers.derive import derive as derive
    from .answers.design import design as design
    from .answers.diff import diff as diff
    from .answers.draw import draw as draw
    from .answers.embed import embed as embed
    from .answers.figure import figure as figure
    from .answers.formula import formula as formula
    from .answers.macros import macros as macros
    from .answers.memory import memory as memory
    from .answers.model import model as model
    from .answers.models import models as models
    from .answers.page import page as page
    from .answers.plot import plot_crossover as plot_crossover
    from .answers.plot import plot_memory as plot_memory
    from .answers.plot import plot_resolution as plot_resolution
    from .answers.plot_models import plot_models as plot_models
    from .answers.plot_models import plot_operators as plot_operators
    from .answers.plot_models import plot_stages as plot_stages
    from .answers.plot_region import plot_region as plot_region
    from .answers.plot_roofline import plot_roofline as plot_roofline
    from .answers.prove import prove as prove
    from .answers.prove import recheck as recheck
    from .answers.reproduce import reproduce as reproduce
    from .answers.rnn import rnn as rnn
    from .answers.side_by_side import side_by_side as side_by_side
    from .answers.sweep import sweep as sweep
    from .answers.theory import theory as theory
    from .errors import InputError as InputError
    from .placing import placed as placed
    from .plugins import load as load

_COMMANDS = """
    audit check_formula compare conventions crossover derive design diff draw embed figure formula macros memory
    model models page prove reproduce rnn side_by_side sweep theory plot_models plot_region plot_roofline
"""
"""Functions in answers, each in the file of its name."""

_HOME = {name: f"answers.{name}" for name in _COMMANDS.split()} | {
    "recheck": "answers.prove",
    "plot_crossover": "answers.plot",
    "plot_memory": "answers.plot",
    "plot_resolution": "answers.plot",
    "plot_operators": "answers.plot_models",
    "plot_stages": "answers.plot_models",
    "placed": "placing",
    "load": "plugins",
    "InputError": "errors",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'vpcalc' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"vpcalc.{_HOME[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
