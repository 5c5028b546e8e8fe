// ServicePools: which cluster addresses and node ports are taken. Not stored: they are learnt from the Services that exist
// and follow each committed change, so nothing can leak. What a write in progress reserves is held by a Hold and let go
// with it; a Hold may outlive the pools. What a Service needs is decided by core/resources/service_allocation.h. IPv4. Owner's loop thread.
// Texts: k8s.io/kubernetes/pkg/registry/core/service (ipallocator, portallocator).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/json/builder.h"
#include "core/resources/field_error.h"

namespace bramble {

struct AllocationNeed;

class ServicePools {
 private:
  using PortKey = std::pair<std::string, int>;  // protocol, port
  struct Taken {                                // with the number of holders
    std::map<uint32_t, int> ips;
    std::map<PortKey, int> ports;
  };

 public:
  // cidr must be an IPv4 network of /8 to /30: checked by core/app when it reads its flags.
  ServicePools(std::string_view cidr, std::string_view dns_address, int port_first, int port_last, Random& random);

  // Reservations of one write; released when dropped (a committed object is counted by note()).
  class Hold {
   public:
    explicit Hold(ServicePools& owner) : taken_(owner.taken_) {}
    Hold(Hold&& o) noexcept = default;
    ~Hold();

   private:
    friend class ServicePools;
    std::shared_ptr<Taken> taken_;
    std::vector<uint32_t> ips_;
    std::vector<PortKey> ports_;
  };

  // Gives a new or changed Service what it lacks. `old` is absent on create. What was asked for and cannot be given becomes
  // an error of its field; a full range is an Error.
  Status assign(Mut service, Value old, Hold& hold, FieldErrors& errors);

  // A committed change of a Service.
  void note(Value before, Value after);

 private:
  Status give_address(Mut service, const AllocationNeed& need, Hold& hold, FieldErrors& errors);
  Status give_port(Mut service, const AllocationNeed& need, Hold& hold, FieldErrors& errors);
  uint32_t free_address() const;
  uint32_t free_address_in(uint32_t first, uint32_t count) const;
  int free_port(const std::string& protocol, int preferred) const;  // 0: none
  void count(Value service, int by);

  uint32_t base_ = 0, size_ = 0;  // network address; number of addresses
  uint32_t dns_ = 0;
  int port_first_, port_last_;
  Random& random_;
  std::shared_ptr<Taken> taken_ = std::make_shared<Taken>();
};

}  // namespace bramble
