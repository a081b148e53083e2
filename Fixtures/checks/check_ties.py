"""Merges adapters of tied embeddings and heads by the program, and compares logits in transformers.

    python check_ties.py PROGRAM [CLASS ...]

For every causal, sequence-to-sequence, masked and speech class of the installed transformers that ties its head and that can be
built tiny on the CPU: LoRA on the embedding, and on the head, with `tie_word_embeddings` in config.json and, where the class
ties by default, without it. A merge without options must refuse with `[tied]`, or be right at once. `--tied split` must load
without a missing tensor and give the logits of base and adapter; `--tied shared` those of the base whose one tensor has the
delta. `check` must find nothing in the base and in what `split` makes, and must find what PEFT's own merge makes of the pair.
Logits are compared with the live adapter, never with PEFT's merge, which changes both. The exit code is 1 if a case fails.
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
}
FIXES = {
    "bart": dict(decoder_start_token_id=2), "prophetnet": dict(ngram=2, num_encoder_layers=1, num_decoder_layers=1),
    "albert": dict(embedding_size=32), "mobilebert": dict(embedding_size=32, true_hidden_size=32, intra_bottleneck_size=32),
    "electra": dict(embedding_size=32), "convbert": dict(embedding_size=32), "xlm": dict(emb_dim=32),
    "bert": {}, "reformer": dict(is_decoder=True),
}


def configuration(cls, model_type):
    """A tiny configuration that ties; None if the class cannot."""
    kind = cls.config_class or CONFIG_MAPPING[model_type]
    values = families.sized(kind().to_dict(), FIXES.get(model_type, {}))
    values |= {"tie_word_embeddings": True}
    if "is_decoder" in values and "CausalLM" in cls.__name__ and not values.get("is_encoder_decoder"):
        values["is_decoder"] = True
    return kind.from_dict(values)


def inputs(model):
    generator = torch.Generator().manual_seed(3)
    names = set(inspect.signature(model.forward).parameters)
    config = model.config
    ids = torch.randint(3, 80, (2, 8), generator=generator)
    if "input_features" in names and "input_ids" not in names:
        bins = getattr(config, "num_mel_bins", None) or getattr(config, "input_feat_per_channel", 80)
        length = 2 * getattr(config, "max_source_positions", 16)
        return {"input_features": torch.randn(1, bins, length, generator=generator), "decoder_input_ids": ids[:1]}
    if "input_values" in names and "input_ids" not in names:
        return {"input_values": torch.randn(1, 4000, generator=generator), "decoder_input_ids": ids[:1]}
    values = {"input_ids": ids}
    if "decoder_input_ids" in names:
        values["decoder_input_ids"] = ids.flip(1)
    if "use_cache" in names:
        values["use_cache"] = False
    return values


def logits(model, values):
    model.eval()
    with torch.no_grad():
        result = model(**values)
    for name in ("logits", "prediction_logits", "prediction_scores"):
        if getattr(result, name, None) is not None:
            return getattr(result, name).float()
    raise ValueError("no logits")


def randomise(model):
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


def case(executable, cls, base, live, folder, target, values, counts, checks):
    """One adapter on one base, which `live` is."""
    wrapped = get_peft_model(copy.deepcopy(live), LoraConfig(r=2, lora_alpha=8, target_modules=re.escape(target), init_lora_weights=False))
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
        distance = (found - expected).abs().max().item()
        if not distance <= 1e-5 * max(1, expected.abs().max().item()):
            raise Failure(f"{name}: {distance:.1e} from the expected logits, base at {(expected - unadapted).abs().max():.1e}")

    status, text = merged("plain")
    if status == 0:
        compare("plain", wanted)
        counts["right at once"] += 1
    elif status != 3 or not text.endswith("[tied]"):
        raise Failure(f"exit {status}: {text[-300:]}")
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


def check(executable, name, model_type, folder, counts):
    cls = getattr(transformers, name)
    torch.manual_seed(1)
    try:
        config = configuration(cls, model_type)
        model = cls(config)
        randomise(model)
        model.tie_weights()
        embedding, head = path_of(model, model.get_input_embeddings()), path_of(model, model.get_output_embeddings())
        tied = set(model.all_tied_weights_keys) | set(model.all_tied_weights_keys.values())
        # Tiny shapes that the class cannot compute with tell nothing of the program.
        values = inputs(model)
        if embedding is None or head is None or not {f"{embedding}.weight", f"{head}.weight"} & tied:
            return "not tied"
        logits(model, values)
    except Failure:
        raise
    except Exception as error:
        return f"not built: {type(error).__name__}: {str(error)[:90]}"
    base = folder / "base"
    with contextlib.redirect_stderr(io.StringIO()):
        model.save_pretrained(base)
    text = json.loads((base / "config.json").read_text())
    layouts = {"with the key": text}
    absent = {key: value for key, value in text.items() if key != "tie_word_embeddings"}
    if getattr(type(config).from_dict(absent), "tie_word_embeddings", False):
        layouts["without the key"] = absent
    try:
        live = load(cls, base)[0]
        first = logits(live, values)
    except Exception as error:
        return f"does not load again: {type(error).__name__}: {str(error)[:90]}"
    if not torch.equal(first, logits(live, values)):
        return "not deterministic"
    for layout, text in layouts.items():
        (base / "config.json").write_text(json.dumps(text, indent=1))
        live = load(cls, base)[0]
        found = program(executable, "check", base)
        if found.returncode:
            raise Failure(f"check of the base {layout}: {found.stdout[-300:]}")
        for target in dict.fromkeys((embedding, head)):
            with tempfile.TemporaryDirectory() as inner:
                try:
                    case(executable, cls, base, live, pathlib.Path(inner), target, values, counts, layout == "with the key")
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
    totals, done = collections.Counter(), set()
    for kind, mapping in KINDS.items():
        for model_type, names in sorted(mapping.items()):
            for name in names if isinstance(names, (list, tuple)) else [names]:
                if name in done or (arguments.classes and name not in arguments.classes) or not hasattr(transformers, name):
                    continue
                done.add(name)
                counts = collections.Counter()
                with tempfile.TemporaryDirectory() as folder:
                    try:
                        skipped = check(arguments.program.resolve(), name, model_type, pathlib.Path(folder), counts)
                        said = skipped or ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
                        outcome = "skipped" if skipped else "ok"
                    except Failure as failure:
                        said, outcome = str(failure), "FAILED"
                    except Exception as error:
                        said, outcome = f"{type(error).__name__}: {str(error)[:200]}", "ERROR"
                totals[outcome] += 1
                totals.update(counts)
                print(f"{kind:8}{name:44}{outcome:8}{said}", flush=True)
    print(", ".join(f"{count} {what}" for what, count in sorted(totals.items())))
    sys.exit(totals["FAILED"] + totals["ERROR"] > 0)


if __name__ == "__main__":
    main()
