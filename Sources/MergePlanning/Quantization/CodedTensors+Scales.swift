import Checkpoints
import JSONText
import Safetensors

/// Codes with scales beside them, as several methods have them.
extension CodedTensors {
  /// Names of scales, which multiply: transformers, `fbgemm` and AutoFP8, DeepSeek-V4, Mistral Large 4.
  private static func scaleNames(of name: String) -> [String] {
    var names = ["\(name)_scale_inv", "\(name)_scale"]
    if name.hasSuffix(".weight") {
      let module = name.dropLast("weight".count)
      names += ["\(module)scale", "\(module)qscale_weight"]
    }
    return names
  }

  /// The scales of a weight.
  ///
  /// - Throws: ``PlanError`` if there are none, or more than one tensor may be them.
  func scales(of codes: Checkpoint.Location, names: [String]? = nil) throws(PlanError) -> Checkpoint.Location {
    let name = base.tensor(at: codes).name.string
    let names = names ?? Self.scaleNames(of: name)
    let found = names.compactMap { base.location(of: TensorName($0)) }
    guard let scales = found.first else { return try part(names[0], of: codes) }
    guard found.count == 1 else {
      throw error(
        codes,
        .quantizedScheme(
          "more than one scale: \(found.map { base.tensor(at: $0).name.string }.joined(separator: " and "))")
      )
    }
    return scales
  }

  /// Weights of codes of a byte, each with its scales.
  ///
  /// - Parameters:
  ///   - blocks: As of ``grid(of:_:scales:blocks:isOnlyBlocks:)``.
  ///   - isOnlyBlocks: Likewise.
  func byteTensors(blocks: [(rows: Int, columns: Int)]?, isOnlyBlocks: Bool = false) throws -> FoundTensors {
    var found = FoundTensors()
    for location in locations(where: { Self.float8.contains($0.header.tensors.dtype(at: $1)) }) {
      let info = base.tensor(at: location)
      // Scales may be numbers of 8 bits themselves.
      if isScale(info.name.string) { continue }
      try found.add(info.name.string) {
        let scales = try self.scales(of: location)
        let grid = try self.grid(of: info, location, scales: scales, blocks: blocks, isOnlyBlocks: isOnlyBlocks)
        return byteGroup(location, grid, scales, dtype: dtype)
      }
    }
    return found
  }

  /// DeepSeek-V4's experts in FP4, two codes a byte of I8, with a scale for 32 of a row.
  func fourBitTensors() throws -> FoundTensors {
    var found = FoundTensors()
    for location in locations(where: { $0.header.tensors.dtype(at: $1) == .i8 }) {
      let info = base.tensor(at: location)
      let name = info.name.string
      if isScale(name) { continue }
      try found.add(name) {
        let scales = try self.scales(of: location)
        guard info.shape.count == 2, info.shape[1] <= Int.max / 2 else {
          throw error(location, .quantizedScheme("codes of shape \(info.shape)"))
        }
        guard base.tensor(at: scales).dtype == .f8E8M0 else {
          throw error(
            location, .quantizedScheme("codes of I8 and scales of \(base.tensor(at: scales).dtype.name) under fp8"))
        }
        return try fourBitRowGroup(location, scales, group: 32, name: info.name, global: nil, dtype: dtype)
      }
    }
    return found
  }

  /// Whether the tensor is the scale of another.
  func isScale(_ name: String) -> Bool {
    ["_scale_inv", "_scale", ".scale", ".qscale_weight", "_scale_2"].contains { name.hasSuffix($0) }
  }

