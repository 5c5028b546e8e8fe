#!/usr/bin/env python3
"""Makes the OpenAPI v2 document of all built-in group versions from the rows: openapi_v2.py ROWS_DIR OUT.cc

Two forms of the one document, each gzip-compressed: JSON (Swagger 2.0), and the protobuf form that kubectl asks for
(https://github.com/google/gnostic, openapiv2/OpenAPIv2.proto; numbers of fields stand in FIELDS). Schemas are those of the
v3 documents in v2's words: no defaults, no allOf. Parameters that many operations have stand once, under upstream's names;
dryRun and fieldValidation stand in each operation, because older kubectls look for them there.
"""
import gzip
import hashlib
import json
import sys

from compile import fail
from openapi import GROUPS, META, c_array, served_documents

DEFINITION = '#/definitions/'
BODY = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']
STREAM = [BODY[0], BODY[0] + ';stream=watch', BODY[2], BODY[2] + ';stream=watch', BODY[1]]
PATCHES = ['application/json-patch+json', 'application/merge-patch+json', 'application/strategic-merge-patch+json', 'application/apply-patch+yaml']
# What v2 cannot say: alternatives.
SIMPLE = {'io.k8s.apimachinery.pkg.api.resource.Quantity': {'type': 'string'},
          'io.k8s.apimachinery.pkg.util.intstr.IntOrString': {'type': 'string', 'format': 'int-or-string'}}
# Parameters of many operations: upstream's name, and where its text differs by operation, the second word.
SHARED = {'allowWatchBookmarks': ('HC2hJt-J', 'boolean'), 'continue': ('QfD61s0i', 'string'), 'fieldManager': ('Qy4HdaTW', 'string'),
          'fieldSelector': ('xIcQKXFG', 'string'), 'force': ('tOGGb0Yi', 'boolean'), 'gracePeriodSeconds': ('-K5HaBOS', 'integer'),
          'labelSelector': ('5Zw57w4C', 'string'), 'limit': ('1NfNmdNH', 'integer'), 'orphanDependents': ('uRB25kX5', 'boolean'),
          'pretty': ('tJGM1-ng', 'string'), 'propagationPolicy': ('6jk3prlO', 'string'), 'resourceVersion': ('5WAnf1kx', 'string'),
          'resourceVersionMatch': ('t8XhRHeC', 'string'), 'sendInitialEvents': ('rLXlEK_k', 'boolean'),
          'timeoutSeconds': ('yvYezaOC', 'integer'), 'watch': ('XNNPZGbK', 'boolean')}
LIST = ['allowWatchBookmarks', 'continue', 'fieldSelector', 'labelSelector', 'limit', 'resourceVersion', 'resourceVersionMatch',
        'sendInitialEvents', 'timeoutSeconds', 'watch']
DELETE = ['gracePeriodSeconds', 'orphanDependents', 'propagationPolicy']
COLLECTION = sorted([n for n in LIST if n not in ('allowWatchBookmarks', 'watch')] + DELETE + ['dryRun'])
STREAMS = {'attach': ['container', 'stderr', 'stdin', 'stdout', 'tty'], 'exec': ['command', 'container', 'stderr', 'stdin', 'stdout', 'tty'],
           'portforward': ['ports'], 'proxy': ['path'],
           'log': ['container', 'follow', 'insecureSkipTLSVerifyBackend', 'limitBytes', 'previous', 'sinceSeconds', 'stream', 'tailLines', 'timestamps']}
FLAGS = {'stderr', 'stdin', 'stdout', 'tty', 'follow', 'insecureSkipTLSVerifyBackend', 'previous', 'timestamps'}
NUMBERS = {'limitBytes', 'sinceSeconds', 'tailLines', 'ports'}


def ref(name):
    return {'$ref': DEFINITION + name}


