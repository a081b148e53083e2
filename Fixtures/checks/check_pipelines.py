#!/usr/bin/env python3
"""Runs tiny pipelines of diffusers with an adapter and with merged weights: check_pipelines.py PROGRAM [--only TEXT] [--keep DIR]

Stable Diffusion 1, SDXL and FLUX.1 with random weights in F32 are saved as a folder and as a single file with native names.
PROGRAM merges an adapter into both (`PROGRAM merge BASE ADAPTER[=WEIGHT] -o OUT`). Latents after three steps with the same seed
and prompt must be those of the unmerged pipeline with `load_lora_weights`, except for rounding in F32. The prompt is a row of
token ids, so no tokenizer is needed; text encoders take part, from the merged files as well. Nothing is downloaded.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", CUDA_VISIBLE_DEVICES="")
warnings.simplefilter("ignore")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from tiny_pipelines import Flux, StableDiffusion, StableDiffusionXL, native_names, parameters, prepared_arguments  # noqa: E402

from generator.image_cases import reference  # noqa: E402

#: The largest distance of latents, as a part of the adapter's effect on them.
LIMIT = 1e-3


DOWN, MIDDLE = "down_blocks.1.attentions.0.transformer_blocks.0.", "mid_block.attentions.0.transformer_blocks.0."
TEXT = "text_model.encoder.layers."
UNET = [DOWN + "attn1.to_q", DOWN + "attn2.to_k", DOWN + "attn1.to_out.0", MIDDLE + "ff.net.0.proj"]
UNET += ["up_blocks.1.resnets.0.conv1"]
SGM = ["input_blocks.4.1.transformer_blocks.0.attn1.to_q", "middle_block.1.proj_in", "output_blocks.0.0.in_layers.2"]
FLUX = ["double_blocks.0.img_attn.qkv", "double_blocks.1.txt_mlp.0", "single_blocks.0.linear1", "single_blocks.1.linear2"]
SPLIT = ["transformer_blocks.0.attn.to_k", "single_transformer_blocks.1.proj_mlp", "norm_out.linear"]
ENCODER = [TEXT + "0.self_attn.q_proj", TEXT + "1.self_attn.out_proj", TEXT + "1.mlp.fc1"]


def kohya(prefix, module):
    return prefix + module.replace(".", "_"), ".lora_down.weight", ".lora_up.weight"


def peft(prefix, module):
    return prefix + module, ".lora_A.weight", ".lora_B.weight"


@dataclass
class Run:
    """A pipeline and an adapter of it. `parts`: [(part of the pipeline, prefix of keys, modules)]."""

    kind: object
    spelling: object
    parts: list
    alpha: float | None = None
    weight: float = 1.0
    magnitudes: bool = False


UNET_PARTS = ("unet", "unet.", UNET)
RUNS = {
    "sd1 kohya": Run(
        StableDiffusion(), kohya, [("unet", "lora_unet_", UNET), ("text_encoder", "lora_te_", ENCODER)], alpha=2.0
    ),
    "sd1 peft, weight 0.5": Run(
        StableDiffusion(), peft, [UNET_PARTS, ("text_encoder", "text_encoder.", ENCODER)], weight=0.5
    ),
    "sd1 peft DoRA": Run(StableDiffusion(), peft, [("unet", "unet.", UNET[:4])], magnitudes=True),
    "sdxl kohya": Run(
        StableDiffusionXL(), kohya,
        [("unet", "lora_unet_", SGM), ("text_encoder", "lora_te1_", ENCODER), ("text_encoder_2", "lora_te2_", ENCODER)],
        alpha=2.0,
    ),
    "sdxl peft, weight -1": Run(
        StableDiffusionXL(), peft, [UNET_PARTS, ("text_encoder_2", "text_encoder_2.", ENCODER)], weight=-1.0
    ),
    "flux kohya": Run(
        Flux(), kohya, [("transformer", "lora_unet_", FLUX), ("text_encoder", "lora_te1_", ENCODER)], alpha=2.0
    ),
    "flux peft": Run(Flux(), peft, [("transformer", "transformer.", SPLIT), ("text_encoder", "text_encoder.", ENCODER)]),
}  # fmt: skip


def adapter(run, pipeline, seed):
    """The tensors of an adapter of rank 4 whose deltas are of the size of the weights."""
    held, random = {}, torch.Generator().manual_seed(seed)
    for component, prefix, modules in run.parts:
        state = parameters(getattr(pipeline, component))
        shapes = {name: list(value.shape) for name, value in state.items()}
        for native, pieces in native_names(state, run.kind.native[component][1]).items():
            shapes[native] = [sum(shapes[name][0] for name, _ in pieces), *shapes[pieces[0][0]][1:]]
        for module in modules:
            rows, columns, *kernel = shapes[module + ".weight"]
            key, down, up = run.spelling(prefix, module)
            held[key + down] = torch.randn([4, columns, *kernel], generator=random) * 0.3
            held[key + up] = torch.randn([rows, 4, *[1] * len(kernel)], generator=random) * 0.3
            if run.alpha is not None:
                held[key + ".alpha"] = torch.tensor(run.alpha)
            if run.magnitudes:
                held[key + ".lora_magnitude_vector"] = 0.5 + torch.rand(rows, generator=random)
    return held


def merge(program, base, file, weight, output):
    argument = str(file) if weight == 1 else f"{file}={weight:g}"
    done = subprocess.run([*program, "merge", str(base), argument, "-o", str(output)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"exit {done.returncode}: " + " / ".join(done.stderr.strip().splitlines()[:2]))


def check(run, program, place):
    """{"base", "folder", "file"}: the largest distance of latents from those with load_lora_weights, or an error's text."""
    kind, weight = run.kind, run.weight
    torch.manual_seed(3)
    pipeline = kind.make()
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(place / "base")
    kind.write_file(pipeline, place / "base.safetensors")
    save_file(adapter(run, pipeline, 11), place / "adapter.safetensors")
    plain = kind.run(pipeline)
    with reference.sizes(kind.sizes):
        pipeline.load_lora_weights(str(place), weight_name="adapter.safetensors", adapter_name="a", local_files_only=True)
    pipeline.set_adapters(["a"], [weight])
    wanted = kind.run(pipeline)
    distances = {"base": distance(plain, wanted)}
    for name, base, open_result in (
        ("unmerged file", place / "base.safetensors", None),
        ("folder", place / "base", lambda out: kind.load(out)),
        ("file", place / "base.safetensors", lambda out: kind.from_file(out, place / "base")),
    ):
        try:
            if open_result is None:  # the way through a single file must not change anything itself
                result, expected = kind.from_file(base, place / "base"), plain
            else:
                output = place / f"merged{base.suffix}"
                merge(program, base, place / "adapter.safetensors", weight, output)
                result, expected = open_result(output), wanted
            result.set_progress_bar_config(disable=True)
            distances[name] = distance(kind.run(result), expected)
        except Exception as error:
            distances[name] = f"{type(error).__name__}: {error}"
    return distances


def distance(found, wanted):
    return float((found - wanted).abs().max() / wanted.abs().max())


def main():
    arguments = prepared_arguments(__doc__)
    place = arguments.keep or pathlib.Path(tempfile.mkdtemp(prefix="check-pipelines-"))
    failed = 0
    columns = ("base", "unmerged file", "folder", "file")
    print("| pipeline and adapter | " + " | ".join(columns) + " |\n|" + " --- |" * 5)
    for number, run in enumerate(run for run in RUNS if arguments.only in run):
        folder = place / str(number)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        found = check(RUNS[run], arguments.program, folder)
        good = all(isinstance(found[name], float) and found[name] <= LIMIT * found["base"] for name in columns[1:])
        failed += not good
        print(f"| {run} | " + " | ".join(f"{found[c]:.1e}" if isinstance(found[c], float) else "failed" for c in columns) + " |")
        for name in columns:
            if isinstance(found[name], str):
                print(f"    {name}: {found[name][:300]}")
    if not arguments.keep:
        shutil.rmtree(place, ignore_errors=True)
    print(f"largest distances of latents from those with load_lora_weights, as parts of the largest latent; {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
