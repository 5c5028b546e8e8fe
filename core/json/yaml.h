// YAML in and out, as Kubernetes' tools read and write it (sigs.k8s.io/yaml, which is YAML 1.1 in go-yaml's reading).
// The only room with libyaml's yaml.h. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json/value.h"

namespace bramble {

// The first document of `text` as JSON; an empty stream is null. Plain y, yes, on, true (and their capitals) are booleans,
// 010 and 0o10 are octal, 0x1f hexadecimal, 1_000 a thousand, ~ and nothing null; timestamps are strings. Keys become
// strings. Anchors, aliases and merge keys (<<) are resolved.
// Errors: kInvalidArgument, worded as go-yaml does: `yaml: line 3: mapping values are not allowed in this context`,
// `yaml: line 4: key "a" already set in map`, and the place behind it (position.h). kTooLarge for nesting over limits::kJsonDepthMax or an expansion over
// limits::kYamlExpandedBytesMax.
Result<Document> parse_yaml(std::string_view text);

// The same, but of a key that stands several times the last counts. Each further one is told of, as go-yaml's strict mode
// words it: `line 4: key "a" already set in map`.
Result<Document> parse_yaml_loosely(std::string_view text, std::vector<std::string>* repeated);

// All documents of a stream, in order; empty ones are left out. Errors as above.
Result<std::vector<Document>> parse_yaml_stream(std::string_view text);

// Block style, keys sorted, lists level with their key, as the API server answers application/yaml. "" when absent.
std::string to_yaml(Value v);

}  // namespace bramble
