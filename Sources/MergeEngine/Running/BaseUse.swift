import MergePlanning
import Platform

/// Tells other merges on this machine that the base is being read, and learns of them: pages that another merge may still
/// read stay in the page cache.
///
/// One file of the base stands for all: another merge has not opened a file yet that this one is done with.
final class BaseUse: Sendable {
  private let file: InputFile?

  init(_ plan: MergePlan) {
    guard let first = plan.inputs.first(where: { !$0.isAdapter }), let file = try? InputFile(path: first.path),
      file.share()
    else {
      self.file = nil
      return
    }
    self.file = file
  }

  /// Whether another merge reads the base now.
  var isShared: Bool { file?.isShared ?? false }
}
