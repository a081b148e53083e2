import Adapters
import MergePlanning

/// The modules that an adapter has whole, and the names in `modules_to_save` that mean them.
///
/// PEFT copies each module whose path ends with a name, on a dot or not, and expects all that is inside in the file (PEFT 0.21.2
/// `set_additional_trainable_modules`, `set_peft_model_state_dict`). So a short name, such as the `norm` of a model without a head, takes
/// other modules with it.
struct SavedModules {
  /// No name means a module that another one means already.
  let names: [String]
  /// In the order of the model's files.
  let parameters: [LiveParameter]
  /// By their paths.
  let modules: Set<String>

  /// - Parameters:
  ///   - parameters: All of the tuned model.
  ///   - changed: Modules that must be saved whole.
  ///   - taskType: `task_type` of the adapter.
  init(_ parameters: [LiveParameter], changed: Set<String>, taskType: String?) {
    let heads = Self.heads(taskType).filter { head in
      parameters.contains { $0.name.isTensor(ofModuleEndingWith: head) }
    }
    var names: Set<String> = []
    for module in changed.sorted(by: { ($0.utf8.count, $0) < ($1.utf8.count, $1) })
    where !Self.mean("\(module).", heads + names) { names.insert(module) }
    self.names = heads + parameters.map(\.module).filter(names.contains).uniqued
    let all = self.names
    self.parameters = all.isEmpty ? [] : parameters.filter { Self.mean($0.name, all) }
    modules = Set(self.parameters.map(\.module))
  }

  private static func mean(_ tensor: String, _ names: [String]) -> Bool {
    names.contains(where: tensor.isTensor(ofModuleEndingWith:))
  }

  /// The names that PEFT adds to `modules_to_save` by itself (`PeftModelForSequenceClassification`, `PeftModelForTokenClassification`,
  /// `PeftModelForQuestionAnswering`): such a module can have no factors, and must be in the file even if it did not change.
  private static func heads(_ taskType: String?) -> [String] {
    switch taskType {
    case "SEQ_CLS", "TOKEN_CLS": ["classifier", "score"]
    case "QUESTION_ANS": ["qa_outputs"]
    default: []
    }
  }
}
