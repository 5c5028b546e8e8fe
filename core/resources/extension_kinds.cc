// CustomResourceDefinition, APIService, CertificateSigningRequest, FlowSchema and PriorityLevelConfiguration, ComponentStatus:
// stored and shown.
#include "core/base/clock.h"
#include "core/resources/cells.h"
#include "core/resources/conditions.h"
#include "core/resources/defaulting.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/rules.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

// -- CustomResourceDefinition

void default_crd(Mut o) {
  Mut spec = o.object("spec");
  Mut names = spec.object("names");
  if (names["singular"].str().empty()) names.set("singular", lower(names["kind"].str()));
  if (names["listKind"].str().empty() && !names["kind"].str().empty()) names.set("listKind", cat(names["kind"].str(), "List"));
  default_text(spec.object("conversion"), "strategy", "None");
  if (Mut service = spec["conversion"]["webhook"]["clientConfig"]["service"]; service.is_object())
    default_int(service, "port", 443);
}

void create_crd(Mut o) {
  Mut status = o.object("status");
  status.clear();
  status.set_null("conditions");
  Mut names = status.object("acceptedNames");
  names.set("plural", "");
  names.set("kind", "");
  Mut stored = status.array("storedVersions");
  for (Mut v : o["spec"]["versions"].items())
    if (v["storage"].boolean()) stored.append(v["name"].text());
}

void validate_crd(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"], names = spec["names"];
  const std::string wanted = cat(names["plural"].str(), ".", spec["group"].str());
  if (o["metadata"]["name"].str() != wanted)
    errors.invalid(Path("metadata").at("name"), o["metadata"]["name"].str(), "must be spec.names.plural+\".\"+spec.group");
  if (spec["group"].str().empty()) errors.required(at.at("group"));
  else add_invalid(at.at("group"), spec["group"].str(), check_dns1123_subdomain(spec["group"].str()), errors);
  validate_one_of(spec["scope"].str(), {"Cluster", "Namespaced"}, at.at("scope"), true, errors);
  int storage = 0;
  for (Value v : spec["versions"].items()) storage += v["storage"].boolean() ? 1 : 0;
  if (storage != 1)
    errors.invalid(at.at("versions"), spec["versions"], "must have exactly one version marked as storage version");
  if (names["plural"].str().empty()) errors.required(at.at("names").at("plural"));
  if (names["kind"].str().empty()) errors.required(at.at("names").at("kind"));
}

// -- APIService

void default_apiservice(Mut o) {
  if (Mut service = o.object("spec")["service"]; service.is_object()) default_int(service, "port", 443);
}
void validate_apiservice(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  const std::string wanted = cat(spec["version"].str(), ".", spec["group"].str());
  if (o["metadata"]["name"].str() != wanted)
    errors.invalid(Path("metadata").at("name"), o["metadata"]["name"].str(), "must be `spec.version+\".\"+spec.group`: \"" + wanted + "\"");
  if (spec["groupPriorityMinimum"].integer() <= 0 || spec["groupPriorityMinimum"].integer() > 20000)
    errors.invalid(at.at("groupPriorityMinimum"), spec["groupPriorityMinimum"].integer(), "must be positive and less than 20000");
  if (spec["versionPriority"].integer() <= 0 || spec["versionPriority"].integer() > 1000)
    errors.invalid(at.at("versionPriority"), spec["versionPriority"].integer(), "must be positive and less than 1000");
  if (spec["service"].is_object())
    for (const char* f : {"namespace", "name"})
      if (spec["service"][f].str().empty()) errors.required(at.at("service").at(f));
}
void apiservice_cells(Value o, int64_t now_us, Mut out) {
  const Value service = o["spec"]["service"];
  const Value available = find_condition(o["status"]["conditions"], "Available");
  std::string text = available.exists() ? available["status"].text() : "Unknown";
  if (available.exists() && text != "True") text += cat(" (", available["reason"].str(), ")");
  out.append(first_name(o));
  out.append(service.is_object() ? cat(service["namespace"].str(), "/", service["name"].str()) : std::string("Local"));
  out.append(text);
  append_age(o, now_us, out);
}

