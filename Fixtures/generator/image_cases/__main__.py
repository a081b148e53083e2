"""Makes Fixtures/image/cases: python generator/image_cases [--output FOLDER] [--siblings] [CASE...]

The native names of every base are compared with diffusers' converters, every method with lycoris-lora, and the cases that
diffusers reads right with its fuse_lora. A difference is an error. README.md of Fixtures says what the folder holds.
"""

import argparse
import importlib.metadata
import os
import pathlib
import shutil
import sys
import warnings

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", CUDA_VISIBLE_DEVICES="")
HERE = pathlib.Path(__file__).resolve().parents[2]
sys.path[0] = str(HERE)
warnings.simplefilter("ignore")

import diffusers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

from generator.image_cases import case, certify, siblings  # noqa: E402
from generator.image_cases import flux_cases, fp8_cases, fused_cases, method_cases, refusals, refused_files  # noqa: E402, F401
from generator.image_cases import still_cases, unet_cases, video_cases, weight_cases  # noqa: E402, F401


def check_versions():
    """Rejects other versions than those of requirements.txt beside this file; a local part such as `+cpu` does not count."""
    for line in (pathlib.Path(__file__).parent / "requirements.txt").read_text().split():
        package, wanted = line.split("==")
        found = importlib.metadata.version(package).split("+")[0]
        if found != wanted:
            sys.exit(f"{package} {wanted} is needed, {found} is installed")


def main():
    check_versions()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "image" / "cases")
    parser.add_argument("--siblings", action="store_true", help="the cases on every other base of the same kind instead")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    diffusers.logging.set_verbosity(50)
    transformers.logging.set_verbosity(50)
    transformers.logging.disable_progress_bar()
    unknown = set(arguments.cases) - set(case.CASES)
    if unknown:
        sys.exit(f"no such cases: {' '.join(sorted(unknown))}")
    used, failed = {}, []
    for name in arguments.cases or case.CASES:
        try:
            made = case.CASES[name]()
            for one in siblings.of(made) if arguments.siblings else [made]:
                shutil.rmtree(arguments.output / one.id, ignore_errors=True)
                one.write(arguments.output)
                used[one.base.name] = one.base
        except Exception as error:
            failed.append(name)
            print(f"{name}: {type(error).__name__}: {error}")
            if os.environ.get("TRACE"):
                raise
    for name, base in used.items():
        path = arguments.output / "bases" / base.path()
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        certify.names(base)
        base.write(arguments.output / "bases")
    print(f"{len(arguments.cases or case.CASES) - len(failed)} cases, {len(used)} bases, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
