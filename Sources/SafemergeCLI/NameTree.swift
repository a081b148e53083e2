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
    let dtypes: DTypeSet
    /// Ordered as people count.
    let children: [Node]
  }

  let roots: [Node]
  let sums: Sums
  /// Largest first.
  let dtypeSums: [(dtype: DType, sums: Sums)]

  /// - Parameter files: Tables of tensors, and the places in them of those that the tree is made of.
  init(_ files: [(tensors: TensorTable, places: [Int])]) {
    var parts = NameParts()
    var byDType: [Sums] = DType.allCases.map { _ in Sums() }
    for (tensors, places) in files {
      for place in places {
        let dtype = tensors.dtype(at: place)
        let dimensions = tensors.dimensions(at: place)
        let sums = Sums(
          tensors: 1, parameters: dimensions.reduce(1) { $0 &* Int(truncatingIfNeeded: $1) },
          bytes: tensors.dataOffsets(at: place).count)
        byDType[Int(dtype.rawValue)].add(sums)
        tensors.withNameBytes(at: place) { parts.insert($0, dtype, dimensions, sums) }
      }
    }
    roots = Grouping(parts).nodes(below: NameParts.root, copies: 1)
    var total = Sums()
    for sums in byDType { total.add(sums) }
    sums = total
    dtypeSums = DType.allCases.map { ($0, byDType[Int($0.rawValue)]) }.filter { $0.1.tensors > 0 }
      .sorted { $0.1.parameters > $1.1.parameters }
  }
}

extension NameTree {
  /// Makes the nodes that are shown from those of every name: numbered neighbours of one class become one.
  private struct Grouping {
    private let parts: NameParts
    private let classes: [Int]

    init(_ parts: NameParts) {
      self.parts = parts
      classes = parts.classes()
    }

    func nodes(below parent: Int, copies: Int) -> [Node] {
      let ordered = parts.children(of: parent)
        .map { (node: $0, part: parts.part(of: $0)) }
        .sorted { NaturalOrder.precedes($0.part, $1.part) }
      var groups: [(members: [Int], numbers: [Int])] = []
      var groupOfClass: [Int: Int] = [:]
      for (child, part) in ordered {
        guard let number = Self.number(part) else {
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
      return groups.map { node(of: $0.members, $0.numbers, copies: copies * $0.members.count) }
    }

    private func node(of members: [Int], _ numbers: [Int], copies: Int) -> Node {
      let first = members[0]
      let below = nodes(below: first, copies: copies)
      let tensor = parts.tensor(at: first)
      var sums = Sums()
      sums.add(parts.ownSums(of: first), times: copies)
      var dtypes = DTypeSet()
      if let tensor { dtypes.insert(tensor.dtype) }
      for node in below {
        sums.add(node.sums)
        dtypes.formUnion(node.dtypes)
      }
      return Node(
        label: members.count > 1 ? Self.label(numbers) : parts.part(of: first), tensor: tensor, copies: copies,
        sums: sums, dtypes: dtypes, children: below)
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
