#include "core/resources/selector.h"
#include "tests/core/json/json_text.h"

#include <gtest/gtest.h>

namespace bramble {
namespace {

TEST(LabelSelector, matches_as_the_grammar_says) {
  const struct {
    const char* selector;
    const char* labels;
    bool matches;
  } cases[] = {
      {"", "{}", true},
      {"a=b", R"({"a":"b"})", true},
      {"a==b", R"({"a":"c"})", false},
      {"a!=b", R"({"a":"c"})", true},
      {"a!=b", "{}", true},
      {"a in (b,c)", R"({"a":"c"})", true},
      {"a in (b,c)", "{}", false},
      {"a notin (b)", "{}", true},
      {"a", R"({"a":""})", true},
      {"!a", R"({"a":""})", false},
      {"a>5", R"({"a":"6"})", true},
      {"a<5", R"({"a":"x"})", false},
      {"in=notin", R"({"in":"notin"})", true},
      {"a=", R"({"a":""})", true},
      {"x=1,y=2", R"({"x":"1"})", false},
      {"a in (,b)", R"({"a":""})", true},
      {" example.com/a = b ", R"({"example.com/a":"b"})", true},
  };
  for (const auto& c : cases) {
    auto s = LabelSelector::parse(c.selector);
    ASSERT_TRUE(s.ok()) << c.selector << ": " << s.error().message();
    EXPECT_EQ(s->matches(json(c.labels).root()), c.matches) << c.selector << " on " << c.labels;
  }
}

TEST(LabelSelector, refuses_with_upstreams_words) {
  const struct {
    const char* selector;
    const char* message;
  } cases[] = {
      {"x in 1", "unable to parse requirement: found '1' expected: '('"},
      {"x y", "unable to parse requirement: found 'y', expected: in, notin, =, ==, !=, gt, lt"},
      {"=", "found '=', expected: !, identifier, or 'end of string'"},
      {"a,", "found '', expected: identifier after ','"},
      {"!", "unable to parse requirement: found '', expected: identifier"},
      {"a in (b", "unable to parse requirement: found '', expected: ',' or ')'"},
      {"a>x",
       "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an "
       "integer"},
  };
  for (const auto& c : cases) {
    auto s = LabelSelector::parse(c.selector);
    ASSERT_FALSE(s.ok()) << c.selector;
    EXPECT_EQ(s.error().message(), c.message) << c.selector;
  }
}

TEST(LabelSelector, of_an_object_is_sorted_and_written_canonically) {
  auto s = LabelSelector::from_object(
      json(
          R"({"matchLabels":{"z":"1","a":"2"},"matchExpressions":[{"key":"m","operator":"In","values":["d","c"]},{"key":"b","operator":"DoesNotExist"}]})")
          .root());
  ASSERT_TRUE(s.ok());
  EXPECT_EQ(s->text(), "a=2,!b,m in (c,d),z=1");
}

TEST(LabelSelector, absent_matches_nothing_and_empty_everything) {
  EXPECT_FALSE(LabelSelector::from_object(Value())->matches(json("{}").root()));
  EXPECT_FALSE(LabelSelector::from_object(Value())->empty());
  EXPECT_TRUE(LabelSelector::from_object(json("{}").root())->matches(Value()));
}

TEST(LabelSelector, refuses_unknown_operators) {
  auto s = LabelSelector::from_object(json(R"({"matchExpressions":[{"key":"a","operator":"Like"}]})").root());
  ASSERT_FALSE(s.ok());
  EXPECT_EQ(s.error().message(), "\"Like\" is not a valid label selector operator");
}

TEST(FieldSelector, reads_terms_and_escapes) {
  auto s = FieldSelector::parse("spec.nodeName=a,status.phase!=Running,x==b\\,c");
  ASSERT_TRUE(s.ok());
  ASSERT_EQ(s->terms.size(), 3u);
  EXPECT_EQ(s->terms[0].field, "spec.nodeName");
  EXPECT_TRUE(s->terms[0].equals);
  EXPECT_FALSE(s->terms[1].equals);
  EXPECT_EQ(s->terms[1].value, "Running");
  EXPECT_EQ(s->terms[2].value, "b,c");
  EXPECT_EQ(FieldSelector::parse("x").error().message(), "invalid selector: 'x'; can't understand 'x'");
}

}  // namespace
}  // namespace bramble
