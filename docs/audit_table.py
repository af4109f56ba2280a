"""The overview in ``audit.md``: every counter on the models that people use most.

``python docs/audit_table.py [MODEL …]`` runs ``vpcalc audit`` on each and writes the table between the page's
marks. It takes some minutes, the ``audit`` extra, DeepSpeed, torchvision, timm and transformers. A model whose
library is not there, or that is not among those named, keeps the row that it has.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import vpcalc
from vpcalc.answers.audit import Audit

PAGE = Path(__file__).with_name("audit.md")
BEGIN, END = "<!-- audit_table.py -->", "<!-- end -->"
SDPA = {"attn_implementation": "sdpa"}
MODELS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("ResNet-50, torchvision", "torchvision:resnet50", {"input": 224}),
    ("ViT-B/16, spelled out (`vit_b_16`)", "vit_b_16", {"input": 224}),
    ("ViT-B/16, torchvision", "torchvision:vit_b_16", {"input": 224}),
    ("the same, `--no-grad`", "torchvision:vit_b_16", {"input": 224, "grad": False}),
    ("ViT-B/16, timm", "timm:vit_base_patch16_224", {"input": 224}),
    ("Swin-T, spelled out (`swin_t`)", "swin_t", {"input": 224}),
    ("Swin-T, torchvision", "torchvision:swin_t", {"input": 224}),
    ("PVT v2-B2, spelled out (`pvt_v2_b2`)", "pvt_v2_b2", {"input": 224}),
    ("PVT v2-B2, timm", "timm:pvt_v2_b2", {"input": 224}),
    ("BERT, 128 tokens, eager", "transformers:bert", {"tokens": 128}),
    ("BERT, 128 tokens, fused", "transformers:bert", {"tokens": 128, "set": SDPA}),
    ("GPT-2, 128 tokens, eager", "transformers:gpt2", {"tokens": 128}),
)


def main(wanted: list[str]) -> None:
    """Fill the page."""
    page = PAGE.read_text(encoding="utf-8")
    old = {line.split(" | ")[0].removeprefix("| "): line for line in page.splitlines() if line.startswith("| ")}
    head, rows = "", []
    for title, target, options in MODELS:
        if wanted and not any(word in title for word in wanted):
            rows.append(old.get(title, ""))
            continue
        try:
            audit = vpcalc.audit(target, **options)
        except vpcalc.InputError as error:
            print(f"{title}: {error}")
            rows.append(old.get(title, ""))
            continue
        print(f"{title}: {[(row.peer.name, row.unexplained) for row in audit.rows]}", flush=True)
        head = _head(audit)
        rows.append(_row(title, audit))
    table = "\n".join([head, *filter(None, rows)])
    block = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    PAGE.write_text(block.sub(lambda _: f"{BEGIN}\n{table}\n{END}", page), encoding="utf-8")


def _head(audit: Audit) -> str:
    names = [f"{row.peer.name} {re.split('[.]post|[-+]', row.version)[0]}" for row in audit.rows]
    return f"| GMACs | exact | {' | '.join(names)} | unexplained |\n| --- | ---: | ---: |{' ---: |' * len(names)}"


def _row(title: str, audit: Audit) -> str:
    figures = [
        row.status.value if row.macs is None else _giga(row.macs, row.macs == audit.macs) for row in audit.rows
    ]
    rest = sum(abs(row.unexplained or 0) for row in audit.rows)
    return f"| {title} | {_giga(audit.macs, True)} | {' | '.join(figures)} | {rest} |"


def _giga(macs: int, exact: bool) -> str:
    text = f"{macs / 1e9:.2f}"
    return f"**{text}**" if exact else text


if __name__ == "__main__":
    main(sys.argv[1:])
