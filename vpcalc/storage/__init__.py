"""Memory: what autograd keeps, what is live at once, what weights and optimizers take.

A network's description (:mod:`vpcalc.layers`, :mod:`vpcalc.architectures`) is run on a tape that follows every
storage, with PyTorch's rules of which operator keeps what (:mod:`vpcalc.abstract.functions`) and of when a tensor
is copied (:mod:`vpcalc.abstract.layout`): bytes on ints and closed forms on traced symbols.
Nothing here imports torch; :mod:`vpcalc.counters.saved` and :mod:`vpcalc.counters.live` are the witnesses.
"""
