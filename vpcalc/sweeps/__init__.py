"""Sweeps: what many configurations cost, in blocks of arrays, and the choice among them.

    axes      what is varied, and the grid of all configurations in order
    subjects  a model, a layer or a module of the reader's, at any values of its settings
    blocks    a stretch of the grid: every configuration's figures, and why some have none
    choosing  conditions, the best by a figure, Pareto fronts
    parts     what has been found so far, on disk, so that nothing is lost when a process ends
    running   stretch after stretch, here or on other machines

and designs, the best of them under budgets:

    levers       what may change, and what follows it
    growing      forms that grow with every lever, and the proof that they do
    memory       bytes, counted for one configuration and bounded from below for many
    keeping      which configurations are kept: the nearest, or a Pareto front
    relaxed      what a box holds at most where its forms are linear: a knapsack
    bounded      branch and bound
    certificate  that nothing better was left out

Imports :mod:`vpcalc.arrays`; prints nothing.
"""
