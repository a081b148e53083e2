"""Tiny pipelines of diffusers, as `save_pretrained` of diffusers 0.42.1 and transformers write them: image/pipeline, and
image/pipeline-fp16 with the variant of every part.

    python generator/pipeline.py        in the folder Fixtures
"""
import json
import pathlib
import shutil

import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

SHARD_SIZE = "24KB"


def tokenizer(folder):
    letters = [chr(code) for code in range(ord("a"), ord("h"))]
    tokens = letters + [letter + "</w>" for letter in letters] + ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))


def pipeline(scratch):
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=(4, 8), layers_per_block=1, norm_num_groups=2, cross_attention_dim=8,
        attention_head_dim=2, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"))
    vae = AutoencoderKL(block_out_channels=(4,), norm_num_groups=2, sample_size=8)
    text = CLIPTextModel(CLIPTextConfig(
        hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=16,
        max_position_embeddings=8, projection_dim=8))
    return StableDiffusionPipeline(
        vae=vae, text_encoder=text, tokenizer=tokenizer(scratch), unet=unet, scheduler=PNDMScheduler(),
        safety_checker=None, feature_extractor=None, image_encoder=None, requires_safety_checker=False)


def main():
    root = pathlib.Path("image")
    scratch = root / "scratch"
    made = pipeline(scratch)
    for name, options in [("pipeline", {}), ("pipeline-fp16", {"variant": "fp16"})]:
        shutil.rmtree(root / name, ignore_errors=True)
        if options:
            made = made.to(torch.float16)
        made.save_pretrained(root / name, max_shard_size=SHARD_SIZE, **options)
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
