import Adapters
import Checkpoints
import Safetensors

/// Makes a plan of what the adapters do to the base's tensors: settles ties, and lays the output out.
struct PlanAssembly {
  private let inputs: MergeInputs
  private let planner: MergePlanner
  private let ties: TieSettlement

  /// - Parameter planner: All of its adapters are matched.
  init(_ planner: MergePlanner) throws(PlanError) {
    inputs = planner.inputs
    self.planner = planner
    ties = try TieSettlement(planner.inputs, planner.works, added: planner.added)
    try checkEverythingIsPlaced()
  }

  /// Whatever the adapters do is done to a tensor that the output has: a change that was left behind would be a part of an
  /// adapter dropped in silence.
  private func checkEverythingIsPlaced() throws(PlanError) {
    let adapterPath = inputs.adapters[0].adapter.weightsPath
    let addedNames = Set(ties.added.map(\.name))
    for name in ties.updates.keys.sorted() where inputs.baseTensors.entry(name) == nil && !addedNames.contains(name) {
      throw PlanError(path: adapterPath, tensor: name, .adapterTensorsUnused(count: 1))
    }
    try PipelineParts(inputs).check(ties.updates.keys)
    let leftovers = AdapterTensorNames(inputs.base.config)
    if let name = ties.added.map(\.name).first(where: AdapterTensorNames.isPart) {
      throw PlanError(path: adapterPath, tensor: name, .adapterTensor(isBase: false))
    }
    if let name = inputs.baseTensors.files.joined().lazy.map(\.name).first(where: leftovers.isLeft) {
      throw PlanError(path: inputs.base.path, tensor: name, .adapterTensor(isBase: true))
    }
  }

  /// The plan: the base's tensors in the order of its files, and what is added behind them.
  func plan() throws -> MergePlan {
    let updates = ties.updates
    let requantized = try RequantizedWeights(inputs, updates)
    let dequantized = try DequantizedWeights(inputs, updates, requantized: requantized)
    let trained = try QLoRAWeights(inputs, updates)
    let tensors = OutputTensors(
      inputs: inputs, updates: updates, added: ties.added, dequantized: dequantized, requantized: requantized,
      trained: trained)
    let output = try OutputShards(inputs, try tensors.byFile(), dequantized: dequantized)
    let quantizationEdit = try dequantized.configEdit()
    var config = try OutputConfig(
      inputs, updates, added: ties.added.map(\.name), output, edits: ties.configEdits)
    var texts = try dequantized.files(quantizationEdit)
    let isInConfig = inputs.quantized.source?.file == "config.json"
    texts += try config.texts(with: isInConfig ? quantizationEdit : nil)
    texts += OutputIndex(inputs: inputs, updates: updates).texts(of: output)
    let embedding = inputs.vocabulary.embedding
    let baseRows = embedding.flatMap { inputs.baseTensors.entry($0)?.info.shape.first }
    var plan = MergePlan(
      inputs: files, modules: planner.modules,
      otherRules: planner.rules.sorted { $0.key < $1.key }.map { MergePlan.RuleCount(rule: $0.key, count: $0.value) },
      shards: output.shards, textFiles: texts, equalities: planner.equalities + ties.equalities,
      warnings: planner.warnings + ties.warnings + output.warnings + config.warnings,
      vocabularyRows: embedding.flatMap { updates[$0]?.replacement?.shape.first } ?? baseRows,
      baseVocabularyRows: baseRows)
    plan.orderedTensorCount = planner.works.values.count { $0.isOrdered }
    plan.omittedFiles = dequantized.omittedFiles(quantizationEdit)
    plan.notices = MergeWarning.unreadWeights(inputs.adapters) + MergeWarning.zeroScalings(inputs.adapters)
    if let method = inputs.quantized.method {
      let (decoded, written) = (dequantized.names.count, requantized.groups.count)
      plan.quantization = MergePlan.Quantization(
        method: method, decoded: decoded, requantized: written,
        kept: inputs.quantized.groups.count + inputs.quantized.problems.count - decoded - written,
        configChange: quantizationEdit?.summary, isToldByFiles: inputs.quantized.isToldByFiles)
    }
    if let quantization = inputs.options.qlora {
      plan.training = MergePlan.Training(
        quantization: quantization, merged: trained.merged.count, others: trained.others.count, left: trained.left)
    }
    return plan
  }

  /// The base's files in their order, then the adapters'.
  private var files: [MergePlan.Input] {
    inputs.base.files.map { MergePlan.Input(path: $0.path, isAdapter: false, identity: $0.header.identity) }
      + inputs.adapters.map {
        MergePlan.Input(path: $0.adapter.weightsPath, isAdapter: true, identity: $0.adapter.header.identity)
      }
  }
}
