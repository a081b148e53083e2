import Checkpoints
import Platform

/// Moves a complete result into place: in one step if the file system supports that, and otherwise so that the next run
/// after a kill can restore what was there.
struct Publishing {
  let place: OutputPlace
  let paths: StagingPaths

  /// Undoes the moves of a run that was killed while it moved files into or out of place.
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

  /// Moves the result into place.
  ///
  /// - Parameter lastName: The file to move last if files are moved one by one; without it the others are not a model.
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

  /// Replaces a folder that holds a model, in one step if names can be exchanged.
  private func replaceModel() throws(CheckpointError) {
    try place.checkHoldsOnlyAModel()
    // Next, `result` holds the old model: no run may take its files for its own work.
    try? SystemCalls.removeFile(paths.plan)
    let isExchanged = try CheckpointError.attempt(place.path) { [place, paths] () throws(SystemCalls.Failure) in
      try Renaming.exchange(paths.result, place.path)
    }
    if isExchanged {
      do throws(CheckpointError) {
        // Something may have been added to it since it was checked.
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

  /// Moves the files one by one, as a mounted folder requires; a marker file exists meanwhile.
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
