import AdapterWriting
import Factorization
import JSONText
import Platform

/// What was made of each module, for people and as JSON.
struct FactorText {
  private let facts: [ModuleFacts]

  init(_ outcome: AdapterOutcome) { facts = ModuleFacts.all(outcome.units) }

  /// The share of the squared norm of all changes that the factors hold; nil: there are none.
  private var share: Double? {
    let total = facts.reduce(0) { $0 + $1.norm * $1.norm }
    return total > 0 ? facts.reduce(0) { $0 + $1.share * $1.norm * $1.norm } / total : nil
  }

  /// Lines with ranks and shares.
  var lines: [String] {
    guard let least = facts.map(\.rank).min(), let most = facts.map(\.rank).max(), let share,
      let worst = facts.min(by: { $0.share < $1.share })
    else { return [] }
    let ranks = least == most ? "rank \(least)" : "ranks \(least) to \(most)"
    var lines = [
      LabeledLine.text(
        "factors",
        "\(NumberText.counted(facts.count, "module")), \(ranks), \(Self.percent(share)) of the squared norm kept"),
      LabeledLine.text("least", "\(worst.module)   rank \(worst.rank), \(Self.percent(worst.share)) kept"),
    ]
    if let gain = facts.map(\.gain).max(), facts.contains(where: { $0.bound > 0 }) {
      lines.append(
        LabeledLine.text("search", "the last step added at most \(Self.percent(gain)) to the share of a module"))
    }
    return lines
  }

  /// A line for each module.
  var details: [String] {
    facts.map { fact in
      let values = fact.values.prefix(4).map(Self.significant).joined(separator: ", ")
      return LabeledLine.text(
        "module",
        "\(fact.module)   rank \(fact.rank), \(Self.percent(fact.share)) of \(Self.significant(fact.norm))², "
          + "singular values \(values)\(fact.values.count > 4 ? ", …" : "")")
    }
  }

  /// Members of the last event.
  func write(_ event: inout JSONWriter) {
    event.member("share", share)
    event.list("factors", facts) { fact, event in
      event.member("module", fact.module)
      event.member("experts", fact.experts)
      event.member("rank", fact.rank)
      event.member("share", fact.share)
      event.member("norm", fact.norm)
      event.member("share_bound", fact.bound)
      event.member("last_gain", fact.gain)
      event.member("singular_values", fact.values)
    }
  }

  private static func percent(_ share: Double) -> String {
    let digits = Int((share * 1e6).rounded())
    let (whole, rest) = (digits / 10_000, digits % 10_000 / 10)
    return "\(whole).\(String(repeating: "0", count: 3 - String(rest).count))\(rest) %"
  }

  private static func significant(_ value: Double) -> String { ReportNumbers.significant(value) }
}
