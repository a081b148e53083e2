import JSONText

/// What one tensor's entry in a header says, before its dtype is known and its numbers are checked.
struct TensorEntryText {
  private(set) var dtype = ""
  private(set) var shape: [UInt64] = []
  private(set) var dataOffsets: (begin: UInt64, end: UInt64) = (0, 0)
  /// Why the entry is malformed, as an error message; nil if it is well formed.
  private(set) var complaint: String?

  /// Reads the object in `text[range]`, at most 64 KiB long, through jansson. `text` holds no NUL byte.
  init(_ text: Span<UInt8>, _ range: Range<Int>) throws(JSONError) {
    guard let tree = try JSONTree(text, range: range) else {
      complaint = "entry is not an object"
      return
    }
    switch tree.string("dtype") {
    case .value(let found): dtype = found
    case .missing: complaint = "entry has no dtype"
    case .other(let found): complaint = "dtype is \(found); a string expected"
    }
    switch tree.naturals("shape") {
    case .value(let found): shape = found
    case .missing: complaint = complaint ?? "entry has no shape"
    case .other(let found): complaint = complaint ?? "shape is \(found); an array of naturals expected"
    }
    switch tree.naturals("data_offsets") {
    case .value(let found) where found.count == 2: dataOffsets = (found[0], found[1])
    case .value(let found): complaint = complaint ?? "data_offsets has \(found.count) elements; two expected"
    case .missing: complaint = complaint ?? "entry has no data_offsets"
    case .other(let found): complaint = complaint ?? "data_offsets is \(found); two naturals expected"
    }
  }

  /// Reads an entry of the usual form: the three members and no other, without escapes in their names.
  ///
  /// A dtype or shape with the same bytes as the previous one is not parsed again: neighbors mostly share them, and
  /// plain numbers need no parser. Nil for every other form, valid or not; ``init(_:_:)`` handles those.
  init?(usual text: Span<UInt8>, _ range: Range<Int>, _ known: inout KnownValues) throws(JSONError) {
    guard var cursor = JSONObjectCursor(text, range: range, depthLimit: JSONLimits.depth - 1) else { return nil }
    var seen: (dtype: Bool, shape: Bool, offsets: Bool) = (false, false, false)
    while let member = try cursor.next(text) {
      if !seen.dtype, Self.isKey(text, member, "dtype") {
        guard let value = try known.dtype(text, member.valueRange) else { return nil }
        dtype = value
        seen.dtype = true
      } else if !seen.shape, Self.isKey(text, member, "shape") {
        guard let value = try known.shape(text, member.valueRange) else { return nil }
        shape = value
        seen.shape = true
      } else if !seen.offsets, Self.isKey(text, member, "data_offsets") {
        guard let value = try Self.pair(text, member.valueRange) else { return nil }
        dataOffsets = value
        seen.offsets = true
      } else {
        return nil
      }
    }
    guard seen == (true, true, true) else { return nil }
  }

  /// Two naturals; nil if the value is anything else.
  private static func pair(_ text: Span<UInt8>, _ range: Range<Int>) throws(JSONError) -> (UInt64, UInt64)? {
    var (first, second, count): (UInt64, UInt64, Int) = (0, 0, 0)
    let isPlain = PlainNaturals.read(text, range) { number in
      (first, second) = (second, number)
      count += 1
    }
    if isPlain { return count == 2 ? (first, second) : nil }
    guard let value = try JSONTree.naturals(text, range: range), value.count == 2 else { return nil }
    return (value[0], value[1])
  }

  private static func isKey(_ text: Span<UInt8>, _ member: JSONObjectCursor.Member, _ key: StaticString) -> Bool {
    guard !member.keyHasEscapes, member.keyRange.count == key.utf8CodeUnitCount else { return false }
    return member.keyRange.enumerated().allSatisfy { unsafe text[$1] == key.utf8Start[$0] }
  }

