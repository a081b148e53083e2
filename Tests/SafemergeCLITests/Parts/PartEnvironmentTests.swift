import Testing

@testable import SafemergeCLI

/// Which part a process makes, as typed and as engines say it.
@Suite struct PartEnvironmentTests {
  private func found(_ variables: [String: String], of count: Int? = nil) throws -> String {
    let found = try PartEnvironment(variables).part(of: count)
    return "\(found.part.index)/\(found.part.count) \(found.variable)"
  }

  private func refusal(_ variables: [String: String], of count: Int? = nil) throws -> UsageError {
    try #require(throws: UsageError.self) { _ = try PartEnvironment(variables).part(of: count) }
  }

  private func array(_ id: Int, _ count: Int, _ range: ClosedRange<Int>, step: Int = 1) -> [String: String] {
    [
      "SLURM_ARRAY_TASK_ID": "\(id)", "SLURM_ARRAY_TASK_COUNT": "\(count)",
      "SLURM_ARRAY_TASK_MIN": "\(range.lowerBound)",
      "SLURM_ARRAY_TASK_MAX": "\(range.upperBound)", "SLURM_ARRAY_TASK_STEP": "\(step)",
    ]
  }

  @Test func partsAreTyped() throws {
    #expect(try PartArgument(argument: "3/16") == .number(PartNumber(index: 3, count: 16)))
    #expect(try PartArgument(argument: "0/1") == .number(PartNumber(index: 0, count: 1)))
    #expect(try PartArgument(argument: "auto") == .automatic(count: nil))
    #expect(try PartArgument(argument: "auto/64") == .automatic(count: 64))
    for text in [
      "", "3", "3/", "/3", "16/16", "-1/4", "+1/4", "1/0", "0/0", "0/100001", "1/4/2", "auto/", "auto/0", "auto/1/2",
      "a/4",
      "1/ 4", "1.0/4", "99999999999999999999/4",
    ] {
      #expect(throws: InvalidValue.self, "\(text)") { try PartArgument(argument: text) }
    }
  }

  /// Of an array only one from 0 without gaps says how many parts there are: `--array=2` and `--array=1-7:2` are repeats.
  @Test func slurmArrays() throws {
    #expect(try found(array(3, 16, 0...15)) == "3/16 SLURM_ARRAY_TASK_ID")
    #expect(try refusal(array(2, 1, 2...2)).message.contains("SLURM_ARRAY_TASK_MIN=2"))
    #expect(try refusal(array(3, 4, 1...7, step: 2)).hint?.contains("auto/4") == true)
    #expect(try found(array(2, 1, 2...2), of: 16) == "2/16 SLURM_ARRAY_TASK_ID")
    #expect(try refusal(array(16, 1, 16...16), of: 16).message.contains("0 to 15"))
  }

  /// A batch script without srun has SLURM_PROCID=0 and SLURM_NTASKS=8: part 0 of it would be all that is made.
  @Test func slurmSteps() throws {
    let step = ["SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8", "SLURM_NTASKS": "8"]
    #expect(try found(step) == "5/8 SLURM_PROCID" && found(step, of: 8) == "5/8 SLURM_PROCID")
    #expect(try refusal(["SLURM_PROCID": "0", "SLURM_NTASKS": "8"]).message.contains("no engine says"))
    #expect(try refusal(step, of: 16).message.contains("has 8 processes"))
    #expect(try refusal(step.merging(array(2, 4, 0...3)) { one, _ in one }).message.contains("say different things"))
    let single = ["SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"]
    #expect(try found(single.merging(array(2, 4, 0...3)) { one, _ in one }) == "2/4 SLURM_ARRAY_TASK_ID")
  }

  @Test func otherEngines() throws {
    #expect(try refusal(["JOB_COMPLETION_INDEX": "2"]).hint?.contains("auto/16") == true)
    #expect(try found(["JOB_COMPLETION_INDEX": "2"], of: 16) == "2/16 JOB_COMPLETION_INDEX")
    #expect(
      try found(["AWS_BATCH_JOB_ARRAY_INDEX": "2", "AWS_BATCH_JOB_ARRAY_SIZE": "3"]) == "2/3 AWS_BATCH_JOB_ARRAY_INDEX")
    // Those that count from 1.
    #expect(try found(["LSB_JOBINDEX": "4", "LSB_JOBINDEX_END": "4"]) == "3/4 LSB_JOBINDEX")
    #expect(try found(["SGE_TASK_ID": "1", "SGE_TASK_LAST": "4"]) == "0/4 SGE_TASK_ID")
    #expect(try found(["PARALLEL_SEQ": "16"], of: 16) == "15/16 PARALLEL_SEQ")
    for variables in [["LSB_JOBINDEX": "0"], ["SGE_TASK_ID": "undefined", "SGE_TASK_LAST": "undefined"]] {
      #expect(try refusal(variables).message.contains("no engine says"))
    }
    #expect(try refusal(["PARALLEL_SEQ": "0"], of: 4).message.contains("1 to 4"))
    #expect(try refusal(["JOB_COMPLETION_INDEX": "two"], of: 4).message.contains("expected numbers"))
  }

  /// Variables that many programs set count only where nothing more specific is set.
  @Test func generalVariables() throws {
    let mpi = ["OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4", "PMIX_RANK": "1"]
    #expect(try found(mpi) == "1/4 OMPI_COMM_WORLD_RANK")
    #expect(try found(mpi.merging(array(3, 8, 0...7)) { one, _ in one }) == "3/8 SLURM_ARRAY_TASK_ID")
    #expect(try found(["PMIX_RANK": "1"], of: 2) == "1/2 PMIX_RANK")
    #expect(
      try refusal(["RANK": "1", "WORLD_SIZE": "4", "PMI_RANK": "2", "PMI_SIZE": "4"]).message.contains("different"))
    #expect(try refusal([:]).hint == "give the part: --part 3/16")
  }

  @Test func everyEngineHasAVariableOfItsOwn() {
    #expect(Set(JobEngine.all.map(\.index)).count == JobEngine.all.count)
    #expect(JobEngine.all[0].index == "SLURM_ARRAY_TASK_ID" && JobEngine.all[2].index == "JOB_COMPLETION_INDEX")
  }
}