def in_v2(name, schema):
    """A schema of v3 in v2's words."""
    if name in SIMPLE:
        return SIMPLE[name]
    out = {}
    for key, value in schema.items():
        if key == 'default':
            continue
        if key == 'allOf':
            out['$ref'] = DEFINITION + value[0]['$ref'].rpartition('/')[2]
        elif key == '$ref':
            out['$ref'] = DEFINITION + value.rpartition('/')[2]
        elif key == 'properties':
            out[key] = {n: in_v2(None, s) for n, s in value.items()}
        elif key in ('items', 'additionalProperties'):
            out[key] = in_v2(None, value)
        else:
            out[key] = value
    return out


def query(name, kind='string'):
    return {'in': 'query', 'name': name, 'type': kind, 'uniqueItems': True}


def parameter(name):
    if name in SHARED:
        return {'$ref': f'#/parameters/{name}-{SHARED[name][0]}'}
    return query(name, 'boolean' if name in FLAGS else 'integer' if name in NUMBERS else 'string')


def shared_parameters():
    out = {f'{n}-{mark}': query(n, kind) for n, (mark, kind) in SHARED.items()}
    out['fieldManager-7c6nTn1T'] = query('fieldManager')
    out['namespace-vgWSWtn3'] = path_parameter('namespace')
    out['body-2Y1dVQaQ'] = {'in': 'body', 'name': 'body', 'schema': ref(META + 'DeleteOptions')}
    out['body-78PwaGsr'] = dict(body(META + 'Patch'), required=True)
    return dict(sorted(out.items()))


def path_parameter(name):
    return {'in': 'path', 'name': name, 'required': True, 'type': 'string', 'uniqueItems': True}


def body(schema):
    return {'in': 'body', 'name': 'body', 'required': True, 'schema': ref(schema)}


def capital(word):
    return word[:1].upper() + word[1:]


