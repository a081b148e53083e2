import Checkpoints
import Platform

/// Looks for what interrupted programs left in a folder and beside it.
struct LeftoverInspection {
  let folder: String

  func inspect(_ entries: [String], _ log: inout FindingLog) {
    for name in entries {
      if name == ResultMarks.incomplete {
        log.find("incomplete", name, "a merge into this folder was not finished")
      } else if name.hasSuffix(".tmp") || name.contains(".tmp.") || name.hasSuffix(".incomplete") {
        log.find("leftover", name, "is a temporary file of an interrupted program")
      }
    }
    let name = Paths.lastComponent(folder)
    let staging = Paths.join(Paths.folder(folder), ".\(name).safemerge")
    if !name.isEmpty, name != ".", name != "..", (try? SystemCalls.identity(path: staging)) != nil {
      log.notes.append("\(staging): a merge to this output was interrupted; it can be resumed")
    }
  }
}
