"""Memory: what autograd keeps, what is live at once, what weights and optimizers take.

The dataflow of each network is described once, on abstract tensors (:mod:`vpcalc.storage.dataflow`), with
PyTorch's rules of which operator keeps what (:mod:`vpcalc.storage.functions`) and of when a tensor is copied
(:mod:`vpcalc.storage.layout`). Running a description gives bytes on ints and closed forms on traced symbols.
Nothing here imports torch; :mod:`vpcalc.counters.saved` and :mod:`vpcalc.counters.live` are the witnesses.
"""
