"""Models of transformers by the names that people give them: a type (``bert``) or a class (``BertForMaskedLM``).

A model type is the class that ``AutoModel`` makes of its configuration, which has no head; where there is none
(parts of larger models, models that are made for one task), the class that its source has for that configuration.
Either way the class is named in the answer. Nothing is loaded: neither weights nor code.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import getsource, signature
from typing import Any

from ..errors import InputError, first_line, unknown
from .factories import SIZE_NAMES, Arguments, Factory, not_known
from .offline import imported
from .shapes import letters

LIMITS: Mapping[str, tuple[str, ...]] = {
    "decoder_input_ids": ("max_target_positions", "max_decoder_position_embeddings"),
    "input_ids": ("max_source_positions", "max_encoder_position_embeddings"),
    "": ("max_position_embeddings", "n_positions", "max_sequence_length", "max_text_len"),
}
"""Where configurations say how many tokens an input may have; the last ones hold for every input of tokens."""

_ABSTRACT = ("PreTrainedModel", "PretrainedModel")


@dataclass(frozen=True, slots=True)
class _Named:
    """A class, its configuration's class, and whether ``AutoModel`` is what makes it."""

    model: Any
    config: Any
    is_base: bool

    @property
    def text(self) -> str:
        """The class in words."""
        if self.is_base:
            return f"transformers' {self.model.__name__}, without a head"
        has_head = any(word in self.model.__name__ for word in ("For", "LMHead", "DoubleHeads"))
        return f"transformers' {self.model.__name__}" + (", with its head" if has_head else "")


def factory(name: str, given: Arguments) -> Factory:
    """What builds a model type or a class, with eager attention unless ``attn_implementation`` says otherwise.

    Raises:
        InputError: an unknown name, one of which no model can be made from a configuration, or an argument that
            its configuration does not have: it would be taken and change nothing.
    """
    from ..sources import quiet

    transformers = imported("transformers")
    named = _named(transformers, name)
    with quiet():
        _refuse_others(named.config, given)
    fixed = {k: v for k, v in given.items() if not letters(v) and k != "attn_implementation"}
    try:
        with quiet():
            config = named.config(**fixed)
    except Exception as error:
        raise InputError(
            f"TARGET 'transformers:{name}': its configuration cannot be made: {first_line(error)}"
        ) from error

    def make(attn_implementation: str = "eager", **settings: object) -> Any:
        config = named.config(**settings)
        config.use_cache = False
        if getattr(config, "use_pretrained_backbone", False):  # before version 5 the default of some detectors
            config.use_pretrained_backbone = False
        config.architectures = [named.model.__name__]
        build = transformers.AutoModel.from_config if named.is_base else named.model._from_config
        model = build(config, attn_implementation=attn_implementation)
        for part in model.modules():  # it looks for padding among token ids, which have no values, only to warn
            if hasattr(part, _WARNING):
                setattr(part, _WARNING, _say_nothing)
        return model

    keywords = _keywords(named, config)
    sizes = tuple(argument for argument in SIZE_NAMES if hasattr(config, argument))
    defaults = {k: v for k, v in config.to_dict().items() if type(v) is int and v > 0}
    limits = {keyword: limit for keyword in keywords if (limit := _limit(config, keyword)) is not None}
    return Factory(make, sizes, "", keywords, limits, defaults, named.text)


def _refuse_others(config: Any, given: Arguments) -> None:
    """Refuse what a configuration has not and its source does not name, as it does what former versions had."""
    try:
        made = config()
    except Exception:  # one that cannot be made of nothing says itself what it lacks
        return
    known = dict.fromkeys((*made.to_dict(), *signature(config).parameters))
    for name in given:
        if not (name in known or hasattr(made, name) or name == "attn_implementation" or _is_named(config, name)):
            raise unknown(f"--arg of {config.__name__}", name, [*known])


def _is_named(config: Any, name: str) -> bool:
    """Whether the source of a configuration, or of all, has a name somewhere."""
    places = (config.__module__, "transformers.configuration_utils", "transformers.modeling_rope_utils")
    sources = (getsource(sys.modules[place]) for place in places if place in sys.modules)
    return any(re.search(rf"\b{re.escape(name)}\b", source) for source in sources)


