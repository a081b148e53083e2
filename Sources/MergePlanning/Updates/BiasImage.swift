import Adapters
import Checkpoints
import Safetensors

/// A weight of the base whose product with a column is added to the bias of its module: GLoRA.
struct BiasImage {
  let weight: FactorView
  /// The dtype that the column is rounded to before, as PEFT does; nil: it is not.
  let dtype: DType?

  /// Nil: no such product is added.
  ///
  /// - Parameters:
  ///   - name: The weight's.
  ///   - number: The adapter's.
  init?(
    _ bias: ModuleUpdate.Bias, of name: TensorName, _ planner: MergePlanner, _ number: Int
  ) throws(PlanError) {
    guard let image = bias.image else { return nil }
    let column = image.operands.first
    guard let entry = planner.baseTensors.entry(name), entry.group == nil, planner.works[name]?.replacement == nil,
      entry.info.dtype.isMergeable
    else { throw planner.error(.weightInBias(target: name.string), number, key: column?.tensor) }
    let shape = entry.info.shape
    guard shape.count == 2, shape[1] == column?.rows else {
      throw planner.error(
        .shape(factor: bias.witness.name, found: [column?.rows ?? 0, 1], target: name.string, expected: shape), number,
        key: column?.tensor)
    }
    weight = .rowMajor(
      planner.base.source(at: entry.location), rows: shape[0],
      columns: shape[1])
    dtype = planner.options.arithmetic == .peft ? entry.info.dtype : nil
  }
}