// -- CertificateSigningRequest

void validate_csr(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  const auto request = base64_decode(spec["request"].str());
  if (!request || request->find("-----BEGIN CERTIFICATE REQUEST-----") == std::string::npos)
    errors.invalid(at.at("request"), spec["request"], "PEM block type must be CERTIFICATE REQUEST");
  if (spec["usages"].size() == 0) errors.required(at.at("usages"));
  const std::string_view signer = spec["signerName"].str();
  if (signer.empty()) errors.required(at.at("signerName"));
  else if (signer.find('/') == std::string_view::npos)
    errors.invalid(at.at("signerName"), signer, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
  if (spec.has("expirationSeconds") && spec["expirationSeconds"].integer() < 600)
    errors.invalid(at.at("expirationSeconds"), spec["expirationSeconds"].integer(), "may not specify a duration less than 600 seconds (10 minutes)");
}
std::string csr_condition(Value o) {
  bool approved = false, denied = false, failed = false;
  for (Value c : o["status"]["conditions"].items()) {
    approved = approved || c["type"].str() == "Approved";
    denied = denied || c["type"].str() == "Denied";
    failed = failed || c["type"].str() == "Failed";
  }
  std::string text = denied ? "Denied" : approved ? "Approved" : "Pending";
  if (failed) text += ",Failed";
  if (!o["status"]["certificate"].str().empty()) text += ",Issued";
  return text;
}
void csr_cells(Value o, int64_t now_us, Mut out) {
  out.append(first_name(o));
  append_age(o, now_us, out);
  out.append(o["spec"]["signerName"].str("<none>"));
  out.append(o["spec"]["username"].str());
  std::string wanted = "<none>";
  if (o["spec"].has("expirationSeconds")) wanted = human_duration(o["spec"]["expirationSeconds"].integer() * 1000000);
  out.append(wanted);
  out.append(csr_condition(o));
}

// -- priority and fairness

void default_flowschema(Mut o) {
  Mut spec = o.object("spec");
  if (spec["matchingPrecedence"].integer() == 0) spec.set("matchingPrecedence", 1000);
}
void validate_flowschema(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  const int64_t precedence = spec["matchingPrecedence"].integer();
  if (precedence <= 0) errors.invalid(at.at("matchingPrecedence"), precedence, "must be a positive value");
  if (precedence > 10000) errors.invalid(at.at("matchingPrecedence"), precedence, "must not be greater than 10000");
  if (spec["distinguisherMethod"].is_object())
    validate_one_of(spec["distinguisherMethod"]["type"].str(), {"ByNamespace", "ByUser"}, at.at("distinguisherMethod").at("type"), true, errors);
  if (spec["priorityLevelConfiguration"]["name"].str().empty())
    errors.required(at.at("priorityLevelConfiguration").at("name"), "must reference a priority level");
}
void flowschema_cells(Value o, int64_t now_us, Mut out) {
  const Value spec = o["spec"];
  out.append(first_name(o));
  out.append(spec["priorityLevelConfiguration"]["name"].str("<none>"));
  out.append(spec["matchingPrecedence"].integer());
  out.append(spec["distinguisherMethod"]["type"].str("<none>"));
  append_age(o, now_us, out);
  const std::string_view dangling = condition_status(o, "Dangling");
  out.append(dangling.empty() ? std::string_view("?") : dangling);
}

void default_level(Mut o) {
  Mut spec = o.object("spec");
  Mut limited = spec["limited"];
  if (limited.is_object()) {
    if (!limited.has("nominalConcurrencyShares")) limited.set("nominalConcurrencyShares", 30);
    default_int(limited, "lendablePercent", 0);
    if (Mut queuing = limited["limitResponse"]["queuing"]; queuing.is_object()) {
      if (queuing["queues"].integer() == 0) queuing.set("queues", 64);
      if (queuing["handSize"].integer() == 0) queuing.set("handSize", 8);
      if (queuing["queueLengthLimit"].integer() == 0) queuing.set("queueLengthLimit", 50);
    }
  }
  if (Mut exempt = spec["exempt"]; exempt.is_object()) {
    default_int(exempt, "nominalConcurrencyShares", 0);
    default_int(exempt, "lendablePercent", 0);
  }
}
void validate_level(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  const std::string_view type = spec["type"].str();
  if (type == "Limited") {
    if (!spec["limited"].is_object()) errors.required(at.at("limited"), "must not be empty when type is Limited");
    if (spec["exempt"].is_object()) errors.forbidden(at.at("exempt"), "must be nil if the type is Limited");
  } else if (type == "Exempt") {
    if (spec["limited"].is_object()) errors.forbidden(at.at("limited"), "must be nil if the type is not Limited");
  } else {
    errors.not_supported(at.at("type"), type, {"Exempt", "Limited"});
  }
}
void level_cells(Value o, int64_t now_us, Mut out) {
  const Value limited = o["spec"]["limited"], queuing = limited["limitResponse"]["queuing"];
  auto number = [&](Value v) {
    if (v.exists()) out.append(v.integer());
    else out.append("<none>");
  };
  out.append(first_name(o));
  out.append(o["spec"]["type"].str());
  number(limited.is_object() ? limited["nominalConcurrencyShares"] : o["spec"]["exempt"]["nominalConcurrencyShares"]);
  number(queuing["queues"]);
  number(queuing["handSize"]);
  number(queuing["queueLengthLimit"]);
  append_age(o, now_us, out);
}

void componentstatus_cells(Value o, int64_t, Mut out) {
  std::string status = "Unhealthy", message, error;
  const Value healthy = find_condition(o["conditions"], "Healthy");
  if (healthy["status"].str() == "True") status = "Healthy";
  out.append(first_name(o));
  out.append(status);
  out.append(healthy["message"].str());
  out.append(healthy["error"].str());
}

void with_status(Kind& k) {
  k.prepare_create = clear_status;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
}

}  // namespace

