"""The one error that users see."""

from __future__ import annotations

import linecache
import re
import traceback
from collections.abc import Iterable, Sequence
from os.path import isfile
from pathlib import Path

_CODE = re.compile(r"[\w./~-]+:[A-Za-z_]\w*$")
"""``file.py:factory``, ``package.module:factory``, ``transformers:NAME``."""


class InputError(ValueError):
    """Unusable input. Its text is one line: what was given, and what is allowed instead."""

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


WORD, LINE = 200, 1200
"""Characters of a word, and of a whole message, that are shown."""


def printable(text: str) -> str:
    """Any text as one line of characters that are seen: others are escapes, what is too long is cut within."""
    text = " ".join(_cut(word, WORD) for word in text.split())
    return _cut("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text), LINE)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-most // 4 :]}"


MODELS = "vpcalc models"
LAYERS = "vpcalc layers"
ALL = f"{MODELS} and {LAYERS}"
"""Commands that list what has a name. What they do not list may be code: of a library, or of the user's own."""

ELSEWHERE = {
    "step_peak_bytes": "models of ours have it, and memory --train has it of all; training_bytes is the sum"
}
"""Names of which no name that is near means the same."""

FEW, NEAR = 20, 0.6
"""Names that an error lists; and how alike, of 1, a name is that may have been meant."""


def unknown(what: str, name: str, known: Iterable[str], listed: str = "", hint: str = "") -> InputError:
    """An error for a name that does not exist, with the nearest ones that do; code is sent where it is taken.

    ``listed`` are the commands that list the names; what is asked for may then be a library's as well, or the
    user's own. ``hint`` says what to do where no name is so near that it was meant.
    """
    import difflib

    if _CODE.match(name) and listed:
        takers = "compare, crossover, model, memory, formula, figure, sweep, check, derive and audit"
        return InputError(f"{what} {name!r}: is code; see {listed}; {hint or f'vpcalc {takers} take code'}")
    names = sorted(known)
    if name in ELSEWHERE:
        return InputError(f"{what} {name!r} is not known here; {ELSEWHERE[name]}")
    # upper and lower case are alike, and a name with - where one with _ is listed
    small = {
        each.lower(): each
        for each in reversed(names)
        if (twin := each.replace("-", "_")) == each or twin not in names
    }
    begun = sorted(
        (each for each in small if name and each.startswith(name.lower())), key=lambda each: (len(each), each)
    )
    alike = difflib.get_close_matches(name.lower(), small, n=3, cutoff=0.7 if listed or hint else NEAR)
    near = [small[each] for each in dict.fromkeys([*begun, *alike])][:3]
    if near:
        others = f" Known: {', '.join(names)}" if len(near) < len(names) <= FEW else ""
        says = [f"did you mean {either(near)}?{f' See also {listed}' if listed else others}"]
    elif listed:
        if name.endswith(".py"):
            return InputError(
                f"{what} {name!r}: is a file; name its factory, {name}:FACTORY, or give --load {name}"
            )
        library = f"in a library: vpcalc derive transformers:{name}, timm:{name} or torchvision:{name}"
        says = [f"see {listed}", hint or f"{library}; your own: FILE.py:FACTORY, or --load FILE.py"]
    elif len(names) <= FEW:
        says = [hint, f"known: {', '.join(names)}" if names else ""]
    else:
        says = [hint, f"there are {len(names)}, such as {', '.join(names[:: len(names) // 3][:3])}"]
    return InputError("; ".join([f"{what} {name!r} is not known", *filter(None, says)]))


def unreadable(option: str, file: object, error: OSError | None = None) -> InputError:
    """An error for a file that is not there, or cannot be read: in the same words whatever it was wanted for."""
    if error is None or isinstance(error, FileNotFoundError):
        return InputError(f"{option}: no file {str(file)!r}")
    return InputError(f"{option} {str(file)!r}: cannot be read: {error.strerror or error}")


def require_file_of(target: object, option: str = "TARGET") -> None:
    """Refuse code in a file that is not there, before what runs it is imported.

    Raises:
        InputError: ``file.py:factory`` without such a file.
    """
    place = target.rpartition(":")[0] if isinstance(target, str) else ""
    if place.endswith(".py") and not isfile(place):
        raise unreadable(option, place)


def unwritable(option: str, file: object, error: OSError, more: str = "") -> InputError:
    """An error for a file that cannot be written."""
    return InputError(f"{option} {str(file)!r}: cannot be written: {error.strerror or error}{more}")


def either(names: Sequence[str]) -> str:
    """Names as alternatives: a, b or c."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def is_code(name: object) -> bool:
    """Whether it is a module of the reader's: ``file.py:factory``, ``transformers:NAME``, an object."""
    return not isinstance(name, str) or ":" in name


LONGEST = 200
"""Characters of an error that are shown."""


def first_line(error: BaseException) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    text = text if len(text) <= LONGEST else text[: LONGEST - 1].rpartition(" ")[0] + "…"
    name = getattr(error, "known_as", type(error).__name__)
    return f"{name}: {text}" if text else name


_NO_KERNEL = re.compile(r"(aten::[\w.]+): attempted to run this operator with Meta tensors.*")

_NO_SHAPE = re.compile(r"The register_meta function for torch\.([\w()]+).*")


def first_line_and_place(error: BaseException) -> str:
    """The same of a program that wants a value, with the line of its own that asked for it."""
    text = _NO_KERNEL.sub(r"\1 has no kernel for tensors without values", first_line(error))
    text = _NO_SHAPE.sub(r"the shape of \1 depends on values", text)
    own = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__", "").partition(".")[0] not in ("torch", "vpcalc")
    ]
    if not own:
        return text
    file, line = own[-1]
    return f"{text}, at {Path(file).name}:{line}: {linecache.getline(file, line).strip()}".rstrip(": ")
