// Injected bugs, for tests/e2e/test_quarantine.py alone. The linker puts these functions in the place of real ones of the same
// signature (--wrap), in a binary of its own that is otherwise the shipped one, object for object: build/<...>/bramble_with_faults.
// Each works as the real one does, but dies on an object whose annotation "fault" names it. So the death is real, in the room,
// at the step, on the thread where such a bug would kill the server; the shipped binary has no way to any of this.
#include <cstdlib>

#include "core/apiserver/admission.h"
#include "core/base/check.h"
#include "core/controllers/deployment.h"
#include "core/controllers/owner_index.h"
#include "core/controllers/owner_refs.h"
#include "core/dns/zone.h"
#include "core/kubelet/pod_plan.h"
#include "core/kubelet/volumes.h"
#include "core/proxy/service_ports.h"
#include "core/registry/service_pools.h"
#include "core/scheduler/decision.h"
#include "images/local_store.h"

// The real function and its replacement, by their mangled names; CMakeLists.txt reads them here for the linker.
#define REAL(mangled) __asm__("__real_" mangled)
#define WRAPS(mangled) __asm__("__wrap_" mangled)

#define DECIDE "_ZN7bramble6decideERKNS_8PodFactsERKSt3mapINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEENS_8NodeInfoESt4lessIvESaISt4pairIKS9_SA_EEERSE_RNS_6RandomE"
#define PLAN_POD "_ZN7bramble8plan_podENS_5ValueERKSt6vectorINS_15ContainerRecordESaIS2_EERKNS_14RestartBackoffElRKNS_9PodMomentE"
#define SET_UP_VOLUMES "_ZN7bramble14set_up_volumesERKNS_10VolumeWorkE"
#define PORTS_OF_SERVICE "_ZN7bramble16ports_of_serviceB5cxx11ENS_5ValueERKSt6vectorINS_8DocumentESaIS2_EERKNS_9ProxyNodeE"
#define DNS_SERVICE "_ZN7bramble11dns_serviceENS_5ValueERKSt6vectorINS_8DocumentESaIS2_EE"
#define SORT_SETS "_ZN7bramble9sort_setsENS_5ValueERKSt6vectorINS_8DocumentESaIS2_EE"
#define CLAIM "_ZN7bramble5claimENS_5ValueERKNS_13LabelSelectorERKNS_10ResourceIdERKSt6vectorINS_8DocumentESaIS8_EE"
#define OBSERVE "_ZN7bramble10OwnerIndex7observeERKNS_6ChangeE"
#define NOTE "_ZN7bramble12ServicePools4noteENS_5ValueES1_"
#define ADOPT "_ZN7bramble15LocalImageStore5adoptERSt6vectorINS0_6RecordESaIS2_EERKNS_12ArchiveImageES1_IlSaIlEE"
#define ADMIT "_ZNK7bramble9Admission5admitERKNS_13AdmissionCallENS_3MutENS_5ValueE"

