import CPlainArithmetic
import Inspection
import MergePlanning
import Safetensors

/// The factors of one tensor's update in fp32, rows and columns as the tensor has them.
struct PreparedTensor: Sendable {
  struct Term: Sendable {
    enum Kind: Sendable {
      /// `left` is rows x rank, `right` rank x columns.
      case lowRank(left: [Float], right: [Float], rank: Int)
      case scaled([Float])
    }

    let rows: Range<Int>
    let columns: Range<Int>
    let kind: Kind
    let scaling: Float

    var rank: Int { if case .lowRank(_, _, let rank) = kind { rank } else { 1 } }
  }

  struct Stage: Sendable {
    let terms: [Term]
    let magnitudes: [Float]?
    let axis: TensorUpdate.Magnitude.Axis
    let intermediate: TensorUpdate.Intermediate?
    /// Of magnitudes for columns: the norms down them, in fp32 and exactly, and those of the spreads.
    var columnNorms: (plain: [Float], exact: [Double], spreads: [Double])?
  }

  let rows: Int
  let columns: Int
  var stages: [Stage]
  /// Row, and the values that are written over it.
  let rowReplacements: [(row: Int, values: [Float])]

  /// Reads the factors of `update`.
  init(_ update: TensorUpdate, _ files: OpenFiles) throws(SafetensorsError) {
    var reader = FactorReader(files: files)
    rows = update.rows
    columns = update.columns
    var stages: [Stage] = []
    for stage in update.stages {
      var terms: [Term] = []
      for term in stage.terms {
        let kind: Term.Kind
        switch term.kind {
        case .lowRank(let leftView, let rightView):
          var left = try reader.values(leftView)
          if let diagonal = term.diagonal {
            let factors = try reader.values(diagonal)
            for index in left.indices { left[index] *= factors[index % leftView.columns] }
          }
          kind = .lowRank(left: left, right: try reader.values(rightView), rank: leftView.columns)
        case .scaled(let values): kind = .scaled(try reader.values(values))
        }
        terms.append(Term(rows: term.rows, columns: term.columns, kind: kind, scaling: term.scaling))
      }
      var magnitudes: [Float]?
      if let magnitude = stage.magnitude { magnitudes = try reader.values(magnitude.values) }
      stages.append(
        Stage(
          terms: terms, magnitudes: magnitudes, axis: stage.magnitude?.axis ?? .rows,
          intermediate: stage.intermediate))
    }
    self.stages = stages
    var replacements: [(row: Int, values: [Float])] = []
    for replacement in update.rowReplacements {
      replacements.append((replacement.row, try reader.values(replacement.values)))
    }
    rowReplacements = replacements
  }

  /// Whether the fp32 steps of a merge are known bit for bit: all but PEFT's own norms.
  var hasKnownBits: Bool { !stages.contains { $0.magnitudes != nil && $0.intermediate != nil } }
}

/// Reads matrices out of tensors; the tensor that was read last is kept, because the experts of a stack share one.
private struct FactorReader {
  let files: OpenFiles
  private var source: MergePlan.Source?
  private var elements: [Float] = []

  init(files: OpenFiles) { self.files = files }

  mutating func values(_ view: FactorView) throws(SafetensorsError) -> [Float] {
    if source != view.source {
      if let factor = PlainFactors.byteCount(view.source.dtype) {
        var bytes: [UInt8] = []
        try files.read(view.source.input, view.source.range, into: &bytes)
        elements = PlainFactors.widen(bytes, view.source.dtype, count: view.source.range.count / factor)
        source = view.source
        return strided(view)
      }
      guard let type = PlainArithmetic.type(view.source.dtype) else {
        throw SafetensorsError(
          path: files.path(of: view.source.input), .schema("\(view.source.dtype.name) is not computed on"))
      }
      var bytes: [UInt8] = []
      try files.read(view.source.input, view.source.range, into: &bytes)
      let count = view.source.range.count / PlainArithmetic.byteCount(type)
      elements = [Float](repeating: 0, count: count)
      PlainArithmetic.widen(bytes, as: type, count: count, into: &elements)
      source = view.source
    }
    return strided(view)
  }

  /// The matrix of what was read, row after row.
  private func strided(_ view: FactorView) -> [Float] {
    if !view.spread.isEmpty { return spread(view) }
    if view.columnStride == 1, view.rowStride == view.columns, view.offset == 0,
      elements.count == view.rows * view.columns
    {
      return elements
    }
    var values: [Float] = []
    values.reserveCapacity(view.rows * view.columns)
    for row in 0..<view.rows {
      let start = view.offset + row * view.rowStride
      for column in 0..<view.columns { values.append(elements[start + column * view.columnStride]) }
    }
    return values
  }

  /// The matrix with the zeros between what is stored.
  private func spread(_ view: FactorView) -> [Float] {
    var values = [Float](repeating: 0, count: view.rows * view.columns)
    let stored = view.stored
    for row in 0..<stored.rows {
      for column in 0..<stored.columns {
        let target = (row * view.spread.rows.count + view.spread.rows.offset) * view.columns
        values[target + column * view.spread.columns.count + view.spread.columns.offset] =
          elements[view.offset + row * view.rowStride + column * view.columnStride]
      }
    }
    return values
  }
}
