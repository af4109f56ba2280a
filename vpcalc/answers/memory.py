"""``vpcalc memory``: what it takes to run and to train, to the byte."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import words
from ..abstract.tape import ATTENTIONS, RECOMPUTE
from ..abstract.tensor import FLOATS
from ..architectures import ARCHITECTURES, Architecture
from ..cost import Quantity
from ..errors import InputError, is_code, unknown
from ..inputs import GridTerm, whole
from ..optional import counts
from ..placing import in_brackets
from ..report import Caveat, Column, Kind, Table
from ..storage.closed import plan_forms, traced_at, traced_forms
from ..storage.devices import Device, find
from ..storage.fit import Fit
from ..storage.footprint import Footprint, Way, model_footprint
from ..storage.forms import LONGEST
from ..storage.optimizers import read_bytes, read_optimizer
from ..storage.plan import Plan
from ..storage.roofline import Roof, ridge, roofs
from ..storage.solve import at, largest, read_solve
from ..storage.step import OPTIMIZER, model_step
from ..symbolic import Form, deviations
from .assumed import assumed
from .memory_subjects import OurModel, Subject
from .result import Result
from .tuning import of_ours, read_tuning
from .verdicts import report_dict, verdict

if TYPE_CHECKING:
    from ..checks import Report


GRADIENTS = {"float32": "gradients in float32", "both": "gradients copied into float32"}

NEEDED = {
    "step_peak_bytes": "the peak of a whole step",
    "training_bytes": "the sum of all that training holds",
    "inference_bytes": "all that an inference holds at its peak",
}
"""What a figure is called that has to find room."""


@dataclass(frozen=True)
class Memory(Result):
    """An architecture at one input in one way of running it.

    ``report`` is None until PyTorch was asked; ``step`` is then what it had alive at most in a step of training.
    """

    subject: Subject
    batch: int
    way: Way
    plan: Plan
    attention: int
    activations: int
    forms: Mapping[str, Form]
    notes: tuple[str, ...] = ()
    fitted: Fit | None = None
    device: Device | None = None
    report: Report | None = None
    step: int | None = None

    @property
    def footprint(self) -> Footprint:
        """What the run takes."""
        return self.plan.footprint

    @property
    def shape(self) -> list[Any]:
        """Shape of the input tensor; of all where there are several."""
        return self.subject.shape

    def fields(self) -> dict[str, Any]:
        """Fields of the command's JSON object."""
        plan, found = self.plan, self.footprint
        return {
            "command": "memory",
            "model": self.subject.id,
            "family": self.subject.family,
            "input": self.shape,
            "config": self.subject.settings,
            "batch": self.batch,
            "dtype": self.way.dtype,
            "train": plan.train,
            "optimizer": plan.optimizer.name,
            "master_weights": plan.optimizer.master,
            "grad_dtype": plan.optimizer.gradients,
            "trained": list(self.way.tuning.trained) if self.way.tuning else None,
            "lora": self.way.tuning.rank or None if self.way.tuning else None,
            "lora_on": list(self.way.tuning.on) if self.way.tuning else None,
            "frozen_params": found.frozen,
            "bytes_a_parameter": plan.optimizer.a_parameter(plan.item) if plan.train else None,
            "attention": self.way.attention,
            "recompute": self.way.recompute,
            "amp": self.way.amp,
            "params": found.params,
            **self.figures(),
            "optimizer_host_bytes": plan.optimizer.steps(found.tensors),
            "step_peak_bytes": plan.step_peak,
            "step_peak": self._step_peak(),
            "measured_step_bytes": self._measured(),
            "peak": _peak(found.inference),
            "forward_peak": _peak(found.forward),
            "modules": self._modules(),
            "operators": {f"{kind} {what}": size for (kind, what), size in self._kept().items()},
            "formula": {name: form.to_dict() for name, form in self.forms.items()},
            "fit": self.fitted.to_dict() if self.fitted else None,
            "roofline": self._roofline(),
            "notes": list(self.notes),
            **report_dict(self.report),
        }

    def _modules(self) -> list[dict[str, Any]]:
        """What each module keeps in training, and the most that is live while it runs in an inference."""
        kept, peaks = self.footprint.by_module(), self.footprint.peak_by_module()
        paths = dict.fromkeys((*peaks, *kept))
        return [{"path": p, "saved_bytes": kept.get(p, 0), "peak_bytes": peaks.get(p, 0)} for p in paths]

    def figures(self) -> dict[str, int]:
        """Every quantity in bytes."""
        plan, found = self.plan, self.footprint
        return {
            "weights_bytes": found.weights,
            "buffers_bytes": found.buffers,
            "gradients_bytes": plan.gradients,
            "optimizer_bytes": plan.state,
            "input_bytes": found.inputs,
            "saved_bytes": found.saved,
            "held_bytes": found.held,
            "forward_peak_bytes": found.forward.bytes,
            "peak_bytes": found.inference.bytes,
            "activation_bytes": self.activations,
            "attention_bytes": self.attention,
            "cache_bytes": found.cache,
            "inference_bytes": plan.inference,
            "training_bytes": plan.training,
            "total_bytes": plan.total,
        }

    def checked(self) -> Memory:
        """The same with the instantiated module run by PyTorch."""
        report, step = self.subject.check(self.plan.train)
        return replace(self, report=report, step=step)

    # -- tables ---------------------------------------------------------------------------------

    def tables(self) -> tuple[Table, ...]:
        """What it takes, what autograd keeps, what fits, and the least time on a device."""
        found = [self._total_table()]
        if self.plan.train:
            found += [self._step_table()] if self.plan.step is not None else []
            found.append(self._kept_table())
        if self.fitted is not None:
            found.append(self._fit_table(self.fitted))
        if self.device is not None:
            found.append(self._roofline_table(self.device))
        return tuple(found)

    def _total_table(self) -> Table:
        columns = (
            Column("quantity", "Memory", Kind.WORD),
            Column("bytes", "Bytes", Kind.NUMBER),
            Column("size", "Size", Kind.BYTES),
            Column("share", "Share", Kind.SHARE),
            Column("formula", "Closed form", Kind.FORMULA, wide=True),
            Column("verdict", "PyTorch", Kind.VERDICT),
        )
        figures, total = self.figures(), self.plan.total
        rows = [
            (words, figures[name], figures[name], figures[name] / total, self.forms.get(name), self._verdict(name))
            for name, words in self._parts()
        ]
        rows.append(("total", total, total, 1.0, self.forms.get("total_bytes"), verdict(self.report)))
        return Table(self._title(), columns, tuple(rows), self._notes(), total=True)

    def _parts(self) -> list[tuple[str, str]]:
        """What the total is made of."""
        parts = [("weights_bytes", "weights")]
        if self.footprint.buffers:
            parts.append(("buffers_bytes", "buffers"))
        if not self.plan.train:
            return [*parts, ("input_bytes", "input"), ("peak_bytes", "activations at their peak")]
        parts += [("gradients_bytes", "gradients"), ("optimizer_bytes", f"{self.plan.optimizer.name} state")]
        recomputing = self.footprint.held > self.footprint.forward.bytes
        most = ("held_bytes", "kept while recomputing") if recomputing else ("forward_peak_bytes", "activations")
        return [*parts, ("input_bytes", "input"), most]

    def _step_table(self) -> Table:
        """What there is when a whole step is at its peak, gradients as they come."""
        columns = (
            Column("quantity", "Memory", Kind.WORD),
            Column("bytes", "Bytes", Kind.NUMBER),
            Column("size", "Size", Kind.BYTES),
            Column("share", "Share", Kind.SHARE),
            Column("verdict", "PyTorch", Kind.VERDICT),
        )
        plan, found, figures = self.plan, self._step_peak(), self.figures()
        assert found is not None
        whole, most = plan.step_peak, plan.step_peak - plan.lasting
        coming = () if plan.optimizer.gradients == "float32" else ("gradients_bytes",)
        rows = [
            (words, figures[name], figures[name], figures[name] / whole, self._verdict(name))
            for name, words in self._parts()
            if name not in (*coming, "forward_peak_bytes", "held_bytes")
        ]
        rows.append(("activations and gradients", most, most, most / whole, self._verdict("step_peak_bytes")))
        rows.append(("total", whole, whole, 1.0, verdict(self.report)))
        return Table("A whole step at its peak", columns, tuple(rows), self._step_notes(found), total=True)

    def _step_notes(self, found: Mapping[str, Any]) -> tuple[str, ...]:
        plan = self.plan
        at = f"{found['module']} ({found['operator']})" if found["module"] else found["operator"]
        notes = [f"at its peak in {at}; without the workspaces of kernels"]
        if (form := self.forms.get("step_peak_bytes")) is not None:
            notes.append(f"step = {form}" + (f"   ({form.valid})" if form.valid else ""))
        if plan.optimizer.master and plan.optimizer.gradients == "weights":
            notes.append("what the optimizer takes for its master weights while it steps is not in it")
        elif found["foreach_bytes"] > plan.step_peak:
            at_once = f"{found['foreach_bytes']:,} bytes"
            notes.append(f"an optimizer that works on all weights at once, as on CUDA by default: {at_once}")
        if (measured := self._measured()) is not None:
            lists = "" if self.way.amp is None else " by autocast's lists for the CPU,"
            notes.append(
                f"measured in PyTorch,{lists} both passes, with sums that are not in place: {measured:,} bytes"
            )
        return tuple(notes)

    def _step_peak(self) -> dict[str, Any] | None:
        """Where a whole step is at its peak, and what it takes if the optimizer works on all weights at once."""
        plan = self.plan
        if plan.step is None:
            return None
        peak = plan.step_top
        assert peak is not None
        params = self.footprint.params
        at_once = plan.step.left + plan.optimizer.working_at_once(plan.step.weights, plan.item, params)
        return {
            "bytes": plan.step_peak,
            "module": peak.path,
            "operator": peak.kind,
            "phase": OPTIMIZER if peak.kind == OPTIMIZER else "passes",
            "foreach_bytes": plan.lasting + max(plan.step.peak.bytes, at_once),
        }

    def _kept_table(self) -> Table:
        columns = (
            Column("operator", "Operator", Kind.WORD),
            Column("what", "Tensor", Kind.WORD),
            Column("bytes", "Bytes", Kind.NUMBER),
            Column("size", "Size", Kind.BYTES),
            Column("share", "Share", Kind.SHARE),
        )
        total = self.footprint.saved
        kept = sorted(self._kept().items(), key=lambda item: -item[1])
        rows = [(kind, what, size, size, size / total if total else 0.0) for (kind, what), size in kept]
        rows.append(("saved", "", total, total, 1.0))
        form = self.forms.get("saved_bytes")
        notes = [f"saved = {form}" + (f"   ({form.valid})" if form.valid else "")] if form else []
        unkept = ", which fused attention does not keep" if self.way.attention == "fused" else ""
        notes.append(f"attention maps of all layers: {self.attention:,} bytes{unkept}")
        if self.report is not None:
            notes.append(f"saved tensors of the module in PyTorch: {self._verdict('saved_bytes')}")
        return Table("What autograd keeps, each storage once", columns, tuple(rows), tuple(notes), total=True)

    def _kept(self) -> dict[tuple[str, str], int]:
        """Saved bytes by operator and by what of it is kept."""
        found: dict[tuple[str, str], int] = {}
        for part in self.footprint.kept:
            found[part.kind, part.what] = found.get((part.kind, part.what), 0) + part.total
        return found

    def _fit_table(self, found: Fit) -> Table:
        columns = (
            Column("size", found.solved.capitalize(), Kind.NUMBER),
            Column("bytes", "Bytes", Kind.NUMBER),
            Column("total", "Size", Kind.BYTES),
            Column("outcome", f"In {found.budget:,} bytes", Kind.WORD),
        )
        rows = [(found.answer, found.bytes, found.bytes, "fits")]
        if found.asked not in (None, 1, found.answer):
            over = found.asked_bytes - found.budget
            outcome = "fits" if found.holds else f"{over:,} bytes too many"
            asked = (found.asked, found.asked_bytes, found.asked_bytes, f"as asked: {outcome}")
            rows.insert(0, asked)
        if not found.capped:
            over = found.next_bytes - found.budget
            rows.append((found.answer + 1, found.next_bytes, found.next_bytes, f"{over:,} bytes too many"))
        notes = [f"what has to fit is {NEEDED[found.of]}"]
        notes += ["nothing larger is taken"] if found.capped else []
        if (peak := self._step_peak()) is not None and peak["foreach_bytes"] > found.budget:
            at_once, over = f"{peak['foreach_bytes']:,} bytes", peak["foreach_bytes"] - found.budget
            notes.append(f"with an optimizer that works on all weights at once {at_once}: {over:,} too many")
        return Table(f"The largest {found.solved} that fits", columns, tuple(rows), tuple(notes))

    def _roofline_table(self, device: Device) -> Table:
        columns = (
            Column("operator", "Operator", Kind.WORD),
            Column("runs", "Runs", Kind.NUMBER, wide=self.subject.family == "own"),
            Column("macs", "MACs", Kind.COUNT),
            Column("bytes", "Moved", Kind.BYTES),
            Column("milliseconds", "At least (ms)", Kind.RATIO, kept=True),
            Column("bound", "Bound by", Kind.WORD),
            Column("intensity", "Operations/byte", Kind.RATIO),
            Column("share", "Share", Kind.SHARE),
        )
        found = self.roofs()
        seconds = sum(float(roof.seconds) for roof in found)
        rows = [
            (r.name, r.runs, r.macs, r.bytes, r.milliseconds, r.bound, r.intensity, float(r.seconds) / seconds)
            for r in found
        ]
        macs, moved = sum(r.macs for r in found), sum(r.bytes for r in found)
        runs = sum(r.runs for r in found)
        rows.append(("total", runs, macs, moved, seconds * 1000, "", 2 * macs / moved, 1.0))
        notes: tuple[str, ...] = (
            "a bound on an inference that runs operator by operator, each reading and writing main memory; not a "
            "forecast",
            f"bound by compute from {ridge(device, self.way.products):.3g} operations per byte",
            f"source: {device.source}",
        )
        if self.subject.family == "own":
            notes += ("runs are functions within modules, all calls of one together",)
        how = self.way.dtype if self.way.amp is None else f"products in {self.way.amp}"
        return Table(f"The least time on {device.name}, {how}", columns, tuple(rows), notes, total=True)

    def roofs(self, by: str = "kind") -> list[Roof]:
        """The roofline bound by operator (``kind``) or by module (``path``)."""
        if self.device is None:
            return []
        return roofs(self.subject.works(), self.device, self.way.products, by)

    def _roofline(self) -> dict[str, Any] | None:
        if self.device is None:
            return None
        found = self.roofs()
        return {
            "device": self.device.id,
            "name": self.device.name,
            "source": self.device.source,
            "peak_flops": float(self.device.rate(self.way.products)),
            "bandwidth": float(self.device.bandwidth),
            "ridge": ridge(self.device, self.way.products),
            "macs": sum(roof.macs for roof in found),
            "bytes_moved": sum(roof.bytes for roof in found),
            "milliseconds": sum(roof.milliseconds for roof in found),
            "operators": [_roof(roof) for roof in found],
            "modules": [_roof(roof) for roof in self.roofs("path")],
        }

    def _title(self) -> str:
        plan, way = self.plan, self.way
        doing = f"training with {plan.optimizer.name}" if plan.train else "inference"
        ways = [way.dtype, *([] if way.amp is None else [f"autocast to {way.amp}"]), doing]
        ways += [f"{way.attention} attention"] if self.subject.attends else []
        ways += [f"{way.recompute} recomputed"] if way.recompute != "none" else []
        ways += [tuned] if (tuned := _tuned(way)) else []
        ways += ["float32 master weights"] if plan.optimizer.master else []
        ways += [GRADIENTS[plan.optimizer.gradients]] if plan.optimizer.gradients in GRADIENTS else []
        return f"{self.subject.id} at {self.subject.size}, batch {self.batch}: {', '.join(ways)}"

    def _notes(self) -> tuple[str, ...]:
        found, plan = self.footprint, self.plan
        peak = found.forward if plan.train else found.inference
        where = f"in {peak.path} ({peak.kind})" if peak.path else f"in the model itself ({peak.kind})"
        notes: list[str] = [Caveat(f"closed forms: {valid}")] if (valid := self._valid()) else []
        notes.append(f"the activations are at their peak {where}")
        if found.cache:
            notes.append(f"cache for the next token: {found.cache:,} bytes")
        if plan.train and plan.optimizer.steps(found.tensors):
            notes.append(f"step counters in the host's memory: {plan.optimizer.steps(found.tensors):,} bytes")
        if plan.train and (each := plan.optimizer.a_parameter(plan.item)) is not None:
            parts = " + ".join(str(size) for name, size in each.items() if name != "total")
            of = "trained parameter" if found.frozen else "parameter"
            notes.append(f"{parts} = {each['total']} bytes a {of}: its weight, gradient and optimizer state")
        if plan.train and found.frozen:
            notes.append(f"{found.params:,} of {found.params + found.frozen:,} parameters are trained")
        if plan.train:
            notes.append("the total counts gradients of weights in full, and no gradients of activations")
        if self.device is not None and self.device.memory is not None:
            of, needed = plan.needed
            holds = "fits into" if needed <= self.device.memory else "does not fit into"
            notes.append(f"{NEEDED[of]} {holds} the {self.device.memory:,} bytes of {self.device.name}")
        if self.report is not None and self.report.verdict.value != "agrees":
            notes.append(str(self.report))
        return (*notes, *self.notes)

    def _valid(self) -> str:
        """Where the forms of the table hold: everything that is said of one of them."""
        forms = [self.forms.get(name) for name in (*dict(self._parts()), "total_bytes")]
        return "; ".join(dict.fromkeys(part for form in forms if form for part in form.valid.split("; ") if part))

    def _measured(self) -> int | None:
        """What a step of training takes: weights, buffers, optimizer, input, and all that was alive at once."""
        if self.step is None:
            return None
        return int(self.plan.lasting + self.step)

    def _verdict(self, quantity: str) -> str | None:
        """What PyTorch says of one quantity."""
        if self.report is None or not self.report.checks:
            return verdict(self.report)
        held = [check for check in self.report.checks if check.quantity == quantity]
        if not held:
            return None
        return "differs" if any(check.delta for check in held) else "agrees"


