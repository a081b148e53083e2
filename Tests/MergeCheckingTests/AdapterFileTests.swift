import Adapters
import Inspection
import MergePlanning
import Safetensors
import TestSupport
import Testing

@testable import MergeChecking

/// The check's own arithmetic for adapters that are one file.
@Suite struct AdapterFileTests {
  @Test(arguments: [
    "kohya", "peft", "diffusers", "tucker", "loha", "lokr", "dora", "differences", "ia3", "alphas", "stated",
    "orthogonal", "glora",
  ])
  func acceptsTheMergeAndNothingElse(_ name: String) throws {
    let scratch = try Scratch()
    let folder = fixturesPath() + "/image/files/" + name
    let (base, output) = (folder + "/base.safetensors", scratch.file("merged.safetensors"))
    let uses = [(path: folder + "/adapter.safetensors", weight: 1.0)]
    try merge(base, uses, to: output)
    let report = try check(output, base, uses)
    #expect(report.findings == [])
    for tensor in report.tensors {
      #expect([.same, .exact].contains(tensor.verdict), "\(tensor.name): \(tensor.verdict)")
    }
    #expect(try !check(base, base, uses).findings.isEmpty)
  }
}
