"""Frozen modules and layers of low rank, as ``peft`` makes them (``tuners/lora/layer.py``)."""

from __future__ import annotations

from collections import Counter

from torch import Tensor, nn

from ..abstract.tuning import Tuning, lies_in, parts_of


class LowRank(nn.Module):
    """A frozen linear layer with two of low rank beside it: ``Wx + s·B(Ax)``."""

    def __init__(self, layer: nn.Linear, rank: int) -> None:
        super().__init__()
        like = {"device": layer.weight.device, "dtype": layer.weight.dtype}
        self.base_layer = layer
        self.lora_A = nn.Linear(layer.in_features, rank, bias=False, **like)
        self.lora_B = nn.Linear(rank, layer.out_features, bias=False, **like)
        self.scaling = 2.0

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.base_layer(x)
        return result + self.lora_B(self.lora_A(x)) * self.scaling


def tuned(module: nn.Module, tuning: Tuning) -> nn.Module:
    """The module with what is not trained frozen, and layers of low rank where they belong.

    Raises:
        LookupError: a name says nothing in it: with the option, the name, and names that do.
    """
    owners = Counter(id(weight) for _, weight in module.named_parameters(remove_duplicate=False))
    layers = {
        path: part
        for path, part in module.named_modules()
        if type(part) is nn.Linear and owners[id(part.weight)] == 1  # what is a table elsewhere has none
    }
    paths = [path for path, _ in module.named_modules()]
    for option, names, known in (("--trained", tuning.trained, paths), ("--lora-on", tuning.on, [*layers])):
        for name in names:
            if not any(lies_in(path, name) for path in known):
                raise LookupError(option, name, parts_of(known))
    if tuning.rank and not layers:
        raise LookupError("--lora", str(tuning.rank), {"nn.Linear"})
    adapted = {id(layer): LowRank(layer, tuning.rank) for path, layer in layers.items() if tuning.adapts(path)}
    for part in list(module.modules()):
        if not isinstance(part, LowRank):
            for name, child in part._modules.items():
                if id(child) in adapted:
                    part._modules[name] = adapted[id(child)]
    module = adapted.get(id(module), module)
    trained = {
        id(weight)
        for path, part in module.named_modules()
        if tuning.trains(path)
        for weight in part.parameters(recurse=False)
    }
    for weight in module.parameters():
        weight.requires_grad_(id(weight) in trained)
    return module
