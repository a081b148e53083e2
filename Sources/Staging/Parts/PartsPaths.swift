import Platform

/// The layout of the folder in which the parts of merges to one output are gathered.
///
/// `.OUT.safemerge-parts/DIGEST` belongs to one plan. In it `plan.json` is the identity's text; `work` has the data of
/// weight files; `parts` a record for each complete one; `runs` what began, for messages; `result-TOKEN` is one
/// finisher's own. No file is written twice, and none by two processes.
struct PartsPaths: Sendable {
  let output: String
  let digest: PlanDigest
  /// Tells this process from all others.
  let token: String

  /// The folder of all plans for the output.
  var top: String { Self.top(ofOutput: output) }

  static func top(ofOutput output: String) -> String {
    Paths.join(Paths.folder(output), ".\(Paths.lastComponent(output))\(suffix)")
  }

  /// What the name of the folder ends with.
  static let suffix = ".safemerge-parts"
  var folder: String { Paths.join(top, digest.description) }
  var work: String { Paths.join(folder, Self.workName) }
  var parts: String { Paths.join(folder, Self.partsName) }
  var runs: String { Paths.join(folder, Self.runsName) }
  var plan: String { Paths.join(folder, Self.planName) }
  /// The names of all weight files.
  var files: String { Paths.join(folder, Self.filesName) }

  static let workName = "work"
  static let (partsName, runsName, planName, filesName) = ("parts", "runs", "plan.json", "files.json")
  /// Where this process puts the result together.
  var result: String { Paths.join(folder, Self.resultPrefix + token) }
  /// Exists while one process makes the result, where two cannot.
  var finishing: String { Self.finishing(digest, in: top) }

  static func finishing(_ digest: PlanDigest, in top: String) -> String {
    Paths.join(top, "\(finishingPrefix)\(digest)")
  }

  private static let finishingPrefix = "finish."

  /// A name for the folder of a plan that is being removed.
  static func removed(in top: String) -> String { Paths.join(top, removedPrefix + RandomToken.make()) }

  private static let removedPrefix = "removed-"

  /// Whether this program, or a file system that keeps open files, gives such a name to something in the folder of all plans.
  static func isInTop(_ name: String) -> Bool {
    PlanDigest(name: name) != nil
      || ([finishingPrefix, removedPrefix] + StagingPaths.keptOpen).contains(where: name.hasPrefix)
  }

  /// Whether this program, or a file system that keeps open files, gives such a name to something in the folder of a plan.
  static func isInFolder(_ name: String) -> Bool {
    [workName, partsName, runsName].contains(name)
      || ([planName, filesName, resultPrefix] + StagingPaths.keptOpen).contains(where: name.hasPrefix)
  }

  static let resultPrefix = "result-"
  /// Says that this process makes the result.
  var finisher: String { Paths.join(runs, "\(Self.finisherPrefix)\(token).json") }
  /// What the names of files begin with that say who makes the result.
  static let finisherPrefix = "finish-"

  /// The name of the data of this process for a weight file.
  func dataName(_ number: Int) -> String { "\(Self.digits(number))-\(token).safetensors" }

  /// The name of a weight file's record.
  static func recordName(_ number: Int) -> String { "\(digits(number)).json" }

  /// The number of the weight file whose record has this name; nil for any other name.
  static func number(ofRecord name: String) -> Int? {
    guard name.hasSuffix(".json"), let number = Int(name.dropLast(".json".count)), recordName(number) == name else {
      return nil
    }
    return number
  }

  private static func digits(_ number: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, 5 - text.count)) + text
  }
}
