// Objects as upstream 1.36 printed them: canonical form must leave each as it is.
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>

#include "core/base/strings.h"
#include "core/schema/engine.h"
#include "source_dir.h"

namespace bramble {
namespace {

std::string read_file(const std::string& path) {
  std::string out;
  if (FILE* f = std::fopen(path.c_str(), "rb")) {
    char buf[65536];
    while (size_t n = std::fread(buf, 1, sizeof buf, f)) out.append(buf, n);
    std::fclose(f);
  }
  return out;
}

const Type* type_of(Value object) {
  std::string_view version = object["apiVersion"].str(), group;
  if (auto slash = version.find('/'); slash != std::string_view::npos) {
    group = version.substr(0, slash);
    version = version.substr(slash + 1);
  }
  return Type::find_kind(group, version, object["kind"].str());
}

TEST(Golden, canonical_form_keeps_every_recorded_object) {
  size_t checked = 0;
  for (const char* area : {"defaults", "validation", "reads", "patches", "writes", "authz", "discovery", "watch", "crd"}) {
    std::string text = read_file(cat(BRAMBLE_SOURCE_DIR, "/tests/golden/open/", area, ".json"));
    ASSERT_FALSE(text.empty()) << area;
    text = replace_all(text, "<time>", "2026-01-02T03:04:05.678901Z");
    text = replace_all(text, "{ns}", "gold");
    text = replace_all(text, "\"<nodePort>\"", "30000");
    auto doc = Document::parse(text);
    ASSERT_TRUE(doc.ok()) << area;
    for (Value scenario : (*doc)["scenarios"].items()) {
      for (Value step : scenario["steps"].items()) {
        Value body = step["expected"]["body"];
        const Type* type = type_of(body);
        if (step.has("fields") || type == nullptr || body["kind"].str() == "Table" ||
            body["kind"].str().ends_with("List"))
          continue;  // lists are joined from items, never brought to canonical form
        DecodeNotes notes;
        auto b = canonicalize(*type, body, &notes);
        std::string where = cat(area, " ", scenario["name"].str(), " ", step["name"].str());
        ASSERT_TRUE(b.ok()) << where << ": " << b.error().message();
        EXPECT_TRUE(notes.all.empty()) << where << ": " << notes.all[0];
        std::string want = replace_all(body.dump(), "05.678901Z", "05Z"), got = replace_all(b->dump(), "05.678901Z", "05Z");
        EXPECT_EQ(got, want) << where;
        checked++;
      }
    }
  }
  EXPECT_GT(checked, 250u);
}

}  // namespace
}  // namespace bramble
