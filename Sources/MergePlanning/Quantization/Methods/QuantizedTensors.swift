import Checkpoints
import JSONText
import Platform
import Safetensors

/// Finds the groups of a quantized base, by its method.
struct QuantizedTensors {
  let base: Checkpoint
  let source: QuantizationSource?
  let method: String
  let config: JSONValue
  /// What weights decode to, unless they say it themselves: the dtype of config.json.
  let dtype: DType

  init(_ base: Checkpoint, source: QuantizationSource?) {
    self.base = base
    self.source = source
    method = source?.method ?? ""
    config = source?.config ?? .null
    let names = [base.config, base.config?["text_config"]].flatMap { [$0?["dtype"], $0?["torch_dtype"]] }
    dtype =
      names.lazy.compactMap { name -> DType? in
        guard case .string(let name)? = name else { return nil }
        return Self.dtype(named: name)
      }.first ?? .bf16
  }

  /// What a base has of codes.
  struct Found {
    var groups: [QuantizedBase.Group] = []
    /// Why the codes of a module, or of a list of experts, are not decoded.
    var problems: [String: PlanError] = [:]
    /// Why none are.
    var problem: PlanError?

    /// Takes what `find` finds, or its problem as that of the module that the tensor called `name` is in.
    mutating func add(_ name: String, _ find: () throws -> QuantizedBase.Group?) throws {
      do {
        if let group = try find() { groups.append(group) }
      } catch let problem as PlanError {
        problems[QuantizedBase.module(of: name)] = problem
      }
    }

    static func + (one: Found, other: Found) -> Found {
      Found(
        groups: one.groups + other.groups, problems: one.problems.merging(other.problems) { first, _ in first },
        problem: one.problem ?? other.problem)
    }
  }

  /// - Throws: What reading a file throws; what is not known is a problem of what was found.
  func groups() throws -> Found {
    do {
      switch method {
      case "": return try plainFloat8Groups()
      case "fp8", "fbgemm_fp8": return try float8Groups()
      case "compressed-tensors": return try compressedGroups()
      case "gptq", "awq", "auto-round": return try columnGroups()
      case "bitsandbytes": return try fourBitGroups() + int8Groups()
      case "mxfp4": return try mxfp4Groups()
      case "torchao": return try torchaoGroups()
      case "modelopt": return try modeloptGroups()
      case "quark": return try quarkGroups()
      case "mlx": return try mlxGroups()
      case "compression_config":
        throw PlanError(
          path: configPath, tensor: nil, .quantizedScheme("compression_config in place of quantization_config"))
      default: throw PlanError(path: configPath, tensor: nil, .quantizedBase(method: method))
      }
    } catch let problem as PlanError {
      return Found(problem: problem)
    }
  }

  /// The file that says how the base is quantized.
  var configPath: String { Paths.join(base.path, source?.file ?? "config.json") }

  static func dtype(named name: String) -> DType? {
    switch name.split(separator: ".").last {
    case "bfloat16": .bf16
    case "float16": .f16
    case "float32": .f32
    default: nil
    }
  }

  func error(_ location: Checkpoint.Location, _ problem: PlanError.Problem) -> PlanError {
    PlanError(path: base.files[location.file].path, tensor: base.tensor(at: location).name, problem)
  }

  func source(_ location: Checkpoint.Location) -> MergePlan.Source {
    MergePlan.Source(base.files[location.file].header, location.index, input: location.file)
  }

  /// The tensor called `name`, which codes at `codes` are nothing without.
  func part(_ name: String, of codes: Checkpoint.Location) throws(PlanError) -> Checkpoint.Location {
    guard let found = base.location(of: TensorName(name)) else {
      throw error(codes, .quantizedPart(name, found: nil, expected: "with the codes"))
    }
    return found
  }

  func check(
    _ location: Checkpoint.Location, dtypes: [DType], shapes: [[Int]], of codes: Checkpoint.Location
  ) throws(PlanError) {
    let info = base.tensor(at: location)
    guard dtypes.contains(info.dtype), shapes.contains(info.shape) else {
      throw error(
        codes,
        .quantizedPart(
          info.name.string, found: "\(info.dtype.name) \(info.shape)",
          expected: "\(dtypes.map(\.name).joined(separator: " or ")) "
            + shapes.map { "\($0)" }.joined(separator: " or ")))
    }
  }

  /// The data of a small tensor.
  func bytes(_ location: Checkpoint.Location) throws -> [UInt8] {
    let file = try InputFile(path: base.files[location.file].path)
    guard file.identity == base.files[location.file].header.identity else {
      throw FileError(path: base.files[location.file].path, .changed)
    }
    return try file.bytes(source(location).range)
  }

  /// Every tensor with its place, for which `include` is true.
  func locations(where include: (Checkpoint.File, Int) -> Bool) -> [Checkpoint.Location] {
    base.files.enumerated().flatMap { number, file in
      file.header.tensors.indices.filter { include(file, $0) }.map { Checkpoint.Location(file: number, index: $0) }
    }
  }
}
