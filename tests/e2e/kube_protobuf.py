"""Kubernetes' protobuf by hand: objects as JSON values to messages and back, by the published table of fields (api-types.tsv).

Nothing of the server's own code or tables: wire format of protocol buffers, the "k8s\\0" envelope, and the types whose
JSON is no object. What a table calls by Go's name (resource.Quantity) is read here.
"""
import base64
import calendar
import json
import os
import re
import struct
import time

MAGIC = b"k8s\0"
MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
SCALARS = {"string", "bool", "int32", "int64", "double", "bytes"}


class Field:
    def __init__(self, name, number, kind, attributes):
        self.name, self.number, self.words = name, number, set(attributes.split())
        found = re.fullmatch(r"(list|map)<(?:string,)?(.+)>", kind)
        self.container, self.kind = (found[1], found[2]) if found else ("one", kind)
        for word in self.words:
            if word.startswith("jsonName="):
                self.name = word[len("jsonName="):]


def load():
    types = {}
    with open(os.path.dirname(os.path.abspath(__file__)) + "/api-types.tsv") as f:
        for line in f:
            columns = line.rstrip("\n").split("\t")
            if line.startswith("#") or len(columns) < 4:
                continue
            fields = types.setdefault(columns[0], [])
            if columns[1] != "*":
                fields.append(Field(columns[1], int(columns[2]), columns[3], columns[4] if len(columns) > 4 else ""))
    return types


TYPES = load()


def type_of(api_version, kind):
    group, _, version = api_version.rpartition("/")
    for package in (group.split(".")[0] or "core", "meta"):
        if f"{package}.{version}.{kind}" in TYPES:
            return f"{package}.{version}.{kind}"
    raise AssertionError(f"the table has no {api_version} {kind}")


# ---- writing

def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def tagged(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def write_time(text, micro):
    whole, _, rest = text.rstrip("Z").partition(".")
    seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    return b"\x08" + varint(seconds) + b"\x10" + varint(int((rest + "000000000")[:9]) if micro and rest else 0)


def write_special(kind, value):
    """The message of a type that is no object in JSON; None for all others."""
    if kind in ("meta.v1.Time", "meta.v1.MicroTime"):
        return b"" if value is None else write_time(value, kind.endswith("MicroTime"))
    if kind == "resource.Quantity":
        return tagged(1, str(value).encode())
    if kind == "intstr.IntOrString":
        text = isinstance(value, str)
        return b"\x08" + varint(1 if text else 0) + b"\x10" + varint(0 if text else value) + tagged(3, value.encode() if text else b"")
    if kind in ("runtime.RawExtension", "meta.v1.FieldsV1", "apiextensions.v1.JSON"):
        return tagged(1, json.dumps(value, separators=(",", ":")).encode())
    if kind.endswith((".ExtraValue", ".Verbs")):
        return b"".join(tagged(1, v.encode()) for v in value)
    schema = "apiextensions.v1.JSONSchemaProps"
    if kind == schema + "OrBool":
        return b"\x08" + varint(int(bool(value))) if isinstance(value, bool) else b"\x08\x01" + tagged(2, write(schema, value))
    if kind == schema + "OrArray":
        return tagged(1, write(schema, value)) if isinstance(value, dict) else b"".join(tagged(2, write(schema, v)) for v in value)
    if kind == schema + "OrStringArray":
        return tagged(1, write(schema, value)) if isinstance(value, dict) else b"".join(tagged(2, v.encode()) for v in value)
    return None


def write_value(number, kind, value):
    if kind == "string":
        return tagged(number, value.encode())
    if kind == "bytes":
        return tagged(number, base64.b64decode(value))
    if kind in ("bool", "int32", "int64"):
        return varint(number << 3) + varint(int(value))
    if kind == "double":
        return varint(number << 3 | 1) + struct.pack("<d", value)
    special = write_special(kind, value)
    return tagged(number, write(kind, value) if special is None else special)


def write(kind, value):
    """The message of an object: what it has, and nothing else. Unknown names are refused."""
    out, known = b"", {"kind", "apiVersion"}
    for f in TYPES[kind]:
        if "inline" in f.words:
            names = names_of(f.kind)
            known |= names
            out += tagged(f.number, write(f.kind, {k: v for k, v in value.items() if k in names}))
            continue
        known.add(f.name)
        here = value.get(f.name)
        if here is None:
            continue
        if f.container == "list":
            out += b"".join(write_value(f.number, f.kind, v) for v in here)
        elif f.container == "map":
            out += b"".join(tagged(f.number, tagged(1, k.encode()) + write_value(2, f.kind, v)) for k, v in here.items())
        else:
            out += write_value(f.number, f.kind, here)
    assert set(value) <= known, f"{kind} has no {set(value) - known}"
    return out


def names_of(kind):
    """The JSON names of a type's fields, embedded structs included."""
    out = set()
    for f in TYPES[kind]:
        out |= names_of(f.kind) if "inline" in f.words else {f.name}
    return out


def encode(obj, kind=None):
    """An object with apiVersion and kind in its envelope."""
    about = tagged(1, obj["apiVersion"].encode()) + tagged(2, obj["kind"].encode())
    return MAGIC + tagged(1, about) + tagged(2, write(kind or type_of(obj["apiVersion"], obj["kind"]), obj))


# ---- reading

def fields_in(data):
    """(number, wire type, value) of each field."""
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = number()
        wire = tag & 7
        if wire == 0:
            yield tag >> 3, wire, number()
            continue
        size = {1: 8, 5: 4}.get(wire) if wire != 2 else number()
        assert size is not None and at + size <= len(data), f"wire type {wire} at {at}"
        yield tag >> 3, wire, data[at:at + size]
        at += size


def signed(value, bits=64):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def parts_of(data):
    return {n: v for n, _, v in fields_in(data)}


def read_special(kind, data):
    """(whether it is one, the value)"""
    p = None
    if kind in ("meta.v1.Time", "meta.v1.MicroTime"):
        p = parts_of(data)
        if not p:
            return True, None
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(signed(p[1])))
        return True, text + (f".{p[2] // 1000:06d}Z" if kind.endswith("MicroTime") else "Z")
    if kind == "resource.Quantity":
        return True, parts_of(data)[1].decode()
    if kind == "intstr.IntOrString":
        p = parts_of(data)
        return True, p[3].decode() if p[1] else signed(p[2], 32)
    if kind in ("runtime.RawExtension", "meta.v1.FieldsV1", "apiextensions.v1.JSON"):
        p = parts_of(data)
        return True, json.loads(p[1]) if 1 in p else None
    if kind.endswith((".ExtraValue", ".Verbs")):
        return True, [v.decode() for _, _, v in fields_in(data)]
    schema = "apiextensions.v1.JSONSchemaProps"
    if kind == schema + "OrBool":
        p = parts_of(data)
        return True, read(schema, p[2]) if 2 in p else bool(p[1])
    if kind in (schema + "OrArray", schema + "OrStringArray"):
        items = list(fields_in(data))
        if items and items[0][0] == 1:
            return True, read(schema, items[0][2])
        return True, [read(schema, v) if kind.endswith("OrArray") else v.decode() for _, _, v in items]
    return False, None


