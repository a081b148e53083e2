import AdapterWriting
import Adapters
import JSONText
import MergePlanning
import Safetensors

extension ExtractionPlan {
  /// What belongs to the adapter beside the units' factors: adapter_config.json and whole tensors.
  ///
  /// - Throws: ``FactorizationError`` with `noChange` if the units made nothing and nothing else differs; `SafetensorsError`.
  public func document(_ units: [FinishedUnit]) throws -> AdapterDocument {
    let facts = units.compactMap { ModuleFacts($0.facts) }
    if facts.isEmpty, saved.isEmpty, biases.isEmpty { throw FactorizationError(path: path, .noChange) }
    let targets = Set(facts.map(\.module))
    var document = AdapterDocument()
    for item in saved {
      document.copies.append(try copy(item, as: "\(PEFTLayout.prefix)\(item.parameter.name)"))
      for module in item.parameter.tiedModules {
        document.copies.append(try copy(item, as: "\(PEFTLayout.prefix)\(module).weight"))
      }
    }
    for item in biases {
      let module = item.parameter.module
      let name = targets.contains(module) ? "\(module).base_layer.bias" : item.parameter.name
      document.copies.append(try copy(item, as: "\(PEFTLayout.prefix)\(name)"))
    }
    var config = RankedConfig(
      facts.flatMap { fact in ([fact.module] + (tiedModules[fact.module] ?? [])).map { ($0, fact.rank) } })
    config.targets = TargetNames.shortest(for: facts.map(\.module), among: matrixModules)
    config.savedModules = savedModules
    config.bias = biases.isEmpty ? "none" : "all"
    config.baseName = baseName
    config.taskType = taskType
    config.isTransposed = isTransposed
    config.tiesWeights = !targets.union(savedModules).isDisjoint(with: tiedModules.keys)
    document.texts = [(PEFTLayout.configName, config.text)]
    document.judge = { path in _ = try Adapter(path: path) }
    return document
  }

  private func copy(_ item: Saved, as name: String) throws(SafetensorsError) -> CopiedTensor {
    try CopiedTensor(name: name, item.parameter.tensor, path: item.path, header: item.header)
  }
}
