"""The second implementation of the merge for every kind of LoRA: numpy only, no torch, no PEFT.

`merged(...)` gives the merged tensors either with PEFT's own sequence of roundings or with the default formula of
safemerge (everything in fp32, one rounding at the end). Tensors are triples (dtype, shape, bytes).
"""

import re

import numpy as np

from .plain import look_up, narrow, product_in_order, widen

PREFIX = "base_model.model."
# Left by bias="all" beside a module of modules_to_save; the plain key is the right one.
JUNK = re.compile(r"\.(modules_to_save|original_module)\.|\.lora_velora_embed$|\.lora_monteclora_sampler\.")
TRANSPOSED_MODELS = {"gpt2", "openai-gpt", "imagegpt", "decision_transformer", "clvp"}
TRANSPOSED_EXPERTS = {"gpt_oss", "aria", "openai_privacy_filter"}


def rounded(values, dtype):
    """fp32 values after one rounding to `dtype`."""
    return widen((dtype, values.shape, narrow(np.ascontiguousarray(values, np.float32), dtype)))


def tensor(values, dtype):
    values = np.ascontiguousarray(values, np.float32)
    return dtype, values.shape, narrow(values, dtype)


def scaling(config, name):
    """Rank and scaling, the latter in double."""
    rank = look_up(config.get("rank_pattern") or {}, name, config["r"])
    alpha = look_up(config.get("alpha_pattern") or {}, name, config["lora_alpha"])
    return rank, (alpha / np.sqrt(np.float64(rank)) if config.get("use_rslora") else alpha / rank)


def product_unfused(b, a):
    total = b[:, :1] * a[:1]
    for k in range(1, a.shape[0]):
        total = total + b[:, k : k + 1] * a[k : k + 1]
    return total


def row_norms(values):
    """L2 norms of the rows of a contiguous fp32 matrix, as torch's AVX2 kernel sums them: eight lanes, then the lanes in
    order, then the rest of the row one by one."""
    rows, columns = values.shape
    squares = values * values
    whole = columns // 8 * 8
    lanes = np.zeros((rows, 8), np.float32)
    for start in range(0, whole, 8):
        lanes = lanes + squares[:, start : start + 8]
    total = lanes[:, 0].copy()
    for lane in range(1, 8):
        total = total + lanes[:, lane]
    for column in range(whole, columns):
        total = total + squares[:, column]
    return np.sqrt(total)


def column_norms(values):
    """Norms over axis 0 of a row-major fp32 matrix, as torch reduces a transposed view: see README.md."""
    total = np.zeros(values.shape[1], np.float32)
    for row in values:
        total = total + row * row
    return np.sqrt(total)


def block_diagonal(stored, blocks):
    rows, columns = stored.shape
    height = rows // blocks
    whole = np.zeros((rows, columns * blocks), np.float32)
    for block in range(blocks):
        part = slice(block * height, (block + 1) * height)
        whole[part, block * columns : (block + 1) * columns] = stored[part]
    return whole


class Adapter:
    """The tensors of an adapter, sorted by what they do."""

    def __init__(self, config, tensors, aliases=()):
        self.config = config
        self.replaced, self.rows, self.layers = {}, {}, {}
        for key, value in tensors.items():
            name = key.removeprefix(PREFIX)
            for old, new in aliases:
                name = re.sub(old, new, name)
            if found := re.fullmatch(r"(.*)\.(lora_(?:embedding_)?[AB]|lora_magnitude_vector|lora_diag)(\.weight)?", name):
                self.layers.setdefault(found[1], {})[found[2].replace("embedding_", "")] = value
                self.layers[found[1]].setdefault("kind", "embedding" if "embedding" in found[2] else "matrix")
            elif found := re.fullmatch(r"(.*)\.lora_B\.bias", name):
                self.layers.setdefault(found[1], {})["bias"] = value
            elif JUNK.search(name):
                continue
            elif name.endswith(".trainable_tokens_delta"):
                self.rows[name.removesuffix(".trainable_tokens_delta").removesuffix(".token_adapter")] = value
            else:
                self.replaced[name.replace(".base_layer.", ".")] = value


