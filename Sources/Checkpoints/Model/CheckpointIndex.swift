import JSONText
import Platform
import Safetensors

/// `model.safetensors.index.json`: which shard holds which tensor.
public struct CheckpointIndex: Equatable, Sendable {
  /// huggingface_hub 2.4 refuses more than 10 MiB; large mixtures of experts come near it.
  static let largestByteCount = 64 << 20
  static let largestMetadataByteCount = 1 << 20

  /// The members of `metadata`, of whatever type, in the order of the file.
  public let metadata: [JSONMember]
  /// The files that `weight_map` names, sorted by bytes.
  public let shardNames: [String]
  /// Whether the index is that of one file, as some programs write it.
  package func namesOnly(_ file: String) -> Bool { shardNames.count == 1 && Paths.areEqual(shardNames[0], file) }

  /// The warning about tensors that an index names and no file has.
  package static func ghostWarning(_ ghosts: [TensorName], indexPath: String) -> String {
    "\(indexPath): weight_map lists \(ghosts.count == 1 ? "a tensor" : "\(ghosts.count) tensors") that no file contains: "
      + "\(ghosts.first?.string ?? "")\(ghosts.count > 1 ? ", ..." : "")"
  }

  /// In the order of the file; duplicates are found when it is compared with the headers.
  public let weightMap: WeightMap

  /// Reads the index at `path` a member at a time.
  ///
  /// Refused: more than 64 MiB, JSON that jansson refuses, a `weight_map` that is missing, empty or not an object of
  /// strings, and file names that could leave the folder or that are not safetensors files.
  package init(path: String) throws(CheckpointError) {
    let bytes = try BoundedFile.read(path, limit: Self.largestByteCount)
    try self.init(bytes.span, path: path)
  }

  /// Parses an index that was already read, at most 64 MiB.
  ///
  /// - Parameter path: The file, for errors.
  init(_ text: Span<UInt8>, path: String) throws(CheckpointError) {
    func error(_ problem: CheckpointError.Problem) -> CheckpointError { CheckpointError(path: path, problem) }
    func attempt<Value>(_ body: () throws(JSONError) -> Value) throws(CheckpointError) -> Value {
      do throws(JSONError) { return try body() } catch { throw CheckpointError(path: path, .json(error)) }
    }

    if let mark = JSONError.byteOrderMark(text) { throw error(.json(mark)) }
    guard var cursor = JSONObjectCursor(text, range: 0..<text.count) else { throw error(.notAnObject) }
    var metadata: [JSONMember] = []
    var map: (entries: WeightMap, shardNames: [String])?
    var seen: Set<TensorName> = []
    while let keyPlace = try attempt({ () throws(JSONError) in try cursor.nextKey(text) }) {
      let key = try attempt { () throws(JSONError) in try cursor.string(of: keyPlace, text) }
      guard seen.insert(TensorName(key)).inserted else {
        throw error(.json(JSONError(.duplicateKey(key), at: keyPlace.range.lowerBound)))
      }
      if key == "weight_map" {
        map = try Self.readWeightMap(path, text, &cursor)
      } else {
        let range = try attempt { () throws(JSONError) in try cursor.skipValue(text) }
        guard range.count <= Self.largestMetadataByteCount else {
          throw error(.fileTooLarge(byteCount: range.count, limit: Self.largestMetadataByteCount))
        }
        let value = try attempt { () throws(JSONError) in try JSONParser.parse(text, range: range) }
        if key == "metadata", case .object(let members) = value { metadata = members }
      }
    }
    guard let map, !map.entries.isEmpty else { throw error(.indexField("has no weight_map, or an empty one")) }
    let order = map.shardNames.indices.sorted { TensorName(map.shardNames[$0]) < TensorName(map.shardNames[$1]) }
    var places = order
    for (place, number) in order.enumerated() { places[number] = place }
    self.metadata = metadata
    shardNames = order.map { map.shardNames[$0] }
    weightMap = map.entries.renumbered(places)
    try Self.check(shardNames, path)
  }

  /// The index of these shards, for a folder that does not have one.
  init(shards names: [String], headers: [SafetensorsHeader]) {
    let order = names.indices.sorted { TensorName(names[$0]) < TensorName(names[$1]) }
    var map = WeightMap()
    for (shard, place) in order.enumerated() {
      let tensors = headers[place].tensors
      for index in tensors.indices {
        let name = Array(tensors.name(at: index).string.utf8)
        map.appendName(name.span, 0..<name.count)
        map.place(inShard: shard)
      }
    }
    metadata = []
    shardNames = order.map { names[$0] }
    weightMap = map
  }

