import MergePlanning
import TileKernels

/// An array of fp32 that lives longer than a tile, with the kernels that fill it as methods.
///
/// Each method borrows one buffer and changes another: a span of one property of a worker may not live while another
/// property is changed.
struct FloatBuffer: Sendable {
  /// At least as many as were asked for last; those behind them are old.
  private(set) var elements: [Float] = []

  /// Makes room for `count` elements; what was there is not kept if there was too little.
  mutating func grow(to count: Int, filler: Float = 0) { elements.grow(to: count, filler: filler) }

  /// Makes these the elements.
  mutating func set(_ elements: [Float]) { self.elements = elements }

  /// Makes the first elements those of another buffer.
  mutating func set(_ other: FloatBuffer, count: Int) {
    grow(to: count)
    elements.replaceSubrange(0..<count, with: other.elements[..<count])
  }

  /// Starts a delta: -0, which addition leaves unchanged.
  mutating func clear(_ count: Int, from first: Int = 0) throws {
    grow(to: first + count, filler: -0.0)
    var span = elements.mutableSpan
    try KernelSet.clear(&span, from: first, count: count)
  }

  mutating func scale(_ count: Int, from first: Int = 0, by factor: Float, _ kernels: KernelSet) throws {
    var span = elements.mutableSpan
    try kernels.scale(&span, from: first, count: count, by: factor)
  }

  /// Rounds to a type, where what is added to the weight afterwards has the bits of torch.
  mutating func roundDelta(_ count: Int, to type: ElementType, _ kernels: KernelSet) throws {
    var span = elements.mutableSpan
    try kernels.roundDelta(&span, count: count, to: type)
  }

  /// Rounds to a type and back.
  mutating func round(_ count: Int, to type: ElementType, through bytes: inout [UInt8], _ kernels: KernelSet) throws {
    bytes.grow(to: count * type.byteCount, filler: 0)
    try kernels.round(elements, count: count, into: &bytes, as: type)
    try widen(bytes, as: type, count: count, kernels)
  }

  /// Sets the first elements to those that lie in `bytes`.
  mutating func widen(_ bytes: [UInt8], as type: ElementType, count: Int, _ kernels: KernelSet) throws {
    let part = bytes.span.extracting(0..<count * type.byteCount)
    grow(to: count)
    var span = elements.mutableSpan
    try unsafe kernels.widen(part.bytes, as: type, into: &span)
  }

  /// Sets the first elements to those of a weight.
  mutating func widen(_ weight: RawSpan, as type: ElementType, _ kernels: KernelSet) throws {
    grow(to: weight.byteCount / type.byteCount)
    var span = elements.mutableSpan
    try kernels.widen(weight, as: type, into: &span)
  }

  /// Sets the first elements to some rows of a factor, row after row.
  mutating func read(
    _ view: FactorView, rows: Range<Int>, through raw: inout [UInt8], _ inputs: InputFiles, _ kernels: KernelSet
  ) throws {
    let factor = try inputs.read(view, rows: rows, into: &raw)
    grow(to: rows.count * view.columns)
    var span = elements.mutableSpan
    try unsafe kernels.packLeft(factor, in: raw.span.bytes, into: &span)
  }

  /// Sets the first elements to `weight + delta`.
  mutating func sum(_ weight: RawSpan, _ type: ElementType, _ delta: FloatBuffer, _ kernels: KernelSet) throws {
    grow(to: weight.byteCount / type.byteCount)
    var span = elements.mutableSpan
    try kernels.sum(weight, as: type, with: delta.elements.span, into: &span)
  }

  /// Adds the first `count` elements of another buffer.
  mutating func add(_ other: FloatBuffer, count: Int, at offset: Int = 0, _ kernels: KernelSet) throws {
    var span = elements.mutableSpan
    try kernels.addPlain(to: &span, at: offset, values: other.elements.span.extracting(0..<count))
  }

  /// Adds rows of another buffer, those from `first` on, scaled, to rows that lie in a wider matrix from `offset` on.
  mutating func addScaled(
    _ other: FloatBuffer, from first: Int = 0, rows: Int, columns: Int, scale: Float, at offset: Int, rowStride: Int,
    _ kernels: KernelSet
  ) throws {
    var span = elements.mutableSpan
    for row in 0..<rows {
      let start = (first + row) * columns
      try kernels.addScaled(
        to: &span, at: offset + row * rowStride, values: other.elements.span.extracting(start..<start + columns),
        scale: scale)
    }
  }

