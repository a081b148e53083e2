"""SD 3, Qwen-Image, Z-Image, Lumina 2, AuraFlow, PixArt and Sana."""

import json

from generator.image_cases.case import case
from generator.image_cases.dialects import (
    BARE, COMFY, COMFY_PEFT, DIFFSYNTH, KOHYA_NATIVE, LYCORIS, MUSUBI_DIFFUSERS, ONETRAINER, TRANSFORMER, replace
)  # fmt: skip
from generator.image_cases.methods import difference, kronecker, low_rank

NUMPY = "numpy in float64"
JOINT, TRANSFORMER_BLOCK = "joint_blocks.0.", "transformer_blocks.0."


@case("sd3-kohya-file", "sd3-comfy", "kohya SD 3 names (fused) on an all-in-one file with CLIP-L, CLIP-G and T5", ref=NUMPY)
def _(c):
    a = c.adapter(KOHYA_NATIVE, dtype="F16")
    a.add_all(
        f"{JOINT}x_block.attn.qkv {JOINT}context_block.attn.qkv {JOINT}x_block.attn2.qkv {JOINT}x_block.mlp.fc1",
        low_rank, rank=2, alpha=1,
    )  # fmt: skip
    a.add_all(
        f"{JOINT}context_block.adaLN_modulation.1 joint_blocks.2.context_block.adaLN_modulation.1", low_rank, rank=2,
        alpha=1,
    )  # fmt: skip
    a.add("te:text_model.encoder.layers.0.self_attn.v_proj", low_rank, rank=2, alpha=1)
    a.add("te2:text_model.encoder.layers.1.mlp.fc1", low_rank, rank=2, alpha=1)
    a.add("t5:encoder.block.1.layer.0.SelfAttention.k", low_rank, rank=2, alpha=1)


@case(
    "sd3-comfy-dotted-folder", "sd3-folder",
    "native names into a folder: attn2, the last context block with exchanged halves, final_layer", ref=NUMPY,
)  # fmt: skip
def _(c):
    a = c.adapter(COMFY_PEFT, dtype="F16")
    a.add_all(f"{JOINT}x_block.attn.qkv {JOINT}x_block.attn2.qkv joint_blocks.1.context_block.attn.proj", low_rank, rank=2)
    a.add_all("joint_blocks.2.context_block.adaLN_modulation.1 joint_blocks.1.context_block.adaLN_modulation.1", low_rank, rank=2)
    a.add_all("final_layer.adaLN_modulation.1 x_embedder.proj context_embedder t_embedder.mlp.0", low_rank, rank=2)
    a.add("joint_blocks.2.context_block.adaLN_modulation.1", difference, "bias", role="diff_b")


@case("sd3-peft-folder", "sd3-folder", "PEFT names with both CLIP text encoders into a folder", diffusers=True)
def _(c):
    a = c.adapter(TRANSFORMER, dtype="F16")
    a.add_all(
        f"{TRANSFORMER_BLOCK}attn.to_q {TRANSFORMER_BLOCK}attn2.to_out.0 transformer_blocks.2.attn.add_q_proj",
        low_rank, rank=2,
    )  # fmt: skip
    a.add_all(
        "te:text_model.encoder.layers.0.self_attn.q_proj te2:text_model.encoder.layers.1.self_attn.out_proj",
        low_rank, rank=2,
    )  # fmt: skip


@case("qwen-musubi-flat", "qwen-comfy", "Qwen-Image: musubi's flat names", ref=NUMPY)
def _(c):
    a = c.adapter(MUSUBI_DIFFUSERS, dtype="BF16")
    a.add_all(
        f"{TRANSFORMER_BLOCK}attn.to_q {TRANSFORMER_BLOCK}attn.add_v_proj {TRANSFORMER_BLOCK}img_mlp.net.0.proj",
        low_rank, rank=2, alpha=1,
    )  # fmt: skip
    a.add_all("transformer_blocks.1.txt_mod.1 transformer_blocks.1.attn.to_add_out", low_rank, rank=3, alpha=3)


@case(
    "qwen-lightning-bare-folder", "qwen-folder",
    "names without prefix with lora_down and alpha (Lightning) into a sharded folder", diffusers=True,
)  # fmt: skip
def _(c):
    a = c.adapter(BARE, dtype="BF16")
    a.add_all(
        f"{TRANSFORMER_BLOCK}attn.to_k {TRANSFORMER_BLOCK}attn.to_out.0 transformer_blocks.1.img_mod.1", low_rank,
        rank=2, alpha=1,
    )  # fmt: skip
    a.add_all("transformer_blocks.1.txt_mlp.net.2 transformer_blocks.1.attn.add_q_proj", low_rank, rank=2, alpha=1)


