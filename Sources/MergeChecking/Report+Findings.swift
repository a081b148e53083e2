import Checkpoints
import Inspection
import MergePlanning
import Platform

extension MergeCheck.Report {
  /// Adds the findings and notes that follow from the verdicts on the tensors.
  ///
  /// - Parameter output: The result's path.
  mutating func addFindings(output: String) {
    var faults: [Fault: [MergeCheck.TensorResult]] = [:]
    var order: [Fault] = []
    for tensor in tensors {
      switch tensor.verdict {
      case .fault(let fault):
        if faults[fault] == nil { order.append(fault) }
        faults[fault, default: []].append(tensor)
      case .damaged(let count): findings.append(Self.damage(tensor, count))
      case .different:
        let comparison = tensor.comparison ?? TensorComparison()
        findings.append(
          Finding(
            "not-the-merge", file: tensor.file, tensor: tensor.name,
            "\(NumberText.grouped(comparison.beyondBound)) of "
              + "\(NumberText.counted(comparison.elementCount, "element")) differ from the merge, and no known fault "
              + "explains them" + Self.text(comparison.example)))
      default: continue
      }
    }
    let merged = tensors.filter(\.isMerged)
    let unchanged = merged.filter {
      if case .fault(let fault) = $0.verdict {
        [.deltaDropped, .embeddingDropped, .loraBiasDropped].contains(fault)
      } else {
        false
      }
    }
    if !merged.isEmpty, unchanged.count == merged.count {
      findings.insert(
        Finding("base-unchanged", file: output, "is the unchanged base: nothing of the adapter was merged"), at: 0
      )
    }
    for fault in order {
      let tensors = faults[fault] ?? []
      guard let first = tensors.first else { continue }
      let others = tensors.count == 1 ? "" : " (also in \(NumberText.counted(tensors.count - 1, "more tensor")))"
      findings.append(
        Finding(fault.faultClass, file: first.file, tensor: first.name, fault.message + others))
    }
    addNotes()
  }

  private mutating func addNotes() {
    var kinds: [String: Int] = [:]
    for tensor in tensors {
      switch tensor.verdict {
      case .roundedByPEFT(let how): kinds["were rounded more than once, \(how); this is not a fault", default: 0] += 1
      case .roundedSeveralTimes:
        kinds["were rounded more than once, all within 1 ulp of the exact result; this is not a fault", default: 0] += 1
      case .notChecked(let why): kinds["were not checked: \(why)", default: 0] += 1
      default: continue
      }
    }
    for (what, count) in kinds.sorted(by: { $0.key < $1.key }) { notes.append("\(count) tensors \(what)") }
    let right = tensors.filter { !$0.verdict.isFinding }
    let cancelled = right.reduce(0) { $0 + ($1.comparison?.cancelled ?? 0) }
    if cancelled > 0 {
      notes.append(
        "base and delta nearly cancel in \(NumberText.counted(cancelled, "element")); their errors are given in ulp of "
          + "|base| + |delta|")
    }
  }

  private static func damage(_ tensor: MergeCheck.TensorResult, _ count: Int) -> Finding {
    let elements = NumberText.counted(count, "element")
    guard let comparison = tensor.comparison else {
      return Finding(
        "damaged", file: tensor.file, tensor: tensor.name,
        "\(elements) differ\(count == 1 ? "s" : "") from the copied tensor")
    }
    return Finding(
      "damaged", file: tensor.file, tensor: tensor.name,
      "\(elements) differ\(count == 1 ? "s" : "") from the merge" + text(comparison.example))
  }

  private static func text(_ example: TensorComparison.Example?) -> String {
    example.map { ": [\($0.row), \($0.column)] is \($0.found), exact \($0.exact)" } ?? ""
  }
}