  /// The blocks that share a scale, by the shape of the scales.
  ///
  /// - Parameters:
  ///   - blocks: Sizes of blocks that a grid of scales may have; nil: the grid is unknown.
  ///   - isOnlyBlocks: Whether the config says that all have scales by blocks; otherwise a scale may be of a row, of a matrix
  ///     or of the tensor.
  func grid(
    of info: TensorInfo, _ location: Checkpoint.Location, scales: Checkpoint.Location,
    blocks: [(rows: Int, columns: Int)]?, isOnlyBlocks: Bool = false
  ) throws(PlanError) -> QuantizedWeight.Grid {
    guard info.shape.count >= 2 else { throw error(location, .quantizedScheme("codes of shape \(info.shape)")) }
    let (rows, columns) = (info.shape[info.shape.count - 2], info.shape[info.shape.count - 1])
    let leading = Array(info.shape.dropLast(2))
    let shape = base.tensor(at: scales).shape
    func grid(_ block: (rows: Int, columns: Int)) -> QuantizedWeight.Grid {
      QuantizedWeight.Grid(
        blockRows: max(block.rows, 1), blockColumns: max(block.columns, 1), rows: rows, columns: columns)
    }
    func expected(_ grid: QuantizedWeight.Grid) -> [Int] { leading + [grid.scaleRows, grid.scaleColumns] }
    let single = grid((rows, columns))
    let byRow = grid((1, columns))
    let candidates = (blocks ?? []).map(grid) + (isOnlyBlocks ? [] : [byRow, single])
    try check(scales, dtypes: Self.scaleDTypes, shapes: [shape], of: location)
    if let found = candidates.first(where: { expected($0) == shape }) { return found }
    // One that is all of a matrix may be written without its dimensions.
    if leading.isEmpty, [[], [1]].contains(shape), let found = candidates.first(where: { expected($0) == [1, 1] }) {
      return found
    }
    if leading.isEmpty, shape == [rows], let found = candidates.first(where: { expected($0) == [rows, 1] }) {
      return found
    }
    // A scale for each matrix of a stack.
    if !leading.isEmpty, shape == leading, candidates.contains(single) { return single }
    throw error(
      location,
      .quantizedPart(
        base.tensor(at: scales).name.string, found: "\(base.tensor(at: scales).dtype.name) \(shape)",
        expected: "\(Self.scaleDTypes.map(\.name).joined(separator: " or ")) "
          + candidates.map { "\(expected($0))" }.joined(separator: " or ")))
  }

  /// The group of codes of 8 bits at a place.
  func byteGroup(
    _ location: Checkpoint.Location, _ grid: QuantizedWeight.Grid, _ scales: Checkpoint.Location, dtype: DType,
    zeros: Checkpoint.Location? = nil
  ) -> QuantizedTensor {
    let info = base.tensor(at: location)
    let format: QuantizedWeight.Format = zeros.map { .integers(grid, zeros: source($0)) } ?? .blocks(grid)
    return QuantizedTensor(
      name: info.name, dtype: dtype, shape: info.shape,
      weight: QuantizedWeight(
        format: format, dtype: dtype, codes: source(location), scales: source(scales), map: nil),
      location: location, parts: [scales] + [zeros].compactMap { $0 })
  }

  /// Two numbers of E2M1 a byte, the first in the lower half, with a scale for `group` of a row.
  func fourBitRowGroup(
    _ location: Checkpoint.Location, _ scales: Checkpoint.Location, group: Int, name: TensorName,
    global: (location: Checkpoint.Location, isDivisor: Bool)?, dtype: DType
  ) throws(PlanError) -> QuantizedTensor {
    let info = base.tensor(at: location)
    let (rows, bytes) = (info.shape[0], info.shape[1] * info.dtype.bitCount / 8)
    let columns = bytes * 2
    let grid = QuantizedWeight.Grid(blockRows: 1, blockColumns: group, rows: rows, columns: columns)
    try check(
      scales, dtypes: global == nil ? [.f8E8M0, .u8] : [.f8E4M3], shapes: [[grid.scaleRows, grid.scaleColumns]],
      of: location)
    if let global { try check(global.location, dtypes: [.f32], shapes: [[1], []], of: location) }
    return QuantizedTensor(
      name: name, dtype: dtype, shape: [rows, columns],
      weight: QuantizedWeight(
        format: .packedRows(
          QuantizedWeight.PackedRows(
            numbers: .e2m1, grid: grid, rowByteCount: bytes,
            globalScale: global.map {
              QuantizedWeight.GlobalScale(source: source($0.location), isDivisor: $0.isDivisor)
            })), dtype: dtype, codes: source(location), scales: source(scales), map: nil),
      location: location, parts: [scales] + [global?.location].compactMap { $0 })
  }

  /// One size of blocks that a config names; nil: none.
  func blockSize(_ value: JSONValue?) throws(PlanError) -> [(rows: Int, columns: Int)]? {
    guard let value, value != .null else { return nil }
    guard case .array(let sizes) = value, sizes.count == 2, case .integer(let rows) = sizes[0],
      case .integer(let columns) = sizes[1], rows > 0, columns > 0, rows <= 1 << 40, columns <= 1 << 40
    else {
      throw PlanError(path: configPath, tensor: nil, .quantizedScheme("a block size that is not two numbers"))
    }
    return [(Int(rows), Int(columns))]
  }
}
