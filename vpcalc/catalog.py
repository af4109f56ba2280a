"""A dictionary of named things that refuses duplicates and helps with misspelled names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from .errors import unknown

T = TypeVar("T")


class Catalog(Mapping[str, T], Generic[T]):
    """Names and aliases to entries. ``what`` is what an error calls an entry."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._entries: dict[str, T] = {}
        self._aliases: dict[str, str] = {}

    def add(self, name: str, entry: T, aliases: tuple[str, ...] = ()) -> None:
        """Enter ``entry`` under ``name`` and its aliases."""
        for key in (name, *aliases):
            if key in self._entries or key in self._aliases:
                raise ValueError(f"{self._what} {key!r} is already registered")
        self._entries[name] = entry
        self._aliases.update(dict.fromkeys(aliases, name))

    def __getitem__(self, name: str) -> T:
        key = self._aliases.get(name, name)
        if key not in self._entries:
            raise unknown(self._what, name, [*self._entries, *self._aliases])
        return self._entries[key]

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._aliases

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
