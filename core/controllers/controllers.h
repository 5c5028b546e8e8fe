// Controllers: all controllers of the cluster, running. core/app makes one on the server's owner loop and starts it when the
// API is ready. Destroying it ends them.
#pragma once

#include <memory>
#include <vector>

#include "core/controllers/all.h"
#include "core/controllers/driver.h"

namespace bramble {

using ClientFactory = std::function<std::unique_ptr<Client>(Identity)>;

// The identity that a controller's account stands for.
Identity controller_identity(const std::string& account);

class Controllers {
 public:
  // clients: makes the client of one identity. clock and quarantine must outlive this; quarantine may be null.
  Controllers(const ClientFactory& clients, const Clock& clock, const ControllerOptions& options,
              const AlarmFactory& alarms = loop_alarms(), Quarantine* quarantine = nullptr);

  void start();
  void look_again();  // see Driver
  void print_metrics(MetricText& out) const;
  bool idle() const;  // nothing ready and nothing under way; keys that wait for a time do not count

 private:
  std::vector<std::unique_ptr<Driver>> drivers_;
};

}  // namespace bramble
