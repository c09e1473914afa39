#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "core/strong.hpp"

namespace harbinger {

/// The operator's name of a head node, unique in the cluster: 1 to 64 of [A-Za-z0-9._-].
using node_id = strong<struct node_id_tag, std::string>;
/// One life of a node process: grows at every start. An older incarnation never comes back.
using incarnation = strong<struct incarnation_tag, uint64_t>;
/// volume number << 32 | index of the partition in the volume. Text form: "volume.index".
using partition_id = strong<struct partition_id_tag, uint64_t>;
/// Grows by one at each change of a partition's primary. 0 means "none yet".
using epoch = strong<struct epoch_tag, uint64_t>;
/// Grows by one at each committed write batch of a partition. 0 means "nothing written".
using seq_no = strong<struct seq_no_tag, uint64_t>;
/// Grows by one at each change of a catalog row; what a compare-and-swap compares.
using revision = strong<struct revision_tag, uint64_t>;
/// The term of the central service that gave a command; grows at every start of the centre.
using term = strong<struct term_tag, uint64_t>;
/// Stable identity of a zone through its life.
using zone_id = strong<struct zone_id_tag, uint64_t>;
/// Identity of one attempt to copy a partition to a node; later attempts have larger ids.
using copy_id = strong<struct copy_id_tag, uint64_t>;

constexpr partition_id make_partition_id(uint32_t volume, uint32_t index) {
  return partition_id{uint64_t{volume} << 32 | index};
}
constexpr uint32_t volume_of(partition_id id) { return static_cast<uint32_t>(id.value >> 32); }
constexpr uint32_t index_of(partition_id id) { return static_cast<uint32_t>(id.value); }

/// "3.17" for volume 3, index 17.
std::string to_string(partition_id id);
/// The inverse of to_string; nothing for text that is not two decimal numbers joined by a point.
std::optional<partition_id> parse_partition_id(std::string_view text);
/// Whether `name` is a legal node id.
bool valid_node_id(std::string_view name);

inline std::ostream& operator<<(std::ostream& out, const node_id& id) { return out << id.value; }
inline std::ostream& operator<<(std::ostream& out, partition_id id) { return out << to_string(id); }
inline std::ostream& operator<<(std::ostream& out, epoch e) { return out << e.value; }
inline std::ostream& operator<<(std::ostream& out, seq_no s) { return out << s.value; }
inline std::ostream& operator<<(std::ostream& out, revision r) { return out << r.value; }
inline std::ostream& operator<<(std::ostream& out, zone_id z) { return out << z.value; }
inline std::ostream& operator<<(std::ostream& out, incarnation i) { return out << i.value; }
inline std::ostream& operator<<(std::ostream& out, term t) { return out << t.value; }
inline std::ostream& operator<<(std::ostream& out, copy_id c) { return out << c.value; }

} // namespace harbinger
