import Adapters
import ImageModels
import Safetensors

/// Factors of a module whose rows are those of several modules of the adapter, or some rows of one: with the same delta, and so that
/// the way back gives the factors that there were.
///
/// Modules that share their right factor become one with it; others become blocks on the diagonal of the left factor, with the right
/// factors below each other. Where a left factor has such blocks, each part gets its own back; otherwise each part gets the whole
/// right factor.
struct FactorFusion {
  let modules: [LowRankModule]
  let table: TensorTable
  let source: FactorSource
  let path: String
  let dialect: AdapterDialect

  private func failure(_ problem: ConversionError.Problem, _ module: Int) -> ConversionError {
    ConversionError(path: path, problem, module: modules[module].name)
  }

  private func dtype(_ factor: Factor) -> DType { table.dtype(at: factor.tensor) }

  /// The factors of one module as they are.
  func whole(_ number: Int) throws(ConversionError) -> ConvertedFactors {
    let module = modules[number]
    guard let strength = Strength(scaling: module.scaling, rank: module.rank, stated: module.alpha) else {
      throw failure(.scaling(module.scaling, dialect: dialect), number)
    }
    return ConvertedFactors(
      left: FactorMatrix(module.left, dtype(module.left)), right: FactorMatrix(module.right, dtype(module.right)),
      core: module.core, isEmbedding: module.isEmbedding, kernel: module.kernel, strength: strength,
      scaling: module.scaling, magnitudes: module.magnitudes.map { FactorMatrix($0.values, dtype($0.values)) },
      areOfRows: module.magnitudes?.areOfRows ?? true)
  }

  /// The factors of a target; nil: what it would get is zero.
  ///
  /// - Parameters:
  ///   - others: All targets that the same modules give rows to, it among them.
  func factors(_ target: PlacedTarget, among others: [PlacedTarget]) throws(ConversionError) -> ConvertedFactors? {
    let numbers = target.sources
    for number in numbers {
      let module = modules[number]
      let what =
        module.core != nil
        ? "a core of Tucker's decomposition" : module.magnitudes.map { $0.areOfRows ? "" : "DoRA on columns" } ?? ""
      if !what.isEmpty {
        throw failure(
          numbers.count > 1 ? .notFused(what: what, into: target.module.name) : .notSplit(what: what), number)
      }
    }
    return numbers.count == 1 && target.isCovered
      ? try part(target, numbers[0], among: others) : try joined(target, numbers)
  }

  // MARK: Some rows of one module

  private func part(
    _ target: PlacedTarget, _ number: Int, among others: [PlacedTarget]
  ) throws(ConversionError) -> ConvertedFactors? {
    let module = modules[number]
    var columns = 0..<module.rank
    if others.count > 1, module.magnitudes == nil,
      let blocks = try blocks(of: module, others.map { $0.pieces.map(\.sourceRows) })
    {
      guard let place = others.firstIndex(where: { $0.module.name == target.module.name }) else { return nil }
      columns = blocks[place]
      if columns.isEmpty { return nil }
    }
    var result = try whole(number)
    guard let strength = Strength(scaling: module.scaling, rank: columns.count, stated: module.alpha) else {
      throw failure(.scaling(module.scaling, dialect: dialect), number)
    }
    result.strength = strength
    result.left = FactorMatrix(
      rows: target.rowCount, columns: columns.count, dtype: dtype(module.left),
      target.pieces.map {
        FactorMatrix.Piece(
          row: $0.rows.lowerBound, column: 0, factor: module.left.columns(columns).rows($0.sourceRows))
      })
    result.right = FactorMatrix(module.right.rows(columns), dtype(module.right))
    result.magnitudes = module.magnitudes.map { magnitudes in
      FactorMatrix(
        rows: 1, columns: target.rowCount, dtype: dtype(magnitudes.values),
        target.pieces.map {
          FactorMatrix.Piece(row: 0, column: $0.rows.lowerBound, factor: magnitudes.values.columns($0.sourceRows))
        })
    }
    return result
  }

