"""Merges into tiny repositories of the kinds that people use most, and opens the merged folders as they do.

python check_side_files.py SAFEMERGE [KIND ...]

Of a kind with a loader here (transformers, sentence-transformers, PEFT, all offline and on the CPU) the merged folder is opened
by it, and what it computes must differ from what the base computes: the weights are merged. Of the others every file that
their loaders open is listed and must be in the merged folder with the base's bytes. The names of the files are those of the
repository that the kind is called by. Needs transformers, PEFT and sentence-transformers.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.update(HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", OMP_NUM_THREADS="1")

import numpy
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

torch.set_num_threads(1)
transformers.utils.logging.disable_progress_bar()
WORDS = ["<pad>", "<s>", "</s>", "<unk>", "[CLS]", "[SEP]", "[MASK]", "hello", "world", "a", "b", "c"]
IDS = torch.tensor([[1, 7, 8, 2]])
SIZES = dict(
    vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2)
SMALL = {key: SIZES[key] for key in SIZES if key not in ("num_key_value_heads", "bos_token_id", "eos_token_id")}


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))


def fast_tokenizer(folder, template=None):
    import tokenizers

    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    made.chat_template = template
    made.save_pretrained(folder)


def word_pieces(folder):
    write(folder, {"vocab.txt": "\n".join(["[PAD]", "[UNK]"] + WORDS[4:] + list("defgh")) + "\n",
                   "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "do_lower_case": True}})


def byte_pairs(folder, name="GPT2Tokenizer"):
    letters = {letter: number for number, letter in enumerate(["<|endoftext|>"] + list("abcdefghijklmnopqrstuvwxyzĠ"))}
    write(folder, {"vocab.json": letters, "merges.txt": "#version: 0.2\n", "tokenizer_config.json": {"tokenizer_class": name}})


def adapter_of(model, folder, targets, task=None):
    """Writes a LoRA adapter that changes what the model computes."""
    torch.manual_seed(1)
    adapted = get_peft_model(
        model, LoraConfig(r=2, lora_alpha=16, target_modules=targets, task_type=task, init_lora_weights=False))
    adapted.save_pretrained(folder)
    return adapted


def logits(output):
    for name in ("logits", "last_hidden_state", "logits_per_image"):
        value = getattr(output, name, None)
        if value is not None:
            return value.detach().float().numpy()
    raise ValueError(f"nothing to be compared in {type(output).__name__}")


class Opened(Exception):
    """A loader does not open the merged folder, or finds the base's weights."""


def text_model(auto, config, targets, tokenizer=fast_tokenizer, files=None, inputs=None, task=None):
    """A kind that transformers opens: model by `auto`, and its tokenizer where it has one."""

    def build(base, adapter):
        torch.manual_seed(0)
        model = auto.from_config(config).eval()
        model.save_pretrained(base)
        if tokenizer:
            tokenizer(base)
        write(base, files or {})
        adapter_of(model, adapter, targets, task)

    def check(base, merged):
        given = inputs or dict(input_ids=IDS)
        with torch.no_grad():
            outputs = [logits(auto.from_pretrained(folder).eval()(**given)) for folder in (base, merged)]
        if not numpy.isfinite(outputs[1]).all() or numpy.allclose(*outputs):
            raise Opened("computes what the base computes")
        if tokenizer:
            texts = [transformers.AutoTokenizer.from_pretrained(folder) for folder in (base, merged)]
            if texts[0]("hello a b")["input_ids"] != texts[1]("hello a b")["input_ids"]:
                raise Opened("another tokenizer")
            if texts[0].chat_template != texts[1].chat_template:
                raise Opened("another chat template")

    return build, check


def file_list(names, left_out=()):
    """A kind whose loader is not here: the files that it opens beside the weights."""

    def build(base, adapter):
        config = transformers.LlamaConfig(**SIZES)
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config)
        model.save_pretrained(base)
        for number, name in enumerate(list(names) + list(left_out)):
            if name.endswith(".safetensors"):
                (base / name).parent.mkdir(parents=True, exist_ok=True)
                save_file({f"other.{number}": torch.ones(2)}, base / name)
            else:
                write(base, {name: b"{}" if name.endswith(".json") else f"bytes of {name}".encode()})
        adapter_of(model, adapter, ["q_proj"])

    def check(base, merged):
        for name in names:
            if not (merged / name).is_file():
                raise Opened(f"{name} is missing")
            if (merged / name).read_bytes() != (base / name).read_bytes():
                raise Opened(f"{name} has other bytes")
        for name in left_out:
            if (merged / name).exists():
                raise Opened(f"{name} came along, unmerged")

    return build, check


