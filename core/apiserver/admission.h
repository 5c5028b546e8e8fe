// Stage 4, admission: what depends on the cluster's state or on who asks. admit() completes objects before they are validated,
// inspect() refuses those that are valid; what a write takes of quotas comes last (quota_gate.h). Runs inside the registry's
// write, on each attempt. Reads the watch cache and the Random given; writes only the object. Owner's loop thread.
// Specification: Kubernetes "Admission Controllers Reference": all that is on by default and needs no webhook or policy, in
// upstream's order, and OwnerReferencesPermissionEnforcement.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "core/apiserver/admission_metrics.h"
#include "core/client/client.h"
#include "core/registry/registry.h"

namespace bramble {

// What the audit log tells of an admission beside its outcome.
using AuditAnnotations = std::map<std::string, std::string>;

struct AdmissionCall {
  Operation operation = Operation::kCreate;
  const Kind* kind = nullptr;
  std::string subresource, ns, name;
  Identity user;
  bool dry_run = false, patches = false;
};

class Authorizer;
class NodeRestriction;
class JoinLimit;

class Admission {
 public:
  Admission(Registry& registry, const Authorizer& authorizer);
  ~Admission();

  // Completes or refuses an object on its way in. kPermissionDenied, kNotFound with upstream's texts.
  Status admit(const AdmissionCall& call, Mut object, Value old) const;
  // Refuses what is complete and valid. kPermissionDenied and kInvalidObject with upstream's texts; may warn and annotate.
  Status inspect(const AdmissionCall& call, Value object, Value old, std::vector<std::string>* warnings, AuditAnnotations* annotations) const;
  // What is made by a subresource (a Binding, an Eviction, a token): admit() for what is not stored as such.
  Status admit_subresource(const AdmissionCall& call, Mut object) const;
  Status admit_delete(const AdmissionCall& call) const;
  AdmissionMetrics& metrics() const { return metrics_; }

 private:
  using Plugin = AdmissionMetrics::Plugin;
  using Type = AdmissionMetrics::Type;
  // What fn gives, a Status; counted under the plug-in.
  template <class F>
  Status timed(Plugin plugin, Type type, Operation operation, const F& fn) const;
  Status run_admit(const AdmissionCall& call, Mut object, Value old) const;
  Status run_inspect(const AdmissionCall& call, Value object, Value old, std::vector<std::string>* warnings, AuditAnnotations* annotations) const;
  Status check_namespace(const AdmissionCall& call, Mut object) const;
  Status admit_pod(const AdmissionCall& call, Mut pod, Value old) const;
  Status inspect_pod(const AdmissionCall& call, Value pod, Value old) const;
  Status forbidden_resize(Value pod, Value old) const;
  Status inspect_security(const AdmissionCall& call, Value object, Value old, std::vector<std::string>* warnings, AuditAnnotations* annotations) const;
  std::string forbidden_priority_class(Value priority_class) const;
  std::string forbidden_growth(Value claim, Value old) const;
  Document default_class(std::string_view group, std::string_view resource, bool (*is_default)(Value)) const;
  Status service_account(const AdmissionCall& call, Mut pod) const;
  Status priority(const AdmissionCall& call, Mut pod, Value old) const;
  Status runtime_class(Mut pod) const;
  void each(std::string_view group, std::string_view resource, std::string_view ns, const std::function<void(const Document&)>& fn) const;
  std::vector<Document> limit_ranges(const std::string& ns) const;
  Document find(std::string_view group, std::string_view version, std::string_view resource, std::string_view ns,
                std::string_view name) const;

  Registry& registry_;
  const Authorizer& authorizer_;
  std::unique_ptr<NodeRestriction> nodes_;
  std::unique_ptr<JoinLimit> joins_;
  mutable AdmissionMetrics metrics_;
};

// The parts that need no state.
void default_tolerations(Mut pod);
// A new node is not ready until it says so.
void taint_new_node(Mut node);
// The projected volume of a pod's service account token, mounted in each container that mounts nothing there. The name is for
// a pod that has no such volume yet.
void mount_token(Mut pod, std::string volume_name);

}  // namespace bramble
