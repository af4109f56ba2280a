"""The quantities of memory by name; :mod:`vpcalc.storage.parts` derives their closed forms."""

from __future__ import annotations

from enum import Enum


class MemoryQuantity(str, Enum):
    """A quantity of memory."""

    WEIGHTS = "weights_bytes"
    BUFFERS = "buffers_bytes"
    GRADIENTS = "gradients_bytes"
    OPTIMIZER = "optimizer_bytes"
    INPUT = "input_bytes"
    SAVED = "saved_bytes"
    PEAK = "peak_bytes"
    FORWARD_PEAK = "forward_peak_bytes"
    ATTENTION = "attention_bytes"
    CACHE = "cache_bytes"
    INFERENCE = "inference_bytes"
    TRAINING = "training_bytes"

    @property
    def meaning(self) -> str:
        """One line that says what it is."""
        return _MEANING[self]


_MEANING = {
    MemoryQuantity.WEIGHTS: "bytes of the weights in float32",
    MemoryQuantity.BUFFERS: "bytes of tensors that belong to modules and are not trained",
    MemoryQuantity.GRADIENTS: "bytes of one gradient for each weight",
    MemoryQuantity.OPTIMIZER: "bytes of AdamW's two moments for each weight",
    MemoryQuantity.INPUT: "bytes of the input",
    MemoryQuantity.SAVED: "bytes that autograd keeps for the backward pass, each storage once",
    MemoryQuantity.PEAK: "bytes of activations that are live at once in an inference, at most",
    MemoryQuantity.FORWARD_PEAK: "bytes of activations that are live at once in training's forward pass, at most",
    MemoryQuantity.ATTENTION: "bytes of the attention maps, of all layers together",
    MemoryQuantity.CACHE: "bytes that the next token needs of all before it",
    MemoryQuantity.INFERENCE: "bytes of weights, buffers, input and peak activations",
    MemoryQuantity.TRAINING: "bytes of weights, gradients, AdamW's state, buffers, input and peak activations",
}
