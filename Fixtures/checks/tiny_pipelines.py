"""Tiny pipelines of diffusers that run: how they are made, run, saved as a single file with native names and read from it."""

import argparse
import contextlib
import inspect
import json
import pathlib
import shlex

import diffusers
import torch
import transformers
from diffusers.loaders import single_file_model
from safetensors.torch import load_file, save_file

from generator.image_cases import certify, models, names

STEPS = 3
#: Parts that a pipeline may lack.
OPTIONAL = {"vae", "tokenizer", "tokenizer_2", "safety_checker", "feature_extractor", "image_encoder"}


def whole(kind, **config):
    """In the place of image_models.blank: a model with weights."""
    return kind(**config)


def prepared_arguments(description):
    """The arguments of a check, after making diffusers silent, reproducible, and the models ones with weights."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("program", type=shlex.split)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", type=pathlib.Path)
    arguments = parser.parse_args()
    for library in (diffusers, transformers):
        library.logging.set_verbosity(50)
        library.logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    models.image_models.blank = whole
    return arguments


def text_encoder(projection):
    config = transformers.CLIPTextConfig(
        hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, vocab_size=16,
        max_position_embeddings=6, projection_dim=8, eos_token_id=15, bos_token_id=0, pad_token_id=1,
    )  # fmt: skip
    return (transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel)(config).eval()


def t5():
    config = transformers.T5Config(d_model=12, d_kv=6, d_ff=16, num_layers=2, num_heads=2, vocab_size=16)
    return transformers.T5EncoderModel(config).eval()


def vae():
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, block_out_channels=(4,) * 4,
        layers_per_block=1, norm_num_groups=2,
    ).eval()  # fmt: skip


IDS = torch.tensor([[0, 3, 9, 4, 11, 15]])
OTHER_IDS = torch.tensor([[0, 15, 15, 15, 15, 15]])


def noise(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Kind:
    """A pipeline: how it is made, run, and written as a single file."""

    #: {component: (prefix of its native names in a single file, table of names or None)}
    native = {}

    def make(self):
        raise NotImplementedError

    def load(self, folder):
        """The pipeline in a folder."""
        index = json.loads((pathlib.Path(folder) / "model_index.json").read_text())
        kind = getattr(diffusers, index["_class_name"])
        parameters = set(inspect.signature(kind.__init__).parameters) - {"self"}
        absent = {name for name in parameters & OPTIONAL if index.get(name, [None])[0] is None}
        return kind.from_pretrained(folder, **dict.fromkeys(absent), local_files_only=True)

    def from_file(self, file, folder):
        """The pipeline whose weights are in a single file; `folder` has the configurations alone."""
        pipeline = self.load(folder)
        for component in self.native:
            self.reset(getattr(pipeline, component))
        self.fill_encoders(pipeline, load_file(file))
        main = "unet" if "unet" in self.native else "transformer"
        kind = type(getattr(pipeline, main))
        with converter_sizes(kind, self.sizes):
            new = kind.from_single_file(str(file), config=str(folder), subfolder=main, local_files_only=True)
        pipeline.register_modules(**{main: new.eval()})
        return pipeline

    sizes = {}

    @staticmethod
    def reset(model):
        """Nothing of the folder's weights must take part."""
        for parameter in model.parameters():
            parameter.data.fill_(float("nan"))

    def fill_encoders(self, pipeline, held):
        """Text encoders by the tables of names: OpenCLIP's layers or those of transformers behind a prefix."""
        for component, (prefix, table) in self.native.items():
            if component in ("unet", "transformer"):
                continue
            state = parameters(getattr(pipeline, component))
            for native, parts in native_names(state, table).items():
                rows = held[prefix + native]
                rows = rows.T if parts[0][1] == "T" else rows
                for (name, _), piece in zip(parts, rows.split([len(state[part]) for part, _ in parts])):
                    state[name].data.copy_(piece)

    def write_file(self, pipeline, file):
        held = {}
        for component, (prefix, table) in self.native.items():
            state = parameters(getattr(pipeline, component))
            for native, parts in native_names(state, table).items():
                pieces = [turned(state[name], change) for name, change in parts]
                held[prefix + native] = torch.cat(pieces).contiguous().clone()
        save_file(held, file, metadata={"format": "pt"})


def parameters(model):
    """The model's parameters by the names of files; T5's embedding has two."""
    state = {models.hugging_face(name): value for name, value in model.state_dict().items()}
    state.pop("encoder.embed_tokens.weight", None)
    return state


