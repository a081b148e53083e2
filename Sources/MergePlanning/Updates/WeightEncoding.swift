/// What an updated weight is written as.
public enum WeightEncoding: Sendable, Equatable {
  /// Numbers of the output tensor's dtype, rounded once.
  case numbers
  /// Codes of the base's own format, or their scales.
  case requantized(Requantization)
}
