"""npm's @kubernetes/client-node: the program in node_client/ does the work."""
import shutil

from cluster import CLIENTS, IMAGE, PAGE, ROOT, run


def test_node_client(cluster):
    ns = cluster.namespace("nodejs")
    # Node.js looks for modules beside the program.
    program = shutil.copy(f"{ROOT}/tests/e2e/node_client/work.mjs", CLIENTS)
    done = run(["node", program, ns, IMAGE, PAGE], env=cluster.env)
    assert done.stdout == "done\n", done
