import Adapters
import MergePlanning
import Safetensors

/// Known mistakes in the update of one tensor.
struct KnownFaults {
  let plan: MergePlan
  let adapters: [AdapterUse]
  private let firstAdapterInput: Int

  init(plan: MergePlan, adapters: [AdapterUse]) {
    self.plan = plan
    self.adapters = adapters
    firstAdapterInput = plan.inputs.count { !$0.isAdapter }
  }

  /// The hypotheses for a tensor, the plainest first, each with the update that would have been made.
  func all(_ name: TensorName, _ update: TensorUpdate) -> [(fault: Fault, update: TensorUpdate)] {
    var found: [(fault: Fault, update: TensorUpdate)] = []
    func add(_ fault: Fault, _ changed: TensorUpdate) {
      guard changed != update, !found.contains(where: { $0.update == changed }) else { return }
      found.append((fault, changed))
    }
    if !update.rowReplacements.isEmpty {
      add(.tokenRowsDropped, update.replacingSteps { if case .replaceRows = $0 { [] } else { [$0] } })
    }
    if update.steps.contains(where: \.isMultiplication) {
      add(dropped(name), update.replacingSteps { $0.isMultiplication ? [] : [$0] })
      add(.addedTwice, update.replacingSteps { $0.isMultiplication ? [$0, $0] : [$0] })
    }
    guard !update.terms.isEmpty else { return found }
    let isBias = !update.terms.contains(where: \.formula.isProduct)
    add(isBias ? .loraBiasDropped : dropped(name), with(update) { _ in [] })
    add(
      .magnitudeIgnored,
      update.replacingSteps { if case .rescale(let rescaling) = $0 { [.add(rescaling.addition)] } else { [$0] } })
    add(
      isBias ? .loraBiasUnscaled : .scalingMissing,
      scaled(update, name) { _, _, weight, _ in weight })
    add(.addedTwice, with(update) { $0 + $0 })
    add(.addedTwice, scaled(update, name) { _, module, _, _ in module.scaling.map { 2 * $0 } })
    add(
      .rsloraIgnored,
      scaled(update, name) { lora, module, weight, _ in
        guard let lora, lora.usesRankStabilizedScaling, let (rank, alpha) = module.strength else { return nil }
        return weight * alpha / Double(rank)
      })
    add(
      .rsloraAssumed,
      scaled(update, name) { lora, module, weight, _ in
        guard let lora, !lora.usesRankStabilizedScaling, let (rank, alpha) = module.strength else { return nil }
        return weight * alpha / Double(rank).squareRoot()
      })
    add(
      .patternsIgnored,
      scaled(update, name) { lora, _, weight, _ in
        lora.map { weight * $0.scaling(rank: $0.ranks.rank, alpha: $0.ranks.alpha) }
      })
    add(
      .patternsIgnored,
      scaled(update, name) { lora, module, weight, _ in
        guard let lora, let rank = module.rank else { return nil }
        return weight * lora.scaling(rank: rank, alpha: lora.ranks.alpha)
      })
    add(
      .patternsIgnored,
      scaled(update, name) { lora, module, weight, _ in
        guard let lora, let alpha = module.alpha else { return nil }
        return weight * lora.scaling(rank: lora.ranks.rank, alpha: alpha)
      })
    add(
      .weightIgnored,
      scaled(update, name) { _, module, _, _ in
        module.scaling.map { $0 / adapters[module.adapter].weight }
      })
    add(
      .addedOnce,
      with(update) { terms in
        terms.indices.filter { !terms[..<$0].contains(terms[$0]) }.map { terms[$0] }
      })
    add(.subtracted, with(update) { $0.map { $0.scaled(by: -$0.scaling) } })
    if update.rows == update.columns { add(.transposed, with(update) { $0.map(\.exchanged) }) }
    let used = Set(update.terms.compactMap(adapter))
    if used.count > 1 {
      for number in used.sorted() {
        add(.adapterDropped(number), with(update) { $0.filter { adapter($0) != number } })
      }
    }
    return found
  }

  /// What it is called that a tensor is the base's.
  func dropped(_ name: TensorName) -> Fault {
    for use in adapters {
      for update in use.adapter.updates where TensorName(update.module + ".weight") == name {
        if update.layout == .embedding { return .embeddingDropped }
      }
    }
    return .deltaDropped
  }

  /// The class of a fault: the base's tensor in place of one that an adapter replaces.
  func replacementDropped(_ name: TensorName) -> Fault {
    for use in adapters {
      for replacement in use.adapter.replacements where TensorName(replacement.target) == name {
        if case .bias = replacement.kind { return .trainedBiasDropped }
      }
    }
    return .savedModuleDropped
  }

  private func adapter(_ term: Term<FactorView>) -> Int? {
    guard let view = term.operands.first, view.source.input >= firstAdapterInput else { return nil }
    return view.source.input - firstAdapterInput
  }

  private func with(
    _ update: TensorUpdate, _ change: ([Term<FactorView>]) -> [Term<FactorView>]
  ) -> TensorUpdate {
    update.replacingSteps { step in
      guard let addition = step.addition else { return [step] }
      let changed = addition.with(change(addition.terms))
      // Without a delta nothing is rescaled either, but PEFT's roundings stay.
      if changed.terms.isEmpty, !step.keepsNorms { return [] }
      return [step.with(changed)]
    }
  }

  /// The update with other scalings; nil from `change` leaves a term as it is.
  private func scaled(
    _ update: TensorUpdate, _ name: TensorName,
    _ change: (LoRA?, MergePlan.Module, Double, Term<FactorView>) -> Double?
  ) -> TensorUpdate {
    with(update) { terms in
      terms.map { term in
        guard let number = adapter(term), adapters.indices.contains(number),
          let module = plan.modules.first(where: { $0.adapter == number && $0.targets.contains(name) }),
          let scaling = change(adapters[number].adapter.config.lora, module, adapters[number].weight, term)
        else { return term }
        return term.scaled(by: Float(scaling))
      }
    }
  }
}

extension Term where Operand == FactorView {
  /// The same delta with rows and columns exchanged; as it is where that cannot be had, or one with a diagonal.
  fileprivate var exchanged: Term {
    guard formula.isProduct, formula.isTransposable else { return self }
    if case .product(_, _, .some) = formula { return self }
    return transposed
  }
}

extension UpdateStep {
  /// Whether it rescales to norms that PEFT computes, also where no delta is added.
  fileprivate var keepsNorms: Bool {
    if case .rescale(let rescaling) = self { rescaling.norms == .torch } else { false }
  }
}

extension MergePlan.Module {
  /// Its rank and alpha; nil: the method has none.
  fileprivate var strength: (rank: Int, alpha: Double)? {
    guard let rank, let alpha else { return nil }
    return (rank, alpha)
  }
}
