/// What the tensors of a module in an adapter that is one file do to its weight.
enum FileMethod: CaseIterable, Sendable {
  case lora, loha, lokr, glora, ia3, difference, norm, wholeWeight, orthogonal

  /// What texts call it.
  var name: String {
    switch self {
    case .lora: "LoRA"
    case .loha: LoHa.name
    case .lokr: LoKr.name
    case .glora: GLoRA.name
    case .ia3: IA3.name
    case .difference: "full difference"
    case .norm: "norm"
    case .wholeWeight: "replaced weight"
    case .orthogonal: "OFT"
    }
  }

  /// The tensors that are the method's alone.
  var roles: [FactorRole] {
    switch self {
    case .lora: [.loraA, .loraB, .loraMid]
    case .loha: LoHa.roles
    case .lokr: LoKr.roles
    case .glora: [.gloraA1, .gloraA2, .gloraB1, .gloraB2, .gloraMid]
    case .ia3: [.ia3Vector, .onInput]
    case .difference: [.difference]
    case .norm: [.normDifference]
    case .wholeWeight: [.wholeWeight]
    case .orthogonal: [.orthogonalBlocks, .orthogonalScale]
    }
  }

  /// Whether alpha scales what it adds.
  var hasAlpha: Bool {
    switch self {
    case .lora, .loha, .lokr, .glora, .orthogonal: true
    case .ia3, .difference, .norm, .wholeWeight: false
    }
  }

  /// Whether rows or columns of the sum may be rescaled to trained norms: DoRA.
  var hasMagnitudes: Bool {
    switch self {
    case .lora, .loha, .lokr: true
    case .glora, .ia3, .difference, .norm, .wholeWeight, .orthogonal: false
    }
  }
}
