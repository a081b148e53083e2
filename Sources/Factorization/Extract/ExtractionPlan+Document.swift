import AdapterWriting
import Adapters
import Checkpoints
import JSONText
import LowRank
import MergePlanning
import Safetensors

extension ExtractionPlan {
  /// What belongs to the adapter beside the units' factors: adapter_config.json and whole tensors.
  ///
  /// - Throws: ``FactorizationError`` with `noChange` if the units made nothing and nothing else differs; `SafetensorsError`.
  public func document(_ units: [FinishedUnit]) throws -> AdapterDocument {
    let facts = ModuleFacts.all(units)
    if facts.isEmpty, !hasSavedChange, biases.isEmpty {
      throw FactorizationError(path: path, tuned is MergedSide ? .zeroUpdates : .noChange)
    }
    let matrices = facts.filter { $0.experts == nil }.map(\.module)
    let targets = Set(matrices)
    var document = AdapterDocument()
    let scalings = WrittenScalings(unscaled: units)
    for parameter in saved.parameters {
      try add(parameter, as: parameter.name, to: &document)
      for module in parameter.tiedModules { try add(parameter, as: "\(module).weight", to: &document) }
    }
    for parameter in biases {
      let isInside = targets.contains(parameter.module)
      try add(parameter, as: isInside ? "\(parameter.module).base_layer.bias" : parameter.name, to: &document)
    }
    func called(_ module: String) -> String { routers.contains(module) ? Routers.parameter(module) : module }
    var config = RankedConfig(
      facts.flatMap { fact in ([called(fact.module)] + (tiedModules[fact.module] ?? [])).map { ($0, fact.rank) } })
    // PEFT finds tied modules by itself only beside an embedding of this name (PEFT 0.21.2 `EMBEDDING_LAYER_NAMES`).
    let tied = matrices.filter { $0.split(separator: ".").last != "embed_tokens" }.flatMap { tiedModules[$0] ?? [] }
    let shortest = TargetNames.shortest(for: matrices.filter { !routers.contains($0) }, among: matrixModules + tied)
    // By their paths: a container can have the last component of one, such as the decoder of an encoder-decoder model.
    config.targets = (shortest + tied).uniqued.sorted()
    config.targetParameters = facts.filter { $0.experts != nil || routers.contains($0.module) }
      .map { called($0.module) }
    config.savedModules = saved.names
    config.bias = biases.isEmpty ? "none" : "all"
    config.baseName = baseName
    config.taskType = taskType
    config.isTransposed = isTransposed
    config.tiesWeights = !targets.union(saved.modules).isDisjoint(with: tiedModules.keys)
    document.texts = [(PEFTLayout.configName, config.text)]
    document.judge = { path in try scalings.check(path) }
    return document
  }

  /// Adds a whole parameter: a copy of what a file has, or its numbers in fp32.
  private func add(_ parameter: LiveParameter, as name: String, to document: inout AdapterDocument) throws {
    let name = PEFTLayout.prefix + name
    if let stored = tuned.stored(parameter) { return document.copies.append(try stored.copy(as: name)) }
    let rows = try tuned.rows(of: parameter)
    var values: [Float] = []
    try rows.read(0..<rows.rows, into: &values)
    document.tensors.append(
      try AdapterTensor(
        name: name, dtype: .f32, shape: parameter.tensor.shape,
        values: Array(values.prefix(rows.rows * rows.columns)), path: tuned.model.files[parameter.file].path))
  }
}
