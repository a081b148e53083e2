import Safetensors

/// Which parameter each wrapper of a module belongs to, where `target_parameters` names parameters.
///
/// PEFT wraps the module once for each parameter, in the order in which the module registered them: the first is the
/// innermost. A wrapper does not say whose it is; only the config and that order do.
package struct ParameterNesting {
  /// The order in which the modules of transformers 5.23 register the parameters that stack experts.
  package static let registrationOrder = [
    "gate_up_proj", "gate_up_proj_bias", "gate_proj", "up_proj", "down_proj", "down_proj_bias", "w1", "v1", "w2",
  ]

  /// `target_parameters`, split at the last dot.
  private let entries: [(text: String, module: String, leaf: String)]

  init(_ targetParameters: [String]) {
    entries = targetParameters.map { text in
      let segments = text.split(separator: ".", omittingEmptySubsequences: false)
      return (text, segments.dropLast().joined(separator: "."), String(segments.last ?? ""))
    }
  }

  /// The entries that may mean a parameter of `module`; those without a module's name may mean any.
  func candidates(of module: TensorName) -> [(text: String, leaf: String, namesModule: Bool)] {
    var seen: Set<String> = []
    return entries.compactMap { entry in
      guard entry.module.isEmpty || module.string.isPath(endingWith: entry.module) else { return nil }
      guard seen.insert(entry.leaf).inserted else { return nil }
      return (entry.text, entry.leaf, !entry.module.isEmpty)
    }
  }

  /// The names of the parameters from the innermost wrapper to the outermost.
  ///
  /// - Parameter depths: How many `base_layer` are in the keys of each wrapper.
  func leaves(_ candidates: [String], depths: Set<Int>) throws(AdapterError.Problem) -> [String] {
    guard depths == Set(0..<candidates.count) else {
      throw .parameterCount(parameters: candidates, depths: depths.sorted())
    }
    if candidates.count == 1 { return candidates }
    var ranked: [(rank: Int, leaf: String)] = []
    for leaf in candidates {
      guard let rank = Self.registrationOrder.firstIndex(of: leaf) else {
        throw .parameterOrder(parameters: candidates, unknown: leaf)
      }
      ranked.append((rank, leaf))
    }
    return ranked.sorted { $0.rank < $1.rank }.map(\.leaf)
  }
}

extension String {
  /// Whether the path is `suffix`, or ends with it behind a dot.
  func isPath(endingWith suffix: String) -> Bool {
    let (path, end) = (Array(utf8), Array(suffix.utf8))
    guard path.count >= end.count, path.suffix(end.count).elementsEqual(end) else { return false }
    return path.count == end.count || path[path.count - end.count - 1] == UInt8(ascii: ".")
  }

  /// Whether the bytes of `part` occur in it.
  func containsBytes(of part: String) -> Bool {
    let (text, part) = (Array(utf8), Array(part.utf8))
    if part.isEmpty { return true }
    guard text.count >= part.count else { return false }
    return (0...(text.count - part.count)).contains { text[$0..<$0 + part.count].elementsEqual(part) }
  }
}
