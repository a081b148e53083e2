import Adapters
import ImageModels
import ModelNames
import Safetensors

extension MergeInputs {
  /// The parameters of a module that an update may be of, those first that the base has by that name.
  func parameters(of update: ModuleUpdate, _ tensors: TensorShapes) -> [ModuleParameter] {
    // The head of a model that keeps it as one tensor with the embedding is settled when all adapters are known.
    let own = update.imageParameters.filter {
      let name = TensorName("\(update.module).\($0.name)")
      return tensors.exists(name) || vocabulary.absent(name) != nil
    }
    return own + update.imageParameters
  }

  /// The steps of an update whose result is mixed with what it starts from, where a weight or steps before it ask for that.
  ///
  /// - Parameter before: What is done to the tensor before.
  func mixed(
    _ steps: [TensorUpdate.Step], of update: ModuleUpdate, rows: Range<Int>, before: [TensorUpdate.Step], _ number: Int
  ) -> [TensorUpdate.Step] {
    guard mixes(update, before: before, number) else { return steps }
    return [.part(PartialUpdate(rows: rows, steps: steps, weight: Float(weight(of: update, number))))]
  }

  /// Whether an update's result is mixed with what it starts from: by a weight, or because of steps before it.
  func mixes(_ update: ModuleUpdate, before: [TensorUpdate.Step], _ number: Int) -> Bool {
    update.mixesResult && (weight(of: update, number) != 1 || !before.isEmpty)
  }

  /// Where a parameter of a module lies in an image model. Of a name that several parts have, the part is meant that the adapter has
  /// a weight for.
  func place(
    _ module: String, _ parameter: ModuleParameter, _ number: Int
  ) -> Result<ImagePlacement, NameProblem>? {
    let found = images?.place(module, parameter)
    let weights = adapters[number].weights
    guard case .failure(.ambiguousName)? = found, !weights.parts.isEmpty else { return found }
    return images?.limited { weights.names($0) }.place(module, parameter) ?? found
  }

  /// The weight that a module's update has: that of the part of the model that it is in.
  func weight(of update: ModuleUpdate, _ number: Int) -> Double {
    let weights = adapters[number].weights
    guard !weights.parts.isEmpty, let parameter = update.imageParameters.first,
      case .success(let found)? = place(update.module, parameter, number)
    else { return weights.whole }
    return weights.weight(in: found.component)
  }

  /// Every part that an adapter has a weight for must be one of the base's.
  func checkParts(_ number: Int) throws(PlanError) {
    let components = images?.components ?? []
    for part in adapters[number].weights.parts {
      if components.contains(where: { ModelPart.rank(of: $0, named: part.name) != nil }) { continue }
      throw error(.noPart(part.name, known: ModelPart.names(of: components)), number, key: nil)
    }
  }

  /// A replacement by the name that the base has for its target, where that is one whole tensor of an image model.
  func located(_ replacement: AdapterReplacement, _ number: Int) throws(PlanError) -> AdapterReplacement {
    guard adapters[number].adapter.isFile, let images else { return replacement }
    let ending = ".weight"
    let module =
      replacement.target.hasSuffix(ending) ? String(replacement.target.dropLast(ending.count)) : replacement.target
    switch images.place(module, .weight) {
    case nil:
      throw error(
        .noModule(module, model: images.architecture, candidates: images.nearestNames(to: module), otherModules: 0),
        number, key: replacement.tensor)
    case .failure(let problem)?: throw error(.name(problem), number, key: replacement.tensor)
    case .success(let found)?:
      guard let whole = found.placement.whole else {
        throw error(
          .slicedChange(target: found.placement.name.string, what: "a whole tensor"), number, key: replacement.tensor)
      }
      return AdapterReplacement(kind: replacement.kind, target: whole.string, tensor: replacement.tensor)
    }
  }
}
