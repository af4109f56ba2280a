"""From what a user calls a model to something that can be built at any size.

A target is a registry id, ``file.py:factory``, ``package.module:factory``, ``timm:NAME``, ``torchvision:NAME`` or
``transformers:MODEL_TYPE`` (from its configuration: no weights and no remote code), or a module or factory as an
object. It comes with *regimes*, the ways in which one description may cover many input sizes, in the
order in which they are tried: one model that takes any size, one that interpolates its positions, and models
rebuilt for each size, which are a family whose parameters may change.
"""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, first_line, unknown
from .arguments import refuse_loader, refuse_loading
from .offline import imported
from .shapes import InputShape, Kind, Point, Variable, letters, parse_inputs, read_argument, resolve, variables

if TYPE_CHECKING:
    from torch import nn

    from ..cost import Cost
    from ..counters.ways import TensorShape

Arguments = Mapping[str, object]

_SIZE_NAMES = ("image_size", "img_size", "input_size")
_LIMIT_NAMES = ("max_position_embeddings", "n_positions", "max_source_positions")


@dataclass(frozen=True, slots=True)
class Regime:
    """One way to have a model at every size.

    ``make`` builds it at a point; ``kwargs`` go to its forward; in a ``square`` regime all sides of the image are
    the first of them; a ``fixed`` one has the same model at every point. ``sources`` are the Python modules that
    make it.
    """

    text: str
    make: Callable[[Point], tuple[nn.Module, Sequence[TensorShape]]]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    square: bool = False
    fixed: bool = False
    sources: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """What is derived: its symbols and its regimes.

    ``describe`` gives the cost of a target of ours from its layers, without torch, at numbers or traced sizes.
    """

    name: str
    inputs: tuple[InputShape, ...]
    variables: tuple[Variable, ...]
    regimes: tuple[Regime, ...]
    describe: Callable[[Mapping[str, Any]], Cost] | None = None

    def tied(self, regime: Regime) -> dict[str, str]:
        """Symbols that a square regime replaces, by the one that replaces them."""
        sides = [v.name for v in self.variables if v.kind is Kind.IMAGE] if regime.square else []
        return dict.fromkeys(sides[1:], sides[0]) if sides else {}


@dataclass(frozen=True, slots=True)
class Factory:
    """A function that returns a module, with what is known of its arguments.

    ``sizes`` are arguments that may set the image's size, ``dynamic`` one that makes positions follow it,
    ``keywords`` the names of its inputs, ``limit`` the longest sequence.
    """

    make: Callable[..., Any]
    sizes: tuple[str, ...] = ()
    dynamic: str = ""
    keywords: tuple[str, ...] = ()
    limit: int | None = None
    defaults: Mapping[str, int] = field(default_factory=dict)


def find_target(target: object, inputs: str | None = None, arguments: Arguments | None = None) -> Target:
    """Resolve a target, an input specification and arguments.

    Raises:
        InputError: one of them cannot be used; the message says which and what is allowed.
    """
    given = {name: read_argument(name, value) for name, value in (arguments or {}).items()}
    refuse_loading(given, target)
    if not isinstance(target, str):
        return _from_object(target, inputs, given)
    room, colon, name = target.partition(":")
    if colon and room in _ROOMS:
        if not name:
            raise InputError(f"TARGET {target!r}: give a name after {room}:")
        return _from_factory(target, _in_room(room, name, given), inputs, given)
    if colon:
        return _from_factory(target, _from_code(target), inputs, given)
    from .registered import from_registry

    return from_registry(target, inputs, given)


# -- factories ----------------------------------------------------------------------------------------


def _from_factory(name: str, factory: Factory, text: str | None, given: Arguments) -> Target:
    shapes = _shapes(name, text)
    named = tuple(
        _keyed(shape, factory.keywords[place] if place < len(factory.keywords) else "")
        for place, shape in enumerate(shapes)
    )
    limits = {}
    if factory.limit is not None:
        limits = {dim: factory.limit for shape in named for dim in shape.dims[1:] if isinstance(dim, str)}
    defaults = {
        letter: factory.defaults[argument]
        for argument, value in given.items()
        if argument in factory.defaults
        for letter in letters(value)
    }
    symbols = variables(named, given, limits, defaults)
    some_symbol(name, symbols)
    return Target(name, named, symbols, tuple(_regimes(factory, named, symbols, given)))


def _keyed(shape: InputShape, keyword: str) -> InputShape:
    """The input by its keyword; ``…_ids`` are integers unless something else is said."""
    keyword = shape.keyword or keyword
    return InputShape(shape.dims, shape.dtype or ("long" if keyword.endswith("ids") else ""), keyword)


