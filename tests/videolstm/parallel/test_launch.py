"""Which environments are those of one process, and which of one of many."""

import pytest

from videolstm.parallel.launch import Launch, find_launch
from videolstm.parallel.share import share_of

OPEN_MPI, MPIEXEC, SRUN = "Open MPI's mpirun", "mpiexec", "srun"

BATCH_JOB = {
    "SLURM_JOB_ID": "7",
    "SLURM_NTASKS": "8",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
}
STEP = BATCH_JOB | {
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
}

ROWS = {
    "nothing": ({}, None),
    "a script of sbatch": (BATCH_JOB, None),
    "a batch step, as some versions call it": (
        BATCH_JOB | {"SLURM_STEP_ID": "4294967291"},
        None,
    ),
    "srun": (STEP, Launch(SRUN, 5, 8, 1)),
    "srun of one task": (STEP | {"SLURM_STEP_NUM_TASKS": "1"}, None),
    "srun with PMI 2": (
        STEP | {"PMI_RANK": "5", "PMI_SIZE": "8"},
        Launch(MPIEXEC, 5, 8, 1),
    ),
    "srun with PMIx": (STEP | {"PMIX_RANK": "5"}, Launch(SRUN, 5, 8, 1)),
    "mpirun in a script of sbatch": (
        BATCH_JOB | {"PMI_RANK": "3", "PMI_SIZE": "4", "MPI_LOCALRANKID": "3"},
        Launch(MPIEXEC, 3, 4, 3),
    ),
    "mpirun in a shell of srun": (
        STEP | {"SLURM_STEP_NUM_TASKS": "1", "PMI_RANK": "1", "PMI_SIZE": "2"},
        Launch(MPIEXEC, 1, 2, 1),
    ),
    "MPICH": (
        {"PMI_RANK": "0", "PMI_SIZE": "2", "MPI_LOCALRANKID": "0"},
        Launch(MPIEXEC, 0, 2, 0),
    ),
    "MPICH, one process": ({"PMI_RANK": "0", "PMI_SIZE": "1"}, None),
    "Open MPI": (
        {
            "OMPI_COMM_WORLD_RANK": "2",
            "OMPI_COMM_WORLD_SIZE": "3",
            "OMPI_COMM_WORLD_LOCAL_RANK": "0",
            "PMIX_RANK": "2",
        },
        Launch(OPEN_MPI, 2, 3, 0),
    ),
    "another PMIx launcher": (
        {"PMIX_RANK": "1"},
        Launch("a PMIx launcher", 1, None, None),
    ),
    "nonsense": ({"PMI_RANK": "x", "PMI_SIZE": "4", "PMIX_RANK": ""}, None),
}


@pytest.mark.parametrize("name", ROWS)
def test_environments(name):
    environment, expected = ROWS[name]
    assert find_launch(environment) == expected


@pytest.mark.parametrize(
    ("rank", "local_rank", "speaks"),
    [(0, 0, True), (1, 1, False), (4, 0, True), (0, None, True), (4, None, False)],
)
def test_without_mpi_the_first_of_each_machine_speaks(rank, local_rank, speaks):
    assert Launch("mpiexec", rank, 8, local_rank).speaks is speaks


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 80])
@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 7])
def test_shares(count, ranks):
    shares = [share_of(count, rank, ranks) for rank in range(ranks)]
    assert [case for share in shares for case in share] == list(range(count))
    sizes = {len(share) for share in shares}
    assert max(sizes) - min(sizes) <= 1
