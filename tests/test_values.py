"""What is known of values that a meta tensor has not: held against the values of the same program on the CPU."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import vpcalc
from vpcalc.algebra.floors import ceil_div, floor_div
from vpcalc.algebra.polynomial import symbols
from vpcalc.execution.listed import Listed
from vpcalc.execution.patterns import Halves
from vpcalc.execution.program import Fixed, Input, Inputs, built_on_meta
from vpcalc.execution.values import Alike, Knowing, Rising, known, pattern

from .pace import mostly_slow

(N,) = symbols("N")
ROWS = (Input((1, "N", 8)),)


def fixed(make: Callable[[], nn.Module], inputs: tuple[Input, ...]) -> Fixed:
    return Fixed(built_on_meta(lambda _: (make(), ()), [{}]), Inputs(inputs))


def spelled(found: Alike | Rising | Listed, like: Tensor) -> Tensor:
    """The tensor that is meant."""
    if isinstance(found, Listed):
        return torch.tensor(found.tolist())
    if isinstance(found, Alike):
        is_fraction = isinstance(found.number, Fraction)
        return torch.full(like.shape, float(found.number) if is_fraction else int(found.number))
    side = like.shape[found.axis]
    values = torch.arange(side) + found.first
    return values.reshape(side, *[1] * (-1 - found.axis)).expand(like.shape)


def step(x: Tensor, rng: random.Random) -> Any:
    """Something that programs do with positions and masks."""
    number = rng.randrange(-2, 3)
    axis = rng.randrange(-x.dim(), x.dim()) if x.dim() else 0
    choices = [
        lambda: x + number,
        lambda: number + x,
        lambda: x - number,
        lambda: x.unsqueeze(rng.randrange(0, x.dim() + 1)),
        lambda: x.long(),
        lambda: x.bool(),
        lambda: x.float(),
        lambda: x.to(torch.int32),
        lambda: x == number,
        lambda: x != number,
        lambda: x >= number,
        lambda: x.all(),
        lambda: x.any(),
        lambda: x * number,
        lambda: x.reshape(1, -1),
        lambda: x.clone().add_(1),
        lambda: torch.logical_not(x),
        lambda: x.max(),
        lambda: x.min(),
        lambda: x.sum(axis) if x.dim() else x,
        lambda: x.sum(),
        lambda: 3 - x,
        lambda: x / 4,
        lambda: x / torch.tensor(7),
        lambda: torch.ceil(x / 4),
        lambda: torch.floor((x - number) / 3),
        lambda: x + torch.arange(x.shape[-1]) if x.dim() else x,
        lambda: x.expand(2, *x.shape),
        lambda: x.transpose(0, axis) if x.dim() else x,
        lambda: x.repeat(2, *[1] * x.dim()),
        lambda: x.repeat([2] * x.dim()),
        lambda: x // 2,
        lambda: x % 3,
        lambda: x < x.flip(-1) if x.dim() else x,
        lambda: x * x,
        lambda: x - x.min(),
        lambda: torch.minimum(x, x * number),
        lambda: torch.as_tensor(x.tolist()),
    ]
    if x.dim():
        choices += [
            lambda: x[..., : rng.randrange(1, 4)],
            lambda: x[:, None] if x.dim() > 1 else x[None],
            lambda: x[rng.randrange(-1, 1)],
            lambda: x[..., rng.randrange(-1, 1)],
            lambda: x.diff(dim=axis, prepend=x.narrow(axis, 0, 1) - rng.randrange(0, 2)),
            lambda: x.cumsum(axis),
            lambda: x[..., rng.randrange(0, 2) :],
            lambda: x.flatten(),
            lambda: x.flip(axis),
            lambda: x.max(axis).values,
            lambda: x.prod(axis),
            lambda: x.diff(dim=axis),
            lambda: torch.cat((x, x), axis),
            lambda: torch.stack((x, x + number), axis),
            lambda: torch.nn.functional.pad(x, (rng.randrange(-1, 2), 1), value=number),
            lambda: torch.repeat_interleave(x.flatten(), (x.flatten() % 3).long()),
            lambda: x.unbind(axis)[0],
            lambda: x.split(1 + (number == 2), axis)[-1],
            lambda: x.chunk(2, axis)[0],
            lambda: x.split((1, x.shape[axis] - 1), dim=axis)[1],
        ]
    return rng.choice(choices)()


@pytest.mark.quick(200)
@pytest.mark.parametrize("seed", range(600))
def test_what_is_known_is_true(seed: int) -> None:
    rng = random.Random(seed)
    learnt = 0
    with Knowing():
        x = rng.choice(
            (
                lambda: torch.arange(rng.randrange(1, 6)),
                lambda: torch.arange(2, 7),
                lambda: torch.zeros(2, 3),
                lambda: torch.ones(3, dtype=torch.long),
                lambda: torch.full((2, 2), 3),
                lambda: torch.tensor(4),
                lambda: torch.arange(3).expand(2, 3),
                lambda: torch.tensor([3, 1, 4, 1, 5]),
                lambda: torch.tensor([[2, 7, 1], [8, 2, 8]], dtype=torch.int32),
                lambda: torch.tensor([[1, 24, 26]]),
            )
        )()
        for _ in range(8):
            if x.numel() == 0 or x.numel() > 500:
                break
            found = known(x)
            if found is not None:
                learnt += 1
                with torch._C.DisableTorchFunction():
                    if isinstance(found, Alike) and isinstance(found.number, Fraction):  # up to its rounding
                        assert torch.allclose(x.double(), spelled(found, x).double()), found
                        assert not (x == x.round()).any()
                    else:
                        assert torch.equal(x.double(), spelled(found, x).double()), found
            try:
                x = step(x, rng)
            except RuntimeError:  # torch does not take this of these
                break
    assert learnt, "every start is known"


INF = float("inf")


def mask_step(x: Tensor, rng: random.Random) -> Tensor:
    """Something that programs do with masks of what comes before."""
    number, diagonal = rng.choice((0, 1, -1, -INF)), rng.randrange(-2, 3)
    other = torch.triu(torch.ones(x.shape[-1], x.shape[-1]), diagonal=rng.randrange(-1, 2)).bool()
    steps: list[Callable[[], Tensor]] = [
        lambda: torch.triu(x, diagonal),
        lambda: torch.tril(x, diagonal),
        lambda: x * number,
        lambda: x == number,
        lambda: x != number,
        lambda: x <= other,
        lambda: torch.logical_not(x),
        lambda: ~x,
        lambda: x.float(),
        lambda: x.bool(),
        lambda: x.transpose(-1, -2),
        lambda: x.clone().masked_fill(other, number),
        lambda: x.float().clone().masked_fill_(other, number),
        lambda: torch.where(other, x, 1),
        lambda: x.unsqueeze(0).expand(2, -1, -1)[0],
    ]
    return rng.choice(steps)()


@pytest.mark.parametrize("seed", range(300))
def test_masks_are_what_is_known_of_them(seed: int) -> None:
    rng = random.Random(seed)
    side = rng.choice((1, 2, 40))
    with Knowing():
        x = torch.triu(torch.full((side, side), rng.choice((1.0, -INF))), diagonal=1)
        assert pattern(x) is not None
        for _ in range(6):
            found = pattern(x)
            if isinstance(found, Halves):
                with torch._C.DisableTorchFunction():
                    rows = torch.arange(side)
                    is_above = (rows[None] - rows[:, None] >= found.diagonal).expand(x.shape)
                    assert torch.equal(x.double(), torch.where(is_above, found.above, found.below).double())
            if isinstance(known(x), Alike):
                assert (x.double() == float(known(x).number)).sum() == x.numel()  # type: ignore[union-attr]
            with suppress(RuntimeError, TypeError):  # torch does not take this of these
                x = mask_step(x, rng)


@pytest.mark.parametrize("relation", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_places_compared_with_a_number(relation: str) -> None:
    for side in (1, 4, 300):
        for number in (-1, 0, 2, side - 1, side):
            with Knowing():
                found = getattr(torch, relation)(torch.arange(side), number)
                answers = [known(x) for x in (found.all(), found.any(), (~found).all(), (~found).any())]
            truth = getattr(torch, relation)(torch.arange(side), number)
            expected = [truth.all(), truth.any(), (~truth).all(), (~truth).any()]
            assert answers == [Alike(bool(x)) for x in expected], (side, number)


class Asking(nn.Module):
    """Questions about positions that only their number decides."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1], device=x.device)
        if not (places >= 0).all():
            x = self.linear(x)
        if (places == 5).any():
            x = self.linear(x)
        if (~(places < 900)).any():
            x = self.linear(x)
        return self.linear(x)


