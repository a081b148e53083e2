#!/usr/bin/env python3
"""Merges in parts by many processes that are killed at random, and looks at the output all the time.

    check_parts.py PROGRAM [--histories 500] [--seed 1] [--folder DIR [--view DIR ...]] [-v]

A history is: parts of one or several numbers, each run once, twice at once or again later, some of them killed; finishers, too early,
several at once, some of them killed; in some histories parts of another plan (another weight of the adapter) for the same output, in others
a report that all ask for, or some. A watcher lists the output as fast as it can. What must hold:

- the output is absent, or complete with the bytes of a merge by one process, at every moment, and never changes;
- a part ends with 0 or was killed, and a finisher also with 4; with 5 only where another plan has taken the output's name;
- when all parts have ended, one more run of each and one finisher leave the whole output and nothing beside it;
- a report is absent, or that of a merge by one process; if all asked for it, it is there at the end.

Views are mounts of the folder, as several machines see it: each process works in one of them. What it sees may be old, so that a part may
end with 4, and is run again.

Needs no package.
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time


#: How long a view may show what is old.
CACHED_SECONDS = 21


def write(path, tensors):
    """Writes a safetensors file of BF16 or F32 tensors: name, dtype, shape, bytes."""
    entries, data = {}, b""
    for name, dtype, shape, values in tensors:
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    header = json.dumps({"__metadata__": {"format": "pt"}, **entries}).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)


def floats(generator, count, dtype):
    numbers = [generator.uniform(-1, 1) for _ in range(count)]
    if dtype == "F32":
        return struct.pack(f"<{count}f", *numbers)
    return b"".join(struct.pack("<f", number)[2:] for number in numbers)


def make_model(folder, generator, shards=9, size=64):
    """A base of several shards of different sizes, and an adapter for most of its layers."""
    base, adapter = folder / "base", folder / "adapter"
    base.mkdir()
    adapter.mkdir()
    weights, factors = {}, []
    for number in range(shards):
        name = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        tensors = []
        for layer in range(1 + number % 3):
            key = f"model.layers.{number}.part{layer}"
            tensors.append((key + ".weight", "BF16", [size, size], floats(generator, size * size, "BF16")))
            weights[key + ".weight"] = name
            if number % 4 != 3:
                factors += [
                    (f"base_model.model.{key}.lora_A.weight", "F32", [4, size], floats(generator, 4 * size, "F32")),
                    (f"base_model.model.{key}.lora_B.weight", "F32", [size, 4], floats(generator, 4 * size, "F32")),
                ]
        write(base / name, tensors)
    (base / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weights}))
    (base / "config.json").write_text("{}")
    write(adapter / "adapter_model.safetensors", factors)
    (adapter / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8}))


def contents(folder):
    """The checksum of every file below a folder, by name."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Watcher(threading.Thread):
    """Looks at the output until it is stopped, and remembers what was wrong."""

    def __init__(self, output, allowed):
        super().__init__(daemon=True)
        self.output, self.allowed, self.problem, self.first = output, allowed, None, None
        self.stopped = threading.Event()
        self.start()

    def look(self):
        if not self.output.exists():
            if self.first is not None:
                self.problem = "the output went away"
            return
        found = contents(self.output)
        if found not in self.allowed:
            self.problem = f"the output is none of the allowed ones: {sorted(found)}"
        elif self.first not in (None, found):
            self.problem = "the output changed"
        self.first = found

    def run(self):
        while not self.stopped.is_set() and self.problem is None:
            self.look()
            time.sleep(0.002)

    def end(self):
        self.stopped.set()
        self.join()
        if self.problem is None:
            self.look()
        return self.problem


def report_in(path):
    """A report without the path of the output; None if there is none."""
    if not path.exists():
        return None
    report = json.loads(path.read_text())
    del report["output"]
    return report