@case("qwen-lokr-simpletuner", "qwen-comfy", "lycoris_ names of a LoKr", "lokr")
def _(c):
    a = c.adapter(LYCORIS, dtype="BF16")
    a.add_all(f"{TRANSFORMER_BLOCK}attn.to_q transformer_blocks.1.img_mlp.net.0.proj", kronecker, rank=2, alpha=1, split=(4, 2))
    a.add("proj_out", kronecker, w2="full", alpha=1e10, split=(2, 4))


@case("qwen-default-suffix-folder", "qwen-folder", "lora_A.default.weight without prefix", ref=NUMPY)
def _(c):
    a = c.adapter(DIFFSYNTH, dtype="BF16")
    a.add_all(f"{TRANSFORMER_BLOCK}attn.to_v {TRANSFORMER_BLOCK}img_mod.1 img_in", low_rank, rank=2)


LAYER = "layers.0."


@case("z-image-comfy-folder", "z-image-folder", "Z-Image: native fused names into a folder with split q, k, v", ref=NUMPY)
def _(c):
    a = c.adapter(COMFY_PEFT, dtype="BF16")
    a.add_all(f"{LAYER}attention.qkv context_refiner.0.attention.qkv noise_refiner.0.attention.out", low_rank, rank=3)
    a.add_all(f"{LAYER}feed_forward.w2 {LAYER}adaLN_modulation.0 x_embedder final_layer.linear cap_embedder.1", low_rank, rank=2)


@case("z-image-musubi-split-flat", "z-image-comfy", "musubi's flat names of split q, k, v and to_out on fused tensors", ref=NUMPY)
def _(c):
    a = c.adapter(MUSUBI_DIFFUSERS, dtype="BF16")
    a.add_all(
        f"{LAYER}attention.to_q {LAYER}attention.to_v layers.1.attention.to_k layers.1.attention.to_out.0", low_rank,
        rank=2, alpha=1,
    )  # fmt: skip


@case("z-image-onetrainer-dotted", "z-image-comfy", "transformer. with lora_down and alpha (OneTrainer)", ref=NUMPY)
def _(c):
    a = c.adapter(replace(ONETRAINER, prefixes={"dm": "transformer."}, flat=False))
    a.add_all(f"{LAYER}attention.to_k {LAYER}feed_forward.w1 all_final_layer.2-1.linear", low_rank, rank=2, alpha=1)


@case("z-image-peft-file", "z-image-comfy", "PEFT names on fused tensors", diffusers=True)
def _(c):
    a = c.adapter(TRANSFORMER, dtype="BF16")
    a.add_all(
        f"{LAYER}attention.to_q {LAYER}attention.to_k noise_refiner.0.attention.to_v layers.1.feed_forward.w3",
        low_rank, rank=2,
    )  # fmt: skip


@case("lumina2-kohya-file", "lumina2-comfy", "Lumina 2: kohya's fused names on the native file", ref=NUMPY)
def _(c):
    a = c.adapter(KOHYA_NATIVE, dtype="BF16")
    a.add_all(
        f"{LAYER}attention.qkv {LAYER}feed_forward.w1 {LAYER}adaLN_modulation.1 layers.1.attention.out", low_rank,
        rank=2, alpha=1,
    )  # fmt: skip


@case("lumina2-peft-file", "lumina2-comfy", "PEFT names: q, k and v have different heights in the fused tensor", diffusers=True)
def _(c):
    a = c.adapter(TRANSFORMER, dtype="BF16")
    a.add_all(f"{LAYER}attn.to_q {LAYER}attn.to_k layers.1.attn.to_v context_refiner.0.attn.to_out.0", low_rank, rank=2)
    a.add_all(
        f"{LAYER}feed_forward.linear_2 {LAYER}norm1.linear noise_refiner.0.norm1.linear norm_out.linear_1", low_rank,
        rank=2,
    )  # fmt: skip


@case("lumina2-comfy-folder", "lumina2-folder", "native fused names into a folder", ref=NUMPY)
def _(c):
    a = c.adapter(COMFY, dtype="F16")
    a.add_all(
        f"{LAYER}attention.qkv context_refiner.0.attention.qkv {LAYER}feed_forward.w3 final_layer.linear", low_rank,
        rank=2, alpha=1,
    )  # fmt: skip
    a.add("context_refiner.0.attention_norm1", difference)


