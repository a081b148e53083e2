import Adapters

extension Activation {
  /// The function's value in double, the same on every machine.
  func value(_ x: Double) -> Double {
    switch self {
    case .linear: x
    case .relu: x > 0 || x.isNaN ? x : 0
    case .squaredReLU: x > 0 || x.isNaN ? x * x : 0
    case .relu6: x.isNaN ? x : min(max(x, 0), 6)
    case .leakyReLU: x > 0 ? x : 0.01 * x
    case .prelu: x > 0 ? x : 0.25 * x
    case .hardSwish: x.isNaN ? x : x * min(max(x + 3, 0), 6) / 6
    case .sigmoid: Smooth.logistic(x)
    case .silu: x * Smooth.logistic(x)
    case .quickGELU: x * Smooth.logistic(1.702 * x)
    case .tanh: Smooth.hyperbolicTangent(x)
    case .gelu: Self.gelu(x)
    case .clippedGELU: x.isNaN ? x : min(max(Self.gelu(x), -10), 10)
    case .tanhGELU: 0.5 * x * (1 + Smooth.hyperbolicTangent(Self.root * (x + 0.044715 * x * x * x)))
    case .fastGELU: 0.5 * x * (1 + Smooth.hyperbolicTangent(x * 0.7978845608 * (1 + 0.044715 * x * x)))
    case .laplace: 0.5 * (1 + Smooth.errorFunction((x - 0.707107) / (0.282095 * 2.0.squareRoot())))
    case .mish: x * Smooth.hyperbolicTangent(Smooth.softplus(x))
    // torch takes the number itself for what is above.
    case .rootSoftplus: (x > 20 ? x : Smooth.softplus(x)).squareRoot()
    }
  }

  /// `sqrt(2 / pi)`.
  private static let root = (2 / Double.pi).squareRoot()

  private static func gelu(_ x: Double) -> Double { x * 0.5 * (1 + Smooth.errorFunction(x / 2.0.squareRoot())) }
}
