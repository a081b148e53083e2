import Foundation
import Safetensors
import TestSupport
import Testing

@testable import Inspection
@testable import MergeChecking

/// How two files differ.
@Suite struct DifferenceTests {
  private func difference(
    _ left: [TestTensor], _ right: [TestTensor], data: Bool = true, metadata: (String?, String?) = (nil, nil)
  ) throws -> ModelDifference {
    let scratch = try Scratch()
    try writeFile(scratch.file("a.safetensors"), left, metadata: metadata.0)
    try writeFile(scratch.file("b.safetensors"), right, metadata: metadata.1)
    var options = ModelDifference.Options(workers: 2)
    options.readsData = data
    return try ModelDifference(scratch.file("a.safetensors"), scratch.file("b.safetensors"), options: options)
  }

  private func floats(_ name: String, _ values: [Float]) -> TestTensor {
    TestTensor(
      name, .f32, [values.count], bytes: values.flatMap { value in withUnsafeBytes(of: value) { Array($0) } })
  }

  @Test func findsNothingInEqualFiles() throws {
    let found = try difference([floats("a", [1, .nan])], [floats("a", [1, .nan])])
    #expect(found.isDifferent == false)
    #expect(found.tensors[0].values?.changedCount == 0)
  }

  @Test func measuresValues() throws {
    let found = try difference([floats("a", [3, 4, 0])], [floats("a", [3, 4.5, -0.0])])
    #expect(found.isDifferent == true)
    let values = try #require(found.tensors[0].values)
    // Zeros of both signs have one value.
    #expect(
      values
        == ModelDifference.Values(
          elementCount: 3, changedCount: 1, largest: 0.5, relativeNorm: 0.1, hasOtherBytes: true))
  }

  @Test func comparesOtherDTypesByValue() throws {
    let brain = TestTensor("a", .bf16, [2], bytes: [0x80, 0x3F, 0x00, 0x40])
    let found = try difference([brain], [floats("a", [1, 2])])
    #expect(found.isDifferent == true)
    #expect(found.tensors[0].values?.changedCount == 0)
  }

  /// NF4 codes kept as BF16 are no numbers: elements whose bytes differ are counted, and nothing is computed with them.
  @Test func codesAreComparedByTheirBytes() throws {
    let state = Array("{\"quant_type\": \"nf4\", \"shape\": [4, 8], \"blocksize\": 64, \"dtype\": \"bfloat16\"}".utf8)
    func model(_ codes: [UInt8], scale: Float) -> [TestTensor] {
      [
        TestTensor("a.weight", .bf16, [8, 1], bytes: codes), floats("a.weight.absmax", [scale]),
        floats("a.weight.quant_map", [Float](repeating: 1, count: 16)),
        TestTensor("a.weight.quant_state.bitsandbytes__nf4", .u8, [state.count], bytes: state),
      ]
    }
    // 0x8000 and 0x0000 are equal as numbers, and 0x7FC0 is not a number.
    let one = [UInt8](repeating: 0, count: 16)
    let other = [0x00, 0x80, 0xC0, 0x7F] + [UInt8](repeating: 0, count: 12)
    let found = try difference(model(one, scale: 1), model(other, scale: 2))
    let values = Dictionary(uniqueKeysWithValues: found.tensors.map { ($0.name, $0.values) })
    #expect(
      values["a.weight"]
        == ModelDifference.Values(
          elementCount: 8, changedCount: 2, largest: nil, relativeNorm: nil, hasOtherBytes: true))
    // Scales are numbers.
    #expect(values["a.weight.absmax"]??.largest == 1)
  }

  /// Equal pieces of a tensor that differs elsewhere count for its norm; equal bytes are not computed on otherwise.
  @Test func measuresTensorsOfSeveralPieces() throws {
    var values = [Float](repeating: 1, count: (1 << 20) + 8)
    let left = floats("a", values)
    values[values.count - 1] = 3
    let found = try difference([left], [floats("a", values)])
    let result = try #require(found.tensors[0].values)
    #expect(result.changedCount == 1 && result.largest == 2)
    #expect(result.relativeNorm == 2 / Double(values.count).squareRoot())
    let same = try difference([left], [left])
    #expect(same.tensors[0].values?.relativeNorm == 0 && same.isDifferent == false)
  }

  /// One file by two names is the same without being read: its size on disk is that of its header here.
  @Test func oneFileByTwoPathsIsTheSame() throws {
    let scratch = try Scratch()
    try writeFile(scratch.file("a.safetensors"), [floats("a", [1, 2])])
    try FileManager.default.createSymbolicLink(
      atPath: scratch.file("b.safetensors"), withDestinationPath: scratch.file("a.safetensors"))
    let found = try ModelDifference(
      scratch.file("a.safetensors"), scratch.file("b.safetensors"), options: ModelDifference.Options(workers: 2))
    #expect(found.isDifferent == false)
    #expect(found.tensors[0].values?.changedCount == 0)
  }

  @Test func leavesInfinitiesOutOfNorms() throws {
    let found = try difference([floats("a", [.infinity, 2])], [floats("a", [1, 2])])
    #expect(found.tensors[0].values?.changedCount == 1)
    #expect(found.tensors[0].values?.relativeNorm == 0)
  }

  @Test func comparesBytesOfOtherTypes() throws {
    let found = try difference(
      [TestTensor("a", .i64, [2])], [TestTensor("a", .i64, [2], bytes: [1] + [UInt8](repeating: 0, count: 15))])
    #expect(found.tensors[0].values?.changedCount == 1)
    #expect(found.tensors[0].values?.largest == nil)
  }

  @Test func namesTensorsThatOnlyOneHas() throws {
    let found = try difference(
      [TestTensor("a", .f32, [1]), TestTensor("b", .f32, [2])],
      [TestTensor("b", .f32, [1, 2]), TestTensor("c", .f32, [1])],
      data: false, metadata: ("{\"format\":\"pt\"}", "{\"format\":\"tf\"}"))
    #expect(found.tensors.map(\.name) == ["a", "b", "c"])
    #expect(found.tensors.allSatisfy { $0.isDifferent })
    #expect(found.metadata == [ModelDifference.Metadata(key: "format", left: "pt", right: "tf")])
    #expect(found.hasOtherFiles)
  }

  @Test func isTheSameForAnyNumberOfThreads() throws {
    let (base, merged) = (
      fixturesPath() + "/bases/llama-bf16", fixturesPath() + "/lora/linear/bf16/merged/model.safetensors"
    )
    let results = try [1, 2, 5].map { workers in
      var options = ModelDifference.Options(workers: workers)
      options.readsData = true
      return try ModelDifference(base, merged, options: options).tensors
    }
    #expect(results[0] == results[1] && results[0] == results[2])
    #expect(results[0].contains { $0.isDifferent } && results[0].contains { !$0.isDifferent })
  }
}
