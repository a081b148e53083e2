import Adapters
import CPlainArithmetic
import Checkpoints
import Inspection
import Platform
import Safetensors
import Staging
import TestSupport
import Testing

@testable import MergeChecking
@testable import MergeEngine
@testable import MergePlanning

/// Steps that are made by hand, without an adapter that asks for them: the engine against double precision, and the check
/// against the engine.
@Suite struct StepTests {
  static let dtypes: [DType] = [.f32, .bf16]
  static let names = [
    "hadamard", "hadamard of a part", "hadamard of a matrix", "tucker", "hadamard of tuckers", "rows scaled",
    "columns scaled", "scaled and added",
    "added and scaled", "scaled twice", "composed", "kronecker", "kronecker of a kernel", "repeated", "scattered",
    "bounded", "times the weight", "reflected", "reflected orthogonally", "turned in blocks",
  ]

  /// The steps of a name, and what they make of W in double.
  private func steps(_ name: String, _ model: StepModel) -> (steps: [TensorUpdate.Step], exact: [Double]) {
    let (rows, columns) = (StepModel.rows, StepModel.columns)
    let first = Formula.product(left: model.view("a1"), right: model.view("b1"))
    let second = Formula.product(left: model.view("a2"), right: model.view("b2"))
    let (one, other) = (model.product("a1", "b1"), model.product("a2", "b2"))
    let (r, c) = (model.numbers["r"] ?? [], model.numbers["c"] ?? [])
    func term(_ formula: Formula<FactorView>) -> Term<FactorView> {
      Term(rows: 0..<rows, columns: 0..<columns, formula, scaling: 0.75)
    }
    /// Of the columns that are as many as channels times positions.
    func core(_ formula: Formula<FactorView>) -> Term<FactorView> {
      Term(rows: 0..<rows, columns: 0..<StepModel.channels * StepModel.positions, formula, scaling: 0.75)
    }
    func exact(_ value: (Double, Int) -> Double) -> [Double] {
      model.weights.enumerated().map { value($1, $0) }
    }
    let hadamard = UpdateStep.add(Addition([term(.hadamard(first, second))]))
    let byRows = TensorUpdate.Step.scale(model.view("r"), along: .rows)
    let byColumns = TensorUpdate.Step.scale(model.view("c"), along: .columns)
    switch name {
    case "hadamard": return ([hadamard], exact { $0 + 0.75 * one[$1] * other[$1] })
    case "hadamard of a part":
      let part = Term(
        rows: 5..<30, columns: 2..<19,
        .hadamard(
          .product(left: model.view("a1").rows(from: 5, count: 25, step: 1), right: model.view("b1").columns(2..<19)),
          .product(left: model.view("a2").rows(from: 5, count: 25, step: 1), right: model.view("b2").columns(2..<19))),
        scaling: 0.75)
      return (
        [.add(Addition([part]))],
        exact { value, index in
          let isInside = (5..<30).contains(index / columns) && (2..<19).contains(index % columns)
          return isInside ? value + 0.75 * one[index] * other[index] : value
        }
      )
    case "hadamard of a matrix":
      let m = model.numbers["m"] ?? []
      return (
        [.add(Addition([term(.hadamard(.matrix(model.view("m")), .hadamard(first, second)))]))],
        exact { $0 + 0.75 * m[$1] * one[$1] * other[$1] }
      )
    case "tucker":
      let values = model.tucker("a1", "t1", "d1")
      return (
        [.add(Addition([core(.tucker(left: model.view("a1"), core: model.view("t1"), right: model.view("d1")))]))],
        exact { $0 + 0.75 * values[$1] }
      )
    case "hadamard of tuckers":
      let (one, other) = (model.tucker("a1", "t1", "d1"), model.tucker("a2", "t2", "d2"))
      let formula = Formula.hadamard(
        .tucker(left: model.view("a1"), core: model.view("t1"), right: model.view("d1")),
        .tucker(left: model.view("a2"), core: model.view("t2"), right: model.view("d2")))
      return ([.add(Addition([core(formula)]))], exact { $0 + 0.75 * one[$1] * other[$1] })
    case "rows scaled": return ([byRows], exact { $0 * r[$1 / columns] })
    case "columns scaled": return ([byColumns], exact { $0 * c[$1 % columns] })
    case "scaled and added":
      return ([byRows, hadamard], exact { $0 * r[$1 / columns] + 0.75 * one[$1] * other[$1] })
    case "added and scaled":
      return ([hadamard, byColumns], exact { ($0 + 0.75 * one[$1] * other[$1]) * c[$1 % columns] })
    case "composed":
      let scaled = Formula.hadamard(
        .matrix(model.view("b1")),
        .matrix(
          FactorView(
            model.view("e").source, rows: 5, columns: columns, rowStride: 1, columnStride: 0)))
      let values = model.product("a1", "b1") { (model.numbers["e"] ?? [])[$0] }
      return (
        [.add(Addition([term(.composed(left: .matrix(model.view("a1")), right: scaled))]))],
        exact { $0 + 0.75 * values[$1] }
      )
    case "kronecker":
      // 6 x 4 of 5 x 7: less than the tensor has.
      let k1 = model.numbers["k1"] ?? []
      let k2 = model.numbers["k2"] ?? []
      let part = Term(
        rows: 1..<31, columns: 1..<29,
        .kronecker(outer: .matrix(model.view("k1")), inner: .matrix(model.view("k2"))),
        scaling: 0.75)
      return (
        [.add(Addition([part]))],
        exact { value, index in
          let (row, column) = (index / columns - 1, index % columns - 1)
          guard (0..<30).contains(row), (0..<28).contains(column) else { return value }
          return value + 0.75 * k1[row / 5 * 4 + column / 7] * k2[row % 5 * 7 + column % 7]
        }
      )
    case "kronecker of a kernel":
      let k1 = model.numbers["k1"] ?? []
      let k2 = model.numbers["k2"] ?? []
      let part = Term(
        rows: 0..<30, columns: 0..<28,
        .kronecker(outer: .matrix(model.view("k1")), inner: .matrix(model.view("k2")), kernel: 2),
        scaling: 0.75)
      return (
        [.add(Addition([part]))],
        exact { value, index in
          let (row, column) = (index / columns, index % columns)
          guard row < 30, column < 28 else { return value }
          let (channel, position) = (column / 2, column % 2)
          return value + 0.75 * k1[row / 5 * 4 + channel / 7 * 2 + position]
            * k2[row % 5 * 7 + channel % 7]
        }
      )
    case "repeated":
      let k2 = model.numbers["k2"] ?? []
      let formula = Formula.repeated(.matrix(model.view("k2")), rows: rows, columns: columns)
      return (
        [.add(Addition([term(formula)]))],
        exact { $0 + 0.75 * k2[$1 / columns % 5 * 7 + $1 % columns % 7] }
      )
    case "scattered":
      let formula = Formula.scattered(
        values: model.view("r"), places: model.view("p"), rows: rows, columns: columns)
      return (
        [.add(Addition([term(formula)]))],
        exact { value, index in
          let row = index / columns
          return index % columns == row * 5 % columns ? value + 0.75 * r[row] : value
        }
      )
    case "bounded":
      let (a, b) = (model.numbers["a1"] ?? [], model.numbers["b1"] ?? [])
      let bound = (model.numbers["e"] ?? [])[0]
      let values = model.product("a1", "b1") { k in
        let one = (0..<rows).reduce(0) { $0 + a[$1 * 5 + k] * a[$1 * 5 + k] }.squareRoot()
        let other = (0..<columns).reduce(0) { $0 + b[k * columns + $1] * b[k * columns + $1] }
          .squareRoot()
        return bound / 5 / (one * other)
      }
      let one = FactorView(
        model.view("e").source, rows: 1, columns: 1, rowStride: 1, columnStride: 1)
      return (
        [
          .add(
            Addition([term(.bounded(left: model.view("a1"), right: model.view("b1"), bound: one))]))
        ],
        exact { $0 + 0.75 * values[$1] }
      )
    case "times the weight":
      return (
        [.add(Addition([term(first)], divisor: 3, multipliesWeight: true))],
        exact { $0 + $0 * 0.75 * one[$1] / 3 }
      )
    case "reflected", "reflected orthogonally":
      let isOrthogonal = name != "reflected"
      return (
        [.rotate(Rotation(.reflections(model.view("u"), areOrthogonal: isOrthogonal)))],
        model.reflected(isOrthogonal: isOrthogonal)
      )
    case "turned in blocks":
      // The series is tested with PEFT's results.
      let cayley = Cayley(terms: nil, limit: nil, isTransposed: true)
      return (
        [.rotate(Rotation(.blocks(entries: model.view("q"), size: columns, cayley)))], model.turned
      )
    default: return ([byRows, byColumns], exact { $0 * r[$1 / columns] * c[$1 % columns] })
    }
  }

