// What is asked for in CertificateSigningRequests, and what signers and approvers demand of it. Pure.
// Specification: Kubernetes "Certificates and Certificate Signing Requests", Kubernetes signers (pkg/apis/certificates/helpers.go).
#pragma once

#include <optional>
#include <set>
#include <string>

#include "core/client/client.h"
#include "core/crypto/x509.h"

namespace bramble {

inline const ResourceId kCertificateRequests{"certificates.k8s.io", "v1", "certificatesigningrequests"};

inline constexpr std::string_view kKubeletClientSigner = "kubernetes.io/kube-apiserver-client-kubelet";
inline constexpr std::string_view kKubeletServingSigner = "kubernetes.io/kubelet-serving";
inline constexpr std::string_view kApiClientSigner = "kubernetes.io/kube-apiserver-client";
inline constexpr std::string_view kNodeUserPrefix = "system:node:";

struct AskedCertificate {
  CertificateSubject subject;
  PublicKey key;
  std::string key_sha256_hex;
  std::set<std::string> usages;
};

// Nothing when its PEM does not parse or is not signed by its own key.
std::optional<AskedCertificate> asked_of(const Document& request);

enum class CsrState { kPending, kApproved, kDenied };
CsrState state_of(const Document& request);  // denied before approved
bool has_failed(const Document& request);

// Why the request fits no such certificate, in upstream's words; "" when it does.
std::string kubelet_client_fault(const AskedCertificate& asked);
std::string kubelet_serving_fault(const AskedCertificate& asked);
std::string api_client_fault(const AskedCertificate& asked);

// Who made the request.
Identity asker_of(const Document& request);

}  // namespace bramble
