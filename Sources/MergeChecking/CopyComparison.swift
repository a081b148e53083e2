import Checkpoints
import Inspection
import MergePlanning
import Safetensors

/// Compares the tensors that a merge copies with what they are copied from.
struct CopyComparison {
  let context: CheckContext

  /// Compares those of the pairs, and gives each its verdict.
  ///
  /// - Parameter own: The places of the pairs that are looked at.
  func compare(_ pairs: inout [CheckedPair], _ own: Set<Int>) throws {
    let numbers = pairs.indices.filter { pairs[$0].update == nil && own.contains($0) }
    let counts = try context.mapConcurrently(numbers.map { pairs[$0] }) { pair in
      try context.differingElements(
        pair.planned.source.input, pair.planned.source.range, context.file(pair.location), context.range(pair.location),
        elementByteCount: pair.result.dtype.bitCount / 8)
    }
    let hypotheses = KnownFaults(plan: context.plan, adapters: context.adapters)
    for (number, count) in zip(numbers, counts) where count > 0 {
      let pair = pairs[number]
      pairs[number].result.verdict = .damaged(count: count)
      guard context.plan.inputs[pair.planned.source.input].isAdapter,
        let own = context.base.location(of: pair.planned.name)
      else {
        continue
      }
      if try context.isBases(pair, own) {
        pairs[number].result.verdict = .fault(hypotheses.replacementDropped(pair.planned.name))
      }
    }
  }
}
