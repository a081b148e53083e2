import ArgumentParser
import Foundation
import TestSupport
import Testing

@testable import MergeBenchmark

/// Programs that are run and files that are copied.
@Suite struct MeasureTests {
  @Test func aProgramThatSucceedsIsMeasured() throws {
    let result = try ChildProcess.run(["sh", "-c", "exit 0"])
    #expect(result.duration > .zero)
    #expect(result.peakByteCount > 0)
  }

  @Test func aFailureIsReportedWithItsFirstLine() {
    #expect(
      throws: BenchmarkError.failed(
        command: "sh -c echo one >&2; echo two >&2; exit 3", ending: .status(3), message: "one")
    ) { try ChildProcess.run(["sh", "-c", "echo one >&2; echo two >&2; exit 3"]) }
    #expect(throws: BenchmarkError.failed(command: "sh -c kill -9 $$", ending: .signal(9), message: "")) {
      try ChildProcess.run(["sh", "-c", "kill -9 $$"])
    }
  }

  @Test func moreErrorsThanAPipeHoldsDoNotBlock() {
    #expect(throws: BenchmarkError.self) {
      try ChildProcess.run([
        "sh", "-c", "i=0; while [ $i -lt 3000 ]; do printf '%0100d\\n' 0 >&2; i=$((i+1)); done; exit 1",
      ])
    }
  }

  @Test func aMissingProgramIsReported() {
    #expect(throws: BenchmarkError.cannotStart(program: "/nowhere/safemerge", code: ENOENT)) {
      try ChildProcess.run(["/nowhere/safemerge"])
    }
  }

  @Test func copiesHaveTheSameBytesAndTheFolderGoesAway() throws {
    let scratch = try Scratch()
    try MakeCommand.parse([scratch.path, "--quiet", "--size", "tiny", "--shards", "2"]).run()
    let files = try WeightFiles(base: scratch.file("base"))
    #expect(files.paths.count == 2)
    do {
      let place = try OutputFolder(in: scratch.path)
      try place.withFolder { folder throws(BenchmarkError) in
        try files.copyPlainly(to: folder)
        try WeightFiles.synchronize(folder)
        for path in files.paths {
          let copy = folder + "/" + (path as NSString).lastPathComponent
          #expect((try? contents(copy)) == (try? contents(path)))
        }
      }
    }
    #expect(try scratch.entries() == ["adapter", "base"])
  }

  @Test func mediansAndRatios() {
    let one = Distribution([3, 1, 2])
    #expect([one.median, one.smallest, one.largest] == [2, 1, 3])
    #expect(Distribution([1, 2, 4, 3]).median == 2.5)
    #expect(Distribution.ratios(one, Distribution([1, 2, 4])).values == [3, 0.5, 0.5])
  }

  @Test func numbersAreWrittenInOneWay() {
    #expect(Figures.fixed(1.005, 1) == "1.0")
    #expect(Figures.fixed(0.06, 1) == "0.1")
    #expect(Figures.fixed(-0.01, 1) == "0.0")
    #expect(Figures.fixed(12.5, 0) == "13")
    #expect(Figures.mebibytes(3 << 19) == "1.5 MiB")
    #expect(Folders.parent(of: "/a/b/") == "/a")
    #expect(Folders.parent(of: "/a") == "/")
    #expect(Folders.parent(of: "a") == ".")
  }
}
