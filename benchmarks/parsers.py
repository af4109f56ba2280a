"""Everything of vpcalc that reads a text, by name, each with texts that the tests and the examples give it.

A reader is called with any text at all, and either reads it or raises :class:`vpcalc.errors.InputError`, in 5 s of
the processor and 500 MB at most. ``fuzz.py`` asks that of very many texts, ``tests/test_fuzz.py`` of some. Files
are written to the working directory.
"""

from __future__ import annotations

import ast
import json
import resource
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import util
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent

SECONDS, MORE = 5.0, 500 << 20
"""Of the processor, and bytes, that one text may take."""

LONGEST = 4_000
"""Characters of a text to begin with."""

Read = Callable[[str], object]


@dataclass(frozen=True)
class Parser:
    """Something that reads a text. ``modules`` are what is watched, ``seeds`` files with texts for it."""

    read: Read
    modules: tuple[str, ...]
    seeds: tuple[str, ...]
    made: Callable[[], str] | None = None
    """A text to begin with that has to be made."""


PARSERS: dict[str, Parser] = {}
"""Readers by name."""


def reads(modules: str, seeds: str, made: Callable[[], str] | None = None) -> Callable[[Read], Read]:
    """Enter a reader under its function's name; ``seeds`` are files, or tests by what they are of."""

    def entered(read: Read) -> Read:
        watched = tuple(f"vpcalc.{name}" for name in modules.split())
        files = tuple(name if "/" in name else f"tests/test_{name}.py" for name in seeds.split())
        PARSERS[read.__name__] = Parser(read, watched, files, made)
        return read

    return entered


def texts(parser: Parser) -> list[str]:
    """What a reader is given first: texts in the code of tests, or whole files."""
    found: dict[str, None] = {}
    for name in parser.seeds:
        content = (ROOT / name).read_text(encoding="utf-8")
        if name.endswith(".py"):
            values = [node.value for node in ast.walk(ast.parse(content)) if isinstance(node, ast.Constant)]
            found.update(dict.fromkeys(value for value in values if isinstance(value, str)))
        else:
            found[content] = None
    return [*([] if parser.made is None else [parser.made()]), *(text[:LONGEST] for text in found)]


def each(text: str, *readers: Callable[[str], object]) -> None:
    """Several readers of one text, whichever of them refuses it."""
    from vpcalc.errors import InputError

    for read in readers:
        with suppress(InputError):
            read(text)


def filed(text: str, name: str) -> str:
    """A text in a file of this name, in the folder that is there to be written to."""
    Path(name).write_bytes(text.encode("utf-8", "surrogateescape"))
    return name


# -- the table --------------------------------------------------------------------------------------


@reads("algebra.parser algebra.equations algebra.sums", "parser check_formula")
def formula(text: str) -> None:
    """A closed form, an equation, a name for another."""
    from vpcalc.algebra.equations import equation
    from vpcalc.algebra.parser import parse

    each(text, parse, lambda text: parse(text, floors=True), equation, lambda text: parse("4nC", {"n": text}))


@reads(
    "answers.check_formula answers.check_reading answers.check_order algebra.roles algebra.equations",
    "check_formula parser",
)
def check(text: str) -> None:
    """``check FORMULA``, with its answer."""
    from vpcalc.answers.check_formula import check_formula

    found = check_formula(text, "msa")
    shown(found)


@reads("where where_arrays", "where models sweep")
def where(text: str) -> None:
    """``--where`` and ``--sort``: on one row, and on arrays."""
    import numpy

    from vpcalc.where import read_condition, read_value
    from vpcalc.where_arrays import holds

    row = {"macs": 4_508_000_000, "params": 28_288_354, "top1": None, "batch": 1, "family": "swin", "C": 96}
    arrays = {**row, "macs": numpy.arange(-3, 4), "top1": numpy.arange(7) << 40, "C": 96}
    each(
        text,
        lambda text: read_condition("--where", text, row).holds(row),
        lambda text: holds(read_condition("--where", text, row), arrays),
        lambda text: [read_value("--sort", key, row).of(row) for key in text.split(",")],
    )


@reads(
    "checks.shapes checks.arguments inputs",
    "derive targets interpolation",
)
def shape(text: str) -> None:
    """``--input`` and ``--arg`` of code."""
    from vpcalc.checks.arguments import refuse_in_document, refuse_loading
    from vpcalc.checks.shapes import parse_inputs, read_argument, resolve, variables

    def inputs(text: str) -> None:
        found = parse_inputs(text)
        spelled = ";".join(map(str, found))
        assert ";".join(map(str, parse_inputs(spelled))) == spelled
        known = {variable.name: 3 for variable in variables(found, {})}
        for each in found:
            each.at(known)

    def argument(text: str) -> None:
        name, _, value = text.partition("=")
        read = read_argument(name, value)
        resolve(read, {each.name: 3 for each in variables((), {name: read})})
        each(text, lambda _: refuse_loading({name: read}), lambda _: refuse_in_document("timm:x", {name: value}))

    each(text, inputs, argument)


