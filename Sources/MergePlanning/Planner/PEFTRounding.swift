import Adapters
import Safetensors

/// Where PEFT 0.21.2 rounds when it merges on a CPU, as found by comparing bits.
enum PEFTRounding {
  /// Ranks up to this are summed in one chain by torch's matrix product (MKL, AVX2).
  static let largestChain = 192

  /// What one adapter does to one tensor; the result of each step is rounded to the base's dtype.
  ///
  /// - Parameter update: The module's update whose steps these are; nil: they are of its bias.
  static func steps(
    _ steps: [TensorUpdate.Step], of update: ModuleUpdate?, dtype: DType, roundsDelta: Bool
  ) -> [TensorUpdate.Step] {
    let divisor = update?.divisor.map { Float($0) }
    func changed(_ addition: Addition<FactorView>, roundedTo: DType?) -> Addition<FactorView> {
      let blocks = blocks(addition, rank: update?.rank ?? 1, scalesSum: update?.scalesSum ?? false)
      return Addition(
        blocks.terms, scaling: blocks.scaling, divisor: divisor, roundedTo: roundedTo,
        multipliesWeight: addition.multipliesWeight, shift: addition.shift)
    }
    return steps.enumerated().flatMap { number, step -> [TensorUpdate.Step] in
      let rounded: TensorUpdate.Step
      switch step {
      case .add(let addition): rounded = .add(changed(addition, roundedTo: roundsDelta ? dtype : nil))
      case .rescale(let rescaling):
        rounded = .rescale(
          Rescaling(
            changed(rescaling.addition, roundedTo: nil), along: rescaling.axis, to: rescaling.magnitudes,
            norms: .torch, columnsPerNorm: rescaling.columnsPerNorm))
      case .scale, .rotate, .mixBlocks, .part: rounded = step
      case .mix(let mixing): rounded = .mix(mixing.rounded(to: dtype))
      case .subtract, .round, .replaceRows: return [step]
      }
      // Multiplications one after another are one to PEFT.
      let isOneOfSeveral =
        step.isMultiplication && number + 1 < steps.count && steps[number + 1].isMultiplication
      return isOneOfSeveral ? [rounded] : [rounded, .round(dtype)]
    }
  }

  /// Each block of a long product is summed in its own chain and the sums are added: the scaling comes after, once.
  private static func blocks(
    _ addition: Addition<FactorView>, rank: Int, scalesSum: Bool
  ) -> Addition<FactorView> {
    guard rank > largestChain || scalesSum, let scaling = addition.terms.first?.scaling else {
      return Addition(addition.terms)
    }
    let length = rank <= 2 * largestChain ? rank / 2 : largestChain
    return Addition(addition.terms.flatMap { $0.blocks(length) }, scaling: scaling)
  }

  /// Whether the delta itself is rounded to the base's dtype before it is added.
  static func roundsDelta(_ update: ModuleUpdate, _ target: TensorName) -> Bool {
    if update.rescales { return false }
    return update.roundsDelta || target.string.hasSuffix("in_proj_weight")
  }
}

extension Term where Operand == FactorView {
  /// The same product as a sum of products over `length` of the rank each, unscaled.
  fileprivate func blocks(_ length: Int) -> [Term] {
    formula.blocks(length).map { Term(rows: rows, columns: columns, $0, scaling: formula.isProduct ? 1 : scaling) }
  }
}
