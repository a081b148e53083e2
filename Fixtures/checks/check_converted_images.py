#!/usr/bin/env python3
"""Converts adapters of tiny pipelines, loads the results into diffusers, and compares latents in F32.

    check_converted_images.py PROGRAM [--only TEXT] [--keep DIR]

diffusers and PEFT make adapters for Stable Diffusion 1, SDXL and FLUX.1 with random weights (UNet or transformer, and text encoders) and
save them. PROGRAM converts each to kohya, ComfyUI and diffusers, with the folder and with a single file as the base, to PEFT where it is
of one part, and the results back to diffusers. Of every result that diffusers has code to load in full, latents after three steps must be those of
the adapter as it was made, except for rounding in F32; what comes back must have the bytes of every factor that was saved. Nothing is
downloaded.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass, field

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", CUDA_VISIBLE_DEVICES="")
warnings.simplefilter("ignore")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import diffusers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from peft import LoraConfig, PeftModel, get_peft_model_state_dict, inject_adapter_in_model  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from tiny_pipelines import Flux, StableDiffusion, StableDiffusionXL, prepared_arguments  # noqa: E402

from generator.image_cases import reference  # noqa: E402

#: The largest distance of latents, as a part of the adapter's effect on them.
LIMIT = 1e-3

UNET = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj"]
CONVOLUTIONS = ["conv1", "conv_in", "proj_in"]
FLUX = ["attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0", "proj_mlp", "ff.net.0.proj"]
#: Without out_proj diffusers 0.42.1 takes the attention of a text encoder in kohya's names for that of another kind of file, and drops it.
ENCODER = ["q_proj", "v_proj", "out_proj", "fc1"]


@dataclass
class Made:
    """A pipeline and an adapter of it. `parts`: {part: names of the modules' ends}."""

    kind: object
    parts: dict
    rank: int = 4
    alpha: float = 4.0
    more: dict = field(default_factory=dict)
    #: What diffusers 0.42.1 drops of it without a word where it loads kohya's names.
    dropped: str | None = None


KINDS = {"sd1": StableDiffusion(), "sdxl": StableDiffusionXL(), "flux": Flux()}
CASES = {
    "sd1": Made(KINDS["sd1"], {"unet": UNET, "text_encoder": ENCODER}),
    "sd1, alpha 10": Made(KINDS["sd1"], {"unet": UNET, "text_encoder": ENCODER}, alpha=10.0),
    "sd1, convolutions": Made(KINDS["sd1"], {"unet": UNET + CONVOLUTIONS}, alpha=2.0),
    "sd1, DoRA": Made(KINDS["sd1"], {"unet": UNET}, more={"use_dora": True}, dropped="magnitudes"),
    "sd1, rank pattern": Made(
        KINDS["sd1"], {"unet": UNET}, more={"rank_pattern": {"to_k": 2}, "alpha_pattern": {"to_q": 6.0}},
        dropped="alphas of single modules",
    ),
    "sdxl": Made(KINDS["sdxl"], {"unet": UNET, "text_encoder": ENCODER, "text_encoder_2": ENCODER}),
    "sdxl, alpha 1, convolutions": Made(KINDS["sdxl"], {"unet": UNET + CONVOLUTIONS}, alpha=1.0),
    "sdxl, rank-stabilized": Made(KINDS["sdxl"], {"unet": UNET}, more={"use_rslora": True}),
    "flux": Made(KINDS["flux"], {"transformer": FLUX, "text_encoder": ENCODER}),
    "flux, alpha 10": Made(KINDS["flux"], {"transformer": FLUX}, alpha=10.0),
    "flux, only queries": Made(KINDS["flux"], {"transformer": ["attn.to_q"]}, rank=3),
    "flux, rank pattern": Made(KINDS["flux"], {"transformer": FLUX}, more={"rank_pattern": {"attn.to_k": 2}}),
}
#: Dialects of which diffusers has no code to load the names, by kind.
NOT_LOADED = {("sd1", "comfyui"), ("sdxl", "comfyui")}


def make(case, place):
    """Saves the pipeline, and the adapter that diffusers makes; returns latents without and with it."""
    torch.manual_seed(3)
    pipeline = case.kind.make()
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(place / "base")
    case.kind.write_file(pipeline, place / "base.safetensors")
    plain = case.kind.run(pipeline)
    saved = {}
    for number, (part, ends) in enumerate(case.parts.items()):
        model = getattr(pipeline, part)
        config = LoraConfig(r=case.rank, lora_alpha=case.alpha, target_modules=ends, **case.more)
        # As diffusers' add_adapter does; that of transformers wants another version of PEFT.
        inject_adapter_in_model(config, model, adapter_name="made")
        random = torch.Generator().manual_seed(20 + number)
        for name, parameter in model.named_parameters():
            if ".lora_" in name and "magnitude" not in name:
                parameter.data.copy_(torch.randn(parameter.shape, generator=random) * 0.3)
            elif "magnitude" in name:
                parameter.data.mul_(0.7 + 0.6 * torch.rand(parameter.shape, generator=random))
        saved[f"{part}_lora_layers"] = get_peft_model_state_dict(model, adapter_name="made")
        saved[f"{part}_lora_adapter_metadata"] = config.to_dict()
    type(pipeline).save_lora_weights(str(place), weight_name="made.safetensors", **saved)
    return plain, case.kind.run(pipeline)


def distance(found, wanted):
    return float((found - wanted).abs().max())


def loaded(case, place, path):
    """Latents of the pipeline with an adapter that diffusers, or for a folder PEFT, loads."""
    pipeline = case.kind.load(place / "base")
    pipeline.set_progress_bar_config(disable=True)
    if path.is_dir():
        part = next(iter(case.parts))
        PeftModel.from_pretrained(getattr(pipeline, part), str(path)).eval()
    else:
        with reference.sizes(case.kind.sizes):
            pipeline.load_lora_weights(str(path.parent), weight_name=path.name, adapter_name="a", local_files_only=True)
    return case.kind.run(pipeline)


class Refused(Exception):
    pass


def convert(program, source, dialect, base, output):
    command = [*program, "convert", str(source), "--to", dialect, "--base", str(base), "-o", str(output), "-q"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 3:
        raise Refused(done.stderr.strip().splitlines()[0])
    if done.returncode:
        raise RuntimeError(f"exit {done.returncode}: {done.stderr.strip()}")
    return output


def factors(path):
    """The tensors of a file of diffusers. It has CLIP's names with `text_model` or, since transformers 5.6, without."""
    return {name.replace(".text_model.", "."): value for name, value in load_file(path).items()}


def same_factors(one, other):
    """Whether two files of diffusers have the same tensors."""
    left, right = factors(one), factors(other)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def ways(name, case, program, place):
    """Yields for each way what it is and a function that returns (latents or None, whether the factors came back)."""
    made = place / "made.safetensors"
    yield "as diffusers saved it", lambda: (loaded(case, place, made), True)
    for base in (place / "base", place / "base.safetensors"):
        label = "file" if base.suffix else "folder"
        for dialect in ("kohya", "comfyui", "diffusers", *(["peft"] if len(case.parts) == 1 else [])):
            there = place / f"{dialect}-{label}{'' if dialect == 'peft' else '.safetensors'}"
            back = place / f"{dialect}-{label}-back.safetensors"

            def go(dialect=dialect, there=there, base=base):
                convert(program, made, dialect, base, there)
                is_loaded = (name.split(",")[0], dialect) not in NOT_LOADED and not (dialect == "kohya" and case.dropped)
                return loaded(case, place, there) if is_loaded else None, True

            def come(there=there, back=back, base=base):
                if not there.exists():
                    raise Refused("the way there was refused")
                convert(program, there, "diffusers", base, back)
                return loaded(case, place, back), same_factors(made, back)

            yield f"{dialect} by a {label}", go
            yield f"{dialect} by a {label} and back", come
    if len(case.parts) > 1:
        yield "peft", lambda: (loaded(case, place, convert(program, made, "peft", place / "base", place / "peft")), True)


def main():
    arguments = prepared_arguments(__doc__)
    parent = arguments.keep or pathlib.Path(tempfile.mkdtemp(prefix="check-converted-"))
    right = refused = failed = 0
    for name, case in CASES.items():
        if arguments.only not in name:
            continue
        place = parent / name.replace(", ", "-").replace(" ", "-")
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        plain, wanted = make(case, place)
        effect = distance(plain, wanted)
        for way, run in ways(name, case, arguments.program, place):
            try:
                latents, is_same = run()
            except Refused as reason:
                refused += 1
                print(f"{name}, {way}: refused: {str(reason).rsplit(': ', 1)[-1][:110]}")
                continue
            except Exception as error:
                failed += 1
                print(f"{name}, {way}: FAILED: {type(error).__name__}: {str(error)[:300]}")
                continue
            share = None if latents is None else distance(latents, wanted) / effect
            good = is_same and (share is None or share <= LIMIT)
            right += good
            failed += not good
            told = "not compared" if share is None else f"{share:.1e}"
            print(f"{name}, {way}: {told}{'' if is_same else ', other factors'}{'' if good else '   WRONG'}")
    if not arguments.keep:
        shutil.rmtree(parent, ignore_errors=True)
    print(f"{right} right, {refused} refused, {failed} failed")
    return 1 if failed or not right else 0


if __name__ == "__main__":
    sys.exit(main())
