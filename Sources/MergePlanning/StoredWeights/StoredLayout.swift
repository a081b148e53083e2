import Checkpoints
import JSONText
import Platform
import Safetensors

/// A layout in which programs store quantized weights, recognized by what is in the headers.
///
/// A new layout is a line in one of the tables below and a function that says what the weight is.
struct StoredLayout: Sendable {
  /// How the name of the tensor ends that the layout is looked for at: one that a weight has once.
  let ending: String
  /// The weight, if the tensors around the one at `location`, whose name without the ending is `stem`, fit each other.
  let weight: @Sendable (_ search: StoredTensorSearch, _ stem: String, _ location: Checkpoint.Location) -> StoredWeight?

  /// The first that fits counts.
  static let all: [StoredLayout] = scaled + packed + columns + described + codebooks

  /// Every weight that a layout recognizes, in the order of the tensors that they were looked for at.
  static func weights(of model: Checkpoint) -> [StoredWeight] {
    let layouts = all.map { (ending: Array($0.ending.utf8), layout: $0) }
    let search = StoredTensorSearch(model)
    var weights: [StoredWeight] = []
    for (number, file) in model.files.enumerated() {
      let tensors = file.header.tensors
      for index in tensors.indices {
        for (ending, layout) in layouts where tensors.withNameBytes(at: index, { Self.ends($0, with: ending) }) {
          let location = Checkpoint.Location(file: number, index: index)
          let stem = String(tensors.name(at: index).string.dropLast(ending.count))
          guard let weight = layout.weight(search, stem, location) else { continue }
          weights.append(weight)
          break
        }
      }
    }
    return weights
  }

  private static func ends(_ name: Span<UInt8>, with ending: [UInt8]) -> Bool {
    guard name.count > ending.count else { return false }
    var place = name.count - 1
    for byte in ending.reversed() {
      if name[place] != byte { return false }
      place -= 1
    }
    return true
  }
}

/// Finds the tensors of a group.
struct StoredTensorSearch: Sendable {
  let model: Checkpoint
  /// `quantization` of MLX, else `quantization_config` without a method, which later versions write too.
  let mlx: JSONValue?
  /// `quant_method`, where config.json has one.
  let method: String?
  /// What the files' metadata says of tensors that are made of several, by their names.
  let descriptions: [TensorName: JSONValue]

  private static let largestByteCount = 64 << 10

  init(_ model: Checkpoint) {
    self.model = model
    method = ModelConfig.quantization(model.config)
    mlx = model.config?["quantization"] ?? model.config?["text_config"]?["quantization"]
    var descriptions: [TensorName: JSONValue] = [:]
    for file in model.files {
      for entry in file.header.metadata ?? [] where entry.key.contains(".") && entry.value.contains("_data") {
        let name = TensorName(entry.key)
        guard descriptions[name] == nil, let value = try? JSONParser.parse(Array(entry.value.utf8).span),
          case .string? = value["_type"]
        else { continue }
        descriptions[name] = value
      }
    }
    self.descriptions = descriptions
  }

  func location(_ name: String) -> Checkpoint.Location? { model.location(of: TensorName(name)) }

  /// Of the names, those that exist.
  func locations(_ stem: String, _ endings: [String]) -> [Checkpoint.Location] {
    endings.compactMap { location(stem + $0) }
  }

  func info(_ location: Checkpoint.Location) -> TensorInfo { model.tensor(at: location) }

  /// The bytes of a small tensor; nil if it is large or cannot be read.
  func bytes(_ location: Checkpoint.Location) -> [UInt8]? {
    let file = model.files[location.file]
    let data = info(location).dataOffsets
    guard data.count <= Self.largestByteCount, let input = try? InputFile(path: file.path),
      input.identity == file.header.identity
    else { return nil }
    return try? input.bytes(data.lowerBound + file.header.dataStart..<data.upperBound + file.header.dataStart)
  }

  /// A shape that a small tensor of integers holds.
  func shape(_ location: Checkpoint.Location?) -> [Int]? {
    guard let location, [.i64, .i32].contains(info(location).dtype), (1...8).contains(info(location).elementCount),
      let bytes = bytes(location)
    else { return nil }
    let size = info(location).dtype.bitCount / 8
    let values = stride(from: 0, to: bytes.count, by: size).map { start in
      bytes[start..<start + size].reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
    }
    return values.allSatisfy { (0..<1 << 40).contains($0) } ? values.map { Int($0) } : nil
  }

  /// A list of sizes in a JSON text.
  static func shape(_ value: JSONValue?) -> [Int]? {
    guard case .array(let elements)? = value else { return nil }
    let shape = elements.compactMap { element -> Int? in
      if case .integer(let size) = element, (0..<1 << 40).contains(size) { Int(size) } else { nil }
    }
    return shape.count == elements.count ? shape : nil
  }

  static func integer(_ value: JSONValue?) -> Int? {
    if case .integer(let number)? = value, (0..<1 << 40).contains(number) { Int(number) } else { nil }
  }
}
