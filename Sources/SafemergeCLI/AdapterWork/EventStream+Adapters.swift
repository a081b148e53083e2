import AdapterWriting
import JSONText

/// The events of the commands that write an adapter.
extension EventStream {
  /// The commands that write events, line by line; the others write one document.
  static let commands = ["merge", "extract", "resize", "convert", "combine", "unmerge"]

  /// A module that is made.
  func module(_ progress: AdapterProgress) {
    send("module") { event in
      event.member("name", progress.unit)
      event.member("kept", progress.isKept)
      event.member("modules_done", progress.unitsDone)
      event.member("modules_total", progress.unitsTotal)
      event.member("share_done", Double(progress.costDone) / Double(max(1, progress.costTotal)))
    }
  }
}
