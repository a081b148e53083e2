import Checkpoints

/// The quantized tensors of a base.
struct FoundTensors {
  var tensors: [QuantizedTensor] = []
  /// Why the codes of a module, or of a list of experts, are not decoded.
  var problems: [String: PlanError] = [:]
  /// Why none are.
  var problem: PlanError?
  /// Tensors that say how all of a file is read, and belong to no weight.
  var markers: [Checkpoint.Location] = []

  /// Takes what `find` finds, or its problem as that of the module that the tensor called `name` is in.
  mutating func add(_ name: String, _ find: () throws -> QuantizedTensor?) throws {
    do {
      if let tensor = try find() { tensors.append(tensor) }
    } catch let problem as PlanError {
      problems[QuantizedBase.module(of: name)] = problem
    }
  }

  static func + (one: FoundTensors, other: FoundTensors) -> FoundTensors {
    FoundTensors(
      tensors: one.tensors + other.tensors, problems: one.problems.merging(other.problems) { first, _ in first },
      problem: one.problem ?? other.problem, markers: one.markers + other.markers)
  }
}
