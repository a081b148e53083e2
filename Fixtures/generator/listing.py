"""Small quantized models for `ls` and `check`, cut out of models that the formats' own packages wrote.

    python Fixtures/generator/listing.py NAME=FOLDER...

Each FOLDER is a Llama of hidden size 128; what is written to Fixtures/listing/NAME is one layer of it with q_proj and
down_proj, and 16 rows of embedding and head. Every tensor keeps its bytes, metadata and dtype: NF4 with
`bnb_4bit_quant_storage` bfloat16 (bitsandbytes), Float8Tensor (torchao), qfloat8 (optimum-quanto), 4 bits and mxfp4 (mlx),
NVFP4 (modelopt), FP8 with FP4 experts in I8 (DeepSeek-V4), AWQ by auto-round.
"""

import json
import re
import sys
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

ROWS = 16
KEPT = re.compile(r"^(model\.embed_tokens|lm_head|model\.norm|model\.layers\.0\.(self_attn\.q_proj|mlp\.down_proj|\w+norm))\.")


def cut(name: str, source: Path) -> None:
    target = Path(__file__).parent.parent / "listing" / name
    target.mkdir(parents=True, exist_ok=True)
    tensors = {}
    with safe_open(source / "model.safetensors", "pt") as file:
        metadata = file.metadata()
        for key in file.keys():
            if not KEPT.match(key):
                continue
            tensor = file.get_tensor(key)
            if key.startswith(("model.embed_tokens", "lm_head")):
                tensor = tensor[:ROWS].contiguous()
            tensors[key] = tensor
    if metadata is not None:
        metadata = {k: v for k, v in metadata.items() if "." not in k or KEPT.match(k)}
        if "tensor_names" in metadata:
            names = [n for n in json.loads(metadata["tensor_names"]) if KEPT.match(n)]
            metadata["tensor_names"] = json.dumps(names)
    save_file(tensors, target / "model.safetensors", metadata)
    config = json.loads((source / "config.json").read_text())
    config["vocab_size"] = ROWS
    config["num_hidden_layers"] = 1
    (target / "config.json").write_text(json.dumps(config, indent=1) + "\n")


for argument in sys.argv[1:]:
    name, folder = argument.split("=", 1)
    cut(name, Path(folder))
