import JSONText
import MergeEngine

/// The events of a merge in parts.
extension EventStream {
  func part(_ part: PartNumber, variable: String?, files: [String], _ byteCount: Int) {
    send("part") { event in
      event.member("part", part.index)
      event.member("parts", part.count)
      event.member("variable", variable)
      event.member("files", files)
      event.member("bytes", byteCount)
    }
  }

  func done(_ summary: PartSummary) {
    guard let part = summary.part else {
      return send("parts_finished", isLast: true) { event in
        event.member("output", summary.output)
        event.member("files", summary.foundFiles)
        event.member("was_finished", summary.wasFinished)
        event.member("seconds", summary.seconds)
        event.member("peak_memory", summary.peakMemory)
      }
    }
    send("part_done", isLast: true) { event in
      event.member("output", summary.output)
      event.member("part", part.index)
      event.member("parts", part.count)
      event.member("files_written", summary.writtenFiles)
      event.member("files_found", summary.foundFiles)
      event.member("bytes_written", summary.writtenByteCount)
      event.member("was_finished", summary.wasFinished)
      event.member("seconds", summary.seconds)
      event.member("peak_memory", summary.peakMemory)
    }
  }
}
