#!/usr/bin/env python3
"""Makes the OpenAPI v3 documents of the built-in group versions from the rows: openapi.py ROWS_DIR OUT.cc

One document per group version, gzip-compressed, with the digest that clients cache by. Schemas are those that the group
version's kinds reach. What the rows do not say (descriptions) is not there. resources.tsv names the served resources:
group, version, resource[/subresource], kind, scope, singular, short names, categories, verbs, request group/version.
"""
import gzip
import hashlib
import json
import re
import sys

from compile import expand, fail, inherited_enum, parse_rows, read

SCALARS = {'string': ('string', None), 'bool': ('boolean', None), 'int32': ('integer', 'int32'), 'int64': ('integer', 'int64'),
           'double': ('number', 'double'), 'bytes': ('string', 'byte')}
META = 'io.k8s.apimachinery.pkg.apis.meta.v1.'
REFS = {'time': META + 'Time', 'microtime': META + 'MicroTime', 'duration': META + 'Duration',
        'quantity': 'io.k8s.apimachinery.pkg.api.resource.Quantity', 'intorstring': 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
        'raw': 'io.k8s.apimachinery.pkg.runtime.RawExtension'}
APIEXT = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.'
REFS.update({'any': APIEXT + 'JSON', 'schemaOrArray': APIEXT + 'JSONSchemaPropsOrArray', 'schemaOrBool': APIEXT + 'JSONSchemaPropsOrBool',
             'schemaOrStrings': APIEXT + 'JSONSchemaPropsOrStringArray'})
SIMPLE = {REFS['time']: {'type': 'string', 'format': 'date-time'}, REFS['microtime']: {'type': 'string', 'format': 'date-time'},
          REFS['duration']: {'type': 'string'}, REFS['quantity']: {'oneOf': [{'type': 'string'}, {'type': 'number'}]},
          REFS['intorstring']: {'format': 'int-or-string', 'oneOf': [{'type': 'integer'}, {'type': 'string'}]},
          REFS['raw']: {'type': 'object'}, META + 'FieldsV1': {'type': 'object'}, META + 'Patch': {'type': 'object'},
          REFS['any']: {}, REFS['schemaOrArray']: {}, REFS['schemaOrBool']: {}, REFS['schemaOrStrings']: {}}
ZERO = {'string': '', 'boolean': False, 'integer': 0, 'number': 0}
# Known values that upstream documents but does not declare as an enum.
OPEN_ENUMS = re.compile(r'^(meta|flowcontrol|resource|certificates|apiextensions|apidiscovery|admission|audit)\.|Condition\.|'
                        r'\.(reason|medium|resourceName|conditionType|finalizers\[\])$|ResourceMetric\w+\.name$|ResourceStatus\.name$|'
                        r'^core\.v1\.(Container|EphemeralContainerCommon|EphemeralContainer)\.restartPolicy$|'
                        r'^core\.v1\.(LimitRangeItem|NodeAddress|Secret)\.type$|^core\.v1\.PodOS\.name$')


def schema_name(type_name):
    package, version, name = type_name.split('.')
    if package == 'meta':
        return META + name
    if package == 'apiextensions':
        return f'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{version}.{name}'
    if package == 'apiregistration':
        return f'io.k8s.kube-aggregator.pkg.apis.apiregistration.{version}.{name}'
    return f'io.k8s.api.{package}.{version}.{name}'


def ref(name):
    return {'$ref': '#/components/schemas/' + name}


