import Adapters
import Checkpoints
import JSONText
import MergePlanning
import Safetensors
import TestSupport
import Testing

/// What PEFT made of the models and adapters in `Fixtures`.
@Suite struct FixtureTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    let base: String
    let adapter: String
    let merged: String?
    let match: String?
    var testDescription: String { name }
  }

  static let cases: [Case] = {
    guard let text = try? contents(fixturesPath() + "/cases.json"),
      case .array(let entries) = try? JSONParser.parse(text.span)
    else { return [] }
    return entries.map { entry in
      func string(_ key: String) -> String? {
        if case .string(let value) = entry[key] { value } else { nil }
      }
      func path(_ key: String) -> String? { string(key).map { fixturesPath() + "/" + $0 } }
      return Case(
        name: string("name") ?? "", base: path("base") ?? "", adapter: path("adapter") ?? "", merged: path("merged"),
        match: string("match"))
    }
  }()

  @Test func areAllThere() {
    #expect(Self.cases.count { $0.match == "exact" } == 25)
    #expect(Self.cases.count { $0.match == "close" } == 2)
    #expect(Self.cases.count { $0.merged == nil } == 5)
  }

  @Test(arguments: cases.filter { $0.match == "exact" })
  func hasTheBytesOfPEFT(_ testCase: Case) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try TestMerge(base: testCase.base, adapter: testCase.adapter, output: output).run()
    let found = try loadTensors(output)
    let expected = try loadTensors(try #require(testCase.merged))
    #expect(Set(found.keys) == Set(expected.keys))
    for (name, tensor) in expected {
      let result = try #require(found[name], "\(name) is missing")
      #expect(result.info.dtype == tensor.info.dtype, "\(name)")
      #expect(result.info.shape == tensor.info.shape, "\(name)")
      #expect(isSame(result.data, tensor.data), "\(name) differs")
    }
    // The expected bytes are not those of the base.
    let base = try loadTensors(testCase.base)
    #expect(expected.contains { name, tensor in base[name].map { !isSame($0.data, tensor.data) } ?? true })
  }

  /// What was refused by an earlier version, and has its result in the second table.
  @Test(arguments: cases.filter { $0.match == nil })
  func isMergedThatWasRefused(_ testCase: Case) throws {
    let later = LoRACase.all.filter { $0.name == testCase.name }
    #expect(later.count == 1)
    #expect(later.allSatisfy { $0.isMergedByPEFT && $0.adapters == [testCase.adapter] && $0.base == testCase.base })
  }

  /// Ranks above 192, where PEFT's sums run in another order: the exact result in double, rounded once.
  @Test(arguments: cases.filter { $0.match == "close" })
  func isCloseToTheExactResult(_ testCase: Case) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    let merge = try TestMerge(base: testCase.base, adapter: testCase.adapter, output: output)
    try merge.run()
    let adapter = try Adapter(folder: testCase.adapter)
    let factors = try LoadedFile(adapter.weightsPath)
    let base = try loadTensors(testCase.base)
    let found = try loadTensors(output)
    for layer in adapter.layers {
      let name = TensorName(layer.module + ".weight")
      let weight = try #require(base[name])
      let result = try #require(found[name])
      let dtype = weight.info.dtype
      func numbers(_ index: Int) -> [Double] {
        let tensor = factors.header.tensors[index]
        return Elements.numbers(Elements.bits(Array(factors.data(tensor)), tensor.dtype), tensor.dtype).map(Double.init)
      }
      let (a, b) = (numbers(layer.a), numbers(layer.b))
      let weights = Elements.numbers(Elements.bits(Array(weight.data), dtype), dtype).map(Double.init)
      let results = Elements.bits(Array(result.data), dtype)
      let columns = layer.inFeatures
      for row in 0..<layer.outFeatures {
        for column in 0..<columns {
          var (sum, magnitude) = (0.0, 0.0)
          for k in 0..<layer.rank {
            let product = b[row * layer.rank + k] * a[k * columns + column]
            sum += product
            magnitude += product.magnitude
          }
          let exact = weights[row * columns + column] + layer.scaling * sum
          let value = Double(Elements.widen(results[row * columns + column], dtype))
          let place = "\(name) [\(row), \(column)]"
          if dtype == .f32 {
            let bound = Elements.ulp(value, dtype) / 2 + 4 * 0x1p-24 * abs(layer.scaling) * magnitude
            #expect(abs(value - exact) <= bound, "\(place)")
          } else {
            let rounded = Double(Elements.widen(Elements.narrow(exact, dtype), dtype))
            #expect(abs(value - rounded) <= Elements.ulp(rounded, dtype), "\(place)")
          }
        }
      }
    }
    // No tensor is missing, and those that the adapter does not name are the base's.
    #expect(Set(found.keys) == Set(base.keys))
    let targets = Set(merge.plan.modules.flatMap(\.targets))
    for (name, tensor) in base where !targets.contains(name) {
      #expect(isSame(tensor.data, try #require(found[name]).data), "\(name)")
    }
  }
}
