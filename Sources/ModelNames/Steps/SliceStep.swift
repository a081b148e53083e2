import Safetensors

/// A tensor of an older layout, such as one expert's, that is a part of one of the base's.
enum SliceStep {
  /// Finds the part's rows.
  ///
  /// - Parameters:
  ///   - target: The tensor of the base, of shape `shape`.
  ///   - part: How the older layout's tensor is made part of it.
  ///   - rows: Of the update.
  static func find(
    _ name: TensorName, in target: TensorName, _ shape: [Int], _ part: ConversionRules.Part, rows: Int?, rule: String
  ) -> Resolution {
    func found(_ row: Int, _ count: Int) -> Resolution {
      .success(
        TensorPlacement(
          name: name, shape: [count, shape[shape.count - 1]],
          parts: [TensorPlacement.Part(target, runtimeRows: 0..<count, row: row)], rule: rule))
    }
    let unknown = Resolution.failure(.unknownSlice(target: target.string, rule: rule))
    if shape.contains(0) { return unknown }
    switch part.steps {
    case [.stack], [.stack, .join(1)]:
      guard let number = part.number, shape.count == 3, shape[1] % part.sourceCount == 0 else { return unknown }
      guard number < shape[0] else {
        return .failure(.missingPart(target: target.string, expert: number, like: name.string))
      }
      let height = shape[1] / part.sourceCount
      return found(number * shape[1] + part.source * height, height)
    case [.join(0)]:
      guard shape.count == 2, let rows, rows * part.sourceCount == shape[0] else { return unknown }
      return found(part.source * rows, rows)
    default: return .failure(.unsupportedConversion(target: name.string, tensor: target.string, rule: rule))
    }
  }
}
