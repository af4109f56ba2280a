"""Closed forms of networks that are not in the registry: ``others.md``, made by running ``derive`` on each.

``python docs/others.py [TARGET …]`` takes some minutes, and transformers and timm (which needs torchvision). A
network whose library is not there, or that is not among those named, keeps the section that it has. Each runs in
a process of its own, as its authors' code builds it from its defaults.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import vpcalc

PAGE = Path(__file__).with_name("others.md")
HEAD = """\
# Other networks

Networks that are not in the registry, in closed form at every size: what `vpcalc derive TARGET --input 1,3,H,W`
answers for the code of timm and transformers, which each was built from with its defaults. *Executed* forms were
read off one run on symbols and held against independent counts; a shorter form stands before them where there
is one on a lattice. What other types of transformers come to is in [coverage](coverage.md).
`python docs/others.py` makes this page.
"""
SIDE = 224
NETWORKS: Mapping[str, str] = {
    "timm:twins_pcpvt_small": "Twins-PCPVT (Chu et al. 2021)",
    "timm:twins_svt_small": "Twins-SVT (Chu et al. 2021)",
    "timm:mvitv2_tiny": "MViT v2 (Li et al. 2022)",
    "timm:maxvit_tiny_rw_224": "MaxViT (Tu et al. 2022)",
    "timm:coatnet_0_rw_224": "CoAtNet (Dai et al. 2021)",
    "timm:xcit_tiny_12_p16_224": "XCiT, cross-covariance attention (El-Nouby et al. 2021)",
    "timm:davit_tiny": "DaViT (Ding et al. 2022)",
    "timm:edgenext_small": "EdgeNeXt (Maaz et al. 2022)",
    "timm:fastvit_t8": "FastViT (Vasu et al. 2023)",
    "timm:crossvit_tiny_240": "CrossViT (Chen et al. 2021)",
    "timm:mixer_s16_224": "MLP-Mixer (Tolstikhin et al. 2021)",
    "timm:poolformer_s12": "PoolFormer (Yu et al. 2022)",
    "timm:efficientnet_b0": "EfficientNet (Tan and Le 2019)",
    "timm:efficientnetv2_s": "EfficientNetV2 (Tan and Le 2021)",
    "timm:mobilenetv3_large_100": "MobileNetV3 (Howard et al. 2019)",
    "timm:ghostnet_100": "GhostNet (Han et al. 2020)",
    "timm:regnety_016": "RegNet (Radosavovic et al. 2020)",
    "timm:densenet121": "DenseNet (Huang et al. 2017)",
    "timm:hrnet_w18": "HRNet (Wang et al. 2019)",
    "timm:repvgg_a0": "RepVGG (Ding et al. 2021)",
    "timm:inception_v3": "Inception v3 (Szegedy et al. 2016)",
    "transformers:swinv2": "Swin V2 (Liu et al. 2022)",
    "transformers:convnextv2": "ConvNeXt V2 (Woo et al. 2023)",
    "transformers:segformer": "SegFormer's encoder (Xie et al. 2021)",
    "transformers:mobilevit": "MobileViT (Mehta and Rastegari 2022)",
    "transformers:mobilevitv2": "MobileViTv2 (Mehta and Rastegari 2022)",
    "transformers:levit": "LeViT (Graham et al. 2021)",
    "transformers:cvt": "CvT (Wu et al. 2021)",
    "transformers:focalnet": "FocalNet (Yang et al. 2022)",
    "transformers:hiera": "Hiera (Ryali et al. 2023)",
    "transformers:beit": "BEiT (Bao et al. 2022)",
    "transformers:dinov2": "DINOv2's ViT (Oquab et al. 2023)",
    "transformers:poolformer": "PoolFormer (Yu et al. 2022)",
    "transformers:regnet": "RegNet (Radosavovic et al. 2020)",
    "transformers:mobilenet_v2": "MobileNetV2 (Sandler et al. 2018)",
}


def section(target: str) -> str:
    """What ``derive`` answers, in Markdown."""
    answer = vpcalc.derive(target, "1,3,H,W")
    lines = [f"## {NETWORKS[target]}", "", f"`vpcalc derive {target} --input 1,3,H,W`: {answer.verdict}.", ""]
    if not hasattr(answer, "domain"):
        lines.append(f"- Multiply-accumulates{_where(answer.macs)}: `{answer.macs}`")
        return "\n".join(lines)
    complete = (
        "every size from 1 to 4096 has its form or its refusal" if answer.explored.complete else "not complete"
    )
    lines[2] = lines[2][:-1] + f"; {complete}."
    if str(answer.macs) != str(answer.everywhere):
        lines.append(f"- Multiply-accumulates{_where(answer.macs)}: `{answer.macs}`")
    lines.append(f"- Multiply-accumulates{_where(answer.everywhere)}: `{answer.everywhere}`")
    point = {"H": SIDE, "W": SIDE}
    regime = answer.explored.exploration.at(point)
    if regime is not None and not regime.refused:
        lines.append(f"- At {SIDE} × {SIDE}: {regime.leader.execution.macs.at(point):,}")
    if answer.unknown:
        lines.append("- Without a price: " + ", ".join(f"`{name}`" for name in answer.unknown))
    return "\n".join(lines)


def _where(form: object) -> str:
    valid = getattr(form, "valid", "")
    return f", where {valid}" if valid else ""


def sections(page: str) -> Iterator[tuple[str, str]]:
    """Those that a page has, by target."""
    for text in re.split(r"\n(?=## )", page)[1:]:
        if found := re.search(r"`vpcalc derive (\S+) ", text):
            yield found[1], text.strip()


def main(wanted: list[str]) -> None:
    """Fill the page."""
    if wanted[:1] == ["--one"]:
        print(section(wanted[1]))
        return
    found = dict(sections(PAGE.read_text(encoding="utf-8"))) if PAGE.exists() else {}
    for target in wanted or NETWORKS:
        done = subprocess.run([sys.executable, __file__, "--one", target], capture_output=True, text=True)
        print(f"{target}: {'done' if done.returncode == 0 else done.stderr.strip().splitlines()[-1:]}", flush=True)
        if done.returncode == 0:
            found[target] = done.stdout.strip()
    body = "\n\n".join(found[target] for target in NETWORKS if target in found)
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    left = _not_tried() or next((line for line in old.splitlines() if line.startswith("Not tried")), "")
    PAGE.write_text(f"{HEAD}\n{body}\n\n{left}\n", encoding="utf-8")


def _not_tried() -> str:
    """The families of timm of which none is here; nothing where timm is not."""
    try:
        import timm
    except ImportError:
        return ""
    tried = {
        timm.models.model_entrypoint(name[5:]).__module__.split(".")[-1] for name in NETWORKS if "timm:" in name
    }
    left = sorted(set(timm.list_modules()) - tried)
    return f"Not tried of timm {timm.__version__}: {', '.join(left)}."


if __name__ == "__main__":
    main(sys.argv[1:])
