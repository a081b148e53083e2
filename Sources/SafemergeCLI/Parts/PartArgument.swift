/// Which part of a merge a process makes: `3/16`, `auto`, or `auto/16`.
enum PartArgument: Equatable {
  /// As typed.
  case number(PartNumber)
  /// The index comes from the engine that started the process; nil: the number of parts does too.
  case automatic(count: Int?)

  /// More than any cluster starts.
  static let largestCount = 100_000

  init(argument: String) throws {
    let fields = argument.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    if fields[0] == "auto" {
      guard fields.count > 1 else {
        self = .automatic(count: nil)
        return
      }
      guard fields.count == 2 else { throw Self.wrong("expected auto or auto/N") }
      self = .automatic(count: try Self.count(fields[1]))
      return
    }
    guard fields.count == 2, let index = Self.number(fields[0]) else {
      throw Self.wrong("expected I/N, a part and the number of parts")
    }
    let count = try Self.count(fields[1])
    guard index < count else { throw Self.wrong("the parts of \(count) are 0 to \(count - 1)") }
    self = .number(PartNumber(index: index, count: count))
  }

  private static func count(_ text: String) throws -> Int {
    guard let count = number(text), 1...largestCount ~= count else {
      throw wrong("the number of parts is 1 to \(largestCount)")
    }
    return count
  }

  /// The part, and the variable that told it.
  ///
  /// - Parameter variables: The environment.
  func chosen(_ variables: [String: String]) throws(UsageError) -> (part: PartNumber, variable: String?) {
    switch self {
    case .number(let number): return (number, nil)
    case .automatic(let count):
      let found = try PartEnvironment(variables).part(of: count)
      return (found.part, found.variable)
    }
  }

  /// A number of decimal digits alone.
  static func number(_ text: String) -> Int? {
    text.utf8.allSatisfy { (48...57).contains($0) } ? Int(text) : nil
  }

  private static func wrong(_ reason: String) -> InvalidValue {
    InvalidValue(reason, hint: "for example --part 3/16, or --part auto/16 in a job of an engine")
  }
}

/// One of several parts of a merge, counted from 0.
struct PartNumber: Equatable {
  let index: Int
  let count: Int
}
