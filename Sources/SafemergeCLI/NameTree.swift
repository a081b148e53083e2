import Checkpoints
import Safetensors

/// The tensors of a listing by the parts of their names, with sums, and with numbered neighbours that are alike as one.
///
/// Time and memory grow with the bytes of the names.
struct NameTree: Sendable {
  /// Sums over the tensors below a place of the tree.
  struct Sums: Sendable, Equatable {
    var tensors = 0
    var parameters = 0
    var bytes = 0

    mutating func add(_ other: Sums, times count: Int = 1) {
      tensors += other.tensors * count
      parameters += other.parameters * count
      bytes += other.bytes * count
    }
  }

  /// One part of a name, or several numbers that what stands below is alike for.
  struct Node: Sendable {
    /// The part of the name, or as `[0-31]` the numbers.
    let label: String
    /// Of the tensor that is called so itself; nil: there is none.
    let tensor: (dtype: DType, shape: [Int])?
    /// How many names this node and what is above it stand for.
    let copies: Int
    /// Over all copies.
    let sums: Sums
    let dtypes: Set<DType>
    /// Ordered as people count.
    let children: [Node]
  }

  let roots: [Node]
  let sums: Sums
  /// Largest first.
  let dtypeSums: [(dtype: DType, sums: Sums)]

  init(_ tensors: [ListedTensor], _ listings: [Listing]) {
    var builder = Builder()
    var byDType: [Sums] = DType.allCases.map { _ in Sums() }
    for tensor in tensors {
      let table = listings[tensor.listing].files[tensor.file].header.tensors
      let dtype = table.dtype(at: tensor.index)
      let shape = table.shape(at: tensor.index)
      let sums = Sums(
        tensors: 1, parameters: shape.reduce(1, &*), bytes: table.dataOffsets(at: tensor.index).count)
      byDType[Int(dtype.rawValue)].add(sums)
      builder.insert(tensor.name, dtype, shape, sums)
    }
    roots = builder.build()
    var total = Sums()
    for sums in byDType { total.add(sums) }
    sums = total
    dtypeSums = DType.allCases.map { ($0, byDType[Int($0.rawValue)]) }.filter { $0.1.tensors > 0 }
      .sorted { $0.1.parameters > $1.1.parameters }
  }
}

extension NameTree {
  /// Makes the tree of every name first, then classes of nodes that are alike, from the leaves up.
  private struct Builder {
    private struct Place: Hashable {
      let parent: Int
      let part: Int
    }

    private struct Kind: Hashable {
      let dtype: DType
      let shape: [Int]
    }

    private static let largestDepth = 64

    private var parts: [String] = []
    private var partNumbers: [String: Int] = [:]
    private var places: [Place: Int] = [:]
    /// Of every node; the root is 0. A child has a larger number than its parent.
    private var parents = [-1]
    private var partOf = [-1]
    private var children: [[Int]] = [[]]
    private var kindOf = [-1]
    private var ownSums = [Sums()]
    private var kinds: [Kind: Int] = [:]
    private var kindList: [Kind] = []
    /// The name before, and the nodes that its parts made: neighbours share most of them.
    private var last: (name: [UInt8], ends: [(end: Int, node: Int)]) = ([], [])

    mutating func insert(_ name: String, _ dtype: DType, _ shape: [Int], _ sums: Sums) {
      let bytes = Array(name.utf8)
      var shared = 0
      while shared < min(bytes.count, last.name.count), bytes[shared] == last.name[shared] { shared += 1 }
      var ends = last.ends
      // A part is shared if its dot, or the end of both names, is.
      while let end = ends.last?.end,
        !(end < shared || (end == shared && end == bytes.count && end == last.name.count))
      {
        ends.removeLast()
      }
      var node = ends.last?.node ?? 0
      var start = ends.last.map { $0.end + 1 } ?? 0
      while start <= bytes.count {
        // Nobody names modules that deep: what is left is one part, so that no name makes a tree of any depth.
        var end = ends.count == Self.largestDepth - 1 ? bytes.count : start
        while end < bytes.count, bytes[end] != UInt8(ascii: ".") { end += 1 }
        node = child(of: node, String(decoding: bytes[start..<end], as: UTF8.self))
        ends.append((end, node))
        start = end + 1
      }
      last = (bytes, ends)
      let kind = Kind(dtype: dtype, shape: shape)
      let number = kinds[kind] ?? kindList.count
      if number == kindList.count {
        kinds[kind] = number
        kindList.append(kind)
      }
      kindOf[node] = number
      ownSums[node].add(sums)
    }