def remote_code():
    """A model whose code lies in the folder, as auto_map names it; transformers 5.24 opens none in sub-folders."""
    config = {"model_type": "odd", "architectures": ["OddModel"], "auto_map": {
        "AutoConfig": "configuration_odd.OddConfig", "AutoModel": "modeling_odd.OddModel"}}
    code = {
        "configuration_odd.py": "from transformers import PretrainedConfig\n\n\nclass OddConfig(PretrainedConfig):\n"
        "    model_type = 'odd'\n",
        "modeling_odd.py": "import torch\nfrom transformers import PreTrainedModel\nfrom transformers.modeling_outputs import "
        "BaseModelOutput\n\nfrom .configuration_odd import OddConfig\nfrom .inner_odd import scale\n\n\n"
        "class OddModel(PreTrainedModel):\n    config_class = OddConfig\n\n    def __init__(self, config):\n"
        "        super().__init__(config)\n        self.proj = torch.nn.Linear(8, 8, bias=False)\n        self.post_init()\n\n"
        "    def forward(self, x):\n        return BaseModelOutput(last_hidden_state=scale(self.proj(x)))\n",
        "inner_odd.py": "def scale(x):\n    return 2 * x\n"}

    def build(base, adapter):
        write(base, code)
        write(base, {"config.json": config})
        torch.manual_seed(0)
        save_file({"proj.weight": torch.randn(8, 8)}, base / "model.safetensors", metadata={"format": "pt"})
        model = transformers.AutoModel.from_pretrained(base, trust_remote_code=True)
        adapter_of(model, adapter, ["proj"])

    def check(base, merged):
        x = torch.ones(1, 8)
        outputs = [
            logits(transformers.AutoModel.from_pretrained(folder, trust_remote_code=True)(x)) for folder in (base, merged)]
        if numpy.allclose(*outputs):
            raise Opened("computes what the base computes")

    return build, check


def sentence_transformer(dense):
    def build(base, adapter):
        import sentence_transformers
        from sentence_transformers.models import Dense, Pooling, Transformer

        torch.manual_seed(0)
        inner = base.parent / "inner"
        model = transformers.AutoModel.from_config(transformers.BertConfig(**SMALL)).eval()
        model.save_pretrained(inner)
        word_pieces(inner)
        parts = [Transformer(str(inner)), Pooling(32)] + ([Dense(32, 16)] if dense else [])
        sentence_transformers.SentenceTransformer(modules=parts).save(str(base))
        adapter_of(model, adapter, ["query", "value"])

    def check(base, merged):
        import sentence_transformers

        vectors = [
            sentence_transformers.SentenceTransformer(str(folder), device="cpu").encode("hello a b") for folder in (base, merged)]
        if vectors[0].shape != vectors[1].shape or numpy.allclose(*vectors):
            raise Opened(f"{vectors[0].shape} and {vectors[1].shape}, or the base's vectors")

    return build, check


def cross_encoder():
    def build(base, adapter):
        torch.manual_seed(0)
        model = transformers.AutoModelForSequenceClassification.from_config(transformers.BertConfig(**SMALL, num_labels=1))
        model.save_pretrained(base)
        word_pieces(base)
        adapter_of(model, adapter, ["query", "value"])

    def check(base, merged):
        from sentence_transformers import CrossEncoder

        scores = [CrossEncoder(str(folder), device="cpu").predict([("hello", "a b")]) for folder in (base, merged)]
        if numpy.allclose(*scores):
            raise Opened("the base's scores")

    return build, check


def processor(auto, config, processor_class, processor_args, targets, inputs, extra=None):
    """A kind with a feature extractor or image processor."""

    def build(base, adapter):
        torch.manual_seed(0)
        model = auto.from_config(config).eval()
        model.save_pretrained(base)
        processor_class(**processor_args).save_pretrained(base)
        write(base, extra or {})
        adapter_of(model, adapter, targets)

    def check(base, merged):
        opened = [processor_class.from_pretrained(folder).to_dict() for folder in (base, merged)]
        if opened[0] != opened[1]:
            raise Opened("another processor")
        with torch.no_grad():
            outputs = [logits(auto.from_pretrained(folder).eval()(**inputs)) for folder in (base, merged)]
        if numpy.allclose(*outputs):
            raise Opened("computes what the base computes")

    return build, check


