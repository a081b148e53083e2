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

  /// A number that no cluster has is a mistake, whoever makes it.
  @Test func numbersFromTheEnvironmentAreLimited() throws {
    for count in ["0", "100001", "9223372036854775807"] {
      let error = try refusal(["RANK": "0", "WORLD_SIZE": count])
      #expect(error.message == "--part auto: RANK=0, WORLD_SIZE=\(count): the number of parts is 1 to 100000")
      #expect(error.hint == "give the part: --part 3/16")
    }
    #expect(try found(["RANK": "5", "WORLD_SIZE": "100000"]) == "5/100000 RANK")
  }

  /// Of an array only one from 0 without gaps says how many parts there are: `--array=2` and `--array=1-7:2` are repeats.
  @Test func slurmArrays() throws {
    #expect(try found(array(3, 16, 0...15)) == "3/16 SLURM_ARRAY_TASK_ID")
    #expect(try refusal(array(2, 1, 2...2)).message.contains("SLURM_ARRAY_TASK_MIN=2"))
    // What the hint says must be right where the array has an offset, gaps, or is a repeat.
    for (variables, all) in [
      (array(3, 4, 1...4), "--array=0-3"), (array(3, 4, 1...7, step: 2), "--array=0-3"),
      (array(3, 2, 3...17), "--array=0-1"), (array(1, 3, 0...4, step: 2), "--array=0-2"),
    ] {
      let error = try refusal(variables)
      #expect(
        error.hint == "submit all parts: \(all), or give the number of all parts where some are repeated: --part auto/N"
      )
      #expect(error.message.contains("a Slurm array that is not 0 to "), "\(error.message)")
    }
    let short = try refusal(["SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "4"])
    #expect(
      short.message
        == "--part auto: a Slurm array does not say that it is 0 to 3 (SLURM_ARRAY_TASK_ID=3, SLURM_ARRAY_TASK_COUNT=4; "
        + "SLURM_ARRAY_TASK_MIN, SLURM_ARRAY_TASK_MAX not set)")
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
    #expect(try found(["SGE_TASK_ID": "1", "SGE_TASK_FIRST": "1", "SGE_TASK_LAST": "4"]) == "0/4 SGE_TASK_ID")
    #expect(try found(["PARALLEL_SEQ": "16"], of: 16) == "15/16 PARALLEL_SEQ")
    for variables in [["LSB_JOBINDEX": "0"], ["SGE_TASK_ID": "undefined", "SGE_TASK_LAST": "undefined"]] {
      #expect(try refusal(variables).message.contains("no engine says"))
    }
    #expect(try refusal(["PARALLEL_SEQ": "0"], of: 4).message.contains("1 to 4"))
    #expect(try refusal(["JOB_COMPLETION_INDEX": "two"], of: 4).message.contains("expected numbers"))
  }

  /// The jobs of other engines that do not begin with the first index, or have gaps.
  @Test func otherArraysAreWhole() throws {
    let grid = ["SGE_TASK_ID": "4", "SGE_TASK_FIRST": "1", "SGE_TASK_LAST": "4", "SGE_TASK_STEPSIZE": "1"]
    #expect(try found(grid) == "3/4 SGE_TASK_ID")
    for (changed, hint) in [
      (["SGE_TASK_FIRST": "3"], "-t 1-4"), (["SGE_TASK_STEPSIZE": "3"], "-t 1-4"),
    ] {
      let variables = grid.merging(changed) { $1 }
      #expect(try refusal(variables).hint?.contains(hint) == true)
      #expect(try found(variables, of: 64) == "3/64 SGE_TASK_ID")
    }
    #expect(try refusal(["SGE_TASK_ID": "4", "SGE_TASK_LAST": "4"]).message.contains("SGE_TASK_FIRST not set"))
    let facility = ["LSB_JOBINDEX": "3", "LSB_JOBINDEX_END": "5", "LSB_JOBINDEX_STEP": "1"]
    #expect(try found(facility) == "2/5 LSB_JOBINDEX")
    let odd = facility.merging(["LSB_JOBINDEX_STEP": "2"]) { $1 }
    #expect(try refusal(odd).message.contains("LSB_JOBINDEX_STEP=2") && found(odd, of: 5) == "2/5 LSB_JOBINDEX")
    #expect(try refusal(odd).hint?.contains("-J 'merge[1-5]'") == true)
  }

  /// A job that cannot be repeated in part has as many processes as parts.
  @Test(arguments: [
    ("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"), ("BATCH_TASK_INDEX", "BATCH_TASK_COUNT"),
    ("CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT"), ("SKYPILOT_NODE_RANK", "SKYPILOT_NUM_NODES"),
    ("FLUX_TASK_RANK", "FLUX_JOB_SIZE"), ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE"),
    ("RANK", "WORLD_SIZE"),
  ]) func jobsThatAreWhole(_ index: String, _ count: String) throws {
    let variables = [index: "3", count: "4"]
    #expect(try found(variables) == "3/4 \(index)" && found(variables, of: 4) == "3/4 \(index)")
    #expect(try refusal(variables, of: 8).message.contains("has 4 processes (\(index)=3, \(count)=4)"))
  }

  /// Variables that many programs set count only where nothing more specific is set.
  @Test func generalVariables() throws {
    let mpi = ["OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4", "PMIX_RANK": "1"]
    #expect(try found(mpi) == "1/4 OMPI_COMM_WORLD_RANK")
    #expect(try found(["PMIX_RANK": "1"], of: 2) == "1/2 PMIX_RANK")
    #expect(
      try refusal(["RANK": "1", "WORLD_SIZE": "4", "PMI_RANK": "2", "PMI_SIZE": "4"]).message.contains("different"))
    #expect(try refusal([:]).hint == "give the part: --part 3/16")
  }

  /// Several processes that all have the index of one task would make one part, and nobody the others.
  @Test func generalVariablesContradictNoTask() throws {
    let step = ["SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "4"]
    let torch = ["RANK": "5", "WORLD_SIZE": "8"]
    let mpi = ["OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4"]
    let contradictions: [([String: String], [String: String], Int?)] = [
      (mpi, step, nil), (torch, ["JOB_COMPLETION_INDEX": "0"], 8), (mpi, array(2, 4, 0...3), nil),
      (mpi, array(3, 8, 0...7), nil), (torch, ["SKYPILOT_NODE_RANK": "1", "SKYPILOT_NUM_NODES": "2"], nil),
      (torch, ["PARALLEL_SEQ": "3"], 8), (["PMI_RANK": "0", "PMI_SIZE": "4"], step, 4),
    ]
    for (general, specific, count) in contradictions {
      let error = try refusal(general.merging(specific) { one, _ in one }, of: count)
      #expect(error.message.contains("say different things"), "\(error.message)")
      #expect(error.hint?.contains("env -u ") == true)
    }
    // What agrees, a number of 1, and an index without a number.
    for general in [
      ["PMI_RANK": "1", "PMI_SIZE": "4", "PMIX_RANK": "1"], ["OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"],
      ["PMIX_RANK": "0"], ["RANK": "2"],
    ] {
      #expect(try found(general.merging(step) { one, _ in one }) == "1/4 SLURM_PROCID")
    }
    let few = ["JOB_COMPLETION_INDEX": "3", "RANK": "3", "WORLD_SIZE": "4"]
    #expect(try found(few, of: 4) == "3/4 JOB_COMPLETION_INDEX")
    #expect(try refusal(few, of: 8).message.contains("torchrun has 4 processes"))
    // Of several that say how many there are, all are compared.
    let three = few.merging(["AWS_BATCH_JOB_ARRAY_INDEX": "3", "AWS_BATCH_JOB_ARRAY_SIZE": "5"]) { one, _ in one }
    #expect(try refusal(three, of: 5).message.contains("say different things"))
  }

  @Test func everyEngineHasAVariableOfItsOwn() {
    #expect(Set(JobEngine.all.map(\.index)).count == JobEngine.all.count)
    #expect(JobEngine.all[0].index == "SLURM_ARRAY_TASK_ID" && JobEngine.all[2].index == "JOB_COMPLETION_INDEX")
  }
}