@reads("checks.input_functions checks.prices counters.pricing", "prices programs")
def code(text: str) -> None:
    """``--inputs FILE:FUNCTION(N=128)`` and ``--price OPERATOR=FILE:FUNCTION``; nothing is imported."""
    from vpcalc.checks import input_functions, prices
    from vpcalc.cli.options import named

    module = SimpleNamespace(inputs=lambda N, d_k=3: (N, d_k), scan=lambda x, out: 3)

    def priced(text: str) -> None:
        from vpcalc.counters.pricing import operator_name  # knows torch

        for name, price in prices.read_prices(named("--price", [text])).items():
            assert operator_name(name)
            assert price

    readers = [input_functions.input_function]
    readers += [priced] if util.find_spec("torch") else []
    replaced = {"imported": lambda place: module, "run_file": lambda place, option: module}
    with mock.patch.multiple(input_functions, **replaced), mock.patch.multiple(prices, **replaced):
        each(text, *readers)


@reads("placing checks.shapes", "own_rows rows side_by_side")
def rows(text: str) -> None:
    """``--rows``, and a target with its arguments in brackets."""
    from vpcalc.answers.figure import figure
    from vpcalc.errors import is_code, require_file_of
    from vpcalc.placing import is_placed, read_placed, split_rows, titled

    def cost(row: str) -> None:
        target = read_placed(row).target
        require_file_of(target)
        if not is_code(target):
            figure(row)

    for row in split_rows(text):
        each(row, is_placed, lambda row: titled(row, "--rows"), cost)


@reads(
    "inputs architectures.registry cli.options",
    "models swin_vit formula_settings",
)
def setting(text: str) -> None:
    """``--set NAME=VALUE``, several apart by lines, of models of ours."""
    from vpcalc.answers.formula import formula
    from vpcalc.answers.model import model
    from vpcalc.cli.options import settings

    given = settings(text.split("\n"))
    for name in ("swin_t", "vit_b_16", "pvt_tiny", "transformer_base", "resnet50"):
        each(name, lambda name: model(name, set=given, check=False), lambda name: formula(name, set=given))


@reads(
    "inputs printed words storage.optimizers answers.tuning sweeps.running",
    "memory_answers reproduce audit",
)
def number(text: str) -> None:
    """Numbers, sizes in bytes, printed figures, ranges, sides, names of types, devices and optimizers."""
    from vpcalc import words
    from vpcalc.answers.rnn import _positive
    from vpcalc.answers.tuning import read_tuning
    from vpcalc.architectures.axes import read_image
    from vpcalc.inputs import read_ranges, whole
    from vpcalc.printed import read_printed
    from vpcalc.storage.optimizers import read_bytes, read_optimizer
    from vpcalc.sweeps.running import working

    def printed(text: str) -> None:
        found = read_printed(text)
        for derived in (1, 4_508_000_000, found.value.numerator):
            found.how(derived)
        found.moved(3)

    each(
        text,
        printed,
        lambda text: whole("--C", text),
        lambda text: _positive("--sigma", text),
        lambda text: read_bytes("--fit", text),
        lambda text: read_ranges({"H": text}, "H"),
        lambda text: read_image(text, "an image"),
        lambda text: read_optimizer(text, False, "float32", 4),
        lambda text: read_tuning(text, None, None, True, "none"),
        lambda text: working(text, 2),
        words.dtype,
        words.device,
    )


@reads("sweeps.axes sweeps.levers sweeps.choosing", "sweep design search")
def vary(text: str) -> None:
    """``--vary``, ``--free``, ``--pareto`` and ``--by`` of a sweep or a design; several apart by lines."""
    from vpcalc.sweeps.axes import Grid, read_axes
    from vpcalc.sweeps.choosing import read_choice
    from vpcalc.sweeps.levers import read_levers

    def axes(text: str) -> None:
        grid = Grid(read_axes(text.split("\n"), subject().names, hint=subject().unnamed))
        assert all(map(str, grid.axes))
        list(grid.boxes(0, min(grid.size, 100)))

    def levers(text: str) -> None:
        space = read_levers(subject(), text)
        assert [lever.said for lever in space.levers]

    columns = [*subject().columns]
    each(
        text,
        axes,
        levers,
        lambda text: read_choice(text, None, None, columns),
        lambda text: read_choice(None, text, text, columns),
    )


