import Adapters
import Platform
import Safetensors

/// The reason that an adapter was not converted.
package struct ConversionError: ReportableError, Equatable {
  /// One case for each rule, with what broke it.
  package enum Problem: Equatable, Sendable {
    /// The dialect cannot hold what a module's update is; whether it can hold a LoRA of it.
    case notHeld(what: String, dialect: AdapterDialect, holdsLoRA: Bool = true)
    /// The dialect names modules of image models, and no base says what they are.
    case needsBase(AdapterDialect)
    /// The base is no image model, and the dialect names only these.
    case notAnImageModel(AdapterDialect)
    /// The base has no module of this name.
    case unknownModule(nearest: [String])
    /// A name leads to several places of the base, or to rows that it lacks.
    case noPlace(String)
    /// The dialect's names have no module for the rows, or only in part.
    case noName(AdapterDialect)
    /// Rows of several modules become one, which this update cannot.
    case notFused(what: String, into: String)
    /// Rows of one module become several, which this update cannot.
    case notSplit(what: String)
    /// Modules that the dialect keeps as one differ.
    case differing(what: String, first: String, firstValue: String, value: String, dialect: AdapterDialect)
    /// The adapter's modules are in several parts of the model, and the dialect holds one.
    case severalParts([String])
    /// The scaling is not the same in the dialect's formula.
    case scaling(Double, dialect: AdapterDialect)
    /// The factors' file has changed, or cannot be read.
    case file(FileError)
  }

  /// The adapter's weights, as the caller named them.
  package let path: String
  package let problem: Problem
  /// The module or tensor.
  package let module: String?

  init(path: String, _ problem: Problem, module: String? = nil) {
    self.path = path
    self.problem = problem
    self.module = module
  }

  package var file: String? { path }
  package var tensor: String? { module }

  package var errorClass: String {
    switch problem {
    case .file(let error): SafetensorsError(error).errorClass
    case .needsBase, .notAnImageModel: "base"
    case .unknownModule, .noPlace, .noName: "no-target"
    case .notHeld, .notFused, .notSplit, .differing, .severalParts, .scaling: "not-convertible"
    }
  }

  package var category: ErrorCategory {
    if case .file(let error) = problem { SafetensorsError(error).category } else { .refusedInput }
  }

  package var message: String {
    switch problem {
    case .file(let error): SafetensorsError(error).message
    case .notHeld(let what, let dialect, _): "\(what); \(dialect.title) cannot hold it"
    case .needsBase(let dialect):
      "the names of \(dialect.title) depend on the image model, and no base is given"
    case .notAnImageModel(let dialect):
      "\(dialect.title) names modules of image and video models, and the base is not one that is known"
    case .unknownModule(let nearest):
      "the base has no such module" + (nearest.isEmpty ? "" : "; nearest: \(nearest.joined(separator: ", "))")
    case .noPlace(let reason): reason
    case .noName(let dialect): "\(dialect.title) has no name for all rows of this module"
    case .notFused(let what, let target):
      "it becomes a part of \(target), and \(what) cannot be put together losslessly"
    case .notSplit(let what): "it becomes several modules, and \(what) cannot be split losslessly"
    case .differing(let what, let first, let firstValue, let value, let dialect):
      "its \(what) is \(value), and that of \(first) is \(firstValue); \(dialect.title) has one for all modules"
    case .severalParts(let parts):
      "the adapter changes \(parts.joined(separator: ", ")); a folder of PEFT is of one part"
    case .scaling(let scaling, let dialect): "a scaling of \(scaling) cannot be written exactly in \(dialect.title)"
    }
  }

  package var hint: String? {
    switch problem {
    case .file(let error): SafetensorsError(error).hint
    case .notHeld(_, _, holdsLoRA: true):
      "make a LoRA of it: safemerge convert ADAPTER --to lora --base BASE --energy 0.999 -o OUTPUT; or merge it: safemerge "
        + "merge BASE ADAPTER -o OUTPUT"
    case .notHeld, .notFused, .notSplit, .noName:
      "keep the adapter as it is, or merge it: safemerge merge BASE ADAPTER -o OUTPUT"
    case .needsBase: "pass the model that the adapter was made for: --base BASE"
    case .notAnImageModel: "pass the image model that the adapter was made for, or convert to peft or mlx"
    case .unknownModule: "is the adapter made for another model? safemerge ls ADAPTER --base BASE lists what fits"
    case .noPlace: nil
    case .differing: "convert to peft, which has a rank and an alpha for each module"
    case .severalParts: "convert to diffusers, kohya or comfyui, which hold several parts"
    case .scaling: "convert to peft or mlx, which state it as a double"
    }
  }

  package var candidates: [String] { if case .unknownModule(let nearest) = problem { nearest } else { [] } }
}

extension ConversionError {
  /// The error that refuses a base which is no image model, where the dialect or the adapter needs one.
  package static func notAnImageModel(_ adapter: Adapter, _ dialect: AdapterDialect) -> ConversionError {
    ConversionError(path: adapter.weightsPath, .notAnImageModel(dialect))
  }
}
