"""Claims, their proofs, and each verdict once with a mistake that was planted."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcalc.algebra import Polynomial, symbols
from vpcalc.algebra.floors import ceil_div
from vpcalc.algebra.parser import parse
from vpcalc.algebra.polynomial import symbol
from vpcalc.answers.prove import Proof, prove, read_certificate, recheck
from vpcalc.checks.claims import CLAIMS, Claim, claim, complexity, select
from vpcalc.checks.claims.executed import OnEverySize
from vpcalc.checks.crosscheck import Check, Report
from vpcalc.checks.proof import DRAWN, Domain, Interpolation, counted, differences, explain
from vpcalc.errors import InputError
from vpcalc.findings import Finding
from vpcalc.layers import LAYERS
from vpcalc.optional import parallel

from .conftest import Run
from .pace import mostly_slow

h, w, C, M, R = symbols("h w C M R")
MSA = 4 * h * w * C**2 + 2 * (h * w) ** 2 * C


def plan(id: str) -> Interpolation:
    found = CLAIMS[id].way()
    counts = found.lattice if isinstance(found, OnEverySize) else found
    assert isinstance(counts, Interpolation)
    return counts


def toy(
    count: Callable[..., int], form: Polynomial, domain: Domain, printed: str = "", **more: Any
) -> Interpolation:
    """A claim about a Python function in place of a counter."""
    return Interpolation(lambda: form, lambda sizes: count(**sizes), domain, printed, **more)


def msa_count(h: int, w: int, C: int) -> int:
    return 4 * h * w * C**2 + 2 * (h * w) ** 2 * C


CUBE = Domain({"h": 2, "w": 2, "C": 2})


# -- proved -----------------------------------------------------------------------------------------


def test_msa_is_recovered_from_27_counts() -> None:
    outcome = CLAIMS["msa"].settle()
    assert outcome.verdict is Finding.PROVED, outcome.note
    assert outcome.recovered == "4hwC² + 2(hw)²C"
    assert (outcome.method, outcome.points, outcome.held_out) == ("interpolation", 27, 5 + DRAWN)
    assert outcome.domain.startswith("a | C, of h from 1 to 4,096")


QUICK = {
    "sra": Finding.PROVED,
    "ffn": Finding.PROVED,
    "mha": Finding.IDENTIFIED,
    "patch_embedding": Finding.PROVED,
    "patch_merging": Finding.PROVED,
    "conv": Finding.PROVED,
    "recurrent": Finding.IDENTIFIED,
    "lstm_cell": Finding.PROVED,
    "sra_ratio": Finding.PROVED,
}
"""Proved is what a run on symbols and the layers give alike; where the two were not decided to, it is executed."""


@pytest.mark.quick(5)
@pytest.mark.parametrize(
    "id",
    mostly_slow(
        [*QUICK, *(id for id in CLAIMS if CLAIMS[id].kind == "params")], quick=[id for id in QUICK if id != "sra"]
    ),
)
def test_quick_claims_hold(id: str) -> None:
    outcome = CLAIMS[id].settle()
    assert outcome.verdict is QUICK.get(id, Finding.IDENTIFIED), outcome.note


def test_what_rests_on_counts_alone_says_what_is_supposed() -> None:
    outcome = CLAIMS["msa_params"].settle()
    assert outcome.verdict is Finding.IDENTIFIED
    assert outcome.note == (
        "if counts are a polynomial of degree at most 2 in C there; another passes 4 random sizes with a "
        "probability of at most (2/256)^4"
    )


@pytest.mark.slow
@pytest.mark.parametrize("id", [id for id in CLAIMS if id not in QUICK and CLAIMS[id].kind != "layer"])
def test_every_claim_that_ships_holds(id: str) -> None:
    outcome = CLAIMS[id].settle()
    assert outcome.verdict is not Finding.REFUTED, outcome.note


def test_every_layer_claim_states_what_is_parsed() -> None:
    """The statement that a reader sees and the paper's print are two texts: they have to say the same."""
    for entry in CLAIMS.values():
        way = entry.way() if entry.kind in ("complexity", "params") else None
        found = way.lattice if isinstance(way, OnEverySize) else way
        if isinstance(found, Interpolation):
            said = re.split(r":| for ", entry.statement)[0]
            assert parse(said, found.rename) == parse(found.printed, found.rename), entry.id