def kinds():
    t = transformers
    causal, seq2seq = t.AutoModelForCausalLM, t.AutoModelForSeq2SeqLM
    attention = ["q_proj", "v_proj"]
    chat = lambda folder: fast_tokenizer(folder, "{% for m in messages %}{{ m['content'] }}{% endfor %}")
    llama = t.LlamaConfig(**SIZES)
    encoder = dict(input_ids=IDS)
    both = dict(input_ids=IDS, decoder_input_ids=IDS)
    image = dict(pixel_values=torch.ones(1, 3, 16, 16))
    tiny_image = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, image_size=16, patch_size=8)
    return {
        "meta-llama/Llama-3.1-8B-Instruct": text_model(causal, llama, attention, chat, {
            "original/params.json": {}, "original/consolidated.00.pth": b"x", "USE_POLICY.md": "x", "LICENSE": "x"}),
        "Qwen/Qwen2.5-7B-Instruct": text_model(causal, t.Qwen2Config(**SIZES), attention, chat),
        "Qwen/Qwen3-8B": text_model(causal, t.Qwen3Config(**SIZES, head_dim=8), attention, chat),
        "google/gemma-3-1b-it": text_model(causal, t.Gemma3TextConfig(**SIZES, head_dim=8), attention, chat, {"added_tokens.json": {}}),
        "microsoft/Phi-3-mini-4k-instruct": text_model(causal, t.Phi3Config(**SIZES), ["qkv_proj"], chat, {"added_tokens.json": {}}),
        "openai-community/gpt2": text_model(causal, t.GPT2Config(vocab_size=64, n_embd=32, n_layer=2, n_head=4, n_positions=64), ["c_attn"], byte_pairs, {
            "tf_model.h5": b"x", "rust_model.ot": b"x", "flax_model.msgpack": b"x", "onnx/model.onnx": b"x"}),
        "state-spaces/mamba-130m-hf": text_model(causal, t.MambaConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2, state_size=4), ["x_proj"]),
        "google-bert/bert-base-uncased": text_model(t.AutoModelForMaskedLM, t.BertConfig(**SMALL), ["query", "value"], word_pieces, {
            "pytorch_model.bin": b"x", "tf_model.h5": b"x", "coreml/fill-mask/x.mlpackage": b"x"}),
        "FacebookAI/roberta-base": text_model(t.AutoModelForMaskedLM, t.RobertaConfig(**SMALL), ["query", "value"], lambda f: byte_pairs(f, "RobertaTokenizer"), {"dict.txt": "x"}),
        "distilbert/distilbert-base-uncased": text_model(t.AutoModelForSequenceClassification, t.DistilBertConfig(vocab_size=64, dim=32, hidden_dim=48, n_layers=2, n_heads=4), ["q_lin"], word_pieces),
        "google-t5/t5-small": text_model(seq2seq, t.T5Config(vocab_size=64, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, decoder_start_token_id=0), ["q"], inputs=both),
        "facebook/bart-base": text_model(seq2seq, t.BartConfig(vocab_size=64, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, max_position_embeddings=64), attention, lambda f: byte_pairs(f, "BartTokenizer"), inputs=both),
        "openai/whisper-tiny": processor(t.AutoModelForSpeechSeq2Seq, t.WhisperConfig(vocab_size=64, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, num_mel_bins=8, max_source_positions=10, max_target_positions=16, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1), t.WhisperFeatureExtractor, dict(feature_size=8), attention,
            dict(input_features=torch.ones(1, 8, 20), decoder_input_ids=IDS), {"normalizer.json": {}}),
        "facebook/wav2vec2-base-960h": processor(t.AutoModelForCTC, t.Wav2Vec2Config(vocab_size=32, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, conv_dim=(8, 8), conv_stride=(2, 2), conv_kernel=(3, 3), num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, num_feat_extract_layers=2), t.Wav2Vec2FeatureExtractor, {}, attention,
            dict(input_values=torch.ones(1, 100)), {"vocab.json": {}}),
        "google/vit-base-patch16-224": processor(t.AutoModelForImageClassification, t.ViTConfig(**tiny_image), t.ViTImageProcessor, {}, "all-linear", image),
        "openai/clip-vit-base-patch32": processor(t.AutoModel, t.CLIPConfig(text_config=dict(**{k: SMALL[k] for k in SMALL if k != "pad_token_id"}, eos_token_id=2), vision_config=tiny_image, projection_dim=16), t.CLIPImageProcessor, {}, attention,
            dict(input_ids=IDS, **image), {"merges.txt": "", "vocab.json": {}}),
        "trust_remote_code": remote_code(),
        "sentence-transformers/all-MiniLM-L6-v2": sentence_transformer(False),
        "google/embeddinggemma-300m": sentence_transformer(True),
        "cross-encoder/ms-marco-MiniLM-L6-v2": cross_encoder(),
        "mistralai/Mistral-7B-Instruct-v0.3": file_list(["params.json", "tekken.json", "tokenizer.model.v3"], ["consolidated.safetensors"]),
        "Helsinki-NLP/opus-mt-en-de": file_list(["source.spm", "target.spm", "vocab.json"], ["rust_model.ot", "tf_model.h5"]),
        "vinai/phobert-base": file_list(["bpe.codes", "vocab.txt"], ["pytorch_model.bin"]),
        "Qwen/Qwen2.5-Omni-7B": file_list(["spk_dict.pt", "preprocessor_config.json", "chat_template.json", "merges.txt"]),
        "Qwen/Qwen3-TTS-12Hz-1.7B": file_list(["speech_tokenizer/config.json", "speech_tokenizer/model.safetensors", "speech_tokenizer/preprocessor_config.json"]),
        "suno/bark": file_list(["speaker_embeddings_path.json", "speaker_embeddings/v2/en_speaker_0_coarse_prompt.npy"], ["pytorch_model.bin"]),
        "openbmb/MiniCPM-o-2_6": file_list(["assets/Vocos.pt", "assets/demo.wav", "modeling_minicpmo.py", "image_processing_minicpmv.py"]),
        "moonshotai/Kimi-Audio-7B-Instruct": file_list(["whisper-large-v3/config.json", "whisper-large-v3/model.safetensors", "audio_detokenizer/model.pt", "tiktoken.model"]),
        "kyutai/moshiko-pytorch-bf16": file_list(["tokenizer-e351c8d8-checkpoint125.safetensors", "tokenizer_spm_32k_3.model"]),
        "microsoft/Phi-4-multimodal-instruct": file_list(["vision-lora/adapter_config.json", "vision-lora/adapter_model.safetensors", "speech_conformer_encoder.py"]),
        "openai/gpt-oss-20b": file_list(["chat_template.jinja", "tokenizer.json"], ["metal/model.bin", "original/config.json"]),
        "zai-org/chatglm3-6b": file_list(["tokenizer.model", "tokenization_chatglm.py", "MODEL_LICENSE", "parts/__init__.py", "parts/inner.py"], ["pytorch_model.bin.index.json"]),
        "a training's folder": file_list(["preprocessor_config.json"], ["optimizer.pt", "checkpoint-10/model.safetensors", ".cache/x"]),
    }


def main():
    program, *chosen = sys.argv[1:]
    opened, listed, failed = 0, 0, 0
    for name, (build, check) in kinds().items():
        if chosen and name not in chosen:
            continue
        is_list = build.__qualname__.startswith("file_list")
        with tempfile.TemporaryDirectory() as work:
            base, adapter, merged = (pathlib.Path(work) / part for part in ("base", "adapter", "merged"))
            base.mkdir()
            try:
                build(base, adapter)
                # PEFT writes a card for the adapter; what it leaves beside the weights is not the question.
                run = subprocess.run([program, "merge", base, adapter, "-o", merged], capture_output=True, text=True)
                if run.returncode:
                    raise Opened(run.stderr.strip())
                check(base, merged)
            except Exception as error:  # each kind tells for itself
                failed += 1
                print(f"FAILED  {name}: {type(error).__name__}: {str(error)[:400]}")
                continue
        opened, listed = opened + (not is_list), listed + is_list
        print(f"{'files ' if is_list else 'opened'}  {name}", flush=True)
    print(f"{opened} opened by their loader, {listed} have every file that theirs opens, {failed} failed")
    return failed > 0


sys.exit(main())
