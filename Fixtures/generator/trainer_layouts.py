#!/usr/bin/env python3
"""Writes the cases of Fixtures/trainers: adapters as other trainers lay them out, with the result in double precision.

    python trainer_layouts.py FOLDER

Needs numpy, torch and safetensors. A case is a folder with base/, adapter/ and expected.safetensors, or expected.json with the
class of the error that it must be refused with. The layouts are facts read from the trainers' public sources.
"""
import json
import pathlib
import sys

import numpy as np
import safetensors.torch
import torch
from safetensors.numpy import save_file

P = "base_model.model."
CASES = {}


def case(function):
    CASES[function.__name__.replace("_", "-")] = function
    return function


class Values:
    def __init__(self, name):
        self.generator = np.random.default_rng(list(name.encode()))

    def __call__(self, *shape):
        return (0.3 * self.generator.standard_normal(shape)).astype(np.float32)


def lora(rank, alpha, **more):
    return {"peft_type": "LORA", "r": rank, "lora_alpha": alpha, "target_modules": "all-linear", **more}


def double(x):
    return x.double().numpy() if isinstance(x, torch.Tensor) else x.astype(np.float64)


def product(b, a):
    return np.matmul(double(b), double(a))


def added(base, **deltas):
    return {name: value.astype(np.float64) + deltas.get(name, 0) for name, value in base.items()}


E, H, I, R = 3, 10, 6, 2
X = "model.layers.0.mlp.experts"
SEPARATE = {"gate_proj": (I, H), "up_proj": (I, H), "down_proj": (H, I)}


def separate(v, container=X, names=SEPARATE):
    return {f"{container}.{e}.{n}.weight": v(*shape) for e in range(E) for n, shape in names.items()}


def stacked(v):
    return {f"{X}.gate_up_proj": v(E, 2 * I, H), f"{X}.down_proj": v(E, H, I)}


@case
def skyrl_shared_factor_beside_experts(v):
    """The factor that all experts share stands once beside those of each."""
    base, adapter, delta = separate(v), {}, {}
    shared = {"gate_proj": v(1, R, H), "up_proj": v(1, R, H), "down_proj": v(1, H, R)}
    for n, (rows, columns) in SEPARATE.items():
        side = "B" if n == "down_proj" else "A"
        adapter[f"{P}{X}.{n}.lora_{side}.weight"] = shared[n]
        for e in range(E):
            own = v(R, columns) if side == "B" else v(rows, R)
            adapter[f"{P}{X}.{e}.{n}.lora_{'A' if side == 'B' else 'B'}.weight"] = own
            delta[f"{X}.{e}.{n}.weight"] = 3 * (product(shared[n][0], own) if side == "B" else product(own, shared[n][0]))
    return base, {"model_type": "qwen3_moe"}, adapter, lora(R, 6), added(base, **delta)


@case
def bridge_shared_outer_over_stacks(v):
    base = stacked(v)
    a, b, c, d = v(1, R, H), v(E, 2 * I, R), v(E, R, I), v(1, H, R)
    adapter = {
        f"{P}{X}.gate_up_proj.lora_A.weight": a, f"{P}{X}.gate_up_proj.lora_B.weight": b,
        f"{P}{X}.down_proj.lora_A.weight": c, f"{P}{X}.down_proj.lora_B.weight": d}
    return base, {"model_type": "qwen3_5_moe_text"}, adapter, lora(R, 1), added(
        base, **{f"{X}.gate_up_proj": 0.5 * product(b, a), f"{X}.down_proj": 0.5 * product(d, c)})


@case
def bridge_joined_over_experts_of_an_unknown_family(v):
    base = separate(v)
    a, b = v(E, R, H), v(E, 2 * I, R)
    adapter = {f"{P}{X}.gate_up_proj.lora_A.weight": a, f"{P}{X}.gate_up_proj.lora_B.weight": b}
    d = 2 * product(b, a)
    return base, {"model_type": "nobody_knows"}, adapter, lora(R, 4), added(
        base, **{f"{X}.{e}.gate_proj.weight": d[e, :I] for e in range(E)}, **{f"{X}.{e}.up_proj.weight": d[e, I:] for e in range(E)})


