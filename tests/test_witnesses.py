"""Independent implementations that others maintain, counted by fvcore, against our trees.

Built from their configuration with random weights, eager attention, on the meta device. What they do
differently is named by its operator; there is no tolerance.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from vpcalc.answers.model import model
from vpcalc.architectures import ARCHITECTURES
from vpcalc.cost import Quantity
from vpcalc.counters.fvcore import count
from vpcalc.reference import MODEL_WITNESSES


def counted(config: Any, kind: str, sizes: tuple[int, int]) -> Any:
    config.num_labels = 1000
    config._attn_implementation = "eager"
    with torch.device("meta"):
        network = getattr(transformers, kind)(config)
    return count(network, (torch.zeros(1, 3, *sizes, device="meta"),))


def agrees(config: Any, kind: str, name: str, sizes: tuple[int, int], **settings: Any) -> None:
    ours = model(name, input=sizes, set=settings, check=False)
    theirs = counted(config, kind, sizes)
    assert theirs.flops == ours.cost.by_operator(Quantity.FVCORE)
    assert theirs.activations == ours.cost.by_operator(Quantity.ACTIVATIONS)
    assert theirs.params == ours.figure(Quantity.PARAMS)


@pytest.mark.quick(1)
@pytest.mark.parametrize(("name", "depths"), [("swin_t", (2, 2, 6, 2)), ("swin_s", (2, 2, 18, 2))])
@pytest.mark.parametrize("sizes", [(224, 224), (224, 448)])
def test_swin(name: str, depths: tuple[int, ...], sizes: tuple[int, int]) -> None:
    config = transformers.SwinConfig(image_size=sizes, depths=list(depths), window_size=7)
    agrees(config, "SwinForImageClassification", name, sizes)


@pytest.mark.quick(2)
@pytest.mark.parametrize("sizes", [(225, 301), (200, 160)])
@pytest.mark.parametrize(("kind", "name"), [("Swin", "swin_t"), ("Swinv2", "swin_v2_t")])
def test_swin_pads_as_it_does(kind: str, name: str, sizes: tuple[int, int]) -> None:
    """An image that the patch does not divide, grids that the window does not, odd sides to merge.

    Only where no stage is smaller than a window: there the two shrink windows differently.
    """
    made = getattr(transformers, f"{kind}Config")
    config = made(image_size=sizes, depths=[2, 2], num_heads=[3, 6], window_size=4)
    agrees(config, f"{kind}ForImageClassification", name, sizes, depths=(2, 2), heads=(3, 6), M=4)


@pytest.mark.quick(1)
@pytest.mark.parametrize(
    ("name", "C", "middle", "window", "side"),
    [
        ("swin_v2_t", 96, 6, 8, 256),
        ("swin_v2_s_w16", 96, 18, 16, 256),
        ("swin_v2_b_192", 128, 18, 12, 192),
        ("swin_v2_l_384", 192, 18, 24, 384),
    ],
)
def test_swin_v2(name: str, C: int, middle: int, window: int, side: int) -> None:
    config = transformers.Swinv2Config(
        image_size=side,
        embed_dim=C,
        depths=[2, 2, middle, 2],
        num_heads=[C * 2**stage // 32 for stage in range(4)],
        window_size=window,
    )
    agrees(config, "Swinv2ForImageClassification", name, (side, side))


@pytest.mark.parametrize("sizes", [(32, 48), (41, 60)])
def test_our_swin_v2_computes_what_transformers_computes(sizes: tuple[int, int]) -> None:
    """Without shifts: what only the roll made neighbours they keep apart by 100, and we by infinity."""
    settings = {"C": 8, "depths": (1, 1), "heads": (2, 4), "M": 4}
    ours, (image,) = MODEL_WITNESSES["swin_v2"](sizes, ARCHITECTURES["swin_v2_t"].configure(settings))
    config = transformers.Swinv2Config(
        image_size=sizes, embed_dim=8, depths=[1, 1], num_heads=[2, 4], window_size=4, num_labels=1000
    )
    theirs = transformers.Swinv2ForImageClassification(config).eval()
    with torch.no_grad():
        mine, other = dict(ours.named_parameters()), dict(theirs.named_parameters())
        for name, values in mine.items():
            values.copy_(other[_in_transformers(name)].normal_(std=0.5))
        image = image.double().normal_()
        torch.testing.assert_close(ours.eval().double()(image), theirs.double()(image).logits)


def _in_transformers(name: str) -> str:
    """Where transformers has a parameter of our Swin V2 of two stages of one block each."""
    for ours, theirs in (
        ("stages.0.proj", "embeddings.patch_embeddings.projection"),
        ("stages.0.norm", "embeddings.norm"),
        ("stages.1", "encoder.layers.0.blocks.0"),
        ("stages.2", "encoder.layers.0.downsample"),
        ("stages.3", "encoder.layers.1.blocks.0"),
        ("attention.attention.temperature", "attention.self.logit_scale"),
        ("attention.attention.q.", "attention.self.query."),
        ("attention.attention.k.", "attention.self.key."),
        ("attention.attention.v.", "attention.self.value."),
        ("attention.attention.proj", "attention.output.dense"),
        ("attention.positions.fc1", "attention.self.continuous_position_bias_mlp.0"),
        ("attention.positions.fc2", "attention.self.continuous_position_bias_mlp.2"),
        ("norm1", "layernorm_before"),
        ("norm2", "layernorm_after"),
        ("ffn.fc1", "intermediate.dense"),
        ("ffn.fc2", "output.dense"),
    ):
        name = name.replace(ours, theirs)
    if name.startswith("norm."):
        name = name.replace("norm", "layernorm")
    return name.replace("head", "classifier") if "head" in name else f"swinv2.{name}"


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    ("name", "kind", "width", "heads", "patch"),
    [
        ("vit_b_16", "ViT", 768, 12, 16),
        ("vit_b_32", "ViT", 768, 12, 32),
        ("deit_s", "DeiT", 384, 6, 16),
    ],
)
@pytest.mark.parametrize("sizes", [(224, 224), (160, 288), (230, 250)])
def test_vit_and_deit(name: str, kind: str, width: int, heads: int, patch: int, sizes: tuple[int, int]) -> None:
    config = getattr(transformers, f"{kind}Config")(
        image_size=sizes,
        patch_size=patch,
        hidden_size=width,
        num_attention_heads=heads,
        intermediate_size=4 * width,
    )
    if kind == "ViT":
        agrees(config, "ViTForImageClassification", name, sizes)
        return
    agrees(config, "DeiTForImageClassificationWithTeacher", f"{name}_distilled", sizes)
    # with one head transformers' DeiT still carries the distillation token: one token and its position more.
    ours = model(name, input=sizes, check=False)
    theirs = counted(config, "DeiTForImageClassification", sizes)
    assert theirs.params == ours.figure(Quantity.PARAMS) + 2 * width
    assert theirs.flops["conv"] == ours.cost.by_operator(Quantity.FVCORE)["conv"]
    tokens = sizes[0] // patch * (sizes[1] // patch) + 1
    # its cost is the same encoder's on one token more: 12 d² a block in the projections, and the longer maps
    projections = 12 * 12 * width**2
    assert theirs.flops["linear"] == ours.cost.by_operator(Quantity.FVCORE)["linear"] + projections
    longer = 12 * 2 * width * ((tokens + 1) ** 2 - tokens**2)
    assert theirs.flops["matmul"] == ours.cost.by_operator(Quantity.FVCORE)["matmul"] + longer


def test_layer_scale_and_registers_are_those_of_dinov2() -> None:
    """Theirs is a backbone, with a token more for what is masked in training."""
    sizes = (238, 238)
    settings = {"hidden_size": 384, "num_attention_heads": 6, "patch_size": 14, "image_size": sizes}
    theirs = counted(transformers.Dinov2WithRegistersConfig(**settings), "Dinov2WithRegistersModel", sizes)
    changes = {"P": 14, "registers": 4, "layer_scale": True, "classes": 0}
    ours = model("vit_s_16", input=sizes, set=changes, check=False)
    assert theirs.flops == ours.cost.by_operator(Quantity.FVCORE)
    assert theirs.activations == ours.cost.by_operator(Quantity.ACTIVATIONS)
    assert theirs.params == ours.figure(Quantity.PARAMS) + 384


@pytest.mark.parametrize(
    ("name", "width", "depth", "heads", "patch", "hidden", "side"),
    [
        ("siglip_so400m_14", 1152, 27, 16, 14, 4304, 224),
        ("siglip_so400m_14", 1152, 27, 16, 14, 4304, 390),
        ("siglip_b_16", 768, 12, 12, 16, 3072, 250),
    ],
)
def test_siglip(name: str, width: int, depth: int, heads: int, patch: int, hidden: int, side: int) -> None:
    """fvcore has no price for the convolution of its patches, whose padding is a word, and another name for the
    products of its head, which is torch's attention.
    """
    config = transformers.SiglipVisionConfig(
        hidden_size=width,
        intermediate_size=hidden,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        patch_size=patch,
        image_size=side,
    )
    theirs = counted(config, "SiglipVisionModel", (side, side))
    ours = model(name, input=(side, side), check=False)
    assert theirs.unpriced["aten::_convolution_mode"] == 1
    for found, quantity in (
        (dict(theirs.flops), Quantity.FVCORE),
        (dict(theirs.activations), Quantity.ACTIVATIONS),
    ):
        found["matmul"] += found.pop("bmm")
        priced = ours.cost.by_operator(quantity)
        assert priced.pop("conv") > 0
        assert found == priced
    assert theirs.params == ours.figure(Quantity.PARAMS)


def test_our_siglip_computes_what_transformers_computes() -> None:
    """With the same weights: queries, keys and values stand in other matrices."""
    settings = {"C": 12, "depth": 2, "heads": 3, "P": 4, "mlp": 20}
    ours, (image,) = MODEL_WITNESSES["vit"]((16, 16), ARCHITECTURES["siglip_b_16"].configure(settings), 2)
    config = transformers.SiglipVisionConfig(
        hidden_size=12,
        intermediate_size=20,
        num_hidden_layers=2,
        num_attention_heads=3,
        patch_size=4,
        image_size=16,
        hidden_act="gelu",
        layer_norm_eps=1e-5,
    )
    theirs = transformers.SiglipVisionModel(config).eval().double()
    with torch.no_grad():
        for values in theirs.parameters():
            values.normal_(std=0.5)
        found = {name: values.flatten() for name, values in theirs.named_parameters()}
        for kind in ("weight", "bias"):
            rows = found.pop(f"head.attention.in_proj_{kind}").chunk(3)
            found[f"head.q.{kind}"], found[f"head.kv.{kind}"] = rows[0], torch.cat(rows[1:])
        for name, values in ours.double().named_parameters():
            values.copy_(torch.cat([found[part] for part in _in_siglip(name)]).reshape(values.shape))
        image = image.double().normal_()
        torch.testing.assert_close(ours.eval()(image), theirs(image).pooler_output)


def _in_siglip(name: str) -> list[str]:
    """Where transformers' SigLIP has a parameter of our ViT: whole, or in rows of three."""
    for ours, theirs in (
        ("patches.proj", "embeddings.patch_embedding"),
        ("positions.positions", "embeddings.position_embedding.weight"),
        ("pooling.norm", "head.layernorm"),
        ("pooling.proj", "head.attention.out_proj"),
        ("pooling", "head"),
        ("blocks", "encoder.layers"),
        ("attention.proj", "self_attn.out_proj"),
        ("norm1", "layer_norm1"),
        ("norm2", "layer_norm2"),
        ("ffn", "mlp"),
    ):
        name = name.replace(ours, theirs)
    if "attention.qkv" in name:
        return [name.replace("attention.qkv", f"self_attn.{part}_proj") for part in "qkv"]
    return [f"post_layer{name}" if name.startswith("norm") else name]


