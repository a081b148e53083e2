import Inspection
import Safetensors

/// A part of a model that only one side has, such as a VAE or a text encoder: all of its tensors that begin in one way.
struct LonePart {
  /// What the names begin with.
  let prefix: String
  let isLeft: Bool
  let tensorCount: Int
  /// Each once, in the order of the tensors.
  let dtypes: [DType]

  /// The parts that are whole on one side alone. Models that have the same names are not divided: there every tensor counts.
  static func all(in difference: ModelDifference) -> [LonePart] {
    guard difference.spelling != nil else { return [] }
    var result: [LonePart] = []
    for isLeft in [true, false] {
      var groups: [String: [ModelDifference.Part]] = [:]
      var shared: Set<String> = []
      for tensor in difference.tensors {
        guard let part = isLeft ? tensor.left : tensor.right, let prefix = prefix(of: part.name.string) else {
          continue
        }
        groups[prefix, default: []].append(part)
        if tensor.left != nil, tensor.right != nil { shared.insert(prefix) }
      }
      for (prefix, parts) in groups.sorted(by: { $0.key < $1.key }) where !shared.contains(prefix) && parts.count > 1 {
        let dtypes = parts.map(\.dtype).reduce(into: [DType]()) { if !$0.contains($1) { $0.append($1) } }
        result.append(LonePart(prefix: prefix, isLeft: isLeft, tensorCount: parts.count, dtypes: dtypes))
      }
    }
    return result
  }

  /// Whether a tensor is of the part.
  func contains(_ tensor: ModelDifference.Tensor) -> Bool {
    guard let part = isLeft ? tensor.left : tensor.right, (isLeft ? tensor.right : tensor.left) == nil else {
      return false
    }
    return Self.prefix(of: part.name.string) == prefix
  }

  /// What the names of a part begin with: a folder of diffusers, or one segment, or in a single file those that name a text encoder.
  private static func prefix(of name: String) -> String? {
    if let slash = name.firstIndex(of: "/") { return String(name[...slash]) }
    let segments = name.split(separator: ".", omittingEmptySubsequences: false)
    let count = name.hasPrefix("conditioner.embedders.") ? 3 : name.hasPrefix("text_encoders.") ? 2 : 1
    return segments.count > count ? segments.prefix(count).joined(separator: ".") + "." : nil
  }
}
