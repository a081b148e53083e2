import Checkpoints
import Safetensors

/// The base's tensors under the names that the merged model gives them: its own, or those that layer_replication makes of
/// them.
struct BaseTensors {
  /// One tensor that the output has because the base has it.
  struct Entry {
    let name: TensorName
    let location: Checkpoint.Location
    /// For codes: of the numbers that they stand for.
    let info: TensorInfo
    /// What the codes stand for; nil: it is no codes.
    var group: QuantizedTensor?
    /// The weight whose codes this is a part of, such as their scales.
    var owner: TensorName?
  }

  /// By file of the base, in the order of its data.
  let files: [[Entry]]
  private let places: [TensorName: (file: Int, position: Int)]

  /// - Parameter replication: For each layer of the result the base's layer that it is a copy of; nil: no replication.
  init(_ base: Checkpoint, replication: LayerReplication?, quantized: QuantizedBase) throws(PlanError) {
    if let replication {
      let count = base.tensorNames.reduce(0) { $0 + replication.copyCount(of: $1) }
      guard count <= LayerReplication.largestTensorCount else {
        throw PlanError(
          path: base.path, tensor: nil, .tooManyTensors(count, limit: LayerReplication.largestTensorCount))
      }
    }
    var files: [[Entry]] = []
    var layers: Set<Int> = []
    for (number, file) in base.files.enumerated() {
      var entries: [Entry] = []
      entries.reserveCapacity(file.header.tensors.count)
      for index in file.header.tensors.indices {
        let info = file.header.tensors[index]
        let location = Checkpoint.Location(file: number, index: index)
        if let group = quantized.group(at: location) {
          let numbers = TensorInfo(
            name: group.name, dtype: group.dtype, shape: group.shape, dataOffsets: info.dataOffsets)
          entries.append(Entry(name: group.name, location: location, info: numbers, group: group))
          continue
        }
        if let owner = quantized.owner(at: location) {
          entries.append(Entry(name: info.name, location: location, info: info, owner: owner))
          continue
        }
        for name in replication?.names(for: info.name) ?? [info.name] {
          entries.append(Entry(name: name, location: location, info: info))
        }
        if let layer = replication.flatMap({ _ in LayerReplication.layer(of: info.name) }) { layers.insert(layer) }
      }
      files.append(entries)
    }
    if let missing = replication?.sources.first(where: { !layers.contains($0) }) {
      throw PlanError(path: base.path, tensor: nil, .noSuchLayer(missing))
    }
    var places: [TensorName: (file: Int, position: Int)] = [:]
    places.reserveCapacity(files.reduce(0) { $0 + $1.count })
    for (number, entries) in files.enumerated() {
      // Scales and the like are nothing that an adapter could change.
      for (position, entry) in entries.enumerated() where entry.owner == nil { places[entry.name] = (number, position) }
    }
    self.files = files
    self.places = places
  }

  func entry(_ name: TensorName) -> Entry? { places[name].map { files[$0.file][$0.position] } }

  /// The file of the base that has the tensor.
  func file(of name: TensorName) -> Int? { places[name]?.file }

  var names: some Collection<TensorName> { places.keys }
}

/// `layer_replication` of PEFT: a model built of ranges of the base's layers, which may repeat.
struct LayerReplication {
  /// The base's layer for each layer of the result.
  let sources: [Int]
  private let copies: [Int: [Int]]

  /// No model has this many layers; a config that asks for more is not believed.
  static let largestLayerCount = 10_000
  /// What the largest header can describe: copies of a layer cost no byte of a file.
  static let largestTensorCount = 2_000_000

  /// Nil if there would be more layers than ``largestLayerCount``.
  init?(_ ranges: [Range<Int>]) {
    var count = 0
    for range in ranges {
      guard range.count <= Self.largestLayerCount else { return nil }
      count += range.count
    }
    guard count <= Self.largestLayerCount else { return nil }
    sources = ranges.flatMap { Array($0) }
    var copies: [Int: [Int]] = [:]
    for (copy, source) in sources.enumerated() { copies[source, default: []].append(copy) }
    self.copies = copies
  }

  /// The names that a tensor of the base has in the result: one for each copy of its layer, none if the layer is left out.
  func names(for name: TensorName) -> [TensorName] {
    var components = name.string.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard let position = Self.layerPosition(components), let layer = Int(components[position]) else { return [name] }
    return (copies[layer] ?? []).map { copy in
      components[position] = String(copy)
      return TensorName(components.joined(separator: "."))
    }
  }

  /// How many names a tensor of the base has in the result.
  func copyCount(of name: TensorName) -> Int { Self.layer(of: name).map { copies[$0]?.count ?? 0 } ?? 1 }

  /// The number of the layer that a tensor of the base is in; nil if it is in none.
  static func layer(of name: TensorName) -> Int? {
    let components = name.string.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    return layerPosition(components).flatMap { Int(components[$0]) }
  }

  /// The component behind the first `layers` or `h`, where PEFT 0.21.2 finds the list of layers.
  static func layerPosition(_ components: [String]) -> Int? {
    guard let list = components.firstIndex(where: { $0 == "layers" || $0 == "h" }), list + 1 < components.count,
      !components[list + 1].isEmpty, components[list + 1].allSatisfy({ $0.isASCII && $0.isNumber })
    else { return nil }
    return list + 1
  }
}
