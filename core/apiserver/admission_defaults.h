// Admission that completes objects by what stands in the cluster: the default StorageClass and IngressClass, and the topology
// labels of a pod's node (DefaultStorageClass, DefaultIngressClass, PodTopologyLabels). Part of stage 4; pure.
#pragma once

#include <string>
#include <vector>

#include "core/json/builder.h"

namespace bramble {

bool is_default_storage_class(Value storage_class);
bool is_default_ingress_class(Value ingress_class);
// Of several defaults the newest; of several as new the first by name. Empty: there is none.
Document newest_of(const std::vector<Document>& candidates);

bool needs_storage_class(Mut claim);   // it names none, not even ""
bool needs_ingress_class(Mut ingress);

// Zone and region of the node, in the labels of the pod on it, or of the binding that brings it there. What is there stays.
void copy_topology(Value node, Mut object);

}  // namespace bramble
