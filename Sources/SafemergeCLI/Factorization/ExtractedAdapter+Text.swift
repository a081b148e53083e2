import Factorization

extension ExtractedAdapter {
  /// A line about modules that a merge adds to the base; none where there are none.
  var newModuleLines: [String] {
    guard !newModules.isEmpty else { return [] }
    return [LabeledLine.text("new", "\(newModules.joined(separator: ", "))   merge this adapter with --add-tensors")]
  }
}
