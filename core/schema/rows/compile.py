#!/usr/bin/env python3
"""Compiles the schema's rows to read-only C++ tables of offsets: compile.py ROWS_DIR OUT.cc

types.tsv, one field a line, tab-separated:
  type         package.version.Name
  field        the name in JSON; * = the type itself (then only attributes count)
  number       protobuf field number
  type         string bool int32 int64 double bytes time microtime duration quantity intorstring, raw (an embedded object),
               any (any JSON), schemaOrArray schemaOrBool schemaOrStrings (JSON schema unions), a type's name,
               or list<T>, map<string,T>, map<string,list<string>>
  attributes   required; pointer (an explicit zero differs from absent); omit=never (always written), omit=zero;
               inline (an embedded struct: its fields stand in the parent in JSON, in a message of their own in protobuf);
               patch=merge|replace|retainKeys, mergeKey=, listType=, listMapKeys=, mapType=, union:...; of a type: kind;
               default= (what a missing key of a list map counts as; elsewhere it is the zero of an omit=never field)
enums.tsv: type, field, values joined by |.
Order of lines within a type is the order of writing. A type's lines stand together.
"""
import re
import sys

KINDS = {'string': 'kString', 'bool': 'kBool', 'int32': 'kInt32', 'int64': 'kInt64', 'double': 'kDouble', 'bytes': 'kBytes',
         'time': 'kTime', 'microtime': 'kMicroTime', 'duration': 'kDuration', 'quantity': 'kQuantity',
         'intorstring': 'kIntOrString', 'raw': 'kRaw', 'any': 'kAny', 'schemaOrArray': 'kSchemaOrArray',
         'schemaOrBool': 'kSchemaOrBool', 'schemaOrStrings': 'kSchemaOrStrings'}
SCHEMA = 'apiextensions.v1.JSONSchemaProps'
# Bits of Field::flags_, as type.h names them.
REQUIRED, POINTER, MERGE, REPLACE, RETAIN, MAP_ATOMIC, DEFAULT = 1, 2, 4, 8, 16, 32, 64
KIND, ATOMIC_TYPE = 1, 2


def fail(text):
    sys.exit('compile.py: ' + text)


def read(path):
    with open(path, encoding='utf-8') as f:
        for line in f:
            line = line.rstrip('\n')
            if line and not line.startswith('#'):
                yield line.split('\t')


class Pool:
    """One string of all names; a name that stands inside another takes no room."""

    def __init__(self):
        self.text = ''
        self.known = {}

    def put(self, s):
        if s not in self.known:
            at = self.text.find(s)
            if at < 0:
                at = len(self.text)
                self.text += s
            self.known[s] = at
        return self.known[s]


def parse_rows(folder):
    types = {}
    for cols in read(folder + '/types.tsv'):
        cols += [''] * (5 - len(cols))
        name, field, number, kind, attrs = cols[:5]
        t = types.setdefault(name, {'flags': 0, 'fields': []})
        words = dict((a.split('=', 1) + [''])[:2] for a in attrs.split())
        if field == '*':
            t['flags'] |= (KIND if 'kind' in words else 0) | (ATOMIC_TYPE if words.get('mapType') == 'atomic' else 0)
        else:
            t['fields'].append((field, int(number), kind, words))
    return types


def expand(types, name):
    """The fields of a type with embedded structs in place: (field, number, kind, words, path of embedding numbers)."""
    out = []
    for field, number, kind, words in types[name]['fields']:
        if 'inline' in words:
            out += [(f, n, k, w, [number] + via) for f, n, k, w, via in expand(types, kind)]
        else:
            out.append((field, number, kind, words, []))
    return out


