"""A layer of a net in ONNX format gives what numpy gives; wrong nets a sentence."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.videolstm.video.nets import plain, tiny_net
from videolstm.errors import UserError
from videolstm.video.convnet import Convnet, layers_of, load_net

IMAGES = np.random.RandomState(1).rand(5, 6, 8, 3).astype(np.float32)
# Sums over at most 27 and 12 terms of about 1, in single precision.
TOLERANCE = 1e-5


@pytest.fixture
def net_file(tmp_path):
    return tiny_net(tmp_path / "net.onnx")


def make(path, layer="fc6", **options):
    return Convnet(path, layer, threads=1, **options)


@pytest.mark.parametrize(
    ("layer", "computed"),
    [
        ("fc6", "fc6"),
        ("linear6", "fc6"),
        ("conv", "conv"),
        ("conv1", "conv"),
        ("flat", "flat"),
        ("prob", "prob"),
        (None, "prob"),
    ],
)
def test_a_layer_is_what_numpy_computes(net_file, layer, computed):
    net = make(net_file, layer)
    expected = plain(IMAGES, computed)
    rows = net(IMAGES)
    assert (net.layer, net.dims) == (computed, expected.shape[1])
    assert rows.dtype == np.float32
    assert np.abs(rows - expected).max() < TOLERANCE
    assert (net.height, net.width, net.colours) == (6, 8, 3)


VARIANTS = {
    "channels-last": {"first": False},
    "one-at-a-time": {"batch": 1},
    "four-at-a-time": {"batch": 4},
    "weights-listed": {"listed": True},
    "weights-beside": {"beside": "net.data"},
    "bytes": {"elem_type": TensorProto.UINT8},
    "double": {"elem_type": TensorProto.DOUBLE},
    "grey": {"colours": 1},
    "grey-last": {"colours": 1, "first": False},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_nets_of_many_kinds(tmp_path, name):
    options = VARIANTS[name]
    colours = options.get("colours", 3)
    net = make(tiny_net(tmp_path / "net.onnx", **options))
    images = np.floor(IMAGES[..., :colours] * 9) if name == "bytes" else IMAGES
    images = images[..., :colours]
    # Values up to 8 instead of 1.
    scale = 8 if name == "bytes" else 1
    expected = plain(images, colours=colours)
    assert np.abs(net(images) - expected).max() < scale * TOLERANCE
    assert net.batch == (options.get("batch"))


def test_what_comes_after_the_layer_is_not_there(net_file):
    """A net that cannot run behind the layer is no trouble."""
    model = onnx.load(net_file)
    model.graph.node[-1].op_type = "NoSuchThing"
    onnx.save(model, net_file)
    assert make(net_file).dims == 5
    with pytest.raises(UserError, match="ONNX Runtime cannot load it"):
        make(net_file, "prob")


def test_branches_read_what_is_outside_of_them(tmp_path):
    """If a layer depends on a branch, what the branch reads stays in the net."""
    info = helper.make_tensor_value_info
    inside = [
        helper.make_graph(
            [helper.make_node("Mul", ["image", factor], [f"b{k}"])],
            f"branch{k}",
            [],
            [info(f"b{k}", TensorProto.FLOAT, None)],
        )
        for k, factor in enumerate(("two", "three"))
    ]
    nodes = [
        helper.make_node("Add", ["one", "one"], ["two"]),
        helper.make_node("Add", ["two", "one"], ["three"]),
        helper.make_node(
            "If", ["yes"], ["out"], then_branch=inside[0], else_branch=inside[1]
        ),
        helper.make_node("Neg", ["out"], ["end"]),
    ]
    graph = helper.make_graph(
        nodes,
        "branches",
        [info("image", TensorProto.FLOAT, ["n", 3, 2, 2])],
        [info("end", TensorProto.FLOAT, None)],
        [
            helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
            helper.make_tensor("yes", TensorProto.BOOL, [], [True]),
        ],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    )
    onnx.save(model, tmp_path / "net.onnx")
    images = IMAGES[:2, :2, :2]
    rows = make(tmp_path / "net.onnx", "out")(images)
    expected = 2 * images.transpose(0, 3, 1, 2).reshape(2, -1)
    assert np.array_equal(rows, expected)


def test_layers_are_listed(net_file):
    assert layers_of(load_net(net_file)) == "conv relu flat fc6 relu6 prob".split()


def test_any_size_needs_one(tmp_path):
    path = tiny_net(tmp_path / "net.onnx", size=("h", "w"))
    with pytest.raises(UserError, match="takes images of any size: say with --size"):
        make(path)
    net = make(path, size=(6, 6))
    expected = plain(IMAGES[:, :, :6])
    assert np.abs(net(IMAGES[:, :, :6]) - expected).max() < TOLERANCE
    with pytest.raises(UserError, match="of 8x6 pixels, and --size asks for 6x6"):
        make(tiny_net(tmp_path / "fixed.onnx"), size=(6, 6))
    with pytest.raises(UserError, match="ONNX Runtime cannot run it on images"):
        make(path, size=(6, 9))


def test_a_net_that_reads_more_than_there_is(tmp_path):
    """4096 images of 16000x16000 pixels; the layer could be computed for smaller."""
    path = tiny_net(tmp_path / "net.onnx")

    def large(graph):
        shape = graph.input[0].type.tensor_type.shape
        for dim, value in zip(shape.dim, (4096, 3, 16000, 16000), strict=True):
            dim.dim_value = value

    changed(path, large)
    with pytest.raises(UserError, match="4096 images of 16000x16000 pixels at once, "):
        make(path, "conv")


# ---- wrong ones ----------------------------------------------------------------------


def changed(path, change):
    model = onnx.load(path)
    change(model.graph)
    onnx.save(model, path)


def two_inputs(graph):
    graph.node[0].input[0] = "sum"
    graph.node.insert(0, helper.make_node("Add", ["image", "other"], ["sum"]))
    other = helper.make_tensor_value_info("other", TensorProto.FLOAT, [1])
    graph.input.append(other)


def words_in(graph):
    graph.input[0].type.tensor_type.elem_type = TensorProto.STRING


def flat_in(graph):
    del graph.input[0].type.tensor_type.shape.dim[:2]


def five_colours(graph):
    graph.input[0].type.tensor_type.shape.dim[1].dim_value = 5


def huge(graph):
    graph.input[0].type.tensor_type.shape.dim[2].dim_value = 2**40


def many(graph):
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2**40


def whole_numbers(graph):
    graph.node[4].CopyFrom(
        helper.make_node("Cast", ["fc6"], ["relu6"], to=TensorProto.INT32)
    )


def no_cases(graph):
    graph.node[4].CopyFrom(
        helper.make_node("ReduceMean", ["fc6"], ["relu6"], keepdims=0)
    )


@pytest.mark.parametrize(
    ("change", "layer", "words"),
    [
        (two_inputs, "fc6", "needs the inputs image, other, and it should need one"),
        (words_in, "fc6", "cannot load it"),
        (flat_in, "fc6", "cannot load it"),
        (five_colours, "fc6", "reads images of 5 colours, and it should be 1 or 3"),
        (huge, "flat", "of 8x1099511627776 pixels, and 16384 a side are the most"),
        (many, "flat", "takes 1099511627776 images at once, and 4096 are the most"),
        (whole_numbers, "relu6", "gives int32 of shape"),
        (no_cases, "relu6", "gives float32 of shape ()"),
        (lambda graph: None, "fc8", "has no layer 'fc8'; did you mean 'fc6'? It has"),
        (lambda graph: None, "x", "no layer 'x'; it has conv, relu, flat, fc6"),
        (lambda graph: graph.output.add(name="fc6"), None, "has 2 outputs: name one"),
        (lambda graph: graph.ClearField("output"), "fc6", "no net in ONNX format"),
        (lambda graph: graph.node.pop(0), "fc6", "cannot load it"),
    ],
)  # fmt: skip
def test_wrong_nets_are_a_sentence(net_file, change, layer, words):
    changed(net_file, change)
    with pytest.raises(UserError) as caught:
        make(net_file, layer)
    assert str(caught.value).startswith(f"{net_file}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


GARBAGE = {
    "empty": b"",
    "text": b"not a net",
    "zeros": bytes(1000),
    "noise": np.random.RandomState(5).bytes(5000),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_a_sentence(tmp_path, name):
    path = tmp_path / "net.onnx"
    path.write_bytes(GARBAGE[name])
    with pytest.raises(UserError, match="in ONNX format"):
        make(path)


def test_damaged_nets_are_a_sentence(net_file):
    """Cut anywhere, or with a byte changed anywhere: a net or a UserError."""
    whole = net_file.read_bytes()
    rng = np.random.RandomState(6)
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[rng.randint(len(whole))] = rng.randint(256)
        net_file.write_bytes(
            damaged if rng.rand() < 0.7 else whole[: rng.randint(len(whole))]
        )
        try:
            rows = make(net_file)(IMAGES)
        except UserError as error:
            assert str(net_file) in str(error)
        else:
            assert len(rows) == len(IMAGES)


def test_weights_that_are_missing_or_elsewhere(tmp_path):
    path = tiny_net(tmp_path / "net.onnx", beside="net.data")
    (tmp_path / "net.data").rename(tmp_path / "other.data")
    with pytest.raises(UserError, match="cannot be read as a net"):
        make(path)
    model = onnx.load(path, load_external_data=False)
    for weight in model.graph.initializer:
        for entry in weight.external_data:
            if entry.key == "location":
                entry.value = "../../../../../../etc/passwd"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="cannot be read as a net"):
        make(path)


def test_files_that_are_none(tmp_path):
    with pytest.raises(
        UserError, match="there is no such file, and it should be a net"
    ):
        make(tmp_path / "none.onnx")
    with pytest.raises(UserError, match="is a folder, and it should be a net"):
        make(tmp_path)


@pytest.mark.parametrize("name", ["onnx", "onnxruntime"])
def test_without_the_packages(net_file, monkeypatch, name):
    monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(UserError, match=f"and {name} cannot be imported .*pip install"):
        make(net_file)


def test_boards(net_file, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"]
    )
    with pytest.raises(UserError, match="this ONNX Runtime has no CUDA: install"):
        make(net_file, board="0")
    with pytest.raises(UserError, match="board 'gpu': it should be the number"):
        make(net_file, board="gpu")