def test_every_family_has_a_claim() -> None:
    from vpcalc.architectures import ARCHITECTURES

    families = {architecture.family.name for architecture in ARCHITECTURES.values()}
    assert {f"{family}_family" for family in families} <= set(CLAIMS)


@pytest.mark.parametrize("id", mostly_slow((id for id in CLAIMS if CLAIMS[id].kind == "layer"), quick=3))
def test_a_layer_of_which_no_source_speaks_has_a_claim(id: str) -> None:
    assert CLAIMS[id].settle().verdict in (Finding.PROVED, Finding.EXECUTED, Finding.IDENTIFIED)


def test_every_layer_with_a_product_has_a_claim() -> None:
    from vpcalc.cost import Quantity
    from vpcalc.symbolic import layer_on_symbols

    assert {id for id in LAYERS if layer_on_symbols(id).total(Quantity.MACS)} <= set(CLAIMS)


def test_a_family_is_settled_at_every_size() -> None:
    outcome = CLAIMS["resnet_family"].settle()
    assert outcome.verdict is Finding.PROVED, outcome.note
    assert outcome.domain == "every size, of H from 1 to 4,096, W from 1 to 4,096"
    assert outcome.valid == "H and W multiples of 32"
    again = CLAIMS["resnet_family"].replay(outcome.evidence)
    assert (again.verdict, again.domain) == (outcome.verdict, outcome.domain)


def test_layers_that_are_wrong_off_the_lattice_are_unsettled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts on the lattice cannot see it."""
    from vpcalc.architectures import ARCHITECTURES
    from vpcalc.cost import Cost
    from vpcalc.dims import ceil_div, floor_div

    family = type(ARCHITECTURES["resnet18"])
    right = family.cost

    def wrong(self: Any, sizes: Any, config: Any = None, batch: Any = 1) -> Cost:
        off = ceil_div(sizes[0], 32) - floor_div(sizes[0], 32)
        return Cost("wrong", (), (right(self, sizes, config, batch), LAYERS["head"].build(1, 1) * off))

    monkeypatch.setattr(family, "cost", wrong)
    proofs = prove(["resnet_family"])
    (found,) = proofs.to_dict()["claims"]
    assert (found["verdict"], proofs.ok) == ("unsettled", False)
    assert "as the run" in found["note"]


def test_a_form_on_a_lattice_is_written_in_the_papers_symbols() -> None:
    domain = Domain({"h": 1, "C": 1, "R": 1}, {"h": "R"}, {"R": 2})
    outcome = toy(lambda h, C, R: h * C // R, h * C / R, domain, "hC/R").settle()
    assert (outcome.verdict, outcome.recovered) == (Finding.IDENTIFIED, "hC/R")


def test_coefficients_may_be_fractions() -> None:
    domain = Domain({"h": 2}, {"h": 2})
    assert toy(lambda h: h * (h + 1) // 2, h * (h + 1) / 2, domain).settle().verdict is Finding.IDENTIFIED


@given(
    st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 1)), st.integers(-99, 99)),
    st.integers(1, 5),
)
def test_any_polynomial_of_the_degree_is_recovered(terms: dict[tuple[int, int, int], int], step: int) -> None:
    form = Polynomial({})
    for (i, j, k), number in terms.items():
        form = form + number * h**i * w**j * C**k
    domain = Domain({"h": 2, "w": 2, "C": 1}, {"h": step})
    outcome = Interpolation(lambda: form, lambda sizes: form.value(sizes), domain).settle()
    assert outcome.verdict is Finding.IDENTIFIED, outcome.note


# -- refuted ----------------------------------------------------------------------------------------


def test_a_wrong_statement_is_refuted_and_the_term_named() -> None:
    outcome = replace(plan("msa"), printed="3hwC^2 + 2(hw)^2C").settle()
    assert outcome.verdict is Finding.REFUTED
    assert outcome.note == "as printed: 3hwC² should be 4hwC²"


def test_a_wrong_derivation_is_no_word_on_the_paper_and_the_term_is_named() -> None:
    outcome = replace(plan("msa"), derive=lambda: MSA - 2 * (h * w) ** 2 * C + h).settle()
    assert outcome.verdict is Finding.UNSETTLED
    assert outcome.note == "the derived form: 2(hw)²C is missing; h does not belong"


@pytest.mark.slow
def test_a_wrong_module_is_no_word_on_the_paper() -> None:
    """W-MSA counted where MSA is claimed: the paper's form is right, what runs is not it."""
    domain = Domain({"h": 2, "w": 2, "C": 2, "M": 4}, {"h": "M", "w": "M"}, free={"a": (1,)})
    outcome = replace(plan("msa"), count=plan("wmsa").count, domain=domain).settle()
    assert outcome.verdict is Finding.UNSETTLED
    assert outcome.note == "the derived form: 2(hw)²C does not belong; 2M²hwC is missing"


