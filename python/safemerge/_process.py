"""Runs the program and reads what it writes."""

import json
import signal
import subprocess
import threading
from dataclasses import dataclass
from typing import IO, Any, Callable, Dict, List, Optional, Sequence

from ._program import program

Event = Dict[str, Any]


@dataclass(frozen=True)
class Ending:
    """How the program ended."""

    exit_code: int
    stderr: str


class _Stderr(threading.Thread):
    """Collects standard error while another thread reads standard output, so that neither pipe fills up."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(name="safemerge-stderr", daemon=True)
        self._stream = stream
        self._pieces: List[bytes] = []

    def run(self) -> None:
        for piece in iter(lambda: self._stream.read(4096), b""):
            self._pieces.append(piece)

    @property
    def text(self) -> str:
        return b"".join(self._pieces).decode("utf-8", "replace")


def run(arguments: Sequence[str], receive: Callable[[Event], None]) -> Ending:
    """Runs the program, and calls `receive` with each line of JSON that it writes to standard output.

    If this is left by an exception, such as Ctrl-C or one of `receive`, the program is asked to stop and has ended
    before the exception leaves here: a merge keeps its finished work.
    """
    # In a session of its own, Ctrl-C on the terminal reaches Python alone, which asks the program once. Reached by both,
    # the program would take the second request for an order to end at once.
    child = subprocess.Popen(
        [program(), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True)
    assert child.stdout is not None and child.stderr is not None
    collected = _Stderr(child.stderr)
    try:
        collected.start()
        for line in child.stdout:
            receive(json.loads(line))
        child.wait()
    except BaseException as error:
        kept = _stop(child, child.stdout)
        if kept is not None and hasattr(error, "add_note"):
            error.add_note(f"safemerge: partial work is kept in {kept}; the same call resumes")
        raise
    finally:
        collected.join()
        child.stdout.close()
        child.stderr.close()
    return Ending(child.returncode, collected.text)


def _stop(child: "subprocess.Popen[bytes]", stdout: IO[bytes]) -> Optional[str]:
    """Asks the program to stop, as Ctrl-C does, and waits; each further Ctrl-C asks again.

    Returns where the program keeps partial work, if it says so.
    """
    kept: Optional[str] = None
    # A program started where SIGINT is ignored, such as by nohup, ignores it too.
    request = signal.SIGTERM if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else signal.SIGINT
    child.send_signal(request)
    while True:
        try:
            for line in stdout:
                kept = _kept(line) or kept
            child.wait()
            return kept
        except KeyboardInterrupt:
            child.send_signal(request)


def _kept(line: bytes) -> Optional[str]:
    # The exception may have torn a line apart.
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or event.get("event") != "interrupted" or not event["kept"]:
        return None
    return str(event["kept"]["path"])
