import Factorization

extension ExtractedAdapter {
  /// A warning about changes that the adapter does not have; nil: it has all.
  var leftOutWarning: String? {
    leftOut.isEmpty
      ? nil : "left out, because an adapter cannot hold the change: \(leftOut.joined(separator: ", "))"
  }

  /// Lines about modules that a merge adds to the base, or separates from others, only with an option.
  var newModuleLines: [String] {
    let lists = [("new", newModules, "--add-tensors"), ("untied", untiedModules, "--tied split")]
    return lists.filter { !$0.1.isEmpty }.map { label, modules, option in
      LabeledLine.text(label, "\(modules.joined(separator: ", "))   merge this adapter with \(option)")
    }
  }
}
