// The roles and bindings of Kubernetes 1.36 (plugin/pkg/auth/authorizer/rbac/bootstrappolicy), as text that default_roles.cc
// reads. Forms of a line:
//   clusterrole NAME [label=AGGREGATE,...] [selects=AGGREGATE]
//   controller ACCOUNT                     the role system:controller:ACCOUNT, bound to kube-system's service account ACCOUNT
//   role NAMESPACE/NAME
//     VERBS GROUPS:RESOURCES[=NAMES]       a rule of the role above; lists with commas; the core group is empty
//     VERBS PATHS                          a rule for paths
//     record                               what it takes to record Events
//   clusterrolebinding NAME KIND/ROLE SUBJECT...
//   rolebinding NAMESPACE/NAME KIND/ROLE SUBJECT...
// "read" stands for get,list,watch and "write" for create,delete,deletecollection,patch,update.
//
// The first is the account that fills aggregated roles: it may act while the rest is being written.
// bramble:well-known-viewer is ours: recorded clusters let every authenticated user read /.well-known. So are the roles by which
// nodes join (bramble:node-..., system:controller:node-certificates-controller), bramble:node-dns (the resolver of each node
// reads EndpointSlices) and bramble:node-controller (who filters packets on each node reads whom policies mean).
// system:aggregated-metrics-reader is metrics-server's.
#include "core/apiserver/default_roles.h"

