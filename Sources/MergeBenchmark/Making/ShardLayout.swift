import JSONText
import Safetensors

/// The distribution of a checkpoint's tensors over files of about the same size.
struct ShardLayout: Sendable {
  struct Shard: Sendable {
    let name: String
    let tensors: [(tensor: HeaderEncoder.Tensor, values: ValueKind)]
  }

  let shards: [Shard]
  let byteCount: Int
  let elementCount: Int

  /// Neighboring tensors stay together; in a file they have the order of the safetensors reference.
  ///
  /// - Parameter elementCount: Nil: the tensors' elements.
  init(_ tensors: [ModelTensor], dtype: DType, shardCount: Int, elementCount: Int? = nil) throws {
    guard shardCount > 0 else { throw BenchmarkError.notPositive(option: "--shards", value: shardCount) }
    guard shardCount <= tensors.count else {
      throw BenchmarkError.tooManyShards(shards: shardCount, tensors: tensors.count)
    }
    let described = try tensors.map { tensor in
      (
        tensor: try HeaderEncoder.Tensor(
          name: TensorName(tensor.name), dtype: tensor.dtype ?? dtype, shape: tensor.shape),
        values: tensor.values
      )
    }
    let total = described.reduce(0) { $0 + $1.tensor.byteCount }
    byteCount = total
    self.elementCount = elementCount ?? total * 8 / dtype.bitCount
    var shards: [Shard] = []
    var first = 0
    var before = 0
    for number in 1...shardCount {
      // A file ends where the bytes reach its share, with at least one tensor, and leaves one for each that follows.
      var end = first
      let last = described.count - (shardCount - number)
      while end < last {
        before += described[end].tensor.byteCount
        end += 1
        if number < shardCount, before >= total / shardCount * number { break }
      }
      let inFile = described[first..<end].sorted { HeaderEncoder.precedes($0.tensor, $1.tensor) }
      shards.append(Shard(name: Self.name(number, of: shardCount), tensors: inFile))
      first = end
    }
    self.shards = shards
  }

  /// The text of model.safetensors.index.json; nil for a single file, which has none.
  var indexText: [UInt8]? {
    guard shards.count > 1 else { return nil }
    var writer = JSONWriter(indentation: 2)
    writer.beginObject()
    writer.key("metadata")
    writer.beginObject()
    writer.key("total_parameters")
    writer.value(elementCount)
    writer.key("total_size")
    writer.value(byteCount)
    writer.end()
    writer.key("weight_map")
    writer.beginObject()
    let places = shards.flatMap { shard in shard.tensors.map { (name: $0.tensor.name, shard: shard.name) } }
    for place in places.sorted(by: { $0.name < $1.name }) {
      writer.key(place.name.string)
      writer.value(place.shard)
    }
    writer.end()
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  private static func name(_ number: Int, of count: Int) -> String {
    guard count > 1 else { return "model.safetensors" }
    func padded(_ number: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, 5 - digits.utf8.count)) + digits
    }
    return "model-\(padded(number))-of-\(padded(count)).safetensors"
  }
}
