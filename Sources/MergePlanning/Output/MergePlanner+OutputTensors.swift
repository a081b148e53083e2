import Adapters
import Checkpoints
import JSONText
import ModelNames
import Platform
import Safetensors

extension MergePlanner {
  /// Lays the output out: the base's tensors in the order of its files, and what is added behind them.
  func plan() throws -> MergePlan {
    try checkEverythingIsPlaced()
    var warnings = warnings
    let requantized = try requantizedWeights()
    let decoded = options.requantizes ? [] : decodedWeights
    let trained = try qloraWeights()
    let shards = try shards(decoded: decoded, requantized: requantized, trained: trained, &warnings)
    let adapterInputs = adapters.map {
      MergePlan.Input(path: $0.adapter.weightsPath, isAdapter: true, identity: $0.adapter.header.identity)
    }
    let baseInputs = base.files.map {
      MergePlan.Input(path: $0.path, isAdapter: false, identity: $0.header.identity)
    }
    let quantizationEdit = try quantizationEdit(decoded)
    let isInConfig = quantized.source?.file == "config.json"
    let edits = try allConfigEdits(shards, &warnings) + (isInConfig ? [quantizationEdit].compactMap { $0 } : [])
    var texts = try quantizationFiles(quantizationEdit)
    if let text = try configText(edits, &warnings) { texts.append(text) }
    if let text = indexText(shards) { texts.append(text) }
    let baseRows = vocabulary.embedding.flatMap { baseTensors.entry($0)?.info.shape.first }
    var plan = MergePlan(
      inputs: baseInputs + adapterInputs, modules: modules,
      otherRules: rules.sorted { $0.key < $1.key }.map { MergePlan.RuleCount(rule: $0.key, count: $0.value) },
      shards: shards, textFiles: texts, equalities: equalities,
      warnings: warnings,
      vocabularyRows: vocabulary.embedding.flatMap { works[$0]?.replacement?.shape.first } ?? baseRows,
      baseVocabularyRows: baseRows)
    plan.omittedFiles = omittedFiles(quantizationEdit)
    plan.notices = MergeWarning.unreadWeights(adapters) + MergeWarning.zeroScalings(adapters)
    if let method = quantized.method {
      plan.quantization = MergePlan.Quantization(
        method: method, decoded: decoded.count, requantized: requantized.count,
        kept: quantized.groups.count + quantized.problems.count - decoded.count - requantized.count,
        configChange: quantizationEdit?.summary)
    }
    if let quantization = options.baseWas {
      plan.training = MergePlan.Training(
        quantization: quantization, merged: trained.merged.count, others: trained.others.count, left: trained.left)
    }
    return plan
  }

  /// Whatever the adapters do is done to a tensor that the output has: a change that was left behind would be a part of an
  /// adapter dropped in silence.
  private func checkEverythingIsPlaced() throws(PlanError) {
    let addedNames = Set(added.map(\.name))
    for name in works.keys.sorted() where baseTensors.entry(name) == nil && !addedNames.contains(name) {
      throw PlanError(path: adapters[0].adapter.weightsPath, tensor: name, .adapterTensorsUnused(count: 1))
    }
    let leftovers = AdapterTensorNames(base.config)
    if let name = added.map(\.name).first(where: AdapterTensorNames.isPart) {
      throw PlanError(path: adapters[0].adapter.weightsPath, tensor: name, .adapterTensor(isBase: false))
    }
    if let name = baseTensors.files.joined().lazy.map(\.name).first(where: leftovers.isLeft) {
      throw PlanError(path: base.path, tensor: name, .adapterTensor(isBase: true))
    }
  }