class Document:
    """The document of one group version."""

    def __init__(self, types, enums, group, version):
        self.types, self.enums, self.group, self.version = types, enums, group, version
        self.schemas, self.paths = {}, {}

    def use(self, type_name):
        """Brings a type and all it reaches into the document; gives its schema's name."""
        name = schema_name(type_name)
        if name in self.schemas:
            return name
        if type_name not in self.types:
            fail(f'openapi: no type {type_name}')
        schema = self.schemas[name] = {'type': 'object'}
        properties, required = {}, []
        flags = self.types[type_name]['flags']
        if flags & 1:
            properties['apiVersion'] = {'type': 'string'}
            properties['kind'] = {'type': 'string'}
        for field, _, kind, words, via in expand(self.types, type_name):
            enum = self.enums.get((type_name, field)) or self.enums.get((type_name, field + '[]'))
            if via and not enum:
                enum = inherited_enum(self.types, self.enums, type_name, field)
            properties[field] = self.property(type_name, field, kind, words, enum)
            if 'required' in words:
                required.append(field)
        if properties:
            schema['properties'] = dict(sorted(properties.items()))
        if required:
            schema['required'] = sorted(required)
        if flags & 2:
            schema['x-kubernetes-map-type'] = 'atomic'
        package, version, kind = type_name.split('.')
        if flags & 1:
            group = self.group if package == self.group.split('.')[0] or not self.group else package
            if package == 'meta':
                group = '' if kind == 'Status' else self.group
                version = 'v1' if kind == 'Status' else self.version
            elif package == 'core':
                group = ''
            elif package in GROUPS:
                group = GROUPS[package]
            schema['x-kubernetes-group-version-kind'] = [{'group': group, 'kind': kind, 'version': version}]
        return name

    def element(self, field, kind, enum):
        if kind in SCALARS:
            name, form = SCALARS[kind]
            out = {'type': name}
            if form:
                out['format'] = form
            if enum:
                out['enum'] = sorted(enum.split('|'))
            return out
        if kind in REFS:
            name = META + 'FieldsV1' if field == 'fieldsV1' else REFS[kind]
            self.schemas.setdefault(name, SIMPLE[name])
            if kind.startswith('schemaOr'):
                self.use('apiextensions.v1.JSONSchemaProps')
            return ref(name)
        return ref(self.use(kind))

    def property(self, owner, field, kind, words, enum):
        if enum and (OPEN_ENUMS.search(f'{owner}.{field}') or OPEN_ENUMS.search(f'{owner}.{field}[]')):
            enum = None
        m = re.fullmatch(r'(list|map)<(?:string,)?(.+)>', kind)
        if not m:
            out = self.element(field, kind, enum)
            if '$ref' in out:
                out = {'allOf': [out]}
                if 'pointer' not in words and kind not in REFS:
                    out['default'] = {}
            elif 'default' in words:
                out['default'] = words['default']
            elif words.get('omit') == 'never' and 'pointer' not in words and kind != 'bytes':
                out['default'] = ZERO[out['type']]
        elif m[1] == 'list':
            out = {'type': 'array', 'items': self.element(field, m[2], enum)}
        else:
            inner = {'type': 'array', 'items': {'type': 'string'}} if m[2].startswith('list<') else self.element(field, m[2], enum)
            out = {'type': 'object', 'additionalProperties': inner}
        for word, key in (('listType', 'x-kubernetes-list-type'), ('mapType', 'x-kubernetes-map-type'),
                          ('mergeKey', 'x-kubernetes-patch-merge-key'), ('patch', 'x-kubernetes-patch-strategy')):
            if word in words:
                out[key] = words[word]
        if 'listMapKeys' in words:
            out['x-kubernetes-list-map-keys'] = words['listMapKeys'].split(',')
        return out

    # -- paths

    def operation(self, action, kind, answer, parameters=(), body=None, content=None):
        out = {'responses': {'200': {'description': 'OK', 'content': {'application/json': {'schema': answer}}}},
               'x-kubernetes-action': action, 'x-kubernetes-group-version-kind': kind}
        if parameters:
            out['parameters'] = [{'in': 'query', 'name': n, 'schema': {'type': t, 'uniqueItems': True}} for n, t in parameters]
        if body:
            out['requestBody'] = {'content': {c: {'schema': body} for c in content or ['*/*']}, 'required': True}
        return out

    def add(self, row):
        _, _, resource, kind, scope, _, _, _, verbs, other = (row + [''] * 10)[:10]
        verbs = set(verbs.split(','))
        package = self.group.split('.')[0] or 'core'
        group, version = self.group, self.version
        if other:
            group, _, version = other.rpartition('/')
            package = group.split('.')[0] or 'core'
        gvk = {'group': group, 'kind': kind, 'version': version}
        type_name = f'{package}.{version}.{kind}'
        if kind.endswith('Options') or type_name not in self.types:
            return  # streams and proxies: no schema that a client asks for
        root = f'/apis/{self.group}/{self.version}' if self.group else f'/api/{self.version}'
        name, _, sub = resource.partition('/')
        base = root + ('/namespaces/{namespace}' if scope == 'namespaced' else '') + '/' + name
        one = base + '/{name}' + ('/' + sub if sub else '')
        this = ref(self.use(type_name))
        write = [('dryRun', 'string'), ('fieldManager', 'string'), ('fieldValidation', 'string')]
        status = ref(self.use('meta.v1.Status'))
        item, collection = {}, {}
        if 'get' in verbs:
            item['get'] = self.operation('get', gvk, this)
        if 'update' in verbs:
            item['put'] = self.operation('put', gvk, this, write, this)
        if 'patch' in verbs:
            self.schemas.setdefault(META + 'Patch', SIMPLE[META + 'Patch'])
            item['patch'] = self.operation('patch', gvk, this, write + [('force', 'boolean')], ref(META + 'Patch'),
                                           ['application/apply-patch+yaml', 'application/json-patch+json',
                                            'application/merge-patch+json', 'application/strategic-merge-patch+json'])
        if 'delete' in verbs:
            item['delete'] = self.operation('delete', gvk, status,
                                            [('dryRun', 'string'), ('gracePeriodSeconds', 'integer'), ('propagationPolicy', 'string')],
                                            ref(self.use('meta.v1.DeleteOptions')))
        if 'create' in verbs:
            (item if sub else collection)['post'] = self.operation('post', gvk, this, write, this)
        if 'list' in verbs:
            list_type = type_name + 'List'
            listed = ref(self.use(list_type)) if list_type in self.types else this
            collection['get'] = self.operation('list', gvk, listed,
                                               [('continue', 'string'), ('fieldSelector', 'string'), ('labelSelector', 'string'),
                                                ('limit', 'integer'), ('resourceVersion', 'string'), ('resourceVersionMatch', 'string'),
                                                ('sendInitialEvents', 'boolean'), ('timeoutSeconds', 'integer'), ('watch', 'boolean')])
            if scope == 'namespaced':
                self.paths[f'{root}/{name}'] = {'get': collection['get']}
        if 'deletecollection' in verbs:
            collection['delete'] = self.operation('deletecollection', gvk, status,
                                                  [('dryRun', 'string'), ('fieldSelector', 'string'), ('labelSelector', 'string')])
        if item:
            self.put(one, item, scope, True)
        if collection:
            self.put(base, collection, scope, False)

    def put(self, path, operations, scope, named):
        operations['parameters'] = [{'in': 'path', 'name': n, 'required': True, 'schema': {'type': 'string', 'uniqueItems': True}}
                                    for n, wanted in (('name', named), ('namespace', scope == 'namespaced')) if wanted]
        self.paths[path] = operations

    def text(self):
        return json.dumps({'openapi': '3.0.0', 'info': {'title': 'Kubernetes', 'version': 'v1.36.0'},
                           'paths': dict(sorted(self.paths.items())),
                           'components': {'schemas': dict(sorted(self.schemas.items()))}}, separators=(',', ':'))


