import Checkpoints
import JSONText
import Safetensors

/// Finds the groups of a quantised base, by its method.
struct QuantisedGroups {
  let base: Checkpoint
  let method: String
  let config: JSONValue
  /// What weights decode to, unless they say it themselves: the dtype of config.json.
  let dtype: DType

  /// - Throws: ``PlanError`` if the method or its scheme is not known.
  init(_ base: Checkpoint, method: String) throws(PlanError) {
    self.base = base
    self.method = method
    config = ConfigFacts.quantizationPath(base.config).flatMap { base.config?[$0] } ?? .null
    let names = [base.config, base.config?["text_config"]].flatMap { [$0?["dtype"], $0?["torch_dtype"]] }
    dtype =
      names.lazy.compactMap { name -> DType? in
        guard case .string(let name)? = name else { return nil }
        return Self.dtype(named: name)
      }.first ?? .bf16
  }

  func groups() throws -> [QuantisedBase.Group] {
    switch method {
    case "fp8": return try byteGroups(of: Self.float8, scales: "_scale_inv", block: .config)
    case "fbgemm_fp8": return try byteGroups(of: Self.float8, scales: "_scale", block: .rows)
    case "compressed-tensors":
      switch try compressedScheme() {
      case .byte(let dtype): return try byteGroups(of: [dtype], scales: "_scale", block: .scales)
      case .integers(let group, let isSymmetric):
        return try packedGroups(numbers: .integers, group: group, isSymmetric: isSymmetric)
      case .e2m1: return try packedGroups(numbers: .e2m1, group: 16, isSymmetric: true)
      }
    case "gptq", "awq": return try columnGroups()
    case "bitsandbytes": return try halfGroups() + int8Groups()
    case "mxfp4": return try mxfp4Groups()
    case "torchao": return try torchaoGroups()
    case "compression_config":
      throw PlanError(
        path: configPath, tensor: nil, .quantisedScheme("compression_config in place of quantization_config"))
    default: throw PlanError(path: configPath, tensor: nil, .quantizedBase(method: method))
    }
  }

  var configPath: String { Paths.join(base.path, "config.json") }

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
      throw error(codes, .quantisedPart(name, found: nil, expected: "with the codes"))
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
        .quantisedPart(
          info.name.string, found: "\(info.dtype.name) \(info.shape)",
          expected: "\(dtypes.map(\.name).joined(separator: " or ")) "
            + shapes.map { "\($0)" }.joined(separator: " or ")))
    }
  }

  /// The data of a small tensor.
  func bytes(_ location: Checkpoint.Location) throws -> [UInt8] {
    let file = try InputFile(path: base.files[location.file].path)
    guard file.identity == base.files[location.file].header.identity else {
      throw SafetensorsError(path: base.files[location.file].path, .changed)
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

extension QuantisedGroups {
  /// What decides how large a block of scales is.
  enum BlockRule {
    /// `weight_block_size`; without it one scale for the tensor.
    case config
    /// A scale for each row.
    case rows
    /// The shape of the scales, and `block_structure` where that is a grid.
    case scales
  }

  static let float8: [DType] = [.f8E4M3, .f8E5M2]
  static let scaleDTypes: [DType] = [.f32, .bf16, .f16, .f8E8M0, .u8]

  /// Codes of 8 bits with scales in the tensor whose name has `ending` more.
  func byteGroups(
    of dtypes: [DType], scales ending: String, block rule: BlockRule
  ) throws(PlanError) -> [QuantisedBase.Group] {
    let configured = try blockSize()
    var groups: [QuantisedBase.Group] = []
    for location in locations(where: { dtypes.contains($0.header.tensors.dtype(at: $1)) }) {
      let info = base.tensor(at: location)
      let name = info.name.string
      let scales = try part(name + ending, of: location)
      guard info.shape.count >= 2 else {
        throw error(location, .quantisedScheme("codes of shape \(info.shape)"))
      }
      let (rows, columns) = (info.shape[info.shape.count - 2], info.shape[info.shape.count - 1])
      let scaleInfo = base.tensor(at: scales)
      let block: (rows: Int, columns: Int)
      let single = (rows: max(rows, 1), columns: max(columns, 1))
      switch rule {
      case .config: block = configured ?? single
      case .rows: block = (1, single.columns)
      case .scales:
        if [[], [1]].contains(scaleInfo.shape) || (scaleInfo.shape == [1, 1] && configured == nil) {
          block = single
        } else if let configured {
          block = configured
        } else {
          block = (1, single.columns)
        }
      }
      let grid = QuantisedWeight.Grid(
        blockRows: block.rows, blockColumns: block.columns, rows: rows, columns: columns)
      var shapes: [[Int]] = [Array(info.shape.dropLast(2)) + [grid.scaleRows, grid.scaleColumns]]
      if info.shape.count == 2 {
        if grid.scaleColumns == 1, grid.scaleRows == rows { shapes.append([rows]) }
        if grid.scaleRows == 1, grid.scaleColumns == 1 { shapes += [[1], []] }
      }
      try check(scales, dtypes: Self.scaleDTypes, shapes: shapes, of: location)
      let module = name.hasSuffix("weight") ? String(name.dropLast("weight".count)) : name + "_"
      if let zeros = base.location(of: TensorName(name + "_zero_point")) {
        throw error(zeros, .quantisedScheme("zero points of codes of 8 bits"))
      }
      let others = ["input_scale", "activation_scale", "input_scale_ub"].compactMap {
        base.location(of: TensorName(module + $0))
      }
      let own = scaleInfo.dtype
      let dtype = rule == .scales && (own == .bf16 || own == .f16) ? own : dtype
      let weight = QuantisedWeight(
        format: .blocks(grid), dtype: dtype, codes: source(location), scales: source(scales), map: nil)
      groups.append(
        QuantisedBase.Group(
          name: info.name, dtype: dtype, shape: info.shape, weight: weight, location: location,
          parts: [scales] + others))
    }
    return groups
  }

  /// `weight_block_size`, or `block_structure` of the weights' scheme.
  private func blockSize() throws(PlanError) -> (rows: Int, columns: Int)? {
    let own = config["weight_block_size"] ?? .null
    let value = own == .null ? weightSchemes.lazy.compactMap { $0["block_structure"] }.first ?? .null : own
    if value == .null { return nil }
    guard case .array(let sizes) = value, sizes.count == 2, case .integer(let rows) = sizes[0],
      case .integer(let columns) = sizes[1], rows > 0, columns > 0
    else {
      throw PlanError(path: configPath, tensor: nil, .quantisedScheme("a block size that is not two numbers"))
    }
    return (Int(rows), Int(columns))
  }

  /// What compressed-tensors says of the weights of each of its groups.
  var weightSchemes: [JSONValue] {
    guard case .object(let groups)? = config["config_groups"] else { return [] }
    return groups.compactMap { $0.value["weights"] }.filter { $0 != .null }
  }
}
