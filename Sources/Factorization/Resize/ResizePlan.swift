import AdapterWriting
import Adapters
import JSONText
import LowRank
import Platform
import Safetensors

/// How an adapter of lower rank is made of another one: each product of two factors is truncated, all other tensors stay.
public struct ResizePlan: Sendable {
  /// A unit for each module.
  public let units: [AdapterUnit]
  let adapter: Adapter
  /// Tensors of the adapter that are taken over.
  let copies: [CopiedTensor]

  /// Plans the truncation of every module.
  ///
  /// - Parameters:
  ///   - rule: How many singular values are kept; never more than the module has.
  ///   - dtype: Of the new factors; nil: each has the dtype that it had.
  /// - Throws: ``FactorizationError`` with `notLowRank` for a module that is not a sum of a product; `FileError`.
  public init(_ adapter: Adapter, rule: RankRule, dtype: DType?) throws {
    self.adapter = adapter
    guard !adapter.updates.isEmpty else { throw FactorizationError(path: adapter.weightsPath, .noProduct) }
    let input = try InputFile(path: adapter.weightsPath)
    guard input.identity == adapter.header.identity else { throw FileError(path: adapter.weightsPath, .changed) }
    var used: Set<Int> = []
    var works: [FactorResize] = []
    for update in adapter.updates {
      let work = try FactorResize(update, adapter, input, rule: rule, dtype: dtype)
      guard work.indices.allSatisfy({ used.insert($0).inserted }) else {
        throw FactorizationError(
          path: adapter.weightsPath, tensor: update.module, .notLowRank("made of factors that other modules share"))
      }
      works.append(work)
    }
    units = works.map { (adapter.config.tiesWeights ? $0.tied(to: works) : $0).unit }
    copies = try adapter.header.tensors.indices.filter { !used.contains($0) }.map { index in
      let tensor = adapter.header.tensors[index]
      return try CopiedTensor(
        name: tensor.name.string, tensor, path: adapter.weightsPath, header: adapter.header)
    }
  }

  /// What belongs to the adapter beside the new factors.
  ///
  /// - Throws: What reading adapter_config.json throws.
  public func document(_ units: [FinishedUnit]) throws -> AdapterDocument {
    let facts = units.compactMap { ModuleFacts($0.facts) }
    var document = AdapterDocument()
    let scalings = WrittenScalings(unscaled: units)
    document.copies = copies
    document.judge = { path in try scalings.check(path) }
    if adapter.isFile {
      document.metadata = (adapter.header.metadata ?? []).map { entry in
        let isRank = ["ss_network_dim", "ss_network_alpha"].contains(entry.key)
        return isRank ? .init(key: entry.key, value: "Dynamic") : entry
      }
      return document
    }
    let bytes = try InputFile(path: adapter.configPath)
    let text = try bytes.bytes(0..<bytes.byteCount)
    guard case .object(var members) = try JSONParser.parse(text.span) else { return document }
    let ranks = RankedConfig(facts.map { ($0.module, $0.rank) }).rankMembers + [("init_lora_weights", .bool(true))]
    for (key, value) in ranks {
      let member = JSONMember(key: key, value: value)
      if let place = members.firstIndex(where: { $0.key == key }) {
        members[place] = member
      } else {
        members.append(member)
      }
    }
    var writer = JSONWriter(indentation: 2)
    writer.value(.object(members))
    document.texts = [(PEFTLayout.configName, writer.bytes + [UInt8(ascii: "\n")])]
    return document
  }
}
