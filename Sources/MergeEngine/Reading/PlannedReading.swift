import LinearAlgebra
import MergePlanning
import Platform
import Safetensors
import TileKernels

/// Reads rows of weights as a merge makes them, in fp32, without carrying a plan out.
package final class PlannedReading: Sendable {
  let inputs: InputFiles
  let kernels: KernelSet
  let decomposer: MatrixDecomposer?

  /// Checks what must hold of the adapters' data.
  ///
  /// - Parameters:
  ///   - plan: Its inputs are the ones that tensors are read from.
  /// - Throws: `MergeError` if something does not hold; `LinearAlgebraError` if the plan needs a LAPACK and the system has none.
  package init(_ plan: MergePlan, kernels: KernelSet) throws {
    inputs = InputFiles(plan)
    self.kernels = kernels
    var options = MergeEngine.Options(workers: 1)
    options.kernels = kernels
    let equalities = EqualityCheck(inputs: inputs, options: options)
    for equality in plan.equalities { try equalities.check(equality) }
    decomposer = try plan.needsDecompositions ? MatrixDecomposer() : nil
    try MatrixDecomposer.check(plan)
  }

  /// The rows of a tensor.
  ///
  /// - Parameter part: What is read of it.
  /// - Throws: What making its update ready throws.
  package func rows(_ tensor: ComputedTensor, _ part: PlannedRows.Part = .result) throws -> PlannedRows {
    try PlannedRows(tensor, part, self)
  }

  /// Whether two tensors of numbers have the same bytes.
  package func haveSameBytes(
    _ one: MergePlan.Source, _ other: MergePlan.Source, in otherReading: PlannedReading
  ) throws -> Bool {
    try inputs.file(one.input).hasSameBytes(
      one.range, as: otherReading.inputs.file(other.input), other.range)
  }
}
