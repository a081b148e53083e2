"""Makes a base of SDXL's names and sizes in F16 (6.9 GB) and a kohya adapter of all its layers: make_sdxl.py FOLDER [RANK]

The weights are random; names and shapes are those of the UNet of diffusers, given the names of the published file, of CLIP-L, of
OpenCLIP bigG and of the VAE. Needs numpy, torch, diffusers and transformers.
"""

import json
import pathlib
import struct
import sys

import numpy
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Fixtures" / "checks"))
import diffusers  # noqa: E402
import image_models  # noqa: E402
import transformers  # noqa: E402

CHUNK = numpy.random.default_rng(1).normal(0, 0.02, 1 << 24).astype(numpy.float16).tobytes()


def shapes(model):
    return {name: list(value.shape) for name, value in model.state_dict().items()}


def meta(make):
    with torch.device("meta"):
        return make()


def unet():
    model = meta(
        lambda: diffusers.UNet2DConditionModel(
            sample_size=128, block_out_channels=(320, 640, 1280), transformer_layers_per_block=(1, 2, 10),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048, use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )
    )  # fmt: skip
    return image_models.unet_names(2, "add_embedding")(shapes(model))


def clip(width, layers, heads):
    config = transformers.CLIPTextConfig(
        hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, num_attention_heads=heads, projection_dim=width
    )
    found = shapes(meta(lambda: transformers.CLIPTextModel(config)))
    return {name if name.startswith("text_model.") else "text_model." + name: shape for name, shape in found.items()}


def open_clip(text):
    """OpenCLIP's names of a CLIP: the projections of a layer lie in one tensor."""
    found = {}
    for name, shape in text.items():
        name = name.removeprefix("text_model.")
        if name.startswith("encoder.layers."):
            layer, rest = name.removeprefix("encoder.layers.").split(".", 1)
            stem = f"transformer.resblocks.{layer}."
            if rest.startswith(("self_attn.k", "self_attn.v")):
                continue
            if rest.startswith("self_attn.q"):
                found[stem + "attn.in_proj_" + rest.rsplit(".", 1)[1]] = [3 * shape[0], *shape[1:]]
                continue
            for old, new in (("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"),
                             ("self_attn.out_proj", "attn.out_proj")):  # fmt: skip
                rest = rest.replace(old, new)
            found[stem + rest] = shape
        elif "token_embedding" in name:
            found["token_embedding.weight"] = shape
        elif "position_embedding" in name:
            found["positional_embedding"] = shape
        elif name.startswith("final_layer_norm"):
            found["ln_final." + name.rsplit(".", 1)[1]] = shape
    width = text["text_model.final_layer_norm.weight"][0]
    return found | {"text_projection": [width, width], "logit_scale": []}


def write(path, tensors):
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors.items():
        size = 2 * int(numpy.prod(shape))
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        while end > 0:
            file.write(CHUNK[: min(end, len(CHUNK))])
            end -= min(end, len(CHUNK))


def factors(tensors, prefix, rank):
    """Down, up and alpha of every matrix and kernel."""
    found = {}
    for name, shape in tensors.items():
        if not name.endswith(".weight") or len(shape) < 2 or "embedding" in name:
            continue
        key = prefix + name.removesuffix(".weight").replace(".", "_")
        found[key + ".lora_down.weight"] = [rank, *shape[1:]]
        found[key + ".lora_up.weight"] = [shape[0], rank, *[1] * (len(shape) - 2)]
        found[key + ".alpha"] = []
    return found


def main():
    folder, rank = pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 16
    folder.mkdir(parents=True, exist_ok=True)
    model, first, second = unet(), clip(768, 12, 12), clip(1280, 32, 20)
    vae = shapes(meta(lambda: diffusers.AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), latent_channels=4, layers_per_block=2, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4)))  # fmt: skip
    base = {"conditioner.embedders.0.transformer." + name: shape for name, shape in first.items()}
    base |= {"conditioner.embedders.1.model." + name: shape for name, shape in open_clip(second).items()}
    base |= {"first_stage_model." + name: shape for name, shape in vae.items()}
    base |= {"model.diffusion_model." + name: shape for name, shape in model.items()}
    write(folder / "sdxl.safetensors", base)
    adapter = factors(model, "lora_unet_", rank) | factors(first, "lora_te1_", rank) | factors(second, "lora_te2_", rank)
    write(folder / "adapter.safetensors", adapter)
    print(f"{len(base)} tensors, {len(adapter) // 3} modules of the adapter")


main()
