import Adapters

/// What is taken out of a matrix, in double and by other means than LAPACK's: eigenvectors of `W W^T`, and Gram and Schmidt.
struct DoubleDecomposition {
  /// The part that is taken out, rows x columns.
  let part: [Double]
  /// The largest singular value; of QR, which has none, the norm.
  let norm: Double
  /// How much larger the singular value on one side of the cut is than the distance to the other side's: what multiplies the
  /// relative error of the part. 0 for QR.
  let sensitivity: Double

  /// - Parameter scaling: Multiplies what OLoRA takes out.
  init(_ change: Decomposition, of matrix: [Double], rows: Int, columns: Int, rank: Int, scaling: Double) {
    switch change {
    case .olora:
      part = Self.leadingQR(matrix, rows: rows, columns: columns, rank: rank).map { $0 * scaling }
      norm = matrix.reduce(0) { $0 + $1 * $1 }.squareRoot()
      sensitivity = 0
    case .pissa, .kasa:
      if rows > columns {
        let turned = DoubleDecomposition(
          change, of: Self.transposed(matrix, rows: rows, columns: columns), rows: columns, columns: rows, rank: rank,
          scaling: scaling)
        part = Self.transposed(turned.part, rows: columns, columns: rows)
        (norm, sensitivity) = (turned.norm, turned.sensitivity)
        return
      }
      let (values, vectors) = Self.eigenvectors(Self.gram(matrix, rows: rows, columns: columns), rows)
      let order = values.indices.sorted { values[$0] > values[$1] }
      norm = values[order[0]].squareRoot()
      let cut = change == .pissa ? rank : rows - rank
      let sides = order.map { values[$0].squareRoot() }
      sensitivity = cut < rows ? sides[cut - 1] / (sides[cut - 1] - sides[cut]) : 0
      let chosen = change == .pissa ? order.prefix(rank) : order.suffix(rank)
      var part = [Double](repeating: 0, count: rows * columns)
      for index in chosen {
        // u u^T W
        for column in 0..<columns {
          var product = 0.0
          for row in 0..<rows { product += vectors[row * rows + index] * matrix[row * columns + column] }
          for row in 0..<rows { part[row * columns + column] += vectors[row * rows + index] * product }
        }
      }
      self.part = part
    }
  }

  static func transposed(_ matrix: [Double], rows: Int, columns: Int) -> [Double] {
    (0..<rows * columns).map { matrix[$0 % rows * columns + $0 / rows] }
  }

  private static func gram(_ matrix: [Double], rows: Int, columns: Int) -> [Double] {
    var gram = [Double](repeating: 0, count: rows * rows)
    for one in 0..<rows {
      for other in 0...one {
        var sum = 0.0
        for column in 0..<columns { sum += matrix[one * columns + column] * matrix[other * columns + column] }
        (gram[one * rows + other], gram[other * rows + one]) = (sum, sum)
      }
    }
    return gram
  }

  /// Of a symmetric matrix, by Jacobi's rotations; the vectors are columns.
  private static func eigenvectors(_ symmetric: [Double], _ count: Int) -> (values: [Double], vectors: [Double]) {
    var matrix = symmetric
    var vectors = (0..<count * count).map { $0 / count == $0 % count ? 1.0 : 0 }
    for _ in 0..<60 {
      var largest = 0.0
      for p in 0..<count {
        for q in 0..<p {
          let (app, aqq, apq) = (matrix[p * count + p], matrix[q * count + q], matrix[p * count + q])
          largest = max(largest, abs(apq) / (abs(app * aqq).squareRoot() + .leastNormalMagnitude))
          if apq == 0 { continue }
          let theta = (aqq - app) / (2 * apq)
          let t = (theta < 0 ? -1 : 1) / (abs(theta) + (theta * theta + 1).squareRoot())
          let c = 1 / (t * t + 1).squareRoot()
          let s = t * c
          for k in 0..<count {
            let (x, y) = (matrix[k * count + p], matrix[k * count + q])
            (matrix[k * count + p], matrix[k * count + q]) = (c * x - s * y, s * x + c * y)
          }
          for k in 0..<count {
            let (x, y) = (matrix[p * count + k], matrix[q * count + k])
            (matrix[p * count + k], matrix[q * count + k]) = (c * x - s * y, s * x + c * y)
          }
          for k in 0..<count {
            let (x, y) = (vectors[k * count + p], vectors[k * count + q])
            (vectors[k * count + p], vectors[k * count + q]) = (c * x - s * y, s * x + c * y)
          }
        }
      }
      if largest < 1e-15 { break }
    }
    return ((0..<count).map { matrix[$0 * count + $0] }, vectors)
  }

  /// `Q_r Q_r^T W`: the first columns of Q times the first rows of R.
  private static func leadingQR(_ matrix: [Double], rows: Int, columns: Int, rank: Int) -> [Double] {
    var basis: [[Double]] = []
    for column in 0..<rank {
      var vector = (0..<rows).map { matrix[$0 * columns + column] }
      // Twice, so that nothing is left of the others.
      for _ in 0..<2 {
        for other in basis {
          let product = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
          vector = zip(vector, other).map { $0 - product * $1 }
        }
      }
      let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      basis.append(vector.map { $0 / norm })
    }
    var part = [Double](repeating: 0, count: rows * columns)
    for vector in basis {
      for column in 0..<columns {
        var product = 0.0
        for row in 0..<rows { product += vector[row] * matrix[row * columns + column] }
        for row in 0..<rows { part[row * columns + column] += vector[row] * product }
      }
    }
    return part
  }
}