class History:
    def __init__(self, program, folder, views, number, seed, expected, report):
        self.program, self.folder, self.views, self.expected = program, folder, views, expected
        #: What a merge by one process reports, and who asks for it.
        self.expected_report, self.reporting = report, "none"
        self.random = random.Random(f"{seed} {number}")
        self.output = folder / f"out-{number}"
        self.report = folder / f"report-{number}.json"
        self.running = []
        self.events = []

    def command(self, weight, *arguments):
        return [self.program, "merge", "base", f"adapter={weight}", "-o", self.output.name, "--quiet", *arguments]

    def asked(self):
        """The option of a report, if this process is one that asks for it."""
        asks = self.reporting == "all" or (self.reporting == "some" and self.random.random() < 0.5)
        return ["--report", self.report.name] if asks else []

    def wrong_report(self):
        """What is wrong about the report; None if nothing is."""
        found = report_in(self.report)
        if found is None:
            return "there is no report" if self.reporting == "all" else None
        return None if found == self.expected_report else "the report is another than that of one process"

    def start(self, weight, *arguments):
        arguments = (*arguments, *self.asked())
        process = subprocess.Popen(
            self.command(weight, *arguments), cwd=self.random.choice(self.views), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.running.append((process, weight, arguments))
        self.events.append(" ".join((str(weight), *arguments)))

    def kill_one(self):
        process, weight, arguments = self.random.choice(self.running)
        how = self.random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
        process.send_signal(how)
        self.events.append(f"kill {how} {weight} {' '.join(arguments)}")

    def reap(self, wait=False):
        """Removes processes that ended; returns what is wrong about one of them."""
        for entry in list(self.running):
            process, weight, arguments = entry
            if not wait and process.poll() is None:
                continue
            message = process.communicate()[1].decode()
            self.running.remove(entry)
            if process.returncode in (0, -signal.SIGKILL, -signal.SIGTERM, 143):
                continue
            # Another plan has the output's name.
            if process.returncode == 5 and len(self.weights) > 1 and self.output.exists():
                continue
            # A finisher that is too early, or what a view shows is old.
            if process.returncode == 4 and (arguments[0] == "--finish" or self.views != [self.folder]):
                continue
            return f"{' '.join(arguments)} ended with {process.returncode}: {message.strip()}"
        return None

    def run(self):
        self.weights = [1.0] if self.random.random() < 0.8 else [1.0, 0.5]
        if len(self.weights) == 1:
            self.reporting = self.random.choice(["none", "all", "some"])
        watcher = Watcher(self.output, [self.expected[weight] for weight in self.weights])
        tasks = []
        for weight in self.weights:
            for count in self.random.sample([2, 3, 5, 8, 12], self.random.choice([1, 1, 2])):
                tasks += [(weight, "--part", f"{index}/{count}") for index in range(count)]
            tasks += [(weight, "--finish", "--wait", self.random.choice("00123"))] * self.random.choice([1, 2, 3])
        tasks += self.random.sample(tasks, min(len(tasks), self.random.choice([0, 2, 4])))
        self.random.shuffle(tasks)
        problem = None
        while (tasks or self.running) and problem is None and watcher.problem is None:
            if tasks and len(self.running) < 4 and self.random.random() < 0.7:
                self.start(*tasks.pop())
            if self.running and self.random.random() < 0.12:
                self.kill_one()
            time.sleep(self.random.choice([0, 0.002, 0.01, 0.03]))
            problem = self.reap()
        problem = problem or self.reap(wait=True)
        problem = problem or self.end(watcher) or self.wrong_report()
        problem = watcher.end() or problem
        self.clean()
        return problem

    def again(self, *arguments):
        """One process, and where caches are old some more."""
        arguments = (*arguments, *(["--report", self.report.name] if self.reporting != "none" else []))
        for _ in range(1 if self.views == [self.folder] else CACHED_SECONDS):
            found = subprocess.run(self.command(1.0, *arguments), cwd=self.random.choice(self.views), capture_output=True)
            if found.returncode != 4:
                break
            time.sleep(2)
        return found

    def end(self, watcher):
        """One more run of everything, after which the output must be there."""
        for index in range(3):
            found = self.again("--part", f"{index}/3")
            if found.returncode not in ((0,) if len(self.weights) == 1 else (0, 5)):
                return f"at the end part {index}/3 ended with {found.returncode}: {found.stderr.decode().strip()}"
        found = self.again("--finish", "--wait", "0")
        # A finisher that wanted no report may have removed the records.
        is_lost = self.reporting == "some" and found.returncode == 4 and b"are gone [parts-statistics]" in found.stderr
        if found.returncode not in ((0,) if len(self.weights) == 1 else (0, 5)) and not is_lost:
            return f"at the end --finish ended with {found.returncode}: {found.stderr.decode().strip()}"
        if not self.output.exists():
            return "at the end there is no output"
        left = [path.name for path in self.folder.glob(f".{self.output.name}.*")]
        if left and self.views != [self.folder]:
            # A view may not have shown what another process made last; the next finisher removes it.
            time.sleep(CACHED_SECONDS)
            self.again("--finish", "--wait", "0")
            left = [path.name for path in self.folder.glob(f".{self.output.name}.*")]
        if left and len(self.weights) == 1:
            return f"at the end something is left: {left}"
        return None

    def clean(self):
        for process, _, _ in self.running:
            process.kill()
            process.wait()
        shutil.rmtree(self.output, ignore_errors=True)
        self.report.unlink(missing_ok=True)
        for path in self.folder.glob(f".{self.output.name}.*"):
            shutil.rmtree(path, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", type=os.path.abspath)
    parser.add_argument("--histories", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=pathlib.Path, help="where to work, such as a network file system")
    parser.add_argument("--view", type=pathlib.Path, action="append", default=[], help="a mount of --folder")
    parser.add_argument("-v", action="store_true", help="print every event of a history that fails")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = pathlib.Path(name)
        make_model(folder, random.Random(options.seed))
        expected = {}
        for weight in (1.0, 0.5):
            output = folder / f"expected-{weight}"
            command = [options.program, "merge", "base", f"adapter={weight}", "-o", str(output), "--quiet"]
            subprocess.run([*command, "--report", f"{output.name}.json"], cwd=folder, check=True, stderr=subprocess.DEVNULL)
            expected[weight] = contents(output)
        report = report_in(folder / "expected-1.0.json")
        failed = events = 0
        for number in range(options.histories):
            views = [view / folder.name for view in options.view] or [folder]
            history = History(options.program, folder, views, number, options.seed, expected, report)
            problem = history.run()
            events += len(history.events)
            if problem:
                failed += 1
                print(f"history {number}: {problem}")
                if options.v:
                    print("\n".join("    " + event for event in history.events))
    print(f"{options.histories} histories, {events} processes and kills, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
