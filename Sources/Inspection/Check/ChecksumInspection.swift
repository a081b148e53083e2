import Checkpoints
import Checksums
import JSONText
import Platform
import Safetensors
import Staging

/// Compares files with the sizes and checksums that somebody wrote down.
struct ChecksumInspection {
  let model: InspectedModel
  let options: ModelInspection.Options

  /// Sizes and checksums of the result's files that the merge wrote down.
  func recordedFiles(_ log: inout FindingLog) throws -> [ResultRecord.File] {
    guard let folder = model.folder else { return [] }
    do { return try ResultRecord.read(in: folder)?.files ?? [] } catch let error as CheckpointError {
      try log.find(error)
    } catch {
      log.find("json", ResultMarks.record, "is not valid JSON: \(error)")
    }
    return []
  }

  /// Compares what takes no data: whether the file is there, its size, and a weight file's header. What the checksum of the
  /// whole file says is left to that, where it is verified.
  func verifyWithoutData(_ entry: ResultRecord.File, _ log: inout FindingLog) throws {
    guard let folder = model.folder, CheckpointIndex.staysInFolder(entry.name) else { return }
    if options.readsData, entry.checksum != nil { return }
    let path = Paths.join(folder, entry.name)
    guard let identity = try? SystemCalls.identity(path: path) else {
      if !log.findings.contains(where: { $0.findingClass == "not-found" && $0.file == path }) {
        log.find("not-found", entry.name, "is missing; \(ResultMarks.record) lists it")
      }
      return
    }
    if let expected = entry.byteCount, identity.byteCount != expected {
      return log.find(
        "checksum", entry.name,
        "has \(NumberText.grouped(identity.byteCount)) bytes; \(ResultMarks.record) records "
          + NumberText.grouped(expected))
    }
    guard let expected = entry.headerChecksum, let header = model.files.first(where: { $0.path == path })?.header else {
      return
    }
    let found = try FileChecksum.of(path, expecting: header.identity, byteCount: header.dataStart)
    if found != expected {
      log.find(
        "checksum", entry.name,
        "the SHA-256 of its header is \(found); \(ResultMarks.record) records \(expected): names, dtypes, shapes or "
          + "metadata were changed after the merge")
    }
  }

  /// Compares files with a list of checksums.
  ///
  /// - Parameter source: What the list is, for findings.
  func verify(_ entries: [SumsFile.Entry], _ source: String, _ log: inout FindingLog) throws {
    let folder = model.folder ?? Paths.folder(model.path)
    var present: [SumsFile.Entry] = []
    for entry in entries {
      guard CheckpointIndex.staysInFolder(entry.name) else {
        log.find("shard-name", nil, "\(source) lists \"\(entry.name)\", which is outside this folder")
        continue
      }
      if (try? SystemCalls.identity(path: Paths.join(folder, entry.name))) == nil {
        log.find("not-found", entry.name, "is missing; \(source) lists it")
      } else {
        present.append(entry)
      }
    }
    let found = try checksums(present.map { Paths.join(folder, $0.name) })
    for (entry, found) in zip(present, found) {
      guard let checksum = found, checksum != entry.checksum else { continue }
      log.find("checksum", entry.name, "its SHA-256 is \(checksum); \(source) has \(entry.checksum)")
    }
  }

  /// The checksums of all files, in the order of their names.
  func sums() throws -> [SumsFile.Entry] {
    let root = model.folder ?? Paths.folder(model.path)
    let names = (model.files.map(\.name) + (try summedOthers())).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let found = try checksums(names.map { Paths.join(root, $0) })
    return zip(names, found).compactMap { name, checksum in checksum.map { SumsFile.Entry(name: name, checksum: $0) } }
  }

  /// The files without weights that a list of checksums has, apart from the usual list itself.
  private func summedOthers() throws -> [String] {
    let known = Set(model.files.map(\.name))
    return try model.regularFiles().filter { !known.contains($0) && $0 != "SHA256SUMS" }
  }

