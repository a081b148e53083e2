"""Makes the tiny models and adapters of Fixtures, and the checkpoints that PEFT merges from them.

    python generator/generate.py [--output FOLDER] [CASE...]

Without CASE every case is made. Each merged checkpoint is compared, byte for byte, with a second
implementation that knows neither PEFT nor torch: a case that differs is an error. README.md says what the
folders hold; cases.json lists the cases for the tests. linear.py makes those of linear layers, all_lora.py
those of every kind of LoRA, tuners those of the other tuners, a file for each.
"""

import os

# Settled before torch is imported: one thread, one instruction set. MKL's AVX2 kernels sum a product
# of rank up to 192 as one chain of fused multiply-adds. (MKL on AMD takes them without being asked.)
os.environ.update(
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    MKL_ENABLE_INSTRUCTIONS="AVX2",
    ATEN_CPU_CAPABILITY="avx2",
    HF_HUB_OFFLINE="1",
    TOKENIZERS_PARALLELISM="false",
)
os.environ.pop("MKL_CBWR", None)

import argparse
import gc
import importlib.metadata
import json
import pathlib
import sys
import warnings

HERE = pathlib.Path(__file__).resolve().parents[1]


def check_versions():
    """Refuses other versions than the pinned ones; a local part such as `+cpu` does not count."""
    for line in (HERE / "requirements.txt").read_text().split():
        package, wanted = line.split("==")
        found = importlib.metadata.version(package).split("+")[0]
        if found != wanted:
            sys.exit(f"{package} {wanted} is needed, {found} is installed; see requirements.txt")


check_versions()

import torch
import transformers

sys.path.insert(0, str(HERE))
from generator import all_lora, linear, tuners
from generator.places import as_json
from generator.values import SEED

# Modules with CASES, make(name) and describe(name). The last one that has a case makes and lists it.
TABLES = [linear, all_lora, tuners]


def table_of(name):
    return next((table for table in reversed(TABLES) if name in table.CASES), None)


def write_list(made):
    """Brings the entries of the cases in `made` up to date, in the order of the tables."""
    path = pathlib.Path("cases.json")
    old = {entry["name"]: entry for entry in json.loads(path.read_text())} if path.exists() else {}
    entries = []
    for table in TABLES:
        for name in table.CASES:
            if table_of(name) is table and (name in made or name in old):
                entries.append(table.describe(name) if name in made else old[name])
    path.write_text(as_json(entries))


def set_modes(folder):
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, default=HERE, help="folder to write to (default: this one)")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="cases to make (default: all)")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.cases if not table_of(name)]:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    # Known and harmless: a one-dimensional lora_B.bias, a targeted embedding, a renamed flag of transformers.
    for message in (".*invalid shape", "Setting `save_embedding_layers`", ".*is_gradient_checkpointing"):
        warnings.filterwarnings("ignore", message=message)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    arguments.output.mkdir(parents=True, exist_ok=True)
    os.chdir(arguments.output)  # the adapters name their base by the path given to transformers

    made = set()
    for name in arguments.cases or [name for table in TABLES for name in table.CASES if table_of(name) is table]:
        print(f"{name}: {table_of(name).make(name)}", flush=True)
        made.add(name)
        write_list(made)
        gc.collect()
    tuners = {entry["tuner"] for entry in json.loads(pathlib.Path("cases.json").read_text())}
    for folder in ("bases", "configs", *sorted(tuners)):
        set_modes(pathlib.Path(folder))


if __name__ == "__main__":
    main()
