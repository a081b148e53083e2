"""What adapters need that name a seed in the place of random numbers: torch's generator, in plain Python."""

import numpy as np
import torch

from .kind import is_stored_transposed


def generator(seed):
    """The numbers of MT19937, 32 bits each."""
    state = [seed & 0xFFFFFFFF]
    for index in range(1, 624):
        state.append(1812433253 * (state[-1] ^ state[-1] >> 30) + index & 0xFFFFFFFF)
    while True:
        for index in range(624):
            bits = state[index] & 0x80000000 | state[(index + 1) % 624] & 0x7FFFFFFF
            state[index] = state[(index + 397) % 624] ^ bits >> 1 ^ (0x9908B0DF if bits & 1 else 0)
        for number in state:
            number ^= number >> 11
            number ^= number << 7 & 0x9D2C5680
            number ^= number << 15 & 0xEFC60000
            yield number ^ number >> 18


def numbers(seed):
    """24 bits of each."""
    return (number & 0xFFFFFF for number in generator(seed))


def uniform(source, count, bound):
    """Numbers from -bound to bound, as they are in fp32."""
    bound = np.float32(bound)
    width = float(np.float32(bound + bound))
    return np.array([next(source) / 2**24 * width - float(bound) for _ in range(count)]).astype(np.float32).astype(float)


def rounded(values, dtype):
    return torch.from_numpy(values).to(dtype).double().numpy()


def bf16(values):
    return rounded(values, torch.bfloat16)


def places(seed, count, rows, columns):
    """The rows and columns of the first numbers of a permutation of all places."""
    source, order = generator(seed), list(range(rows * columns))
    for index in range(min(count, len(order) - 1)):
        other = index + next(source) % (len(order) - index)
        order[index], order[other] = order[other], order[index]
    return np.array(order[:count]) // columns, np.array(order[:count]) % columns


def extents(weight, module):
    """Outputs and inputs of a module."""
    return weight.shape[::-1] if is_stored_transposed(module) else weight.shape