  /// The output's tensors that one file of the base has, and those that are added behind them.
  ///
  /// - Parameters:
  ///   - decoded: The quantized weights that are written as numbers.
  ///   - requantized: Those that are merged and written as codes.
  ///   - trained: Those that are quantized as in training first.
  func tensors(
    ofFile number: Int, decoded: Set<TensorName>, requantized: [TensorName: QuantizedTensor],
    trained: QLoRAWeights
  ) throws(PlanError) -> [OutputTensor] {
    let file = base.files[number]
    var outputs: [OutputTensor] = []
    for entry in baseTensors.files[number] {
      let own = MergePlan.Source(file.header, entry.location.index, input: number)
      if let weight = entry.owner ?? entry.group?.name, !decoded.contains(weight) {
        let info = file.header.tensors[entry.location.index]
        var output = OutputTensor(name: info.name, source: own, shape: info.shape, dtype: info.dtype)
        if let group = requantized[weight], let part = requantizedPart(group, own, isCodes: entry.group != nil) {
          output.requantized = (weight, try requantization(group, part))
          output.quantized = group.weight.unrounded
        }
        outputs.append(output)
        continue
      }
      // Scales are of no use without their codes.
      if entry.owner != nil { continue }
      let replacement = works[entry.name]?.replacement
      outputs.append(
        OutputTensor(
          name: entry.name, source: replacement?.source ?? own, shape: replacement?.shape ?? entry.info.shape,
          dtype: outputDType(entry.info.dtype), quantized: replacement == nil ? entry.group?.weight : nil,
          qloraQuantization: trained.contains(entry.name) ? options.baseWas : nil))
    }
    for (name, _) in added.filter({ $0.file == number }) {
      guard let work = works[name] else { continue }
      if let replacement = work.replacement {
        outputs.append(
          OutputTensor(
            name: name, source: replacement.source, shape: replacement.shape,
            dtype: outputDType(addedDType(replacement.source.dtype))))
      } else if let original = work.copyOf, let entry = baseTensors.entry(original) {
        let header = base.files[entry.location.file].header
        let source = MergePlan.Source(header, entry.location.index, input: entry.location.file)
        outputs.append(
          OutputTensor(
            name: name, source: source, shape: entry.info.shape, dtype: outputDType(entry.info.dtype),
            quantized: entry.group?.weight))
      }
    }
    return outputs
  }

  func update(
    _ name: TensorName, shape: [Int], from source: DType, to output: DType, isDecoded: Bool
  ) -> TensorUpdate? {
    guard let work = works[name], !work.steps.isEmpty || !work.rows.isEmpty else {
      // A change of dtype alone: rounded by the same pipeline, with nothing to add.
      // An empty tensor has nothing to round, and dimensions that no product may be formed of.
      return (source == output && !isDecoded) || shape.contains(0) ? nil : TensorUpdate(roundingOnly: shape)
    }
    var (rows, columns) =
      work.isConvolution ? (shape[0], shape.dropFirst().reduce(1, *)) : TensorUpdate.matrix(of: shape)
    (rows, columns) = (rows / work.interleaveCount, columns * work.interleaveCount)
    var first: TensorUpdate.Step?
    // PEFT loads a replaced weight in the base's dtype before it adds anything.
    if options.arithmetic == .peft, let base = dtype(of: name), base != source { first = .round(base) }
    return work.update(rows: rows, columns: columns, first: first)
  }

  private func outputDType(_ dtype: DType) -> DType {
    guard let wanted = options.outputDType, dtype.isMergeable else { return dtype }
    return wanted
  }

  /// A tensor that the base has not takes the base's dtype, as a model that is loaded in one dtype does.
  private func addedDType(_ own: DType) -> DType {
    guard own.isMergeable else { return own }
    var counts: [DType: Int] = [:]
    for tensor in base.files.lazy.flatMap(\.header.tensors) where tensor.dtype.isMergeable {
      counts[tensor.dtype, default: 0] += tensor.byteCount
    }
    return counts.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key ?? own
  }