  /// Adds a product whose left factor's rows are the first elements of `left`.
  mutating func addProduct(
    _ left: Span<Float>, _ right: PackedRight, rows: Int, scale: Float, at offset: Int = 0, rowStride: Int,
    _ kernels: KernelSet
  ) throws {
    var span = elements.mutableSpan
    try kernels.addLowRank(
      to: &span, at: offset, rowStride: rowStride, left: left.extracting(0..<rows * right.rank), right: right,
      rows: rows,
      scale: scale)
  }

  /// Sets whole rows to a product whose left factor's rows are the first elements of `left`.
  mutating func setProduct(
    _ left: FloatBuffer, _ right: PackedRight, rows: Int, scale: Float, at offset: Int, _ kernels: KernelSet
  ) throws {
    var span = elements.mutableSpan
    try kernels.products.set(
      &span, at: offset, left: left.elements.span.extracting(0..<rows * right.rank), right: right, rows: rows,
      scale: scale)
  }

  /// Sets a run of elements to numbers of another buffer, repeated, each multiplied by a factor of its block and by `scale`.
  ///
  /// - Parameter factors: A buffer and the place of the first block's factor; nil: they are 1.
  mutating func setRow(
    _ range: Range<Int>, to values: FloatBuffer, from block: Range<Int>, factors: (FloatBuffer, Int)? = nil,
    scale: Float,
    _ kernels: KernelSet
  ) throws {
    var span = elements.mutableSpan
    let numbers = values.elements.span.extracting(block)
    guard let (factors, first) = factors else {
      return try kernels.products.setRow(
        &span, at: range.lowerBound, count: range.count, factors: nil, values: numbers, scale: scale)
    }
    try kernels.products.setRow(
      &span, at: range.lowerBound, count: range.count, factors: factors.elements.span.extracting(droppingFirst: first),
      values: numbers, scale: scale)
  }

  /// Multiplies `count` elements, those from `offset` on, by another buffer's.
  mutating func multiply(by other: FloatBuffer, count: Int, at offset: Int = 0) {
    var span = elements.mutableSpan
    let factors = other.elements.span
    for index in 0..<count { span[offset + index] *= factors[index] }
  }

  /// Sets the first elements to so many matrices of another buffer, one after another, each transposed.
  mutating func transposeParts(of other: FloatBuffer, count: Int, rows: Int, columns: Int) {
    let size = rows * columns
    grow(to: count * size)
    var span = elements.mutableSpan
    let values = other.elements.span
    for part in 0..<count {
      for row in 0..<rows {
        for column in 0..<columns {
          span[part * size + column * rows + row] = values[part * size + row * columns + column]
        }
      }
    }
  }

  /// Makes each of the first `count` elements `y` the sum `x + weight * (y - x)` with the other buffer's element `x`.
  mutating func mix(with other: FloatBuffer, count: Int, weight: Float) {
    var span = elements.mutableSpan
    let starts = other.elements.span
    for index in 0..<count {
      let start = starts[index]
      span[index] = start + weight * (span[index] - start)
    }
  }

  /// Divides each of the first `count` elements.
  mutating func divide(_ count: Int, by divisor: Float) {
    var span = elements.mutableSpan
    for index in 0..<count { span[index] /= divisor }
  }

  /// Sets the first elements to rows of a matrix and their products with blocks along a diagonal.
  mutating func addBlockProducts(
    of other: FloatBuffer, rows: Int, columns: Int, _ blocks: PackedBlocks, _ kernels: KernelSet
  ) throws {
    grow(to: rows * columns)
    var span = elements.mutableSpan
    try kernels.blocks.addProducts(
      of: other.elements.span, rows: rows, columns: columns, with: blocks, into: &span)
  }

  /// Sets the first elements to some columns of a matrix of `width` columns.
  mutating func gather(_ columns: Range<Int>, of other: FloatBuffer, rows: Int, width: Int) {
    grow(to: rows * columns.count)
    copy(columns, of: other, width: width, rows: rows, to: 0, width: columns.count)
  }

  /// Sets a run of columns of a matrix to columns of another.
  mutating func copy(
    _ columns: Range<Int>, of other: FloatBuffer, width: Int, rows: Int, to first: Int, width ownWidth: Int
  ) {
    var span = elements.mutableSpan
    let values = other.elements.span
    for row in 0..<rows {
      let (source, target) = (row * width + columns.lowerBound, row * ownWidth + first)
      for index in 0..<columns.count { span[target + index] = values[source + index] }
    }
  }

