"""Tiny models of every architecture of image and video models, with the converter of diffusers that reads their native names."""

import re
from dataclasses import dataclass, field
from typing import Callable

import diffusers
import torch
import transformers

CASES: dict[str, Callable] = {}


@dataclass
class Case:
    """A model and how its native names are converted."""

    model: torch.nn.Module
    #: The file with the table, below Sources/ImageModels/Architectures; empty: `native` gives the names.
    table: str = ""
    #: A function of diffusers.loaders.single_file_utils; empty: native names are diffusers' names.
    converter: str = ""
    #: Numbers in the converter's source, and those of the tiny model.
    sizes: dict = field(default_factory=dict)
    prefix: str = ""
    native: Callable | None = None
    #: Whether the table itself is applied, because diffusers has no converter.
    by_table: bool = False
    #: What the converter also expects.
    extra: Callable = lambda tensors: {}
    #: Names of diffusers without a native name: tensors that change their shape.
    ignored: tuple = ()
    convert: Callable = lambda function, tensors: function(tensors)


def case(function: Callable) -> Callable:
    CASES[function.__name__.replace("_", "-")] = function
    return function


def blank(kind, **config):
    with torch.device("meta"):
        return kind(**config)


@case
def flux1():
    model = blank(
        diffusers.FluxTransformer2DModel, in_channels=8, num_layers=2, num_single_layers=2, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=12, pooled_projection_dim=8, guidance_embeds=True, axes_dims_rope=(2, 2, 4),
    )  # fmt: skip
    return Case(model, "Flux/Flux1.swift", "convert_flux_transformer_checkpoint_to_diffusers", {3072: 16})


@case
def chroma():
    model = blank(
        diffusers.ChromaTransformer2DModel, in_channels=8, num_layers=2, num_single_layers=2, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=12, axes_dims_rope=(2, 2, 4), approximator_num_channels=8,
        approximator_hidden_dim=12, approximator_layers=2,
    )  # fmt: skip
    return Case(model, "Flux/Chroma.swift", "convert_chroma_transformer_checkpoint_to_diffusers", {3072: 16})


@case
def flux2():
    model = blank(
        diffusers.Flux2Transformer2DModel, in_channels=8, num_layers=2, num_single_layers=2, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=12, timestep_guidance_channels=8, mlp_ratio=3.0, axes_dims_rope=(2, 2, 2, 2),
    )  # fmt: skip
    return Case(model, "Flux/Flux2.swift", "convert_flux2_transformer_checkpoint_to_diffusers")


@case
def sd3():
    model = blank(
        diffusers.SD3Transformer2DModel, sample_size=8, in_channels=4, num_layers=3, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=12, caption_projection_dim=16, pooled_projection_dim=8, pos_embed_max_size=4,
        dual_attention_layers=(0,), qk_norm="rms_norm",
    )  # fmt: skip
    return Case(model, "Diffusion/StableDiffusion3.swift", "convert_sd3_transformer_checkpoint_to_diffusers")


@case
def wan():
    model = blank(
        diffusers.WanTransformer3DModel, num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=4, text_dim=12,
        freq_dim=8, ffn_dim=32, num_layers=2, image_dim=8, added_kv_proj_dim=16, cross_attn_norm=True,
    )  # fmt: skip
    return Case(model, "Video/Wan.swift", "convert_wan_transformer_to_diffusers")


@case
def wan_vace():
    model = blank(
        diffusers.WanVACETransformer3DModel, num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=4,
        text_dim=12, freq_dim=8, ffn_dim=32, num_layers=2, vace_layers=[0], vace_in_channels=6, cross_attn_norm=True,
    )  # fmt: skip
    return Case(model, "Video/Wan.swift", "convert_wan_transformer_to_diffusers")


@case
def z_image():
    model = blank(
        diffusers.ZImageTransformer2DModel, in_channels=4, dim=16, n_layers=2, n_refiner_layers=1, n_heads=2, n_kv_heads=2,
        cap_feat_dim=12, axes_dims=[2, 2, 4],
    )  # fmt: skip
    return Case(model, "Diffusion/ZImage.swift", "convert_z_image_transformer_checkpoint_to_diffusers")


