import Inspection
import MergePlanning
import Safetensors

/// The tensors of a check that are parts of requantized weights: which holds the scales of which codes.
struct RequantizedPairs {
  /// A weight by the place of its codes in the inputs.
  private struct Place: Hashable {
    let input: Int
    let start: Int

    init(_ source: MergePlan.Source) { (input, start) = (source.input, source.range.lowerBound) }
  }

  private let context: CheckContext
  private let scales: [Place: Int]

  init(_ pairs: [CheckedPair], _ context: CheckContext) {
    self.context = context
    var scales: [Place: Int] = [:]
    for (number, pair) in pairs.enumerated() {
      guard let (weight, requantization) = Self.weight(pair), requantization.part == .scales else { continue }
      scales[Place(weight.codes)] = number
    }
    self.scales = scales
  }

  /// The quantized weight that the planned tensor belongs to, and how it is written; nil: it belongs to none that is requantized to
  /// E4M3.
  static func weight(_ pair: CheckedPair) -> (weight: QuantizedWeight, requantization: Requantization)? {
    guard case .computed(.codes(let weight, _), _, .requantized(let requantization)) = pair.planned.content,
      requantization.nibbles == nil
    else { return nil }
    return (weight, requantization)
  }

  /// Whether the pair is codes that are codes in the result too.
  static func isCodes(_ pair: CheckedPair) -> Bool {
    weight(pair)?.requantization.part == .codes && pair.result.dtype == .f8E4M3
  }

  static func isScales(_ pair: CheckedPair) -> Bool { weight(pair)?.requantization.part == .scales }

  /// The place in the pairs of the scales of some codes; nil: the result does not have them, or there are none.
  func scales(of pair: CheckedPair) -> Int? { Self.weight(pair).flatMap { scales[Place($0.weight.codes)] } }

  /// What is compared of some codes.
  ///
  /// - Parameters:
  ///   - pairs: All of the check.
  ///   - update: What they are compared with.
  /// - Returns: Nil: the result's scales are missing, or are no numbers.
  func subject(
    _ pair: CheckedPair, in pairs: [CheckedPair], _ update: TensorUpdate
  ) throws(SafetensorsError) -> RequantizedSubject? {
    guard let (weight, requantization) = Self.weight(pair), let type = PlainArithmetic.type(weight.dtype) else {
      return nil
    }
    let count = RequantizedSubject.blockCount(requantization, rows: update.rows)
    var numbers = [Float](repeating: 1, count: count)
    if requantization.rule != .unscaled {
      guard let place = scales(of: pair), let found = try self.numbers(of: pairs[place], count) else { return nil }
      numbers = found
    }
    return RequantizedSubject(
      weight: weight, source: pair.planned.source, sourceType: type, shape: pair.planned.shape, update: update,
      requantization: requantization, codes: source(pair), scales: numbers)
  }

  private func source(_ pair: CheckedPair) -> MergePlan.Source {
    MergePlan.Source(
      input: context.file(pair.location), dtype: pair.result.dtype, range: context.range(pair.location))
  }

  /// Scales of the result, widened.
  private func numbers(of pair: CheckedPair, _ count: Int) throws(SafetensorsError) -> [Float]? {
    guard let (weight, _) = Self.weight(pair), pair.result.shape.reduce(1, *) == count else { return nil }
    let dtype = pair.result.dtype
    guard PlainArithmetic.type(dtype) != nil || [.f8E8M0, .u8].contains(dtype) else { return nil }
    return try PlainDecoder(weight, shape: pair.planned.shape, context.files).numbers(source(pair), 0..<count)
  }
}
