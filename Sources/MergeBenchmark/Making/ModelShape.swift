/// The families of models that are made, named as Hugging Face's `model_type` does in part.
enum ModelFamily: String, CaseIterable, Sendable {
  /// Llama: dense feed-forward layers.
  case llama
  /// Mixtral: a router and experts with three matrices each.
  case moe
  /// gpt-oss: a router and experts in two stacks of transposed matrices.
  case gptOSS = "gpt-oss"
}

/// The sizes of a model.
struct ModelShape: Equatable, Sendable {
  var family: ModelFamily
  var layers: Int
  var hidden: Int
  var intermediate: Int
  var vocabulary: Int
  var heads: Int
  var keyValueHeads: Int
  /// Experts of a layer; unused in a dense model.
  var experts: Int

  var headSize: Int { hidden / heads }
  var keyValueSize: Int { headSize * keyValueHeads }

  func validate() throws(BenchmarkError) {
    let numbers = [
      ("--layers", layers), ("--hidden", hidden), ("--intermediate", intermediate), ("--vocab", vocabulary),
      ("--heads", heads), ("--kv-heads", keyValueHeads), ("--experts", experts),
    ]
    for (option, value) in numbers where value < 1 { throw .notPositive(option: option, value: value) }
    // Rotary embeddings turn pairs of a head's elements.
    guard hidden % (2 * heads) == 0 else { throw .headsDoNotDivide(hidden: hidden, heads: heads) }
    guard heads % keyValueHeads == 0 else { throw .groupsDoNotDivide(heads: heads, keyValueHeads: keyValueHeads) }
  }
}

/// Shapes to start from; options change single numbers.
enum ModelSize: String, CaseIterable, Sendable {
  /// Some hundred KiB, for trying out.
  case tiny
  /// 1.2 billion parameters, 2.5 GB in 16 bits.
  case medium = "1.2b"
  /// The same layers, four times as many parameters.
  case large = "4.9b"
  /// 716 billion parameters in 100,000 tensors, 1.4 TB in 16 bits: use `--sparse`.
  case huge = "1.4t"

  /// - Parameter family: nil for the family that the size is meant for.
  func shape(_ family: ModelFamily?) -> ModelShape {
    switch self {
    case .tiny:
      ModelShape(
        family: family ?? .llama, layers: 2, hidden: 64, intermediate: 96, vocabulary: 128, heads: 4, keyValueHeads: 2,
        experts: 4)
    case .medium:
      ModelShape(
        family: family ?? .llama, layers: 18, hidden: 2048, intermediate: 8192, vocabulary: 32000, heads: 32,
        keyValueHeads: 8, experts: 8)
    case .large:
      ModelShape(
        family: family ?? .llama, layers: 78, hidden: 2048, intermediate: 8192, vocabulary: 32000, heads: 32,
        keyValueHeads: 8, experts: 8)
    case .huge:
      // 361 layers of 7 + 3 * 90 tensors, and 3 more, are 100,000.
      ModelShape(
        family: family ?? .moe, layers: 361, hidden: 3584, intermediate: 2016, vocabulary: 128_000, heads: 28,
        keyValueHeads: 4, experts: 90)
    }
  }

  /// Files of the size's checkpoint unless an option says otherwise.
  var shardCount: Int { self == .huge ? 1433 : 1 }
}
