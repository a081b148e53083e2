#!/usr/bin/env python3
"""Makes adapters with random values for every linear layer of a checkpoint, one folder for each tuner beside LoRA, for timing.

    python make_tuner_adapters.py BASE FOLDER [TUNER...]
    MergeBenchmark merge BASE FOLDER/TUNER --runs 5

Needs torch and safetensors. The shapes are those that PEFT 0.21.2 saves; the values change a weight by about a hundredth.
"""

import argparse
import json
import pathlib

import torch
from safetensors import safe_open
from safetensors.torch import save_file

RANK = 16


def divisor(number, largest):
    return max(count for count in range(1, largest + 1) if number % count == 0)


def factors(size):
    """LoKr's: the largest divisor up to the root, and the other."""
    one = divisor(size, int(size**0.5))
    return one, size // one


def random(*shape, scale=0.02):
    return torch.randn(shape) * scale


def ia3(o, i, module):
    return {"ia3_l": 1 + random(*((1, i) if module.endswith("down_proj") else (o, 1)))}


def loha(o, i, module):
    return {"hada_w1_a": random(o, RANK), "hada_w1_b": random(RANK, i), "hada_w2_a": random(o, RANK), "hada_w2_b": random(RANK, i)}


def lokr(o, i, module):
    (o1, o2), (i1, i2) = factors(o), factors(i)
    return {"lokr_w1": random(o1, i1), "lokr_w2_a": random(o2, RANK), "lokr_w2_b": random(RANK, i2)}


def adalora(o, i, module):
    return {"lora_A": random(RANK, i), "lora_B": random(o, RANK), "lora_E": random(RANK, 1, scale=1)}


def vera(o, i, module):
    return {"vera_lambda_b": random(o), "vera_lambda_d": random(256)}


def hira(o, i, module):
    return {"hira_A": random(RANK, i), "hira_B": random(o, RANK)}


def delora(o, i, module):
    return {"delora_A": random(RANK, i), "delora_B": random(o, RANK), "delora_lambda": random(1), "delora_w_norm": random(i, scale=1)}


def miss(o, i, module):
    return {"miss_block": random(64, o)}


def oft(o, i, module):
    return {"oft_R.weight": random(i // 32, 32 * 31 // 2)}


def boft(o, i, module):
    return {"boft_R": random(2, i // 8, 8, 8), "boft_s": 1 + random(o, 1)}


def hra(o, i, module):
    return {"hra_u": random(i, 8)}


ALPHA = {"r": RANK, "alpha": 32, "rank_pattern": {}, "alpha_pattern": {}}
TUNERS = {
    "ia3": (ia3, {"feedforward_modules": ["down_proj"]}),
    "loha": (loha, ALPHA),
    "lokr": (lokr, ALPHA),
    "adalora": (adalora, {"init_r": RANK, "r": 8, "lora_alpha": 32, "rank_pattern": {}, "alpha_pattern": {}}),
    "vera": (vera, {"r": 256, "projection_prng_key": 0, "save_projection": True}),
    "hira": (hira, {"r": RANK}),
    "delora": (delora, {"r": RANK, "delora_lambda": 15}),
    "miss": (miss, {"r": 64, "init_weights": True, "mini_r": 1}),
    "oft": (oft, {"r": 0, "oft_block_size": 32, "use_cayley_neumann": True, "num_cayley_neumann_terms": 5, "coft": False,
                  "eps": 6e-5, "block_share": False}),
    "boft": (boft, {"boft_block_size": 8, "boft_block_num": 0, "boft_n_butterfly_factor": 2}),
    "hra": (hra, {"r": 8, "apply_GS": False}),
}


def make(name, shapes, base, folder):
    torch.manual_seed(0)
    function, fields = TUNERS[name]
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for module, (o, i) in shapes.items():
        for ending, value in function(o, i, module).items():
            tensors[f"base_model.model.{module}.{ending}"] = value
    if name == "vera":
        tensors["base_model.vera_A"] = random(256, max(i for _, i in shapes.values()))
        tensors["base_model.vera_B"] = random(max(o for o, _ in shapes.values()), 256)
    save_file(tensors, folder / "adapter_model.safetensors")
    targets = sorted({module.rpartition(".")[2] for module in shapes})
    config = {"peft_type": name.upper(), "task_type": "CAUSAL_LM", "base_model_name_or_path": str(base), "target_modules": targets,
              "inference_mode": True, "peft_version": "0.21.2", **fields}
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("tuners", nargs="*", metavar="TUNER", help=f"{', '.join(TUNERS)} (default: all)")
    arguments = parser.parse_args()
    shapes = {}
    for path in sorted(arguments.base.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in file.keys():
                if name.endswith("_proj.weight"):
                    shapes[name.removesuffix(".weight")] = tuple(file.get_slice(name).get_shape())
    for name in arguments.tuners or TUNERS:
        if name not in TUNERS:
            parser.error(f"no such tuner: {name}")
        make(name, shapes, arguments.base, arguments.folder / name)
        print(f"{name}: {len(shapes)} modules")


if __name__ == "__main__":
    main()
