import JSONText
import Safetensors

/// What metadata says of quantized layers, and how layers that are quantized no more are taken out of it.
package enum ComfyMetadata {
  /// The key of the descriptions.
  package static var key: String { ComfyLayers.metadataKey }

  /// The descriptions of layers by their names, as JSON with sorted members; none where nothing, or nothing that can be read, is
  /// described.
  package static func layers(_ entries: [SafetensorsHeader.MetadataEntry]) -> [String: String] {
    guard let text = entries.first(where: { $0.key == key })?.value,
      case .object(let members)? = try? JSONParser.parse(Array(text.utf8).span),
      case .object(let layers)? = members.first(where: { $0.key == "layers" })?.value
    else { return [:] }
    return Dictionary(layers.map { ($0.key, canonical($0.value)) }) { $1 }
  }

  private static func canonical(_ description: JSONValue) -> String {
    var writer = JSONWriter()
    if case .object(let members) = description {
      writer.value(.object(members.sorted { $0.key < $1.key }))
    } else {
      writer.value(description)
    }
    return String(decoding: writer.bytes, as: UTF8.self)
  }

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
