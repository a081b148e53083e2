"""Options of the commands, under their names on the command line with underscores; docs/cli.md describes each.

`True` passes a flag, `None` and `False` leave an option at its default, a list repeats it.
"""

import os
from typing import List, Literal, TypedDict, Union

StrPath = Union[str, "os.PathLike[str]"]

DType = Literal[
    "auto", "bfloat16", "float16", "float32", "same", "bf16", "fp16", "f16", "half", "fp32", "f32", "float"]
CombineMethod = Literal[
    "cat", "linear", "ties", "dare_linear", "dare_ties", "magnitude_prune", "svd", "ties_svd", "dare_linear_svd",
    "dare_ties_svd", "magnitude_prune_svd"]


class ResultOptions(TypedDict, total=False):
    """Options that decide the result of a merge, of `merge` and `check`."""

    dtype: DType
    variant: str
    tied: Literal["refuse", "split", "shared"]
    mha_out_proj: Literal["twice", "once"]
    arithmetic: Literal["exact", "peft"]
    round: str
    expert_layout: Literal["rank_major", "grouped_by_expert"]
    fan_in_fan_out: bool
    map: List[str]
    requantize: bool
    qlora: str
    add_tensors: bool
    max_shard_size: str
    single_file: bool
    combine: CombineMethod
    density: float
    majority_sign: Literal["total", "frequency"]
    seed: int
    svd_rank: int
    svd_clamp: float


class MergeOptions(ResultOptions, total=False):
    """Options of `merge`."""

    on_nonfinite: Literal["fail", "warn"]
    include_file: List[str]
    exclude_file: List[str]
    report: StrPath
    model_card: bool
    dry_run: bool
    force: bool
    jobs: int
    memory: str
    reflink: Literal["auto", "always", "never"]
    resume: bool
    break_lock: bool
    checksums: bool
    verify: Literal["none", "read", "full"]


class CheckOptions(ResultOptions, total=False):
    """Options of `check`."""

    data: bool
    checksums: StrPath
    exact: bool
    repair: StrPath
    jobs: int


class ListOptions(TypedDict, total=False):
    """Options of `ls`."""

    base: StrPath
    variant: str
    include: List[str]
    exclude: List[str]
    stats: bool
    hash: Literal["files", "tensors"]
    jobs: int


class DiffOptions(TypedDict, total=False):
    """Options of `diff`."""

    headers_only: bool
    variant: str
    jobs: int
