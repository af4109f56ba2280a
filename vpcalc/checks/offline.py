"""Other people's packages, imported with the Hub offline.

vpcalc builds models from their configurations and needs nothing from anywhere. So that no default, no argument and
no later version of a package can fetch something all the same, the Hub is offline for the whole process from the
moment in which a target of such a package is named. huggingface_hub reads its environment once, when it is
imported; where somebody imported it before us, its switch is set by hand.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

from ..errors import InputError, first_line
from ..optional import LIBRARIES

VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
"""What the packages read when they are imported, and what processes that we start inherit."""

_SWITCHES = (
    ("huggingface_hub.constants", "HF_HUB_OFFLINE"),
    ("transformers.utils.hub", "_is_offline_mode"),  # a copy, before version 5
)
"""Where what was read is kept."""


def go_offline() -> None:
    """Let nothing in this process ask the Hub for anything."""
    os.environ.update(dict.fromkeys(VARIABLES, "1"))
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it recommends packages for activations it looks at
    for place, name in _SWITCHES:
        module: Any = sys.modules.get(place)
        if hasattr(module, name):
            setattr(module, name, True)
    http: Any = sys.modules.get("huggingface_hub.utils._http")
    if hasattr(http, "reset_sessions"):  # before version 1 a session remembers how it was made
        http.reset_sessions()


def imported(place: str) -> Any:
    """A module; the Hub is offline before it is imported, if it belongs to a package that can fetch models.

    Raises:
        InputError: it cannot be imported, for whatever reason.
    """
    from ..sources import quiet

    if place.partition(".")[0] in ("huggingface_hub", *LIBRARIES):  # what can fetch models
        go_offline()
    try:
        with quiet():
            return import_module(place)
    except (Exception, SystemExit) as error:  # RuntimeError where torchvision was built for another torch
        raise InputError(f"TARGET: needs {place}, which cannot be imported: {first_line(error)}") from error
