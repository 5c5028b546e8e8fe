// The workloads in their old versions: defaults, conversion both ways and rules, as Kubernetes 1.15 had them
// (pkg/apis/{apps,extensions}/<version>/{defaults,conversion}.go, pkg/registry/apps/*/strategy.go).
#include "core/resources/workload_versions.h"

#include "tests/core/resources/rule_case.h"

namespace bramble {
namespace {

constexpr std::string_view kTemplate = R"("template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}})";

const Kind& old_kind(std::string_view api_version, std::string_view name) {
  const auto parts = *cut(api_version, "/");
  const Kind* kind = find_kind_by_name(parts.first, parts.second, name);
  EXPECT_NE(kind, nullptr) << api_version << " " << name;
  return *kind;
}

std::vector<const Kind*> old_kinds() {
  std::vector<const Kind*> out;
  for (const Kind& k : all_kinds())
    if (k.stored_as.elsewhere() && k.stored_as.group == "apps") out.push_back(&k);
  return out;
}

Document workload(const Kind& kind, std::string_view more, std::string_view meta = "") {
  return json(cat(R"({"kind":")", kind.kind, R"(","apiVersion":")", kind.group, "/", kind.version, R"(","metadata":{"name":"d","namespace":"n")", meta,
                  R"(},"spec":{)", kTemplate, more, "}}"));
}

std::string spec_without(const Document& d, std::initializer_list<const char*> without) {
  Builder b(d["spec"]);
  for (const char* w : without) b.root().remove(w);
  return b.dump();
}

TEST(OldWorkloads, are_served_where_1_15_served_them) {
  std::string all;
  for (const Kind* k : old_kinds()) {
    all += cat(all.empty() ? "" : " ", k->group, "/", k->version, ".", k->kind);
    EXPECT_EQ(&stored_kind(*k), find_kind("apps", "v1", k->resource));
    EXPECT_NE(k->type, nullptr);
    EXPECT_NE(Type::find_kind(k->group, k->version, list_kind(*k)), nullptr) << k->kind;
  }
  EXPECT_EQ(all,
            "apps/v1beta2.ControllerRevision apps/v1beta2.DaemonSet apps/v1beta2.Deployment apps/v1beta2.ReplicaSet apps/v1beta2.StatefulSet "
            "apps/v1beta1.ControllerRevision apps/v1beta1.Deployment apps/v1beta1.StatefulSet "
            "extensions/v1beta1.DaemonSet extensions/v1beta1.Deployment extensions/v1beta1.ReplicaSet");
}

