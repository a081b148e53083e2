"""Exceptions, one type for each exit code of the program."""

import re
import signal
from typing import Any, Dict, List, Mapping, Optional, Type

from .events import Kept


class SafemergeWarning(UserWarning):
    """A warning of the program, issued through Python's `warnings`."""


class SafemergeError(Exception):
    """The program failed. `error_class` is stable; docs/troubleshooting.md describes each class."""

    #: The class in brackets at the end of the message on standard error, such as "shape" or "output-exists".
    error_class: str
    #: What is wrong, without the class and the hint.
    message: str
    #: What to do about it, if the program knows.
    hint: Optional[str]
    #: The file that the error is about, if there is one.
    file: Optional[str]
    #: The tensor that the error is about, if there is one.
    tensor: Optional[str]
    #: Names or paths that may have been meant.
    candidates: List[str]
    #: The exit code of the program; negative if a signal ended it.
    exit_code: int
    #: Everything that the program wrote to standard error.
    stderr: str

    def __init__(
        self, message: str, *, error_class: str = "internal", hint: Optional[str] = None, file: Optional[str] = None,
        tensor: Optional[str] = None, candidates: Optional[List[str]] = None, exit_code: int = 4, stderr: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_class = error_class
        self.hint = hint
        self.file = file
        self.tensor = tensor
        self.candidates = candidates or []
        self.exit_code = exit_code
        self.stderr = stderr

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.file, self.tensor) if part and part not in self.message)
        text = f"{place}: {self.message}" if place else self.message
        return f"{text} [{self.error_class}]" + (f"\nhint: {self.hint}" if self.hint else "")


class UsageError(SafemergeError):
    """The arguments contradict each other or have an invalid value (exit code 2)."""


class InputRefused(SafemergeError):
    """An input is malformed, doesn't fit or isn't supported; the same call fails again (exit code 3)."""


class IOFailure(SafemergeError):
    """Reading or writing failed, or memory or disk space ran out; the same call may succeed later (exit code 4)."""


class OutputOccupied(SafemergeError):
    """The output exists, is in use, or holds another unfinished merge (exit code 5)."""


class Interrupted(SafemergeError):
    """A signal ended the program, other than Ctrl-C in this process, which is a `KeyboardInterrupt`."""

    #: The number of the signal, if one is known.
    signal: Optional[int] = None
    #: Partial work that the same call resumes, if there is any.
    kept: Optional[Kept] = None


_TYPES: Dict[int, Type[SafemergeError]] = {2: UsageError, 3: InputRefused, 4: IOFailure, 5: OutputOccupied}
_ERROR_LINE = re.compile(r"^(?:safemerge: )?error: (?P<message>.*) \[(?P<class>[a-z0-9-]+)\]$")
_HINT_LINE = re.compile(r"^  hint: (?P<hint>.*)$")


def from_event(event: Mapping[str, Any], exit_code: int, stderr: str) -> SafemergeError:
    """The exception for an `error` event."""
    return _TYPES.get(event["exit"], SafemergeError)(
        event["message"], error_class=event["class"], hint=event["hint"], file=event["file"], tensor=event["tensor"],
        candidates=event["candidates"], exit_code=exit_code, stderr=stderr)


def from_interruption(event: Mapping[str, Any], exit_code: int, stderr: str) -> Interrupted:
    """The exception for an `interrupted` event."""
    error = _interrupted(event["signal"], exit_code, stderr)
    error.kept = event["kept"]
    if error.kept is not None:
        error.hint = f"partial work is kept in {error.kept['path']}; the same call resumes"
    return error


def from_stderr(exit_code: int, stderr: str) -> SafemergeError:
    """The exception for a program that ended without an event: of its lines on standard error, if there is one."""
    if exit_code < 0:
        return _interrupted(-exit_code, exit_code, stderr)
    lines = stderr.splitlines()
    for number, line in enumerate(lines):
        error = _ERROR_LINE.match(line)
        if error is not None:
            hint = _HINT_LINE.match(lines[number + 1]) if number + 1 < len(lines) else None
            return _TYPES.get(exit_code, SafemergeError)(
                error["message"], error_class=error["class"], hint=hint["hint"] if hint else None, exit_code=exit_code,
                stderr=stderr)
    text = stderr.strip() or f"the program ended with exit code {exit_code} and without a message"
    return _TYPES.get(exit_code, SafemergeError)(text, exit_code=exit_code, stderr=stderr)


def _interrupted(number: Optional[int], exit_code: int, stderr: str) -> Interrupted:
    try:
        name = "a signal" if number is None else signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    error = Interrupted(f"the program was ended by {name}", error_class="interrupted", exit_code=exit_code, stderr=stderr)
    error.signal = number
    return error