  /// The columns of the left factor that each part has alone, one range of neighbors for each; nil: parts share a column, or a
  /// column is zero.
  private func blocks(of module: LowRankModule, _ parts: [[Range<Int>]]) throws(ConversionError) -> [Range<Int>]? {
    let size = dtype(module.left).bitCount / 8
    let bytes = try source.bytes(of: FactorMatrix(module.left, dtype(module.left)))
    func isZero(_ row: Int, _ column: Int) -> Bool {
      let first = (row * module.rank + column) * size
      return bytes[first..<first + size].allSatisfy { $0 == 0 }
    }
    var owners: [Int] = []
    for column in 0..<module.rank {
      let users = parts.indices.filter { part in
        parts[part].contains { rows in rows.contains { !isZero($0, column) } }
      }
      guard let owner = users.first, users.count == 1 else { return nil }
      owners.append(owner)
    }
    var ranges: [Range<Int>] = []
    for part in parts.indices {
      let own = owners.indices.filter { owners[$0] == part }
      guard let first = own.first, let last = own.last else {
        ranges.append(0..<0)
        continue
      }
      guard last - first + 1 == own.count else { return nil }
      ranges.append(first..<last + 1)
    }
    return ranges
  }

  // MARK: Rows of several modules

  private func joined(_ target: PlacedTarget, _ numbers: [Int]) throws(ConversionError) -> ConvertedFactors {
    let first = modules[numbers[0]]
    for number in numbers.dropFirst() {
      let other = modules[number]
      let name = target.module.name
      if other.scaling != first.scaling {
        throw failure(
          .notFused(what: "a scaling of \(other.scaling) beside one of \(first.scaling)", into: name), number)
      }
      if dtype(other.left) != dtype(first.left) || dtype(other.right) != dtype(first.right) {
        throw failure(.notFused(what: "another dtype than that of \(first.name)", into: name), number)
      }
      if (other.magnitudes == nil) != (first.magnitudes == nil) || other.right.columns != first.right.columns {
        throw failure(.notFused(what: "another method than that of \(first.name)", into: name), number)
      }
    }
    if first.magnitudes != nil, !target.isCovered {
      throw failure(.notFused(what: "DoRA of some of its rows", into: target.module.name), numbers[0])
    }
    var sharesRight = false
    if numbers.count > 1, target.isCovered { sharesRight = try areEqual(numbers.map { modules[$0].right }) }
    let rank = sharesRight ? first.rank : numbers.reduce(0) { $0 + modules[$1].rank }
    var columns: [Int: Int] = [:]
    var next = 0
    for number in numbers {
      columns[number] = next
      if !sharesRight { next += modules[number].rank }
    }
    guard let strength = Strength(scaling: first.scaling, rank: rank, stated: first.alpha) else {
      throw failure(.scaling(first.scaling, dialect: dialect), numbers[0])
    }
    let left = FactorMatrix(
      rows: target.rowCount, columns: rank, dtype: dtype(first.left),
      target.pieces.map {
        FactorMatrix.Piece(
          row: $0.rows.lowerBound, column: columns[$0.source] ?? 0, factor: modules[$0.source].left.rows($0.sourceRows))
      })
    let right =
      sharesRight
      ? FactorMatrix(first.right, dtype(first.right))
      : FactorMatrix(
        rows: rank, columns: first.right.columns, dtype: dtype(first.right),
        numbers.map { FactorMatrix.Piece(row: columns[$0] ?? 0, column: 0, factor: modules[$0].right) })
    var magnitudes: FactorMatrix?
    if let own = first.magnitudes {
      magnitudes = FactorMatrix(
        rows: 1, columns: target.rowCount, dtype: dtype(own.values),
        target.pieces.compactMap { piece in
          modules[piece.source].magnitudes.map {
            FactorMatrix.Piece(row: 0, column: piece.rows.lowerBound, factor: $0.values.columns(piece.sourceRows))
          }
        })
    }
    return ConvertedFactors(
      left: left, right: right, kernel: first.kernel, strength: strength, scaling: first.scaling, magnitudes: magnitudes
    )
  }

  private func areEqual(_ factors: [Factor]) throws(ConversionError) -> Bool {
    guard let first = factors.first, factors.allSatisfy({ $0.rows == first.rows && $0.columns == first.columns }) else {
      return false
    }
    let bytes = try source.bytes(of: FactorMatrix(first, dtype(first)))
    for factor in factors.dropFirst() where try source.bytes(of: FactorMatrix(factor, dtype(factor))) != bytes {
      return false
    }
    return true
  }
}
