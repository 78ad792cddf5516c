#!/usr/bin/env python3
"""A client of the admin service that knows nothing of it.

  admin_client.py TARGET list|health|alerts|events|override|reset|check

Asks the server's reflection what there is, builds the messages from that, and
prints the answer as JSON: of `events` one event to a line. With `check` it only
says whether this machine has what it needs. Exits 1 with the status' name when
the server says no.
"""
import json
import sys

import grpc
from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import json_format
from google.protobuf import message_factory

SERVICE = "firebreak.v1.Admin"


def reflection_messages():
    """grpc.reflection.v1alpha, the few fields of it that are needed here."""
    file = descriptor_pb2.FileDescriptorProto(
        name="reflection.proto", package="r", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto

    def add(message, name, number, kind, label=field.LABEL_OPTIONAL, of=None):
        message.field.add(name=name, number=number, type=kind, label=label,
                          type_name=of)

    request = file.message_type.add(name="Request")
    add(request, "file_containing_symbol", 4, field.TYPE_STRING)
    files = file.message_type.add(name="Files")
    add(files, "proto", 1, field.TYPE_BYTES, field.LABEL_REPEATED)
    response = file.message_type.add(name="Response")
    add(response, "files", 4, field.TYPE_MESSAGE, of=".r.Files")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return [factory.GetPrototype(pool.FindMessageTypeByName("r." + name))
            for name in ("Request", "Response")]


def discover(channel):
    """The service's descriptor, from the server itself."""
    request_type, response_type = reflection_messages()
    reflect = channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        request_serializer=request_type.SerializeToString,
        response_deserializer=response_type.FromString)
    request = request_type(file_containing_symbol=SERVICE)
    response = next(reflect(iter([request]), timeout=20))
    files = [descriptor_pb2.FileDescriptorProto.FromString(each)
             for each in response.files.proto]
    pool = descriptor_pool.DescriptorPool()
    # Each after what it imports.
    added = set()
    while len(added) < len(files):
        before = len(added)
        for file in files:
            if file.name not in added and added.issuperset(file.dependency):
                pool.Add(file)
                added.add(file.name)
        if len(added) == before:
            raise RuntimeError("the server's files import what it does not send")
    return pool, pool.FindServiceByName(SERVICE)


def main():
    target, command = sys.argv[1:3]
    if command == "check":
        return
    channel = grpc.insecure_channel(target)
    pool, service = discover(channel)
    factory = message_factory.MessageFactory(pool)

    def call(method, fields):
        descriptor = service.methods_by_name[method]
        request_type = factory.GetPrototype(descriptor.input_type)
        response_type = factory.GetPrototype(descriptor.output_type)
        kind = channel.unary_stream if method.startswith("Watch") \
            else channel.unary_unary
        stub = kind("/%s/%s" % (SERVICE, method),
                    request_serializer=request_type.SerializeToString,
                    response_deserializer=response_type.FromString)
        request = request_type()
        json_format.ParseDict(fields, request)
        return stub(request, timeout=20)

    selector = {"method": "Charge"}
    calls = {
        "list": ("ListMethods", {"order": "METHOD_ORDER_WORST_FIRST"}),
        "health": ("GetHealth", {}),
        "alerts": ("ListAlerts", {}),
        "events": ("WatchEvents", {"stopAtNewest": True}),
        "reset": ("ResetMethod", {"selector": selector}),
        "override": ("SetOverride", {"selector": selector, "duration": "30s",
                                     "state": "BREAKER_STATE_FORCED_OPEN"}),
    }
    try:
        answer = call(*calls[command])
        if command == "events":
            for response in answer:
                for event in response.events:
                    print(json.dumps(json_format.MessageToDict(event)))
        else:
            print(json.dumps(json_format.MessageToDict(answer)))
    except grpc.RpcError as error:
        sys.exit(error.code().name)


if __name__ == "__main__":
    main()
