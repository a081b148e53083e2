"""Merges adapters of tied embeddings and heads by the program, and compares logits in transformers.

    python check_ties.py PROGRAM [CLASS ...]

For every causal, sequence-to-sequence, masked and speech class of the installed transformers that ties its head and that can be
built tiny on the CPU: LoRA on the embedding, and on the head, with `tie_word_embeddings` in config.json and, where the class
ties by default, without it. A merge without options must refuse with `[tied]`, or be right at once. `--tied split` must load
without a missing tensor and give the logits of base and adapter; `--tied shared` those of the base whose one tensor has the
delta. `check` must find nothing in the base and in what `split` makes, and must find what PEFT's own merge makes of the pair.
Logits are compared with the live adapter, never with PEFT's merge, which changes both. Classes that tie nothing go through the same:
each of their merges must be right at once. Where a class has no head but its embedding, `split` must refuse too, and where
its forward reads the weight past the adapter, so that base and adapter compute what the base does, the merge must. The head of
Inkling 2, whose padding the loader drops, is refused with a named reason, and so are the layers that DiffusionGemma's encoder and decoder share.
The exit code is 1 if a case fails.
"""

import argparse
import collections
import contextlib
import copy
import inspect
import io
import json
import logging
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import torch
import transformers
from generator import families
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import CONFIG_MAPPING
from transformers.models.auto import modeling_auto

KINDS = {
    "seq2seq": modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    "masked": modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    "speech": modeling_auto.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES,
    "causal": modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    # Its encoder has the layers of its decoder.
    "other": {"diffusion_gemma": "DiffusionGemmaForBlockDiffusion"},
}
# Modules beside embedding and head.
OTHERS = {
    "DiffusionGemmaForBlockDiffusion": ["model.decoder.embed_tokens", "model.decoder.layers.0.self_attn.q_proj"],
}
# Sizes that the tiny ones of generator/families.py leave inconsistent, by model type, where generator/families.py has none.
PER_LAYER = dict(per_layer_config={})
GEMMA_3N = dict(
    intermediate_size=48, activation_sparsity_pattern=[0.0, 0.0], num_kv_shared_layers=0,
    layer_types=["sliding_attention", "full_attention"],
)
INKLING_2 = dict(
    unpadded_vocab_size=90, swa_num_attention_heads=4, swa_num_key_value_heads=2, swa_head_dim=8, sliding_window_size=16, d_rel=4,
    rel_extent=32, n_layers_per_attn_res_block=1,
)
DIFFUSION_GEMMA = dict(num_experts=4, top_k_experts=2, moe_intermediate_size=16, layer_types=["sliding_attention", "full_attention"])
FIXES = {
    "albert": dict(embedding_size=32), "convbert": dict(embedding_size=32), "distilbert": dict(n_heads=4, hidden_dim=48),
    "diffusion_gemma": dict(text_config=PER_LAYER | DIFFUSION_GEMMA),
    "dory": dict(n_input_layers=1, n_recurrent_layers=1, n_output_layers=1, num_hidden_layers=3), "dots3_note": PER_LAYER | dict(num_key_value_heads=4),
    "electra": dict(embedding_size=32), "esm": dict(vocab_size=96, mask_token_id=5), "esmc": dict(num_key_value_heads=4),
    "falcon_h1": dict(mamba_d_ssm=64), "fun_asr_nano": dict(adaptor_config=dict(intermediate_size=8)),
    "gemma3n": dict(text_config=GEMMA_3N), "gemma4": dict(text_config=PER_LAYER),
    "gemma4_assistant": dict(text_config=PER_LAYER | dict(hidden_size_per_layer_input=0)),
    "gemma4_unified": dict(text_config=PER_LAYER), "gemma4_unified_text": PER_LAYER,
    "gemma4_unified_assistant": dict(text_config=PER_LAYER | dict(hidden_size_per_layer_input=0)),
    "gpt_neo": dict(attention_types=[[["global", "local"], 1]], attention_layers=["global", "local"]),
    "hunyuan_v1_dense": dict(head_dim=8), "inkling2_loop_text": INKLING_2 | dict(loop_layer_index_start=1, loop_layer_index_end=2),
    "mamba2": dict(head_dim=16, num_heads=4), "marian": dict(decoder_vocab_size=96),
    "minicpm3": dict(num_key_value_heads=4), "ministral": dict(head_dim=8),
    "mobilebert": dict(embedding_size=32, true_hidden_size=32, intra_bottleneck_size=32),
    "nemo_speechlm": dict(head_config=dict(audio_hidden_size=32)), "nemotron": dict(num_key_value_heads=4),
    "neomme": PER_LAYER | dict(head_dim=16), "prophetnet": dict(ngram=2, num_encoder_layers=1, num_decoder_layers=1),
    "reformer": dict(axial_pos_embds=False, attention_head_size=8), "squeezebert": dict(embedding_size=32),
    "xlm": dict(emb_dim=32), "xlnet": dict(d_head=8, n_head=4, d_inner=48), "xlstm": dict(embedding_dim=32, num_blocks=2),
    "xmod": dict(default_language="en_XX"),
    "zamba": dict(num_hidden_layers=4, layers_block_type=["mamba", "hybrid", "mamba", "hybrid"], attention_hidden_size=64, attention_head_dim=16),
    "zamba2": dict(n_mamba_heads=4, mamba_headdim=16, attention_hidden_size=64, attention_head_dim=16),
}
# A head that is an adaptive softmax.
ASM = dict(asm=True, asm_cutoffs=[40, 70], asm_div_value=2.0)
# Switches of the configuration that make another model of the class, and are tried as well.
SWITCHES = {
    "MarianMTModel": dict(share_encoder_decoder_embeddings=False, decoder_vocab_size=80),
    "DebertaForMaskedLM": dict(legacy=False), "DebertaV2ForMaskedLM": dict(legacy=False),
    "XLMWithLMHeadModel": ASM, "FlaubertWithLMHeadModel": ASM,
}
# Embeddings that `get_input_embeddings` does not give.
EMBEDDINGS = {"PerceiverForMaskedLM": "perceiver.input_preprocessor.embeddings"}


