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
    send("done", isLast: true) { event in
      event.member("output", summary.output)
      event.member("part", summary.part?.index)
      event.member("parts", summary.part?.count)
      event.member("files_written", summary.writtenFiles)
      event.member("files_found", summary.foundFiles)
      event.member("bytes_written", summary.writtenByteCount)
      event.member("was_finished", summary.wasFinished)
      event.member("seconds", summary.seconds)
      event.member("peak_memory", summary.peakMemory)
    }
  }
}
