import ArgumentParser

/// What the arguments say before they are parsed: errors of parsing are printed by it too.
struct CommandLineWords {
  let command: String?
  let color: ColorMode
  let isJSON: Bool
  let asksForAllHelp: Bool
  private let words: [String]

  init(_ arguments: [String]) {
    let words = Array(arguments.prefix { $0 != "--" })
    self.words = words
    command = words.first.flatMap { $0.hasPrefix("-") ? nil : $0 }
    func value(_ option: String) -> String? {
      for (place, word) in words.enumerated() {
        if word == option { return words.dropFirst(place + 1).first }
        if word.hasPrefix(option + "=") { return String(word.dropFirst(option.count + 1)) }
      }
      return nil
    }
    color = value("--color").flatMap(ColorMode.init(rawValue:)) ?? .auto
    asksForAllHelp = words.contains("--help-all")
    let asksForHelp = asksForAllHelp || words.contains { ["-h", "--help"].contains($0) }
    isJSON = !asksForHelp && command != "help" && (words.contains("--json") || value("--format") == "json")
  }

  /// The error for an argument that is empty, as an unset variable of a shell is.
  var emptyArgument: UsageError? {
    for (place, word) in words.enumerated() {
      let hint = "is a shell variable unset?"
      if word.isEmpty {
        if place > 0, words[place - 1].hasPrefix("-"), words[place - 1].count > 1 {
          return UsageError("the value of \(words[place - 1]) is empty", hint: hint)
        }
        return UsageError("argument \(place) of \(command ?? "safemerge") is empty", hint: hint)
      }
      if word.hasPrefix("--"), word.hasSuffix("="), word.count(where: { $0 == "=" }) == 1 {
        return UsageError("the value of \(word.dropLast()) is empty", hint: hint)
      }
    }
    return nil
  }

  /// The word behind an option of this process that begins with a dash and a digit: the parser takes it for another option.
  static func number(after option: String) -> String? {
    let words = CommandLine.arguments
    guard let place = words.firstIndex(of: option), let word = words.dropFirst(place + 1).first, word.hasPrefix("-"),
      word.dropFirst().first?.isNumber == true
    else { return nil }
    return word
  }
}
