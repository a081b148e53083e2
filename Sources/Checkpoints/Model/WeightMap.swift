import Safetensors

/// `weight_map` of an index: tensors and the shards that hold them, in the order of the file.
///
/// The names share one buffer, as those of a `TensorTable` do: an index of 100,000 tensors is two pieces of memory.
public struct WeightMap: RandomAccessCollection, Equatable, Sendable {
  /// A tensor and the place of its shard in ``CheckpointIndex/shardNames``.
  public struct Entry: Equatable, Sendable {
    public let tensor: TensorName
    public let shard: Int
  }

  private struct Place: Equatable {
    var nameEnd: Int
    var shard: Int
  }

  private var places: [Place] = []
  private var nameBytes: [UInt8] = []

  public var startIndex: Int { 0 }
  public var endIndex: Int { places.count }

  public subscript(position: Int) -> Entry {
    Entry(
      tensor: TensorName(String(decoding: nameBytes[nameRange(position)], as: UTF8.self)), shard: places[position].shard
    )
  }

  /// The `hashValue` of the name at each of some positions, without making the names.
  func nameHashes(_ positions: [Int]) -> [Int] {
    positions.map { position in
      var hasher = Hasher()
      unsafe nameBytes.withUnsafeBytes { names in
        unsafe hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: names[nameRange(position)]))
      }
      return hasher.finalize()
    }
  }

  /// The positions of the tensors of each shard.
  func positionsByShard(count: Int) -> [[Int]] {
    var positions: [[Int]] = Array(repeating: [], count: count)
    for (position, place) in places.enumerated() { positions[place.shard].append(position) }
    return positions
  }

  /// Begins an entry with the bytes of its name; ``place(inShard:)`` ends it.
  mutating func appendName(_ text: Span<UInt8>, _ range: Range<Int>) {
    unsafe text.withUnsafeBufferPointer { unsafe nameBytes.append(contentsOf: $0[range]) }
  }

  mutating func place(inShard shard: Int) { places.append(Place(nameEnd: nameBytes.count, shard: shard)) }

  /// The map with other numbers for the shards.
  func renumbered(_ numbers: [Int]) -> WeightMap {
    var map = self
    for position in map.places.indices { map.places[position].shard = numbers[map.places[position].shard] }
    return map
  }

  private func nameRange(_ position: Int) -> Range<Int> {
    (position == 0 ? 0 : places[position - 1].nameEnd)..<places[position].nameEnd
  }
}
