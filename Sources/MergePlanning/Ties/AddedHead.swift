import Safetensors

/// A head for classes, as the models of transformers have them.
enum AddedHead {
  /// The ending of the class that has such a head, and what its auto class is for, by the adapter's task.
  static let kinds = [
    "SEQ_CLS": ("ForSequenceClassification", "sequence"), "TOKEN_CLS": ("ForTokenClassification", "token"),
    "QUESTION_ANS": ("ForQuestionAnswering", "question"),
  ]

  /// What the matrix with a row for each label is called, the surest first. Modules before it (`pooler`, `dense`,
  /// `pre_classifier`) don't count.
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
