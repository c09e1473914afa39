#include "app/risk_book.hpp"

#include <algorithm>

namespace harbinger {

void risk_book::heard(nodes_at_risk news, time_point now) {
  if (!news.known || (news_.known && news.term < news_.term)) return;
  auto confirmed_at = now - milliseconds(news.age_ms);
  if (news_.known && news.term == news_.term && confirmed_at < confirmed_at_) return;
  confirmed_at_ = confirmed_at;
  news_ = std::move(news);
}

bool risk_book::at_risk(const node_id& node, time_point now) const {
  if (!news_.known || now >= confirmed_at_ + valid_for) return false;
  return std::find(news_.nodes.begin(), news_.nodes.end(), node) != news_.nodes.end();
}

} // namespace harbinger
