/// Finds out from the variables that an engine sets which part a process is to make.
///
/// Nothing is guessed: a part that is made twice costs time, one that nobody makes costs the merge. What is not one clear answer
/// is an error that says what was seen.
struct PartEnvironment {
  /// What an engine says of this process.
  struct Claim: Equatable {
    let engine: JobEngine
    /// Counted from 0.
    let index: Int
    /// Nil: it is not told.
    let count: Int?

    /// Whether both can be true of one process.
    func agrees(with other: Claim) -> Bool {
      index == other.index && (count == nil || other.count == nil || count == other.count)
    }
  }

  /// A part, and the variable that told it.
  struct Found: Equatable {
    let part: PartNumber
    let variable: String
  }

  private let variables: [String: String]

  init(_ variables: [String: String]) { self.variables = variables }

  /// The part of this process.
  ///
  /// - Parameter count: How many parts there are; nil: the engine says it.
  /// - Throws: ``UsageError`` if no engine says it, several say different things, or one says only a half of it.
  func part(of count: Int?) throws(UsageError) -> Found {
    let claims = try claims()
    let claim = claims[0]
    let variable = claim.engine.index
    guard let own = count ?? claim.count else {
      throw UsageError("--part auto: \(claim.engine.name) does not say how many parts there are", hint: Self.hint)
    }
    if count == nil, let whole = claim.engine.whole { try check(whole, of: claim.engine, count: own) }
    if let count, let other = claims.first(where: { !$0.engine.isRepeatable && $0.count ?? count != count }) {
      throw UsageError(
        "--part auto/\(count): \(other.engine.name) has \(other.count ?? 0) processes (\(seen(other.engine)))",
        hint: "give as many parts as processes: --part auto")
    }
    guard 0..<own ~= claim.index else {
      throw UsageError(
        "--part auto: \(seen(claim.engine)), but the \(own) parts are \(claim.engine.first) to \(own - 1 + claim.engine.first)",
        hint: "the indexes of the job must be those of the parts")
    }
    return Found(part: PartNumber(index: claim.index, count: own), variable: variable)
  }

  private static let hint = "give the number of parts: --part auto/16, or the part too: --part 3/16"
  private static let ownHint = "give the part: --part 3/16"

  /// What is said, which agrees: first what counts.
  private func claims() throws(UsageError) -> [Claim] {
    var claims: [Claim] = []
    for engine in JobEngine.all {
      if let claim = try claim(of: engine) { claims.append(claim) }
    }
    let specific = claims.filter { !$0.engine.isGeneral }
    let candidates = specific.isEmpty ? claims : specific
    // An array whose tasks are steps of one process each, or an engine that does not say how many.
    guard let chosen = candidates.first(where: { $0.count != nil }) ?? candidates.first else {
      throw UsageError(
        "--part auto: no engine says which part this is (\(JobEngine.slurmArray.index), \(JobEngine.indexedJob.index), ... are not set)",
        hint: "give the part: --part 3/16")
    }
    // Beside a specific engine a general index may mean anything. With a number above 1 it is one of several processes, which would
    // all make one part.
    let others = claims.filter { $0 != chosen && (candidates.contains($0) || $0.count != nil) }
    if let other = others.first(where: { !$0.agrees(with: chosen) }) {
      throw UsageError(
        "--part auto: \(chosen.engine.name) and \(other.engine.name) say different things (\(seen(chosen.engine)); \(seen(other.engine)))",
        hint: "give the part: --part 3/16, or hide the engine that does not count: "
          + "env -u \(chosen.engine.index) or env -u \(other.engine.index) before safemerge")
    }
    return [chosen] + others
  }

  /// What one engine says; nil if it did not start the process as one of several.
  private func claim(of engine: JobEngine) throws(UsageError) -> Claim? {
    guard let text = variables[engine.index], !text.isEmpty, text != engine.none,
      engine.beside.allSatisfy({ variables[$0] != nil })
    else { return nil }
    let told = engine.counts.compactMap { variables[$0] }.first
    let count = told.flatMap(PartArgument.number)
    // One task is no step of several: that of a task of an array, for instance.
    if !engine.isRepeatable, count == 1 { return nil }
    guard let index = PartArgument.number(text), told == nil || count != nil else {
      throw UsageError("--part auto: \(seen(engine)): expected numbers", hint: Self.ownHint)
    }
    if let count, !(1...PartArgument.largestCount ~= count) {
      throw UsageError(
        "--part auto: \(seen(engine)): the number of parts is 1 to \(PartArgument.largestCount)", hint: Self.ownHint)
    }
    return Claim(engine: engine, index: index - engine.first, count: count)
  }

  /// Refuses an array whose number is not that of the parts.
  private func check(_ whole: WholeArray, of engine: JobEngine, count: Int) throws(UsageError) {
    let last = count - 1 + engine.first
    let (wrong, missing) = whole.differences(variables, last: last)
    guard !wrong.isEmpty || !missing.isEmpty else { return }
    let range = "\(engine.first) to \(last)"
    let (reason, found) =
      wrong.isEmpty
      ? ("does not say that it is \(range)", "\(missing.joined(separator: ", ")) not set")
      : ("that is not \(range) does not say how many parts there are", wrong.joined(separator: ", "))
    throw UsageError(
      "--part auto: \(engine.name) \(reason) (\(seen(engine)); \(found))",
      hint:
        "submit all parts: \(whole.option(last: last)), or give the number of all parts where some are repeated: --part auto/N"
    )
  }

  /// The variables of an engine, as they are.
  private func seen(_ engine: JobEngine) -> String {
    ([engine.index] + engine.counts).compactMap { name in variables[name].map { "\(name)=\($0)" } }
      .joined(separator: ", ")
  }
}
