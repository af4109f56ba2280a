"""What a sweep has found so far, on disk: a folder beside its output, gone when that is whole.

    costs.csv.parts/sweep.json     what is swept, so that only the same goes on
    costs.csv.parts/00000042.part  what was found of one stretch of the grid

A part is written under another name, brought to the disk, and renamed: one that is there is whole. So a process
may end at any time, and what is lost is the stretch that it was at.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from .. import files
from ..errors import InputError, unwritable
from .choosing import Choice, Rows
from .work import Stretch, Work
from .written import arrow, arrow_table, header, lines, one_schema, places, read_places

SUFFIXES = (".csv", ".parquet")

BEGUN = "was begun and not finished; --resume goes on, --force begins anew"


@dataclass
class Counts:
    """How many configurations there were: ``kept``, ``unmet`` by the condition, ``left`` out and why, ``wide``.

    Of those that might have been chosen some are ``cut`` by the number of rows that was asked for.
    """

    configurations: int = 0
    kept: int = 0
    unmet: int = 0
    wide: int = 0
    cut: int = 0

    def __post_init__(self) -> None:
        self.left: Counter[str] = Counter()

    def add(self, stretch: Stretch) -> None:
        """Those of one more stretch."""
        self.add_header(_head(stretch))

    def chosen(self, rows: Rows, choice: Choice) -> Rows:
        """What is kept of rows of which all may be chosen."""
        found = choice.ended(rows)
        whole = len(rows) if choice.pareto else self.configurations - self.unmet - self.left.total()
        self.kept, self.cut = len(found), whole - len(found)
        return found

    def add_header(self, head: Mapping[str, Any]) -> None:
        """The same of a part that was read."""
        self.configurations += head["configurations"]
        self.kept += head["rows"]
        self.unmet += head["unmet"]
        self.wide += head["wide"]
        self.left.update(head["left"])


class DamagedError(ValueError):
    """A file that is not as it was written."""


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """Whatever is wrong with what is read means that it is damaged."""
    try:
        yield
    except (ValueError, RecursionError, KeyError, TypeError):
        raise DamagedError from None


def _read_head(text: bytes) -> dict[str, Any]:
    """What :func:`_head` gave."""
    with _reading():
        head = json.loads(text)
        numbers = [head[name] for name in ("configurations", "rows", "unmet", "wide")]
        if not all(type(number) is int for number in (*numbers, *dict(head["left"]).values())):
            raise TypeError
    return dict(head)


def _head(stretch: Stretch) -> dict[str, Any]:
    return {
        "configurations": stretch.stop - stretch.start,
        "rows": len(stretch.rows),
        "unmet": stretch.unmet,
        "wide": stretch.wide,
        "left": dict(stretch.left),
    }


class Parts:
    """The parts of an output that is being made."""

    def __init__(self, output: Path, work: Work, key: Mapping[str, Any]) -> None:
        self.output, self._work = output, work
        self.folder = output.with_name(output.name + ".parts")
        self._key = json.loads(json.dumps(dict(key)))
        self._parquet = output.suffix.lower() == ".parquet" and not work.choice
        if output.suffix.lower() == ".parquet":
            arrow("--output: Parquet needs pyarrow")

    def begin(self, resume: bool, force: bool) -> set[int]:
        """Make the folder, or find that of an earlier run; the numbers of the parts that are there.

        Raises:
            InputError: the output cannot be written or is there already; something else was begun here.
        """
        try:
            if files.replaceable(self.output) is not None and not force:
                raise InputError(f"--output {str(self.output)!r}: exists; --force replaces it")
            manifest = self.folder / "sweep.json"
            if self.folder.exists() and not (resume and manifest.exists()):
                if not force and not resume:
                    raise InputError(f"--output {str(self.output)!r}: {BEGUN}")
                self._discard()
            if self.folder.exists():
                with _reading():
                    before = dict(json.loads(manifest.read_bytes()))
                self._same(before)
            else:
                self.folder.mkdir()
                files.replace(manifest, json.dumps(self._key, indent=1).encode())
            with _reading():
                return {int(path.stem) for path in self.folder.glob("*.part")}
        except OSError as error:
            raise self.refusal(error) from None
        except DamagedError:
            raise self._damaged() from None

    def _damaged(self) -> InputError:
        return InputError(f"--resume: {str(self.folder)!r} is damaged; --force begins anew")

    def _same(self, before: Mapping[str, Any]) -> None:
        differing = [name for name in {**before, **self._key} if before.get(name) != self._key.get(name)]
        if differing:
            name = differing[0]
            raise InputError(
                f"--resume: {str(self.folder)!r} is of another sweep: {name} was {_said(before.get(name))} and is "
                f"{_said(self._key.get(name))}; --force begins anew"
            )

    def refusal(self, error: OSError) -> InputError:
        """Why nothing can be written, in one line."""
        kept = "; what was found is kept, and --resume goes on from there" if any(self._paths()) else ""
        return unwritable("--output", self.output, error, kept)

    def _paths(self) -> Iterator[Path]:
        return self.folder.glob("*.part")

    def _discard(self) -> None:
        """Take the folder away, but nothing in it that is not ours."""
        for pattern in ("*.part", ".*.part.*", ".sweep.json.*", "sweep.json"):  # what it is goes last
            for path in self.folder.glob(pattern):
                path.unlink()
        self.folder.rmdir()

    def write(self, number: int, stretch: Stretch) -> None:
        """One more part.

        Raises:
            InputError: it cannot be written.
        """
        path = self.folder / f"{number:08}.part"
        try:
            with files.replacing(path, clear=False) as file:
                self._write(file, stretch)
        except OSError as error:
            raise self.refusal(error) from None

    def _write(self, file: BinaryIO, stretch: Stretch) -> None:
        head = json.dumps(_head(stretch)).encode()
        work = self._work
        if self._parquet:
            table = arrow_table(stretch.rows, work.grid, work.columns, "--output: Parquet needs pyarrow")
            parquet = _parquet()
            parquet.write_table(table.replace_schema_metadata({"vpcalc": head}), file)
            return
        text = places(stretch.rows) if work.choice else lines(stretch.rows, work.grid, work.columns)
        file.write(head + b"\n" + text)

    def end(self, counts: Counts) -> Rows | None:
        """Make the output of all parts and take them away; the rows where they were chosen.

        Raises:
            InputError: it cannot be written, or a part is damaged.
        """
        paths = sorted(self._paths())
        try:
            rows = self._chosen(paths, counts) if self._work.choice else None
            with files.replacing(self.output) as file:
                if rows is not None:
                    self._write_rows(file, rows)
                elif self._parquet:
                    self._join_parquet(paths, file, counts)
                else:
                    self._join(paths, file, counts)
            self._discard()
        except OSError as error:
            raise self.refusal(error) from None
        except DamagedError:
            raise self._damaged() from None
        return rows

    def _chosen(self, paths: list[Path], counts: Counts) -> Rows:
        work = self._work
        names = [axis.name for axis in work.grid.axes]
        parts = []
        for path in paths:
            head, _, text = path.read_bytes().partition(b"\n")
            counts.add_header(_read_head(head))
            with _reading():
                parts.append(read_places(text, names, work.kept_columns))
        return counts.chosen(work.joined(parts), work.choice)

    def _write_rows(self, file: BinaryIO, rows: Rows) -> None:
        work = self._work
        if self.output.suffix.lower() == ".parquet":
            table = arrow_table(rows, work.grid, work.columns, "--output: Parquet needs pyarrow")
            _parquet().write_table(table, file)
            return
        file.write(header(work.grid, work.columns) + lines(rows, work.grid, work.columns))

    def _join(self, paths: list[Path], file: BinaryIO, counts: Counts) -> None:
        file.write(header(self._work.grid, self._work.columns))
        for path in paths:
            with path.open("rb") as part:
                counts.add_header(_read_head(part.readline()))
                shutil.copyfileobj(part, file, 1 << 20)

    def _join_parquet(self, paths: list[Path], file: BinaryIO, counts: Counts) -> None:
        parquet = _parquet()
        with _reading():
            schemas = [parquet.read_schema(path) for path in paths]
            heads = [schema.metadata[b"vpcalc"] for schema in schemas]
        for head in heads:
            counts.add_header(_read_head(head))
        schema = one_schema(schemas, "--output: Parquet needs pyarrow")
        with parquet.ParquetWriter(file, schema) as writer:
            for path in paths:
                writer.write_table(parquet.read_table(path).replace_schema_metadata(None).cast(schema))


def _parquet() -> Any:
    from ..optional import optional

    return optional("pyarrow.parquet", "--output: Parquet needs pyarrow", "pip install 'vpcalc[sweep]'")


def _said(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