@pytest.mark.parametrize("name", ["h", "w", "C"])
def test_a_degree_bound_that_is_too_low_shows_beyond_the_grid(name: str) -> None:
    low = Domain({**CUBE.degrees, name: 1}, held_out=1)
    outcome = toy(msa_count, MSA, low, "4hwC^2 + 2(hw)^2C").settle()
    assert outcome.verdict is Finding.REFUTED
    assert outcome.note.startswith("not a polynomial of these degrees: at h = ")


def test_a_low_bound_shows_on_the_real_module_too() -> None:
    low = replace(plan("msa").domain, degrees={"h": 1, "w": 1, "C": 2})
    assert "not a polynomial of these degrees" in replace(plan("msa"), domain=low).settle().note


def test_another_regime_beyond_the_grid_shows() -> None:
    """A count that is right near the origin and cheaper from h = 10 on, as a window that stops growing."""
    outcome = toy(lambda h, w, C: msa_count(min(h, 9), w, C), MSA, CUBE).settle()
    assert outcome.verdict is Finding.REFUTED


def test_what_is_claimed_to_be_free_of_a_size_is_tried_at_others() -> None:
    domain = Domain(CUBE.degrees, free={"a": (1, 2)})
    outcome = toy(lambda h, w, C, a: msa_count(h, w, C) * a, MSA, domain).settle()
    assert outcome.verdict is Finding.REFUTED
    assert "a = 2" in outcome.note


def test_a_wrong_symbolic_claim_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = {"msa": "msa", "sra": "wmsa"}
    monkeypatch.setattr(
        complexity, "layer_on_symbols", lambda id, real=complexity.layer_on_symbols: real(planted[id])
    )
    outcome = complexity.sra_ratio()
    assert (outcome.method, outcome.verdict) == ("symbolic", Finding.REFUTED)
    assert "R² does not belong" in outcome.note


# -- corrected and checked --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_misprint_is_corrected_and_the_term_named() -> None:
    outcome = CLAIMS["sra_printed"].settle()
    assert outcome.verdict is Finding.CORRECTED
    assert outcome.note == "as printed: R²hwC² does not belong; hwC² is missing"
    assert outcome.recovered == "hwC² + 2(hw)²C/R²"


@pytest.mark.slow
def test_what_a_paper_leaves_out_is_named() -> None:
    outcome = CLAIMS["linear_sra_printed"].settle()
    assert outcome.verdict is Finding.CORRECTED
    assert outcome.note == "as printed: 2hwC² is missing; 3P²C² is missing"
    assert CLAIMS["linear_sra_products"].settle().verdict is Finding.IDENTIFIED