  @Test(arguments: dtypes, names)
  func areDoneAsInDoublePrecision(dtype: DType, name: String) throws {
    let model = try StepModel(dtype)
    let (steps, exact) = steps(name, model)
    let plan = model.plan(steps)
    let merged = try model.merge(plan, as: "merged.safetensors")
    for (index, value) in model.numbers(merged).enumerated() {
      // The last rounding, and some of fp32 before it.
      let bound = exact[index].magnitude * (dtype == .f32 ? 0x1p-24 : 0x1p-8) + 0x1p-20 * StepModel.largest(name)
      #expect((value - exact[index]).magnitude <= bound, "\(name) \(index)")
    }
    // Tiles of single rows and the way with statistics have the same bits.
    var options = MergeEngine.Options(workers: 1)
    options.tileSize = TileSize(elementCount: 1, smallestRowCount: 1)
    #expect(try model.merge(plan, as: "rows.safetensors", options) == merged)
    options.collectsStatistics = true
    #expect(try model.merge(plan, as: "measured.safetensors", options) == merged)
    #expect(MemoryNeed(plan, workers: 1).tiles > 0)
  }

  @Test(arguments: dtypes, names)
  func areCheckedBitForBit(dtype: DType, name: String) throws {
    let model = try StepModel(dtype)
    let (steps, _) = steps(name, model)
    let plan = model.plan(steps)
    _ = try model.merge(plan, as: "merged.safetensors")
    let right = try #require(try model.compare(plan, with: steps, result: "merged.safetensors"))
    #expect(right.otherBits == 0 && right.beyondBound == 0, "\(name)")
    #expect(right.elementCount == StepModel.rows * StepModel.columns)
    // A step that is left out, or done twice, shows in most elements.
    for wrong in [Array(steps.dropLast()), steps + steps.suffix(1)] {
      let found = try #require(try model.compare(plan, with: wrong, result: "merged.safetensors"))
      #expect(found.beyondOneUlp * (name == "scattered" ? 40 : 5) > found.elementCount, "\(name)")
    }
  }
}

