import ImageModels
import ModelNames
import Safetensors

/// Finds what the modules of an adapter are called in the names of a scheme, by the rows of the base that they change.
struct TargetSearch {
  /// A module of the adapter in the base.
  private struct Source {
    let component: Int
    let rows: WeightRows
  }

  private let model: ImageModel
  private let path: String
  private let dialect: AdapterDialect
  private let names: [String]
  private var sources: [Source] = []
  private(set) var targets: [PlacedTarget] = []

  /// How many rows each module of the adapter has.
  var rowCounts: [Int] { sources.map(\.rows.count) }

  /// - Parameters:
  ///   - names: The adapter's modules.
  ///   - shortensOutput: See `ImageModel.place`.
  ///   - scheme: Whose names each component gets.
  init(
    _ names: [String], in model: ImageModel, to dialect: AdapterDialect, shortensOutput: Bool, path: String,
    scheme: (Int) -> Component.Scheme
  ) throws(ConversionError) {
    (self.model, self.path, self.dialect, self.names) = (model, path, dialect, names)
    for name in names { sources.append(try place(name, shortensOutput)) }
    for component in Set(sources.map(\.component)).sorted() { try search(component, scheme(component)) }
    try checkCoverage()
  }

  private func place(_ name: String, _ shortensOutput: Bool) throws(ConversionError) -> Source {
    switch model.place(name, .weight, shortensOutput: shortensOutput) {
    case nil: throw ConversionError(path: path, .unknownModule(nearest: model.nearestNames(to: name)), module: name)
    case .failure(let problem)?: throw ConversionError(path: path, .noPlace(problem.message), module: name)
    case .success(let found)?:
      guard let component = model.components.firstIndex(of: found.component), let rows = WeightRows(found.placement)
      else { throw ConversionError(path: path, .noName(dialect), module: name) }
      return Source(component: component, rows: rows)
    }
  }

  /// Rows of a tensor of the base, and the module of the adapter that changes them.
  private struct Claim {
    let rows: Range<Int>
    let source: Int
    let firstRow: Int
  }

  private mutating func search(_ component: Int, _ scheme: Component.Scheme) throws(ConversionError) {
    var claims: [TensorName: [Claim]] = [:]
    for (number, source) in sources.enumerated() where source.component == component {
      var row = 0
      for run in source.rows.runs {
        let known = claims[run.tensor] ?? []
        if known.contains(where: { $0.rows.overlaps(run.rows) }) {
          throw ConversionError(
            path: path, .noPlace("two modules change the same rows of \(run.tensor)"), module: names[number])
        }
        claims[run.tensor] = known + [Claim(rows: run.rows, source: number, firstRow: row)]
        row += run.rows.count
      }
    }
    var seen: Set<String> = []
    for module in model.modules(of: component, in: scheme) {
      guard let rows = WeightRows(module.placement), rows.runs.contains(where: { claims[$0.tensor] != nil }),
        seen.insert(module.name).inserted
      else { continue }
      let pieces = self.pieces(rows, claims)
      if !pieces.isEmpty {
        targets.append(
          PlacedTarget(component: component, module: module, rowCount: rows.count, pieces: pieces))
      }
    }
  }

  private func pieces(_ target: WeightRows, _ claims: [TensorName: [Claim]]) -> [PlacedTarget.Piece] {
    var pieces: [PlacedTarget.Piece] = []
    var row = 0
    for run in target.runs {
      for claim in (claims[run.tensor] ?? []).sorted(by: { $0.rows.lowerBound < $1.rows.lowerBound }) {
        let common = run.rows.clamped(to: claim.rows)
        let source = sources[claim.source].rows
        // Of exchanged rows and columns only the whole is the same thing.
        guard !common.isEmpty, source.isTransposed == target.isTransposed,
          !target.isTransposed || source == target
        else { continue }
        let first = claim.firstRow + common.lowerBound - claim.rows.lowerBound
        let start = row + common.lowerBound - run.rows.lowerBound
        let piece = PlacedTarget.Piece(
          source: claim.source, sourceRows: first..<first + common.count, rows: start..<start + common.count)
        if let last = pieces.last, last.source == piece.source, last.rows.upperBound == piece.rows.lowerBound,
          last.sourceRows.upperBound == piece.sourceRows.lowerBound
        {
          pieces[pieces.count - 1] = PlacedTarget.Piece(
            source: last.source, sourceRows: last.sourceRows.lowerBound..<piece.sourceRows.upperBound,
            rows: last.rows.lowerBound..<piece.rows.upperBound)
        } else {
          pieces.append(piece)
        }
      }
      row += run.rows.count
    }
    return pieces
  }

  /// Every row of the adapter must have one name.
  private func checkCoverage() throws(ConversionError) {
    var found = [Int](repeating: 0, count: sources.count)
    for piece in targets.flatMap(\.pieces) { found[piece.source] += piece.sourceRows.count }
    for (number, source) in sources.enumerated() where found[number] != source.rows.count {
      throw ConversionError(path: path, .noName(dialect), module: names[number])
    }
  }
}
