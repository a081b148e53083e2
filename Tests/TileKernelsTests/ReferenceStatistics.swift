import TileKernels

extension Reference {
  /// One row before and after, and what was intended.
  struct ComparedRow {
    let base: [UInt32]
    let baseType: ElementType
    let output: [UInt32]
    let outputType: ElementType
    let intended: [Float]
    let areDeltas: Bool

    var changedCount: UInt64 {
      output.indices.reduce(0) { count, n in
        let unchanged =
          baseType == outputType ? base[n] : Reference.combine(base[n], baseType, -0.0, outputType).bits
        return count + (output[n] == unchanged ? 0 : 1)
      }
    }

    func baseValue(_ n: Int) -> Float { value(base[n], baseType) }
    func outputValue(_ n: Int) -> Float { value(output[n], outputType) }

    private func isFinite(_ n: Int) -> Bool {
      baseValue(n).isFinite && outputValue(n).isFinite && intended[n].isFinite
    }

    /// The numbers that are squared, in fp32: the intended change, what was lost of it, and the base.
    private func narrow(_ n: Int) -> [Float] {
      let (w, o, given) = (baseValue(n), outputValue(n), intended[n])
      if !areDeltas { return [given - w, o - given, w] }
      if outputType != .f32 { return [given, (o - w) - given, w] }
      let s = w + given
      return [given, (o - s) - (w.magnitude < given.magnitude ? w - (s - given) : given - (s - w)), w]
    }

    /// The same in fp64; 0 where a number is not finite.
    func wide(_ n: Int) -> [Double] {
      guard isFinite(n) else { return [0, 0, 0] }
      let (w, o, given) = (Double(baseValue(n)), Double(outputValue(n)), Double(intended[n]))
      return areDeltas ? [given, (o - w) - given, w] : [given - w, o - given, w]
    }

    private func squares(ofChunk chunk: Range<Int>) -> [Double] {
      let found = (0..<3).map { kind -> Double? in
        var lanes = [Float](repeating: 0, count: 16)
        for n in chunk {
          let number = narrow(n)[kind]
          lanes[(n - chunk.lowerBound) % 16] += number * number
        }
        for half in [8, 4, 2, 1] {
          for lane in 0..<half { lanes[lane] += lanes[lane + half] }
        }
        let isRight =
          lanes[0].isFinite && (lanes[0] >= 0x1p-100 || chunk.allSatisfy { narrow($0)[kind] == 0 })
        return isRight ? Double(lanes[0]) : nil
      }
      if let intended = found[0], let lost = found[1], let base = found[2] { return [intended, lost, base] }
      return (0..<3).map { kind in
        var lanes = [Double](repeating: 0, count: 8)
        for n in chunk { lanes[(n - chunk.lowerBound) % 8] += wide(n)[kind] * wide(n)[kind] }
        return lanes.reduce(0, +)
      }
    }

    var statistics: RowStatistics {
      var sums = RowStatistics(changedCount: changedCount)
      for start in stride(from: 0, to: base.count, by: 256) {
        let squares = squares(ofChunk: start..<min(start + 256, base.count))
        sums += RowStatistics(intendedSquares: squares[0], lostSquares: squares[1], baseSquares: squares[2])
      }
      return sums
    }

    func statistics(_ kernels: KernelSet, offset: Int = 0) throws -> RowStatistics {
      let baseBytes = bytes(base, baseType, offset: offset)
      let outputBytes = bytes(output, outputType, offset: offset + 1)
      var found = [RowStatistics(changedCount: 99)]
      var span = found.mutableSpan
      try kernels.compare(
        outputBytes.span.bytes.extracting(offset + 1..<outputBytes.count), as: outputType,
        with: baseBytes.span.bytes.extracting(offset..<baseBytes.count), as: baseType, intended: intended.span,
        are: areDeltas ? .deltas : .values, rows: 1, columns: base.count, into: &span)
      return found[0]
    }
  }
}
