"""The words of verdict."""

from __future__ import annotations

from enum import Enum


class Finding(str, Enum):
    """What became of a claim."""

    PROVED = "proved"
    """Its own run on symbols and the derived form are one element of the ring; of statements, an identity."""
    EXECUTED = "executed"
    """The program's own run on symbols gave it, and counts agree; no other derivation decides it everywhere."""
    IDENTIFIED = "identified"
    """Recovered from counts alone, and equal to what is derived: a bound of degree is supposed, and said."""
    CHECKED = "checked"
    """It held at every point that was tried; no identity was shown."""
    CORRECTED = "corrected"
    """What the source prints differs from what runs, in terms that are named."""
    REFUTED = "refuted"
    """It does not hold."""
    UNSETTLED = "unsettled"
    """Two derivations of ours disagree, one of which has a mistake, whatever the source says; of a statement:
    there is a clause for which nothing was tried."""
