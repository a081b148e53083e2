// swift-tools-version: 6.2
import PackageDescription

// Arrows run upwards in this list only: a target depends on targets above it, and declares each one that it imports.

let programSettings: [SwiftSetting] = [
  .treatAllWarnings(as: .error), .enableUpcomingFeature("MemberImportVisibility"),
]
let librarySettings: [SwiftSetting] = programSettings + [.strictMemorySafety()]
let cSettings: [CSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
  name: "safemerge",
  platforms: [.macOS(.v26)],
  products: [
    .library(name: "Safetensors", targets: ["Safetensors"]),
    .library(
      name: "MergeEngine",
      targets: [
        "Merging", "MergeEngine", "AdapterWriting", "Reports", "MergePlanning", "ModelNames", "Adapters", "Staging",
        "Checkpoints",
      ]),
    .executable(name: "safemerge", targets: ["SafemergeCLI"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    .target(
      name: "CSystem", cSettings: cSettings, linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
    .systemLibrary(
      name: "CJansson", pkgConfig: "jansson", providers: [.apt(["libjansson-dev"]), .brew(["jansson"])]),
    .target(name: "CSHA256", cSettings: cSettings),
    .target(
      name: "CTileKernels", cSettings: cSettings,
      linkerSettings: [.linkedLibrary("m", .when(platforms: [.linux]))]),
    .target(name: "CTensorScan", cSettings: cSettings),
    .target(
      name: "CPlainArithmetic", cSettings: cSettings,
      linkerSettings: [.linkedLibrary("m", .when(platforms: [.linux]))]),
    .target(
      name: "CSpectra", cSettings: cSettings, linkerSettings: [.linkedLibrary("m", .when(platforms: [.linux]))]),
    .target(
      name: "CBenchmark", cSettings: cSettings, linkerSettings: [.linkedLibrary("m", .when(platforms: [.linux]))]),
    .target(
      name: "Platform",
      dependencies: ["CSystem"],
      swiftSettings: librarySettings),
    .target(
      name: "JSONText",
      dependencies: ["CJansson"],
      swiftSettings: librarySettings),
    .target(
      name: "Checksums",
      dependencies: ["CSHA256", "Platform"],
      swiftSettings: librarySettings),
    .target(
      name: "Safetensors",
      dependencies: ["Platform", "JSONText"],
      swiftSettings: librarySettings),
    .target(
      name: "Checkpoints",
      dependencies: ["Platform", "JSONText", "Safetensors"],
      swiftSettings: librarySettings),
    .target(
      name: "Adapters",
      dependencies: ["Platform", "JSONText", "Safetensors"],
      swiftSettings: librarySettings),
    .target(
      name: "ModelNames",
      dependencies: ["JSONText", "Safetensors", "Checkpoints", "Adapters"],
      swiftSettings: librarySettings),
    .target(
      name: "ImageModels",
      dependencies: ["Safetensors", "ModelNames"],
      swiftSettings: librarySettings),
    .target(
      name: "TileKernels",
      dependencies: ["CTileKernels"],
      swiftSettings: librarySettings),
    .target(
      name: "TorchRandom",
      swiftSettings: librarySettings),
    .target(
      name: "LinearAlgebra",
      dependencies: ["CSystem", "Platform", "Checksums"],
      swiftSettings: librarySettings),
    .target(
      name: "LowRank",
      dependencies: ["CSpectra", "Platform", "TileKernels"],
      swiftSettings: librarySettings),
    .target(
      name: "MergePlanning",
      dependencies: ["Platform", "JSONText", "Safetensors", "Checkpoints", "Adapters", "ModelNames", "ImageModels"],
      swiftSettings: librarySettings),
    .target(
      name: "Staging",
      dependencies: ["Platform", "JSONText", "Checksums", "Safetensors", "Checkpoints"],
      swiftSettings: librarySettings),
    .target(
      name: "MergeEngine",
      dependencies: [
        "Platform", "Checksums", "Safetensors", "Checkpoints", "Adapters", "TileKernels", "TorchRandom",
        "LinearAlgebra", "MergePlanning", "Staging",
      ],
      swiftSettings: librarySettings),
    .target(
      name: "AdapterConversion",
      dependencies: ["Platform", "JSONText", "Safetensors", "Adapters", "ModelNames", "ImageModels"],
      swiftSettings: librarySettings),
    .target(
      name: "AdapterWriting",
      dependencies: [
        "Platform", "JSONText", "Checksums", "Safetensors", "Checkpoints", "Adapters", "TileKernels", "Staging",
        "MergeEngine",
      ],
      swiftSettings: librarySettings),
    .target(
      name: "Factorization",
      dependencies: [
        "Platform", "JSONText", "Safetensors", "Checkpoints", "Adapters", "TileKernels", "LowRank", "ImageModels",
        "MergePlanning", "MergeEngine", "AdapterConversion", "AdapterWriting",
      ],
      swiftSettings: librarySettings),
    .target(
      name: "Reports",
      dependencies: [
        "Platform", "JSONText", "Checksums", "Safetensors", "Checkpoints", "Adapters", "MergePlanning", "Staging",
        "MergeEngine",
      ],
      swiftSettings: librarySettings),
    .target(
      name: "Inspection",
      dependencies: [
        "CTensorScan", "CPlainArithmetic", "Platform", "JSONText", "Checksums", "Safetensors", "Checkpoints",
        "Adapters", "ModelNames", "ImageModels", "MergePlanning", "Staging",
      ],
      swiftSettings: librarySettings),
    .target(
      name: "MergeChecking",
      dependencies: [
        "CPlainArithmetic", "Platform", "JSONText", "Safetensors", "Checkpoints", "Adapters", "TorchRandom",
        "MergePlanning", "Inspection",
      ],
      swiftSettings: librarySettings),
    .target(
      name: "Merging",
      dependencies: [
        "Platform", "JSONText", "Checksums", "Safetensors", "Checkpoints", "Adapters", "TileKernels", "LinearAlgebra",
        "MergePlanning", "AdapterConversion", "Staging", "MergeEngine", "AdapterWriting", "Inspection",
        "MergeChecking",
      ],
      swiftSettings: librarySettings),
    .executableTarget(
      name: "SafemergeCLI",
      dependencies: [
        "CSystem", "Platform", "JSONText", "Checksums", "Safetensors", "Checkpoints", "Adapters", "ModelNames",
        "ImageModels", "TileKernels", "LinearAlgebra", "MergePlanning", "Staging", "MergeEngine",
        "AdapterConversion", "AdapterWriting", "Factorization", "LowRank", "Reports", "Inspection", "MergeChecking",
        "Merging",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: programSettings),
    .executableTarget(
      name: "MergeBenchmark",
      dependencies: [
        "CBenchmark", "Platform", "JSONText", "Safetensors", "Checkpoints", "Adapters", "TileKernels", "MergePlanning",
        "MergeEngine", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: programSettings),
    .target(
      name: "TestSupport",
      dependencies: ["Platform", "JSONText", "Safetensors"],
      path: "Tests/TestSupport",
      swiftSettings: programSettings),
    .testTarget(
      name: "AdapterConversionTests",
      dependencies: [
        "Platform", "JSONText", "Safetensors", "Checkpoints", "Adapters", "MergePlanning", "AdapterConversion",
        "AdapterWriting", "Merging", "TestSupport",
      ],
      swiftSettings: programSettings),
    .testTarget(
      name: "AdapterWritingTests",
      dependencies: [
        "Platform", "JSONText", "Checksums", "Safetensors", "Checkpoints", "Adapters", "Staging", "MergeEngine",
        "AdapterWriting", "TestSupport",
      ],
      swiftSettings: programSettings),
    .testTarget(
      name: "AdaptersTests",
      dependencies: ["Platform", "JSONText", "Safetensors", "Adapters", "TestSupport"],
      swiftSettings: programSettings),
    .testTarget(
      name: "CheckpointsTests",
      dependencies: ["Platform", "JSONText", "Safetensors", "Checkpoints", "TestSupport"],
      swiftSettings: programSettings),
    .testTarget(
      name: "ChecksumsTests",
      dependencies: ["CSHA256", "Platform", "Checksums", "TestSupport"],
      swiftSettings: programSettings),
    .testTarget(
      name: "FactorizationTests",
      dependencies: [
        "Platform", "JSONText", "Safetensors", "Checkpoints", "Adapters", "LowRank", "MergePlanning", "Staging",
        "AdapterWriting", "Factorization", "Merging", "TestSupport",
      ],
      swiftSettings: programSettings),
    .testTarget(
      name: "HouseTests",
      swiftSettings: programSettings),
    .testTarget(
      name: "ImageModelsTests",
      dependencies: ["Platform", "Safetensors", "ModelNames", "ImageModels", "TestSupport"],
      swiftSettings: programSettings),
    .testTarget(
      name: "InspectionTests",
      dependencies: ["CTensorScan", "Platform", "Checksums", "Safetensors", "Inspection", "TestSupport"],
      swiftSettings: programSettings),
    .testTarget(
      name: "JSONTextTests",
      dependencies: ["JSONText"],
      swiftSettings: programSettings),
    .testTarget(
      name: "LibraryTests",
      dependencies: [
        "Platform", "Safetensors", "Checkpoints", "Adapters", "MergePlanning", "Staging", "MergeEngine", "Merging",
        "TestSupport",
      ],
      swiftSettings: programSettings),
    .testTarget(
      name: "LinearAlgebraTests",
      dependencies: ["LinearAlgebra", "TestSupport"],
      swiftSettings: programSettings),
    .testTarget(
      name: "LowRankTests",
      dependencies: ["JSONText", "LowRank", "TestSupport"],
      swiftSettings: programSettings),
    .testTarget(
      name: "MergeBenchmarkTests",
      dependencies: [
        "CBenchmark", "Safetensors", "Checkpoints", "Adapters", "TileKernels", "MergePlanning", "Merging",
        "MergeBenchmark", "TestSupport", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: programSettings),
    .testTarget(
      name: "MergeCheckingTests",
      dependencies: [
        "CPlainArithmetic", "Platform", "JSONText", "Checksums", "Safetensors", "Checkpoints", "Adapters",
        "MergePlanning", "Staging", "MergeEngine", "Inspection", "MergeChecking", "Merging", "TestSupport",
      ],
      swiftSettings: programSettings),
    .testTarget(
      name: "MergeEngineTests",
      dependencies: [
        "Platform", "JSONText", "Safetensors", "Checkpoints", "Adapters", "ModelNames", "TileKernels", "LinearAlgebra",
        "MergePlanning", "Staging", "MergeEngine", "Reports", "Merging", "TestSupport",
      ],
      swiftSettings: programSettings),
    .testTarget(
      name: "MergePlanningTests",
      dependencies: [
        "Platform", "JSONText", "Safetensors", "Checkpoints", "Adapters", "ModelNames", "MergePlanning", "TestSupport",
      ],
      swiftSettings: programSettings),
    .testTarget(
      name: "ModelNamesTests",
      dependencies: ["JSONText", "Safetensors", "Adapters", "ModelNames", "TestSupport"],
      swiftSettings: programSettings),
    .testTarget(
      name: "PlatformTests",
      dependencies: ["Platform", "Safetensors"],
      swiftSettings: programSettings),
    .testTarget(
      name: "ReportsTests",
      dependencies: ["Platform", "JSONText", "Checksums", "Reports", "TestSupport"],
      swiftSettings: programSettings),
    .testTarget(
      name: "SafemergeCLITests",
      dependencies: [
        "Platform", "JSONText", "Checksums", "Safetensors", "Checkpoints", "Adapters", "MergePlanning", "Staging",
        "MergeEngine", "Reports", "Merging", "SafemergeCLI", "TestSupport",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: programSettings),
    .testTarget(
      name: "SafetensorsTests",
      dependencies: ["Platform", "JSONText", "Safetensors", "TestSupport"],
      swiftSettings: programSettings),
    .testTarget(
      name: "StagingTests",
      dependencies: ["Platform", "JSONText", "Checksums", "Safetensors", "Checkpoints", "Staging", "TestSupport"],
      swiftSettings: programSettings),
    .testTarget(
      name: "TileKernelsTests",
      dependencies: ["TileKernels"],
      swiftSettings: programSettings),
    .testTarget(
      name: "TorchRandomTests",
      dependencies: ["TorchRandom"],
      swiftSettings: programSettings),
  ]
)