  /// The files without weights that decide what a check measures, relative to the folder, sorted.
  func otherFiles() throws -> [String] {
    var names = Set(try model.regularFiles().filter { $0.hasSuffix(".json") })
    if model.folder == nil { names.formUnion(["config.json", "adapter_config.json", ResultMarks.record]) }
    // What is wrong with the record is for the check to say.
    var log = FindingLog(path: model.path, folder: model.folder)
    names.formUnion(try recordedFiles(&log).map(\.name) + (options.sums?.entries ?? []).map(\.name))
    if options.computesSums { names.formUnion(try summedOthers()) }
    if options.readsData { names.formUnion(blobs().map(\.name)) }
    return names.subtracting(model.files.map(\.name)).filter(CheckpointIndex.staysInFolder).sorted()
  }

  /// Compares files of the Hugging Face cache that are large with the SHA-256 that is the name of their blob.
  ///
  /// Small files have the name that git gives them, which is another checksum. Source: huggingface_hub 1.x, `file_download`:
  /// a blob is called by the ETag, which for large files is their SHA-256.
  func verifyBlobs(_ log: inout FindingLog) throws {
    let root = model.folder ?? Paths.folder(model.path)
    let blobs = blobs()
    guard !blobs.isEmpty else { return }
    let found = try checksums(blobs.map { Paths.join(root, $0.name) })
    for (blob, found) in zip(blobs, found) {
      guard let checksum = found, checksum != blob.checksum else { continue }
      log.find(
        "checksum", blob.name,
        "its SHA-256 is \(checksum), but its blob in the Hugging Face cache is named \(blob.checksum): download it "
          + "again")
    }
    log.notes.append(
      "\(model.path): compared \(NumberText.counted(blobs.count, "file")) in the Hugging Face cache with the SHA-256 in "
        + "the blob's name")
  }

  /// The files whose names in a folder of blobs are checksums.
  private func blobs() -> [(name: String, checksum: SHA256Checksum)] {
    let root = model.folder ?? Paths.folder(model.path)
    var names = model.folder == nil ? [Paths.lastComponent(model.path)] : model.files.map(\.name)
    let known = Set(names)
    names += ((try? model.regularFiles()) ?? []).filter { !known.contains($0) }
    return names.compactMap { name in Self.checksum(ofBlob: Paths.join(root, name)).map { (name, $0) } }
  }

  /// The checksum that the name of a file in a folder of blobs is.
  private static func checksum(ofBlob path: String) -> SHA256Checksum? {
    guard let real = SystemCalls.realPath(path), Paths.lastComponent(Paths.folder(real)) == "blobs" else { return nil }
    return SHA256Checksum(hexadecimal: Paths.lastComponent(real))
  }

  /// The checksums of whole files; nil for those that another part of the check reads.
  private func checksums(_ paths: [String]) throws -> [SHA256Checksum?] {
    let names = Dictionary(model.files.map { ($0.path, $0.name) }, uniquingKeysWith: { one, _ in one })
    let root = model.folder ?? Paths.folder(model.path)
    return try WorkQueue.map(paths, workers: options.workers) { path in
      // Files without weights are small, and are read with what belongs to the whole model. Parts of a check meet by
      // their names, with however many slashes the folder was given.
      let name = path.hasPrefix(root) ? String(path.dropFirst(root.count).drop { $0 == "/" }) : path
      let (file, key) = names[path].map { ($0, "sha256") } ?? (CheckedData.wholeModel, "sha256 \(name)")
      return try options.data.value(key, of: file, .checksum) { try FileChecksum.of(path) }
    }
  }
}

extension CheckedData.Code where Value == SHA256Checksum {
  fileprivate static var checksum: Self {
    Self(
      write: { .string($0.description) },
      read: { value in
        guard case .string(let text) = value else { return nil }
        return SHA256Checksum(hexadecimal: text)
      })
  }
}