class Paths:
    """The operations of one group version."""

    def __init__(self, group, version, definitions):
        self.group, self.version, self.definitions = group, version, definitions
        words = (group.removesuffix('.k8s.io') or 'core').split('.')
        self.prefix = ''.join(capital(w) for w in words) + capital(version)
        self.tag = words[0] + ''.join(capital(w) for w in words[1:]) + '_' + version
        self.paths = {}

    def operation(self, action, gvk, name, answer, parameters=(), codes=('200',), consumes=None, produces=None):
        words = {'200': 'OK', '201': 'Created', '202': 'Accepted'}
        out = {'consumes': consumes or ['*/*'], 'operationId': name, 'produces': produces or BODY,
               'responses': {c: {'description': words[c], 'schema': answer} for c in codes}, 'schemes': ['https'], 'tags': [self.tag],
               'x-kubernetes-action': action, 'x-kubernetes-group-version-kind': gvk}
        out['responses']['401'] = {'description': 'Unauthorized'}
        if parameters:
            out['parameters'] = [parameter(p) if isinstance(p, str) else p for p in parameters]
        return dict(sorted(out.items()))

    def put(self, path, operations, names):
        operations['parameters'] = [{'$ref': '#/parameters/namespace-vgWSWtn3'} if n == 'namespace' else path_parameter(n) for n in names]
        operations['parameters'].append(parameter('pretty'))
        self.paths[path] = dict(sorted(operations.items()))

    def add(self, row, own_kind):
        _, _, resource, kind, scope, _, _, _, verbs, other = (row + [''] * 10)[:10]
        verbs = set(verbs.split(','))
        group, _, version = other.rpartition('/') if other else (self.group, '', self.version)
        gvk = {'group': group, 'kind': kind, 'version': version}
        root = f'/apis/{self.group}/{self.version}' if self.group else f'/api/{self.version}'
        plural, _, sub = resource.partition('/')
        spaced = scope == 'namespaced'
        base = root + ('/namespaces/{namespace}' if spaced else '') + '/' + plural
        one = base + '/{name}' + ('/' + sub if sub else '')
        space = ['namespace'] if spaced else []
        what = ('Namespaced' if spaced else '') + own_kind + capital(sub)
        if sub in STREAMS:
            return self.add_stream(one, sub, gvk, what, verbs, space)
        answer = self.schema_of(group, version, kind)
        if answer is None:
            return None
        this, status = ref(answer), ref(META + 'Status')
        write = ['dryRun', 'fieldManager', 'fieldValidation']
        manager = {'$ref': '#/parameters/fieldManager-7c6nTn1T'}
        item, collection = {}, {}
        name = lambda verb, rest=what: verb + self.prefix + rest
        if 'get' in verbs:
            item['get'] = self.operation('get', gvk, name('read'), this)
        if 'update' in verbs:
            item['put'] = self.operation('put', gvk, name('replace'), this, [body(answer)] + write, ['200', '201'])
        if 'patch' in verbs:
            item['patch'] = self.operation('patch', gvk, name('patch'), this,
                                           [{'$ref': '#/parameters/body-78PwaGsr'}, 'dryRun', manager, 'fieldValidation', 'force'],
                                           ['200', '201'], PATCHES)
        if 'delete' in verbs:
            item['delete'] = self.operation('delete', gvk, name('delete'), status,
                                            [{'$ref': '#/parameters/body-2Y1dVQaQ'}, 'dryRun'] + DELETE, ['200', '202'])
        if 'create' in verbs:
            made = self.operation('post', gvk, name('create'), this, [body(answer)] + write, ['200', '201', '202'])
            (item if sub else collection)['post'] = made
        if 'list' in verbs:
            listed = self.schema_of(group, version, kind + 'List')
            listed = ref(listed) if listed else this
            collection['get'] = self.operation('list', gvk, name('list'), listed, LIST, produces=STREAM)
            if spaced:
                everywhere = self.operation('list', gvk, name('list', own_kind + 'ForAllNamespaces'), listed, produces=STREAM)
                self.paths[f'{root}/{plural}'] = {'get': everywhere, 'parameters': [parameter(n) for n in sorted(LIST + ['pretty'])]}
        if 'deletecollection' in verbs:
            collection['delete'] = self.operation('deletecollection', gvk, name('delete', 'Collection' + what), status,
                                                  [{'$ref': '#/parameters/body-2Y1dVQaQ'}] + COLLECTION)
        if item:
            self.put(one, item, ['name'] + space)
        if collection:
            self.put(base, collection, space)
        return None

    def add_stream(self, path, sub, gvk, what, verbs, space):
        methods = {'create': 'post', 'delete': 'delete', 'get': 'get', 'patch': 'patch', 'update': 'put'}
        text = {'type': 'string'}
        for below in ('', '/{path}') if sub == 'proxy' else ('',):
            operations = {}
            for verb in verbs:
                method = methods[verb]
                if sub == 'log':
                    operation = self.operation('get', gvk, 'read' + self.prefix + what, text, STREAMS[sub], produces=['text/plain'] + BODY)
                else:
                    name = 'connect' + self.prefix + capital(method) + what + ('WithPath' if below else '')
                    operation = self.operation('connect', gvk, name, text, STREAMS[sub], produces=['*/*'])
                operations[method] = operation
            self.put(path + below, operations, ['name'] + space + (['path'] if below else []))

    def schema_of(self, group, version, kind):
        for name, schema in self.definitions.items():
            if name.endswith('.' + kind) and {'group': group, 'kind': kind, 'version': version} in schema.get('x-kubernetes-group-version-kind', []):
                return name
        return None


VERSION = 'io.k8s.apimachinery.pkg.version.Info'
VERSION_INFO = {'type': 'object', 'required': ['buildDate', 'compiler', 'gitCommit', 'gitTreeState', 'gitVersion', 'goVersion', 'major', 'minor', 'platform'],
                'properties': {n: {'type': 'string'} for n in sorted((
                    'buildDate', 'compiler', 'emulationMajor', 'emulationMinor', 'gitCommit', 'gitTreeState', 'gitVersion', 'goVersion', 'major',
                    'minCompatibilityMajor', 'minCompatibilityMinor', 'minor', 'platform'))}}


