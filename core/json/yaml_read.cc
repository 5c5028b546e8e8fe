#include <yaml.h>

#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/base/limits.h"
#include "core/base/strings.h"
#include "core/json/builder.h"
#include "core/json/position.h"
#include "core/json/yaml.h"
#include "core/json/yaml_scalar.h"

namespace bramble {

namespace {

std::string_view text_of(const yaml_char_t* s, size_t n) { return {reinterpret_cast<const char*>(s), n}; }
std::string_view text_of(const yaml_char_t* s) { return s ? std::string_view(reinterpret_cast<const char*>(s)) : std::string_view(); }

void append_quoted(std::string* out, std::string_view s) {
  out->push_back('"');
  for (char c : s) {
    switch (c) {
      case '"': *out += "\\\""; break;
      case '\\': *out += "\\\\"; break;
      case '\n': *out += "\\n"; break;
      case '\t': *out += "\\t"; break;
      case '\r': *out += "\\r"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) *out += cat("\\u00", hex(std::string_view(&c, 1)));
        else out->push_back(c);
    }
  }
  out->push_back('"');
}

// Reads the events of one stream and writes each document as JSON text. An anchored node is kept as its JSON text.
class Reader {
 public:
  // repeated: where keys that stand twice are told of; null: they are refused.
  explicit Reader(std::string_view text, std::vector<std::string>* repeated = nullptr) : text_(text), repeated_(repeated) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
  }
  ~Reader() {
    yaml_event_delete(&event_);
    yaml_parser_delete(&parser_);
  }
  Reader(const Reader&) = delete;

  // The next document's JSON text; false at the end of the stream.
  Result<bool> document(std::string* out) {
    for (;;) {
      TRY(next());
      if (event_.type == YAML_STREAM_START_EVENT) continue;
      if (event_.type == YAML_STREAM_END_EVENT || event_.type == YAML_NO_EVENT) return false;
      break;
    }
    anchors_.clear();
    anchor_bytes_ = 0;
    TRY(next());
    TRY(node(out, 0));
    TRY(next());
    return true;
  }

 private:
  Status next() {
    yaml_event_delete(&event_);
    event_ = {};
    if (yaml_parser_parse(&parser_, &event_)) return ok();
    // The line as go-yaml counts it: a scanner's mark is one line behind.
    size_t line = parser_.context_mark.line != 0 ? parser_.context_mark.line : parser_.problem_mark.line;
    if (line != 0 && parser_.error == YAML_SCANNER_ERROR) line++;
    std::string where = line != 0 ? cat("line ", line, ": ") : std::string();
    return Error(Code::kInvalidArgument,
                 cat("yaml: ", where, parser_.problem ? parser_.problem : "unknown problem parsing YAML content", problem_place()));
  }

  // The true place, which go-yaml's line may miss by one.
  std::string problem_place() const {
    if (parser_.error == YAML_READER_ERROR) return position_note_at(text_, parser_.problem_offset);
    return place(parser_.problem_mark);
  }
  std::string place(const yaml_mark_t& mark) const { return position_note(text_, mark.line + 1, mark.column + 1); }

  Error at_line(std::string_view text) const {
    const yaml_mark_t& mark = event_.start_mark;
    return Error(Code::kInvalidArgument, cat("yaml: line ", mark.line + 1, ": ", text, place(mark)));
  }

  static Status check_size(size_t bytes) {
    if (bytes <= limits::kYamlExpandedBytesMax) return ok();
    return Error(Code::kTooLarge, "yaml: document contains excessive aliasing");
  }

