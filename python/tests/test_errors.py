"""What is raised, and what it says."""

import os
import pickle
from unittest import mock

import safemerge
from safemerge import errors
from support import ADAPTER, BASE, FIXTURES, FolderTestCase


class ErrorTests(FolderTestCase):
    def test_usage(self) -> None:
        with self.assertRaises(safemerge.UsageError) as caught:
            safemerge.merge(BASE, ADAPTER, self.output, jobs=0)
        self.assertEqual((caught.exception.error_class, caught.exception.exit_code), ("usage", 2))
        self.assertIn("--jobs", caught.exception.message)

    def test_input_that_is_refused(self) -> None:
        base = FIXTURES / "bases/gpt2-bf16"
        with self.assertRaises(safemerge.InputRefused) as caught:
            safemerge.merge(base, ADAPTER, self.output)
        error = caught.exception
        self.assertEqual((error.error_class, error.exit_code), ("no-target", 3))
        assert error.file is not None and error.tensor is not None
        self.assertTrue(error.file.startswith(os.fspath(ADAPTER)))
        self.assertIn("lora_A", error.tensor)
        self.assertIn("[no-target]", str(error))
        self.assertIn("[no-target]", error.stderr)
        self.assertFalse(self.output.exists())

    def test_hint(self) -> None:
        with self.assertRaises(safemerge.InputRefused) as caught:
            safemerge.merge(ADAPTER, BASE, self.output)
        self.assertIsNotNone(caught.exception.hint)
        self.assertIn("\nhint: ", str(caught.exception))

    def test_path_that_does_not_exist(self) -> None:
        with self.assertRaises(safemerge.IOFailure) as caught:
            safemerge.merge(self.folder / "none", ADAPTER, self.output)
        self.assertEqual((caught.exception.error_class, caught.exception.exit_code), ("not-found", 4))

    def test_output_that_exists(self) -> None:
        self.output.mkdir()
        (self.output / "notes.txt").touch()
        with self.assertRaises(safemerge.OutputOccupied) as caught:
            safemerge.merge(BASE, ADAPTER, self.output)
        self.assertEqual((caught.exception.error_class, caught.exception.exit_code), ("output-exists", 5))

    def test_other_commands(self) -> None:
        (self.folder / "bad.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
        with self.assertRaises(safemerge.InputRefused):
            safemerge.ls(self.folder / "bad.safetensors")
        with self.assertRaises(safemerge.IOFailure) as caught:
            safemerge.ls(self.folder / "none")
        self.assertEqual(caught.exception.error_class, "not-found")
        with self.assertRaises(safemerge.IOFailure):
            safemerge.diff(BASE, self.folder / "none")
        with self.assertRaises(safemerge.IOFailure):
            safemerge.check(self.folder / "none")
        with self.assertRaises(safemerge.UsageError):
            safemerge.check(BASE, adapters=[ADAPTER])

    def test_unknown_keyword(self) -> None:
        with self.assertRaisesRegex(TypeError, r"merge\(\) got an unexpected keyword argument 'volume'"):
            safemerge.merge(BASE, ADAPTER, self.output, volume=1)  # type: ignore[call-arg]

    def test_program_that_is_not_there(self) -> None:
        with mock.patch.dict(os.environ, {"SAFEMERGE_PROGRAM": os.fspath(self.folder / "none")}):
            with self.assertRaisesRegex(FileNotFoundError, "SAFEMERGE_PROGRAM"):
                safemerge.ls(BASE)

    def test_program_that_ends_without_an_event(self) -> None:
        error = errors.from_stderr(4, "error: a file was truncated while it was read [changed]\n  hint: try again\n")
        self.assertIsInstance(error, safemerge.IOFailure)
        self.assertEqual((error.error_class, error.hint), ("changed", "try again"))
        killed = errors.from_stderr(-9, "")
        assert isinstance(killed, safemerge.Interrupted)
        self.assertEqual((killed.signal, killed.message), (9, "the program was ended by SIGKILL"))
        self.assertEqual(errors.from_stderr(70, "Segmentation fault\n").message, "Segmentation fault")

    def test_errors_go_between_processes(self) -> None:
        error = safemerge.InputRefused("a message", error_class="shape", hint="do this", file="f", exit_code=3)
        copy = pickle.loads(pickle.dumps(error))
        self.assertEqual((type(copy), str(copy)), (safemerge.InputRefused, str(error)))