def test_a_wrong_correction_is_no_correction() -> None:
    right = toy(msa_count, MSA, CUBE, "4hwC^2", corrected="4hwC^2 + 2(hw)^2C").settle()
    wrong = toy(msa_count, MSA, CUBE, "4hwC^2", corrected="4hwC^2 + 3(hw)^2C").settle()
    assert (right.verdict, wrong.verdict) == (Finding.CORRECTED, Finding.REFUTED)


def test_numbers_check_and_a_planted_mistake_refutes(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = CLAIMS["wmsa_padding"].settle()
    assert (outcome.method, outcome.verdict, outcome.held_out) == ("numeric", Finding.CHECKED, 0)
    assert outcome.points > 40
    shown = prove(["wmsa_padding"])
    assert r"\lceil \frac{h}{M} \right\rceil" in shown._repr_markdown_()
    assert "⌈h/M⌉" in shown.to_dict()["claims"][0]["recovered"]

    def floored(h: int, w: int, C: int, heads: int, M: int) -> Any:
        return LAYERS["wmsa"].build(h - M, w, C, heads, M)

    monkeypatch.setattr(complexity, "LAYERS", {"wmsa": SimpleNamespace(build=floored)})
    monkeypatch.setattr(complexity, "product", lambda *sides: [(5, 4, 2), (5, 4, 3), (4, 4, 2)])
    outcome = CLAIMS["wmsa_padding"].settle()
    assert (outcome.verdict, outcome.note) == (Finding.REFUTED, "2 of 2 grids differ")


def test_a_count_that_is_not_comparable_does_not_pass_as_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(complexity, "check_layer", lambda *_: Report(reason="not run"))
    assert CLAIMS["wmsa_padding"].settle().verdict is Finding.REFUTED
    assert Report((Check("fvcore", "fvcore", "linear", 1, 2),)).differing


# -- the black box ----------------------------------------------------------------------------------


def test_a_module_whose_products_are_hidden_is_no_black_box() -> None:
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Fused(nn.Module):
        def forward(self, x: Any) -> Any:
            return F.scaled_dot_product_attention(x, x, x)

    def make() -> Any:
        return SimpleNamespace(module=Fused(), inputs=(torch.zeros(1, 1, 3, 4),))

    with pytest.raises(ValueError, match="would leave out aten::scaled_dot_product_attention"):
        counted(make)


def test_differences_are_exact_and_in_reading_order() -> None:
    found = differences(MSA, 4 * h * w * C**2 + 3 * h * w * C / R**2)
    assert explain(found) == "2(hw)²C is missing; 3hwC/R² does not belong"
    assert not differences(MSA, MSA)


# -- the catalogue ----------------------------------------------------------------------------------


def test_claims_are_chosen_by_id_and_by_kind() -> None:
    assert [entry.id for entry in select(["sra", "msa"])] == ["msa", "sra"]
    assert {entry.kind for entry in select(["family"])} == {"family"}
    assert select() == tuple(CLAIMS.values())
    with pytest.raises(InputError, match=r"claim 'mssa' is not known; did you mean msa"):
        select(["mssa"])


def test_a_claim_enters_the_catalogue_once() -> None:
    with pytest.raises(ValueError, match="already registered"):
        claim("msa", "", "")(complexity.msa)


# -- results and certificates -----------------------------------------------------------------------

CHEAP = ("ffn", "conv", "sra_ratio", "ffn_params", "sra_printed")


@pytest.fixture(scope="module")
def certificate() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(prove(CHEAP).to_dict()))
    return found


