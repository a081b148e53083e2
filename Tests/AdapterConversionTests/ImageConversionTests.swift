import AdapterConversion
import Adapters
import Checkpoints
import Foundation
import JSONText
import MergePlanning
import Merging
import Safetensors
import TestSupport
import Testing

/// Adapters of image and video models are converted between all dialects that hold them: there and back every tensor has its
/// bytes, and the converted adapter merges to the same weights.
@Suite struct ImageConversionTests {
  private static let dialects: [AdapterDialect] = [.diffusers, .kohya, .comfyUI, .peft]

  /// The case in every dialect that holds it.
  private func all(_ conversion: ConversionCase, in scratch: Scratch) throws -> [(AdapterDialect, String)] {
    try Self.dialects.compactMap { dialect in
      do {
        return (dialect, try conversion.convert(conversion.adapter, to: dialect, in: scratch, "first"))
      } catch is ConversionError {
        return nil
      }
    }
  }

  @Test(arguments: ConversionCase.all)
  func thereAndBack(conversion: ConversionCase) throws {
    let scratch = try Scratch()
    let converted = try all(conversion, in: scratch)
    for (dialect, path) in converted {
      for other in Self.dialects where other != dialect && converted.contains(where: { $0.0 == other }) {
        let there = try conversion.convert(path, to: other, in: scratch, "there")
        let back = try conversion.convert(there, to: dialect, in: scratch, "back")
        #expect(try tensors(of: path) == tensors(of: back), "\(dialect.title) to \(other.title) and back")
      }
    }
  }

  /// So many of the cases each dialect holds: a change shows what was lost or won.
  @Test func soManyCasesAreHeld() throws {
    var counts: [AdapterDialect: Int] = [:]
    for conversion in ConversionCase.all {
      let scratch = try Scratch()
      for (dialect, _) in try all(conversion, in: scratch) { counts[dialect, default: 0] += 1 }
    }
    #expect(counts == [.diffusers: 0, .kohya: 0, .comfyUI: 0, .peft: 0])
  }

  @Test(arguments: ConversionCase.all)
  func mergesToTheSameWeights(conversion: ConversionCase) throws {
    let scratch = try Scratch()
    let wanted = try merged(conversion, conversion.adapter, in: scratch, "wanted")
    for (dialect, path) in try all(conversion, in: scratch) {
      let found = try merged(conversion, path, in: scratch, "found-\(dialect.rawValue)")
      #expect(found.count == wanted.count)
      for (name, values) in wanted {
        let others = try #require(found[name])
        let largest = values.map(abs).max() ?? 0
        let worst = zip(values, others).map { abs($0 - $1) }.max() ?? 0
        // Sums in another order: a few units in the last place of F32.
        #expect(worst <= largest * 0x1p-18, "\(dialect.title): \(name): \(worst) of \(largest)")
      }
    }
  }

  private func merged(
    _ conversion: ConversionCase, _ adapter: String, in scratch: Scratch, _ name: String
  ) throws -> [TensorName: [Float]] {
    let isFile = conversion.base.hasSuffix(".safetensors")
    let output = scratch.file(name + (isFile ? ".safetensors" : ""))
    var request = MergeRequest(
      base: try Checkpoint(path: conversion.base), adapters: [AdapterUse(try Adapter(path: adapter), weight: 1)],
      output: output)
    request.planning = MergeOptions(outputDType: .f32)
    _ = try request.prepare().run()
    var values: [TensorName: [Float]] = [:]
    for file in try Checkpoint(path: output).files {
      let data = try SafetensorsFile(path: file.path)
      for tensor in data.header.tensors where tensor.dtype == .f32 {
        values[TensorName("\(file.name)|\(tensor.name)")] = try data.floats(tensor.name)
      }
    }
    return values
  }
}