  // Writes the node that begins with the current event.
  Status node(std::string* out, size_t depth) {
    if (depth > limits::kJsonDepthMax) return Error(Code::kTooLarge, cat("yaml: nested deeper than ", limits::kJsonDepthMax, " levels"));
    const size_t start = out->size();
    std::string anchor;
    switch (event_.type) {
      case YAML_SCALAR_EVENT:
        anchor = text_of(event_.data.scalar.anchor);
        TRY(scalar(out));
        break;
      case YAML_ALIAS_EVENT: {
        auto at = anchors_.find(text_of(event_.data.alias.anchor));
        if (at == anchors_.end()) return at_line(cat("unknown anchor '", text_of(event_.data.alias.anchor), "' referenced"));
        TRY(check_size(out->size() + at->second.size()));
        *out += at->second;
        break;
      }
      case YAML_SEQUENCE_START_EVENT:
        anchor = text_of(event_.data.sequence_start.anchor);
        TRY(sequence(out, depth));
        break;
      case YAML_MAPPING_START_EVENT:
        anchor = text_of(event_.data.mapping_start.anchor);
        TRY(mapping(out, depth));
        break;
      default: return at_line("unexpected event");
    }
    TRY(check_size(out->size()));
    if (!anchor.empty()) {
      anchor_bytes_ += out->size() - start;
      TRY(check_size(anchor_bytes_));
      anchors_[anchor] = out->substr(start);
    }
    return ok();
  }

  Status sequence(std::string* out, size_t depth) {
    out->push_back('[');
    for (bool first = true;; first = false) {
      TRY(next());
      if (event_.type == YAML_SEQUENCE_END_EVENT) break;
      if (!first) out->push_back(',');
      TRY(node(out, depth + 1));
    }
    out->push_back(']');
    return ok();
  }

  Status mapping(std::string* out, size_t depth) {
    const size_t start = out->size();
    out->push_back('{');
    std::unordered_set<std::string> keys;
    std::vector<std::string> merges;  // JSON texts of what << names
    bool empty = true, repeats = false;
    for (;;) {
      TRY(next());
      if (event_.type == YAML_MAPPING_END_EVENT) break;
      bool merge = false;
      const yaml_mark_t mark = event_.start_mark;
      TRY_ASSIGN(std::string name, key(&merge));
      TRY(next());
      if (merge) {
        merges.emplace_back();
        TRY(node(&merges.back(), depth + 1));
        continue;
      }
      if (!keys.insert(name).second) {
        std::string twice = cat("line ", mark.line + 1, ": key ", go_quote(name), " already set in map");
        if (repeated_ == nullptr) return Error(Code::kInvalidArgument, cat("yaml: ", twice, place(mark)));
        if (repeated_->size() < limits::kStrictErrorsMax) repeated_->push_back(std::move(twice));
        repeats = true;
      }
      if (!std::exchange(empty, false)) out->push_back(',');
      append_quoted(out, name);
      out->push_back(':');
      TRY(node(out, depth + 1));
    }
    if (repeats) TRY(keep_last(out, start));
    for (const std::string& text : merges) TRY(merge_into(out, text, &keys));
    out->push_back('}');
    return ok();
  }

  // Of the open mapping that begins at `start`, each key's last member alone.
  static Status keep_last(std::string* out, size_t start) {
    TRY_ASSIGN(Document all, Document::parse(cat(std::string_view(*out).substr(start), "}")));
    std::unordered_map<std::string_view, size_t> last;
    size_t i = 0;
    for (auto [name, value] : all.root().members()) last[name] = i++;
    out->resize(start + 1);
    i = 0;
    for (auto [name, value] : all.root().members()) {
      if (last[name] != i++) continue;
      if (out->back() != '{') out->push_back(',');
      append_quoted(out, name);
      *out += cat(":", value.dump());
    }
    return ok();
  }

  // Adds the members of a merged mapping (or of a list of them) that are not there yet.
  Status merge_into(std::string* out, std::string_view text, std::unordered_set<std::string>* keys) {
    TRY_ASSIGN(Document source, Document::parse(text));
    std::vector<Value> maps;
    if (source.root().is_array()) {
      for (Value v : source.root().items()) maps.push_back(v);
    } else {
      maps.push_back(source.root());
    }
    for (Value map : maps) {
      if (!map.is_object()) return Error(Code::kInvalidArgument, "yaml: map merge requires map or sequence of maps as the value");
      for (auto [name, value] : map.members()) {
        if (!keys->insert(std::string(name)).second) continue;
        if (keys->size() > 1) out->push_back(',');
        append_quoted(out, name);
        *out += cat(":", value.dump());
        TRY(check_size(out->size()));
      }
    }
    return ok();
  }

