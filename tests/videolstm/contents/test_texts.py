"""What is said of logs and of other tables."""

import pytest

from tests.videolstm.contents.test_kinds import said_of
from videolstm.tools.inspect import main

LOG = """\
iteration,seconds,dec,vdec,l:w:norm,l:w:gradient_norm
100,1.5,30.0,,4.0,2.5
200,3.0,10.0,12.0,5.0,9.0
300,4.5,20.0,11.0,4.5,1.5
"""
ACCURACIES = """\
iteration,seconds,acc,valid_acc,pooled_valid_acc
1,0.5,0.5,0.25,0.5
2,1.0,0.75,0.5,0.25
"""
ORIGINS = """\
clip,video,frame,seconds,top,left
0,b.avi,40,1.600,3,0
1,a b.avi,0,0.000,11,7
2,b.avi,20,,5,2
"""


def test_only_of_losses_and_accuracies_one_is_the_best(tmp_path, capsys):
    log = tmp_path / "log.csv"
    log.write_text(LOG)
    said = said_of(log)
    assert said["dec"] == {"first": 30, "last": 20, "best": 10, "at": 200}
    assert said["vdec"] == {"first": 12, "last": 11, "best": 11, "at": 300}
    assert said["l:w:norm"] == {"first": 4, "last": 4.5, "least": 4, "most": 5}
    assert said["l:w:gradient_norm"]["least"] == 1.5
    main([str(log)])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()[2:]}
    assert lines["dec"].endswith(" 30 to 20, best 10 at step 200")
    assert lines["l:w:norm"].endswith(" 4 to 4.5, between 4 and 5")
    log.write_text(ACCURACIES)
    said = said_of(log)
    assert said["acc"] == {"first": 0.5, "last": 0.75, "best": 0.75, "at": 2}
    assert said["pooled_valid_acc"]["at"] == 1


def test_where_patches_are_from(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(ORIGINS)
    said = said_of(path)
    assert said["rows"] == 3
    assert said["videos"] == {"videos": 2, "least_clips": 1, "most_clips": 2}
    assert (said["first"], said["last"]) == ("a b.avi", "b.avi")
    assert said["frame"] == {"min": 0, "max": 40}
    assert said["seconds"] == {"min": 0, "max": 1.6}
    assert (said["top"]["max"], said["left"]["max"]) == (11, 7)


@pytest.mark.parametrize(
    "rows", ["", "0\n", "0,,,,,\n", "0,v,x,y,z,\n", "0,v\n1,w,2,3,4,5,6,7\n"]
)
def test_where_patches_are_from_in_a_damaged_table(rows, tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(ORIGINS.splitlines(keepends=True)[0] + rows)
    assert said_of(path)["rows"] == rows.count("\n")
