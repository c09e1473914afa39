#include "predict/dealing.hpp"

namespace harbinger::predict {
namespace {
std::string attribute_of(const history_node& node, const std::string& name,
                         const std::string& otherwise) {
  if (name.empty()) return otherwise;
  auto it = node.attributes.find(name);
  return it == node.attributes.end() ? otherwise : it->second;
}
} // namespace

dealing deal(const history& from, const examples& rows, const std::string& machine,
             const std::string& group) {
  dealing out;
  for (const auto& n : from.nodes) {
    out.machine.push_back(attribute_of(n, machine, n.id.value));
    out.group.push_back(attribute_of(n, group, n.fleet));
  }
  for (size_t i = 0; i < rows.size(); ++i)
    out.rows.push_back({out.machine[rows.node[i]], out.group[rows.node[i]], rows.time_ms[i]});
  return out;
}

} // namespace harbinger::predict
