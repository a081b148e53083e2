/// Programs that start the same command several times, and how each tells a process which one it is.
///
/// An engine is a line here. Sources: the documentation of each; those of Slurm were read off 22.05.
struct JobEngine: Equatable {
  /// What a message calls it.
  let name: String
  /// The variable that has the index.
  let index: String
  /// Those that have the number of parts; the first that is set counts. None: it is never told.
  var counts: [String] = []
  /// What the index of the first part is.
  var first = 0
  /// Whether other engines and programs set it too: a specific engine beside it counts, and this one may not contradict it.
  var isGeneral = false
  /// The index of a process that is not one of several; nil: the engine has no such value.
  var none: String?
  /// Variables that must all be set beside the index.
  var beside: [String] = []
  /// Whether some indexes of a job can be submitted again: then it may have fewer processes than there are parts.
  var isRepeatable = false
  /// What says that the number is that of the parts; nil: it always is.
  var whole: WholeArray?

  static let slurmArray = JobEngine(
    name: "a Slurm array", index: "SLURM_ARRAY_TASK_ID", counts: ["SLURM_ARRAY_TASK_COUNT"], isRepeatable: true,
    whole: WholeArray(
      conditions: [
        WholeArray.Condition(variable: "SLURM_ARRAY_TASK_MIN", value: 0),
        WholeArray.Condition(variable: "SLURM_ARRAY_TASK_MAX", value: nil),
        WholeArray.Condition(variable: "SLURM_ARRAY_TASK_STEP", value: 1, isSet: false),
      ], submission: "--array=0-LAST"))
  static let indexedJob = JobEngine(
    name: "an Indexed Job of Kubernetes", index: "JOB_COMPLETION_INDEX", isRepeatable: true)

  static let all = [
    slurmArray,
    // A batch script has SLURM_PROCID=0 too, without being one of several: a step has a number of tasks.
    JobEngine(
      name: "a Slurm step", index: "SLURM_PROCID", counts: ["SLURM_STEP_NUM_TASKS"], beside: ["SLURM_STEP_NUM_TASKS"]),
    indexedJob,
    JobEngine(
      name: "an array job of AWS Batch", index: "AWS_BATCH_JOB_ARRAY_INDEX", counts: ["AWS_BATCH_JOB_ARRAY_SIZE"]),
    JobEngine(name: "Google Batch", index: "BATCH_TASK_INDEX", counts: ["BATCH_TASK_COUNT"]),
    JobEngine(name: "Cloud Run", index: "CLOUD_RUN_TASK_INDEX", counts: ["CLOUD_RUN_TASK_COUNT"]),
    JobEngine(name: "SkyPilot", index: "SKYPILOT_NODE_RANK", counts: ["SKYPILOT_NUM_NODES"]),
    JobEngine(name: "Flux", index: "FLUX_TASK_RANK", counts: ["FLUX_JOB_SIZE"]),
    JobEngine(name: "a PBS array", index: "PBS_ARRAY_INDEX", isRepeatable: true),
    // No variable has the first index: an array from 2 is not found.
    JobEngine(
      name: "an LSF array", index: "LSB_JOBINDEX", counts: ["LSB_JOBINDEX_END"], first: 1, none: "0",
      isRepeatable: true,
      whole: WholeArray(
        conditions: [WholeArray.Condition(variable: "LSB_JOBINDEX_STEP", value: 1, isSet: false)],
        submission: "-J 'merge[1-LAST]'")),
    JobEngine(
      name: "a Grid Engine array", index: "SGE_TASK_ID", counts: ["SGE_TASK_LAST"], first: 1, none: "undefined",
      isRepeatable: true,
      whole: WholeArray(
        conditions: [
          WholeArray.Condition(variable: "SGE_TASK_FIRST", value: 1),
          WholeArray.Condition(variable: "SGE_TASK_STEPSIZE", value: 1, isSet: false),
        ], submission: "-t 1-LAST")),
    JobEngine(name: "GNU parallel", index: "PARALLEL_SEQ", first: 1, isRepeatable: true),
    JobEngine(name: "Open MPI", index: "OMPI_COMM_WORLD_RANK", counts: ["OMPI_COMM_WORLD_SIZE"], isGeneral: true),
    JobEngine(name: "MPI (PMI)", index: "PMI_RANK", counts: ["PMI_SIZE"], isGeneral: true),
    // No variable has the number.
    JobEngine(name: "MPI (PMIx)", index: "PMIX_RANK", isGeneral: true),
    JobEngine(name: "torchrun", index: "RANK", counts: ["WORLD_SIZE"], isGeneral: true),
  ]
}
