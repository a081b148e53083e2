import Checkpoints
import JSONText
import ModelNames
import Platform
import Safetensors

extension MergePlanner {
  /// Why a weight that the base has not cannot be changed: its module has codes that are not decoded.
  mutating func problemOfCodes(inPlaceOf name: TensorName) -> PlanError? {
    guard name.string.hasSuffix(".weight") else { return nil }
    if let problem = quantized.problem(without: name) { return problem }
    let module = name.string.dropLast("weight".count)
    for leaf in CodeSiblings.codeLeaves {
      // By the rules by which the weight would have been found.
      guard case .success(let found)? = resolve("\(module)\(leaf)", rows: nil),
        let tensor = found.parts.first?.tensor.string
      else { continue }
      return quantized.problem(without: TensorName("\(tensor.dropLast(leaf.count))weight"))
    }
    return nil
  }

  /// The quantized weights that are written as numbers: those that an adapter changes, and those of the same modules, which
  /// are loaded in one way.
  var decodedWeights: Set<TensorName> {
    guard quantized.method != nil else { return [] }
    if quantized.decodesAll {
      let isChanged = works.keys.contains { quantized.groups[$0] != nil }
      return isChanged ? Set(quantized.groups.keys) : []
    }
    let modules = Set(works.keys.compactMap { quantized.groups[$0]?.module })
    return Set(quantized.groups.values.lazy.filter { modules.contains($0.module) }.map(\.name))
  }

  /// What the file that says how the base is quantized must say of the weights that are numbers now.
  ///
  /// - Parameter decoded: ``decodedWeights``.
  func quantizationEdit(_ decoded: Set<TensorName>) throws(PlanError) -> ConfigEdit? {
    guard let source = quantized.source, !decoded.isEmpty else { return nil }
    let isNothingLeft = decoded.count == quantized.groups.count && quantized.problems.isEmpty
    if isNothingLeft, !quantized.needsConfig { return .unquantized }
    guard let key = quantized.kind?.skipList(source) else {
      // Readers that take for quantized what has scales need no list.
      if quantized.kind?.isToldByScales ?? false { return nil }
      throw PlanError(
        path: Paths.join(base.path, source.file), tensor: nil,
        .quantizedScheme("\(source.method) and something that is applied when the model runs"))
    }
    let modules = Set(decoded.compactMap { quantized.groups[$0]?.module }).sorted {
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
  func quantizationFiles(_ edit: ConfigEdit?) throws -> [MergePlan.TextFile] {
    guard let source = quantized.source, let folder = base.folder,
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
    for name in vocabulary.groups.flatMap(\.names) where name.string.hasSuffix(".weight") {
      modules.insert(String(name.string.dropLast(".weight".count)))
    }
    for entry in baseTensors.files.joined() where entry.group == nil && entry.owner == nil {
      let name = entry.name.string
      if entry.info.shape.count == 2, name.hasSuffix(".weight") {
        modules.insert(String(name.dropLast(".weight".count)))
      }
    }
    return modules.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
