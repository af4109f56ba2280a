"""Carry out every demonstration again and record it with its verdict: ``python docs/verdicts.py``."""

from __future__ import annotations

import vpcalc
from vpcalc.statements.recorded import write

if __name__ == "__main__":
    settled = vpcalc.theory(check=True).statements
    write((one.statement, one.demonstration, one.note) for one in settled if one.demonstration is not None)
