import Factorization

extension ExtractedAdapter {
  /// A warning about changes that the adapter does not have; nil: it has all.
  var leftOutWarning: String? {
    leftOut.isEmpty
      ? nil : "left out, because an adapter cannot hold the change: \(leftOut.joined(separator: ", "))"
  }

  /// A line about modules that a merge adds to the base; none where there are none.
  var newModuleLines: [String] {
    guard !newModules.isEmpty else { return [] }
    return [LabeledLine.text("new", "\(newModules.joined(separator: ", "))   merge this adapter with --add-tensors")]
  }
}
