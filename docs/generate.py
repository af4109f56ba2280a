"""Pages that are filled from the registries: one for each family and each statement, the layers, the commands.

``python docs/generate.py`` writes them to ``docs/generated``; Sphinx does the same before it reads anything.
Nothing here is typed in twice: every figure is derived, and each family's first model is counted by fvcore, while
the pages are written.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from inspect import getdoc
from pathlib import Path
from typing import Any

import vpcalc
from vpcalc.answers.theory import describe
from vpcalc.architectures import Architecture
from vpcalc.architectures.registry import in_order
from vpcalc.cost import Quantity
from vpcalc.layers import LAYERS
from vpcalc.report import plots_theory
from vpcalc.report.markup import markdown
from vpcalc.report.numbers import short
from vpcalc.report.table import records
from vpcalc.statements import STATEMENTS
from vpcalc.symbols import ALPHABET

Pages = Iterator[tuple[str, str]]
"""Names below the folder, and their text."""


def write_all(folder: Path) -> None:
    """Write every page and picture; files that are not written any more are removed."""
    folder.mkdir(exist_ok=True)
    written = set()
    for pages in (pictures, architectures, published, layers, statements, commands, functions):
        for name, text in pages(folder):
            written.add(folder / name)
            _write(folder / name, text)
    for path in folder.rglob("*"):
        if path.is_file() and path not in written:
            path.unlink()


def _write(path: Path, text: str) -> None:
    """Write where something changed, so that Sphinx reads only that again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


# -- pictures -----------------------------------------------------------------------------------------------


def pictures(folder: Path) -> Pages:
    """What ``vpcalc plot`` draws, for the pages that show it."""
    plots: dict[str, Callable[[], Any]] = {
        "crossover": vpcalc.plot_crossover,
        "memory": vpcalc.plot_memory,
        "resolution": vpcalc.plot_resolution,
        "operators": vpcalc.plot_operators,
        "models": lambda: vpcalc.plot_models(["vit", "deit", "pvt", "pvt_v2", "swin", "resnet"]),
        "front": lambda: vpcalc.plot_models(pareto="macs,top1", input="800x1280"),
        "stages": lambda: vpcalc.plot_stages("swin_t"),
        "block": lambda: vpcalc.draw("swin_t", block=True),
    }
    for name, plot in plots.items():
        yield from _both(f"pictures/{name}", plot())


def _both(name: str, plot: Any) -> Pages:
    """A picture on white paper, and on dark; pages show one of them (``docs/conf.py``)."""
    for dark in (False, True):
        yield f"{name}{'.dark' if dark else ''}.svg", plot.draw("svg", dark=dark).decode()


# -- architectures ------------------------------------------------------------------------------------------


def architectures(folder: Path) -> Pages:
    """A page for each family, and the list of them."""
    families: dict[str, list[Architecture]] = {}
    for member in in_order():
        families.setdefault(member.family.name, []).append(member)
    for name, members in families.items():
        yield from _both(f"pictures/draw_{name}", vpcalc.draw(members[0].id))
        yield f"architectures/{name}.md", _family(name, members)
    rows = [
        f"| [{name}]({name}.md) | {_title(members[0])} | {len(members)} | {members[0].family.source} |"
        for name, members in families.items()
    ]
    yield (
        "architectures/index.md",
        _page(
            "# Architectures",
            "Every figure on these pages was derived when the site was built, and each family's first model was "
            "instantiated and counted by fvcore.",
            "| family | | models | source |\n| --- | --- | ---: | --- |\n" + "\n".join(rows),
            "![Parameters against MACs](../pictures/models.svg)",
            _toctree(families),
        ),
    )


