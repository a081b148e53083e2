"""What the functions return."""

from dataclasses import dataclass, field
from typing import List, Optional

from .events import (
    ChangedConfig, ChangedFile, ChangedMetadata, ChangedTensor, CheckedFile, CheckedTensor, Finding, ListedAdapter,
    ListedFile, ListedModel, Plan, QuantizedWeight, Report, RequantizedTensor, Shard, Sums, Total, Training, Verdict)


@dataclass(frozen=True)
class Progress:
    """How far a merge is; rates and times are estimates."""

    bytes_done: int
    bytes_total: int
    shards_done: int
    shards_total: int
    bytes_per_second: int
    seconds_left: Optional[int]

    @property
    def fraction(self) -> float:
        """From 0 to 1."""
        return self.bytes_done / self.bytes_total if self.bytes_total else 1.0


@dataclass(frozen=True)
class MergeWarning:
    """A warning. `warning_class` is stable; "other" where a warning has no class of its own."""

    warning_class: str
    message: str


@dataclass(frozen=True)
class MergeResult:
    """A merge that is done, or a dry run."""

    #: The merged model; None in a dry run without an output.
    output: Optional[str]
    dry_run: bool
    #: The size of the weight files, and how much of it this run wrote.
    bytes: int
    bytes_written: int
    #: How many tensors were merged, replaced, converted and copied.
    tensors: Sums
    #: How many weight files an interrupted run had finished.
    shards_kept: int
    verify: str
    seconds: float
    peak_memory: int
    plan: Plan
    shards: List[Shard] = field(default_factory=list)
    #: With `requantize`.
    requantized: List[RequantizedTensor] = field(default_factory=list)
    #: With `qlora`.
    training: Optional[Training] = None
    #: With `report`.
    report: Optional[Report] = None
    warnings: List[MergeWarning] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    #: Everything that the program wrote to standard error.
    stderr: str = ""


@dataclass(frozen=True)
class CheckResult:
    """A model, an adapter or a merge that was checked."""

    path: str
    findings: List[Finding]
    notes: List[str]
    files: List[CheckedFile]
    #: With `against`.
    verdict: Optional[Verdict] = None
    #: With `against`: every tensor.
    tensors: List[CheckedTensor] = field(default_factory=list)
    #: With `repair`, where there were findings: the repaired model.
    repaired: Optional["CheckResult"] = None
    warnings: List[MergeWarning] = field(default_factory=list)
    #: Everything that the program wrote to standard error.
    stderr: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing was found, and a comparison with the merge could be made if one was requested."""
        return not self.findings and (self.verdict is None or self.verdict["result"] == "ok")


@dataclass(frozen=True)
class Listing:
    """What is in a file, a model or an adapter."""

    files: List[ListedFile]
    quantized: List[QuantizedWeight]
    adapters: List[ListedAdapter]
    models: List[ListedModel]
    total: Total
    warnings: List[MergeWarning] = field(default_factory=list)
    #: Everything that the program wrote to standard error.
    stderr: str = ""


@dataclass(frozen=True)
class Difference:
    """How two models, adapters or files differ."""

    left: str
    right: str
    #: False with `headers_only`.
    values_compared: bool
    #: None: nothing was found, and values were not compared.
    different: Optional[bool]
    other_files: bool
    #: How many tensors have equal values and other bytes.
    other_bytes: int
    #: How many tensors were compared.
    compared: int
    #: How many of them have another name on the right, or are rows of another tensor.
    respelled: int
    metadata: List[ChangedMetadata]
    config: List[ChangedConfig]
    side_files: List[ChangedFile]
    #: Those that differ.
    tensors: List[ChangedTensor]
    warnings: List[MergeWarning] = field(default_factory=list)
    #: Everything that the program wrote to standard error.
    stderr: str = ""
