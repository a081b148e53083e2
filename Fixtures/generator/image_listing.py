"""Facts of adapters that are one file and of image models, for `safemerge ls`: image/listing/facts.json, and files with metadata.

Everything is read from the files by the few rules below, with nothing of safemerge: the header as JSON, suffixes of keys, shapes.

    python generator/image_listing.py              # writes image/listing
"""

import json
import os
import re
import struct
import sys

import numpy as np

FIXTURES = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CASES = os.path.join(FIXTURES, "image", "cases")
OUTPUT = os.path.join(FIXTURES, "image", "listing")

SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "U8": 1}

# Suffix, what it makes of its module's weight, its role. The longest that fits is taken.
SUFFIXES = [
    (".lora_down.weight", "lora", "down"), (".lora_up.weight", "lora", "up"), (".lora_mid.weight", "lora", "mid"),
    (".lora_A.weight", "lora", "down"), (".lora_B.weight", "lora", "up"), (".lora_A.default.weight", "lora", "down"),
    (".lora_B.default.weight", "lora", "up"), (".lora.down.weight", "lora", "down"), (".lora.up.weight", "lora", "up"),
    (".lora_linear_layer.down.weight", "lora", "down"), (".lora_linear_layer.up.weight", "lora", "up"),
    ("_lora.down.weight", "lora", "down"), ("_lora.up.weight", "lora", "up"), ("_lora1.down.weight", "lora", "down"),
    ("_lora1.up.weight", "lora", "up"), ("_lora2.down.weight", "lora", "down"), ("_lora2.up.weight", "lora", "up"),
    (".alpha", None, "alpha"), (".dora_scale", "dora", "scale"), (".lora_magnitude_vector", "dora", "scale"),
    (".lora_magnitude_vector.weight", "dora", "scale"), (".magnitude", "dora", "scale"), (".diff", "diff", "diff"),
    (".diff_b", "bias", "bias"), (".diff_m", "modulation", "modulation"), (".lora_B.bias", "bias", "bias"),
    (".w_norm", "norm", "norm"), (".b_norm", "bias", "bias"), (".set_weight", "whole", "whole"),
    (".norm.query_norm.scale", "whole", "whole"), (".norm.key_norm.scale", "whole", "whole"),
    (".on_input", "ia3", "axis"), (".weight", "ia3", "vector"), (".a1.weight", "glora", "a1"), (".a2.weight", "glora", "a2"),
    (".b1.weight", "glora", "b1"), (".b2.weight", "glora", "b2"), (".bm.weight", "glora", "bm"),
    (".reshape_weight", None, "shape"), (".oft_blocks", "oft", "blocks"), (".rescale", "oft", "rescale"),
] + [("." + name, "loha", name) for name in
     ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2")
     ] + [("." + name, "lokr", name) for name in
          ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2")]
SUFFIXES.sort(key=lambda entry: -len(entry[0]))

METHODS = {"lora": "LoRA", "loha": "LoHa", "lokr": "LoKr", "glora": "GLoRA", "ia3": "IA3", "diff": "full difference",
           "norm": "norm", "oft": "OFT", "dora": "DoRA", "modulation": "modulation", "bias": "bias"}

# The architectures of the bases of the cases, by the beginning of their names.
ARCHITECTURES = {
    "aura-flow": "AuraFlow", "chroma": "Chroma", "flux2": "FLUX.2", "flux": "FLUX.1", "hunyuan": "HunyuanVideo",
    "inpainting": "SD1", "ltx": "LTX-Video", "lumina2": "Lumina 2", "pixart": "PixArt", "qwen": "Qwen-Image",
    "refiner": "SDXL refiner", "sana": "Sana", "sd1": "SD1", "sd2": "SD2", "sd3": "SD3", "sdxl": "SDXL", "ssd1b": "SDXL",
    "two-variants": "FLUX.1", "wan": "Wan", "z-image": "Z-Image",
}


def header(path):
    with open(path, "rb") as file:
        count = struct.unpack("<Q", file.read(8))[0]
        tensors = json.loads(file.read(count))
        metadata = tensors.pop("__metadata__", {})
        data = file.read()
    return tensors, metadata, data


def scalar(entry, data):
    raw = data[entry["data_offsets"][0]:entry["data_offsets"][1]]
    dtype = entry["dtype"]
    if dtype == "BF16":
        return float(np.frombuffer(b"\0\0" + raw, np.float32)[0])
    if dtype == "F8_E4M3":
        sign, exponent, fraction = raw[0] >> 7, raw[0] >> 3 & 15, raw[0] & 7
        value = fraction / 8 * 2.0 ** -6 if exponent == 0 else (1 + fraction / 8) * 2.0 ** (exponent - 7)
        return -value if sign else value
    kinds = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32}
    return float(np.frombuffer(raw, kinds[dtype])[0])


