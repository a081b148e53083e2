import Adapters
import MergeEngine
import Safetensors

/// What must hold of an adapter when it is read again: the scaling of every module.
///
/// A config states scalings by patterns, and a pattern can fit more modules than it was written for.
public struct WrittenScalings: Sendable {
  private var expected: [TensorName: Double] = [:]

  /// Expects nothing.
  public init() {}

  /// Expects the scaling 1 of every tensor of some units.
  public init(unscaled units: [FinishedUnit]) {
    for tensor in units.lazy.flatMap(\.tensors) { expect(1, of: tensor.name) }
  }

  /// Expects a scaling of the module that a tensor belongs to.
  public mutating func expect(_ scaling: Double, of tensor: TensorName) { expected[tensor] = scaling }

  /// Opens the adapter and compares its scalings, in fp32, in which merges multiply.
  ///
  /// - Throws: What opening the adapter throws; `MergeError` for a module with another scaling, or a tensor of no module.
  public func check(_ path: String) throws {
    let adapter = try Adapter(path: path)
    var left = expected
    func failure(_ tensor: TensorName, _ found: String) -> MergeError {
      MergeError(path: path, tensor: tensor, .inconsistentPlan("the written adapter \(found)"))
    }
    for update in adapter.updates {
      for index in update.tensorIndices {
        let name = adapter.header.tensors.name(at: index)
        guard let wanted = left.removeValue(forKey: name) else { continue }
        let found = update.scaling ?? 1
        guard Float(found) == Float(wanted) else {
          throw failure(name, "has the scaling \(found) where \(wanted) was meant")
        }
      }
    }
    if let lost = left.keys.min() { throw failure(lost, "does not use this tensor") }
  }
}
