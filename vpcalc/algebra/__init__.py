"""Symbols in, canonical closed form out.

This room knows exact algebra and how formulas are written; it knows nothing of layers. It imports
neither SymPy nor torch, so that a command that prints a formula starts as fast as Python does.
:meth:`Polynomial.to_sympy` is the way into SymPy for everything else.

A common mistake: a closed form is only valid on the lattice that comes with it. Evaluate the cost
tree with ints wherever something has to be padded.
"""

from .polynomial import Polynomial, symbols

__all__ = ["Polynomial", "symbols"]
