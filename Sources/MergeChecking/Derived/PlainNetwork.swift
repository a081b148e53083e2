import Adapters
import CPlainArithmetic

/// The values between the layers of PEANuT's network, of one column, with what each is summed up of at the most.
struct PlainNetwork {
  private let function: spa_function
  private(set) var values: [Double]
  private(set) var spreads: [Double]

  /// - Parameters:
  ///   - inputs: What the first layer's products are.
  ///   - spreads: The sums of their magnitudes.
  init(_ activation: Activation, _ inputs: [Double], _ spreads: [Double]) {
    function = Self.function(activation)
    (values, self.spreads) = (inputs, spreads)
    activate()
  }

  /// The result of the layers.
  func result(_ encoders: [[Float]], _ decoders: [[Float]]) -> PlainNetwork {
    var state = self
    var begun: [PlainNetwork] = []
    for encoder in encoders {
      begun.append(state)
      state.multiply(encoder)
    }
    for decoder in decoders {
      state.multiply(decoder)
      guard let other = begun.popLast() else { break }
      for place in state.values.indices {
        state.values[place] += other.values[place]
        state.spreads[place] += other.spreads[place]
      }
    }
    return state
  }

  private mutating func multiply(_ matrix: [Float]) {
    let count = values.count
    let (before, magnitudes) = (values, spreads)
    for row in 0..<count {
      (values[row], spreads[row]) = (0, 0)
      for column in 0..<count {
        values[row] += Double(matrix[row * count + column]) * before[column]
        spreads[row] += abs(Double(matrix[row * count + column])) * magnitudes[column]
      }
    }
    activate()
  }

  /// No function but the square is steeper than 1.5.
  private mutating func activate() {
    for place in values.indices {
      values[place] = spa_activation(function, values[place])
      let steepness = function == SPA_RELU2 ? 2 * spreads[place] : 1.5
      spreads[place] = steepness * spreads[place] + abs(values[place])
    }
  }

  private static func function(_ activation: Activation) -> spa_function {
    switch activation {
    case .gelu: SPA_GELU
    case .clippedGELU: SPA_GELU_10
    case .fastGELU: SPA_GELU_FAST
    case .tanhGELU: SPA_GELU_NEW
    case .quickGELU: SPA_QUICK_GELU
    case .hardSwish: SPA_HARDSWISH
    case .laplace: SPA_LAPLACE
    case .leakyReLU: SPA_LEAKY_RELU
    case .linear: SPA_LINEAR
    case .mish: SPA_MISH
    case .prelu: SPA_PRELU
    case .relu: SPA_RELU
    case .squaredReLU: SPA_RELU2
    case .relu6: SPA_RELU6
    case .sigmoid: SPA_SIGMOID
    case .silu: SPA_SILU
    case .rootSoftplus: SPA_SQRTSOFTPLUS
    case .tanh: SPA_TANH
    }
  }
}
