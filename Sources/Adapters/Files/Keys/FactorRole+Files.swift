/// What a tensor is to its module in an adapter that is one file, where PEFT has no such role.
extension FactorRole {
  /// One element: the scaling is alpha / rank.
  static let alpha = FactorRole("alpha")
  /// The core of a Tucker decomposition, (r, r, *kernel).
  static let loraMid = FactorRole("lora_mid.weight")
  /// The norms that DoRA trains: (out, 1, ...) of rows, (1, in, 1, ...) of input channels.
  static let doraScale = FactorRole("dora_scale")
  /// Added to the weight; of its shape.
  static let difference = FactorRole("diff")
  /// Added to the bias.
  static let biasDifference = FactorRole("diff_b")
  /// Added to the parameter `modulation`.
  static let modulationDifference = FactorRole("diff_m")
  /// Added to the weight and the bias of a norm.
  static let normDifference = FactorRole("w_norm")
  static let normBiasDifference = FactorRole("b_norm")
  /// Takes the place of the weight.
  static let wholeWeight = FactorRole("set_weight")
  /// The shape that the weight is padded to.
  static let newShape = FactorRole("reshape_weight")
  /// IA3: one element, whether ``ia3Vector`` multiplies inputs.
  static let onInput = FactorRole("on_input")
  static let ia3Vector = FactorRole("weight")
  /// One element, which stable-diffusion-webui takes in the place of alpha / rank.
  static let scale = FactorRole("scale")
  /// GLoRA of LyCORIS.
  static let gloraA1 = FactorRole("a1.weight")
  static let gloraA2 = FactorRole("a2.weight")
  static let gloraB1 = FactorRole("b1.weight")
  static let gloraB2 = FactorRole("b2.weight")
  static let gloraMid = FactorRole("bm.weight")
  /// diag-OFT (blocks, b, b), BOFT (stages, blocks, b, b).
  static let orthogonalBlocks = FactorRole("oft_blocks")
  /// (out, 1): multiplies rows after the blocks.
  static let orthogonalScale = FactorRole("rescale")
}