/// A base of one tensor, factors in a file of their own, and plans over both.
struct StepModel {
  static let (rows, columns, rank) = (37, 29, 5)
  /// Of a convolution that has all columns but one.
  static let (channels, positions) = (7, 4)

  let dtype: DType
  /// W in double.
  let weights: [Double]
  /// The factors in double.
  private(set) var numbers: [String: [Double]] = [:]
  private let scratch: Scratch
  private var basePath: String { scratch.file("base.safetensors") }
  private var factorsPath: String { scratch.file("factors.safetensors") }
  private let base: SafetensorsHeader
  private let factors: SafetensorsHeader
  private static let shapes: [(name: String, rows: Int, columns: Int)] = [
    ("a1", rows, rank), ("b1", rank, columns), ("a2", rows, rank), ("b2", rank, columns), ("m", rows, columns),
    ("r", 1, rows), ("c", 1, columns), ("t1", rank, rank * positions), ("d1", rank, channels),
    ("t2", rank, rank * positions), ("d2", rank, channels), ("e", 1, rank), ("k1", 6, 4), ("k2", 5, 7),
    ("p", 2, rows), ("u", columns, 3), ("q", 1, columns * (columns - 1) / 2),
  ]

  init(_ dtype: DType) throws {
    self.dtype = dtype
    scratch = try Scratch()
    var generator = SeededGenerator(seed: 7)
    func floats(_ count: Int) -> [Float] { (0..<count).map { _ in Float.random(in: -2...2, using: &generator) } }
    let size = dtype.bitCount / 8
    let bytes = floats(Self.rows * Self.columns).flatMap { Self.bytes($0).suffix(size) }
    weights = Self.numbers(bytes, dtype)
    try writeFile(scratch.file("base.safetensors"), [TestTensor("w", dtype, [Self.rows, Self.columns], bytes: bytes)])
    var tensors: [TestTensor] = []
    for (name, rows, columns) in Self.shapes {
      // A place in each row.
      let values =
        name == "p"
        ? (0..<Self.rows).map { Float($0) } + (0..<Self.rows).map { Float($0 * 5 % Self.columns) }
        : floats(rows * columns)
      numbers[name] = values.map(Double.init)
      tensors.append(TestTensor(name, .f32, [rows, columns], bytes: values.flatMap(Self.bytes)))
    }
    try writeFile(scratch.file("factors.safetensors"), tensors)
    base = try SafetensorsHeader(path: scratch.file("base.safetensors"))
    factors = try SafetensorsHeader(path: scratch.file("factors.safetensors"))
  }

