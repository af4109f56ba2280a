"""One question of a user, one function, one frozen result.

Each module answers one command (``compare``, ``model``, ``formula`` …): a function that validates its input,
calls the rooms below, and returns a :class:`~vpcalc.answers.result.Result`. The command line is a thin view
of these; so is ``vpcalc.compare(...)`` in a notebook. Results know their tables and their JSON, and
leave all writing to :mod:`vpcalc.report`. Nothing here imports typer; torch only where a check is asked for.
"""
