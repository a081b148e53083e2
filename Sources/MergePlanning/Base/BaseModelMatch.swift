import Adapters
import Checkpoints
import JSONText
import Platform

/// The names of a base, to find out whether an adapter was made for another one.
struct BaseModelMatch {
  /// What the base says of itself: `_name_or_path` of config.json, and the repository where it lies in the Hugging Face cache.
  let known: [String]
  /// The folder's name, which may be anything: it can say that the base is the right one, not that it is a wrong one.
  let folder: String?

  init(_ base: Checkpoint) {
    var known: [String] = []
    if case .string(let name)? = base.config?["_name_or_path"] { known.append(name) }
    let path = base.folder ?? Paths.folder(base.path)
    if let repository = Paths.components(path).last(where: { $0.hasPrefix("models--") }) {
      // models--organization--name; a name may have "--" in it, an organization may not.
      let parts = repository.dropFirst("models--".count).split(separator: "-", omittingEmptySubsequences: false)
      let separator = parts.firstIndex(of: "")
      known.append(separator.map { parts[($0 + 1)...].joined(separator: "-") } ?? parts.joined(separator: "-"))
    }
    self.init(known: known, folder: base.folder.map(Paths.lastComponent))
  }

  init(known: [String], folder: String?) {
    self.known = known.filter { !Self.simplified($0).isEmpty }
    self.folder = folder
  }

  /// A line for an adapter that names another base than all that is known of this one.
  func warning(for adapter: Adapter) -> String? {
    guard let wanted = adapter.baseModelName, let found = known.first, !matches(wanted) else { return nil }
    return "\(adapter.configPath): the adapter was made for \"\(wanted)\", but the base is \"\(found)\""
  }

  /// Whether nothing known contradicts `name`, or something agrees with it.
  func matches(_ name: String) -> Bool {
    let name = Self.simplified(name)
    guard !name.isEmpty, !known.isEmpty else { return true }
    return (known + [folder].compactMap { $0 }).contains { Self.simplified($0) == name }
  }

  /// The last component of a path or of `organization/name`, in lower case; empty for one that is only dots.
  private static func simplified(_ name: String) -> String {
    let last = Paths.lastComponent(name)
    return last.allSatisfy { $0 == "." } ? "" : last.lowercased()
  }
}
