/// What an engine says of an array from the first index without gaps, which alone says how many parts there are: the number of a repeat
/// of one task is 1, and an array from another index leaves some part out.
struct WholeArray: Equatable {
  /// A variable, and the value that it has in such an array.
  struct Condition: Equatable {
    let variable: String
    /// Nil: the index of the last part.
    let value: Int?
    /// Whether it must be set.
    var isSet = true
  }

  let conditions: [Condition]
  /// How such an array is submitted; `LAST` is the index of the last part.
  let submission: String

  /// The variables that are not as they are in such an array: with their values, or the names of those that are not set.
  ///
  /// - Parameter last: The index of the last part.
  func differences(_ variables: [String: String], last: Int) -> (wrong: [String], missing: [String]) {
    var (wrong, missing): ([String], [String]) = ([], [])
    for condition in conditions {
      guard let value = variables[condition.variable] else {
        if condition.isSet { missing.append(condition.variable) }
        continue
      }
      if value != String(condition.value ?? last) { wrong.append("\(condition.variable)=\(value)") }
    }
    return (wrong, missing)
  }

  /// The option that submits such an array.
  func option(last: Int) -> String { submission.replacing("LAST", with: String(last)) }
}
