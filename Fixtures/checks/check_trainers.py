#!/usr/bin/env python3
"""Rebuilds the merge tests of axolotl, tinker-cookbook and unsloth-zoo as files, merges them and compares in double precision.

    python check_trainers.py SAFEMERGE [--only TEXT] [--keep FOLDER]

Needs numpy and safetensors only. The layouts are facts read from those projects' tests (axolotl 067b021, tinker-cookbook
9dfcc3a, unsloth-zoo ce232d6); the values are random, so that a transposition or an exchanged part shows. Each case has the
tensors of a base and of an adapter, and either the expected tensors or the class of the error that it must be refused with.
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from safetensors.numpy import load_file, save_file

P = "base_model.model."
Case = collections.namedtuple("Case", "base config adapter adapter_config expected options")
CASES = {}


def case(function):
    CASES[function.__name__.replace("__", ": ", 1).replace("_", " ")] = function
    return function


class Values:
    """Random fp32 values; the same for the same case."""

    def __init__(self, seed):
        self.generator = np.random.default_rng(list(seed.encode()))

    def __call__(self, *shape, scale=0.3):
        return (scale * self.generator.standard_normal(shape)).astype(np.float32)


def pair(values, module, rows, columns, rank, experts=(), shared_a=False, shared_b=False):
    """Factors of one module, in 2-D or with a dimension of experts, and their product in double precision."""
    a = values(*((1,) if experts and shared_a else experts), rank, columns)
    b = values(*((1,) if experts and shared_b else experts), rows, rank)
    return {f"{P}{module}.lora_A.weight": a, f"{P}{module}.lora_B.weight": b}, np.matmul(b.astype(float), a.astype(float))


def linear(values, names, rows, columns, rank, config=None, adapter_config=None, scaling=None, options=()):
    """A base of linear layers, all of them adapted with the same scaling or with one for each."""
    base = {f"{name}.weight": values(rows, columns) for name in names}
    adapter, expected = {}, {key: value.astype(float) for key, value in base.items()}
    scaling = scaling or {}
    ranks = rank if isinstance(rank, dict) else {name: rank for name in names}
    for name in names:
        factors, delta = pair(values, name, rows, columns, ranks[name])
        adapter |= factors
        expected[f"{name}.weight"] = expected[f"{name}.weight"] + scaling.get(name, 2.0) * delta
    return Case(base, config or {"model_type": "test"}, adapter, adapter_config or {"r": 4, "lora_alpha": 8}, expected, options)


LORA = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "bias": "none"}
Q, K = "model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"


# axolotl


@case
def axolotl__plain(v):
    return linear(v, [Q, K], 12, 10, 4, adapter_config=LORA | {"r": 4, "lora_alpha": 8})


@case
def axolotl__rslora(v):
    return linear(
        v, [Q], 12, 10, 4, adapter_config=LORA | {"r": 4, "lora_alpha": 8, "use_rslora": True}, scaling={Q: 8 / 4 ** 0.5})


@case
def axolotl__alpha_pattern_by_module(v):
    return linear(
        v, [Q, K], 12, 10, 4, adapter_config=LORA | {"r": 4, "lora_alpha": 8, "alpha_pattern": {"layers.1.self_attn.q_proj": 32}},
        scaling={Q: 2.0, K: 8.0})


@case
def axolotl__rank_pattern_by_module(v):
    return linear(
        v, [Q, K], 12, 10, {Q: 4, K: 2}, adapter_config=LORA | {"r": 4, "lora_alpha": 8, "rank_pattern": {"layers.1.self_attn.q_proj": 2}},
        scaling={Q: 2.0, K: 4.0})


@case
def axolotl__rank_and_alpha_pattern_together(v):
    pattern = {"layers.1.self_attn.q_proj": 2}
    return linear(
        v, [Q, K], 12, 10, {Q: 4, K: 2},
        adapter_config=LORA | {"r": 4, "lora_alpha": 8, "rank_pattern": pattern, "alpha_pattern": {"layers.1.self_attn.q_proj": 1}},
        scaling={Q: 2.0, K: 0.5})


@case
def axolotl__tensors_that_nothing_matches_pass_through(v):
    made = linear(v, [Q], 12, 10, 4, adapter_config=LORA | {"r": 4, "lora_alpha": 8})
    extra = {"model.norm.weight": v(10), "model.embed_tokens.weight": v(20, 10)}
    return made._replace(base=made.base | extra, expected=made.expected | extra)


@case
def axolotl__fan_in_fan_out(v):
    name = "transformer.h.0.attn.c_attn"
    base = {f"{name}.weight": v(10, 30)}
    factors, delta = pair(v, name, 30, 10, 4)
    return Case(
        base, {"model_type": "gpt2"}, factors, LORA | {"r": 4, "lora_alpha": 8, "fan_in_fan_out": True},
        {f"{name}.weight": base[f"{name}.weight"].astype(float) + 2 * delta.T}, ())


def dora(v, config, scaling):
    base = {f"{Q}.weight": v(12, 10)}
    factors, delta = pair(v, Q, 12, 10, 4)
    magnitude = np.abs(v(12)) + 0.5
    sum_ = base[f"{Q}.weight"].astype(float) + scaling * delta
    expected = magnitude.astype(float)[:, None] / np.linalg.norm(sum_, axis=1, keepdims=True) * sum_
    factors[f"{P}{Q}.lora_magnitude_vector"] = magnitude
    return Case(base, {"model_type": "test"}, factors, config, {f"{Q}.weight": expected}, ())


@case
def axolotl__dora(v):
    return dora(v, LORA | {"r": 4, "lora_alpha": 8, "use_dora": True}, 2.0)


@case
def axolotl__dora_with_alpha_pattern(v):
    return dora(v, LORA | {"r": 4, "lora_alpha": 8, "use_dora": True, "alpha_pattern": {"q_proj": 20}}, 5.0)


@case
def axolotl__dora_without_magnitude_is_refused(v):
    made = dora(v, LORA | {"r": 4, "lora_alpha": 8, "use_dora": True}, 2.0)
    return made._replace(adapter={k: x for k, x in made.adapter.items() if "magnitude" not in k}, expected="pair")


@case
def axolotl__parameter_of_experts(v):
    """PEFT's target_parameters over one stacked tensor: A [E r, in], B [out, r E], whose columns are rank-major."""
    experts, rank, out, in_ = 3, 2, 8, 6
    base = {"model.layers.0.mlp.experts.gate_up_proj": v(experts, out, in_)}
    a, b = v(experts * rank, in_), v(out, rank * experts)
    delta = np.stack([
        b.reshape(out, rank, experts)[:, :, e].astype(float) @ a.reshape(experts, rank, in_)[e].astype(float) for e in range(experts)])
    name = f"{P}model.layers.0.mlp.experts"
    return Case(
        base, {"model_type": "qwen3_moe"}, {f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b},
        LORA | {"r": rank, "lora_alpha": 4, "target_parameters": ["mlp.experts.gate_up_proj"], "peft_version": "0.21.2"},
        {"model.layers.0.mlp.experts.gate_up_proj": base["model.layers.0.mlp.experts.gate_up_proj"].astype(float) + 2 * delta}, ())


