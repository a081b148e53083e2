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
    let claim = try claim()
    let variable = claim.engine.index
    guard let own = count ?? claim.count else {
      throw UsageError("--part auto: \(claim.engine.name) does not say how many parts there are", hint: Self.hint)
    }
    if count == nil, claim.engine == .slurmArray { try checkArray(own) }
    if let count, let told = claim.count, told != count, !claim.engine.isArray {
      throw UsageError(
        "--part auto/\(count): \(claim.engine.name) has \(told) processes (\(seen(claim.engine)))",
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

  /// The one thing that is said.
  private func claim() throws(UsageError) -> Claim {
    var claims: [Claim] = []
    for engine in JobEngine.all {
      if let claim = try claim(of: engine) { claims.append(claim) }
    }
    let specific = claims.filter { !$0.engine.isGeneral }
    let candidates = specific.isEmpty ? claims : specific
    guard let first = candidates.first else {
      throw UsageError(
        "--part auto: no engine says which part this is (\(JobEngine.slurmArray.index), \(JobEngine.indexedJob.index), ... are not set)",
        hint: "give the part: --part 3/16")
    }
    let other = candidates.dropFirst().first {
      $0.index != first.index || !($0.count == nil || first.count == nil || $0.count == first.count)
    }
    if let other {
      throw UsageError(
        "--part auto: \(first.engine.name) and \(other.engine.name) say different things (\(seen(first.engine)); \(seen(other.engine)))",
        hint: "give the part: --part 3/16")
    }
    // An array whose tasks are steps of one process each, or an engine that does not say how many.
    return candidates.first { $0.count != nil } ?? first
  }

  /// What one engine says; nil if it did not start the process as one of several.
  private func claim(of engine: JobEngine) throws(UsageError) -> Claim? {
    guard let text = variables[engine.index], !text.isEmpty, text != engine.none,
      engine.beside.allSatisfy({ variables[$0] != nil })
    else { return nil }
    let told = engine.counts.compactMap { variables[$0] }.first
    let count = told.flatMap(PartArgument.number)
    // One task is no step of several: that of a task of an array, for instance.
    if !engine.isArray, count == 1 { return nil }
    guard let index = PartArgument.number(text), told == nil || count != nil else {
      throw UsageError("--part auto: \(seen(engine)): expected numbers", hint: Self.hint)
    }
    return Claim(engine: engine, index: index - engine.first, count: count)
  }

  /// Only an array from 0 without gaps says how many parts there are: a repeat of one task has a count of 1.
  private func checkArray(_ count: Int) throws(UsageError) {
    let names = ["MIN", "MAX", "STEP"].map { "SLURM_ARRAY_TASK_\($0)" }
    let (least, most, step) = (variables[names[0]], variables[names[1]], variables[names[2]])
    guard least == "0", most == String(count - 1), step == nil || step == "1" else {
      let found = names.compactMap { name in variables[name].map { "\(name)=\($0)" } }.joined(separator: ", ")
      throw UsageError(
        "--part auto: the array is not 0 to \(count - 1) (\(found))",
        hint: "give the number of parts: --part auto/\(count)")
    }
  }

  /// The variables of an engine, as they are.
  private func seen(_ engine: JobEngine) -> String {
    ([engine.index] + engine.counts).compactMap { name in variables[name].map { "\(name)=\($0)" } }
      .joined(separator: ", ")
  }
}