def _regimes(
    factory: Factory, shapes: tuple[InputShape, ...], symbols: tuple[Variable, ...], given: Arguments
) -> Iterable[Regime]:
    by_argument = any(v.kind is Kind.ARGUMENT for v in symbols) or any(map(letters, given.values()))

    def regime(text: str, more: Callable[[Point], Arguments], square: bool = False, **kwargs: object) -> Regime:
        def make(point: Point) -> tuple[nn.Module, Sequence[TensorShape]]:
            settings = {**{name: resolve(value, point) for name, value in given.items()}, **more(point)}
            return _module(factory.make(**settings)), _tensors(shapes, point) if point else []

        fixed = text.startswith("one model") and not by_argument
        return Regime(text, make, kwargs, square, fixed, _sources(factory.make))

    yield regime(
        "rebuilt for each set of arguments" if by_argument else "one model at every size", lambda point: {}
    )
    image = next((shape for shape in shapes if shape.grid), None)
    if image is None or not any(isinstance(image.dims[place], str) for place in image.grid):
        return
    yield regime(
        "one model at every size, interpolate_pos_encoding=True", lambda point: {}, interpolate_pos_encoding=True
    )
    if factory.dynamic:
        yield regime(f"one model at every size, {factory.dynamic}=True", lambda point: {factory.dynamic: True})

    def set_to(size: str, side: Callable[[tuple[int, ...]], object]) -> Callable[[Point], Arguments]:
        def settings(point: Point) -> Arguments:
            shape = image.at(point)
            return {size: side(tuple(shape[place] for place in image.grid))}

        return settings

    sizes = [size for size in factory.sizes if size not in given]
    for size in sizes:
        yield regime(f"rebuilt for each size, {size}=(height, width)", set_to(size, tuple))
    if all(isinstance(image.dims[place], str) for place in image.grid):
        for size in sizes:
            squares = f"rebuilt for each size, squares only, {size}="
            yield regime(f"{squares}height", set_to(size, lambda sides: sides[0]), square=True)
            yield regime(f"{squares}(height, height)", set_to(size, tuple), square=True)


def _sources(make: object) -> tuple[Any, ...]:
    """The Python module in which a factory was written."""
    source = sys.modules.get(getattr(make, "__module__", ""))
    return () if source is None or source.__name__.startswith(("torch.", "vpcalc.checks")) else (source,)


def _module(made: object) -> nn.Module:
    from torch import nn

    if not isinstance(made, nn.Module):
        raise InputError(f"TARGET: the factory returned a {type(made).__name__}; must return a torch.nn.Module")
    return made


def _tensors(shapes: Iterable[InputShape], point: Point) -> list[TensorShape]:
    from ..counters.ways import TensorShape

    return [TensorShape(shape.at(point), shape.dtype or "float32", shape.keyword) for shape in shapes]


def _shapes(name: str, text: str | None) -> tuple[InputShape, ...]:
    if text is None:
        raise InputError(f"--input: give the shape of the input of {name}, such as 1,3,H,W or 1,N:long")
    return parse_inputs(text)


def some_symbol(name: str, symbols: Sequence[Variable]) -> None:
    """Refuse a target in which nothing may vary, or too much."""
    if not symbols:
        raise InputError(f"--input: no symbol in it for {name}; write a letter for what may vary, such as 1,3,H,W")
    if len(symbols) > 5:
        named = ", ".join(v.name for v in symbols)
        raise InputError(f"--input, --arg: {len(symbols)} symbols ({named}); must be at most 5")


# -- where factories come from ------------------------------------------------------------------------


def _from_object(target: object, text: str | None, given: Arguments) -> Target:
    from torch import nn

    if isinstance(target, nn.Module):
        if given:
            raise InputError("args: a module is already built; give a function that builds it")
        from ..counters.weights import without_weights

        module = target
        return _from_factory(type(module).__name__, Factory(lambda: without_weights(module)), text, given)
    if not callable(target):
        raise InputError(f"target: a {type(target).__name__}; must be a name, a torch.nn.Module or a function")
    name = getattr(target, "__qualname__", type(target).__name__)
    return _from_factory(name, _described(target), text, given)


def _described(make: Callable[..., Any]) -> Factory:
    """A factory and what its signature says."""
    try:
        parameters = inspect.signature(make).parameters
    except (TypeError, ValueError):
        return Factory(make)
    sizes = tuple(name for name in _SIZE_NAMES if name in parameters)
    dynamic = "dynamic_img_size" if "dynamic_img_size" in parameters else ""
    defaults = {name: p.default for name, p in parameters.items() if type(p.default) is int and p.default > 0}
    return Factory(make, sizes, dynamic, defaults=defaults)


