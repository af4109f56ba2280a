"""Files are replaced whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .errors import unreadable


class ChangedError(OSError):
    """Somebody else wrote the file in the meantime."""


def content(option: str, path: str | os.PathLike[str], most: int = -1) -> bytes:
    """What a file holds that a user named, or so many bytes of it.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise unreadable(option, path, error) from None
    except ValueError:  # no file has a name with such characters
        raise unreadable(option, path) from None


def replace(path: Path, content: bytes, expected: bytes | None = None) -> None:
    """Replace a file by some content.

    Args:
        path: the file, or a link to it; it need not exist.
        content: what it will hold.
        expected: what it must still hold just before it is replaced.

    Raises:
        OSError: it cannot be written, is read-only, or no longer holds what was expected.
    """
    with replacing(path, expected) as file:
        file.write(content)


def replaceable(path: Path) -> os.stat_result | None:
    """What a file is that may be replaced, if it exists.

    Raises:
        OSError: it is no ordinary file, or read-only.
    """
    before = path.stat() if path.exists() else None
    if before is not None and not stat.S_ISREG(before.st_mode):
        raise IsADirectoryError(0, "is a directory" if stat.S_ISDIR(before.st_mode) else "is not an ordinary file")
    if before is not None and not (before.st_mode & 0o222 and os.access(path, os.W_OK)):
        raise PermissionError(0, "is read-only")  # a rename would ask nobody, and root is never refused
    return before


@contextlib.contextmanager
def replacing(path: Path, expected: bytes | None = None, clear: bool = True) -> Iterator[BinaryIO]:
    """Write beside the file and rename, so that whoever looks sees the old file or the new one.

    A link keeps pointing where it did, and a file keeps its permissions and, where that is allowed, its owner. To
    ``clear`` is to take away what processes that were killed left beside it; it goes through the whole folder.
    Arguments and errors are those of :func:`replace`.
    """
    import tempfile  # what only prints starts without it

    path = real(path)
    before = replaceable(path)
    if clear:
        with contextlib.suppress(OSError):  # a folder that cannot be read may be written to
            _clear(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            _is_ours(file)
            yield file
            file.flush()
            os.fsync(file.fileno())
        if before is None:
            os.chmod(name, 0o666 & ~_umask())
        else:
            with contextlib.suppress(OSError, AttributeError):  # not on Windows
                os.chown(name, before.st_uid, before.st_gid)
            os.chmod(name, stat.S_IMODE(before.st_mode))
        if expected is not None and path.read_bytes() != expected:
            raise ChangedError(0, "changed in the meantime and is left as it is")
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def real(path: str | os.PathLike[str]) -> Path:
    """Where a path leads; one that leads in a circle is itself, so that opening it says why it cannot be.

    Raises:
        OSError: it begins in the working directory, and that is gone.
    """
    return Path(os.path.realpath(path))


OLD = 1.0
"""Seconds after which a file that nobody holds was left by a process that was killed."""


def _clear(path: Path) -> None:
    """Take away what was written beside a file by processes that did not live to rename it."""
    named = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}")
    for left in filter(lambda left: named.fullmatch(left.name), path.parent.iterdir()):
        if time.time() - left.stat().st_mtime > OLD:
            with left.open("rb") as file:
                if _is_ours(file):
                    left.unlink()


def _is_ours(file: BinaryIO) -> bool:
    """Hold a file as long as it is open, unless somebody does, or there is nothing to hold it by."""
    try:
        import fcntl
    except ImportError:  # on Windows
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
