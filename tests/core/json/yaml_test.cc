#include "core/json/yaml.h"

#include <gtest/gtest.h>

#include "core/base/limits.h"
#include "core/base/strings.h"

namespace bramble {
namespace {

std::string read(std::string_view text) {
  auto d = parse_yaml(text);
  return d.ok() ? d->root().dump() : cat("error: ", d.error().message());
}

TEST(Yaml, reads_as_go_yaml_does) {
  static constexpr struct {
    const char *name, *in, *out;
  } kRows[] = {
      {"empty", "", "null"},
      {"comment only", "# x\n", "null"},
      {"scalars", "a: 1\nb: x\nc: 1.50\nd: true\ne: ~\nf:\n", R"({"a":1,"b":"x","c":1.5,"d":true,"e":null,"f":null})"},
      {"1.1 booleans", "[yes, No, ON, off, y, n, 'yes', \"no\"]", R"([true,false,true,false,true,false,"yes","no"])"},
      {"bases", "[010, 0o10, 0x1F, 0b11, 1_000, +5, -7]", "[8,8,31,3,1000,5,-7]"},
      {"floats", "[1e3, .5, 1., -1.5e-9]", "[1000,0.5,1,-1.5e-9]"},
      {"no numbers", "[1.2.3, 0x, 1a, -, 09z, 1e]", R"(["1.2.3","0x","1a","-","09z","1e"])"},
      {"times are strings", "a: 2026-01-02T03:04:05Z\nb: 2026-01-02", R"({"a":"2026-01-02T03:04:05Z","b":"2026-01-02"})"},
      {"keys become strings", "1: a\ntrue: b\n'2': c", R"({"1":"a","true":"b","2":"c"})"},
      {"anchors", "a: &x {b: 1}\nc: *x", R"({"a":{"b":1},"c":{"b":1}})"},
      {"merge keys", "a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3", R"({"a":{"b":1,"c":2},"d":{"c":3,"b":1}})"},
      {"literal", "a: |\n  x\n  y\n", R"({"a":"x\ny\n"})"},
      {"folded", "a: >-\n  x\n  y\n", R"({"a":"x y"})"},
      {"explicit string", "a: !!str 1", R"({"a":"1"})"},
      {"binary", "a: !!binary eA==", R"({"a":"x"})"},
      {"json", " {\"a\": [1, 2]}", R"({"a":[1,2]})"},
      {"first document only", "a: 1\n---\nb: 2", R"({"a":1})"},
      {"big integers", "18446744073709551615", "18446744073709551615"},
      {"control characters", "a: \"\\x01\\t\"", R"({"a":"\u0001\t"})"},
      {"mapping in a value", "a: b: c", "error: yaml: mapping values are not allowed in this context"},
      {"line of an error", "a: 1\nb: c: d", "error: yaml: line 2: mapping values are not allowed in this context (line 2, column 5)"},
      {"duplicate key", "a: 1\nb: 2\na: 3", "error: yaml: line 3: key \"a\" already set in map (line 3, column 1)"},
      {"a long line", "a: a value that is longer than messages show: b", "error: yaml: mapping values are not allowed in this context (line 1, column 45)"},
      {"a tab", "a:\n\tb: 1", "error: yaml: line 2: found character that cannot start any token (line 2, column 1)"},
      {"no text", "a: 1\nb: \xff", "error: yaml: invalid leading UTF-8 octet (line 2, column 4)"},
      {"unknown alias", "a: *x", "error: yaml: line 1: unknown anchor 'x' referenced"},
      {"list as a key", "[1]: 2", "error: yaml: line 1: invalid map key"},
      {"not a number", "a: .nan", "error: yaml: line 1: .nan has no form in JSON"},
  };
  for (const auto& row : kRows) EXPECT_EQ(read(row.in), row.out) << row.name;
}

TEST(Yaml, splits_documents) {
  auto docs = parse_yaml_stream("---\na: 1\n---\n# nothing\n---\nb: 2\n...\n");
  ASSERT_TRUE(docs.ok());
  ASSERT_EQ(docs->size(), 2u);
  EXPECT_EQ((*docs)[1].root().dump(), R"({"b":2})");
}

TEST(Yaml, stops_alias_bombs) {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; i++) {
    bomb += cat("a", i, ": &a", i, " [");
    for (int k = 0; k < 10; k++) bomb += cat(k ? "," : "", "*a", i - 1);
    bomb += "]\n";
  }
  auto d = parse_yaml(bomb);
  ASSERT_FALSE(d.ok());
  EXPECT_EQ(d.error().code(), Code::kTooLarge);
  EXPECT_EQ(d.error().message(), "yaml: document contains excessive aliasing");
}

TEST(Yaml, stops_deep_nesting) {
  auto d = parse_yaml(std::string(limits::kJsonDepthMax * 3, '['));
  ASSERT_FALSE(d.ok());
  EXPECT_EQ(d.error().code(), Code::kTooLarge);
}

TEST(Yaml, writes_as_the_api_server_does) {
  Document d = Document::parse(R"({"kind":"Status","apiVersion":"v1","metadata":{},"message":"configmaps \"nope\" not found","details":{"name":"nope","kind":"configmaps"},"code":404})").value();
  EXPECT_EQ(to_yaml(d.root()),
            "apiVersion: v1\ncode: 404\ndetails:\n  kind: configmaps\n  name: nope\nkind: Status\nmessage: configmaps \"nope\" not found\nmetadata: {}\n");
}

TEST(Yaml, reads_back_what_it_writes) {
  static constexpr const char* kRows[] = {
      R"({"a":[{"b":1,"c":[[1,[]],{}]},"x"],"d":{}})",
      R"(["yes","1","0x1","1e3","null","~","","-","- a","a: b","a:","#x","a #b","*x","&x","!x","%x","@x","`x","'x","\"x","|",">","{","[","?","2026-01-02","=","<<","---","..."])",
      R"(["line\nline\n","line\nline","line\n\n"," lead\nx","trail \nx","tab\tx","\r\n","\u0001","\u00e9","x\\y","\n"])",
      R"({"a b":1,"1":2,"yes":3,"x: y":4,"":5,"a\nb":6})",
      R"([true,false,null,1.5,-3,1e100])",
      R"({"deep":{"text":"#!/bin/sh\necho hi\n","list":["a\nb\n"]}})",
      R"("top")",
      R"("M\n\n\"")",
      R"("o\n\n")",
      R"(["\n\u0085x","a\u0085b","\u2028","' \u2029","\ufeffx"])",
      R"([])",
  };
  for (const char* row : kRows) {
    Document d = Document::parse(row).value();
    std::string text = to_yaml(d.root());
    auto back = parse_yaml(text);
    ASSERT_TRUE(back.ok()) << row << "\n" << text << back.error().message();
    EXPECT_TRUE(equal(back->root(), d.root())) << row << "\n" << text << back->root().dump();
  }
}

}  // namespace
}  // namespace bramble
