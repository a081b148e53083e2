/// A line of a table: how a native name and the diffusers name of the same rows belong together.
struct NameRule: Sendable {
  let native: ModulePattern
  let diffusers: ModulePattern
  let cut: RowCut
  /// Whether the names are those of whole parameters; otherwise they are of modules, and hold for weight and bias.
  let isParameter: Bool
  /// The line, for messages.
  let text: String
}
