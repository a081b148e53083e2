"""What the program reports as JSON. docs/json.md describes the members, docs/json.schema.json is the schema."""

from typing import Dict, List, Optional, TypedDict


class Sum(TypedDict):
    """A number of tensors, and their bytes in the result."""

    tensors: int
    bytes: int


class Sums(TypedDict):
    """The tensors of a result by what is done to them."""

    merged: Sum
    replaced: Sum
    converted: Sum
    copied: Sum


class PlannedBase(TypedDict):
    """The base of a plan; `architecture` is that of an image or video model."""

    path: str
    shards: int
    tensors: int
    bytes: int
    architecture: Optional[str]


class PartWeight(TypedDict):
    """The weight that an adapter has in one part of an image model."""

    part: str
    weight: float


class _PlannedAdapter(TypedDict):
    path: str
    weight: float
    modules: int
    tensors: int
    base_model: Optional[str]
    dialect: Optional[str]


class PlannedAdapter(_PlannedAdapter, total=False):
    """An adapter of a plan; `dialect` is that of an adapter that is one file, `part_weights` are there if parts have weights of their own."""

    part_weights: List[PartWeight]


class PlannedModule(TypedDict):
    """A module of an adapter, and the tensors of the base that it changes."""

    name: str
    adapter: int
    rank: Optional[int]
    alpha: Optional[float]
    scaling: Optional[float]
    targets: List[str]
    rule: Optional[str]


class PlannedRule(TypedDict):
    """A rule by which names were found, and how many names."""

    rule: str
    names: int


class PlannedFile(TypedDict):
    """A weight file of the result."""

    name: str
    bytes: int


class SkippedFile(TypedDict):
    """A file of the base's folder that is not copied."""

    name: str
    reason: str


class Plan(TypedDict):
    """What a merge does, before anything is written."""

    dry_run: bool
    output: Optional[str]
    base: PlannedBase
    adapters: List[PlannedAdapter]
    modules: List[PlannedModule]
    tensors: Sums
    rules: List[PlannedRule]
    files: List[PlannedFile]
    side_files: int
    left_out: List[SkippedFile]
    bytes: int
    memory: int
    workers: int
    ordered_tensors: int
    lapack: Optional[str]


class Shard(TypedDict):
    """A finished weight file. `kept` says that an earlier run wrote it."""

    file: str
    bytes: int
    sha256: Optional[str]
    kept: bool


class RequantizedTensor(TypedDict):
    """The outcome of requantizing a weight."""

    name: str
    elements: int
    error: Optional[float]
    delta_norm: float
    changed_codes: int
    half_steps: int
    vanishes: bool


class TrainingTensor(TypedDict):
    """The effect of quantization in training on a weight."""

    name: str
    training_norm: float
    delta_norm: float
    ratio: Optional[float]


class Training(TypedDict):
    """The effect of quantization in training on all merged weights."""

    ratio: Optional[float]
    tensors: List[TrainingTensor]


class Report(TypedDict):
    """A report that was written."""

    path: str
    tensors: int
    delta_to_base: Optional[float]
    rounding_loss: Optional[float]
    advice: List[str]


class Kept(TypedDict):
    """Partial work of a merge that was interrupted."""

    path: str
    shards: int
    shards_total: int
    partial_bytes: int


Finding = TypedDict("Finding", {"class": str, "file": Optional[str], "tensor": Optional[str], "message": str})
Finding.__doc__ = "Something wrong with a model, an adapter or a merge."


class CheckedFile(TypedDict):
    """A weight file that was checked."""

    path: str
    tensors: int
    bytes: int


class Verdict(TypedDict):
    """The comparison of a result with the merge that made it."""

    result: str
    merged: int
    matching: int
    not_checked: int
    copied: int
    copied_matching: int
    largest_error_ulp: Optional[float]


class _CheckedTensor(TypedDict):
    name: str
    file: str
    dtype: str
    shape: List[int]
    merged: bool
    verdict: str
    fault: Optional[str]


class CheckedTensor(_CheckedTensor, total=False):
    """A tensor of a result; figures are there if it was computed again."""

    elements: int
    not_exact_rounded: int
    beyond_bound: int
    beyond_one_ulp: int
    other_bits: int
    cancelled: int
    error_ulp: float


class Statistics(TypedDict):
    """The values of a tensor; of an empty one, minimum, maximum, mean and rms are null."""

    min: Optional[float]
    max: Optional[float]
    mean: Optional[float]
    rms: Optional[float]
    zeros: int
    nan: int
    inf: int


class _ListedTensor(TypedDict):
    name: str
    dtype: str
    shape: List[int]
    data_offsets: List[int]
    file_offset: int


class ListedTensor(_ListedTensor, total=False):
    """A tensor as it is stored; `statistics` and `sha256` are there if they were requested."""

    statistics: Statistics
    sha256: str


class _ListedFile(TypedDict):
    path: str
    header_bytes: int
    metadata: Optional[Dict[str, str]]
    tensors: List[ListedTensor]


class ListedFile(_ListedFile, total=False):
    """A safetensors file; `sha256` is there if it was requested."""

    sha256: str


class QuantizedWeight(TypedDict):
    """A quantized weight; `parts` are its tensors, the codes first."""

    name: str
    format: str
    shape: Optional[List[int]]
    parameters: int
    bytes: int
    parts: List[str]


class _ListedModule(TypedDict):
    module: str
    rank: Optional[int]
    alpha: Optional[float]
    scaling: Optional[float]


class ListedModule(_ListedModule, total=False):
    """A module of an adapter; `base_tensors` are there if a base was given."""

    base_tensors: List[str]


class ListedAdapter(TypedDict):
    """An adapter and its modules."""

    path: str
    peft_type: str
    base_model_name_or_path: Optional[str]
    modules: List[ListedModule]


class Total(TypedDict):
    """Totals of the listed tensors."""

    tensors: int
    parameters: int
    bytes: int
    bits_per_weight: Optional[float]


class _ListedModel(TypedDict):
    path: str
    parameters: int
    bits_per_weight: Optional[float]
    weight_bytes: int


class ListedModel(_ListedModel, total=False):
    """Totals of a model; of a mixture of experts also what is active for one token."""

    active_parameters: int
    experts: int
    experts_per_token: int


class ChangedMetadata(TypedDict):
    """A metadata entry that differs."""

    key: str
    left: Optional[str]
    right: Optional[str]


class ChangedConfig(TypedDict):
    """A member of a configuration that differs, as JSON text."""

    file: str
    key: str
    left: Optional[str]
    right: Optional[str]


class ChangedFile(TypedDict):
    """Another file that differs; `only` is "left" or "right" where one side alone has it."""

    name: str
    only: Optional[str]


class TensorType(TypedDict):
    """What is compared on one side: a tensor, or rows of it (`[first, end]` of each range), with rows and columns exchanged if `transposed`."""

    name: str
    dtype: str
    shape: List[int]
    rows: Optional[List[List[int]]]
    transposed: bool


class _ChangedTensor(TypedDict):
    name: str
    left: Optional[TensorType]
    right: Optional[TensorType]


class ChangedTensor(_ChangedTensor, total=False):
    """A tensor that differs; figures are there if values were compared."""

    elements: int
    changed: int
    largest: Optional[float]
    relative_norm: Optional[float]
