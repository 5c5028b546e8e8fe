// Credentials for pulling images, from Secrets of the types kubernetes.io/dockerconfigjson and kubernetes.io/dockercfg, and which
// of them fit an image: upstream's credentialprovider (host with "*" per part, port, path as a beginning). Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/json/value.h"
#include "images/pull/registries.h"

namespace bramble {

class Keyring {
 public:
  void add(Value secret);  // of another type: nothing
  // All that fit, the most particular first. image: normalized, without tag and digest.
  std::vector<RegistryCredential> find(std::string_view image) const;

 private:
  void add_entry(std::string_view place, Value entry);
  std::map<std::string, std::vector<RegistryCredential>, std::greater<>> by_place_;
};

// Whether a place of a secret ("*.example.com:5000/team") covers an image's name.
bool place_covers(std::string_view place, std::string_view image);

}  // namespace bramble
