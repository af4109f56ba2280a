"""Which arguments of a target may be given: never one by which weights or code would be fetched or loaded.

A model is built from its configuration and from nothing else. Other people's packages take arguments that reach
much further: a name of an attention may be a repository of foreign kernels, ``checkpoint_path`` a file that is
unpickled. What is refused here is refused for every target; what may stand in a document, which somebody else may
have written, is a list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import InputError, unknown
from ..optional import LIBRARIES
from .shapes import Letter, Multiple, read_argument

ATTENTIONS = ("eager", "sdpa", "flex_attention")
"""What ``attn_implementation`` may be. Flash attention is not among them: where its package is not installed,
transformers takes its kernels from the Hub."""

_LOADS = re.compile(r"pretrained|(?:^|_)weights(?:$|_)|remote|^auto_map$|^use_kernels$|^kernel_config$|^hub_")
"""Arguments that fetch or load as soon as they are anything but false, none or nothing."""

_STORES = re.compile(r"checkpoint|state_dict|weights")
"""Arguments that as text name what to load; as numbers or switches (``gradient_checkpointing``) they do not."""

_PLACES = re.compile(r"(?:^|_)(?:adapter|backbone|cfg|dir|file|filename|path|repo|repo_id|revision|urls?)$")
"""The same of a package's own models. Elsewhere a path is as good an argument as any."""

_TOGGLES = frozenset({"init_weights", "tie_weights"})
"""Switches that fill or share weights and load none."""

_FACTORIES = re.compile(r"(?:^|\.)(?:_?from_(?:pretrained|hub|url|checkpoint)\w*|load_state_dict\w*)$|^hub\.")
"""Functions that load instead of building."""

HARMLESS = frozenset(
    re.findall(
        r"\w+",
        """
    attn_implementation aux_logits class_token d_ff d_head d_inner d_kv d_model d_state decoder_attention_heads
    decoder_ffn_dim decoder_layers depth depths dim drop_path_rate drop_rate dropout dynamic_img_size embed_dim
    embed_dims embedding_size encoder_attention_heads encoder_ffn_dim encoder_layers expand ffn_dim head_dim
    hidden_dim hidden_size hidden_sizes image_size img_size in_chans init_values init_weights input_size
    intermediate_size layers max_position_embeddings mlp_ratio mlp_ratios moe_intermediate_size n_ctx n_embd n_head
    n_heads n_inner n_layer n_layers n_positions num_attention_heads num_channels num_classes num_decoder_layers
    num_encoder_blocks num_encoder_layers num_experts num_experts_per_tok num_heads num_hidden_groups
    num_hidden_layers num_key_value_heads num_labels num_layers num_local_experts out_features output_stride
    patch_size patch_sizes qkv_bias reg_tokens rotary_dim sliding_window sr_ratios state_size stochastic_depth_prob
    strides tie_word_embeddings type_vocab_size use_cache vocab_size width width_mult window_size
    """,
    )
)
"""Arguments of timm's, torchvision's and transformers' models that may stand in a document: sizes and switches."""


def refuse_loading(given: Mapping[str, object], target: object = "") -> None:
    """Refuse arguments, as they were read, by which something would be loaded.

    For a package's own models any text with a slash or a colon is a place, whatever argument it is given to.

    Raises:
        InputError: naming the argument, its value and what is allowed.
    """
    packaged = isinstance(target, str) and re.split("[.:]", target)[0] in LIBRARIES
    for name, value in given.items():
        texts = _texts(value)
        if name.lower().lstrip("_").startswith("attn_implementation"):
            if value is not None and value not in ATTENTIONS:
                raise unknown(f"--arg {name}", _spelled(value), ATTENTIONS)
        elif _LOADS.search(name.lower()) and not (value is None or value is False or _is_toggle(name, value)):
            raise InputError(
                f"--arg {_shown(name, value)}: loads weights or code, which vpcalc never does; leave it out"
            )
        elif (any(_texts(value, letters=True)) and _STORES.search(name.lower())) or (
            packaged and any(texts) and _names_a_place(name, texts)
        ):
            raise InputError(
                f"--arg {_shown(name, value)}: names something to load, which vpcalc never does; a model is built "
                "from numbers and words of its configuration"
            )


def refuse_loader(target: str, factory: str) -> None:
    """Refuse a function that loads a model instead of building one.

    Raises:
        InputError: naming it.
    """
    if _FACTORIES.search(factory) or (target.startswith("torch.hub:")):
        raise InputError(
            f"TARGET {target!r}: loads weights or code, which vpcalc never does; name what builds the model"
        )


def refuse_in_document(target: str, arguments: Mapping[str, str]) -> None:
    """Refuse, in a document, every argument of a package's model that is not known to be harmless.

    Raises:
        InputError: naming it and why.
    """
    read = {name: read_argument(name, value) for name, value in arguments.items()}
    refuse_loading(read, target)
    for name, value in read.items():
        if name not in HARMLESS:
            raise InputError(
                f"--arg {_shown(name, value)}: cannot stand in a marker, where {target.partition(':')[0]} is "
                "given sizes and switches only, such as num_hidden_layers=2"
            )
        if name != "attn_implementation" and _texts(value):
            raise InputError(f"--arg {_shown(name, value)}: must be a number, true, false or a symbol in a marker")


def _is_toggle(name: str, value: object) -> bool:
    return name.lower() in _TOGGLES and value is True


def _names_a_place(name: str, texts: list[str]) -> bool:
    return bool(_PLACES.search(name.lower())) or any(mark in text for text in texts for mark in "/\\:")


def _texts(value: object, letters: bool = False) -> list[str]:
    """All text in a value. A letter is a symbol, and also a file of that name could be meant."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Letter):
        return [value.name] if letters else []
    if isinstance(value, Multiple):
        return list(value.letters) if letters else []
    if isinstance(value, Mapping):
        value = [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple)):
        return [text for part in value for text in _texts(part, letters)]
    return []


def _spelled(value: object) -> str:
    text = value.name if isinstance(value, Letter) else str(value)
    return " ".join(text.split())[:60]


def _shown(name: str, value: object) -> str:
    return f"{name}={_spelled(value)}"
