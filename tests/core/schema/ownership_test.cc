#include "core/schema/apply/ownership.h"

#include <gtest/gtest.h>

#include "core/base/strings.h"
#include "tests/core/json/json_text.h"

namespace bramble {
namespace {

// An object with its owners, through applies and updates.
class History {
 public:
  explicit History(const char* type, FieldFilter filter = {}) {
    context.version = "v1";
    context.shape = MergeShape(*Type::find(type));
    context.filter = std::move(filter);
  }
  // What was refused, as "owner: path ...", or "".
  std::string apply(std::string_view owner, std::string_view config, bool force = false) {
    Document c = json(config);
    EXPECT_EQ(misfit(context.shape, c.root(), false), "");
    auto outcome = apply_config(context, object.root(), c.root(), owner, force, owners);
    if (!outcome.ok()) return outcome.error().message();
    std::string refused;
    for (const FieldConflict& f : outcome->conflicts) refused += cat(refused.empty() ? "" : " ", f.owner, path_text(f.path));
    if (!refused.empty()) return refused;
    changed = static_cast<bool>(outcome->object);
    if (changed) object = outcome->object;
    owners = outcome->owners;
    return {};
  }
  void update(std::string_view owner, std::string_view next) {
    Document n = json(next);
    Status done = own_by_update(context, object.root(), n.root(), owner, owners);
    EXPECT_TRUE(done.ok());
    object = n;
  }
  std::string owned() const {
    std::string out;
    for (const auto& [id, o] : owners) out += cat(out.empty() ? "" : " ", id, o.applied ? "=" : "~", o.set.text());
    return out;
  }
  std::string text() const { return object.root().dump(); }

  ApplyContext context;
  Document object = Document::parse(std::string_view("{}")).value();
  Owners owners;
  bool changed = false;
};

TEST(Ownership, is_shared_taken_and_given_up) {
  History h("core.v1.ConfigMap");
  EXPECT_EQ(h.apply("one", R"({"data":{"a":"1","b":"1"}})"), "");
  EXPECT_EQ(h.apply("two", R"({"data":{"a":"1","c":"2"}})"), "");
  EXPECT_EQ(h.owned(), R"(one={"f:data":{"f:a":{},"f:b":{}}} two={"f:data":{"f:a":{},"f:c":{}}})");
  EXPECT_EQ(h.apply("two", R"({"data":{"b":"9"}})"), "one.data.b");
  EXPECT_EQ(h.apply("two", R"({"data":{"b":"9"}})", true), "");
  EXPECT_EQ(h.text(), R"({"data":{"a":"1","b":"9"}})");
  EXPECT_EQ(h.owned(), R"(one={"f:data":{"f:a":{}}} two={"f:data":{"f:b":{}}})");
  EXPECT_EQ(h.apply("one", R"({"data":{}})"), "");
  EXPECT_EQ(h.text(), R"({"data":{"b":"9"}})");
  EXPECT_EQ(h.owned(), R"(one={"f:data":{}} two={"f:data":{"f:b":{}}})");
  EXPECT_EQ(h.apply("one", "{}"), "");
  EXPECT_FALSE(h.changed);
  EXPECT_EQ(h.owned(), R"(two={"f:data":{"f:b":{}}})");
}

TEST(Ownership, moves_between_updates_and_applies) {
  History h("core.v1.ConfigMap");
  h.update("up", R"({"data":{"a":"1","b":"1"}})");
  EXPECT_EQ(h.owned(), R"(up~{"f:data":{".":{},"f:a":{},"f:b":{}}})");
  EXPECT_EQ(h.apply("one", R"({"data":{"a":"2","b":"2"}})"), "up.data.a up.data.b");
  EXPECT_EQ(h.apply("one", R"({"data":{"a":"1"}})"), "");  // the same value: shared
  EXPECT_FALSE(h.changed);
  EXPECT_EQ(h.owned(), R"(one={"f:data":{"f:a":{}}} up~{"f:data":{".":{},"f:a":{},"f:b":{}}})");
  h.update("up", R"({"data":{"a":"7","b":"1"}})");
  EXPECT_EQ(h.owned(), R"(up~{"f:data":{".":{},"f:a":{},"f:b":{}}})");
  h.update("other", R"({"data":{"b":"1"}})");
  EXPECT_EQ(h.owned(), R"(up~{"f:data":{".":{},"f:b":{}}})");
  EXPECT_EQ(h.apply("one", R"({"data":{"b":"1"}})"), "");
  EXPECT_EQ(h.apply("one", R"({"data":{}})"), "");  // an updater owns it still: it stays
  EXPECT_EQ(h.text(), R"({"data":{"b":"1"}})");
  h.update("up", R"({"data":{"b":"1"}})");
  EXPECT_EQ(h.owned(), R"(one={"f:data":{}} up~{"f:data":{".":{},"f:b":{}}})");
}

TEST(Ownership, of_items_and_atomic_parts) {
  History h("core.v1.PodSpec");
  EXPECT_EQ(h.apply("one", R"({"containers":[{"name":"a","image":"1","ports":[{"containerPort":80}]}],"tolerations":[{"key":"x"}],"nodeSelector":{"a":"b"}})"), "");
  EXPECT_EQ(h.apply("two", R"({"containers":[{"name":"b","image":"1"}]})"), "");
  EXPECT_EQ(h.text(), R"({"containers":[{"name":"a","image":"1","ports":[{"containerPort":80}]},{"name":"b","image":"1"}],"tolerations":[{"key":"x"}],"nodeSelector":{"a":"b"}})");
  EXPECT_EQ(h.apply("two", R"({"tolerations":[{"key":"y"}],"nodeSelector":{"c":"d"},"containers":[{"name":"a","image":"2"}]})"),
            R"(one.nodeSelector one.tolerations one.containers[name="a"].image)");
  // What an item needs to be is shared, and what the applier leaves out goes, the item with it.
  EXPECT_EQ(h.apply("two", R"({"containers":[{"name":"a","tty":true}]})"), "");
  EXPECT_EQ(h.text(), R"({"containers":[{"name":"a","image":"1","ports":[{"containerPort":80}],"tty":true}],"tolerations":[{"key":"x"}],"nodeSelector":{"a":"b"}})");
  EXPECT_EQ(h.apply("one", R"({"containers":[]})"), "");
  EXPECT_EQ(h.text(), R"({"containers":[{"name":"a","tty":true}]})");
  EXPECT_EQ(h.owned(), R"(two={"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:name":{},"f:tty":{}}}})");
}

TEST(Ownership, what_nobody_owns_stays) {
  History h("core.v1.ConfigMap");
  h.object = json(R"({"data":{"z":"0"}})");
  EXPECT_EQ(h.apply("one", R"({"data":{"a":"1"}})"), "");
  EXPECT_EQ(h.apply("one", R"({"data":{"b":"1"}})"), "");
  EXPECT_EQ(h.text(), R"({"data":{"z":"0","b":"1"}})");
}

TEST(Ownership, fields_that_the_registry_resets_are_nobodys) {
  History h("apps.v1.Deployment", FieldFilter::without(FieldSet::of({"status"})));
  h.update("up", R"({"spec":{"replicas":1},"status":{"replicas":2}})");
  EXPECT_EQ(h.owned(), R"(up~{"f:spec":{".":{},"f:replicas":{}}})");
  EXPECT_EQ(h.apply("one", R"({"spec":{"replicas":1},"status":{"replicas":3}})"), "");
  EXPECT_EQ(h.owned(), R"(one={"f:spec":{"f:replicas":{}}} up~{"f:spec":{".":{},"f:replicas":{}}})");
  FieldFilter only = FieldFilter::only({{"f:spec", "f:containers", "*", "f:resources"}, {"f:spec", "f:containers", "*", "f:resizePolicy"}});
  auto all = FieldSet::parse(json(R"({"f:spec":{".":{},"f:hostname":{},"f:containers":{".":{},"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:resources":{"f:limits":{}}}}},"f:status":{}})").root());
  EXPECT_EQ(only.apply(*all).text(), R"({"f:spec":{".":{},"f:containers":{".":{},"k:{\"name\":\"c\"}":{".":{},"f:resources":{"f:limits":{}}}}}})");
}

