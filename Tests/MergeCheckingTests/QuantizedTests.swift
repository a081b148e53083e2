import Checkpoints
import Inspection
import MergeEngine
import Safetensors
import TestSupport
import Testing

@testable import MergeChecking

/// The check decodes quantized bases by its own code.
@Suite struct QuantizedTests {
  @Test(arguments: QuantizedFixture.all) func ownResultsAreExact(fixture: QuantizedFixture) throws {
    let scratch = try Scratch()
    let adapters = [(path: try fixture.adapter(scratch.file("adapter"), layers: 0..<1), weight: 1.0)]
    let output = scratch.file("merged")
    try merge(fixture.base, adapters, to: output, nonFinite: .warn)
    let report = try check(output, fixture.base, adapters)
    #expect(report.findings == [])
    #expect(report.tensors.contains { $0.isMerged })
    for tensor in report.tensors {
      switch tensor.verdict {
      case .same: #expect(!tensor.isMerged)
      case .exact: continue
      default: Issue.record("\(tensor.name): \(tensor.verdict) \(String(describing: tensor.comparison))")
      }
    }
  }

  /// A bit of a code, and of a scale, that the merge did not see.
  @Test(arguments: ["fp8-small-block", "fbgemm", "int8", "nf4", "mxfp4"])
  func anotherBaseIsFound(name: String) throws {
    let scratch = try Scratch()
    let fixture = QuantizedFixture(name)
    let adapters = [(path: try fixture.adapter(scratch.file("adapter"), layers: 0..<1), weight: 1.0)]
    let output = scratch.file("merged")
    try merge(fixture.base, adapters, to: output, nonFinite: .warn)
    let base = try scratch.folder("other")
    try write(try contents(fixture.base + "/config.json"), to: base + "/config.json")
    let file = fixture.base + "/model.safetensors"
    let bytes = try contents(file)
    let header = try SafetensorsHeader(path: file)
    let weight = fixture.weights[0]
    let parts = header.tensors.filter { tensor in
      [weight, weight + "_blocks", weight + "_scale_inv", weight + "_scale", weight + ".absmax", weight + "_scales"]
        .contains(tensor.name.string) || tensor.name.string == weight.dropLast("weight".count) + "SCB"
    }
    #expect(parts.count == 2)
    for part in parts {
      var changed = bytes
      // The last element's last byte: the upper half of a code, the exponent of a scale.
      changed[header.dataStart + part.dataOffsets.upperBound - 1] ^= 0x10
      try write(changed, to: base + "/model.safetensors")
      let report = try check(output, base, adapters)
      #expect(report.findings.count == 1 && report.findings[0].tensor?.string == weight, "\(part.name)")
    }
  }
}
