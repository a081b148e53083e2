/// The tensors that LoRA and its variants save.
///
/// Source: PEFT 0.21.2 `get_peft_model_state_dict`; what older releases and other programs write is marked as a leniency.
extension LoRA {
  static let endings: [KeyEnding] =
    [
      KeyEnding(.loraA), KeyEnding("lora_A", .loraA, name: nil, .bareFactor),
      KeyEnding("lora_a", .loraA, name: nil, .transposedFactor),
      KeyEnding(.loraB), KeyEnding("lora_B", .loraB, name: nil, .bareFactor),
      KeyEnding("lora_b", .loraB, name: nil, .transposedFactor),
      KeyEnding(.loraBias), KeyEnding(.plainBias), KeyEnding(.embeddingA), KeyEnding(.embeddingB),
      KeyEnding(.magnitude), KeyEnding("lora_magnitude_vector.weight", .magnitude), KeyEnding(.diagonal),
    ] + LoRAVariant.allCases.flatMap(\.trainingTensors).map { KeyEnding($0) }
}

extension FactorRole {
  /// (r, in).
  static let loraA = FactorRole("lora_A.weight")
  /// (out, r).
  static let loraB = FactorRole("lora_B.weight")
  /// (out).
  static let loraBias = FactorRole("lora_B.bias")
  /// Another spelling of the same.
  static let plainBias = FactorRole("lora_bias")
  /// (r, vocabulary).
  static let embeddingA = FactorRole("lora_embedding_A")
  /// (dimension, r).
  static let embeddingB = FactorRole("lora_embedding_B")
  /// The norms that DoRA trains.
  static let magnitude = FactorRole("lora_magnitude_vector")
  /// (r): what KaSA trains between the columns of B and the rows of A.
  static let diagonal = FactorRole("lora_diag")
}

/// Variants of LoRA that save tensors which a merge does not need.
enum LoRAVariant: Hashable, Sendable, CaseIterable {
  case velora
  case monteclora

  /// The field of the config that asks for it.
  var field: String {
    switch self {
    case .velora: "velora_config"
    case .monteclora: "monteclora_config"
    }
  }

  var title: String {
    switch self {
    case .velora: "VeLoRA"
    case .monteclora: "MonteCLoRA"
    }
  }

  /// What only its training needs.
  var trainingTensors: [FactorRole] {
    switch self {
    case .velora: [FactorRole("lora_velora_embed")]
    // `MontecloraSampler`'s parameters and buffers.
    case .monteclora:
      ["expert_weights", "expert_weights_prior", "gaussian_var_prior", "std_prior"].map {
        FactorRole("lora_monteclora_sampler.\($0)")
      }
    }
  }

  /// The variant whose training a tensor belongs to; nil: it is a tensor of a merge.
  static func training(_ role: FactorRole) -> LoRAVariant? {
    allCases.first { $0.trainingTensors.contains(role) }
  }
}
