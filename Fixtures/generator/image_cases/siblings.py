"""A case on other bases of the same kind: a folder in the place of a file, another spelling, another dtype.

The logical tensors of the result are the same, so `check_image.py PROGRAM FOLDER` over these cases shows that a merge does not
depend on how a model is stored.
"""

import copy

from generator.image_cases import bases


def of(case):
    """Cases with the same adapters and the same logical result; none for rejections, and for shapes that change."""
    if case.options.refuse or case.options.decoded or case.method in ("control", "reshape"):
        return []
    return [on(case, base) for base in map(bases.get, bases.MAKERS) if fits(case, base)]


def touched_parts(case):
    """The labels of the parts whose tensors change."""
    held = {key: label for (label, _), views in case.base.views.items() for view in views.values() for key, _, _ in view.parts}
    return {held[key] for key in case.touched}


def fits(case, base):
    if base is case.base or base.fp8 or base.name == "two-variants-folder" or "dm2" in base.components:
        return False
    kinds = {label: component.kind for label, component in base.components.items()}
    whole = case.base.components["dm"].kind == kinds["dm"]
    return whole and all(kinds.get(label) == case.base.components[label].kind for label in touched_parts(case))


def on(case, base):
    other = copy.copy(case)
    other.id, other.base = f"{case.id}@{base.name}", base
    other.options = copy.copy(case.options)
    other.options.diffusers = False
    other.stored, other.touched = dict(base.stored), set()
    for label in touched_parts(case):
        for name, before in case.base.logical[label].items():
            after = case.base.view(label, "diffusers", name).read(case.stored)
            if not (before == after).all():
                view = base.view(label, "diffusers", name)
                view.write(other.stored, after)
                other.touched.update(key for key, _, _ in view.parts)
    return other
