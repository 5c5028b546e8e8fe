// A piece of work as programs on @kubernetes/client-node do it: informer, apply, exec, port-forward, logs. Called by test_node_client.py
// with a namespace and an image; each step that fails ends it with what was found.
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { once } from 'node:events';
import * as k8s from '@kubernetes/client-node';

const [namespace, image, page] = process.argv.slice(2);
const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const objects = k8s.KubernetesObjectApi.makeApiClient(config);

// The text of a stream once it holds what is waited for, or has ended.
function collect(stream) {
  const state = { text: '' };
  stream.on('data', (chunk) => { state.text += chunk; stream.emit('grown'); });
  state.until = async (wanted) => { while (!state.text.includes(wanted)) await once(stream, 'grown'); return state.text; };
  return state;
}

async function refused(call) {
  try {
    await call;
  } catch (error) {
    return { code: error.code, status: typeof error.body === 'string' ? JSON.parse(error.body) : error.body };
  }
  assert.fail('it was accepted');
}

// ---- informer: the pods of one label, as events and as a store
const seen = [];
const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/pods`,
  () => core.listNamespacedPod({ namespace, labelSelector: 'app=node' }), 'app=node');
const changed = new PassThrough({ objectMode: true });
for (const verb of ['add', 'update', 'delete']) informer.on(verb, (pod) => { seen.push(verb); changed.emit('change', pod); });
informer.on('error', (error) => { throw error; });
await informer.start();
async function pods(holds) {
  for (;;) {
    const found = informer.list(namespace);
    if (holds(found)) return found;
    await once(changed, 'change');
  }
}
const ready = (pod) => pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True');

// ---- server-side apply, of one Deployment by two managers
const deployment = (replicas) => ({
  apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'node', namespace },
  spec: { replicas, selector: { matchLabels: { app: 'node' } }, template: { metadata: { labels: { app: 'node' } },
    spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'web', image }] } } } });
const apply = (body, manager, force) => objects.patch(body, undefined, undefined, manager, force, k8s.PatchStrategy.ServerSideApply);
const made = await apply(deployment(1), 'first');
assert.equal(made.metadata.managedFields[0].manager, 'first');
const [pod] = await pods((found) => found.length === 1 && ready(found[0]));
const conflict = await refused(apply(deployment(2), 'second'));
assert.equal(conflict.code, 409);
assert.equal(conflict.status.details.causes[0].field, '.spec.replicas');
await apply(deployment(2), 'second', true);
await pods((found) => found.length === 2 && found.every(ready));
const patched = await apps.patchNamespacedDeployment({ name: 'node', namespace, body: [{ op: 'replace', path: '/spec/replicas', value: 1 }] },
  k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.JsonPatch));
assert.equal(patched.spec.replicas, 1);
await pods((found) => found.length === 1);

// ---- exec: output, errors, input, the exit code
const name = informer.list(namespace)[0].metadata.name;
const exec = new k8s.Exec(config);
async function run(command, input) {
  const out = new PassThrough(), err = new PassThrough();
  const said = collect(out), complained = collect(err);
  const stdin = input === undefined ? null : new PassThrough();
  const status = new Promise((resolve, reject) => {
    exec.exec(namespace, name, 'web', command, out, err, stdin, false, resolve).catch(reject);
  });
  stdin?.write(input);
  return { status: await status, out: said.text, err: complained.text };
}
const good = await run(['sh', '-c', 'read line; echo got $line; echo bad >&2'], 'hello\n');
assert.deepEqual([good.status.status, good.out, good.err], ['Success', 'got hello\n', 'bad\n']);
const bad = await run(['sh', '-c', 'exit 7']);
assert.equal(bad.status.reason, 'NonZeroExitCode');
assert.deepEqual(bad.status.details.causes[0], { reason: 'ExitCode', message: '7' });

// ---- logs, followed while they are written
const side = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'talk', namespace }, spec: { terminationGracePeriodSeconds: 0, restartPolicy: 'Never',
  containers: [{ name: 'main', image, stdin: true, command: ['sh', '-c', 'echo one; read x; echo two $x'] }] } };
await core.createNamespacedPod({ namespace, body: side });
const watch = new k8s.Watch(config);
await new Promise((resolve, reject) => {
  watch.watch(`/api/v1/namespaces/${namespace}/pods`, { fieldSelector: 'metadata.name=talk' }, (type, object) => {
    if (object.status?.phase === 'Running') resolve();
  }, (error) => error && reject(error));
});
const lines = new PassThrough();
const log = collect(lines);
await new k8s.Log(config).log(namespace, 'talk', 'main', lines, { follow: true });
await log.until('one\n');
const attach = new k8s.Attach(config);
const typed = new PassThrough();
await attach.attach(namespace, 'talk', 'main', null, null, typed, false);
typed.write('three\n');
await log.until('two three\n');

// ---- port-forward
const web = new PassThrough(), trouble = new PassThrough(), ask = new PassThrough();
const answer = collect(web), troubles = collect(trouble);
await new k8s.PortForward(config).portForward(namespace, name, [80], web, trouble, ask);
ask.write('GET / HTTP/1.0\r\n\r\n');
await answer.until(page);
assert.equal(troubles.text, '');

// ---- what is not there, what may not be
const missing = await refused(core.readNamespacedPod({ name: 'none', namespace }));
assert.deepEqual([missing.code, missing.status.reason, missing.status.message], [404, 'NotFound', 'pods "none" not found']);
await objects.delete({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'node', namespace } }, undefined, undefined, undefined, undefined, 'Foreground');
await pods((found) => found.length === 0);
assert.ok(['add', 'update', 'delete'].every((verb) => seen.includes(verb)), seen.join());
await informer.stop();
console.log('done');
process.exit(0);
