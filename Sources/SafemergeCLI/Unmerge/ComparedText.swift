import Inspection
import Platform

/// How a model without the adapters differs from another one, usually the base of the merge.
struct ComparedText {
  let title: String
  let tensorCount: Int
  /// Tensors that differ in a value, a dtype or a shape, or that one side does not have.
  let differentCount: Int
  let elementCount: Int
  let changedCount: Int
  /// The largest difference of two elements; nil: none is known.
  let largest: Double?

  init(_ difference: ModelDifference, with title: String) {
    self.title = title
    tensorCount = difference.tensors.count
    differentCount = difference.tensors.count(where: \.isDifferent)
    let values = difference.tensors.compactMap(\.values)
    elementCount = values.reduce(0) { $0 + $1.elementCount }
    changedCount = values.reduce(0) { $0 + $1.changedCount }
    largest = values.compactMap(\.largest).max()
  }

  var line: String {
    guard differentCount > 0 else {
      return LabeledLine.text("against", "\(title)   \(NumberText.counted(tensorCount, "tensor")), all the same")
    }
    let share = ReportNumbers.percent(elementCount == 0 ? 0 : Double(changedCount) / Double(elementCount))
    let most = largest.map { ", the largest difference \(ReportNumbers.significant($0))" } ?? ""
    return LabeledLine.text(
      "against",
      "\(title)   \(differentCount) of \(NumberText.counted(tensorCount, "tensor")) differ, in "
        + "\(NumberText.grouped(changedCount)) of \(NumberText.counted(elementCount, "element")) (\(share))\(most)")
  }
}
