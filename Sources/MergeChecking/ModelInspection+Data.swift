import Checkpoints
import Checksums
import JSONText
import Safetensors

extension ModelInspection {
  static let recordName = ".safemerge.json"
  static let largestRecordByteCount = 64 << 20

  /// Everything that asks for more than headers.
  mutating func inspectData() throws {
    let recorded = try recordedSums()
    if let sums = options.sums { try verify(sums.entries, "the list of checksums") }
    if options.computesSums { try computeSums() }
    for entry in recorded { try verifySize(entry) }
    guard options.readsData else {
      if !recorded.isEmpty {
        notes.append("\(Self.recordName) has the checksums of \(recorded.count) files; they are verified with --data")
      }
      return
    }
    try verify(recorded.map { SumsFile.Entry(name: $0.name, checksum: $0.checksum) }, Self.recordName)
    try countNonFinite()
    for (embedding, head) in tiedPairs { try compareTied(embedding, head) }
  }

  private struct Recorded {
    let name: String
    let byteCount: Int?
    let checksum: SHA256Checksum
  }

  /// Sizes and checksums of the result's files that the merge wrote down.
  private mutating func recordedSums() throws -> [Recorded] {
    guard let folder else { return [] }
    let path = Paths.join(folder, Self.recordName)
    guard (try? SystemCalls.identity(path: path)) != nil else { return [] }
    let value: JSONValue
    do {
      let bytes = try BoundedFile.read(path, limit: Self.largestRecordByteCount)
      value = try JSONParser.parse(bytes.span)
    } catch let error as CheckpointError {
      try find(error)
      return []
    } catch {
      find("json", Self.recordName, "is not valid JSON: \(error)")
      return []
    }
    var found: [Recorded] = []
    func add(_ name: String, _ value: JSONValue) {
      guard case .string(let digits)? = value["sha256"], let checksum = SHA256Checksum(hexadecimal: digits) else {
        return
      }
      var byteCount: Int?
      if case .integer(let count)? = value["size"] { byteCount = Int(count) }
      found.append(Recorded(name: name, byteCount: byteCount, checksum: checksum))
    }
    switch value["files"] {
    case .object(let members)?: for member in members { add(member.key, member.value) }
    case .array(let values)?:
      for value in values { if case .string(let name)? = value["name"] { add(name, value) } }
    default: break
    }
    return found
  }

  private mutating func verifySize(_ entry: Recorded) throws {
    guard let folder, let expected = entry.byteCount, CheckpointIndex.staysInFolder(entry.name) else { return }
    guard let identity = try? SystemCalls.identity(path: Paths.join(folder, entry.name)) else {
      // Said once, by the checksums, if they are verified too.
      if !options.readsData { find("not-found", entry.name, "\(Self.recordName) names it, and it does not exist") }
      return
    }
    if identity.byteCount != expected, !options.readsData {
      find("checksum", entry.name, "has \(identity.byteCount) bytes; \(Self.recordName) says \(expected)")
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

  private func checksums(_ paths: [String]) throws -> [SHA256Checksum] {
    let results = ResultStore<SHA256Checksum>(count: paths.count)
    try concurrently(paths.count, workers: options.workers) { results.set($0, try FileReading.checksum(paths[$0])) }
    return results.values
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

  private mutating func countNonFinite() throws {
    let files = files
    let jobs = files.indices.flatMap { file in files[file].header.tensors.indices.map { (file: file, tensor: $0) } }
    let open = OpenFiles(files.map { ($0.path, $0.header.identity) })
    let results = ResultStore<NonFinite?>(count: jobs.count)
    try concurrently(jobs.count, workers: options.workers) { number in
      let file = files[jobs[number].file]
      let tensor = file.header.tensors[jobs[number].tensor]
      let start = file.header.dataStart
      let found = try FileReading.nonFinite(
        try open.file(jobs[number].file),
        start + tensor.dataOffsets.lowerBound..<start + tensor.dataOffsets.upperBound, tensor.dtype)
      let isFinite = found.nans == 0 && found.infinities == 0
      results.set(
        number,
        isFinite
          ? nil
          : NonFinite(
            tensor: tensor.name, file: file.path, nanCount: found.nans, infinityCount: found.infinities,
            elementCount: tensor.elementCount))
    }
    try open.checkUnchanged()
    nonFinite = results.values.compactMap { $0 }
    for tensor in nonFinite {
      findings.append(
        Finding(
          "nonfinite", file: tensor.file, tensor: tensor.tensor,
          "\(tensor.nanCount) NaN and \(tensor.infinityCount) infinite of \(tensor.elementCount) elements"))
    }
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
