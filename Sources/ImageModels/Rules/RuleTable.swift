/// A native spelling of an architecture's names, as lines of text that give diffusers' name for each.
///
/// A line is `NATIVE -> DIFFUSERS` or `NATIVE -> DIFFUSERS CUT` (``RowCut``). Both names are of modules, or, with a leading `=`, of
/// parameters. `[NATIVE -> DIFFUSERS]` puts a beginning before the names of the lines below it, until the next such line; `[]` ends
/// it. `A.** -> B.**` renames all that is below a module. `ALIAS = NATIVE CUT` is one more name for rows of a native module.
struct RuleTable: Sendable {
  /// How the names are spelled.
  let scheme: Component.Scheme
  /// The tensors that a base in this spelling has.
  let detection: Detection
  /// The parameter whose rows are as many as the hidden size.
  let hidden: String?
  private(set) var rules: [NameRule] = []
  /// More names of rows of native modules: the alias is `native`, and `diffusers` the native module.
  private(set) var aliases: [NameRule] = []
  private var byNative: [String: [Int]] = [:]
  private var byDiffusers: [String: [Int]] = [:]
  private var belowNative: [String: String] = [:]
  private var belowDiffusers: [String: String] = [:]

  init(_ scheme: Component.Scheme, _ detection: Detection, hidden: String? = nil, _ text: String) {
    self.scheme = scheme
    self.detection = detection
    self.hidden = hidden
    var beginnings = (native: "", diffusers: "")
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if line.hasPrefix("[") {
        let names = line.dropFirst().dropLast().split(separator: " ")
        beginnings = names.count == 3 ? (names[0] + ".", names[2] + ".") : ("", "")
      } else if words.count >= 3 {
        add(words, beginnings, line: String(line))
      } else {
        preconditionFailure("no rule: \(line)")
      }
    }
  }

  private mutating func add(_ words: [Substring], _ beginnings: (native: String, diffusers: String), line: String) {
    let isParameter = words[0].hasPrefix("=")
    func name(_ word: Substring, _ beginning: String) -> String { beginning + word.drop { $0 == "=" } }
    let native = name(words[0], beginnings.native)
    let other = name(words[2], words[1] == "=" ? beginnings.native : beginnings.diffusers)
    if native.hasSuffix(".**") {
      belowNative[String(native.dropLast(3))] = String(other.dropLast(3))
      belowDiffusers[String(other.dropLast(3))] = String(native.dropLast(3))
      return
    }
    guard let cut = words.count == 3 ? .whole : RowCut(words[3]) else { preconditionFailure("no cut: \(line)") }
    let rule = NameRule(
      native: ModulePattern(native), diffusers: ModulePattern(other), cut: cut, isParameter: isParameter, text: line)
    if words[1] == "=" {
      aliases.append(rule)
    } else {
      byNative[Self.key(rule.native, isParameter), default: []].append(rules.count)
      byDiffusers[Self.key(rule.diffusers, isParameter), default: []].append(rules.count)
      rules.append(rule)
    }
  }

  /// Keys of parameters and modules in one table.
  private static func key(_ pattern: ModulePattern, _ isParameter: Bool) -> String {
    isParameter ? "=" + pattern.key : pattern.key
  }

  /// Which side of the table a name is of.
  enum Side { case native, diffusers }

  /// What renamed names begin with, in both spellings.
  var renamedBeginnings: [String] { Array(belowNative.keys) + belowDiffusers.keys }

  /// A rule that a parameter's name matches, and what the other side calls the parameter.
  struct Match {
    /// nil: the name is below a renamed module, or it is an alias's.
    let rule: Int?
    let values: [Int]
    let other: String
  }

  /// The rules that a parameter's name matches: those of its whole name, else those of its module, else what it is below of.
  func matches(_ name: String, on side: Side) -> [Match] {
    let index = side == .native ? byNative : byDiffusers
    let whole = ModulePattern.key(of: name[...])
    var found = matches(index["=" + whole.key], whole.numbers, on: side, leaf: "")
    if found.isEmpty, let dot = name.lastIndex(of: ".") {
      let leaf = name[dot...]
      if leaf == ".weight" || leaf == ".bias" {
        let module = ModulePattern.key(of: name[..<dot])
        found = matches(index[module.key], module.numbers, on: side, leaf: leaf)
      }
    }
    if found.isEmpty {
      let below = side == .native ? belowNative : belowDiffusers
      if !below.isEmpty, let other = Self.renamed(name, below) {
        found.append(Match(rule: nil, values: [], other: other))
      }
    }
    return found
  }

  private func matches(_ candidates: [Int]?, _ numbers: [Int], on side: Side, leaf: Substring) -> [Match] {
    guard let candidates else { return [] }
    return candidates.compactMap { number in
      let (own, other) =
        side == .native
        ? (rules[number].native, rules[number].diffusers) : (rules[number].diffusers, rules[number].native)
      return own.values(of: numbers).map { Match(rule: number, values: $0, other: other.name($0) + leaf) }
    }
  }

  /// The name with the longest beginning of it that the dictionary renames.
  private static func renamed(_ name: String, _ beginnings: [String: String]) -> String? {
    var end = name.endIndex
    while let dot = name[..<end].lastIndex(of: ".") {
      if let other = beginnings[String(name[..<dot])] { return other + name[dot...] }
      end = dot
    }
    return nil
  }

  /// The rules that a native parameter is made of in diffusers' names, in the order of its rows.
  func siblings(of rule: Int) -> [Int] {
    let own = rules[rule]
    let all = byNative[Self.key(own.native, own.isParameter)] ?? []
    return all.filter { rules[$0].native.name([0, 0, 0, 0]) == own.native.name([0, 0, 0, 0]) }
  }
}