@cache
def subject() -> Any:
    """A model that is swept."""
    from vpcalc.sweeps.subjects import Asked, trained

    return Asked("swin_t", {}, {}, {}, None, trained("float32", "eager", "adamw")).subject()


@reads("cli.output report.table", "report cli")
def columns(text: str) -> None:
    """``--columns``, and ``--symbol OLD=NEW`` in every spelling."""
    from vpcalc.algebra.printers import PRINTERS
    from vpcalc.answers.formula import formula
    from vpcalc.cli.options import named
    from vpcalc.cli.output import chosen

    def symbols(text: str) -> None:
        form = formula("wmsa", symbols=named("--symbol", text.split("\n"))).form
        for spelling in PRINTERS:
            form.spell(spelling)

    each(text, lambda text: chosen(formula("msa").tables(), text), symbols)


@reads("answers.theory_search", "theory")
def statement(text: str) -> None:
    """``theory WORDS``."""
    from vpcalc.answers.theory_search import find
    from vpcalc.statements.recorded import all_recorded

    find(text, all_recorded())


@reads("answers.macros", "macros examples/paper/paper.toml")
def macros(text: str) -> None:
    """The list of ``macros``, a TOML file."""
    from vpcalc.answers.macros import macros as answer

    shown(answer(filed(text, "given.toml")))


@reads("files errors placing", "hostile embed macros diff")
def path(text: str) -> None:
    """The name of a file that is wanted, of each kind."""
    from vpcalc.answers.diff import diff
    from vpcalc.answers.macros import macros
    from vpcalc.answers.prove import read_certificate
    from vpcalc.checks.input_functions import input_function
    from vpcalc.embedding.documents import refreshed
    from vpcalc.plugins import load
    from vpcalc.storage.devices import devices

    def run(arguments: list[str], folder: Path) -> Any:
        raise AssertionError

    each(
        f"given/{text.replace('..', '')}",
        devices,
        macros,
        read_certificate,
        lambda text: refreshed(f"{text}.md", run),
        lambda text: diff(f"{text}.json", "base.json"),
        lambda text: input_function(f"{text}.py:make"),
        lambda text: load(f"{text}.py"),
    )


@reads("storage.devices storage.optimizers", "memory_answers vpcalc/data/devices.csv")
def devices(text: str) -> None:
    """``--devices``, a CSV file; that of the package is not read each time."""
    from vpcalc.storage.devices import _read

    for device in _read(Path(filed(text, "given.csv")), "given.csv").values():
        each("float32", device.rate)


def snapshot_of(heads: int) -> str:
    """A snapshot as assert_cost writes it."""
    from vpcalc.snapshots import Counted, written

    modules = {
        "": {"matmul": 3 * heads},
        "blocks.0.attn": {"linear": 40},
        "blocks.1.attn": {"linear": 40, "conv": 2},
    }
    return written(Counted(82 + 3 * heads, 17, modules, 1000, 2000, "1,3,224,224"))


@reads("snapshots answers.diff answers.diff_changes answers.diff_cost", "diff", lambda: snapshot_of(4))
def snapshot(text: str) -> None:
    """A snapshot of assert_cost, and ``diff`` with another."""
    from vpcalc.answers.diff import diff

    shown(diff(filed(snapshot_of(3), "base.json"), filed(text, "head.json")))


def certificate_of() -> str:
    """A certificate with counts as the formula has them."""
    from vpcalc.checks.claims import CLAIMS

    claims = []
    for id in ("msa", "conv"):
        way: Any = CLAIMS[id].way()
        lattice = getattr(way, "lattice", way)
        form, domain = lattice.derive(), lattice.domain
        counts, beyond = ([form.value(at) for at in points] for points in (domain.on_grid(), domain.beyond()))
        outcome = lattice.judge(counts, beyond)
        everywhere = {"everywhere": {"verdict": "proved", "domain": "n ≥ 1", "note": ""}}
        claims.append({"id": id, "verdict": outcome.verdict.value, "evidence": {**outcome.evidence, **everywhere}})
    return json.dumps({"command": "prove", "claims": claims})


@reads(
    "answers.prove checks.proof checks.claims.executed checks.claims.registry",
    "prove",
    certificate_of,
)
def certificate(text: str) -> None:
    """``prove --recheck``; of claims that record no counts nothing is carried out again."""
    from vpcalc.answers.prove import read_certificate, recheck

    found = read_certificate(filed(text, "given.json"))
    if {claim["id"] for claim in found["claims"]} <= {"msa", "conv"}:
        shown(recheck(found))


