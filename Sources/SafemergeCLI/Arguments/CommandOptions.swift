import JSONText
import ModelNames

/// The options of the commands, as ArgumentParser has them, for messages about wrong usage.
struct CommandOptions {
  struct Option {
    /// With their dashes: `-o`, `--output`.
    let names: [String]
    let takesValue: Bool
    /// Empty unless the values are listed.
    let values: [String]
  }

  /// By the commands' names.
  private let options: [String: [Option]]

  init(dump: String) {
    let tree = try? JSONParser.parse(Array(dump.utf8).span)
    var options: [String: [Option]] = [:]
    for command in tree?[["command", "subcommands"]]?.elements ?? [] {
      guard let name = command["commandName"]?.text else { continue }
      options[name] = (command["arguments"]?.elements ?? []).compactMap(Self.option)
    }
    self.options = options
  }

  private static func option(_ argument: JSONValue) -> Option? {
    let names = (argument["names"]?.elements ?? []).compactMap { name in
      name["name"]?.text.map { (name["kind"]?.text == "short" ? "-" : "--") + $0 }
    }
    guard !names.isEmpty else { return nil }
    return Option(
      names: names, takesValue: argument["kind"]?.text == "option",
      values: (argument["allValues"]?.elements ?? []).compactMap(\.text))
  }

  func option(_ name: String, of command: String?) -> Option? {
    command.flatMap { options[$0] }?.first { $0.names.contains(name) }
  }

  /// The commands that have an option.
  func commands(with name: String) -> [String] {
    options.filter { $0.value.contains { $0.names.contains(name) } }.keys.sorted()
  }

  /// The option that a mistyped one is nearest to; nil if none is near.
  func nearest(_ name: String, of command: String?) -> String? {
    let names = (command.flatMap { options[$0] } ?? []).flatMap(\.names).filter { $0.hasPrefix("--") }
    let typed = String(name.lowercased().map { $0 == "_" ? "-" : $0 })
    if let same = names.first(where: { $0 == typed || $0.filter { $0 != "-" } == typed.filter { $0 != "-" } }) {
      return same
    }
    let longer = names.filter { $0.hasPrefix(typed) && typed.count >= 5 }
    if longer.count == 1 { return longer[0] }
    return Self.nearest(typed, among: names, shared: 2)
  }

  /// The nearest of some words; nil if none is near.
  ///
  /// - Parameter shared: Characters that all of them begin with.
  static func nearest(_ word: String, among words: [String], shared: Int = 0) -> String? {
    let limit = max(1, min(2, (word.count - shared + 1) / 3))
    return words.map { (word: $0, distance: NearestNames.editDistance($0, word)) }
      .filter { $0.distance <= limit }
      .min { ($0.distance, $0.word) < ($1.distance, $1.word) }?.word
  }
}

extension JSONValue {
  fileprivate var elements: [JSONValue] { if case .array(let elements) = self { elements } else { [] } }
  fileprivate var text: String? { if case .string(let text) = self { text } else { nil } }
}
