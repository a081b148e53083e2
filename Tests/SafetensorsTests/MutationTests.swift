import JSONText
import Platform
import TestSupport
import Testing

@testable import Safetensors

/// Headers that were valid and are changed as JSON: refused with a class that the documents name, or accepted with every
/// invariant of the format. A failure prints the seed that repeats it.
@Suite struct MutationTests {
  /// The classes of what a header can be refused for.
  private static let classes: Set<String> = [
    "utf8", "json", "duplicate-key", "schema", "dtype", "overflow", "subbyte", "size-mismatch", "offsets", "coverage",
    "format",
  ]

  private static let headers: [(text: String, dataByteCount: Int)] = [
    (
      #"{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]}}"#,
      26
    ),
    (
      #"{"__metadata__":{"format":"pt","x":""},"w":{"dtype":"F4","shape":[2,2],"data_offsets":[0,2]},"e":{"shape":[0,5],"#
        + #""data_offsets":[2,2],"dtype":"I64"},"u":{"data_offsets":[2,5],"dtype":"F6_E2M3","shape":[4]}}"#, 5
    ),
    (
      #"{"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}"#, 2
    ),
    (#"{"__metadata__":null}"#, 0),
  ]

  @Test func mutatedHeadersAreRefusedOrWhole() throws {
    var generator = SeededGenerator()
    let sketches = try Self.headers.map {
      (JSONSketch(try JSONParser.parse(Array($0.text.utf8).span)), $0.dataByteCount)
    }
    var accepted = 0
    let count = 20_000
    for _ in 0..<count {
      let (sketch, dataByteCount) = try #require(sketches.randomElement(using: &generator))
      let bytes = sketch.mutatedBytes(using: &generator)
      var parser = HeaderParser(path: "f")
      let fileByteCount = 8 + bytes.count + dataByteCount
      do throws(SafetensorsError) {
        try parser.parse(bytes.span, fileByteCount: fileByteCount)
        accepted += 1
        check(parser.table, dataByteCount: dataByteCount, "\(generator): \(String(decoding: bytes, as: UTF8.self))")
      } catch {
        guard Self.classes.contains(error.errorClass), error.category == .refusedInput, error.path == "f" else {
          Issue.record("\(generator): \(error): \(String(decoding: bytes, as: UTF8.self))")
          return
        }
      }
    }
    // Neither always nor never.
    #expect(accepted > count / 200 && accepted < count / 2, "\(generator): \(accepted) of \(count)")
  }

  private func check(_ table: TensorTable, dataByteCount: Int, _ comment: String) {
    var end = 0
    var isWhole = true
    for tensor in table {
      isWhole = isWhole && tensor.dataOffsets.lowerBound == end
      isWhole = isWhole && tensor.elementCount * tensor.dtype.bitCount == tensor.byteCount * 8
      end = tensor.dataOffsets.upperBound
    }
    isWhole = isWhole && end == dataByteCount && Set(table.map(\.name)).count == table.count
    if !isWhole { Issue.record("\(comment)") }
  }
}
