"""The audit from end to end: every counter in a process of its own, and what becomes of it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import vpcalc
from tests.audit_zoo import ZOO
from tests.conftest import Run
from vpcalc.answers.audit import Audit, because
from vpcalc.auditing import process
from vpcalc.auditing.peers import PEERS
from vpcalc.auditing.process import Limits, Status
from vpcalc.auditing.request import subject
from vpcalc.auditing.session import Settings, installed

PLANTED = "tests.planted_counters:"
MISBEHAVING = (
    "GOOD",
    "PRINTING",
    "RAISING",
    "CRASHING",
    "QUITTING",
    "LITTERING",
    "FRACTIONAL",
    "MISUNDERSTOOD",
    "ABSENT",
)


@pytest.fixture(scope="module")
def planted() -> Audit:
    """One small model under counters that misbehave in every way that does not take time."""
    names = [PLANTED + name for name in MISBEHAVING]
    return vpcalc.audit("vit_ti_16", input=32, counters=names, device="meta", jobs=2)


def row(audit: Audit, name: str) -> Any:
    return audit.row(PLANTED + name)


@pytest.mark.slow
def test_a_counter_that_prints_is_a_row_like_any_other(planted: Audit) -> None:
    for name in ("GOOD", "PRINTING"):
        found = row(planted, name)
        assert (found.status, found.difference, found.unexplained) == (Status.OK, 0, 0)
        assert because(found) == "agrees to the unit"


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("RAISING", Status.FAILED, "ValueError: no such thing as a free lunch"),
        ("CRASHING", Status.CRASHED, "killed by SIGSEGV"),
        ("QUITTING", Status.CRASHED, "ended with status 3"),
        ("LITTERING", Status.FAILED, "RuntimeError: and now it stays"),
        ("FRACTIONAL", Status.FAILED, "counted 1.5"),
        ("ABSENT", Status.NOT_INSTALLED, "pip install no-such-distribution-anywhere"),
    ],
)
def test_a_counter_that_fails_is_a_row_that_says_so(planted: Audit, name: str, status: Status, said: str) -> None:
    found = row(planted, name)
    assert found.status is status
    assert found.detail.startswith(said)
    assert found.macs is found.difference is found.unexplained is None
    assert because(found).startswith(f"{status.value}: {said}")


def test_counters_that_are_not_installed_are_one_note(planted: Audit) -> None:
    (table, *_) = planted.tables()
    assert [each[0] for each in table.rows if "ABSENT" in each[0]] == []
    (note,) = (note for note in table.notes if note.startswith("not installed: "))
    assert note == f"not installed: {PLANTED}ABSENT; pip install no-such-distribution-anywhere"


def test_what_a_counter_leaves_behind_is_found(planted: Audit) -> None:
    functions, hooks = row(planted, "LITTERING").leaves[:2]
    assert functions == "1 function still replaced (torch.nn.functional.relu)"
    assert hooks == "1 hook"
    assert row(planted, "GOOD").leaves == ()


def test_a_wrong_rule_is_shown_as_unexplained(planted: Audit) -> None:
    found = row(planted, "MISUNDERSTOOD")
    missed = -sum(reason.macs for reason in found.reasons)
    assert found.difference == 0
    assert found.unexplained == missed > 0
    assert {reason.verdict.value for reason in found.reasons} == {"not counted"}
    counters = planted.tables()[0]
    place = [column.key for column in counters.columns].index("unexplained")
    assert missed in {cells[place] for cells in counters.rows}


def test_the_audit_shows_itself(planted: Audit) -> None:
    fields = json.loads(json.dumps(planted.to_dict()))
    assert fields["exact"]["macs"] == fields["exact"]["closed_form"] == planted.macs
    assert planted.ok
    first, *others = planted.tables()
    assert first.rows[0][0] == "exact"
    assert len(first.rows) == 1 + len(MISBEHAVING) - 1, "one is not installed, which is a note"
    assert row(planted, "ABSENT").status is Status.NOT_INSTALLED
    assert any(f"not installed: {PLANTED}ABSENT; pip install" in note for note in first.notes)
    assert others[-1].title == "What the exact count covers"
    assert "<table>" in planted._repr_html_()


def request(peer: str, **more: object) -> dict[str, object]:
    found = {"target": "msa", "inputs": None, "point": {"h": 4}, "arguments": {"w": 4, "C": 8, "heads": 2}}
    found |= {"device": "meta", "regime": 0, "backward": False, "task": "count", "grad": True}
    return {**found, "peer": PLANTED + peer, **more}


def test_a_counter_that_hangs_is_ended() -> None:
    outcome = process.run(request("HANGING"), Limits(seconds=3))
    assert outcome.status is Status.TIMED_OUT
    assert outcome.detail == "still running after 3 s"
    assert outcome.seconds >= 3


@pytest.mark.slow
def test_a_worker_that_is_started_alone_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    forked = process.run(request("GOOD"), Limits())
    monkeypatch.setattr(process, "_forked", lambda folder, limits: None)
    alone = process.run(request("GOOD"), Limits())
    assert alone.status is Status.OK
    assert alone.result == forked.result


@pytest.mark.slow
def test_other_places_to_import_from_have_another_nursery(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    process.run(request("GOOD"), Limits())
    before = process._nursery
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "another")
    monkeypatch.setenv("COLUMNS", "33")
    process.run(request("GOOD"), Limits())
    assert process._nursery is before
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine.py").write_text("from tests.planted_counters import GOOD as MINE\n", encoding="utf-8")
    outcome = process.run({**request(""), "peer": "mine:MINE"}, Limits())
    assert outcome.status is Status.OK
    assert process._nursery is not before


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs a system that lists processes there")
def test_a_nursery_ends_with_who_started_it() -> None:
    script = (
        "import os, signal\nfrom tests.test_audit import Limits, process, request\n"
        "process.run(request('GOOD'), Limits())\nprint(process._nursery._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    for _ in range(100):
        if not _runs(int(done.stdout)):
            return
        time.sleep(0.1)
    raise AssertionError("it is still there")


def _runs(pid: int) -> bool:
    """Whether a process is there and no zombie that nobody has asked for its status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.slow
