#include "core/apiserver/admission_metrics.h"

namespace bramble {

namespace {

constexpr double kSeconds[] = {0.005, 0.025, 0.1, 0.5, 1.0, 2.5};
constexpr std::string_view kNames[] = {
    "", "NamespaceLifecycle", "TaintNodesByCondition", "LimitRanger", "ServiceAccount", "NodeRestriction", "Priority", "DefaultTolerationSeconds", "DefaultStorageClass",
    "DefaultIngressClass", "RuntimeClass", "PodTopologyLabels", "PodSecurity", "OwnerReferencesPermissionEnforcement", "PersistentVolumeClaimResize",
    "CertificateApproval", "PodResizeValidator", "ResourceQuota"};
static_assert(std::size(kNames) == AdmissionMetrics::kPlugins);
constexpr std::string_view kTypeNames[] = {"admit", "validate"}, kOperationNames[] = {"CREATE", "UPDATE", "DELETE"};

}  // namespace

void AdmissionMetrics::observe(Plugin plugin, Type type, Operation operation, bool rejected, int64_t took_us) {
  std::unique_ptr<Histogram>& row = rows_[plugin][type][static_cast<size_t>(operation)][rejected];
  if (!row) row = std::make_unique<Histogram>(kSeconds);
  row->observe(static_cast<double>(took_us) / 1e6);
}

void AdmissionMetrics::print(MetricText& out) const {
  auto each = [this](size_t plugin, const std::function<void(size_t type, size_t operation, std::string_view rejected, const Histogram&)>& fn) {
    for (size_t type = 0; type < kTypes; type++) {
      for (size_t operation = 0; operation < kOperations; operation++) {
        for (bool rejected : {false, true}) {
          const auto& row = rows_[plugin][type][operation][rejected];
          if (row) fn(type, operation, rejected ? "true" : "false", *row);
        }
      }
    }
  };
  out.family("apiserver_admission_step_admission_duration_seconds", "histogram", "STABLE",
             "Admission sub-step latency histogram in seconds, broken out for each operation and API resource and step type (validate or admit).");
  each(kStep, [&out](size_t type, size_t operation, std::string_view rejected, const Histogram& row) {
    out.histogram(label_text({{"operation", kOperationNames[operation]}, {"rejected", rejected}, {"type", kTypeNames[type]}}), row);
  });
  out.family("apiserver_admission_controller_admission_duration_seconds", "histogram", "STABLE",
             "Admission controller latency histogram in seconds, identified by name and broken out for each operation and API resource and type "
             "(validate or admit).");
  for (size_t plugin = kStep + 1; plugin < kPlugins; plugin++) {
    each(plugin, [&out, plugin](size_t type, size_t operation, std::string_view rejected, const Histogram& row) {
      out.histogram(label_text({{"name", kNames[plugin]}, {"operation", kOperationNames[operation]}, {"rejected", rejected}, {"type", kTypeNames[type]}}),
                    row);
    });
  }
}

}  // namespace bramble