  /// The last dtype and shape that were parsed, with their bytes.
  struct KnownValues {
    private var dtypeBytes: [UInt8] = []
    private var lastDType = ""
    private var shapeBytes: [UInt8] = []
    private var lastShape: [UInt64] = []

    fileprivate mutating func dtype(_ text: Span<UInt8>, _ range: Range<Int>) throws(JSONError) -> String? {
      if Self.isSame(text, range, dtypeBytes) { return lastDType }
      guard case .string(let value) = try JSONParser.parse(text, range: range) else { return nil }
      dtypeBytes = range.map { text[$0] }
      lastDType = value
      return value
    }

    fileprivate mutating func shape(_ text: Span<UInt8>, _ range: Range<Int>) throws(JSONError) -> [UInt64]? {
      if Self.isSame(text, range, shapeBytes) { return lastShape }
      var value: [UInt64] = []
      if !PlainNaturals.read(text, range, { value.append($0) }) {
        guard let parsed = try JSONTree.naturals(text, range: range) else { return nil }
        value = parsed
      }
      shapeBytes.removeAll(keepingCapacity: true)
      for index in range { shapeBytes.append(text[index]) }
      lastShape = value
      return value
    }

    private static func isSame(_ text: Span<UInt8>, _ range: Range<Int>, _ bytes: [UInt8]) -> Bool {
      guard !bytes.isEmpty, range.count == bytes.count else { return false }
      for (offset, index) in range.enumerated() where text[index] != bytes[offset] { return false }
      return true
    }
  }

  /// Reads an entry that jansson refused for an integer beyond Int64, to learn what the reference, whose integers are
  /// 64 bits unsigned, would report; nil if the integer is not in shape or data_offsets.
  ///
  /// Files with such integers are refused in any case: this only finds the rule that they break.
  init?(hugeIntegersIn text: Span<UInt8>, _ range: Range<Int>) throws(JSONError) {
    guard var cursor = JSONObjectCursor(text, range: range, depthLimit: JSONLimits.depth - 1) else { return nil }
    var seen: Set<TensorName> = []
    while let member = try cursor.next(text) {
      let key = try cursor.key(of: member, text)
      if !seen.insert(TensorName(key)).inserted {
        throw JSONError(.duplicateKey(key), at: member.keyRange.lowerBound)
      }
      switch key {
      case "shape":
        guard let found = Self.naturals(text, member.valueRange) else { return nil }
        shape = found.compactMap { $0 }
        if found.contains(nil) { complaint = "shape holds a number beyond 64 bits" }
      case "data_offsets":
        guard let found = Self.naturals(text, member.valueRange) else { return nil }
        if found.count == 2, let begin = found[0], let end = found[1] {
          dataOffsets = (begin, end)
        } else {
          complaint = "data_offsets holds something else than two naturals of 64 bits"
        }
      default:
        let value = try JSONParser.parse(text, range: member.valueRange)
        if key == "dtype" {
          if case .string(let name) = value { dtype = name } else { complaint = "dtype is \(value.kindName)" }
        }
      }
    }
    for key in ["dtype", "shape", "data_offsets"] where !seen.contains(TensorName(key)) {
      complaint = complaint ?? "entry has no \(key)"
    }
  }

  /// The decimal integers of an array; nil if it holds anything else. An element is nil if it exceeds 64 bits.
  private static func naturals(_ text: Span<UInt8>, _ range: Range<Int>) -> [UInt64?]? {
    guard range.count >= 2, text[range.lowerBound] == UInt8(ascii: "[") else { return nil }
    var integers: [UInt64?] = []
    var token = ""
    for index in range.dropFirst() {
      switch text[index] {
      case 0x20, 0x09, 0x0A, 0x0D: break
      case UInt8(ascii: "0")...UInt8(ascii: "9"): token.unicodeScalars.append(Unicode.Scalar(text[index]))
      case UInt8(ascii: ","), UInt8(ascii: "]"):
        guard !token.isEmpty else { return nil }
        integers.append(UInt64(token))
        token = ""
      default: return nil
      }
    }
    return integers
  }
}
