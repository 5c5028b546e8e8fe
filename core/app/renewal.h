// CertificateRenewal: while the server runs, leaf certificates are issued again when two thirds of their life are over, and
// handed to who serves with them. No polling: a WallAlarm, which also tells when somebody sets the clock. Owner's loop thread;
// files are read and written in offload().
#pragma once

#include <functional>
#include <string>

#include "core/app/credentials.h"
#include "core/loop/task.h"
#include "core/loop/wall_alarm.h"

namespace bramble {

class CertificateRenewal {
 public:
  using Load = std::function<Result<Credentials>()>;        // blocking, any thread; issues what is due
  using Use = std::function<Status(const Credentials&)>;  // on the loop; called when a leaf is another than before
  // now: what is in use. clock must outlive it.
  CertificateRenewal(const Credentials& now, const Clock& clock, Load load, Use use);
  // What the alarm does. A failure is logged and tried again.
  Task<void> look();

 private:
  void arm(int64_t renew_at_s);
  void begin();

  const Clock& clock_;
  Load load_;
  Use use_;
  std::string in_use_;  // the leaves
  WallAlarm alarm_;
  TaskGroup tasks_;
};

}  // namespace bramble
