import Adapters
import MergePlanning
import Safetensors
import TestSupport
import Testing

/// What PEFT made of the models and adapters in `Fixtures`, where its bits are not those of the tool.
@Suite struct FixtureTests {
  /// Ranks above 192, where PEFT's sums run in another order: the exact result in double, rounded once.
  @Test(arguments: FixtureCase.all.filter(\.isMergedInAnotherOrder))
  func isCloseToTheExactResult(_ testCase: FixtureCase) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    let merge = try testCase.merge(to: output)
    try merge.run()
    let adapter = try Adapter(folder: testCase.adapters[0])
    let factors = try LoadedFile(adapter.weightsPath)
    let base = try loadTensors(testCase.base)
    let found = try loadTensors(output)
    for layer in adapter.updates {
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
      let (rows, columns) = (try #require(layer.outFeatures), try #require(layer.inFeatures))
      let (rank, scaling) = (try #require(layer.rank), try #require(layer.scaling))
      for row in 0..<rows {
        for column in 0..<columns {
          var (sum, magnitude) = (0.0, 0.0)
          for k in 0..<rank {
            let product = b[row * rank + k] * a[k * columns + column]
            sum += product
            magnitude += product.magnitude
          }
          let exact = weights[row * columns + column] + scaling * sum
          let value = Double(Elements.widen(results[row * columns + column], dtype))
          let place = "\(name) [\(row), \(column)]"
          if dtype == .f32 {
            let bound = Elements.ulp(value, dtype) / 2 + 4 * 0x1p-24 * abs(scaling) * magnitude
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
