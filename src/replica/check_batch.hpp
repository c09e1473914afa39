#pragma once

/// What a client's batch must look like before it is given a sequence number.

#include "core/result.hpp"
#include "messages/records.hpp"

namespace harbinger::replication {

/// invalid_argument: no operations, an empty or reserved key, a value where none belongs, an empty
/// range, a request number without a client or the other way round; oversize: over one of the
/// limits in messages/records.hpp.
result<void> check_batch(const write_batch& batch);

} // namespace harbinger::replication