  // The current event as a member's name.
  Result<std::string> key(bool* merge) {
    if (event_.type == YAML_SCALAR_EVENT) {
      std::string text(text_of(event_.data.scalar.value, event_.data.scalar.length));
      if (!is_plain()) return text;
      Scalar r = resolve_plain(text);
      *merge = r.kind == ScalarKind::kMerge;
      if (r.kind == ScalarKind::kString || *merge) return text;
      if (r.kind != ScalarKind::kNull && r.kind != ScalarKind::kNotANumber) return r.json;
    } else if (event_.type == YAML_ALIAS_EVENT) {
      std::string json;
      TRY(node(&json, 0));
      TRY_ASSIGN(Document d, Document::parse(json));
      if (d.root().is_string()) return d.root().text();
    }
    return at_line("invalid map key");
  }

  bool is_plain() const { return event_.data.scalar.style == YAML_PLAIN_SCALAR_STYLE && event_.data.scalar.plain_implicit; }

  Status scalar(std::string* out) {
    const auto& s = event_.data.scalar;
    std::string_view value = text_of(s.value, s.length), tag = text_of(s.tag);
    constexpr std::string_view kPrefix = "tag:yaml.org,2002:";
    if (tag.substr(0, kPrefix.size()) == kPrefix) tag.remove_prefix(kPrefix.size());
    if (tag == "binary") {
      auto bytes = base64_decode(replace_all(replace_all(value, "\n", ""), " ", ""));
      if (!bytes) return at_line("!!binary value contains invalid base64 data");
      append_quoted(out, *bytes);
      return ok();
    }
    const bool typed = tag == "int" || tag == "float" || tag == "bool" || tag == "null";
    if (!is_plain() && !typed) {
      append_quoted(out, value);
      return ok();
    }
    Scalar r = resolve_plain(value);
    if (r.kind == ScalarKind::kNotANumber) return at_line(cat(value, " has no form in JSON"));
    if (r.kind == ScalarKind::kString || r.kind == ScalarKind::kMerge) {
      if (typed) return at_line(cat("cannot decode !!str ", go_quote(value), " as a !!", tag));
      append_quoted(out, value);
    } else {
      *out += r.json;
    }
    return ok();
  }

  std::string_view text_;
  yaml_parser_t parser_;
  yaml_event_t event_{};
  std::map<std::string, std::string, std::less<>> anchors_;
  size_t anchor_bytes_ = 0;
  std::vector<std::string>* repeated_;
};

// Whether a key stands twice in one object.
bool repeats_a_key(Value v) {
  for (Value item : v.items()) {
    if (repeats_a_key(item)) return true;
  }
  std::unordered_set<std::string_view> keys;
  for (auto [key, value] : v.members()) {
    if (v.size() > 1 && !keys.insert(key).second) return true;
    if (repeats_a_key(value)) return true;
  }
  return false;
}

bool looks_like_json(std::string_view text) {
  std::string_view t = trim(text);
  return !t.empty() && t[0] == '{';
}

}  // namespace

Result<Document> parse_yaml(std::string_view text) {
  if (looks_like_json(text)) {
    auto json = Document::parse(text);
    if (json.ok()) return json;
  }
  Reader reader(text);
  std::string json;
  TRY_ASSIGN(bool any, reader.document(&json));
  return Document::parse(make_buffer(any ? std::move(json) : "null"));
}

Result<Document> parse_yaml_loosely(std::string_view text, std::vector<std::string>* repeated) {
  if (looks_like_json(text)) {
    auto json = Document::parse(text);
    if (json.ok() && !repeats_a_key(json->root())) return json;
  }
  Reader reader(text, repeated);
  std::string json;
  TRY_ASSIGN(bool any, reader.document(&json));
  return Document::parse(make_buffer(any ? std::move(json) : "null"));
}

Result<std::vector<Document>> parse_yaml_stream(std::string_view text) {
  std::vector<Document> out;
  Reader reader(text);
  for (;;) {
    std::string json;
    TRY_ASSIGN(bool any, reader.document(&json));
    if (!any) return out;
    if (json == "null") continue;
    TRY_ASSIGN(Document d, Document::parse(make_buffer(std::move(json))));
    out.push_back(std::move(d));
  }
}

}  // namespace bramble
