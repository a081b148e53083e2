import Safetensors

extension ImageNames {
  /// What diffusers' converter makes of native tensors: each parameter's rows, one behind the other.
  ///
  /// - Parameter native: The tensors by their names, which all must be there.
  package func converted(_ native: [String: TestTensor]) -> [TestTensor] {
    diffusers.map { name, shape in
      let runs = places[name] ?? []
      let bytes = runs.flatMap { run in native[run.tensor].map { $0.bytes(of: run) } ?? [] }
      return TestTensor(name, native[runs.first?.tensor ?? ""]?.dtype ?? .f32, shape, bytes: bytes)
    }
  }

  /// Native tensors whose elements are all different: 32-bit numbers that count on from tensor to tensor.
  package var numbered: [TestTensor] {
    var next: UInt32 = 0
    return native.map { name, shape in
      let count = shape.reduce(1, *)
      defer { next += UInt32(count) }
      let bytes = (next..<next + UInt32(count)).flatMap { number in
        (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * UInt32($0))) }
      }
      return TestTensor(name, .u32, shape, bytes: bytes)
    }
  }
}

extension TestTensor {
  /// The bytes of rows, or of a whole matrix with rows and columns exchanged.
  package func bytes(of run: ImageNames.Run) -> [UInt8] { bytes(rows: run.rows, isTransposed: run.isTransposed) }

  /// The bytes of rows of the first dimension.
  ///
  /// - Parameters:
  ///   - rows: The rows; a tensor without dimensions is one.
  ///   - isTransposed: Whether the rows become columns.
  package func bytes(rows: Range<Int>, isTransposed: Bool) -> [UInt8] {
    let length = bytes.count / max(1, shape.first ?? 1)
    guard isTransposed else { return Array(bytes[rows.lowerBound * length..<rows.upperBound * length]) }
    let size = dtype.bitCount / 8
    var result: [UInt8] = []
    for column in 0..<shape[1] {
      for row in rows {
        let place = row * length + column * size
        result += bytes[place..<place + size]
      }
    }
    return result
  }
}
