import Platform
import Safetensors
import Synchronization

/// An open input and the advice to the page cache about it: pages are read ahead, and pages of a file that was not in the
/// cache are dropped after use, so that the cache is left as it was found. While another merge reads the base, none are
/// dropped.
final class CachedInput: Sendable {
  let file: InputFile
  private let use: BaseUse
  /// Whether the file was not in the page cache and is read from its start to its end.
  private let isCold: Bool
  private let asked = Atomic<Int>(0)
  private let dropped = Atomic<Int>(0)

  /// Bytes ahead of the work that are asked for, and as many behind it that are kept: other workers are still there.
  private static let window = 32 << 20

  init(_ file: InputFile, isAdapter: Bool, use: BaseUse) {
    self.file = file
    self.use = use
    isCold = !isAdapter && file.isCold
  }

  /// Says that the work has come to `range`.
  func advance(to range: Range<Int>) {
    guard isCold else { return }
    let ahead = asked.load(ordering: .relaxed)
    if range.upperBound + Self.window / 2 > ahead {
      let end = min(max(ahead, range.upperBound) + Self.window, file.byteCount)
      if end > ahead, asked.compareExchange(expected: ahead, desired: end, ordering: .relaxed).exchanged {
        file.willNeed(max(ahead, range.lowerBound)..<end)
      }
    }
    let behind = dropped.load(ordering: .relaxed)
    if range.lowerBound - behind >= 2 * Self.window, !use.isShared {
      let end = range.lowerBound - Self.window
      if dropped.compareExchange(expected: behind, desired: end, ordering: .relaxed).exchanged {
        file.drop(behind..<end)
      }
    }
  }

  /// Checks that the file is what it was, at the end of an output file that was made from it.
  func finish() throws {
    if isCold, !use.isShared { file.drop(dropped.load(ordering: .relaxed)..<file.byteCount) }
    try file.checkUnchanged()
  }
}