void crd_rules(Kind& k) {
  k.set_defaults = default_crd;
  k.prepare_create = create_crd;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_crd;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_crd(o, errors); };
}
void apiservice_rules(Kind& k) {
  with_status(k);
  k.set_defaults = default_apiservice;
  k.validate = validate_apiservice;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_apiservice(o, errors); };
  k.validate_name = name_is_path_segment;
  k.columns = columns_of("Name:name, Service, Available, Age");
  k.cells = apiservice_cells;
}
void csr_rules(Kind& k) {
  with_status(k);
  // The request is the client's once and for all.
  k.prepare_update = [](Mut o, Value old) {
    keep_spec(o, old);
    keep_status(o, old);
  };
  k.validate = validate_csr;
  k.columns = columns_of("Name:name, Age, SignerName, Requestor, RequestedDuration, Condition");
  k.cells = csr_cells;
  k.selectable = {{"spec.signerName", [](Value o) { return o["spec"]["signerName"].text(); }}};
}
void flowschema_rules(Kind& k) {
  with_status(k);
  k.set_defaults = default_flowschema;
  k.validate = validate_flowschema;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_flowschema(o, errors); };
  k.columns = columns_of("Name:name, PriorityLevel, MatchingPrecedence, DistinguisherMethod, Age, MissingPL");
  k.cells = flowschema_cells;
}
void prioritylevel_rules(Kind& k) {
  with_status(k);
  k.set_defaults = default_level;
  k.validate = validate_level;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_level(o, errors); };
  k.columns = columns_of("Name:name, Type, NominalConcurrencyShares, Queues, HandSize, QueueLengthLimit, Age");
  k.cells = level_cells;
}
void componentstatus_rules(Kind& k) {
  k.deprecation = "v1 ComponentStatus is deprecated in v1.19+";
  k.columns = columns_of("Name:name, Status, Message, Error");
  k.cells = componentstatus_cells;
}

}  // namespace bramble