def part(module):
    for pattern, name in [
        (r"lora_te_|lora_te1_|lycoris_text_model_|text_model\.", "te1"), (r"lora_te2_", "te2"), (r"lora_te3_", "te3"),
        (r"text_encoder\.", "text_encoder"), (r"text_encoder_2\.", "text_encoder_2"), (r"text_encoder_3\.", "text_encoder_3"),
    ]:
        if re.match(pattern, module):
            return name
    found = re.match(r"text_encoders\.([^.]*)\.", module)
    if found:
        return found.group(1)
    for pattern, name in [
        (r"lora_unet_|oft_unet_|lora_prior_unet_|unet\.", "unet"), (r"lora_transformer_|transformer\.", "transformer"),
        (r"transformer_2\.", "transformer_2"),
    ]:
        if re.match(pattern, module):
            return name
    return "model"


def adapter_facts(path):
    tensors, metadata, data = header(path)
    modules = {}
    for key, entry in tensors.items():
        if key.startswith("bundle_emb"):
            continue
        name = re.sub(r"^(module\.|_orig_mod\.)+", "", key).replace("._orig_mod", "")
        suffix, method, role = next(entry for entry in SUFFIXES if name.endswith(entry[0]))
        # A tensor that replaces another is a module of its own.
        module = name if suffix.endswith("norm.scale") else name[:-len(suffix)]
        if suffix.startswith("_lora"):
            module += suffix.split(".")[0]
        modules.setdefault(module, {})[role] = (method, entry)
    counts, parts, ranks, alphas = {}, {}, {}, {}
    stated = metadata.get("lora_adapter_metadata")
    for module, roles in modules.items():
        found = {method for method, _ in roles.values()}
        own = found & {"lora", "loha", "lokr", "glora", "ia3", "diff", "norm", "oft", "whole"}
        assert len(own) <= 1, module
        targets = []
        if own:
            targets.append(own.pop())
        if "bias" in found and (not targets or targets == ["whole"]):
            targets.append("bias")
        if "modulation" in found:
            targets.append("modulation")
        for target in targets:
            place = part(module)
            parts[place] = parts.get(place, 0) + 1
            name = METHODS.get(target, "replaced tensor")
            counts[name] = counts.get(name, 0) + 1
            if target == "whole":
                continue
            shape = lambda role: roles[role][1]["shape"]
            rank = None
            if target == "lora":
                rank = shape("down")[0]
            elif target == "loha":
                rank = shape("hada_w1_b")[0]
            elif target == "lokr":
                factor = next((role for role in ("lokr_w2_b", "lokr_w1_b") if role in roles), None)
                rank = shape(factor)[0] if factor else None
            elif target == "glora":
                # The rank is the smaller size of a1, whichever form it has.
                rank = min(shape("a1")[:2])
            alpha = scalar(roles["alpha"][1], data) if "alpha" in roles and rank is not None else None
            if stated is None:
                alphas[alpha] = alphas.get(alpha, 0) + 1
            ranks[rank] = ranks.get(rank, 0) + 1
        # BFL's control adapters have norms of their own, and widen img_in.
        is_control = any(key.endswith(".norm.query_norm.scale") for key in tensors)
        if "shape" in roles or (is_control and module == "img_in"):
            counts["padded weight"] = counts.get("padded weight", 0) + 1
        if "dora" in found:
            counts["DoRA"] = counts.get("DoRA", 0) + 1
    dtypes = {}
    for entry in tensors.values():
        sums = dtypes.setdefault(entry["dtype"], [0, 0])
        sums[0] += 1
        sums[1] += entry["data_offsets"][1] - entry["data_offsets"][0]
    return {
        "methods": counts, "parts": parts, "ranks": [[rank, count] for rank, count in ranks.items()],
        "alphas": None if stated is not None else [[alpha, count] for alpha, count in alphas.items()],
        "dtypes": dtypes, "bytes": sum(sums[1] for sums in dtypes.values()),
    }