@case
def tinker_experts_of_mixtral(v):
    disk = "model.layers.0.block_sparse_moe.experts"
    base = separate(v, disk, {"w1": (I, H), "w2": (H, I), "w3": (I, H)})
    a, b, c, d = v(1, R, H), v(E, I, R), v(E, R, I), v(1, H, R)
    adapter = {
        f"{P}{X}.w1.lora_A.weight": a, f"{P}{X}.w1.lora_B.weight": b, f"{P}{X}.w2.lora_A.weight": c,
        f"{P}{X}.w2.lora_B.weight": d}
    one, two = 2 * product(b, np.repeat(a, E, 0)), 2 * product(np.repeat(d, E, 0), c)
    return base, {"model_type": "mixtral", "architectures": ["MixtralForCausalLM"]}, adapter, {"r": R, "lora_alpha": 4}, added(
        base, **{f"{disk}.{e}.w1.weight": one[e] for e in range(E)}, **{f"{disk}.{e}.w2.weight": two[e] for e in range(E)})


@case
def fewer_experts_than_the_base_are_refused(v):
    base = separate(v)
    adapter = {f"{P}{X}.w2.lora_A.weight": v(E - 1, R, I), f"{P}{X}.w2.lora_B.weight": v(E - 1, H, R)}
    return base, {"model_type": "nobody_knows"}, adapter, lora(R, 4), "shape"


@case
def one_projection_by_two_names_is_refused(v):
    base = stacked(v)
    adapter = {
        f"{P}{X}.{n}.lora_{side}.weight": v(E, *shape) for n in ["w2", "down_proj"]
        for side, shape in [("A", (R, I)), ("B", (H, R))]}
    return base, {"model_type": "qwen3_5_moe_text"}, adapter, lora(R, 4), "hit-twice"


@case
def expert_keys_over_stacks(v):
    """Each expert by itself, where the base has them as one: also by Mixtral's names of before."""
    base, adapter = stacked(v), {}
    deltas = {name: np.zeros(value.shape) for name, value in base.items()}
    places = {"w1": ("gate_up_proj", slice(0, I)), "w3": ("gate_up_proj", slice(I, None)), "w2": ("down_proj", slice(None))}
    for e in range(E):
        for n, (target, rows) in places.items():
            delta = deltas[f"{X}.{target}"][e, rows]
            a, b = v(R, delta.shape[1]), v(delta.shape[0], R)
            name = f"{P}model.layers.0.block_sparse_moe.experts.{e}.{n}"
            adapter |= {f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b}
            delta += 2 * product(b, a)
    return base, {"model_type": "mixtral", "architectures": ["MixtralForCausalLM"]}, adapter, lora(R, 4), added(base, **deltas)


def named_by_parameter(v, layout):
    base = stacked(v)
    a, b = v(E * R, H), v(2 * I, E * R)
    adapter = {f"{P}{X}.gate_up_proj.lora_A.weight": a, f"{P}{X}.gate_up_proj.lora_B.weight": b}
    if layout == "grouped_by_expert":
        each = b.reshape(2 * I, E, R).transpose(1, 0, 2)
    else:
        each = b.reshape(2 * I, R, E).transpose(2, 0, 1)
    config = lora(R, 4) | ({"lora_B_layout": layout} if layout else {})
    return base, {"model_type": "qwen3_5_moe_text"}, adapter, config, added(
        base, **{f"{X}.gate_up_proj": 2 * product(each, a.reshape(E, R, H))})


@case
def unsloth_by_expert(v):
    return named_by_parameter(v, "grouped_by_expert")