    private mutating func child(of parent: Int, _ part: String) -> Int {
      let number = partNumbers[part] ?? parts.count
      if number == parts.count {
        partNumbers[part] = number
        parts.append(part)
      }
      let place = Place(parent: parent, part: number)
      if let node = places[place] { return node }
      let node = parents.count
      places[place] = node
      parents.append(parent)
      partOf.append(number)
      children.append([])
      kindOf.append(-1)
      ownSums.append(Sums())
      children[parent].append(node)
      return node
    }

    /// Equal classes mean: the same names below, with the same dtypes and shapes.
    private func classes() -> [Int] {
      var classes = [Int](repeating: 0, count: parents.count)
      var known: [[Int]: Int] = [:]
      for node in parents.indices.reversed() {
        var signature = [kindOf[node], ownSums[node].tensors]
        for child in children[node].sorted(by: { partOf[$0] < partOf[$1] }) {
          signature.append(partOf[child])
          signature.append(classes[child])
        }
        let number = known[signature] ?? known.count
        known[signature] = number
        classes[node] = number
      }
      return classes
    }

    func build() -> [Node] { nodes(below: 0, copies: 1, classes()) }

    private func nodes(below parent: Int, copies: Int, _ classes: [Int]) -> [Node] {
      let ordered = children[parent].sorted { NaturalOrder.precedes(parts[partOf[$0]], parts[partOf[$1]]) }
      var groups: [(members: [Int], numbers: [Int])] = []
      var groupOfClass: [Int: Int] = [:]
      for child in ordered {
        guard let number = Self.number(parts[partOf[child]]) else {
          groups.append(([child], []))
          continue
        }
        if let group = groupOfClass[classes[child]] {
          groups[group].members.append(child)
          groups[group].numbers.append(number)
        } else {
          groupOfClass[classes[child]] = groups.count
          groups.append(([child], [number]))
        }
      }
      return groups.map { group in
        let first = group.members[0]
        let copies = copies * group.members.count
        let below = nodes(below: first, copies: copies, classes)
        var sums = Sums()
        sums.add(ownSums[first], times: copies)
        var dtypes: Set<DType> = []
        if kindOf[first] >= 0 { dtypes.insert(kindList[kindOf[first]].dtype) }
        for node in below {
          sums.add(node.sums)
          dtypes.formUnion(node.dtypes)
        }
        let kind = kindOf[first] >= 0 ? kindList[kindOf[first]] : nil
        return Node(
          label: group.members.count > 1 ? Self.label(group.numbers) : parts[partOf[first]],
          tensor: kind.map { ($0.dtype, $0.shape) }, copies: copies, sums: sums, dtypes: dtypes, children: below)
      }
    }

    /// The number that a part is, written as numbers are.
    private static func number(_ part: String) -> Int? {
      guard let first = part.utf8.first, part.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
      return first == 0x30 && part.utf8.count > 1 ? nil : Int(part)
    }

    /// `[0-2,5]` for growing numbers.
    private static func label(_ numbers: [Int]) -> String {
      var runs: [(first: Int, last: Int)] = []
      for number in numbers {
        if let run = runs.last, run.last + 1 == number {
          runs[runs.count - 1].last = number
        } else {
          runs.append((number, number))
        }
      }
      return "[" + runs.map { $0.first == $0.last ? "\($0.first)" : "\($0.first)-\($0.last)" }.joined(separator: ",")
        + "]"
    }
  }
}
