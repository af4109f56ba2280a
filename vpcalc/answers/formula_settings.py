"""The closed form of a model in its settings, too: ``vpcalc formula swin_t --vary C,M,r``.

One run on traced sizes, at the model's own values, gives the form with floors and the decisions that it holds on.
The tidy form is that of values where every floor divides; it comes with what has to divide, and with those
decisions that do not follow from that. Of bytes, how many blocks there are is no size: a form is affine in it as
far as runs at several numbers tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from itertools import product
from math import gcd, lcm
from typing import Any

from ..algebra.boundaries import always
from ..algebra.domains import Domain, Guard, Where, at_least, dividing_on, follows, is_multiple, positive
from ..algebra.exploring import Tape, run_at
from ..algebra.floors import Tidy, floor_div, on_lattice
from ..algebra.polynomial import Polynomial, as_polynomial, symbol
from ..algebra.traced import Traced, UnrolledError, form_of
from ..arrays.forms import line
from ..arrays.regimes import Noting
from ..errors import InputError, unknown
from ..everywhere import Condition, Regime
from ..sweeps.subjects import IN_BYTES, OurModel
from ..symbolic import SYMBOL_OF, Form

Run = Callable[[Mapping[str, Any]], Any]

TRIED = (1, 2, 3, 4, 7, 12)
"""Numbers of blocks at which a form is held against what it is affine in."""


def in_settings(model: OurModel, vary: Sequence[str], quantity: str, everywhere: bool) -> tuple[Regime, str]:
    """The form around a model's own values, in its input's sizes and some settings; and what it rests on.

    With ``everywhere`` it has floors and holds wherever the same decisions are taken; else it is the tidy one. Of
    bytes these are decisions on how tensors lie, too, and on when most of them are live.

    Raises:
        InputError: a name that is not known, or of which no form can be had.
    """
    axes, values = model.architecture.family.axes, model.own_values
    asked = dict.fromkeys(name for each in vary for name in _entries(model, each))
    names = [name for name in asked if name not in axes and name in values]  # sizes are letters anyway
    for name in names:
        if values[name] == 0 and model.architecture.least(name) == 0:
            raise InputError(
                f"--vary {name}: is left out of {model.title}; say around which number, --set {name}=4"
            )
    letters = {name: SYMBOL_OF.get(name, name) for name in (*axes, *names)}
    varied = frozenset(names)

    def at(sizes: Mapping[str, Any]) -> Any:
        return reduce(max, model.figures({**values, **sizes}, varied, (quantity,))[quantity])

    in_bytes = quantity in IN_BYTES  # of which a grid of one window has a form of its own
    blocks = [name for name in names if _is_number_of_rounds(at, name, values[name])]
    sizes = [name for name in letters if name not in blocks]

    def form(rounds: Mapping[str, int]) -> tuple[Polynomial, Domain]:
        back = {letters[name]: name for name in sizes}
        wide = {*axes, "batch"} if in_bytes else set()  # one image is laid out as several are not
        point = {letters[name]: values[name] * (2 if name in wide else 1) for name in sizes}
        tape = Noting(point) if in_bytes else Tape(point)
        try:
            found = at(
                {**rounds, **{back[each]: Traced(size, symbol(each), tape) for each, size in point.items()}}
            )
        except UnrolledError as loop:
            raise InputError(
                f"--vary: it takes {loop}, and {quantity} has no form; vpcalc sweep has its values"
            ) from None
        return form_of(found), tape.domain

    if blocks:
        found, domain, said = _affine(form, {name: letters[name] for name in blocks})
    else:
        (found, domain), said = form({}), ""
    tidy = None if everywhere else on_lattice(found)
    if tidy is not None and in_bytes:  # all that decides is tidy, too, where that is so at the sizes of the run
        strides = _together(tidy.strides, domain.guards)
        own_sizes = {letters[name]: 2 * values[name] if name in axes else values[name] for name in sizes}
        if not any(size % strides.get(letter, 1) for letter, size in own_sizes.items()):
            tidy = tidy._replace(strides=strides)
    own = {letter: values[name] for name, letter in letters.items() if name not in axes}
    if tidy is None or any(own[letter] % step for letter, step in tidy.strides.items() if letter in own):
        return Regime(Condition(Where((Domain(domain.letters, plain(domain.guards)),))), Form(found)), said
    dividing = dividing_on(tidy)
    known = positive(domain.letters)
    tidied = (_tidy(guard, tidy.strides) for guard in plain(domain.guards))
    left = _needed(known, [guard for guard in tidied if not follows(guard, dividing)])
    guards = (*_without_multiples(dividing), *left)
    return Regime(Condition(Where((Domain(domain.letters, guards),))), Form(tidy.form)), said


def _entries(model: OurModel, name: str) -> list[str]:
    """A name, or those of the entries of a list."""
    found = [
        each for each in model.names if each.rpartition("_")[0] == name and each not in model.architecture.config
    ]
    kinds = {each: known.kind for each, known in model.names.items()}
    if name not in kinds or (kinds[name] == "word"):
        raise unknown("--vary: number among the settings", name, [each for each in kinds if kinds[each] != "word"])
    return found if kinds[name] == "list" else [name]


def _is_number_of_rounds(at: Run, name: str, value: int) -> bool:
    """Whether no form can be had in a value, because it says how often something is done."""
    try:
        run_at(lambda traced: at({name: traced["x"]}), {"x": value})
    except TypeError:
        return True
    return False


def _affine(
    form: Callable[[Mapping[str, int]], tuple[Polynomial, Domain]], letters: Mapping[str, str]
) -> tuple[Polynomial, Domain, str]:
    """The form that adds so much for each further round of each name, and how far that was seen.

    Of bytes, the second of equal blocks may be live with what the first has not, and plain and shifted blocks may
    take turns: then it is so from two rounds on, or adds one thing for odd rounds and another for even ones.

    Raises:
        InputError: some number of rounds says otherwise.
    """
    known: dict[tuple[int, ...], tuple[Polynomial, Domain]] = {}
    why: list[str] = []

    def at(rounds: Mapping[str, int]) -> tuple[Polynomial, Domain]:
        key = tuple(rounds[name] for name in letters)
        if key not in known:
            known[key] = form({name: rounds[name] for name in letters})
        return known[key]

    for first, period in product((1, 2), (1, 2)):
        found = _affine_from(at, letters, first, period)
        if not isinstance(found, str):
            tried = ", ".join(str(number) for number in TRIED if number >= first)
            way = "affine in" if period == 1 else "affine, apart for odd and even numbers, in"
            return *found, f"{way} {' and '.join(letters)}: so it is at {tried}"
        why.append(found)
    raise InputError(f"--vary {','.join(letters)}: {max(why, key=len)}; vpcalc sweep has its values")


def _affine_from(
    at: Callable[[Mapping[str, int]], tuple[Polynomial, Domain]],
    letters: Mapping[str, str],
    first: int,
    period: int,
) -> tuple[Polynomial, Domain] | str:
    """The same from some number of rounds on, or why that does not give what runs do.

    What is decided at any number of rounds that is tried has to be so; the larger ones must not ask for more.
    """
    least = dict.fromkeys(letters, first)
    found, domain = at(least)
    guards = dict.fromkeys(domain.guards)
    for name, letter in letters.items():
        for turn in range(period):
            after, before = (at({**least, name: first + turn + more})[0] for more in (1, 0))
            found = found + (after - before) * floor_div(symbol(letter) - (first + turn + 1 - period), period)
    points = [{**least, name: number} for number in range(first, 5) for name in letters]
    tried = [number for number in TRIED if number >= first]
    larger = [{**least, name: number} for name in letters for number in TRIED[4:]]
    larger += [
        {name: tried[(turn * place + turn) % len(tried)] for place, name in enumerate(letters)}
        for turn in (1, 2, 3, 5)
    ]
    for place, point in enumerate((*points, *larger)):
        known = Domain(domain.letters, tuple(guards))
        again, asked = at(point)
        if again != found.subs({letters[name]: number for name, number in point.items()}):
            return "the form is not affine in it"
        if place < len(points):
            guards.update(dict.fromkeys(asked.guards))
        elif not all(guard in guards or _is_weaker(guard, known) for guard in asked.guards):
            return "affine in it, but at other sizes for each number of blocks"
    ranges = [at_least(symbol(letter) - first) for letter in letters.values() if first > 1]
    return found, Domain((*domain.letters, *letters.values()), (*guards, *ranges))


def _is_weaker(guard: Guard, domain: Domain) -> bool:
    """Whether an inequality asks for no more than one of a domain does: its form is not below that one's."""
    others = [each for each in domain.guards if each.form.symbols == guard.form.symbols]
    return any(
        guard.divisor is other.divisor is None and always(domain, at_least(guard.form - other.form))
        for other in others
    )