def test_the_contract(certificate: dict[str, Any]) -> None:
    assert certificate["command"] == "prove"
    assert set(certificate["versions"]) >= {"python", "torch", "fvcore", "vpcalc"}
    by_id = {entry["id"]: entry for entry in certificate["claims"]}
    assert list(by_id) == [id for id in CLAIMS if id in CHEAP]
    ffn = by_id["ffn"]
    assert (ffn["method"], ffn["verdict"], ffn["recovered"]) == ("interpolation", "proved", "2rhwC²")
    assert (ffn["points"], ffn["held_out"]) == (24, 5 + DRAWN)
    assert ffn["seconds"] > 0
    assert (ffn["valid"], by_id["sra_printed"]["valid"]) == ("", "h and w multiples of R; C a multiple of a")
    assert by_id["sra_ratio"]["method"] == "symbolic"
    assert by_id["sra_printed"]["verdict"] == "corrected"


def test_progress_and_the_shown_result() -> None:
    seen: list[tuple[int, int, str]] = []

    def settled(done: int, total: int, proof: Proof) -> None:
        seen.append((done, total, proof.claim.id))

    result = prove(["ffn_params", "msa_params"], progress=settled)
    assert seen == [(1, 2, "msa_params"), (2, 2, "ffn_params")]
    assert result.ok
    assert "2 claims: 2 identified" in result._repr_markdown_()
    assert "$4C^{2} + 4C$" in result._repr_markdown_()
    assert "2 identified" in result._repr_html_()


def test_a_form_of_a_lattice_is_said_to_be_one() -> None:
    """At odd sides patch merging takes more than 2hwC²; that the run agrees at every size is of another form."""
    (said,) = prove(["patch_merging"]).tables()[0].notes
    assert said.startswith(
        "patch_merging: recovered for h and w multiples of 2; run on symbols and layers are one"
    )
    assert "that divides H and W" in CLAIMS["patch_embedding"].statement


def test_a_refuted_claim_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = Claim("planted", "Ω = 3hwC²", "nobody", "planted", lambda: replace(plan("conv"), printed="3hwC^2"))
    monkeypatch.setitem(CLAIMS._entries, "planted", planted)
    result = prove(["planted"])
    assert not result.ok
    assert "planted: as printed: k²hwC² is missing; 3hwC² does not belong" in result.tables()[0].notes


