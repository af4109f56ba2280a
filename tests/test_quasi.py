"""Forms with floors from counts alone: right at every size, on and off the lattice of the tidy form."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vpcalc.answers.derive import Derivation, derive
from vpcalc.checks.quasi import solve
from vpcalc.counters.dispatch import count


class Parts(nn.Module):
    """A loop over parts of some rows, with a summary of each."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows
        self.l = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.l(part) + self.l(part.mean(0, keepdim=True)) for part in x.split(self.rows)])


class Pairs(nn.Module):
    """All pairs within each part: the last is smaller."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, x: Tensor) -> list[Tensor]:
        return [part @ part.mT for part in x.split(self.rows)]


class Pooled(nn.Module):
    """What does not fill a window is dropped."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.pool, self.l = nn.AvgPool2d(side), nn.Conv2d(3, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.l(self.pool(x))


class PerPart(nn.Module):
    """One summary a part."""

    def forward(self, x: Tensor) -> Tensor:
        means = torch.stack([part.mean(0) for part in x.split(12)])
        return means @ means.mT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: Parts(32), "N,8"),
        (lambda: Parts(7), "N,8"),
        (lambda: Pairs(20), "N,8"),
        (PerPart, "N,8"),
        (lambda: Pooled(5), "1,3,H,W"),
        (lambda: Pooled(14), "1,3,N,28"),
    ],
    ids=["loop", "odd loop", "squares", "of ceilings", "two symbols", "floors"],
)
def test_off_the_lattice(make: Any, shape: str) -> None:
    result = derive(make, shape, counting=True)
    assert isinstance(result, Derivation)
    (regime,) = result.to_dict()["regimes"]
    random = Random(shape)
    last = {name: min(300, size) for name, size in result.found.tried.items()}  # type: ignore[union-attr]
    tried = 0
    for _ in range(40):
        point = {name: random.randint(1, size) for name, size in last.items()}
        if not eval(regime["when"]["python"], {}, dict(point)):
            continue
        sides = [point.get(side, side) for side in shape.split(",")]
        x = torch.zeros([int(side) for side in sides], device="meta")
        counted = count(make().to("meta"), (x,))
        assert eval(regime["macs"]["python"], {}, dict(point)) == counted.macs, point
        assert all(
            form is not None and form.polynomial.at(point) == counted.operators.get(name, 0)
            for name, form in result._forms(result.found.everywhere.operators).items()  # type: ignore[union-attr]
        )
        tried += 1
    assert tried > 20


def test_what_follows_no_rounding_has_no_such_form() -> None:
    class Spiky(nn.Module):
        """A product more where 6 divides, and another where 4 does."""

        def forward(self, x: Tensor) -> Tensor:
            for divisor in (6, 4):
                if x.shape[0] % divisor == 0:
                    x = x @ torch.zeros(8, 8, device=x.device)
            return x

    result = derive(Spiky, "N,8", counting=True)
    assert result.to_dict()["regimes"] == []
    assert result.lattice == {"N": 12}


def test_equations_are_solved_exactly() -> None:
    assert solve([[1, 1], [1, 2], [1, 5]], [3, 4, 7]) == [2, 1]
    assert solve([[3, 0], [6, 0]], [1, 2]) == [Fraction(1, 3), 0]
    assert solve([[1, 1], [1, 2], [1, 5]], [3, 4, 8]) is None
