import JSONText
import Safetensors
import TestSupport
import Testing

@Suite struct RoundTripTests {
  @Test(arguments: DType.allCases) func everyDTypeGoesThroughHeaderAndData(dtype: DType) throws {
    #expect(DType(name: dtype.name) == dtype)
    #expect(DType(name: dtype.name.lowercased()) == nil)
    let scratch = try Scratch()
    // Eight elements fill whole bytes in every type.
    let bytes = (0..<dtype.bitCount).map { UInt8(truncatingIfNeeded: $0 * 89) }
    let tensor = try HeaderEncoder.Tensor(name: "t", dtype: dtype, shape: [2, 4])
    #expect(tensor.byteCount == dtype.bitCount)
    let byte = try HeaderEncoder.Tensor(name: "byte", dtype: .bool, shape: [1])
    try SafetensorsWriter.write(path: scratch.file("f"), tensors: [(byte, [1]), (tensor, bytes)])
    let file = try SafetensorsFile(path: scratch.file("f"))
    let info = try #require(file.tensor("t"))
    #expect(info.dtype == dtype)
    #expect(info.shape == [2, 4])
    #expect(info.elementCount == 8)
    #expect(info.byteCount == bytes.count)
    #expect(try file.copy("t") == bytes)
    #expect(try file.copy("byte") == [1])
    #expect(problem { () throws(SafetensorsError) in _ = try file.copy("T") } == .noSuchTensor)
  }

  @Test func theTableHasEveryDTypeOfTheReference() {
    // safetensors 0.8.0 names them so, in this order; the numbers are bits an element.
    let expected: [(String, Int)] = [
      ("BOOL", 8), ("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("U8", 8), ("I8", 8), ("F8_E5M2", 8), ("F8_E4M3", 8),
      ("F8_E8M0", 8), ("F8_E4M3FNUZ", 8), ("F8_E5M2FNUZ", 8), ("I16", 16), ("U16", 16), ("F16", 16), ("BF16", 16),
      ("I32", 32), ("U32", 32), ("F32", 32), ("C64", 64), ("F64", 64), ("I64", 64), ("U64", 64),
    ]
    #expect(DType.allCases.sorted().map(\.name) == expected.map(\.0))
    #expect(DType.allCases.sorted().map(\.bitCount) == expected.map(\.1))
  }

  @Test(
    arguments: [
      ("ok_order_unsorted_small_first", "U8"), ("ok_unaligned_header", nil), ("ok_order_reversed", nil),
    ] as [(String, String?)])
  func readsDataAtAnyAlignment(name: String, firstDType: String?) throws {
    let path = fixturesPath() + "/corpus/\(name).safetensors"
    let file = try SafetensorsFile(path: path)
    let whole = try contents(path)
    var end = 0
    for tensor in file.header.tensors {
      #expect(tensor.dataOffsets.lowerBound == end, "in the order of the data")
      end = tensor.dataOffsets.upperBound
      let start = file.header.dataStart + tensor.dataOffsets.lowerBound
      #expect(try file.copy(tensor.name) == Array(whole[start..<start + tensor.byteCount]))
    }
    #expect(end == file.header.dataByteCount)
    if let firstDType { #expect(file.header.tensors.first?.dtype.name == firstDType) }
  }

  @Test func readsWideElementsBehindASingleByte() throws {
    let scratch = try Scratch()
    let header =
      #"{"f":{"dtype":"F32","shape":[2],"data_offsets":[1,9]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}} "#
    let path = try scratch.write(fileBytes(header: header, data: [7] + (10..<18)), to: "odd.safetensors")
    let file = try SafetensorsFile(path: path)
    #expect(file.header.tensors.map(\.name) == ["b", "f"])
    #expect(try file.copy("f") == Array(10..<18))
    #expect(try file.copy("b") == [7])
  }

  @Test func namesThatDifferInNormalizationOnlyAreTwoTensors() throws {
    let (composed, decomposed): (TensorName, TensorName) = ("\u{e9}", "e\u{301}")
    #expect(composed != decomposed)
    #expect(Set([composed, decomposed]).count == 2)
    #expect(
      [composed, "z", decomposed, "~", "Z"].sorted().map { $0.string.unicodeScalars.map(\.value) }
        == [[0x5A], [0x65, 0x301], [0x7A], [0x7E], [0xE9]])

    let file = try SafetensorsFile(path: fixturesPath() + "/corpus/nfc_nfd_keys.safetensors")
    #expect(file.header.tensors.count == 2)
    let offsets = [composed, decomposed].compactMap { file.tensor($0)?.dataOffsets.lowerBound }
    #expect(Set(offsets).count == 2)

    let scratch = try Scratch()
    try SafetensorsWriter.write(
      path: scratch.file("f"),
      tensors: [
        (try .init(name: composed, dtype: .u8, shape: [1]), [1]),
        (try .init(name: decomposed, dtype: .u8, shape: [1]), [2]),
      ])
    let written = try SafetensorsFile(path: scratch.file("f"))
    #expect(try written.copy(composed) == [1])
    #expect(try written.copy(decomposed) == [2])
    #expect(written.header.tensors.map { Array($0.name.string.utf8) } == [[0x65, 0xCC, 0x81], [0xC3, 0xA9]])
  }

  @Test func metadataKeepsItsOrder() throws {
    let scratch = try Scratch()
    let path = try scratch.write(fileBytes(header: #"{"__metadata__":{"z":"1","a":"","é":"x\ny"}}"#), to: "f")
    #expect(
      try SafetensorsHeader(path: path).metadata
        == [.init(key: "z", value: "1"), .init(key: "a", value: ""), .init(key: "é", value: "x\ny")])
  }
}