def test_a_counter_that_takes_too_much_memory_is_stopped() -> None:
    roomy, tight = Limits(memory=32 << 30), Limits(memory=5 << 30)
    assert process.run(request("HOARDING"), tight).status is Status.OUT_OF_MEMORY
    assert process.run(request("HOARDING"), roomy).status is Status.OK


@pytest.mark.slow
def test_what_is_printed_is_kept_apart_from_the_result() -> None:
    outcome = process.run(request("PRINTING"), Limits())
    assert outcome.status is Status.OK
    assert outcome.printed > 10_000
    assert outcome.result["figure"] == 2 * 2 * (16 * 16 * 8 // 2) + 16 * (3 + 1) * 64


def vpcalc_model(name: str, side: int) -> int:
    return vpcalc.model(name, input=side, check=False).to_dict()["macs"]


# -- the command -------------------------------------------------------------------------------------------


def test_the_command_gives_the_contracts_json(inside: Run) -> None:
    done = inside("audit", "vit_ti_16", "--input", "32", "--counter", "fvcore", "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["command"] == "audit"
    assert found["exact"]["macs"] == found["exact"]["closed_form"] == vpcalc_model("vit_ti_16", 32)
    (counter,) = found["counters"]
    assert counter["name"] == "fvcore"
    assert counter["version"] == version("fvcore")
    assert counter["macs"] - found["exact"]["macs"] == counter["difference"]
    (reason,) = counter["reasons"]
    assert (reason["operator"], reason["calls"]) == ("aten::layer_norm", 25)
    assert reason["verdict"] == "counted though not a product"
    assert reason["macs"] == counter["difference"]
    assert reason["formula"] == "5NC in each of 25 calls, C = 192, N = 5"
    assert counter["unexplained"] == 0


@pytest.mark.slow
def test_strict_turns_an_unknown_operator_into_status_1() -> None:
    audit = vpcalc.audit("tests/audit_zoo.py:Unpriced", input="1,8", counters=["FlopCounterMode"], strict=True)
    assert audit.unknown == audit.to_dict()["coverage"]["unknown"] == {"aten::_fft_r2c": 1}
    assert not audit.ok
    assert replace(audit, strict=False).ok
    assert any("missing from the exact count" in note for note in audit.tables()[0].notes)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["swin_x"], r"model 'swin_x' is not known; did you mean swin_\w"),
        (["vit_b_16", "--counter", "fvcor"], "--counter 'fvcor' is not known; did you mean fvcore"),
        (["vit_b_16", "--counter", "no.such:THING"], "--counter 'no.such:THING': no.such cannot be imported"),
        (["vit_b_16", "--counter", PLANTED + "NOT_A_PEER"], "must be a vpcalc.auditing.peers.Peer"),
        (["vit_b_16", "--input", "0"], "--input 0: must be a whole number from 1 to 65536"),
        (["vit_b_16", "--tokens", "5"], "--tokens 5: vit_b_16 takes --input instead"),
        (["vit_b_16", "--device", "tpu"], "--device 'tpu' is not known"),
        (["vit_b_16", "--jobs", "0"], "--jobs 0: must be a whole number from 1 to 256"),
        (["vit_b_16", "--timeout", "soon"], "--timeout 'soon': must be a whole number"),
        (["vit_b_16", "--memory", "-1"], "--memory '-1': must be a whole number"),
        (["vit_b_16", "--no-grad", "--backward"], "--no-grad: there is no backward pass"),
        (["vit_b_16", "--input", "1,3,H,W"], "--input '1,3,H,W': H must be a number"),
        (["transformers:bert"], "--input: give the size of the input of transformers:bert"),
        (["transformers:bert", "--src", "5"], "--tgt: give both --src and --tgt"),
        (["transformers:bert", "--tokens", "5", "--input", "5"], "--tokens 5: give either --input or --tokens"),
        (["msa", "--input", "7"], "--input 7: msa is a layer"),
        (["msa", "--set", "h=7"], "--set: msa needs w, C, heads"),
        (["vit_b_16", "--set", "C"], "--set 'C': must be NAME=VALUE"),
        (["vit_b_16", "--set", "nope=3"], "setting of vit_b_16 'nope' is not known"),
        (["no_file.py:make", "--input", "8"], "TARGET: no file 'no_file.py'"),
        (["tests/audit_zoo.py:Lines", "--input", "1,5,6"], "TARGET 'tests/audit_zoo.py:Lines' does not run at"),
        (["timm:x", "--against", "4G"], "--against 4G: timm:x has no closed form"),
        (["swin_t", "--against", "lots"], "--against 'lots': must be a figure as it is printed"),
    ],
)
def test_unusable_input_is_one_line_and_status_2(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vpcalc.cli.app import main

    monkeypatch.setattr(sys, "argv", ["vpcalc", "audit", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (2, "")
    assert re.search(said, err), err
    assert err.count("\n") == 1


@pytest.mark.slow
def test_a_module_and_a_function_can_be_audited_as_they_are() -> None:
    from torch import nn

    found = vpcalc.audit(nn.Linear(4, 3), input="5,4", counters=["FlopCounterMode"])
    assert found.macs == found.row("FlopCounterMode").macs == 60
    assert found.target == "Linear"
    with pytest.raises(vpcalc.InputError, match="a int; must be a name"):
        vpcalc.audit(3, input="5,4")


def test_the_command_imports_no_torch_itself() -> None:
    code = "import vpcalc.answers.audit, vpcalc.answers.conventions, vpcalc.testing, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = {name.partition(".")[0] for name in done.stdout.split()}
    assert not names & {"torch", "fvcore", "sympy", "numpy", "rich", "typer", "transformers"}


# -- every counter that is installed --------------------------------------------------------------------------


def explained(audit: Audit) -> None:
    """Every counter that gave a figure is explained to the last multiply-accumulate."""
    rest = {row.peer.name: (row.unexplained, row.difference) for row in audit.rows if row.unexplained}
    assert not rest
    for row in audit.rows:
        there = bool(installed(row.peer))
        assert (row.status is Status.NOT_INSTALLED) is not there
        assert row.status in (Status.OK, Status.FAILED, Status.NOT_INSTALLED), row


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("grad", [True, False])
def test_small_modules_are_explained_whatever_they_do(name: str, grad: bool) -> None:
    audit = vpcalc.audit(f"tests/audit_zoo.py:{name}", input=ZOO[name], grad=grad)
    explained(audit)
    failed = {row.peer.name for row in audit.rows if row.status is Status.FAILED}
    assert not failed


@pytest.mark.by_hand
def test_calflops_keeps_its_functions_after_an_exception() -> None:
    audit = vpcalc.audit("tests/audit_zoo.py:ListOfOperands", input="5,4", counters=["calflops"])
    row = audit.row("calflops")
    assert row.status is Status.FAILED
    assert "has no attribute 'shape'" in row.detail
    assert any("still replaced" in left for left in row.leaves)


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(
    ("target", "size", "macs"),
    [
        ("resnet50", {"input": 224}, 4_089_184_256),
        ("vit_b_16", {"input": 224}, 17_563_828_224),
        ("swin_t", {"input": 224}, 4_490_566_656),
        ("pvt_v2_b2", {"input": 224}, 4_026_734_592),
        ("transformers:bert", {"tokens": 128}, 11_174_215_680),
    ],
)
def test_the_models_that_people_use_are_explained_to_the_last_mac(
    target: str, size: dict[str, int], macs: int, device: str
) -> None:
    pytest.importorskip("transformers")
    audit = vpcalc.audit(target, **size, device=device)
    assert audit.macs == macs
    assert audit.ok
    explained(audit)
    assert not any(row.status is Status.FAILED for row in audit.rows)


@pytest.mark.slow
def test_a_fused_bert_is_explained_and_fvcore_misses_its_attention() -> None:
    pytest.importorskip("transformers")
    audit = vpcalc.audit("transformers:bert", tokens=128, set={"attn_implementation": "sdpa"})
    explained(audit)
    missed = audit.row("fvcore").reasons[0]
    assert missed.operator == "aten::scaled_dot_product_attention"
    assert (missed.verdict.value, missed.calls, missed.macs) == ("not counted", 12, -2 * 12 * 128**2 * 768)
    assert missed.formula == "2N²C in each of 12 calls, C = 768, N = 128"


@pytest.mark.slow
def test_the_backward_pass_of_depthwise_convolutions_is_explained() -> None:
    audit = vpcalc.audit("pvt_v2_b2", input=224, backward=True, counters=["FlopCounterMode", "fvcore"])
    explained(audit)
    counter = audit.row("FlopCounterMode")
    assert counter.macs > 7 * audit.macs
    (reason,) = counter.reasons
    assert reason.why == "the weight's gradient ignores groups"


@pytest.mark.slow
def test_every_counter_has_a_row_installed_or_not() -> None:
    """Without the extra the command does its work; with it, it does more."""
    audit = vpcalc.audit("msa", set={"h": 4, "w": 4, "C": 8, "heads": 2})
    assert [row.peer.name for row in audit.rows] == list(PEERS)
    explained(audit)
    assert {row.peer.name for row in audit.rows if row.status is Status.OK} >= {"fvcore", "FlopCounterMode"}


def test_targets_are_read_without_torch() -> None:
    assert subject("swin_t", input=224).point == {"H": 224, "W": 224}
    assert subject("torchvision:resnet50", input="224x256").point == {"H": 224, "W": 256}
    bert = subject("transformers:bert", input="2,128:long")
    assert (bert.inputs, bert.point) == ("B,128:long", {"B": 2})
    assert subject("msa", arguments={"h": 4, "w": 4, "C": 8, "heads": 2}).point == {"h": 4}
    assert Settings().grad