def discovery_paths(versions):
    """What tells of groups and versions."""
    out = {}

    def add(path, name, kind, tag, types=None):
        operation = {'consumes': types or BODY, 'operationId': 'get' + name, 'produces': types or BODY,
                     'responses': {'200': {'description': 'OK', 'schema': ref(kind)}, '401': {'description': 'Unauthorized'}},
                     'schemes': ['https'], 'tags': [tag]}
        out[path] = {'get': operation}

    add('/api/', 'CoreAPIVersions', META + 'APIVersions', 'core')
    add('/apis/', 'APIVersions', META + 'APIGroupList', 'apis')
    add('/version/', 'CodeVersion', VERSION, 'version', BODY[:1])
    for group, version in versions:
        p = Paths(group, version, {})
        if group:
            add(f'/apis/{group}/', p.prefix.removesuffix(capital(version)) + 'APIGroup', META + 'APIGroup', p.tag.rpartition('_')[0])
        add(f'/apis/{group}/{version}/' if group else f'/api/{version}/', p.prefix + 'APIResources', META + 'APIResourceList', p.tag)
    return out


def merge(into, documents):
    """All schemas; a type that stands in many group versions names all of them."""
    for document in documents:
        for name, schema in document.schemas.items():
            schema = in_v2(name, schema)
            kinds = 'x-kubernetes-group-version-kind'
            if name not in into:
                into[name] = dict(schema, **({kinds: list(schema[kinds])} if kinds in schema else {}))
                continue
            into[name].setdefault(kinds, [])
            into[name][kinds] += [k for k in schema.get(kinds, []) if k not in into[name][kinds]]
            if not into[name][kinds]:
                del into[name][kinds]


def build(folder):
    served = list(served_documents(folder))
    documents = [d for _, _, _, d in served]
    for kind in ('APIGroup', 'APIGroupList', 'APIResourceList', 'APIVersions'):
        documents[0].use('meta.v1.' + kind)
    definitions, paths = {VERSION: VERSION_INFO}, discovery_paths([(group, version) for group, version, _, _ in served])
    merge(definitions, documents)
    for group, version, rows, _ in served:
        own = {row[2]: row[3] for row in rows}
        p = Paths(group, version, definitions)
        for row in rows:
            p.add(row, own[row[2].partition('/')[0]])
        paths.update(p.paths)
    return {'swagger': '2.0', 'info': {'title': 'Kubernetes', 'version': 'v1.36.0'}, 'paths': dict(sorted(paths.items())),
            'definitions': dict(sorted(definitions.items())), 'parameters': shared_parameters(),
            'securityDefinitions': {'BearerToken': {'in': 'header', 'name': 'authorization', 'type': 'apiKey'}},
            'security': [{'BearerToken': []}]}


# -- the protobuf form

def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7f | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(number << 3 | 2) + varint(len(data)) + data


def yes(number, value):
    return varint(number << 3) + b'\x01' if value else b''


def yaml(value):
    """The value as YAML, as small as the document's values are: texts, lists of texts, lists of flat maps, one flat map."""
    if isinstance(value, str):
        plain = value and value.lower() not in ('true', 'false', 'null', 'yes', 'no', 'on', 'off', 'y', 'n') and (value[0].isalpha() or value[0] == '/')
        return value if plain and ': ' not in value else json.dumps(value)
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, dict):
        return '\n'.join(f'{k}: {yaml(v)}' for k, v in value.items())
    if isinstance(value, list):
        return '\n'.join('- ' + yaml(v).replace('\n', '\n  ') for v in value)
    return fail(f'openapi: no YAML of {value!r}')


def any_of(value):
    return field(2, yaml(value) + '\n')


def extensions(number, value):
    return b''.join(field(number, field(1, k) + field(2, any_of(v))) for k, v in sorted(value.items()) if k.startswith('x-'))


def named(number, values, write):
    return b''.join(field(number, field(1, name) + field(2, write(value))) for name, value in values.items())


