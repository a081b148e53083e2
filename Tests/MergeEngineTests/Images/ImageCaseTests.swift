import Merging
import Platform
import Safetensors
import TestSupport
import Testing

/// Every committed case of image and video models (`Fixtures/generator/image_cases`): the values of the result, or the reason of the
/// rejection.
@Suite struct ImageCaseTests {
  /// Cases that must be merged and are not yet, with the reason. A case that is merged fails until it is taken from this list.
  private static let notYet: [String: String] = [:]

  /// The class of the error of every case that must be rejected, so that none is rejected for another reason.
  private static let classes: [String: [String]] = [
    "adapter-conflict": ["alphas-and-metadata"],
    "adapter-key": ["full-model", "unknown-ending", "weight-without-on-input"],
    "ambiguous": ["two-transformers"],
    "dtype": ["factors-of-integers"],
    "format": ["pickle-named-safetensors"],
    "hit-twice": ["two-names-of-one-module", "two-spellings-of-one-module"],
    "no-layers": ["no-tensors"],
    "no-target": [
      "bias-of-nothing", "motion-lora", "t5-of-a-file-without-t5", "unknown-module", "wan-image-keys",
    ],
    "nonfinite": ["factor-not-finite"],
    "pair": [
      "alpha-alone", "down-without-up", "half-a-glora", "half-a-loha", "half-a-lokr", "magnitude-alone",
      "up-without-down",
    ],
    "pickle": ["pickle"],
    "shape": [
      "fused-rows", "kernel-size", "lokr-product", "magnitude-length", "oft-blocks", "other-widths", "ranks-differ",
      "tucker-core", "wan-other-size", "xlabs-proj-lora-width",
    ],
    "unsupported": [
      "alpha-zero", "ambiguous-glora", "control-lora", "embedding", "embedding-sdxl", "glora-rs-lora", "hypernetwork",
      "ip-adapter", "kohya-oft-flux", "lllite", "nunchaku", "onetrainer-oft", "scale-instead-of-alpha", "sparse-bias",
      "t-lora",
    ],
    "variant": ["two-variants"],
  ]
  private static let merged = ImageCase.all.filter { !$0.isRejected }
  private static let rejected = ImageCase.all.filter(\.isRejected)

  @Test func allCasesAreThere() {
    #expect(ImageCase.all.count >= 184)
    #expect(Self.notYet.keys.allSatisfy { name in Self.merged.contains { $0.name == name } })
    let known = Self.classes.values.flatMap { $0 }.map { "refuse-" + $0 }
    #expect(known.sorted() == Self.rejected.map(\.name).sorted())
  }

  private func merge(_ imageCase: ImageCase, to output: String) throws {
    try MergeRequest.merge(imageCase.base, imageCase.adapters, to: output, options: imageCase.options)
  }

  @Test(arguments: merged) func hasTheExpectedTensors(_ imageCase: ImageCase) throws {
    let scratch = try Scratch()
    let output = scratch.file(imageCase.isFile ? "merged.safetensors" : "merged")
    guard let reason = Self.notYet[imageCase.name] else {
      try merge(imageCase, to: output)
      #expect(try ImageCaseResult(imageCase, output: output).errors == [])
      return
    }
    withKnownIssue("\(reason)") {
      try merge(imageCase, to: output)
      #expect(try ImageCaseResult(imageCase, output: output).errors == [])
    }
  }

  /// One line names the base, or an adapter and one of its tensors; nothing is written.
  @Test(arguments: rejected) func isRejectedForItsReason(_ imageCase: ImageCase) throws {
    let scratch = try Scratch()
    let output = scratch.file(imageCase.isFile ? "merged.safetensors" : "merged")
    let error = try #require(refusal { try merge(imageCase, to: output) })
    #expect(error.category == .refusedInput)
    let name = String(imageCase.name.dropFirst("refuse-".count))
    #expect(error.errorClass == Self.classes.first { $0.value.contains(name) }?.key, "\(error)")
    #expect(try scratch.entries() == [])
    let text = error.description
    #expect(!text.contains("\n"))
    // The program adds which adapter is damaged.
    guard !text.contains(imageCase.base), error.errorClass != "nonfinite" else { return }
    let adapter = try #require(imageCase.adapters.map(\.path).first { text.contains($0) }, "\(text)")
    guard let header = try? SafetensorsHeader(path: adapter), header.tensors.count > 0 else { return }
    #expect(header.tensors.contains { text.contains($0.name.string) }, "\(text)")
  }
}
