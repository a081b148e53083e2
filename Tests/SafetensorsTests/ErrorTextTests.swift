import JSONText
import Platform
import Safetensors
import TestSupport
import Testing

@Suite struct ErrorTextTests {
  @Test(
    arguments: [
      ([0x50, 0x4B, 3, 4, 20, 0, 8, 8], .zip, "torch.load"),
      ([0x80, 2, 0x7D, 0x71, 0, 0x58, 1, 0], .pickle, "torch.load"),
      ([0x80, 5, 0x95, 0, 1, 0, 0, 1], .pickle, "torch.load"),
      (Array("GGUF\u{3}\0\0\0".utf8), .gguf, "GGUF is not supported"),
      (Array("version https://git-lfs".utf8), .lfsPointer, "git lfs pull"),
      (Array("<!DOCTYPE html>".utf8), .markup, "download"),
      (Array("<?xml version".utf8), .markup, "download"),
      (Array("{\n  \"model".utf8), .json, "folder"), (Array("{\"model\":".utf8), .json, "folder"),
      ([0x1F, 0x8B, 8, 0, 1, 2, 3, 4], .gzip, "unpack"),
      ([0, 0, 0, 0, 0, 0, 1, 0], .bigEndianLength, nil),
      ([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], nil, nil),
      ([0x80, 6, 1, 1, 1, 1, 1, 1], nil, nil),
    ] as [([UInt8], Lookalike?, String?)])
  func namesWhatTheFileReallyIs(start: [UInt8], expected: Lookalike?, hint: String?) throws {
    let scratch = try Scratch()
    let path = try scratch.write(start + Array(repeating: 0, count: 64), to: "f")
    let error = #expect(throws: SafetensorsError.self) { try SafetensorsHeader(path: path) }
    guard case .headerTooLarge(_, let found) = error?.problem else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(found == expected)
    if let expected { #expect(error?.message == "not a safetensors file but \(expected.rawValue)") }
    #expect(error?.hint == nil ? hint == nil : error?.hint?.contains(hint ?? "-") == true)
  }

  /// Every message holds what was found and what was expected.
  @Test(
    arguments: [
      (.file(.system(call: "open", code: 2)), ["no such file or folder"]),
      (.file(.notARegularFile), ["regular file"]),
      (.file(.changed), ["changed while it was being read"]),
      (.truncated(found: 7, expected: 8), ["has 7 bytes", "at least 8"]),
      (.truncated(found: 11, expected: 2000), ["truncated", "11", "2000"]),
      (.headerTooLarge(byteCount: 100_000_001, lookalike: nil), ["100000001", "at most 100000000"]),
      (.invalidUTF8(offset: 17), ["UTF-8", "byte 17"]),
      (.json(JSONError(.tooDeep(limit: 127), at: 9)), ["JSON", "127", "byte 9"]),
      (.duplicateKey("k"), ["\"k\"", "twice"]),
      (.schema("some words"), ["some words"]),
      (.unknownDType("F128"), ["dtype", "F128"]),
      (.overflow(shape: [1, 2], dtype: .f32), ["[1, 2]", "F32", "64 bits"]),
      (.partialByte(shape: [3], dtype: .f4), ["[3]", "F4", "byte"]),
      (.sizeMismatch(shape: [2], dtype: .bf16, expected: 4, found: 6), ["[2]", "BF16", "needs 4", "hold 6"]),
      (.offsets(begin: 8, end: 12, expectedBegin: 4), ["[8, 12]", "expected to begin at 4"]),
      (.offsets(begin: 4, end: 2, expectedBegin: 4), ["[4, 2]", "end before they begin"]),
      (.coverage(fileByteCount: 9, described: 12), ["truncated", "has 9", "describes 12"]),
      (.coverage(fileByteCount: 12, described: 9), ["has 12", "describes 9"]),
      (.noSuchTensor, ["no such tensor"]), (.notFloats(.i8), ["I8", "BF16"]),
    ] as [(Problem, [String])])
  func messagesSayFoundAndExpected(problem: Problem, parts: [String]) {
    let error = SafetensorsError(path: "dir/f.safetensors", problem, tensor: "a.b")
    for part in parts { #expect(error.message.contains(part)) }
    #expect(error.description == "dir/f.safetensors: a.b: \(error.message)")
    #expect(!error.message.contains("\n"))
    #expect(!error.errorClass.isEmpty)
  }

  /// One broken rule a header: its class, and that the tensor is named.
  @Test(arguments: [
    (#"{"t":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"#, "dtype"),
    (#"{"t":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#, "size-mismatch"),
    (#"{"t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, "offsets"),
    (#"{"t":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, "offsets"),
    (#"{"t":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]}}"#, "overflow"),
    (#"{"t":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}"#, "subbyte"),
    (#"{"t":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}"#, "schema"),
    (#"{"t":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, "schema"),
    (#"{"t":{"dtype":"F32","shape":[1]}}"#, "schema"),
    (#"{"t":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, "duplicate-key"),
    (#"{"t":{"dtype":"F32","shape":[1,],"data_offsets":[0,4]}}"#, "json"),
    (#"{"t":1}"#, "schema"),
  ])
  func namesTheTensor(header: String, errorClass: String) throws {
    let scratch = try Scratch()
    let path = try scratch.write(fileBytes(header: header, data: [0, 0, 0, 0]), to: "f")
    let error = #expect(throws: SafetensorsError.self) { try SafetensorsHeader(path: path) }
    #expect(error?.errorClass == errorClass)
    #expect(error?.tensorName == "t")
  }
}