def schema_message(s):
    out = b''
    for number, key in ((1, '$ref'), (2, 'format')):
        if key in s:
            out += field(number, s[key])
    out += b''.join(field(19, name) for name in s.get('required', []))
    out += b''.join(field(20, any_of(v)) for v in s.get('enum', []))
    if 'additionalProperties' in s:
        out += field(21, field(1, schema_message(s['additionalProperties'])))
    if 'type' in s:
        out += field(22, field(1, s['type']))
    if 'items' in s:
        out += field(23, field(1, schema_message(s['items'])))
    if 'properties' in s:
        out += field(25, named(1, s['properties'], schema_message))
    return out + extensions(31, s)


def parameter_message(p):
    """A Parameter."""
    if p['in'] == 'body':
        return field(1, field(2, p['name']) + field(3, p['in']) + yes(4, p.get('required')) + field(5, schema_message(p['schema'])))
    common = yes(1, p.get('required')) + field(2, p['in']) + field(4, p['name'])
    if p['in'] == 'query':
        return field(2, field(3, common + field(6, p['type']) + varint(20 << 3) + b'\x01'))
    return field(2, field(4, common + field(5, p['type']) + varint(19 << 3) + b'\x01'))


def parameters_item(p):
    return field(2, field(1, p['$ref'])) if '$ref' in p else field(1, parameter_message(p))


def response_value(r):
    return field(1, field(1, r['description']) + (field(2, field(1, schema_message(r['schema']))) if 'schema' in r else b''))


def operation_message(o):
    out = b''.join(field(1, tag) for tag in o['tags']) + field(5, o['operationId'])
    out += b''.join(field(6, t) for t in o['produces']) + b''.join(field(7, t) for t in o['consumes'])
    out += b''.join(field(8, parameters_item(p)) for p in o.get('parameters', []))
    out += field(9, named(1, o['responses'], response_value)) + b''.join(field(10, s) for s in o['schemes'])
    return out + extensions(13, o)


def path_item(item):
    numbers = {'get': 2, 'put': 3, 'post': 4, 'delete': 5, 'patch': 8}
    out = b''.join(field(n, operation_message(item[method])) for method, n in numbers.items() if method in item)
    return out + b''.join(field(9, parameters_item(p)) for p in item.get('parameters', []))


def gnostic(d):
    token = d['securityDefinitions']['BearerToken']
    out = field(1, d['swagger']) + field(2, field(1, d['info']['title']) + field(2, d['info']['version']))
    out += field(8, named(2, d['paths'], path_item)) + field(9, named(1, d['definitions'], schema_message))
    out += field(10, named(1, d['parameters'], parameter_message))
    out += field(12, field(1, field(1, 'BearerToken') + field(2, b'')))
    key = field(1, token['type']) + field(2, token['name']) + field(3, token['in'])
    return out + field(13, field(1, field(1, 'BearerToken') + field(2, field(2, key))))


def main():
    folder, target = sys.argv[1:3]
    document = build(folder)
    text = json.dumps(document, separators=(',', ':')).encode()
    digest = hashlib.sha512(text).hexdigest().upper()
    forms = [('json', text), ('protobuf', gnostic(document))]
    with open(target, 'w', encoding='utf-8') as out:
        out.write('// Made by core/schema/rows/openapi_v2.py; do not edit.\n#include "core/schema/openapi.h"\n\nnamespace bramble::openapi_tables {\n\n')
        out.write('extern const OpenApiDocument kV2Json, kV2Protobuf;\n\n')
        for name, data in forms:
            packed = gzip.compress(data, 9, mtime=0)
            out.write(f'static const unsigned char k_{name}[] = {{\n    {c_array(packed)}}};\n')
            out.write(f'const OpenApiDocument kV2{capital(name)} = {{"v2", "{digest}", k_{name}, {len(packed)}, {len(data)}}};\n\n')
        out.write('}  // namespace bramble::openapi_tables\n')


if __name__ == '__main__':
    main()
