import Safetensors

/// Names split at their dots: a node for each part of each name, and classes of equal nodes.
struct NameParts {
  /// The node above all first parts.
  static let root = 0

  private struct Node {
    let part: Int
    /// The position of type and shape in `kinds`; -1 if no tensor has this name.
    var kind = -1
    /// For the tensors with exactly this name.
    var sums = NameTree.Sums()
    var firstChild = -1
    var lastChild = -1
    var nextSibling = -1
    var childCount = 0
  }

  private struct Edge: Hashable {
    let parent: Int
    let part: Int
  }

  /// Modules are not nested that deep: the rest of a name is one part, which bounds the depth of the tree.
  private static let largestDepth = 64
  /// Up to this many children are searched linearly; most nodes have fewer.
  private static let fewChildren = 8

  private var parts: [TensorName] = []
  private var partNumbers: [TensorName: Int] = [:]
  /// A child has a larger number than its parent.
  private var nodes = [Node(part: -1)]
  /// The children of nodes that have more than a few.
  private var edges: [Edge: Int] = [:]
  private var kinds: [(type: ElementType, shape: [Int])] = []
  private var kindNumbers = RunNumbers()
  private var formats: [String: Int] = [:]
  private var run: [Int] = []
  /// The previous name, the ends of its parts and their nodes: neighbors share most of them.
  private var lastName: [UInt8] = []
  private var lastParts: [(end: Int, node: Int)] = []

  /// Adds a tensor.
  mutating func insert(
    _ name: Span<UInt8>, _ type: ElementType, _ shape: ArraySlice<UInt64>, _ sums: NameTree.Sums
  ) {
    let common = min(name.count, lastName.count)
    var shared = 0
    while shared < common, name[shared] == lastName[shared] { shared += 1 }
    // A part is shared if its dot, or the end of both names, is.
    while let end = lastParts.last?.end,
      !(end < shared || (end == shared && end == name.count && end == lastName.count))
    {
      lastParts.removeLast()
    }
    var node = lastParts.last?.node ?? Self.root
    var start = lastParts.last.map { $0.end + 1 } ?? 0
    while start <= name.count {
      var end = lastParts.count == Self.largestDepth - 1 ? name.count : start
      while end < name.count, name[end] != UInt8(ascii: ".") { end += 1 }
      node = child(of: node, partNumber(name, start..<end))
      lastParts.append((end, node))
      start = end + 1
    }
    lastName.removeSubrange(shared...)
    for index in shared..<name.count { lastName.append(name[index]) }
    nodes[node].kind = kindNumber(type, shape)
    nodes[node].sums.add(sums)
  }

  private mutating func partNumber(_ name: Span<UInt8>, _ range: Range<Int>) -> Int {
    let part = TensorName(name.withUnsafeBufferPointer { String(decoding: $0[range], as: UTF8.self) })
    if let number = partNumbers[part] { return number }
    partNumbers[part] = parts.count
    parts.append(part)
    return parts.count - 1
  }

  private mutating func kindNumber(_ type: ElementType, _ shape: ArraySlice<UInt64>) -> Int {
    run.removeAll(keepingCapacity: true)
    switch type {
    case .dtype(let dtype): run.append(Int(dtype.rawValue))
    case .format(let name):
      let number = formats[name] ?? formats.count
      formats[name] = number
      run.append(DType.allCases.count + number)
    }
    for dimension in shape { run.append(Int(truncatingIfNeeded: dimension)) }
    let number = kindNumbers.number(of: run)
    if number == kinds.count { kinds.append((type, Array(run.dropFirst()))) }
    return number
  }

  private mutating func child(of parent: Int, _ part: Int) -> Int {
    if nodes[parent].childCount > Self.fewChildren {
      if let node = edges[Edge(parent: parent, part: part)] { return node }
    } else {
      var node = nodes[parent].firstChild
      while node >= 0 {
        if nodes[node].part == part { return node }
        node = nodes[node].nextSibling
      }
    }
    let node = nodes.count
    nodes.append(Node(part: part))
    if nodes[parent].lastChild >= 0 {
      nodes[nodes[parent].lastChild].nextSibling = node
    } else {
      nodes[parent].firstChild = node
    }
    nodes[parent].lastChild = node
    nodes[parent].childCount += 1
    if nodes[parent].childCount == Self.fewChildren + 1 {
      for child in children(of: parent) { edges[Edge(parent: parent, part: nodes[child].part)] = child }
    } else if nodes[parent].childCount > Self.fewChildren {
      edges[Edge(parent: parent, part: part)] = node
    }
    return node
  }

  func part(of node: Int) -> String { parts[nodes[node].part].string }

  /// For the tensor with exactly this name; nil if there is none.
  func tensor(at node: Int) -> (type: ElementType, shape: [Int])? {
    nodes[node].kind < 0 ? nil : kinds[nodes[node].kind]
  }

  func ownSums(of node: Int) -> NameTree.Sums { nodes[node].sums }

  /// In order of insertion.
  func children(of node: Int) -> [Int] {
    var children: [Int] = []
    children.reserveCapacity(nodes[node].childCount)
    var child = nodes[node].firstChild
    while child >= 0 {
      children.append(child)
      child = nodes[child].nextSibling
    }
    return children
  }

  /// The class of each node. Nodes of one class have the same names below them, with the same dtypes, shapes and
  /// totals.
  func classes() -> [Int] {
    var numbers = RunNumbers()
    var classes = [Int](repeating: 0, count: nodes.count)
    var below: [(part: Int, class: Int)] = []
    var run: [Int] = []
    for number in nodes.indices.reversed() {
      let node = nodes[number]
      below.removeAll(keepingCapacity: true)
      var isOrdered = true
      var child = node.firstChild
      while child >= 0 {
        let part = nodes[child].part
        if let last = below.last, last.part > part { isOrdered = false }
        below.append((part, classes[child]))
        child = nodes[child].nextSibling
      }
      if !isOrdered { below.sort { $0.part < $1.part } }
      run.removeAll(keepingCapacity: true)
      run.append(node.kind)
      run.append(node.sums.tensors)
      run.append(node.sums.parameters)
      run.append(node.sums.bytes)
      for (part, number) in below {
        run.append(part)
        run.append(number)
      }
      classes[number] = numbers.number(of: run)
    }
    return classes
  }
}