def parameters(layers, config, base, tied):
    """(layer, name of the tensor, name for the patterns) for the layers that are target_parameters."""
    targets = config.get("target_parameters") or []
    base = base | dict.fromkeys(tied)
    groups, found = {}, {}
    for layer in layers:
        owner = re.sub(r"(\.base_layer)*$", "", layer)
        if f"{owner}.weight" not in base or any(f"{owner}.weight".endswith(target) for target in targets):
            groups.setdefault(owner, []).append(layer)
    for owner, nested in groups.items():
        if f"{owner}.in_proj_weight" in base or owner.endswith(".base_layer.out_proj"):
            continue
        order = ["weight", "gate_up_proj", "gate_up_proj_bias", "down_proj", "down_proj_bias"]
        names = [f"{owner}.{leaf}" for leaf in order if f"{owner}.{leaf}" in base]
        names = [name for name in names if any(name == t or name.endswith("." + t) for t in targets)]
        assert len(names) == len(nested), (owner, names, nested)
        for layer in nested:  # the first registered parameter is the innermost
            depth = layer.removeprefix(owner).count(".base_layer")
            found[layer] = names[len(names) - 1 - depth]
    return found


def merged(base, adapters, *, peft, model_type="", aliases=(), dtype=None, targets=None):
    """Base tensors and [(config, tensors)] -> the merged tensors.

    `targets` renames modules: a tied lm_head is the embedding, say. `dtype` is that of tensors that the base doesn't have.
    """
    final = {name: value[0] for name, value in base.items()}
    # The default formula stays in fp32 to the end, over all adapters.
    keep = (lambda value: value) if peft else (lambda value: tensor(widen(value), "F32"))
    result = {name: keep(value) for name, value in base.items()}
    # What PEFT does with a second DoRA adapter: see `dora`.
    history = {}
    for config, tensors in adapters:
        adapter = Adapter(config, tensors, aliases)
        for name, value in adapter.replaced.items():
            name = (targets or {}).get(name, name)
            result[name] = keep(tensor(widen(value), final.setdefault(name, dtype)))
        owned = parameters(adapter.layers, config, result, targets or {})
        # Only for tied pairs does the order matter: the embedding comes first.
        for layer, parts in sorted(adapter.layers.items(), key=lambda item: item[1]["kind"]):
            merge_layer(result, layer, parts, config, owned.get(layer), peft, model_type, history, targets or {})
        for module, value in adapter.rows.items():
            kind, shape, data = result[f"{module}.weight"]
            table = np.array(widen((kind, shape, data)))
            for index, row in zip(token_indices(config, module), widen(value), strict=True):
                table[index] = row
            result[f"{module}.weight"] = tensor(table, kind)
    return {name: value if value[0] == final[name] else tensor(widen(value), final[name]) for name, value in result.items()}


def token_indices(config, module):
    indices = config["trainable_token_indices"]
    if isinstance(indices, list):
        return indices
    return next(v for k, v in indices.items() if module == k or module.endswith("." + k))


def transposed_experts(model_type, version):
    """The convention that PEFT had when it wrote the adapter; only asked where the shapes do not tell."""
    version = tuple(int(part) for part in version.split(".")[:3])
    if version < (0, 19):
        return True
    return (model_type in TRANSPOSED_EXPERTS) == (version > (0, 19, 0))


