import Safetensors

/// A parameter by one of its names, as rows of the base's tensors.
package struct ParameterRows: Sendable, Hashable {
  /// Adjacent rows of a tensor.
  package struct Run: Sendable, Hashable {
    /// The tensor's name on disk.
    package let tensor: TensorName
    /// Of the tensor's first dimension. A tensor without dimensions is one row.
    package let rows: Range<Int>

    package init(tensor: TensorName, rows: Range<Int>) {
      self.tensor = tensor
      self.rows = rows
    }
  }

  /// The parameter's name in one of the schemes, without the component's prefix.
  package let name: String
  package let shape: [Int]
  /// In the parameter's order.
  package let runs: [Run]
  /// Whether the runs are its columns.
  package let isTransposed: Bool
  /// Whether it is all rows of one tensor, in their order.
  package let isWhole: Bool

  /// The tensor that all of its rows are of; nil: they are of several.
  package var tensor: TensorName? {
    guard let first = runs.first, runs.allSatisfy({ $0.tensor == first.tensor }) else { return nil }
    return first.tensor
  }

  /// - Parameters:
  ///   - name: The parameter's name.
  ///   - view: Its rows.
  ///   - names: Those of the component, whose tensors the rows are of.
  init(name: String, _ view: TensorView, _ names: ComponentNames) {
    self.name = name
    shape = view.shape
    runs = view.runs.map { Run(tensor: names.tensors[$0.tensor], rows: $0.rows) }
    isTransposed = view.isTransposed
    isWhole =
      view.runs.count == 1 && !view.isTransposed
      && view.runs[0].rows == 0..<(names.shapes[view.runs[0].tensor].first ?? 1)
  }
}

extension ComponentNames {
  /// All parameters by the names of a scheme. Those are left out that lack a part of their rows.
  func parameters(in scheme: Component.Scheme) -> [ParameterRows] {
    spellings.views(in: scheme).compactMap { named in
      guard case .success(let view) = named.view, !view.runs.isEmpty else { return nil }
      return ParameterRows(name: named.name, view, self)
    }
  }
}

extension ImageModel {
  /// All parameters of a component by the names that a scheme has for them: what the component's tensors become in a file or folder
  /// of that scheme. Tensors that the architecture's table does not have are no parameters of another scheme.
  ///
  /// - Parameters:
  ///   - component: Its place in ``components``.
  ///   - scheme: The spelling of the names.
  package func parameters(of component: Int, in scheme: Component.Scheme) -> [ParameterRows] {
    parts[component].parameters(in: scheme)
  }
}
