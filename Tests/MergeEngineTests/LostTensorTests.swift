import Foundation
import Platform
import Safetensors
import TestSupport
import Testing

/// Adapters of every kind that lack a tensor, or have one of another shape: nothing is written.
@Suite struct LostTensorTests {
  /// One case for each kind of tensor that an adapter may hold.
  static let names = [
    "gpt2-bf16", "embedding-bf16", "lm-head-bf16", "bias-lora-only-bf16", "bias-all-bf16",
    "bias-all-and-lora-bias-bf16",
    "modules-to-save-bf16", "modules-to-save-norm-bf16", "dora-linear-bf16", "dora-embedding-bf16", "dora-gpt2-bf16",
    "dora-conv-bf16", "conv-bf16", "conv-lora-bias-bf16", "attention-bf16", "experts-bf16", "experts-patterns-bf16",
    "experts-transposed-bf16", "experts-grouped-bf16", "tokens-list-bf16", "tokens-dict-bf16", "bert-sequence-bf16",
    "llama-sequence-bf16", "tied-both-bf16", "tied-ensured-bf16", "tied-saved-both-bf16", "tied-saved-ensured-bf16",
    "resized-vocab-bf16", "resized-vocab-target-bf16", "resized-vocab-tied-bf16", "replicated-bf16", "keys-bf16",
    "keys-sub-folder-bf16", "velora-bf16", "monteclora-bf16", "bdlora-bf16", "init-mica-bf16",
    "init-pissa-bf16", "init-olora-bf16", "kasa-bf16", "gpt2-mixed-flag-bf16", "gpt2-wte-bf16", "embedding-rslora-bf16",
    "embedding-other-base-bf16", "modules-to-save-other-dtype-bf16",
    "modules-to-save-old-keys-bf16", "dora-rslora-patterns-bf16", "keys-dora-weight-bf16", "conv-narrow-bf16",
    "attention-patterns-bf16", "experts-gate-up-bf16", "experts-down-bf16", "experts-transposed-down-bf16",
    "experts-0.17-bf16", "experts-0.18-bf16", "experts-0.19.0-bf16", "experts-rank-major-bf16", "tokens-tied-bf16",
    "bert-token-bf16", "tied-embedding-bf16", "tied-head-bf16", "tied-saved-head-bf16",
    "keys-default-bf16", "keys-no-prefix-bf16", "init-gaussian-bf16", "init-orthogonal-bf16", "init-eva-bf16",
    "init-pissa-converted-bf16", "init-olora-converted-bf16",
    "loha-linear-bf16", "loha-patterns-bf16", "loha-conv-bf16", "loha-conv-cores-bf16", "lokr-linear-bf16",
    "lokr-both-bf16", "lokr-whole-bf16", "lokr-conv-bf16", "lokr-conv-factors-bf16", "lokr-conv-cores-bf16",
    "adalora-linear-bf16", "adalora-conv1d-bf16", "adalora-conv-bf16", "adalora-pruned-bf16", "adalora-saved-bf16",
    "vera-linear-bf16", "vera-conv1d-bf16", "vera-biases-bf16", "pvera-linear-bf16", "hira-linear-bf16",
    "hira-conv1d-bf16", "hira-embedding-bf16", "hira-conv-bf16", "delora-linear-bf16", "delora-biases-bf16",
    "c3a-linear-bf16", "c3a-pattern-bf16", "c3a-biases-bf16", "gralora-linear-bf16", "gralora-hybrid-bf16",
    "gralora-conv1d-bf16", "gralora-biases-bf16", "beft-linear-bf16", "miss-bat-bf16", "boft-linear-bf16",
    "boft-factors-bf16", "boft-number-bf16", "boft-conv-bf16", "road-linear-bf16", "road-rows-bf16",
    "road-products-bf16", "miss-linear-bf16", "miss-even-bf16", "miss-mini-bf16", "bone-linear-bf16",
    "shira-linear-bf16",
    "vblora-linear-bf16", "vblora-weights-bf16",
    "vblora-conv1d-bf16", "vblora-biases-bf16", "glora-linear-bf16", "glora-biases-bf16", "glora-vectors-bf16",
    "glora-numbers-bf16", "glora-none-bf16", "deft-linear-bf16", "deft-removal-bf16", "deft-conv1d-bf16",
    "deft-biases-bf16", "peanut-linear-bf16", "peanut-deep-bf16", "osf-linear-bf16", "osf-patterns-bf16",
    "ia3-linear-bf16",
    "ia3-conv1d-bf16", "ia3-saved-bf16", "oft-linear-bf16", "oft-exact-bf16", "oft-embedding-bf16",
    "oft-conv-bf16", "oft-biases-bf16", "hra-linear-bf16", "hra-orthogonal-bf16", "hra-conv-bf16",
    "ln_tuning-rms-bf16", "ln_tuning-bias-bf16", "ln_tuning-pattern-bf16", "trainable_tokens-list-bf16",
    "trainable_tokens-several-bf16",
    "vera-drawn-bf16", "pvera-drawn-bf16", "randlora-linear-bf16", "randlora-conv1d-bf16", "randlora-biases-bf16",
    "randlora-drawn-bf16", "randlora-sparse-bf16", "unilora-linear-bf16", "unilora-conv1d-bf16", "unilora-biases-bf16",
    "tinylora-linear-bf16", "tinylora-layers-bf16", "tinylora-conv1d-bf16", "tinylora-embedding-bf16",
    "fourierft-linear-bf16", "fourierft-pattern-bf16", "fourierft-conv1d-bf16", "fourierft-biases-bf16",
    "waveft-linear-bf16", "waveft-long-bf16", "waveft-direct-bf16", "waveft-conv1d-bf16", "waveft-coif4-bf16",
    "supertuning-linear-bf16", "supertuning-supra-bf16",
  ]

