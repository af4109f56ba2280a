"""The command line: one file a command, which parses, calls and renders.

No figure is computed here and no input is validated here: a command hands its options, as text, to the
function of the same name in :mod:`vpcalc.answers`, whose InputError becomes one line and exit status 2.
Only typer is imported at module level; everything else inside the command, so that ``--help`` is fast.
"""
