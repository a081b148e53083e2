"""What `manual` and `cli-reference` share: the commands and options that the parser reports, exit codes, environment variables.

The tables below are the only place where exit codes and environment variables are written down.
"""
import json
import re
import subprocess

EXIT_CODES = [
    ("0", "success"),
    ("1", "`diff --exit-code`: the models differ, or it is not known whether they are equal. `ls`: no tensor matches the patterns"),
    ("2", "wrong usage"),
    ("3", "an input was rejected: malformed, does not fit, not supported. The same command will fail again. `check`: something was found"),
    ("4", "an I/O error, a missing file, or a lack of resources. May work later"),
    ("5", "the output exists, is in use, holds another unfinished merge, or is an input"),
    ("128 + n", "ended by signal n"),
]

VARIABLES = [
    ("SAFEMERGE_THREADS", "number of threads, as `--jobs`"),
    ("SAFEMERGE_TMPDIR", "where `--combine` keeps the combined adapter during a merge. Default: the staging folder next to the output"),
    ("SAFEMERGE_LAPACK", "path or name of the LAPACK library. Default: the system's"),
    ("SAFEMERGE_SIMD", "`avx512bf16`, `avx512`, `avx2`, `neon` or `portable`: forces an instruction set. The result is the same"),
    ("HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME", "location of the Hugging Face cache, as in huggingface_hub"),
    ("NO_COLOR, CLICOLOR_FORCE, CLICOLOR", "whether output is colored. Default: on a terminal. `--color` wins"),
]

FILES = [
    (".safemerge.json", "in a merged folder: how it was made"),
    (".OUT.safemerge", "next to the output, during a merge or after an interruption: partial work"),
]


class Program:
    """A program's parser: its commands, and the options of each."""

    def __init__(self, path):
        self.path = path
        self.tool = json.loads(self.output("--experimental-dump-help"))["command"]
        self.version = self.output("--version").split()[1]

    def output(self, *words):
        return subprocess.run([self.path, *words], check=True, capture_output=True, text=True).stdout

    def commands(self):
        return [each for each in self.tool.get("subcommands", []) if each["commandName"] != "help" and each["shouldDisplay"]]

    def description(self):
        """The discussion of the program without its exit codes, which have a table."""
        return re.split(r"\n\s*\nExit codes:", self.tool.get("discussion", ""))[0]


def name_of(argument):
    return argument.get("preferredName", {}).get("name", "")


def is_general(argument):
    return name_of(argument) in ("help", "help-all", "version")


def options(command, is_hidden_too=True):
    """The arguments of a command, each with the flag that turns it off, if there is one."""
    all_of_it = [each for each in command.get("arguments", []) if is_hidden_too or each["shouldDisplay"]]
    named = {name_of(each): each for each in all_of_it}
    for argument in all_of_it:
        name = name_of(argument)
        if is_general(argument) or (name.startswith("no-") and name[3:] in named):
            continue
        yield argument, named.get("no-" + name)


def names_of(argument):
    """The spellings of an option, short ones first."""
    names = ["-" + name["name"] if name["kind"] == "short" else "--" + name["name"] for name in argument.get("names", [])]
    return sorted(names, key=lambda name: name.startswith("--"))


def value_of(argument):
    return argument["valueName"].replace(" ", "-")


def explanation(argument):
    text = " ".join(argument.get("abstract", "").split())
    values = argument.get("allValues", [])
    if values and not all(re.search(rf"(?<![\w-]){re.escape(value)}(?![\w-])", text) for value in values):
        text += f" One of {', '.join(values)}."
    if argument.get("defaultValue") and "efault" not in text:
        text += f" Default: {argument['defaultValue']}."
    if argument["isRepeating"] and argument["kind"] == "option" and not re.search("several|repeat", text, re.I):
        text += " May be repeated."
    return text.strip()
