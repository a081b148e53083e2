#!/usr/bin/env python3
"""Compares the logits of merged models with those of base and adapter, for every tuner of PEFT that safemerge merges.

    python check_tuners.py SAFEMERGE [--only TEXT]

Needs torch, peft and transformers. A small Llama of fp32 gets an adapter with random values in all trained parameters. PEFT
computes the logits of base and adapter without a merge, transformers those of the model that safemerge wrote. A difference
counts relative to the largest logit; the limit is 1e-5. An adapter that changes the logits by less than 1 % proves nothing
and is a failure too.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import peft
import peft.tuners.boft.layer
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

LIMIT = 1e-5
LEAST_CHANGE = 1e-2
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# Of one width, as projections that all modules share need it.
EQUAL = ["q_proj", "o_proj"]

CASES = {
    "LoRA": peft.LoraConfig(r=4, lora_alpha=6, target_modules=ALL),
    "LoRA, DoRA": peft.LoraConfig(r=4, lora_alpha=6, use_dora=True, target_modules=ALL),
    "LoHa": peft.LoHaConfig(r=4, alpha=6, target_modules=ALL),
    "LoKr": peft.LoKrConfig(r=4, alpha=6, target_modules=ALL),
    "LoKr, both decomposed": peft.LoKrConfig(r=2, alpha=3, decompose_both=True, decompose_factor=8, target_modules=ALL),
    "AdaLoRA": peft.AdaLoraConfig(init_r=6, target_r=4, lora_alpha=6, total_step=10, target_modules=ALL),
    "IA3": peft.IA3Config(target_modules=["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"]),
    "VeRA": peft.VeraConfig(r=8, target_modules=ALL),
    "PVeRA": peft.PveraConfig(r=8, target_modules=ALL),
    "HiRA": peft.HiraConfig(r=4, target_modules=ALL),
    "DeLoRA": peft.DeloraConfig(r=4, target_modules=ALL),
    "MiSS": peft.MissConfig(r=8, target_modules=ALL),
    "MiSS, mini": peft.MissConfig(r=8, mini_r=4, init_weights="mini", target_modules=EQUAL),
    "MiSS, bat": peft.MissConfig(r=8, init_weights="bat", target_modules=ALL),
    "C3A": peft.C3AConfig(block_size=16, target_modules=ALL),
    "C3A, pattern": peft.C3AConfig(block_size=32, block_size_pattern={"q_proj": 8}, target_modules=ALL),
    "GraLoRA": peft.GraloraConfig(r=8, alpha=6, gralora_k=4, target_modules=ALL),
    "GraLoRA, hybrid": peft.GraloraConfig(r=8, alpha=6, gralora_k=2, hybrid_r=3, target_modules=ALL),
    "BEFT": peft.BeftConfig(target_modules=["q_proj", "v_proj"]),
    "SHiRA": peft.ShiraConfig(r=4, target_modules=ALL),
    "VB-LoRA": peft.VBLoRAConfig(r=4, num_vectors=16, vector_length=16, target_modules=ALL),
    "VB-LoRA, top-k": peft.VBLoRAConfig(r=4, num_vectors=16, vector_length=16, save_only_topk_weights=True, target_modules=ALL),
    "VeRA, drawn": peft.VeraConfig(r=8, save_projection=False, projection_prng_key=5, target_modules=ALL),
    "PVeRA, drawn": peft.PveraConfig(r=8, save_projection=False, projection_prng_key=5, target_modules=ALL),
    "RandLoRA": peft.RandLoraConfig(r=8, randlora_alpha=2, target_modules=ALL),
    "RandLoRA, drawn": peft.RandLoraConfig(r=8, randlora_alpha=2, save_projection=False, projection_prng_key=5, target_modules=ALL),
    "RandLoRA, sparse": peft.RandLoraConfig(r=8, randlora_alpha=2, save_projection=False, sparse=True, target_modules=ALL),
    "Uni-LoRA": peft.UniLoraConfig(r=4, save_indices=True, target_modules=ALL),
    "TinyLoRA": peft.TinyLoraConfig(r=4, u=16, weight_tying=1.0, target_modules=ALL),
    "FourierFT": peft.FourierFTConfig(n_frequency=200, scaling=20.0, target_modules=ALL),
    "WaveFT": peft.WaveFTConfig(n_frequency=300, scaling=1.0, target_modules=ALL),
    "WaveFT, long": peft.WaveFTConfig(n_frequency=300, scaling=1.0, wavelet_family="sym8", target_modules=ALL),
    "WaveFT, direct": peft.WaveFTConfig(n_frequency=300, scaling=1.0, use_idwt=False, target_modules=ALL),
    "Super-Tuning": peft.SupertuningConfig(sparsity=0.9, target_modules=ALL),
    "Super-Tuning, Supra": peft.SupertuningConfig(sparsity=0.9, r=4, target_modules=ALL),
    "OFT": peft.OFTConfig(oft_block_size=16, use_cayley_neumann=False, target_modules=ALL),
    "OFT, series": peft.OFTConfig(oft_block_size=16, use_cayley_neumann=True, num_cayley_neumann_terms=7, target_modules=ALL),
    "OFT, one block": peft.OFTConfig(r=4, oft_block_size=0, block_share=True, use_cayley_neumann=False, target_modules=EQUAL),
    "BOFT": peft.BOFTConfig(boft_block_size=8, target_modules=ALL),
    "BOFT, three factors": peft.BOFTConfig(boft_block_size=8, boft_n_butterfly_factor=3, target_modules=ALL),
    "RoAd 1": peft.RoadConfig(variant="road_1", group_size=16, target_modules=ALL),
    "RoAd 2": peft.RoadConfig(variant="road_2", group_size=32, target_modules=ALL),
    "RoAd 4": peft.RoadConfig(variant="road_4", group_size=8, target_modules=ALL),
    "HRA": peft.HRAConfig(r=8, target_modules=ALL),
    "HRA, Gram-Schmidt": peft.HRAConfig(r=8, apply_GS=True, target_modules=ALL),
    "GLoRA": peft.GloraConfig(r=4, target_modules=ALL),
    "GLoRA, vectors": peft.GloraConfig(config_A_B="vector", config_C="vector", config_D_E="vector", target_modules=ALL),
    "GLoRA, numbers": peft.GloraConfig(config_A_B="constant", config_C="none", config_D_E="constant", target_modules=ALL),
    "GLoRA, biases": peft.GloraConfig(r=4, config_A_B="none", config_D_E="vector", target_modules=ALL),
    "DEFT": peft.DeftConfig(r=4, alpha=6, target_modules=ALL),
    "DEFT, orthogonal": peft.DeftConfig(r=4, decomposition_method="qr", target_modules=ALL),
    "DEFT, removal": peft.DeftConfig(r=4, decomposition_method="qr", para=True, target_modules=ALL),
    "PEANuT": peft.PeanutConfig(r=8, scaling=2.0, target_modules=ALL),
    "PEANuT, deep": peft.PeanutConfig(r=8, depth=2, act_fn="gelu", target_modules=ALL),
    "OSF": peft.OSFConfig(target_modules=ALL),
    "OSF, fraction": peft.OSFConfig(effective_rank=0.75, rank_pattern={"v_proj": 5}, target_modules=ALL),
    "LN tuning": peft.LNTuningConfig(target_modules=["input_layernorm", "norm"]),
    "trainable tokens": peft.TrainableTokensConfig(token_indices=list(range(0, 60, 3)), target_modules=["embed_tokens"]),
}

class BlockDiagonal:
    """What PEFT's CUDA extension for BOFT computes; without it PEFT makes one factor of any number."""

    def forward(self, blocks):
        return [torch.stack([torch.block_diag(*torch.unbind(factor)) for factor in blocks])]


