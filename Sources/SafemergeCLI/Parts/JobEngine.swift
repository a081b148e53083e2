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
  /// Whether other engines set it too, so that it counts only if nothing more specific is there.
  var isGeneral = false
  /// The index of a process that is not one of several; nil: the engine has no such value.
  var none: String?
  /// Variables that must all be set beside the index.
  var beside: [String] = []
  /// Whether fewer or more processes than parts are meant: a repeat of some indexes of an array.
  var isArray = true

  static let slurmArray = JobEngine(
    name: "a Slurm array", index: "SLURM_ARRAY_TASK_ID", counts: ["SLURM_ARRAY_TASK_COUNT"])
  static let indexedJob = JobEngine(name: "an Indexed Job of Kubernetes", index: "JOB_COMPLETION_INDEX")

  static let all = [
    slurmArray,
    // A batch script has SLURM_PROCID=0 too, without being one of several: a step has a number of tasks.
    JobEngine(
      name: "a Slurm step", index: "SLURM_PROCID", counts: ["SLURM_STEP_NUM_TASKS"], beside: ["SLURM_STEP_NUM_TASKS"],
      isArray: false),
    indexedJob,
    JobEngine(
      name: "an array job of AWS Batch", index: "AWS_BATCH_JOB_ARRAY_INDEX", counts: ["AWS_BATCH_JOB_ARRAY_SIZE"]),
    JobEngine(name: "Google Batch", index: "BATCH_TASK_INDEX", counts: ["BATCH_TASK_COUNT"], isArray: false),
    JobEngine(name: "Cloud Run", index: "CLOUD_RUN_TASK_INDEX", counts: ["CLOUD_RUN_TASK_COUNT"], isArray: false),
    JobEngine(name: "SkyPilot", index: "SKYPILOT_NODE_RANK", counts: ["SKYPILOT_NUM_NODES"], isArray: false),
    JobEngine(name: "Flux", index: "FLUX_TASK_RANK", counts: ["FLUX_JOB_SIZE"], isArray: false),
    JobEngine(name: "a PBS array", index: "PBS_ARRAY_INDEX"),
    JobEngine(name: "an LSF array", index: "LSB_JOBINDEX", counts: ["LSB_JOBINDEX_END"], first: 1, none: "0"),
    JobEngine(
      name: "a Grid Engine array", index: "SGE_TASK_ID", counts: ["SGE_TASK_LAST"], first: 1, none: "undefined"),
    JobEngine(name: "GNU parallel", index: "PARALLEL_SEQ", first: 1),
    JobEngine(
      name: "Open MPI", index: "OMPI_COMM_WORLD_RANK", counts: ["OMPI_COMM_WORLD_SIZE"], isGeneral: true, isArray: false
    ),
    JobEngine(name: "MPI (PMI)", index: "PMI_RANK", counts: ["PMI_SIZE"], isGeneral: true, isArray: false),
    JobEngine(name: "MPI (PMIx)", index: "PMIX_RANK", isGeneral: true, isArray: false),
    JobEngine(name: "torchrun", index: "RANK", counts: ["WORLD_SIZE"], isGeneral: true, isArray: false),
  ]
}