  /// Tensors without which an adapter is another one that is whole, by parts of their names:
  ///
  /// - A copy of the base's own weight beside an update, which PEFT saves and does not need.
  /// - The bias of a new head: nothing says that there was one.
  /// - The second of two equal tensors that the adapter ties.
  /// - What a merge does not need.
  static let dispensable: [String: String] = [
    "embedding-bf16": "base_layer", "gpt2-mixed-flag-bf16": "base_layer", "lm-head-bf16": "base_layer",
    "dora-embedding-bf16": "base_layer",
    "tied-both-bf16": "base_layer", "bert-sequence-bf16": "classifier.bias", "tied-saved-ensured-bf16": "lm_head",
    "velora-bf16": "velora_embed", "monteclora-bf16": "monteclora_sampler", "embedding-rslora-bf16": "base_layer",
    "embedding-other-base-bf16": "base_layer", "tied-embedding-bf16": "base_layer", "tied-head-bf16": "base_layer",
    "bert-token-bf16": "classifier.bias", "hira-embedding-bf16": "base_layer", "oft-embedding-bf16": "base_layer",
    "tinylora-embedding-bf16": "base_layer",
  ]
  /// Tensors whose shape nothing tells.
  static let shapeless = [
    "velora-bf16": "velora_embed", "monteclora-bf16": "monteclora_sampler", "llama-sequence-bf16": "score.weight",
  ]

  /// The adapter in a scratch folder with one tensor less, or with another one in its place.
  private func adapter(
    _ testCase: FixtureCase, in scratch: Scratch, without index: Int, put: (TestTensor) -> TestTensor?
  ) throws -> String {
    let folder = scratch.file("adapter")
    try FileManager.default.copyItem(atPath: testCase.adapters[0], toPath: folder)
    let file = try #require(tree(folder).keys.first { $0.hasSuffix("adapter_model.safetensors") })
    let loaded = try LoadedFile(folder + "/" + file)
    let tensors = loaded.header.tensors.enumerated().compactMap { number, info -> TestTensor? in
      let tensor = TestTensor(info.name.string, info.dtype, info.shape, bytes: Array(loaded.data(info)))
      return number == index ? put(tensor) : tensor
    }
    try writeFile(folder + "/" + file, tensors, metadata: "{\"format\":\"pt\"}")
    return folder
  }

