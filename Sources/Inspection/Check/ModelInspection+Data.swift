import Checkpoints
import Checksums
import Platform
import Safetensors
import Staging

extension ModelInspection {
  /// The checks that need more than headers.
  mutating func inspectData() throws {
    let recorded = try recordedFiles()
    let summed = recorded.filter { $0.checksum != nil }
    if let sums = options.sums { try verify(sums.entries, "the list of checksums") }
    if options.computesSums { try computeSums() }
    for entry in recorded { try verifyWithoutData(entry) }
    guard options.readsData else {
      if !summed.isEmpty {
        notes.append("\(ResultMarks.record) has the checksums of \(summed.count) files; they are verified with --data")
      }
      return
    }
    try verify(
      summed.compactMap { entry in entry.checksum.map { SumsFile.Entry(name: entry.name, checksum: $0) } },
      ResultMarks.record)
    try verifyBlobs()
    try inspectElements()
    for (embedding, head) in tiedPairs { try compareTied(embedding, head) }
  }

  /// Compares the result's files with the sizes and checksums that the merge recorded.
  private mutating func recordedFiles() throws -> [ResultRecord.File] {
    guard let folder else { return [] }
    do { return try ResultRecord.read(in: folder)?.files ?? [] } catch let error as CheckpointError {
      try find(error)
    } catch {
      find("json", ResultMarks.record, "is not valid JSON: \(error)")
    }
    return []
  }

  /// Compares what needs no data: whether the file exists, its size, and a weight file's header. The checksum of the
  /// whole file is verified separately.
  private mutating func verifyWithoutData(_ entry: ResultRecord.File) throws {
    guard let folder, CheckpointIndex.staysInFolder(entry.name) else { return }
    if options.readsData, entry.checksum != nil { return }
    let path = Paths.join(folder, entry.name)
    guard let identity = try? SystemCalls.identity(path: path) else {
      if !findings.contains(where: { $0.findingClass == "not-found" && $0.file == path }) {
        find("not-found", entry.name, "\(ResultMarks.record) names it, and it does not exist")
      }
      return
    }
    if let expected = entry.byteCount, identity.byteCount != expected {
      return find("checksum", entry.name, "has \(identity.byteCount) bytes; \(ResultMarks.record) says \(expected)")
    }
    guard let expected = entry.headerChecksum, let header = files.first(where: { $0.path == path })?.header else {
      return
    }
    let found = try FileChecksum.of(path, expecting: header.identity, byteCount: header.dataStart)
    if found != expected {
      find(
        "checksum", entry.name,
        "the SHA-256 of its header is \(found); \(ResultMarks.record) says \(expected): names, dtypes, shapes or metadata were "
          + "changed after the merge")
    }
  }

  private mutating func verify(_ entries: [SumsFile.Entry], _ source: String) throws {
    let folder = folder ?? Paths.folder(path)
    var present: [SumsFile.Entry] = []
    for entry in entries {
      guard CheckpointIndex.staysInFolder(entry.name) else {
        find("shard-name", nil, "\(source) names \"\(entry.name)\", which is not in this folder")
        continue
      }
      if (try? SystemCalls.identity(path: Paths.join(folder, entry.name))) == nil {
        find("not-found", entry.name, "\(source) names it, and it does not exist")
      } else {
        present.append(entry)
      }
    }
    let found = try checksums(present.map { Paths.join(folder, $0.name) })
    for (entry, checksum) in zip(present, found) where checksum != entry.checksum {
      find("checksum", entry.name, "its SHA-256 is \(checksum); \(source) says \(entry.checksum)")
    }
  }

  func checksums(_ paths: [String]) throws -> [SHA256Checksum] {
    try WorkQueue.map(paths, workers: options.workers) { try FileChecksum.of($0) }
  }

  private mutating func computeSums() throws {
    var names = files.map(\.name)
    var root = Paths.folder(path)
    if let folder {
      root = folder
      let entries: [String]
      do throws(SystemCalls.Failure) { entries = try SystemCalls.entries(ofFolder: folder) } catch {
        throw CheckpointError(path: folder, .system(call: error.call, code: error.code))
      }
      for name in entries where !names.contains(name) && name != "SHA256SUMS" {
        if (try? SystemCalls.identity(path: Paths.join(folder, name)))?.isRegularFile == true { names.append(name) }
      }
    }
    names.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let found = try checksums(names.map { Paths.join(root, $0) })
    sums = zip(names, found).map { SumsFile.Entry(name: $0, checksum: $1) }
  }

  private mutating func compareTied(_ embedding: TensorName, _ head: TensorName) throws {
    func place(_ name: TensorName) -> (file: Int, range: Range<Int>)? {
      for (number, file) in files.enumerated() {
        guard let index = file.header.tensors.indices.first(where: { file.header.tensors.name(at: $0) == name }) else {
          continue
        }
        let offsets = file.header.tensors.dataOffsets(at: index)
        return (number, file.header.dataStart + offsets.lowerBound..<file.header.dataStart + offsets.upperBound)
      }
      return nil
    }
    guard let one = place(embedding), let other = place(head), one.range.count == other.range.count else { return }
    let open = OpenFiles(files.map { ($0.path, $0.header.identity) })
    var left: [UInt8] = []
    var right: [UInt8] = []
    let step = 4 << 20
    for start in stride(from: 0, to: one.range.count, by: step) {
      let count = min(step, one.range.count - start)
      try open.read(one.file, one.range.lowerBound + start..<one.range.lowerBound + start + count, into: &left)
      try open.read(other.file, other.range.lowerBound + start..<other.range.lowerBound + start + count, into: &right)
      guard PlainArithmetic.areEqual(left, right, count: count) else {
        find(
          "tied", "config.json", tensor: head,
          "differs from \(embedding), and tie_word_embeddings makes them one: programs do not agree which is used")
        return
      }
    }
  }
}