@case
def unsloth_by_rank(v):
    return named_by_parameter(v, "rank_major")


@case
def unsloth_without_an_order_is_refused(v):
    return *named_by_parameter(v, None)[:4], "unsupported"


@case
def bare_factor_names(v):
    base = {"model.layers.0.self_attn.q_proj.weight": v(8, 6)}
    a, b = v(R, 6), v(8, R)
    name = "model.layers.0.self_attn.q_proj"
    return base, {"model_type": "llama"}, {f"{name}.lora_A": a, f"{name}.lora_B": b}, lora(R, 4), added(
        base, **{f"{name}.weight": 2 * product(b, a)})


@case
def automodel_encoder_of_queries(v):
    base = {"layers.0.self_attn.q_proj.weight": v(8, 6)}
    a, b = v(R, 6), v(8, R)
    name = f"{P}lm_q.layers.0.self_attn.q_proj"
    return base, {"model_type": "llama_bidirec"}, {f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b}, lora(R, 4), added(
        base, **{"layers.0.self_attn.q_proj.weight": 2 * product(b, a)})


def bias_of_b(v, alpha):
    names = ["model.layers.0.self_attn.q_proj", "model.layers.0.mlp.up_proj"]
    base = {f"{n}.weight": v(8, 6) for n in names} | {f"{names[0]}.bias": v(8)}
    adapter, delta = {}, {}
    for n in names:
        a, b = v(R, 6), v(8, R)
        adapter |= {f"{P}{n}.lora_A.weight": a, f"{P}{n}.lora_B.weight": b}
        delta[f"{n}.weight"] = alpha / R * product(b, a)
    adapter[f"{P}{names[0]}.lora_B.bias"] = v(8)
    delta[f"{names[0]}.bias"] = adapter[f"{P}{names[0]}.lora_B.bias"].astype(np.float64)
    return base, {"model_type": "qwen2"}, adapter, lora(R, alpha), added(base, **delta)


@case
def mergekit_bias_of_some_modules(v):
    return bias_of_b(v, R)


@case
def scaled_bias_that_nothing_announces_is_refused(v):
    return *bias_of_b(v, 3 * R)[:4], "pair"


def of_dtype(v, convert):
    name = "model.layers.0.self_attn.q_proj"
    base = {f"{name}.weight": v(8, 6)}
    a, b = convert(v(R, 6)), convert(v(8, R))
    return base, {"model_type": "llama"}, {f"{P}{name}.lora_A.weight": a, f"{P}{name}.lora_B.weight": b}, lora(R, 4), added(
        base, **{f"{name}.weight": 2 * product(b, a)})


@case
def factors_of_f64(v):
    return of_dtype(v, lambda x: x.astype(np.float64) / 3)


@case
def factors_of_f8_e4m3(v):
    return of_dtype(v, lambda x: torch.from_numpy(x).to(torch.float8_e4m3fn))


@case
def factors_of_f8_e5m2(v):
    return of_dtype(v, lambda x: torch.from_numpy(x).to(torch.float8_e5m2))


@case
def weight_under_norm_is_refused(v):
    name = "model.conv.proj"
    base = {f"{name}.parametrizations.weight.original0": v(8, 1), f"{name}.parametrizations.weight.original1": v(8, 6)}
    return base, {"model_type": "any"}, {f"{P}{name}.lora_A.weight": v(R, 6), f"{P}{name}.lora_B.weight": v(8, R)}, lora(
        R, 4), "unsupported"


