#!/usr/bin/python3
"""The one definition rule (C++20, 6.3) across files: a type, or a function of the same parameters, that two files define under one
name in a named namespace. The linker takes one of the two in silence, and the other file runs with it.

Reads the sources alone, a second for all of them. Such a name belongs into an anonymous namespace, into one shared header, or needs
another name. What may be linked together is judged together: the product, and the product with the tests of one room.

    tests/one_definition.py [--self-test]
"""
import collections
import glob
import os
import re
import sys

ROOMS = ["core", "storage", "cni", "images", "provision"]
APART = ["core/runtime/shim"]  # a program of its own
TYPES = {"class", "struct", "union", "enum"}
TOKEN = re.compile(r'''
    //[^\n]* | /\*.*?\*/ | ^[ \t]*\#(?:[^\n\\]|\\.|\\\n)* |   # comments, preprocessor lines: skipped
    (?:u8|[uUL])?R"(?P<d>[^()\\ ]*)\(.*?\)(?P=d)" | "(?:[^"\\\n]|\\.)*" | (?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)*' |
    [A-Za-z_]\w* | [0-9](?:'?[\w.])* | :: | -> | \[\[ | \]\] | \S''', re.X | re.S | re.M)


def tokens(text):
    for match in TOKEN.finditer(text):
        token = match.group()
        if not (token.startswith(("//", "/*")) or token.lstrip().startswith("#")):
            yield token


def without_angles(head):
    """Of `template <...> struct X<Y> : B<Z>`: no template parameters; of the rest everything."""
    while head and head[0] == "template":
        depth, at = 0, 1
        while at < len(head):
            depth += {"<": 1, ">": -1}.get(head[at], 0)
            at += 1
            if depth == 0:
                break
        head = head[at:]
        if head and head[0] == "requires":
            return []  # constrained ones are told apart by their constraint: not judged
    return head


def without_attributes(head):
    out, depth = [], 0
    for at, token in enumerate(head):
        aligned = depth > 0 or "alignas" in head[max(0, at - 1):at]
        depth += {"[[": 1, "]]": -1}.get(token, 0) or (aligned and {"(": 1, ")": -1}.get(token, 0))
        if depth == 0 and token not in ("]]", "alignas") and not (aligned and token == ")"):
            out.append(token)
    return out


def parameters(head, opening):
    """The types of a parameter list, without names and default values; None when it does not close."""
    depth, angle, one, out, default = 0, 0, [], [], False
    for token in head[opening:]:
        if token == "(":
            depth += 1
        elif token == ")":
            depth -= 1
        if token in "<>" and len(token) == 1:
            angle += 1 if token == "<" else -1
        if (depth == 1 and angle == 0 and token == ",") or depth == 0:
            words = [t for t in one if re.match(r"[A-Za-z_]", t) and t != "const"]
            named = len(one) > 1 and re.match(r"[A-Za-z_]", one[-1]) and one[-2] != "::" and len(words) > 1
            out.append("".join(one[:-1] if named else one))
            one, default = [], False
            if depth == 0:
                return ",".join(out)
            continue
        if token == "=" and depth == 1:
            default = True
        if not default and not (token == "(" and depth == 1 and not one and not out):
            one.append(token)
    return None


def defined(head):
    """What the tokens before a brace at namespace scope define: ("namespace" | "type" | "function", name), or None."""
    head = without_attributes(without_angles(head))
    if head[:1] == ["inline"] and head[1:2] == ["namespace"]:
        head = head[1:]
    if head[:1] == ["namespace"]:
        return "namespace", "".join(head[1:])
    if head[:1] == ["extern"] and len(head) == 2:
        return "namespace", "extern"
    for at, token in enumerate(head):
        if token in TYPES:
            rest = [t for t in head[at + 1:] if t not in TYPES]
            end = next((i for i, t in enumerate(rest) if t in (":", "final")), len(rest))
            if "(" in rest[:end] or not rest[:end]:
                break  # a function that gives a `struct x`, or a type without a name
            return "type", "".join(rest[:end])
        if token in ("(", "="):
            break
    if "(" not in head or "static" in head or "=" in head[:head.index("(")]:
        return None
    opening = head.index("(")
    name = head[opening - 1]
    if name == "operator" or (opening > 1 and head[opening - 2] in ("operator", "::", "~")):
        return None  # members are as many as their class
    if opening < 2 or not re.match(r"[A-Za-z_]\w*$", name) or name.isupper():
        return None  # a macro's call
    given = parameters(head, opening)
    return None if given is None else ("function", f"{name}({given})")