@case("aura-flow-peft-file", "aura-flow-native", "AuraFlow: PEFT names, norm_out with exchanged halves", diffusers=True)
def _(c):
    a = c.adapter(TRANSFORMER, dtype="F16")
    block, single = "joint_transformer_blocks.0.", "single_transformer_blocks.0."
    a.add_all(f"{block}attn.to_q {block}attn.add_k_proj {block}attn.to_add_out {block}ff_context.linear_1", low_rank, rank=2)
    a.add_all(f"{single}attn.to_v {single}ff.out_projection {single}norm1.linear norm_out.linear", low_rank, rank=2)


@case("aura-flow-comfy-folder", "aura-flow-folder", "native names into a folder", ref=NUMPY)
def _(c):
    a = c.adapter(COMFY, dtype="F16")
    a.add_all(
        "double_layers.0.attn.w1q double_layers.0.attn.w2o double_layers.0.mlpX.c_proj double_layers.0.modC.1",
        low_rank, rank=2, alpha=1,
    )  # fmt: skip
    a.add_all("single_layers.0.attn.w1o single_layers.0.modCX.1 modF.1 cond_seq_linear", low_rank, rank=2, alpha=1)


@case(
    "pixart-peft-file", "pixart-native", "PixArt: PEFT names; k and v of the cross attention are halves of kv_linear",
    ref=NUMPY,
)  # fmt: skip
def _(c):
    about = {"transformer.r": 2, "transformer.lora_alpha": 3, "transformer.target_modules": ["to_k", "to_v"]}
    a = c.adapter(TRANSFORMER, dtype="F16", metadata={"lora_adapter_metadata": json.dumps(about)})
    block = TRANSFORMER_BLOCK
    a.add_all(
        f"{block}attn1.to_k {block}attn2.to_k {block}attn2.to_v transformer_blocks.1.attn1.to_v", low_rank, rank=2,
        scale=1.5,
    )  # fmt: skip


@case("pixart-comfy-folder", "pixart-folder", "native names into a folder: qkv, kv_linear, y_embedder, t_block", ref=NUMPY)
def _(c):
    a = c.adapter(COMFY, dtype="F16")
    a.add_all(
        "blocks.0.attn.qkv blocks.1.cross_attn.kv_linear blocks.0.cross_attn.q_linear blocks.1.mlp.fc1", low_rank,
        rank=2, alpha=1,
    )  # fmt: skip
    a.add_all("t_block.1 y_embedder.y_proj.fc1 x_embedder.proj", low_rank, rank=2, alpha=1)
    a.add("blocks.1.cross_attn.kv_linear", difference, "bias", role="diff_b")


@case("sana-peft-file", "sana-native", "Sana: PEFT names", diffusers=True)
def _(c):
    a = c.adapter(TRANSFORMER, dtype="BF16")
    block = TRANSFORMER_BLOCK
    a.add_all(f"{block}attn1.to_q {block}attn1.to_out.0 {block}attn2.to_v transformer_blocks.1.attn2.to_q", low_rank, rank=2)


@case("sana-comfy-folder", "sana-folder", "native names into a folder: qkv, kv_linear, kernels of the feed forward", ref=NUMPY)
def _(c):
    a = c.adapter(COMFY, dtype="BF16")
    a.add_all("blocks.0.attn.qkv blocks.1.cross_attn.kv_linear blocks.0.mlp.inverted_conv.conv", low_rank, rank=2, alpha=1)
    a.add_all("blocks.1.mlp.depth_conv.conv final_layer.linear", low_rank, rank=1, alpha=1)


@case(
    "aura-flow-model-metadata", "aura-flow-component",
    "save_lora_adapter of a model alone: names and metadata without prefix, into the folder of a model alone", diffusers="model",
)  # fmt: skip
def _(c):
    about = {"r": 2, "lora_alpha": 3, "target_modules": ["to_q", "linear_1"], "alpha_pattern": {"ff.linear_1": 1}}
    a = c.adapter(
        replace(TRANSFORMER, name="diffusers, model alone", prefixes={"dm": ""}),
        metadata={"lora_adapter_metadata": json.dumps(about)},
    )  # fmt: skip
    a.add_all("joint_transformer_blocks.0.attn.to_q single_transformer_blocks.0.attn.to_q", low_rank, rank=2, scale=1.5)
    a.add("single_transformer_blocks.0.ff.linear_1", low_rank, rank=2, scale=0.5)


@case("aura-flow-compiled-names", "aura-flow-component", "keys that start with _orig_mod.", ref=NUMPY, optional=True)
def _(c):
    a = c.adapter(replace(COMFY, name="comfy dotted, compiled", prefixes={"dm": "_orig_mod."}), dtype="F16")
    a.add_all("double_layers.0.attn.w1k modF.1", low_rank, rank=2, alpha=1)
