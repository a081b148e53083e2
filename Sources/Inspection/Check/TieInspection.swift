import MergePlanning
import Safetensors

/// Compares the parameters that config.json makes one with what is on disk.
struct TieInspection {
  /// An embedding, and a head that config.json makes one with it and that is on disk nevertheless.
  private var pairs: [(embedding: TensorName, head: TensorName)] = []

  /// Parameters that config.json makes one and that are on disk several times, and those that it does not make one and that
  /// are not all there.
  mutating func inspect(
    _ vocabulary: VocabularyTensors, _ shapes: [TensorName: [Int]], readsData: Bool, _ log: inout FindingLog
  ) {
    for group in vocabulary.groups {
      let stored = group.stored
      guard group.isTied else {
        for name in group.absent where vocabulary.className != nil && group.canBeUntied {
          log.find("tied", "config.json", tensor: stored, "\(name) is missing, but tie_word_embeddings is false")
        }
        continue
      }
      for name in group.present where name != stored {
        if vocabulary.className == nil, let found = shapes[name], let kept = shapes[stored], found.count == 2,
          kept.count == 2, found[1] != kept[1]
        {
          log.notes.append(
            "\(name) has \(found[1]) columns and \(stored) has \(kept[1]): they cannot be tied, whatever "
              + "tie_word_embeddings says (the model class is unknown)")
          continue
        }
        if shapes[name] != shapes[stored] {
          log.find(
            "tied", "config.json", tensor: name,
            "has the shape \(shapes[name] ?? []), but tie_word_embeddings ties it to \(stored), which has "
              + "\(shapes[stored] ?? [])")
        }
        // Classes that tie whatever config.json says keep what differs on disk.
        guard group.canBeUntied else { continue }
        pairs.append((stored, name))
        if !readsData {
          log.notes.append(
            "\(name) is stored beside \(stored), to which it is tied; --data checks whether they are equal")
        }
      }
    }
  }

  /// Compares the data of those that are on disk several times.
  func compareData(of model: InspectedModel, _ data: CheckedData, _ log: inout FindingLog) throws {
    for (number, (embedding, head)) in pairs.enumerated() {
      let areEqual = try data.value("tied \(number)", of: CheckedData.wholeModel, .truth) {
        try Self.areEqual(embedding, head, in: model)
      }
      guard areEqual == false else { continue }
      log.find(
        "tied", "config.json", tensor: head,
        "differs from \(embedding), although tie_word_embeddings is true: programs disagree on which one to use")
    }
  }

  /// Whether two tensors of one size have the same bytes; true where they cannot be compared.
  private static func areEqual(_ embedding: TensorName, _ head: TensorName, in model: InspectedModel) throws -> Bool {
    func place(_ name: TensorName) -> (file: Int, range: Range<Int>)? {
      for (number, file) in model.files.enumerated() {
        guard let index = file.header.tensors.indices.first(where: { file.header.tensors.name(at: $0) == name }) else {
          continue
        }
        let offsets = file.header.tensors.dataOffsets(at: index)
        return (number, file.header.dataStart + offsets.lowerBound..<file.header.dataStart + offsets.upperBound)
      }
      return nil
    }
    guard let one = place(embedding), let other = place(head), one.range.count == other.range.count else { return true }
    let open = model.openFiles
    var left: [UInt8] = []
    var right: [UInt8] = []
    let step = 4 << 20
    for start in stride(from: 0, to: one.range.count, by: step) {
      let count = min(step, one.range.count - start)
      try open.read(one.file, one.range.lowerBound + start..<one.range.lowerBound + start + count, into: &left)
      try open.read(other.file, other.range.lowerBound + start..<other.range.lowerBound + start + count, into: &right)
      if !PlainArithmetic.areEqual(left, right, count: count) { return false }
    }
    return true
  }
}
