// What a HorizontalPodAutoscaler may say (autoscaling validateHorizontalPodAutoscalerSpec). Both versions are checked in the
// form of v2. Pure; any thread.
#pragma once

#include "core/resources/field_error.h"

namespace bramble {

// old is absent on create.
void validate_autoscaler(Value object, Value old, FieldErrors& errors);
void validate_autoscaler_status(Value object, Value old, FieldErrors& errors);

struct MetricSource {
  std::string_view type;
  const char* field;
};
inline constexpr MetricSource kMetricSources[] = {{"Object", "object"},
                                                  {"External", "external"},
                                                  {"Pods", "pods"},
                                                  {"Resource", "resource"},
                                                  {"ContainerResource", "containerResource"}};

// A resource of a container (amount_rules.cc).
void validate_container_resource_name(std::string_view name, const Path& at, FieldErrors& errors);

}  // namespace bramble
