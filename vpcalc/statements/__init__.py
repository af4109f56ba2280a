"""Statements about sequences and gradients, each with its proof.

A statement has a source, a derivation and a function that demonstrates it (:mod:`vpcalc.statements.registry`).
What is claimed stands in that function's keyword arguments, so that anyone can claim something else and see the
demonstration fail. Evidence is symbolic (an identity, by SymPy), exact (integers, bits, polynomials recovered from
counts) or numeric (float64 within a stated tolerance, samples with a fixed seed), and the verdict follows from it.

One file a family. Beside them: :mod:`.unrolled` and :mod:`.cells`, the algebra of recurrent networks, written for
symbols and tensors alike; :mod:`.rnn_algorithms`, ways to compute a gradient, as formulas and as code that counts;
:mod:`.reversal`, schedules of a chain that is run backwards; :mod:`.graphs`, computations as graphs;
:mod:`.whole_numbers`, modules whose products are exact. SymPy, torch and NumPy come from :mod:`.libraries`, which
imports each when it is first used.

To add one: a function under ``@statement`` in one of the families here, or in a new file that :data:`FAMILIES`
lists; ``vpcalc theory`` and ``vpcalc prove`` have it from then on. Its demonstration names the clauses of the
claim, each with the evidence for it alone, and each has a keyword with which it fails. After any change here, run
``python docs/verdicts.py``: it computes the verdicts on record again. Two common mistakes: a claim that is typed
twice, once in the proof and once in the keyword (take it from the keyword everywhere), and evidence that proves
less than its clause says beside one that was only checked (the strongest counts: make two clauses of it).
"""

from .registry import STATEMENTS, Demonstration, Evidence, Method, Statement, Step, statement

FAMILIES = (
    "rnn_gradients",
    "cell_gradients",
    "rnn_costs",
    "table1",
    "scaling",
    "similarity",
    "positions",
    "receptive_field",
    "feedforward",
    "symmetries",
    "patches",
    "borders",
    "position_limits",
    "heads",
    "reductions",
    "pixels",
    "window_costs",
    "pyramid",
    "retention_forms",
    "retention_chunks",
    "readouts",
    "depth",
    "training_compute",
    "attention_traffic",
    "attention_slope",
    "checkpoint_schedules",
    "budgets",
    "softmax_rounding",
)
"""The files of statements, in the order in which they are listed."""

STATEMENTS.later(f"{__name__}.{family}" for family in FAMILIES)  # its statements register themselves

__all__ = ["FAMILIES", "STATEMENTS", "Demonstration", "Evidence", "Method", "Statement", "Step", "statement"]
