import Checkpoints
import ModelNames
import Safetensors

/// The base's tensors under the names that the merged model gives them: its own, or those that layer_replication makes of
/// them.
struct BaseTensors {
  /// One tensor that the output has because the base has it.
  struct Entry {
    let name: TensorName
    let location: Checkpoint.Location
    /// Of a quantized weight: dequantized.
    let info: TensorInfo
    var role = Role.numbers

    /// The quantized weight that the tensor has the codes of; nil: it has no codes.
    var group: QuantizedTensor? {
      if case .codes(let group) = role { group } else { nil }
    }

    /// The quantized weight that the tensor is another part of, such as its scales.
    var owner: TensorName? {
      if case .part(let weight) = role { weight } else { nil }
    }
  }

  /// What a tensor is to a quantized weight.
  enum Role {
    case numbers
    /// Apart from the others, because it is large and most tensors are numbers.
    indirect case codes(QuantizedTensor)
    /// Scales and the like.
    case part(of: TensorName)
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
          entries.append(Entry(name: group.name, location: location, info: numbers, role: .codes(group)))
          continue
        }
        if let owner = quantized.owner(at: location) {
          entries.append(Entry(name: info.name, location: location, info: info, role: .part(of: owner)))
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