TEST(OldWorkloads, get_the_defaults_of_their_version) {
  const struct {
    const char* name;
    const char *version, *kind, *more;
    const char* spec;  // without the template
  } cases[] = {
      {"extensions Deployment", "extensions/v1beta1", "Deployment", "",
       R"({"selector":{"matchLabels":{"a":"b"}},"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":1,"maxSurge":1}},"progressDeadlineSeconds":2147483647,"revisionHistoryLimit":2147483647,"replicas":1})"},
      {"extensions Deployment that says something itself", "extensions/v1beta1", "Deployment",
       R"(,"replicas":0,"selector":{"matchLabels":{"a":"b"},"matchExpressions":[{"key":"a","operator":"Exists"}]},"strategy":{"rollingUpdate":{"maxSurge":"50%"}},"revisionHistoryLimit":3,"progressDeadlineSeconds":60)",
       R"({"replicas":0,"selector":{"matchLabels":{"a":"b"},"matchExpressions":[{"key":"a","operator":"Exists"}]},"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"50%","maxUnavailable":1}},"revisionHistoryLimit":3,"progressDeadlineSeconds":60})"},
      {"extensions Deployment that recreates", "extensions/v1beta1", "Deployment", R"(,"strategy":{"type":"Recreate"})",
       R"({"strategy":{"type":"Recreate"},"selector":{"matchLabels":{"a":"b"}},"progressDeadlineSeconds":2147483647,"revisionHistoryLimit":2147483647,"replicas":1})"},
      {"extensions ReplicaSet", "extensions/v1beta1", "ReplicaSet", "", R"({"replicas":1,"selector":{"matchLabels":{"a":"b"}}})"},
      {"extensions DaemonSet", "extensions/v1beta1", "DaemonSet", "",
       R"({"updateStrategy":{"type":"OnDelete"},"selector":{"matchLabels":{"a":"b"}},"revisionHistoryLimit":10})"},
      {"extensions DaemonSet that rolls", "extensions/v1beta1", "DaemonSet", R"(,"updateStrategy":{"type":"RollingUpdate"})",
       R"({"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":1,"maxSurge":0}},"selector":{"matchLabels":{"a":"b"}},"revisionHistoryLimit":10})"},
      {"apps/v1beta1 Deployment", "apps/v1beta1", "Deployment", "",
       R"({"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}},"selector":{"matchLabels":{"a":"b"}},"revisionHistoryLimit":2,"replicas":1,"progressDeadlineSeconds":600})"},
      {"apps/v1beta1 StatefulSet", "apps/v1beta1", "StatefulSet", "",
       R"({"serviceName":"","updateStrategy":{"type":"OnDelete"},"selector":{"matchLabels":{"a":"b"}},"podManagementPolicy":"OrderedReady","persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Retain","whenScaled":"Retain"},"replicas":1,"revisionHistoryLimit":10})"},
      {"apps/v1beta1 StatefulSet that rolls", "apps/v1beta1", "StatefulSet", R"(,"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{}})",
       R"({"serviceName":"","updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":0}},"selector":{"matchLabels":{"a":"b"}},"podManagementPolicy":"OrderedReady","persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Retain","whenScaled":"Retain"},"replicas":1,"revisionHistoryLimit":10})"},
      {"apps/v1beta2 Deployment", "apps/v1beta2", "Deployment", R"(,"selector":{"matchLabels":{"a":"b"}})",
       R"({"selector":{"matchLabels":{"a":"b"}},"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}},"replicas":1,"revisionHistoryLimit":10,"progressDeadlineSeconds":600})"},
      {"apps/v1beta2 ReplicaSet", "apps/v1beta2", "ReplicaSet", R"(,"selector":{"matchLabels":{"a":"b"}})",
       R"({"replicas":1,"selector":{"matchLabels":{"a":"b"}}})"},
      {"apps/v1beta2 DaemonSet", "apps/v1beta2", "DaemonSet", R"(,"selector":{"matchLabels":{"a":"b"}})",
       R"({"selector":{"matchLabels":{"a":"b"}},"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":1,"maxSurge":0}},"revisionHistoryLimit":10})"},
      {"apps/v1beta2 StatefulSet", "apps/v1beta2", "StatefulSet", R"(,"selector":{"matchLabels":{"a":"b"}})",
       R"({"selector":{"matchLabels":{"a":"b"}},"serviceName":"","podManagementPolicy":"OrderedReady","updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":0}},"persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Retain","whenScaled":"Retain"},"replicas":1,"revisionHistoryLimit":10})"},
      {"apps/v1beta2 has no selector of its own", "apps/v1beta2", "ReplicaSet", "", R"({"replicas":1,"selector":null})"},
  };
  for (const auto& c : cases) {
    const Kind& kind = old_kind(c.version, c.kind);
    const Document d = defaulted(kind, workload(kind, c.more));
    const Document want = json(c.spec), got = json(spec_without(d, {"template"}));
    EXPECT_TRUE(equal(got.root(), want.root())) << c.name << "\n" << got.root().dump();
    EXPECT_EQ(d["spec"]["template"]["spec"]["restartPolicy"].str(), "Always") << c.name;
    const bool labelled = std::string_view(c.version) != "apps/v1beta2";
    EXPECT_EQ(d["metadata"]["labels"]["a"].str(), labelled ? "b" : "") << c.name;
    const bool counts = std::string_view(c.version) == "apps/v1beta2" && std::string_view(c.kind) == "DaemonSet";
    EXPECT_EQ(d["metadata"].has("annotations"), counts) << c.name;  // the generation of its template
    // What is stored has the defaults of this version, not those of apps/v1.
    const Document stored = stored_form(kind, d);
    EXPECT_TRUE(equal(json(spec_without(stored, {"template", "selector"})).root(), json(spec_without(d, {"template", "selector"})).root())) << c.name;
  }
  const Kind& deployment = old_kind("extensions/v1beta1", "Deployment");
  const Document labelled = defaulted(deployment, workload(deployment, "", R"(,"labels":{"own":"x"})"));
  EXPECT_EQ(labelled["metadata"]["labels"].dump(), R"({"own":"x"})");
}

