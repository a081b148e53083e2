"""Adapters that a merge must reject for their scales, their methods and what kind of file they are."""

import json

import numpy as np

from generator.image_cases.dialects import KOHYA_NATIVE, KOHYA_SD, LYCORIS, UNET, replace
from generator.image_cases.methods import glora
from generator.image_cases.refusals import FLAT_Q, PLAIN, Q, lora, refused


@refused("alpha-zero", "sd1-f16", "alpha 0", KOHYA_SD)
def _(a):
    lora(a, FLAT_Q, (2, 8), (8, 2), 0)


@refused("scale-instead-of-alpha", "sd1-f16", "A1111's .scale", KOHYA_SD)
def _(a):
    lora(a, FLAT_Q, (2, 8), (8, 2))
    a.raw(FLAT_Q + ".scale", 0.5)


METADATA = {"unet.r": 2, "unet.lora_alpha": 1, "unet.target_modules": ["to_q"]}


@refused(
    "alphas-and-metadata", "sd1-f16", "alpha tensors and lora_adapter_metadata together", UNET,
    metadata={"lora_adapter_metadata": json.dumps(METADATA)},
)  # fmt: skip
def _(a):
    lora(a, "unet." + Q, (2, 8), (8, 2), 1)


@refused(
    "glora-rs-lora", "sd1-f16", "GLoRA trained with rs_lora, which stores the wrong alpha", LYCORIS,
    metadata={"ss_network_args": json.dumps({"algo": "glora", "rs_lora": "True"})},
)  # fmt: skip
def _(a):
    a.add(Q, glora, rank=2, alpha=1)


@refused("factors-of-integers", "sd1-f16", "factors in I32", KOHYA_SD)
def _(a):
    a.raw(FLAT_Q + ".lora_down.weight", np.ones((2, 8)), "I32")
    a.raw(FLAT_Q + ".lora_up.weight", np.ones((8, 2)), "I32")


@refused("factor-not-finite", "sd1-f16", "a factor with an infinity", KOHYA_SD, Q, optional=True)
def _(a):
    a.tensors[FLAT_Q + ".lora_up.weight"].values[0, 0] = np.inf


# Methods and kinds of files


@refused("t-lora", "sd1-f16", "T-LoRA", LYCORIS)
def _(a):
    name = "lycoris_" + Q.replace(".", "_")
    a.raw(name + ".q_layer.weight", np.ones((2, 8)))
    a.raw(name + ".p_layer.weight", np.ones((8, 2)))
    a.raw(name + ".lambda_layer", np.ones((1, 2)))


@refused("onetrainer-oft", "sd1-f16", "OneTrainer's OFT (oft_R.weight)", KOHYA_SD)
def _(a):
    a.raw(FLAT_Q + ".oft_R.weight", np.full((2, 6), 0.125))


@refused(
    "kohya-oft-flux", "flux-native", "kohya's OFT for FLUX (oft_blocks.0 and on)",
    replace(KOHYA_NATIVE, prefixes={"dm": "oft_unet_"}),
)  # fmt: skip
def _(a):
    for part in range(3):
        a.raw(f"oft_unet_double_blocks_0_img_attn_qkv.oft_blocks.{part}", np.full((4, 4, 4), 0.125))
    a.raw("oft_unet_double_blocks_0_img_attn_qkv.alpha", 0.5)


@refused("lllite", "sdxl-bf16", "a ControlNet-LLLite")
def _(a):
    name = "lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"
    a.raw(name + ".down.0.weight", np.ones((2, 8)))
    a.raw(name + ".up.0.weight", np.ones((8, 2)))
    a.raw(name + ".conditioning1.0.weight", np.ones((2, 3, 4, 4)))


@refused("control-lora", "sdxl-bf16", "a Control-LoRA (lora_controlnet)")
def _(a):
    a.raw("lora_controlnet", [])
    a.raw("input_hint_block.0.weight", np.ones((2, 3, 3, 3)))
    lora(replaced(a), "input_blocks.4.1.proj_in", (2, 8), (8, 2))


def replaced(a):
    a.dialect = replace(PLAIN, endings={"down": ".down", "up": ".up"})
    return a


@refused("ip-adapter", "sd1-f16", "an IP-Adapter")
def _(a):
    a.raw("image_proj.proj.weight", np.ones((4, 4)))
    a.raw("ip_adapter.1.to_k_ip.weight", np.ones((8, 8)))


@refused("hypernetwork", "sd1-f16", "a hypernetwork")
def _(a):
    a.raw("8.0.linear.0.weight", np.ones((16, 8)))
    a.raw("8.0.linear.0.bias", np.ones(16))


@refused("embedding", "sd1-f16", "an embedding (emb_params)")
def _(a):
    a.raw("emb_params", np.ones((2, 8)))


@refused("embedding-sdxl", "sdxl-bf16", "an embedding of SDXL (clip_l, clip_g)")
def _(a):
    a.raw("clip_l", np.ones((2, 8)))
    a.raw("clip_g", np.ones((2, 10)))


@refused("sparse-bias", "sd1-f16", "the sparse remainder of an extraction", KOHYA_SD, Q)
def _(a):
    a.raw(FLAT_Q + ".bias_indices", [[0, 1], [2, 3]], "I64")
    a.raw(FLAT_Q + ".bias_values", [0.5, 0.25])
    a.raw(FLAT_Q + ".bias_size", [8, 8], "I64")


@refused("motion-lora", "sd1-f16", "a motion LoRA of AnimateDiff on a base without motion modules")
def _(a):
    name = "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.processor.to_q_lora"
    a.raw(name + ".down.weight", np.ones((2, 4)))
    a.raw(name + ".up.weight", np.ones((4, 2)))


@refused("nunchaku", "flux-native", "a LoRA in the layout of nunchaku", replace(KOHYA_NATIVE, prefixes={"dm": ""}))
def _(a):
    lora(a, "transformer_blocks.0.qkv_proj", (16, 2), (48, 2))
    lora(a, "transformer_blocks.0.mlp_fc1", (16, 2), (64, 2))


@refused("no-tensors", "flux-native", "an adapter without tensors")
def _(a):
    pass


@refused("pickle", "sd1-f16", "a pickle with the ending .pt", KOHYA_SD, file="adapter.pt")
def _(a):
    a.blob = b"\x80\x02}q\x00X\x05\x00\x00\x00alphaq\x01K\x01s."


@refused("pickle-named-safetensors", "sd1-f16", "a pickle with the ending .safetensors", KOHYA_SD)
def _(a):
    a.blob = b"PK\x03\x04\x00\x00\x08\x08\x00\x00\x00\x00\x00\x00archive/data.pkl"


@refused(
    "t5-of-a-file-without-t5", "flux-native", "a text encoder's keys on a file that has the diffusion model alone",
    KOHYA_NATIVE, "img_in",
)  # fmt: skip
def _(a):
    lora(a, "lora_te3_encoder_block_0_layer_0_SelfAttention_q", (2, 12), (8, 2), 1)


@refused("full-model", "wan-native", "a full model in the place of an adapter")
def _(a):
    for name in ("blocks.0.self_attn.q.weight", "blocks.0.self_attn.q.bias"):
        a.raw(name, a.case.base.stored["", name])
