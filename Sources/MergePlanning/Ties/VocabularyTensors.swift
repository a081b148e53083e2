import Adapters
import JSONText
import ModelNames
import Safetensors

/// The embeddings and heads of a model on disk, and which of them are one tensor.
///
/// The one list of names that all parts of the program use: by the model's class, where a table has it; else by what such
/// modules are called.
package struct VocabularyTensors: Sendable {
  /// A parameter of the model at run time.
  package struct Member: Sendable, Equatable {
    let live: String
    /// Its name on disk, or the name it would have there.
    package let name: TensorName
    package let isStored: Bool
  }

  /// Parameters that may be one tensor; at least one of them is on disk.
  package struct Group: Sendable {
    /// The tensor that is kept, first.
    package let members: [Member]
    package let isTied: Bool
    let section: [String]
    let separation: Separation

    /// The first that is on disk.
    package var stored: TensorName { (members.first(where: \.isStored) ?? members[0]).name }
    package var absent: [TensorName] { members.filter { !$0.isStored }.map(\.name) }
    /// Those that are on disk.
    package var present: [TensorName] { members.filter(\.isStored).map(\.name) }
    var names: [TensorName] { members.map(\.name) }
    /// Whether config.json can say that they are not one.
    package var canBeUntied: Bool { separation == .known(.config) }
    /// Whether they can be written apart.
    var isSeparable: Bool { separation != .known(.never) && separation != .unknownClass }
  }

  enum Separation: Sendable, Equatable {
    case known(ModelTies.Separation)
    /// The class is not known, and so not what it calls its head.
    case unknownClass
  }

  /// The class that the names belong to; nil if it is not known.
  package let className: String?
  package let groups: [Group]
  /// The input embedding on disk; nil if it is not known.
  package let embedding: TensorName?
  /// Every tensor with a row for each token, on disk or not.
  package let names: Set<TensorName>
  /// Parameters beside embeddings and heads that are one tensor too.
  let twins: TwinParameters
  /// Runtime names of members that have another name on disk.
  private let aliases: [TensorName: TensorName]
  private let groupOf: [TensorName: Int]

  /// - Parameter names: All of the tensors on disk.
  package init(config: JSONValue?, names: some Collection<TensorName>, task: String? = nil, bringsHead: Bool = false) {
    let ties = ModelTies(config: config, kind: ModelTies.Kind(task: task, bringsHead: bringsHead))
    let places = DiskNames(config: config, names: names, prefix: ties.prefix)
    var groups: [Group] = []
    for group in ties.groups {
      var members = group.names.map { live in
        let stored = places.stored(live)
        return Member(live: live, name: stored ?? TensorName(live), isStored: stored != nil)
      }
      for (number, member) in members.enumerated() where !member.isStored {
        guard let name = places.similar(member.live, but: members.filter(\.isStored).map(\.name)) else { continue }
        members[number] = Member(live: member.live, name: name, isStored: true)
      }
      guard let sample = members.first(where: \.isStored) else { continue }
      members = members.map { member in
        member.isStored
          ? member
          : Member(
            live: member.live, name: places.absent(member.live, beside: sample.name, runtime: sample.live),
            isStored: false)
      }
      let isAnyAbsent = members.contains { !$0.isStored }
      groups.append(
        Group(
          members: members, isTied: group.isTied || (!group.isStated && isAnyAbsent), section: group.section,
          separation: .known(group.separation)))
    }
    func found(_ live: String?) -> TensorName? { live.flatMap { places.stored($0) ?? places.similar($0, but: []) } }
    var embedding = found(ties.embedding)
    var vocabulary = Set(groups.flatMap(\.names))
    vocabulary.formUnion([embedding, found(ties.head)].compactMap { $0 })
    if ties.className == nil {
      let (found, others) = Self.byName(names)
      vocabulary.formUnion(found + others)
      if embedding == nil, found.count == 1 { embedding = found[0] }
      if ties.isUnknownLanguageModel {
        groups = Self.unknownGroups(found, heads: others, config, ties)
        vocabulary.formUnion(groups.flatMap(\.names))
      }
    }
    className = ties.className
    twins = TwinParameters(pairs: ties.twins, names: names)
    self.groups = groups
    self.embedding = embedding ?? groups.first?.stored
    let biases = Set(
      vocabulary.compactMap { $0.string.hasSuffix(".weight") ? TensorName($0.string.dropLast(6) + "bias") : nil })
    self.names = vocabulary.union(names.filter { biases.contains($0) })
    var aliases: [TensorName: TensorName] = [:]
    var groupOf: [TensorName: Int] = [:]
    for (number, group) in groups.enumerated() {
      for member in group.members {
        groupOf[member.name] = number
        if !member.isStored { aliases[TensorName(member.live)] = member.name }
      }
    }
    self.aliases = aliases
    self.groupOf = groupOf
  }

  /// The group that a tensor is in.
  package func group(of name: TensorName) -> Group? { groupOf[name].map { groups[$0] } }

  /// The name on disk of a tensor that is not there, because it is one with another; nil for any other tensor.
  package func absent(_ name: TensorName) -> TensorName? {
    let own = aliases[name] ?? name
    guard let group = group(of: own), group.isTied else { return nil }
    return group.members.contains { $0.name == own && !$0.isStored } ? own : nil
  }

  /// The tensor on disk that one is kept as that is not there; nil for any other tensor.
  func storedTwin(of name: TensorName) -> TensorName? { absent(name).flatMap { group(of: $0)?.stored } }

  // MARK: - Classes that no table has

  /// Embeddings and heads by what they are called, without those of parts beside the language model.
  private static func byName(_ names: some Collection<TensorName>) -> (embeddings: [TensorName], heads: [TensorName]) {
    var embeddings: [TensorName] = []
    var heads: [TensorName] = []
    for name in names where !EmbeddingNames.isBeside(name.string) {
      if EmbeddingNames.isEmbedding(name.string) { embeddings.append(name) }
      if EmbeddingNames.isHead(name.string) { heads.append(name) }
    }
    if let embedding = embeddings.first, heads.isEmpty, embedding.string.hasSuffix("tok_embeddings.weight") {
      heads = names.filter { $0.string == "output.weight" || $0.string.hasSuffix(".output.weight") }
        .filter { !EmbeddingNames.isBeside($0.string) }
    }
    return (embeddings.sorted(), heads.sorted())
  }

  /// Without a head on disk each embedding may be the head too. Only those of Llama's layout are sure to
  /// have a head of Llama's name.
  private static func unknownGroups(
    _ embeddings: [TensorName], heads: [TensorName], _ config: JSONValue?, _ ties: ModelTies
  ) -> [Group] {
    let isTied = ties.isStated ? ModelTies.saysTied(config) : heads.isEmpty
    if heads.count == 1, embeddings.count == 1 {
      let members = [embeddings[0], heads[0]].map { Member(live: $0.string, name: $0, isStored: true) }
      return [Group(members: members, isTied: isTied, section: [], separation: .known(.config))]
    }
    guard heads.isEmpty else { return [] }
    return embeddings.map { name in
      let body = "model.embed_tokens.weight"
      let isLlamas = name.string == body || name.string.hasSuffix("." + body)
      let head = isLlamas ? name.string.dropLast(body.count) + "lm_head.weight" : "lm_head.weight"
      return Group(
        members: [
          Member(live: name.string, name: name, isStored: true),
          Member(live: String(head), name: TensorName(String(head)), isStored: false),
        ], isTied: isTied, section: [],
        separation: isLlamas && embeddings.count == 1 ? .known(.config) : .unknownClass)
    }
  }
}
