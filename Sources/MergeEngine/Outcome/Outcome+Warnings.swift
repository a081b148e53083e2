import MergePlanning
import Platform

extension MergeEngine.Outcome {
  /// What a merge found that a person should know.
  public func notices(_ plan: MergePlan) -> [MergeWarning] {
    nonFinite.map { MergeWarning(.nonFinite, $0.warning) } + untrained(plan)
      + [largeChange].compactMap { $0 }
  }

  /// One for each adapter with modules that change nothing.
  private func untrained(_ plan: MergePlan) -> [MergeWarning] {
    let adapters = plan.inputs.filter(\.isAdapter)
    let numbers = Set(untrainedModules.map { plan.modules[$0].adapter }).sorted()
    return numbers.map { number in
      let modules = untrainedModules.map { plan.modules[$0] }.filter { $0.adapter == number }
      let all = plan.modules.count { $0.adapter == number }
      let path = adapters.indices.contains(number) ? adapters[number].path : ""
      return MergeWarning(
        .untrained,
        "\(path): \(modules.count) of \(all) modules change nothing, because one of their factors is all zeros (first: "
          + "\(modules.first?.name ?? "")); is the adapter trained?")
    }
  }

  /// One if the change of a tensor is out of all proportion.
  private var largeChange: MergeWarning? {
    // Requantized weights are not sampled, but measured.
    let measured = requantized.compactMap { tensor in
      tensor.name.flatMap { name in tensor.ratio.map { ChangeRatio(name: name, ratio: $0) } }
    }
    let ratios = changeRatios + measured
    let large = ratios.filter { $0.ratio > ChangeSample.suspiciousRatio }
    guard let worst = large.max(by: { $0.ratio < $1.ratio }) else { return nil }
    return MergeWarning(
      .largeChange,
      "the delta has more than \(Int(ChangeSample.suspiciousRatio)) times the norm of the weights in \(large.count) of "
        + "\(ratios.count) tensors (most: \(worst.name), \(ReportNumbers.significant(worst.ratio)) times); is alpha, "
        + "the adapter's weight or the base wrong?")
  }
}

extension MergeEngine.Outcome.NonFiniteTensor {
  public var warning: String { "\(name): \(count) finite elements became infinite or NaN" }
}