def part_of() -> str:
    """A part of a sweep that was stopped."""
    folder = begun()
    return (folder / "00000000.part").read_text(encoding="utf-8")


def stopped(**how: bool) -> None:
    """Go through a small sweep."""
    from vpcalc.answers.sweep import sweep

    given = {"h": 7, "w": 7, "heads": 1}
    sweep("msa", vary=["C=1:4"], set=given, output="given.csv", **how).counts  # noqa: B018


def begun() -> Path:
    """A sweep that was stopped before its rows were put together."""
    from vpcalc.sweeps.parts import Parts

    with mock.patch.object(Parts, "end", side_effect=KeyboardInterrupt), suppress(KeyboardInterrupt):
        stopped(force=True)
    return Path("given.csv.parts")


@reads("sweeps.parts sweeps.written", "sweep", part_of)
def part(text: str) -> None:
    """What ``sweep --resume`` goes on from: rows, then what they are of."""

    def resumed(name: str) -> None:
        filed(text, str(begun() / name))
        stopped(resume=True, force=True)

    each("00000000.part", resumed)
    each("sweep.json", resumed)


@reads(
    "embedding.blocks embedding.commands embedding.documents embedding.dress embedding.languages",
    "embed examples/report.md examples/paper/paper.tex",
)
def document(text: str) -> None:
    """A document with markers, in each language; the commands are read and not run."""
    from vpcalc.embedding.commands import Printed
    from vpcalc.embedding.documents import refreshed
    from vpcalc.embedding.languages import LANGUAGES

    kinds = ("math", "plain", "table", "latex", "markdown", "html", "typst", "python", "json", "csv")

    def run(arguments: list[str], folder: Path) -> Printed:
        return Printed("\n".join(arguments), kinds[len(arguments[0]) % len(kinds)])

    for language in LANGUAGES:
        each(filed(text, f"given{language.suffixes[0]}"), lambda name: refreshed(name, run).diff())


@reads("pictures.seal embedding.illustrations", "pictures")
def picture(text: str) -> None:
    """The place of a picture beside a document, and its file, which says what it shows."""
    from vpcalc.embedding.commands import Picture
    from vpcalc.embedding.illustrations import illustration

    def shows(place: str) -> object:
        return illustration(Picture(place, "0" * 32, bytes), Path(), "given.md")

    each(text, shows)
    each(filed(text, "given.svg"), shows)


QUICK = ("formula", "model", "layers", "figure", "crossover", "memory", "models", "check")
"""Commands that answer at once."""


@reads(
    "cli.inprocess cli.options placing answers.formula answers.model answers.figure answers.memory",
    "cli embed",
)
def command(text: str) -> None:
    """A whole command line, as a marker of somebody else's document may have it."""
    from vpcalc.cli.inprocess import run
    from vpcalc.embedding.commands import read_command

    words = read_command(text)
    if words[0] in QUICK:
        run([*words, "--no-check"] if words[0] in ("model", "memory", "figure") else words, Path())


def shown(found: Any) -> None:
    """An answer as it is printed."""
    from vpcalc.report.terminal import plain

    assert plain(found.tables())
    assert json.dumps(found.to_dict())


# -- one text ---------------------------------------------------------------------------------------


class LateError(BaseException):
    """It takes too long."""


def _late(*_: object) -> None:
    raise LateError


def _most() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


class Finding(NamedTuple):
    """What is wrong with how a text is read, and the line of vpcalc at which that ends."""

    what: str
    where: str


def decoded(data: bytes) -> str:
    """A text as Python makes one of the bytes of an argument."""
    return data.decode("utf-8", "surrogateescape")


def finding(read: Read, text: str) -> Finding | None:
    """What is wrong with how a text is read; None if it is read or refused in one line."""
    from vpcalc.errors import InputError
    from vpcalc.optional import lacking

    before = _most()
    signal.signal(signal.SIGVTALRM, _late)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        read(text)
    except InputError:
        pass
    except (Exception, LateError, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and lacking(error):
            return None
        trace = traceback.extract_tb(error.__traceback__)
        last = [frame for frame in trace if f"{ROOT}/vpcalc/" in frame.filename] or trace
        what = f"more than {SECONDS:g} s" if isinstance(error, LateError) else f"{type(error).__name__}: {error}"
        return Finding(what[:200], f"{Path(last[-1].filename).name}:{last[-1].lineno}")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    more = _most() - before
    return Finding(f"{more >> 20} MB more", "") if more > MORE else None
