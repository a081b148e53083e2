import Adapters
import Checksums
import MergePlanning
import Merging
import Safetensors

/// The weights that adapters were merged with, by the record of the merge where there is one.
struct MergedWeights {
  private let record: RecordedMerge?

  /// - Parameter record: Nil: the given weights are taken as they are.
  init(_ record: RecordedMerge?) {
    // What was taken out by a run of the same command is in the record with the opposite sign, and is no merge.
    self.record = record?.option("command") == MergeRequest.unmergeCommand ? nil : record
  }

  /// - Parameter adapters: With the weights that were typed; nil: none.
  /// - Throws: ``UnmergeError`` if the record does not have an adapter, or has it with another weight.
  func weights(of adapters: [(Adapter, AdapterWeight?)]) throws -> [AdapterWeight] {
    guard let record else { return adapters.map { $0.1 ?? AdapterWeight() } }
    if let method = record.option("combine"), method != "cat" {
      throw UnmergeError(path: record.path, .combined(method: method, record: record.path))
    }
    var places: Set<Int> = []
    return try adapters.map { adapter, given in
      let checksum = try FileChecksum.of(adapter.weightsPath, expecting: adapter.header.identity)
      guard
        let place = record.adapters.indices.first(where: {
          record.adapters[$0].files.weights == checksum && !places.contains($0)
        })
      else { throw UnmergeError(path: adapter.path, .notRecorded(record: record.path)) }
      places.insert(place)
      let recorded = record.adapters[place].weight
      if let given, given != recorded {
        throw UnmergeError(
          path: adapter.path, .otherWeight(given: given.label, recorded: recorded.label, record: record.path))
      }
      return recorded
    }
  }
}
