import ArgumentParser

@main
struct BenchmarkProgram: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "MergeBenchmark",
    abstract: "Make synthetic checkpoints and measure safemerge on them.",
    discussion: """
      Examples:
        MergeBenchmark make /dev/shm/bench --size 1.2b --rank 16
        MergeBenchmark merge /dev/shm/bench/base /dev/shm/bench/adapter --runs 5
        MergeBenchmark merge /dev/shm/bench/base /dev/shm/bench/adapter -- --jobs 1
        MergeBenchmark kernels
        MergeBenchmark cluster ./base ./adapter --storage 3GB --node 1GB
      """,
    subcommands: [
      MakeCommand.self, MergeCommand.self, ListCommand.self, StatisticsCommand.self, KernelsCommand.self,
      ClusterCommand.self,
    ])
}
