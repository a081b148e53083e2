import AdapterConversion
import AdapterWriting
import Adapters
import Checkpoints
import Foundation
import JSONText
import Merging
import Safetensors
import TestSupport

/// An adapter of `Fixtures/image/cases`, with the base that it was made for.
struct ConversionCase: CustomStringConvertible, Sendable {
  let name: String
  let base: String
  let adapter: String

  var description: String { name }

  private static let folder = fixturesPath() + "/image/cases/"

  /// Every adapter of the cases that are merged.
  static let all: [ConversionCase] = {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.sorted().flatMap { (try? cases($0)) ?? [] }
  }()

  static func named(_ name: String) throws -> ConversionCase {
    guard let found = all.first(where: { $0.name == name }) else { throw CocoaError(.fileNoSuchFile) }
    return found
  }

  private static func cases(_ name: String) throws -> [ConversionCase] {
    let text = try contents(folder + name + "/case.json")
    let entry = try JSONParser.parse(text.span)
    guard entry["expect"] == .string("merge"), case .string(let base)? = entry["base"],
      case .array(let adapters)? = entry["adapters"]
    else { return [] }
    return adapters.enumerated().compactMap { number, value in
      guard case .string(let file)? = value["file"] else { return nil }
      return ConversionCase(
        name: number == 0 ? name : "\(name)/\(number)",
        base: URL(fileURLWithPath: folder + name + "/" + base).standardizedFileURL.path,
        adapter: folder + name + "/" + file)
    }
  }

  /// Converts an adapter for the case's base.
  func convert(_ path: String, to dialect: AdapterDialect, in scratch: Scratch, _ name: String) throws -> String {
    let output = scratch.file(name + "-" + dialect.rawValue + (dialect.isFolder ? "" : ".safetensors"))
    try write(try Adapter(path: path), to: dialect, base: try Checkpoint(path: base), output)
    return output
  }
}

/// Converts an adapter and writes it as the program does.
func write(_ adapter: Adapter, to dialect: AdapterDialect, base: Checkpoint?, _ output: String) throws {
  let destination = try AdapterDestination(
    output, isFolder: dialect.isFolder, inputs: [adapter.path, adapter.weightsPath, adapter.configPath], force: true)
  let work = try ConversionWork(adapter, to: dialect, base: base)
  try AdapterWriter(work.units, weightsName: dialect.weightsName, workers: 2).run(
    to: destination, as: ConversionWork.identity(adapter, to: dialect, base: base, version: "test")
  ) { _ in work.document }
}

/// The tensors of an adapter by name.
func tensors(of adapter: String) throws -> [TensorName: TensorData] {
  let file = try SafetensorsFile(path: try Adapter(path: adapter).weightsPath)
  var result: [TensorName: TensorData] = [:]
  for tensor in file.header.tensors { result[tensor.name] = try file.data(tensor.name) }
  return result
}
