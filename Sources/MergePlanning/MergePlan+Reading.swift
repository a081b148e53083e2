import Checkpoints
import Safetensors

extension MergePlan {
  /// A plan whose inputs are the files of a model, and which makes nothing: for who reads the model's weights.
  package init(reading model: Checkpoint) {
    self.init(
      inputs: model.files.map { Input(path: $0.path, isAdapter: false, identity: $0.header.identity) }, modules: [],
      otherRules: [], shards: [], textFiles: [], equalities: [], warnings: [], vocabularyRows: nil,
      baseVocabularyRows: nil)
  }
}

extension ComputedTensor {
  /// A weight of this shape as numbers in fp32, with nothing added: for who reads it.
  package init(reading weight: WeightSource, name: TensorName, shape: [Int]) {
    self.init(
      name: name, shape: shape, outputDType: .f32, outputRange: 0..<0, weight: weight,
      update: TensorUpdate(roundingOnly: shape), encoding: .numbers)
  }
}