  /// Sets the first `count` elements to those of a buffer, in another order: its runs of `length` elements are matrices of
  /// `rows` times `columns` runs one behind the other, and each is transposed.
  mutating func transposeRuns(of other: FloatBuffer, count: Int, length: Int, rows: Int, columns: Int) {
    grow(to: count)
    var span = elements.mutableSpan
    let values = other.elements.span
    var target = 0
    for matrix in stride(from: 0, to: count, by: rows * columns * length) {
      for column in 0..<columns {
        for row in 0..<rows {
          let source = matrix + (row * columns + column) * length
          for index in 0..<length { span[target + index] = values[source + index] }
          target += length
        }
      }
    }
  }

  /// Makes two runs of elements sums of both, `first.0 * x + first.1 * y` and `second.0 * x + second.1 * y`, in double.
  mutating func mix(_ one: Int, _ other: Int, count: Int, _ first: (Double, Double), _ second: (Double, Double)) {
    var span = elements.mutableSpan
    for index in 0..<count {
      let (x, y) = (Double(span[one + index]), Double(span[other + index]))
      span[one + index] = Float(first.0 * x + first.1 * y)
      span[other + index] = Float(second.0 * x + second.1 * y)
    }
  }

  /// Adds a row to each row of a matrix of as many columns as it has, or a multiple.
  mutating func addRepeated(_ values: ArraySlice<Float>, at offset: Int, columns: Int) {
    var span = elements.mutableSpan
    for first in stride(from: offset, to: offset + columns, by: values.count) {
      for index in 0..<values.count { span[first + index] += values[values.startIndex + index] }
    }
  }

  /// Sets the first elements to the products of each row of a matrix with some vectors, accumulated in double.
  mutating func project(
    _ matrix: FloatBuffer, rows: Int, columns: Int, on vectors: [Double], count: Int, _ kernels: KernelSet
  ) throws {
    grow(to: rows * count)
    var span = elements.mutableSpan
    try kernels.projectRows(
      of: matrix.elements.span, rows: rows, columns: columns, on: vectors.span, count: count, into: &span)
  }

  /// Adds a run of another buffer's elements to those from `place` on.
  mutating func add(_ other: FloatBuffer, from first: Int, count: Int, at place: Int) {
    var span = elements.mutableSpan
    let values = other.elements.span
    for index in 0..<count { span[place + index] += values[first + index] }
  }

  /// Adds a number to one element.
  mutating func add(_ value: Float, at index: Int) { elements[index] += value }

  /// Sets a run of elements to those of another buffer, each multiplied by a factor.
  mutating func set(_ range: Range<Int>, to other: FloatBuffer, from start: Int, factor: Float) {
    var span = elements.mutableSpan
    let values = other.elements.span
    for index in range { span[index] = factor * values[start + index - range.lowerBound] }
  }

  /// Sets a run of elements to numbers of an array, at a distance of `step`.
  mutating func set(_ range: Range<Int>, to values: [Float], from start: Int, step: Int) {
    var span = elements.mutableSpan
    var place = start
    for index in range {
      span[index] = values[place]
      place += step
    }
  }

  /// Sets the first elements to numbers, rounded.
  mutating func set(_ values: [Double]) {
    grow(to: values.count)
    var span = elements.mutableSpan
    for index in values.indices { span[index] = Float(values[index]) }
  }

  /// Sets the first elements to those of a part of another buffer, each so many times.
  mutating func stretch(_ other: FloatBuffer, from start: Int, count: Int, times: Int) {
    if times == 1 { return set(0..<count, to: other, from: start, factor: 1) }
    var span = elements.mutableSpan
    let values = other.elements.span
    for index in 0..<count * times { span[index] = values[start + index / times] }
  }

  /// Replaces each of the first elements, which is a place in a vector, by the number in that place.
  mutating func choose(_ count: Int, of values: [Float]) {
    var span = elements.mutableSpan
    for index in 0..<count { span[index] = values[Int(span[index])] }
  }

  /// Multiplies the columns of a matrix of `columns` columns by a vector.
  mutating func multiplyColumns(by factors: [Float], rows: Int, columns: Int, at offset: Int = 0) {
    var span = elements.mutableSpan
    for row in 0..<rows {
      for column in 0..<columns { span[offset + row * columns + column] *= factors[column] }
    }
  }

  /// Multiplies the rows of a matrix of `columns` columns by a vector.
  mutating func multiplyRows(by factors: ArraySlice<Float>, columns: Int, at offset: Int = 0) {
    var span = elements.mutableSpan
    for (row, factor) in factors.enumerated() {
      for index in offset + row * columns..<offset + (row + 1) * columns { span[index] *= factor }
    }
  }
}