  private func tensorNames(_ testCase: FixtureCase) throws -> [String] {
    let folder = testCase.adapters[0]
    let file = try #require(tree(folder).keys.first { $0.hasSuffix("adapter_model.safetensors") })
    return try LoadedFile(folder + "/" + file).names
  }

  /// What the merge of the changed adapter is refused with; nil if it is not.
  private func problem(
    _ testCase: FixtureCase, without index: Int, put: (TestTensor) -> TestTensor?
  ) throws -> (any ReportableError)? {
    let scratch = try Scratch()
    let adapter = try adapter(testCase, in: scratch, without: index, put: put)
    let entries = try scratch.entries()
    let error = refusal {
      try TestMerge(
        base: testCase.base, adapters: [(adapter, 1)], output: scratch.file("merged"), options: testCase.options
      ).run()
    }
    if error != nil { #expect(try scratch.entries() == entries) }
    return error
  }

  @Test(arguments: names) func withoutATensorNothingIsWritten(name: String) throws {
    let testCase = try FixtureCase.named(name)
    for (index, tensor) in try tensorNames(testCase).enumerated() {
      let error = try problem(testCase, without: index) { _ in nil }
      if let part = Self.dispensable[name], tensor.contains(part) {
        #expect(error == nil, "\(tensor)")
      } else {
        #expect(error?.category == .refusedInput, "\(tensor)")
      }
    }
  }

  /// A row more, and a column more.
  /// Of a module that was pruned to rank 0 only the empty dimension matters.
  @Test(arguments: names.filter { $0 != "adalora-pruned-bf16" })
  func withATensorOfAnotherShapeNothingIsWritten(name: String) throws {
    let testCase = try FixtureCase.named(name)
    for (index, tensor) in try tensorNames(testCase).enumerated() {
      for isRow in [true, false] {
        let error = try problem(testCase, without: index) { tensor in
          var shape = tensor.shape
          guard let position = isRow ? shape.indices.first : shape.indices.last else { return nil }
          shape[position] += 1
          let count = shape.reduce(1, *) * tensor.dtype.bitCount / 8
          return TestTensor(
            tensor.name, tensor.dtype, shape,
            bytes: tensor.bytes + [UInt8](repeating: 0, count: count - tensor.bytes.count))
        }
        // The columns of a new head are the width of whatever feeds it.
        if let part = Self.shapeless[name], tensor.contains(part) {
          #expect(error == nil, "\(tensor)")
        } else if name.hasPrefix("bert-"), tensor.hasSuffix("classifier.weight"), !isRow {
          #expect(error == nil, "\(tensor)")
        } else {
          #expect(error?.category == .refusedInput, "\(tensor), \(isRow ? "a row" : "a column")")
        }
      }
    }
  }

  /// Two parts of an adapter that must be equal, since it ties them, and are not.
  @Test(arguments: ["tied-ensured-bf16", "tied-saved-ensured-bf16", "tied-saved-both-bf16", "resized-vocab-tied-bf16"])
  func withOneOfTwoEqualTensorsChangedNothingIsWritten(name: String) throws {
    var testCase = try FixtureCase.named(name)
    if name == "tied-saved-both-bf16" { testCase.isAlwaysTied = true }
    var count = 0
    for (index, tensor) in try tensorNames(testCase).enumerated()
    where tensor.contains("lm_head") || tensor.contains("embed_tokens") {
      count += 1
      let error = try problem(testCase, without: index) { tensor in
        var bytes = tensor.bytes
        bytes[bytes.count - 1] ^= 0x40
        return TestTensor(tensor.name, tensor.dtype, tensor.shape, bytes: bytes)
      }
      #expect(error?.category == .refusedInput, "\(tensor)")
      #expect(error?.errorClass == "tied", "\(tensor)")
    }
    #expect(count >= 2)
  }
}
