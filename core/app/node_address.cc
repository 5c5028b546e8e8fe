#include "core/app/node_address.h"

#include "cni/netlink/rtnetlink.h"
#include "core/app/host_facts.h"
#include "core/base/log.h"

namespace bramble {

Status wait_for_address() {
  TRY_ASSIGN(AddressEvents events, AddressEvents::open());
  for (bool told = false;; events.wait(), events.changed()) {
    auto address = host_address();
    if (address.ok() || address.error().code() != Code::kNotFound) return address.ok() ? ok() : Status(address.error());
    if (!told) log_warning(address.error().message(), "; waiting for one");
    told = true;
  }
}

// Another address of the machine does not take the node's place merely because the default route is away for a while.
static bool still_good(const std::string& address) {
  auto rt = Rtnetlink::open();
  if (!rt.ok()) return false;
  auto route = rt->default_route();
  auto present = rt->addresses();
  if (!route.ok() || *route || !present.ok()) return false;
  for (const auto& [index, prefix] : *present)
    if (prefix.address_text() == address) return true;
  return false;
}

Result<std::unique_ptr<AddressWatch>> AddressWatch::start(std::string present, std::function<void(const std::string&)> changed, int64_t settle_ms) {
  TRY_ASSIGN(AddressEvents events, AddressEvents::open());
  return std::unique_ptr<AddressWatch>(new AddressWatch(std::move(events), std::move(present), std::move(changed), settle_ms));
}

AddressWatch::AddressWatch(AddressEvents events, std::string present, std::function<void(const std::string&)> changed, int64_t settle_ms)
    : events_(std::move(events)), present_(std::move(present)), changed_(std::move(changed)), settle_ms_(settle_ms), timer_([this] { look(); }),
      watch_(events_.fd(), FdWatch::kReadable, [this](int) {
        if (events_.changed()) timer_.arm_ms(settle_ms_);
      }) {
  timer_.arm_ms(0);  // what changed before this
}

void AddressWatch::look() {
  auto address = host_address();
  if (!address.ok() || *address == present_ || still_good(present_)) return;
  present_ = *address;
  auto call = changed_;  // may destroy this
  call(*address);
}

}  // namespace bramble
