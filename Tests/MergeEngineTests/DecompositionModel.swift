import Adapters
import Foundation
import MergePlanning
import Safetensors
import TestSupport
import Testing

/// One weight and an adapter whose initialization took a part out of it, with what their merge must be in double.
struct DecompositionModel {
  struct Shape: CustomTestStringConvertible, Sendable {
    let change: Decomposition
    var rows = 33
    var columns = 20
    var rank = 3
    var dtype = DType.f32
    /// Whether the weight is stored as (in, out).
    var isTransposed = false
    var usesDora = false
    var alpha = "5"
    var testDescription: String {
      "\(change.rawValue) \(rows)x\(columns) r=\(rank) \(dtype.name)" + (isTransposed ? " transposed" : "")
        + (usesDora ? " DoRA" : "")
    }
  }

  static let name = "model.layers.0.proj"

  let shape: Shape
  let base: String
  let adapter: String
  /// The exact result, of what is left rounded to the dtype, and the same if nothing was taken out.
  let expected: [Double]
  let withoutResidual: [Double]
  /// The largest element of what is left, and the matrix's norm.
  let largest: Double
  let norm: Double
  let sensitivity: Double
  private let scratch: Scratch

  init(_ shape: Shape) throws {
    self.shape = shape
    scratch = try Scratch()
    var random = SeededGenerator()
    let (rows, columns, rank, dtype) = (shape.rows, shape.columns, shape.rank, shape.dtype)
    let (output, input) = shape.isTransposed ? (columns, rows) : (rows, columns)
    func values(_ count: Int, _ dtype: DType = .f32) -> [UInt32] {
      random.numbers(count).map { Elements.narrow($0, dtype) }
    }
    func numbers(_ bits: [UInt32], _ dtype: DType = .f32) -> [Double] { Elements.numbers(bits, dtype).map(Double.init) }
    // Singular values that stand apart, mostly.
    let weight = random.numbers(rows * columns).enumerated().map { index, number in
      Elements.narrow(number * pow(0.85, Float(rows < columns ? index / columns : index % columns)), dtype)
    }
    let (a, b, diagonal) = (values(rank * input), values(output * rank), values(rank))
    let magnitude = values(output)
    var tensors = [
      TestTensor(Self.name + ".lora_A.weight", .f32, [rank, input], bits: a),
      TestTensor(Self.name + ".lora_B.weight", .f32, [output, rank], bits: b),
    ]
    var fields = ["\"fan_in_fan_out\": \(shape.isTransposed)", "\"use_dora\": \(shape.usesDora)"]
    switch shape.change {
    case .kasa:
      tensors.append(TestTensor(Self.name + ".lora_diag", .f32, [rank], bits: diagonal))
      fields.append("\"kasa_config\": {\"beta\": 0.0001}")
    case .pissa: fields.append("\"init_lora_weights\": \"pissa\"")
    case .olora: fields.append("\"init_lora_weights\": \"OLoRA\"")
    }
    if shape.usesDora {
      tensors.append(TestTensor(Self.name + ".lora_magnitude_vector", .f32, [output], bits: magnitude))
    }
    base = scratch.file("base.safetensors")
    try writeFile(base, [TestTensor(Self.name + ".weight", dtype, [rows, columns], bits: weight)])
    adapter = try writeAdapter(
      scratch.file("adapter"), rank: rank, alpha: shape.alpha, tensors, fields: fields.joined(separator: ", "))

    let scaling = (Double(shape.alpha) ?? .nan) / Double(rank)
    let (wideA, wideB, wideDiagonal) = (numbers(a), numbers(b), numbers(diagonal))
    var delta = [Double](repeating: 0, count: rows * columns)
    for o in 0..<output {
      for i in 0..<input {
        var sum = 0.0
        for k in 0..<rank {
          sum += wideB[o * rank + k] * wideA[k * input + i] * (shape.change == .kasa ? wideDiagonal[k] : 1)
        }
        delta[shape.isTransposed ? i * columns + o : o * columns + i] = scaling * sum
      }
    }
    let wide = numbers(weight, dtype)
    let decomposition = DoubleDecomposition(
      shape.change, of: wide, rows: rows, columns: columns, rank: rank, scaling: scaling)
    let rest = zip(wide, decomposition.part).map { Double(Elements.widen(Elements.narrow($0 - $1, dtype), dtype)) }
    func merged(_ start: [Double]) -> [Double] {
      let sums = zip(start, delta).map(+)
      guard shape.usesDora else { return sums }
      let magnitudes = numbers(magnitude)
      var squares = [Double](repeating: 0, count: output)
      for index in sums.indices {
        squares[shape.isTransposed ? index % columns : index / columns] += sums[index] * sums[index]
      }
      return sums.indices.map { index in
        let o = shape.isTransposed ? index % columns : index / columns
        return magnitudes[o] / squares[o].squareRoot() * sums[index]
      }
    }
    (expected, withoutResidual) = (merged(rest), merged(wide))
    largest = rest.map(abs).max() ?? 0
    (norm, sensitivity) = (decomposition.norm, decomposition.sensitivity)
  }

  /// The result's elements.
  func merge(
    workers: Int = 2, _ change: (inout MergeOptions) -> Void = { _ in }
  ) throws -> (bits: [UInt32], dtype: DType) {
    var options = MergeOptions()
    change(&options)
    let place = try Scratch()
    let output = place.file("merged.safetensors")
    try TestMerge(base: base, adapters: [(adapter, 1)], output: output, options: options).run(workers: workers)
    let tensor = try #require(try loadTensors(output)[TensorName(Self.name + ".weight")])
    return (Elements.bits(Array(tensor.data), tensor.info.dtype), tensor.info.dtype)
  }
}