namespace bramble {

using Objects = std::vector<Document>;

Decision real_decide(const PodFacts&, const Nodes&, const std::string&, Random&) REAL(DECIDE);
Decision wrap_decide(const PodFacts&, const Nodes&, const std::string&, Random&) WRAPS(DECIDE);
PodPlan real_plan_pod(Value, const std::vector<ContainerRecord>&, const RestartBackoff&, int64_t, const PodMoment&) REAL(PLAN_POD);
PodPlan wrap_plan_pod(Value, const std::vector<ContainerRecord>&, const RestartBackoff&, int64_t, const PodMoment&) WRAPS(PLAN_POD);
Status real_set_up_volumes(const VolumeWork&) REAL(SET_UP_VOLUMES);
Status wrap_set_up_volumes(const VolumeWork&) WRAPS(SET_UP_VOLUMES);
ServicePorts real_ports_of_service(Value, const Objects&, const ProxyNode&) REAL(PORTS_OF_SERVICE);
ServicePorts wrap_ports_of_service(Value, const Objects&, const ProxyNode&) WRAPS(PORTS_OF_SERVICE);
DnsService real_dns_service(Value, const Objects&) REAL(DNS_SERVICE);
DnsService wrap_dns_service(Value, const Objects&) WRAPS(DNS_SERVICE);
DeploymentSets real_sort_sets(Value, const Objects&) REAL(SORT_SETS);
DeploymentSets wrap_sort_sets(Value, const Objects&) WRAPS(SORT_SETS);
Claimed real_claim(Value, const LabelSelector&, const ResourceId&, const Objects&) REAL(CLAIM);
Claimed wrap_claim(Value, const LabelSelector&, const ResourceId&, const Objects&) WRAPS(CLAIM);
void real_observe(OwnerIndex*, const Change&) REAL(OBSERVE);
void wrap_observe(OwnerIndex*, const Change&) WRAPS(OBSERVE);
void real_note(ServicePools*, Value, Value) REAL(NOTE);
void wrap_note(ServicePools*, Value, Value) WRAPS(NOTE);
void real_adopt(void* records, const ArchiveImage&, std::vector<int64_t>) REAL(ADOPT);
void wrap_adopt(void* records, const ArchiveImage&, std::vector<int64_t>) WRAPS(ADOPT);
Status real_admit(const Admission*, const AdmissionCall&, Mut, Value) REAL(ADMIT);
Status wrap_admit(const Admission*, const AdmissionCall&, Mut, Value) WRAPS(ADMIT);

namespace {

bool poisoned(Value object, std::string_view where) { return object["metadata"]["annotations"]["fault"].str() == where; }

volatile bool g_end = false;
int recurse(volatile char* below) {
  volatile char here[256];
  here[0] = below ? below[0] : 0;
  return g_end ? 0 : recurse(here) + here[0];
}

void write_to_nowhere() {
  volatile int* volatile nowhere = nullptr;
  *nowhere = 1;
}

}  // namespace

Decision wrap_decide(const PodFacts& pod, const Nodes& nodes, const std::string& claims, Random& random) {
  CHECK(!poisoned(pod.doc.root(), "scheduler"), "injected");
  return real_decide(pod, nodes, claims, random);
}

PodPlan wrap_plan_pod(Value pod, const std::vector<ContainerRecord>& records, const RestartBackoff& backoff, int64_t now_us, const PodMoment& moment) {
  if (poisoned(pod, "kubelet")) write_to_nowhere();
  return real_plan_pod(pod, records, backoff, now_us, moment);
}

// On a thread of the worker pool.
Status wrap_set_up_volumes(const VolumeWork& work) {
  if (poisoned(work.pod.root(), "volumes")) abort();
  return real_set_up_volumes(work);
}

ServicePorts wrap_ports_of_service(Value service, const Objects& slices, const ProxyNode& node) {
  if (poisoned(service, "proxy")) recurse(nullptr);
  return real_ports_of_service(service, slices, node);
}

DnsService wrap_dns_service(Value service, const Objects& slices) {
  if (poisoned(service, "dns")) __builtin_trap();
  return real_dns_service(service, slices);
}

DeploymentSets wrap_sort_sets(Value deployment, const Objects& sets) {
  if (poisoned(deployment, "deployment")) abort();
  return real_sort_sets(deployment, sets);
}

Claimed wrap_claim(Value owner, const LabelSelector& selector, const ResourceId& resource, const Objects& objects) {
  CHECK(!poisoned(owner, "replicaset"), "injected");
  return real_claim(owner, selector, resource, objects);
}

void wrap_observe(OwnerIndex* self, const Change& change) {
  CHECK(!change.after || !poisoned(change.after.root(), "garbage-collector"), "injected");
  real_observe(self, change);
}

void wrap_note(ServicePools* self, Value before, Value after) {
  CHECK(!poisoned(after, "registry"), "injected");
  real_note(self, before, after);
}

// On a thread of the worker pool, an image named "poison".
void wrap_adopt(void* records, const ArchiveImage& image, std::vector<int64_t> layer_bytes) {
  for (const std::string& name : image.names) CHECK(name.find("poison") == std::string::npos, "injected");
  real_adopt(records, image, std::move(layer_bytes));
}

Status wrap_admit(const Admission* self, const AdmissionCall& call, Mut object, Value old) {
  if (object["metadata"]["annotations"]["fault"].str() == "admission") write_to_nowhere();
  return real_admit(self, call, object, old);
}

}  // namespace bramble