def _family(name: str, members: list[Architecture]) -> str:
    first = members[0]
    found = vpcalc.model(first.id)
    stages, operators, *_ = found.tables()
    return _page(
        f"# {name}: {_title(first)}",
        _docstring(first.family.run),
        f"Source: {first.family.source}.",
        "## Models",
        _variants(members),
        f"Settings: {_settings(members)}. Other names: {_aliases(members)}.",
        f"## {first.id}, stage by stage",
        f"```sh\nvpcalc model {first.id}\nvpcalc draw {first.id} -o {first.id}.svg\n```",
        f"![{first.id}: stages to scale](../pictures/draw_{name}.svg)",
        markdown(stages.narrow()),
        "## Counted by fvcore",
        markdown(operators, exact=True),
        "## Closed forms",
        "In the sizes of the input; each comes with the sizes at which it holds.",
        _forms(members),
        _details("How the first adds up, operator by operator", _steps(first.id)),
        "## Published figures",
        *_reproduced(vpcalc.reproduce(name, check=False)),
        "## What can be set",
        _meanings(first),
    )


def _title(architecture: Architecture) -> str:
    """The first words of the family's module: its names, without papers and particulars."""
    module = import_module(architecture.family.run.__module__)
    first = (module.__doc__ or "").partition("\n")[0]
    return re.sub(r"\s*\([^)]*\)", "", first).partition(",")[0].partition(":")[0].rstrip(".")


def _variants(members: list[Architecture]) -> str:
    changing = [key for key in members[0].config if len({str(m.config.get(key)) for m in members}) > 1]
    head = ["model", "input", *changing, "params", "MACs"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * (len(head) - 2) + " ---: | ---: |"]
    for member in members:
        cost = member.cost(member.sizes)
        cells = [f"`{member.id}`", "×".join(map(str, member.sizes)), *(_value(member.config[k]) for k in changing)]
        cells += [short(cost.total(Quantity.PARAMS)), short(cost.total(Quantity.MACS))]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _settings(members: list[Architecture]) -> str:
    same = {k: v for k, v in members[0].config.items() if all(m.config.get(k) == v for m in members)}
    return ", ".join(f"{key} = {_value(value)}" for key, value in same.items()) or "none in common"


def _aliases(members: list[Architecture]) -> str:
    return ", ".join(f"`{alias}`" for member in members for alias in member.aliases) or "none"


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _forms(members: list[Architecture]) -> str:
    lines = ["| model | MACs | holds for |", "| --- | --- | --- |"]
    for member in members:
        form = vpcalc.formula(member.id).form
        lines.append(f"| `{member.id}` | ${form.latex}$ | {form.valid or 'all sizes'} |")
    return "\n".join(lines)


def _steps(name: str) -> str:
    return markdown(vpcalc.formula(name).tables()[0])


def _reproduced(found: Any) -> list[str]:
    """The published figures, each with its source and with what is known about a difference."""
    if not found.rows:
        return ["No paper prints its cost."]
    figures, _, *rest = found.tables()
    lines = ["| model | input | | printed | derived | | source |", "| --- | --- | --- | ---: | ---: | --- | --- |"]
    for row in records(figures):
        source = f"{row['source']}. *{_prose(row['why'])}*" if row["why"] else row["source"]
        figure = (row["quantity"], row["published"], short(row["derived"]), row["verdict"], source)
        lines.append("| `" + row["model"] + "` | " + " | ".join((row["input"], *figure)) + " |")
    return ["\n".join(lines), "\n\n".join(figures.notes), *map(markdown, rest)]


def published(folder: Path) -> Pages:
    """What each table of a source counts; the figures themselves are on the pages of their families."""
    figures, tables, *_ = vpcalc.reproduce(check=False).tables()
    yield (
        "published.md",
        _page(
            "# What published tables count",
            "Each line is a table of a paper, of a model zoo or of a counter's README, and the one convention in "
            "which most of its figures come out to every printed digit. The figures, each with what is known "
            "about a difference, are on the page of [their architecture](architectures/index.md); `vpcalc "
            "reproduce` prints all of them, and `vpcalc audit NAME --against 16.87G` reads a single one.",
            "\n\n".join(figures.notes),
            markdown(tables),
        ),
    )


def _meanings(architecture: Architecture) -> str:
    lines = ["| `--set` | default | meaning |", "| --- | --- | --- |"]
    for key, value in architecture.config.items():
        choices = " or ".join(architecture.family.choices.get(key, ()))
        meaning = architecture.family.meanings.get(key, "") + (f" ({choices})" if choices else "")
        lines.append(f"| `{key}` | {_value(value)} | {meaning} |")
    return "\n".join(lines)


