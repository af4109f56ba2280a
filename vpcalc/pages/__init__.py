"""A page that one can play with: forms as JavaScript on BigInts, in one file that needs no network.

Python stays the only place where forms come from. :mod:`.script` writes them as functions, each once; the
template (``page.html``, ``page.css`` and the scripts) only evaluates and draws; :mod:`.document` puts both into
one file, whose policy lets nothing else run or load. What is on a page is gathered in :mod:`vpcalc.answers.page`.
"""