@pytest.mark.quick(2)
@pytest.mark.parametrize(("name", "C", "middle"), [("convnext_t", 96, 9), ("convnext_b", 128, 27)])
@pytest.mark.parametrize("sizes", [(224, 224), (225, 301)])
def test_convnext(name: str, C: int, middle: int, sizes: tuple[int, int]) -> None:
    widths = [C * 2**stage for stage in range(4)]
    config = transformers.ConvNextConfig(hidden_sizes=widths, depths=[3, 3, middle, 3])
    agrees(config, "ConvNextForImageClassification", name, sizes)


def test_our_convnext_computes_what_transformers_computes() -> None:
    config = ARCHITECTURES["convnext_t"].configure({"C": 8, "depths": (1, 2, 1, 1)})
    ours, (image,) = MODEL_WITNESSES["convnext"]((67, 70), config)
    kind = transformers.ConvNextConfig(hidden_sizes=[8, 16, 32, 64], depths=[1, 2, 1, 1], num_labels=1000)
    theirs = transformers.ConvNextForImageClassification(kind).eval()
    with torch.no_grad():
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            mine.copy_(other.normal_(std=0.5))
        for norm in (part for model in (ours, theirs) for part in model.modules() if hasattr(part, "eps")):
            norm.eps = 1e-6  # they add other small numbers to a variance
        image = image.double().normal_()  # large weights leave single precision few digits
        torch.testing.assert_close(ours.eval().double()(image), theirs.double()(image).logits)


