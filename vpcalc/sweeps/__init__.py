"""Sweeps: what many configurations cost, in blocks of arrays, and the choice among them.

    axes      what is varied, and the grid of all configurations in order
    subjects  a model, a layer or a module of the reader's, at any values of its settings
    blocks    a stretch of the grid: every configuration's figures, and why some have none
    choosing  conditions, the best by a figure, Pareto fronts
    parts     what has been found so far, on disk, so that nothing is lost when a process ends
    running   stretch after stretch, here or on other machines

Imports :mod:`vpcalc.arrays`; prints nothing.
"""
