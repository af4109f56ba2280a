"""Audit: why counters disagree, to the last operator.

Every counter runs in a process of its own (:mod:`.process`), and so does the recording of what the module
really does (:mod:`.record`, :mod:`.graph`). What comes back are plain numbers and shapes. A small model of each
counter (:mod:`.peers`) prices the recorded calls by the rules that the counter is known to follow; holding
those prices against the exact ones gives the reasons (:mod:`.reconcile`). Nothing is found by
subtraction: the reasons are added up, and what the counter's own figure has beyond them is *unexplained*.

Only :mod:`.worker` and what it calls know torch; they run in the child process. Everything else is
arithmetic on recorded shapes and imports nothing heavy.
"""
