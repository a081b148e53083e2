import JSONText

/// What a part of a merge found about the tensors that it computed of one weight file: what a report, warnings and totals are made
/// of.
///
/// The sums are those over all elements of a tensor, which one process computes in one order. So a report of all parts has the
/// numbers of a report by one process, bit for bit.
package struct ShardFindings: Sendable, Equatable {
  /// Of one computed tensor.
  package struct Tensor: Sendable, Equatable {
    /// The tensor's place in the weight file.
    package let place: Int
    /// Finite elements that became infinite or NaN.
    package var nonFiniteCount = 0
    /// The places in the plan's inputs of the files that have a term in the update, and those with a term that is not zero.
    package var factors: Factors?
    /// Sums of squares from some rows.
    package var sample: Sample?
    /// Sums over all elements; nil: they were not asked for.
    package var sums: Sums?
    /// Of a requantized weight.
    package var codes: Codes?
    /// The sum of squares of what quantizing in training changed.
    package var trainingSquares: Double?

    package init(place: Int) { self.place = place }
  }

  package struct Factors: Sendable, Equatable {
    package let inputs: [Int]
    package let active: [Int]

    package init(inputs: [Int], active: [Int]) {
      self.inputs = inputs
      self.active = active
    }
  }

  package struct Sample: Sendable, Equatable {
    package let change: Double
    package let base: Double

    package init(change: Double, base: Double) {
      self.change = change
      self.base = base
    }
  }

  package struct Sums: Sendable, Equatable {
    package let changedCount: Int
    package let intendedSquares: Double
    package let lostSquares: Double
    package let baseSquares: Double

    package init(changedCount: Int, intendedSquares: Double, lostSquares: Double, baseSquares: Double) {
      self.changedCount = changedCount
      self.intendedSquares = intendedSquares
      self.lostSquares = lostSquares
      self.baseSquares = baseSquares
    }
  }

  package struct Codes: Sendable, Equatable {
    package let changedCount: Int
    package let halfStepCount: Int

    package init(changedCount: Int, halfStepCount: Int) {
      self.changedCount = changedCount
      self.halfStepCount = halfStepCount
    }
  }

  /// Whether the process collected ``Tensor/sums``.
  package let hasStatistics: Bool
  /// In the order of the weight file.
  package let tensors: [Tensor]

  package init(hasStatistics: Bool = false, tensors: [Tensor] = []) {
    self.hasStatistics = hasStatistics
    self.tensors = tensors
  }
}

extension ShardFindings {
  /// Writes the members of an object.
  func write(_ writer: inout JSONWriter) {
    writer.member("statistics", hasStatistics)
    writer.list("tensors", tensors) { tensor, writer in
      writer.member("place", tensor.place)
      if tensor.nonFiniteCount > 0 { writer.member("nonfinite", tensor.nonFiniteCount) }
      if let factors = tensor.factors {
        writer.member("inputs", factors.inputs)
        writer.member("active", factors.active)
      }
      if let sample = tensor.sample { writer.member("sample", [sample.change, sample.base]) }
      if let sums = tensor.sums {
        writer.member("changed", sums.changedCount)
        writer.member("squares", [sums.intendedSquares, sums.lostSquares, sums.baseSquares])
      }
      if let codes = tensor.codes { writer.member("codes", [codes.changedCount, codes.halfStepCount]) }
      if let squares = tensor.trainingSquares { writer.member("training", [squares]) }
    }
  }

  /// Parses what ``write(_:)`` writes; nil for anything else.
  init?(_ value: JSONValue?) {
    guard let value, case .bool(let hasStatistics)? = value["statistics"], case .array(let tensors)? = value["tensors"]
    else { return nil }
    let parsed = tensors.compactMap(Tensor.init)
    guard parsed.count == tensors.count else { return nil }
    self.init(hasStatistics: hasStatistics, tensors: parsed)
  }
}

extension ShardFindings.Tensor {
  fileprivate init?(_ value: JSONValue) {
    guard let place = value.integer("place"), place >= 0 else { return nil }
    self.init(place: place)
    nonFiniteCount = value.integer("nonfinite") ?? 0
    if let inputs = value.integers("inputs"), let active = value.integers("active") {
      factors = .init(inputs: inputs, active: active)
    }
    if let numbers = value.numbers("sample"), numbers.count == 2 {
      sample = .init(change: numbers[0], base: numbers[1])
    }
    if let changed = value.integer("changed") {
      guard let numbers = value.numbers("squares"), numbers.count == 3 else { return nil }
      sums = .init(
        changedCount: changed, intendedSquares: numbers[0], lostSquares: numbers[1], baseSquares: numbers[2])
    }
    if let counts = value.integers("codes"), counts.count == 2 {
      codes = .init(changedCount: counts[0], halfStepCount: counts[1])
    }
    trainingSquares = value.numbers("training")?.first
  }
}

extension JSONValue {
  /// A list of integers; nil for anything else.
  fileprivate func integers(_ key: String) -> [Int]? {
    guard case .array(let values)? = self[key] else { return nil }
    let integers = values.compactMap { if case .integer(let integer) = $0 { Int(exactly: integer) } else { nil } }
    return integers.count == values.count ? integers : nil
  }

  /// A list of numbers, where null is infinity, which JSON does not have; nil for anything else.
  fileprivate func numbers(_ key: String) -> [Double]? {
    guard case .array(let values)? = self[key] else { return nil }
    let numbers = values.compactMap { value -> Double? in
      switch value {
      case .integer(let integer): Double(integer)
      case .real(let real): real
      case .null: .infinity
      default: nil
      }
    }
    return numbers.count == values.count ? numbers : nil
  }
}
