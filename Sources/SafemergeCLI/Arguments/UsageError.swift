import ArgumentParser
import JSONText
import Platform

/// Wrong usage of the command line.
struct UsageError: ReportableError {
  let message: String
  let hint: String?
  var errorClass: String { "usage" }
  var category: ErrorCategory { .refusedInput }
  var file: String? { nil }

  init(_ message: String, hint: String? = nil) {
    self.message = message
    self.hint = hint
  }

  /// Message and hint as one text, for errors that pass through ArgumentParser. No argument of a process has a NUL.
  static func joined(_ message: String, _ hint: String?) -> String { hint.map { "\(message)\0\($0)" } ?? message }

  /// An error as ArgumentParser words it, or one that was ``joined(_:_:)``.
  ///
  /// - Parameters:
  ///   - text: The message.
  ///   - command: The command; nil for arguments without a command.
  init(parsing text: String, _ command: String?) {
    let parts = text.split(separator: "\0", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let hint = parts.count > 1 ? parts[1] : nil
    let found = ParserMessage(parts[0])
    let options = CommandOptions(dump: Safemerge._dumpHelp())
    switch found {
    case .unknownOption(let name):
      self.init(
        "unknown option \(name)" + (command.map { " for \($0)" } ?? ""), hint: Self.hint(name, command, options))
    case .invalidValue(let value, let argument, let reason):
      var hint = hint
      var message = "invalid value \"\(value)\" for \(argument)"
      let values = options.option(argument, of: command)?.values ?? []
      if let reason {
        message += ": \(reason)"
      } else if let near = CommandOptions.nearest(value, among: values) {
        hint = "did you mean \(near)?"
      } else if !values.isEmpty {
        hint = "values: \(values.joined(separator: ", "))"
      } else if options.option(argument, of: command) != nil || argument.hasPrefix("<") {
        message += ": expected \(Self.expected(argument))"
      }
      self.init(message, hint: hint)
    case .missingValue(let name):
      let values = options.option(name, of: command)?.values ?? []
      guard let word = CommandLineWords.number(after: name) else {
        self.init(
          "\(name) needs a value", hint: values.isEmpty ? nil : "values: \(values.joined(separator: ", "))")
        return
      }
      self.init(
        "\(name) needs a value, and \"\(word)\" begins like an option",
        hint: "a value that begins with a dash is written \(name)=\(word)")
    case .missingArgument(let name):
      self.init("missing argument \(name)", hint: hint ?? Self.example(command))
    case .unexpected(let values):
      self.init(
        "unexpected argument\(values.count == 1 ? "" : "s") " + values.map { "\"\($0)\"" }.joined(separator: ", "),
        hint: Self.example(command))
    case .valueOfFlag(let name, let value):
      self.init("\(name) takes no value, \"\(value)\" is given")
    case .other(let message): self.init(message, hint: hint)
    }
  }

  private static func hint(_ name: String, _ command: String?, _ options: CommandOptions) -> String? {
    if let hint = ForeignOptions.hint(name, command: command) { return hint }
    if name == "--version" || name == "--help" { return "safemerge \(name)" }
    if let near = options.nearest(name, of: command) { return "did you mean \(near)?" }
    let commands = options.commands(with: name)
    if !commands.isEmpty { return "it is an option of safemerge \(commands.joined(separator: ", "))" }
    return "all options: safemerge\(command.map { " \($0)" } ?? "") --help-all"
  }

  /// What a value that is not listed has to be.
  private static func expected(_ argument: String) -> String {
    switch argument {
    case "--fan-in-fan-out": "true or false"
    case "--density", "--svd-clamp": "a number above 0 and at most 1"
    default: "a whole number"
    }
  }

  private static func example(_ command: String?) -> String? {
    switch command {
    case "merge": "safemerge merge BASE ADAPTER -o OUTPUT"
    case "ls", "check", "clean": "safemerge \(command ?? "") PATH"
    case "diff": "safemerge diff ONE OTHER"
    case "report": "safemerge report REPORT.json -o PAGE.html"
    case "completion": "safemerge completion bash"
    default: nil
    }
  }
}

/// The messages of ArgumentParser 1.8 that this program rewords.
enum ParserMessage: Equatable {
  case unknownOption(String)
  /// `reason`: nil if the value is not in the option's list.
  case invalidValue(String, argument: String, reason: String?)
  case missingValue(String)
  case missingArgument(String)
  case unexpected([String])
  case valueOfFlag(String, value: String)
  case other(String)

  init(_ text: String) {
    if let name = Self.quoted(text, after: "Unknown option '", before: "'") {
      self = .unknownOption(name.text)
    } else if let value = Self.quoted(text, after: "The value '", before: "' is invalid for '"),
      let end = value.rest.firstIndex(of: "'")
    {
      let argument = Self.name(String(value.rest[..<end]))
      let rest = value.rest[value.rest.index(after: end)...]
      self = .invalidValue(
        value.text, argument: argument, reason: rest.hasPrefix(": ") ? String(rest.dropFirst(2)) : nil)
    } else if let name = Self.quoted(text, after: "Missing value for '", before: "'") {
      self = .missingValue(Self.name(name.text))
    } else if let name = Self.quoted(text, after: "Missing expected argument '", before: "'") {
      self = .missingArgument(name.text.split(separator: " ").first.map(String.init) ?? name.text)
    } else if let value = Self.quoted(text, after: "Unexpected argument '", before: nil) {
      self = .unexpected([String(value.text.dropLast())])
    } else if text.firstRange(of: " unexpected arguments: '") != nil,
      let values = Self.quoted(text, after: " unexpected arguments: '", before: nil)
    {
      self = .unexpected(values.text.dropLast().split(separator: "', '").map(String.init))
    } else if let name = Self.quoted(text, after: "The option '", before: "' does not take any value, but '"),
      let end = name.rest.firstRange(of: "' was specified.")
    {
      self = .valueOfFlag(name.text, value: String(name.rest[..<end.lowerBound]))
    } else {
      let plain = text.hasSuffix(".") ? String(text.dropLast()) : text
      // ArgumentParser begins with a capital; a message of this program does not, unless it begins with a name.
      let isSentence = plain.first?.isUppercase == true && plain.dropFirst().first?.isLowercase == true
      self = .other(isSentence ? plain.prefix(1).lowercased() + plain.dropFirst() : plain)
    }
  }

  private static func quoted(
    _ text: String, after start: String, before end: String?
  ) -> (text: String, rest: Substring)? {
    guard let begin = text.firstRange(of: start) else { return nil }
    let rest = text[begin.upperBound...]
    guard let end else { return (String(rest), "") }
    guard let close = rest.firstRange(of: end) else { return nil }
    return (String(rest[..<close.lowerBound]), rest[close.upperBound...])
  }

  /// `--dtype` of `--dtype <dtype>`.
  private static func name(_ text: String) -> String { text.split(separator: " ").first.map(String.init) ?? text }
}
