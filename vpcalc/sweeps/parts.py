"""What a sweep has found so far, on disk: a folder beside its output, gone when that is whole.

    costs.csv.parts/sweep.json     what is swept, so that only the same goes on
    costs.csv.parts/00000042.part  what was found of one stretch of the grid: a seal, counts, rows

A part is written under another name, brought to the disk, and renamed. So a process may end at any time, and what
is lost is the stretch that it was at. Its seal is a digest of the sweep, its number and all that follows: a part
that was changed since, or is another's, is known as such, and its stretch is done again.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from .. import files
from ..errors import InputError, unwritable
from .choosing import Choice, Rows
from .work import Stretch, Work
from .written import arrow, arrow_table, header, lines, one_schema, places, read_places

SUFFIXES = (".csv", ".parquet")

NEEDS = "--output: Parquet needs pyarrow"

DIGIT = "[0-9]"

BEGUN = "was begun and not finished; --resume goes on, --force begins anew"


@dataclass
class Counts:
    """How many configurations there were: ``kept``, ``unmet`` by the condition, ``left`` out and why, ``wide``.

    Of those that might have been chosen some are ``cut`` by the number of rows that was asked for. ``redone`` are
    parts of an earlier run that were damaged.
    """

    configurations: int = 0
    kept: int = 0
    unmet: int = 0
    wide: int = 0
    cut: int = 0
    redone: int = 0

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


class DamagedError(Exception):
    """A file that is not as it was written."""


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
            arrow(NEEDS)

    def begin(self, resume: bool, force: bool, counts: Counts) -> set[int]:
        """Make the folder, or find that of an earlier run; the numbers of the parts that are there.

        Raises:
            InputError: the output cannot be written or is there already; something else was begun here.
        """
        try:
            if files.replaceable(self.output) is not None and not force:
                raise InputError(f"--output {str(self.output)!r}: exists; --force replaces it")
            manifest = self.folder / "sweep.json"
            if not resume and (manifest.exists() or any(self._paths())):
                if not force:
                    raise InputError(f"--output {str(self.output)!r}: {BEGUN}")
                self._discard()
            self.folder.mkdir(exist_ok=True)
            if manifest.exists():
                self._same(manifest.read_bytes())
            else:
                files.replace(manifest, json.dumps(self._key, indent=1).encode())
            return {int(path.stem) for path in list(self._paths()) if self._is_whole(path, counts)}
        except OSError as error:
            raise self.refusal(error) from None

    def _is_whole(self, path: Path, counts: Counts) -> bool:
        """Whether a part is as it was written; one that is not is taken away, to be done again."""
        try:
            self._read(path)
        except DamagedError:
            path.unlink()
            counts.redone += 1
            return False
        return True

    def _same(self, manifest: bytes) -> None:
        try:
            before = dict(json.loads(manifest))
        except (ValueError, TypeError, RecursionError):
            raise InputError(f"--resume: {str(self.folder)!r} is damaged; --force alone begins anew") from None
        differing = [name for name in {**before, **self._key} if before.get(name) != self._key.get(name)]
        if differing:
            name = differing[0]
            raise InputError(
                f"--resume: {str(self.folder)!r} is of another sweep: {name} was {_said(before.get(name))} and is "
                f"{_said(self._key.get(name))}; --force alone begins anew"
            )

    def refusal(self, error: OSError) -> InputError:
        """Why nothing can be written, in one line."""
        kept = "; what was found is kept, and --resume goes on from there" if any(self._paths()) else ""
        return unwritable("--output", self.output, error, kept)

    def _paths(self) -> Iterator[Path]:
        return self.folder.glob(f"{DIGIT * 8}.part")

    def _discard(self) -> None:
        """Take the folder away, unless there is something in it that is not ours."""
        for pattern in (f"{DIGIT * 8}.part", f".{DIGIT * 8}.part.*", ".sweep.json.*", "sweep.json"):
            for path in self.folder.glob(pattern):  # what it is goes last
                path.unlink()
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def write(self, number: int, stretch: Stretch) -> None:
        """One more part.

        Raises:
            InputError: it cannot be written.
        """
        path = self.folder / f"{number:08}.part"
        try:
            with files.replacing(path, clear=False) as file:
                self._write(file, path.stem, stretch)
        except OSError as error:
            raise self.refusal(error) from None

    def _write(self, file: BinaryIO, name: str, stretch: Stretch) -> None:
        head = json.dumps(_head(stretch)).encode()
        work = self._work
        if self._parquet:
            table = arrow_table(stretch.rows, work.grid, work.columns, NEEDS)
            rows = io.BytesIO()
            _parquet().write_table(table, rows)
            text = rows.getvalue()
        else:
            text = places(stretch.rows) if work.choice else lines(stretch.rows, work.grid, work.columns)
        rest = head + b"\n" + text
        file.write(self._seal(name, rest) + b"\n" + rest)

    def _seal(self, name: str, rest: bytes) -> bytes:
        digest = sha256(json.dumps([self._key, name]).encode())
        digest.update(rest)
        return digest.hexdigest().encode()

    def _read(self, path: Path) -> tuple[dict[str, Any], bytes]:
        """The counts and the rows of a part.

        Raises:
            DamagedError: it is not as it was written, or is another's.
        """
        seal, _, rest = path.read_bytes().partition(b"\n")
        if seal != self._seal(path.stem, rest):
            raise DamagedError
        head, _, rows = rest.partition(b"\n")
        return json.loads(head), rows

    def end(self, counts: Counts) -> Rows | None:
        """Make the output of all parts and take them away; the rows where they were chosen.

        Raises:
            InputError: it cannot be written, or a part is damaged.
        """
        try:
            rows = self._chosen(counts) if self._work.choice else None
            with files.replacing(self.output) as file:
                if rows is not None:
                    self._write_rows(file, rows)
                elif self._parquet:
                    self._join_parquet(file, counts)
                else:
                    self._join(file, counts)
            self._discard()
        except OSError as error:
            raise self.refusal(error) from None
        except DamagedError:
            raise InputError(
                f"--output {str(self.output)!r}: {str(self.folder)!r} was changed meanwhile; "
                "--resume does again what is missing"
            ) from None
        return rows

    def _all(self, counts: Counts) -> Iterator[bytes]:
        """The rows of each part in order; none is missing.

        Raises:
            DamagedError: a part is not as it was written, or is not there.
        """
        for path in sorted(self._paths()):
            head, rows = self._read(path)
            counts.add_header(head)
            yield rows
        if str(counts.configurations) != self._key["configurations"]:
            raise DamagedError

    def _chosen(self, counts: Counts) -> Rows:
        work = self._work
        names = [axis.name for axis in work.grid.axes]
        parts = [read_places(rows, names, work.kept_columns) for rows in self._all(counts)]
        return counts.chosen(work.joined(parts), work.choice)

    def _write_rows(self, file: BinaryIO, rows: Rows) -> None:
        work = self._work
        if self.output.suffix.lower() == ".parquet":
            table = arrow_table(rows, work.grid, work.columns, NEEDS)
            _parquet().write_table(table, file)
            return
        file.write(header(work.grid, work.columns) + lines(rows, work.grid, work.columns))

    def _join(self, file: BinaryIO, counts: Counts) -> None:
        file.write(header(self._work.grid, self._work.columns))
        for rows in self._all(counts):
            file.write(rows)

    def _join_parquet(self, file: BinaryIO, counts: Counts) -> None:
        parquet = _parquet()
        schema = one_schema([parquet.read_schema(io.BytesIO(rows)) for rows in self._all(Counts())], NEEDS)
        with parquet.ParquetWriter(file, schema) as writer:
            for rows in self._all(counts):
                writer.write_table(parquet.read_table(io.BytesIO(rows)).cast(schema))


def _parquet() -> Any:
    from ..optional import optional

    return optional("pyarrow.parquet", NEEDS, "pip install 'vpcalc[sweep]'")


def _said(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
