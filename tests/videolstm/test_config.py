"""Reading .pbtxt files: which fields there are, what is refused, where files are."""

import sys

import pytest
from google.protobuf.descriptor import FieldDescriptor

import videolstm
from videolstm.config import locate, messages, read_data, read_model, write_text
from videolstm.errors import UserError

# The release's numbers and defaults: files of the release mean the same here only as
# long as these stand. name: (number, default), None where there is none.
FIELDS = {
    "Data": {
        "data_file": (1, None),
        "dataset_name": (2, None),
        "labels_file": (3, None),
        "num_frames_file": (4, None),
        "num_frames": (5, 1),
        "stride": (6, 1),
        "randomize": (7, False),
        "batch_size": (8, None),
        "dataset_type": (9, 0),
        "image_size": (10, None),
        "num_digits": (11, None),
        "step_length": (12, None),
        "video_ids_file": (13, None),
        "image_size_x": (14, None),
        "image_size_y": (15, None),
        "patch_size_x": (16, None),
        "patch_size_y": (17, None),
        "num_colors": (18, 0),
        "mean_file": (19, None),
        "sample_times": (20, 1),
    },
    "Param": {
        "init_type": (1, 0),
        "scale": (2, 0),
        "epsilon": (3, 0),
        "momentum": (4, 0),
        "l2_decay": (5, 0),
        "gradient_clip": (6, 0),
        "eps_decay_factor": (7, 1),
        "eps_decay_after": (8, 0),
        "file_name": (9, None),
        "dataset_name": (10, None),
        "input_gate_bias": (11, 0),
        "forget_gate_bias": (12, 0),
        "input_bias": (13, 0),
        "output_gate_bias": (14, 0),
        "rms_prop": (15, False),
        "rms_prop_factor": (16, 0.95),
    },
    "LSTM": {
        "name": (1, None),
        "num_hid": (2, None),
        "w_dense": (3, None),
        "w_diag": (4, None),
        "b": (5, None),
        "w_input": (6, None),
        "w_output": (7, None),
        "b_output": (8, None),
        "has_input": (9, False),
        "has_output": (10, False),
        "use_relu": (11, False),
        "input_dims": (12, 0),
        "output_dims": (13, 0),
        "input_dropprob": (14, 0),
        "output_dropprob": (15, 0),
        "pretrained": (100, None),
    },
    "TrainedLayer": {"checkpoint": (1, None), "layer": (2, None)},
    "Logreg": {
        "name": (1, None),
        "num_inputs": (2, None),
        "num_outputs": (3, None),
        "w": (4, None),
        "b": (5, None),
        "dropprob": (6, 0),
    },
    "Model": {
        "name": (1, None),
        "lstm": (2, None),
        "logreg": (3, None),
        "timestamp": (4, None),
        "checkpoint_dir": (5, None),
        "max_iters": (6, 0),
        "print_after": (7, 1),
        "validate_after": (8, 0),
        "save_after": (9, 0),
        "display_after": (10, 0),
        "dec_seq_length": (11, 0),
        "lstm_dec": (12, None),
        "squash_relu": (13, False),
        "squash_relu_lambda": (14, 2),
        "binary_data": (15, False),
        "future_seq_length": (16, 0),
        "lstm_future": (17, None),
        "dec_conditional": (18, False),
        "future_conditional": (19, False),
        "decoder_copy_init_state": (20, False),
        "future_copy_init_state": (21, False),
        "relu_data": (22, False),
        "reproduce_2016_release": (100, False),
    },
}

ENUMS = {
    ("Data", "DatasetType"): [
        "LABELLED",
        "UNLABELLED",
        "BOUNCING_MNIST",
        "BOUNCING_MNIST_FIXED",
        "VIDEO_PATCH",
    ],
    ("Param", "InitType"): [
        "CONSTANT",
        "GAUSSIAN",
        "UNIFORM",
        "PRETRAINED",
        "LSTM_BIAS",
    ],
}


@pytest.mark.parametrize("message", FIELDS)
def test_fields_have_the_numbers_and_defaults_of_the_release(message):
    def default(field):
        # A float32 default reads back as the nearest double: 0.95 is 0.949999988...
        value = field.default_value
        return round(value, 6) if field.type == FieldDescriptor.TYPE_FLOAT else value

    found = {
        field.name: (
            field.number,
            default(field) if field.has_default_value else None,
        )
        for field in getattr(messages(), message).DESCRIPTOR.fields
    }
    assert found == FIELDS[message]


