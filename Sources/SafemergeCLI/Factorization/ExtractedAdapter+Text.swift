import Factorization
import JSONText

extension ExtractedAdapter {
  /// A warning about changes that the adapter does not have; nil: it has all.
  var leftOutWarning: String? {
    leftOut.isEmpty
      ? nil : "left out, because an adapter cannot hold the change: \(leftOut.joined(separator: ", "))"
  }

  /// Members of the `adapter_plan` event about what the adapter does not have, or needs options to be merged.
  func writeLists(_ event: inout JSONWriter) {
    event.member("left_out", leftOut)
    event.member("new_modules", newModules)
    event.member("untied_modules", untiedModules)
  }

  /// Lines about modules that a merge adds to the base, or separates from others, only with an option.
  var newModuleLines: [String] {
    let lists = [("new", newModules, "--add-tensors"), ("untied", untiedModules, "--tied split")]
    return lists.filter { !$0.1.isEmpty }.map { label, modules, option in
      LabeledLine.text(label, "\(modules.joined(separator: ", "))   merge this adapter with \(option)")
    }
  }
}
