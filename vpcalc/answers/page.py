"""``vpcalc page``: a comparison, a model or a module of the reader's as one page that one can play with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__, files
from ..architectures import ARCHITECTURES
from ..errors import InputError, is_code, unknown, unwritable
from ..layers import LAYERS
from ..pages.document import document
from ..pages.script import Script, joined
from ..placing import in_brackets
from ..report import Column, Kind, Table
from .page_parts import command
from .result import Result

if TYPE_CHECKING:
    from ..placing import Placed


EXACT = "Every form was derived in Python; here it is evaluated, in whole numbers."


@dataclass(frozen=True)
class Page(Result):
    """A page. ``data`` is what it shows, ``code`` its forms as JavaScript; :attr:`html` is the whole file."""

    target: str
    data: Mapping[str, Any]
    code: str

    @property
    def html(self) -> str:
        """The file: it needs no network, and loads nothing."""
        return document(self.data["title"], self.data["about"], self.data, self.code)

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            InputError: it cannot be written.
        """
        try:
            files.replace(Path(path), self.html.encode())
        except OSError as error:
            raise unwritable("--output", path, error) from None

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        return {
            "command": "page",
            "target": self.target,
            "title": self.data["title"],
            "bytes": len(self.html.encode()),
            "parameters": [
                {key: each[key] for key in ("name", "letter", "meaning", "value", "min", "max")}
                for each in self.data["parameters"]
            ],
            "rows": [
                {
                    "id": row["id"],
                    "name": row["name"],
                    "formula": {"text": joined(form, "t"), "latex": joined(form, "l")},
                }
                for row, form in self._shown()
            ],
            "forms": len(self.data["forms"]),
        }

    def tables(self) -> tuple[Table, ...]:
        """What is on it, with the formulas that it begins with."""
        columns = (Column("row", "Row", Kind.WORD), Column("formula", "Formula"))
        rows = tuple((row["name"], joined(form, "t")) for row, form in self._shown())
        letters = ", ".join(f"{each['letter']} = {each['value']}" for each in self.data["parameters"])
        size = len(self.html.encode())
        return (Table(self.data["title"], columns, rows, (f"begins at {letters}", f"a file of {size:,} bytes")),)

    def _shown(self) -> Iterable[tuple[Mapping[str, Any], Any]]:
        """Each row with the form that papers print, else that of the largest sizes."""
        main = self.data["main"]
        for row in self.data["rows"]:
            law = row["cells"].get(main)
            if law is None:
                continue
            forms = [case["form"] for case in law["cases"] if "form" in case]
            tidy = law.get("tidy")
            number = tidy["form"] if tidy else next(iter(forms), None)
            if number is not None:
                yield row, [self.data["terms"][each] for each in self.data["forms"][number][0]]

    def _repr_html_(self) -> str:
        """The page itself, in a frame of the notebook."""
        style = "width: 100%; height: 48rem; border: 0"
        return (
            f'<iframe srcdoc="{escape(self.html)}" style="{style}" title="{escape(self.data["title"])}"></iframe>'
        )


@in_brackets("target")
def page(
    target: object = "compare",
    *,
    rows: Iterable[str | Placed] | None = None,
    set: Mapping[str, object] | None = None,
    input: object = None,
    tokens: object = None,
    src: object = None,
    tgt: object = None,
    batch: object = 1,
    args: Mapping[str, object] | None = None,
    range: Mapping[str, object] | None = None,
) -> Page:
    """A page that needs no network: sliders, figures that are exact at every size, formulas whose terms light up.

    Args:
        target: ``compare``; a layer; a model that :func:`vpcalc.models` lists; or a module of your own, as
            :func:`vpcalc.derive` takes it.
        rows: of a comparison the layers, as :func:`vpcalc.compare` takes them.
        set: of a comparison or a layer the values that it begins with, ``{"h": 56}``; of a model its settings.
        input, tokens, src, tgt: of a model the size that it begins with; of a module the shape of its input, with
            letters: ``1,N,C``.
        batch: images or sequences that it begins with.
        args: of a module the arguments of its factory; a letter is a symbol.
        range: of a module the sizes that are explored, by letter.

    Raises:
        InputError: an unknown name, or a value that is not usable.
    """
    script = Script()
    sizes = {"input": input, "tokens": tokens, "src": src, "tgt": tgt}
    if target == "compare" or target in LAYERS:
        _refuse(str(target), {**sizes, "arg": args, "range": range, "rows": rows if target in LAYERS else None})
        from .page_compare import compare_page
        from .page_layer import layer_page

        begins = {**(set or {}), **({"batch": batch} if batch not in (1, "1") else {})}
        data = (
            compare_page(script, rows, begins) if target == "compare" else layer_page(script, str(target), begins)
        )
    elif is_code(target):
        from .page_module import module_page

        several = None if batch in (1, "1") else batch  # of code it stands in the shape
        others = {"rows": rows, "set": set, "tokens": tokens, "src": src, "tgt": tgt, "batch": several}
        _refuse("a module of your own", others)
        data = module_page(script, target, input, args, range)
    else:
        if target not in ARCHITECTURES:
            raise unknown("page", str(target), ["compare", *LAYERS, *ARCHITECTURES])
        _refuse(str(target), {"rows": rows, "arg": args, "range": range})
        from .page_model import model_page

        data = model_page(script, str(target), {**sizes, "set": set, "batch": batch})
    name = data.pop("name")
    given = {"rows": [getattr(row, "text", row) for row in rows] if rows else None, "set": set, **sizes}
    line = command("page", target, {**given, "batch": batch, "arg": args, "range": range})
    made = f"Made by vpcalc {__version__}{f': {line}' if isinstance(target, str) else ''}."
    data["notes"].append(f"{made} {EXACT}")
    shown = {**data, "forms": script.forms, "terms": script.terms, "conditions": script.conditions}
    return Page(name, shown, script.code())


def _refuse(what: str, given: Mapping[str, object]) -> None:
    for option, value in given.items():
        if value:
            raise InputError(f"--{option}: is not for a page of {what}")