def turned(value, change):
    if change == "swap":
        return torch.cat(value.chunk(2)[::-1])
    return value.T if change == "T" else value


def native_names(state, table):
    if table is None:
        return {name: [(name, None)] for name in state}
    return names.native_names({name: tuple(value.shape) for name, value in state.items()}, table)


@contextlib.contextmanager
def converter_sizes(kind, sizes):
    """diffusers' converter names the sizes of the real model; here they are those of the tiny one."""
    entry = single_file_model.SINGLE_FILE_LOADABLE_CLASSES[kind.__name__]
    kept = entry["checkpoint_mapping_fn"]
    if sizes:
        case = models.image_models.Case(None, converter=kept.__name__, sizes=sizes)
        entry["checkpoint_mapping_fn"] = certify.converter(case)
    try:
        yield
    finally:
        entry["checkpoint_mapping_fn"] = kept


class StableDiffusion(Kind):
    native = {
        "unet": ("model.diffusion_model.", names.UNetTable(2)), "text_encoder": ("cond_stage_model.transformer.", None),
    }  # fmt: skip

    def make(self):
        scheduler = diffusers.DDIMScheduler(beta_schedule="scaled_linear")
        return diffusers.StableDiffusionPipeline(
            vae=vae(), text_encoder=text_encoder(False), tokenizer=None, unet=models.ARCHITECTURES["sd1"].make(),
            scheduler=scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip

    def run(self, pipeline):
        embeds = [pipeline.text_encoder(ids).last_hidden_state for ids in (IDS, OTHER_IDS)]
        return pipeline(
            prompt_embeds=embeds[0], negative_prompt_embeds=embeds[1], latents=noise((1, 4, 8, 8), 5), height=64, width=64,
            num_inference_steps=STEPS, guidance_scale=3.0, output_type="latent",
        ).images  # fmt: skip


class StableDiffusionXL(Kind):
    native = {
        "unet": ("model.diffusion_model.", names.UNetTable(2)),
        "text_encoder": ("conditioner.embedders.0.transformer.", None),
        "text_encoder_2": ("conditioner.embedders.1.model.", names.Table("openclip")),
    }  # fmt: skip

    def make(self):
        scheduler = diffusers.EulerDiscreteScheduler()
        return diffusers.StableDiffusionXLPipeline(
            vae=vae(), text_encoder=text_encoder(False), text_encoder_2=text_encoder(True), tokenizer=None, tokenizer_2=None,
            unet=models.ARCHITECTURES["sdxl"].make(), scheduler=scheduler, add_watermarker=False,
        )  # fmt: skip

    def encode(self, pipeline, ids):
        first = pipeline.text_encoder(ids, output_hidden_states=True)
        second = pipeline.text_encoder_2(ids, output_hidden_states=True)
        return torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1), second.text_embeds

    def run(self, pipeline):
        (embeds, pooled), (others, other_pooled) = self.encode(pipeline, IDS), self.encode(pipeline, OTHER_IDS)
        return pipeline(
            prompt_embeds=embeds, pooled_prompt_embeds=pooled, negative_prompt_embeds=others,
            negative_pooled_prompt_embeds=other_pooled, latents=noise((1, 4, 8, 8), 6), height=64, width=64,
            num_inference_steps=STEPS, guidance_scale=3.0, output_type="latent",
        ).images  # fmt: skip


class Flux(Kind):
    native = {
        "transformer": ("model.diffusion_model.", names.Table("flux")),
        "text_encoder": ("text_encoders.clip_l.transformer.", None),
        "text_encoder_2": ("text_encoders.t5xxl.transformer.", None),
    }  # fmt: skip
    sizes = {3072: 16, 12288: 64, 9216: 48, 15360: 80, 21504: 112}

    def make(self):
        scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
        return diffusers.FluxPipeline(
            scheduler=scheduler, vae=None, text_encoder=text_encoder(False), tokenizer=None, text_encoder_2=t5(),
            tokenizer_2=None, transformer=models.ARCHITECTURES["flux"].make(),
        )  # fmt: skip

    def run(self, pipeline):
        return pipeline(
            prompt_embeds=pipeline.text_encoder_2(IDS).last_hidden_state,
            pooled_prompt_embeds=pipeline.text_encoder(IDS).pooler_output,
            latents=noise((1, 16, 8), 7), height=64, width=64, num_inference_steps=STEPS, output_type="latent",
        ).images  # fmt: skip
