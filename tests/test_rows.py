"""Rows of the comparison beyond the usual six: over the same grid, each checked like them."""

from __future__ import annotations

import torch

import vpcalc
from vpcalc.reference.linear_attention import LinearAttention

MORE = ["msa", "linear_attention", "retention_recurrent", "retention_chunkwise", "recurrent", "recurrent_lstm"]
MORE += ["recurrent_gru", "conv", "depthwise_conv", "ffn"]


def test_every_row_agrees_with_its_module() -> None:
    found = vpcalc.compare(6, 8, 32, rows=MORE, chunk=12)
    assert [row.report.verdict.value for row in found.rows if row.report] == ["agrees"] * len(MORE)
    point = {"h": 6, "w": 8, "C": 32, "a": 1, "b": 12, "k": 3, "r": 4}
    for row in found.rows:
        assert eval(row.form.python, {}, point) == row.to_dict()["macs"]


def test_a_sequence_layer_runs_over_the_grid() -> None:
    forms = {row.id: str(row.form) for row in vpcalc.compare(6, 8, 32, rows=MORE, check=False).rows}
    assert forms["recurrent"] == "2hwC²"
    assert forms["recurrent_lstm"] == "8hwC²"
    assert forms["linear_attention"] == "4hwC² + 2hwC²/a"
    assert forms["conv"] == "k²hwC²"


def test_a_module_that_would_run_for_ever_is_not_run() -> None:
    found = vpcalc.compare(512, 512, 32, rows=["retention_recurrent", "msa"])
    assert found.ok
    recurrent, msa = found.rows
    assert recurrent.report is not None
    assert msa.report is not None
    assert str(recurrent.report) == "not comparable: not run: the module would take 262,144 steps, one by one"
    assert msa.report.verdict.value == "agrees"
    network = vpcalc.model("lstm", tokens=1_000_000)
    assert network.report is not None
    assert "not run" in str(network.report)
    deep = vpcalc.model("vit_b_16", set={"depth": 1_000_000})
    assert deep.report is not None
    assert "not run" in str(deep.report)


def test_linear_attention_is_attention_with_a_kernel_for_softmax() -> None:
    torch.manual_seed(0)
    module = LinearAttention(8, 2).double()
    x = torch.randn(1, 5, 8, dtype=torch.float64)
    q, k, v = (part.reshape(1, 5, 2, 4).transpose(1, 2) for part in module.qkv(x).chunk(3, dim=-1))
    q, k = torch.nn.functional.elu(q) + 1, torch.nn.functional.elu(k) + 1
    weights = q @ k.transpose(-2, -1)
    mixed = (weights / weights.sum(-1, keepdim=True)) @ v
    torch.testing.assert_close(module(x), module.proj(mixed.transpose(1, 2).reshape(1, 5, 8)))
