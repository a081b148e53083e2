"""The models of the cases: tiny configurations in double precision, filled with dyadic numbers."""

import pathlib
import sys
from dataclasses import dataclass

import diffusers
import numpy as np
import torch
import transformers

from generator.image_cases import names, values

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "checks"))
import image_models  # noqa: E402

#: Widths that the classes fix and that would make the files large, and what the models here have instead.
SMALLER = {256: 8, 1024: 12}
SDXL = dict(image_models.SDXL)


def unet(**config):
    return image_models.blank(diffusers.UNet2DConditionModel, norm_num_groups=2, **{"layers_per_block": 2, **config})


def inpainting():
    return unet(in_channels=9, block_out_channels=(4, 8, 8, 8), cross_attention_dim=8, attention_head_dim=2)


def sd2():
    return unet(
        block_out_channels=(4, 8, 8, 8), cross_attention_dim=8, attention_head_dim=(1, 2, 2, 2), use_linear_projection=True
    )  # fmt: skip


def ssd1b():
    """Fewer layers in the attentions than SDXL, other numbers on the way up, and a middle without attention."""
    return unet(
        block_out_channels=(4, 8, 8), down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), mid_block_type="UNetMidBlock2D",
        transformer_layers_per_block=[1, [1, 1], [2, 1]], reverse_transformer_layers_per_block=[[1, 1, 2], [2, 1, 1], 1],
        **SDXL,
    )  # fmt: skip


def pixart():
    return image_models.blank(
        diffusers.PixArtTransformer2DModel, num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8,
        num_layers=2, cross_attention_dim=16, caption_channels=12, sample_size=8, use_additional_conditions=False,
    )  # fmt: skip


def wan22():
    """The text-to-video sizes of Wan 2.2: no image embedding."""
    return image_models.blank(
        diffusers.WanTransformer3DModel, num_attention_heads=2, attention_head_dim=8, in_channels=6, out_channels=4, text_dim=12,
        freq_dim=8, ffn_dim=24, num_layers=3, cross_attn_norm=True,
    )  # fmt: skip


def clip(projection=False, hidden=8):
    kind = transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel
    config = transformers.CLIPTextConfig(
        hidden_size=hidden, intermediate_size=2 * hidden, num_hidden_layers=2, num_attention_heads=2, vocab_size=16,
        max_position_embeddings=6, projection_dim=hidden - 2,
    )  # fmt: skip
    with torch.device("meta"):
        return kind(config)


def t5():
    config = transformers.T5Config(
        d_model=12, d_kv=4, d_ff=16, num_layers=2, num_heads=2, vocab_size=16, feed_forward_proj="gated-gelu"
    )  # fmt: skip
    with torch.device("meta"):
        return transformers.T5EncoderModel(config)


@dataclass
class Architecture:
    """A diffusion model: what makes it, its names, its folder and the class of pipelines that load adapters into it."""

    make: object
    table: object
    pipeline: str
    folder: str = "transformer"


def known(name):
    return lambda: image_models.CASES[name]().model


ARCHITECTURES = {
    "sd1": Architecture(known("sd1"), names.UNetTable(2), "StableDiffusionPipeline", "unet"),
    "inpainting": Architecture(inpainting, names.UNetTable(2), "StableDiffusionPipeline", "unet"),
    "sd2": Architecture(sd2, names.UNetTable(2), "StableDiffusionPipeline", "unet"),
    "sdxl": Architecture(known("sdxl"), names.UNetTable(2), "StableDiffusionXLPipeline", "unet"),
    "ssd1b": Architecture(ssd1b, names.UNetTable(2), "StableDiffusionXLPipeline", "unet"),
    "refiner": Architecture(known("sdxl-refiner"), names.UNetTable(2), "StableDiffusionXLImg2ImgPipeline", "unet"),
    "flux": Architecture(known("flux1"), names.Table("flux"), "FluxPipeline"),
    "chroma": Architecture(known("chroma"), names.Table("chroma"), "ChromaPipeline"),
    "flux2": Architecture(known("flux2"), names.Table("flux2"), "Flux2Pipeline"),
    "sd3": Architecture(known("sd3"), names.Table("sd3"), "StableDiffusion3Pipeline"),
    "wan": Architecture(known("wan"), names.Table("wan"), "WanPipeline"),
    "wan22": Architecture(wan22, names.Table("wan"), "WanPipeline"),
    "wan-vace": Architecture(known("wan-vace"), names.Table("wan"), "WanVACEPipeline"),
    "z-image": Architecture(known("z-image"), names.Table("zimage"), "ZImagePipeline"),
    "lumina2": Architecture(known("lumina2"), names.Table("lumina2"), "Lumina2Pipeline"),
    "hunyuan": Architecture(known("hunyuan-video"), names.Table("hunyuan_video"), "HunyuanVideoPipeline"),
    "ltx": Architecture(known("ltx-video"), names.Table("ltx"), "LTXPipeline"),
    "aura-flow": Architecture(known("aura-flow"), names.Table("auraflow"), "AuraFlowPipeline"),
    "pixart": Architecture(pixart, names.Table("pixart"), ""),
    "sana": Architecture(known("sana"), names.Table("sana"), "SanaPipeline"),
    "qwen": Architecture(known("qwen-image"), names.Table(None), "QwenImagePipeline"),
    "clip": Architecture(clip, None, ""),
    "clip-projection": Architecture(lambda: clip(True, 10), names.Table("openclip"), ""),
    "clip-openclip": Architecture(lambda: clip(False, 10), names.Table("openclip"), ""),
    "t5": Architecture(t5, None, ""),
}


def small(model):
    """Replaces linear layers of the widths in SMALLER."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, torch.nn.Linear) and {child.in_features, child.out_features} & set(SMALLER):
                sizes = [SMALLER.get(size, size) for size in (child.in_features, child.out_features)]
                setattr(module, name, torch.nn.Linear(*sizes, bias=child.bias is not None, device="meta"))
    return model


def hugging_face(name):
    """A text encoder's name with `text_model.`, which transformers 5 leaves out for CLIPTextModel."""
    return "text_model." + name if name.startswith(("embeddings.", "encoder.layers.", "final_layer_norm.")) else name


def parameters(kind):
    """{diffusers name: shape} of the stored parameters."""
    model = small(ARCHITECTURES[kind].make())
    found = {hugging_face(name): tuple(value.shape) for name, value in model.state_dict().items()}
    found.pop("text_model.embeddings.position_ids", None)
    if "encoder.embed_tokens.weight" in found:
        found.pop("encoder.embed_tokens.weight")
    return found


def filled(kind, label):
    return {name: values.weight(f"{label} {name}", shape) for name, shape in parameters(kind).items()}


def in_double(kind, tensors):
    """The torch model with these parameters, in double precision."""
    model = small(ARCHITECTURES[kind].make()).to_empty(device="cpu").double()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            stored = tensors.get(hugging_face(name))
            if stored is None and name == "encoder.embed_tokens.weight":
                stored = tensors["shared.weight"]
            if stored is not None:
                value.copy_(torch.from_numpy(np.ascontiguousarray(stored)))
    return model.eval()
