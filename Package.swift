// swift-tools-version: 6.2
import PackageDescription

let librarySettings: [SwiftSetting] = [.treatAllWarnings(as: .error), .strictMemorySafety()]
let programSettings: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
  name: "safemerge",
  platforms: [.macOS(.v26)],
  products: [
    .library(name: "Safetensors", targets: ["Safetensors"]),
    .library(name: "MergeEngine", targets: ["MergeEngine", "MergePlanning", "Adapters", "Checkpoints"]),
    .executable(name: "safemerge", targets: ["SafemergeCLI"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    .systemLibrary(
      name: "CJansson", pkgConfig: "jansson", providers: [.apt(["libjansson-dev"]), .brew(["jansson"])]),
    .target(name: "JSONText", dependencies: ["CJansson"], swiftSettings: librarySettings),
    .target(name: "CFileCalls", cSettings: [.treatAllWarnings(as: .error)]),
    .target(name: "CThreads", cSettings: [.treatAllWarnings(as: .error)]),
    .target(
      name: "Safetensors", dependencies: ["JSONText", "CFileCalls", "CThreads"], swiftSettings: librarySettings),
    .target(name: "CSHA256", cSettings: [.treatAllWarnings(as: .error)]),
    .target(name: "Checksums", dependencies: ["CSHA256"], swiftSettings: librarySettings),
    .target(
      name: "Checkpoints", dependencies: ["Safetensors", "JSONText", "Checksums"], swiftSettings: librarySettings),
    .target(name: "HubCache", dependencies: ["Checkpoints"], swiftSettings: librarySettings),
    .target(name: "CTensorScan", cSettings: [.treatAllWarnings(as: .error)]),
    .target(
      name: "TensorScan", dependencies: ["CTensorScan", "Safetensors", "Checksums"], swiftSettings: librarySettings),
    .target(name: "Adapters", dependencies: ["Safetensors", "JSONText"], swiftSettings: librarySettings),
    .target(name: "MergePlanning", dependencies: ["Checkpoints", "Adapters"], swiftSettings: librarySettings),
    .target(
      name: "CTileKernels", cSettings: [.treatAllWarnings(as: .error)],
      linkerSettings: [.linkedLibrary("m", .when(platforms: [.linux]))]),
    .target(name: "TileKernels", dependencies: ["CTileKernels"], swiftSettings: librarySettings),
    .target(
      name: "CLoadedFiles", cSettings: [.treatAllWarnings(as: .error)],
      linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
    .target(name: "LinearAlgebra", dependencies: ["CLoadedFiles"], swiftSettings: librarySettings),
    .target(
      name: "MergeEngine", dependencies: ["MergePlanning", "TileKernels", "LinearAlgebra"],
      swiftSettings: librarySettings),
    .target(name: "ReportPage", dependencies: ["MergeEngine"], swiftSettings: librarySettings),
    .target(name: "CSignals", cSettings: [.treatAllWarnings(as: .error)]),
    .target(
      name: "CPlainArithmetic", cSettings: [.treatAllWarnings(as: .error)],
      linkerSettings: [.linkedLibrary("m", .when(platforms: [.linux]))]),
    .target(
      name: "MergeChecking", dependencies: ["MergePlanning", "Checksums", "CPlainArithmetic"],
      swiftSettings: librarySettings),
    .executableTarget(
      name: "SafemergeCLI",
      dependencies: [
        "MergeEngine", "MergeChecking", "HubCache", "TensorScan", "ReportPage", "CSignals",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: programSettings),
    .target(
      name: "CBenchmark", cSettings: [.treatAllWarnings(as: .error)],
      linkerSettings: [.linkedLibrary("m", .when(platforms: [.linux]))]),
    .executableTarget(
      name: "MergeBenchmark",
      dependencies: ["MergeEngine", "CBenchmark", .product(name: "ArgumentParser", package: "swift-argument-parser")],
      swiftSettings: programSettings),
    .target(
      name: "TestSupport", dependencies: ["Safetensors", "JSONText"], path: "Tests/TestSupport",
      swiftSettings: programSettings),
    .testTarget(name: "ChecksumsTests", dependencies: ["Checksums", "CSHA256"], swiftSettings: programSettings),
    .testTarget(name: "JSONTextTests", dependencies: ["JSONText"], swiftSettings: programSettings),
    .testTarget(
      name: "SafetensorsTests", dependencies: ["Safetensors", "TestSupport"], swiftSettings: programSettings),
    .testTarget(
      name: "CheckpointsTests", dependencies: ["Checkpoints", "Checksums", "TestSupport"],
      swiftSettings: programSettings),
    .testTarget(name: "HubCacheTests", dependencies: ["HubCache", "TestSupport"], swiftSettings: programSettings),
    .testTarget(
      name: "TensorScanTests", dependencies: ["TensorScan", "CTensorScan", "TestSupport"],
      swiftSettings: programSettings),
    .testTarget(
      name: "AdaptersTests", dependencies: ["Adapters", "TestSupport"], swiftSettings: programSettings),
    .testTarget(
      name: "MergePlanningTests", dependencies: ["MergePlanning", "TestSupport"], swiftSettings: programSettings),
    .testTarget(
      name: "MergeCheckingTests", dependencies: ["MergeChecking", "MergeEngine", "TestSupport"],
      swiftSettings: programSettings),
    .testTarget(
      name: "MergeEngineTests", dependencies: ["MergeEngine", "TestSupport"], swiftSettings: programSettings),
    .testTarget(
      name: "ReportPageTests", dependencies: ["ReportPage", "TestSupport"], swiftSettings: programSettings),
    .testTarget(
      name: "SafemergeCLITests", dependencies: ["SafemergeCLI", "Checksums", "TestSupport"],
      swiftSettings: programSettings),
    .testTarget(
      name: "MergeBenchmarkTests", dependencies: ["MergeBenchmark", "CBenchmark", "TestSupport"],
      swiftSettings: programSettings),
    .testTarget(
      name: "LibraryTests",
      dependencies: ["MergeEngine", "MergePlanning", "Checkpoints", "Adapters", "Safetensors", "TestSupport"],
      swiftSettings: programSettings),
    .testTarget(
      name: "LinearAlgebraTests", dependencies: ["LinearAlgebra", "TestSupport"], swiftSettings: programSettings),
    .testTarget(name: "TileKernelsTests", dependencies: ["TileKernels"], swiftSettings: programSettings),
  ]
)