TEST(OldWorkloads, a_statefulset_that_names_its_strategy_gets_no_partition) {
  for (const char* version : {"apps/v1", "apps/v1beta2", "apps/v1beta1"}) {
    const Kind& kind = old_kind(version, "StatefulSet");
    const Document d = defaulted(kind, workload(kind, R"(,"selector":{"matchLabels":{"a":"b"}},"updateStrategy":{"type":"RollingUpdate"})"));
    EXPECT_EQ(d["spec"]["updateStrategy"].dump(), R"({"type":"RollingUpdate"})") << version;
  }
}

// A value for each field of a type, as far as the defaults and the rows do not care.
void fill(Mut object, const Type& type) {
  for (const Field& f : type.fields()) {
    if (f.name() == "kind" || f.name() == "apiVersion") continue;
    if (f.name() == "template") {
      const Document pod = json(cat("{", kTemplate, "}"));
      object.set("template", pod["template"]);
      continue;
    }
    auto value = [&](auto set) {
      switch (f.kind()) {
        case FieldKind::kBool: return set(true);
        case FieldKind::kInt32:
        case FieldKind::kInt64: return set(int64_t{7});
        case FieldKind::kIntOrString: return set("7%");
        case FieldKind::kTime: return set("2026-01-02T03:04:05Z");
        default: return set(f.enum_values().empty() ? "text" : f.enum_values()[0]);
      }
    };
    const bool message = f.kind() == FieldKind::kMessage;
    if (message && (f.type()->name() == "meta.v1.LabelSelector" || f.type()->name() == "meta.v1.ObjectMeta")) {
      const Document given = json(f.name() == "metadata" ? R"({"name":"d","namespace":"n","uid":"u","generation":3,"labels":{"a":"b"},"annotations":{"own":"x"}})"
                                                         : R"({"matchLabels":{"a":"b"},"matchExpressions":[{"key":"a","operator":"Exists"}]})");
      object.set(f.name(), given.root());
    } else if (f.name() == "volumeClaimTemplates") {
      const Document given = json(R"([{"metadata":{"name":"v"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}])");
      object.set(f.name(), given.root());
    } else if (f.kind() == FieldKind::kRaw) {
      const Document given = json(R"({"any":1})");
      object.set(f.name(), given.root());
    } else if (f.container() == Container::kList) {
      Mut list = object.array(f.name());
      if (message) fill(list.append_object(), *f.type());
      else value([&](auto v) { list.append(v); });
    } else if (message) {
      fill(object.object(f.name()), *f.type());
    } else {
      value([&](auto v) { object.set(f.name(), v); });
    }
  }
}

Document filled(const Kind& kind) {
  Builder b;
  b.root().set("kind", kind.kind);
  b.root().set("apiVersion", cat(kind.group, "/", kind.version));
  fill(b.root(), *kind.type);
  const Document raw = b.finish();
  return defaulted(kind, raw);
}

