"""Views only: tables as data, and how they are written in the terminal, Markdown, LaTeX, CSV and HTML.

Nothing here adds or divides. A result gives its tables (:class:`Table`) and its dictionary; this room writes
them. rich is imported by :mod:`vpcalc.report.terminal` alone.
"""

from .table import About, Caveat, Column, Hint, Kind, Table

__all__ = ["About", "Caveat", "Column", "Hint", "Kind", "Table"]
