import Adapters
import Checkpoints
import Foundation
import JSONText
import MergeEngine
import MergePlanning
import Merging
import Safetensors
import TestSupport
import Testing

@testable import MergeChecking

/// A merge from paths, through the pipeline of the program.
func merge(
  _ base: String, _ adapters: [(path: String, weight: Double)], to output: String,
  options: MergeOptions = MergeOptions(), rounding: MergeEngine.Rounding = .nearest,
  nonFinite: MergeEngine.NonFinite = .fail
) throws {
  var request = MergeRequest(
    base: try Checkpoint(path: base),
    adapters: try adapters.map { AdapterUse(try Adapter(path: $0.path), weight: $0.weight) }, output: output)
  request.planning = options
  request.engine = MergeEngine.Options(workers: 2)
  request.engine.rounding = rounding
  request.engine.nonFinite = nonFinite
  try request.prepare().run()
}

/// Checks a result against base and adapters.
func check(
  _ output: String, _ base: String, _ adapters: [(path: String, weight: Double)],
  planning: MergeOptions = MergeOptions(), _ change: (inout MergeCheck.Options) -> Void = { _ in }
) throws -> MergeCheck.Report {
  var options = MergeCheck.Options(workers: 2)
  change(&options)
  let uses = try adapters.map { AdapterUse(try Adapter(path: $0.path), weight: $0.weight) }
  return try MergeCheck(
    Checkpoint(path: output), base: Checkpoint(path: base), adapters: uses, planning: planning, options: options
  ).run()
}

extension FixtureCase {
  /// Those that one merge makes, from one adapter or from several in turn.
  static let merges = all.filter { ($0.isSimple || !$0.isLoRA) && !$0.isRefused }

  /// What a user has to say so that the case is merged.
  var options: MergeOptions {
    var options = MergeOptions()
    options.addsTensors = !newTensors.isEmpty
    if isWrittenApart { options.tied = .split }
    if isAmbiguous { options.expertLayout = .expertMajor }
    return options
  }

  var uses: [(path: String, weight: Double)] { adapters.map { ($0, 1) } }
}

/// A copy of an adapter with other tensors and with other members in its config.
///
/// - Parameter fields: Text of the config that is replaced, and by what.
func changedAdapter(
  _ path: String, in scratch: Scratch, fields: [(String, String)] = [],
  _ change: ([TestTensor]) throws -> [TestTensor] = { $0 }
) throws -> String {
  let folder = try scratch.folder("adapter-\(UUID().uuidString)")
  let text = String(decoding: try contents(path + "/adapter_config.json"), as: UTF8.self)
  guard case .object(var members) = try JSONParser.parse(Array(text.utf8).span) else { return folder }
  for (key, value) in fields {
    let parsed = try JSONParser.parse(Array("{\"v\": \(value)}".utf8).span)
    members.removeAll { $0.key == key }
    members.append(JSONMember(key: key, value: parsed["v"] ?? .null))
  }
  var writer = JSONWriter()
  writer.value(.object(members))
  try write(writer.bytes, to: folder + "/adapter_config.json")
  try writeFile(
    folder + "/adapter_model.safetensors", try change(try readTensors(path + "/adapter_model.safetensors")),
    metadata: "{\"format\":\"pt\"}")
  return folder
}
