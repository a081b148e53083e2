import AdapterWriting
import Checkpoints
import JSONText
import MergeEngine
import Platform
import Safetensors
import Staging
import Synchronization
import TestSupport
import Testing

/// An adapter is written complete or not at all, and a run resumes what an interrupted one made.
@Suite struct AdapterWriterTests {
  private let scratch: Scratch
  private let units = TestUnits()

  init() throws { scratch = try Scratch() }

  private var output: String { scratch.file("adapter") }

  private static func identity(_ option: String = "1") throws -> MergeIdentity {
    try MergeIdentity(command: "test", version: "1", options: [.init(name: "option", value: option)])
  }

  private static func document(_ units: [FinishedUnit]) -> AdapterDocument {
    var document = AdapterDocument()
    let counts = units.map { unit -> Int64 in
      guard case .integer(let count)? = unit.facts["count"] else { return -1 }
      return count
    }
    document.texts = [("adapter_config.json", Array("\(counts)".utf8))]
    return document
  }

  @discardableResult
  private func run(
    _ all: [AdapterUnit], identity: String = "1", workers: Int = 1, interruption: Interruption = .never,
    document: ([FinishedUnit]) throws -> AdapterDocument = Self.document
  ) throws -> AdapterOutcome {
    try AdapterWriter(all, workers: workers, interruption: interruption).run(
      to: AdapterDestination(output, isFolder: true, inputs: []), as: try Self.identity(identity), document: document)
  }

  @Test func theAdapterHasTheUnitsTheTextsAndTheRecord() throws {
    let outcome = try run([units.unit("b", [1, 2]), units.unit("a", [3])], workers: 2)
    #expect(try scratch.entries() == ["adapter"])
    #expect(try scratch.entries("adapter") == [".safemerge.json", "adapter_config.json", "adapter_model.safetensors"])
    #expect(try contents(output + "/adapter_config.json") == Array("[2, 1]".utf8))
    let tensors = try readTensors(output + "/adapter_model.safetensors")
    #expect(tensors.map(\.name) == ["a.weight", "b.weight"])
    #expect(tensors.map(\.bytes) == [[0, 0, 64, 64], [0, 0, 128, 63, 0, 0, 0, 64]])
    #expect(outcome.tensorCount == 2)
    #expect(outcome.units.map(\.isKept) == [false, false])
    let sizes = try tree(output).values.reduce(0) { $0 + $1.count }
    #expect(outcome.byteCount == sizes)
  }

  /// A factor of zeros would take the whole change away.
  @Test func numbersThatAllBecomeZeroAreRefused() throws {
    func tensor(_ values: [Float], _ dtype: DType) throws -> AdapterTensor {
      try AdapterTensor(name: "a", dtype: dtype, shape: [values.count], values: values, path: "adapter")
    }
    for (values, dtype) in [
      ([-1e-9, 0, 2e-9], DType.f16), ([.leastNonzeroMagnitude, -.leastNonzeroMagnitude], .bf16),
    ] as [([Float], DType)] {
      let error = try #require(refusal { _ = try tensor(values, dtype) } as? MergeError)
      #expect(error.problem == .underflow(count: 2, dtype: dtype) && error.errorClass == "underflow")
      #expect(error.hint?.contains("--dtype float32") == true && error.tensor == "a")
      #expect(try tensor(values, .f32).bytes.contains { $0 != 0 })
    }
    #expect(try tensor([0, -0.0], .f16).bytes == [0, 0, 0, 0x80])
    #expect(try tensor([1e-9, 1], .f16).bytes == [0, 0, 0, 0x3C])
  }

  @Test func aFileHasTheUnitsInTheOrderGiven() throws {
    let path = scratch.file("adapter.safetensors")
    try AdapterWriter([units.unit("b", [1, 2]), units.unit("a", [3])], workers: 2).run(
      to: AdapterDestination(path, isFolder: false, inputs: []), as: try Self.identity()
    ) { _ in
      var document = AdapterDocument()
      document.order = .given
      document.metadata = [.init(key: "ss_network_dim", value: "1")]
      return document
    }
    #expect(try scratch.entries() == ["adapter.safetensors"])
    #expect(try readTensors(path).map(\.name) == ["b.weight", "a.weight"])
    #expect(try SafetensorsHeader(path: path).metadata == [.init(key: "ss_network_dim", value: "1")])
  }

  @Test func copiedTensorsHaveTheBytesOfTheInput() throws {
    let path = scratch.file("input.safetensors")
    try SafetensorsWriter.write(
      path: path,
      tensors: [(try HeaderEncoder.Tensor(name: "x", dtype: .bf16, shape: [2, 1]), [1, 2, 3, 4])])
    let header = try SafetensorsHeader(path: path)
    try run([units.unit("a", [3])]) { finished in
      var document = Self.document(finished)
      document.copies = [try CopiedTensor(name: "y", header.tensors[0], path: path, header: header, shape: [1, 2])]
      return document
    }
    let copy = try #require(try readTensors(output + "/adapter_model.safetensors").first { $0.name == "y" })
    #expect(copy.bytes == [1, 2, 3, 4])
    #expect(copy.shape == [1, 2])
    #expect(copy.dtype == .bf16)
  }

