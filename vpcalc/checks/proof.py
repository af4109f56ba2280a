"""Proofs by exact interpolation: fvcore's count as a black box whose polynomial is recovered and compared.

What fvcore counts of a real module is a function of integer sizes. On a lattice where everything divides it
is a polynomial, and a tensor grid of degree + 1 points a variable fixes it exactly. The polynomial is written
in the paper's symbols, compared with the form that vpcalc derives and with the one that the paper prints, and
tested at points far from the grid, where a degree bound that is too low shows.

The counts are the certificate: :meth:`Interpolation.replay` judges recorded ones again, without torch.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..algebra import Polynomial
from ..algebra.interpolation import interpolate, points
from ..algebra.parser import parse
from ..algebra.polynomial import Monomial, symbol
from ..algebra.printers import reading_order
from ..cost import Quantity
from ..errors import InputError
from ..findings import Finding
from ..symbolic import Form
from .chance import Chance
from .crosscheck import HIDES_PRODUCTS

if TYPE_CHECKING:
    from ..counters import Counts

Sizes = Mapping[str, int]
"""A number for each symbol."""

MOST, DRAWN = 256, 4
"""The largest point of a variable that is drawn at random unless a domain says so, and how many are drawn."""


@dataclass(frozen=True)
class Outcome:
    """How a claim was settled.

    ``method`` is interpolation, symbolic or numeric; ``points`` is the number of counts or samples, ``held_out``
    of those beyond the grid. ``valid`` says where ``recovered`` holds, ``domain`` where the statement was settled
    beyond that, ``note`` names what differs, and ``evidence`` is what is needed to check again, in values that
    JSON holds.
    """

    method: str
    verdict: Finding
    recovered: str
    points: int = 0
    held_out: int = 0
    note: str = ""
    valid: str = ""
    domain: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


# -- where forms differ -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """One monomial and how much of it two forms hold."""

    term: Polynomial
    ours: Polynomial
    theirs: Polynomial

    @property
    def delta(self) -> Polynomial:
        """Theirs minus ours."""
        return self.theirs - self.ours

    def __str__(self) -> str:
        if not self.theirs:
            return f"{self.ours} is missing"
        return f"{self.theirs} should be {self.ours}" if self.ours else f"{self.theirs} does not belong"


def term_by_term(ours: Polynomial, theirs: Polynomial) -> tuple[Difference, ...]:
    """Every monomial of either form, in reading order, with what each holds of it."""

    def part(polynomial: Polynomial, monomial: Monomial) -> Polynomial:
        return Polynomial({monomial: polynomial.terms.get(monomial, 0)}, polynomial.denominator)

    return tuple(
        Difference(Polynomial({monomial: 1}), part(ours, monomial), part(theirs, monomial))
        for monomial in reading_order({**ours.terms, **theirs.terms})
    )


def differences(ours: Polynomial, theirs: Polynomial) -> tuple[Difference, ...]:
    """The monomials that differ. There is none exactly when the forms are equal."""
    return tuple(entry for entry in term_by_term(ours, theirs) if entry.delta)


def explain(found: Iterable[Difference]) -> str:
    """Differences in one line."""
    return "; ".join(map(str, found))


# -- where counts are taken -------------------------------------------------------------------------


@dataclass(frozen=True)
class Domain:
    """The lattice on which a count is a polynomial, and the points at which it is counted.

    Args:
        degrees: for each variable a bound on its power, on the lattice. The grid has one point more.
        multiple: ``{"h": "R"}``: h is R times a whole number, and that number is the variable. Also of a
            plain number: ``{"H": 32}``. R may itself be a multiple, where it is no free size.
        start: smallest point of a variable, 1 unless given.
        free: sizes that the form is claimed not to depend on: the first value on the grid, the others at the
            points beyond it.
        held_out: how many points are tried beyond the grid.
        most: the largest point of a variable among those that are drawn, :data:`MOST` unless given.
    """

    degrees: Mapping[str, int]
    multiple: Mapping[str, str | int] = field(default_factory=dict)
    start: Mapping[str, int] = field(default_factory=dict)
    free: Mapping[str, Sequence[int]] = field(default_factory=dict)
    held_out: int = 5
    most: Mapping[str, int] = field(default_factory=dict)

    @property
    def grid(self) -> dict[str, list[int]]:
        """The nodes of each variable, one more than its degree."""
        begins = {name: self.start.get(name, 1) for name in self.degrees}
        return {name: [*range(begins[name], begins[name] + degree + 1)] for name, degree in self.degrees.items()}

    def on_grid(self) -> list[Sizes]:
        """Sizes at every point of the grid."""
        fixed = {name: values[0] for name, values in self.free.items()}
        return [self._sizes(point, fixed) for point in points(self.grid)]

    def beyond(self) -> list[Sizes]:
        """Sizes at the held-out points: outside the grid in every variable, the last one far outside."""
        found = []
        for number in range(self.held_out):
            point = {}
            for place, (name, nodes) in enumerate(self.grid.items()):
                last, step = nodes[-1], (number * (place + 1) + place) % self.held_out
                point[name] = 4 * last + place + 1 if number == self.held_out - 1 else last + 1 + step
            free = {name: values[(number + 1) % len(values)] for name, values in self.free.items()}
            found.append(self._sizes(point, free))
        return found + self._drawn()

    def _drawn(self) -> list[Sizes]:
        """Points drawn at random, for the bound of the error."""
        rng = random.Random(0)
        found = []
        for number in range(DRAWN):
            point = {name: rng.randint(self.start.get(name, 1), self._top(name)) for name in self.degrees}
            free = {name: values[number % len(values)] for name, values in self.free.items()}
            found.append(self._sizes(point, free))
        return found

    def _top(self, name: str) -> int:
        return self.most.get(name, MOST)

    @property
    def chance(self) -> Chance:
        """The probability that another form of these degrees would have passed at what was drawn."""
        sizes = {name: self._top(name) - self.start.get(name, 1) + 1 for name in self.degrees}
        return Chance(self.degrees, sizes, DRAWN)

    @property
    def hypothesis(self) -> str:
        """What a form that was recovered here rests on."""
        powers = " and ".join(f"{power} in {name}" for name, power in self.degrees.items())
        rests = f"if counts are a polynomial of degree at most {powers} there"
        return f"{rests}; another passes {DRAWN} random sizes with a probability of at most {self.chance.spelled}"

    @property
    def condition(self) -> str:
        """The lattice in words."""
        by_unit: dict[str, list[str]] = {}
        for name, unit in self.multiple.items():
            by_unit.setdefault(str(unit), []).append(name)
        return "; ".join(
            f"{' and '.join(names)} {'multiples' if len(names) > 1 else 'a multiple'} of {unit}"
            for unit, names in by_unit.items()
        )

    def form(self, counts: Sequence[int]) -> Polynomial:
        """The polynomial through these counts, in the sizes themselves: h/R where the variable was h over R."""
        on_lattice = interpolate(self.grid, counts)
        return on_lattice.subs({name: symbol(name) / self._unit(unit) for name, unit in self.multiple.items()})

    def _unit(self, unit: str | int) -> Polynomial | int:
        if isinstance(unit, int):
            return unit
        return symbol(unit) if unit in self.degrees else self.free[unit][0]

    def _sizes(self, point: Sizes, free: Sizes) -> Sizes:
        known = {**point, **free}

        def size(name: str) -> int:
            unit = self.multiple.get(name, 1)
            return known[name] * (unit if isinstance(unit, int) else size(unit))

        return {name: size(name) for name in known}


# -- the proof --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Interpolation:
    """A claim that a count is a certain polynomial.

    Args:
        derive: the form that vpcalc derives.
        count: the black box: what a counter says at given sizes.
        domain: where it is counted.
        printed: the form as the source prints it, in any spelling that :mod:`vpcalc.algebra.parser` reads; empty
            where the source prints none.
        rename: the source's letters, where they are not ours.
        corrected: where what the source prints is known to be wrong: what it should be.
    """

    derive: Callable[[], Polynomial]
    count: Callable[[Sizes], int]
    domain: Domain
    printed: str = ""
    rename: Mapping[str, str] = field(default_factory=dict)
    corrected: str = ""

    def settle(self) -> Outcome:
        """Count, recover, compare, and try the points beyond."""
        counts = [self.count(sizes) for sizes in self.domain.on_grid()]
        return self.judge(counts, [self.count(sizes) for sizes in self.domain.beyond()])

    def replay(self, evidence: Mapping[str, Any]) -> Outcome:
        """Judge recorded counts. They have to be of the points at which this claim is counted."""
        try:
            beyond = [dict(entry["at"]) for entry in evidence["held_out"]]
            counts, others = list(evidence["counts"]), [entry["count"] for entry in evidence["held_out"]]
            nodes = {name: list(side) for name, side in evidence["grid"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise unreadable(error) from None
        if not all(type(number) is int for number in (*counts, *others)):
            raise InputError("certificate: counts must be whole numbers")
        if (
            nodes != self.domain.grid
            or beyond != self.domain.beyond()
            or len(counts) != len(self.domain.on_grid())
        ):
            raise InputError("certificate: counted at other points than this version of the claim; prove it anew")
        return self.judge(counts, others)

    def judge(self, counts: Sequence[int], beyond: Sequence[int]) -> Outcome:
        """The verdict on these counts, on the grid and beyond it."""
        recovered, derived = self.domain.form(counts), self.derive()
        printed = parse(self.printed, self.rename) if self.printed else derived
        verdict, note = Finding.IDENTIFIED, self.domain.hypothesis
        missed = self._missed(recovered, beyond)
        if missed:
            verdict, note = Finding.REFUTED, f"not a polynomial of these degrees: {missed}"
        elif recovered != derived:
            verdict, note = Finding.UNSETTLED, f"the derived form: {explain(differences(recovered, derived))}"
        elif recovered != printed:
            known = bool(self.corrected) and parse(self.corrected, self.rename) == recovered
            verdict = Finding.CORRECTED if known else Finding.REFUTED
            note = f"as printed: {explain(differences(recovered, printed))}"
        return Outcome(
            "interpolation",
            verdict,
            str(recovered),
            len(counts),
            len(beyond),
            note,
            self.domain.condition,
            evidence=self._evidence(recovered, derived, printed, counts, beyond),
        )

    def _missed(self, recovered: Polynomial, beyond: Sequence[int]) -> str:
        """The first held-out point at which the polynomial does not give the count."""
        for sizes, counted in zip(self.domain.beyond(), beyond, strict=True):
            expected = recovered.subs(sizes)
            if expected != counted:
                where = ", ".join(f"{name} = {size}" for name, size in sizes.items())
                return f"at {where} it gives {expected}, the count is {counted}"
        return ""

    def _evidence(
        self,
        recovered: Polynomial,
        derived: Polynomial,
        printed: Polynomial,
        counts: Sequence[int],
        beyond: Sequence[int],
    ) -> dict[str, Any]:
        sizes = self.domain.beyond()
        return {
            "degrees": dict(self.domain.degrees),
            "lattice": dict(self.domain.multiple),
            "grid": self.domain.grid,
            "draws": DRAWN,
            "error_bound": self.domain.chance.spelled,
            "free": {name: list(values) for name, values in self.domain.free.items()},
            "counts": list(counts),
            "held_out": [{"at": dict(at), "count": count} for at, count in zip(sizes, beyond, strict=True)],
            "recovered": Form(recovered).to_dict(),
            "derived": Form(derived).to_dict(),
            **({"printed": self.printed, "read": Form(printed).to_dict()} if self.printed else {}),
            "differences": [
                {
                    "term": Form(d.term).to_dict(),
                    "counted": Form(d.ours).to_dict(),
                    "claimed": Form(d.theirs).to_dict(),
                }
                for d in (
                    *differences(recovered, derived),
                    *(differences(recovered, printed) if self.printed else ()),
                )
            ],
        }


# -- the black box ----------------------------------------------------------------------------------

PRODUCTS = ("linear", "matmul", "conv")
"""fvcore's names of what counts as multiply-accumulates, for the reference modules."""

