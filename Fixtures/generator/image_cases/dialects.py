"""How trainers and tools spell the names of modules: scheme, prefixes, endings."""

from dataclasses import dataclass, field, replace

KOHYA = {"down": ".lora_down.weight", "up": ".lora_up.weight", "mid": ".lora_mid.weight", "magnitude": ".dora_scale"}
PEFT = {"down": ".lora_A.weight", "up": ".lora_B.weight", "magnitude": ".lora_magnitude_vector", "bias": ".lora_B.bias"}


@dataclass
class Dialect:
    """Names of modules in an adapter. Text encoders have the names of transformers in every dialect."""

    name: str
    prefixes: dict
    scheme: str = "native"
    flat: bool = False
    endings: dict = field(default_factory=lambda: KOHYA)
    #: What is replaced in a name at last.
    replaced: tuple = ()

    def key(self, label, module):
        name = module.replace(".", "_") if self.flat else module
        for old, new in self.replaced:
            name = name.replace(old, new)
        return self.prefixes[label] + name

    def scheme_of(self, label):
        return self.scheme if label == "dm" else "diffusers"

    def ending(self, role):
        return self.endings.get(role, "." + role)


def kohya(scheme="native", name="kohya", **prefixes):
    return Dialect(name, {"dm": "lora_unet_", "te": "lora_te1_", "te2": "lora_te2_", "t5": "lora_te3_", **prefixes}, scheme, True)


KOHYA_SD = kohya("diffusers", te="lora_te_")
KOHYA_NATIVE = kohya()
KOHYA_DIFFUSERS = kohya("diffusers", "kohya, diffusers names")
OFT = kohya("diffusers", "kohya oft", dm="oft_unet_", te="oft_te_")
LYCORIS = Dialect("lycoris", {"dm": "lycoris_", "te": "lycoris_"}, "diffusers", True)
LYCORIS_NATIVE = replace(LYCORIS, scheme="native")
WAN_FUN = kohya(name="wan-fun", dm="lora_unet__")
ONETRAINER = kohya("diffusers", "onetrainer legacy", dm="lora_transformer_", t5="lora_te2_")
MUSUBI = kohya(name="musubi")
MUSUBI_DIFFUSERS = kohya("diffusers", "musubi")

COMFY_TEXT = {name: f"text_encoders.{long}.transformer." for name, long in (("te", "clip_l"), ("te2", "clip_g"), ("t5", "t5xxl"))}
COMFY = Dialect("comfy dotted", {"dm": "diffusion_model.", **COMFY_TEXT})
COMFY_PEFT = replace(COMFY, endings=PEFT)
AI_TOOLKIT = Dialect("ai-toolkit", {"dm": "diffusion_model."}, "diffusers", endings=PEFT)
TRANSFORMER = Dialect(
    "diffusers", {"dm": "transformer.", "te": "text_encoder.", "te2": "text_encoder_2."}, "diffusers", endings=PEFT
)  # fmt: skip
UNET = replace(TRANSFORMER, prefixes={**TRANSFORMER.prefixes, "dm": "unet."})
UNET_OLD = replace(
    UNET, name="diffusers, .lora.down",
    endings={"down": ".lora.down.weight", "up": ".lora.up.weight", "magnitude": ".lora_magnitude_vector"},
)  # fmt: skip
TEXT_OLD = {"down": ".lora_linear_layer.down.weight", "up": ".lora_linear_layer.up.weight"}
PROCESSORS = Dialect(
    "attention processors", {"dm": "unet."}, "diffusers", endings={"down": "_lora.down.weight", "up": "_lora.up.weight"},
    replaced=tuple((f".{name}", f".processor.{new}") for name, new in
                   (("to_q", "to_q"), ("to_k", "to_k"), ("to_v", "to_v"), ("to_out.0", "to_out"))),
)  # fmt: skip
DIFFSYNTH = Dialect(
    "diffsynth", {"dm": ""}, "diffusers", endings={"down": ".lora_A.default.weight", "up": ".lora_B.default.weight"}
)  # fmt: skip
BARE = Dialect("bare", {"dm": ""}, "diffusers")
BARE_NATIVE = replace(BARE, scheme="native")
BASE_MODEL = Dialect("peft raw", {"dm": "base_model.model."}, endings=PEFT)
DIFFUSION_PIPE = Dialect("diffusion-pipe", {"dm": "transformer."}, endings=PEFT)