def test_a_certificate_is_judged_again_without_torch(certificate: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    path.write_text(json.dumps(certificate), encoding="utf-8")
    script = (
        "import sys; from vpcalc.answers.prove import read_certificate, recheck\n"
        f"assert recheck(read_certificate({str(path)!r})).ok; assert not {{'torch', 'fvcore'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert [entry["id"] for entry in read_certificate(str(path), ["conv"])["claims"]] == ["conv"]


def test_a_count_that_was_tampered_with_is_found(certificate: dict[str, Any]) -> None:
    for place in ("counts", "held_out"):
        forged = json.loads(json.dumps(certificate))
        (entry,) = (entry for entry in forged["claims"] if entry["id"] == "conv")
        if place == "counts":
            entry["evidence"]["counts"][7] += 1
        else:
            entry["evidence"]["held_out"][4]["count"] += 1
        result = recheck(forged)
        assert not result.ok
        (proof,) = (proof for proof in result.proofs if proof.claim.id == "conv")
        assert "the certificate says verdict proved, now refuted" in proof.outcome.note


def test_a_verdict_that_was_tampered_with_is_found(certificate: dict[str, Any]) -> None:
    forged = json.loads(json.dumps(certificate))
    (entry,) = (entry for entry in forged["claims"] if entry["id"] == "sra_printed")
    entry["verdict"] = "proved"
    assert not recheck(forged).ok


@pytest.mark.parametrize(
    "broken",
    [
        {},
        [],
        {"claims": 3},
        {"claims": [{}]},
        {"claims": [{"id": "nothing"}]},
        {"claims": [{"id": "conv"}]},
        {"claims": [{"id": "conv", "evidence": {"grid": {}, "counts": [], "held_out": []}}]},
        {"claims": [{"id": "conv", "evidence": {"grid": 3, "counts": "x", "held_out": [1]}}]},
        {"claims": [{"id": "conv", "evidence": []}]},
    ],
)
def test_what_is_no_certificate_is_refused(broken: Any) -> None:
    with pytest.raises(InputError):
        recheck(broken)


@pytest.mark.parametrize("text", [None, "{", "\ud800".encode("utf-8", "surrogatepass"), "[" * 100_000])
def test_a_file_that_is_no_certificate_is_refused(text: str | bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match="--recheck"):
        read_certificate(str(path))


# -- in parallel ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_processes_find_the_same() -> None:
    ids = ("ffn_params", "conv", "sra_ratio")
    alone, together = prove(ids), prove(ids, jobs="2")
    assert [p.outcome for p in alone.proofs] == [p.outcome for p in together.proofs]


@pytest.mark.slow
def test_a_process_that_has_grown_is_replaced_and_nothing_waits() -> None:
    """As by importing torch. Here warnings are errors, and joblib's thread would have ended by one."""
    pytest.importorskip("psutil", reason="joblib does not look at memory without psutil")

    def grow(number: int) -> int:
        sys.__dict__.setdefault("grown", []).append(bytearray(b"x") * 400_000_000 if number > 1 else b"")
        time.sleep(1.2)  # it looks once in a second
        return number

    joblib = parallel("a test")
    with joblib.parallel_config(backend="loky", n_jobs=2):
        assert joblib.Parallel(batch_size=1, timeout=60)(map(joblib.delayed(grow), range(8))) == [*range(8)]


def test_a_backend_is_passed_through() -> None:
    assert prove(["sra_ratio"], jobs=1, backend="threading").ok
    assert prove(["sra_ratio"], jobs=-1, backend="sequential").ok
    with pytest.raises(InputError, match="--backend 'nope'"):
        prove(["sra_ratio"], backend="nope")
    with pytest.raises(InputError, match="--backend 'ray'"):
        prove(["sra_ratio"], backend="ray")


def test_every_claim_can_be_sent_to_another_process() -> None:
    again = pickle.loads(pickle.dumps(list(CLAIMS.values())))
    assert [claim.id for claim in again] == list(CLAIMS)
    floored = ceil_div(symbol("h"), 7) * symbol("C") / 3
    assert pickle.loads(pickle.dumps(floored)) == floored


@pytest.mark.parametrize("jobs", [0, -2, True, "x", 1.5])
def test_a_number_of_processes_is_checked(jobs: object) -> None:
    with pytest.raises(InputError, match="--jobs"):
        prove(["sra_ratio"], jobs=jobs)


# -- the command line -------------------------------------------------------------------------------


def test_the_command(inside: Run, tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    done = inside("prove", "msa", "--format", "json", "--output", str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"vpcalc: wrote {path}\n")
    assert json.loads(path.read_text(encoding="utf-8"))["claims"][0]["recovered"] == "4hwC² + 2(hw)²C"
    again = inside("prove", "--recheck", str(path))
    assert again.returncode == 0
    assert "1 claim: 1 proved" in again.stdout
    forged = path.read_text(encoding="utf-8").replace('"verdict": "proved"', '"verdict": "checked"', 1)
    path.write_text(forged, encoding="utf-8")
    assert inside("prove", "--recheck", str(path)).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("mssa",), "claim 'mssa' is not known; did you mean msa"),
        (("msa", "--jobs", "many"), "--jobs 'many': must be a whole number"),
        (("msa", "--backend", "nope"), "--backend 'nope'"),
        (("--recheck", "/does/not/exist"), "--recheck: no file '/does/not/exist'"),
    ],
)
def test_unusable_input_gets_one_line(inside: Run, arguments: tuple[str, ...], said: str) -> None:
    done = inside("prove", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_grids_are_in_the_order_of_interpolation() -> None:
    domain = Domain({"h": 1, "C": 2}, {"h": 3}, {"C": 4})
    assert domain.on_grid() == [{"h": 3 * a, "C": b} for a, b in product((1, 2), (4, 5, 6))]
    for sizes in domain.beyond():
        assert sizes["h"] > 6
        assert sizes["C"] > 6
