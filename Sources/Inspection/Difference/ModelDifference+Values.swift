import CPlainArithmetic
import Platform
import Safetensors

/// Comparison of the values of tensors that both sides have.
extension ModelDifference {
  private struct Sums {
    var changed = 0
    var hasOtherBytes = false
    var largest = 0.0
    var differenceSquares = 0.0
    var leftSquares = 0.0
    /// Whether the bytes are the same, so that nothing was computed: ``leftSquares`` is missing.
    var isUnmeasured = false

    mutating func add(_ other: Sums) {
      changed += other.changed
      hasOtherBytes = hasOtherBytes || other.hasOtherBytes
      largest = max(largest, other.largest)
      differenceSquares += other.differenceSquares
      leftSquares += other.leftSquares
    }
  }

  /// Elements of one tensor, which lie in one file of either side.
  private struct Piece {
    let tensor: Int
    let left: PieceSource
    let right: PieceSource
  }

  /// Compares tensors that both sides have in the same shape. Identical files are not read, and nothing is computed for
  /// equal bytes.
  static func compare(_ tensors: inout [Tensor], _ one: DifferenceSide, _ other: DifferenceSide, workers: Int) throws {
    let open = OpenFiles((one.files + other.files).map { ($0.path, $0.header.identity) })
    let pieces = pieces(of: tensors, one, other)
    var pieceSums = try WorkQueue.map(pieces, workers: workers) { piece in
      return piece.left.isSame(as: piece.right, open) ? Sums(isUnmeasured: true) : try sums(piece, open)
    }
    // The norm of a tensor that differs includes its equal pieces.
    let changed = Set(zip(pieces, pieceSums).filter { $1.changed > 0 }.map { $0.0.tensor })
    let missing = pieces.indices.filter { pieceSums[$0].isUnmeasured && changed.contains(pieces[$0].tensor) }
    let squares = try WorkQueue.map(missing.map { pieces[$0] }, workers: workers) { try leftSquares($0, open) }
    for (number, square) in zip(missing, squares) { pieceSums[number].leftSquares = square }
    try open.checkUnchanged()
    // In the order of the pieces, so that the sums do not depend on the threads.
    var totals: [Int: Sums] = [:]
    var areNumbers: [Int: Bool] = [:]
    for (piece, sums) in zip(pieces, pieceSums) {
      totals[piece.tensor, default: Sums()].add(sums)
      areNumbers[piece.tensor] = piece.left.type != nil && piece.right.type != nil
    }
    for (number, sums) in totals {
      guard let left = tensors[number].left else { continue }
      let isNumber = areNumbers[number] ?? false
      var relativeNorm: Double? = isNumber && sums.changed == 0 ? 0 : nil
      if isNumber, sums.changed > 0, sums.leftSquares > 0 {
        relativeNorm = sums.differenceSquares.squareRoot() / sums.leftSquares.squareRoot()
      }
      tensors[number].values = Values(
        elementCount: left.elementCount, changedCount: sums.changed, largest: isNumber ? sums.largest : nil,
        relativeNorm: relativeNorm, hasOtherBytes: sums.hasOtherBytes)
    }
  }

  private static let pieceElementCount = 1 << 20

  private static func pieces(
    of tensors: [Tensor], _ one: DifferenceSide, _ other: DifferenceSide
  ) -> [Piece] {
    var pieces: [Piece] = []
    for (number, tensor) in tensors.enumerated() {
      guard let left = tensor.left, let right = tensor.right, left.shape == right.shape,
        let leftPlace = one.places[left.name], let rightPlace = other.places[right.name]
      else { continue }
      let types = (left: one.type(leftPlace), right: other.type(rightPlace))
      guard left.dtype == right.dtype || (types.left != nil && types.right != nil) else { continue }
      for blocks in ElementBlock.pairs(left, right, elementCount: pieceElementCount) {
        pieces.append(
          Piece(
            tensor: number,
            left: PieceSource(
              file: leftPlace.file, start: one.range(leftPlace).lowerBound, dtype: left.dtype, type: types.left,
              block: blocks.left),
            right: PieceSource(
              file: one.files.count + rightPlace.file, start: other.range(rightPlace).lowerBound, dtype: right.dtype,
              type: types.right, block: blocks.right)))
      }
    }
    return pieces
  }

  private static func sums(_ piece: Piece, _ files: OpenFiles) throws(SafetensorsError) -> Sums {
    let (left, right) = (piece.left, piece.right)
    let (one, other) = (try left.read(files), try right.read(files))
    var sums = Sums()
    let byteCount = left.byteCount
    if left.dtype == right.dtype, PlainArithmetic.areEqual(one, other, count: byteCount) {
      sums.isUnmeasured = true
      return sums
    }
    sums.hasOtherBytes = true
    guard let leftType = left.type, let rightType = right.type else {
      let size = max(1, left.dtype.bitCount / 8)
      for place in stride(from: 0, to: byteCount, by: size)
      where one[place..<min(place + size, byteCount)] != other[place..<min(place + size, byteCount)] {
        sums.changed += 1
      }
      return sums
    }
    let found = PlainArithmetic.difference(one, leftType, other, rightType, count: left.block.count)
    sums.changed = Int(found.changed)
    sums.largest = found.largest
    sums.differenceSquares = found.difference_squares
    sums.leftSquares = found.left_squares
    return sums
  }

  /// The sum of the squares of the finite elements on the left.
  private static func leftSquares(_ piece: Piece, _ files: OpenFiles) throws(SafetensorsError) -> Double {
    guard let type = piece.left.type else { return 0 }
    let bytes = try piece.left.read(files)
    return PlainArithmetic.difference(bytes, type, bytes, type, count: piece.left.block.count).left_squares
  }
}
