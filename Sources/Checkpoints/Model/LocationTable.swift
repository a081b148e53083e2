import Safetensors
import Synchronization

/// Finds tensors by name over all files of a checkpoint; built when it is first asked, because listing needs none.
final class LocationTable: Sendable {
  private let files: [Checkpoint.File]
  private let locations = Mutex<[TensorName: Checkpoint.Location]?>(nil)

  init(_ files: [Checkpoint.File]) { self.files = files }

  func location(of name: TensorName) -> Checkpoint.Location? {
    locations.withLock { locations in
      if let locations { return locations[name] }
      let made = build()
      locations = made
      return made[name]
    }
  }

  /// Of a name that several files have, the first: a checkpoint whose index and headers agree has none.
  private func build() -> [TensorName: Checkpoint.Location] {
    var locations: [TensorName: Checkpoint.Location] = [:]
    locations.reserveCapacity(files.reduce(0) { $0 + $1.header.tensors.count })
    for (number, file) in files.enumerated().reversed() {
      for index in file.header.tensors.indices {
        locations[file.header.tensors.name(at: index)] = Checkpoint.Location(file: number, index: index)
      }
    }
    return locations
  }
}