def configuration(cls, model_type, switch):
    """A tiny configuration, which ties if it can."""
    kind = cls.config_class or CONFIG_MAPPING[model_type]
    known = next((f.fixes for f in families.FAMILIES.values() if f.cls == cls.__name__), {})
    values = families.sized(kind().to_dict(), known | FIXES.get(model_type, {}) | switch)
    if "is_decoder" in values and not values.get("is_encoder_decoder"):
        values["is_decoder"] = "CausalLM" in cls.__name__ or "LMHead" in cls.__name__
    with contextlib.suppress(Exception):
        return kind.from_dict(values | {"tie_word_embeddings": True})
    return kind.from_dict(values | {"tie_word_embeddings": False})


def numbers(config, names):
    """The values that a configuration and its sections have under some names."""
    found = [value for name, value in vars(config).items() if name in names and isinstance(value, int)]
    for value in vars(config).values():
        if hasattr(value, "model_type"):
            found += numbers(value, names)
    return found


def candidates(model):
    """Inputs that the model may take."""
    generator = torch.Generator().manual_seed(3)
    names = set(inspect.signature(model.forward).parameters)
    ids = torch.randint(3, 80, (2, 8), generator=generator)
    if "input_ids" not in names:
        if "input_values" in names:
            yield {"input_values": torch.randn(1, 4000, generator=generator), "decoder_input_ids": ids[:1]}
        bins = numbers(model.config, {"num_mel_bins", "input_feat_per_channel", "feature_projection_input_dim"})
        for count in dict.fromkeys([*bins, 80, 160]):
            for length in (2 * getattr(model.config, "max_source_positions", 16), 64):
                features = torch.randn(1, count, length, generator=generator)
                for value in (features, features.transpose(1, 2)):
                    yield {"input_features": value, "decoder_input_ids": ids[:1]}
        return
    values = {"input_ids": ids}
    if "decoder_input_ids" in names:
        values["decoder_input_ids"] = ids.flip(1)
    if "use_cache" in names:
        values["use_cache"] = False
    yield values


def inputs(model):
    """The first inputs that the model takes."""
    problem = None
    for values in candidates(model):
        try:
            logits(model, values)
            return values
        except Exception as error:
            problem = problem or error
    raise problem


def logits(model, values):
    model.eval()
    with torch.no_grad():
        result = model(**values)
    for name in ("logits", "prediction_logits", "prediction_scores"):
        if getattr(result, name, None) is not None:
            return getattr(result, name).float()
    raise ValueError("no logits")


def randomize(model):
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)


def path_of(model, module):
    return next((path for path, other in model.named_modules() if other is module), None)


class Failure(Exception):
    pass


def program(*arguments):
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True)


def load(cls, folder):
    with contextlib.redirect_stderr(io.StringIO()):
        model, info = cls.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    return model.eval(), info


