import JSONText
import MergePlanning
import Platform
import Safetensors

/// Reads every tensor and looks for elements that are no numbers, and for matrices of zeros.
struct ElementInspection {
  let model: InspectedModel
  /// Threads.
  let workers: Int
  /// Where the counts come from.
  let data: CheckedData

  /// What is asked of the elements of a tensor.
  private struct Question {
    /// Whether they are numbers and not codes.
    let isCounted: Bool
    /// A mask of the bits of eight bytes that are not a sign; used to find zeros.
    let zeros: UInt64?
  }

  /// Reads every tensor and finds NaN, infinities, and matrices of zeros.
  ///
  /// The codes of quantized weights are no numbers, whatever dtype keeps them; scales are.
  ///
  /// - Returns: The tensors with elements that are no numbers.
  func inspect(_ log: inout FindingLog) throws -> [ModelInspection.NonFinite] {
    let (files, weights) = (model.files, model.weights)
    var nonFinite: [ModelInspection.NonFinite] = []
    let jobs = files.indices.flatMap { file in files[file].header.tensors.indices.map { (file: file, tensor: $0) } }
    let open = model.openFiles
    let results = try WorkQueue.map(jobs, workers: workers) { job in
      let file = files[job.file]
      let tensor = file.header.tensors[job.tensor]
      let start = file.header.dataStart
      let question = Self.question(tensor, weights, weights.role(file: job.file, index: job.tensor))
      return try data.value("elements \(job.tensor)", of: file.name, .elements) {
        try FileReading.elements(
          try open.file(job.file), start + tensor.dataOffsets.lowerBound..<start + tensor.dataOffsets.upperBound,
          tensor.dtype, isCounted: question.isCounted, zeros: question.zeros)
      }
    }
    try open.checkUnchanged()
    var zeros: [(tensor: TensorInfo, file: ModelInspection.File)] = []
    for (job, found) in zip(jobs, results) {
      guard let found else { continue }
      let file = files[job.file]
      let tensor = file.header.tensors[job.tensor]
      if found.nans > 0 || found.infinities > 0 {
        nonFinite.append(
          ModelInspection.NonFinite(
            tensor: tensor.name, file: file.path, nanCount: found.nans, infinityCount: found.infinities,
            elementCount: tensor.elementCount))
      }
      if found.areZero { zeros.append((tensor, file)) }
    }
    for tensor in nonFinite {
      log.findings.append(
        Finding(
          "nonfinite", file: tensor.file, tensor: tensor.tensor,
          "\(NumberText.grouped(tensor.nanCount)) NaN and \(NumberText.grouped(tensor.infinityCount)) infinite of "
            + NumberText.counted(tensor.elementCount, "element")))
    }
    if model.isAdapter {
      judgeZeros(ofAdapter: zeros.map(\.tensor), &log)
    } else {
      for (tensor, file) in zeros {
        log.findings.append(
          Finding(
            "zeros", file: file.path, tensor: tensor.name,
            "all of its \(tensor.elementCount) elements are 0: the weights were never written, or were lost"))
      }
    }
    return nonFinite
  }

  private static func question(
    _ tensor: TensorInfo, _ weights: StoredWeights, _ role: StoredWeights.Role
  ) -> Question {
    // Vectors of zeros are common, such as biases and buffers.
    let isMatrix = tensor.shape.count(where: { $0 > 1 }) >= 2
    switch role {
    case .plain: return Question(isCounted: true, zeros: isMatrix ? signMask(tensor.dtype) : nil)
    case .codes(let weight):
      guard weights.weights[weight].zeroCodesAreZero, tensor.elementCount > 1 else {
        return Question(isCounted: false, zeros: nil)
      }
      // 4-bit floats have a sign in each half of a byte; an integer has no sign bit without another bit.
      let isInteger = tensor.dtype == .i8 && weights.weights[weight].shape == tensor.shape
      let mask: UInt64? = isInteger ? ~0 : signMask(tensor.dtype) ?? 0x7777_7777_7777_7777
      return Question(isCounted: false, zeros: mask)
    case .part: return Question(isCounted: true, zeros: nil)
    }
  }

  /// The bits of eight bytes that are not 0 in a number that is not 0; nil for anything but a floating-point type of
  /// whole bytes.
  private static func signMask(_ dtype: DType) -> UInt64? {
    switch dtype {
    case .f64: 0x7FFF_FFFF_FFFF_FFFF
    case .f32: 0x7FFF_FFFF_7FFF_FFFF
    case .f16, .bf16: 0x7FFF_7FFF_7FFF_7FFF
    case .f8E4M3, .f8E5M2: 0x7F7F_7F7F_7F7F_7F7F
    case .f8E4M3FNUZ, .f8E5M2FNUZ: ~0
    default: nil
    }
  }

  /// B is 0 before training: of some modules that says that they were not trained, of all that nothing was.
  private func judgeZeros(ofAdapter zeros: [TensorInfo], _ log: inout FindingLog) {
    func isSecond(_ name: TensorName) -> Bool {
      name.string.contains("lora_B") || name.string.contains("lora_embedding_B")
    }
    let all = model.files.flatMap { $0.header.tensors.filter { isSecond($0.name) } }
    let untrained = zeros.filter { isSecond($0.name) }
    for tensor in zeros where !isSecond(tensor.name) { log.notes.append("\(tensor.name): all elements are 0") }
    guard !untrained.isEmpty else { return }
    if untrained.count == all.count {
      log.find(
        "zeros", model.files.first?.name, "all \(all.count) lora_B tensors are zero: the adapter changes nothing")
    } else {
      log.notes.append(
        "\(untrained.count) of \(all.count) lora_B tensors are zero, first \(untrained[0].name): these modules were not "
          + "trained")
    }
  }
}

extension CheckedData.Code where Value == FileReading.Elements {
  /// NaN, infinities, and whether all are zero.
  fileprivate static var elements: Self {
    Self(
      write: { .array([.integer(Int64($0.nans)), .integer(Int64($0.infinities)), .bool($0.areZero)]) },
      read: { value in
        guard case .array(let values) = value, values.count == 3, case .integer(let nans) = values[0],
          case .integer(let infinities) = values[1], case .bool(let areZero) = values[2]
        else { return nil }
        return FileReading.Elements(nans: Int(nans), infinities: Int(infinities), areZero: areZero)
      })
  }
}
