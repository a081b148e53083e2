import Checkpoints
import MergePlanning
import Platform
import Safetensors

/// The tensors of a listing by the parts of their names, with totals. Equal numbered neighbors are merged.
///
/// Time and memory grow with the bytes of the names.
struct NameTree: Sendable {
  /// Totals over the tensors below a node of the tree.
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

  /// One part of a name, or several numbers whose subtrees are equal.
  struct Node: Sendable {
    /// The part of the name, or as `[0-31]` the numbers.
    let label: String
    /// For the tensor with exactly this name; nil if there is none.
    let tensor: (type: ElementType, shape: [Int])?
    /// The number of names that this node and its ancestors represent.
    let copies: Int
    /// Over all copies.
    let sums: Sums
    let dtypes: ElementTypes
    /// In natural order.
    let children: [Node]
  }

  let roots: [Node]
  let sums: Sums
  /// Largest first.
  let dtypeSums: [(type: ElementType, sums: Sums)]

  /// An entry of the tree that differs from its header: a quantized weight, with the totals of its tensors.
  struct Weight: Sendable {
    let name: TensorName
    let type: ElementType
    let shape: [Int]
    let sums: Sums
  }

  /// The tensors of one file in the tree.
  struct File: Sendable {
    let tensors: TensorTable
    let places: [Int]
    /// Entries that differ from their headers, by position.
    var weights: [Int: Weight] = [:]
  }

  init(_ files: [File]) {
    var parts = NameParts()
    var byDType: [Sums] = DType.allCases.map { _ in Sums() }
    var byFormat: [ElementType: Sums] = [:]
    for file in files {
      let tensors = file.tensors
      for place in file.places {
        if let weight = file.weights[place] {
          let bytes = Array(weight.name.string.utf8)
          parts.insert(bytes.span, weight.type, weight.shape.map { UInt64($0) }[...], weight.sums)
          byFormat[weight.type, default: Sums()].add(weight.sums)
          continue
        }
        let dtype = tensors.dtype(at: place)
        let dimensions = tensors.dimensions(at: place)
        let sums = Sums(
          tensors: 1, parameters: dimensions.reduce(1) { $0 &* Int(truncatingIfNeeded: $1) },
          bytes: tensors.dataOffsets(at: place).count)
        byDType[Int(dtype.rawValue)].add(sums)
        tensors.withNameBytes(at: place) { parts.insert($0, .dtype(dtype), dimensions, sums) }
      }
    }
    roots = Grouping(parts).nodes(below: NameParts.root, copies: 1)
    for dtype in DType.allCases { byFormat[.dtype(dtype), default: Sums()].add(byDType[Int(dtype.rawValue)]) }
    let all = byFormat.sorted { $0.key.name < $1.key.name }.map { (type: $0.key, sums: $0.value) }
    var total = Sums()
    for entry in all { total.add(entry.sums) }
    sums = total
    dtypeSums = all.filter { $0.sums.tensors > 0 }.sorted { $0.sums.parameters > $1.sums.parameters }
  }

  /// The tree of the selected tensors of one listing.
  init(_ selection: ListSelection, listing number: Int) throws {
    let listing = selection.listings[number]
    self.init(
      try WorkQueue.map(Array(listing.files.enumerated())) { file, content in
        var places: [Int] = []
        var weights: [Int: Weight] = [:]
        for index in selection.places(listing: number, file: file) {
          switch selection.role(listing: number, file: file, index: index) {
          case .part: continue
          case .codes(let weight):
            let row = ListedTensor(name: "", listing: number, file: file, index: index, weight: weight)
            weights[index] = Weight(row, selection)
          case .plain:
            // Codes or parts that a glob selects alone: codes count as parameters of their weight, parts do not count.
            if selection.weights[number].role(file: file, index: index) != .plain {
              let row = ListedTensor(name: "", listing: number, file: file, index: index)
              weights[index] = Weight(alone: content.header.tensors[index], selection.parameterCount(row))
            }
          }
          places.append(index)
        }
        return File(tensors: content.header.tensors, places: places, weights: weights)
      })
  }
}

extension NameTree.Weight {
  fileprivate init(alone tensor: TensorInfo, _ parameters: Int) {
    name = tensor.name
    type = .dtype(tensor.dtype)
    shape = tensor.shape
    sums = NameTree.Sums(tensors: 1, parameters: parameters, bytes: tensor.byteCount)
  }

  fileprivate init?(_ row: ListedTensor, _ selection: ListSelection) {
    guard let weight = selection.weight(row) else { return nil }
    name = weight.name
    type = .format(weight.label)
    shape = weight.shape ?? [selection.parameterCount(row)]
    sums = NameTree.Sums(
      tensors: weight.members.count, parameters: selection.parameterCount(row), bytes: selection.byteCount(row))
  }
}

extension NameTree {
  /// Makes the nodes that are shown: numbered neighbors of one class are merged.
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
      var dtypes = ElementTypes()
      if let tensor { dtypes.insert(tensor.type) }
      for node in below {
        sums.add(node.sums)
        dtypes.formUnion(node.dtypes)
      }
      return Node(
        label: members.count > 1 ? Self.label(numbers) : parts.part(of: first), tensor: tensor, copies: copies,
        sums: sums, dtypes: dtypes, children: below)
    }

    /// The value of a part that is a number in canonical form.
    private static func number(_ part: String) -> Int? {
      guard let first = part.utf8.first, part.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
      return first == 0x30 && part.utf8.count > 1 ? nil : Int(part)
    }

    /// `[0-2,5]` for ascending numbers.
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
