"""How many parameters a layer holds. The forms are written by hand from the layers' descriptions."""

from __future__ import annotations

from functools import partial

from ...cost import Quantity
from ..proof import Domain
from .registry import claim
from .witnessed import of_layer

_GRID: dict[str, tuple[int, ...]] = {"h": (2, 3), "w": (2, 5)}
_HEADS: dict[str, tuple[int, ...]] = {"a": (1, 2, 3)}

for _id, _name, _form, _source, _domain in (
    (
        "msa",
        "MSA",
        "4C² + 4C",
        "Vaswani et al. 2017, §3.2.2: four projections, with biases",
        Domain({"C": 2}, {"C": "a"}, free=_GRID | _HEADS),
    ),
    (
        "wmsa",
        "W-MSA",
        "4C² + 4C + (2M − 1)²a",
        "Liu et al. 2021 (Swin), §3.2: four projections, (2M−1)² relative biases a head",
        Domain({"C": 2, "a": 2, "M": 2}, {"C": "a", "h": "M", "w": "M"}, free={"h": (1, 2), "w": (1, 3)}),
    ),
    (
        "sra",
        "SRA",
        "(R² + 4)C² + 7C",
        "Wang et al. 2021 (PVT), eq. 2-4: W^S holds (R²C)C; four projections, a convolution, a norm",
        Domain({"C": 2, "R": 2}, {"C": "a", "h": "R", "w": "R"}, {"R": 2}, {"h": (1, 2), "w": (1, 3), **_HEADS}),
    ),
    (
        "linear_sra",
        "Linear SRA",
        "5C² + 7C",
        "Wang et al. 2022 (PVT v2), §3.1: four projections, a 1×1 convolution, a norm",
        Domain({"C": 2}, {"C": "a"}, free={"P": (2, 3), **_GRID, **_HEADS}),
    ),
    (
        "retention",
        "Retention",
        "8C²",
        "Sun et al. 2023 (RetNet), §3.1",
        Domain({"C": 2}, {"C": "a"}, free=_GRID | _HEADS),
    ),
    ("ffn", "FFN", "2rC² + (r + 1)C", "Vaswani et al. 2017, eq. 2", Domain({"C": 2, "r": 1}, free=_GRID)),
    (
        "patch_embedding",
        "Patch embedding",
        "3P²C + C",
        "Dosovitskiy et al. 2021 (ViT), eq. 1",
        Domain({"C": 1, "P": 2}, {"H": "P", "W": "P"}, free={"H": (1, 2), "W": (1, 3)}),
    ),
    (
        "patch_merging",
        "Patch merging",
        "8C² + 8C",
        "Liu et al. 2021 (Swin), §3.1: 4C to 2C without bias, a norm of 4C",
        Domain({"C": 2}, {"h": 2, "w": 2}, free={"h": (1, 2), "w": (1, 3)}),
    ),
    ("rnn_cell", "RNN", "nd + n² + 2n", "torch.nn.RNNCell: two biases", Domain({"d": 1, "n": 2})),
    ("lstm_cell", "LSTM", "4(nd + n² + 2n)", "torch.nn.LSTMCell: two biases a gate", Domain({"d": 1, "n": 2})),
    ("gru_cell", "GRU", "3(nd + n² + 2n)", "torch.nn.GRUCell: two biases a gate", Domain({"d": 1, "n": 2})),
):
    claim(f"{_id}_params", f"params({_name}) = {_form}", _source, "params")(
        partial(of_layer, _id, _domain, _form, quantity=Quantity.PARAMS)
    )