def test_questions_about_places_have_regimes() -> None:
    found = vpcalc.derive(Asking, "1,N,8").to_dict()
    forms = {regime["when"]["text"]: regime["macs"]["text"] for regime in found["regimes"]}
    assert forms == {"N ≥ 901": "192N", "6 ≤ N ≤ 900": "128N", "N ≤ 5": "64N"}
    assert found["complete"]


def _masked(n: int, device: Any) -> Tensor:
    before = (torch.triu(torch.ones(n, n, device=device)) == 1).transpose(0, 1)
    return before.float().masked_fill(before == 0, -INF).masked_fill(before == 1, 0.0)


CAUSAL: dict[str, Callable[[int, Any], Tensor]] = {
    "torch's own": lambda n, device: nn.Transformer.generate_square_subsequent_mask(n, device=device),
    "of ones": lambda n, device: torch.triu(torch.ones(n, n, device=device) * -INF, diagonal=1),
    "of truths": lambda n, device: torch.triu(torch.ones(n, n, device=device), diagonal=1).bool(),
    "denied": lambda n, device: ~torch.tril(torch.ones(n, n, dtype=torch.bool, device=device)),
    "filled": _masked,
}


class Causal(nn.Module):
    """An encoder that torch asks whether its mask is causal."""

    def __init__(self, mask: Callable[[int, Any], Tensor]) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)
        self.encoder, self.mask = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False), mask

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x, mask=self.mask(x.shape[1], x.device))


