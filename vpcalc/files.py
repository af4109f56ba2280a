"""Files are replaced whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


class ChangedError(OSError):
    """Somebody else wrote the file in the meantime."""


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
def replacing(path: Path, expected: bytes | None = None) -> Iterator[BinaryIO]:
    """Write beside the file and rename, so that whoever looks sees the old file or the new one.

    A link keeps pointing where it did, and a file keeps its permissions and, where that is allowed, its owner.
    Arguments and errors are those of :func:`replace`.
    """
    path = path.resolve()
    before = replaceable(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
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


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
