"""The bases of the cases. A base is made when a case asks for it."""

import functools

from generator.image_cases import fp8, values
from generator.image_cases.base import Base, Component
from generator.image_cases.tensors import Tensor

MAKERS = {}


def base(name):
    def register(make):
        MAKERS[name] = functools.lru_cache(lambda: make(name))
        return make

    return register


def get(name):
    return MAKERS[name]()


def vae(label, name="first_stage_model.encoder.conv_in.weight", dtype="F32"):
    return {name: Tensor(values.weight(label, (4, 3, 3, 3)), dtype)}


def ids(name):
    return {name: Tensor([list(range(6))], "I64")}


CLIP_L = "cond_stage_model.transformer."


@base("sd1-f16")
def _(name):
    parts = {"dm": Component("sd1", "model.diffusion_model."), "te": Component("clip", CLIP_L)}
    extra = vae(name) | ids(CLIP_L + "text_model.embeddings.position_ids")
    extra |= {"model_ema.decay": Tensor(0.5, "F32"), "alphas_cumprod": Tensor([0.5, 0.25], "F32")}
    return Base(name, "F16", parts, extra=extra, metadata={"format": "pt", "modelspec.architecture": "stable-diffusion-v1"})


@base("sd1-folder")
def _(name):
    parts = {"dm": Component("sd1", "unet", "diffusers"), "te": Component("clip", "text_encoder", "short")}
    extra = vae(name, "vae/diffusion_pytorch_model.fp16.safetensors|encoder.conv_in.weight", "F16")
    return Base(name, "F16", parts, folder=True, extra=extra, variant="fp16")


@base("inpainting-bf16")
def _(name):
    # A few old files lack `text_model.`.
    parts = {"dm": Component("inpainting", "model.diffusion_model."), "te": Component("clip", CLIP_L, "short")}
    return Base(name, "BF16", parts, extra=vae(name))


@base("sd2-f32")
def _(name):
    parts = {"dm": Component("sd2", "model.diffusion_model."), "te": Component("clip-openclip", "cond_stage_model.model.")}
    extra = vae(name) | {"cond_stage_model.model.logit_scale": Tensor(4.5, "F32")}
    extra |= {"cond_stage_model.model.text_projection": Tensor(values.weight(name + "projection", (10, 8)), "F32")}
    return Base(name, "F32", parts, extra=extra)


SDXL_ENCODERS = {
    "te": Component("clip", "conditioner.embedders.0.transformer."),
    "te2": Component("clip-projection", "conditioner.embedders.1.model."),
}


@base("sdxl-bf16")
def _(name):
    parts = {"dm": Component("sdxl", "model.diffusion_model."), **SDXL_ENCODERS}
    extra = vae(name) | ids("conditioner.embedders.0.transformer.text_model.embeddings.position_ids")
    extra |= {"v_pred": Tensor([], "F32"), "ztsnr": Tensor([], "F32")}
    extra |= {"conditioner.embedders.1.model.logit_scale": Tensor(4.5, "BF16")}
    return Base(name, "BF16", parts, extra=extra, metadata={"modelspec.title": "tiny", "modelspec.hash_sha256": "0x12"})


@base("sdxl-folder")
def _(name):
    parts = {
        "dm": Component("sdxl", "unet", "diffusers", shards=2),
        "te": Component("clip", "text_encoder", "diffusers"),
        "te2": Component("clip-projection", "text_encoder_2", "diffusers"),
    }
    return Base(name, "F16", parts, folder=True, extra=vae(name, "vae/diffusion_pytorch_model.safetensors|conv_in.weight", "F16"))


@base("ssd1b-f16")
def _(name):
    return Base(name, "F16", {"dm": Component("ssd1b", "model.diffusion_model."), **SDXL_ENCODERS}, extra=vae(name))


@base("refiner-f16")
def _(name):
    parts = {
        "dm": Component("refiner", "model.diffusion_model."),
        "te2": Component("clip-projection", "conditioner.embedders.0.model."),
    }
    return Base(name, "F16", parts, extra=vae(name))


COMFY = "model.diffusion_model."
ENCODERS = {name: f"text_encoders.{name}.transformer." for name in ("clip_l", "clip_g", "t5xxl")}


@base("flux-comfy")
def _(name):
    encoders = {"te": Component("clip", ENCODERS["clip_l"]), "t5": Component("t5", ENCODERS["t5xxl"])}
    parts = {"dm": Component("flux", COMFY), **encoders}
    extra = vae(name, "vae.encoder.conv_in.weight") | {"text_encoders.clip_l.logit_scale": Tensor(4.5, "F32")}
    return Base(name, "BF16", parts, extra=extra)


@base("flux-native")
def _(name):
    return Base(name, "BF16", {"dm": Component("flux", wide=(".norm_q.weight", ".norm_k.weight"))})


