"""A tiny convolutional net, as an .onnx file and written out in numpy."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEATURES, CLASSES = 5, 3


def weights(colours=3, size=(6, 8), seed=0):
    """Of a 3x3 convolution to two channels with a step of 2, and two linear layers."""
    rng = np.random.RandomState(seed)
    height, width = (size[0] - 3) // 2 + 1, (size[1] - 3) // 2 + 1
    shapes = {
        "conv_w": (2, colours, 3, 3),
        "conv_b": (2,),
        "fc6_w": (FEATURES, 2 * height * width),
        "fc6_b": (FEATURES,),
        "fc7_w": (CLASSES, FEATURES),
        "fc7_b": (CLASSES,),
    }
    return {
        name: (rng.randn(*shape) / 3).astype(np.float32)
        for name, shape in shapes.items()
    }


def tiny_net(path, colours=3, size=(6, 8), batch="n", first=True, **changes):
    """Writes the net: input `image`; conv, relu, flat, fc6, relu6, prob.

    size: of the images, or names for sides that may have any length. batch: a number
    or a name. first: whether colours come before rows and columns. changes: elem_type
    of the input; listed: weights are listed among the inputs, as old files do; beside:
    the name of a file for the weights.
    """
    real = tuple(side if isinstance(side, int) else 6 for side in size)
    arrays = weights(colours, real)
    shape = [batch, colours, *size] if first else [batch, *size, colours]
    kind = changes.get("elem_type", TensorProto.FLOAT)
    inputs = [helper.make_tensor_value_info("image", kind, shape)]
    nodes = []
    image = "image"
    if kind != TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", [image], ["real"], to=TensorProto.FLOAT))
        image = "real"
    if not first:
        nodes.append(helper.make_node("Transpose", [image], ["t"], perm=[0, 3, 1, 2]))
        image = "t"
    nodes += [
        helper.make_node(
            "Conv", [image, "conv_w", "conv_b"], ["conv"], name="conv1", strides=[2, 2]
        ),
        helper.make_node("Relu", ["conv"], ["relu"], name="relu1"),
        helper.make_node("Flatten", ["relu"], ["flat"], name="flatten"),
        helper.make_node(
            "Gemm", ["flat", "fc6_w", "fc6_b"], ["fc6"], name="linear6", transB=1
        ),
        helper.make_node("Relu", ["fc6"], ["relu6"], name="relu_of_6"),
        helper.make_node(
            "Gemm", ["relu6", "fc7_w", "fc7_b"], ["prob"], name="linear7", transB=1
        ),
    ]
    if changes.get("listed"):
        inputs += [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape)
            for name, array in arrays.items()
        ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs,
        [helper.make_tensor_value_info("prob", TensorProto.FLOAT, [batch, CLASSES])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    # An old opset and format, which every ONNX Runtime reads.
    opset = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    beside = changes.get("beside")
    onnx.save(
        model,
        path,
        save_as_external_data=beside is not None,
        location=beside,
        size_threshold=0,
    )
    return path


def plain(images, layer="fc6", colours=3):
    """The net in numpy, in double precision: images (n, height, width, colours)."""
    size = images.shape[1:3]
    w = {name: array.astype(float) for name, array in weights(colours, size).items()}
    x = np.asarray(images, float)
    rows, columns = (size[0] - 3) // 2 + 1, (size[1] - 3) // 2 + 1
    conv = np.empty((len(x), 2, rows, columns))
    for row in range(rows):
        for column in range(columns):
            window = x[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            conv[:, :, row, column] = (
                np.einsum("nyxc,kcyx->nk", window, w["conv_w"]) + w["conv_b"]
            )
    flat = np.maximum(conv, 0).reshape(len(x), -1)
    fc6 = flat @ w["fc6_w"].T + w["fc6_b"]
    prob = np.maximum(fc6, 0) @ w["fc7_w"].T + w["fc7_b"]
    return {"conv": conv.reshape(len(x), -1), "flat": flat, "fc6": fc6, "prob": prob}[
        layer
    ]
