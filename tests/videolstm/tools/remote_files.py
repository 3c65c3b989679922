"""What the tests of fetching and of downloading share: a file, and what comes of it."""

import hashlib

import numpy as np
import pytest

from videolstm.errors import UserError
from videolstm.tools.fetch import RemoteFile

CONTENT = np.random.RandomState(0).bytes(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
OTHER = bytes(reversed(CONTENT))
HALF = len(CONTENT) // 2


def remote(*addresses, name="data.bin", most=10**6, md5=MD5):
    return RemoteFile(name, addresses, most, md5)


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(call, *words):
    """The sentence, one line, that a call ends with."""
    with pytest.raises(UserError) as caught:
        call()
    said = str(caught.value)
    assert "\n" not in said
    for word in words:
        assert word in said
    return said
