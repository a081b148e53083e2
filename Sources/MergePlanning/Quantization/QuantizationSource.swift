import Checkpoints
import JSONText
import Platform

/// What says how a base is quantized: config.json, a file that a writer puts beside it, or the weight files themselves.
struct QuantizationSource {
  /// `quant_method`, or the name of the method whose file it is.
  let method: String
  /// The object that describes it.
  let config: JSONValue
  /// Relative to the base's folder.
  let file: String
  /// Where the object is in the file.
  let path: [String]

  /// Whether the object has a list of this name.
  func hasList(_ key: String) -> Bool { if case .array? = config[key] { true } else { false } }

  /// One file that says it in place of config.json, with the object that does.
  private struct Description {
    let file: String
    let method: String
    let path: [String]
  }

  /// In this order; the first that is there counts. Sources: TensorRT Model Optimizer's `export_hf_checkpoint`; AutoGPTQ;
  /// AutoAWQ; optimum-quanto.
  private static let descriptions = [
    Description(file: "hf_quant_config.json", method: "modelopt", path: ["quantization"]),
    Description(file: "quantize_config.json", method: "gptq", path: []),
    Description(file: "quant_config.json", method: "awq", path: []),
    Description(file: "quanto_qmap.json", method: "quanto", path: []),
  ]

  /// Files that only say how the weights beside them are quantized: a result without quantized weights has none of them.
  static let files = descriptions.map(\.file) + ["quantization_config.json"]

  /// Nil: nothing says that the base is quantized.
  static func find(in base: Checkpoint) throws -> QuantizationSource? {
    if let path = ModelConfig.quantizationPath(base.config), let config = base.config?[path] {
      return QuantizationSource(
        method: method(of: config, beside: base.config), config: config, file: "config.json", path: path)
    }
    if let config = base.config?["quantization"], config["bits"] != nil {
      return QuantizationSource(method: "mlx", config: config, file: "config.json", path: ["quantization"])
    }
    if let config = base.config?["compression_config"], config != .null {
      return QuantizationSource(
        method: "compression_config", config: config, file: "config.json", path: ["compression_config"])
    }
    // Each part of a pipeline has its own; see PipelineParts.
    guard base.layout != .pipeline else { return nil }
    // For inspection a file is opened as a folder that is the file itself.
    guard let folder = base.folder, base.files.first?.path != folder else { return ComfyUI.source(of: base) }
    for description in descriptions {
      guard let text = try object(in: description.file, of: folder), let config = text[description.path],
        case .object = config
      else { continue }
      var method = description.method
      if case .string(let name)? = config["quant_method"] { method = name }
      return QuantizationSource(method: method, config: config, file: description.file, path: description.path)
    }
    return ComfyUI.source(of: base)
  }

  /// The object in a file of the folder; nil if there is none.
  static func object(in file: String, of folder: String) throws -> JSONValue? {
    let path = Paths.join(folder, file)
    let bytes: [UInt8]
    do { bytes = try BoundedFile.read(path, limit: Checkpoint.largestConfigByteCount) } catch {
      guard error.problem == .notFound else { throw error }
      return nil
    }
    do { return try JSONParser.parseLenient(bytes.span) } catch { throw CheckpointError(path: path, .json(error)) }
  }

  private static func method(of config: JSONValue, beside whole: JSONValue?) -> String {
    if case .string(let name)? = config["quant_method"] {
      // AutoRound's name up to 0.3.
      return name == "intel/auto-round" ? "auto-round" : name
    }
    // As transformers takes it: `AutoQuantizationConfig.from_dict`.
    if [config["load_in_4bit"], config["load_in_8bit"]].contains(.bool(true)) { return "bitsandbytes" }
    if config["quant_algo"] != nil { return "modelopt" }
    if config["bits"] != nil, config["group_size"] != nil, whole?["quantization"] != nil || config["mode"] != nil {
      return "mlx"
    }
    return "unknown"
  }
}