# -- layers -------------------------------------------------------------------------------------------------


def layers(folder: Path) -> Pages:
    """All layers with their closed forms and derivations, and the alphabet."""
    parts = [
        "# Layers",
        "A layer is a function of its dimensions that walks through primitive operators. Its closed form is what "
        "comes out when it is run on symbols; the table below each shows which operator gives which term.",
    ]
    for id in LAYERS:
        layer, form = LAYERS[id], vpcalc.formula(id).form
        parts += [
            f"## {layer.name}",
            f"`{id}`: {_docstring(layer.run)}",
            f"$${form.latex}$$" if form.polynomial else "It has parameters and costs no product.",
            f"Holds for {form.valid}. Source: {layer.source}." if form.valid else f"Source: {layer.source}.",
        ]
        if form.polynomial:
            parts.append(_details(f"How it adds up (`vpcalc formula {id} --steps`)", _steps(id)))
    symbols = "\n".join(f"| ${s.latex or s.name}$ | {s.meaning} | {s.unit} |" for s in ALPHABET)
    parts += ["## Symbols", f"| symbol | meaning | unit |\n| --- | --- | --- |\n{symbols}"]
    yield "layers.md", _page(*parts)


# -- statements ---------------------------------------------------------------------------------------------


def statements(folder: Path) -> Pages:
    """A page for each statement with its derivation and its evidence, and the list of them."""
    rows = []
    for id, statement in STATEMENTS.items():
        settled = vpcalc.theory(id)
        found = settled.to_dict()["statements"][0]
        picture = f"pictures/theory_{id}.svg" if found["plot"] else None
        if picture:
            for dark in (False, True):
                content = plots_theory.draw(settled.figure(), "svg", dark=dark).decode()
                yield picture.replace(".svg", ".dark.svg") if dark else picture, content
        yield f"statements/{id}.md", _statement(found, settled, picture)
        rows.append(
            f"| [{statement.title}]({id}.md) | {statement.family} | {found['verdict']} | {statement.claim} |"
        )
    yield (
        "statements/index.md",
        _page(
            "# Statements and their proofs",
            "About sequences, gradients and positions: each with its source, a derivation, and evidence that was "
            "gathered when the site was built. *Proved* rests on an identity or on exact numbers, *checked* on "
            "floating point within a stated tolerance; *corrected* says that a source prints it otherwise.",
            "| statement | family | verdict | claim |\n| --- | --- | --- | --- |\n" + "\n".join(rows),
            _toctree(STATEMENTS),
        ),
    )


def _statement(found: dict[str, Any], settled: Any, picture: str | None) -> str:
    parts = [
        f"# {found['title']}",
        f"{_sentence(found['claim'])}.",
        f"**{found['verdict'].capitalize()}.** Source: {_sentence(found['source'])}.",
    ]
    if found["note"]:
        parts.append(f":::{{admonition}} Correction\n{_sentence(found['note'])}.\n:::")
    parts.append("## Derivation")
    for step in found["derivation"]:
        parts += [_sentence(step["why"]), f"$${step['latex']}$$"]
    if picture:
        parts.append(f"![{found['title']}](../{picture})")
    demonstration = settled.statements[0].demonstration
    parts += ["## Evidence", "\n".join(f"- {_sentence(describe(piece))}" for piece in demonstration.evidence)]
    parts += [markdown(table.lasting()) for table in demonstration.tables]
    parts.append(f"```sh\nvpcalc theory {found['id']}\n```")
    return _page(*parts)


_INDEXED = re.compile(r"((?:[^\W\d_]|[∂Σ∏′])+)_(\{[^{}]*\}|[^\W_]+)")


def _sentence(text: str) -> str:
    """A sentence of a statement: indices and powers are set as such, the rest is taken literally."""
    pieces, last = [], 0
    for found in _INDEXED.finditer(text):
        index = found[2].strip("{}").replace("−", "-")
        pieces += [_prose(text[last : found.start()]), f"${found[1]}_{{{index}}}$"]
        last = found.end()
    sentence = "".join([*pieces, _prose(text[last:])])
    return re.sub(r"\^\{([^{}]*)\}|\^(\w)", lambda power: f"<sup>{power[1] or power[2]}</sup>", sentence)


