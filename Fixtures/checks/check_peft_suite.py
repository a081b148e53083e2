#!/usr/bin/env python3
"""Turns the rows of PEFT's own test tables into files, for every tuner that merges, merges each with safemerge and compares.

    python check_peft_suite.py SAFEMERGE PEFT [--tuner LORA] [--only TEXT] [--dtype F32] [--keep FOLDER]

SAFEMERGE is the program, PEFT the unpacked source distribution of peft (it has the folder tests). Every row is run in F32,
BF16 and F16, in both arithmetics. The judges:

  --arithmetic peft    equal to the bytes of PEFT's merge_and_unload(), within two units in the last place of what double
                       precision gives, or no farther from that than PEFT's own result, give or take a quarter;
  the default          the merge that PEFT computes in double precision, rounded once to the dtype of the tensor.

A refusal counts as "refused as PEFT" where PEFT cannot merge the row either. The models of the Hub that the tables name are
built here from a small configuration of the same class, since nothing is downloaded. The modules of tests also import datasets,
diffusers, parameterized, pytest and requests.
"""
import argparse
import collections
import importlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings
from unittest import mock

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")

import torch
from safetensors.torch import load_file, save_file

DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
# Bits of the significand, the leading one among them.
PRECISION = {torch.float32: 24, torch.bfloat16: 8, torch.float16: 11}
SMALLEST_EXPONENT = {torch.float32: -126, torch.bfloat16: -126, torch.float16: -14}


def tiny_models():
    """The classes that the tables name by a model of the Hub, each with a small configuration."""
    import transformers as t

    text = dict(vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=37)
    rope = dict(text, num_key_value_heads=2, head_dim=8, max_position_embeddings=64, pad_token_id=0)
    bert = dict(text, max_position_embeddings=64, type_vocab_size=16, pad_token_id=0)
    t5 = dict(vocab_size=99, d_model=32, d_ff=37, d_kv=8, num_layers=2, num_decoder_layers=2, num_heads=4)
    bart = dict(
        vocab_size=99, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=37, decoder_ffn_dim=37, max_position_embeddings=64)
    llama4 = dict(
        rope, intermediate_size_mlp=40, num_local_experts=4, num_experts_per_tok=1, attn_temperature_tuning=False,
        interleave_moe_layer_step=1)
    return {
        "OPTForCausalLM": (t.OPTForCausalLM, t.OPTConfig(
            vocab_size=99, hidden_size=32, num_hidden_layers=2, ffn_dim=37, num_attention_heads=4, word_embed_proj_dim=32,
            max_position_embeddings=64)),
        "GPT2LMHeadModel": (t.GPT2LMHeadModel, t.GPT2Config(vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=64)),
        "gpt2": (t.GPT2LMHeadModel, t.GPT2Config(vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=64)),
        "GPTJForCausalLM": (t.GPTJForCausalLM, t.GPTJConfig(
            vocab_size=99, n_embd=32, n_layer=2, n_head=4, rotary_dim=4, n_positions=64)),
        "LlamaForCausalLM": (t.LlamaForCausalLM, t.LlamaConfig(**rope)),
        "MistralForCausalLM": (t.MistralForCausalLM, t.MistralConfig(**rope)),
        "tiny-dummy-qwen2": (t.Qwen2ForCausalLM, t.Qwen2Config(**rope)),
        "Gemma3ForCausalLM": (t.Gemma3ForCausalLM, t.Gemma3TextConfig(**rope)),
        "T5ForConditionalGeneration": (t.T5ForConditionalGeneration, t.T5Config(**t5)),
        "BartForConditionalGeneration": (t.BartForConditionalGeneration, t.BartConfig(**bart)),
        "BertModel": (t.BertModel, t.BertConfig(**bert)),
        "RobertaModel": (t.RobertaModel, t.RobertaConfig(**bert)),
        "DebertaModel": (t.DebertaModel, t.DebertaConfig(**bert)),
        "DebertaV2Model": (t.DebertaV2Model, t.DebertaV2Config(**bert)),
        "BertForSequenceClassification": (t.BertForSequenceClassification, t.BertConfig(**bert)),
        "RobertaForSequenceClassification": (t.RobertaForSequenceClassification, t.RobertaConfig(**bert)),
        "LlamaForSequenceClassification": (t.LlamaForSequenceClassification, t.LlamaConfig(**rope)),
        "BertForTokenClassification": (t.BertForTokenClassification, t.BertConfig(**bert)),
        "RobertaForTokenClassification": (t.RobertaForTokenClassification, t.RobertaConfig(**bert)),
        "BertForQuestionAnswering": (t.BertForQuestionAnswering, t.BertConfig(**bert)),
        "RobertaForQuestionAnswering": (t.RobertaForQuestionAnswering, t.RobertaConfig(**bert)),
        "ResNetForImageClassification": (t.ResNetForImageClassification, t.ResNetConfig(
            embedding_size=10, hidden_sizes=[10, 20, 30, 40], depths=[1, 1, 2, 1], num_labels=3)),
        "Llama4ForCausalLM": (t.Llama4ForCausalLM, t.Llama4TextConfig(**llama4)),
        "GptOssForCausalLM": (t.GptOssForCausalLM, t.GptOssConfig(**rope, num_local_experts=4, num_experts_per_tok=2)),
    }


