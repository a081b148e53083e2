import Adapters
import Checkpoints
import JSONText
import ModelNames
import Platform
import Safetensors

/// How config.json of the result differs from the base's.
struct OutputConfig {
  private let inputs: MergeInputs
  private let updates: [TensorName: PendingUpdate]
  private var edits: [ConfigEdit]
  private(set) var warnings: [String] = []

  /// - Parameters:
  ///   - added: Tensors that the base doesn't have.
  ///   - edits: What else changes.
  init(
    _ inputs: MergeInputs, _ updates: [TensorName: PendingUpdate], added: [TensorName], _ output: OutputShards,
    edits: [ConfigEdit]
  ) throws(PlanError) {
    self.inputs = inputs
    self.updates = updates
    self.edits = edits
    if let replication = inputs.replication { self.edits.append(.layers(sources: replication.sources)) }
    if let dtype = inputs.options.outputDType, dtype != inputs.addedDType(.f32) {
      self.edits.append(.dtype(Self.torchName(dtype)))
    }
    if let edit = try vocabularyEdit() { self.edits.append(edit) }
    if let edit = headEdit(added) { self.edits.append(edit) }
    if let edit = weightsEdit(output) { self.edits.append(edit) }
  }

  /// The edited config.json, of a pipeline those of its parts that say the dtype; none that stays as it is, and is copied
  /// with the copied files.
  ///
  /// - Parameter other: A further edit.
  mutating func texts(with other: ConfigEdit?) throws -> [MergePlan.TextFile] {
    let edits = edits + [other].compactMap { $0 }
    guard !edits.isEmpty else { return [] }
    let dtypes = edits.filter { if case .dtype = $0 { true } else { false } }
    if inputs.base.layout == .pipeline, dtypes.count == edits.count {
      return try inputs.base.parts.compactMap { part in
        guard let config = part.config, config["dtype"] != nil || config["torch_dtype"] != nil else { return nil }
        let name = Paths.join(part.name, "config.json")
        return try Self.text(name, Paths.join(inputs.base.path, name), edits)
      }
    }
    guard let folder = inputs.base.folder, let config = inputs.base.config else {
      warnings.append("no config.json to update: \(edits.map(\.summary).joined(separator: ", "))")
      return []
    }
    let path = Paths.join(folder, "config.json")
    for case .vocabulary(let old, let new) in edits where !ModelConfig.hasVocabulary(old, config) {
      throw PlanError(path: path, tensor: inputs.vocabulary.embedding, .vocabularyUnknown(rows: old, newRows: new))
    }
    return [try Self.text("config.json", path, edits)]
  }

  private static func text(
    _ name: String, _ path: String, _ edits: [ConfigEdit]
  ) throws(CheckpointError) -> MergePlan.TextFile {
    let bytes = try BoundedFile.read(path, limit: Checkpoint.largestConfigByteCount)
    do throws(JSONError) {
      return MergePlan.TextFile(name: name, text: try ConfigEdit.apply(edits, to: bytes))
    } catch { throw CheckpointError(path: path, .json(error)) }
  }

  private static func torchName(_ dtype: DType) -> String {
    switch dtype {
    case .f16: "float16"
    case .bf16: "bfloat16"
    default: "float32"
    }
  }

  /// The change of the vocabulary's size that the embedding's new number of rows means; the head must follow.
  private func vocabularyEdit() throws(PlanError) -> ConfigEdit? {
    let (vocabulary, base) = (inputs.vocabulary, inputs.baseTensors)
    guard let embedding = vocabulary.embedding, let old = base.entry(embedding)?.info.shape.first else { return nil }
    let new = updates[embedding]?.replacement?.shape.first ?? old
    func refused(_ name: TensorName, rows: Int) -> PlanError {
      PlanError(
        path: inputs.adapters[0].adapter.weightsPath, tensor: name,
        .vocabularies(embedding: embedding.string, rows: new, headRows: rows))
    }
    for name in vocabulary.names.sorted() where name != embedding {
      // One that is written apart starts as large as what it was one with, which of Marian is the decoder's embedding.
      let stored = base.entry(name)?.info.shape.first
      let source = vocabulary.group(of: name).flatMap { base.entry($0.stored)?.info.shape.first }
      guard let rows = stored ?? updates[name].map({ _ in source ?? old }) else { continue }
      let found = updates[name]?.replacement?.shape.first ?? rows
      guard found == new || (found == rows && (rows != old || new == old)) else { throw refused(name, rows: found) }
    }
    guard new != old else { return nil }
    // BART's, one row of logits, which no adapter holds.
    for name in base.names where name.string.split(separator: ".").last == "final_logits_bias" {
      guard let found = base.entry(name)?.info.shape.last, found != new else { continue }
      throw refused(name, rows: found)
    }
    return .vocabulary(from: old, to: new)
  }

  /// What config.json says of a head that the adapter brings: the class by the task that it was trained for, and its labels
  /// by the rows of the classifier.
  private mutating func headEdit(_ added: [TensorName]) -> ConfigEdit? {
    let heads = added.filter { updates[$0]?.replacement != nil && !inputs.vocabulary.names.contains($0) }
    guard !heads.isEmpty else { return nil }
    let task = inputs.adapters.compactMap(\.adapter.config.taskType).first
    let labels = AddedHead.labels(heads.map { ($0, updates[$0]?.replacement?.shape ?? []) })
    guard let task, let (kind, auto) = AddedHead.kinds[task] else {
      let rows = labels.map { ", and id2label and label2id with \($0) labels for a classifier" } ?? ""
      warnings.append(
        "\(heads[0]) is new, and the adapter has no task_type: add the model class that uses it to \"architectures\" in "
          + "config.json\(rows)")
      return nil
    }
    if task != "QUESTION_ANS", labels == nil {
      warnings.append(
        "\(heads[0]) is new, and it is unclear which new tensor is the classifier: add id2label and label2id with an entry "
          + "for each label to config.json")
    }
    return .head(
      class: TieRules.shared.auto(auto, ModelConfig.family(inputs.base.config)), kind: kind,
      labels: task == "QUESTION_ANS" ? nil : labels)
  }

  /// The change where config.json says which file has the weights, and they are in another now.
  private func weightsEdit(_ output: OutputShards) -> ConfigEdit? {
    guard inputs.fileSizes != .asBase, case .string(let name)? = inputs.base.config?["transformers_weights"],
      name != output.mainName
    else { return nil }
    return .weights(output.mainName)
  }
}
