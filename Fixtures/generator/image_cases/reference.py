"""Comparison with lycoris-lora 4.1.3 and diffusers 0.42.1, both in double precision. A difference is an error."""

import contextlib
import inspect
import re

import diffusers
import numpy as np
import torch
from diffusers.loaders import lora_conversion_utils, lora_pipeline
from lycoris.functional import boft as lycoris_boft
from lycoris.functional import diag_oft as lycoris_oft
from lycoris.functional import general, loha as lycoris_loha, locon as lycoris_locon, lokr as lycoris_lokr
from lycoris.modules import glora as lycoris_glora

from generator.image_cases import models


def torch_of(*arrays):
    return [None if a is None else torch.tensor(np.ascontiguousarray(a), dtype=torch.float64) for a in arrays]


def agree(what, found, expected, relative=1e-12):
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        found = found.reshape(expected.shape)
    distance = np.abs(found - expected).max() / np.abs(expected).max()
    if not distance <= relative:
        raise AssertionError(f"{what}: differs by {distance:.3g}")


@contextlib.contextmanager
def in_double():
    """lycoris inverts matrices in single precision; here `float()` keeps double."""
    single, default = torch.Tensor.float, torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        torch.Tensor.float = single
        torch.set_default_dtype(default)


def locon(down, up, core, s, delta):
    d, u, m = torch_of(down, up, core)
    agree("locon", lycoris_locon.diff_weight(d, u, m, gamma=s, backend="torch"), delta)


def loha(parts, s, delta):
    (a1, b1, t1), (a2, b2, t2) = (torch_of(*part) for part in parts)
    found = lycoris_loha.diff_weight(b1, a1, b2, a2, t1, t2, gamma=torch.tensor(s, dtype=torch.float64), backend="torch")
    agree("loha", found, delta)


def lokr(parts, s, delta):
    """`parts`: w1, w1_a, w1_b, w2, w2_a, w2_b, t2; None where the form lacks it."""
    agree("lokr", lycoris_lokr.kron_weight(*torch_of(*parts), scale=s, backend="torch"), delta)


def dora(direction, stored, axis, result):
    found = general.weight_decompose(*torch_of(direction, stored), wd_on_out=axis == 0, backend="torch")
    agree("dora", found, result)


def glora(weight, factors, s, result):
    w, a1, a2, b1, b2, bm = torch_of(weight, *factors)
    agree("glora", w + lycoris_glora._glora_weight(w, a1, a2, b1, b2, bm, s), result)


def diag_oft(weight, blocks, rescale, limit, result):
    w, b, r = torch_of(weight, blocks, rescale)
    with in_double():
        agree("diag-oft", w + lycoris_oft.diff_weight(w, b, r, constraint=limit, backend="torch"), result)


def boft(weight, blocks, rescale, limit, result):
    w, b, r = torch_of(weight, blocks, rescale)
    with in_double():
        agree("boft", w + lycoris_boft.diff_weight(w, b, r, constraint=limit, backend="torch"), result)


@contextlib.contextmanager
def sizes(changes):
    """diffusers' conversions name sizes of the real models; {number in the source: number here}."""
    kept = dict(vars(lora_conversion_utils)), dict(vars(lora_pipeline))
    if changes:
        source = open(lora_conversion_utils.__file__).read()
        for old, new in changes.items():
            source = re.sub(rf"\b{old}\b", str(new), source)
        exec(compile(source, lora_conversion_utils.__file__, "exec"), vars(lora_conversion_utils))
        for name, value in vars(lora_conversion_utils).items():
            if name.startswith("_convert") and name in vars(lora_pipeline):
                setattr(lora_pipeline, name, value)
    try:
        yield
    finally:
        vars(lora_conversion_utils).update(kept[0])
        vars(lora_pipeline).update(kept[1])


def pipeline_of(base):
    """The pipeline that loads adapters for the base, with the models that have weights and nothing else."""
    architecture = models.ARCHITECTURES[base.components["dm"].kind]
    kind = getattr(diffusers, architecture.pipeline)
    parameters = inspect.signature(kind.__init__).parameters
    needed = {name for name, parameter in parameters.items() if parameter.default is parameter.empty and name != "self"}
    built = {label: models.in_double(c.kind, base.logical[label]) for label, c in base.components.items()}
    places = {"dm": architecture.folder, "te": "text_encoder", "te2": "text_encoder_2"}
    places["t5"] = "text_encoder_2" if "te2" not in base.components else "text_encoder_3"
    given = {places[label]: model for label, model in built.items() if places[label] in parameters}
    return kind(**given, **dict.fromkeys(needed - set(given))), built


def fused(case, folder, changes):
    """{(label, diffusers name): values} after diffusers loaded and fused the case's adapters."""
    pipeline, built = pipeline_of(case.base)
    with sizes(changes):
        for number, adapter in enumerate(case.adapters):
            about = {"weight_name": adapter.file, "adapter_name": f"a{number}", "local_files_only": True}
            if case.options.diffusers == "model":
                built["dm"].load_lora_adapter(str(folder), prefix=None, **about)
            else:
                pipeline.load_lora_weights(str(folder), **about)
    pipeline.set_adapters([f"a{n}" for n in range(len(case.adapters))], [a.weight for a in case.adapters])
    parts = [name for name in pipeline._lora_loadable_modules if getattr(pipeline, name, None) is not None]
    pipeline.fuse_lora(components=[p for p in parts if getattr(getattr(pipeline, p), "peft_config", None)])
    found = {}
    for label, model in built.items():
        for name, value in model.state_dict().items():
            if "lora_" not in name:
                found[label, models.hugging_face(name.replace(".base_layer.", "."))] = value.detach().numpy()
    return found


def compare_with_diffusers(case, folder, changes):
    """Every parameter of every part of the base, as diffusers has it after fuse_lora. Some of the parameters that `wrong` is an
    expression for must differ.
    """
    found, wrong = fused(case, folder, changes), case.options.wrong
    same = []
    for label, logical in case.base.logical.items():
        for name in logical:
            expected = case.base.view(label, "diffusers", name).read(case.stored)
            if wrong and re.search(wrong, f"{label}:{name}") and not np.array_equal(expected, logical[name]):
                same.append(np.array_equal(found[label, name], expected))
            else:
                agree(f"{case.id}: {label}:{name}", found[label, name], expected)
    if wrong and all(same):
        raise AssertionError(f"{case.id}: diffusers reads {wrong} right")
