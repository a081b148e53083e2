/// A function of a number between the layers of a network, by the name that transformers has for it.
///
/// Source: transformers 5.23 `ACT2CLS`.
public enum Activation: String, Sendable, CaseIterable {
  /// `x P(x)`, P being the normal distribution.
  case gelu
  /// The same between -10 and 10.
  case clippedGELU = "gelu_10"
  /// `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`, with ten digits of the root.
  case fastGELU = "gelu_fast"
  /// The same with all digits of the root.
  case tanhGELU = "gelu_new"
  /// `x / (1 + exp(-1.702 x))`.
  case quickGELU = "quick_gelu"
  /// `x min(max(x + 3, 0), 6) / 6`.
  case hardSwish = "hardswish"
  /// The normal distribution of a mean of 0.707107 and a deviation of 0.282095.
  case laplace
  /// `max(x, 0.01 x)`.
  case leakyReLU = "leaky_relu"
  case linear
  /// `x tanh(log(1 + exp(x)))`.
  case mish
  /// `max(x, x / 4)`: nothing trains or saves the number that it has.
  case prelu
  /// `max(x, 0)`.
  case relu
  /// Its square.
  case squaredReLU = "relu2"
  /// `min(max(x, 0), 6)`.
  case relu6
  /// `1 / (1 + exp(-x))`.
  case sigmoid
  /// `x / (1 + exp(-x))`.
  case silu
  /// The root of `log(1 + exp(x))`.
  case rootSoftplus = "sqrtsoftplus"
  case tanh

  /// By any of the names that transformers has; nil: it has none such, or one that is not supported.
  init?(named name: String) {
    switch name {
    case "gelu_python": self = .gelu
    case "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_accurate": self = .tanhGELU
    case "swish": self = .silu
    default:
      guard let own = Activation(rawValue: name) else { return nil }
      self = own
    }
  }
}
