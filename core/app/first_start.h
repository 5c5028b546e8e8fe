// FirstStart: whether a server begins a new cluster in its data folder, or finds what is left of one. A mark stands from before
// the first file is made until the store has been loaded once, so that a first start which a power cut ends is begun again.
// Blocking; main thread, before the loop.
#pragma once

#include <string>

#include "core/base/result.h"

namespace bramble {

class FirstStart {
 public:
  // Before anything is made. Leaves the mark where nothing shows that a cluster was here.
  static Result<FirstStart> begin(const std::string& data_dir, const std::string& credentials_dir);
  // The store has been loaded: from now on one that is missing is lost.
  Status done() const;
  // What shows that a cluster was here; "" in a first start.
  const std::string& sign() const { return sign_; }

 private:
  std::string mark_, sign_;
};

// The same, without changing anything.
std::string sign_of_cluster(const std::string& data_dir, const std::string& credentials_dir);

}  // namespace bramble