@base("flux-folder")
def _(name):
    parts = {
        "dm": Component("flux", "transformer", "diffusers", shards=3),
        "te": Component("clip", "text_encoder", "short"),
        "t5": Component("t5", "text_encoder_2", "diffusers", shards=2),
    }
    return Base(name, "BF16", parts, folder=True)


@base("flux-fp8-scaled")
def _(name):
    return Base(name, "F16", {"dm": Component("flux", COMFY)}, fp8=fp8.scaled)


@base("flux-fp8-comfy-quant")
def _(name):
    return Base(name, "BF16", {"dm": Component("flux")}, fp8=fp8.quantized)


@base("chroma-fp8")
def _(name):
    return Base(name, "BF16", {"dm": Component("chroma")}, fp8=fp8.plain)


@base("sd3-comfy")
def _(name):
    parts = {
        "dm": Component("sd3", COMFY), "te": Component("clip", ENCODERS["clip_l"]),
        "te2": Component("clip-projection", ENCODERS["clip_g"], "diffusers"), "t5": Component("t5", ENCODERS["t5xxl"]),
    }  # fmt: skip
    return Base(name, "F16", parts, extra=vae(name))


@base("sd3-folder")
def _(name):
    parts = {
        "dm": Component("sd3", "transformer", "diffusers"), "te": Component("clip-projection", "text_encoder", "diffusers"),
        "te2": Component("clip-projection", "text_encoder_2", "diffusers"), "t5": Component("t5", "text_encoder_3", "diffusers"),
    }  # fmt: skip
    return Base(name, "F16", parts, folder=True)


def plain(name, kind, place="", dtype="BF16", spelling="native", **options):
    """A base of one diffusion model: a file, or a folder of a pipeline where `place` is the part's folder."""
    folder = spelling == "diffusers"
    parts = {"dm": Component(kind, place, spelling, **options)}
    MAKERS[name] = functools.lru_cache(lambda: Base(name, dtype, parts, folder=folder))


plain("chroma-native", "chroma")
plain("chroma-folder", "chroma", "transformer", spelling="diffusers")
plain("flux2-native", "flux2")
plain("flux2-folder", "flux2", "transformer", spelling="diffusers")
plain("wan-native", "wan", wide=("norm_q.weight", "norm_k.weight"))
plain("wan-folder", "wan", "transformer", spelling="diffusers", shards=2)
plain("wan22-comfy", "wan22", COMFY, "F16")
plain("wan-vace-native", "wan-vace")
plain("z-image-comfy", "z-image", COMFY)
plain("z-image-folder", "z-image", "transformer", spelling="diffusers")
plain("lumina2-comfy", "lumina2", "model.model.")
plain("lumina2-folder", "lumina2", "transformer", spelling="diffusers")
plain("hunyuan-native", "hunyuan")
plain("hunyuan-comfy", "hunyuan", COMFY, spelling="comfy")
plain("ltx-comfy", "ltx", "diffusion_model.")
plain("ltx-folder", "ltx", "transformer", spelling="diffusers")
plain("aura-flow-native", "aura-flow", dtype="F16")
plain("aura-flow-folder", "aura-flow", "transformer", dtype="F16", spelling="diffusers")
plain("pixart-native", "pixart", dtype="F16")
plain("pixart-folder", "pixart", "transformer", dtype="F16", spelling="diffusers")
plain("sana-native", "sana")
plain("sana-folder", "sana", "transformer", spelling="diffusers")
plain("qwen-comfy", "qwen", COMFY)
plain("qwen-folder", "qwen", "transformer", spelling="diffusers", shards=2)


@base("hunyuan-folder")
def _(name):
    parts = {"dm": Component("hunyuan", "transformer", "diffusers", shards=2)}
    return Base(name, "BF16", parts, folder=True, variant="bf16")


@base("aura-flow-component")
def _(name):
    return Base(name, "F16", {"dm": Component("aura-flow", "", "diffusers")}, folder=True, bare=True)


@base("chroma-fp8-metadata")
def _(name):
    return Base(name, "BF16", {"dm": Component("chroma")}, fp8=fp8.described)


@base("wan22-a14b-folder")
def _(name):
    parts = {"dm": Component("wan22", "transformer", "diffusers"), "dm2": Component("wan22", "transformer_2", "diffusers")}
    return Base(name, "BF16", parts, folder=True)


@base("two-variants-folder")
def _(name):
    other = "transformer/diffusion_pytorch_model.fp16.safetensors|proj_out.weight"
    extra = {other: Tensor(values.weight(name, (16, 16)), "F16")}
    return Base(name, "F32", {"dm": Component("aura-flow", "transformer", "diffusers")}, folder=True, extra=extra)
