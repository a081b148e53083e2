"""Merges LoRA adapters into safetensors checkpoints. docs/python.md describes this module.

    import safemerge

    result = safemerge.merge("./base", "./my-adapter", "./merged")
    print(result.tensors["merged"]["tensors"], "tensors in", result.seconds, "s")
"""

from ._commands import check, diff, ls, merge
from ._program import program
from .errors import (
    InputRefused, Interrupted, IOFailure, OutputOccupied, SafemergeError, SafemergeWarning, UsageError)
from .options import CheckOptions, DiffOptions, ListOptions, MergeOptions
from .results import CheckResult, Difference, Listing, MergeResult, MergeWarning, Progress

__all__ = [
    "merge", "check", "ls", "diff", "program",
    "MergeResult", "CheckResult", "Listing", "Difference", "Progress", "MergeWarning",
    "MergeOptions", "CheckOptions", "ListOptions", "DiffOptions",
    "SafemergeError", "UsageError", "InputRefused", "IOFailure", "OutputOccupied", "Interrupted", "SafemergeWarning",
]
