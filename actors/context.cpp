#include "actors/context.hpp"

#include <mutex>

namespace harbinger {

void directory::set(const std::string& name, caf::actor handle) {
  std::unique_lock guard(mutex_);
  actors_[name] = std::move(handle);
}

void directory::erase(const std::string& name, const caf::actor& handle) {
  std::unique_lock guard(mutex_);
  if (auto it = actors_.find(name); it != actors_.end() && it->second == handle) actors_.erase(it);
}

caf::actor directory::find(const std::string& name) const {
  std::shared_lock guard(mutex_);
  auto it = actors_.find(name);
  return it == actors_.end() ? caf::actor{} : it->second;
}

std::map<std::string, caf::actor> directory::all() const {
  std::shared_lock guard(mutex_);
  return actors_;
}

prometheus::Counter& counter(const context_ptr& ctx, const std::string& name,
                             const std::string& help,
                             const std::map<std::string, std::string>& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*ctx->metrics).Add(labels);
}

prometheus::Gauge& gauge(const context_ptr& ctx, const std::string& name, const std::string& help,
                         const std::map<std::string, std::string>& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*ctx->metrics).Add(labels);
}

} // namespace harbinger