STAGES = [f"stage{number}" for number in range(1, 5)]


@pytest.mark.quick(1)
@pytest.mark.parametrize("under", ["swin_t", "convnext_t"])
@pytest.mark.parametrize("sizes", [(512, 512), (416, 544)])
def test_upernet(under: str, sizes: tuple[int, int]) -> None:
    """Both count all that runs, and their auxiliary head is there as ours is; theirs has a last norm over Swin.

    Nothing reads what that norm makes, so that it is never run.
    """
    swin = transformers.SwinConfig(image_size=sizes, window_size=7, out_features=STAGES)
    widths = [96, 192, 384, 768]
    convnext = transformers.ConvNextConfig(hidden_sizes=widths, depths=[3, 3, 9, 3], out_features=STAGES)
    config = transformers.UperNetConfig(backbone_config=swin if under == "swin_t" else convnext, num_labels=150)
    config._attn_implementation = config.backbone_config._attn_implementation = "eager"
    with torch.device("meta"):
        network = transformers.UperNetForSemanticSegmentation(config)
    theirs = count(network, (torch.zeros(1, 3, *sizes, device="meta"),))
    ours = model("upernet", input=sizes, set={"backbone": under}, check=False)
    assert theirs.flops == ours.cost.by_operator(Quantity.FVCORE)
    assert theirs.activations == ours.cost.by_operator(Quantity.ACTIVATIONS)
    assert theirs.params == ours.figure(Quantity.PARAMS) + (2 * 768 if under == "swin_t" else 0)