def case(executable, cls, base, live, folder, target, values, counts, checks, unread):
    """One adapter on one base, which `live` is; `unread` are rows of the vocabulary that the loader sets to zero."""
    config = LoraConfig(r=2, lora_alpha=8, target_modules=re.escape(target), init_lora_weights=False)
    try:
        wrapped = get_peft_model(copy.deepcopy(live), config)
    except ValueError as error:
        if "is not supported" not in str(error):
            raise
        counts["that PEFT cannot wrap"] += 1
        return
    torch.manual_seed(7)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape) * 0.3)
    adapter = folder / "adapter"
    with contextlib.redirect_stdout(io.StringIO()):
        wrapped.save_pretrained(adapter)
    unadapted = logits(live, values)
    wanted = logits(wrapped, values)
    read = [number for number in range(wanted.shape[-1]) if number not in unread]
    layer = next(m for n, m in wrapped.base_model.model.named_modules() if n == target)
    delta = layer.get_delta_weight("default").detach()
    shared = copy.deepcopy(live)
    with torch.no_grad():
        weight = shared.get_submodule(target).weight
        weight += delta if delta.shape == weight.shape else delta.T
    documented = logits(shared, values)

    def merged(name, *options):
        run = program(executable, "merge", base, adapter, "-o", folder / name, "-q", *options)
        return run.returncode, run.stderr.strip()

    def compare(name, expected):
        model, info = load(cls, folder / name)
        if info["missing_keys"] or info["mismatched_keys"]:
            raise Failure(f"{name}: does not load: {sorted(info['missing_keys'])[:3]} {info['mismatched_keys']}")
        found = logits(model, values)
        distance = (found - expected)[..., read].abs().max().item()
        if not distance <= 1e-5 * max(1, expected.abs().max().item()):
            raise Failure(f"{name}: {distance:.1e} from the expected logits, base at {(expected - unadapted).abs().max():.1e}")

    status, text = merged("plain")
    if status == 0:
        compare("plain", wanted)
        counts["right at once"] += 1
    elif status == 3 and "also reads past the module" in text:
        if torch.equal(wanted, unadapted):
            raise Failure(f"refused, and the adapter changes nothing: {text[-300:]}")
        counts["refused with a named reason, as the model reads past the adapter too"] += 1
    elif status == 3 and "past the module" in text:
        if not torch.equal(wanted, unadapted):
            raise Failure(f"refused, and the adapter changes the logits: {text[-300:]}")
        counts["refused with a named reason, as the model reads past the adapter"] += 1
    elif status == 3 and "with its rows in another order; not supported" in text and "Inkling2UnpadVocab: lm_head" in text:
        # The file pads the head's rows, and the loader drops the padding.
        counts["refused with a named reason, as the loader drops rows of the head"] += 1
    elif status == 3 and "adds the update behind" in text:
        if torch.equal(wanted, documented):
            raise Failure(f"refused, and a weight would do: {text[-300:]}")
        counts["refused with a named reason, as a norm stands before the update"] += 1
    elif status != 3 or not text.endswith("[tied]"):
        raise Failure(f"exit {status}: {text[-300:]}")
    elif "no head of its own" in text or target in OTHERS.get(cls.__name__, []):
        counts["[tied]"] += 1
        status, text = merged("split", "--tied", "split")
        if status != 3 or not text.endswith("[tied]"):
            raise Failure(f"--tied split without a head: exit {status}: {text[-300:]}")
        counts["split refused with a named reason"] += 1
        status, text = merged("shared", "--tied", "shared")
        if status:
            raise Failure(f"--tied shared: exit {status}: {text[-300:]}")
        compare("shared", documented)
        counts["shared"] += 1
    else:
        counts["[tied]"] += 1
        for name, options, expected in (("split", ["--tied", "split"], wanted), ("shared", ["--tied", "shared"], documented)):
            status, text = merged(name, *options)
            if status:
                raise Failure(f"--tied {name}: exit {status}: {text[-300:]}")
            compare(name, expected)
            counts[name] += 1
        if not checks:
            return
        found = program(executable, "check", folder / "split", "--against", base, "--adapter", adapter)
        if found.returncode:
            raise Failure(f"check of split: {found.stdout[-300:]} {found.stderr[-200:]}")
        # What PEFT's own merge writes is what `shared` writes: base and adapter compute something else.
        if not torch.equal(wanted, documented) and (wanted - documented).abs().max() > 1e-4:
            # Without the record, which says that this was asked for.
            (folder / "shared" / ".safemerge.json").unlink(missing_ok=True)
            found = program(executable, "check", folder / "shared", "--against", base, "--adapter", adapter)
            if found.returncode != 3 or "[tied]" not in found.stdout + found.stderr and "tied" not in found.stdout:
                raise Failure(f"check does not find the tie: {found.returncode} {found.stdout[-300:]}")
            counts["found by check"] += 1


