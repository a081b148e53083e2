"""The methods: each writes its tensors by `put(role, value)` and returns the new weight as a function of the old.

Everything is numpy in double precision. reference.py compares with lycoris-lora.
"""

import numpy as np

from generator.image_cases import reference, values


def reshaped(delta, weight):
    return weight + delta.reshape(weight.shape)


def scaling(put, alpha, rank, scale):
    """The factor of a delta: alpha / rank, `scale` where the metadata gives it, 1 without either."""
    if alpha is None:
        return 1.0 if scale is None else scale
    return float(put("alpha", alpha)) / rank


def low_rank(put, label, weight, rank=2, alpha=None, mid=False, scale=None, flat=False):
    """LoRA and LoCon: W + s up down. `mid` is the core of Tucker; `flat` stores the factors of a 1x1 kernel as matrices."""
    out, inner, *kernel = weight.shape
    ones = [1] * len(kernel)
    down_kernel = ones if mid or flat else kernel
    shape_down, shape_up = (rank, inner, *down_kernel), (out, rank, *ones)
    if flat:
        shape_down, shape_up = shape_down[:2], shape_up[:2]
    down = put("down", values.factor(label + "down", shape_down))
    up = put("up", values.factor(label + "up", shape_up))
    core = put("mid", values.factor(label + "mid", (rank, rank, *kernel))) if mid else None
    s = scaling(put, alpha, rank, scale)
    if mid:
        delta = s * np.einsum("mn...,om,ni->oi...", core, up.reshape(out, rank), down.reshape(rank, inner))
    else:
        delta = (s * up.reshape(out, rank) @ down.reshape(rank, -1)).reshape(weight.shape)
    reference.locon(down, up, core, s, delta)
    return lambda w: reshaped(delta, w)


def hadamard(put, label, weight, rank=2, alpha=None, tucker=False):
    """LoHa: W + s (w1_a w1_b) * (w2_a w2_b)."""
    out, inner, *kernel = weight.shape
    halves, parts = [], []
    for half in ("1", "2"):
        if tucker:
            core = put(f"hada_t{half}", values.factor(f"{label} t{half}", (rank, rank, *kernel)))
            a = put(f"hada_w{half}_a", values.factor(f"{label} a{half}", (rank, out)))
            b = put(f"hada_w{half}_b", values.factor(f"{label} b{half}", (rank, inner)))
            halves.append(np.einsum("pq...,po,qi->oi...", core, a, b))
        else:
            core = None
            a = put(f"hada_w{half}_a", values.factor(f"{label} a{half}", (out, rank)))
            b = put(f"hada_w{half}_b", values.factor(f"{label} b{half}", (rank, int(np.prod([inner, *kernel])))))
            halves.append((a @ b).reshape(weight.shape))
        parts.append((a, b, core))
    delta = scaling(put, alpha, rank, None) * halves[0] * halves[1]
    reference.loha(parts, 1.0 if alpha is None else alpha / rank, delta)
    return lambda w: reshaped(delta, w)


def kronecker(put, label, weight, rank=2, alpha=None, w1="full", w2="low", split=(2, 2), kernel_in_factor=False):
    """LoKr: W + s kron(w1, w2). w1 is "full" or "low", w2 "full", "low" or "tucker"; split: the sizes of w1."""
    out, inner, *kernel = weight.shape
    o1, i1 = split
    o2, i2 = out // o1, inner // i1
    held = dict.fromkeys(("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2"))

    def store(role, *shape):
        held[role] = put("lokr_" + role, values.factor(label + role, shape))
        return held[role]

    first = store("w1", o1, i1) if w1 == "full" else store("w1_a", o1, rank) @ store("w1_b", rank, i1)
    if w2 == "full":
        second = store("w2", o2, i2, *kernel)
    elif w2 == "tucker":
        core = store("t2", rank, rank, *kernel)
        second = np.einsum("pq...,po,qi->oi...", core, store("w2_a", rank, o2), store("w2_b", rank, i2))
    else:
        shape = (rank, i2, *kernel) if kernel_in_factor else (rank, int(np.prod([i2, *kernel])))
        second = (store("w2_a", o2, rank) @ store("w2_b", *shape).reshape(rank, -1)).reshape(o2, i2, *kernel)
        held["w2_b"] = held["w2_b"].reshape(rank, i2, *kernel)
    s = scaling(put, alpha, rank, None)
    if w1 == w2 == "full":
        s = 1.0
    delta = s * np.kron(first.reshape(o1, i1, *[1] * len(kernel)), second)
    reference.lokr(held.values(), s, delta)
    return lambda w: reshaped(delta, w)


