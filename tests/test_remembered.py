"""What is remembered of meta tensors is what torch says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from vpcalc.counters import remembered
from vpcalc.counters.remembered import Remembering

CALLS: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "product": lambda x, y: x * y,
    "broadcast": lambda x, y: x[:, :1] + y,
    "whole": lambda x, y: (x > 0) * 1,
    "fraction": lambda x, y: (x > 0) * 1.0,
    "truth": lambda x, y: (x > 0) * True,
    "double": lambda x, y: x.double() + y,
    "norm": lambda x, y: torch.nn.functional.layer_norm(x, (6,)),
    "matrix": lambda x, y: x @ y.transpose(-2, -1),
    "strides": lambda x, y: x.transpose(0, 1) + 1,
    "joined": lambda x, y: torch.cat([x, y], dim=-1),
    "made": lambda x, y: x.new_zeros(3, 2),
    "largest": lambda x, y: x.max(dim=-1),
    "view": lambda x, y: x.reshape(-1),
    "split": lambda x, y: x.split(2, dim=-1),
    "written": lambda x, y: x.clone().mul_(y),
    "counted": lambda x, y: torch.arange(5, device=x.device),
}


def like(found: Any) -> list[tuple[Any, ...]]:
    each = found if isinstance(found, (tuple, list)) else (found,)
    return [(one.shape, one.stride(), one.dtype, one.device.type) for one in each]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_what_is_remembered_is_what_torch_says(call: Callable[[Tensor, Tensor], Any]) -> None:
    x, y = (torch.empty(4, 6, device="meta") for _ in range(2))
    plain = like(call(x, y))
    with Remembering():
        assert [like(call(x, y)) for _ in range(3)] == [plain] * 3
        other = like(call(x[:2].half(), y[:2].half()))
        assert [like(call(x[:2].half(), y[:2].half())) for _ in range(2)] == [other] * 2
    assert other == like(call(x[:2].half(), y[:2].half()))


def test_what_is_no_plain_meta_tensor_is_computed() -> None:
    with Remembering():
        assert [float(torch.tensor(2.0) * n) for n in (1, 2, 3)] == [2.0, 4.0, 6.0]
        x = torch.empty(4, device="meta")
        assert x.view(2, 2)._base is x or x.view(2, 2).untyped_storage()._cdata == x.untyped_storage()._cdata
        assert x.mul_(2) is x


def test_it_forgets_before_it_holds_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST", 3)
    monkeypatch.setattr(remembered, "_seen", {})
    with Remembering():
        for n in range(10):
            torch.empty(n + 1, device="meta") + 1
            assert len(remembered._seen) <= 3