def plain(guards: Sequence[Guard]) -> tuple[Guard, ...]:
    """6 | 2C as 3 | C, each once."""
    found: dict[Guard, None] = {}
    for guard in guards:
        if guard.divisor is not None and len(guard.form.terms) == 1 and not guard.divisor.symbols:
            step, (number,) = guard.divisor.terms[()], guard.form.terms.values()
            common = gcd(step, number)
            form = Polynomial({monomial: number // common for monomial, number in guard.form.terms.items()})
            guard = Guard(form, as_polynomial(step // common), guard.negated)
        found[guard] = None
    return tuple(found)


def _without_floors(guard: Guard) -> Tidy | None:
    """An inequality where all of it divides; None where that cannot be."""
    if guard.divisor is not None:
        return None
    try:
        return on_lattice(guard.form)
    except ZeroDivisionError:  # something divides by a sum
        return None


def _together(strides: Mapping[str, int], guards: Sequence[Guard]) -> dict[str, int]:
    """What letters are multiples of where a form with these strides and all guards have no floors."""
    found = dict(strides)
    for guard in guards:
        tidy = _without_floors(guard)
        for letter, step in tidy.strides.items() if tidy is not None else ():
            found[letter] = lcm(found.get(letter, 1), step)
    return found


def _needed(known: Domain, guards: Sequence[Guard]) -> list[Guard]:
    """Guards without those that follow from what is known and from bounds of single letters among them."""
    found = list(dict.fromkeys(guards))
    for guard in [*found]:
        bounds = [each for each in found if each != guard and len(each.form.letters) == 1 and each.divisor is None]
        if always(Domain(known.letters, (*known.guards, *bounds)), guard):
            found.remove(guard)
    return found


def _tidy(guard: Guard, strides: Mapping[str, int]) -> Guard:
    """A guard without floors where letters are such multiples, if it has none then."""
    found = _without_floors(guard)
    if found is None or any(strides.get(letter, 1) % step for letter, step in found.strides.items()):
        return guard
    return Guard(found.form * line(found.form), None, guard.negated)


def _without_multiples(guards: Sequence[Guard]) -> list[Guard]:
    """16M | H says nothing beside 32M | H."""
    return [guard for guard in guards if not any(other != guard and is_multiple(other, guard) for other in guards)]