def magnitude(put, label, weight, inner, axis, flat=False):
    """DoRA around another additive method: rows (axis 0) or columns (axis 1) of W + delta get the length `magnitude`."""
    new = inner(put, label, weight)
    direction = new(weight)
    rest = tuple(d for d in range(weight.ndim) if d != axis)
    change = values.dyadic(label + "magnitude", np.sqrt((direction**2).sum(rest)).shape, 8, 2) + 1
    length = np.round(np.sqrt((direction**2).sum(rest)) * change * 64) / 64
    shape = [1] * weight.ndim
    shape[axis] = -1
    stored = put("magnitude", length if flat else length.reshape(shape)).reshape(shape)
    result = direction * stored / np.sqrt((direction**2).sum(rest, keepdims=True))
    reference.dora(direction, stored, axis, result)

    def apply(w):
        turned = new(w)
        return turned * stored / np.sqrt((turned**2).sum(rest, keepdims=True))

    return apply


def difference(put, label, weight, role="diff", step=256, scale=1.0):
    """W + diff: whole weights, biases, modulations and norms. A bias of lora_B is scaled as the product is."""
    delta = scale * put(role, values.dyadic(label + role, weight.shape, step, 64))
    return lambda w: w + delta


def widened(put, label, weight, width, rank=2, alpha=None, announced=False):
    """LoRA of an input layer that gets more columns: zeros are added to W. `announced`: reshape_weight holds the new shape."""
    out, inner = weight.shape
    down, up = put("down", values.factor(label + "down", (rank, width))), put("up", values.factor(label + "up", (out, rank)))
    if announced:
        put("reshape_weight", [out, width], "I64")
    s = scaling(put, alpha, rank, None)
    return lambda w: np.concatenate([w, np.zeros((out, width - inner))], 1) + s * up @ down


def replacement(put, label, weight, role="set_weight"):
    """The tensor of the adapter, in the place of W."""
    new = put(role, values.dyadic(label + "set", weight.shape, 32, 60))
    return lambda w: new


def ia3(put, label, weight, on_input):
    """(IA)3: rows, or columns with `on_input`, are multiplied by 1 + w."""
    axis = 1 if on_input else 0
    size = weight.shape[axis]
    shape = (size,) if weight.ndim == 2 else (1, size, *[1] * (weight.ndim - 2))
    vector = put("weight", values.dyadic(label + "ia3", shape, 16, 8))
    put("on_input", int(on_input), "I64")
    broad = [1] * weight.ndim
    broad[axis] = size
    return lambda w: w * (1 + vector.reshape(broad))


def glora(put, label, weight, rank=2, alpha=None, old=False, core=False):
    """GLoRA: W + s (b1 b2 + (W a1) a2); the old form has the numbers exchanged. `core`: the half b is Tucker's."""
    out, inner, *kernel = weight.shape
    ones = [1] * len(kernel)
    names = ("a2", "a1", "b2", "b1") if old else ("a1", "a2", "b1", "b2")
    kernel_b = ones if core else kernel
    shapes = [(inner, rank, *ones), (rank, inner, *ones), (out, rank, *ones), (rank, inner, *kernel_b)]
    a1, a2, b1, b2 = (put(name + ".weight", values.factor(label + name, shape)) for name, shape in zip(names, shapes))
    a1, a2, flat = a1.reshape(inner, rank), a2.reshape(rank, inner), b1.reshape(out, rank)
    if core:
        middle = put("bm.weight", values.factor(label + "bm", (rank, rank, *kernel)))
        added = np.einsum("mn...,om,ni->oi...", middle, flat, b2.reshape(rank, inner))
    else:
        middle, added = None, (flat @ b2.reshape(rank, -1)).reshape(weight.shape)
    s = scaling(put, alpha, rank, None)

    def apply(w):
        return w + s * (added + np.einsum("oi...,ir,rj->oj...", w, a1, a2))

    reference.glora(weight, (a1, a2, b1, b2, middle), s, apply(weight))
    return apply


