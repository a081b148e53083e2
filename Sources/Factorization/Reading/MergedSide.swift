import Adapters
import Checkpoints
import LowRank
import MergeEngine
import MergePlanning
import Safetensors
import TileKernels

/// A model as the merge of an adapter into a base would make it, in fp32. Nothing is merged before a parameter is read.
struct MergedSide: ModelSide {
  let base: StoredSide
  let parameters: [LiveParameter]
  private let adapter: Adapter
  private let tensors: [TensorName: MergePlan.Tensor]
  private let plan: MergePlan
  private let reading: PlannedReading

  var model: Checkpoint { base.model }

  /// Plans the merge.
  ///
  /// A head and an embedding that are one tensor become two where the adapter changes only one of them.
  ///
  /// - Parameter names: The base's.
  /// - Throws: `PlanError` for an adapter that does not fit; `FactorizationError` with `kind` for one that replicates layers; what
  ///   `PlannedReading` throws.
  init(_ adapter: Adapter, into base: StoredSide, _ names: LiveParameters, kernels: KernelSet) throws {
    if adapter.config.layerReplication != nil {
      throw FactorizationError(
        path: adapter.configPath,
        .kind("an adapter that replicates layers (\"layer_replication\")", hint: "merge the adapter into its base"))
    }
    self.base = base
    self.adapter = adapter
    var options = MergeOptions(outputDType: .f32)
    options.tied = .split
    options.addsTensors = true
    let plan = try MergePlan(base: base.model, adapters: [AdapterUse(adapter)], options: options)
    self.plan = plan
    reading = try PlannedReading(plan, kernels: kernels)
    let planned = plan.shards.flatMap(\.tensors)
    let tensors = Dictionary(planned.map { ($0.name, $0) }) { first, _ in first }
    self.tensors = tensors
    let known = Set(names.all.map(\.tensor.name))
    let added = planned.filter { !known.contains($0.name) && base.model.location(of: $0.name) == nil }.map { tensor in
      var parameter = names.parameter(
        Self.numbers(tensor), tensor.content.weight, file: base.model.files.count - 1)
      // It is written for itself.
      parameter.tiedModules = []
      return parameter
    }
    let untied = Set(added.map(\.module))
    parameters =
      names.all.map { parameter in
        var parameter = parameter
        parameter.tiedModules.removeAll(where: untied.contains)
        guard let tensor = tensors[parameter.tensor.name], !Self.isUnchanged(tensor, plan) else { return parameter }
        return parameter.replaced(by: Self.numbers(tensor), tensor.content.weight)
      } + added
  }

  /// A tensor of the plan as the numbers that are read of it.
  private static func numbers(_ tensor: MergePlan.Tensor) -> TensorInfo {
    TensorInfo(name: tensor.name, dtype: tensor.outputDType, shape: tensor.shape, dataOffsets: 0..<0)
  }

  private static func isUnchanged(_ tensor: MergePlan.Tensor, _ plan: MergePlan) -> Bool {
    if case .padded = tensor.content.weight { return false }
    return !plan.inputs[tensor.source.input].isAdapter && !(tensor.update?.changesElements ?? false)
  }

  private func computed(_ tensor: MergePlan.Tensor) -> ComputedTensor {
    tensor.computed ?? ComputedTensor(reading: tensor.content.weight, name: tensor.name, shape: tensor.shape)
  }

  func path(of parameter: LiveParameter) -> String { adapter.weightsPath }

  func rows(of parameter: LiveParameter) throws -> any MatrixRows {
    guard let tensor = tensors[parameter.tensor.name] else { return try base.rows(of: parameter) }
    guard tensor.content.weight.dtype.elementType != nil else {
      throw FactorizationError(path: base.model.path, tensor: tensor.name.string, .dtype(tensor.outputDType.name))
    }
    return ReshapedRows(try reading.rows(computed(tensor)), shape: tensor.shape)
  }

  func change(of parameter: LiveParameter) -> KnownChange? {
    guard let tensor = tensors[parameter.tensor.name], !Self.isUnchanged(tensor, plan) else { return .nothing }
    guard let update = tensor.update, update.changesElements, update.reasonNotASum == nil,
      !plan.inputs[tensor.source.input].isAdapter
    else { return .something }
    if case .padded = tensor.content.weight { return .something }
    return .addition { ReshapedRows(try reading.rows(computed(tensor), .delta), shape: tensor.shape) }
  }

  func stored(_ parameter: LiveParameter) -> StoredTensor? {
    guard let tensor = tensors[parameter.tensor.name] else { return base.stored(parameter) }
    guard case .numbers(let source) = tensor.content.weight, !(tensor.update?.changesElements ?? false) else {
      return nil
    }
    let isAdapter = plan.inputs[source.input].isAdapter
    return StoredTensor(
      source, shape: tensor.shape, path: plan.inputs[source.input].path,
      header: isAdapter ? adapter.header : base.model.files[source.input].header)
  }
}
