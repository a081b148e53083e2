"""Loads what safemerge makes in transformers, and compares its logits with those of base and adapter.

    python check_transformers.py SAFEMERGE

makes tiny models in F32 with random weights, adapters for them with PEFT, merges each with the program SAFEMERGE, loads the
result, and prints a line for each. A checkpoint passes if transformers finds every tensor where it expects it and no other
one (but heads of the base for another task), and the logits are within 1e-5 of those of the live adapter and further than
1e-3 from the base's. The exit code is 1 if one does not pass.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import warnings

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model

SIZES = dict(vocab_size=96, hidden_size=32)
TOKENS = dict(bos_token_id=1, eos_token_id=2, pad_token_id=0)
HEADS = dict(num_attention_heads=4)
LLAMA = dict(intermediate_size=48, num_hidden_layers=2, num_key_value_heads=2, max_position_embeddings=64)
EXPERTS = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
CAUSAL, SEQUENCE = transformers.AutoModelForCausalLM, transformers.AutoModelForSequenceClassification

# name: (configuration, class of the base, class of the adapted model, adapter, options of safemerge)
MODELS = {
    "llama": (
        transformers.LlamaConfig(tie_word_embeddings=False, **LLAMA, **HEADS, **SIZES, **TOKENS), CAUSAL, CAUSAL,
        dict(r=4, target_modules="all-linear", use_rslora=True), []),
    "llama, DoRA": (
        transformers.LlamaConfig(tie_word_embeddings=False, **LLAMA, **HEADS, **SIZES, **TOKENS), CAUSAL, CAUSAL,
        dict(r=4, target_modules=["q_proj", "down_proj"], use_dora=True), []),
    "llama, tied": (
        transformers.LlamaConfig(tie_word_embeddings=True, **LLAMA, **HEADS, **SIZES, **TOKENS), CAUSAL, CAUSAL,
        dict(r=4, target_modules=["embed_tokens", "q_proj"]), ["--tied", "split"]),
    "qwen2": (
        transformers.Qwen2Config(tie_word_embeddings=True, **LLAMA, **HEADS, **SIZES, **TOKENS), CAUSAL, CAUSAL,
        dict(r=4, target_modules=["q_proj", "v_proj", "up_proj"], bias="lora_only"), []),
    "gpt2": (
        transformers.GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=64, vocab_size=96, bos_token_id=1, eos_token_id=2),
        CAUSAL, CAUSAL, dict(r=4, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True), []),
    "bert, classifier": (
        transformers.BertConfig(intermediate_size=48, num_hidden_layers=2, max_position_embeddings=64, **HEADS, **SIZES),
        transformers.AutoModelForPreTraining, SEQUENCE, dict(r=4, target_modules=["query", "value"]), ["--add-tensors"]),
    "t5": (
        transformers.T5Config(
            vocab_size=96, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, decoder_start_token_id=0,
            pad_token_id=0, eos_token_id=1),
        transformers.AutoModelForSeq2SeqLM, transformers.AutoModelForSeq2SeqLM,
        dict(r=4, target_modules=["q", "v", "wo"]), []),
    "gpt-oss, target_parameters": (
        transformers.GptOssConfig(
            head_dim=8, num_local_experts=4, num_experts_per_tok=2, tie_word_embeddings=False, sliding_window=8,
            layer_types=["sliding_attention", "full_attention"], **LLAMA, **HEADS, **SIZES, **TOKENS),
        CAUSAL, CAUSAL, dict(r=2, target_modules=["q_proj"], target_parameters=EXPERTS), []),
}  # fmt: skip
# Heads of the base that the adapted model doesn't have, and that are copied: transformers ignores them.
LEFT_OVER = {"bert, classifier": "cls."}
TASKS = {CAUSAL: "CAUSAL_LM", SEQUENCE: "SEQ_CLS", transformers.AutoModelForSeq2SeqLM: "SEQ_2_SEQ_LM"}


def randomize(model, deviation, trainable=False):
    """Weights as large as those of a small model; of an adapter only its own."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if (trainable and not parameter.requires_grad) or "norm" in name.lower() or "magnitude" in name:
                continue
            parameter.copy_(torch.randn(parameter.shape) * deviation)


def logits(model):
    model.eval()
    ids = torch.arange(3, 27).reshape(2, 12)
    more = {"decoder_input_ids": ids.flip(1)} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=torch.ones_like(ids), **more).logits


def check(name, folder, program):
    config, base_class, model_class, lora, options = MODELS[name]
    torch.manual_seed(20)
    options_of_class = {"num_labels": 3} if model_class is SEQUENCE else {}
    base = base_class.from_config(config, dtype=torch.float32)
    randomize(base, 0.05)
    base.save_pretrained(folder / "base", save_original_format=False)

    def load(path, **more):
        return model_class.from_pretrained(path, dtype=torch.float32, attn_implementation="eager", **more)

    adapted = get_peft_model(
        load(folder / "base", **options_of_class), LoraConfig(task_type=TASKS[model_class], lora_alpha=8, **lora)
    )
    randomize(adapted, 0.1, trainable=True)
    adapted.save_pretrained(folder / "adapter")

    command = [program, "merge", folder / "base", folder / "adapter", "-o", folder / "merged", "--quiet", *options]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        return f"exit code {run.returncode}: {run.stderr.strip()}", False

    # The head of a new task is random in the base: the adapter has it.
    torch.manual_seed(21)
    live = load(folder / "base", **options_of_class)
    unadapted = logits(live)
    wanted = logits(PeftModel.from_pretrained(live, folder / "adapter"))
    merged, info = load(folder / "merged", output_loading_info=True)
    found = logits(merged)
    faults = {key: sorted(map(str, value)) for key, value in info.items() if value}
    if leftover := LEFT_OVER.get(name):
        unexpected = [key for key in faults.pop("unexpected_keys", []) if not key.startswith(leftover)]
        faults |= {"unexpected_keys": unexpected} if unexpected else {}
    difference = (found - wanted).abs().max().item()
    effect = (found - unadapted).abs().max().item()
    good = difference <= 1e-5 and effect > 1e-3 and not faults and found.shape == wanted.shape
    return f"{difference:.1e} from the adapter, {effect:.1e} from the base, loading {faults or 'clean'}", good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, metavar="SAFEMERGE", help="the program")
    program = parser.parse_args().program.resolve()
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    failed = 0
    for name in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            said, good = check(name, pathlib.Path(folder), program)
        print(f"{name:28}{'ok' if good else 'FAILED':8}{said}", flush=True)
        failed += not good
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
