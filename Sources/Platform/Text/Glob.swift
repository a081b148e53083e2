/// Shell-like patterns on names of tensors and files: `*` any run of characters, dots and slashes too, `?` one
/// character, `[a-c]` one of a set, `[!a-c]` one of all others, `\` takes the next character as it is.
package struct Glob: Sendable {
  private enum Element {
    case run
    case any
    case scalar(Unicode.Scalar)
    case set([ClosedRange<Unicode.Scalar>], isNegated: Bool)
  }

  private let elements: [Element]

  package init(_ pattern: String) {
    var elements: [Element] = []
    var rest = Substring(pattern).unicodeScalars
    while let scalar = rest.popFirst() {
      switch scalar {
      case "*": elements.append(.run)
      case "?": elements.append(.any)
      case "\\": elements.append(.scalar(rest.popFirst() ?? "\\"))
      case "[":
        if let (set, remainder) = Self.set(rest) {
          elements.append(set)
          rest = remainder
        } else {
          elements.append(.scalar("["))
        }
      default: elements.append(.scalar(scalar))
      }
    }
    self.elements = elements
  }

  private static func set(
    _ text: Substring.UnicodeScalarView
  ) -> (Element, Substring.UnicodeScalarView)? {
    var rest = text
    let isNegated = rest.first == "!" || rest.first == "^"
    if isNegated { rest.removeFirst() }
    var ranges: [ClosedRange<Unicode.Scalar>] = []
    while let scalar = rest.popFirst() {
      if scalar == "]", !ranges.isEmpty { return (.set(ranges, isNegated: isNegated), rest) }
      var last = scalar
      let afterDash = rest.dropFirst()
      if rest.first == "-", let end = afterDash.first, end != "]" {
        last = end
        rest = afterDash.dropFirst()
      }
      ranges.append(min(scalar, last)...max(scalar, last))
    }
    return nil
  }

  /// Whether all of `name` matches, in time bounded by the product of the two lengths.
  package func matches(_ name: String) -> Bool {
    let scalars = Array(name.unicodeScalars)
    var element = 0
    var position = 0
    var retry: (element: Int, position: Int)?
    while position < scalars.count {
      if element < elements.count, case .run = elements[element] {
        retry = (element + 1, position)
        element += 1
      } else if element < elements.count, Self.fits(elements[element], scalars[position]) {
        element += 1
        position += 1
      } else if let last = retry {
        retry = (last.element, last.position + 1)
        element = last.element
        position = last.position + 1
      } else {
        return false
      }
    }
    return elements[element...].allSatisfy { if case .run = $0 { true } else { false } }
  }

  private static func fits(_ element: Element, _ scalar: Unicode.Scalar) -> Bool {
    switch element {
    case .run: false
    case .any: true
    case .scalar(let wanted): scalar == wanted
    case .set(let ranges, let isNegated): ranges.contains { $0.contains(scalar) } != isNegated
    }
  }
}