# tinker-cookbook: adapter_config.json holds lora_alpha and r, nothing else

TINKER = {"lora_alpha": 2, "r": 1}


@case
def tinker__plain(v):
    return linear(v, [Q], 8, 4, 1, {"architectures": ["TestModel"], "model_type": "test"}, TINKER)


@case
def tinker__no_alpha_is_refused(v):
    return linear(v, [Q], 8, 4, 1, adapter_config={"r": 1})._replace(expected="adapter-config")


@case
def tinker__no_module_of_this_name_is_refused(v):
    made = linear(v, [Q], 8, 4, 1, adapter_config=TINKER)
    return made._replace(base={"some.other.weight": v(4, 4)}, expected="no-target")


@case
def tinker__gpt_oss_attention(v):
    name = "model.layers.0.attn.q_proj"
    base = {f"{Q}.weight": v(8, 4)}
    factors, delta = pair(v, name, 8, 4, 1)
    return Case(base, {"model_type": "gpt_oss"}, factors, TINKER, {f"{Q}.weight": base[f"{Q}.weight"].astype(float) + 2 * delta}, ())


@case
def tinker__language_model_prefix(v):
    disk = "model.language_model.layers.0.self_attn.q_proj.weight"
    base = {disk: v(8, 4)}
    factors, delta = pair(v, Q, 8, 4, 1)
    return Case(base, {"model_type": "qwen3_vl"}, factors, TINKER, {disk: base[disk].astype(float) + 2 * delta}, ())


