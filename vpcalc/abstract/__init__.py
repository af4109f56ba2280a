"""Abstract tensors and what one run on them says: cost, storages that are kept, bytes that are alive.

A description of a network is a plain function on tensors without values (:mod:`.tensor`) through PyTorch's
operators (:mod:`.functions`) and modules (:mod:`.modules`). It is run on a :class:`~.tape.Tape`, and what is read
off depends on the tape:

* with a :class:`~.ledger.Ledger` it is the cost tree; sizes may be ints, arrays, symbols or traced sizes, and
  nothing is decided by how tensors lie in memory;
* without one every storage is followed from the line that makes it to the line that frees it.

Nothing here imports torch. A common mistake: ``//`` or ``%`` on a size. Say what is meant with
:mod:`vpcalc.dims`, and record what has to divide with ``tape.note(Tiling(…))``.
"""