@pytest.mark.parametrize("name", mostly_slow(CAUSAL, quick=2))
def test_a_causal_encoder_is_executed(name: str) -> None:
    found = vpcalc.derive(lambda: Causal(CAUSAL[name]), "1,N,16").to_dict()
    assert found["verdict"] == "executed"
    assert [regime["macs"]["text"] for regime in found["regimes"]] == ["32N² + 2048N"]


def test_a_mask_that_is_none_of_before_is_not_guessed() -> None:
    with Knowing(), torch.device("meta"):
        mask, other = (torch.triu(torch.full((9, 9), -INF), diagonal=k) for k in (1, 2))
        assert known((mask == other).all()) is None
        mask[0, 0] = 1
        assert pattern(mask) is None


def test_what_is_written_into_is_forgotten() -> None:
    with Knowing():
        x = torch.zeros(3, 3, dtype=torch.long)
        row = x[0]
        assert known(row) == Alike(0)
        row.fill_(1)  # by a view
        assert known(x) is None
        y = torch.zeros(3)
        y[1] = 5
        assert known(y) is None
        z = torch.zeros(3)
        z.data.fill_(1)  # leaves no trace
        assert known(z) is None
        w = torch.zeros(3)
        w += 1
        assert known(w) is None


class Packed(nn.Module):
    """Looks whether its positions jump, as the masks of decoders do, and takes other work if they do."""

    def __init__(self, start: int = 0, jump: int = 0) -> None:
        super().__init__()
        self.start, self.jump = start, jump
        self.l = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        at = torch.arange(self.start, self.start + x.shape[1]).unsqueeze(0)
        steps = torch.diff(at, prepend=at[:, :1] - 1 - self.jump, dim=-1)
        packed = (steps != 1).cumsum(-1)
        if (packed[:, -1] == 0).all():
            return self.l(x)
        return self.l(self.l(x))


def test_positions_that_do_not_jump() -> None:
    program = fixed(Packed, ROWS)
    for n in (1, 5, 211):
        found = program.execute({"N": n})
        assert (found.error, found.macs) == (None, 64 * N)
        assert not list(found.path), "true at every size"
        assert program.counts({"N": n}).macs == 64 * n
    assert Packed()(torch.ones(1, 5, 8)).shape == (1, 5, 8)


def test_shorter_floats_round() -> None:
    """In half precision 2048 + 1/3 is a whole number."""
    with Knowing():
        third = torch.tensor(6145) / 3
        assert known(third) is not None
        assert known(third.to(torch.float16)) is None
        assert known(torch.ceil(third)) == Alike(2049)


def test_what_is_not_known_is_not_guessed() -> None:
    found = fixed(lambda: Packed(jump=1), ROWS).execute({"N": 5})
    assert "item() cannot be called on meta tensors" in str(found.error)


