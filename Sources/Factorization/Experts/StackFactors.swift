import LowRank
import MergePlanning

/// The factors of all experts of a stack, with one rank: PEFT has one for a parameter.
struct StackFactors {
  /// Of each expert, at most ``rank`` vectors.
  let experts: [LowRankFactors]
  /// The largest rank that an expert needs.
  let rank: Int

  /// Decomposes one expert after another.
  ///
  /// Where the rule gives experts different ranks, those with a lower one are decomposed again with the largest: the vectors are there
  /// in any case.
  init(_ stack: ExpertStack, _ search: SingularSearch) throws {
    func name(_ expert: Int) -> String { "\(stack.parameter.name).\(expert)" }
    var found: [LowRankFactors] = []
    for expert in 0..<stack.count { found.append(try search.factors(of: stack.matrix(expert), name: name(expert))) }
    let rank = found.filter { $0.total > 0 }.map(\.rank).max() ?? 0
    let second = search.withRule(RankRule(.count(rank)))
    for expert in found.indices where found[expert].total > 0 && found[expert].rank < rank {
      found[expert] = try second.factors(of: stack.matrix(expert), name: name(expert))
    }
    experts = found
    self.rank = rank
  }

  /// Whether no element differs.
  var isNothing: Bool { rank == 0 }

  /// lora_A as PEFT has it: (experts * rank, length of a vector), the vectors of an expert in a row.
  func adjacent(_ vectors: KeyPath<LowRankFactors, VectorSet>) -> VectorSet {
    let length = experts[0][keyPath: vectors].length
    var elements = [Float](repeating: 0, count: experts.count * rank * length)
    for (number, expert) in experts.enumerated() where expert.total > 0 {
      let own = expert[keyPath: vectors].elements
      let start = number * rank * length
      elements.replaceSubrange(start..<start + own.count, with: own)
    }
    return VectorSet(count: experts.count * rank, length: length, elements: elements)
  }

  /// lora_B as PEFT has it: (length of a vector, rank * experts), where the experts of a component are neighbors.
  func interleaved(_ vectors: KeyPath<LowRankFactors, VectorSet>) -> VectorSet {
    let length = experts[0][keyPath: vectors].length
    let width = rank * experts.count
    var elements = [Float](repeating: 0, count: length * width)
    for (number, expert) in experts.enumerated() where expert.total > 0 {
      let own = expert[keyPath: vectors]
      for component in 0..<own.count {
        let column = component * experts.count + number
        for row in 0..<length { elements[row * width + column] = own.elements[component * length + row] }
      }
    }
    return VectorSet(count: length, length: width, elements: elements)
  }
}

extension SingularSearch {
  /// The same search with another rule.
  fileprivate func withRule(_ rule: RankRule) -> SingularSearch {
    var search = self
    search.rule = rule
    return search
  }
}
