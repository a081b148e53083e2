import Adapters
import Checkpoints
import JSONText
import Safetensors

extension MergePlanner {
  /// What config.json says of a head that the adapter brings: the class by the task that it was trained for, and its labels
  /// by the rows of the classifier.
  func headEdit(_ warnings: inout [String]) -> ConfigEdit? {
    let heads = added.map(\.name).filter { works[$0]?.replacement != nil && !vocabulary.names.contains($0) }
    guard !heads.isEmpty else { return nil }
    let task = adapters.compactMap(\.adapter.config.taskType).first
    let kinds = [
      "SEQ_CLS": ("ForSequenceClassification", "sequence"), "TOKEN_CLS": ("ForTokenClassification", "token"),
      "QUESTION_ANS": ("ForQuestionAnswering", "question"),
    ]
    let labels = AddedHead.labels(heads.map { ($0, works[$0]?.replacement?.shape ?? []) })
    guard let task, let (kind, auto) = kinds[task] else {
      let rows = labels.map { ", and id2label and label2id with \($0) labels if it is a classifier" } ?? ""
      warnings.append(
        "\(heads[0]) is new, and the adapter has no task_type that says what reads it: config.json needs that class in "
          + "\"architectures\"\(rows)")
      return nil
    }
    if task != "QUESTION_ANS", labels == nil {
      warnings.append(
        "\(heads[0]) is new, and none of the new tensors is sure to be the classifier: config.json needs id2label and "
          + "label2id with an entry for each label")
    }
    return .head(
      class: TieRules.shared.auto(auto, ModelConfig.family(base.config)), kind: kind,
      labels: task == "QUESTION_ANS" ? nil : labels)
  }
}

/// A head for classes, as the models of transformers have them.
enum AddedHead {
  /// What the matrix with a row for each label is called, the surest first; what stands before it (`pooler`, `dense`,
  /// `pre_classifier`) is none.
  private static let leaves = ["out_proj", "linear_out", "score", "classifier", "logits_proj", "summary"]

  /// Nil: no matrix is sure to be the classifier, or two are.
  static func labels(_ tensors: [(name: TensorName, shape: [Int])]) -> Int? {
    let matrices = tensors.filter { $0.shape.count == 2 && $0.name.string.hasSuffix(".weight") }
    for leaf in leaves {
      let found = matrices.filter { $0.name.string.split(separator: ".").dropLast().last.map(String.init) == leaf }
      if found.count > 1 { return nil }
      if let only = found.first { return only.shape[0] }
    }
    return matrices.count == 1 ? matrices[0].shape[0] : nil
  }
}
