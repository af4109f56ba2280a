"""Closed forms on arrays of sizes: compiled once, exact whatever their values, and where each form holds.

:mod:`.forms` turns a polynomial with floors into a function of arrays that broadcast together: each letter lies on
an axis of its own, so that what depends on few letters is computed once for all values of the others.
:mod:`.regimes` finds the form that holds at each size of a block, running a description on traced sizes wherever
none is known. Stands on NumPy and :mod:`vpcalc.algebra`; knows no layers and no files.
"""

from .forms import Compiled as Compiled
from .forms import Most as Most
from .regimes import OnTraced as OnTraced
from .regimes import Part as Part
from .regimes import Regime as Regime
from .regimes import Regimes as Regimes