@case
def lumina2():
    model = blank(
        diffusers.Lumina2Transformer2DModel, in_channels=4, hidden_size=16, num_layers=2, num_refiner_layers=1,
        num_attention_heads=2, num_kv_heads=1, multiple_of=8, axes_dim_rope=(2, 2, 4), cap_feat_dim=12,
    )  # fmt: skip
    return Case(model, "Diffusion/Lumina2.swift", "convert_lumina2_to_diffusers", {2304: 16, 768: 8})


@case
def hunyuan_video():
    model = blank(
        diffusers.HunyuanVideoTransformer3DModel, in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8,
        num_layers=1, num_single_layers=1, num_refiner_layers=1, text_embed_dim=12, pooled_projection_dim=8,
        rope_axes_dim=(2, 2, 4),
    )  # fmt: skip
    return Case(model, "Video/HunyuanVideo.swift", "convert_hunyuan_video_transformer_to_diffusers", {3072: 16})


@case
def ltx_video():
    model = blank(
        diffusers.LTXVideoTransformer3DModel, in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8,
        cross_attention_dim=16, num_layers=2, caption_channels=12,
    )  # fmt: skip
    return Case(model, "Video/LTXVideo.swift", "convert_ltx_transformer_checkpoint_to_diffusers")


@case
def ltx2():
    model = blank(
        diffusers.LTX2VideoTransformer3DModel, in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8,
        cross_attention_dim=16, audio_in_channels=4, audio_out_channels=4, audio_num_attention_heads=2, audio_attention_head_dim=8,
        audio_cross_attention_dim=16, num_layers=2, caption_channels=12,
    )  # fmt: skip
    return Case(model, "Video/LTX2.swift", "convert_ltx2_transformer_to_diffusers")


@case
def mochi():
    model = blank(
        diffusers.MochiTransformer3DModel, num_attention_heads=2, attention_head_dim=8, num_layers=2, pooled_projection_dim=8,
        in_channels=4, text_embed_dim=12, time_embed_dim=8,
    )  # fmt: skip
    return Case(model, "Video/Mochi.swift", "convert_mochi_transformer_checkpoint_to_diffusers", {48: 2})


@case
def cosmos2():
    model = blank(
        diffusers.CosmosTransformer3DModel, in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=24,
        num_layers=2, text_embed_dim=12, adaln_lora_dim=4, extra_pos_embed_type=None,
    )  # fmt: skip
    return Case(model, "Video/Cosmos2.swift", "convert_cosmos_transformer_checkpoint_to_diffusers", prefix="net.")


@case
def aura_flow():
    model = blank(
        diffusers.AuraFlowTransformer2DModel, sample_size=8, in_channels=4, num_mmdit_layers=1, num_single_dit_layers=1,
        attention_head_dim=8, num_attention_heads=2, joint_attention_dim=12, caption_projection_dim=16, out_channels=4,
        pos_embed_max_size=16,
    )  # fmt: skip
    return Case(model, "Diffusion/AuraFlow.swift", "convert_auraflow_transformer_checkpoint_to_diffusers")


@case
def sana():
    model = blank(
        diffusers.SanaTransformer2DModel, in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8, num_layers=2,
        num_cross_attention_heads=2, cross_attention_head_dim=8, cross_attention_dim=16, caption_channels=12, sample_size=8,
    )  # fmt: skip
    unused = {"pos_embed": torch.zeros(1), "y_embedder.y_embedding": torch.zeros(1)}
    return Case(model, "Diffusion/Sana.swift", "convert_sana_transformer_to_diffusers", extra=lambda _: dict(unused))


@case
def qwen_image():
    model = blank(
        diffusers.QwenImageTransformer2DModel, in_channels=8, out_channels=2, num_layers=2, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=12, axes_dims_rope=(2, 2, 4),
    )  # fmt: skip
    return Case(model, "Diffusion/QwenImage.swift")


