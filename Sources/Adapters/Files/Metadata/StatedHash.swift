/// A hash that the metadata of a file states. What it is of follows from its key; none is the SHA-256 of the file that states it.
public struct StatedHash: Equatable, Sendable {
  /// The key in the metadata, such as `sshs_model_hash`.
  public let key: String
  /// As it is stated.
  public let value: String
  /// What it is of, for people.
  public let meaning: String

  /// Sources: sd-scripts 48d368f `train_util.precalculate_safetensors_hashes`, `model_hash`, `calculate_sha256`; the ModelSpec standard.
  private static let meanings: [(key: String, meaning: String)] = [
    ("sshs_model_hash", "SHA-256 of the data without the header"),
    ("sshs_legacy_hash", "first 8 digits of the SHA-256 of 64 KiB, as old web UIs compute it"),
    ("modelspec.hash_sha256", "SHA-256 of the data without the header"),
    ("ss_new_sd_model_hash", "SHA-256 of the base's file"),
    ("ss_sd_model_hash", "of the base's file: first 8 digits of the SHA-256 of 64 KiB, as old web UIs compute it"),
  ]

  /// All that the metadata states, in the order of the table.
  static func all(_ metadata: MetadataTexts) -> [StatedHash] {
    meanings.compactMap { entry in
      metadata.text(entry.key).map { StatedHash(key: entry.key, value: $0, meaning: entry.meaning) }
    }
  }
}