def check(executable, name, model_type, switch, folder, counts):
    """Every case of one class; why there is none, if there is none."""
    cls = getattr(transformers, name)
    torch.manual_seed(1)
    # Tiny shapes that the class cannot compute with tell nothing of the program.
    try:
        model = cls(configuration(cls, model_type, switch))
        randomize(model)
        model.tie_weights()
        embedding = EMBEDDINGS.get(name) or path_of(model, model.get_input_embeddings())
        head = path_of(model, model.get_output_embeddings())
        values = inputs(model)
    except Exception as error:
        return f"not built: {type(error).__name__}: {' '.join(str(error).split())[:110]}"
    targets = [target for target in dict.fromkeys((embedding, head, *OTHERS.get(name, []))) if target]
    base = folder / "base"
    with contextlib.redirect_stderr(io.StringIO()):
        model.save_pretrained(base)
    text = json.loads((base / "config.json").read_text())
    layouts = {"with the key": text}
    absent = {key: value for key, value in text.items() if key != "tie_word_embeddings"}
    (folder / "absent").mkdir()
    (folder / "absent" / "config.json").write_text(json.dumps(absent))
    if getattr(type(model.config).from_pretrained(folder / "absent"), "tie_word_embeddings", False):
        layouts["without the key"] = absent
    try:
        live = load(cls, base)[0]
        first = logits(live, values)
    except Exception as error:
        return f"does not load again: {type(error).__name__}: {' '.join(str(error).split())[:110]}"
    if not torch.equal(first, logits(live, values)):
        return "not deterministic"
    # The loader of Funnel sets the row of the padding token to zero, whatever the file has.
    unread = set()
    if embedding:
        pairs = [m.get_submodule(embedding).weight for m in (model, live)]
        unread = set((pairs[0] != pairs[1]).any(1).nonzero().flatten().tolist())
    if unread - {getattr(model.config, "pad_token_id", None)}:
        return "does not load what was saved"
    for layout, text in layouts.items():
        (base / "config.json").write_text(json.dumps(text, indent=1))
        live = load(cls, base)[0]
        found = program(executable, "check", base)
        if found.returncode:
            raise Failure(f"check of the base {layout}: {found.stdout[-300:]}")
        for target in targets:
            checks = layout == "with the key"
            with tempfile.TemporaryDirectory() as inner:
                try:
                    case(executable, cls, base, live, pathlib.Path(inner), target, values, counts, checks, unread)
                except Failure as failure:
                    raise Failure(f"{target}, {layout}: {failure}") from None
            counts["cases"] += 1
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, metavar="PROGRAM")
    parser.add_argument("classes", nargs="*", metavar="CLASS")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.ERROR)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    executable = arguments.program.resolve()
    totals, done = collections.Counter(), set()
    for kind, mapping in KINDS.items():
        for model_type, names in sorted(mapping.items()):
            for name in names if isinstance(names, (list, tuple)) else [names]:
                if name in done or (arguments.classes and name not in arguments.classes) or not hasattr(transformers, name):
                    continue
                done.add(name)
                for switch in [{}] + ([SWITCHES[name]] if name in SWITCHES else []):
                    counts = collections.Counter()
                    with tempfile.TemporaryDirectory() as folder:
                        try:
                            skipped = check(executable, name, model_type, switch, pathlib.Path(folder), counts)
                            said = skipped or ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
                            outcome = "skipped" if skipped else "ok"
                        except Failure as failure:
                            said, outcome = str(failure), "FAILED"
                        except Exception as error:
                            said, outcome = f"{type(error).__name__}: {str(error)[:200]}", "ERROR"
                    totals[outcome] += 1
                    totals.update(counts)
                    label = name + "".join(f" {key}={value}" for key, value in switch.items())
                    print(f"{kind:8}{label:50} {outcome:8}{said}", flush=True)
    print(", ".join(f"{count} {what}" for what, count in sorted(totals.items())))
    sys.exit(totals["FAILED"] + totals["ERROR"] > 0)


if __name__ == "__main__":
    main()
