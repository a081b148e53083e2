"""Where the program is."""

import os

BUNDLED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "safemerge")


def program() -> str:
    """The path of the safemerge program.

    The wheel carries it inside the package. The environment variable `SAFEMERGE_PROGRAM` names another one, such as a
    build that can open a LAPACK.
    """
    chosen = os.environ.get("SAFEMERGE_PROGRAM") or BUNDLED
    if not os.path.isfile(chosen):
        raise FileNotFoundError(
            f"the safemerge program is not at {chosen}: install the wheel, or set SAFEMERGE_PROGRAM to the program's path")
    return chosen
