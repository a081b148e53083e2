"""Writes ../spectra/cases.json: shares of squared singular values of 200 matrices, by numpy's SVD in double.

Each matrix follows from its kind and a seed in integers and powers of two alone, so that the tests make the same one in fp32.
The file has a line for each matrix: kind, rows, columns, seed, and for the ranks 1, 2, 4, ... below the shorter side and the shorter
side itself the share of the squares that the largest singular values have; then the smallest rank that has 0.9503 of them.
"""
import json
import os

import numpy



def words(seed, count):
    """SplitMix64."""
    index = numpy.arange(1, count + 1, dtype=numpy.uint64)
    with numpy.errstate(over="ignore"):
        mixed = numpy.uint64(seed) + index * numpy.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> numpy.uint64(31))


def fractions(seed, count):
    """Numbers in [-1, 1) of 16 bits."""
    return ((words(seed, count) >> numpy.uint64(48)).astype(numpy.int64) - 32768) / 32768


def integers(seed, count):
    """Integers from -8 to 7."""
    return ((words(seed, count) >> numpy.uint64(60)).astype(numpy.int64) - 8).astype(float)


def product(rows, columns, rank, seed):
    return integers(seed, rows * rank).reshape(rows, rank) @ integers(seed + 1, rank * columns).reshape(rank, columns)


def matrix(kind, rows, columns, seed):
    values = fractions(seed, rows * columns).reshape(rows, columns)
    row, column = numpy.arange(rows)[:, None], numpy.arange(columns)[None, :]
    if kind == "random":
        return values
    if kind == "zeros":
        return values * 0
    if kind == "rank3":
        return product(rows, columns, 3, seed)
    if kind == "rank9":
        return product(rows, columns, 9, seed)
    if kind == "repeated":
        return numpy.where(row % columns == column, numpy.where(row % 3 == 0, 2.0, 1.0), 0.0)
    if kind == "equal":
        bits = row & column
        return numpy.where(sum((bits >> k) & 1 for k in range(10)) % 2 == 0, 1.0, -1.0)
    if kind == "graded":
        return values * 2.0 ** -(column % 24)
    if kind == "sparse":
        return numpy.where(words(seed + 1, rows * columns).reshape(rows, columns) % numpy.uint64(17) == 0, values, 0)
    if kind == "spiked":
        return product(rows, columns, 2, seed + 7) + values / 64
    if kind == "large":
        return values * 2.0**50
    if kind == "small":
        return values * 2.0**-50
    if kind == "copies":
        return values[:1] * numpy.where(row % 2 == 0, 1.0, -0.5)
    raise ValueError(kind)


KINDS = ["random", "rank3", "rank9", "repeated", "equal", "graded", "sparse", "spiked", "large", "small", "copies"]
SHAPES = [(1, 1), (1, 37), (41, 1), (2, 3), (16, 16), (33, 20), (20, 33), (64, 64), (7, 90), (90, 7), (50, 61), (128, 24), (24, 129), (100, 96),
          (96, 100), (17, 200), (200, 31)]
# Above the side up to which all values are computed.
LARGE = [("rank3", 272, 300), ("spiked", 300, 272), ("graded", 280, 280), ("random", 260, 288), ("copies", 288, 264),
         ("repeated", 270, 270), ("sparse", 290, 261), ("rank9", 264, 310)]


def case(kind, rows, columns, seed):
    squares = numpy.linalg.svd(matrix(kind, rows, columns, seed), compute_uv=False) ** 2
    total = squares.sum()
    shorter = min(rows, columns)
    ranks = [1 << k for k in range(10) if 1 << k < shorter] + [shorter]
    shares = [1.0 if total == 0 else round(float(squares[:rank].sum() / total), 8) for rank in ranks]
    smallest = 1 if total == 0 else int((numpy.cumsum(squares) < 0.9503 * total).sum()) + 1
    return [kind, rows, columns, seed, shares, smallest]


def main():
    cases = [case("zeros", 9, 12, 1)]
    for number, (kind, shape) in enumerate((kind, shape) for kind in KINDS for shape in SHAPES):
        cases.append(case(kind, *shape, 1000 + 10 * number))
    cases += [case(kind, rows, columns, 5000 + 10 * number) for number, (kind, rows, columns) in enumerate(LARGE)]
    cases += [case("random", 12 + number, 40 - number, 7000 + 10 * number) for number in range(4)]
    path = os.path.join(os.path.dirname(__file__), "..", "spectra", "cases.json")
    with open(path, "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(line) for line in cases) + "\n]\n")
    print(len(cases), "matrices")


if __name__ == "__main__":
    main()
