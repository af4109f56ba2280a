"""What all results have in common."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..checks import Report
    from ..report import Table


SCHEMA_VERSION = 1
"""Of every JSON object. Within it fields may be added; one that is there keeps its name, unit and meaning."""


_ASKED = ("kind", "model", "target", "name", "against")
"""Fields that name what a command was asked about."""


def _unlike_its_own(said: Mapping[str, Any]) -> list[str]:
    """What is asked of a model, as far as that is not its own size and its own settings at batch 1."""
    from ..architectures import ARCHITECTURES
    from ..architectures.registry import listed

    known = said["model"] in ARCHITECTURES
    own = ARCHITECTURES[said["model"]] if known else None
    shape, config = said["input"], said.get("config") or {}
    native = None if own is None else own.family.axes.shape(own.sizes, 1)
    sizes = [] if shape == native else [re.sub(r"[^0-9A-Za-z]+", "x", str(shape)).strip("x")]
    settings = {} if own is None else {name: listed(value) for name, value in own.config.items()}
    changed = [
        f"{name} {value}".replace(",", "")
        for name, value in config.items()
        if own is None or settings.get(name) != value
    ]
    return [*sizes, *changed, *(["train"] if said.get("train") else [])]


class Result(ABC):
    """A frozen answer: its JSON, its tables, and how it shows itself."""

    __slots__ = ()

    report: Report | None = None
    """PyTorch's counts beside the figures, of results that have such."""

    @abstractmethod
    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object; the first says which command it is."""

    def to_dict(self) -> dict[str, Any]:
        """The command's JSON object."""
        fields = self.fields()
        return {"command": fields["command"], "schema_version": SCHEMA_VERSION, **fields}

    @abstractmethod
    def tables(self) -> tuple[Table, ...]:
        """What the command shows."""

    @property
    def label(self) -> str:
        """By what a paper refers to its tables: the command and what it was asked about, as ``compare-56x56``."""
        from ..report.floats import slug

        said = self.fields()
        asked = {**said.get("inputs", {}), **said}
        names = [asked[key] for key in _ASKED if isinstance(asked.get(key), str)]
        names += asked.get("between", ())
        names += [each if isinstance(each, str) else each.get("model", "") for each in asked.get("models", ())]
        names += [each["id"] for each in asked.get("statements", ()) if len(asked["statements"]) == 1]
        names += [f"{asked['h']}x{asked['w']}"] if said["command"] == "compare" else []
        names += _unlike_its_own(said) if isinstance(asked.get("model"), str) and "input" in said else []
        return "-".join(map(slug, dict.fromkeys(filter(None, (said["command"], *names)))))

    def completed(self, told: Callable[[int, int, str], None] | None = None) -> Self:
        """With all found that is otherwise found when it is first shown; ``told`` how many parts are done, of how
        many, and which comes next."""
        return self

    def sheet(self) -> Table:
        """The table that CSV and pandas hold, which stands without notes."""
        return self.tables()[0]

    def beside_the_sheet(self) -> tuple[Table, ...]:
        """What the sheet leaves out."""
        return self.tables()[1:]

    @property
    def ok(self) -> bool:
        """Whether every check held. The command exits with 1 where it is false."""
        return not (self.report and self.report.differing)

    def __init_subclass__(cls) -> None:
        if "__repr__" not in cls.__dict__:
            setattr(cls, "__repr__", Result.__repr__)  # noqa: B010  a dataclass's own would spell the whole cost tree

    def __repr__(self) -> str:
        from ..report.terminal import plain

        return plain(self.tables())

    def __rich__(self) -> Any:
        from ..report.terminal import View

        return View(self.tables())

    def _repr_html_(self) -> str:
        from ..report.markup import html

        return "".join(map(html, self.tables()))

    def _repr_markdown_(self) -> str:
        from ..report.markup import markdown

        return "\n\n".join(map(markdown, self.tables()))

    def _repr_latex_(self) -> str:
        from ..report.markup import latex

        return "\n\n".join(map(latex, self.tables()))

    def to_pandas(self) -> Any:
        """:meth:`sheet` as a pandas DataFrame with exact values (needs pandas)."""
        from ..optional import optional
        from ..report.table import records

        pandas = optional("pandas", "to_pandas: needs pandas", "pip install pandas")

        rows = [
            {key: getattr(value, "text", value) for key, value in row.items()} for row in records(self.sheet())
        ]
        return pandas.DataFrame(rows)
