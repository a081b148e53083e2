import Foundation
import Platform
import Safetensors
import TestSupport
import Testing

@testable import SafemergeCLI

/// A tree made the plain way: a dictionary a node, nodes compared by all that is below them, sums over every member.
private struct PlainTree {
  private var children: [TensorName: PlainTree] = [:]
  private var kind: (dtype: DType, shape: [Int])?
  private var sums = NameTree.Sums()

  init() {}

  init(_ files: [(tensors: TensorTable, places: [Int])]) {
    for (table, places) in files {
      for place in places {
        let info = table[place]
        let parts = info.name.string.split(separator: ".", maxSplits: 63, omittingEmptySubsequences: false)
        insert(parts[...].map { TensorName(String($0)) }[...], info)
      }
    }
  }

  private mutating func insert(_ parts: ArraySlice<TensorName>, _ info: TensorInfo) {
    guard let first = parts.first else {
      kind = (info.dtype, info.shape)
      sums.add(NameTree.Sums(tensors: 1, parameters: info.elementCount, bytes: info.byteCount))
      return
    }
    children[first, default: PlainTree()].insert(parts.dropFirst(), info)
  }

  private var signature: String {
    let below = children.sorted { $0.key < $1.key }.map { "\($0.key.string.debugDescription):\($0.value.signature)" }
    return "{\(kind.map { "\($0.dtype) \($0.shape)" } ?? "") \(sums) \(below.joined(separator: ","))}"
  }

  private var total: NameTree.Sums {
    var total = sums
    for child in children.values { total.add(child.total) }
    return total
  }

  private var allDTypes: Set<DType> { children.values.reduce(kind.map { [$0.dtype] } ?? []) { $0.union($1.allDTypes) } }

  /// A line a node, those below it behind it.
  func lines(level: Int = 0, copies: Int = 1) -> [String] { Self.lines([self], level: level, copies: copies) }

  /// The lines of what is below some nodes that are alike.
  private static func lines(_ alike: [PlainTree], level: Int, copies: Int) -> [String] {
    var groups: [(numbers: [Int], name: String, members: [[PlainTree]])] = []
    let names = alike[0].children.keys.sorted { NaturalOrder.precedes($0.string, $1.string) }
    for name in names {
      let members = alike.compactMap { $0.children[name] }
      let number = name.string.wholeMatch(of: /0|[1-9][0-9]*/) == nil ? nil : Int(name.string)
      let signature = Array(members[0].signature.utf8)
      let same = groups.firstIndex { !$0.numbers.isEmpty && $0.members[0][0].signature.utf8.elementsEqual(signature) }
      if let number, let same {
        groups[same].numbers.append(number)
        groups[same].members.append(members)
      } else {
        groups.append((number.map { [$0] } ?? [], name.string, [members]))
      }
    }
    return groups.flatMap { group in
      let members = group.members.flatMap { $0 }
      var total = NameTree.Sums()
      for member in members { total.add(member.total) }
      let label = group.numbers.count > 1 ? "\(Set(group.numbers).sorted())" : group.name
      let copies = copies * group.members.count
      return [
        line(
          level, label, members[0].kind.map { ($0.dtype.name, $0.shape) }, copies, total,
          members[0].allDTypes.sorted().map(\.name))
      ]
        + lines(members, level: level + 1, copies: copies)
    }
  }

  fileprivate static func line(
    _ level: Int, _ label: String, _ kind: (type: String, shape: [Int])?, _ copies: Int, _ sums: NameTree.Sums,
    _ dtypes: [String]
  ) -> String {
    "\(level) \(label) \(kind.map { "\($0.type)\($0.shape)" } ?? "-") x\(copies) "
      + "\(sums.tensors) \(sums.parameters) \(sums.bytes) \(dtypes)"
  }
}

extension NameTree {
  fileprivate var lines: [String] { Self.lines(roots, level: 0) }