@case
def hidream():
    model = blank(
        diffusers.HiDreamImageTransformer2DModel, patch_size=2, in_channels=4, out_channels=4, num_layers=1, num_single_layers=1,
        attention_head_dim=8, num_attention_heads=2, caption_channels=[12, 12], text_emb_dim=8, num_routed_experts=2,
        num_activated_experts=1, axes_dims_rope=(4, 2, 2), max_resolution=(8, 8),
    )  # fmt: skip
    return Case(model, "Diffusion/HiDream.swift")


def unet_names(layers: int, label: str):
    """Native names of a UNet. Its blocks' layers are numbered on; a block's sampler is counted as one."""
    resnet = {
        "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
        "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
    }  # fmt: skip
    simple = {
        "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2", "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2", f"{label}.linear_1": "label_emb.0.0", f"{label}.linear_2": "label_emb.0.2",
    }  # fmt: skip

    def native(model: dict) -> dict:
        found = {}
        for name, shape in model.items():
            parts = name.split(".")
            module, leaf = name.rsplit(".", 1)
            if module in simple:
                target = f"{simple[module]}.{leaf}"
            elif parts[0] == "mid_block":
                place = 1 if parts[1] == "attentions" else 2 * int(parts[2])
                rest = ".".join(parts[3:]) if parts[1] == "attentions" else f"{resnet[parts[3]]}.{leaf}"
                target = f"middle_block.{place}.{rest}"
            else:
                down, block, kind, layer = parts[0] == "down_blocks", int(parts[1]), parts[2], int(parts[3])
                number = (layers + 1) * block + layer + (1 if down else 0)
                stem = "input_blocks" if down else "output_blocks"
                if kind == "resnets":
                    target = f"{stem}.{number}.0.{resnet[parts[4]]}.{leaf}"
                elif kind == "attentions":
                    target = f"{stem}.{number}.1.{'.'.join(parts[4:])}"
                elif kind == "downsamplers":
                    target = f"{stem}.{(layers + 1) * (block + 1)}.0.op.{leaf}"
                else:
                    place = 2 if f"up_blocks.{block}.attentions.0.norm.weight" in model else 1
                    target = f"{stem}.{(layers + 1) * block + layers}.{place}.conv.{leaf}"
            found[target] = shape
        return found

    return native


def unet(layers=2, label="add_embedding", **config):
    model = blank(diffusers.UNet2DConditionModel, norm_num_groups=2, layers_per_block=layers, **config)
    return Case(
        model, converter="convert_ldm_unet_checkpoint", prefix="model.diffusion_model.", native=unet_names(layers, label),
        convert=lambda function, tensors: function(tensors, dict(model.config)),
    )  # fmt: skip


@case
def sd1():
    return unet(block_out_channels=(4, 8, 8, 8), cross_attention_dim=8, attention_head_dim=2)


SDXL = dict(
    cross_attention_dim=16, addition_embed_type="text_time", addition_time_embed_dim=4, use_linear_projection=True,
    projection_class_embeddings_input_dim=32, attention_head_dim=2,
)  # fmt: skip


@case
def sdxl():
    return unet(
        block_out_channels=(4, 8, 8), down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), transformer_layers_per_block=(1, 1, 2), **SDXL,
    )  # fmt: skip


@case
def sdxl_refiner():
    return unet(
        block_out_channels=(4, 8, 8, 8),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), transformer_layers_per_block=1,
        **SDXL,
    )  # fmt: skip


def autoencoder_name(name: str, blocks: int) -> str:
    """The native name of a parameter of AutoencoderKL. Its blocks on the way up are counted from the last."""
    name = name.replace("mid_block.resnets.0", "mid.block_1").replace("mid_block.resnets.1", "mid.block_2")
    name = name.replace("mid_block.attentions.0", "mid.attn_1").replace("group_norm", "norm").replace("to_out.0", "proj_out")
    name = re.sub(r"\bto_([qkv])\b", r"\1", name).replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"up_blocks\.(\d+)", lambda found: f"up.{blocks - 1 - int(found[1])}", name).replace("down_blocks", "down")
    name = name.replace("resnets", "block").replace("downsamplers.0", "downsample").replace("upsamplers.0", "upsample")
    return name