// Every field that two versions share stands in both; the two that differ are annotations of apps/v1.
TEST(OldWorkloads, each_field_goes_to_apps_v1_and_comes_back) {
  for (const Kind* kind : old_kinds()) {
    const std::string what = cat(kind->group, "/", kind->version, " ", kind->kind);
    const Document shown = filled(*kind);
    const Document stored = stored_form(*kind, shown);
    EXPECT_EQ(stored["apiVersion"].str(), "apps/v1") << what;
    EXPECT_EQ(stored["kind"].str(), kind->kind) << what;
    EXPECT_TRUE(equal(shown_form(*kind, stored).root(), shown.root())) << what << "\n" << shown.root().dump() << "\n" << shown_form(*kind, stored).root().dump();
    // Beside these nothing differs.
    Builder same(shown.root());
    same.root().set("apiVersion", "apps/v1");
    const bool rollback = shown["spec"].has("rollbackTo"), generation = shown["spec"].has("templateGeneration");
    EXPECT_EQ(rollback, kind->kind == "Deployment" && kind->version == "v1beta1") << what;
    EXPECT_EQ(generation, kind->kind == "DaemonSet" && kind->version == "v1beta1") << what;
    if (rollback) {
      same["spec"].remove("rollbackTo");
      same["metadata"]["annotations"].set(kRollbackTo, "7");
    }
    if (generation) {
      same["spec"].remove("templateGeneration");
      same["metadata"]["annotations"].set(kTemplateGeneration, "7");
    }
    EXPECT_TRUE(equal(stored.root(), same.finish().root())) << what << "\n" << stored.root().dump();
    // The other way round, from everything that apps/v1 can say.
    const Document now = filled(stored_kind(*kind)), seen = shown_form(*kind, now);
    EXPECT_EQ(seen["apiVersion"].str(), cat(kind->group, "/", kind->version)) << what;
    EXPECT_TRUE(equal(stored_form(*kind, seen).root(), now.root())) << what << "\n" << now.root().dump() << "\n" << stored_form(*kind, seen).root().dump();
  }
}

TEST(OldWorkloads, annotations_of_apps_v1_are_fields_before) {
  const struct {
    const char* name;
    const char *version, *kind, *annotations;
    const char *spec, *want_annotations;  // what is shown: rollbackTo or templateGeneration, and the rest
  } cases[] = {
      {"no roll-back", "extensions/v1beta1", "Deployment", "{}", "", ""},
      {"roll-back", "extensions/v1beta1", "Deployment", R"({"deprecated.deployment.rollback.to":"3","x":"y"})", R"({"revision":3})", R"({"x":"y"})"},
      {"roll-back to the last one", "apps/v1beta1", "Deployment", R"({"deprecated.deployment.rollback.to":"0"})", "{}", ""},
      {"roll-back to nonsense", "apps/v1beta1", "Deployment", R"({"deprecated.deployment.rollback.to":"x"})", "", R"({"deprecated.deployment.rollback.to":"x"})"},
      {"roll-back of v1beta2 is an annotation", "apps/v1beta2", "Deployment", R"({"deprecated.deployment.rollback.to":"3"})", "", R"({"deprecated.deployment.rollback.to":"3"})"},
      {"generation of the template", "extensions/v1beta1", "DaemonSet", R"({"deprecated.daemonset.template.generation":"4"})", "4", ""},
      {"generation of v1beta2 is an annotation", "apps/v1beta2", "DaemonSet", R"({"deprecated.daemonset.template.generation":"4"})", "", R"({"deprecated.daemonset.template.generation":"4"})"},
  };
  for (const auto& c : cases) {
    const Kind& kind = old_kind(c.version, c.kind);
    const Document stored = workload(stored_kind(kind), R"(,"selector":{"matchLabels":{"a":"b"}})", cat(R"(,"annotations":)", c.annotations));
    const Document shown = shown_form(kind, stored);
    const Value v = shown["spec"][kind.kind == "DaemonSet" ? "templateGeneration" : "rollbackTo"];
    EXPECT_EQ(v ? v.dump() : "", c.spec) << c.name;
    const Value rest = shown["metadata"]["annotations"];
    EXPECT_EQ(rest ? rest.dump() : "", c.want_annotations) << c.name;
  }
}

// A view of an object of today gets no defaults of yesterday.
TEST(OldWorkloads, reading_sets_no_defaults) {
  const Kind& kind = old_kind("extensions/v1beta1", "Deployment");
  const Document stored = created(stored_kind(kind), workload(stored_kind(kind), R"(,"selector":{"matchLabels":{"a":"b"}})"));
  const Document shown = shown_form(kind, stored);
  EXPECT_FALSE(shown["metadata"].has("labels"));
  EXPECT_EQ(shown["spec"]["progressDeadlineSeconds"].integer(), 600);
  EXPECT_EQ(shown["spec"]["strategy"]["rollingUpdate"]["maxSurge"].str(), "25%");
}

