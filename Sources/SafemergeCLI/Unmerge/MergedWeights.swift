import Adapters
import Checksums
import MergePlanning
import Merging
import Safetensors
import Staging

/// The weights that adapters were merged with, by the record of the merge where there is one.
struct MergedWeights {
  private let record: RecordedMerge?
  private let isIgnored: Bool
  private var merged: [(checksum: SHA256Checksum?, weight: AdapterWeight)]?

  /// - Parameters:
  ///   - record: Nil: the model has no record.
  ///   - isIgnored: Whether the given weights are taken as they are.
  init(_ record: RecordedMerge?, isIgnored: Bool) {
    self.record = record
    self.isIgnored = isIgnored
    merged = record?.merged
  }

  /// What the record of the result says of the adapters that are still in it; nothing where that is not known.
  var remaining: [MergeIdentity.Option] { merged.map(RecordedMerge.options(remaining:)) ?? [] }

  /// - Parameter adapters: With the weights that were typed; nil: none.
  /// - Returns: Their weights; ``remaining`` is without them from then on.
  /// - Throws: ``UnmergeError`` if the record does not have an adapter, or has it with another weight.
  mutating func weights(of adapters: [(Adapter, AdapterWeight?)]) throws -> [AdapterWeight] {
    guard let record, merged != nil else { return adapters.map { $0.1 ?? AdapterWeight() } }
    if let method = record.option("combine"), method != "cat" {
      guard isIgnored else { throw UnmergeError(path: record.path, .combined(method: method, record: record.path)) }
      // What is taken out is what the method made of them.
      merged = nil
    }
    return try adapters.map { adapter, given in
      let checksum = try FileChecksum.of(adapter.weightsPath, expecting: adapter.header.identity)
      let place = merged?.firstIndex { $0.checksum == checksum }
      let recorded = place.flatMap { merged?.remove(at: $0).weight }
      if isIgnored { return given ?? AdapterWeight() }
      guard let recorded else { throw UnmergeError(path: adapter.path, .notRecorded(record: record.path)) }
      if let given, given != recorded {
        throw UnmergeError(
          path: adapter.path, .otherWeight(given: given.label, recorded: recorded.label, record: record.path))
      }
      return recorded
    }
  }
}
