"""The child process: ``python -m vpcalc.auditing.worker FOLDER`` does the request that lies there.

It may be killed at any time, by its own limits too. Whoever started it sees a whole result or none.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

REQUEST, RESULT = "request.json", "result.json"
Result = dict[str, Any]


def main(folder: str) -> None:
    """Read, limit, do, write."""
    request = json.loads(Path(folder, REQUEST).read_text(encoding="utf-8"))
    limit(request["memory"])
    result = attempt(request)
    part = Path(folder, RESULT + ".part")
    part.write_text(json.dumps(result, separators=(",", ":")), encoding="utf-8")
    part.replace(Path(folder, RESULT))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # a counter may have left threads behind


def attempt(request: Mapping[str, Any]) -> Result:
    """The result of a request, or its error as data."""
    from ..errors import InputError

    try:
        if request.get("load"):
            from ..plugins import load

            load(*request["load"])
        return TASKS[request["task"]](request)
    except InputError as error:
        return {"error": "input", "detail": str(error)}
    except MemoryError as error:
        return {"error": "memory", "detail": one_line(error)}
    except Exception as error:
        return _failed(error)


def _failed(error: BaseException) -> Result:
    detail = one_line(error)
    allocating = any(
        sign in detail.lower() for sign in ("can't allocate memory", "not enough memory", "bad_alloc")
    )
    kind = "memory" if allocating else "missing" if isinstance(error, ModuleNotFoundError) else "failed"
    return {"error": kind, "detail": detail}


def one_line(error: BaseException) -> str:
    """An error as one short line."""
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def limit(memory: int) -> None:
    """Bound the address space and the size of files, where the system can."""
    try:
        import resource
    except ImportError:
        return
    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, 1 << 30), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (soft, hard))


# -- what can be asked for -----------------------------------------------------------------------------------


def recorded(request: Mapping[str, Any]) -> Result:
    """Every view of the module that some counter needs, and the coverage of the exact count."""
    import torch

    from ..counters.pricing import Source, supplied
    from . import graph, record
    from .build import build, by_position
    from .calls import dump
    from .peers import Hooks, View
    from .session import key

    torch.set_num_threads(request["threads"])
    built = build(request)
    again = {**request, "regime": built.regime, "device": built.device}
    views: Result = {}
    problems: dict[str, str] = {}
    counts = None
    with supplied(prices_of(request)) as prices:
        for view in request["views"]:
            kind, grad, hooks = view
            fresh = build(again)
            with _on(fresh.device):
                if kind == View.RUN.value:
                    found, count = record.record(
                        fresh.module,
                        fresh.args,
                        fresh.kwargs,
                        grad=grad,
                        backward=request["backward"] and grad,
                        hooks=Hooks(hooks),
                    )
                    counts = counts or count
                else:
                    try:
                        with tracing(fresh.device):
                            found = graph.record(*by_position(fresh), grad=grad, hooks=Hooks(hooks))
                    except Exception as error:
                        problems[key(view)] = one_line(error)
                        continue
            views[key(view)] = dump(found)
    prices.check_all_asked()
    assert counts is not None
    return {
        "views": views,
        "problems": problems,
        "regime": built.regime,
        "text": built.text,
        "device": built.device,
        "input": [list(t.shape) for t in (*built.args, *built.kwargs.values()) if hasattr(t, "shape")],
        "params": counts.params,
        "backward": counts.backward,
        "operators": dict(counts.operators),
        "calls": dict(counts.calls),
        "free": dict(counts.free),
        "unknown": dict(counts.unknown),
        "hidden": sum(counts.hidden.values()),
        "sources": {name: source for name, source in counts.sources.items() if source != Source.VPCALC},
        "module": type(built.module).__name__,
    }


def prices_of(request: Mapping[str, Any]) -> dict[str, object]:
    """The user's prices, read after the target: they may stand in its file."""
    import pickle

    from ..checks.prices import read_prices

    found = {
        name: told["text"] if "text" in told else pickle.loads(Path(told["pickle"]).read_bytes())
        for name, told in request["prices"].items()
    }
    return read_prices(found)


def counted(request: Mapping[str, Any]) -> Result:
    """One counter's figure, and what it leaves behind."""
    import torch

    from .build import build, by_position
    from .leftovers import Before
    from .peers import find

    torch.set_num_threads(request["threads"])
    peer = find(request["peer"])
    built = build(request)
    module, args, kwargs = built.module, built.args, dict(built.kwargs)
    if peer.positional and kwargs:
        module, args = by_position(built)
        kwargs = {}
    before = Before(module)
    more = {"backward": True} if request["backward"] and peer.backward else {}
    result: Result
    with ExitStack() as stack:
        stack.enter_context(_on(built.device))
        stack.enter_context(torch.set_grad_enabled(request["grad"]))
        if peer.view.value == "graph":
            stack.enter_context(tracing(built.device))
        try:
            figure = peer.measure(module, args, kwargs, **more)
        except MemoryError as error:
            result = {"error": "memory", "detail": one_line(error)}
        except Exception as error:
            result = _failed(error)
        else:
            result = (
                {"figure": figure} if figure == int(figure) else {"error": "failed", "detail": f"counted {figure}"}
            )
            result["figure"] = int(figure)
    result["leaves"] = before.left(module)
    return result


def _on(device: str) -> Any:
    import torch

    return torch.device("meta") if device == "meta" else nullcontext()


def tracing(device: str) -> Any:
    """On the meta device convolutions need help to be traced."""
    if device != "meta":
        return nullcontext()
    from ..counters.meta import meta_tracing

    return meta_tracing()


def costed(request: Mapping[str, Any]) -> Result:
    """What a target costs, at times as it was at a revision."""
    import base64
    import pickle

    import torch

    from ..answers.diff_cost import cost_of
    from .elsewhere import at_revision

    torch.set_num_threads(request["threads"])
    place = nullcontext(request["target"]) if request["tree"] is None else at_revision(request)
    with place as target:
        cost = cost_of(target, **request["how"])
    return {"pickled": base64.b64encode(pickle.dumps(cost)).decode()}


TASKS: dict[str, Callable[[Mapping[str, Any]], Result]] = {"record": recorded, "count": counted, "cost": costed}

if __name__ == "__main__":
    main(sys.argv[1])