def cayley(blocks, limit):
    """(I + Q) (I - Q)^-1 of Q = B - B^T, shortened to the norm `limit` where it is given."""
    skew = blocks - np.swapaxes(blocks, -1, -2)
    norm = np.sqrt((skew**2).sum()) + 1e-8
    if limit and norm > limit:
        skew = skew * (limit / norm)
    unit = np.eye(skew.shape[-1])
    return (unit + skew) @ np.linalg.inv(unit - skew)


def rescaling(put, label, weight, used):
    if not used:
        return np.ones([len(weight)] + [1] * (weight.ndim - 1))
    return put("rescale", 1 + values.dyadic(label + "rescale", [len(weight)] + [1] * (weight.ndim - 1), 32, 8))


def diag_oft(put, label, weight, block=4, alpha=None, rescale=False):
    """diag-OFT: every block of rows is turned by the transpose of its Cayley matrix; alpha times the rows is the constraint."""
    rows = len(weight)
    blocks = put("oft_blocks", values.dyadic(label + "oft", (rows // block, block, block), 64, 12))
    factor = rescaling(put, label, weight, rescale)
    limit = None if alpha is None else float(put("alpha", alpha)) * rows
    turn = cayley(blocks, limit)

    def apply(w):
        turned = np.einsum("knm,kn...->km...", turn, w.reshape(-1, block, *w.shape[1:])).reshape(w.shape)
        return turned * factor

    reference.diag_oft(weight, blocks, factor, limit, apply(weight))
    return apply


def boft(put, label, weight, block=4, stages=2, alpha=None, rescale=False):
    """BOFT: diag-OFT in stages that mix rows ever farther apart; the matrices are not transposed."""
    rows = len(weight)
    blocks = put("oft_blocks", values.dyadic(label + "boft", (stages, rows // block, block, block), 64, 8))
    factor = rescaling(put, label, weight, rescale)
    limit = None if alpha is None else float(put("alpha", alpha)) * rows
    turn = cayley(blocks, limit)

    def apply(w):
        for stage in range(stages):
            half = 2**stage * block // 2
            grouped = w.reshape(-1, 2, half, *w.shape[1:]).swapaxes(1, 2)
            mixed = np.einsum("kij,kj...->ki...", turn[stage], grouped.reshape(-1, block, *w.shape[1:]))
            w = mixed.reshape(-1, half, 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)
        return w * factor

    reference.boft(weight, blocks, factor, limit, apply(weight))
    return apply


def kohya_oft(put, label, weight, block=4, alpha=0.001):
    """kohya's OFT: the norm of Q is always scaled to at most alpha times the rows."""
    rows = len(weight)
    blocks = put("oft_blocks", values.dyadic(label + "kohya", (rows // block, block, block), 64, 12))
    limit = float(put("alpha", alpha)) * rows
    skew = blocks - np.swapaxes(blocks, -1, -2)
    norm = np.sqrt((skew**2).sum())
    skew = skew * ((min(norm, limit) + 1e-8) / (norm + 1e-8))
    unit = np.eye(block)
    turn = (unit + skew) @ np.linalg.inv(unit - skew)
    return lambda w: np.einsum("knm,kn...->km...", turn, w.reshape(-1, block, *w.shape[1:])).reshape(w.shape)