  @Test func aChangedInputIsNotCopied() throws {
    let path = try scratch.weights("x", at: "input.safetensors")
    let header = try SafetensorsHeader(path: path)
    try scratch.weights("z", at: "input.safetensors")
    let error = #expect(throws: FileError.self) {
      try run([units.unit("a", [3])]) { finished in
        var document = Self.document(finished)
        document.copies = [try CopiedTensor(name: "y", header.tensors[0], path: path, header: header)]
        return document
      }
    }
    #expect(error?.problem == .changed)
    #expect(try scratch.entries() == ["input.safetensors"])
  }

  @Test func anInterruptedRunIsResumed() throws {
    let all = [units.unit("a", [1]), units.unit("b", [2]), units.unit("c", [3])]
    let asked = Mutex(0)
    // Asked before each unit: the third one is not begun.
    let interruption = Interruption {
      asked.withLock { count in
        count += 1
        return count > 2
      }
    }
    let error = #expect(throws: InterruptedMerge.self) { try run(all, interruption: interruption) }
    #expect(
      error?.kept.summary?.hasPrefix("2 of 3 modules kept in ") == true, "\(error?.kept.summary ?? "nothing kept")")
    #expect(try scratch.entries() == [".adapter.safemerge"])
    #expect(try UnfinishedWork(output: output)?.finishedModules == 2)
    #expect(units.made == ["a", "b"])

    let outcome = try run(all)
    #expect(outcome.units.map(\.isKept) == [true, true, false])
    #expect(units.made == ["a", "b", "c"])
    let resumed = try tree(output)
    try run(all, at: "whole")
    #expect(try tree(scratch.file("whole")) == resumed)
    #expect(try scratch.entries() == ["adapter", "whole"])
  }

  private func run(_ all: [AdapterUnit], at name: String) throws {
    try AdapterWriter(all, workers: 3).run(
      to: AdapterDestination(scratch.file(name), isFolder: true, inputs: []), as: try Self.identity(),
      document: Self.document)
  }

  @Test func unitsOfAnotherInputAreMadeAgain() throws {
    let input = try scratch.write("one", to: "input")
    let failing = [
      units.unit("a", [1], inputs: [input]),
      units.unit("b", [2], failure: FileError(path: "x", .system(call: "write", code: 28))),
    ]
    #expect(throws: UnfinishedMerge.self) { try run(failing) }
    try scratch.write("another", to: "input")
    try run([units.unit("a", [1], inputs: [input]), units.unit("b", [2])])
    #expect(units.made == ["a", "a", "b"])
  }

  @Test func theWorkOfAnotherRunIsRefused() throws {
    let failing = [
      units.unit("a", [1]), units.unit("b", [2], failure: FileError(path: "x", .system(call: "write", code: 28))),
    ]
    #expect(throws: UnfinishedMerge.self) { try run(failing) }
    let error = #expect(throws: CheckpointError.self) { try run([units.unit("a", [1])], identity: "2") }
    #expect(error?.problem == .otherMerge("option: 1 -> 2"))
  }

  @Test func nothingIsLeftOfARefusedRun() throws {
    let refusal = MergeError(path: "base", tensor: "x", .undetermined("this"))
    let failing = [units.unit("a", [1]), units.unit("b", [2], failure: refusal)]
    #expect(throws: MergeError.self) { try run(failing) }
    #expect(try scratch.entries() == [])
    #expect(throws: MergeError.self) {
      try run([units.unit("a", [1])]) { units in
        var document = Self.document(units)
        document.judge = { path in
          guard try scratch.entries(".adapter.safemerge/result").count == 3 else { return }
          throw refusal
        }
        return document
      }
    }
    #expect(try scratch.entries() == [])
  }

  @Test func twoTensorsOfOneNameAreRefused() throws {
    let error = #expect(throws: SafetensorsError.self) { try run([units.unit("a", [1]), units.unit("a", [2])]) }
    #expect(error?.problem == .duplicateKey("a.weight"))
    #expect(try scratch.entries() == [])
  }

  @Test func aDryRunWritesNothing() throws {
    let destination = try AdapterDestination(output, isFolder: true, inputs: [], isDryRun: true)
    #expect(destination.temporaryPaths == [])
    #expect(try scratch.entries() == [])
    #expect(throws: MergeError.self) {
      try AdapterWriter([units.unit("a", [1])], workers: 1).run(
        to: destination, as: try Self.identity(), document: Self.document)
    }
    #expect(try scratch.entries() == [])
  }

  @Test func anAdapterThatIsThereIsReplacedOnRequest() throws {
    try run([units.unit("a", [1])])
    #expect(throws: CheckpointError.self) { try run([units.unit("a", [2])]) }
    #expect(throws: CheckpointError.self) {
      try AdapterDestination(scratch.file("adapter/inside"), isFolder: true, inputs: [output])
    }
    try AdapterWriter([units.unit("a", [2])], workers: 1).run(
      to: AdapterDestination(output, isFolder: true, inputs: [], force: true), as: try Self.identity("2"),
      document: Self.document)
    #expect(try readTensors(output).map(\.bytes) == [[0, 0, 0, 64]])
  }

  @Test func valuesAreRoundedToNearestEvenAndNotToInfinity() throws {
    let values: [Float] = [1.00390625, 1.01171875, -0.0]
    let tensor = try AdapterTensor(name: "t", dtype: .bf16, shape: [3], values: values, path: "out")
    #expect(tensor.bytes == [0x80, 0x3F, 0x82, 0x3F, 0x00, 0x80])
    let error = #expect(throws: MergeError.self) {
      try AdapterTensor(name: "t", dtype: .f16, shape: [2], values: [1, 1e6], path: "out")
    }
    #expect(error?.problem == .nonFinite(count: 1, rows: 0..<2, dtype: .f16))
    #expect(throws: SafetensorsError.self) {
      try AdapterTensor(name: "t", dtype: .f32, shape: [3], values: [1, 2], path: "out")
    }
  }
}