def separate_experts(v, shared_a):
    experts = 3
    names = [f"model.layers.0.mlp.experts.{e}.gate_proj.weight" for e in range(experts)]
    base = {name: v(8, 4) for name in names}
    factors, delta = pair(v, "model.layers.0.mlp.experts.w1", 8, 4, 1, (experts,), shared_a)
    return Case(
        base, {"model_type": "qwen3_moe", "num_experts": experts}, factors, TINKER,
        {name: base[name].astype(float) + 2 * delta[e] for e, name in enumerate(names)}, ())


@case
def tinker__separate_experts(v):
    return separate_experts(v, False)


@case
def tinker__separate_experts_with_one_A(v):
    return separate_experts(v, True)


@case
def tinker__two_dimensional_factors_of_experts_are_refused(v):
    base = {"model.layers.0.mlp.experts.0.gate_proj.weight": v(8, 4)}
    factors, _ = pair(v, "model.layers.0.mlp.experts.w1", 8, 4, 1)
    return Case(base, {"model_type": "qwen3_moe"}, factors, TINKER, "shape", ())


def fused_experts(v, model_type, parts, shared_a, layout):
    """gate_up_proj of 2 experts, hidden size 8, intermediate size 3. `layout`: how gate (w1) and up (w3) lie in it."""
    experts, hidden, size = 2, 8, 3
    name = "model.layers.0.mlp.experts.gate_up_proj"
    shape = (experts, hidden, 2 * size) if layout in ("interleaved", "columns") else (experts, 2 * size, hidden)
    base = {name: v(*shape), "model.layers.0.mlp.experts.down_proj": v(experts, size, hidden) if layout in ("interleaved", "columns") else v(experts, hidden, size)}
    expected = {key: value.astype(float) for key, value in base.items()}
    adapter = {}
    for part in parts:
        factors, delta = pair(v, f"model.layers.0.mlp.experts.{part}", size, hidden, 1, (experts,), shared_a)
        adapter |= factors
        up = part == "w3"
        if layout == "interleaved":
            expected[name][:, :, int(up)::2] += 2 * delta.transpose(0, 2, 1)
        elif layout == "columns":
            expected[name][:, :, up * size:(up + 1) * size] += 2 * delta.transpose(0, 2, 1)
        else:
            expected[name][:, up * size:(up + 1) * size, :] += 2 * delta
    return Case(base, {"model_type": model_type, "num_local_experts": experts, "num_experts": experts}, adapter, TINKER, expected, ())


for layout, model_type in [("interleaved", "gpt_oss"), ("columns", "qwen3_vl_moe"), ("rows", "qwen3_5_moe")]:
    for parts in [("w1", "w3"), ("w3",), ("w1",)]:
        for shared in [False, True]:
            CASES[f"tinker: fused {layout} {'+'.join(parts)}{' with one A' if shared else ''}"] = (
                lambda v, m=model_type, p=parts, s=shared, l=layout: fused_experts(v, m, p, s, l))


@case
def tinker__down_proj_with_one_B(v):
    experts, hidden, size = 2, 8, 3
    name = "model.layers.0.mlp.experts.down_proj"
    base = {name: v(experts, hidden, size)}
    factors, delta = pair(v, "model.layers.0.mlp.experts.w2", hidden, size, 1, (experts,), shared_b=True)
    return Case(base, {"model_type": "qwen3_5_moe", "num_experts": experts}, factors, TINKER, {name: base[name].astype(float) + 2 * delta}, ())


NEMOTRON = {"model_type": "nemotron_h", "architectures": ["NemotronHForCausalLM"]}


@case
def tinker__nemotron_empty_experts(v):
    experts = 2
    base, expected, adapter = {}, {}, {}
    for part, leaf, rows, columns in [("w1", "up_proj", 8, 4), ("w2", "down_proj", 4, 8)]:
        factors, delta = pair(v, f"backbone.layers.0.mixer.experts.{part}", rows, columns, 1, (experts,))
        adapter |= factors
        for e in range(experts):
            name = f"backbone.layers.0.mixer.experts.{e}.{leaf}.weight"
            base[name] = v(rows, columns)
            expected[name] = base[name].astype(float) + 2 * delta[e]
    for factor in "AB":
        adapter[f"{P}backbone.layers.0.mixer.experts.w3.lora_{factor}.weight"] = np.zeros(0, np.float32)
    return Case(base, NEMOTRON, adapter, TINKER, expected, ())


