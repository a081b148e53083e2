import AdapterWriting
import JSONText
import Safetensors
import Synchronization

/// Units of one tensor each, which count how often they are made.
final class TestUnits: Sendable {
  private let names = Mutex<[String]>([])

  /// The units that were made, in the order of their names.
  var made: [String] { names.withLock { $0.sorted() } }

  /// A unit whose tensor is `NAME.weight`.
  ///
  /// - Parameters:
  ///   - inputs: Files that it depends on.
  ///   - failure: Thrown in place of a result.
  func unit(
    _ name: String, _ values: [Float], inputs: [String] = [], failure: (any Error & Sendable)? = nil
  ) -> AdapterUnit {
    AdapterUnit(name: name, cost: values.count, inputs: inputs) { [self] in
      if let failure { throw failure }
      names.withLock { $0.append(name) }
      return AdapterUnit.Result(
        tensors: [
          try AdapterTensor(name: "\(name).weight", dtype: .f32, shape: [values.count], values: values, path: "out")
        ],
        facts: .object([JSONMember(key: "count", value: .integer(Int64(values.count)))]))
    }
  }
}
