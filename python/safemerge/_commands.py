"""The functions for the program's commands."""

import os
import warnings as python_warnings
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional

from . import errors
from ._arguments import Adapter, Adapters, adapter_arguments, arguments
from ._process import Ending, Event, run
from .options import CheckOptions, DiffOptions, ListOptions, MergeOptions, StrPath
from .results import CheckResult, Difference, Listing, MergeResult, MergeWarning, Progress

if TYPE_CHECKING:
    from typing_extensions import Unpack

# From the function that issues a warning to the caller of the public one: receive, run, _run, the public function.
_STACK_LEVEL = 5
_WARNING = "warning: "


class _Received:
    """What the program has written so far."""

    def __init__(self, on_progress: Optional[Callable[[Progress], None]] = None) -> None:
        self.on_progress = on_progress
        self.warnings: List[MergeWarning] = []
        self.notes: List[str] = []
        self.shards: List[Any] = []
        #: The latest event of each other kind, without the member `event`.
        self.events: Dict[str, Any] = {}
        self.errors: List[Event] = []
        #: The document of a command that writes one.
        self.document: Optional[Dict[str, Any]] = None

    def receive(self, event: Event) -> None:
        kind = event.pop("event", None)
        if kind is None:
            self.document = event
        elif kind == "progress":
            if self.on_progress is not None:
                self.on_progress(Progress(**{name: event[name] for name in Progress.__dataclass_fields__}))
        elif kind == "warning":
            self.warnings.append(MergeWarning(event["class"], event["message"]))
            python_warnings.warn(event["message"], errors.SafemergeWarning, stacklevel=_STACK_LEVEL)
        elif kind == "note":
            self.notes.append(event["message"])
        elif kind == "shard":
            self.shards.append(event)
        elif kind == "error":
            self.errors.append(event)
        else:
            self.events[kind] = event


def _run(words: List[str], received: _Received) -> Ending:
    """Runs the program; raises what it reports as an error or an interruption."""
    ending = run(words, received.receive)
    if received.errors:
        raise errors.from_event(received.errors[0], ending.exit_code, ending.stderr)
    if "interrupted" in received.events:
        raise errors.from_interruption(received.events["interrupted"], ending.exit_code, ending.stderr)
    return ending


def merge(
    base: Optional[StrPath], adapters: Adapters, output: Optional[StrPath] = None, *,
    on_progress: Optional[Callable[[Progress], None]] = None, **options: "Unpack[MergeOptions]",
) -> MergeResult:
    """Merges adapters into a base model.

    - `base`: a folder, a safetensors file or a model in the Hugging Face cache; None if the adapters name it.
    - `adapters`: one adapter or several, each a path or a pair of path and weight.
    - `output`: the new folder or file; may be left out with `dry_run=True`.
    - `on_progress`: called about ten times a second, and at the end. If it raises, the merge stops as by Ctrl-C.

    Ctrl-C stops the program, waits for it, and raises `KeyboardInterrupt`. Finished work is kept, and the same call
    resumes it. Other failures raise a `SafemergeError`. Warnings are issued as `SafemergeWarning`.
    """
    words = ["merge", "--json", f"--progress={'never' if on_progress is None else 'always'}"]
    if output is not None:
        words.append(f"--output={os.fspath(output)}")
    words += arguments(options, MergeOptions.__annotations__, "merge")
    words += ["--", *([] if base is None else [os.fspath(base)]), *adapter_arguments(adapters)]
    received = _Received(on_progress)
    ending = _run(words, received)
    events = received.events
    if ending.exit_code != 0 or "done" not in events:
        raise errors.from_stderr(ending.exit_code, ending.stderr)
    done = events["done"]
    if on_progress is not None and not done["dry_run"]:
        shards = len(events["plan"]["files"])
        rate = int(done["bytes_written"] / done["seconds"]) if done["seconds"] else 0
        on_progress(Progress(done["bytes"], done["bytes"], shards, shards, rate, 0))
    return MergeResult(
        output=done["output"], dry_run=done["dry_run"], bytes=done["bytes"], bytes_written=done["bytes_written"],
        tensors=done["tensors"], shards_kept=done["shards_kept"], verify=done["verify"], seconds=done["seconds"],
        peak_memory=done["peak_memory"], plan=events["plan"], shards=received.shards,
        requantized=events["requantized"]["tensors"] if "requantized" in events else [],
        training=events.get("training"), report=events.get("report"), warnings=received.warnings,
        notes=received.notes, stderr=ending.stderr)


