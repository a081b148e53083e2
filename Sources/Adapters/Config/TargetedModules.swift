import JSONText

/// The modules that `target_modules` names, each of which must be in the file: for tuners whose modules have one tensor each, so that
/// no other tensor shows a loss.
struct TargetedModules: Sendable {
  private let modules: ModuleList
  /// Whether no other field takes some of them out again.
  private let areAll: Bool

  init(_ reader: ConfigReader) throws(AdapterError) {
    modules = try ModuleList("target_modules", reader, onDots: true)
    areAll = ["exclude_modules", "layers_to_transform", "layers_pattern"].allSatisfy {
      ConfigField.off.contains(reader.json[$0] ?? .null)
    }
  }

  /// The field that names the module of this tensor of the runtime model; nil: no field does.
  ///
  /// - Parameter leaves: What of a module the tuner changes or replaces.
  func field(naming tensor: String, leaves: Set<Substring> = ["weight"]) -> String? {
    guard areAll, let dot = tensor.lastIndex(of: "."), leaves.contains(tensor[dot...].dropFirst()) else { return nil }
    // A pattern that costs too much names every module: what is not there is then missed, and not lost without a word.
    return (try? modules.contains(String(tensor[..<dot]))) ?? true ? "target_modules" : nil
  }
}
