import Checkpoints
import MergeEngine
import Platform
import Reports

/// The files of the base's folder that are not copied, in one line.
enum LeftOutText {
  private static let shownCount = 12

  /// `pytorch_model-*-of-00002.bin (2 files), onnx/ (weights in other files); README.md (the base's model card)`; nil:
  /// nothing.
  static func line(_ leftOut: [SideFiles.LeftOut]) -> String? {
    var shown = 0
    var parts: [String] = []
    for reason in SideFileExclusion.allCases {
      let names = joined(leftOut.filter { $0.reason == reason }.map(\.name))
      let first = names.prefix(max(0, shownCount - shown))
      shown += first.count
      if !first.isEmpty { parts.append("\(first.joined(separator: ", ")) (\(reason.text))") }
    }
    guard !parts.isEmpty else { return nil }
    let count = SideFileExclusion.allCases.reduce(0) { sum, reason in
      sum + joined(leftOut.filter { $0.reason == reason }.map(\.name)).count
    }
    return parts.joined(separator: "; ") + (count > shown ? " and \(count - shown) more (--verbose)" : "")
  }

  /// The names, with the shards of one set as one entry.
  private static func joined(_ names: [String]) -> [String] {
    var order: [String] = []
    var sets: [String: [String]] = [:]
    for name in names {
      let key = SideFiles.shardPattern(name) ?? name
      if sets[key] == nil { order.append(key) }
      sets[key, default: []].append(name)
    }
    return order.map { key in
      let names = sets[key] ?? []
      return names.count == 1 ? names[0] : "\(key) (\(NumberText.counted(names.count, "file")))"
    }
  }
}