@case
def autoencoder():
    """The VAE of SD, SDXL, SD3 and FLUX.1. The projections of its attention are kernels of one element in native files."""
    model = blank(
        diffusers.AutoencoderKL, block_out_channels=(4, 8, 8), layers_per_block=2, norm_num_groups=2, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
    )  # fmt: skip

    def native(shapes: dict) -> dict:
        def kernel(name, shape):
            return (*shape, 1, 1) if ".attentions." in name and len(shape) == 2 else shape

        return {autoencoder_name(name, 3): kernel(name, shape) for name, shape in shapes.items()}

    return Case(
        model, converter="convert_ldm_vae_checkpoint", prefix="first_stage_model.", native=native,
        convert=lambda function, tensors: function(tensors, dict(model.config)),
    )  # fmt: skip


@case
def open_clip():
    config = transformers.CLIPTextConfig(
        hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, vocab_size=16,
        max_position_embeddings=6, projection_dim=8,
    )  # fmt: skip
    model = transformers.CLIPTextModelWithProjection(config)
    return Case(
        model, "Encoders/OpenCLIP.swift", "convert_open_clip_checkpoint", prefix="conditioner.embedders.1.model.",
        convert=lambda function, tensors: function(model, tensors, prefix="conditioner.embedders.1.model."),
    )  # fmt: skip


@case
def pixart():
    """There is no converter of single files: the table is applied."""
    model = blank(
        diffusers.PixArtTransformer2DModel, num_attention_heads=2, attention_head_dim=8, num_layers=2, cross_attention_dim=16,
        sample_size=8, caption_channels=12, in_channels=4, use_additional_conditions=True,
    )  # fmt: skip
    return Case(model, "Diffusion/PixArt.swift", by_table=True)


@case
def krea2():
    model = blank(
        diffusers.Krea2Transformer2DModel, in_channels=4, num_layers=1, attention_head_dim=8, num_attention_heads=2,
        num_key_value_heads=1, intermediate_size=32, timestep_embed_dim=8, text_hidden_dim=12, num_text_layers=2,
        text_num_attention_heads=2, text_num_key_value_heads=2, text_intermediate_size=16, num_layerwise_text_blocks=1,
        num_refiner_text_blocks=1, axes_dims_rope=(2, 2, 4),
    )  # fmt: skip
    return Case(
        model, "Diffusion/Krea2.swift", "convert_krea2_transformer_checkpoint_to_diffusers",
        ignored=("transformer_blocks.0.scale_shift_table",),
    )  # fmt: skip


@case
def flux3():
    model = blank(
        diffusers.Flux3Transformer2DModel, in_channels=4, cond_in_channels=4, num_layers=2, num_single_layers=1,
        attention_head_dim=8, num_attention_heads=2, joint_attention_dim=12, timestep_channels=8, axes_dims_rope=(2, 2, 2, 2),
        flow_map=True,
    )  # fmt: skip
    return Case(model, "Flux/Flux3.swift", "convert_flux3_transformer_checkpoint_to_diffusers")


@case
def qwen_image21():
    model = blank(
        diffusers.QwenImage21Transformer2DModel, in_channels=4, out_channels=4, num_layers=2, attention_head_dim=8,
        num_attention_heads=2, context_in_dim=12, axes_dims_rope=(2, 2, 4),
    )  # fmt: skip
    return Case(model, "Diffusion/QwenImage21.swift", "convert_qwen_image21_transformer_checkpoint_to_diffusers")


@case
def cascade():
    model = blank(
        diffusers.StableCascadeUNet, in_channels=4, out_channels=4, conditioning_dim=8, block_out_channels=(8, 8),
        num_attention_heads=(2, 2), down_num_layers_per_block=(1, 1), up_num_layers_per_block=(1, 1), clip_text_in_channels=8,
        clip_text_pooled_in_channels=8, clip_image_in_channels=8, switch_level=(False,),
    )  # fmt: skip
    return Case(model, "Diffusion/StableCascade.swift", "convert_stable_cascade_unet_single_file_to_diffusers")
