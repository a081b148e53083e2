import Platform
import Safetensors

/// File systems on which files share blocks.
package enum BlockSharing {
  /// Whether blocks of `source` can be shared with a file at `path`: tried with one, which is removed.
  package static func works(with source: String, at path: String) -> Bool {
    let block = 0..<HeaderEncoder.blockByteCount
    guard let source = try? InputFile(path: source), source.byteCount >= block.count,
      let probe = try? OutputFile(path: path, temporaryPath: path, byteCount: block.count)
    else { return false }
    return (try? probe.clone(block, of: source, at: 0)) == block
  }
}