TEST(OldWorkloads, the_oldest_two_may_change_their_selector) {
  const struct {
    const char *version, *kind;
    bool free;
  } cases[] = {
      {"extensions/v1beta1", "Deployment", true}, {"extensions/v1beta1", "ReplicaSet", true}, {"extensions/v1beta1", "DaemonSet", true},
      {"apps/v1beta1", "Deployment", true},       {"apps/v1beta1", "StatefulSet", false},     {"apps/v1beta2", "Deployment", false},
      {"apps/v1beta2", "ReplicaSet", false},      {"apps/v1beta2", "DaemonSet", false},       {"apps/v1beta2", "StatefulSet", false},
  };
  for (const auto& c : cases) {
    const Kind& kind = old_kind(c.version, c.kind);
    const Document old = created(kind, workload(kind, R"(,"selector":{"matchLabels":{"a":"b"}})"));
    const Document next = workload(kind, R"(,"selector":{"matchExpressions":[{"key":"a","operator":"Exists"}]})");
    Builder b(stored_form(kind, defaulted(kind, next)).root());
    stored_kind(kind).prepare_update(b.root(), old.root());
    const Document changed = b.finish();
    FieldErrors errors;
    if (kind.validate_update) kind.validate_update(changed.root(), old.root(), errors);
    else kind.validate(changed.root(), errors);
    EXPECT_EQ(errors.empty(), c.free) << c.version << " " << c.kind << ": " << texts(errors);
  }
}

TEST(OldWorkloads, are_held_to_the_rules_of_today) {
  const Kind& kind = old_kind("extensions/v1beta1", "Deployment");
  const struct {
    const char* name;
    Document object;
    const char* want;
  } cases[] = {
      {"fine", workload(kind, ""), ""},
      {"no labels to select by", json(R"({"metadata":{"name":"d"},"spec":{"template":{"spec":{"containers":[{"name":"c","image":"i"}]}}}})"),
       "Required spec.selector: Required value | Invalid spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`"},
      {"rolling settings of another strategy", workload(kind, R"(,"strategy":{"type":"Recreate","rollingUpdate":{}})"),
       "Forbidden spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"},
      {"back to before the first revision", workload(kind, R"(,"rollbackTo":{"revision":-1})"),
       "Invalid spec.rollback.version: Invalid value: -1: must be greater than or equal to 0"},
  };
  for (const auto& c : cases) EXPECT_EQ(create_errors(kind, c.object), c.want) << c.name;
}

TEST(OldWorkloads, say_that_they_are_deprecated) {
  const struct {
    const char *version, *kind, *part, *want;
  } cases[] = {
      {"extensions/v1beta1", "Deployment", "", "extensions/v1beta1 Deployment is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 Deployment"},
      {"apps/v1beta1", "StatefulSet", "", "apps/v1beta1 StatefulSet is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 StatefulSet"},
      {"apps/v1beta2", "ControllerRevision", "", "apps/v1beta2 ControllerRevision is deprecated in v1.9+, unavailable in v1.16+; use apps/v1 ControllerRevision"},
      {"extensions/v1beta1", "ReplicaSet", "scale", "extensions/v1beta1 Scale is deprecated in v1.2+, unavailable in v1.16+"},
      {"apps/v1beta1", "Deployment", "scale", "apps/v1beta1 Scale is deprecated in v1.8+, unavailable in v1.16+; use autoscaling/v1 Scale"},
      {"apps/v1beta2", "StatefulSet", "scale", "apps/v1beta2 Scale is deprecated in v1.9+, unavailable in v1.16+; use autoscaling/v1 Scale"},
      {"extensions/v1beta1", "Deployment", "rollback", "extensions/v1beta1 DeploymentRollback is deprecated in v1.8+, unavailable in v1.16+"},
      {"apps/v1beta1", "Deployment", "rollback", "apps/v1beta1 DeploymentRollback is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 DeploymentRollback"},
  };
  for (const auto& c : cases) {
    const Kind& kind = old_kind(c.version, c.kind);
    std::string said = *c.part ? "" : kind.deprecation;
    for (const auto& [part, text] : kind.part_deprecations)
      if (part == c.part) said = text;
    EXPECT_EQ(said, c.want);
  }
}

}  // namespace
}  // namespace bramble
