"""Ctrl-C, signals and callbacks that raise."""

import os
import pathlib
import signal
import subprocess
import sys
import threading
from typing import List, Tuple
from unittest import mock

import safemerge
from support import FolderTestCase, write_slow_merge

SCRIPT = """
import sys, safemerge
def show(progress):
    if progress.shards_done >= 1:
        print("working", flush=True)
try:
    safemerge.merge(sys.argv[1], sys.argv[2], sys.argv[3], on_progress=show, jobs=1)
except KeyboardInterrupt as error:
    print("notes:", *getattr(error, "__notes__", []), flush=True)
    sys.exit(77)
"""


IGNORING = """
import sys, safemerge
def stop(progress):
    if progress.shards_done >= 1:
        raise EOFError
safemerge.merge(sys.argv[1], sys.argv[2], sys.argv[3], on_progress=stop, jobs=1)
"""


class InterruptionTests(FolderTestCase):
    def setUp(self) -> None:
        super().setUp()
        slow = mock.patch.dict(os.environ, {"SAFEMERGE_SIMD": "portable"})
        slow.start()
        self.addCleanup(slow.stop)
        self.base, self.adapter = write_slow_merge(self.folder)

    def assert_resumes(self) -> None:
        self.assertFalse(self.output.exists())
        del os.environ["SAFEMERGE_SIMD"]
        result = safemerge.merge(self.base, self.adapter, self.output, jobs=1)
        self.assertGreaterEqual(result.shards_kept, 1)
        self.assertLess(result.bytes_written, result.bytes)
        self.assertFalse((self.folder / ".merged.safemerge").exists())

    def interrupt_process(self, to_group: bool) -> Tuple[int, str]:
        child = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, self.base, self.adapter, os.fspath(self.output)], stdout=subprocess.PIPE,
            text=True, start_new_session=True)
        assert child.stdout is not None
        self.assertEqual(child.stdout.readline(), "working\n")
        if to_group:
            os.killpg(child.pid, signal.SIGINT)
        else:
            child.send_signal(signal.SIGINT)
        text, _ = child.communicate(timeout=60)
        return child.returncode, text

    def test_ctrl_c_on_a_terminal(self) -> None:
        code, text = self.interrupt_process(to_group=True)
        self.assertEqual(code, 77)
        if sys.version_info >= (3, 11):
            self.assertIn(".merged.safemerge; the same call resumes", text)
        self.assert_resumes()

    def test_interrupt_of_python_alone(self) -> None:
        self.assertEqual(self.interrupt_process(to_group=False)[0], 77)
        self.assert_resumes()

    def test_stop_where_sigint_is_ignored(self) -> None:
        words = [sys.executable, "-c", IGNORING, self.base, self.adapter, os.fspath(self.output)]
        ran = subprocess.run(
            ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *words], stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertIn("EOFError", ran.stderr)
        self.assert_resumes()

    def test_callback_that_raises_stops_the_merge(self) -> None:
        class Enough(Exception):
            pass

        def stop(progress: safemerge.Progress) -> None:
            if progress.shards_done >= 1:
                raise Enough

        with self.assertRaises(Enough):
            safemerge.merge(self.base, self.adapter, self.output, on_progress=stop, jobs=1)
        self.assert_resumes()

    def test_signal_to_the_program(self) -> None:
        children: List[int] = []

        def end(progress: safemerge.Progress) -> None:
            if progress.shards_done >= 1 and not children:
                children.extend(self.children())
                for child in children:
                    os.kill(child, signal.SIGTERM)

        with self.assertRaises(safemerge.Interrupted) as caught:
            safemerge.merge(self.base, self.adapter, self.output, on_progress=end, jobs=1)
        self.assertEqual(caught.exception.signal, signal.SIGTERM)
        assert caught.exception.kept is not None
        self.assertGreaterEqual(caught.exception.kept["shards"], 1)
        self.assert_resumes()

    def test_merge_in_a_thread(self) -> None:
        results: List[safemerge.MergeResult] = []
        del os.environ["SAFEMERGE_SIMD"]
        thread = threading.Thread(
            target=lambda: results.append(safemerge.merge(self.base, self.adapter, self.output)))
        thread.start()
        thread.join()
        self.assertEqual(results[0].tensors["merged"]["tensors"], 10)

    def children(self) -> List[int]:
        """The programs that this process runs, by /proc."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == os.getpid():
                found.append(int(entry.name))
        return found
