import JSONText
import Platform

/// Turns the bytes of a header into a ``TensorTable``, an entry at a time, so that no tree of the whole is ever held.
struct HeaderParser {
  static let largestEntryByteCount = 64 << 10
  static let largestNameByteCount = 1 << 20
  /// Real files have some dozens; each costs some 150 bytes beside its text, so that a header full of them would cost
  /// ten times its length.
  static let largestMetadataCount = 1 << 16

  let path: String
  var metadata: [SafetensorsHeader.MetadataEntry]?
  var table = TensorTable()
  private var hasMetadata = false
  private var known = TensorEntryText.KnownValues()
  // What the reference accepts and this package does not: refused when nothing else is wrong, so that both name the
  // same fault of a file that has several.
  private var repeatedKey: String?
  private var outOfRange: SafetensorsError?

  init(path: String) { self.path = path }

  private func error(_ problem: SafetensorsError.Problem, _ tensor: TensorName? = nil) -> SafetensorsError {
    SafetensorsError(path: path, problem, tensor: tensor)
  }

  private func attempt<Value: ~Copyable>(
    _ body: () throws(JSONError) -> Value
  ) throws(SafetensorsError) -> Value {
    do throws(JSONError) { return try body() } catch { throw self.error(.json(error)) }
  }

  /// N, checked against its limit and the file's length before anything is allocated for it.
  func headerByteCount(_ file: InputFile) throws(SafetensorsError) -> Int {
    guard file.byteCount >= 8 else { throw error(.truncated(found: UInt64(file.byteCount), expected: 8)) }
    let bytes = try SafetensorsError.attempt { () throws(FileError) in try file.bytes(0..<8) }
    return try headerByteCount(bytes, fileByteCount: file.byteCount)
  }

  /// The same from a file's first 8 bytes.
  ///
  /// - Parameter fileByteCount: Nil if it is not known.
  func headerByteCount(_ bytes: [UInt8], fileByteCount: Int?) throws(SafetensorsError) -> Int {
    let byteCount = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard byteCount <= UInt64(SafetensorsHeader.largestHeaderByteCount) else {
      throw error(.headerTooLarge(byteCount: byteCount, lookalike: Lookalike(firstBytes: bytes)))
    }
    if let fileByteCount, 8 + byteCount > UInt64(fileByteCount) {
      throw error(.truncated(found: UInt64(fileByteCount), expected: 8 + byteCount))
    }
    return Int(byteCount)
  }

  /// - Parameter fileByteCount: Nil if it is not known, and then it is not compared with the end of the tensors.
  mutating func parse(_ text: Span<UInt8>, fileByteCount: Int?) throws(SafetensorsError) {
    do throws(UTF8.ValidationError) { _ = try UTF8Span(validating: text) } catch {
      throw self.error(.invalidUTF8(offset: error.byteOffsets.lowerBound))
    }
    if let offset = JSONObjectCursor.firstNUL(text) { throw error(.json(JSONError(.nulByte, at: offset))) }
    guard var cursor = JSONObjectCursor(text, range: 0..<text.count) else { throw notAnObject(text) }
    // An entry is rarely shorter than 100 bytes, half of them its name: room for all, so that nothing is copied in
    // growing.
    table.entries.reserveCapacity(text.count / 100)
    table.nameBytes.reserveCapacity(text.count / 2)
    table.dimensions.reserveCapacity(text.count / 50)
    while let member = try attempt({ () throws(JSONError) in try cursor.next(text) }) {
      try read(member, cursor, text)
    }
    try dropRepeatedTensors()
    try checkOffsets(headerByteCount: UInt64(8 + text.count), fileByteCount: fileByteCount.map(UInt64.init))
    if let outOfRange { throw outOfRange }
    if let repeatedKey { throw error(.duplicateKey(repeatedKey)) }
  }

