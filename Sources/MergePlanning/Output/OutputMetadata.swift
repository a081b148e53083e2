import Platform
import Safetensors

/// The metadata of a weight file, as it is true of the result.
///
/// Image models carry facts about themselves in it, in the fields of the Stability AI model metadata standard
/// (`modelspec.*`) and in those that sd-scripts writes. A checksum or a date of the base is no longer true of the result; what an
/// adapter says of its own training does not belong to a model and is never taken over: programs for images take a file with
/// `ss_network_module` for an adapter.
package enum OutputMetadata {
  /// Sums over the data of the base, when it was made, and by which merge.
  private static let stale: Set<String> = [
    "modelspec.hash_sha256", "modelspec.date", "sshs_model_hash", "sshs_legacy_hash", "safemerge",
  ]
  private static let mergedFrom = "modelspec.merged_from"
  /// What says that a file is described by that standard.
  private static let standard = "modelspec.sai_model_spec"

  /// The base's metadata without what is stale, with the names of what was merged where it names such, and with an entry about
  /// the merge where there is one; `format: pt` is added where it is missing, because transformers up to 4.41 cannot load
  /// without.
  ///
  /// - Parameters:
  ///   - own: The base's.
  ///   - isChanged: Whether a tensor of the file is.
  ///   - origin: What was merged.
  static func metadata(
    _ own: [SafetensorsHeader.MetadataEntry], isChanged: Bool, origin: ResultOrigin
  ) -> [SafetensorsHeader.MetadataEntry] {
    var entries = isChanged ? own.filter { !stale.contains($0.key) } : own
    let adapters = origin.adapters
    if isChanged, own.contains(where: { $0.key == standard || $0.key == mergedFrom }), !adapters.isEmpty {
      let before = own.last { $0.key == mergedFrom }?.value
      let value = ([before].compactMap { $0 }.filter { !$0.isEmpty } + adapters).joined(separator: ", ")
      entries.removeAll { $0.key == mergedFrom }
      entries.append(.init(key: mergedFrom, value: value))
    }
    if isChanged, let entry = origin.entry { entries.append(entry) }
    return entries.contains { $0.key == "format" } ? entries : entries + [.init(key: "format", value: "pt")]
  }

  /// What an adapter is called among what was merged.
  ///
  /// - Parameter path: Of its file or folder.
  package static func title(ofAdapter path: String) -> String {
    let name = Paths.lastComponent(path)
    return name.hasSuffix(".safetensors") ? String(name.dropLast(".safetensors".count)) : name
  }
}
