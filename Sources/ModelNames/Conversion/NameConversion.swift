/// One line of ``ConversionTable``: what a name on disk becomes in the runtime model, and what its tensor becomes.
///
/// Source: transformers `core_model_loading.py`: `WeightTransform.rename_source_key`, `GroupWeightRename`,
/// `Inkling2IndexOffsetWeightRename`, whose order of steps this keeps.
struct NameConversion {
  /// How tensors on disk make up those of the runtime model.
  enum Step: Equatable {
    /// One tensor for each number in the names, stacked along a new first dimension (`MergeModulelist`).
    case stack
    /// The sources one behind the other along a dimension (`Concatenate`).
    case join(Int)
    /// Equal parts along a dimension, one for each target (`Chunk`).
    case chunk(Int)
    /// Parts of the sizes that the model's modules have (`Split`).
    case split(Int)
    case transpose(Int, Int)
    /// The even places along a dimension before the odd ones (`Interleave`).
    case interleave(Int)
    /// As ``stack``, the sources one behind the other along dimension 1, with the numbers divided among the targets in
    /// their order (`ErnieFuseAndSplitTextVisionExperts`).
    case divide
    /// Of each head the even rows before the odd ones (`PermuteForRope`): in runtime tensors whose name has one of these
    /// components, nil: in all, with the heads of a section of config.json, nil: of its top.
    case rope(section: String?, components: [String]?)
    /// Something that no range of rows expresses.
    case other(String)

    init(_ text: Substring) {
      if text == "divide" {
        self = .divide
        return
      }
      if text.hasPrefix("rope("), text.hasSuffix(")") {
        let fields = text.dropFirst("rope(".count).dropLast().split(separator: ";", omittingEmptySubsequences: false)
        let components = fields.dropFirst().first.map { $0.split(separator: ",").map(String.init) }
        self = .rope(
          section: fields.first.flatMap { $0.isEmpty ? nil : String($0) },
          components: components.flatMap { $0.isEmpty ? nil : $0 })
        return
      }
      let digits = text.reversed().prefix { $0.isASCII && $0.isNumber }.reversed().compactMap(\.wholeNumberValue)
      switch (text.dropLast(digits.count), digits.count) {
      case ("stack", 0): self = .stack
      case ("join", 1): self = .join(digits[0])
      case ("chunk", 1): self = .chunk(digits[0])
      case ("split", 1): self = .split(digits[0])
      case ("interleave", 1): self = .interleave(digits[0])
      case ("transpose", 2): self = .transpose(digits[0], digits[1])
      default: self = .other(String(text))
      }
    }
  }

  /// What a line does to a name that it fits.
  struct Outcome {
    /// The runtime tensors: several where one on disk holds more than one.
    let names: [String]
    /// Which of the line's sources the name is.
    let source: Int
    /// The number that the pattern's `*` stands for.
    let number: Int?
  }

  /// No model has this many experts in a layer; a name that says so is not believed.
  private static let largestNumber = 1 << 20

  private enum Kind: Equatable { case rename, group, convert }

  /// The line as it is in the table.
  let text: String
  /// Empty: a renaming.
  let steps: [Step]
  let sourceCount: Int
  private let kind: Kind
  private let sources: [(number: Int, pattern: NamePattern)]
  private let targets: [String]

  /// Nil: a line that does more to a name than renaming, which is then not found.
  init?(_ line: String) throws {
    let sides = line.components(of: " > ")
    guard sides.count == 2 else { return nil }
    var left = sides[0]
    if let colon = left.range(of: ": ") {
      let word = left[..<colon.lowerBound]
      left = String(left[colon.upperBound...])
      switch word {
      case "GroupWeightRename":
        kind = .group
        steps = []
      case _ where word.hasSuffix("WeightRename") || word == "LayerPairCollapse": return nil
      default:
        kind = .convert
        steps = word.split(separator: "+").map(Step.init)
      }
    } else {
      kind = .rename
      steps = []
    }
    text = line
    let patterns = left.split(separator: " ")
    sourceCount = patterns.count
    targets = sides[1].split(separator: " ").map(String.init)
    // A name is taken by the longest that fits, of those that fit furthest to the left.
    sources = try patterns.enumerated().sorted { ($1.element.count, $0.offset) < ($0.element.count, $1.offset) }
      .map { number, pattern in
        var text = String(pattern).replacing("*.", with: ".*\\.")
        // A pattern ends where a name's component does; one that ends with "_" is the beginning of a component.
        if let last = text.unicodeScalars.last, last.properties.isAlphabetic || last.properties.numericType != nil {
          text += "(?!\\w)"
        }
        return (number, try NamePattern(text))
      }
    guard !targets.isEmpty else { return nil }
  }

  /// Whether a name begins a group of renamings that are only done together.
  func isGuard(_ name: String) -> Bool {
    kind == .group && sources.contains { $0.number == 0 && $0.pattern.firstMatch(in: name) != nil }
  }

  var isGroup: Bool { kind == .group }

  func callAsFunction(_ name: String) -> Outcome? {
    var best: (number: Int, match: NamePattern.Match)?
    for (number, pattern) in sources {
      guard let match = pattern.firstMatch(in: name) else { continue }
      if let best, best.match.range.lowerBound <= match.range.lowerBound { continue }
      best = (number, match)
    }
    guard let (source, match) = best else { return nil }
    let taken = name[match.range]
    var replacement = targets[kind == .group ? source : 0]
    for (number, group) in match.groups.enumerated() {
      replacement = replacement.replacing("\\\(number + 1)", with: group)
    }
    let renamed = name.replacing(taken, with: replacement, maxReplacements: 1)
    let names =
      [renamed]
      + (kind == .convert ? targets.dropFirst().map { renamed.replacing(replacement, with: $0) } : [])
    return Outcome(
      names: names, source: source,
      number: taken.split(separator: ".").last { $0.allSatisfy { $0.isASCII && $0.isNumber } }
        .flatMap { Int($0) }.flatMap { $0 < Self.largestNumber ? $0 : nil })
  }
}

extension String {
  /// The parts between the places where `separator` stands.
  func components(of separator: String) -> [String] { split(separator: separator).map(String.init) }

  /// Where `text` stands first.
  func range(of text: String) -> Range<String.Index>? { firstRange(of: text) }
}
