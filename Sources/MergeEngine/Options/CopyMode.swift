/// How unchanged bytes get into the output. The result does not depend on it.
public enum CopyMode: String, Sendable, CaseIterable {
  /// Blocks are shared where the file system can (XFS, btrfs), else copied by the kernel, else read and written.
  case auto
  /// Blocks must be shared; a file system that cannot is an error.
  case always
  /// Every byte is written.
  case never
}
