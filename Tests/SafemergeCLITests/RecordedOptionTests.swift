import ArgumentParser
import MergeEngine
import MergePlanning
import Merging
import Staging
import TestSupport
import Testing

@testable import SafemergeCLI

/// A merge resumes the work of another if their identities are equal, and `.safemerge.json` says how a result was made:
/// an option that changes bytes and is not recorded would mix two merges, or hide how one was made.
@Suite struct RecordedOptionTests {
  /// Two command lines that differ in one property only, and merge to different bytes.
  typealias Pair = (one: [String], other: [String])

  /// The properties that decide bytes of a result, by the option group that they are in.
  static let deciding: [String: [String: Pair]] = [
    "WeightOptions": [
      "givenDType": ([], ["--dtype=float32"]), "givenArithmetic": ([], ["--arithmetic=peft"]),
      "givenRound": (["--round=stochastic:1"], ["--round=stochastic:2"]),
      "maxShardSize": (["--max-shard-size=1MB"], ["--max-shard-size=1MiB"]), "singleFile": ([], ["--single-file"]),
    ],
    "ModuleOptions": [
      "givenTied": ([], ["--tied=split"]), "givenMHAOutProj": ([], ["--mha-out-proj=once"]),
      "expertLayout": ([], ["--expert-layout=rank_major"]),
      "fanInFanOut": (["--fan-in-fan-out=false"], ["--fan-in-fan-out=true"]),
      "map": (["--map=a=b", "--map=c=d"], ["--map=c=d", "--map=a=b"]), "addTensors": ([], ["--add-tensors"]),
    ],
    "QuantizationOptions": [
      "requantize": ([], ["--requantize"]), "qlora": (["--qlora=nf4"], ["--qlora=nf4:128,double"]),
    ],
    "VariantOptions": ["variant": ([], ["--variant=fp16"])],
    "OutputOptions": ["modelCard": ([], ["--model-card"])],
    "CheckingOptions": ["onNonfinite": ([], ["--on-nonfinite=warn"])],
    "CombineOptions": [
      "method": ([], ["--combine=linear"]),
      "density": (["--combine=ties", "--density=0.5"], ["--combine=ties", "--density=0.25"]),
      "majoritySign": (
        ["--combine=ties", "--density=0.5", "--majority-sign=total"],
        ["--combine=ties", "--density=0.5", "--majority-sign=frequency"]
      ),
      "seed": (
        ["--combine=dare_linear", "--density=0.5", "--seed=1"], ["--combine=dare_linear", "--density=0.5", "--seed=2"]
      ),
      "svdRank": (["--combine=svd", "--svd-rank=2"], ["--combine=svd", "--svd-rank=3"]),
      "svdClamp": (["--combine=svd", "--svd-clamp=0.9"], ["--combine=svd", "--svd-clamp=0.99"]),
    ],
  ]

  /// The others, and why they change no byte of a result, or are recorded otherwise.
  static let neutral: [String: [String: String]] = [
    "MergeCommand": [
      "base": "its files are inputs of the identity", "adapters": "they are inputs, and the merge adds their weights",
    ],
    "OutputOptions": [
      "output": "a result does not depend on its name", "report": "the report does not belong to the result",
      "dryRun": "nothing is written", "force": "the previous output does not belong to the result",
    ],
    "SideFileOptions": [
      "includeFile": "every copied file is an input of the identity",
      "excludeFile": "every copied file is an input of the identity",
    ],
    "WritingOptions": [
      "reflink": "a copy has the same bytes by any way",
      "resume": "the identity decides which work a merge may resume",
      "breakLock": "the lock does not belong to the result",
    ],
    "CheckingOptions": [
      "checksums": "weight files that were completed without a checksum are made again", "verify": "as checksums",
    ],
    "PartOptions": [
      "part": "parts make the bytes of the whole", "finish": "parts make the bytes of the whole",
      "wait": "it is about when", "baseCopies": "the headers of the base are inputs of the identity",
    ],
    "ResourceOptions": ["memory": "the bytes do not depend on the tiles' size"],
    "JobOptions": ["jobs": "the bytes do not depend on threads"],
    "ProgressOptions": [
      "quiet": "it is about what is printed", "verbose": "it is about what is printed",
      "progress": "it is about what is printed",
    ],
    "FormatOptions<Format>": ["given": "it is about what is printed", "json": "it is about what is printed"],
    "DisplayOptions": ["color": "it is about what is printed"], "HelpOptions": ["helpAll": "nothing is merged"],
  ]

  private func parse(_ arguments: [String]) throws -> MergeCommand {
    try MergeCommand.parse(["base", "adapter", "-o", "output"] + arguments)
  }