def built(name, models):
    """A model of the Hub's name: that of the longest key that the name contains."""
    key = max((key for key in models if key in name), key=len, default=None)
    if key is None:
        raise KeyError(f"no configuration for {name}")
    model_class, config = models[key]
    torch.manual_seed(0)
    return model_class(type(config)(**config.to_dict()))


Row = collections.namedtuple("Row", "table title tuner build configs")
# Those that change no weight.
NOT_MERGED = {
    "PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CPT", "CARTRIDGE", "ADAPTION_PROMPT", "XLORA", "POLY",
    "LILY", "SHADOW",
}  # fmt: skip


def tuner_of(kind):
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    return next((str(name).rpartition(".")[2] for name, config in PEFT_TYPE_TO_CONFIG_MAPPING.items() if config is kind), "?")


def rows(tests):
    custom, models = tests["custom_models"], tiny_models()

    def row(table, title, kind, build, *all_kwargs):
        return Row(table, title, tuner_of(kind), build, [lambda kwargs=kwargs: kind(**kwargs) for kwargs in all_kwargs])

    for title, model, kind, kwargs in custom.TEST_CASES:
        yield row("custom models", title, kind, lambda m=model: custom.MockTransformerWrapper.from_pretrained(m), kwargs)
    for title, name, kind, one, other in custom.MULTIPLE_ACTIVE_ADAPTERS_TEST_CASES:
        build = custom.ModelEmbConv1D if "trainable_tokens" in name else custom.MLP
        if "target_parameters" in one:
            build = custom.MlpUsingParameters
        yield row("several adapters", title, kind, build, one, other)
    tables = [
        ("decoders", "decoder_models", "PEFT_DECODER_MODELS_TO_TEST", "ALL_CONFIGS", ""),
        ("encoder-decoders", "encoder_decoder_models", "PEFT_ENCODER_DECODER_MODELS_TO_TEST", "ALL_CONFIGS", ""),
        ("features", "feature_extraction_models", "PEFT_FEATURE_EXTRACTION_MODELS_TO_TEST", "ALL_CONFIGS", ""),
        ("sequence classifiers", "seq_classifier", "PEFT_SEQ_CLS_MODELS_TO_TEST", "ALL_CONFIGS", ""),
        ("token classifiers", "token_classification_qa", "PEFT_TOKEN_CLS_MODELS_TO_TEST", "TOKEN_CLS_CONFIGS", "ForTokenClassification"),
        ("question answering", "token_classification_qa", "PEFT_QA_MODELS_TO_TEST", "QA_CONFIGS", "ForQuestionAnswering"),
    ]
    for table, module, names, config_list, head in tables:
        for name in getattr(tests[module], names):
            if head:
                name = name.replace("ForSequenceClassification", head)
            for number, (kind, kwargs) in enumerate(getattr(tests[module], config_list)):
                yield row(table, f"{name.split('/')[-1]} {number}", kind, lambda n=name: built(n, models), kwargs)
    for number, (name, kind, kwargs) in enumerate(tests["target_parameters"].ALL_CONFIGS):
        yield row("target_parameters", f"{name.split('/')[-1]} {number}", kind, lambda n=name: built(n, models), kwargs)
    for title, config in tests["vision_models"].CONFIGS.items():
        kwargs = {key: value for key, value in config.to_dict().items() if key in config.__dataclass_fields__}
        yield row("vision", title, type(config), lambda: built("ResNetForImageClassification", models), kwargs)


