"""PyTorch itself, executed on symbolic sizes: the form of any module from its own run, and that form's domain.

A module runs once on the meta device at concrete sizes. Beside every size a form in the input's letters is carried
(:mod:`~vpcalc.execution.sizes`); what the program compares is noted (:mod:`~vpcalc.execution.guards`), and is the
path on which the form is true. Then the other sides of those comparisons are run
(:mod:`~vpcalc.execution.regimes`), until every size of a range has its form or its refusal.

Imports torch and the algebra. Knows nothing of the layers' formulas, and nothing of the counter's prices.

Common mistakes: a rule that uses a tensor's own ``size()`` instead of :func:`~vpcalc.execution.rules.shape_of`
loses the form in silence where the number is right; comparing two sizes in a rule notes a guard, so compare only
what the function's result depends on.
"""
