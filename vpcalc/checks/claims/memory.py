"""Memory and work of training: laws of the field, against what PyTorch's autograd keeps and runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ...algebra import Polynomial
from ...architectures import ARCHITECTURES
from ...findings import Finding
from ...storage.forms import model_forms
from ...storage.laws import gpt_layer, inside
from ..proof import Domain, Interpolation, Outcome, Sizes
from .registry import claim

KORTHIKANTI = "Korthikanti et al. 2022, arXiv 2205.05198"
LETTERS = {"s": "N", "b": "B", "h": "d_model", "a": "a"}
"""The paper's letters in ours."""

LAYER = Domain(
    {"N": 2, "B": 1, "d_model": 1, "a": 1}, {"d_model": "a"}, {"N": 2, "B": 2, "d_model": 2, "a": 2}, held_out=3
)
"""More than one of everything: PyTorch copies less where a size is 1."""


def _gpt(printed: str, recompute: str = "none", part: str = "", corrected: str = "") -> Interpolation:
    return Interpolation(
        partial(gpt_layer, recompute, part), partial(_kept, recompute, part), LAYER, printed, LETTERS, corrected
    )


def _kept(recompute: str, part: str, at: Sizes) -> int:
    """Bytes that autograd keeps of a second layer beyond the first."""
    return _stacked(2, recompute, part, at) - _stacked(1, recompute, part, at)


def _stacked(layers: int, recompute: str, part: str, at: Sizes) -> int:
    import torch

    from ...counters.saved import count
    from ...reference.gpt import stack
    from ..memory import default_type, forget

    with torch.device("meta"), default_type(torch.bfloat16):
        module = stack(layers, at["d_model"], at["a"])
        inputs = torch.zeros(at["B"], at["N"], at["d_model"], requires_grad=True)
    for layer in module:
        if recompute == "block":
            forget(layer, "forward")
        elif recompute == "attention":
            forget(layer.attention, "core")
    counts = inside(part)
    return sum(size for path, size in count(module, (inputs,)).by_module.items() if counts(path))


for _id, _what, _printed, _where, _recompute, _part, _corrected in (
    ("gpt_layer_bytes", "a layer", "sbh(34 + 5as/h)", "eq. 1", "none", "", "34sbh + 5as²b + 16sb"),
    ("gpt_attention_bytes", "attention", "11sbh + 5as²b", "§4.1", "none", "attention", ""),
    ("gpt_mlp_bytes", "the MLP", "19sbh", "§4.1", "none", "ffn", ""),
    ("gpt_selective_bytes", "a layer without its maps", "34sbh", "Table 2", "attention", "", "34sbh + 16sb"),
    ("gpt_full_bytes", "a layer that is computed again", "2sbh", "Table 2", "block", "", ""),
):
    claim(
        _id,
        f"bytes that autograd keeps of {_what} = {_printed}, activations in 2 bytes",
        f"{KORTHIKANTI}, {_where}; norms' mean and deviation, 16sb, are left out there",
        "memory",
    )(partial(_gpt, _printed, _recompute, _part, _corrected))


def _saved(id: str, domain: Domain) -> Interpolation:
    architecture = ARCHITECTURES[id]

    def derive() -> Polynomial:
        return model_forms(architecture, architecture.config).of(lambda found: found.saved)

    def count(at: Sizes) -> int:
        import torch

        from ...counters.saved import count
        from ...reference import MODEL_WITNESSES

        sizes = tuple(at[axis] for axis in architecture.family.axes)
        with torch.device("meta"):
            witness = MODEL_WITNESSES[architecture.family.name](sizes, architecture.config, at["B"])
        return count(*witness).total

    return Interpolation(derive, count, domain)


for _model, _domain in (
    ("swin_t", Domain({"H": 1, "W": 1, "B": 1}, {"H": 224, "W": 224}, {"B": 2}, held_out=3)),
    ("vit_b_16", Domain({"H": 2, "W": 2, "B": 1}, {"H": 16, "W": 16}, {"H": 2, "W": 2, "B": 2}, held_out=3)),
    ("resnet50", Domain({"H": 1, "W": 1, "B": 1}, {"H": 32, "W": 32}, {"H": 2, "W": 2, "B": 2}, held_out=3)),
):
    claim(
        f"{_model}_saved_bytes",
        f"autograd keeps of {_model} at any H, W and batch what is derived from its dataflow",
        ARCHITECTURES[_model].source,
        "memory",
    )(partial(_saved, _model, _domain))


@claim(
    "mixed_precision_bytes",
    "Adam with float32 master weights beside 2-byte weights takes 16 bytes a parameter",
    "Rajbhandari et al. 2019 (ZeRO), arXiv 1910.02054, §3.1",
    "memory",
)
def _mixed_precision() -> Outcome:
    """Weights, gradients, and the state of PyTorch's own optimizer on float32 copies."""
    import torch

    tried = ((3, 5), (1, 7), (64, 32))
    found = []
    for rows, columns in tried:
        layer = torch.nn.Linear(columns, rows, dtype=torch.bfloat16)
        layer(torch.ones(2, columns, dtype=torch.bfloat16)).sum().backward()
        masters = [weight.detach().float().requires_grad_() for weight in layer.parameters()]
        for master, weight in zip(masters, layer.parameters(), strict=True):
            assert weight.grad is not None
            master.grad = weight.grad.float()
        optimizer = torch.optim.Adam(masters)
        optimizer.step()
        moments = [t for state in optimizer.state.values() for t in (state["exp_avg"], state["exp_avg_sq"])]
        gradients = [weight.grad for weight in layer.parameters() if weight.grad is not None]
        held = [*layer.parameters(), *gradients, *masters, *moments]
        params = sum(weight.numel() for weight in layer.parameters())
        found.append(sum(tensor.nbytes for tensor in held) == 16 * params)
    verdict = Finding.CHECKED if all(found) else Finding.REFUTED
    return Outcome("numeric", verdict, "2 + 2 + (4 + 4 + 4)", points=len(tried))


@claim(
    "backward_macs",
    "the backward pass takes twice the forward pass's multiply-accumulates, less the first layer's input gradient",
    "each product has two gradients, but none flows to the network's input; Kaplan et al. 2020, §2.1",
    "memory",
)
def _backward() -> Outcome:
    """Counted operator by operator where PyTorch dispatches it."""
    import torch

    from ...counters.dispatch import count
    from ...reference import MODEL_WITNESSES

    off = []
    models: tuple[tuple[str, tuple[int, ...], Callable[[str], bool]], ...] = (
        ("swin_t", (64, 64), lambda path: path == "stages.0.proj"),
        ("vit_ti_16", (64, 64), lambda path: path == "patches.proj"),
        ("pvt_tiny", (64, 64), lambda path: path == "stages.0.patches.proj"),
        ("resnet50", (64, 64), lambda path: path == "stem.0.0"),
        ("transformer_base", (8, 6), lambda path: False),
        ("t5_small", (8, 6), lambda path: False),
    )
    for id, sizes, first in models:
        architecture = ARCHITECTURES[id]
        with torch.device("meta"):
            witness = MODEL_WITNESSES[architecture.family.name](sizes, architecture.config)
        forward = count(*witness)
        both = count(*witness, backward=True)
        opening = sum(macs for path, macs in forward.by_module().items() if first(path))
        if both.backward != 2 * forward.macs - opening:
            off.append(f"{id}: {both.backward:,} instead of {2 * forward.macs - opening:,}")
    verdict = Finding.REFUTED if off else Finding.CHECKED
    return Outcome("numeric", verdict, "2 forward − first", points=len(models), note="; ".join(off))
