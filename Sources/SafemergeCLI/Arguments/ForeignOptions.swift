/// Options of other tools and of earlier versions, and what to use instead.
enum ForeignOptions {
  /// The hint for an option that a command does not have; nil: it is not known.
  static func hint(_ name: String, command: String?) -> String? {
    let name = String(name.lowercased().map { $0 == "_" ? "-" : $0 })
    if command == "merge", let hint = merge[name] { return hint }
    return command == "check" ? check[name] : nil
  }

  private static let merge: [String: String] = {
    var hints: [String: String] = [
      "--base-was": "it is called --qlora", "--copy": "use --reflink auto, always or never",
      "--sums": "it is called --checksums", "--lora-weight": weight, "--weight": weight, "--weights": weight,
      "--scale": weight, "--lora-scale": weight, "--alpha": weight, "--device": noDevice, "--cuda": noDevice,
      "--gpu": noDevice, "--device-map": noDevice, "--push-to-hub": "upload the output with: hf upload ORG/NAME OUTPUT",
      "--merge-method": "use --combine",
    ]
    for name in ["out", "outdir", "out-dir", "output-dir", "out-path", "output-path", "save-path", "save-dir"] {
      hints["--\(name)"] = "use --output (-o)"
    }
    for name in ["torch-dtype", "out-dtype", "precision", "bf16", "fp16", "fp32"] {
      hints["--\(name)"] = "use --dtype, for example --dtype bfloat16"
    }
    for name in ["base", "model", "base-model", "lora", "adapter", "adapters", "lora-path", "peft-model"] {
      hints["--\(name)"] = "base and adapters are arguments: safemerge merge BASE ADAPTER -o OUTPUT"
    }
    for name in ["threads", "workers", "num-workers"] { hints["--\(name)"] = "use --jobs (-j)" }
    for name in ["overwrite", "overwrite-output-dir"] { hints["--\(name)"] = "use --force (-f)" }
    for name in ["shard-size", "out-shard-size"] { hints["--\(name)"] = "use --max-shard-size" }
    return hints
  }()

  private static let check = [
    "--base-was": "it is called --qlora", "--sums": "it is called --checksums",
    "--write-sums": "it is called --write-checksums", "--base": "use --against <base>",
    "--adapters": "use --adapter, once for each",
  ]

  private static let weight = "a weight belongs to its adapter: ADAPTER=0.5"
  private static let noDevice = "safemerge runs on the processor and needs no device"
}
