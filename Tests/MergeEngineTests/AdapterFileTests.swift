import Adapters
import MergePlanning
import Safetensors
import TestSupport
import Testing

/// Adapters that are one file, merged into bases that have the names of the adapter.
@Suite struct AdapterFileTests {
  static let cases = [
    "kohya", "peft", "diffusers", "tucker", "loha", "lokr", "dora", "differences", "ia3", "alphas", "stated",
    "orthogonal", "glora",
  ]

  private func folder(_ name: String) -> String { fixturesPath() + "/image/files/" + name }

  private func numbers(_ tensor: (info: TensorInfo, data: ArraySlice<UInt8>)) -> [Double] {
    Elements.numbers(Elements.bits(Array(tensor.data), tensor.info.dtype), tensor.info.dtype).map(Double.init)
  }

  @Test(arguments: cases) func equalsWhatLyCORISComputes(_ name: String) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged.safetensors")
    try TestMerge(
      base: folder(name) + "/base.safetensors", adapter: folder(name) + "/adapter.safetensors", output: output
    ).run()
    let base = try loadTensors(folder(name) + "/base.safetensors")
    let expected = try loadTensors(folder(name) + "/expected.safetensors")
    let found = try loadTensors(output)
    #expect(Set(found.keys) == Set(base.keys) && !expected.isEmpty)
    for (tensor, before) in base {
      let after = try #require(found[tensor])
      guard let wanted = expected[tensor] else {
        #expect(isSame(before.data, after.data), "\(tensor)")
        continue
      }
      for (value, right) in zip(numbers(after), numbers(wanted)) {
        #expect(abs(value - right) <= 8 * 0x1p-24 * max(1, abs(right)), "\(tensor)")
      }
    }
  }

  /// A weight scales what is added, and mixes the result of DoRA and OFT with the weight before.
  @Test(arguments: ["kohya", "differences", "ia3", "lokr", "dora", "orthogonal", "glora"]) func aWeightScalesTheChange(
    _ name: String
  ) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged.safetensors")
    try TestMerge(
      base: folder(name) + "/base.safetensors", adapters: [(folder(name) + "/adapter.safetensors", -0.5)],
      output: output, options: .init()
    ).run()
    let base = try loadTensors(folder(name) + "/base.safetensors")
    let found = try loadTensors(output)
    for (tensor, wanted) in try loadTensors(folder(name) + "/expected.safetensors") {
      let (before, after) = (numbers(try #require(base[tensor])), numbers(try #require(found[tensor])))
      for (index, right) in numbers(wanted).enumerated() {
        let exact = before[index] - 0.5 * (right - before[index])
        #expect(abs(after[index] - exact) <= 8 * 0x1p-24 * max(1, abs(right)), "\(tensor)")
      }
    }
  }
}