  /// The names of the properties that a value has.
  private func properties(_ value: Any) -> Set<String> {
    Set(Mirror(reflecting: value).children.compactMap { $0.label.map { String($0.drop { $0 == "_" }) } })
  }

  /// The option groups in a value, and in those.
  private func groups(_ value: Any) -> [(label: String, group: any ParsableArguments)] {
    Mirror(reflecting: value).children.flatMap { child -> [(label: String, group: any ParsableArguments)] in
      guard let wrapper = child.value as? any GroupWrapper else { return [] }
      let label = (child.label ?? "").drop { $0 == "_" }
      return [(String(label), wrapper.group)] + groups(wrapper.group)
    }
  }

  @Test func everyOptionIsRecordedOrHasAReason() throws {
    let command = try parse([])
    let all = groups(command)
    let inner = Set(all.map(\.label))
    #expect(all.count > 10)
    var seen: Set<String> = []
    for group in [command as Any] + all.map({ $0.group as Any }) {
      let name = "\(type(of: group))"
      seen.insert(name)
      let (deciding, neutral) = (Set((Self.deciding[name] ?? [:]).keys), Set((Self.neutral[name] ?? [:]).keys))
      let found = properties(group).filter { !inner.contains($0) || deciding.contains($0) || neutral.contains($0) }
      let unknown = found.subtracting(deciding).subtracting(neutral)
      #expect(unknown == [], "\(name): neither recorded nor known to change nothing")
      #expect(deciding.union(neutral).subtracting(found) == [], "\(name): no such property")
      #expect(deciding.isDisjoint(with: neutral))
    }
    #expect(Set(Self.deciding.keys).union(Self.neutral.keys).subtracting(seen) == [], "no such group")
  }

  @Test(arguments: deciding.values.flatMap { $0.map(\.key) }.sorted())
  func whatDecidesBytesIsRecorded(property: String) throws {
    let pair = try #require(Self.deciding.values.lazy.compactMap { $0[property] }.first)
    let (one, other) = (try parse(pair.one), try parse(pair.other))
    #expect(one.recorded != other.recorded)
    // From the record back to options, as `check --against` goes: they are the same.
    for command in [one, other] {
      let options = command.recorded
      #expect(Set(options.map(\.name)).count == options.count)
      var again = try parse([])
      again.result = try ResultOptions.parse(ResultOptions.arguments(for: options))
      again.combine = try CombineOptions.parse(CombineOptions.arguments(for: options))
      again.checking.onNonfinite = command.checking.onNonfinite
      again.place.modelCard = command.place.modelCard
      #expect(again.recorded == options)
    }
  }

  /// What the pipeline has besides options of the command line: a property that changes bytes has to come from one of them.
  @Test func everyPropertyOfTheEngineAndOfARequestIsKnown() throws {
    let recorded: Set = ["rounding", "nonFinite", "planning", "combination", "modelCard", "isUnmerge"]
    let inputs: Set = ["base", "adapters", "sideFiles"]
    let lapack: Set = ["decomposer", "lapack"]
    let neutral: Set = [
      "workers", "kernels", "collectsStatistics", "countsReturns", "copyMode", "computesChecksums", "verification",
      "judge",
      "interruption", "tileSize", "beforeVerification", "engine", "memoryLimit", "output", "isDryRun", "force",
      "isInParts", "breaksLock", "report",
      "protectedPaths", "temporaryFolder", "resumes", "record", "warnings",
    ]
    let request = try MergeRequest(base: basePath("llama-bf16"), adapters: [adapterPath("linear-bf16")])
    let found = properties(request).union(properties(request.engine))
    #expect(found == recorded.union(inputs).union(lapack).union(neutral))
  }

  /// Each option of the plan is set by one that is recorded.
  @Test func everyOptionOfThePlanIsRecorded() throws {
    let plain = Mirror(reflecting: try parse([]).result.planning)
    var changed: Set<String> = []
    let groups = ["WeightOptions", "ModuleOptions", "QuantizationOptions"].compactMap { Self.deciding[$0] }
    for pair in groups.flatMap(\.values) {
      for arguments in [pair.one, pair.other] {
        let options = Mirror(reflecting: try parse(arguments).result.planning)
        for (before, now) in zip(plain.children, options.children) {
          if "\(before.value)" != "\(now.value)" { changed.insert(now.label ?? "") }
        }
      }
    }
    // The origin is what the identity has: the record of the merge in the metadata of a single file.
    #expect(changed.union(["origin"]) == Set(plain.children.compactMap(\.label)))
  }
}

/// A property that is a group of options.
private protocol GroupWrapper {
  var group: any ParsableArguments { get }
}

extension OptionGroup: GroupWrapper {
  fileprivate var group: any ParsableArguments { wrappedValue }
}
