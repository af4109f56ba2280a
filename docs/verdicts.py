"""Compute the verdict of every statement again and record it: ``python docs/verdicts.py``."""

from __future__ import annotations

import vpcalc
from vpcalc.statements.recorded import write

if __name__ == "__main__":
    write((settled.statement, settled.verdict, settled.note) for settled in vpcalc.theory(check=True).statements)
