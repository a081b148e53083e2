/// Which modules of TinyLoRA share a vector: so many of them that follow one another in the model.
///
/// The file has no order of modules but that of the layers of a list, whose names are numbers. A group is known where every order
/// of the others gives it.
///
/// Source: PEFT 0.21.2 `TinyLoraModel._create_and_replace`, which counts `named_modules`.
struct VectorGroups {
  /// How many groups there are.
  let count: Int
  /// The group of each module; nil: it depends on the order.
  private(set) var ofModules: [Int?]

  private let size: Int

  /// - Parameters:
  ///   - modules: The paths of all modules.
  ///   - tying: `weight_tying`.
  init(_ modules: [String], tying: Double) {
    count = max(1, Int((Double(modules.count) * (1 - tying)).rounded(.toNearestOrEven)))
    size = max(1, modules.count / count)
    ofModules = [Int?](repeating: nil, count: modules.count)
    let paths = modules.map { $0.split(separator: ".").map(String.init) }
    settle(Array(modules.indices), paths, depth: 0, first: 0)
  }

  /// Settles the groups of modules that have the beginnings of their paths in common and are together the ones from `first` on.
  private mutating func settle(_ own: [Int], _ paths: [[String]], depth: Int, first: Int) {
    let group = group(first)
    if group == self.group(first + own.count - 1) {
      for module in own { ofModules[module] = group }
      return
    }
    var parts: [String: [Int]] = [:]
    for module in own {
      // A module whose path is the beginning of others' comes before them: its part is empty.
      parts[paths[module].count > depth ? paths[module][depth] : "", default: []].append(module)
    }
    let numbers = parts.keys.map { $0.isEmpty ? -1 : Int($0) ?? .min }
    // What is not numbered is in the order of the model's code.
    guard parts.count == 1 || !numbers.contains(.min) else { return }
    var next = first
    for (_, part) in parts.sorted(by: { (Int($0.key) ?? -1) < (Int($1.key) ?? -1) }) {
      if part.count == own.count, !part.contains(where: { paths[$0].count > depth }) { return }
      settle(part, paths, depth: depth + 1, first: next)
      next += part.count
    }
  }

  private func group(_ place: Int) -> Int { min(place / size, count - 1) }
}
