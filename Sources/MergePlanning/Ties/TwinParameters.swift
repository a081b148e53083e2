import Safetensors

/// Parameters beside embeddings and heads that a model keeps as one tensor, such as the layers of an encoder and a decoder.
///
/// A file has one of the two names. An adapter has factors for each module, so that a merge of one module's factors would
/// change the other module as well.
struct TwinParameters: Sendable {
  /// Two names of one tensor. In a name `*` is a number that both names have, and `#` is any number.
  struct Pair: Sendable {
    fileprivate let names: [[String]]

    /// Nil if the word is not `NAME=NAME`.
    init?(_ word: String) {
      let sides = word.split(separator: "=").map(String.init)
      guard sides.count == 2 else { return nil }
      names = sides.map(Self.segments)
    }

    private init(names: [[String]]) { self.names = names }

    /// The pair in a model that is at a path, which ends with a dot or is empty.
    func under(_ path: String) -> Pair {
      path.isEmpty ? self : Pair(names: names.map { Self.segments(String(path.dropLast())) + $0 })
    }

    fileprivate static func segments(_ name: String) -> [String] {
      name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    }

    /// The numbers at the stars of a pattern that a name matches; nil if it does not match.
    fileprivate static func numbers(_ name: [String], _ pattern: [String]) -> [String]? {
      guard name.count == pattern.count else { return nil }
      var numbers: [String] = []
      for (segment, expected) in zip(name, pattern) {
        switch expected {
        case "*":
          guard Int(segment) != nil else { return nil }
          numbers.append(segment)
        case "#": guard Int(segment) != nil else { return nil }
        default: guard segment.utf8.elementsEqual(expected.utf8) else { return nil }
        }
      }
      return numbers
    }

    /// A pattern with numbers in place of its stars.
    fileprivate static func filled(_ pattern: [String], _ numbers: [String]) -> [String] {
      var rest = numbers[...]
      return pattern.map { $0 == "*" ? rest.popFirst() ?? $0 : $0 }
    }
  }

  private let pairs: [Pair]
  private let names: Set<TensorName>

  /// - Parameter names: All of the tensors on disk.
  init(pairs: [Pair], names: some Collection<TensorName>) {
    self.pairs = pairs
    // Most models have none.
    self.names = pairs.isEmpty ? [] : Set(names)
  }

  /// The other name of a tensor, if the tensor is on disk under one name alone; nil: it has one name, or each name has a
  /// tensor.
  ///
  /// `#` stays in a name that stands for several.
  func absentTwin(of name: TensorName) -> String? {
    guard !pairs.isEmpty else { return nil }
    let segments = Pair.segments(name.string)
    for pair in pairs {
      for side in 0...1 {
        guard let numbers = Pair.numbers(segments, pair.names[side]) else { continue }
        let twin = Pair.filled(pair.names[1 - side], numbers)
        if twin != segments, !isStored(twin, but: segments) { return twin.joined(separator: ".") }
      }
    }
    return nil
  }

  private func isStored(_ pattern: [String], but own: [String]) -> Bool {
    guard pattern.contains("#") else { return names.contains(TensorName(pattern.joined(separator: "."))) }
    return names.contains { name in
      let segments = Pair.segments(name.string)
      return segments != own && Pair.numbers(segments, pattern) != nil
    }
  }
}
