import JSONText

/// The tensors of one stack of layers as a table: a row per layer, a column per kind of tensor.
struct HeatMap: Equatable {
  /// A cell, summed over all its tensors, such as the experts of a layer.
  struct Cell: Equatable {
    private(set) var tensorCount = 0
    private var deltaSquares = 0.0
    private var baseSquares = 0.0
    private var lostSquares = 0.0

    mutating func add(_ figures: ReportDocument.Figures) {
      tensorCount += 1
      deltaSquares += figures.deltaNorm * figures.deltaNorm
      baseSquares += figures.baseNorm * figures.baseNorm
      let lost = (figures.roundingLoss ?? 0) * figures.deltaNorm
      lostSquares += lost * lost
    }

    /// The norm of the change relative to the base's; nil if the base is zero.
    var deltaToBase: Double? { baseSquares > 0 ? (deltaSquares / baseSquares).squareRoot() : nil }
    /// The share of the change that rounding lost; nil if there is no change.
    var roundingLoss: Double? { deltaSquares > 0 ? (lostSquares / deltaSquares).squareRoot() : nil }
  }

  /// The part of the names before the layers' numbers, such as `model.layers`.
  let stack: String
  /// In order.
  let layers: [Int]
  /// The part of the names after the number, in order of first occurrence.
  let kinds: [String]
  /// A row per layer; nil if a layer has no such tensor.
  let cells: [[Cell?]]

  /// If there are more kinds than this, kinds that differ only in numbers, such as experts, are merged.
  static let unfoldedKindLimit = 24

  /// The maps of a report's tensors, in order of first occurrence, and the tensors that are in no layer.
  static func maps(_ tensors: [ReportDocument.Tensor]) -> (maps: [HeatMap], others: [ReportDocument.Tensor]) {
    var stacks: [String] = []
    var members: [String: [(place: Place, figures: ReportDocument.Figures)]] = [:]
    var others: [ReportDocument.Tensor] = []
    for tensor in tensors {
      guard let place = Place(tensor.name) else {
        others.append(tensor)
        continue
      }
      if members[place.stack] == nil { stacks.append(place.stack) }
      members[place.stack, default: []].append((place, tensor.figures))
    }
    return (stacks.map { HeatMap($0, members[$0] ?? []) }, others)
  }

  private init(_ stack: String, _ members: [(place: Place, figures: ReportDocument.Figures)]) {
    let folds = Set(members.map(\.place.kind)).count > Self.unfoldedKindLimit
    func kind(_ place: Place) -> String { folds ? place.foldedKind : place.kind }
    var columns: [String: Int] = [:]
    var kinds: [String] = []
    for member in members where columns[kind(member.place)] == nil {
      columns[kind(member.place)] = kinds.count
      kinds.append(kind(member.place))
    }
    layers = Set(members.map(\.place.layer)).sorted()
    let rows = Dictionary(uniqueKeysWithValues: layers.enumerated().map { ($0.element, $0.offset) })
    var cells = [[Cell?]](repeating: [Cell?](repeating: nil, count: kinds.count), count: layers.count)
    for member in members {
      guard let row = rows[member.place.layer], let column = columns[kind(member.place)] else { continue }
      var cell = cells[row][column] ?? Cell()
      cell.add(member.figures)
      cells[row][column] = cell
    }
    self.stack = stack
    self.kinds = kinds
    self.cells = cells
  }

  /// The position of a tensor, by the first number in its name: `model.layers.3.self_attn.q_proj.weight` is layer 3 of
  /// `model.layers`, and of the kind `self_attn.q_proj`.
  struct Place: Equatable {
    let stack: String
    let layer: Int
    let kind: String

    /// Nil for a name without a number as a component.
    init?(_ name: String) {
      // Works on bytes: to Swift a dot and a following combining accent are one character.
      let parts = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        .map { String(Substring($0)) }
      guard let number = parts.firstIndex(where: Self.isNumber), number + 1 < parts.count,
        let layer = Int(parts[number])
      else { return nil }
      stack = parts[..<number].joined(separator: ".")
      self.layer = layer
      var rest = Array(parts[(number + 1)...])
      if rest.count > 1, rest.last == "weight" { rest.removeLast() }
      kind = rest.joined(separator: ".")
    }

    /// The name with a star for every number.
    var foldedKind: String {
      kind.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map { String(Substring($0)) }
        .map { Self.isNumber($0) ? "*" : $0 }.joined(separator: ".")
    }

    private static func isNumber(_ text: String) -> Bool {
      !text.isEmpty && text.utf8.count <= 9 && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }
  }
}