def merge_layer(result, layer, parts, config, parameter, peft, model_type, history, targets):
    a, b = widen(parts["lora_A"]), widen(parts["lora_B"])
    out_proj = layer.endswith(".base_layer.out_proj")
    module = layer.replace(".base_layer.", ".") if out_proj else layer
    if parameter:
        name, pattern = parameter, parameter
    elif f"{module}.in_proj_weight" in result:
        name, pattern = f"{module}.in_proj_weight", module
    else:
        name = targets.get(f"{module}.weight", f"{module}.weight")
        pattern = module.removesuffix(".out_proj") if out_proj else module
    dtype, shape, _ = result[name]
    weight = widen(result[name])
    rank, exact_scale = scaling(config, pattern)
    scale = np.float32(exact_scale)
    # Kinds whose delta PEFT rounds to the dtype of the base before it is added.
    twice = bool(parameter) or parts["kind"] == "embedding" or name.endswith("in_proj_weight")
    twice |= config.get("init_lora_weights") == "mica"

    if config.get("use_bdlora"):
        blocks = config["use_bdlora"]
        twice = True
        if any(part in layer for part in blocks["target_modules_bd_a"] or []):
            a = block_diagonal(a, blocks["nblocks"])
        elif any(part in layer for part in blocks["target_modules_bd_b"] or []):
            b = block_diagonal(b, blocks["nblocks"])

    if parameter and len(shape) == 3:
        experts, d1, d2 = shape
        assert rank * experts == a.shape[0] == b.shape[1], layer
        by_expert_a = a.reshape(experts, rank, -1)
        by_expert_b = b.reshape(b.shape[0], rank, experts)  # the columns of B: rank-major
        if config.get("lora_B_layout") == "grouped_by_expert":
            by_expert_b = b.reshape(b.shape[0], experts, rank).transpose(0, 2, 1)
        transposed = a.shape[1] != d2 if d1 != d2 else transposed_experts(model_type, config.get("peft_version", "0.17.0"))
        delta = np.stack([product_in_order(by_expert_b[:, :, e], by_expert_a[e]) for e in range(experts)]) * scale
        delta = delta.transpose(0, 2, 1) if transposed else delta
        change = lambda w: w + (rounded(delta, dtype) if peft else delta)  # noqa: E731
    elif a.ndim > 2:
        # PEFT convolves A with B. With 16 input channels or more, and for 1x1, torch's product is fused; below it is not.
        fused = a.shape[1] >= 16 or shape[2:] == (1, 1) or not peft
        flat = (product_in_order if fused else product_unfused)(b.reshape(b.shape[0], -1), a.reshape(a.shape[0], -1))
        assert rank == a.shape[0], layer
        delta = flat.reshape(shape) * scale
        change = lambda w: w + delta  # noqa: E731
    else:
        assert rank == a.shape[0] == b.shape[1], layer
        # MKL's product of fewer than 12 columns is not fused.
        product = (product_unfused if peft and a.shape[1] < 12 else product_in_order)(b, a)
        leaf = module.rpartition(".")[2]
        if parts["kind"] == "embedding":
            transposed = True
        elif product.shape[0] == product.shape[1]:
            transposed = model_type in TRANSPOSED_MODELS and leaf in ("c_attn", "c_proj", "c_fc", "q_attn")
        else:
            transposed = product.shape != tuple(shape)
        delta = (product.T if transposed else product) * scale
        change = lambda w: w + (rounded(delta, dtype) if peft and twice else delta)  # noqa: E731

    if "lora_magnitude_vector" in parts:
        magnitude = widen(parts["lora_magnitude_vector"]).reshape(-1)
        result[name] = tensor(dora(name, weight, delta, magnitude, dtype, history, a.ndim == 2 and transposed, peft), dtype)
    elif out_proj:
        if peft:
            once = rounded(weight + rounded(delta, dtype), dtype)
            result[name] = tensor(once + delta, dtype)
        else:
            result[name] = tensor(weight + (delta + delta), dtype)
    else:
        result[name] = tensor(change(weight), dtype)
        history[name] = None, delta, None, weight
    if "bias" in parts:
        kind, _, _ = result[f"{module}.bias"]
        result[f"{module}.bias"] = tensor(widen(result[f"{module}.bias"]) + widen(parts["bias"]) * scale, kind)


def dora(name, weight, delta, magnitude, dtype, history, transposed, peft):
    """m / |V| * V with V = W + delta.

    A second DoRA adapter takes its norm from the weight without the first one: PEFT unmerges the first, in the dtype of
    the base, and merges it again; both roundings stay.
    """
    outer = (1, -1) if transposed else (-1,) + (1,) * (weight.ndim - 1)

    def norms(values):
        if not peft:
            axes = 0 if transposed else tuple(range(1, values.ndim))
            return np.sqrt(np.sum(values.astype(np.float64) ** 2, axis=axes)).astype(np.float32)
        if transposed:
            return column_norms(values)
        return row_norms(values.reshape(values.shape[0], -1))

    def apply(values, some_delta, some_magnitude, unmerged):
        factor = some_magnitude / norms(unmerged + some_delta)
        return factor, factor.reshape(outer) * (values + some_delta)

    if name in history:
        old_factor, old_delta, old_magnitude, old_weight = history[name]
        if peft and old_factor is None:  # a plain adapter came first
            unmerged = rounded(weight - rounded(old_delta, dtype), dtype)
            weight = rounded(unmerged + old_delta, dtype)
        elif peft:
            unmerged = rounded(weight / old_factor.reshape(outer) - old_delta, dtype)
            _, again = apply(unmerged, old_delta, old_magnitude, unmerged)
            weight = rounded(again, dtype)
        else:
            unmerged = old_weight
    else:
        unmerged = weight
    factor, value = apply(weight, delta, magnitude, unmerged)
    history[name] = factor, delta, magnitude, unmerged
    return value
