// The rules of each kind, one function a file: it fills in the rules, columns and selectors of its Kind. table.cc names
// the kinds and calls these.
#pragma once

#include "core/resources/kind.h"
#include "core/resources/transitions.h"

namespace bramble {

// Spec and status are written apart: a new object has an empty status, an update keeps it, a status update keeps the
// spec.
inline void with_status(Kind& k) {
  k.prepare_create = clear_status;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
}

void configmap_rules(Kind& k);
void endpoints_rules(Kind& k);
void event_rules(Kind& k);         // core/v1
void events_event_rules(Kind& k);  // events.k8s.io/v1
void limitrange_rules(Kind& k);
void namespace_rules(Kind& k);
void node_rules(Kind& k);
void pvc_rules(Kind& k);
void pv_rules(Kind& k);
void pod_rules(Kind& k);
void podtemplate_rules(Kind& k);
void replicationcontroller_rules(Kind& k);
void resourcequota_rules(Kind& k);
void secret_rules(Kind& k);
void serviceaccount_rules(Kind& k);
void service_rules(Kind& k);
void componentstatus_rules(Kind& k);

void validating_webhook_rules(Kind& k);
void mutating_webhook_rules(Kind& k);
void validating_policy_rules(Kind& k);
void validating_policy_binding_rules(Kind& k);
void mutating_policy_rules(Kind& k);
void mutating_policy_binding_rules(Kind& k);
void crd_rules(Kind& k);
void apiservice_rules(Kind& k);

void controllerrevision_rules(Kind& k);
void daemonset_rules(Kind& k);
void deployment_rules(Kind& k);
void replicaset_rules(Kind& k);
void statefulset_rules(Kind& k);

// Older versions of these: old_workloads.cc.
void ext_daemonset_rules(Kind& k);
void ext_deployment_rules(Kind& k);
void ext_replicaset_rules(Kind& k);
void beta1_controllerrevision_rules(Kind& k);
void beta1_deployment_rules(Kind& k);
void beta1_statefulset_rules(Kind& k);
void beta2_controllerrevision_rules(Kind& k);
void beta2_daemonset_rules(Kind& k);
void beta2_deployment_rules(Kind& k);
void beta2_replicaset_rules(Kind& k);
void beta2_statefulset_rules(Kind& k);

void hpa_v1_rules(Kind& k);
void hpa_v2_rules(Kind& k);
void cronjob_rules(Kind& k);
void job_rules(Kind& k);
void csr_rules(Kind& k);
void lease_rules(Kind& k);
void endpointslice_rules(Kind& k);
void flowschema_rules(Kind& k);
void prioritylevel_rules(Kind& k);
void ingressclass_rules(Kind& k);
void ingress_rules(Kind& k);
void ipaddress_rules(Kind& k);
void networkpolicy_rules(Kind& k);
void servicecidr_rules(Kind& k);
void runtimeclass_rules(Kind& k);
void pdb_rules(Kind& k);
void role_rules(Kind& k);
void clusterrole_rules(Kind& k);
void rolebinding_rules(Kind& k);
void deviceclass_rules(Kind& k);
void resourceclaim_rules(Kind& k);
void resourceclaimtemplate_rules(Kind& k);
void resourceslice_rules(Kind& k);
void priorityclass_rules(Kind& k);
void csidriver_rules(Kind& k);
void csinode_rules(Kind& k);
void csistoragecapacity_rules(Kind& k);
void storageclass_rules(Kind& k);
void volumeattachment_rules(Kind& k);
void volumeattributesclass_rules(Kind& k);

}  // namespace bramble