_WARNING = "warn_if_padding_and_no_attention_mask"


def _say_nothing(*_: object) -> None:
    return None


def _keywords(named: _Named, config: Any) -> tuple[str, ...]:
    main = getattr(named.model, "main_input_name", "input_ids")
    main = main if isinstance(main, str) else main[0]
    return (main, "decoder_input_ids") if getattr(config, "is_encoder_decoder", False) else (main,)


def _limit(config: Any, keyword: str) -> int | None:
    """The most tokens that a configuration gives an input, its part for text asked too."""
    for names in (LIMITS.get(keyword, ()), LIMITS[""]):
        given = [
            getattr(part, name, None) for part in (config, getattr(config, "text_config", None)) for name in names
        ]
        numbers = [number for number in given if type(number) is int and number > 0]
        if numbers:
            return min(numbers)
    return None


# -- from a name to a class ---------------------------------------------------------------------------


def _named(transformers: Any, name: str) -> _Named:
    if name in transformers.CONFIG_MAPPING:
        config = transformers.CONFIG_MAPPING[name]
        base = _base(transformers, config)
        if base is not None:
            return _Named(base, config, True)
        found = min(_classes_of(transformers, config), key=_preference(transformers), default=None)
        if found is None:
            raise InputError(f"TARGET 'transformers:{name}': has no model of its own")
        return _Named(found, config, False)
    model = _class(transformers, name)
    if model is None:
        raise not_known("transformers' model type or class", name, _names(transformers))
    return _Named(model, model.config_class, model is _base(transformers, model.config_class))


def _base(transformers: Any, config: Any) -> Any:
    """The class that AutoModel makes of a configuration; None where there is none."""
    try:
        mapped = transformers.MODEL_MAPPING[config]
    except (KeyError, ValueError):  # ValueError where the mapping names a class that there is not
        return None
    return mapped[0] if isinstance(mapped, (tuple, list)) else mapped


def _class(transformers: Any, name: str) -> Any:
    """A class of that name that can be made from a configuration, or None."""
    if not name.isidentifier() or name.startswith("_") or name not in dir(transformers):
        return None
    try:
        found = getattr(transformers, name)
    except Exception as error:
        raise InputError(f"TARGET 'transformers:{name}': cannot be imported: {first_line(error)}") from error
    return found if _is_model(transformers, found) else None


def _is_model(transformers: Any, found: object) -> bool:
    return (
        isinstance(found, type)
        and issubclass(found, transformers.PreTrainedModel)
        and not found.__name__.endswith(_ABSTRACT)
        and getattr(found, "config_class", None) is not None
    )


def _classes_of(transformers: Any, config: type) -> Iterator[Any]:
    """The classes that the source beside a configuration has for it."""
    place = config.__module__.replace(".configuration_", ".modeling_")
    try:
        source = import_module(place) if place != config.__module__ else sys.modules[place]
    except ImportError:
        return
    for found in vars(source).values():
        if _is_model(transformers, found) and found.config_class is config and found.__module__ == place:
            yield found


def _preference(transformers: Any) -> Callable[[Any], tuple[bool, bool, int]]:
    """What is exported first, then what is called a model, then the shortest name."""
    exported = set(dir(transformers))
    return lambda found: (
        found.__name__ not in exported,
        not found.__name__.endswith("Model"),
        len(found.__name__),
    )


def _names(transformers: Any) -> list[str]:
    """All names that may be given, as far as is known without importing every source."""
    classes = [
        name
        for name in dir(transformers)
        if name[:1].isupper()
        and not name.startswith(("Auto", "TF", "Flax"))
        and not name.endswith(_ABSTRACT)
        and (name.endswith("Model") or "For" in name or "LMHead" in name)
        and not name.endswith(("Output", "Config", "Processor", "Criteria", "Warper"))
    ]
    return [*transformers.CONFIG_MAPPING, *classes]