def definitions(text):
    """(kind, qualified name) of everything that a file defines with external linkage at namespace or class scope."""
    frames, head = [], []  # a frame: (name or None for what is inside a function or an anonymous namespace, kind)
    for token in tokens(text):
        if token == "{":
            visible = all(name is not None for name, _ in frames)
            found = defined(head) if visible else None
            inside_type = bool(frames) and frames[-1][1] == "type"
            if found and found[0] == "namespace":
                frames.append((found[1] or None, "namespace"))
            elif found and found[0] == "type":
                name = "::".join([n for n, _ in frames if n != "extern"] + [found[1]])
                yield "type", name
                frames.append((found[1], "type"))
            else:
                if found and not inside_type:
                    yield "function", "::".join([n for n, _ in frames if n != "extern"] + [found[1]])
                frames.append((None, "other"))
            head = []
        elif token == "}":
            if frames:
                frames.pop()
            head = []
        elif token == ";":
            head = []
        elif token == ":" and head[-1:] and head[-1] in ("public", "private", "protected"):
            head = []
        else:
            head.append(token)


def sources(folder):
    for path, _, names in sorted(os.walk(folder)):
        if not any((path + "/").startswith(apart + "/") for apart in APART):
            yield from (f"{path}/{name}" for name in sorted(names) if name.endswith((".cc", ".h")))


def table(paths):
    where = collections.defaultdict(set)
    for path in paths:
        with open(path) as f:
            for kind, name in definitions(f.read()):
                where[kind, name].add(path)
    return where


def complaints():
    product = table(path for room in ROOMS for path in sources(room))
    for (kind, name), paths in sorted(product.items()):
        if len(paths) > 1:
            yield f"{kind} {name} is defined by {' and '.join(sorted(paths))}"
    for folder in sorted(glob.glob("tests/core/*/") + [f"tests/{name}/" for name in ("storage", "cni", "images", "sim")]):
        for (kind, name), paths in sorted(table(sources(folder.rstrip("/"))).items()):
            paths = paths | product.get((kind, name), set())
            if len(paths) > 1:
                yield f"{kind} {name} is defined by {' and '.join(sorted(paths))}"


def self_test():
    code = '''
      #define A struct Macro {
      namespace bramble { struct One; class Two final : public One { struct In {}; void f() { struct Local {}; } int n_{0}; };
      namespace { struct Hidden {}; void hidden() {} }
      enum class Sort : int { kA }; template <class T> struct Of { T t; }; template <> struct Of<int> {};
      static int own(int a) { return a; } int shared(const std::string& name, int n = 3) { return '{'; }
      Two::Two() { auto s = R"(struct Text {)"; } const char* const kTable[] = {"a", "}"}; bool operator==(One a, One b) { return true; }
      template <class F> void each(std::map<int, F> all, const F& fn) { fn(); }
      struct alignas(8) Big { }; One make() { return One{1'000}; } }
      extern "C" { int plain(void) { return 0; } }'''
    found = {f"{kind} {name}" for kind, name in definitions(code)}
    wanted = {"function bramble::each(std::map<int,F>,constF&)", "function bramble::make()", "function bramble::shared(conststd::string&,int)", "function plain(void)",
              "type bramble::Big", "type bramble::Of", "type bramble::Of<int>", "type bramble::Sort", "type bramble::Two", "type bramble::Two::In"}
    assert found == wanted, f"missing {wanted - found}, too many {found - wanted}"


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    self_test()
    if "--self-test" in sys.argv:
        return 0
    found = list(complaints())
    for line in found:
        print("one definition: " + line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
