import Foundation
import TestSupport
import Testing

/// `safemerge merge --report FILE.html` and `safemerge report`.
@Suite struct ReportPageTests {
  private static let arguments = [
    "merge", basePath("llama-bf16-sharded"), adapterPath("linear-bf16"), "--checksums", "-q", "-o", "merged",
  ]

  @Test func theSamePageInOneStepAndInTwo() throws {
    let scratch = try Scratch()
    #expect(
      try Program.run(Self.arguments + ["--report", "one.html"], folder: scratch.path).status == 0)
    let page = String(decoding: try contents(scratch.file("one.html")), as: UTF8.self)
    #expect(page.hasPrefix("<!DOCTYPE html>\n<html lang=\"en\">"))
    #expect(page.hasSuffix("</html>\n"))
    for text in ["tensors merged", "tensors copied", "model.layers", "model-00004-of-00004.safetensors"] {
      #expect(page.contains(text), "\(text)")
    }
    #expect(try Program.run(Self.arguments + ["--report", "r.json", "-f"], folder: scratch.path).status == 0)
    let made = try Program.run(["report", "r.json", "-o", "two.html"], folder: scratch.path)
    #expect(made.status == 0 && made.errors == [] && made.output == [])
    #expect(try contents(scratch.file("two.html")) == contents(scratch.file("one.html")))
    let printed = try Program.run(["report", "r.json"], folder: scratch.path)
    #expect(printed.status == 0)
    #expect(printed.output == Array(page.utf8))
    // Nothing is replaced without being told to, and never the report itself.
    expectRefusal(try Program.run(["report", "r.json", "-o", "two.html"], folder: scratch.path), status: 5)
    expectRefusal(try Program.run(["report", "r.json", "-f", "-o", "r.json"], folder: scratch.path), status: 5)
    #expect(try Program.run(["report", "r.json", "-f", "-o", "two.html"], folder: scratch.path).status == 0)
    #expect(try scratch.entries() == ["merged", "one.html", "r.json", "two.html"])
  }

  private static let hasBrowser = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"].contains
  {
    FileManager.default.isExecutableFile(atPath: "/usr/bin/" + $0)
  }

  /// At two widths, in light and in dark; `.ci/nightly/check-report-page` says what it looks at.
  @Test(
    .enabled(if: hasBrowser, "no Chromium in /usr/bin, such as chromium-headless-shell"), arguments: ["small", "large"])
  func aBrowserShowsIt(page: String) throws {
    let script = fixturesPath() + "/../.ci/nightly/check-report-page"
    let result = try Program.run([], shell: "exec python3 '\(script)' \"$0\" --page \(page)")
    #expect(result.status == 0, "\(result.text) \(result.messages)")
    #expect(result.lines.count == 4 && result.lines.allSatisfy { $0.contains(": ok (") }, "\(result.text)")
  }

  @Test func otherFilesAreRefused() throws {
    let scratch = try Scratch()
    for (text, message) in [
      ("{}", "\"schema\" is missing; expected an integer"), ("{", "not valid JSON"), ("[1]", "found an array"),
      (
        "{\"schema\": 1}",
        "\"program\" is missing; expected a string [report]\n  hint: pass a file that safemerge merge --report"
      ),
    ] {
      try scratch.write(text, to: "r.json")
      let result = try Program.run(["report", "r.json", "-o", "p.html"], folder: scratch.path)
      let line = expectRefusal(result, status: 3, text)
      #expect(line.contains(message) && line.contains("[report]\n"), "\(line)")
    }
    let missing = try Program.run(["report", "rr.json", "-o", "p.html"], folder: scratch.path)
    #expect(expectRefusal(missing, status: 4).contains("did you mean r.json?"))
    expectRefusal(try Program.run(["report", "r.json", "-o", "no/p.html"], folder: scratch.path), status: 4)
    #expect(try Program.run(["report"]).status == 2)
    #expect(try scratch.entries() == ["r.json"])
  }

  @Test(arguments: [">/dev/full", ">&-"]) func aPageThatCannotBePrinted(stream: String) throws {
    guard stream == ">&-" || FileManager.default.fileExists(atPath: "/dev/full") else { return }
    let scratch = try Scratch()
    #expect(try Program.run(Self.arguments + ["--report", "r.json"], folder: scratch.path).status == 0)
    let result = try Program.run(
      ["report", "r.json"], shell: "exec \"$0\" \"$@\" \(stream)", folder: scratch.path)
    #expect(expectRefusal(result, status: 4).contains("standard output"))
  }
}
