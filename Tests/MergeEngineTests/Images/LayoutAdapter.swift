import Safetensors
import TestSupport

/// An adapter that changes every parameter of a model, matrices and kernels by each method in turn.
struct LayoutAdapter {
  /// How a matrix or a kernel is changed.
  enum Method: CaseIterable {
    case lora, loha, lokr, difference, doraRows, doraColumns, ia3Rows, ia3Columns, glora, oft, boft

    /// Whether it adds a matrix that does not follow from the weight.
    var isSum: Bool { [.lora, .loha, .lokr, .difference].contains(self) }

    /// Whether a weight of this shape may have it.
    func fits(_ shape: [Int]) -> Bool {
      switch self {
      case .lokr: shape[0] % 2 == 0 && shape[1] % 2 == 0
      // With fewer columns both of its forms fit.
      case .glora: shape[1] > 2
      case .oft: shape[0] % 4 == 0
      case .boft: shape[0] % 8 == 0
      default: true
      }
    }
  }

  private(set) var tensors: [TestTensor] = []
  /// Which method each matrix or kernel is changed by.
  private(set) var methods: [String: Method] = [:]
  private var random: SeededGenerator

  /// - Parameters:
  ///   - parameters: Names and shapes of all parameters that it changes.
  ///   - prefix: Before the names in the adapter.
  ///   - first: With which method it begins.
  ///   - onlySums: Parameters to which something is only added.
  init(
    _ parameters: [(name: String, shape: [Int])], prefix: String, first: Int, onlySums: Set<String> = []
  ) {
    random = SeededGenerator(seed: UInt64(first))
    var number = first
    for (name, shape) in parameters {
      let (module, leaf) = Self.split(name)
      guard shape.count > 1, leaf == "weight" else {
        let (key, ending) =
          leaf == "weight" || leaf == "scale"
          ? (module, "w_norm") : leaf == "bias" ? (module, "diff_b") : (name, "diff")
        add(prefix + key, ending, shape)
        continue
      }
      var method: Method
      repeat {
        method = Method.allCases[number % Method.allCases.count]
        number += 1
      } while !method.fits(shape) || (onlySums.contains(name) && !method.isSum)
      methods[name] = method
      add(method, prefix + module, shape)
    }
  }

  private static func split(_ name: String) -> (module: String, leaf: String) {
    guard let dot = name.lastIndex(of: ".") else { return ("", name) }
    return (String(name[..<dot]), String(name[name.index(after: dot)...]))
  }

  private mutating func add(_ method: Method, _ module: String, _ shape: [Int]) {
    let (rows, columns, kernel) = (shape[0], shape[1], Array(shape.dropFirst(2)))
    let ones = kernel.map { _ in 1 }
    let size = kernel.reduce(columns, *)
    switch method {
    case .lora: addFactors(module, shape)
    case .loha:
      for half in ["1", "2"] {
        add(module, "hada_w\(half)_a", [rows, 2])
        add(module, "hada_w\(half)_b", [2, size])
      }
    case .lokr:
      add(module, "lokr_w1", [2, 2])
      add(module, "lokr_w2", [rows / 2, columns / 2] + kernel)
    case .difference: add(module, "diff", shape)
    case .doraRows, .doraColumns:
      addFactors(module, shape)
      add(module, "dora_scale", method == .doraRows ? [rows, 1] + ones : [1, columns] + ones, from: 0.5)
    case .ia3Rows, .ia3Columns:
      let count = method == .ia3Rows ? rows : columns
      add(module, "weight", kernel.isEmpty ? [count] : [1, count] + ones)
      tensors.append(
        TestTensor(module + ".on_input", .i64, [], bytes: [method == .ia3Rows ? 0 : 1] + [0, 0, 0, 0, 0, 0, 0]))
    case .glora:
      add(module, "a1.weight", [columns, 2] + ones)
      add(module, "a2.weight", [2, columns] + ones)
      add(module, "b1.weight", [rows, 2] + ones)
      add(module, "b2.weight", [2, columns] + kernel)
    case .oft: add(module, "oft_blocks", [rows / 4, 4, 4])
    case .boft: add(module, "oft_blocks", [3, 4, rows / 4, rows / 4])
    }
  }

  private mutating func addFactors(_ module: String, _ shape: [Int]) {
    add(module, "lora_down.weight", [2] + shape.dropFirst())
    add(module, "lora_up.weight", [shape[0], 2] + shape.dropFirst(2).map { _ in 1 })
    tensors.append(TestTensor(module + ".alpha", .f32, [], numbers: [1.5]))
  }

  /// Adds a tensor of numbers below 0.25, or of numbers around twice this one.
  private mutating func add(_ module: String, _ ending: String, _ shape: [Int], from start: Float = 0) {
    let numbers = random.numbers(shape.reduce(1, *)).map { start == 0 ? $0 / 4 : 2 * start + $0 * start }
    tensors.append(TestTensor("\(module).\(ending)", .f32, shape, bytes: numbers.flatMap(\.littleEndianBytes)))
  }
}

extension Float {
  fileprivate var littleEndianBytes: [UInt8] {
    let bits = bitPattern
    return [
      UInt8(truncatingIfNeeded: bits), UInt8(truncatingIfNeeded: bits >> 8), UInt8(truncatingIfNeeded: bits >> 16),
      UInt8(truncatingIfNeeded: bits >> 24),
    ]
  }
}