  private static func lines(_ nodes: [Node], level: Int) -> [String] {
    nodes.flatMap { node in
      [
        PlainTree.line(
          level, numbers(node.label), node.tensor.map { ($0.type.name, $0.shape) }, node.copies, node.sums,
          node.dtypes.names)
      ]
        + lines(node.children, level: level + 1)
    }
  }

  /// `[0-2,5]` as the numbers that it stands for.
  private static func numbers(_ label: String) -> String {
    guard label.wholeMatch(of: /\[[0-9]+([-,][0-9]+)+\]/) != nil else { return label }
    let numbers = label.dropFirst().dropLast().split(separator: ",").flatMap { run in
      let ends = run.split(separator: "-").compactMap { Int($0) }
      return Array(ends[0]...ends[ends.count - 1])
    }
    return "\(numbers)"
  }
}

/// The tree of names against one that is made the plain way.
@Suite struct NameTreeTests {
  private func expectPlain(_ files: [(tensors: TensorTable, places: [Int])], _ comment: Comment) {
    let (found, expected) = (
      NameTree(files.map { .init(tensors: $0.tensors, places: $0.places) }).lines, PlainTree(files).lines()
    )
    // Lines are compared by their bytes: `==` takes two spellings of é for one.
    let first = zip(found, expected).first { !$0.utf8.elementsEqual($1.utf8) }
    #expect(first == nil, comment)
    #expect(found.count == expected.count, comment)
  }

  private func headers(_ folder: String) throws -> [SafetensorsHeader] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".safetensors") }
    return try names.sorted().map { try SafetensorsHeader(path: "\(folder)/\($0)") }
  }

  @Test func everyFixture() throws {
    let root = fixturesPath()
    let folders = try FileManager.default.subpathsOfDirectory(atPath: root).filter { path in
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: "\(root)/\(path)", isDirectory: &isFolder) && isFolder.boolValue
        && !path.contains("malformed") && !path.contains("hostile")
    }
    var count = 0
    for folder in folders.sorted() {
      guard let headers = try? headers("\(root)/\(folder)"), !headers.isEmpty else { continue }
      expectPlain(headers.map { ($0.tensors, Array($0.tensors.indices)) }, "\(folder)")
      count += 1
    }
    #expect(count > 100)
  }

  /// Names of few different parts, so that nodes are alike, nearly alike, tensors with others below them, and crowded; some
  /// stand in both files.
  @Test func namesAtRandom() throws {
    var generator = SeededGenerator()
    let scratch = try Scratch()
    let parts = ["layers", "w", "0", "1", "2", "3", "10", "00", "", "é", "e\u{301}", "q", "experts"]
    for round in 0..<6 {
      var names: Set<TensorName> = []
      for _ in 0..<600 {
        let count = Int.random(in: 1...4, using: &generator)
        var name = (0..<count).map { _ in parts.randomElement(using: &generator) ?? "" }
        if round % 3 > 0 { name.append("w") }
        names.insert(TensorName(name.joined(separator: ".")))
      }
      for layer in 0..<40 {
        for expert in 0..<12 { names.insert(TensorName("b.\(layer).e.\(layer % 3 == 0 ? expert : 11 - expert).w")) }
      }
      let shuffled = names.sorted().shuffled(using: &generator)
      var files: [(tensors: TensorTable, places: [Int])] = []
      for part in [shuffled[..<(shuffled.count / 2)], shuffled[(shuffled.count * 2 / 5)...]] {
        let path = scratch.file("\(round)-\(files.count).safetensors")
        try writeFile(
          path,
          part.map { name in
            if name.string.hasPrefix("b.") { return TestTensor(name.string, .f32, [2, 3]) }
            let shape = [Int.random(in: 0...1, using: &generator), 4]
            return TestTensor(name.string, Bool.random(using: &generator) ? .bf16 : .f16, shape)
          })
        let table = try SafetensorsHeader(path: path).tensors
        files.append((table, table.indices.filter { $0 % 50 != 7 }))
      }
      expectPlain(files, "round \(round), \(generator)")
    }
  }
}
