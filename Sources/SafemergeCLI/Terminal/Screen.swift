import Synchronization

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// A standard stream as a place for text that people read: its width and its colors.
struct Screen: Sendable {
  /// The columns of the terminal; nil for a pipe or a file, where nothing is shortened or wrapped.
  let width: Int?
  let style: TextStyle

  static let plain = Screen(width: nil, style: .plain)

  private static let mode = Mutex(ColorMode.auto)

  /// The value of `--color`, for the whole process.
  static var color: ColorMode {
    get { mode.withLock { $0 } }
    set { mode.withLock { $0 = newValue } }
  }

  static var output: Screen { Screen(STDOUT_FILENO) }
  static var error: Screen { Screen(STDERR_FILENO) }

  init(width: Int?, style: TextStyle) {
    self.width = width
    self.style = style
  }

  private init(_ descriptor: Int32) {
    let isTerminal = StandardStreams.isTerminal(descriptor)
    width = isTerminal ? StandardStreams.width(descriptor) : nil
    style = TextStyle(
      isColored: Self.color.isOn(isTerminal: isTerminal, environment: ProcessEnvironment.variables))
  }

  /// The line, broken between words where it is wider than the terminal.
  ///
  /// - Parameter indentation: Spaces before each line but the first.
  func wrapped(_ line: String, indentation: Int = 2) -> [String] {
    guard let width else { return [line] }
    return Self.wrapped(line, width: width, indentation: indentation)
  }

  /// A word that is too wide for a line with the indentation begins at the margin, so that a terminal that breaks it copies
  /// it as one.
  static func wrapped(_ line: String, width: Int, indentation: Int = 2) -> [String] {
    guard line.unicodeScalars.count > width else { return [line] }
    let margin = String(repeating: " ", count: indentation)
    var lines: [String] = []
    var current = ""
    var isEmpty = true
    var gap = 0
    for word in words(line) {
      if word.isEmpty {
        gap += 1
        continue
      }
      let isFirst = isEmpty && lines.isEmpty
      let spaces = String(repeating: " ", count: isEmpty && !isFirst ? 0 : gap)
      if !isEmpty, current.unicodeScalars.count + gap + word.unicodeScalars.count > width {
        lines.append(current)
        current = word.unicodeScalars.count > width - indentation ? String(word) : margin + word
      } else {
        current += spaces + word
      }
      isEmpty = false
      gap = 1
    }
    return lines + [current]
  }

  /// The words of a line, empty ones between two spaces. A number and its unit are one, and so is what stands in brackets.
  private static func words(_ line: String) -> [Substring] {
    var words: [Substring] = []
    for word in line.split(separator: " ", omittingEmptySubsequences: false) {
      if let last = words.last, !last.isEmpty, !word.isEmpty, isOne(last, with: word) {
        words[words.count - 1] = line[last.startIndex..<word.endIndex]
      } else {
        words.append(word)
      }
    }
    return words
  }

  private static func isOne(_ word: Substring, with next: Substring) -> Bool {
    if let bracket = word.lastIndex(of: "["), !word[bracket...].contains("]") {
      return word[bracket...].dropFirst().allSatisfy { $0.isNumber || $0 == "," || $0 == " " }
    }
    return word.last?.isNumber == true && units.contains(String(next.prefix { $0 == "%" || $0.isLetter }))
  }

  private static let units: Set<String> = ["%", "B", "KiB", "MiB", "GiB", "TiB", "s", "ms", "min", "h", "ulp"]
}
