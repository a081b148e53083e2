import Checkpoints
import Platform

/// How a complete result gets its name: in one step wherever the file system has one for it, and otherwise so that a run
/// that follows a killed one can put back what was there.
struct Publishing {
  let place: OutputPlace
  let paths: StagingPaths

  /// Puts back what was moved to its last place, or out of the way, by a run that was killed in the middle of that.
  ///
  /// - Parameter output: The path of the result.
  static func restore(_ paths: StagingPaths, output: String, isMountPoint: Bool) throws(CheckpointError) {
    if isMountPoint {
      for name in OutputPlace.movedNames(output) where Paths.components(name).count == 1 {
        try? Renaming.renameWithoutReplacing(Paths.join(output, name), to: Paths.join(paths.result, name))
      }
    }
    if try OutputPlace.identity(paths.retired, followingLinks: false) != nil {
      // Fails if the result is there: then the old one is not needed any more.
      try? Renaming.renameWithoutReplacing(paths.retired, to: output)
    }
  }

  /// Gives the result its name.
  ///
  /// - Parameter lastName: The file that comes last where files are moved one by one: without it the others are no model.
  func publish(lastName: String?) throws(CheckpointError) {
    for folder in try FolderTree.folders(paths.result) {
      try CheckpointError.attempt(folder) { () throws(SystemCalls.Failure) in
        try SystemCalls.setMode(path: folder, 0o777 & ~SystemCalls.userMask)
      }
      try FolderTree.synchronize(folder)
    }
    do throws(CheckpointError) {
      if place.isMountPoint {
        try moveIntoMount(lastName: lastName)
      } else if place.isFolder {
        try nameFolder()
      } else {
        try nameFile()
      }
    } catch {
      if case .system(_, let code) = error.problem, SystemCalls.folderInTheWay.contains(code) {
        throw CheckpointError(path: place.path, .outputExists)
      }
      throw error
    }
  }

  private func attempt(_ body: () throws(SystemCalls.Failure) -> Void) throws(CheckpointError) {
    try CheckpointError.attempt(place.path, body)
  }

  private func nameFile() throws(CheckpointError) {
    try attempt { [place, paths] () throws(SystemCalls.Failure) in
      guard place.replaces else { return try Renaming.renameWithoutReplacing(paths.complete, to: place.path) }
      if try Renaming.replace(place.path, by: paths.complete) { return }
      // Two renames: a run that is killed between them is followed by one that puts the old file back.
      try? SystemCalls.removeFile(paths.retired)
      try Renaming.rename(place.path, to: paths.retired)
      do throws(SystemCalls.Failure) {
        try Renaming.renameWithoutReplacing(paths.complete, to: place.path)
      } catch {
        try? Renaming.renameWithoutReplacing(paths.retired, to: place.path)
        throw error
      }
    }
  }

  private func nameFolder() throws(CheckpointError) {
    if place.holdsModel { return try replaceModel() }
    try attempt { [place, paths] () throws(SystemCalls.Failure) in
      if place.replaces {
        // An empty folder: rename replaces it, and fails if something came into it meanwhile.
        try Renaming.replaceEmptyFolder(place.path, by: paths.result)
      } else {
        try Renaming.renameWithoutReplacing(paths.result, to: place.path)
      }
    }
  }

  /// Puts the result in the place of a folder that holds a model, in one step where names can be exchanged.
  private func replaceModel() throws(CheckpointError) {
    try place.checkHoldsOnlyAModel()
    // What is in `result` next is the old model: no run may take its files for what it has done.
    try? SystemCalls.removeFile(paths.plan)
    let isExchanged = try CheckpointError.attempt(place.path) { [place, paths] () throws(SystemCalls.Failure) in
      try Renaming.exchange(paths.result, place.path)
    }
    if isExchanged {
      do throws(CheckpointError) {
        // Something may have come into it since it was looked at.
        try place.checkHoldsOnlyAModel(at: paths.result)
      } catch {
        try attempt { [place, paths] () throws(SystemCalls.Failure) in
          _ = try Renaming.exchange(paths.result, place.path)
        }
        throw error
      }
      return
    }
    try attempt { [place, paths] () throws(SystemCalls.Failure) in
      try Renaming.rename(place.path, to: paths.retired)
    }
    do throws(CheckpointError) {
      try place.checkHoldsOnlyAModel(at: paths.retired)
      try attempt { [place, paths] () throws(SystemCalls.Failure) in
        try Renaming.renameWithoutReplacing(paths.result, to: place.path)
      }
    } catch {
      try? Renaming.renameWithoutReplacing(paths.retired, to: place.path)
      throw error
    }
  }

  /// Moves the files one by one, which is all that a mounted folder allows; a file says so meanwhile.
  private func moveIntoMount(lastName: String?) throws(CheckpointError) {
    let entries = try CheckpointError.attempt(paths.result) { [paths] () throws(SystemCalls.Failure) in
      try SystemCalls.entries(ofFolder: paths.result)
    }
    let isWeights = { (name: String) in name.hasSuffix(".safetensors") }
    let ordered =
      entries.filter { isWeights($0) && $0 != lastName } + entries.filter { !isWeights($0) && $0 != lastName }
      + entries.filter { $0 == lastName }
    let marker = Paths.join(place.path, ResultMarks.incomplete)
    try paths.write(Array(ordered.map { $0 + "\n" }.joined().utf8), to: marker)
    try FolderTree.synchronize(place.path)
    for name in ordered {
      try attempt { [place, paths] () throws(SystemCalls.Failure) in
        try Renaming.renameWithoutReplacing(Paths.join(paths.result, name), to: Paths.join(place.path, name))
      }
    }
    try FolderTree.synchronize(place.path)
    try attempt { () throws(SystemCalls.Failure) in try SystemCalls.removeFile(marker) }
    try FolderTree.synchronize(place.path)
  }
}