peft.tuners.boft.layer._FBD_CUDA = BlockDiagonal()


def base_model(folder):
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=64, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=64, tie_word_embeddings=False, attention_bias=True)  # fmt: skip
    model = LlamaForCausalLM(config).to(torch.float32)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.data = 0.02 * torch.randn(parameter.shape)
    model.save_pretrained(folder)


def randomized(model):
    """Values of all trained parameters that change what they did at the start of training."""
    generator = torch.Generator().manual_seed(2)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            scale = 0.02 if "oft" in name else 0.1
            parameter.data += scale * torch.randn(parameter.shape, generator=generator)


def logits(model, ids):
    with torch.no_grad():
        return model.eval()(input_ids=ids).logits.double()


def difference(program, config, folder):
    """How far the merged model is from base and adapter, and how far these are from the base."""
    base, adapter, merged = folder / "base", folder / "adapter", folder / "merged"
    base_model(base)
    ids = torch.randint(0, 64, (4, 24), generator=torch.Generator().manual_seed(3))
    plain = logits(AutoModelForCausalLM.from_pretrained(base), ids)
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    randomized(model)
    model.save_pretrained(adapter)
    del model
    # As a user loads it: what the file does not hold must not count.
    expected = logits(peft.PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter), ids)
    run = subprocess.run([program, "merge", "--quiet", base, adapter, "--output", merged], capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(run.stderr.strip())
    found = logits(AutoModelForCausalLM.from_pretrained(merged), ids)
    largest = expected.abs().max()
    return float((found - expected).abs().max() / largest), float((plain - expected).abs().max() / largest)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--only", default="", help="the cases whose name contains this")
    arguments = parser.parse_args()
    program = pathlib.Path(arguments.program).resolve()
    logging.disable_progress_bar()
    failed = 0
    for name, config in CASES.items():
        if arguments.only.lower() not in name.lower():
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                far, change = difference(program, config, pathlib.Path(folder))
                is_right = far <= LIMIT and change >= LEAST_CHANGE
                text = f"{far:8.1e}   the adapter changes the logits by {change:.2f}"
            except RuntimeError as error:
                is_right, text = False, str(error)
        failed += not is_right
        print(f"{'right' if is_right else 'WRONG'}  {name:24} {text}", flush=True)
    print(f"{failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