def shared_block(v, is_equal):
    config = {"model_type": "zamba2", "hybrid_layer_ids": [1, 3, 4], "num_mem_blocks": 2}
    path = "shared_transformer.self_attn.q_proj"
    base = {f"model.layers.{n}.{path}.weight": v(8, 6) for n in [1, 3]}
    a, b, c, d = v(R, 6), v(8, R), v(R, 6), v(8, R)
    adapter = {
        f"{P}model.layers.1.{path}.lora_A.weight": a, f"{P}model.layers.1.{path}.lora_B.weight": b,
        f"{P}model.layers.3.{path}.lora_A.weight": c, f"{P}model.layers.3.{path}.lora_B.weight": d,
        f"{P}model.layers.4.{path}.lora_A.weight": a.copy(), f"{P}model.layers.4.{path}.lora_B.weight": b.copy() if is_equal else d}
    return base, config, adapter, lora(R, 4), added(
        base, **{f"model.layers.1.{path}.weight": 2 * product(b, a), f"model.layers.3.{path}.weight": 2 * product(d, c)})


@case
def shared_block_saved_for_every_layer(v):
    return shared_block(v, True)


@case
def shared_block_changed_in_two_ways_is_refused(v):
    return *shared_block(v, False)[:4], "tied"


def zero_on_a_grouped_convolution(v, scale):
    name, conv = "model.layers.0.self_attn.q_proj", "model.layers.0.mamba.conv1d"
    base = {f"{name}.weight": v(8, 6), f"{conv}.weight": v(8, 1, 4)}
    a, b = v(R, 6), v(8, R)
    adapter = {
        f"{P}{name}.lora_A.weight": a, f"{P}{name}.lora_B.weight": b, f"{P}{conv}.lora_A.weight": v(R, 8, 4),
        f"{P}{conv}.lora_B.weight": scale * v(8, R, 1)}
    return base, {"model_type": "falcon_h1"}, adapter, lora(R, 4), added(base, **{f"{name}.weight": 2 * product(b, a)})


@case
def zeros_on_a_grouped_convolution(v):
    return zero_on_a_grouped_convolution(v, np.float32(0))


@case
def changed_grouped_convolution_is_refused(v):
    return *zero_on_a_grouped_convolution(v, np.float32(1))[:4], "shape"


@case
def rank_that_only_the_factors_say(v):
    made = of_dtype(v, lambda x: x)
    return *made[:3], {"peft_type": "LORA", "lora_alpha": 4, "target_modules": ["q_proj"]}, made[4]


@case
def neither_rank_nor_alpha_is_refused(v):
    return *of_dtype(v, lambda x: x)[:3], {"peft_type": "LORA", "target_modules": ["q_proj"]}, "adapter-config"


@case
def queries_of_interleaved_delta_network_are_refused(v):
    config = {
        "model_type": "qwen3_next", "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 4,
        "linear_value_head_dim": 4}
    base = {"model.layers.0.linear_attn.in_proj_qkvz.weight": v(48, 6)}
    name = f"{P}model.layers.0.linear_attn.in_proj_q"
    return base, config, {f"{name}.lora_A.weight": v(R, 6), f"{name}.lora_B.weight": v(8, R)}, lora(R, 4), "no-target"


def main(folder):
    for name, function in CASES.items():
        base, config, adapter, adapter_config, expected = function(Values(name))
        place = pathlib.Path(folder) / name
        (place / "base").mkdir(parents=True, exist_ok=True)
        (place / "adapter").mkdir(exist_ok=True)
        save_file(base, place / "base/model.safetensors", metadata={"format": "pt"})
        (place / "base/config.json").write_text(json.dumps(config) + "\n")
        tensors = {k: x if isinstance(x, torch.Tensor) else torch.from_numpy(np.array(x)) for k, x in adapter.items()}
        safetensors.torch.save_file(tensors, place / "adapter/adapter_model.safetensors", metadata={"format": "pt"})
        (place / "adapter/adapter_config.json").write_text(json.dumps(adapter_config) + "\n")
        if isinstance(expected, str):
            (place / "expected.json").write_text(json.dumps({"error": expected}) + "\n")
        else:
            save_file({k: np.ascontiguousarray(x) for k, x in expected.items()}, place / "expected.safetensors")


main(sys.argv[1])
