import Safetensors

/// What a weight file says of the merge that made it.
public struct ResultOrigin: Sendable, Equatable {
  /// What the adapters are called, in the order of the merge: their files and folders without the way to them and without
  /// endings.
  public let adapters: [String]
  /// An entry of the file's metadata about the merge; nil: the result has a record beside it, or none is wanted.
  public let entry: SafetensorsHeader.MetadataEntry?

  public init(adapters: [String], entry: SafetensorsHeader.MetadataEntry? = nil) {
    self.adapters = adapters
    self.entry = entry
  }
}
