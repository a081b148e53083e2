"""Arguments of the command line for options of Python."""

import os
from typing import Any, Iterable, List, Mapping, Sequence, Tuple, Union

from .options import StrPath

Adapter = Union[StrPath, Tuple[StrPath, float]]
Adapters = Union[StrPath, Sequence[Adapter]]

# The options of the command line whose default is on, or that take true or false as their value.
_NEGATABLE = {"resume"}
_WITH_TRUTH_VALUE = {"fan_in_fan_out"}


def arguments(options: Mapping[str, Any], known: Iterable[str], function: str) -> List[str]:
    """The options as arguments. A name that the function does not have is a `TypeError`, as Python's own."""
    names = set(known)
    found: List[str] = []
    for name, value in options.items():
        if name not in names:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
        option = name.replace("_", "-")
        if value is None:
            continue
        if isinstance(value, bool):
            if name in _WITH_TRUTH_VALUE:
                found.append(f"--{option}={'true' if value else 'false'}")
            elif name in _NEGATABLE:
                found.append(f"--{option}" if value else f"--no-{option}")
            elif value:
                found.append(f"--{option}")
        elif isinstance(value, (list, tuple)):
            found += [f"--{option}={os.fspath(item)}" for item in value]
        else:
            found.append(f"--{option}={_text(value)}")
    return found


def adapter_arguments(adapters: Adapters) -> List[str]:
    """One argument for each adapter: a path, or a path and its weight."""
    listed: Sequence[Adapter] = [adapters] if isinstance(adapters, (str, os.PathLike)) else adapters
    found: List[str] = []
    for adapter in listed:
        if isinstance(adapter, tuple):
            path, weight = adapter
            found.append(f"{os.fspath(path)}={float(weight)!r}")
        else:
            found.append(os.fspath(adapter))
    return found


def _text(value: Any) -> str:
    if isinstance(value, (str, os.PathLike)):
        return str(os.fspath(value))
    return repr(value) if isinstance(value, float) else str(value)
