import JSONText
import Safetensors
import TestSupport
import Testing

/// `Fixtures/writer`: what safetensors 0.8.0 itself made of the tensors in `cases.json`.
@Suite struct WriterTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    let metadata: [SafetensorsHeader.MetadataEntry]?
    let tensors: [(tensor: HeaderEncoder.Tensor, bytes: [UInt8])]
    var testDescription: String { name }

    init(_ value: JSONValue) throws {
      name = try string(value["name"])
      if case .object(let members) = value["metadata"] {
        metadata = try members.map { .init(key: $0.key, value: try string($0.value)) }
      } else {
        metadata = nil
      }
      tensors = try array(value["tensors"]).map { tensor in
        let dtype = try #require(DType(name: try string(tensor["dtype"])))
        let shape = try array(tensor["shape"]).map { dimension in
          guard case .integer(let integer) = dimension else { throw Unexpected() }
          return Int(integer)
        }
        let hex = Array(try string(tensor["bytes"]))
        let bytes = stride(from: 0, to: hex.count, by: 2).compactMap { UInt8(String(hex[$0...$0 + 1]), radix: 16) }
        return (try .init(name: TensorName(try string(tensor["name"])), dtype: dtype, shape: shape), bytes)
      }
    }
  }

  struct Unexpected: Error {}

  static func string(_ value: JSONValue?) throws -> String {
    guard case .string(let string) = value else { throw Unexpected() }
    return string
  }

  static func array(_ value: JSONValue?) throws -> [JSONValue] {
    guard case .array(let elements) = value else { throw Unexpected() }
    return elements
  }

  static let cases: [Case] = {
    guard let text = try? contents(fixturesPath() + "/writer/cases.json"),
      let elements = try? array(JSONParser.parse(text.span))
    else { return [] }
    return elements.compactMap { try? Case($0) }
  }()

  @Test func readsEveryCase() { #expect(Self.cases.count == 9) }

  @Test(arguments: cases) func writesTheBytesOfTheReference(_ testCase: Case) throws {
    let scratch = try Scratch()
    try SafetensorsWriter.write(
      path: scratch.file("out"), metadata: testCase.metadata, tensors: testCase.tensors)
    let expected = try contents(fixturesPath() + "/writer/\(testCase.name).safetensors")
    #expect(try contents(scratch.file("out")) == expected)
  }

  @Test(arguments: cases) func readsTheBytesOfTheReference(_ testCase: Case) throws {
    let file = try SafetensorsFile(path: fixturesPath() + "/writer/\(testCase.name).safetensors")
    #expect(file.header.metadata == testCase.metadata)
    #expect(file.header.tensors.count == testCase.tensors.count)
    for (tensor, bytes) in testCase.tensors {
      #expect(file.tensor(tensor.name)?.shape == tensor.shape)
      #expect(try file.copy(tensor.name) == bytes)
    }
  }

  @Test func writesNothingThatNobodyCouldReadAgain() throws {
    let scratch = try Scratch()
    let one = try HeaderEncoder.Tensor(name: "a", dtype: .u8, shape: [1])
    let metadata = try HeaderEncoder.Tensor(name: "__metadata__", dtype: .u8, shape: [1])
    typealias Entry = SafetensorsHeader.MetadataEntry
    let refused: [(metadata: [Entry]?, tensors: [(tensor: HeaderEncoder.Tensor, bytes: [UInt8])], problem: Problem)] = [
      (nil, [(one, [1]), (one, [2])], .duplicateKey("a")),
      (nil, [(metadata, [1])], .duplicateKey("__metadata__")),
      ([Entry(key: "k", value: "1"), Entry(key: "k", value: "2")], [], .duplicateKey("k")),
      (nil, [(one, [1, 2])], .sizeMismatch(shape: [1], dtype: .u8, expected: 1, found: 2)),
    ]
    for (metadata, tensors, expected) in refused {
      let found = problem { () throws(SafetensorsError) in
        try SafetensorsWriter.write(path: scratch.file("out"), metadata: metadata, tensors: tensors)
      }
      #expect(found == expected)
      #expect(try scratch.entries() == [])
    }
  }

  @Test(
    arguments: [
      ([-1], .f32, .schema("shape [-1] holds a negative number")),
      ([1 << 62, 4], .u8, .overflow(shape: [1 << 62, 4], dtype: .u8)),
      ([1 << 61], .u8, .overflow(shape: [1 << 61], dtype: .u8)),
      ([3], .f4, .partialByte(shape: [3], dtype: .f4)),
      ([1 << 62, 4, 0], .u8, .overflow(shape: [1 << 62, 4, 0], dtype: .u8)),
      ([0, 1 << 62, 4], .u8, nil),
    ] as [([Int], DType, Problem?)])
  func checksShapes(shape: [Int], dtype: DType, expected: Problem?) {
    let found = problem { () throws(SafetensorsError) in
      _ = try HeaderEncoder.Tensor(name: "a", dtype: dtype, shape: shape)
    }
    #expect(found == expected)
  }
}
