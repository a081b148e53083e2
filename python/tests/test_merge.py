"""Merges of the repository's fixtures."""

import hashlib
import json
import os
import warnings
from typing import List

import safemerge
from support import ADAPTER, BASE, FIXTURES, MERGED, FolderTestCase


class MergeTests(FolderTestCase):
    def test_result_has_the_bytes_of_peft(self) -> None:
        result = safemerge.merge(BASE, ADAPTER, self.output)
        self.assertEqual(result.output, os.fspath(self.output))
        self.assertFalse(result.dry_run)
        self.assertEqual(result.tensors["merged"]["tensors"], 14)
        self.assertEqual(result.tensors["copied"]["tensors"], 7)
        self.assertEqual(len(result.plan["modules"]), 14)
        self.assertEqual([shard["file"] for shard in result.shards], ["model.safetensors"])
        self.assertIsNone(result.shards[0]["sha256"])
        self.assertEqual(result.bytes, (self.output / "model.safetensors").stat().st_size)
        difference = safemerge.diff(self.output, MERGED)
        self.assertIs(difference.different, False)
        self.assertEqual((difference.compared, difference.tensors), (21, []))

    def test_checksums_and_report(self) -> None:
        report = self.folder / "report.json"
        result = safemerge.merge(BASE, [ADAPTER], self.output, checksums=True, verify="read", report=report, jobs=1)
        digest = hashlib.sha256((self.output / "model.safetensors").read_bytes()).hexdigest()
        self.assertEqual(result.shards[0]["sha256"], digest)
        self.assertEqual(result.verify, "read")
        assert result.report is not None
        self.assertEqual(result.report["path"], os.fspath(report))
        self.assertEqual(len(json.loads(report.read_text())["tensors"]), 14)

    def test_weights_of_adapters(self) -> None:
        result = safemerge.merge(BASE, [(ADAPTER, 0.5)], self.output)
        self.assertEqual([adapter["weight"] for adapter in result.plan["adapters"]], [0.5])
        self.assertEqual({module["scaling"] for module in result.plan["modules"]}, {0.875})
        checked = safemerge.check(self.output, against=BASE, adapters=(ADAPTER,))
        self.assertTrue(checked.ok, checked.findings)

    def test_dry_run_writes_nothing(self) -> None:
        result = safemerge.merge(BASE, ADAPTER, dry_run=True)
        self.assertTrue(result.dry_run)
        self.assertIsNone(result.output)
        self.assertEqual(result.bytes_written, 0)
        self.assertEqual(os.listdir(self.folder), [])

    def test_options_have_their_values_and_lists_repeat(self) -> None:
        result = safemerge.merge(
            BASE, ADAPTER, self.output, dtype="float32", include_file=["README.md"], exclude_file=["chat_*", "generation*"],
            resume=False, force=False, fan_in_fan_out=False)
        listing = safemerge.ls(self.output)
        self.assertEqual(
            {tensor["dtype"] for tensor in listing.files[0]["tensors"] if "self_attn" in tensor["name"]}, {"F32"})
        self.assertTrue((self.output / "README.md").exists())
        self.assertFalse((self.output / "chat_template.jinja").exists())
        self.assertIn("generation_config.json", [file["name"] for file in result.plan["left_out"]])

    def test_names_that_look_like_options_or_weights(self) -> None:
        for name in ["-x", "a=1", "ö ß"]:
            base = self.folder / name
            base.symlink_to(BASE)
            here = os.getcwd()
            os.chdir(self.folder)
            try:
                result = safemerge.merge(name, ADAPTER, f"out{name}")
            finally:
                os.chdir(here)
            self.assertEqual(result.plan["base"]["path"], name)

    def test_progress_ends_at_one(self) -> None:
        seen: List[safemerge.Progress] = []
        safemerge.merge(BASE, ADAPTER, self.output, on_progress=seen.append)
        self.assertTrue(seen)
        self.assertEqual(seen[-1].fraction, 1)
        self.assertEqual(seen[-1].bytes_done, seen[-1].bytes_total)

    def test_warnings_are_issued_at_the_call_and_kept_in_the_result(self) -> None:
        with warnings.catch_warnings(record=True) as issued:
            warnings.simplefilter("always")
            result = safemerge.merge(BASE, [ADAPTER, ADAPTER], self.output)
        self.assertEqual([warning.warning_class for warning in result.warnings], ["repeated-adapter"])
        self.assertEqual([type(warning.message) for warning in issued], [safemerge.SafemergeWarning])
        self.assertEqual(issued[0].filename, __file__)
        self.assertIn("warning:", result.stderr)

    def test_warning_as_an_error_stops_the_merge(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with self.assertRaises(safemerge.SafemergeWarning):
                safemerge.merge(BASE, [ADAPTER, ADAPTER], self.output)

    def test_requantized_weights(self) -> None:
        case = FIXTURES / "written-back/block"
        result = safemerge.merge(case / "base", case / "adapter", self.output, requantize=True)
        self.assertTrue(result.requantized)
        self.assertGreater(result.requantized[0]["elements"], 0)

    def test_quantization_as_in_training(self) -> None:
        case = FIXTURES / "qlora/plain"
        result = safemerge.merge(case / "base", case / "adapter", self.output, qlora="nf4")
        assert result.training is not None
        self.assertTrue(result.training["tensors"])


class CheckTests(FolderTestCase):
    def test_findings_are_a_result(self) -> None:
        checked = safemerge.check(MERGED, against=BASE, adapters=[ADAPTER])
        self.assertTrue(checked.ok)
        assert checked.verdict is not None
        self.assertEqual((checked.verdict["result"], checked.verdict["matching"]), ("ok", 14))
        unmerged = safemerge.check(BASE, against=BASE, adapters=[ADAPTER])
        self.assertFalse(unmerged.ok)
        self.assertIn("base-unchanged", [finding["class"] for finding in unmerged.findings])

    def test_repair(self) -> None:
        checked = safemerge.check(BASE, against=BASE, adapters=[ADAPTER], repair=self.output)
        self.assertFalse(checked.ok)
        assert checked.repaired is not None
        self.assertTrue(checked.repaired.ok, checked.repaired.findings)
        self.assertEqual(checked.repaired.path, os.fspath(self.output))

    def test_damaged_file(self) -> None:
        damaged = self.folder / "model.safetensors"
        damaged.write_bytes((BASE / "model.safetensors").read_bytes()[:30000])
        checked = safemerge.check(damaged)
        self.assertEqual([finding["class"] for finding in checked.findings], ["truncated"])


class ListTests(FolderTestCase):
    def test_model(self) -> None:
        listing = safemerge.ls(BASE, include=["*.norm.*"], stats=True, hash="tensors")
        self.assertEqual(listing.total["tensors"], 1)
        tensor = listing.files[0]["tensors"][0]
        self.assertEqual((tensor["name"], tensor["dtype"], tensor["shape"]), ("model.norm.weight", "BF16", [36]))
        self.assertEqual(tensor["statistics"]["nan"], 0)
        self.assertEqual(len(tensor["sha256"]), 64)
        self.assertEqual(listing.models[0]["weight_bytes"], 45432)

    def test_glob_that_matches_nothing(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            listing = safemerge.ls(BASE, include=["*none*"])
        self.assertEqual(listing.total["tensors"], 0)

    def test_adapter(self) -> None:
        adapter = safemerge.ls(ADAPTER, base=BASE).adapters[0]
        self.assertEqual(adapter["peft_type"], "LORA")
        self.assertEqual(len(adapter["modules"]), 14)
        self.assertEqual(adapter["modules"][0]["rank"], 4)
        self.assertEqual(len(adapter["modules"][0]["base_tensors"]), 1)


class DiffTests(FolderTestCase):
    def test_changed_tensors(self) -> None:
        difference = safemerge.diff(BASE, MERGED)
        self.assertIs(difference.different, True)
        self.assertEqual(len(difference.tensors), 14)
        self.assertGreater(difference.tensors[0]["changed"], 0)

    def test_headers_alone_leave_it_open(self) -> None:
        difference = safemerge.diff(BASE, MERGED, headers_only=True)
        self.assertFalse(difference.values_compared)
        self.assertIsNone(difference.different)
