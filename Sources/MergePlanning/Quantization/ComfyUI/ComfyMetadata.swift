import JSONText
import Safetensors

/// What metadata says of layers that are quantized no more.
enum ComfyMetadata {
  /// Without `_quantization_metadata`, for a file that has no quantized layer left.
  static func withoutLayers(
    _ entries: [SafetensorsHeader.MetadataEntry]
  ) -> [SafetensorsHeader.MetadataEntry] {
    entries.filter { $0.key != ComfyLayers.metadataKey }
  }

  /// With the entries of some layers taken out of `_quantization_metadata`; everything else has the base's bytes where it
  /// names none of them.
  static func withoutLayers(
    _ modules: Set<String>, _ entries: [SafetensorsHeader.MetadataEntry]
  ) -> [SafetensorsHeader.MetadataEntry] {
    entries.map { entry in
      guard entry.key == ComfyLayers.metadataKey,
        case .object(let members)? = try? JSONParser.parse(Array(entry.value.utf8).span),
        case .object(let layers)? = members.first(where: { $0.key == "layers" })?.value,
        layers.contains(where: { modules.contains($0.key) })
      else { return entry }
      let kept = JSONValue.object(layers.filter { !modules.contains($0.key) })
      var writer = JSONWriter()
      writer.beginObject()
      for member in members {
        writer.key(member.key)
        writer.value(member.key == "layers" ? kept : member.value)
      }
      writer.end()
      return .init(key: entry.key, value: String(decoding: writer.bytes, as: UTF8.self))
    }
  }
}
