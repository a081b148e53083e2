/// A pattern as a nondeterministic automaton, run on all its states at once (Thompson 1968): the time is bounded by
/// the length of the text times the size of the program, whatever the pattern.
struct PatternProgram: Sendable {
  private enum Instruction: Sendable {
    case scalar(UInt32)
    case any
    case characterClass(Int)
    case assertion(PatternAssertion)
    case split(Int, Int)
    case jump(Int)
    case match
  }

  private var instructions: [Instruction] = []
  private var classes: [CharacterClass] = []
  /// Instructions, and the members of every character class.
  private(set) var size = 0
  private let sizeLimit: Int

  /// - Throws: `tooLarge` if the program takes more than `sizeLimit`.
  init(_ node: PatternNode, sizeLimit: Int) throws(PatternProblem) {
    self.sizeLimit = sizeLimit
    try emit(node)
    try append(.match)
  }

  // MARK: Compiling

  private mutating func append(_ instruction: Instruction, cost: Int = 1) throws(PatternProblem) {
    size += cost
    if size > sizeLimit { throw .tooLarge(limit: sizeLimit) }
    instructions.append(instruction)
  }

  private mutating func emit(_ node: PatternNode) throws(PatternProblem) {
    switch node {
    case .scalar(let scalar): try append(.scalar(scalar))
    case .any: try append(.any)
    case .characterClass(let characterClass):
      try append(.characterClass(classes.count), cost: 1 + characterClass.items.count)
      classes.append(characterClass)
    case .assertion(let assertion): try append(.assertion(assertion))
    case .group(let node): try emit(node)
    case .sequence(let nodes): for node in nodes { try emit(node) }
    case .alternatives(let nodes): try emit(alternatives: nodes)
    case .repetition(let node, let minimum, let maximum): try emit(node, minimum, maximum)
    }
  }

  private mutating func emit(alternatives nodes: [PatternNode]) throws(PatternProblem) {
    var jumps: [Int] = []
    for (index, node) in nodes.enumerated() {
      let split = instructions.count
      let isLast = index == nodes.count - 1
      if !isLast { try append(.split(split + 1, 0)) }
      try emit(node)
      if isLast { break }
      jumps.append(instructions.count)
      try append(.jump(0))
      instructions[split] = .split(split + 1, instructions.count)
    }
    for jump in jumps { instructions[jump] = .jump(instructions.count) }
  }

  private mutating func emit(_ node: PatternNode, _ minimum: Int, _ maximum: Int?) throws(PatternProblem) {
    var start = instructions.count
    for _ in 0..<minimum {
      start = instructions.count
      try emit(node)
      // A body without instructions matches nothing but the empty text: once is as good as any number of times.
      if instructions.count == start { return }
    }
    guard let maximum else {
      if minimum > 0 {
        try append(.split(start, instructions.count + 1))
      } else {
        try append(.split(start + 1, 0))
        try emit(node)
        try append(.jump(start))
        instructions[start] = .split(start + 1, instructions.count)
      }
      return
    }
    var splits: [Int] = []
    for _ in minimum..<maximum {
      splits.append(instructions.count)
      try append(.split(instructions.count + 1, 0))
      try emit(node)
    }
    for split in splits { instructions[split] = .split(split + 1, instructions.count) }
  }

  // MARK: Running

  /// Whether the program matches some prefix of `text`, as `re.match` asks.
  ///
  /// - Parameter budget: Pays one step for every instruction and class member looked at.
  func matches(_ text: [UInt32], budget: inout MatchBudget) throws(PatternProblem) -> Bool {
    var pending = [0]
    for position in 0...text.count {
      let (consuming, matches) = try closure(pending, text, position, budget: &budget)
      if matches { return true }
      if position == text.count { break }
      pending = try advance(consuming, text[position], budget: &budget)
      if pending.isEmpty { break }
    }
    return false
  }

  /// Where the instructions at `starts` lead without taking a code point: those that take the next one, in order, and whether
  /// the program has matched.
  func closure(
    _ starts: [Int], _ text: [UInt32], _ position: Int, budget: inout MatchBudget
  ) throws(PatternProblem) -> (consuming: [Int], matches: Bool) {
    var seen: Set<Int> = []
    var pending = starts
    var consuming: [Int] = []
    var steps = 0
    while let index = pending.popLast() {
      steps += 1
      guard seen.insert(index).inserted else { continue }
      switch instructions[index] {
      case .match:
        try budget.spend(steps)
        return ([], true)
      case .jump(let target): pending.append(target)
      case .split(let first, let second):
        pending.append(second)
        pending.append(first)
      case .assertion(let assertion): if assertion.holds(in: text, at: position) { pending.append(index + 1) }
      case .scalar, .any, .characterClass: consuming.append(index)
      }
    }
    try budget.spend(steps)
    return (consuming.sorted(), false)
  }

  /// The instructions behind those of `consuming` that take `scalar`.
  func advance(
    _ consuming: [Int], _ scalar: UInt32, budget: inout MatchBudget
  ) throws(PatternProblem) -> [Int] {
    var steps = 0
    let next = consuming.filter { accepts($0, scalar, &steps) }.map { $0 + 1 }
    try budget.spend(steps)
    return next
  }

  private func accepts(_ index: Int, _ scalar: UInt32, _ steps: inout Int) -> Bool {
    switch instructions[index] {
    case .scalar(let expected): return scalar == expected
    case .any: return scalar != UInt32(ascii: "\n")
    case .characterClass(let number):
      steps += classes[number].items.count
      return classes[number].contains(scalar)
    default: return false
    }
  }
}

/// Steps that matching may still take: a count of work, not of time, so that the same input always ends the same way.
struct MatchBudget {
  static let standard = 2_000_000_000

  private let limit: Int
  private var remaining: Int

  init(_ limit: Int = standard) {
    self.limit = limit
    remaining = limit
  }

  mutating func spend(_ steps: Int) throws(PatternProblem) {
    remaining -= steps
    if remaining < 0 { throw .tooCostly(limit: limit) }
  }
}