  /// `weight_map`, which the cursor is before, with the shards numbered as they come.
  private static func readWeightMap(
    _ path: String, _ text: Span<UInt8>, _ index: inout JSONObjectCursor
  ) throws(CheckpointError) -> (entries: WeightMap, shardNames: [String]) {
    func attempt<Value>(_ body: () throws(JSONError) -> Value) throws(CheckpointError) -> Value {
      do throws(JSONError) { return try body() } catch { throw CheckpointError(path: path, .json(error)) }
    }
    guard var cursor = index.enterObject(text) else {
      _ = try attempt { () throws(JSONError) in try index.skipValue(text) }
      throw CheckpointError(path: path, .indexField("weight_map is not an object"))
    }
    var entries = WeightMap()
    var shardNames: [String] = []
    var numbers: [TensorName: Int] = [:]
    // Neighbors mostly are in one shard: its name is decoded and looked up when it changes.
    var last: (valueRange: Range<Int>, number: Int)?
    while let member = try attempt({ () throws(JSONError) in try cursor.next(text) }) {
      if member.keyHasEscapes {
        let key = try attempt { () throws(JSONError) in try cursor.key(of: member, text) }
        entries.appendName(Array(key.utf8).span, 0..<key.utf8.count)
      } else {
        entries.appendName(text, member.keyRange)
      }
      if let last, Self.areEqual(text, last.valueRange, member.valueRange) {
        entries.place(inShard: last.number)
        continue
      }
      guard let shard = try attempt({ () throws(JSONError) in try cursor.stringValue(of: member, text) }) else {
        let key = try attempt { () throws(JSONError) in try cursor.key(of: member, text) }
        throw CheckpointError(
          path: path, .indexField("weight_map gives something else than a file name"), tensor: TensorName(key))
      }
      let number = numbers[TensorName(shard)] ?? shardNames.count
      if number == shardNames.count {
        numbers[TensorName(shard)] = number
        shardNames.append(shard)
      }
      entries.place(inShard: number)
      last = (member.valueRange, number)
    }
    index.leave(cursor)
    return (entries, shardNames)
  }

  private static func areEqual(_ text: Span<UInt8>, _ one: Range<Int>, _ other: Range<Int>) -> Bool {
    one.count == other.count && zip(one, other).allSatisfy { text[$0] == text[$1] }
  }

  private static func check(_ names: [String], _ path: String) throws(CheckpointError) {
    var folded: [String: String] = [:]
    for name in names {
      guard staysInFolder(name), name.hasSuffix(".safetensors") else {
        throw CheckpointError(path: path, .unsafeShardName(name))
      }
      // String's own equality is up to normalization, as on the file systems that this is about.
      if let other = folded.updateValue(name, forKey: name.lowercased()) {
        throw CheckpointError(path: path, .collidingShardNames(other, name))
      }
    }
  }

  /// Whether a name from an index or config.json stays in its folder: relative, of components that are neither empty
  /// nor dots, without backslashes, drive letters and control characters.
  package static func staysInFolder(_ name: String) -> Bool {
    guard name.utf8.count <= 4096 else { return false }
    guard !name.unicodeScalars.contains(where: { $0.value < 0x20 || $0 == "\\" || $0 == ":" || $0.value == 0x7F })
    else { return false }
    return Paths.components(name).allSatisfy { component in
      !component.utf8.allSatisfy { $0 == UInt8(ascii: ".") }
    }
  }

  /// The text of an index, as transformers 5.23 writes it: two spaces of indentation, sorted keys, a newline at the
  /// end.
  ///
  /// - Parameters:
  ///   - metadata: Kept as it is, except for `total_size`, which is set.
  ///   - totalSize: Bytes of all tensors, without headers.
  ///   - weightMap: In any order.
  public static func text(
    metadata: [JSONMember], totalSize: Int, weightMap: [(tensor: TensorName, shardName: String)]
  ) -> [UInt8] {
    var members = metadata.filter { $0.key != "total_size" }
    members.append(JSONMember(key: "total_size", value: .integer(Int64(totalSize))))
    members.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    var writer = JSONWriter(indentation: 2)
    writer.beginObject()
    writer.key("metadata")
    writer.value(.object(members))
    writer.key("weight_map")
    writer.beginObject()
    for (tensor, shardName) in weightMap.sorted(by: { $0.tensor < $1.tensor }) {
      writer.key(tensor.string)
      writer.value(shardName)
    }
    writer.end()
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }
}
