"""Where the two wings meet: a formula's figures against a count of the real module.

A check is exact or it fails. Its verdict is *agrees*, *differs* or *not comparable*, and it names the
operators. This room imports the analytic rooms freely and the torch rooms only inside functions.
"""

from .crosscheck import Check, Report, Verdict, check_layer, check_model

__all__ = ["Check", "Report", "Verdict", "check_layer", "check_model"]