def _tuned(way: Way) -> str:
    """What is trained, in words."""
    tuning = way.tuning
    if tuning is None:
        return ""
    low = f"low rank {tuning.rank}" + (f" on {', '.join(tuning.on)}" if tuning.on else "") if tuning.rank else ""
    return " and ".join(filter(None, (low, ", ".join(tuning.trained)))) + " trained"


def _peak(peak: Any) -> dict[str, Any]:
    return {"bytes": peak.bytes, "module": peak.path, "operator": peak.kind}


def _roof(roof: Roof) -> dict[str, Any]:
    return {
        "name": roof.name,
        "runs": roof.runs,
        "macs": roof.macs,
        "bytes_moved": roof.bytes,
        "intensity": roof.intensity,
        "bound": roof.bound,
        "milliseconds": roof.milliseconds,
    }


@in_brackets("name")
def memory(
    name: str,
    *,
    input: object = None,
    tokens: object = None,
    src: object = None,
    tgt: object = None,
    set: Mapping[str, object] | None = None,
    batch: object = 1,
    dtype: str = "float32",
    train: bool = False,
    optimizer: str = "adamw",
    master_weights: bool = False,
    grad_dtype: str = "weights",
    trained: object = None,
    lora: object = None,
    lora_on: object = None,
    attention: str = "eager",
    recompute: str = "none",
    amp: str | None = None,
    fit: object = None,
    solve: str | None = None,
    device: str | None = None,
    devices: str | None = None,
    args: Mapping[str, object] | None = None,
    title: str = "",
    check: bool | None = None,
) -> Memory:
    """What an architecture takes to run or, with ``train``, to train.

    Args:
        name: an id or alias that :func:`vpcalc.models` lists; or a module of your own, as for ``model``.
        input: side of a square image in pixels, or ``"HxW"``, or a pair; the native size if None.
        tokens: length of a sequence, for models of one sequence.
        src, tgt: lengths of source and target, for encoder-decoders.
        set: changes to the architecture's settings, by name.
        batch: images or sequences.
        dtype: type of weights and activations: float64, float32, bfloat16 or float16.
        train: weights, gradients, optimizer and what autograd keeps, instead of inference.
        optimizer: sgd, momentum, adam, adamw, lion or adafactor, or with 8 bits adamw8bit, adam8bit, lion8bit or
            momentum8bit.
        master_weights: the optimizer keeps weights and moments of its own in float32.
        grad_dtype: what it reads: weights (gradients in the weights' type), float32 (gathered so as they come) or
            both (copied into float32 at the end).
        trained: names of the modules that are trained, such as ``"head"`` or ``"blocks.11,norm"``; all else is
            frozen.
        lora: a rank: frozen linear layers have two of that rank beside them, which are trained.
        lora_on: names of these linear layers, such as ``"q,v"``; all if None.
        attention: eager (plain products) or fused (PyTorch's own operator, as its CPU kernel does it).
        recompute: none, block or attention: what is forgotten and computed again in the backward pass.
        amp: float16 or bfloat16: what autocast runs in 16 bits, beside weights in float32.
        fit: a budget such as ``"24GiB"``: the answer is the largest that fits into it, and whether ``batch`` does.
        solve: of what: batch, input (side of a square image) or tokens.
        device: an accelerator or CPU of the table, for a bound on the time of an inference.
        devices: a CSV file with further devices.
        args: arguments of the factory of a module of your own.
        title: what such a module is called in tables.
        check: run the instantiated module in PyTorch, without memory, and compare every byte; if left out, where
            torch and fvcore are installed.

    Raises:
        InputError: an unknown name or setting, a value that is not usable, or a budget that nothing fits into.
    """
    if is_code(name):
        _only_ours({"set": set, "src": src, "tgt": tgt}, attention, recompute)
    elif args:
        raise InputError(f"--arg: {name} is one of ours; its settings are given by --set")
    elif title:
        raise InputError(f"{title}=: a name is given to code; {name} is one of ours and has its own")
    architecture = None if is_code(name) else ARCHITECTURES[name]
    number, dtype = whole("--batch", batch), words.dtype(dtype)
    if dtype not in FLOATS:
        raise unknown("--dtype", dtype, FLOATS)
    item = FLOATS[dtype].bytes
    amp = narrow(amp, dtype, recompute)
    training = read_optimizer(optimizer, master_weights, dtype, item, grad_dtype)
    tuning = read_tuning(trained, lora, lora_on, train, recompute)
    found = find(device, devices) if device is not None else None
    if found is not None:
        found.rate(amp or dtype)
    budget = None if fit is None else read_bytes("--fit", fit)
    if solve is not None and budget is None:
        raise InputError(f"--solve {solve}: needs --fit, a budget such as --fit 24GiB")
    if architecture is None:
        from .own_memory import Asked, own_memory

        own = Asked(name, args or {}, dtype, train, training, tuning, amp, title)
        result = own_memory(own, input, tokens, number, budget, solve, found)
        return result.checked() if counts(check) else result
    sizes = architecture.read(input=input, tokens=tokens, src=src, tgt=tgt)
    config = architecture.configure(set or {})
    way = _way(architecture, dtype, attention, recompute, amp)
    way = replace(way, gathering=training.gradients == "float32", tuning=tuning)
    if recompute != "none" and not train:
        raise InputError(f"--recompute {recompute}: changes nothing without --train")
    if tuning is not None:
        of_ours(tuning, architecture.family, sizes, config, way)
    in_reach(architecture, config, way, sizes)

    def planned(sizes: tuple[int, ...], batch: int) -> Plan:
        architecture.cost(sizes, config, batch)  # refuses sizes that are too small
        footprint = model_footprint(architecture.family, sizes, config, batch, way)
        return _plan(footprint, sizes, batch)

    def _plan(footprint: Footprint, sizes: tuple[int, ...], batch: int) -> Plan:
        step = model_step(architecture.family, sizes, config, batch, way) if train else None
        return Plan(footprint, item, train, training, step)

    fitted = None
    if budget is not None:
        solved = read_solve(architecture, solve)
        _same_everywhere(solved, config, architecture.family.expressions)
        symbolic = traced_forms(architecture, config, way, None if solved == "batch" else number)
        fitted = largest(architecture, solved, budget, sizes, number, planned, symbolic)
        sizes, number = at(solved, fitted.answer, sizes, number)
    cost = architecture.cost(sizes, config, number)
    here = traced_at(architecture, config, way, number, sizes)
    plan = planned(sizes, number) if here is None else _plan(here.numbers, sizes, number)
    attended = int(cost.total(Quantity.ATTENTION)) * item
    activations = int(cost.total(Quantity.ACTIVATIONS)) * item
    forms = plan_forms(architecture, config, way, number, sizes, plan, here)
    rests = (each.note(cost) for each in assumed(architecture, sizes, config, number))
    notes = (*deviations(cost), *filter(None, rests), *remarks(way, plan))
    subject = OurModel(architecture, sizes, config, number, way)
    result = Memory(subject, number, way, plan, attended, activations, forms, notes, fitted, device=found)
    return result.checked() if counts(check) else result


