"""Makes the quantized cases of the folder trials smaller: two modules of one layer, and what is not quantized.

    python trials_quantized.py FOLDER_WITH_TRIALS

Every base keeps its own config and files beside it; the adapters keep the factors of those modules.
"""

import json
import pathlib
import shutil
import sys

from safetensors import safe_open
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent.parent / "trials"
MODULES = ["model.layers.0.self_attn.k_proj", "model.layers.0.mlp.down_proj"]
CASES = {
    "compressed-tensors": ["fp8naive", "fp8two", "mixed", "twogroups", "w8a16c", "w8a8asym"],
    "fp8": ["autofp8", "dsv4", "modelopt_fp8", "modelopt_nvfp4", "modelopt_side", "plain_fp8", "quark", "sparse24",
            "comfy_quant.safetensors", "comfy_scaled.safetensors"],
    "auto-round": ["o-auto_awq/src-w4g32", "o-auto_gptq/src-w4g32", "o-auto_round/src-w4g32",
                   "o-auto_round_auto_awq/src-w4g32"],
    "bitsandbytes-and-quanto": ["aof8", "nf4", "nf4emb", "quanto_own"],
    "gptq-contradiction": ["base"],
    "gptq-old": ["base", "bias"],
    "int8-format": ["base"],
    "mlx": ["mlx4", "mlx4old", "mlx_mxfp4"],
}
BESIDE = ["config.json", "hf_quant_config.json", "quantize_config.json", "quantization_config.json", "quanto_qmap.json"]


def shrink(source, target, modules=MODULES):
    with safe_open(source, "pt") as file:
        names = [name for name in file.keys()
                 if ".layers." not in name or any(f"{module}." in name for module in modules)]
        tensors = {name: file.get_tensor(name).contiguous() for name in names}
        metadata = file.metadata() or {}
        metadata = {key: value for key, value in metadata.items()
                    if ".layers." not in key or any(f"{module}." in key for module in modules)}
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, target, metadata or None)


def main(trials):
    for folder, cases in CASES.items():
        for case in cases:
            source, target = trials / folder / case, HERE / folder / case
            if source.is_file():
                shrink(source, target)
                continue
            shrink(source / "model.safetensors", target / "model.safetensors")
            for name in BESIDE:
                if (source / name).exists():
                    shutil.copyfile(source / name, target / name)
            decoded = source.with_name(source.name + "-dequantized.safetensors")
            if decoded.exists():
                shrink(decoded, target.with_name(decoded.name))
        for adapter in sorted(path.name for path in (trials / folder).glob("ad*")):
            shrink(trials / folder / adapter / "adapter_model.safetensors",
                   HERE / folder / adapter / "adapter_model.safetensors",
                   MODULES + ["model.layers.0.self_attn.o_proj", "model.layers.0.self_attn.q_proj"]
                   if adapter == "ad_attn" else MODULES)
            config = json.loads((trials / folder / adapter / "adapter_config.json").read_text())
            if adapter == "ad":
                config["target_modules"] = ["k_proj", "down_proj"]
            (HERE / folder / adapter / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
