import Safetensors

/// Weights that are stored as several tensors: packed values, scales, zero points.
///
/// Found by the endings of the names, by dtypes and by shapes that fit each other; what does not fit stays as it is.
/// Sources: the layouts that transformers 5.24, bitsandbytes 0.48, GPTQModel, AutoAWQ and compressed-tensors 0.12 write.
struct QuantizedTensors: Sendable {
  struct Group: Sendable {
    /// The weight's name in the model that was quantised.
    let name: String
    /// Such as "FP8 128x128", "NF4", "GPTQ 4-bit".
    let format: String
    /// Of the weight as it is used, without packing; nil: it is in data that cannot be read.
    let shape: [Int]?
    /// Weights of the tensor; nil with the shape.
    var elementCount: Int? { shape?.reduce(1, &*) }
    /// Places in the list that was searched: the values first.
    let members: [Int]
  }

  /// In the order of their first tensors.
  let groups: [Group]

  private let tensors: [ListedTensor]
  private let listings: [Listing]

  init(_ tensors: [ListedTensor], _ listings: [Listing]) {
    self.tensors = tensors
    self.listings = listings
    let anchors = tensors.indices.compactMap { index -> (Int, Ending)? in
      Ending.allCases.first { tensors[index].name.hasSuffix($0.rawValue) }.map { (index, $0) }
    }
    guard !anchors.isEmpty else {
      groups = []
      return
    }
    var places: [[TensorName: Int]] = listings.map { _ in [:] }
    for (index, tensor) in tensors.enumerated() { places[tensor.listing][TensorName(tensor.name)] = index }
    var groups: [Group] = []
    for (index, ending) in anchors {
      let found = Self.Search(tensors: tensors, listings: listings, places: places[tensors[index].listing])
      if let group = found.group(at: index, ending) { groups.append(group) }
    }
    // A tensor that two groups claim is in the first.
    var used: Set<Int> = []
    self.groups = groups.filter { group in
      guard group.members.allSatisfy({ !used.contains($0) }) else { return false }
      used.formUnion(group.members)
      return true
    }
  }

  /// The ending of the tensor that a group is found by.
  private enum Ending: String, CaseIterable {
    case scaleInverse = ".weight_scale_inv"
    case scale = ".weight_scale"
    case packed = ".weight_packed"
    case integers = ".qweight"
    case blocks = "_blocks"
    case absoluteMaxima = ".weight.absmax"
    case columnScales = ".SCB"
  }

  private struct Search {
    let tensors: [ListedTensor]
    let listings: [Listing]
    let places: [TensorName: Int]

    func group(at index: Int, _ ending: Ending) -> Group? {
      let stem = String(tensors[index].name.dropLast(ending.rawValue.count))
      switch ending {
      case .scaleInverse: return scaledFloats(stem, scale: index)
      case .scale: return place("\(stem).weight_packed") == nil ? scaledFloats(stem, scale: index) : nil
      case .packed: return packed(stem, index)
      case .integers: return packedIntegers(stem, index)
      case .blocks: return microscaled(stem, index)
      case .absoluteMaxima: return fourBits(stem, index)
      case .columnScales: return scaledBytes(stem, index)
      }
    }

    private func place(_ name: String) -> Int? { places[TensorName(name)] }

    private func places(_ names: [String]) -> [Int] { names.compactMap(place) }

    private func info(_ index: Int) -> TensorInfo {
      let tensor = tensors[index]
      return listings[tensor.listing].files[tensor.file].header.tensors[tensor.index]
    }

    private func bytes(_ index: Int) -> [UInt8]? { listings[tensors[index].listing].smallTensor(tensors[index]) }

    /// An FP8 or int8 weight with scales for blocks, rows or all of it.
    private func scaledFloats(_ stem: String, scale: Int) -> Group? {
      guard let weight = place("\(stem).weight") else { return nil }
      let (values, scales) = (info(weight), info(scale))
      guard [.f8E4M3, .f8E5M2, .f8E4M3FNUZ, .f8E5M2FNUZ, .i8].contains(values.dtype) else { return nil }
      let kind = values.dtype == .i8 ? "INT8" : "FP8"
      let count = scales.elementCount
      let format: String
      if values.shape.count == 2, scales.shape.count == 2, scales.shape[0] > 0, scales.shape[1] > 0, count > 1,
        scales.shape[1] > 1 || scales.shape[0] < values.shape[0]
      {
        // Blocks of 128 leave a shorter one at the end: the smallest power of two that makes as many.
        let sides = zip(values.shape, scales.shape).map(Self.blockSide)
        format = "\(kind) \(sides[0])x\(sides[1])"
      } else if count == 1 {
        format = "\(kind) per tensor"
      } else if count == values.shape.first {
        format = "\(kind) per row"
      } else {
        return nil
      }
      let others = places(["input_scale", "weight_zero_point", "activation_scale"].map { "\(stem).\($0)" })
      return Group(name: values.name.string, format: format, shape: values.shape, members: [weight, scale] + others)
    }

    /// The smallest power of two that makes as many blocks, the last of which may be ragged; else what divides evenly.
    private static func blockSide(_ size: Int, _ count: Int) -> Int {
      var side = 1
      while (size + side - 1) / side > count { side *= 2 }
      return (size + side - 1) / side == count || size % count != 0 ? side : size / count
    }

