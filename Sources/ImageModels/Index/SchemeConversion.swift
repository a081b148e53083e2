import ModelNames

/// Finds what the parameters of a component are called in the other schemes, and of which rows they are made.
struct SchemeConversion {
  let architecture: Architecture
  let table: RuleTable
  /// The component's tensors by their own names, for the sizes that cuts follow from.
  let shapes: [String: [Int]]
  /// How many blocks there are, by the first segment of their names.
  let blockCounts: [Substring: Int]

  /// The parameters in diffusers' names of a component whose names are those of the table.
  func toDiffusers(_ views: [NamedView]) -> [NamedView] {
    var result: [NamedView] = []
    for own in views {
      let matches = table.matches(own.name, on: .native)
      if matches.isEmpty, architecture.keepsUnlistedNames { result.append(own) }
      for match in matches {
        guard let number = match.rule else {
          result.append(NamedView(name: match.other, view: own.view, rule: nil))
          continue
        }
        let rule = table.rules[number]
        guard holds(rule, own.name, match.values) else { continue }
        let view = own.view.flatMap { view in cut(view, rule, match.values, of: match.other, from: own.name) }
        result.append(NamedView(name: match.other, view: view, rule: rule.text))
      }
    }
    return result
  }

  /// The parameters in the table's names of a component whose parameters have diffusers' names.
  func toNative(_ views: [NamedView]) -> [NamedView] {
    var result: [NamedView] = []
    var parts: [String: [Int: NamedView]] = [:]
    var order: [(name: String, rule: Int, values: [Int])] = []
    for own in views {
      let matches = table.matches(own.name, on: .diffusers)
      if matches.isEmpty, architecture.keepsUnlistedNames { result.append(own) }
      for match in matches {
        guard let number = match.rule else {
          result.append(NamedView(name: match.other, view: own.view, rule: nil))
          continue
        }
        guard holds(table.rules[number], own.name, match.values) else { continue }
        if parts[match.other] == nil { order.append((match.other, number, match.values)) }
        parts[match.other, default: [:]][number] = own
      }
    }
    for (name, number, values) in order {
      let view = joined(parts[name] ?? [:], table.siblings(of: number), values, name: name)
      result.append(NamedView(name: name, view: view, rule: table.rules[number].text))
    }
    return result
  }

  /// More names of rows of the table's modules.
  func aliases(of views: [NamedView]) -> [NamedView] {
    guard !table.aliases.isEmpty else { return [] }
    var result: [NamedView] = []
    for own in views {
      guard let dot = own.name.lastIndex(of: "."), own.name[dot...] == ".weight" || own.name[dot...] == ".bias" else {
        continue
      }
      let module = ModulePattern.key(of: own.name[..<dot])
      for rule in table.aliases where rule.diffusers.key == module.key {
        guard let values = rule.diffusers.values(of: module.numbers) else { continue }
        let name = rule.native.name(values) + own.name[dot...]
        let view = own.view.flatMap { view in cut(view, rule, values, of: name, from: own.name) }
        result.append(NamedView(name: name, view: view, rule: rule.text))
      }
    }
    return result
  }

  /// The rows of a native parameter that a rule names.
  private func cut(
    _ view: TensorView, _ rule: NameRule, _ values: [Int], of target: String, from source: String
  ) -> Result<TensorView, NameProblem> {
    let found: TensorView?
    switch rule.cut {
    case .whole, .wholeInLast, .wholeBeforeLast: found = view
    case .swapped: found = view.swapped()
    case .swappedInLast: found = isLast(source, values) ? view.swapped() : view
    case .transposed: found = view.transposed()
    case .withoutKernel: found = view.withoutKernel()
    case .part(let part, let count):
      let rows = view.rowCount / count
      found = view.rowCount % count == 0 ? view.rows(part * rows..<(part + 1) * rows) : nil
    case .hidden(let first, let end):
      guard let size = hiddenSize else { return .failure(.unknownSlice(target: target, rule: rule.text)) }
      let last = end.map { $0 * size } ?? view.rowCount
      found = first * size <= last ? view.rows(first * size..<last) : nil
    case .grouped(let block, let pattern):
      guard let queries = shapes[pattern.name(values) + ".weight"]?.first else {
        return .failure(.unknownSlice(target: target, rule: rule.text))
      }
      let rest = view.rowCount - queries
      let start = block == 0 ? 0 : queries + (block - 1) * rest / 2
      found = rest >= 0 && rest % 2 == 0 ? view.rows(start..<start + (block == 0 ? queries : rest / 2)) : nil
    }
    guard let found else { return .failure(.partShape(target: target, tensor: source, found: view.shape)) }
    return .success(found)
  }

  /// A native parameter of the diffusers parameters that it is made of.
  private func joined(
    _ parts: [Int: NamedView], _ rules: [Int], _ values: [Int], name: String
  ) -> Result<TensorView, NameProblem> {
    var result: TensorView?
    for number in rules where parts[number] != nil || isNeeded(table.rules[number]) {
      guard let part = parts[number] else {
        return .failure(.missingPart(target: name, expert: nil, like: parts.values.map(\.name).min() ?? name))
      }
      let view: TensorView
      switch part.view {
      case .success(let found): view = found
      case .failure(let problem): return .failure(problem)
      }
      let turned: TensorView?
      switch table.rules[number].cut {
      case .swapped: turned = view.swapped()
      case .swappedInLast: turned = isLast(part.name, values) ? view.swapped() : view
      case .transposed: turned = view.transposed()
      case .withoutKernel: turned = view.withKernel()
      case .part where result.map({ $0.rowCount != view.rowCount * (rules.firstIndex(of: number) ?? 0) }) ?? false:
        turned = nil
      case .whole, .wholeInLast, .wholeBeforeLast, .part, .hidden, .grouped: turned = view
      }
      let next = turned.flatMap { turned in result.map { $0.followed(by: turned) } ?? turned }
      guard let next else { return .failure(.partShape(target: name, tensor: part.name, found: view.shape)) }
      result = next
    }
    return result.map { .success($0) } ?? .failure(.missingPart(target: name, expert: nil, like: name))
  }

  /// The rows of the parameter that has as many as the hidden size.
  private var hiddenSize: Int? {
    guard let name = table.hidden else { return nil }
    return (shapes[name] ?? table.matches(name, on: .native).first.flatMap { shapes[$0.other] })?.first
  }

  /// Whether a rule is of the block that a name is in.
  private func holds(_ rule: NameRule, _ name: String, _ values: [Int]) -> Bool {
    switch rule.cut {
    case .wholeInLast: isLast(name, values)
    case .wholeBeforeLast: !isLast(name, values)
    default: true
    }
  }

  /// Whether a native parameter always has the part that a rule names.
  private func isNeeded(_ rule: NameRule) -> Bool {
    switch rule.cut {
    case .wholeInLast, .wholeBeforeLast: false
    default: true
    }
  }

  /// Whether a name is of the last block of its list.
  private func isLast(_ name: String, _ values: [Int]) -> Bool {
    guard let number = values.first, let dot = name.firstIndex(of: ".") else { return false }
    return blockCounts[name[..<dot]] == number + 1
  }
}