  /// The largest magnitude that an element can have on its way: 2 * 0.75 * (5 * 2 * 2)^2, with a core between the factors
  /// (25 * 2 * 2 * 2)^2.
  static func largest(_ name: String) -> Double { name.contains("tucker") ? 60_000 : 600 }

  private static func bytes(_ value: Float) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32($0))) }
  }

  /// Elements of BF16 are the upper halves of fp32.
  private static func numbers(_ bytes: [UInt8], _ dtype: DType) -> [Double] {
    let size = dtype.bitCount / 8
    return stride(from: 0, to: bytes.count, by: size).map { start in
      let bits = (0..<size).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * ($1 + 4 - size)) }
      return Double(Float(bitPattern: bits))
    }
  }

  func numbers(_ bytes: [UInt8]) -> [Double] { Self.numbers(bytes, dtype) }

  func view(_ name: String) -> FactorView {
    let index = Self.shapes.firstIndex { $0.name == name } ?? 0
    let shape = Self.shapes[index]
    return .rowMajor(
      MergePlan.Source(factors, index, input: 1), rows: shape.rows, columns: shape.columns)
  }

  /// - Parameter scale: What each term of the sum is multiplied by.
  func product(_ left: String, _ right: String, _ scale: (Int) -> Double = { _ in 1 }) -> [Double] {
    let (a, b) = (numbers[left] ?? [], numbers[right] ?? [])
    return (0..<Self.rows * Self.columns).map { index in
      let (row, column) = index.quotientAndRemainder(dividingBy: Self.columns)
      return (0..<Self.rank).reduce(0) { $0 + a[row * Self.rank + $1] * b[$1 * Self.columns + column] * scale($1) }
    }
  }

  /// W by its rows.
  private var weightRows: [[Double]] {
    (0..<Self.rows).map { Array(weights[$0 * Self.columns..<($0 + 1) * Self.columns]) }
  }

  /// W times the reflections at the columns of u.
  func reflected(isOrthogonal: Bool) -> [Double] {
    let values = numbers["u"] ?? []
    var vectors: [[Double]] = []
    for column in 0..<3 {
      var vector = (0..<Self.columns).map { values[$0 * 3 + column] }
      for other in isOrthogonal ? vectors : [] {
        let part = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
        vector = zip(vector, other).map { $0 - part * $1 }
      }
      let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      vectors.append(vector.map { $0 / norm })
    }
    return weightRows.flatMap { row in
      vectors.reduce(row) { row, vector in
        let part = zip(row, vector).reduce(0) { $0 + $1.0 * $1.1 }
        return zip(row, vector).map { $0 - 2 * part * $1 }
      }
    }
  }

  /// W times the transposed `(I - Q) (I + Q)^-1`: of each row w it is `2 z - w`, z being the solution of `(I + Q) z = w`.
  var turned: [Double] {
    let (entries, size) = (numbers["q"] ?? [], Self.columns)
    var matrix = (0..<size).map { row in (0..<size).map { $0 == row ? 1.0 : 0 } }
    var next = 0
    for row in 0..<size {
      for column in row + 1..<max(size, row + 1) {
        matrix[row][column] += entries[next]
        matrix[column][row] -= entries[next]
        next += 1
      }
    }
    return weightRows.flatMap { row in
      var system = zip(matrix, row).map { $0 + [$1] }
      for pivot in 0..<size {
        let best = (pivot..<size).max { abs(system[$0][pivot]) < abs(system[$1][pivot]) } ?? pivot
        system.swapAt(pivot, best)
        for other in 0..<size where other != pivot {
          let factor = system[other][pivot] / system[pivot][pivot]
          for column in pivot...size { system[other][column] -= factor * system[pivot][column] }
        }
      }
      return (0..<size).map { 2 * system[$0][size] / system[$0][$0] - row[$0] }
    }
  }

  /// The weight that a core makes of two factors; 0 in the column that it does not have.
  func tucker(_ left: String, _ core: String, _ right: String) -> [Double] {
    let (a, t, b) = (numbers[left] ?? [], numbers[core] ?? [], numbers[right] ?? [])
    return (0..<Self.rows * Self.columns).map { index in
      let (row, column) = index.quotientAndRemainder(dividingBy: Self.columns)
      let (channel, position) = column.quotientAndRemainder(dividingBy: Self.positions)
      if channel >= Self.channels { return 0 }
      var sum = 0.0
      for i in 0..<Self.rank {
        for j in 0..<Self.rank {
          sum +=
            a[row * Self.rank + i] * t[(i * Self.rank + j) * Self.positions + position]
            * b[j * Self.channels + channel]
        }
      }
      return sum
    }
  }

  private var source: MergePlan.Source { MergePlan.Source(base, 0, input: 0) }

  func plan(_ steps: [TensorUpdate.Step]) -> MergePlan {
    let update = TensorUpdate(rows: Self.rows, columns: Self.columns, steps: steps)
    let header = (try? contents(basePath).prefix(base.dataStart)) ?? []
    let tensor = MergePlan.Tensor(
      name: "w", shape: [Self.rows, Self.columns], outputDType: dtype, outputRange: source.range,
      content: .computed(from: .numbers(source), update, to: .numbers))
    return MergePlan(
      inputs: [
        MergePlan.Input(path: basePath, isAdapter: false, identity: base.identity),
        MergePlan.Input(path: factorsPath, isAdapter: true, identity: factors.identity),
      ], modules: [], otherRules: [],
      shards: [
        MergePlan.Shard(
          name: "base.safetensors", headerBytes: Array(header), fileByteCount: base.fileByteCount, tensors: [tensor])
      ], textFiles: [], equalities: [], warnings: [], vocabularyRows: nil, baseVocabularyRows: nil)
  }

  /// The tensor's bytes after a merge.
  func merge(
    _ plan: MergePlan, as name: String, _ options: MergeEngine.Options = MergeEngine.Options(workers: 2)
  ) throws -> [UInt8] {
    let path = scratch.file(name)
    let place = try OutputPlace(path: path, isFolder: false, inputs: plan.inputs.map(\.path), force: false)
    try MergeEngine(plan, options: options).run(to: place, sideFiles: .none)
    return Array(try contents(path).dropFirst(base.dataStart))
  }

  /// Compares a result with what these steps make.
  func compare(
    _ plan: MergePlan, with steps: [TensorUpdate.Step], result: String
  ) throws -> TensorComparison? {
    guard let type = PlainArithmetic.type(dtype) else { return nil }
    let header = try SafetensorsHeader(path: scratch.file(result))
    let files = OpenFiles(
      plan.inputs.map { ($0.path, $0.identity) } + [(scratch.file(result), header.identity)])
    let subject = ComparisonSubject(
      name: "w", weight: .numbers(source), sourceType: type, shape: [Self.rows, Self.columns],
      update: TensorUpdate(rows: Self.rows, columns: Self.columns, steps: steps), file: 2, range: source.range,
      type: type)
    let job = ComparisonJob(subject, files, isStochastic: false)
    for piece in job.pieces.indices { try job.compare(piece: piece) }
    return job.comparison
  }
}