    /// compressed-tensors: integers in words of 32 bits, or pairs of FP4.
    private func packed(_ stem: String, _ index: Int) -> Group? {
      let values = info(index)
      guard values.shape.count == 2, let scale = place("\(stem).weight_scale") else { return nil }
      let names = [
        "weight_shape", "weight_zero_point", "weight_g_idx", "weight_global_scale", "input_global_scale", "input_scale",
      ]
      let members = [index, scale] + places(names.map { "\(stem).\($0)" })
      if values.dtype == .u8 {
        let format = place("\(stem).weight_global_scale") == nil ? "FP4" : "NVFP4"
        return Group(
          name: "\(stem).weight", format: format, shape: [values.shape[0], values.shape[1] * 2], members: members)
      }
      guard values.dtype == .i32 else { return nil }
      let shape = place("\(stem).weight_shape").flatMap(bytes).flatMap(Self.integers)
      guard let shape, shape.count == 2, shape[0] == values.shape[0], shape[1] > 0 else {
        return Group(name: "\(stem).weight", format: "packed", shape: nil, members: members)
      }
      // 32 / bits values a word, and a last word that is not full.
      let bits = (1...16).first { bits in (shape[1] + 32 / bits - 1) / (32 / bits) == values.shape[1] && 32 % bits == 0
      }
      let format = bits.map { "INT\($0) packed" } ?? "packed"
      return Group(name: "\(stem).weight", format: format, shape: shape, members: members)
    }

    private static func integers(_ bytes: [UInt8]) -> [Int]? {
      guard bytes.count % 8 == 0 else { return nil }
      return stride(from: 0, to: bytes.count, by: 8).map { start in
        Int(truncatingIfNeeded: bytes[start..<start + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
      }
    }

    /// GPTQ packs along the columns of the weight, which is stored transposed; AWQ along its rows.
    private func packedIntegers(_ stem: String, _ index: Int) -> Group? {
      guard let scale = place("\(stem).scales"), let zero = place("\(stem).qzeros") else { return nil }
      let (values, scales, zeros) = (info(index).shape, info(scale).shape, info(zero).shape)
      guard info(index).dtype == .i32, values.count == 2, scales.count == 2, zeros.count == 2, scales[1] > 0,
        zeros[1] * 32 % scales[1] == 0
      else { return nil }
      let (rows, bits) = (scales[1], zeros[1] * 32 / scales[1])
      guard (1...16).contains(bits) else { return nil }
      let members = [index, scale, zero] + places(["\(stem).g_idx"])
      if values[1] == rows, values[0] * 32 % bits == 0 {
        return Group(
          name: "\(stem).weight", format: "GPTQ \(bits)-bit", shape: [rows, values[0] * 32 / bits], members: members)
      }
      guard values[1] == zeros[1] else { return nil }
      return Group(name: "\(stem).weight", format: "AWQ \(bits)-bit", shape: [rows, values[0]], members: members)
    }

    /// MXFP4: 32 values of four bits and a scale for them.
    private func microscaled(_ stem: String, _ index: Int) -> Group? {
      guard let scale = place("\(stem)_scales") else { return nil }
      let (blocks, scales) = (info(index), info(scale))
      guard blocks.dtype == .u8, [.u8, .f8E8M0].contains(scales.dtype), blocks.shape.last == 16,
        blocks.shape.dropLast().elementsEqual(scales.shape), let count = scales.shape.last
      else { return nil }
      return Group(name: stem, format: "MXFP4", shape: scales.shape.dropLast() + [count * 32], members: [index, scale])
    }

    /// bitsandbytes: pairs of NF4 or FP4 in a column of bytes; the shape stands in JSON that is kept as a tensor.
    private func fourBits(_ stem: String, _ index: Int) -> Group? {
      guard let weight = place("\(stem).weight"), info(weight).dtype == .u8 else { return nil }
      let prefix = "\(stem).weight."
      let kind = ["nf4", "fp4"].first { place("\(prefix)quant_state.bitsandbytes__\($0)") != nil }
      let state = kind.flatMap { place("\(prefix)quant_state.bitsandbytes__\($0)") }
      let members =
        [weight, index]
        + places(
          ["quant_map", "nested_absmax", "nested_quant_map"].map { prefix + $0 }) + (state.map { [$0] } ?? [])
      let shape = state.flatMap(bytes).flatMap(StateText.shape)
      let fits = shape.map { ($0.reduce(1, &*) + 1) / 2 == info(weight).elementCount } ?? false
      return Group(
        name: "\(stem).weight", format: kind?.uppercased() ?? "4-bit", shape: fits ? shape : nil, members: members)
    }

    /// bitsandbytes LLM.int8: bytes and a scale a row.
    private func scaledBytes(_ stem: String, _ index: Int) -> Group? {
      guard let weight = place("\(stem).weight"), info(weight).dtype == .i8,
        info(index).elementCount == info(weight).shape.first
      else { return nil }
      return Group(
        name: "\(stem).weight", format: "LLM.int8", shape: info(weight).shape,
        members: [weight, index] + places(["\(stem).weight_format"]))
    }
  }
}
