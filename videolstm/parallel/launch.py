"""Whether a launcher has started this process as one of many: what the environment
says, before anything of MPI is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Launch:
    """A process that a launcher has started together with others.

    launcher: what started it, in words. rank: its number, from 0. ranks: how many there
    are, None where the environment does not say. local_rank: its number on its own
    machine, None where the environment does not say.
    """

    launcher: str
    rank: int
    ranks: int | None
    local_rank: int | None

    @property
    def speaks(self) -> bool:
        """Whether this process is to say what concerns all of them while there is no
        MPI to ask: the first of each machine, since machines can differ."""
        return self.rank == 0 if self.local_rank is None else self.local_rank == 0


# What launchers set: rank, number of ranks and local rank. PMI is what the mpiexec of
# MPICH and Intel MPI speak, and srun with --mpi=pmi2.
_LAUNCHERS = {
    "Open MPI's mpirun": (
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_LOCAL_RANK",
    ),
    "mpiexec": ("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"),
}
_SLURM = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")


def find_launch(environment: Mapping[str, str]) -> Launch | None:
    """How this process was launched; None where it is the only one.

    A job of Slurm is many processes only within srun: the script that sbatch runs, and
    a shell of salloc, have SLURM_NTASKS as well and are one process each.
    """
    for launcher, (rank, ranks, local_rank) in _LAUNCHERS.items():
        if _number(environment, rank) is not None:
            found = _number(environment, ranks) or _step_tasks(environment)
            local = _number(environment, local_rank)
            if local is None:
                local = _number(environment, _SLURM[2])
            return _several(Launch(launcher, _number(environment, rank), found, local))
    if _step_tasks(environment) is not None:
        rank, local = (_number(environment, _SLURM[k]) for k in (0, 2))
        if rank is not None:
            found = Launch("srun", rank, _step_tasks(environment), local)
            return _several(found)
    rank = _number(environment, "PMIX_RANK")
    if rank is not None:
        return Launch("a PMIx launcher", rank, None, None)
    return None


def _several(launch: Launch) -> Launch | None:
    return None if launch.ranks == 1 else launch


def _step_tasks(environment: Mapping[str, str]) -> int | None:
    """Processes of the step of srun that this one is of; None outside of steps."""
    if _number(environment, "SLURM_STEP_ID") is None:
        return None
    return _number(environment, _SLURM[1])


def _number(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else None
