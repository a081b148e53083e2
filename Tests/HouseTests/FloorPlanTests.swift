import Foundation
import Testing

/// The limits that keep every kind of thing in a room of its own.
@Suite struct FloorPlanTests {
  @Test func noFolderHasMoreThanSixteenFiles() throws {
    let counts = Dictionary(grouping: try SourceTree.files(under: "Sources"), by: \.folder).mapValues(\.count)
    #expect(!counts.isEmpty)
    for (folder, count) in counts.sorted(by: { $0.key < $1.key }) {
      #expect(count <= 16, "\(folder) has \(count) files")
    }
  }

  @Test func noFileIsLongerThanThreeHundredAndFiftyLines() throws {
    for file in try SourceTree.files(under: "Sources") where !file.isGenerated {
      #expect(file.lines.count - 1 <= 350, "\(file.path) has \(file.lines.count - 1) lines")
    }
  }

  /// A type's lines are those of its declaration and of all extensions of it in its target.
  @Test func noTypeIsLongerThanFiveHundredLines() throws {
    let head =
      /^(?:@\w+ )*(?:public |package |private |fileprivate )?(?:final |indirect )*(struct|enum|class|actor|protocol|extension) ([A-Z][\w.]*)/
    var lengths: [String: Int] = [:]
    for file in try SourceTree.files(under: "Sources", endings: ["swift"]) where !file.isGenerated {
      let target = file.path.split(separator: "/")[1]
      var open: String?
      for line in file.lines {
        if let match = line.firstMatch(of: head) { open = "\(target).\(match.2)" }
        guard let name = open else { continue }
        lengths[name, default: 0] += 1
        if line == "}" || (line.hasSuffix("}") && line.firstMatch(of: head) != nil) { open = nil }
      }
    }
    #expect(lengths.count > 100)
    for (name, length) in lengths.sorted(by: { $0.key < $1.key }) {
      #expect(length <= 500, "\(name) has \(length) lines")
    }
  }

  /// A file is named after a type that it declares or extends.
  @Test func filesAreNamedAfterTheirTypes() throws {
    for file in try SourceTree.files(under: "Sources", endings: ["swift"]) {
      let stem = file.name.dropLast(".swift".count).split(separator: "+")[0]
      let head = try Regex(
        "^(?:@\\w+ )*(?:public |package |private |fileprivate )?(?:final |indirect |nonisolated )*(?:struct|enum|class|actor|protocol|typealias|extension|func) (?:\\w+\\.)?\(stem)\\b"
      )
      #expect(file.lines.contains { $0.firstMatch(of: head) != nil }, "\(file.path) declares no \(stem)")
    }
  }
}