  private func notAnObject(_ text: Span<UInt8>) -> SafetensorsError {
    var first = 0
    while first < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[first]) { first += 1 }
    guard first < text.count else { return error(.json(JSONError(.syntax(detail: "an object expected"), at: first))) }
    if text[first] == UInt8(ascii: "[") { return error(.schema("header is an array; an object expected")) }
    guard text.count - first <= Self.largestEntryByteCount else {
      return error(.schema("header is not an object"))
    }
    do throws(JSONError) {
      return self.error(.schema("header is \(try JSONParser.parse(text).kindName); an object expected"))
    } catch { return self.error(.json(error)) }
  }

  private mutating func read(
    _ member: JSONObjectCursor.Member, _ cursor: JSONObjectCursor, _ text: Span<UInt8>
  ) throws(SafetensorsError) {
    guard member.keyRange.count <= Self.largestNameByteCount else {
      throw error(
        .schema("a name of \(member.keyRange.count) bytes; at most \(Self.largestNameByteCount) are allowed"))
    }
    if member.keyHasEscapes {
      let key = try attempt { () throws(JSONError) in try cursor.key(of: member, text) }
      if key.utf8.contains(0) {
        throw error(.json(JSONError(.syntax(detail: "NUL in a key"), at: member.keyRange.lowerBound)))
      }
      if key == "__metadata__" { return try readMetadata(member, text) }
      try readTensor(member, name: Array(key.utf8), text)
    } else if Self.isMetadataKey(text, member.keyRange) {
      try readMetadata(member, text)
    } else {
      try readTensor(member, name: nil, text)
    }
  }

  private static func isMetadataKey(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    let key: StaticString = "__metadata__"
    guard range.count == key.utf8CodeUnitCount, text[range.lowerBound] == UInt8(ascii: "_") else { return false }
    return range.enumerated().allSatisfy { unsafe text[$1] == key.utf8Start[$0] }
  }

  private mutating func readMetadata(
    _ member: JSONObjectCursor.Member, _ text: Span<UInt8>
  ) throws(SafetensorsError) {
    if hasMetadata { throw error(.duplicateKey("__metadata__")) }
    hasMetadata = true
    guard
      var cursor = JSONObjectCursor(text, range: member.valueRange, depthLimit: JSONLimits.depth - 1)
    else {
      guard member.valueRange.count <= Self.largestEntryByteCount else {
        throw error(.schema("__metadata__ is not an object"))
      }
      let value = try attempt { () throws(JSONError) in try JSONParser.parse(text, range: member.valueRange) }
      if value == .null { return }
      throw error(.schema("__metadata__ is \(value.kindName); an object of strings expected"))
    }
    var entries: [SafetensorsHeader.MetadataEntry] = []
    var keys: Set<TensorName> = []
    while let entry = try attempt({ () throws(JSONError) in try cursor.next(text) }) {
      guard entries.count < Self.largestMetadataCount else {
        throw error(.schema("__metadata__ has more than \(Self.largestMetadataCount) entries"))
      }
      let key = try attempt { () throws(JSONError) in try cursor.key(of: entry, text) }
      if key.utf8.contains(0) {
        throw error(.json(JSONError(.syntax(detail: "NUL in a key"), at: entry.keyRange.lowerBound)))
      }
      guard let value = try attempt({ () throws(JSONError) in try cursor.stringValue(of: entry, text) }) else {
        try attempt { () throws(JSONError) in
          if entry.valueRange.count <= Self.largestEntryByteCount {
            _ = try JSONParser.parse(text, range: entry.valueRange)
          }
        }
        throw error(.schema("\"\(key)\" of __metadata__ is not a string"))
      }
      if !keys.insert(TensorName(key)).inserted { repeatedKey = key }
      entries.append(.init(key: key, value: value))
    }
    metadata = entries
  }

  private mutating func readTensor(
    _ member: JSONObjectCursor.Member, name: [UInt8]?, _ text: Span<UInt8>
  ) throws(SafetensorsError) {
    let nameStart = table.nameBytes.count
    if let name {
      table.nameBytes.append(contentsOf: name)
    } else {
      unsafe text.withUnsafeBufferPointer { unsafe table.nameBytes.append(contentsOf: $0[member.keyRange]) }
    }
    let nameRange = nameStart..<table.nameBytes.count
    func named() -> TensorName { TensorName(String(decoding: table.nameBytes[nameRange], as: UTF8.self)) }

    guard member.valueRange.count <= Self.largestEntryByteCount else {
      throw error(
        .schema("an entry of \(member.valueRange.count) bytes; at most \(Self.largestEntryByteCount) are allowed"),
        named())
    }
    let entry: TensorEntryText
    do throws(JSONError) {
      if let usual = usualEntry(text, member.valueRange) {
        entry = usual
      } else {
        entry = try TensorEntryText(text, member.valueRange)
      }
    } catch {
      guard error.reason == .numberOutOfRange, let huge = try hugeEntry(text, member.valueRange, named()) else {
        throw self.error(.json(error), named())
      }
      if outOfRange == nil { outOfRange = self.error(.json(error), named()) }
      entry = huge
    }
    if let complaint = entry.complaint { throw error(.schema(complaint), named()) }
    guard let dtype = DType(name: entry.dtype) else { throw error(.unknownDType(entry.dtype), named()) }
    let shapeStart = table.dimensions.count
    table.dimensions.append(contentsOf: entry.shape)
    // An entry is at most 64 KiB long, so its rank fits 16 bits.
    table.entries.append(
      TensorTable.Entry(
        nameStart: nameStart, begin: entry.dataOffsets.begin, end: entry.dataOffsets.end, shapeStart: shapeStart,
        nameByteCount: UInt32(nameRange.count), rank: UInt16(entry.shape.count), dtype: dtype))
  }

  /// The entry in its usual form; nil also where that form breaks a rule, which the whole entry's own reading names.
  private mutating func usualEntry(_ text: Span<UInt8>, _ range: Range<Int>) -> TensorEntryText? {
    do throws(JSONError) { return try TensorEntryText(usual: text, range, &known) } catch { return nil }
  }

  private func hugeEntry(
    _ text: Span<UInt8>, _ range: Range<Int>, _ name: TensorName
  ) throws(SafetensorsError) -> TensorEntryText? {
    do throws(JSONError) { return try TensorEntryText(hugeIntegersIn: text, range) } catch {
      throw self.error(.json(error), name)
    }
  }

  /// As the reference does, only the last of several tensors of one name is checked on; unlike it, the file is refused
  /// afterwards.
  private mutating func dropRepeatedTensors() throws(SafetensorsError) {
    let table = table
    // Sorted by a seeded hash: bytes are compared only where hashes are equal, and nobody can make many of them equal.
    var hashed = zip(table.nameHashes(), table.entries.indices).map { (hash: $0, index: $1) }
    hashed.sort { $0 < $1 }
    var repeated: Set<Int> = []
    for (position, one) in hashed.enumerated() {
      var next = position + 1
      while next < hashed.count, hashed[next].hash == one.hash {
        let name = table.nameBytes[table.nameRange(table.entries[one.index])]
        if name.elementsEqual(table.nameBytes[table.nameRange(table.entries[hashed[next].index])]) {
          repeated.insert(one.index)
          break
        }
        next += 1
      }
    }
    guard let first = repeated.min() else { return }
    if repeatedKey == nil { repeatedKey = table.name(at: first).string }
    self.table.entries = table.entries.indices.filter { !repeated.contains($0) }.map { table.entries[$0] }
  }

  private mutating func checkOffsets(headerByteCount: UInt64, fileByteCount: UInt64?) throws(SafetensorsError) {
    let table = table
    var sorted = table.entries
    let isSorted = zip(sorted, sorted.dropFirst()).allSatisfy { ($0.begin, $0.end) <= ($1.begin, $1.end) }
    if !isSorted {
      // nameStart grows with the place in the header, which decides between empty tensors on one seam.
      sorted.sort { ($0.begin, $0.end, $0.nameStart) < ($1.begin, $1.end, $1.nameStart) }
    }
    var expectedBegin: UInt64 = 0
    for entry in sorted {
      guard entry.begin == expectedBegin, entry.end >= entry.begin else {
        throw error(
          .offsets(begin: entry.begin, end: entry.end, expectedBegin: expectedBegin), table.name(of: entry))
      }
      let needed = try byteCount(of: entry)
      guard entry.end - entry.begin == needed else {
        throw error(
          .sizeMismatch(
            shape: Array(table.shape(of: entry)), dtype: entry.dtype, expected: needed, found: entry.end - entry.begin),
          table.name(of: entry))
      }
      expectedBegin = entry.end
    }
    let (described, overflow) = headerByteCount.addingReportingOverflow(expectedBegin)
    let size = fileByteCount ?? min(described, UInt64(Int.max))
    guard !overflow, described == size else {
      throw error(.coverage(fileByteCount: size, described: overflow ? .max : described))
    }
    self.table.entries = sorted
  }

  private func byteCount(of entry: TensorTable.Entry) throws(SafetensorsError) -> UInt64 {
    let shape = table.shape(of: entry)
    switch entry.dtype.extent(shape: shape) {
    case .bytes(let count): return UInt64(count)
    case .overflow: throw error(.overflow(shape: Array(shape), dtype: entry.dtype), table.name(of: entry))
    case .partialByte: throw error(.partialByte(shape: Array(shape), dtype: entry.dtype), table.name(of: entry))
    }
  }
}
