#!/bin/sh
# Generates the Python stubs from the protos: protos/generate.sh [PYTHON]
#
# PYTHON needs grpcio-tools==1.62.3: its code runs on protobuf 4.25 to 7; a newer generator
# would lock TensorFlow versions out.
set -eu
cd "$(dirname "$0")/.."
exec "${1:-python3}" -m grpc_tools.protoc -I protos \
    --python_out=python --pyi_out=python --grpc_python_out=python \
    protos/smaragdine/v1/trace.proto protos/smaragdine/v1/accountant.proto
