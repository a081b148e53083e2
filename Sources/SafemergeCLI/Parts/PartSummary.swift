import MergeEngine
import Platform
import Reports

/// The last line of a process that wrote a part, or made the result of all.
struct PartSummary {
  /// Nil: it made the result.
  let part: PartNumber?
  /// Weight files that it wrote, and those that were complete before.
  let writtenFiles: Int
  let foundFiles: Int
  let writtenByteCount: Int
  /// Whether the result was there already.
  let wasFinished: Bool
  let output: String?
  let duration: Duration
  let peakMemory = ProcessMemory.peak

  /// Of a part.
  init(_ part: PartNumber, _ outcome: PartOutcome, output: String?, duration: Duration) {
    self.part = part
    let written = outcome.shards.filter { !$0.isKept }
    writtenFiles = written.count
    foundFiles = outcome.shards.count - written.count
    writtenByteCount = written.reduce(0) { $0 + $1.byteCount }
    wasFinished = outcome.wasFinished
    self.output = output
    self.duration = duration
  }

  /// Of the result of so many weight files.
  init(finished count: Int, wasThere: Bool, output: String?, duration: Duration) {
    part = nil
    (writtenFiles, foundFiles, writtenByteCount) = (0, count, 0)
    wasFinished = wasThere
    self.output = output
    self.duration = duration
  }

  /// In milliseconds.
  var seconds: Double { (duration.inSeconds * 1000).rounded() / 1000 }

  var line: String {
    let tenths = Int((duration.inSeconds * 10).rounded())
    let end = " in \(tenths / 10).\(tenths % 10) s, peak memory \(NumberText.bytes(peakMemory))"
    if wasFinished { return LabeledLine.text("done", "\(output ?? "")   was merged already") }
    guard let part else {
      return LabeledLine.text("done", "\(output ?? "")   \(NumberText.counted(foundFiles, "weight file"))\(end)")
    }
    if writtenFiles + foundFiles == 0 {
      return LabeledLine.text(
        "done", "part \(part.index)/\(part.count)   nothing to do: there are fewer files than parts")
    }
    let found = foundFiles > 0 ? ", \(foundFiles) were complete" : ""
    return LabeledLine.text(
      "done",
      "part \(part.index)/\(part.count)   \(NumberText.counted(writtenFiles, "file")) written "
        + "(\(NumberText.bytes(writtenByteCount)))\(found)\(end)")
  }
}