TIMM = [
    "swin_t",
    "swin_b_384",
    "vit_ti_16",
    "vit_b_16",
    "siglip_so400m_14",
    "deit_s",
    "pvt_v2_b0",
    "pvt_v2_b2_li",
    "resnet50",
    "resnet50_v1c",
]
"""Not VGG: timm's head is a convolution of 7 x 7 that slides over the grid, and pools afterwards."""


ODD = (230, 250)
"""Neither patches of 4 and 16 nor strides of 2 divide it."""


def _odd(id: str) -> tuple[int, int]:
    """Swin's is one that only its windows do not divide: what its patch leaves over timm and torchvision drop."""
    return (232, 248) if id.startswith("swin") else ODD


@pytest.mark.by_hand
@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("id", TIMM)
def test_timm(id: str, odd: bool) -> None:
    import timm

    ours = model(id, input=_odd(id) if odd else None, check=False)
    name = next(iter(ours.architecture.aliases), id)
    made_for = {"img_size": ours.sizes} if odd and id.startswith(("swin", "vit", "siglip", "deit")) else {}
    with torch.device("meta"):
        network = timm.create_model(name, **made_for)
    for module in network.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False  # fvcore prices the fused operator at nothing
    theirs = count(network, (torch.zeros(1, 3, *ours.sizes, device="meta"),))
    assert theirs.flops == ours.cost.by_operator(Quantity.FVCORE)
    assert theirs.params == ours.figure(Quantity.PARAMS)


@pytest.mark.by_hand
@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("id", ["swin_t", "resnet18", "resnet50", "vgg11", "vgg16_bn"])
def test_torchvision(id: str, odd: bool) -> None:
    import torchvision

    ours = model(id, input=_odd(id) if odd else None, check=False)
    with torch.device("meta"):
        network = torchvision.models.get_model(id)
    theirs = dict(count(network, (torch.zeros(1, 3, *ours.sizes, device="meta"),)).flops)
    if id.startswith("swin"):
        # torchvision pools with adaptive_avg_pool2d, which fvcore prices; the authors' 1-D pooling it does not.
        last = list(ours.cost.stages())[-1].stage
        assert last is not None
        assert theirs.pop("adaptive_avg_pool2d") == last.resolution[0] * last.resolution[1] * last.channels
    assert theirs == ours.cost.by_operator(Quantity.FVCORE)


class Proposing(torch.nn.Module):
    """What torchvision's Mask R-CNN does before there are boxes."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.backbone, self.head = network.backbone, network.rpn.head

    def forward(self, x: Any) -> Any:
        scores, boxes = self.head([*self.backbone(x).values()])
        return (*scores, *boxes)


@pytest.mark.by_hand
def test_the_parts_of_torchvisions_mask_rcnn() -> None:
    """Its box head says where the background is, and its mask head makes a mask of it, too."""
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    ours = {part["name"]: part for part in model("mask_rcnn", input=(250, 380), check=False).to_dict()["parts"]}
    with torch.device("meta"):
        network = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=81)
    heads = network.roi_heads
    box, mask = (heads.box_head, heads.box_predictor), (heads.mask_head, heads.mask_predictor)
    for names, module, shape, macs, params in (
        (("backbone", "neck", "rpn"), Proposing(network), (1, 3, 250, 380), 0, 0),
        (("box head",), torch.nn.Sequential(*box), (1000, 256, 7, 7), 1000 * 4 * 1024, 4 * 1025),
        (("mask head",), torch.nn.Sequential(*mask), (100, 256, 14, 14), 100 * 28 * 28 * 256, 257),
    ):
        found = count(module, (torch.zeros(shape, device="meta"),))
        products = found.flops.get("conv", 0) + found.flops.get("linear", 0)
        assert products == macs + sum(ours[name]["macs"] for name in names)
        assert found.params == params + sum(ours[name]["params"] for name in names)
