"""The formats of artefacts, a file and a row each. None of them loads a framework by itself."""

from keraskip.export.formats import litert, onnx, openvino, savedmodel

FORMATS = {
    format.name: format
    for format in (savedmodel.SAVEDMODEL, onnx.ONNX, litert.LITERT, openvino.OPENVINO)
}