def main():
    folder, target = sys.argv[1:3]
    types = parse_rows(folder)
    enums = {(c[0], c[1]): c[2] for c in read(folder + '/enums.tsv')}
    names = sorted(types)
    index = {n: i for i, n in enumerate(names)}
    pool = Pool()
    for words in sorted({n for n in names} | {f[0] for t in types.values() for f in t['fields']}, key=len, reverse=True):
        pool.put(words)
    fields, rows, wire_order = [], [], []
    for name in names:
        first = len(fields)
        if types[name]['flags'] & KIND:
            fields.append(field_row(pool, index, name, 'kind', 0, 'string', {}, [], ''))
            fields.append(field_row(pool, index, name, 'apiVersion', 0, 'string', {}, [], ''))
        owner = {}
        numbers = [(0, 0, 0)] * (len(fields) - first)
        for field, number, kind, words, via in expand(types, name):
            enum = enums.get((name, field), '') if not via else inherited_enum(types, enums, name, field)
            fields.append(field_row(pool, index, name, field, number, kind, words, via, enum))
            if field in owner:
                fail(f'{name}.{field} stands twice')
            owner[field] = True
            numbers.append(tuple((via + [number] + [0, 0])[:3]))
        wire_order += sorted(range(len(numbers)), key=lambda i: numbers[i])
        rows.append(f'{{{pool.put(name)}, {len(name)}, {types[name]["flags"]}, {first}, {len(fields) - first}}}')
    if len(pool.text) > 65535 or len(fields) > 65535:
        fail('the pool is full')
    with open(target, 'w', encoding='utf-8') as out:
        out.write('// Made by core/schema/rows/compile.py; do not edit.\n#include "core/schema/type.h"\n\nnamespace bramble::schema_tables {\n\n')
        out.write('extern const char kPool[];\nextern const Field kFields[];\nextern const Type kTypes[];\nextern const size_t kTypeCount;\n\n')
        out.write('constinit const char kPool[] =\n')
        for i in range(0, len(pool.text), 110):
            out.write('    "' + pool.text[i:i + 110].replace('\\', '\\\\').replace('"', '\\"') + '"\n')
        out.write('    ;\n\nconstinit const Field kFields[] = {\n    ' + ',\n    '.join(fields) + '};\n\n')
        out.write('extern const uint8_t kWireOrder[];\nconstinit const uint8_t kWireOrder[] = {\n    ')
        out.write(',\n    '.join(','.join(map(str, wire_order[i:i + 32])) for i in range(0, len(wire_order), 32)) + '};\n\n')
        out.write('constinit const Type kTypes[] = {\n    ' + ',\n    '.join(rows) + '};\n\n')
        out.write(f'constinit const size_t kTypeCount = {len(rows)};\n\n}}  // namespace bramble::schema_tables\n')


def inherited_enum(types, enums, name, field):
    """The enum of a field that came from an embedded struct."""
    for _, _, kind, words in types[name]['fields']:
        if 'inline' in words:
            found = enums.get((kind, field), '') or inherited_enum(types, enums, kind, field)
            if found:
                return found
    return ''


def field_row(pool, index, owner, field, number, kind, words, via, enum):
    container = 'kOne'
    m = re.fullmatch(r'list<(.+)>|map<string,list<(string)>>|map<string,(.+)>', kind)
    if m:
        container = 'kList' if m[1] else 'kMapOfLists' if m[2] else 'kMap'
        kind = m[1] or m[2] or m[3]
    if kind in KINDS:
        code, ref = KINDS[kind], index[SCHEMA] if kind.startswith('schemaOr') else 0
    elif kind in index:
        code, ref = 'kMessage', index[kind]
    else:
        fail(f'{owner}.{field}: no type {kind}')
    patch = words.get('patch', '').split(',')
    flags = ((REQUIRED if 'required' in words else 0) | (POINTER if 'pointer' in words else 0) |
             (MERGE if 'merge' in patch else 0) | (REPLACE if 'replace' in patch else 0) |
             (RETAIN if 'retainKeys' in patch else 0) | (MAP_ATOMIC if words.get('mapType') == 'atomic' else 0) |
             (DEFAULT if 'default' in words else 0))
    omit = {'': 'kEmpty', 'never': 'kNever', 'zero': 'kZero'}[words.get('omit', '')]
    lists = {'': 'kNone', 'atomic': 'kAtomic', 'set': 'kSet', 'map': 'kMap'}[words.get('listType', '')]
    merge, keys = words.get('default', words.get('mergeKey', '')), words.get('listMapKeys', '')
    if len(via) > 2:
        fail(f'{owner}.{field}: embedded deeper than two levels')
    via = via + [0] * (2 - len(via))
    return (f'{{{pool.put(field)}, {pool.put(merge)}, {pool.put(keys)}, {pool.put(enum)}, {ref}, {len(enum)}, {number}, '
            f'{len(field)}, {len(merge)}, {len(keys)}, {via[0]}, {via[1]}, {flags}, '
            f'FieldKind::{code}, Container::{container}, ListType::{lists}, Omit::{omit}}}')


if __name__ == '__main__':
    main()