TEST(Ownership, of_another_version) {
  // Two versions that differ in the name of one field.
  History h("core.v1.ConfigMap");
  auto rename = [](Value v, const char* from, const char* to) {
    Builder b;
    for (auto [key, value] : v.members()) b.root().add(key == from ? to : key, value);
    return b.finish();
  };
  h.context.convert = [&](Value object, std::string_view from, std::string_view to) -> std::optional<ApplyContext::InVersion> {
    if (to == "gone") return std::nullopt;
    ApplyContext::InVersion out;
    out.object = from == "v1" ? rename(object, "data", "binaryData") : rename(object, "binaryData", "data");
    out.shape = MergeShape(*Type::find("core.v1.ConfigMap"));
    return out;
  };
  h.object = json(R"({"data":{"a":"1","b":"1"}})");
  h.owners["old"] = {FieldSet::parse(json(R"({"f:binaryData":{"f:a":{}}})").root()).value(), "v0", true};
  h.owners["past"] = {FieldSet::of({"immutable"}), "gone", false};
  EXPECT_EQ(h.apply("one", R"({"data":{"a":"2"}})"), "old.binaryData.a");
  EXPECT_EQ(h.apply("one", R"({"data":{"a":"2"}})", true), "");
  EXPECT_EQ(h.owned(), R"(one={"f:data":{"f:a":{}}})");
  // An owner that applies in another version than last time.
  h.owners.clear();
  h.owners["one"] = {FieldSet::parse(json(R"({"f:binaryData":{"f:a":{},"f:b":{}}})").root()).value(), "v0", true};
  EXPECT_EQ(h.apply("one", R"({"data":{"b":"1"}})"), "");
  EXPECT_EQ(h.text(), R"({"data":{"b":"1"}})");
  EXPECT_EQ(h.owned(), R"(one={"f:data":{"f:b":{}}})");
}

}  // namespace
}  // namespace bramble