@case
def tinker__nemotron_mamba_projections(v):
    hidden, size = 8, 12
    name = "backbone.layers.0.mixer.in_proj.weight"
    base = {name: v(2 * size + 6, hidden), "backbone.layers.0.mixer.out_proj.weight": v(hidden, size)}
    expected = {key: value.astype(float) for key, value in base.items()}
    adapter = {}
    for start, part in [(0, "gate_proj"), (size, "x_proj")]:
        factors, delta = pair(v, f"backbone.layers.0.mixer.{part}", size, hidden, 1)
        adapter |= factors
        expected[name][start:start + size] += 2 * delta
    return Case(base, NEMOTRON | {"mamba_num_heads": 3, "mamba_head_dim": 4}, adapter, TINKER, expected, ())


QWEN35 = {
    "model_type": "qwen3_5", "text_config": {
        "model_type": "qwen3_5_text", "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 2,
        "linear_value_head_dim": 3, "hidden_size": 10, "tie_word_embeddings": True, "vocab_size": 16}}


def split_qkv(v, parts):
    sizes = {"q": (0, 4), "k": (4, 4), "v": (8, 12)}
    name = "model.language_model.layers.0.linear_attn.in_proj_qkv.weight"
    base = {name: v(20, 10), "model.language_model.embed_tokens.weight": v(16, 10)}
    expected = {key: value.astype(float) for key, value in base.items()}
    adapter = {}
    for part in parts:
        start, rows = sizes[part]
        factors, delta = pair(v, f"model.layers.0.linear_attn.in_proj_{part}", rows, 10, 1)
        adapter |= factors
        expected[name][start:start + rows] += 2 * delta
    return Case(base, QWEN35, adapter, TINKER, expected, ())


@case
def tinker__qwen35_split_qkv(v):
    return split_qkv(v, "qkv")


@case
def tinker__qwen35_v_alone(v):
    return split_qkv(v, "v")


def unembed(v, options):
    name = "model.language_model.embed_tokens.weight"
    base = {name: v(16, 10)}
    factors, delta = pair(v, "model.unembed_tokens", 16, 10, 1)
    return Case(base, QWEN35, factors, TINKER, {name: base[name].astype(float) + 2 * delta}, options)


@case
def tinker__unembed_of_a_tied_model_shared(v):
    return unembed(v, ("--tied", "shared"))


@case
def tinker__unembed_of_a_tied_model_is_refused_without_a_decision(v):
    return unembed(v, ())._replace(expected="tied")


# unsloth-zoo


def mixtral(v, keys, rank=2):
    """Per-expert w1, w2, w3 on disk; the adapter has stacked experts, whose B columns are PEFT's (rank-major)."""
    layers, experts, hidden, size = 2, 4, 12, 8
    base, expected, adapter = {}, {}, {}
    for layer in range(layers):
        module = f"model.layers.{layer}.mlp.experts"
        deltas = {}
        for kind, (rows, columns) in {"gate_up_proj": (2 * size, hidden), "down_proj": (hidden, size)}.items():
            a, b = v(experts * rank, columns), v(rows, rank * experts)
            key = P + {"base_layer": {"gate_up_proj": module + ".base_layer", "down_proj": module}}[keys][kind]
            adapter |= {f"{key}.lora_A.weight": a, f"{key}.lora_B.weight": b}
            deltas[kind] = [b.reshape(rows, rank, experts)[:, :, e].astype(float) @ a[e * rank:(e + 1) * rank].astype(float) for e in range(experts)]
        for e in range(experts):
            p = f"model.layers.{layer}.block_sparse_moe.experts.{e}"
            for leaf, delta in [("w1", deltas["gate_up_proj"][e][:size]), ("w3", deltas["gate_up_proj"][e][size:]), ("w2", deltas["down_proj"][e])]:
                base[f"{p}.{leaf}.weight"] = v(*delta.shape)
                expected[f"{p}.{leaf}.weight"] = base[f"{p}.{leaf}.weight"].astype(float) + 2 * delta
    config = LORA | {
        "r": rank, "lora_alpha": 2 * rank, "peft_version": "0.21.2",
        "target_parameters": ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]}
    return Case(base, {"model_type": "mixtral", "num_local_experts": experts, "hidden_size": hidden, "intermediate_size": size}, adapter, config, expected, ())


