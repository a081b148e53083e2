import Adapters
import Checkpoints
import Foundation
import MergeEngine
import MergePlanning
import Platform
import Safetensors
import TestSupport
import Testing

/// Adapters as other trainers lay them out, against results in double precision.
@Suite struct TrainerLayoutTests {
  private static let cases: [String] = {
    let folder = fixturesPath() + "/trainers"
    return (try? FileManager.default.contentsOfDirectory(atPath: folder))?.sorted() ?? []
  }()

  @Test func hasCases() { #expect(Self.cases.count >= 25) }

  @Test(arguments: cases)
  func isWhatItsTrainerMeant(name: String) throws {
    let folder = fixturesPath() + "/trainers/\(name)"
    let scratch = try Scratch()
    let output = scratch.file("merged")
    let base = folder + "/base"
    let refusal = folder + "/expected.json"
    if FileManager.default.fileExists(atPath: refusal) {
      let found = try JSONDecoder().decode([String: String].self, from: Data(contentsOf: URL(filePath: refusal)))
      let error = #expect(throws: (any Error).self) {
        try TestMerge(base: base, adapter: folder + "/adapter", output: output).run()
      }
      #expect((error as? any ReportableError)?.errorClass == found["error"], "\(String(describing: error))")
      #expect(!FileManager.default.fileExists(atPath: output))
      return
    }
    try TestMerge(base: base, adapter: folder + "/adapter", output: output).run()
    try expectValues(of: output, folder + "/expected.safetensors")
  }
}

/// Compares every tensor of a result with doubles, within the rounding of fp32.
func expectValues(of output: String, _ expectedPath: String) throws {
  let expected = try loadTensors(expectedPath)
  let found = try loadTensors(output)
  #expect(Set(found.keys) == Set(expected.keys))
  for (name, wanted) in expected {
    let tensor = try #require(found[name])
    let one = doubles(tensor.info.dtype, Array(tensor.data))
    let other = doubles(wanted.info.dtype, Array(wanted.data))
    #expect(one.count == other.count)
    let worst = zip(one, other).map { abs($0 - $1) / max(1, abs($1)) }.max() ?? 0
    #expect(worst < 5e-7, "\(name): \(worst)")
  }
}

private func doubles(_ dtype: DType, _ bytes: [UInt8]) -> [Double] {
  let size = dtype.bitCount / 8
  return stride(from: 0, to: bytes.count, by: size).map { place in
    let bits = (0..<size).reduce(UInt64(0)) { $0 | UInt64(bytes[place + $1]) << (8 * $1) }
    switch dtype {
    case .f64: return Double(bitPattern: bits)
    case .f32: return Double(Float(bitPattern: UInt32(bits)))
    case .bf16: return Double(Float(bitPattern: UInt32(bits) << 16))
    default: return .nan
    }
  }
}