def architecture(base):
    name = os.path.basename(base)
    return next(value for key, value in ARCHITECTURES.items() if name.startswith(key))


def base_part(name):
    for beginning, found in [
        ("model.diffusion_model.", "unet"), ("diffusion_model.", "unet"), ("first_stage_model.", "vae"), ("vae.", "vae"),
        ("model_ema.", "ema"), ("cond_stage_model.model.", "te1"), ("cond_stage_model.transformer.", "te1"),
        ("conditioner.embedders.1.", "te2"), ("text_encoders.clip_l.", "te1"), ("text_encoders.clip_g.", "te2"),
        ("text_encoders.t5xxl.", "te3"),
    ]:
        if name.startswith(beginning):
            return found
    return None


def files_of(base):
    """The weight files of a base with the folder of their part."""
    if base.endswith(".safetensors"):
        return [(None, base)]
    found = []
    # A folder that model_index.json does not name does not belong to the pipeline.
    index = os.path.join(base, "model_index.json")
    named = json.load(open(index)) if os.path.exists(index) else None
    for folder, _, names in sorted(os.walk(base)):
        for name in sorted(names):
            if named is not None and os.path.relpath(folder, base) not in named:
                continue
            if name.endswith(".safetensors"):
                found.append((os.path.relpath(folder, base), os.path.join(folder, name)))
    return found


def base_facts(base):
    """Tensors and bytes of each part, for bases whose names say the part alone."""
    parts = {}
    for folder, path in files_of(base):
        for key, entry in header(path)[0].items():
            name = folder if folder not in (None, ".") else base_part(key)
            if name is None:
                return {"architecture": architecture(base)}
            sums = parts.setdefault(name, [0, 0])
            sums[0] += 1
            sums[1] += entry["data_offsets"][1] - entry["data_offsets"][0]
    return {"architecture": architecture(base), "parts": parts}


