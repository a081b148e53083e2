import Checkpoints
import JSONText
import Platform
import Safetensors

/// The layers that ComfyUI quantized, as the tensors and the metadata of weight files tell it.
///
/// - The older form: `X.scale_weight` beside `X.weight`, and a marker `scaled_fp8` under a prefix of X.
/// - The newer form: JSON with a `format` for each layer X, in the U8 tensor `X.comfy_quant` or, under X, in `layers` of the
///   file's metadata `_quantization_metadata`; the scale is `X.weight_scale`.
///
/// Sources: ComfyUI `comfy/utils.py` `convert_old_quants`, `comfy/ops.py`, QUANTIZATION.md.
struct ComfyLayers {
  struct Layer {
    /// Of the newer form; nil: of the older.
    let description: JSONValue?
    /// Its `scale_weight` or `weight_scale`.
    let scale: Checkpoint.Location?
    /// Its `comfy_quant`.
    let text: Checkpoint.Location?
  }

  static let metadataKey = "_quantization_metadata"
  private static let marker = "scaled_fp8"
  /// More than any description has.
  private static let largestTextByteCount = 64 << 10

  /// By the name of the module.
  private(set) var layers: [String: Layer] = [:]
  /// Tensors that say how ComfyUI reads the file, and belong to no weight.
  private(set) var markers: [Checkpoint.Location] = []
  /// Why the scales of a module mean nothing.
  private(set) var problems: [String: PlanError] = [:]

  /// Whether the files say that ComfyUI quantized them.
  static func areTold(by base: Checkpoint) -> Bool {
    base.files.contains { file in
      let tensors = file.header.tensors
      return (file.header.metadata ?? []).contains { $0.key == metadataKey }
        || tensors.indices.contains { index in
          tensors.withNameBytes(at: index, { isMarker($0) })
            || tensors.withNameBytes(at: index, { ends($0, with: commonEnding) })
        }
    }
  }

  /// - Throws: What reading a file throws; ``PlanError`` for a description that is not JSON, or two that differ.
  init(_ search: CodedTensors) throws {
    let base = search.base
    try readMetadata(search)
    markers = search.locations { file, index in file.header.tensors.withNameBytes(at: index, { Self.isMarker($0) }) }
    for text in Self.locations(search, ending: Self.commonEnding) { try readText(text, search) }
    let prefixes = markers.map { String(base.tensor(at: $0).name.string.dropLast(Self.marker.count)) }
    for scale in Self.locations(search, ending: Self.oldEnding) {
      let module = String(base.tensor(at: scale).name.string.dropLast(Self.oldEnding.count))
      guard layers[module] == nil else { continue }
      guard prefixes.contains(where: module.hasPrefix) else {
        problems[module] = search.error(
          scale, .quantizedPart(Self.marker, found: nil, expected: "under a prefix of its name, as ComfyUI reads it"))
        continue
      }
      layers[module] = Layer(description: nil, scale: scale, text: nil)
    }
  }

  /// Whether the tensor is a part of a layer: of no use, and of no meaning, without the codes.
  func isPart(_ name: String) -> Bool {
    guard let dot = name.lastIndex(of: ".") else { return false }
    return layers[String(name[..<dot])] != nil && Self.parts.contains(String(name[name.index(after: dot)...]))
  }

  private static let parts: Set<String> = [
    "weight", "weight_scale", "weight_scale_2", "scale_weight", "scale_input", "input_scale", "comfy_quant",
  ]

  private mutating func readMetadata(_ search: CodedTensors) throws {
    for file in search.base.files {
      guard let text = file.header.metadata?.first(where: { $0.key == Self.metadataKey })?.value else { continue }
      let bytes = Array(text.utf8)
      guard let value = try? JSONParser.parse(bytes.span), case .object(let members)? = value["layers"] else {
        throw PlanError(
          path: file.path, tensor: nil, .quantizedScheme("\(Self.metadataKey) that is no JSON with \"layers\""))
      }
      for member in members {
        layers[member.key] = Layer(
          description: member.value, scale: search.base.location(of: TensorName(member.key + ".weight_scale")),
          text: nil)
      }
    }
  }

  private mutating func readText(_ text: Checkpoint.Location, _ search: CodedTensors) throws {
    let info = search.base.tensor(at: text)
    let module = String(info.name.string.dropLast(Self.commonEnding.count))
    func refused() -> PlanError { search.error(text, .quantizedScheme("a description that is not JSON of U8")) }
    guard info.dtype == .u8, info.shape.count == 1, info.elementCount <= Self.largestTextByteCount else {
      throw refused()
    }
    let bytes = try search.bytes(text)
    guard let description = try? JSONParser.parse(bytes.span), case .object = description else { throw refused() }
    if let other = layers[module]?.description, other != description {
      throw search.error(text, .quantizedScheme("descriptions that differ here and in \(Self.metadataKey)"))
    }
    layers[module] = Layer(
      description: description, scale: search.base.location(of: TensorName(module + ".weight_scale")), text: text)
  }

  private static let commonEnding = Array(".comfy_quant".utf8)
  private static let oldEnding = Array(".scale_weight".utf8)
  private static let markerEnding = Array(marker.utf8)

  private static func locations(_ search: CodedTensors, ending: [UInt8]) -> [Checkpoint.Location] {
    search.locations { file, index in file.header.tensors.withNameBytes(at: index, { ends($0, with: ending) }) }
  }

  private static func isMarker(_ name: Span<UInt8>) -> Bool {
    guard ends(name, with: markerEnding) else { return false }
    return name.count == markerEnding.count || name[name.count - markerEnding.count - 1] == UInt8(ascii: ".")
  }

  private static func ends(_ name: Span<UInt8>, with ending: [UInt8]) -> Bool {
    guard name.count >= ending.count else { return false }
    var place = name.count - 1
    for byte in ending.reversed() {
      if name[place] != byte { return false }
      place -= 1
    }
    return true
  }
}