@case
def unsloth__legacy_mixtral_under_stacked_experts(v):
    return mixtral(v, "base_layer")


@case
def unsloth__resized_vocabulary(v):
    """modules_to_save of an embedding and a head with more rows than the base's."""
    base = {"model.embed_tokens.weight": v(16, 10), "lm_head.weight": v(16, 10), f"{Q}.weight": v(12, 10)}
    factors, delta = pair(v, Q, 12, 10, 4)
    saved = {"model.embed_tokens.weight": v(20, 10), "lm_head.weight": v(20, 10)}
    adapter = factors | {P + key: value for key, value in saved.items()}
    expected = saved | {f"{Q}.weight": base[f"{Q}.weight"].astype(float) + 2 * delta}
    config = LORA | {"r": 4, "lora_alpha": 8, "modules_to_save": ["embed_tokens", "lm_head"]}
    return Case(base, {"model_type": "llama", "vocab_size": 16, "tie_word_embeddings": False}, adapter, config, expected, ())


@case
def unsloth__dora_on_an_expert_is_refused(v):
    base = {"model.layers.0.mlp.experts.gate_up_proj": v(3, 8, 6)}
    name = f"{P}model.layers.0.mlp.experts"
    adapter = {f"{name}.lora_A.weight": v(6, 6), f"{name}.lora_B.weight": v(8, 6), f"{name}.lora_magnitude_vector": v(8)}
    config = LORA | {"r": 2, "lora_alpha": 4, "use_dora": True, "target_parameters": ["mlp.experts.gate_up_proj"]}
    return Case(base, {"model_type": "qwen3_moe"}, adapter, config, "unsupported", ())


@case
def unsloth__factors_that_are_not_finite_are_refused(v):
    made = linear(v, [Q], 12, 10, 4, adapter_config=LORA | {"r": 4, "lora_alpha": 8})
    made.adapter[f"{P}{Q}.lora_A.weight"][0, 0] = np.inf
    return made._replace(expected="nonfinite")


def run(program, name, make, folder):
    case = make(Values(name))
    for part, tensors, config, file in [
            ("base", case.base, case.config, "config.json"), ("adapter", case.adapter, case.adapter_config, "adapter_config.json")]:
        (folder / part).mkdir(parents=True)
        save_file(tensors, folder / part / ("model.safetensors" if part == "base" else "adapter_model.safetensors"))
        (folder / part / file).write_text(json.dumps(config))
    words = [program, "merge", "--quiet", str(folder / "base"), str(folder / "adapter"), "-o", str(folder / "out"), *case.options]
    done = subprocess.run(words, capture_output=True, text=True)
    message = done.stderr.strip()
    if isinstance(case.expected, str):
        right = done.returncode == 3 and message.endswith(f"[{case.expected}]") and not (folder / "out").exists()
        return ("refused as it must be" if right else "wrong"), message or f"exit {done.returncode}"
    if done.returncode == 3:
        return "refused", message
    if done.returncode != 0:
        return "wrong", f"exit {done.returncode}: {message}"
    found = load_file(folder / "out" / "model.safetensors")
    if set(found) != set(case.expected):
        return "wrong", f"names: {sorted(set(found) ^ set(case.expected))}"
    for key, expected in case.expected.items():
        if found[key].shape != expected.shape:
            return "wrong", f"{key}: shape {found[key].shape}, expected {expected.shape}"
        worst = np.abs(found[key] - expected).max() / max(1e-30, np.abs(expected).max())
        if worst > 2.0 ** -21:
            return "wrong", f"{key}: off by {worst:.2e} of its largest element"
    return "equal", message


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", type=pathlib.Path)
    options = parser.parse_args()
    counts = collections.defaultdict(collections.Counter)
    with tempfile.TemporaryDirectory() as temporary:
        for number, (name, make) in enumerate(CASES.items()):
            if options.only in name:
                verdict, why = run(options.program, name, make, (options.keep or pathlib.Path(temporary)) / str(number))
                counts[name.split(":")[0]][verdict] += 1
                print(f"{name}: {verdict}" + (f": {why}" if why else ""))
    for source, counter in counts.items():
        print(source, json.dumps(dict(sorted(counter.items()))))
    sys.exit(1 if any(counter["wrong"] for counter in counts.values()) else 0)


if __name__ == "__main__":
    main()