def randomize(model, seed):
    """Gives every trained tensor random values, so that no update is zero."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        if parameter.requires_grad:
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float32)
            with torch.no_grad():
                if "magnitude" in name:
                    parameter.mul_((1 + 0.1 * noise).to(parameter.dtype))
                elif "lora_" in name:
                    parameter.copy_((0.3 * noise).to(parameter.dtype))
                else:
                    parameter.add_((0.1 * noise).to(parameter.dtype))


def save(model, folder):
    folder.mkdir(parents=True)
    if hasattr(model, "save_pretrained"):
        model.save_pretrained(folder)
    else:
        save_file({k: v.clone().contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors")


def tensors(folder):
    merged = {}
    for path in sorted(folder.glob("*.safetensors")):
        merged.update(load_file(path))
    return merged


def unwrapped(folder):
    """What PEFT merged, with the names that the model has: with LN tuning its wrappers of `modules_to_save` stay."""
    return {
        re.sub(r"[.]modules_to_save[.]\w+", "", name): value
        for name, value in tensors(folder).items()
        if ".original_module." not in name
    }


def ulp(reference, dtype):
    """The distance of neighboring values of `dtype` at each element of the double-precision reference."""
    exponent = torch.floor(torch.log2(reference.abs().clamp(min=2.0 ** -1000)))
    return torch.exp2(exponent.clamp(min=SMALLEST_EXPONENT[dtype]) - (PRECISION[dtype] - 1))


class Case:
    def __init__(self, row, dtype, folder):
        from peft import PeftModel, get_peft_model

        # Whether PEFT's merge of a model in double is double in all its parts.
        self.is_double = row.tuner == "LORA" and "KaSA" not in row.title

        self.row, self.folder = row, folder
        self.peft_problem = None
        base = row.build().to(DTYPES[dtype])
        save(base, folder / "base")
        state = {key: value.clone() for key, value in base.state_dict().items()}
        self.adapters = []
        for number, make in enumerate(row.configs):
            fresh = row.build().to(DTYPES[dtype])
            fresh.load_state_dict(state)
            config = make()
            config.base_model_name_or_path = str(folder / "base")
            adapted = get_peft_model(fresh, config)
            randomize(adapted, number + 1)
            adapted.save_pretrained(folder / f"adapter{number}")
            self.adapters.append(folder / f"adapter{number}")

        # OSF decomposes the weights when it is loaded, in single precision: where values are close, their vectors are rounded far.
        decomposes = row.tuner == "OSF" and dtype == "F32"
        svd = torch.linalg.svd

        def loaded(double):
            fresh = row.build().to(DTYPES[dtype])
            fresh.load_state_dict(state)
            if double and decomposes:
                fresh = fresh.double()
            names = []
            for number, adapter in enumerate(self.adapters):
                name = f"a{number}"
                if number == 0:
                    model = PeftModel.from_pretrained(fresh, adapter, adapter_name=name)
                else:
                    model.load_adapter(adapter, adapter_name=name)
                names.append(name)
            if double and not decomposes:
                model = model.double()
            model.base_model.set_adapter(names)
            return model.merge_and_unload(adapter_names=names)

        try:
            save(loaded(False), folder / "peft")
            with mock.patch("torch.linalg.svd", lambda weight, **options: svd(weight.double(), **options)):
                save(loaded(True), folder / "double")
        except Exception as error:  # PEFT's own refusal, whatever its class
            self.peft_problem = f"{type(error).__name__}: {error}".split("\n")[0]

    def merge(self, program, arithmetic):
        output = self.folder / f"out-{arithmetic}"
        words = [program, "merge", "--quiet", str(self.folder / "base"), *map(str, self.adapters), "-o", str(output)]
        if arithmetic == "peft":
            words += ["--arithmetic", "peft"]
        run = subprocess.run(words, capture_output=True, text=True)
        if run.returncode == 3:
            verdict = "refused as PEFT" if self.peft_problem else "refused otherwise"
            return verdict, run.stderr.strip() + (f" [PEFT: {self.peft_problem}]" if self.peft_problem else "")
        if run.returncode != 0:
            return "wrong", f"exit {run.returncode}: {run.stderr.strip()}"
        if self.peft_problem:
            return "merged where PEFT cannot", self.peft_problem
        found, peft, exact = tensors(output), unwrapped(self.folder / "peft"), unwrapped(self.folder / "double")
        if set(found) != set(peft):
            return "wrong", f"names differ: {sorted(set(found) ^ set(peft))[:4]}"
        is_equal, worst, worst_of_peft = True, 0.0, 0.0
        for name, value in found.items():
            if value.shape != peft[name].shape or value.dtype != peft[name].dtype:
                return "wrong", f"{name}: {value.dtype} {tuple(value.shape)}, PEFT {peft[name].dtype} {tuple(peft[name].shape)}"
            if not value.is_floating_point():
                if not torch.equal(value, peft[name]):
                    return "wrong", f"{name} differs"
                continue
            if value.numel() == 0:
                continue
            is_equal = is_equal and torch.equal(value.view(torch.uint8), peft[name].view(torch.uint8))
            reference = exact[name].double()
            bits = PRECISION[value.dtype]
            if self.row.tuner == "OSF" and bits < 24:
                # Training began with singular vectors that were rounded to 16 bits, which a merge in double doesn't know.
                reference = peft[name].double()
            # The error of a sum in fp32 is relative to what was summed, not to a result that cancelled.
            scale = reference.abs().max()
            slack = (2.0 ** -21 if self.is_double else 2.0 ** -18) * scale
            if self.row.tuner == "OSF" and bits < 24:
                slack = 2.0 ** -bits * scale

            def distance(value):
                far = ((value.double() - reference).abs() - slack).clamp(min=0) / ulp(reference, value.dtype)
                return far.max().item()

            worst, worst_of_peft = max(worst, distance(value)), max(worst_of_peft, distance(peft[name]))
        if arithmetic == "peft":
            if is_equal:
                return "equal", ""
            if worst <= 2:
                return "within rounding", f"at most {worst:.2f} ulp from double"
            # Where parts cancel, PEFT's roundings on the way are many units of what is left.
            verdict = "as far off as PEFT" if worst <= 1.25 * worst_of_peft else "wrong"
            return verdict, f"{worst:.2f} ulp from double, PEFT {worst_of_peft:.2f}"
        if is_equal:
            return "equal", ""
        if worst <= 0.5 + 1e-9:
            return "within rounding", ""
        if self.row.tuner == "OSF" and worst <= 1.25 * worst_of_peft:
            return "as far off as PEFT", f"{worst:.2f} ulp from double, PEFT {worst_of_peft:.2f}"
        return "wrong", f"{worst:.3f} ulp from double precision, PEFT {worst_of_peft:.3f}"


def load_tests(peft):
    sys.path.insert(0, str(peft))
    with mock.patch("datasets.load_dataset", mock.MagicMock()):
        names = ["custom_models", "decoder_models", "encoder_decoder_models", "feature_extraction_models", "seq_classifier",
                 "token_classification_qa", "target_parameters", "vision_models"]
        return {name: importlib.import_module(f"tests.test_{name}") for name in names}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("peft", type=pathlib.Path)
    parser.add_argument("--tuner", action="append", help="a peft_type (default: all that merge)")
    parser.add_argument("--only", default="")
    parser.add_argument("--dtype", choices=DTYPES, action="append")
    parser.add_argument("--keep", type=pathlib.Path, help="keep the files of every case in this folder")
    options = parser.parse_args()
    torch.set_num_threads(1)
    counts = collections.defaultdict(collections.Counter)
    details = []
    with tempfile.TemporaryDirectory() as temporary:
        root = options.keep or pathlib.Path(temporary)
        for number, row in enumerate(rows(load_tests(options.peft))):
            if options.only not in f"{row.table}: {row.title}" or row.tuner not in (options.tuner or {row.tuner} - NOT_MERGED):
                continue
            for dtype in options.dtype or DTYPES:
                try:
                    case = Case(row, dtype, root / f"{number}-{dtype}")
                except Exception as error:
                    counts[row.tuner, "made"]["not made by PEFT"] += 1
                    details.append(f"{row.tuner} {row.table}: {row.title} {dtype}: not made: {type(error).__name__}: {error}".split("\n")[0])
                    continue
                for arithmetic in ["exact", "peft"]:
                    verdict, why = case.merge(options.program, arithmetic)
                    counts[row.tuner, arithmetic][verdict] += 1
                    if verdict != "equal" and why:
                        details.append(f"{row.tuner} {row.table}: {row.title} {dtype} {arithmetic}: {verdict}: {why}")
    print("\n".join(details))
    for (tuner, arithmetic), counter in sorted(counts.items()):
        print(f"{tuner:12} {arithmetic:6} {json.dumps(dict(sorted(counter.items())))}")
    sys.exit(1 if any(counter["wrong"] for counter in counts.values()) else 0)


if __name__ == "__main__":
    main()
