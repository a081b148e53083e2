import Adapters
import Checkpoints
import JSONText
import MergePlanning
import Platform

/// Whether an adapter that is one file fits a base, and which of its modules the base does not have.
struct BaseFit: Sendable {
  /// The base as it was given.
  let path: String
  /// Nil: the base is not an image or video model that is known.
  let architecture: String?
  /// Whether the adapter can be merged into it.
  let fits: Bool
  let moduleCount: Int
  /// The modules without a place in the base, in the adapter's order; nil: the base is no image or video model.
  let missing: [String]?

  /// Nil: the adapter is a folder, whose modules are those of the model in memory.
  ///
  /// - Parameter fits: Whether a merge could be planned.
  init?(_ adapter: Adapter, _ base: Checkpoint, path: String, fits: Bool) {
    guard adapter.isFile else { return nil }
    self.path = path
    self.fits = fits
    architecture = base.imageArchitecture
    moduleCount = adapter.updates.count + adapter.replacements.count
    missing = fits ? [] : base.missingModules(of: adapter)
  }

  private static let shownCount = 3

  /// `all 722 modules are in sdxl.safetensors (SDXL)`.
  var text: String {
    let base = "\(path)\(architecture.map { " (\($0))" } ?? "")"
    let modules = NumberText.counted(moduleCount, "module")
    if fits { return "yes: \(moduleCount == 1 ? "its module is" : "all \(modules) are") in \(base)" }
    guard let missing else { return "no: \(base) is no image or video model that is known" }
    if missing.isEmpty { return "no: the names of all \(modules) are in \(base), but not what they change" }
    let shown = missing.prefix(Self.shownCount).joined(separator: ", ")
    let others = missing.count - min(missing.count, Self.shownCount)
    let found = moduleCount - missing.count
    return "no: \(NumberText.grouped(found)) of \(modules) \(found == 1 ? "is" : "are") in \(base); not \(shown)"
      + (others > 0 ? " and \(NumberText.grouped(others)) more" : "")
  }

  /// The members of `base` of an adapter.
  func write(to writer: inout JSONWriter) {
    writer.member("path", path)
    writer.member("architecture", architecture)
    writer.member("fits", fits)
    writer.member("modules", moduleCount)
    if let missing {
      writer.member("missing_modules", missing)
    } else {
      writer.member("missing_modules", nil as String?)
    }
  }
}
