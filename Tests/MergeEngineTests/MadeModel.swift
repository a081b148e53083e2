import Safetensors
import TestSupport

/// A model of odd shapes with an adapter for it, and what their merge must be by the normative arithmetic.
struct MadeModel {
  struct Module {
    let name: String
    let rows: Int
    let columns: Int
    let weight: [UInt32]
    let bias: [UInt32]
    /// scaling * (B A), and scaling * bias of lora_B: in fp32, but for the final rounding.
    let delta: [Float]
    let biasDelta: [Float]
  }

  static let shapes = [(1, 1), (1, 37), (29, 1), (17, 33), (140, 1000)]

  let dtype: DType
  let base: String
  let adapter: String
  let modules: [Module]
  private let scratch: Scratch

  /// A model whose factors and scaling do not depend on its dtype, given the same generator.
  ///
  /// - Parameters:
  ///   - rank: At least 1; with alpha 7.
  ///   - dataStart: The data's offset in each file modulo 8, for tensors that are not aligned.
  init(
    dtype: DType, factors: DType, shapes: [(Int, Int)] = Self.shapes, rank: Int = 5, dataStart: Int = 0,
    hasSpecialValues: Bool = true, _ random: inout SeededGenerator
  ) throws {
    self.dtype = dtype
    scratch = try Scratch()
    var tensors: [TestTensor] = []
    var adapterTensors: [TestTensor] = []
    var modules: [Module] = []
    let scaling = Float(7 / Double(rank))
    for (number, (rows, columns)) in shapes.enumerated() {
      let name = "model.layers.\(number).proj"
      func bits(_ numbers: [Float], _ dtype: DType) -> [UInt32] { numbers.map { Elements.narrow($0, dtype) } }
      let a = bits(random.numbers(rank * columns), factors)
      let b = bits(random.numbers(rows * rank), factors)
      let l = bits(random.numbers(rows), factors)
      var weight = bits(random.numbers(rows * columns), dtype)
      if hasSpecialValues {
        for (position, special) in Self.specialValues(dtype).enumerated() where position * 7 < weight.count {
          weight[weight.count - 1 - position * 7] = special
        }
      }
      let bias = bits(random.numbers(rows), dtype)
      modules.append(
        Module(
          name: name, rows: rows, columns: columns, weight: weight, bias: bias,
          delta: Self.product(
            Elements.numbers(b, factors), Elements.numbers(a, factors), rows: rows, rank: rank, columns: columns,
            scaling: scaling),
          biasDelta: Elements.numbers(l, factors).map { scaling * $0 }))
      // An odd number of bytes before each tensor.
      tensors += [
        TestTensor("pad\(number)", .u8, [2 * number + 1], bytes: [UInt8](repeating: 7, count: 2 * number + 1)),
        TestTensor("\(name).bias", dtype, [rows], bits: bias),
        TestTensor("pad\(number)b", .bool, [2], bytes: [1, 0]),
        TestTensor("\(name).weight", dtype, [rows, columns], bits: weight),
      ]
      adapterTensors += [
        TestTensor("\(name).lora_A.weight", factors, [rank, columns], bits: a),
        TestTensor("\(name).lora_B.bias", factors, [rows], bits: l),
        TestTensor("\(name).lora_B.weight", factors, [rows, rank], bits: b),
      ]
    }
    base = scratch.file("base.safetensors")
    try writeFile(base, tensors, dataStart: dataStart)
    adapter = try writeAdapter(
      scratch.file("adapter"), rank: rank, alpha: "7", adapterTensors, fields: "\"lora_bias\": true",
      dataStart: dataStart)
    self.modules = modules
  }

  /// A file name for a result.
  func output(_ name: String) -> String { scratch.file("\(name).safetensors") }

  /// Zeros, subnormals, infinities and NaN.
  private static func specialValues(_ dtype: DType) -> [UInt32] {
    switch dtype {
    case .f32: [0, 0x8000_0000, 1, 0x8000_0001, 0x007f_ffff, 0x7f80_0000, 0xff80_0000, 0x7fc1_2345, 0xff80_0001]
    case .f16: [0, 0x8000, 1, 0x83ff, 0x7c00, 0xfc00, 0x7e55, 0xfc01]
    default: [0, 0x8000, 1, 0x807f, 0x7f80, 0xff80, 0x7fd5, 0xff81]
    }
  }

  /// The normative product: a chain of fused multiply-adds in the order of k, then one multiplication.
  private static func product(
    _ b: [Float], _ a: [Float], rows: Int, rank: Int, columns: Int, scaling: Float
  ) -> [Float] {
    b.withUnsafeBufferPointer { b in
      a.withUnsafeBufferPointer { a in
        [Float](unsafeUninitializedCapacity: rows * columns) { delta, count in
          for row in 0..<rows {
            for column in 0..<columns {
              var sum: Float = 0
              for k in 0..<rank { sum = sum.addingProduct(b[row * rank + k], a[k * columns + column]) }
              delta[row * columns + column] = scaling * sum
            }
          }
          count = rows * columns
        }
      }
    }
  }

  /// round(W + delta): the sum in fp32, then one rounding.
  func expected(_ weight: [UInt32], _ delta: [Float], _ outputDType: DType) -> [UInt32] {
    zip(weight, delta).map { bits, delta in
      let wide = Elements.widen(bits, dtype)
      return Elements.narrow(wide.isNaN ? wide : wide + delta, outputDType)
    }
  }
}
