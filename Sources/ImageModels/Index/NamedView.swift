import ModelNames

/// A parameter by one of its names, and where it lies.
struct NamedView: Sendable, Equatable {
  /// The parameter's name in one of the schemes, without the component's prefix.
  let name: String
  /// The rows, or why they are not there.
  let view: Result<TensorView, NameProblem>
  /// The line of a table that found them; nil: the base has the name.
  let rule: String?
}
