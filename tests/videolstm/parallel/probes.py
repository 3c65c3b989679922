"""What several ranks are asked to do together; each writes down what came of it."""

import json
import os
import random
import time
from pathlib import Path

import numpy as np

import cudamat as cm
from tests.videolstm.helpers import describe, make
from videolstm.errors import UserError
from videolstm.files import CannotWrite
from videolstm.parallel import World, shared, transport
from videolstm.parallel.exchange import GradientExchange


def outcome(action):
    """What `action` returns, or the name and text of what it raises."""
    try:
        return action()
    except Exception as error:
        return [type(error).__name__, str(error)]


def fail(error: Exception):
    raise error


class Unportable(Exception):
    """An exception that cannot be pickled as it is."""

    def __init__(self, one, two) -> None:
        super().__init__(f"{one} {two}")


def agree(world: World, folder: Path) -> None:
    """Everything that ranks decide together."""
    rank = world.rank

    def only(number: int, error: Exception):
        return lambda: fail(error) if rank == number else rank

    found = {
        "most": [world.most(rank), world.most(-rank), world.most(rank == 1)],
        "sum": (world.sum([0.1 * (rank + 1), 1e16 if rank else -1e16]) + 0).tolist(),
        "gather": world.gather(f"r{rank}"),
        "lead": world.lead(lambda: ["from", rank]),
        "lead fails": outcome(lambda: world.lead(lambda: fail(CannotWrite("full")))),
        "alike": world.alike(lambda: rank),
        "one fails": outcome(lambda: world.alike(only(1, UserError("no data")))),
        "one has a bug": outcome(lambda: world.alike(only(1, Unportable(1, 2)))),
        "local rank": world.local_rank,
        "share": list(world.share_of(7)),
    }
    alike = {"command line": 1, "data": rank == 1}
    found["other data"] = outcome(lambda: world.check_alike(alike))
    model = make(describe(), seed=rank + 1)
    cm.random_state.offset = rank
    for param in model.params:
        param.t = rank
    found["other weights"] = outcome(lambda: world.check_weights(model.params, 3))
    world.copy_start(model.params)
    found["after copying"] = outcome(lambda: world.check_weights(model.params, 3))
    found["state"] = [cm.random_state.seed, cm.random_state.offset, model.params[0].t]
    weight = model.params[-1].w.asarray().copy()
    if rank == 1:  # the smallest difference there is
        weight[0, 0] = np.nextafter(weight[0, 0], 1e9, dtype=weight.dtype)
        model.params[-1].w.overwrite(weight)
    found["one bit"] = outcome(lambda: world.check_weights(model.params, 9))
    usual, shared.can_have = shared.can_have, lambda count: rank == 0
    found["short of memory"] = world.exchange(model.params).describe("MPI")
    shared.can_have = usual
    found["pieces"] = [pieces(world, kind) for kind in ("InPlace", "Staged")]
    # whatever this MPI answers, it has to know the question or be found not to
    found["boards"] = transport.takes_boards_memory() in (True, False)
    folder.mkdir(exist_ok=True)
    (folder / f"rank{rank}.json").write_text(json.dumps(found))


def pieces(world: World, kind: str) -> list[float]:
    """The sum of 11 numbers in pieces of 4."""
    from mpi4py import MPI

    usual, transport.PIECE = transport.PIECE, 4 * cm.real_type().itemsize
    matrix = cm.CUDAMatrix(np.arange(11.0)[None] + 100 * world.rank)
    way = getattr(transport, kind)(matrix)
    requests = way.start(MPI.COMM_WORLD)
    assert len(requests) == 3
    MPI.Request.Waitall(requests)
    way.finish()
    transport.PIECE = usual
    return matrix.asarray()[0].tolist()


# ---- other ways for gradients than the usual one: what takes the place of `exchange`


def staged(world: World):
    """Gradients as they go from a CUDA board to an MPI that takes no such memory; here
    board and host are one."""
    return lambda params: GradientExchange(world.comm.Dup(), transport.Staged)


def own_weights(world: World):
    """What a user gets who wants no memory to be shared."""

    def exchange(params):
        os.environ[shared.VARIABLE] = "0"
        try:
            return type(world).exchange(world, params)
        finally:
            del os.environ[shared.VARIABLE]

    return exchange


def two_a_machine(world: World):
    """As if every two ranks were on a machine of their own, and late besides."""

    def exchange(params):
        memory = shared.SharedMemory(params, world.comm.Split(world.rank // 2))
        memory.take()
        found = shared.SharedExchange(memory, world.comm.Split(world.rank % 2))
        return dawdling(found, world.rank)

    return exchange


def late(world: World):
    """The usual way, with ranks that are never there at the same time."""
    return lambda params: dawdling(type(world).exchange(world, params), world.rank)


def dawdling(exchange: shared.SharedExchange, rank: int) -> shared.SharedExchange:
    """The exchange; it stops for up to three milliseconds before whatever it does, each
    rank at other times."""
    draw = random.Random(rank)

    def slowed(method):
        def wait_and_do(*arguments, **named):
            time.sleep(draw.choice((0, 0, 0.001, 0.003)))
            return method(*arguments, **named)

        return wait_and_do

    exchange.ready, exchange.update = slowed(exchange.ready), slowed(exchange.update)
    exchange._memory.meet = slowed(exchange._memory.meet)
    exchange._wait = slowed(exchange._wait)
    return exchange
