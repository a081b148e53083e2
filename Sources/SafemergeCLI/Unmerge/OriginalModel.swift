import Inspection
import Platform
import Safetensors

/// A model that the result is compared with, checked before anything is written.
struct OriginalModel {
  let argument: ModelArgument
  private let variant: String?
  private let workers: Int

  /// - Parameters:
  ///   - path: Of the merged model, which has the tensors of the result.
  ///   - variant: Which of several variants of the merged model's weights is read.
  /// - Throws: ``OtherTensors``; what opening a model throws.
  init(_ argument: ModelArgument, merged path: String, variant: String?, workers: Int) throws {
    self.argument = argument
    self.variant = variant
    self.workers = workers
    let difference = try difference(to: path, readsData: false)
    guard
      let tensor = difference.tensors.first(where: {
        $0.left == nil || $0.right == nil || $0.left?.shape != $0.right?.shape
      })
    else { return }
    throw OtherTensors(
      path: argument.path, tensor: tensor.name.string, merged: path, found: tensor.left?.shape,
      expected: tensor.right?.shape)
  }

  /// The comparison with the result, which is in place.
  func difference(to result: String) throws -> ModelDifference { try difference(to: result, readsData: true) }

  private func difference(to other: String, readsData: Bool) throws -> ModelDifference {
    var options = ModelDifference.Options(workers: workers)
    options.variants = (variant, readsData ? nil : variant)
    options.readsData = readsData
    return try argument.read { try ModelDifference($0, other, options: options) }
  }
}
