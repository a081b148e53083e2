import Checkpoints
import JSONText
import Platform
import Safetensors

/// The tensors of a base, as the methods look for codes among them.
struct CodedTensors {
  static let float8: [DType] = [.f8E4M3, .f8E5M2]
  static let scaleDTypes: [DType] = [.f32, .bf16, .f16, .f8E8M0, .u8]

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
    base.source(at: location)
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

  /// The 16 bits that the files of a part, or all files, have most of; BF16 if they have none.
  func mostCommonDType(inPart part: String? = nil) -> DType {
    var counts: [DType: Int] = [:]
    for file in base.files where part == nil || file.part == part {
      for tensor in file.header.tensors where [.f16, .bf16].contains(tensor.dtype) {
        counts[tensor.dtype, default: 0] += tensor.byteCount
      }
    }
    return counts[.f16, default: 0] > counts[.bf16, default: 0] ? .f16 : .bf16
  }

  /// Every tensor with its place, for which `include` is true.
  func locations(where include: (Checkpoint.File, Int) -> Bool) -> [Checkpoint.Location] {
    base.files.enumerated().flatMap { number, file in
      file.header.tensors.indices.filter { include(file, $0) }.map { Checkpoint.Location(file: number, index: $0) }
    }
  }
}
