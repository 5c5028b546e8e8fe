// Probes and lifecycle hooks (core/v1 validateProbe, validateHandler).
#include "core/resources/field_rules.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"

namespace bramble {
namespace {

void validate_http_get(Value get, const Path& at, FieldErrors& errors) {
  if (get["path"].str().empty()) errors.required(at.at("path"));
  validate_port_or_name(get["port"], at.at("port"), errors);
  const std::string_view scheme = get["scheme"].str();
  if (scheme != "HTTP" && scheme != "HTTPS") errors.not_supported(at.at("scheme"), scheme, {"HTTP", "HTTPS"});
  for (Value h : get["httpHeaders"].items())
    add_invalid(at.at("httpHeaders"), h["name"].str(), check_http_header_name(h["name"].str()), errors);
}

// One of exec, httpGet, tcpSocket, grpc, sleep.
void validate_handler(Value handler, const Path& at, const PodSpecContext& context, FieldErrors& errors) {
  int handlers = 0;
  auto first = [&](const char* name) {
    if (handlers++ == 0) return true;
    errors.forbidden(at.at(name), "may not specify more than 1 handler type");
    return false;
  };
  if (handler.has("exec") && first("exec") && handler["exec"]["command"].size() == 0)
    errors.required(at.at("exec").at("command"));
  if (handler.has("httpGet") && first("httpGet")) validate_http_get(handler["httpGet"], at.at("httpGet"), errors);
  if (handler.has("tcpSocket") && first("tcpSocket"))
    validate_port_or_name(handler["tcpSocket"]["port"], at.at("tcpSocket").at("port"), errors);
  if (handler.has("grpc") && first("grpc"))
    validate_port_or_name(handler["grpc"]["port"], at.at("grpc").at("port"), errors);
  if (handler.has("sleep") && first("sleep")) {
    const int64_t seconds = handler["sleep"]["seconds"].integer();
    if (seconds < 0 || seconds > context.grace_seconds)
      errors.invalid(
          at.at("sleep"), seconds,
          cat("must be non-negative and less than terminationGracePeriodSeconds (", context.grace_seconds, ")"));
  }
  if (handlers == 0) errors.required(at, "must specify a handler type");
}

void validate_probe(Value probe, const Path& at, const PodSpecContext& context, FieldErrors& errors) {
  validate_handler(probe, at, context, errors);
  for (const char* field :
       {"initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"})
    validate_nonnegative(probe[field], at.at(field), errors);
  validate_positive(probe["terminationGracePeriodSeconds"], at.at("terminationGracePeriodSeconds"), errors);
}

}  // namespace

void validate_port_or_name(Value port, const Path& at, FieldErrors& errors) {
  if (port.is_string()) {
    add_invalid(at, port.str(), check_port_name(port.str()), errors);
  } else {
    for (const std::string& m : check_port_number(port.integer())) errors.invalid(at, port.integer(), m);
  }
}

void validate_probes(Value c, const Path& at, const PodSpecContext& context, FieldErrors& errors) {
  for (const char* name : {"livenessProbe", "readinessProbe", "startupProbe"}) {
    const Value probe = c[name];
    if (!probe.is_object()) continue;
    const Path here = at.at(name);
    validate_probe(probe, here, context, errors);
    if (std::string_view(name) == "readinessProbe") {
      if (probe.has("terminationGracePeriodSeconds"))
        errors.invalid(here.at("terminationGracePeriodSeconds"), probe["terminationGracePeriodSeconds"],
                       "must not be set for readinessProbes");
    } else if (probe["successThreshold"].integer() != 1) {
      errors.invalid(here.at("successThreshold"), probe["successThreshold"].integer(), "must be 1");
    }
  }
}

void validate_lifecycle(Value lifecycle, const Path& at, const PodSpecContext& context, FieldErrors& errors) {
  for (const char* hook : {"postStart", "preStop"})
    if (lifecycle[hook].is_object()) validate_handler(lifecycle[hook], at.at(hook), context, errors);
}

}  // namespace bramble