# -- commands -----------------------------------------------------------------------------------------------


def commands(folder: Path) -> Pages:
    """The reference of all commands, read from the application itself."""
    import typer

    from vpcalc.cli.app import application
    from vpcalc.cli.start import PANELS, panel_of

    group: Any = typer.main.get_command(application())
    parts = [
        "# Commands",
        "Exit status: 0 all well, 1 a check did not hold, 2 unusable input, with one line that says what is "
        "allowed. Standard output holds the result and nothing else. Values are data and never run as code.",
        "Every command takes `--load FILE.py`, which runs a file of your own and adds the layers and architectures"
        " that it [describes](../adding.md); it may stand before the command, too, and be repeated.",
    ]
    for panel in PANELS:
        parts.append(f"## {panel}")
        for name, command in group.commands.items():
            if panel_of(name) != panel:
                continue
            parts += _command(f"vpcalc {name}", command, "###")
            for below, each in getattr(command, "commands", {}).items():
                parts += _command(f"vpcalc {name} {below}", each, "####")
    yield "commands.md", _page(*parts)


def _command(name: str, command: Any, heading: str) -> list[str]:
    text, _, examples = (command.help or "").partition("Example")
    shown = [line.strip() for line in examples.removeprefix("s").removeprefix(":").splitlines() if line.strip()]
    found = [f"{heading} {name}", *(_prose(part) for part in text.split("\n\n") if part.strip())]
    if shown:
        found.append("```sh\n" + "\n".join(shown) + "\n```")
    rows = []
    for parameter in command.params:
        names = ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts) if option)
        if parameter.param_type_name == "argument":
            names = f"`{parameter.metavar or parameter.name}`"
        help = _prose(parameter.help or "")
        if parameter.required:
            help = f"**required**. {help}"
        default = parameter.default
        plain = isinstance(default, (str, int, float)) and not isinstance(default, bool)
        shown_default = f"`{getattr(default, 'value', default)}`" if plain else ""
        rows.append(f"| {names} | {help} | {shown_default} |")
    if rows:
        found.append("| Option | Meaning | Default |\n| --- | --- | --- |\n" + "\n".join(rows))
    return found


def _prose(text: str) -> str:
    """Text on one line, with what Markdown would read otherwise taken literally."""
    return re.sub(r"\s+", " ", re.sub(r"([|<>*_\[\]\\$])", r"\\\1", text))


# -- functions ----------------------------------------------------------------------------------------------


def functions(folder: Path) -> Pages:
    """What ``import vpcalc`` offers, for the reference to include: every public function, pictures apart."""
    public = [name for name in vpcalc.__all__ if callable(getattr(vpcalc, name)) and name != "InputError"]
    drawing = [name for name in public if name == "draw" or name.startswith("plot_")]
    for page, names in (("answers", [name for name in public if name not in drawing]), ("pictures", drawing)):
        listed = "\n".join(f".. autofunction:: vpcalc.{name}" for name in names)
        yield f"functions/{page}.txt", f"```{{eval-rst}}\n.. currentmodule:: vpcalc\n\n{listed}\n```\n"


# -- Markdown -----------------------------------------------------------------------------------------------


def _docstring(function: object) -> str:
    """A function's docstring as Markdown, without its arguments."""
    text = (getdoc(function) or "").partition("\n\nArgs:")[0]
    return re.sub(r":\w+:`~?([^`]*)`", r"`\1`", text.replace("``", "`"))


def _page(*parts: str) -> str:
    return "\n\n".join(parts) + "\n"


def _details(summary: str, body: str) -> str:
    code = re.sub(r"`([^`]*)`", r"<code>\1</code>", summary)
    return f"<details><summary>{code}</summary>\n\n{body}\n\n</details>"


def _toctree(names: Any) -> str:
    return "```{toctree}\n:hidden:\n\n" + "\n".join(names) + "\n```"


if __name__ == "__main__":
    write_all(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "generated")
