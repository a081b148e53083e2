"""Safetensors files in numpy: tensors of any dtype as float64, written in a fixed order."""

import json
import struct

import numpy as np

WIDTH = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "I64": 8, "I32": 4, "U8": 1}
NUMPY = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "U8": np.uint8}


def fp8_values():
    """The values of the 256 codes of float8_e4m3fn: four exponent bits with bias 7, three mantissa bits, no infinity."""
    codes = np.arange(256)
    exponent, mantissa = (codes >> 3) & 15, codes & 7
    small = mantissa * 2.0**-9
    normal = (1 + mantissa / 8) * 2.0 ** (exponent - 7.0)
    values = np.where(exponent == 0, small, normal) * np.where(codes > 127, -1, 1)
    values[[127, 255]] = np.nan
    return values


FP8 = fp8_values()


class Tensor:
    """A tensor of a file: dtype and values, which the dtype represents exactly."""

    def __init__(self, values, dtype):
        self.dtype = dtype
        self.values = rounded(np.asarray(values, np.float64), dtype)

    def data(self):
        values = self.values
        if self.dtype == "BF16":
            return (np.ascontiguousarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
        if self.dtype == "F8_E4M3":
            order = np.argsort(FP8[:127])
            codes = order[np.searchsorted(FP8[order], np.abs(values))]
            return (codes + 128 * np.signbit(values)).astype(np.uint8).tobytes()
        return np.ascontiguousarray(values.astype(NUMPY[self.dtype])).tobytes()


def rounded(values, dtype):
    """The nearest values of the dtype, ties to even. 0-d arrays stay arrays."""
    values = np.asarray(values, np.float64)
    if dtype == "BF16":
        mantissa, exponent = np.frexp(values)
        return np.ldexp(np.rint(mantissa * 256), exponent - 8)
    if dtype == "F8_E4M3":
        table = np.unique(FP8[~np.isnan(FP8)])
        place = np.clip(np.searchsorted(table, values), 1, len(table) - 1)
        low, high = table[place - 1], table[place]
        return np.where(np.abs(values - low) <= np.abs(high - values), low, high)
    return values.astype(NUMPY[dtype]).astype(np.float64)


def write(path, tensors, metadata=None):
    """Writes {name: Tensor}, widest dtypes first as safetensors does, then by name; the header is padded to 8 bytes."""
    order = sorted(tensors, key=lambda name: (-WIDTH[tensors[name].dtype], name))
    header, offset, blobs = {}, 0, []
    if metadata is not None:
        header["__metadata__"] = metadata
    for name in order:
        blob = tensors[name].data()
        shape = list(tensors[name].values.shape)
        header[name] = {"dtype": tensors[name].dtype, "shape": shape, "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