GROUPS = {}


def c_array(data):
    return ',\n    '.join(','.join(str(b) for b in data[i:i + 32]) for i in range(0, len(data), 32))


NOT_V1 = {('autoscaling', 'v2'), ('apps', 'v1beta1'), ('apps', 'v1beta2'), ('extensions', 'v1beta1')}


def served(folder):
    """The rows of resources.tsv that are served, by group and version."""
    versions = {}
    for row in read(folder + '/resources.tsv'):
        if row[1] == 'v1' or (row[0], row[1]) in NOT_V1:
            versions.setdefault((row[0], row[1]), []).append(row)
            GROUPS[row[0].split('.')[0] or 'core'] = row[0]
    return versions


def served_documents(folder):
    """(group, version, its rows of resources.tsv, its Document) of each version that is served, in order."""
    types = parse_rows(folder)
    enums = {(c[0], c[1]): c[2] for c in read(folder + '/enums.tsv')}
    for (group, version), rows in sorted(served(folder).items()):
        d = Document(types, enums, group, version)
        for row in rows:
            d.add(row)
        d.use('meta.v1.WatchEvent')
        yield group, version, rows, d


def main():
    folder, target = sys.argv[1:3]
    documents = []
    for group, version, _, d in served_documents(folder):
        text = d.text().encode()
        path = f'apis/{group}/{version}' if group else f'api/{version}'
        documents.append((path, hashlib.sha256(text).hexdigest().upper(), gzip.compress(text, 9, mtime=0), len(text)))
    with open(target, 'w', encoding='utf-8') as out:
        out.write('// Made by core/schema/rows/openapi.py; do not edit.\n#include "core/schema/openapi.h"\n\nnamespace bramble::openapi_tables {\n\n')
        out.write('extern const OpenApiDocument kDocuments[];\nextern const size_t kDocumentCount;\n\n')
        for i, (_, _, data, _) in enumerate(documents):
            out.write(f'static const unsigned char kData{i}[] = {{\n    {c_array(data)}}};\n')
        out.write('\nconst OpenApiDocument kDocuments[] = {\n')
        for i, (path, digest, data, size) in enumerate(documents):
            out.write(f'    {{"{path}", "{digest}", kData{i}, {len(data)}, {size}}},\n')
        out.write(f'}};\n\nconst size_t kDocumentCount = {len(documents)};\n\n}}  // namespace bramble::openapi_tables\n')


if __name__ == '__main__':
    main()