@pytest.mark.parametrize(("message", "enum"), ENUMS)
def test_enums_count_as_in_the_release(message, enum):
    values = getattr(messages(), message).DESCRIPTOR.enum_types_by_name[enum].values
    found = [(value.name, value.number) for value in values]
    assert found == [(name, n) for n, name in enumerate(ENUMS[message, enum])]


def test_package_is_config():
    assert messages().DESCRIPTOR.package == "config"


def test_reads_what_it_writes(tmp_path):
    path = tmp_path / "model.pbtxt"
    path.write_text('name: "m" # a comment\nlstm { name: "é" b { scale: 0.1 } }\n')
    model = read_model(path)
    write_text(model, tmp_path / "again.pbtxt")
    assert read_model(tmp_path / "again.pbtxt") == model
    # A float prints as the shortest text that reads back as it.
    assert "scale: 0.1\n" in (tmp_path / "again.pbtxt").read_text("utf-8")


MISTAKES = {
    "nam: 'x'": "line 1 column 1: a message of type Model has no field 'nam'; did you "
    "mean 'name'?",
    "name: 'x'\n  lstm { num_hidden: 3 }": "line 2 column 10: a message of type LSTM "
    "has no field 'num_hidden'; did you mean 'num_hid'?",
    "qqq: 1": "has no field 'qqq'; it has name, lstm, ",
    "stride: 2": "'stride' belongs in the description of a data set, and this file "
    "should describe a model; are the files in the right order?",
    "lstm { b { init_type: FOO } }": "there is no InitType FOO; it is CONSTANT, "
    "GAUSSIAN, UNIFORM, PRETRAINED or LSTM_BIAS",
    "max_iters: 3.5": "line 1 column 12: ",
    "max_iters: 99999999999": "line 1 column 12: ",
    "name: 'a' name: 'b'": "name",
    "lstm {": "line 1 column ",
    "binary_data: 7": "line 1 column 14: ",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes_are_a_sentence_with_line_and_column(text, tmp_path):
    path = tmp_path / "model.pbtxt"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_model(path)
    message = str(error.value)
    assert message.startswith(f"{path}, line ")
    assert MISTAKES[text] in message
    assert "\n" not in message


def test_what_is_no_description(tmp_path):
    (tmp_path / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    for name, found in {
        "none.pbtxt": "there is no such file",
        ".": "is a folder",
        "x.h5": "is not a text file",
        "a\0b": "cannot be read",
    }.items():
        with pytest.raises(UserError, match=found):
            read_data(tmp_path / name)


def test_missing_messages_name_the_command(monkeypatch):
    monkeypatch.delattr(videolstm, "config_pb2", raising=False)
    monkeypatch.setitem(sys.modules, "videolstm.config_pb2", None)
    with pytest.raises(UserError, match="`protoc -I. --python_out=videolstm"):
        messages()


def test_files_are_found_here_and_then_beside(tmp_path, monkeypatch):
    here, beside = tmp_path / "here", tmp_path / "beside"
    for folder in (here, beside):
        folder.mkdir()
    monkeypatch.chdir(here)
    named_in = beside / "data.pbtxt"
    (beside / "a.h5").touch()
    assert locate("a.h5", named_in, "data_file") == beside / "a.h5"
    (here / "a.h5").touch()
    assert locate("a.h5", named_in, "data_file").resolve() == here / "a.h5"
    absolute = str(beside / "a.h5")
    assert locate(absolute, named_in, "data_file") == beside / "a.h5"


def test_files_that_are_not_found_say_where_they_were_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    named_in = tmp_path / "sub" / "data.pbtxt"
    with pytest.raises(UserError) as error:
        locate("a.h5", named_in, "data_file")
    assert str(error.value) == (
        f"{named_in}: the field data_file names 'a.h5', and there is no such file "
        f"(tried a.h5 and {tmp_path / 'sub' / 'a.h5'})"
    )
    with pytest.raises(UserError, match="mean_file names sub, which is a folder"):
        locate("sub", named_in, "mean_file")
    with pytest.raises(UserError, match="it should name a file"):
        locate("", named_in, "mean_file")
    with pytest.raises(UserError, match="no such file"):
        locate("x" * 5000, named_in, "mean_file")