def _document(words: List[str], received: _Received, *codes: int) -> Ending:
    """Runs a command that writes one document, and ends with one of the codes if it could."""
    ending = _run(words, received)
    for line in ending.stderr.splitlines():
        if line.startswith(_WARNING):
            message = line[len(_WARNING):]
            received.warnings.append(MergeWarning("other", message))
            # From here to the caller of the public function.
            python_warnings.warn(message, errors.SafemergeWarning, stacklevel=3)
    if received.document is None or ending.exit_code not in codes:
        raise errors.from_stderr(ending.exit_code, ending.stderr)
    return ending


def check(
    path: StrPath, *, against: Optional[StrPath] = None, adapters: Optional[Adapters] = None,
    **options: "Unpack[CheckOptions]",
) -> CheckResult:
    """Checks a model, an adapter or a merge; findings are in the result and raise nothing.

    - `against`: the base; the merge of `adapters` into it is computed again and compared with every tensor.
    - `adapters`: the merged adapters, as for `merge`.
    """
    words = ["check", "--json", *arguments(options, CheckOptions.__annotations__, "check")]
    if against is not None:
        words.append(f"--against={os.fspath(against)}")
    words += [f"--adapter={adapter}" for adapter in adapter_arguments([] if adapters is None else adapters)]
    received = _Received()
    ending = _document([*words, "--", os.fspath(path)], received, 0, 3)
    assert received.document is not None
    results = [
        CheckResult(
            path=found["path"], findings=found["findings"], notes=found["notes"], files=found["files"],
            verdict=found.get("verdict"), tensors=found.get("tensors", []), warnings=received.warnings,
            stderr=ending.stderr)
        for found in received.document["results"]]
    if not results:
        raise errors.from_stderr(ending.exit_code, ending.stderr)
    if len(results) > 1:
        object.__setattr__(results[0], "repaired", results[1])
    return results[0]


def ls(path: StrPath, **options: "Unpack[ListOptions]") -> Listing:
    """Lists what is in a safetensors file, a model or an adapter; reads headers unless `stats` or `hash` is given."""
    words = ["ls", "--json", *arguments(options, ListOptions.__annotations__, "ls"), "--", os.fspath(path)]
    received = _Received()
    # 1: the globs match nothing, and a warning says so.
    ending = _document(words, received, 0, 1)
    assert received.document is not None
    document = received.document
    return Listing(
        files=document["files"], quantized=document.get("quantized", []), adapters=document.get("adapters", []),
        models=document.get("models", []), total=document["total"], warnings=received.warnings, stderr=ending.stderr)


def diff(left: StrPath, right: StrPath, **options: "Unpack[DiffOptions]") -> Difference:
    """Compares two models, adapters or files."""
    words = ["diff", "--json", *arguments(options, DiffOptions.__annotations__, "diff")]
    received = _Received()
    ending = _document([*words, "--", os.fspath(left), os.fspath(right)], received, 0)
    assert received.document is not None
    document = received.document
    names = (
        "left", "right", "values_compared", "different", "other_files", "other_bytes", "compared", "respelled",
        "metadata", "config", "side_files", "tensors")
    return Difference(
        **{name: document[name] for name in names}, warnings=received.warnings, stderr=ending.stderr)