def _from_code(target: str) -> Factory:
    """``file.py:factory`` or ``package.module:factory``."""
    place, _, name = target.rpartition(":")
    if not place or not name:
        raise InputError(f"TARGET {target!r}: must be NAME, file.py:factory or package.module:factory")
    refuse_loader(target, name)
    module = _load_file(place) if place.endswith(".py") else imported(place)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        known = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        raise unknown(f"factory in {place}", name, known)
    from torch import nn

    if isinstance(found, nn.Module):
        raise InputError(f"TARGET {target!r}: is a module; must be a class or a function that returns one")
    return _described(found)


def _quiet() -> AbstractContextManager[None]:
    """Standard output is ours."""
    from ..counters.ways import quiet

    return quiet()


def _load_file(place: str) -> Any:
    path = Path(place)
    if not path.is_file():
        raise InputError(f"TARGET: no file {place!r}")
    spec = importlib.util.spec_from_file_location(f"_vpcalc_target_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"TARGET: {place!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        with _quiet():
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise InputError(f"TARGET: {place!r} cannot be imported: {first_line(error)}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def _not_known(what: str, name: str, known: Iterable[str]) -> InputError:
    """As :func:`vpcalc.errors.unknown`, for lists too long to print."""
    names = sorted(known)
    near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"it has {len(names)} others, such as {names[0]}"
    return InputError(f"{what} {name!r} is not known; {hint}")


def _timm(name: str, given: Arguments) -> Factory:
    timm = imported("timm")
    if not timm.is_model(name):
        raise _not_known("timm's model", name, timm.list_models())
    return Factory(
        lambda **settings: timm.create_model(name, pretrained=False, **settings), ("img_size",), "dynamic_img_size"
    )


def _torchvision(name: str, given: Arguments) -> Factory:
    models = imported("torchvision").models
    if name not in models.list_models():
        raise _not_known("torchvision's model", name, models.list_models())
    takes = inspect.signature(models.get_model_builder(name)).parameters
    none = {argument: None for argument in ("weights", "weights_backbone") if argument in takes}
    return Factory(lambda **settings: models.get_model(name, **none, **settings), ("image_size", "input_size"))


def _transformers(name: str, given: Arguments) -> Factory:
    """A model without a head, with eager attention unless ``--arg attn_implementation=`` says otherwise."""
    transformers = imported("transformers")
    if name not in transformers.CONFIG_MAPPING:
        raise _not_known("transformers' model type", name, transformers.CONFIG_MAPPING.keys())
    try:
        fixed = {k: v for k, v in given.items() if not letters(v) and k != "attn_implementation"}
        with _quiet():
            config = transformers.AutoConfig.for_model(name, **fixed)
        mapped = transformers.MODEL_MAPPING[type(config)]
        model_class = mapped[0] if isinstance(mapped, (tuple, list)) else mapped
    except Exception as error:
        raise InputError(f"TARGET 'transformers:{name}': has no model of its own: {first_line(error)}") from error

    def make(attn_implementation: str = "eager", **settings: object) -> Any:
        config = transformers.AutoConfig.for_model(name, **settings)
        config.use_cache = False
        if getattr(config, "use_pretrained_backbone", False):  # before version 5 the default of some detectors
            config.use_pretrained_backbone = False
        config.architectures = [model_class.__name__]
        model = transformers.AutoModel.from_config(config, attn_implementation=attn_implementation)
        for part in model.modules():  # it looks for padding among token ids, which have no values, only to warn
            if hasattr(part, _WARNING):
                setattr(part, _WARNING, _say_nothing)
        return model

    main = getattr(model_class, "main_input_name", "input_ids")
    main = main if isinstance(main, str) else main[0]
    keywords = (main, "decoder_input_ids") if getattr(config, "is_encoder_decoder", False) else (main,)
    is_text = main.endswith("ids")
    limits = [getattr(config, attribute, None) for attribute in _LIMIT_NAMES]
    limit = min((n for n in limits if type(n) is int and n > 0), default=None) if is_text else None
    sizes = tuple(argument for argument in _SIZE_NAMES if hasattr(config, argument))
    defaults = {k: v for k, v in config.to_dict().items() if type(v) is int and v > 0}
    return Factory(make, sizes, "", keywords, limit, defaults)


_WARNING = "warn_if_padding_and_no_attention_mask"


def _say_nothing(*_: object) -> None:
    return None


def _in_room(room: str, name: str, given: Arguments) -> Factory:
    """A package's model. What is imported only when it is looked at may turn out to be broken as late as here."""
    try:
        return _ROOMS[room](name, given)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"TARGET {room}:{name}: {room} cannot make it: {first_line(error)}") from error


_ROOMS: dict[str, Callable[[str, Arguments], Factory]] = {
    "timm": _timm,
    "torchvision": _torchvision,
    "transformers": _transformers,
}
