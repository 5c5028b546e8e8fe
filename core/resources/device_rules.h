// Rules that the kinds of dynamic resource allocation share: lists and maps of bounded size, names of attributes and pools, what
// is handed to a driver as it stands. Pure; any thread.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "core/json/builder.h"
#include "core/resources/field_error.h"

namespace bramble {

inline constexpr size_t kDeviceListMax = 32;  // requests, constraints, configurations, selectors, results

// Each item; none when there are more than `most`.
template <class F>
void validate_device_list(Value items, size_t most, const Path& at, FieldErrors& errors, F validate_item) {
  if (items.size() > most) return errors.too_many(at, items.size(), most);
  for (size_t i = 0; i < items.size(); ++i) validate_item(items.item(i), at.at(i));
}

// The same where no two may have one key; key_of(item) gives its JSON.
template <class F, class K>
void validate_device_set(Value items, size_t most, const Path& at, FieldErrors& errors, F validate_item, K key_of) {
  validate_device_list(items, most, at, errors, validate_item);
  if (items.size() > most) return;
  std::set<std::string, std::less<>> seen;
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string key = key_of(items.item(i));
    if (!seen.insert(key).second) errors.duplicate_raw(at.at(i), key);
  }
}

// Each member of a map under its key, cut short in the middle where it is longer than `longest`.
Path device_key_path(const Path& at, std::string_view key, size_t longest);
template <class K, class F>
void validate_device_map(Value map, size_t most, size_t longest, const Path& at, FieldErrors& errors, K validate_key, F validate_item) {
  if (map.size() > most) return errors.too_many(at, map.size(), most);
  for (auto [key, value] : map.members()) {
    validate_key(key, at);
    validate_item(value, device_key_path(at, key, longest));
  }
}

void validate_pool_name(std::string_view name, const Path& at, FieldErrors& errors);
// "count" or "acme.io/count".
void validate_attribute_name(std::string_view name, const Path& at, FieldErrors& errors);
void validate_full_attribute_name(std::string_view name, const Path& at, FieldErrors& errors);  // with its domain
void validate_label_name(std::string_view name, const Path& at, FieldErrors& errors);
// A JSON object of bounded size. `stored`: it was there before, however large.
void validate_raw_object(Value raw, bool stored, const Path& at, FieldErrors& errors);
void validate_device_configuration(Value config, bool stored, const Path& at, FieldErrors& errors);
// Conditions that a pod waits for, and those that end its waiting.
void validate_binding_conditions(Value holder, const Path& at, FieldErrors& errors);
// One of the four: the device of a pool of a driver, and the share of it. As JSON.
std::string device_id(Value device);

void validate_selectors(Value selectors, const Path& at, FieldErrors& errors);

// resourceclaim_status.cc
void keep_allocated_devices(Mut claim, Value old);
void validate_claim_status(Value claim, Value old, FieldErrors& errors);
// resourceclaim.cc: "request" or "request/alternative" of the same claim.
void validate_request_reference(std::string_view name, Value requests, const Path& at, FieldErrors& errors);

}  // namespace bramble
