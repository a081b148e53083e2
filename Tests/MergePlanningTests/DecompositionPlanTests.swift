import Adapters
import Checkpoints
import Platform
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// What a plan says of adapters whose initialization took a part out of the base, and what it refuses.
@Suite struct DecompositionPlanTests {
  private static let name = "model.layers.0.q_proj"

  private static let fields: [Decomposition: String] = [
    .pissa: #""init_lora_weights": "pissa""#, .olora: #""init_lora_weights": "olora""#,
    .kasa: #""kasa_config": {"beta": 1}"#,
  ]

  /// Plans the merge of adapters for one weight of `shape`.
  private func plan(
    _ change: Decomposition, shape: [Int] = [6, 4], rank: Int = 2, alpha: String = "5", fields: String = "",
    weights: [Double] = [1], module: String = name, config: String? = nil, replaces: Bool = false
  ) throws -> MergePlan {
    let base = [
      TestTensor("model.embed_tokens.weight", .bf16, [6, 4]), TestTensor("\(Self.name).weight", .bf16, shape),
    ]
    let isTransposed = fields.contains("\"fan_in_fan_out\": true")
    let (output, input) = isTransposed ? (shape[1], shape[0]) : (shape[0], shape[1])
    var tensors = loraLayer(module, rank: rank, rows: output, columns: input)
    if change == .kasa { tensors.append(TestTensor("\(module).lora_diag", .f32, [rank])) }
    if replaces { tensors.append(TestTensor("\(module).base_layer.weight", .bf16, shape)) }
    let more = [Self.fields[change] ?? "", fields].filter { !$0.isEmpty }.joined(separator: ", ")
    return try makePlan(
      base: base, tensors, config: config ?? "{}", rank: rank, alpha: alpha, fields: more, weights: weights)
  }

  private func planError(_ body: () throws -> Void) -> PlanError? { refusal(body) as? PlanError }

  @Test(arguments: Decomposition.allCases)
  func thePlanSaysWhatIsTakenOut(change: Decomposition) throws {
    let update = try #require(try plan(change).updatedTensors.first { _ in true }?.update)
    #expect(update.decomposition == DecompositionStep(change: change, rank: 2, scaling: 2.5))
    #expect(update.steps.count == 2)
    guard case .product(_, _, let diagonal) = update.terms[0].formula else {
      Issue.record("no product")
      return
    }
    #expect((diagonal != nil) == (change == .kasa))
    // Every matrix of the adapter's file is accounted for.
    #expect(update.terms[0].operands.count == (change == .kasa ? 3 : 2))
  }

  @Test func transposedWeightsAreDecomposedAsPEFTDoes() throws {
    let transposed = "\"fan_in_fan_out\": true"
    let pissa = try plan(.pissa, shape: [6, 4], fields: transposed)
    #expect(pissa.updatedTensors.first { _ in true }?.update.decomposition?.isTransposed == true)
    for (change, shape) in [(Decomposition.olora, [6, 4]), (.kasa, [6, 4])] {
      let error = try #require(planError { _ = try plan(change, shape: shape, fields: transposed) })
      #expect(error.message.contains("stored transposed") && error.errorClass == "unsupported")
    }
  }

  @Test(arguments: Decomposition.allCases)
  func undefinedResultsAreRefused(change: Decomposition) throws {
    let tied = "{\"tie_word_embeddings\": true}"
    for (word, body) in [
      ("several adapters", { _ = try plan(change, weights: [1, 1]) }),
      ("a weight of 0.5", { _ = try plan(change, weights: [0.5]) }),
      ("layer_replication", { _ = try plan(change, fields: "\"layer_replication\": [[0, 1], [0, 1]]") }),
      ("one tensor with model.embed_tokens.weight", { _ = try plan(change, module: "lm_head", config: tied) }),
      ("which the adapter replaces", { _ = try plan(change, replaces: true) }),
      ("rank \(change == .kasa ? 4 : 5)", { _ = try plan(change, rank: change == .kasa ? 4 : 5) }),
    ] as [(String, () throws -> Void)] {
      let error = try #require(planError(body), "\(word)")
      #expect(error.message.contains(word) && error.message.hasPrefix(change.rawValue), "\(error.message)")
      #expect(error.category == .refusedInput && error.errorClass == "unsupported")
      #expect(error.path.hasSuffix("adapter_model.safetensors") && error.tensor?.contains("lora_A") == true)
    }
    // All ranks that PEFT can make.
    _ = try plan(change, rank: change == .kasa ? 3 : 4)
  }

  @Test(arguments: ["0", "-5"])
  func aScalingWithoutARootIsRefused(alpha: String) throws {
    let error = try #require(planError { _ = try plan(.pissa, alpha: alpha) })
    #expect(error.message.contains("root"))
    for change in [Decomposition.olora, .kasa] { _ = try plan(change, alpha: alpha) }
  }
}
