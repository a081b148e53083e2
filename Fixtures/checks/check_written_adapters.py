"""Loads adapters that the program wrote into PEFT, and compares logits in fp32.

    python check_written_adapters.py PROGRAM

For each LoRA fixture of a causal language model: base + adapter in PEFT is the truth. The adapter is resized to its own rank, combined
with itself (weights 0.75 and 0.25), converted to MLX and back, extracted from the merged model, and converted to a LoRA; each result
is loaded on the base by PEFT. Of all other tuners only the LoRA is compared. What the program refuses is listed with its reason. Exit code 1 if a logit is further off than 2e-6 of the largest.
"""

import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
from transformers.utils import logging

FIXTURES = Path(__file__).resolve().parent.parent
FEATURES = ["linear", "patterns", "patterns-rslora", "rslora", "rank64", "embedding-llama", "dora-llama", "lm-head",
            "gpt2-layers", "bias-all", "modules-to-save-llama", "init-pissa-converted", "experts", "experts-down",
            "experts-patterns", "experts-transposed", "experts-transposed-down"]
BOUND = 2e-6


def logits(model):
    model.eval()
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = torch.randint(0, vocabulary, (2, 9), generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        return model(ids).logits.double()


def base(path):
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)


def steps(program, base_path, adapter, folder):
    """Yields the name of each way, and its commands, the last of which writes `folder`/NAME."""
    yield "lora", [["convert", adapter, "--to", "lora", "--base", base_path, "-o", folder / "lora", "--rank", "512"]]
    if json.loads((adapter / "adapter_config.json").read_text())["peft_type"] != "LORA":
        return
    rank = str(json.loads((adapter / "adapter_config.json").read_text())["r"] * 4)
    yield "resize", [["resize", adapter, "-o", folder / "resize", "--rank", rank, "--dtype", "float32"]]
    yield "combine", [["combine", f"{adapter}=0.75", f"{adapter}=0.25", "-o", folder / "combine"]]
    yield "mlx", [["convert", adapter, "--to", "mlx", "-o", folder / "there"],
                  ["convert", folder / "there", "--to", "peft", "-o", folder / "mlx"]]
    yield "extract", [["merge", base_path, adapter, "-o", folder / "merged"],
                      ["extract", base_path, folder / "merged", "-o", folder / "extract", "--rank", "512"]]


def main():
    program = sys.argv[1]
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    failed = refused = right = 0
    for case in json.loads((FIXTURES / "cases.json").read_text()):
        is_lora = case["tuner"] == "lora"
        wanted = case["name"] in [f"{feature}-f32" for feature in FEATURES] if is_lora else case["base_dtype"] == "F32"
        if not wanted or len(case["adapters"]) != 1 or case["refused"] or case.get("combine"):
            continue
        base_path, adapter = FIXTURES / case["base"], FIXTURES / case["adapters"][0]
        try:
            truth = logits(PeftModel.from_pretrained(base(base_path), adapter))
        except (ValueError, RuntimeError, OSError, IndexError, TypeError, KeyError, AttributeError) as error:
            print(f"{case['name']}: not a causal language model that loads ({str(error)[:60]})")
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for way, commands in steps(program, base_path, adapter, folder):
                results = [subprocess.run([program, *map(str, command), "-q"], capture_output=True, text=True)
                           for command in commands]
                bad = next((result for result in results if result.returncode), None)
                if bad:
                    reason = next(line for line in bad.stderr.splitlines() if line.startswith("error:"))
                    print(f"{case['name']} {way}: refused, exit {bad.returncode}: {reason.rsplit(': ', 1)[-1][:90]}")
                    refused += 1
                    failed += bad.returncode != 3
                    continue
                found = logits(PeftModel.from_pretrained(base(base_path), folder / way))
                error = float((found - truth).abs().max() / truth.abs().max())
                print(f"{case['name']} {way}: {error:.1e}" + ("" if error <= BOUND else "   WRONG"))
                right += error <= BOUND
                failed += error > BOUND
    print(f"{right} right, {refused} refused, {failed} failed")
    sys.exit(failed > 0 or right == 0)


if __name__ == "__main__":
    main()
