/// The verification of the written files before the result is moved into place.
public enum Verification: String, Sendable, CaseIterable {
  case none
  /// Every weight file is read from the disk again, and its SHA-256 compared with that of what was written.
  case read
}
