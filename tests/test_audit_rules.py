"""The audit's arithmetic: closed forms, recordings, and rules held against the counters that need no extra."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests import audit_zoo
from vpcalc.auditing import exact, graph, record, terms
from vpcalc.auditing.calls import Call, Height, Recording, Submodule, dump, load
from vpcalc.auditing.peers import PEERS, Charge, flop_counter_mode, fvcore, thop
from vpcalc.auditing.peers.peer import Hooks, visits
from vpcalc.auditing.reasons import Verdict
from vpcalc.auditing.reconcile import reconcile, short
from vpcalc.checks.shapes import parse_inputs
from vpcalc.counters.dispatch import count
from vpcalc.counters.given import TYPES
from vpcalc.reference import LAYER_WITNESSES, MODEL_WITNESSES

# -- closed forms ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "text", "macs"),
    [
        (terms.linear(197, 768, 768), "NC²", 197 * 768**2),
        (terms.linear(197, 768, 3072), "N·c_in·c_out", 197 * 768 * 3072),
        (terms.linear(1, 4, 7), "c_in·c_out", 28),
        (terms.attention(1, 12, 197, 197, 64, 64), "2N²C", 2 * 197**2 * 768),
        (terms.attention(1, 3, 100, 49, 8, 8), "2SNC", 2 * 100 * 49 * 24),
        (terms.attention(2, 3, 5, 5, 8, 4), "BaN²·d_k + BaN²·d_v", 2 * 3 * 25 * 12),
        (terms.attention(1, 12, 197, 197, 64, 64, 3, 2), "5N²C", 5 * 197**2 * 768),
        (terms.convolution(1, (14, 14), (3, 3), 1, 32), "k²hwC", 9 * 196 * 32),
        (terms.convolution(1, (14, 14), (1, 1), 32, 32), "hwC²", 196 * 32**2),
        (terms.convolution(2, (5, 5), (2, 2), 3, 8), "Bk²hw·c_in·c_out", 2 * 4 * 25 * 24),
        (terms.batched(12, 197, 64, 197), "aN²·d_k", 12 * 197**2 * 64),
        (terms.batched(12, 197, 197, 64), "aN²·d_k", 12 * 197**2 * 64),
        (5 * terms.elements((1, 197, 768)), "5NC", 5 * 197 * 768),
        (
            terms.added(terms.linear(7, 4, 4) * 4, terms.attention(1, 1, 7, 7, 4, 4)),
            "4NC² + 2N²C",
            4 * 112 + 2 * 196,
        ),
    ],
)
def test_a_closed_form_reads_as_papers_write_it(term: terms.Term, text: str, macs: int) -> None:
    assert (term.text, term.macs) == (text, macs)


def test_a_sum_with_one_letter_for_two_numbers_stays_a_number() -> None:
    mixed = terms.added(terms.linear(7, 4, 4), terms.linear(7, 5, 5))
    assert mixed == terms.number(7 * 16 + 7 * 25)


# -- recordings ----------------------------------------------------------------------------------------------


def inputs_of(text: str) -> tuple[torch.Tensor, ...]:
    return tuple(torch.zeros(shape.at({}), dtype=TYPES[shape.dtype or "float32"]) for shape in parse_inputs(text))


def modules() -> dict[str, tuple[nn.Module, tuple[torch.Tensor, ...]]]:
    torch.manual_seed(0)
    found = {name: (getattr(audit_zoo, name)().eval(), inputs_of(text)) for name, text in audit_zoo.ZOO.items()}
    found["vit"] = MODEL_WITNESSES["vit"](
        (32, 32), {"C": 12, "depth": 2, "heads": 3, "P": 8, "r": 2, "classes": 5}
    )
    found["msa"] = LAYER_WITNESSES["msa"](4, 4, 12, 3)
    found["lstm"] = (nn.LSTM(4, 3), (torch.zeros(5, 2, 4),))
    return {name: (module.eval(), inputs) for name, (module, inputs) in found.items()}


MODULES = modules()

RECURRENT = (audit_zoo.Recurrent, nn.LSTM)
"""Their backward kernel is prepared in training only."""


@pytest.fixture(scope="module", params=MODULES)
def case(request: Any) -> Any:
    return MODULES[request.param]


def test_a_run_and_a_graph_hold_what_is_dispatched(case: Any) -> None:
    module, inputs = case
    macs = count(module, inputs).macs
    for grad in (True, False):
        run, counts = record.record(module, inputs, {}, grad=grad)
        assert run.macs == counts.macs == macs
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert graph.record(module, inputs, grad=grad).macs == macs


def test_hooks_change_the_way_and_not_the_total() -> None:
    module, inputs = MODULES["Fused"]
    plain, _ = record.record(module, inputs, {}, grad=False)
    hooked, _ = record.record(module, inputs, {}, grad=False, hooks=Hooks.ALL)
    assert "aten::_transformer_encoder_layer_fwd" in {call.name for call in plain.calls}
    assert "aten::_transformer_encoder_layer_fwd" not in {call.name for call in hooked.calls}
    assert plain.macs == hooked.macs


WITHOUT_FORM = {"aten::_trilinear"}


def test_every_exact_price_has_a_closed_form(case: Any) -> None:
    module, inputs = case
    run, _ = record.record(module, inputs, {}, grad=False)
    for _, call in run.priced():
        term = exact.exact(call)
        assert term.macs == call.macs
        assert term.values or call.name in WITHOUT_FORM, call.name


def test_recording_leaves_nothing_behind() -> None:
    before = {name: getattr(*record.owner(name)) for name in record.PATCHED}
    module, inputs = MODULES["Convolutions"]
    record.record(module, inputs, {}, grad=True)
    with pytest.raises(RuntimeError):
        record.record(module, inputs_of("2,5,8,8"), {}, grad=True)
    assert all(getattr(*record.owner(name)) is function for name, function in before.items())
    assert "matmul" not in vars(torch.Tensor)
    assert not any(child._forward_hooks for child in module.modules())


def test_a_recording_survives_json(case: Any) -> None:
    import json

    module, inputs = case
    run, _ = record.record(module, inputs, {}, grad=True)
    assert load(json.loads(json.dumps(dump(run)))) == run


def test_a_kernel_in_python_is_told_from_the_module() -> None:
    module = nn.Linear(4, 3).to("meta")
    with torch.device("meta"):
        run, _ = record.record(module, (torch.zeros(2, 5, 4),), {}, grad=False)
    (place, operator), *more = run.priced()
    inside = [call.name for call in run.calls if call.height is Height.FUNCTION and call.parent == place]
    assert (operator.name, more) == ("aten::addmm", [])
    assert inside == ["torch.mm"]  # which is why DeepSpeed and ptflops count it twice there


# -- rules against the counters themselves -------------------------------------------------------------------


def predicted(price: Any, recording: Recording) -> int:
    return sum(charge.term.macs for charge in price(recording))


def test_fvcores_rules_are_fvcores(case: Any) -> None:
    from fvcore.nn import FlopCountAnalysis

    module, inputs = case
    for grad in (True, False):
        with torch.set_grad_enabled(grad), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            analysis = FlopCountAnalysis(module, inputs).unsupported_ops_warnings(False)
            figure = analysis.uncalled_modules_warnings(False).total()
            seen = graph.record(module, inputs, grad=grad, hooks=Hooks.NONE if grad else Hooks.ALL)
        assert predicted(fvcore.price, seen) == figure


@pytest.mark.parametrize(
    ("name", "backward"),
    [
        (name, backward)
        for name, (module, _) in MODULES.items()
        for backward in (False, True)
        if not (backward and isinstance(module, RECURRENT))
    ],
)
def test_flop_counter_modes_rules_are_its_own(name: str, backward: bool) -> None:
    module, inputs = MODULES[name]
    with torch.enable_grad():
        figure = flop_counter_mode.measure(module, inputs, {}, backward)
    run, _ = record.record(module, inputs, {}, grad=True, backward=backward)
    assert 2 * predicted(flop_counter_mode.price, run) == figure


def test_the_weights_gradient_of_a_depthwise_convolution_is_priced_times_its_channels() -> None:
    module = nn.Conv2d(32, 32, 3, padding=1, groups=32, bias=False)
    run, _ = record.record(module, (torch.zeros(1, 32, 8, 8, requires_grad=True),), {}, grad=True, backward=True)
    (reason,) = reconcile(flop_counter_mode.price(run), run, run)
    assert reason.verdict is Verdict.PRICED
    assert reason.formula.startswith("k²hwC² + k²hwC instead of 2k²hwC")
    assert reason.macs == 9 * 64 * 32 * 31


@pytest.mark.parametrize("equation", ["bnc,bmc->bnm", "bnc,bcm->bnm", "bhwc,hkc->bhwk", "ij,jk->ik"])
@pytest.mark.parametrize("side", [5, 16, 33])
def test_fvcores_einsum_is_read_from_a_rounded_report(equation: str, side: int) -> None:
    from fvcore.nn import FlopCountAnalysis

    class Einsum(nn.Module):
        def forward(self, *operands: torch.Tensor) -> torch.Tensor:
            return torch.einsum(equation, *operands)

    operands = tuple(torch.zeros([side] * len(part)) for part in equation.partition("->")[0].split(","))
    seen = graph.record(Einsum(), operands, grad=False)
    assert predicted(fvcore.price, seen) == FlopCountAnalysis(Einsum(), operands).total()


# -- from charges to reasons -----------------------------------------------------------------------------------

NESTED = Recording(
    (
        Call(Height.MODULE, "torch.nn.modules.activation.MultiheadAttention", -1, "layers.0.attn"),
        Call(Height.FUNCTION, "torch.bmm", 0, "layers.0.attn"),
        Call(
            Height.OPERATOR,
            "aten::bmm",
            1,
            "layers.0.attn",
            kwargs={"self": (1, 2, 3), "mat2": (1, 3, 4)},
            macs=24,
        ),
        Call(Height.OPERATOR, "aten::mm", 0, "layers.0.attn", kwargs={"self": (5, 2), "mat2": (2, 7)}, macs=70),
        Call(Height.OPERATOR, "aten::mm", -1, "head", kwargs={"self": (5, 2), "mat2": (2, 1)}, macs=10),
    )
)


def verdicts(charges: list[Charge], seen: Recording = NESTED) -> dict[tuple[str, str], int]:
    return {(r.verdict.value, r.operator): r.macs for r in reconcile(charges, seen, seen)}


def test_the_outermost_charge_is_held_against_all_within_it() -> None:
    whole, bmm = Charge(0, terms.number(100)), Charge(1, terms.number(24))
    assert verdicts([whole, bmm]) == {
        ("priced differently", "nn.MultiheadAttention"): 100 - 94,
        ("counted twice", "torch.bmm"): 24,
        ("not counted", "aten::mm"): -10,
    }


def test_what_is_no_product_is_counted_though_it_is_none() -> None:
    softmax = Charge(1, terms.number(9), product=False, why="softmax")
    found = verdicts([softmax, Charge(0, terms.number(94)), Charge(4, terms.number(10))])
    assert found == {("counted though not a product", "torch.bmm"): 9}


def test_a_charge_around_no_product_at_all_is_none_either() -> None:
    calls = (Call(Height.MODULE, "a.Norm", -1, "norm"),)
    assert verdicts([Charge(0, terms.number(5))], Recording(calls)) == {
        ("counted though not a product", "Norm"): 5
    }


def test_a_charge_within_a_kernel_counts_for_its_operator() -> None:
    calls = (
        Call(Height.OPERATOR, "aten::mm", -1, "", kwargs={"self": (5, 2), "mat2": (2, 1)}, macs=10),
        Call(Height.FUNCTION, "torch.mm", 0, ""),
    )
    alone = Charge(1, terms.number(10))
    assert verdicts([alone], Recording(calls)) == {}
    assert verdicts([Charge(0, terms.number(10)), alone], Recording(calls)) == {("counted twice", "torch.mm"): 10}


def test_what_another_mode_runs_is_told_apart_and_the_backward_pass_is_not_counted() -> None:
    other = Recording((Call(Height.NODE, "aten::linear", -1, "", macs=90),))
    back = Call(Height.OPERATOR, "aten::mm", -1, "head", macs=20, backward=True)
    reference = Recording((*NESTED.calls, back))
    reasons = reconcile([Charge(0, terms.number(90))], other, reference)
    assert {(r.operator, r.why): r.macs for r in reasons} == {
        ("(all)", "other operators run as this counter runs the module"): 90 - 104,
        ("aten::mm", "backward"): -20,
    }


def test_what_no_result_needs_is_not_in_the_graph() -> None:
    left = Recording((Call(Height.NODE, "aten::linear", -1, "head", macs=10),))
    for graphed in (left, Recording(())):
        charges = [Charge(place, terms.number(10)) for place, _ in enumerate(graphed.calls)]
        reasons = reconcile(charges, graphed, NESTED)
        assert {(r.verdict.value, r.why) for r in reasons} == {("not counted", "no result needs it")}
        assert sum(r.macs for r in reasons) == graphed.macs - NESTED.macs


@st.composite
def trees(draw: st.DrawFn) -> tuple[Recording, list[Charge]]:
    """A recording of any shape, and any charges for it."""
    calls: list[Call] = []
    for place in range(draw(st.integers(1, 12))):
        parent = draw(st.integers(-1, place - 1))
        height = draw(st.sampled_from([Height.MODULE, Height.FUNCTION, Height.OPERATOR]))
        macs = draw(st.integers(0, 99)) if height is Height.OPERATOR else 0
        calls.append(Call(height, f"call{place}", parent, "", macs=macs))
    one = st.builds(
        Charge,
        st.integers(0, len(calls) - 1),
        st.integers(0, 99).map(terms.number),
        st.booleans(),
        st.just(""),
        st.booleans(),
    )
    return Recording(tuple(calls)), draw(st.lists(one, max_size=12))


@given(trees())
def test_reasons_add_up_to_the_charges_less_the_exact_count(tree: tuple[Recording, list[Charge]]) -> None:
    recording, charges = tree
    reasons = reconcile(charges, recording, recording)
    assert sum(r.macs for r in reasons) == sum(c.term.macs for c in charges) - recording.macs


def test_terms_of_a_reason_add_up_to_it(case: Any) -> None:
    module, inputs = case
    run, _ = record.record(module, inputs, {}, grad=False, hooks=Hooks.ALL)
    for reason in reconcile(thop.price(run), run, run):
        assert sum(term["times"] * term["macs"] for term in reason.terms) == reason.macs
        assert sum(term["times"] for term in reason.terms) == reason.calls
        assert reason.formula
        assert reason.where


def test_a_reason_says_where_with_a_star_for_the_layer() -> None:
    places = tuple(
        Call(Height.OPERATOR, "aten::mm", -1, f"blocks.{n}.mlp2", kwargs={"self": (5, 2), "mat2": (2, 2)}, macs=20)
        for n in range(3)
    )
    (reason,) = reconcile([], Recording(places), Recording(places))
    assert reason.where == "blocks.*.mlp2"
    assert reason.formula == "NC² in each of 3 calls, C = 2, N = 5"


def test_a_module_in_two_places_is_met_twice_and_nothing_below_a_stop() -> None:
    tree = [
        ("", "Root", ""),
        ("a", "List", "a"),
        ("a.0", "Linear", "a.0"),
        ("b", "Stop", "b"),
        ("b.x", "Linear", "b.x"),
    ]
    tree += [("c", "List", "c"), ("c.0", "Linear", "a.0"), ("c.1", "Linear", "a.0")]
    recording = Recording((), tuple(Submodule(*place) for place in tree))
    assert visits(recording)["a.0"] == 2  # named twice by one parent, and met once there
    assert visits(recording, frozenset({"Stop"}))["b.x"] == 0


def test_names_are_shown_as_people_write_them() -> None:
    assert short("torch.nn.functional.softmax") == "F.softmax"
    assert short("torch.Tensor.matmul") == "Tensor.matmul"
    assert short("torch.nn.modules.linear.Linear") == "nn.Linear"
    assert short("my.package.Block") == "Block"
    assert short("aten::mm") == "aten::mm"


def test_every_counter_says_at_which_version_it_was_read() -> None:
    assert len(PEERS) == 9
    assert all(peer.read_at and peer.unit and peer.distributions for peer in PEERS.values())


def test_a_fused_layer_has_the_form_of_its_paper() -> None:
    module = nn.TransformerEncoderLayer(16, 2, 48, batch_first=True).eval()
    run, _ = record.record(module, (torch.zeros(3, 7, 16),), {}, grad=False)
    (_, call), *more = run.priced()
    assert more == []
    assert exact.exact(call).text == "2BN·d_ff·C + 4BNC² + 2BN²C"