def _only_ours(others: Mapping[str, object], attention: str, recompute: str) -> None:
    """Refuse what a module of the reader's decides itself."""
    from .own_inputs import refuse_of_code

    refuse_of_code(others)
    for option, value, default in (("attention", attention, "eager"), ("recompute", recompute, "none")):
        if value != default:
            raise InputError(f"--{option} {value}: is of models of ours; code decides that itself")


def _way(architecture: Architecture, dtype: str, attention: str, recompute: str, amp: str | None) -> Way:
    for option, value, known in (("--attention", attention, ATTENTIONS), ("--recompute", recompute, RECOMPUTE)):
        if value not in known:
            raise unknown(option, value, known)
    family = architecture.family
    architecture.attends(attention)
    if recompute == "attention" and not family.attends:
        raise InputError(
            f"--recompute attention: {architecture.id} has no softmax attention; must be none or block"
        )
    if recompute == "attention" and attention == "fused":
        raise InputError(
            "--recompute attention: fused attention keeps no map to be recomputed; must be none or block"
        )
    if recompute == "block" and not family.blocks:
        raise InputError(f"--recompute block: {architecture.id} has no repeated blocks; must be none")
    return Way(dtype, attention, recompute, amp)


def narrow(amp: str | None, dtype: str, recompute: str) -> str | None:
    """The type of autocast, as it is called here; None where there is none.

    Raises:
        InputError: it is no type of autocast, or stands beside what autocast does not go with.
    """
    if amp is None:
        return None
    if (found := words.dtype(amp)) not in NARROW:
        raise unknown("--amp", amp, NARROW)
    if dtype != "float32":
        raise InputError(f"--amp {amp}: autocast goes with weights in float32; --dtype {dtype} must be float32")
    if recompute != "none":
        raise InputError(
            f"--amp {amp}: what autocast does while it recomputes is not derived; --recompute must be none"
        )
    return found


