#include "replica/copy_reads.hpp"

#include <cmath>

namespace harbinger {

result<void> readable_copy(const partition_head& head, const std::optional<copy_currency>& currency,
                           version at_least, uint32_t max_lag_ms) {
  bool complete = head.state == replica_state::following || head.state == replica_state::detached;
  if (head.role != replica_role::copy || !complete)
    return fail(errc::unavailable, "is " + std::string(name_of(head.role)) + ", "
                                       + std::string(name_of(head.state)) + ", no complete copy");
  if (head.committed < head.version.seq)
    return fail(errc::unavailable, "holds what is not known to be committed");
  if (head.version < at_least)
    return fail(errc::gap,
                "is at " + to_string(head.version) + ", not yet at " + to_string(at_least));
  if (max_lag_ms == 0) return {};
  if (!currency || !currency->following)
    return fail(errc::gap, "follows nobody: how old it is can not be told");
  if (currency->lag_ms > max_lag_ms)
    return fail(errc::gap, "may be " + std::to_string(std::llround(currency->lag_ms)) + " ms old");
  return {};
}

} // namespace harbinger
