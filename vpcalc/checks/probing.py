"""Counting a target at points: one fresh model a point, by the cheapest way that works, and real runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError, first_line
from ..inputs import WHOLE
from .effort import MOST_CALLS, MOST_OPERATORS, MOST_REAL_ELEMENTS, MOST_REAL_WORK, StoppedError, brake
from .shapes import Point
from .targets import Regime, Target

if TYPE_CHECKING:
    from ..counters.dispatch import DispatchCounts
    from ..counters.ways import Way

MOST_WORK = 10**10
"""Multiply-accumulates beyond which the smallest size is not run for real: half a second on one core."""

MORE_WORK = 10**9
"""The same for a second, longer run."""

LARGEST_TENSOR = 1 << 26
"""Elements of the largest tensor of such a run."""


ZEROS = "whole numbers were 0 and masks false: --inputs gives others"


def takes_whole_numbers(target: Target) -> bool:
    """Whether an input has whole numbers or truth values."""
    return any(leaf.dtype in (*WHOLE, "uint8", "bool") for leaf in target.inputs)


class ProbeError(Exception):
    """A model could not be built or run at a point."""


def not_run(name: str, errors: Iterable[str]) -> InputError:
    """That a target runs in no way, and why."""
    every = list(dict.fromkeys(errors))
    own = [error for error in every if "unexpected keyword argument" not in error] or every
    said = "; ".join(own[:2])
    hint = ""
    if "positional argument" in said or "not subscriptable" in said or "must be tuple of ints" in said:
        hint = "; inputs in a list, a dictionary or a number: [1,N,8;1,M,8], {x=1,N,8;y=1,N,6}, 8:number, none"
    if "input to conv" in said or "Invalid channel dimensions" in said:
        hint = "; an image's shape is given whole: behind the target, @1,3,H,W, or by --input where that is"
    if "values to unpack" in said:
        hint = "; an input's shape has all of its axes: tokens 1,N, features 1,N,64, an image 1,3,H,W"
    if "input_ids or inputs_embeds" in said:
        hint = "; a model with a decoder reads two: --input '1,S;1,T'"
    return InputError(f"{name}: could not be run: {said}{hint}")


class OutOfReachError(ProbeError):
    """A point that says nothing of the model: a run there would be too much."""


class BeyondTorchError(OutOfReachError):
    """More elements than PyTorch can number: no model of its kind runs there."""


class Prober:
    """Counts a target at points, each once, with a fresh model each time."""

    def __init__(self, target: Target, regime: Regime, backward: bool) -> None:
        self._regime = regime
        self._backward = backward
        self._training = target.training
        self.zeros = target.function is None and takes_whole_numbers(target)
        self._tied = target.tied(regime)
        self._seen: dict[tuple[tuple[str, int], ...], DispatchCounts | ProbeError] = {}
        self.way: Way | None = None

    def counted(self) -> Iterator[tuple[dict[str, int], DispatchCounts]]:
        """Every point that was counted, in order."""
        for key, counts in self._seen.items():
            if not isinstance(counts, ProbeError):
                yield dict(key), counts

    def counts(self, point: Point, braked: bool = False) -> DispatchCounts:
        """The count at a point. Braked, where no run so far shows that it ends in reasonable time.

        Raises:
            ProbeError: the model cannot be built or run there.
        """
        key = tuple(sorted(point.items()))
        if key not in self._seen:
            try:
                with brake(MOST_CALLS) if braked else nullcontext():
                    self._seen[key] = self._count(point)
            except StoppedError:
                self._seen[key] = OutOfReachError(f"{spell_point(point)}: more than {MOST_CALLS:,} calls")
            except (ProbeError, InputError) as error:
                self._seen[key] = ProbeError(str(error))
            except Exception as error:  # foreign code may raise anything
                kind = BeyondTorchError if _is_too_large(error) else ProbeError
                self._seen[key] = kind(f"{spell_point(point)}: {first_line(error)}")
        found = self._seen[key]
        if isinstance(found, ProbeError):
            raise found
        return found

    @property
    def is_real(self) -> bool:
        """Whether every count is a real run, which takes as long as the model does."""
        from ..counters.ways import Way

        return self.way is Way.CPU

    def too_much(self, macs: int, operators: int, largest: int) -> str:
        """Why a run of these figures is not made, or nothing."""
        if operators > MOST_OPERATORS:
            return f"a run would dispatch more than {MOST_OPERATORS:,} operators"
        if self.is_real and macs > MOST_REAL_WORK:
            return f"a real run would take more than {MOST_REAL_WORK:,} multiply-accumulates"
        if self.is_real and largest > MOST_REAL_ELEMENTS:
            return f"a real run would need a tensor of more than {MOST_REAL_ELEMENTS:,} elements"
        return ""

    def macs(self, point: Point) -> int:
        """The total at a point."""
        return self.counts(point).macs

    def expected(self, point: Point) -> int:
        """What a real forward pass at a point should be."""
        counts = self.counts(point)
        return counts.macs - counts.backward

    def real(self, point: Point) -> int:
        """The total of a real forward pass."""
        from ..counters.ways import Way
        from ..counters.weights import TooLargeError

        try:
            return self._run(Way.CPU, point, backward=False).macs
        except TooLargeError:
            raise
        except Exception:  # zero weights are not what every forward can do with
            return self._run(Way.CPU, point, backward=False, valued=True).macs

    def runs_for_real(self, point: Point) -> bool:
        """Whether a real forward pass goes through."""
        try:
            self.real(point)
        except Exception:  # foreign code may raise anything
            return False
        return True

    def _count(self, point: Point) -> DispatchCounts:
        """By the cheapest way that works; the first point decides which."""
        from ..counters.ways import Way, needs_values

        if self.way is not None:
            return self._count_again(self.way, point)
        failures = []
        for way in Way:
            try:
                counts = self._run(way, point, self._backward, valued=True)
            except Exception as error:  # noqa: PERF203  # foreign code may raise anything
                if way is Way.META and not needs_values(error):
                    raise
                failures.append(f"{way.value}: {first_line(error)}")
            else:
                self.way = way
                return counts
        raise ProbeError(f"{spell_point(point)}: {'; '.join(failures)}")

    def _count_again(self, way: Way, point: Point) -> DispatchCounts:
        """In the way that worked before. That a value is wanted here and not there says nothing of the model."""
        from ..counters.ways import Way, needs_values

        try:
            return self._run(way, point, self._backward, valued=True)
        except Exception as error:  # foreign code may raise anything
            if way is Way.CPU or not needs_values(error):
                raise
        try:
            return self._run(Way.FAKE, point, self._backward)
        except Exception as error:  # foreign code may raise anything
            said = f"{spell_point(point)}: it looks at values there: {first_line(error)}"
            raise OutOfReachError(said) from error

    def _run(self, way: Way, point: Point, backward: bool, valued: bool = False) -> DispatchCounts:
        from ..counters.ways import run

        whole = {**point, **{side: point[first] for side, first in self._tied.items()}}
        return run(
            way,
            lambda: self._regime.make(whole),
            self._regime.kwargs,
            backward=backward,
            training=self._training,
            valued=valued,
        )


def _is_too_large(error: Exception) -> bool:
    """Whether PyTorch could not number or hold the elements, so that the model itself was not asked."""
    text = str(error).lower()
    return isinstance(error, (MemoryError, OverflowError)) or any(sign in text for sign in _TOO_LARGE)


_TOO_LARGE = ("overflow", "not enough memory", "can't allocate memory", "memory size", "too large to convert")


@dataclass(frozen=True, slots=True)
class RealRun:
    """Real runs at the smallest size and at a long one. ``agrees`` is None if there was none; ``note`` says why.

    ``fails_at`` is the point at which the model does not run.
    """

    agrees: bool | None
    note: str = ""
    fails_at: Point | None = None


def affordable(counts: DispatchCounts, most: int = MOST_WORK) -> bool:
    """Whether a real run of the same would take little time and memory."""
    return counts.macs <= most and counts.largest <= LARGEST_TENSOR


def run_for_real(prober: Prober, smallest: Point, longest: Point | None) -> RealRun:
    """Run the smallest size for real, and the longest sequence that there is time for."""
    from ..counters.ways import Way

    if prober.way is Way.CPU:
        said = "every count was a real run of the values at hand; with others it may differ"
        zeros = f"; {ZEROS}" if prober.zeros else ""
        return RealRun(True, said + zeros)
    counts = prober.counts(smallest)
    if not affordable(counts):
        size = f"{counts.macs:,} MACs and a tensor of {counts.largest:,} elements"
        return RealRun(None, f"not run for real: {size} at {spell_point(smallest)}")
    first = _ran(prober, smallest)
    if first.agrees is not True or longest is None:
        return first
    second = _ran(prober, longest)
    return second if second.agrees is False else first


def _ran(prober: Prober, point: Point) -> RealRun:
    from ..counters.weights import TooLargeError

    expected = prober.expected(point)
    try:
        macs = prober.real(point)
    except TooLargeError as error:
        return RealRun(None, str(error))
    except Exception as error:  # foreign code may raise anything
        if _is_too_large(error):
            return RealRun(None, f"not run for real: {first_line(error)}")
        return RealRun(False, f"does not run for real at {spell_point(point)}: {first_line(error)}", dict(point))
    if macs != expected:
        return RealRun(False, f"a real run at {spell_point(point)} counted {macs:,}, not {expected:,}")
    return RealRun(True)


def spell_point(point: Point) -> str:
    """A point in words."""
    return ", ".join(f"{name} = {value}" for name, value in point.items())
