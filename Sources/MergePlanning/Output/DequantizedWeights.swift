import Checkpoints
import JSONText
import Platform
import Safetensors

/// The quantized weights that are written as numbers: those that an adapter changes, and those of the same modules, which
/// are loaded in one way. The files that say how the base is quantized have to say so.
struct DequantizedWeights {
  private let inputs: MergeInputs
  let names: Set<TensorName>
  /// Whether no quantized weight is left, because a dtype was asked for of files that alone say what is quantized.
  let isWhole: Bool

  /// - Throws: ``PlanError`` where all weights are to be decoded, and one can't be.
  init(
    _ inputs: MergeInputs, _ updates: [TensorName: PendingUpdate], requantized: RequantizedWeights
  ) throws(PlanError) {
    self.inputs = inputs
    let quantized = inputs.quantized
    isWhole = quantized.isToldByFiles && inputs.options.outputDType != nil
    if isWhole {
      if let problem = quantized.problem ?? quantized.problems.min(by: { $0.key < $1.key })?.value { throw problem }
      names = Set(quantized.groups.keys)
    } else if quantized.isToldByFiles {
      let changed = updates.lazy.filter { $0.value.changesTensor && requantized.groups[$0.key] == nil }
      names = Set(changed.map(\.key).filter { quantized.groups[$0] != nil })
    } else if inputs.options.requantizes || quantized.method == nil {
      names = []
    } else if quantized.decodesAll {
      let isChanged = updates.keys.contains { quantized.groups[$0] != nil }
      names = isChanged ? Set(quantized.groups.keys) : []
    } else {
      let modules = Set(updates.keys.compactMap { quantized.groups[$0]?.module })
      names = Set(quantized.groups.values.lazy.filter { modules.contains($0.module) }.map(\.name))
    }
  }

  /// A weight file's metadata, which with torchao says of every weight what it is; other methods say nothing there.
  func metadata(_ entries: [SafetensorsHeader.MetadataEntry]) -> [SafetensorsHeader.MetadataEntry] {
    if inputs.quantized.isToldByFiles {
      return isWhole ? ComfyMetadata.withoutLayers(entries) : ComfyMetadata.withoutLayers(leftModules, entries)
    }
    guard inputs.quantized.kind is TorchAO.Type, !names.isEmpty else { return entries }
    return entries.map { entry in
      names.contains(TensorName(entry.key)) ? .init(key: entry.key, value: TorchAO.plainTensor) : entry
    }
  }

  /// Modules whose descriptions go with their codes.
  private var leftModules: Set<String> {
    Set(names.lazy.map(\.string).filter { $0.hasSuffix(".weight") }.map { String($0.dropLast(".weight".count)) })
  }

  /// What the file that says how the base is quantized must say of the weights that are numbers now.
  func configEdit() throws(PlanError) -> ConfigEdit? {
    let quantized = inputs.quantized
    guard let source = quantized.source, !names.isEmpty, !quantized.isToldByFiles else { return nil }
    let isNothingLeft = names.count == quantized.groups.count && quantized.problems.isEmpty
    if isNothingLeft, !quantized.needsConfig { return .unquantized }
    guard let key = quantized.kind?.skipList(source) else {
      // Readers that take for quantized what has scales need no list.
      if quantized.kind?.isToldByScales ?? false { return nil }
      throw PlanError(
        path: Paths.join(inputs.base.path, source.file), tensor: nil,
        .quantizedScheme("\(source.method) and something that is applied when the model runs"))
    }
    let modules = Set(names.compactMap { quantized.groups[$0]?.module }).sorted {
      $0.utf8.lexicographicallyPrecedes($1.utf8)
    }
    var before: [String] = []
    if case .array(let entries)? = source.config[key] {
      before = entries.compactMap { entry in
        guard case .string(let name) = entry else { return nil }
        return name
      }
    } else if quantized.kind?.hasDefaultSkips ?? true {
      before = defaultSkips
    }
    let known = Set(before)
    return .notQuantized(path: source.path, key: key, modules: before + modules.filter { !known.contains($0) })
  }

  /// Files beside config.json that say how the base is quantized, edited.
  func files(_ edit: ConfigEdit?) throws -> [MergePlan.TextFile] {
    guard let source = inputs.quantized.source, let folder = inputs.base.folder,
      case .notQuantized(let path, let key, let modules)? = edit
    else { return [] }
    var file = source.file
    var edit = ConfigEdit.notQuantized(path: path, key: key, modules: modules)
    if file == "config.json" {
      // Model Optimizer says it twice.
      file = "hf_quant_config.json"
      guard source.method == "modelopt", let other = try QuantizationSource.object(in: file, of: folder),
        other["quantization"] != nil
      else { return [] }
      edit = .notQuantized(path: ["quantization"], key: "exclude_modules", modules: modules)
    }
    let bytes = try BoundedFile.read(Paths.join(folder, file), limit: Checkpoint.largestConfigByteCount)
    do throws(JSONError) {
      return [MergePlan.TextFile(name: file, text: try ConfigEdit.apply([edit], to: bytes))]
    } catch { throw CheckpointError(path: Paths.join(folder, file), .json(error)) }
  }

  /// Files of the base that only say how it is quantized, where the result has nothing quantized.
  func omittedFiles(_ edit: ConfigEdit?) -> Set<String> {
    edit == .unquantized ? Set(QuantizationSource.files) : []
  }

  /// Without a list transformers leaves the head alone; with one it leaves what the list says: every matrix of the base that
  /// is no codes, and the head, which may be the embedding.
  private var defaultSkips: [String] {
    var modules: Set<String> = ["lm_head"]
    for name in inputs.vocabulary.groups.flatMap(\.names) where name.string.hasSuffix(".weight") {
      modules.insert(String(name.string.dropLast(".weight".count)))
    }
    for entry in inputs.baseTensors.files.joined() where entry.group == nil && entry.owner == nil {
      let name = entry.name.string
      if entry.info.shape.count == 2, name.hasSuffix(".weight") {
        modules.insert(String(name.dropLast(".weight".count)))
      }
    }
    return modules.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
