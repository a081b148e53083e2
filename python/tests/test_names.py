"""Names agree with the program's parser and with the schema of its events."""

import json
import subprocess
import unittest
from typing import Any, Dict, Set

import safemerge
from safemerge import events
from support import ROOT

# What the functions set themselves, or what is for people; parts of a merge are started by an engine.
DISPLAY = {
    "json", "format", "color", "progress", "quiet", "verbose", "output", "help", "help_all", "version", "adapter", "against",
    "part", "finish", "wait", "base_copies", "results",
    "write_checksums", "tree", "depth", "summary", "shards", "metadata", "raw", "sort", "reverse", "bytes", "exit_code"}


def parser_options() -> Dict[str, Set[str]]:
    """The options of each command."""
    text = subprocess.run(
        [safemerge.program(), "--experimental-dump-help"], capture_output=True, check=True, text=True).stdout
    found: Dict[str, Set[str]] = {}
    for command in json.loads(text)["command"]["subcommands"]:
        names: Set[str] = set()
        for argument in command.get("arguments", []):
            if argument["kind"] != "positional":
                names |= {name["name"] for name in argument["names"] if name["kind"] == "long"}
        found[command["commandName"]] = {name.replace("-", "_") for name in names}
    return found


class OptionTests(unittest.TestCase):
    def test_options_are_those_of_the_parser(self) -> None:
        parsed = parser_options()
        typed: Dict[str, Any] = {
            "merge": safemerge.MergeOptions, "check": safemerge.CheckOptions, "ls": safemerge.ListOptions,
            "diff": safemerge.DiffOptions}
        for command, options in typed.items():
            with self.subTest(command):
                names = {name for name in parsed[command] - DISPLAY if not name.startswith("no_")}
                if command == "diff":
                    # Accepted for 0.1.0, without an effect.
                    names.discard("data")
                self.assertEqual(set(options.__annotations__), names)


class SchemaTests(unittest.TestCase):
    def test_members_are_those_of_the_schema(self) -> None:
        schema = json.loads((ROOT / "docs/json.schema.json").read_text())["$defs"]
        typed: Dict[str, Any] = {
            "sum": events.Sum, "sums": events.Sums, "base": events.PlannedBase, "adapter": events.PlannedAdapter,
            "module": events.PlannedModule, "rule": events.PlannedRule, "file": events.PlannedFile, "plan": events.Plan,
            "shard": events.Shard, "training": events.Training, "report": events.Report, "kept": events.Kept}
        for name, type_ in typed.items():
            with self.subTest(name):
                self.assertEqual(set(type_.__annotations__), set(schema[name]["properties"]) - {"event"})
        tensors = schema["requantized"]["properties"]["tensors"]["items"]["properties"]
        self.assertEqual(set(events.RequantizedTensor.__annotations__), set(tensors))
        progress = set(schema["progress"]["properties"]) - {"event"}
        self.assertEqual(set(safemerge.Progress.__dataclass_fields__), progress)
