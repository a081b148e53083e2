import Adapters

@testable import MergePlanning

extension MergePlan {
  /// The same plan, by which nothing is taken out of a tensor before anything is added.
  var takingNothingOut: MergePlan {
    let shards = shards.map { shard in
      MergePlan.Shard(
        name: shard.name, headerBytes: shard.headerBytes, fileByteCount: shard.fileByteCount,
        tensors: shard.tensors.map { tensor in
          MergePlan.Tensor(
            name: tensor.name, shape: tensor.shape, outputDType: tensor.outputDType, outputRange: tensor.outputRange,
            content: tensor.content.takingNothingOut)
        })
    }
    return MergePlan(
      inputs: inputs, modules: modules, otherRules: otherRules, shards: shards, textFiles: textFiles,
      equalities: equalities,
      warnings: warnings, vocabularyRows: vocabularyRows, baseVocabularyRows: baseVocabularyRows)
  }
}

extension MergePlan.Content {
  fileprivate var takingNothingOut: MergePlan.Content {
    guard case .computed(let weight, let update, let encoding) = self else { return self }
    let steps = update.replacingSteps { if case .subtract = $0 { [] } else { [$0] } }
    return .computed(from: weight, steps, to: encoding)
  }
}