namespace bramble {

const std::string_view kDefaultRolesText = R"(controller clusterrole-aggregation-controller
  read,escalate,patch,update rbac.authorization.k8s.io:clusterroles
clusterrole admin selects=aggregate-to-admin
clusterrole cluster-admin
  * *:*
  * *
clusterrole edit label=aggregate-to-admin selects=aggregate-to-edit
clusterrole system:aggregated-metrics-reader label=aggregate-to-admin,aggregate-to-edit,aggregate-to-view
  read metrics.k8s.io:nodes,pods
clusterrole system:aggregate-to-admin label=aggregate-to-admin
  create authorization.k8s.io:localsubjectaccessreviews
  read,write rbac.authorization.k8s.io:rolebindings,roles
clusterrole system:aggregate-to-edit label=aggregate-to-edit
  read :pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy
  impersonate :serviceaccounts
  write :pods,pods/attach,pods/exec,pods/portforward,pods/proxy
  create :pods/eviction
  write :configmaps,persistentvolumeclaims,replicationcontrollers,replicationcontrollers/scale,secrets,serviceaccounts,services,services/proxy
  create :serviceaccounts/token
  write ,events.k8s.io:events
  write apps:daemonsets,deployments,deployments/rollback,deployments/scale,replicasets,replicasets/scale,statefulsets,statefulsets/scale
  write autoscaling:horizontalpodautoscalers
  write batch:cronjobs,jobs
  write extensions:daemonsets,deployments,deployments/rollback,deployments/scale,ingresses,networkpolicies,replicasets,replicasets/scale,replicationcontrollers/scale
  write policy:poddisruptionbudgets
  write networking.k8s.io:ingresses,networkpolicies
  read,write coordination.k8s.io:leases
  write resource.k8s.io:resourceclaims,resourceclaimtemplates
clusterrole system:aggregate-to-view label=aggregate-to-view
  read :configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services,services/status
  read :bindings,limitranges,namespaces/status,pods/log,pods/status,replicationcontrollers/status,resourcequotas,resourcequotas/status
  read :namespaces
  read ,events.k8s.io:events
  read discovery.k8s.io:endpointslices
  read apps:controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,replicasets,replicasets/scale,replicasets/status,statefulsets,statefulsets/scale,statefulsets/status
  read autoscaling:horizontalpodautoscalers,horizontalpodautoscalers/status
  read batch:cronjobs,cronjobs/status,jobs,jobs/status
  read extensions:daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,ingresses,ingresses/status,networkpolicies,replicasets,replicasets/scale,replicasets/status,replicationcontrollers/scale
  read policy:poddisruptionbudgets,poddisruptionbudgets/status
  read networking.k8s.io:ingresses,ingresses/status,networkpolicies
  read resource.k8s.io:resourceclaims,resourceclaims/status,resourceclaimtemplates
clusterrole system:auth-delegator
  create authentication.k8s.io:tokenreviews
  create authorization.k8s.io:subjectaccessreviews
clusterrole system:basic-user
  create authorization.k8s.io:selfsubjectaccessreviews,selfsubjectrulesreviews
  create authentication.k8s.io:selfsubjectreviews
clusterrole system:certificates.k8s.io:certificatesigningrequests:nodeclient
  create certificates.k8s.io:certificatesigningrequests/nodeclient
clusterrole system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
  create certificates.k8s.io:certificatesigningrequests/selfnodeclient
clusterrole system:certificates.k8s.io:kube-apiserver-client-approver
  approve certificates.k8s.io:signers=kubernetes.io/kube-apiserver-client
clusterrole system:certificates.k8s.io:kube-apiserver-client-kubelet-approver
  approve certificates.k8s.io:signers=kubernetes.io/kube-apiserver-client-kubelet
clusterrole system:certificates.k8s.io:kubelet-serving-approver
  approve certificates.k8s.io:signers=kubernetes.io/kubelet-serving
clusterrole system:certificates.k8s.io:legacy-unknown-approver
  approve certificates.k8s.io:signers=kubernetes.io/legacy-unknown
clusterrole system:discovery
  get /api,/api/*,/apis,/apis/*,/healthz,/livez,/openapi,/openapi/*,/readyz,/version,/version/
clusterrole system:heapster
  read :events,namespaces,nodes,pods
  read extensions:deployments
clusterrole system:kube-aggregator
  read :endpoints,services
clusterrole system:kube-controller-manager
  record
  create coordination.k8s.io:leases
  get,update coordination.k8s.io:leases=kube-controller-manager
  create :secrets,serviceaccounts
  delete :secrets
  get :configmaps,namespaces,secrets,serviceaccounts
  update :secrets,serviceaccounts
  create authentication.k8s.io:tokenreviews
  create authorization.k8s.io:subjectaccessreviews
  list,watch *:*
  create :serviceaccounts/token
clusterrole system:kube-dns
  list,watch :endpoints,services
clusterrole system:kube-scheduler
  record
  create coordination.k8s.io:leases
  read,update coordination.k8s.io:leases=kube-scheduler
  read,write coordination.k8s.io:leasecandidates
  read :nodes
  read,delete :pods
  create :bindings,pods/binding
  patch,update :pods/status
  read :replicationcontrollers,services
  read apps,extensions:replicasets
  read apps:statefulsets
  read policy:poddisruptionbudgets
  read :persistentvolumeclaims,persistentvolumes
  create authentication.k8s.io:tokenreviews
  create authorization.k8s.io:subjectaccessreviews
  read storage.k8s.io:csinodes
  read storage.k8s.io:volumeattachments
  read :namespaces
  read storage.k8s.io:csidrivers
  read storage.k8s.io:csistoragecapacities
  read resource.k8s.io:deviceclasses
  read,patch,update resource.k8s.io:resourceclaims
  read,patch,update resource.k8s.io:resourceclaims/status
  update :pods/finalizers
  read resource.k8s.io:resourceslices
  create,delete resource.k8s.io:resourceclaims
  patch,update resource.k8s.io:resourceclaims/binding
clusterrole system:kubelet-api-admin
  read :nodes
  proxy :nodes
  * :nodes/log,nodes/metrics,nodes/proxy,nodes/stats
  * :nodes/configz,nodes/healthz,nodes/pods
clusterrole system:monitoring
  get /flagz,/healthz,/healthz/*,/livez,/livez/*,/metrics,/metrics/slis,/readyz,/readyz/*,/statusz
  get :nodes/metrics
clusterrole system:node
  create authentication.k8s.io:tokenreviews
  create authorization.k8s.io:localsubjectaccessreviews,subjectaccessreviews
  read :services
  read,create :nodes
  patch,update :nodes/status
  patch,update :nodes
  record
  read :pods
  create,delete :pods
  patch,update :pods/status
  create :pods/eviction
  read :configmaps,secrets
  get :persistentvolumeclaims,persistentvolumes
  get :endpoints
  read,create certificates.k8s.io:certificatesigningrequests
  create,delete,get,patch,update coordination.k8s.io:leases
  get storage.k8s.io:volumeattachments
  create :serviceaccounts/token
  get,patch,update :persistentvolumeclaims/status
  read storage.k8s.io:csidrivers
  create,delete,get,patch,update storage.k8s.io:csinodes
  read node.k8s.io:runtimeclasses
  get resource.k8s.io:resourceclaims
  deletecollection resource.k8s.io:resourceslices
  get :serviceaccounts
clusterrole system:node-bootstrapper
  read,create certificates.k8s.io:certificatesigningrequests
clusterrole system:node-problem-detector
  get :nodes
  patch :nodes/status
  record
clusterrole system:node-proxier
  list,watch :endpoints,services
  read :nodes
  record
  list,watch networking.k8s.io:servicecidrs
  list,watch discovery.k8s.io:endpointslices
clusterrole system:persistent-volume-provisioner
  read,create,delete :persistentvolumes
  read,update :persistentvolumeclaims
  read storage.k8s.io:storageclasses
  watch :events
  record
clusterrole system:public-info-viewer
  get /healthz,/livez,/readyz,/version,/version/
clusterrole system:service-account-issuer-discovery
  get /.well-known/openid-configuration,/.well-known/openid-configuration/,/openid/v1/jwks,/openid/v1/jwks/
clusterrole system:volume-scheduler
  read,patch,update :persistentvolumes
  read storage.k8s.io:storageclasses
  read,patch,update :persistentvolumeclaims
clusterrole view label=aggregate-to-edit selects=aggregate-to-view
controller attachdetach-controller
  list,watch :persistentvolumeclaims,persistentvolumes
  read :nodes
  patch,update :nodes/status
  list,watch :pods
  record
  read,create,delete storage.k8s.io:volumeattachments
  read storage.k8s.io:csidrivers
  read storage.k8s.io:csinodes
controller certificate-controller
  read,delete certificates.k8s.io:certificatesigningrequests
  update certificates.k8s.io:certificatesigningrequests/approval,certificatesigningrequests/status
  approve certificates.k8s.io:signers=kubernetes.io/kube-apiserver-client-kubelet
  sign certificates.k8s.io:signers=kubernetes.io/kube-apiserver-client,kubernetes.io/kube-apiserver-client-kubelet,kubernetes.io/kubelet-serving,kubernetes.io/legacy-unknown
  create authorization.k8s.io:subjectaccessreviews
  record
controller cronjob-controller
  read,update batch:cronjobs
  read,create,delete,patch,update batch:jobs
  update batch:cronjobs/status
  update batch:cronjobs/finalizers
  delete,list,watch :pods
  record
controller daemon-set-controller
  read apps,extensions:daemonsets
  update apps,extensions:daemonsets/status
  update apps,extensions:daemonsets/finalizers
  list,watch :nodes
  create,delete,list,patch,watch :pods
  create :pods/binding
  read,create,delete,patch,update apps:controllerrevisions
  record
controller deployment-controller
  read,update apps,extensions:deployments
  update apps,extensions:deployments/status
  update apps,extensions:deployments/finalizers
  read,create,delete,patch,update apps,extensions:replicasets
  read,update :pods
  record
controller device-taint-eviction-controller
  read,delete :pods
  patch,update :pods/status
  read resource.k8s.io:resourceclaims
  read resource.k8s.io:resourceslices
  read resource.k8s.io:deviceclasses
  record
controller disruption-controller
  read apps,extensions:deployments
  read apps,extensions:replicasets
  read :replicationcontrollers
  read policy:poddisruptionbudgets
  read apps:statefulsets
  update policy:poddisruptionbudgets/status
  patch,update :pods/status
  get *:*/scale
  record
controller endpoint-controller
  read :pods,services
  read,create,delete,update :endpoints
  create :endpoints/restricted
  record
controller endpointslice-controller
  read :nodes,pods,services
  update :services/finalizers
  read,create,delete,update discovery.k8s.io:endpointslices
  create discovery.k8s.io:endpointslices/restricted
  record
controller endpointslicemirroring-controller
  read :endpoints,services
  update :services/finalizers
  update :endpoints/finalizers
  read,create,delete,update discovery.k8s.io:endpointslices
  create discovery.k8s.io:endpointslices/restricted
  record
controller ephemeral-volume-controller
  read :pods
  update :pods/finalizers
  read,create :persistentvolumeclaims
  record
controller expand-controller
  read,patch,update :persistentvolumes
  patch,update :persistentvolumeclaims/status
  read :persistentvolumeclaims
  record
controller generic-garbage-collector
  read,delete,patch,update *:*
  record
controller horizontal-pod-autoscaler
  read autoscaling:horizontalpodautoscalers
  update autoscaling:horizontalpodautoscalers/status
  get,update *:*/scale
  list,watch :pods
  list,watch metrics.k8s.io:pods
  read custom.metrics.k8s.io:*
  read external.metrics.k8s.io:*
  record
controller job-controller
  read,patch,update batch:jobs
  update batch:jobs/status
  update batch:jobs/finalizers
  create,delete,list,patch,watch :pods
  record
controller legacy-service-account-token-cleaner
  get :configmaps=kube-apiserver-legacy-service-account-token-tracking
  delete,patch :secrets
controller namespace-controller
  read,delete :namespaces
  update :namespaces/finalize,namespaces/status
  read,delete,deletecollection *:*
controller node-controller
  read,delete,patch,update :nodes
  patch,update :nodes/status
  patch,update :pods/status
  read,delete :pods
  record
controller persistent-volume-binder
  read,create,delete,update :persistentvolumes
  update :persistentvolumes/status
  read,update :persistentvolumeclaims
  update :persistentvolumeclaims/status
  read,create,delete :pods
  read storage.k8s.io:storageclasses
  list,watch :nodes
  record
  watch :events
controller pod-garbage-collector
  delete,list,watch :pods
  read :nodes
  patch :pods/status
controller pv-protection-controller
  read,update :persistentvolumes
  record
controller pvc-protection-controller
  read,update :persistentvolumeclaims
  update :persistentvolumeclaims/status
  read :pods
  record
controller replicaset-controller
  read,update apps,extensions:replicasets
  update apps,extensions:replicasets/status
  update apps,extensions:replicasets/finalizers
  create,delete,list,patch,watch :pods
  record
controller replication-controller
  read,update :replicationcontrollers
  update :replicationcontrollers/status
  update :replicationcontrollers/finalizers
  create,delete,list,patch,watch :pods
  record
controller resource-claim-controller
  read :pods
  update :pods/finalizers
  read,create,delete resource.k8s.io:resourceclaims
  patch,update resource.k8s.io:resourceclaims,resourceclaims/status
  patch,update :pods/status
  record
  patch,update resource.k8s.io:resourceclaims/binding
controller resourcequota-controller
  list,watch *:*
  update :resourcequotas/status
  record
controller root-ca-cert-publisher
  create,update :configmaps
  record
controller route-controller
  list,watch :nodes
  patch :nodes/status
  record
controller selinux-warning-controller
  record
  read :persistentvolumes
  read :persistentvolumeclaims
  read :pods
  read storage.k8s.io:csidrivers
  create :configmaps
  patch :configmaps=selinux-conflicts
controller service-account-controller
  create :serviceaccounts
  record
controller service-ca-cert-publisher
  create,update :configmaps
  record
controller service-cidrs-controller
  read,patch,update networking.k8s.io:servicecidrs
  patch,update networking.k8s.io:servicecidrs/finalizers
  patch,update networking.k8s.io:servicecidrs/status
  read networking.k8s.io:ipaddresses
  record
controller service-controller
  read :services
  patch,update :services/status
  list,watch :nodes
  record
controller statefulset-controller
  list,watch :pods
  read apps:statefulsets
  update apps:statefulsets/status
  update apps:statefulsets/finalizers
  create,delete,get,patch,update :pods
  read,create,delete,patch,update apps:controllerrevisions
  read,create :persistentvolumeclaims
  delete,update :persistentvolumeclaims
  update :pods/finalizers
  record
controller ttl-after-finished-controller
  read,delete batch:jobs
  record
controller ttl-controller
  list,patch,update,watch :nodes
  record
controller validatingadmissionpolicy-status-controller
  read admissionregistration.k8s.io:validatingadmissionpolicies
  get,patch,update admissionregistration.k8s.io:validatingadmissionpolicies/status
  record
controller volumeattributesclass-protection-controller
  read :persistentvolumeclaims
  read :persistentvolumes
  read,update storage.k8s.io:volumeattributesclasses
  record
clusterrole bramble:node-dns
  list,watch discovery.k8s.io:endpointslices
clusterrole bramble:node-controller
  read :namespaces,nodes,pods
  read networking.k8s.io:networkpolicies
clusterrole bramble:node-joiner
  create certificates.k8s.io:certificatesigningrequests
clusterrole bramble:well-known-viewer
  get /.well-known,/.well-known/*
controller node-certificates-controller
  read certificates.k8s.io:certificatesigningrequests
  update certificates.k8s.io:certificatesigningrequests/approval
  approve certificates.k8s.io:signers=kubernetes.io/kube-apiserver-client,kubernetes.io/kube-apiserver-client-kubelet,kubernetes.io/kubelet-serving
  read :nodes
  record
role kube-public/system:controller:bootstrap-signer
  read :configmaps
  update :configmaps=cluster-info
  record
role kube-system/extension-apiserver-authentication-reader
  read :configmaps=extension-apiserver-authentication
role kube-system/system::leader-locking-kube-controller-manager
  read,create,update coordination.k8s.io:leases
  read,create,update coordination.k8s.io:leasecandidates
role kube-system/system::leader-locking-kube-scheduler
  read,create,update coordination.k8s.io:leases
  read,create,update coordination.k8s.io:leasecandidates
role kube-system/system:controller:bootstrap-signer
  read :secrets
role kube-system/system:controller:cloud-provider
  read,create :configmaps
role kube-system/system:controller:node-certificates-controller
  get,create,update :secrets
role kube-system/system:controller:token-cleaner
  read,delete :secrets
  record
clusterrolebinding cluster-admin ClusterRole/cluster-admin Group:system:masters
clusterrolebinding system:basic-user ClusterRole/system:basic-user Group:system:authenticated
clusterrolebinding system:discovery ClusterRole/system:discovery Group:system:authenticated
clusterrolebinding system:kube-controller-manager ClusterRole/system:kube-controller-manager User:system:kube-controller-manager
clusterrolebinding system:kube-dns ClusterRole/system:kube-dns ServiceAccount:kube-system/kube-dns
clusterrolebinding system:kube-scheduler ClusterRole/system:kube-scheduler User:system:kube-scheduler
clusterrolebinding system:monitoring ClusterRole/system:monitoring Group:system:monitoring
clusterrolebinding system:node ClusterRole/system:node
clusterrolebinding system:node-proxier ClusterRole/system:node-proxier User:system:kube-proxy
clusterrolebinding system:public-info-viewer ClusterRole/system:public-info-viewer Group:system:authenticated Group:system:unauthenticated
clusterrolebinding system:service-account-issuer-discovery ClusterRole/system:service-account-issuer-discovery Group:system:serviceaccounts
clusterrolebinding system:volume-scheduler ClusterRole/system:volume-scheduler User:system:kube-scheduler
clusterrolebinding bramble:node-autoapprove-bootstrap ClusterRole/system:certificates.k8s.io:certificatesigningrequests:nodeclient Group:system:bootstrappers:bramble:default-node-token
clusterrolebinding bramble:node-autoapprove-certificate-rotation ClusterRole/system:certificates.k8s.io:certificatesigningrequests:selfnodeclient Group:system:nodes
clusterrolebinding bramble:node-controller ClusterRole/bramble:node-controller User:system:bramble-controller
clusterrolebinding bramble:node-dns ClusterRole/bramble:node-dns ServiceAccount:kube-system/kube-dns
clusterrolebinding bramble:node-joiner ClusterRole/bramble:node-joiner Group:system:bootstrappers:bramble:default-node-token
clusterrolebinding bramble:well-known-viewer ClusterRole/bramble:well-known-viewer Group:system:authenticated
rolebinding kube-public/system:controller:bootstrap-signer Role/system:controller:bootstrap-signer ServiceAccount:kube-system/bootstrap-signer
rolebinding kube-system/system::extension-apiserver-authentication-reader Role/extension-apiserver-authentication-reader User:system:kube-controller-manager User:system:kube-scheduler
rolebinding kube-system/system::leader-locking-kube-controller-manager Role/system::leader-locking-kube-controller-manager User:system:kube-controller-manager ServiceAccount:kube-system/kube-controller-manager ServiceAccount:kube-system/leader-election-controller
rolebinding kube-system/system::leader-locking-kube-scheduler Role/system::leader-locking-kube-scheduler User:system:kube-scheduler ServiceAccount:kube-system/kube-scheduler
rolebinding kube-system/system:controller:bootstrap-signer Role/system:controller:bootstrap-signer ServiceAccount:kube-system/bootstrap-signer
rolebinding kube-system/system:controller:cloud-provider Role/system:controller:cloud-provider ServiceAccount:kube-system/cloud-provider
rolebinding kube-system/system:controller:node-certificates-controller Role/system:controller:node-certificates-controller ServiceAccount:kube-system/node-certificates-controller
rolebinding kube-system/system:controller:token-cleaner Role/system:controller:token-cleaner ServiceAccount:kube-system/token-cleaner
)";

}  // namespace bramble
