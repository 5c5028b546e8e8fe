// AdmissionMetrics: how long admission takes, whole and by plug-in, under upstream's names (k8s.io/apiserver,
// pkg/admission/metrics). A plug-in is timed where it has something to look at; upstream asks each about every object. Fixed
// memory: histograms are made when first used, and there are no more than there are rows below. Owner's loop thread; nothing
// survives a restart.
#pragma once

#include <cstdint>
#include <memory>

#include "core/base/metrics.h"

namespace bramble {

enum class Operation { kCreate, kUpdate, kDelete };

class AdmissionMetrics {
 public:
  enum Plugin {
    kStep,  // all of them
    kNamespaceLifecycle, kTaintNodes, kLimitRanger, kServiceAccount, kNodeRestriction, kPriority, kDefaultTolerationSeconds, kDefaultStorageClass, kDefaultIngressClass,
    kRuntimeClass, kPodTopologyLabels, kPodSecurity, kOwnerReferences, kClaimResize, kCertificates, kPodResize, kResourceQuota, kPlugins
  };
  enum Type { kAdmit, kValidate, kTypes };

  void observe(Plugin plugin, Type type, Operation operation, bool rejected, int64_t took_us);
  void print(MetricText& out) const;

 private:
  static constexpr size_t kOperations = 3;
  std::unique_ptr<Histogram> rows_[kPlugins][kTypes][kOperations][2];
};

}  // namespace bramble
