import Adapters
import Checksums
import Platform
import Safetensors

/// The checksums of the adapters' weights, each computed when it is first asked for.
struct AdapterChecksums: Sendable {
  private let adapters: [Adapter]
  private var known: [SHA256Checksum?]

  init(_ adapters: [Adapter]) {
    self.adapters = adapters
    known = adapters.map { _ in nil }
  }

  /// What has been computed of an adapter; nil: nothing.
  subscript(number: Int) -> SHA256Checksum? { known[number] }

  /// - Throws: `SafetensorsError` if the adapter cannot be read; `Interrupted`.
  mutating func checksum(of number: Int, _ interruption: Interruption) throws -> SHA256Checksum {
    if let checksum = known[number] { return checksum }
    let adapter = adapters[number]
    let checksum = try FileChecksum.of(
      adapter.weightsPath, expecting: adapter.header.identity, interruption: interruption)
    known[number] = checksum
    return checksum
  }
}
