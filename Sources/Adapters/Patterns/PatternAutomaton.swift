/// Patterns that are run together: one walk over a name for all of them, whose steps are remembered.
///
/// The names of a model's modules differ in a few numbers, so that nearly every step was taken before: 100,000 names against
/// 300 patterns are a look-up for each character. A step that is new costs what running each pattern by itself would, and is
/// paid for as there. What is remembered is bounded, and forgotten as a whole when it is too much.
struct PatternAutomaton: Sendable {
  /// With their places in the table, in its order.
  private let patterns: [(index: Int, program: PatternProgram)]

  init(_ patterns: [(index: Int, program: PatternProgram)]) { self.patterns = patterns }

  /// The lowest place of a pattern; nil: there are none.
  var firstIndex: Int? { patterns.first?.index }

  /// The lowest place of a pattern that matches some prefix of `text`, as `re.match` asks.
  ///
  /// - Parameter memory: What walks of this automaton before left.
  func firstMatch(
    _ text: [UInt32], memory: inout Memory, budget: inout MatchBudget
  ) throws(PatternProblem) -> Int? {
    if patterns.isEmpty { return nil }
    var state = try memory.state(after: Step(state: Memory.origin, scalar: 0, place: PatternPlace(text, 0))) {
      () throws(PatternProblem) in
      try closed(patterns.indices.map { (pattern: $0, starts: [0]) }, text, 0, &budget)
    }
    var best = memory.match(of: state)
    for position in text.indices where !memory.isDead(state) {
      try budget.spend(1)
      let step = Step(state: state, scalar: text[position], place: PatternPlace(text, position + 1))
      let before = memory.threads(of: state)
      state = try memory.state(after: step) { () throws(PatternProblem) in
        try closed(advanced(before, text[position], &budget), text, position + 1, &budget)
      }
      if let match = memory.match(of: state) { best = min(best ?? match, match) }
      if best == patterns[0].index { break }
    }
    return best
  }

  private func advanced(
    _ threads: [Thread], _ scalar: UInt32, _ budget: inout MatchBudget
  ) throws(PatternProblem) -> [(pattern: Int, starts: [Int])] {
    var next: [(pattern: Int, starts: [Int])] = []
    for thread in threads {
      let starts = try patterns[thread.pattern].program.advance(thread.consuming, scalar, budget: &budget)
      if !starts.isEmpty { next.append((thread.pattern, starts)) }
    }
    return next
  }

  private func closed(
    _ starts: [(pattern: Int, starts: [Int])], _ text: [UInt32], _ position: Int, _ budget: inout MatchBudget
  ) throws(PatternProblem) -> Memory.State {
    var state = Memory.State(threads: [], match: nil)
    for (pattern, starts) in starts {
      let closure = try patterns[pattern].program.closure(starts, text, position, budget: &budget)
      if closure.matches {
        // Those behind it in the table cannot be the first any more.
        state.match = patterns[pattern].index
        return state
      }
      if !closure.consuming.isEmpty { state.threads.append(Thread(pattern: pattern, consuming: closure.consuming)) }
    }
    return state
  }

  /// Where one pattern is.
  struct Thread: Hashable, Sendable {
    let pattern: Int
    let consuming: [Int]
  }

  /// All that the next state depends on.
  struct Step: Hashable, Sendable {
    let state: Int
    let scalar: UInt32
    let place: PatternPlace
  }

  /// The states and steps that walks found.
  struct Memory: Sendable {
    struct State: Hashable, Sendable {
      var threads: [Thread]
      /// The first pattern that matches here; those before it in the table may still match.
      var match: Int?
    }

    /// Where every walk begins.
    static let origin = -1
    /// Steps, and instructions in states, that are remembered.
    private static let stepLimit = 500_000
    private let sizeLimit: Int

    init(sizeLimit: Int = 4_000_000) { self.sizeLimit = sizeLimit }

    private var states: [State] = []
    private var numbers: [State: Int] = [:]
    private var steps: [Step: Int] = [:]
    private var size = 0

    func match(of state: Int) -> Int? { states[state].match }
    func threads(of state: Int) -> [Thread] { states[state].threads }
    func isDead(_ state: Int) -> Bool { states[state].threads.isEmpty }

    mutating func state(
      after step: Step, _ make: () throws(PatternProblem) -> State
    ) throws(PatternProblem) -> Int {
      if let known = steps[step] { return known }
      let state = try make()
      if steps.count >= Self.stepLimit || size > sizeLimit {
        self = Memory(sizeLimit: sizeLimit)
        // The state that the step came from is gone with the others.
        return number(state)
      }
      let number = number(state)
      steps[step] = number
      return number
    }

    private mutating func number(_ state: State) -> Int {
      if let known = numbers[state] { return known }
      numbers[state] = states.count
      states.append(state)
      size += state.threads.reduce(1) { $0 + $1.consuming.count + 1 }
      return states.count - 1
    }
  }
}

/// What a condition between two code points can ask of a place, but for what stands before it.
struct PatternPlace: Hashable, Sendable {
  private let bits: UInt8

  init(_ text: [UInt32], _ position: Int) {
    let isEnd = position == text.count
    let isWord = !isEnd && CharacterClass.Category.word.contains(text[position])
    let isFinalNewline = position == text.count - 1 && text[position] == UInt32(ascii: "\n")
    bits = (isEnd ? 1 : 0) | (isWord ? 2 : 0) | (isFinalNewline ? 4 : 0)
  }
}
