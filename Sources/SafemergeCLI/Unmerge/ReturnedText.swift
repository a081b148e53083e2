import MergeEngine
import Platform

/// What merging the adapters again would make of a model that they were taken out of.
struct ReturnedText {
  let tensors: [ReturnedTensor]

  init(_ tensors: [ReturnedTensor]) { self.tensors = tensors }

  var elementCount: Int { tensors.reduce(0) { $0 + $1.elementCount } }
  var changedCount: UInt64 { tensors.reduce(0) { $0 + $1.changedCount } }

  var line: String {
    guard elementCount > 0 else { return LabeledLine.text("again", "nothing was changed") }
    let changed = Int(clamping: changedCount)
    let of = "of \(NumberText.counted(elementCount, "element")) in \(NumberText.counted(tensors.count, "tensor"))"
    if changed == 0 { return LabeledLine.text("again", "merging the adapters again would give all \(of) as they were") }
    let share = ReportNumbers.percent(Double(changed) / Double(elementCount))
    return LabeledLine.text(
      "again", "merging the adapters again would change \(NumberText.grouped(changed)) (\(share)) \(of), by rounding")
  }
}
