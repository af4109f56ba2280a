"""Targets as people name them: model types and classes of transformers, and what was built of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

pytest.importorskip("transformers")

from vpcalc.algebra import symbols
from vpcalc.answers.derive import derive
from vpcalc.checks.targets import find_target
from vpcalc.errors import InputError

(N,) = symbols("N")

TINY: Mapping[str, object] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


@pytest.mark.parametrize(
    ("name", "built"),
    [
        ("bert", "transformers' BertModel, without a head"),
        ("BertModel", "transformers' BertModel, without a head"),
        ("BertForTokenClassification", "transformers' BertForTokenClassification, with its head"),
        ("GPT2LMHeadModel", "transformers' GPT2LMHeadModel, with its head"),
        ("siglip_vision_model", "transformers' SiglipVisionModel, without a head"),
        ("groupvit_text_model", "transformers' GroupViTTextModel"),
        ("depth_anything", "transformers' DepthAnythingForDepthEstimation, with its head"),
    ],
)
def test_the_class_is_named(name: str, built: str) -> None:
    assert find_target(f"transformers:{name}", "1,N").built == built


def test_a_head_is_counted_where_it_was_asked_for() -> None:
    """A head for pairs of answers: 2 rows of 16 at each token."""
    without, answers = (
        derive(f"transformers:{name}", "1,N", TINY) for name in ("bert", "BertForQuestionAnswering")
    )
    assert without.macs is not None
    assert answers.macs is not None
    pooler = 16 * 16
    assert answers.macs.polynomial - without.macs.polynomial == 32 * N - pooler
    assert answers.to_dict()["built"].startswith("transformers' BertForQuestionAnswering")
    assert "BertForQuestionAnswering, with its head" in " ".join(answers.tables()[0].notes)


@pytest.mark.quick(4)
@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("bertforquestionanswering", "BertForQuestionAnswering"),
        ("llamaforcausallm", "LlamaForCausalLM"),
        ("owlvit_vison_model", "owlvit_vision_model"),
        ("BertPreTrainedModel", "Bert"),
        ("AutoModel", "Model"),
        ("pipeline", ""),
        ("_x", None),
        ("utils.hub", None),
    ],
)
def test_an_unknown_name_gets_the_nearest(name: str, near: str | None) -> None:
    hint = "it has .* others" if near is None else f"did you mean .*{near}"
    with pytest.raises(InputError, match=rf"'{re.escape(name)}' is not known; {hint}") as caught:
        find_target(f"transformers:{name}", "1,N")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "shape", "limits"),
    [
        ("whisper", "1,80,3000;1,T", {"T": 448}),
        ("led", "1,S;1,T", {"S": 16384, "T": 1024}),
        ("clip", "input_ids=1,N;pixel_values=1,3,224,224", {"N": 77}),
        ("PerceiverForMaskedLM", "1,N:long", {"N": 2048}),
        ("perceiver", "1,N,768", {"N": None}),
        ("wav2vec2", "1,N", {"N": None}),
    ],
)
def test_limits_of_configurations(name: str, shape: str, limits: Mapping[str, int | None]) -> None:
    found = {v.name: v.limit for v in find_target(f"transformers:{name}", shape).variables}
    assert found == limits
