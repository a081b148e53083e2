/// The distribution of a result's tensors over weight files.
public enum ShardingPolicy: Sendable, Equatable {
  /// As the base's are, under the same names.
  case asBase
  /// Data of at most so many bytes in a file, headers not counted; a larger tensor is alone in one.
  case atMost(Int)
  /// All in one file, without an index.
  case single

  /// Groups tensors, by their places: first fit in their order, as huggingface_hub 2.4
  /// (`split_torch_state_dict_into_shards`) and so `save_pretrained` does.
  ///
  /// A tensor that is larger than the limit gets a group of its own at once, which comes before the group that is
  /// being filled; filling continues after it.
  ///
  /// - Parameter byteCounts: The size of each tensor.
  /// - Returns: At least one group; only that of a model without tensors is empty.
  static func groups(_ byteCounts: [Int], limit: Int) -> [[Int]] {
    var groups: [[Int]] = []
    var current: [Int] = []
    var size = 0
    for (place, byteCount) in byteCounts.enumerated() {
      if byteCount > limit {
        groups.append([place])
        continue
      }
      if size > limit - byteCount {
        groups.append(current)
        current = []
        size = 0
      }
      current.append(place)
      size += byteCount
    }
    if !current.isEmpty || groups.isEmpty { groups.append(current) }
    return groups
  }

  /// `model.safetensors`, or `model-00002-of-00007.safetensors`, as transformers names them.
  static func name(_ stem: String, _ number: Int, of count: Int) -> String {
    func padded(_ number: Int) -> String {
      String(repeating: "0", count: max(0, 5 - String(number).count)) + "\(number)"
    }
    return count == 1 ? stem + ".safetensors" : "\(stem)-\(padded(number + 1))-of-\(padded(count)).safetensors"
  }
}
