"""Writes the files of this folder with safetensors 0.8.0 and lists their tensors in cases.json."""

import ctypes
import json
import pathlib

import safetensors

assert safetensors.__version__ == "0.8.0", safetensors.__version__
HERE = pathlib.Path(__file__).parent


def data(count, seed):
    return bytes((seed + 37 * index) % 251 for index in range(count))


# name: (metadata, [(tensor, dtype as `serialize` spells it, shape, bytes)])
CASES = {
    "empty": (None, []),
    "metadata-only": ({"format": "pt"}, []),
    "metadata-empty": ({}, [("a", "uint8", [1], 1)]),
    "metadata-escapes": ({'q"\\/\b\f\n\r\t\x01\x1f\x7f': 'é\u202e{"a": 1}\n\x00'}, []),
    "scalar": (None, [("scalar", "float32", [], 4)]),
    "padding": (None, [("x" * length, "uint8", [1], 1) for length in range(1, 9)]),
    "empty-tensors": (
        None,
        [("b", "float32", [0], 0), ("a", "float32", [2, 0, 3], 0), ("c", "float32", [1], 4), ("d", "uint8", [0], 0)],
    ),
    "names": (
        {"format": "pt"},
        [
            (name, "uint8", [3], 3)
            for name in [
                "", '"', "\\", "/", "a/b", "..", "\n", "\t", "\x01\x1f", "\x7f", "é", "e\u0301", "z", "~", "\u202e",
                "\ufeff", "\uffff", "😀", "a b", "\x1b[31m", "A", "a", "a.b", "a-b", "name_10", "name_9",
            ]
        ],
    ),
    "dtypes": (
        {"format": "pt"},
        [
            ("b." + name, dtype, [2, 4], 8 * bits // 8)
            for name, dtype, bits in [
                ("bool", "bool", 8), ("u8", "uint8", 8), ("i8", "int8", 8), ("f8_e5m2", "float8_e5m2", 8),
                ("f8_e4m3", "float8_e4m3fn", 8), ("f8_e8m0", "float8_e8m0fnu", 8),
                ("f8_e4m3fnuz", "float8_e4m3fnuz", 8), ("f8_e5m2fnuz", "float8_e5m2fnuz", 8), ("i16", "int16", 16),
                ("u16", "uint16", 16), ("f16", "float16", 16), ("bf16", "bfloat16", 16), ("i32", "int32", 32),
                ("u32", "uint32", 32), ("f32", "float32", 32), ("c64", "complex64", 64), ("f64", "float64", 64),
                ("i64", "int64", 64), ("u64", "uint64", 64),
            ]
        ]
        + [("a.f32", "float32", [1], 4), ("c.f32", "float32", [1], 4), ("a.i64", "int64", [1], 8)],
    ),
}


def address(blob):
    return ctypes.cast(ctypes.c_char_p(blob), ctypes.c_void_p).value


def main():
    cases = []
    for name, (metadata, tensors) in CASES.items():
        blobs = {tensor: data(count, index) for index, (tensor, _, _, count) in enumerate(tensors)}
        described = {
            tensor: safetensors.TensorSpec(
                dtype=dtype, shape=shape, data_ptr=address(blobs[tensor]), data_len=len(blobs[tensor])
            )
            for tensor, dtype, shape, _ in tensors
        }
        content = safetensors.serialize(described, metadata)
        (HERE / f"{name}.safetensors").write_bytes(content)
        # The order given differs from the file's, so that the writer has to sort.
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        listed = [
            {"name": tensor, "dtype": header[tensor]["dtype"], "shape": shape, "bytes": blobs[tensor].hex()}
            for tensor, _, shape, _ in tensors
        ]
        cases.append({"name": name, "metadata": metadata, "tensors": listed})
    (HERE / "cases.json").write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


main()