def write(path, tensors, metadata):
    """A safetensors file of F32 tensors."""
    entries, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, array in tensors.items():
        raw = np.asarray(array, np.float32).tobytes()
        entries[name] = {"dtype": "F32", "shape": list(np.shape(array)), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(entries, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def pairs(modules, rank=2, alpha=1.0):
    """Factors of square layers of these sizes, in kohya's names."""
    tensors = {}
    for number, (module, size) in enumerate(modules.items()):
        tensors[module + ".lora_down.weight"] = np.full((rank, size), 2.0 ** -(number + 2))
        tensors[module + ".lora_up.weight"] = np.full((size, rank), 2.0 ** -(number + 3))
        tensors[module + ".alpha"] = np.array(alpha)
    return tensors


def sample_files():
    """Adapters whose metadata is as trainers write it; the facts are what was put in."""
    os.makedirs(OUTPUT, exist_ok=True)
    kohya = {
        "ss_output_name": "my_style", "ss_sd_model_name": "sdxl-tiny.safetensors", "ss_base_model_version": "sdxl_base_v1-0",
        "ss_network_module": "networks.lora", "ss_network_dim": "2", "ss_network_alpha": "1.0",
        "ss_network_args": '{"conv_dim": "2", "conv_alpha": "1"}', "ss_steps": "1200", "ss_epoch": "10",
        "ss_learning_rate": "0.0004", "ss_unet_lr": "0.0003", "ss_text_encoder_lr": "5e-05", "ss_resolution": "(1024, 1024)",
        "ss_num_train_images": "360", "ss_optimizer": "bitsandbytes.optim.adamw.AdamW8bit",
        "ss_training_started_at": "1717149600.25", "ss_training_finished_at": "1717156800.5",
        "ss_tag_frequency": json.dumps({"10_style": {"ohwx": 36, " solo": 20, "outdoors": 7}, "2_more": {"solo": 4}}),
        "sshs_model_hash": "ab" * 32, "sshs_legacy_hash": "0123abcd", "ss_new_sd_model_hash": "cd" * 32,
        "modelspec.architecture": "stable-diffusion-xl-v1-base/lora", "modelspec.trigger_phrase": "ohwx style",
        "modelspec.author": "someone", "modelspec.license": "CC-BY-4.0", "modelspec.prediction_type": "epsilon",
    }
    # Layers that the base sdxl-bf16 has.
    modules = {
        "lora_unet_output_blocks_0_1_transformer_blocks_1_attn1_to_q": 8, "lora_te1_text_model_encoder_layers_0_self_attn_q_proj": 8,
        "lora_te2_text_model_encoder_layers_1_self_attn_v_proj": 10,
    }
    write(os.path.join(OUTPUT, "kohya.safetensors"), pairs(modules), kohya)
    toolkit = {
        "software": json.dumps({"name": "ai-toolkit", "version": "0.2"}),
        "training_info": json.dumps({"step": 2000, "epoch": 4}), "name": "portrait", "ss_base_model_version": "flux1",
        "ss_tag_frequency": json.dumps({"1_p3rson": {"p3rson": 1}}), "format": "pt",
    }
    tensors = {}
    for module in ("transformer.transformer_blocks.0.norm1_context.linear", "transformer.single_transformer_blocks.3.proj_mlp"):
        tensors[module + ".lora_A.weight"] = np.full((4, 8), 0.25)
        tensors[module + ".lora_B.weight"] = np.full((8, 4), 0.5)
    write(os.path.join(OUTPUT, "ai-toolkit.safetensors"), tensors, toolkit)
    return {
        "kohya": {"metadata": kohya, "date": "2024-05-31", "tags": [["ohwx", 36], ["solo", 24], ["outdoors", 7]]},
        "ai-toolkit": {"metadata": toolkit, "steps": "2000", "epochs": "4", "tags": [["p3rson", 1]]},
    }


def main():
    facts = {"adapters": {}, "bases": {}, "samples": sample_files()}
    for case in sorted(os.listdir(CASES)):
        path = os.path.join(CASES, case, "case.json")
        if not os.path.exists(path):
            continue
        with open(path) as file:
            description = json.load(file)
        if description["expect"] != "merge":
            continue
        base = os.path.normpath(os.path.join(CASES, case, description["base"]))
        for adapter in description["adapters"]:
            name = f"{case}/{adapter['file']}"
            facts["adapters"][name] = adapter_facts(os.path.join(CASES, name)) | {"base": architecture(base)}
        facts["bases"].setdefault(os.path.basename(base), base_facts(base))
    with open(os.path.join(OUTPUT, "facts.json"), "w") as file:
        file.write("{" + ",".join(
            f'\n "{key}": {{' + ",".join(f"\n  {json.dumps(name)}: {json.dumps(value)}" for name, value in section.items()) + "\n }"
            for key, section in facts.items()) + "\n}\n")


if __name__ == "__main__":
    sys.exit(main())
