"""The program as a command and as `python -m safemerge`."""

import os
import signal
import subprocess
import sys

import safemerge
from support import ADAPTER, BASE, FolderTestCase, write_slow_merge


class CommandLineTests(FolderTestCase):
    def test_module_runs_the_program(self) -> None:
        words = [sys.executable, "-m", "safemerge"]
        version = subprocess.run([*words, "--version"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(
            version, subprocess.run([safemerge.program(), "--version"], capture_output=True, text=True).stdout)
        merge = subprocess.run([*words, "merge", "--quiet", BASE, ADAPTER, "--output", self.output])
        self.assertEqual(merge.returncode, 0)
        again = subprocess.run([*words, "merge", "--quiet", BASE, ADAPTER, "--output", self.output], stderr=subprocess.DEVNULL)
        self.assertEqual(again.returncode, 5)

    def test_signals_reach_the_program(self) -> None:
        base, adapter = write_slow_merge(self.folder)
        child = subprocess.Popen(
            [sys.executable, "-m", "safemerge", "merge", "--json", "--progress=always", "--jobs=1", base, adapter, "--output",
             os.fspath(self.output)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "SAFEMERGE_SIMD": "portable"})
        assert child.stdout is not None
        for line in child.stdout:
            if '"event":"progress"' in line:
                break
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
        self.assertEqual(child.returncode, -signal.SIGINT)