  /// The numbers that a tensor of the output stands for: of codes that stay, those; of their scales none.
  func parameterCount(_ tensor: MergePlan.Tensor) -> Int {
    if let requantized = tensor.requantized, let update = tensor.update {
      return requantized.part == .codes ? update.rows &* update.columns : 0
    }
    if tensor.quantized == nil, let location = base.location(of: tensor.name) {
      if let group = quantized.group(at: location), works[group.name] == nil { return group.shape.reduce(1, &*) }
      if quantized.owner(at: location) != nil { return 0 }
    }
    return tensor.shape.reduce(1, &*)
  }

  private func allConfigEdits(
    _ shards: [MergePlan.Shard], _ warnings: inout [String]
  ) throws(PlanError) -> [ConfigEdit] {
    var edits = configEdits
    if let replication { edits.append(.layers(sources: replication.sources)) }
    if let dtype = options.outputDType, dtype != dominantDType { edits.append(.dtype(Self.torchName(dtype))) }
    if let edit = try vocabularyEdit() { edits.append(edit) }
    if let edit = headEdit(&warnings) { edits.append(edit) }
    if let edit = weightsEdit(shards) { edits.append(edit) }
    return edits
  }

  private var dominantDType: DType { addedDType(.f32) }

  private static func torchName(_ dtype: DType) -> String {
    switch dtype {
    case .f16: "float16"
    case .bf16: "bfloat16"
    default: "float32"
    }
  }

  /// The change of the vocabulary's size that the embedding's new number of rows means; the head must follow.
  private func vocabularyEdit() throws(PlanError) -> ConfigEdit? {
    guard let embedding = vocabulary.embedding, let old = baseTensors.entry(embedding)?.info.shape.first else {
      return nil
    }
    let new = works[embedding]?.replacement?.shape.first ?? old
    for name in vocabulary.names.sorted() where name != embedding {
      // One that is written apart starts as large as what it was one with, which of Marian is the decoder's embedding.
      let stored = baseTensors.entry(name)?.info.shape.first
      let source = vocabulary.group(of: name).flatMap { baseTensors.entry($0.stored)?.info.shape.first }
      guard let rows = stored ?? works[name].map({ _ in source ?? old }) else { continue }
      let found = works[name]?.replacement?.shape.first ?? rows
      guard found == new || (found == rows && (rows != old || new == old)) else {
        throw PlanError(
          path: adapters[0].adapter.weightsPath, tensor: name,
          .vocabularies(embedding: embedding.string, rows: new, headRows: found))
      }
    }
    guard new != old else { return nil }
    // BART's, one row of logits, which no adapter holds.
    for name in baseTensors.names where name.string.split(separator: ".").last == "final_logits_bias" {
      guard let found = baseTensors.entry(name)?.info.shape.last, found != new else { continue }
      throw PlanError(
        path: adapters[0].adapter.weightsPath, tensor: name,
        .vocabularies(embedding: embedding.string, rows: new, headRows: found))
    }
    return .vocabulary(from: old, to: new)
  }

  /// The edited config.json; nil if it stays as it is and is copied with the side files.
  private func configText(
    _ edits: [ConfigEdit], _ warnings: inout [String]
  ) throws -> MergePlan.TextFile? {
    guard !edits.isEmpty else { return nil }
    guard let folder = base.folder, let config = base.config else {
      warnings.append("there is no config.json to say what changed: \(edits.map(\.summary).joined(separator: ", "))")
      return nil
    }
    let path = Paths.join(folder, "config.json")
    for case .vocabulary(let old, let new) in edits where !ModelConfig.hasVocabulary(old, config) {
      throw PlanError(path: path, tensor: vocabulary.embedding, .vocabularyUnknown(rows: old, newRows: new))
    }
    let bytes = try BoundedFile.read(path, limit: Checkpoint.largestConfigByteCount)
    do throws(JSONError) {
      return MergePlan.TextFile(name: "config.json", text: try ConfigEdit.apply(edits, to: bytes))
    } catch { throw CheckpointError(path: path, .json(error)) }
  }
}
