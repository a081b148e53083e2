"""Random dyadic numbers that depend on a label alone: sums and products of a few of them are exact in double precision."""

import zlib

import numpy as np

SEED = 20261130


def dyadic(label, shape, step, largest):
    """Multiples of 1/step with at most `largest` steps, none of them zero."""
    random = np.random.default_rng([SEED, zlib.crc32(label.encode())])
    size = random.integers(1, largest + 1, shape)
    return size * np.where(random.integers(0, 2, shape) == 1, 1.0, -1.0) / step


def weight(label, shape):
    """A weight of a base: multiples of 1/64 below 2, which F16 and BF16 represent exactly."""
    return dyadic("base " + label, shape, 64, 127)


def factor(label, shape, step=8):
    """A factor of an adapter: multiples of 1/8 up to 1."""
    return dyadic("adapter " + label, shape, step, 8)