NARROW = ("float16", "bfloat16")
"""Types of autocast."""


def in_reach(architecture: Architecture, config: Mapping[str, Any], way: Way, sizes: tuple[int, ...]) -> None:
    """Refuse lengths that would take minutes to go through step by step."""
    if max(sizes) <= LONGEST:
        return
    forms = traced_forms(architecture, config, way)
    if forms is not None and forms.length:
        raise InputError(f"--tokens {max(sizes)}: {architecture.id} goes step by step; must be at most {LONGEST}")


def _same_everywhere(solved: str, config: Mapping[str, Any], expressions: Iterable[str]) -> None:
    """Refuse to look for a size where a setting depends on it: it is whole at some sizes only."""
    for name in sorted(expressions):
        if solved == "input" and isinstance(config[name], GridTerm):
            raise InputError(
                f"--solve input: {name} = {config[name]} is whole at some sizes only; give {name} as a number, "
                "or look for the batch"
            )


def remarks(way: Way, plan: Plan) -> tuple[str, ...]:
    """What a reader of these figures should know."""
    if way.amp is not None:
        return (
            "by autocast's lists for CUDA: products in 16 bits; norms, softmax, powers and sums in float32",
            "a check runs autocast on the CPU, by its lists, which have none of the latter",
        )
    if way.attention == "fused" and any(part.kind == "softmax" for part in plan.footprint.kept):
        return ("where a bias is learned or widths differ, PyTorch has no fused kernel on a CPU: plain products",)
    return ()