PASSES = frozenset(
    (
        "layer_norm",
        "group_norm",
        "batch_norm",
        "adaptive_avg_pool2d",
        "upsample_bilinear2d",
        "upsample_nearest2d",
        "grid_sampler",
    )
)
"""What fvcore prices and is no product."""


def unreadable(error: Exception) -> InputError:
    """An error for recorded evidence that is not what was recorded."""
    return InputError(f"certificate: the evidence is not readable ({error!r})")


def counted(
    make: Callable[[], Any], quantity: Quantity = Quantity.MACS, operators: Sequence[str] = PRODUCTS
) -> int:
    """What fvcore says of a reference module, built on the meta device.

    Args:
        make: builds the module and its inputs (:class:`vpcalc.reference.Witness`).
        quantity: multiply-accumulates or parameters.
        operators: the operators whose multiply-accumulates are added.

    Raises:
        ValueError: the module runs an operator that this count would leave out in silence.
    """
    if quantity is Quantity.PARAMS:
        return sum(p.numel() for p in _on_meta(make).module.parameters() if p.requires_grad)
    by_operator = counted_by_operator(make)
    return sum(by_operator.get(operator, 0) for operator in operators)


def counted_by_operator(make: Callable[[], Any]) -> Mapping[str, int]:
    """The multiply-accumulates of :func:`counted`, operator by operator."""
    from ..counters.fvcore import count

    witness = _on_meta(make)
    counts = count(witness.module, witness.inputs)
    if unknown := _left_out(counts):
        raise ValueError(f"the count would leave out {', '.join(unknown)}")
    return counts.flops


def _on_meta(make: Callable[[], Any]) -> Any:
    import torch

    from ..counters.remembered import Remembering

    with torch.device("meta"), Remembering():
        return make()


def _left_out(counts: Counts) -> list[str]:
    return sorted((HIDES_PRODUCTS & set(counts.unpriced)) | (set(counts.flops) - PASSES - set(PRODUCTS)))
