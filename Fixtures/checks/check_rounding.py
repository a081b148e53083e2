#!/usr/bin/env python3
"""Counts how many elements of 16-bit merges are the exact result rounded once, for every tuner of PEFT beside LoRA.

    python check_rounding.py SAFEMERGE [--only TEXT]

Needs torch, peft and transformers. A Llama of one layer, with weights in BF16 and in F16, gets each adapter of check_tuners.py with
random values. The exact result is that of the fixtures' second implementation: numpy in float64, from the adapter's file alone.
Prints per tuner and dtype the elements that the merge changed, the largest error in ulp, and the share of those elements that no
other number of the dtype is nearer to. An error of more than 1 ulp, or a share below 99.9 %, is a failure; an ulp is the spacing
at the result, or at the weight where that is larger: where the two cancel, fp32 is as coarse as its terms. OSF is left out: its
result depends on a decomposition in fp32.
"""
import argparse
import collections
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import peft
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from checks.check_tuners import CASES  # noqa: E402
from generator.tuners import MANTISSA, TUNERS, correct, read  # noqa: E402

LEAST_SHARE = 0.999
WEIGHT_STD = 0.05


def base_model(dtype):
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=64, hidden_size=256, intermediate_size=384, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=64, tie_word_embeddings=False, attention_bias=True)  # fmt: skip
    model = LlamaForCausalLM(config)
    for parameter in model.parameters():
        parameter.data = WEIGHT_STD * torch.randn(parameter.shape)
    return model.to(dtype)


def fill(model, tuner):
    """Random numbers for what is trained; deltas of about a tenth of the weights."""
    generator = torch.Generator().manual_seed(2)
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue

        def draw(deviation):
            return deviation * torch.randn(parameter.shape, generator=generator)

        is_own = any(beginning in name for beginning in tuner.prefixes)
        values = tuner.fill(name, parameter.shape, draw) if tuner.fill and is_own else None
        if values is None:
            parameter.data += draw(0.2 * WEIGHT_STD).to(parameter.dtype)
        else:
            parameter.data = values.to(parameter.dtype)


def count(program, config, dtype, folder):
    """Elements that the merge changed, those that are correctly rounded, and the largest error in ulp."""
    base, adapter, merged = folder / "base", folder / "adapter", folder / "merged"
    name = config.peft_type.value.lower()
    base_model(dtype).save_pretrained(base)
    model = peft.get_peft_model(base_model(dtype), config)
    fill(model, TUNERS[name])
    model.save_pretrained(adapter)
    run = subprocess.run([program, "merge", "--quiet", base, adapter, "--output", merged], capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(run.stderr.strip())
    before, found = read(base / "model.safetensors"), read(merged / "model.safetensors")
    elements, right, worst = 0, 0, 0.0
    for key, exact in correct(name, adapter, before).items():
        weight = before[key][0]
        if np.array_equal(exact, weight):
            continue
        error = np.abs(found[key][0] - exact)

        def spacing(numbers):
            return np.ldexp(1.0, np.maximum(np.frexp(numbers)[1], -13 if dtype == torch.float16 else -125) - MANTISSA[dtype])

        elements += exact.size
        unit = spacing(exact)
        right += int((found[key][0] == np.rint(exact / unit) * unit).sum())
        worst = max(worst, float((error / spacing(np.maximum(np.abs(exact), np.abs(weight)))).max()))
    return elements, right, worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--only", default="", help="the cases whose name contains this")
    arguments = parser.parse_args()
    program = pathlib.Path(arguments.program).resolve()
    logging.disable_progress_bar()
    sums = collections.defaultdict(lambda: [0, 0, 0.0])
    failed = 0
    for case, config in CASES.items():
        tuner = config.peft_type.value.lower()
        if tuner not in TUNERS or tuner == "osf" or arguments.only.lower() not in case.lower():
            continue
        for dtype in (torch.bfloat16, torch.float16):
            label = {torch.bfloat16: "BF16", torch.float16: "F16"}[dtype]
            with tempfile.TemporaryDirectory() as folder:
                try:
                    elements, right, worst = count(program, config, dtype, pathlib.Path(folder))
                except (RuntimeError, NotImplementedError) as error:
                    print(f"{case:26} {label:4} FAILED {error}", flush=True)
                    failed += 1
                    continue
            print(f"{case:26} {label:4} {elements:8} elements, {right / max(1, elements):9.4%}, {worst:.4f} ulp", flush=True)
            total = sums[TUNERS[tuner].name, label]
            total[0] += elements
            total[1] += right
            total[2] = max(total[2], worst)
    print("\n| tuner | dtype | elements | largest error, ulp | correctly rounded |\n| --- | --- | --- | --- | --- |")
    for (tuner, label), (elements, right, worst) in sums.items():
        is_right = elements > 0 and worst <= 1 and right >= LEAST_SHARE * elements
        failed += not is_right
        print(f"| {tuner} | {label} | {elements} | {worst:.4f} | {right / max(1, elements):.4%}{'' if is_right else ' WRONG'} |")
    print(f"{failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
