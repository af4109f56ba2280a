"""A dictionary of named things that refuses duplicates, helps with misspelled names, and loads late."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar

from .errors import InputError, unknown

T = TypeVar("T")

Source = str | Callable[[], object]
"""A module that adds entries when it is imported, or a function that does when it is called."""


def files_beside(registry: str, package: str) -> tuple[str, ...]:
    """The modules of a package but its registry, which is at a path; so a new file needs no other line."""
    own = Path(registry)
    return tuple(f"{package}.{path.stem}" for path in sorted(own.parent.glob("[!_]*.py")) if path != own)


class Catalog(Mapping[str, T], Generic[T]):
    """Names and aliases to entries. ``what`` is what an error calls an entry.

    ``listed`` is the command that lists them, ``hint`` says what to do where there is none.

    ``sources`` are modules that add entries when they are imported. They are imported when a name is
    asked for that is not there yet: first those whose own name begins the name (``swin`` for ``swin_t``),
    and no further once it is found. So a command pays for one family and not for all.

    ``otherwise`` says of a name that is none of these what it is instead, or nothing.

    A ``lenient`` one knows names however they are written, where that leaves no doubt: ``ResNet-50``, ``SwinT``.
    """

    def __init__(
        self,
        what: str,
        sources: Iterable[Source] = (),
        listed: str = "",
        hint: str = "",
        lenient: bool = False,
        otherwise: Callable[[str], str] = lambda name: "",
    ) -> None:
        self._what = what
        self._lenient = lenient
        self._listed, self._hint, self._otherwise = listed, hint, otherwise
        self._sources = list(sources)
        self._entries: dict[str, T] = {}
        self._aliases: dict[str, str] = {}

    def add(self, name: str, entry: T, aliases: tuple[str, ...] = ()) -> None:
        """Enter ``entry`` under ``name`` and its aliases; not where its file is only looked into."""
        if _LOOKING.get() and not _is_ours(entry):
            return
        for key in (name, *aliases):
            if key in self._entries or key in self._aliases:
                raise InputError(f"{self._what} {key!r} is already registered")
        self._entries[name] = entry
        self._aliases.update(dict.fromkeys(aliases, name))

    def later(self, sources: Iterable[Source]) -> None:
        """Name further sources."""
        self._sources += sources

    def entered(self) -> dict[str, T]:
        """What is there without asking any further source."""
        return dict(self._entries)

    def withdraw(self, names: Iterable[str] = (), sources: Iterable[Source] = ()) -> None:
        """Take entries, and sources that were not asked yet, out again."""
        gone, unasked = set(names), list(sources)
        self._entries = {name: entry for name, entry in self._entries.items() if name not in gone}
        self._aliases = {alias: name for alias, name in self._aliases.items() if name not in gone}
        self._sources = [source for source in self._sources if source not in unasked]

    def __getitem__(self, name: str) -> T:
        if name not in self:
            other = self._otherwise(name)
            if other:
                raise InputError(f"{self._what} {name!r} is not known; {other}")
            raise unknown(self._what, name, [*self._entries, *self._aliases], self._listed, self._hint)
        key = name if name in self._entries or name in self._aliases else self._meant(name)
        return self._entries[self._aliases.get(key, key)]

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        while name not in self._entries and name not in self._aliases:
            if not self._sources:
                return bool(self._meant(name))
            self._load(max(self._sources, key=lambda source: _begins(source, name)))
        return True

    def _meant(self, name: str) -> str:
        """The one entry whose name has the same letters and digits; empty if there are several, or none."""
        if not self._lenient:
            return ""
        found = {
            self._aliases.get(key, key) for key in (*self._entries, *self._aliases) if _bare(key) == _bare(name)
        }
        return found.pop() if len(found) == 1 else ""

    def __iter__(self) -> Iterator[str]:
        while self._sources:
            self._load(self._sources[0])
        return iter(self._entries)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _load(self, source: Source) -> None:
        self._sources.remove(source)
        if isinstance(source, str):
            import_module(source)
        else:
            source()


_LOOKING: ContextVar[bool] = ContextVar("looking", default=False)


@contextmanager
def looking() -> Iterator[None]:
    """Within it, a file of a user's is run for what it defines; what it registers is for who loads it."""
    token = _LOOKING.set(True)
    try:
        yield
    finally:
        _LOOKING.reset(token)


def _is_ours(entry: Any) -> bool:
    """Whether an entry is of a file of ours, which is imported once and for all."""
    described = getattr(entry, "family", entry)
    return str(getattr(getattr(described, "run", described), "__module__", "")).startswith("vpcalc.")


def _bare(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _begins(source: Source, name: str) -> int:
    if not isinstance(source, str):
        return 0
    stem = source.rpartition(".")[2]
    return len(stem) if name.startswith(stem) else 0