class Longest(nn.Module):
    """A table that grows with the last position, which is asked for as a number."""

    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        at = torch.arange(x.shape[1], device=x.device)
        longest = (at.max() + 1).item()
        return self.l(x) if longest > 100 else self.l(x[:, : longest // 2])


def test_a_number_that_is_read_has_its_form() -> None:
    program = fixed(Longest, ROWS)
    found = program.execute({"N": 300})
    assert found.macs == 64 * N
    assert [(noted.guard.form, noted.outcome) for noted in found.path] == [(N - 101, True)]
    small = program.execute({"N": 41})
    assert small.macs.at({"N": 41}) == program.counts({"N": 41}).macs == 64 * 20


class Thirds(nn.Module):
    """As many rows as ``torch.div`` says, of a number and of a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        rows: Any = x.shape[1]
        third = int(torch.div(rows, 3, rounding_mode="floor"))
        negative = torch.div(torch.tensor(-rows), 4, rounding_mode="floor").item()
        return self.l(x[:, :third]).sum() + self.l(x[:, : -int(negative)]).sum()


def test_a_rounded_quotient_has_its_form() -> None:
    found = fixed(Thirds, ROWS).execute({"N": 41})
    assert not found.held
    assert found.macs == 64 * (floor_div(N, 3) + ceil_div(N, 4))


class Ambiguous(nn.Module):
    """Asks a tensor for its truth that has one element at one size only."""

    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.l(x) if torch.ones(x.shape[1]) == 1 else x


def test_only_one_element_has_a_truth() -> None:
    program = fixed(Ambiguous, ROWS)
    one, more = program.execute({"N": 1}), program.execute({"N": 3})
    assert (one.error, one.macs) == (None, 64 * N)
    assert [(noted.guard.form, noted.outcome) for noted in one.path] == [(N - 1, True)]
    assert more.error is not None
    with pytest.raises(RuntimeError):
        program.counts({"N": 3})


class Strided(nn.Module):
    """A convolution that pads what its last window lacks, by numbers that are kept as tensors: codecs do."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 4, kernel, stride)
        self.register_buffer("kernel", torch.tensor(kernel))
        self.register_buffer("stride", torch.tensor(stride))
        self.register_buffer("total", torch.tensor(kernel - stride))

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[-1]
        frames = torch.ceil((length - self.kernel + self.total) / self.stride + 1).to(torch.int64) - 1
        extra = frames * self.stride + self.kernel - self.total - length
        return self.conv(torch.nn.functional.pad(x, (self.total, extra)))


@pytest.mark.parametrize(("kernel", "stride"), [(7, 1), (8, 4), (16, 8), (10, 5)])
def test_paddings_that_are_tensors_have_forms(kernel: int, stride: int) -> None:
    """Of every size ⌈N/stride⌉ windows, as many as a run with values has."""
    program = fixed(lambda: Strided(kernel, stride), (Input((1, 1, "N")),))
    found = program.execute({"N": 211})
    assert found.error is None, found.error
    for n in (1, 2, 7, 16, 100, 211, 4096):
        real = Strided(kernel, stride)(torch.zeros(1, 1, n))
        assert found.macs.at({"N": n}) == real.numel() * kernel == program.counts({"N": n}).macs


class Asks(nn.Module):
    """A value that decides, in one of the ways in which it can be asked for."""

    def __init__(self, ask: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.ask = ask

    def forward(self, x: Tensor) -> Tensor:
        try:
            asked = self.ask(torch.arange(x.shape[1]))
        except BaseException:  # it takes a failure for an answer
            asked = False
        return x @ x.mT if asked else x


@pytest.mark.parametrize(
    ("ask", "asks"),
    [
        (lambda row: row.shape[0] > 3, False),
        (lambda row: (row[None].to("cpu") >= 0).view(-1)[:4].sum().dim() == 0, False),
        (lambda row: (row >= 0).all(), True),
        (lambda row: int(row[-1]) == 8, True),
        (lambda row: torch.zeros(row.max()).shape[0] == 8, True),
        (lambda row: row[: row.max()].shape[0] == 8, True),
        (lambda row: row[:2].tolist() == [0, 1], True),
    ],
)
def test_values_are_followed_of_what_asks_for_them(ask: Callable[[Tensor], Any], asks: bool) -> None:
    """A program that does not is watched only, which takes half the time, and one that does is counted again."""
    program = fixed(lambda: Asks(ask), ROWS)
    assert program.counts({"N": 9}).macs == program.execute({"N": 9}).macs.at({"N": 9}) == 9 * 9 * 8
    assert program.asks is asks