def read_value(kind, wire, value):
    assert wire == (0 if kind in ("bool", "int32", "int64") else 1 if kind == "double" else 2), f"{kind} in wire type {wire}"
    if kind == "string":
        return value.decode()
    if kind == "bytes":
        return base64.b64encode(value).decode()
    if kind == "bool":
        return bool(value)
    if kind in ("int32", "int64"):
        return signed(value, 32 if kind == "int32" else 64)
    if kind == "double":
        number = struct.unpack("<d", value)[0]
        return int(number) if number.is_integer() else number
    special, out = read_special(kind, value)
    return out if special else read(kind, value)


def whole_fields(kind, data):
    try:
        return list(fields_in(data))
    except (AssertionError, IndexError) as error:
        raise AssertionError(f"{data[:200]} is no {kind}: {error}") from error


ZERO = {"string": "", "bytes": "", "bool": False, "int32": 0, "int64": 0, "double": 0}


def read(kind, data):
    """The object of a message as its JSON is: empty members left out where the table says so."""
    by_number = {f.number: f for f in TYPES[kind]}
    out, last = {}, 0
    for number, wire, value in whole_fields(kind, data):
        assert number in by_number, f"{kind} has no field {number}"
        assert number >= last, f"{kind}: field {number} behind {last}"
        last, f = number, by_number[number]
        if "inline" in f.words:
            out.update(read(f.kind, value))
        elif f.container == "list":
            out.setdefault(f.name, []).append(read_value(f.kind, wire, value))
        elif f.container == "map":
            entry = {n: (w, v) for n, w, v in fields_in(value)}
            out.setdefault(f.name, {})[entry[1][1].decode()] = read_value(f.kind, *entry[2])
        else:
            out[f.name] = read_value(f.kind, wire, value)
    for f in TYPES[kind]:
        if "inline" in f.words or f.container != "one" or "pointer" in f.words:
            continue
        if f.kind in SCALARS:
            assert f.name in out or f.kind == "bytes", f"{kind}.{f.name} is no pointer and was not written"
            if "omit=never" not in f.words and out.get(f.name) == ZERO[f.kind]:
                del out[f.name]
            continue
        assert f.name in out, f"{kind}.{f.name} is no pointer and was not written"
        if "omit=zero" in f.words and out[f.name] in ({}, None, "0"):
            del out[f.name]
    return out


def decode(body):
    """The object of an envelope, with the apiVersion and kind that stand there."""
    assert body[:4] == MAGIC, body[:100]
    unknown = parts_of(body[4:])
    assert unknown[3] == b"" and unknown[4] == b"", unknown
    about = {n: v.decode() for n, v in parts_of(unknown[1]).items()}
    kind = type_of("v1" if about[1].startswith("meta.k8s.io/") else about[1], about[2])
    return {"apiVersion": about[1], "kind": about[2], **read(kind, unknown[2])}


def decode_frame(frame):
    """A watch event without its length: (type, object)."""
    event = parts_of(frame)
    return event[1].decode(), decode(parts_of(event[2])[1])
