"""Documents that keep their figures: blocks marked by comments, filled by vpcalc's own commands.

``languages`` knows how each language comments and sets what a command prints, ``blocks`` finds the marked blocks,
``commands`` reads a marker's text and refuses what is not a plain command, ``documents`` fills a whole file. The
room runs nothing itself: it is handed a function that runs a command and returns what it prints.

A common mistake: to let a marker do more than a command line of vpcalc could. A document comes from anywhere,
and refreshing it must be as harmless as reading it.
"""

from .documents import Document, refreshed

__all__ = ["Document", "refreshed"]
