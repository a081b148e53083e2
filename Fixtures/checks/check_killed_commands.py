#!/usr/bin/env python3
"""Kills the commands that write adapters at random moments, and runs them again.

    check_killed_commands.py PROGRAM [--rounds 200] [--seed 1] [--folder DIR] [-v]

A round is one of extract, resize, convert and combine, with a random number of threads, into a free name or (with --force) in place of
an adapter that is there. It is ended once or several times, each after a random part of the time that it needs: most by SIGKILL, some
by SIGTERM or SIGINT. Then it is run to the end, or its work is removed by `safemerge clean`. What must hold:

- after each kill the output is absent, what was there before, or complete with the bytes of a run that was never killed;
- SIGTERM and SIGINT end it within ten seconds, with 143 and 130;
- a run to the end exits with 0 and leaves the bytes of a run that was never killed, and nothing beside the output;
- after `clean --yes` nothing is left beside what has the output's name;
- the inputs keep their bytes.

Needs no package.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from check_parts import contents, write

FIXTURES = pathlib.Path(__file__).resolve().parent.parent
STATUS = {signal.SIGKILL: (-9,), signal.SIGTERM: (-15, 143), signal.SIGINT: (-2, 130)}


def floats(generator, count, dtype):
    """Finite numbers of both signs below 1."""
    size = {"F32": 4, "BF16": 2}[dtype]
    data = bytearray(generator.randbytes(count * size))
    data[size - 1 :: size] = bytes(0xBC | byte & 0x81 for byte in data[size - 1 :: size])
    return bytes(data)


def make_adapter(folder, generator, modules, rank):
    folder.mkdir()
    factors = []
    for name, rows, columns in modules:
        for factor, shape in (("A", [rank, columns]), ("B", [rows, rank])):
            values = floats(generator, shape[0] * shape[1], "F32")
            factors.append((f"base_model.model.{name}.lora_{factor}.weight", "F32", shape, values))
    write(folder / "adapter_model.safetensors", factors)
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": rank / 4, "target_modules": ["up_proj", "down_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))


def make_inputs(program, folder, generator, layers=24):
    """A base of several files, a tuned model, two adapters that are folders, and one that is a file."""
    base = folder / "base"
    base.mkdir()
    modules, weights = [], {}
    for layer in range(layers):
        name = f"model-{layer + 1:05}-of-{layers:05}.safetensors"
        tensors = []
        # Shorter sides below and above 256 are decomposed in two ways.
        for part, rows, columns in (("up_proj", 640, 288), ("down_proj", 192, 640)):
            module = f"model.layers.{layer}.mlp.{part}"
            modules.append((module, rows, columns))
            tensors.append((module + ".weight", "BF16", [rows, columns], floats(generator, rows * columns, "BF16")))
            weights[module + ".weight"] = name
        write(base / name, tensors)
    (base / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weights}))
    (base / "config.json").write_text("{}")
    for name in ("one", "other"):
        make_adapter(folder / name, generator, modules, 24)
    subprocess.run([program, "merge", "-q", "base", "one", "-o", "tuned"], cwd=folder, check=True)
    image = FIXTURES / "image" / "cases"
    shutil.copytree(image / "bases" / "flux-folder", folder / "flux")
    shutil.copy(image / "flux-kohya-folder" / "adapter.safetensors", folder / "flux.safetensors")
    shutil.copy(image / "sdxl-kohya-sgm-folder" / "adapter.safetensors", folder / "style.safetensors")


#: Of each: its arguments, and whether the output is a file.
WAYS = {
    "extract": (["extract", "base", "tuned", "--rank", "8"], False),
    "extract by energy": (["extract", "base", "tuned", "--energy", "0.8", "--dtype", "bfloat16"], False),
    "resize": (["resize", "one", "--rank", "4"], False),
    "resize a file": (["resize", "style.safetensors", "--rank", "1"], True),
    "convert": (["convert", "one", "--to", "mlx"], False),
    "convert a file": (["convert", "flux.safetensors", "--to", "diffusers", "--base", "flux"], True),
    "combine": (["combine", "one", "other=0.5"], False),
    "combine by ties": (["combine", "one", "other", "--combine", "ties", "--density", "0.5"], False),
}


def found(path):
    """The checksums of an output, a folder or a file; None if there is none."""
    if not path.exists():
        return None
    return contents(path) if path.is_dir() else contents(path.parent).get(path.name)


class Way:
    """A command, with the bytes of a run that was never killed and the time that it took."""

    def __init__(self, name, program, folder, work):
        arguments, is_file = WAYS[name]
        self.name, self.command = name, [program, *arguments, "-o"]
        self.suffix = ".safetensors" if is_file else ""
        output = work / f"whole{self.suffix}"
        start = time.monotonic()
        subprocess.run([*self.command, str(output), "-q"], cwd=folder, check=True)
        self.seconds = time.monotonic() - start
        self.expected = found(output)
        shutil.rmtree(output) if output.is_dir() else output.unlink()


class Round:
    def __init__(self, folder, work, ways, number, seed):
        self.folder, self.work = folder, work
        self.random = random.Random(f"{seed} {number}")
        self.way = self.random.choice(ways)
        self.output = work / f"out{self.way.suffix}"
        self.events, self.kills, self.kept = [], 0, 0

    def command(self):
        return [*self.way.command, str(self.output), "-j", self.random.choice("124"), "--json",
                *(["--force"] if self.before is not None else [])]

    def look(self, moment):
        state = found(self.output)
        if state not in (self.before, self.way.expected):
            return f"{moment} the output is neither what it was nor complete"
        return None

    def end_one(self):
        """Starts the command and ends it; returns what is wrong."""
        how = self.random.choice([signal.SIGKILL] * 3 + [signal.SIGTERM, signal.SIGINT])
        delay = self.random.uniform(0, 1.05 * self.way.seconds)
        process = subprocess.Popen(self.command(), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            process.communicate(timeout=delay)
        except subprocess.TimeoutExpired:
            process.send_signal(how)
        try:
            text, messages = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return f"{how.name} after {delay:.3f} s did not end it"
        self.events.append(f"{how.name} after {delay:.3f} s: {process.returncode}")
        self.kills += process.returncode != 0
        # Before the program handles signals, they end it as they end any other.
        if process.returncode not in (0, *STATUS[how]):
            # What is complete is refused by a run without --force.
            is_there = process.returncode == 5 and self.before is None and found(self.output) == self.way.expected
            if not is_there:
                return f"it ended with {process.returncode}: {messages.decode().strip()}"
        if how != signal.SIGKILL and process.returncode > 100:
            last = json.loads(text.decode().splitlines()[-1])
            if (last["event"], last["signal"]) != ("interrupted", how):
                return f"its last event is {last}"
        return self.look(f"after {how.name}")

    def finish(self):
        """Runs the command to the end; returns what is wrong."""
        if found(self.output) == self.way.expected and self.before is None:
            # Killed when the output had its name: what is left beside it is removed as after every kill.
            return self.clean()
        done = subprocess.run(self.command(), cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            return f"the run to the end ended with {done.returncode}: {done.stderr.strip()}"
        self.kept = json.loads(done.stdout.splitlines()[-1])["modules_kept"]
        return None if found(self.output) == self.way.expected else "the run to the end left other bytes"

    def clean(self):
        for path in (str(self.output), str(self.work)):
            done = subprocess.run([self.way.command[0], "clean", path, "--yes"], capture_output=True, text=True)
            if done.returncode:
                return f"clean ended with {done.returncode}: {done.stderr.strip()}"
        return self.look("after clean")

    def run(self):
        self.before = None
        if self.random.random() < 0.3:
            source = self.folder / ("style.safetensors" if self.way.suffix else "other")
            (shutil.copy if self.way.suffix else shutil.copytree)(source, self.output)
            self.before = found(self.output)
        self.events.append(" ".join(self.way.command[1:]) + (" in place of another" if self.before else ""))
        problem = None
        for _ in range(self.random.choice([1, 1, 1, 2, 3])):
            problem = problem or self.end_one()
        is_cleaned = self.random.random() < 0.25
        self.events.append("cleaned" if is_cleaned else "run to the end")
        problem = problem or (self.clean() if is_cleaned else self.finish())
        left = [path.name for path in self.work.iterdir() if path != self.output]
        if left and not problem:
            problem = f"beside the output is left {left}"
        for path in self.work.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return problem


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", type=os.path.abspath)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=pathlib.Path, help="where to work")
    parser.add_argument("-v", action="store_true", help="print every event of a round that fails")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder, work = pathlib.Path(name) / "inputs", pathlib.Path(name) / "work"
        folder.mkdir()
        work.mkdir()
        make_inputs(options.program, folder, random.Random(options.seed))
        inputs = contents(folder)
        ways = [Way(name, options.program, folder, work) for name in WAYS]
        print(", ".join(f"{way.name} {way.seconds:.2f} s" for way in ways))
        failed = kills = resumed = 0
        for number in range(options.rounds):
            one = Round(folder, work, ways, number, options.seed)
            problem = one.run()
            kills += one.kills
            resumed += one.kept > 0
            if problem is None and number % 20 == 19 and contents(folder) != inputs:
                problem = "an input has changed"
            if problem:
                failed += 1
                print(f"round {number}, {one.way.name}: {problem}")
                if options.v:
                    print("\n".join("    " + event for event in one.events))
        if contents(folder) != inputs:
            failed += 1
            print("an input has changed")
    print(f"{options.rounds} rounds, {kills} kills, {resumed} resumed, {failed} failed")
    sys.exit(1 if failed or (options.rounds >= 50 and not resumed) else 0)


if __name__ == "__main__":
    main()
